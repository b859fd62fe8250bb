"""Another end of HTTP, in this process: it keeps what it was sent and answers as it is told."""
import http.server
import json
import threading

from place import free_port


class Receiver:
    """POST and GET to any path. `answer(path)` gives the status; None: no answer, ever."""

    def __init__(self, place, answer=lambda path: 200):
        self.place, self.sent, self.requests = place, [], []   # bodies; (method, path, headers)
        self._closed = threading.Event()
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):   # pylint: disable=invalid-name
                receiver.requests.append((self.command, self.path, dict(self.headers)))
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                if body:
                    receiver.sent.append(json.loads(body))
                status = answer(self.path)
                if status is None:
                    receiver._closed.wait()   # pylint: disable=protected-access
                    return
                self.send_response(status)
                self.end_headers()
            do_GET = do_POST

            def log_message(self, *_):   # pylint: disable=arguments-differ
                pass
        self.port = free_port()
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        place.at_end(self.close)

    def close(self):
        self._closed.set()
        self.server.shutdown()
        self.server.server_close()

    def url(self, path="/"):
        return f"http://127.0.0.1:{self.port}{path}"
