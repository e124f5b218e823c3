#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Makes nginx/nchan clients reconnect when their routes are about to move.
# Usage: reconnect.py SOCKET [APP-PORT]   (of route 1; without it: only print)
import http.client, json, socket, sys

def tell(route):
    if len(sys.argv) < 3:
        return print("would publish `reconnect` on route", route, flush=True)
    server = http.client.HTTPConnection(
        "127.0.0.1", int(sys.argv[2]) + route - 1, timeout=0.2)
    try:
        server.request("POST", "/pub", "reconnect",
                       {"X-EventSource-Event": "reconnect"})
        server.getresponse()
    except OSError as e:
        print("route", route, "was not told:", e, file=sys.stderr)

agent = socket.socket(socket.AF_UNIX)
agent.connect(sys.argv[1])
for line in agent.makefile():
    event = json.loads(line)
    if event["event"] == "moving":
        for first, last in event["routes"]:
            for route in range(first, last + 1):
                tell(route)
        agent.sendall(b'{"done":%d}\n' % event["id"])
