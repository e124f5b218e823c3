# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The table as everybody has it who has one: halod, its store, the kernel (the
# nft plane) and the agents; each as lines `ROUTE NODE TAG`, asked of it alone.
# When nothing is under way they are the same. Sourced after lib.sh.

readonly DB=$LAB_DIR/halod.db

halod_table() {
	jq -rn --argjson nodes "$(lab_ctl -j node list)" \
		--argjson table "$(lab_ctl -j route list)" '
		($nodes.nodes | map({(.name): .tag}) | add) as $tag |
		$table.routes[] | range(.first; .last + 1) as $r |
		"\($r) \(.node // "-") \($tag[.node // ""] // 0)"' | sort -n
}

# Each door's seat, each seat's mark and comment. 24 lines, if all doors of each
# route agree; "doors N" comes first.
kernel_table() {
	lab_exec gateway nft list table inet halod 2>/dev/null | awk '
		/^\tmap doors[46]/ { map = 1 }
		/^\tchain / { chain = $2; map = 0 }
		map && /jump seat_/ {
			for (i = 1; i <= NF; i++)
				if ($i == ":") {
					seat = $(i + 2)
					sub(/,$/, "", seat)
					door[$(i - 1) % 1000 " " seat]++
					doors++
				}
		}
		/ct mark set/ && chain ~ /^seat_/ {
			for (i = 1; i <= NF; i++)
				if ($i == "|")
					mark = $(i + 1)
			name = $NF
			gsub(/"/, "", name)
			node[chain] = name " " tag(mark)
		}
		function tag(hex, i, n) {
			n = 0
			for (i = 3; i <= 6; i++)
				n = n * 16 + index("0123456789abcdef",
					substr(hex, i, 1)) - 1
			return n
		}
		END {
			print "doors", doors + 0
			for (d in door) {
				split(d, part, " ")
				print part[1], node[part[2]]
			}
		}' | sort -k1,1n -k2 -u
}
kernel_version() {
	lab_exec gateway nft list set inet halod version 2>/dev/null |
		sed -nE 's/.*0x([0-9a-f]{8}) \. 0x([0-9a-f]{8}).*/\1\2/p' |
		{ read -r hex && echo $((16#$hex)); }
}
kernel_holds() {
	lab_exec gateway nft list table inet halod |
		awk '/^\tset (hold[46]|unowned) / { set = $2 }
			/^\t}/ { set = "" }
			set && /elements/ { print set; exit 1 }' >/dev/null
}

# What the rule makes of the slots alone: T(24, n), n the slots that are taken.
store_table() {
	local slots n
	slots=$(sqlite3 -readonly "$DB" "SELECT slot, name, tag FROM nodes
		WHERE slot > 0 ORDER BY slot" | tr '|' ' ') || return
	n=$(grep -c . <<<"$slots")
	"$HALO_BUILD/haloctl" -j simulate --routes 24 \
		< <(seq -f 'join n%.0f' "$n") |
		jq -r '.owner[]' | awk -v slots="$slots" '
		BEGIN {
			n = split(slots, line, "\n")
			for (i = 1; i <= n; i++) {
				split(line[i], f, " ")
				node[f[1]] = f[2] " " f[3]
			}
		}
		{ print NR, ($1 in node) ? node[$1] : "- 0" }'
}
store_version() { sqlite3 -readonly "$DB" "SELECT version FROM meta"; }
store_moves() {
	[ "$(sqlite3 -readonly "$DB" "SELECT count(*) FROM moving")" -ne 0 ]
}

# The routes of the last ASSIGNED of each agent, without tags.
agents_table() {
	local node
	for node in "$@"; do
		grep -a ' assigned ' "$LAB_DIR/agent-$node.log" | tail -n 1 |
			sed -nE 's/.* routes=([-0-9,]*).*/\1/p' | tr ',' '\n' |
			awk -F- -v node="$node" '/[0-9]/ {
				for (r = $1; r <= $NF; r++) print r, node }'
	done | sort -n
}

# same WHAT HAS SHOULD: says where they differ
same() {
	[ "$2" != "$3" ] || return 0
	echo "  audit: $1 has $(diff <(echo "$2") <(echo "$3") | grep '^[<>]' |
		head -n 8 | tr '\n' ';')"
	return 1
}

# audit NODE…: agents to be asked. All tables are the same.
audit() {
	local table version bad=0
	table=$(halod_table) version=$(version)
	same kernel "$(kernel_table)" "doors 96"$'\n'"$table" || bad=1
	same "kernel's version" "$(kernel_version)" "$version" || bad=1
	same store "$(store_table)" "$table" || bad=1
	same "store's version" "$(store_version)" "$version" || bad=1
	same agents "$(agents_table "$@")" "$(cut -d' ' -f1-2 <<<"$table")" ||
		bad=1
	kernel_holds || { echo "  audit: kernel holds"; bad=1; }
	! store_moves || { echo "  audit: store is moving"; bad=1; }
	return "$bad"
}
