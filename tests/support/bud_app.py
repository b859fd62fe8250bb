#!/usr/bin/python3
"""BUD's application as far as the guide's ladders need it: it holds real memory, and gives it back when it is asked
to collect its garbage, or not. `bud_app.py PORT FOLDER`.

FOLDER/hold: how many MiB to hold, looked at ten times a second. FOLDER/gc: there while /admin/gc gives all back.
FOLDER/asked: a line for each request to /admin/gc, "let in" or "not let in".
"""
import http.server
import os
import sys
import threading
import time

PORT, FOLDER = int(sys.argv[1]), sys.argv[2]
TOKEN = "Bearer admin-secret"


def path(name):
    return os.path.join(FOLDER, name)


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):   # pylint: disable=invalid-name
        status = 200
        if self.path == "/admin/gc":
            let_in = self.headers.get("Authorization") == TOKEN
            status = 200 if let_in else 401
            if let_in and os.path.exists(path("gc")):
                with open(path("hold"), "w", encoding="ascii") as file:
                    file.write("0")
            with open(path("asked"), "a", encoding="ascii") as file:
                file.write("let in\n" if let_in else "not let in\n")
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()
    do_POST = do_GET   # pylint: disable=invalid-name

    def log_message(self, *_):   # pylint: disable=arguments-differ
        pass


def hold():
    held = b""
    while True:
        with open(path("hold"), encoding="ascii") as file:
            wanted = int(file.read() or 0) << 20
        if wanted != len(held):
            held = b""   # given back before it is taken anew
            held = b"x" * wanted
        time.sleep(0.1)


threading.Thread(target=hold, daemon=True).start()
http.server.ThreadingHTTPServer(("127.0.0.1", PORT), Handler).serve_forever()
