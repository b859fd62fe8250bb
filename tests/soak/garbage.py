"""A port that answers every connection with something else than what was asked for: random bytes, half of a
greeting, nothing at all, an endless stream, a reset. And a client that says such things to a port."""
import random
import socket
import struct
import threading

HALF_ANSWERS = [b"HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\n{", b"+PONG\r\n*3\r\n$6\r\nmas", b"-LOADING\r\n",
                b"E\x00\x00\x00\x20SFATAL\x00C57P03\x00Mno\x00\x00", b"R\x00\x00\x00\x08\x00\x00\x00\x00", b"N",
                b"*1024\r\n" * 500, b"\x16\x03\x01\x00\xa5\x01"]


def _reset(connection):
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


class GarbageServer:
    def __init__(self, port, seed=1):
        self.port, self.answered = port, 0
        self._random = random.Random(seed)
        self._stop = threading.Event()
        self._socket = socket.create_server(("127.0.0.1", port), backlog=64)
        self._socket.settimeout(0.5)
        self._held = []
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        while not self._stop.is_set():
            try:
                connection, _ = self._socket.accept()
            except OSError:
                continue
            self.answered += 1
            try:
                self._answer(connection)
            except OSError:
                connection.close()

    def _answer(self, connection):
        connection.settimeout(0.2)
        what = self._random.randrange(6)
        if what == 0:
            connection.send(self._random.randbytes(self._random.randrange(1, 5000)))
        elif what == 1:
            connection.send(self._random.choice(HALF_ANSWERS))
        elif what == 2:
            _reset(connection)
        elif what in (3, 4):  # says nothing, or half of it, and holds the connection
            if what == 4:
                connection.send(self._random.choice(HALF_ANSWERS))
            self._held = (self._held + [connection])[-8:]
            return
        else:
            connection.send(self._random.choice(HALF_ANSWERS) * 200)
        connection.close()

    def stop(self):
        self._stop.set()
        self._thread.join(5)
        self._socket.close()
        for connection in self._held:
            connection.close()


def send_garbage(port, chance):
    """One client that does not speak HTTP, or stops in the middle of it."""
    heads = [b"GET /health HTTP/1.1\r\nHost: x\r\n", b"POST /v1/switch HTTP/1.1\r\nContent-Length: 99\r\n\r\n{",
             b"\x16\x03\x01\x00\xa5\x01\x00", b"GET / HTTP/1.1\r\nX: " + b"a" * 9000, chance.randbytes(400)]
    try:
        with socket.create_connection(("127.0.0.1", port), 2) as connection:
            connection.settimeout(0.2)
            connection.send(chance.choice(heads))
            if chance.random() < 0.3:
                _reset(connection)
            elif chance.random() < 0.5:
                connection.recv(100)
    except OSError:
        pass
