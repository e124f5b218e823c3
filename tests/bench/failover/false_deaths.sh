# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# How often a node that lives is declared dead at 10 ms × 3 under full load: of
# six nodes two lose nothing, two lose 0.1 % of the packets of their agent's
# connection in each direction, two 1 %. Sourced by ../failover.sh.

# lossy NODE PER_THOUSAND: where they arrive; what is dropped on its way out is
# known to its sender
lossy() {
	lab_exec "$1" nft -f - <<-NFT
		table ip loss {
			chain in {
				type filter hook input priority 0;
				tcp sport 7460 numgen random mod 1000 < $2 drop
			}
		}
	NFT
	lab_exec gateway nft -f - <<-NFT
		table ip loss {
			chain in {
				type filter hook input priority 0;
				ip saddr $(lab_addr "$1") tcp dport 7460 numgen random mod 1000 < $2 drop
			}
		}
	NFT
}

# lost NODE…: how often one of them was, as the history knows
lost() {
	lab_ctl -j history | jq --args '[.events[]
		| select(.kind == "lost"
			and ([.node] | inside($ARGS.positional)))] | length' "$@"
}

figures_of() {
	local name=$1
	shift
	echo "false_deaths_$name $(lost "$@") count"
}

# false_deaths_under_load SECONDS
false_deaths_under_load() {
	local node until
	lab_halod_start || give_up "halod does not start"
	for node in a b c d e f; do
		lab_agent_start "$node"
	done
	for node in a b c d e f; do
		lab_wait 10 node_is "$node" 'active|reserve' ||
			give_up "$node does not join"
	done
	lossy c 1
	lossy d 1
	lossy e 10
	lossy f 10
	until=$((SECONDS + $1))
	load_start --subscribers "$IDLE_FEW" --probes "$NEWCOMERS"
	load_say probe on
	while [ "$SECONDS" -lt "$until" ]; do
		lab_exec client "$HALO_TOOLS/tests/bench/http_load" --to "$VIP" \
			--seconds 10 >&2
	done
	figures_of no_loss a b
	figures_of loss_0_1_percent c d
	figures_of loss_1_percent e f
	echo "false_deaths_seconds $1 s"
}
