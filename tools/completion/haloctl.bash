# SPDX-License-Identifier: GPL-2.0-or-later
# bash completion for haloctl(8); names of nodes come from the daemon.

_haloctl_names() {
	haloctl "${socket[@]}" -j node list 2>/dev/null |
		grep -oE '"name":"[^"]*"' | cut -d'"' -f4
}

_haloctl() {
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]}
	local -A verbs=(
		[node]='list show drain replace undrain fail rm'
		[route]='list show why'
		[service]='list'
		[cluster]='freeze thaw'
		[table]='dump load'
		[key]='new list rm'
		[config]='check reload'
	)
	local -A options=(
		[node_drain]='--wait --deadline --dry-run'
		[node_replace]='--dry-run'
		[route_list]='--node --each'
		[monitor]='--since --retry'
		[history]='--node --since'
		[simulate]='--routes --live --reserve --script --each'
		[table_load]='--move --dry-run'
		[key_new]='--keys --config'
		[key_list]='--keys --config'
		[key_rm]='--keys --config'
		[stats]='--all'
		[report]='--config'
		[shutdown]='--flush'
	)
	local objects='status doctor node route service cluster table monitor history'
	local words=() socket=() i reply=''

	objects+=' simulate trace key config stats report shutdown help'
	for ((i = 1; i < COMP_CWORD; i++)); do
		case ${COMP_WORDS[i]} in
		-s | --socket) socket=(-s "${COMP_WORDS[++i]}") ;;
		-*) ;;
		*) words+=("${COMP_WORDS[i]}") ;;
		esac
	done

	case $prev in
	-s | --socket | --script | --config)
		mapfile -t COMPREPLY < <(compgen -f -- "$cur")
		return
		;;
	--keys)
		mapfile -t COMPREPLY < <(compgen -d -- "$cur")
		return
		;;
	--node) reply=$(_haloctl_names) ;;
	*)
		case ${#words[@]},${words[0]-},${words[1]-} in
		0,*) reply="$objects --json --socket --version --help" ;;
		1,*) reply="${verbs[${words[0]}]-} ${options[${words[0]}]-}" ;;
		2,node,list) ;;
		2,node,* | 3,node,replace) reply=$(_haloctl_names) ;;
		2,config,check | 2,table,load)
			if [[ $cur != -* ]]; then
				mapfile -t COMPREPLY < <(compgen -f -- "$cur")
				return
			fi
			;;
		esac
		if [[ $cur == -* && ${#words[@]} -ge 2 ]]; then
			reply="${options[${words[0]}_${words[1]}]-}"
			reply+=" ${options[${words[0]}]-}"
		fi
		;;
	esac
	mapfile -t COMPREPLY < <(compgen -W "$reply" -- "$cur")
}

complete -F _haloctl haloctl
