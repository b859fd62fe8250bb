"""A client that writes through the pooler, as an application does, and notes each attempt.

It sets no timeout of its own, because a timeout in the client would hide a server that leaves clients
hanging. An attempt that has had no answer for `limit` seconds is noted as hung, which counts against
the product, and only then abandoned so that the run can go on. One thread and one connection each.
"""
import dataclasses
import select
import threading
import time

import psycopg2
from psycopg2 import extensions


@dataclasses.dataclass
class Attempt:
    number: int
    start: float        # time.monotonic()
    end: float
    ok: bool
    hung: bool
    port: int           # of the server that took the row; 0 when none did
    text: str           # the error


class Hung(Exception):
    pass


class Writer:
    def __init__(self, port, rate=50.0, database="bud", client=1, limit=20.0, user="app",
                 password="app-secret", host="127.0.0.1"):
        self._address = {"host": host, "port": port, "dbname": database, "user": user,
                         "password": password}
        self._pause, self._limit, self.client = 1.0 / rate, limit, client
        self.attempts = []
        self._stop = threading.Event()
        self._connection = None
        self._open_since = None         # of the attempt in flight
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self):
        if not self._thread.is_alive():
            self._thread.start()
        return self

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        self._stop.set()
        self._thread.join(self._limit + 5)
        self._disconnect()

    def _run(self):
        number, due = 0, time.monotonic()
        while not self._stop.is_set():
            number += 1
            self.attempts.append(self._attempt(number))
            due = max(due + self._pause, time.monotonic())
            self._stop.wait(max(0.0, due - time.monotonic()))

    def _attempt(self, number):
        start = time.monotonic()
        self._open_since = start
        port, text, hung = 0, "", False
        try:
            if self._connection is None:
                self._connection = psycopg2.connect(async_=True, **self._address)
                self._finish(start)
            cursor = self._connection.cursor()
            cursor.execute("insert into writes(client, number) values (%s, %s) "
                           "returning inet_server_port()", (self.client, number))
            self._finish(start)
            port = cursor.fetchone()[0]
        except Hung:
            hung, text = True, f"no answer for {self._limit} s"
            self._disconnect()
        except psycopg2.Error as trouble:
            text = str(trouble).strip().splitlines()[0] if str(trouble).strip() else repr(trouble)
            self._disconnect()
        self._open_since = None
        return Attempt(number, start, time.monotonic(), port != 0, hung, port, text)

    def _finish(self, start):
        connection = self._connection
        while True:
            state = connection.poll()
            if state == extensions.POLL_OK:
                return
            left = start + self._limit - time.monotonic()
            # A stop does not wait for a hung attempt longer than a moment: it is noted as hung too.
            if left <= 0 or (self._stop.is_set() and time.monotonic() - start > 3):
                raise Hung
            reads = [connection] if state == extensions.POLL_READ else []
            writes = [connection] if state == extensions.POLL_WRITE else []
            select.select(reads, writes, [], min(left, 0.5))

    def _disconnect(self):
        if self._connection is not None:
            self._connection.close()
        self._connection = None

    # What the run showed. All times are of time.monotonic().

    def good(self, since=0.0):
        return [one for one in list(self.attempts) if one.ok and one.end >= since]

    def failed(self, since=0.0):
        return [one for one in list(self.attempts) if not one.ok and one.end >= since]

    def hung(self):
        return [one for one in list(self.attempts) if one.hung]

    def waiting_for(self):
        """How long the attempt in flight has been waiting, in seconds."""
        since = self._open_since
        return 0.0 if since is None else time.monotonic() - since

    def first_good_after(self, when, port=None):
        """The first answer after `when` (from the server on `port`), or None."""
        return next((one for one in list(self.attempts)
                     if one.ok and one.end > when and port in (None, one.port)), None)

    def longest_gap(self, since=0.0):
        """The longest time between two good answers, with its begin: (seconds, begin)."""
        ends = [one.end for one in self.good(since)]
        gaps = [(after - before, before) for before, after in zip(ends, ends[1:])]
        return max(gaps, default=(0.0, 0.0))

    def missing(self, server):
        """Numbers that were acknowledged and that `server` does not have."""
        rows = server.sql(f"select number from writes where client = {self.client}", "bud")
        kept = {row[0] for row in rows}
        return [one.number for one in self.good() if one.number not in kept]
