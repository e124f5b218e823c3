#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Makes nginx/nchan clients reconnect when their routes are about to move.
# Usage: halo-agent … --on-event 'reconnect.sh [APP-PORT]'
# (APP-PORT: of route 1; without it: only print). Its end is the answer `done`.
[ "$HALO_EVENT" = moving ] || exit 0

jq -r '.routes[] | range(.[0]; .[1] + 1)' | while read -r route; do
	if [ -z "$1" ]; then
		echo "would publish \`reconnect\` on route $route"
		continue
	fi
	curl -s -m 0.2 -o /dev/null -H 'X-EventSource-Event: reconnect' \
		-d reconnect "http://127.0.0.1:$(($1 + route - 1))/pub" ||
		echo "route $route was not told" >&2
done
