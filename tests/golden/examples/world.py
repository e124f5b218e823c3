# SPDX-License-Identifier: GPL-2.0-or-later
#
# world.py EXAMPLE MOVING-LINE [dry]: a server with doors for routes 1 to 4 and
# an agent that says MOVING-LINE; prints what both heard.
import http.server, os, socket, subprocess, sys, tempfile, threading

told = []

class Channel(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        told.append(self.headers["X-EventSource-Event"])
        self.send_response(202)
        self.end_headers()

    def log_message(self, *_):
        pass

def four_doors():
    """Servers on four ports in a row, that nobody else has."""
    for first in range(20000 + os.getpid() % 20000, 64000, 4):
        doors = []
        try:
            for i in range(4):
                doors.append(http.server.HTTPServer(
                    ("127.0.0.1", first + i), Channel))
            return first, doors
        except OSError:
            for door in doors:
                door.server_close()
    sys.exit("no four free ports in a row")

example, line, dry = sys.argv[1], sys.argv[2], len(sys.argv) > 3
first, doors = four_doors()
for door in doors:
    threading.Thread(target=door.serve_forever, daemon=True).start()
port = [] if dry else [str(first)]
if example.endswith(".sh"):
    subprocess.run([example, *port], input=line, text=True, check=True)
    print(*told)
    sys.exit()
with tempfile.TemporaryDirectory() as place:
    agent = socket.socket(socket.AF_UNIX)
    agent.bind(place + "/events")
    agent.listen()
    child = subprocess.Popen([example, place + "/events", *port])
    peer, _ = agent.accept()
    peer.sendall(b'{"event":"welcome"}\n' + line.encode() + b"\n")
    done = peer.makefile().readline().strip()
    peer.close()
    child.wait()
    print(*told, done)
