#!/usr/bin/python3
"""A thousand incidents, open and closed: does memory stay flat, and how long does `pointsman incidents` take?

A thousand tcp probes, each of an address of its own, since probes of one server are one incident; a service
over each. Half of them look at a port where nobody listens: so many incidents stay open. The other half look
at a listener that comes and goes: so many are opened and closed with each turn, while the daemon keeps a
thousand in memory.

    tests/bench/incidents_thousand.py [--turns 4]

Bounds (issue 4): 50 ms for `pointsman incidents`, and 2 MiB for what memory grows by once the book is
full. Exit 1 if missed. The journal's rows and a start with all of them are printed.
"""
import argparse
import os
import socket
import sqlite3
import statistics
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))

from daemon import Daemon                        # noqa: E402
from measure import memory_kib                   # noqa: E402
from place import Place, exit_on_signals, free_port  # noqa: E402
from process import wait_for                     # noqa: E402

HALF = 500
ASKED = 20      # times each command is measured
BOUND_MS, BOUND_MIB = 50.0, 2.0
# Seconds between two turns: what changes more than five times in twenty samples is held as flapping.
CALM = 14
FULL_AFTER = 2  # turns: the book is full, and what the first ones left to the allocator is in use


class Listener:
    """Takes connections and closes them, while it is on."""

    def __init__(self, port):
        self.port, self.socket = port, None

    def on(self):
        self.socket = socket.create_server(("0.0.0.0", self.port), backlog=1024)
        threading.Thread(target=self._serve, args=(self.socket,), daemon=True).start()

    def off(self):
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()

    @staticmethod
    def _serve(listening):
        while True:
            try:
                listening.accept()[0].close()
            except OSError:
                return


def config_of(closed, listened):
    probes = {f"{half}-{i}": {"type": "tcp", "address": f"127.1.{i // 250}.{i % 250 + 1}:{port}"}
              for half, port in (("down", closed), ("comes", listened)) for i in range(HALF)}
    return {"defaults": {"interval": "2s", "fast_interval": "1s", "timeout": "1s", "rise": 1, "fall": 1},
            "probes": probes,
            "services": {f"of-{name}": {"members": [name], "critical": False} for name in probes}}


def open_incidents(daemon):
    return daemon.get("/v1/incidents?limit=1", timeout=30)[1]["open"]


def wait_open(daemon, count):
    wait_for(lambda: open_incidents(daemon) == count, 120, 0.2, f"{count} incidents are open")


def anonymous_mib(daemon):
    time.sleep(CALM)
    return memory_kib(daemon.process.pid)["Anonymous"] / 1024


def command_ms(daemon, *words):
    """(median, most) of one command of the command line, and how long its answer is."""
    took, size = [], 0
    for _ in range(ASKED):
        begun = time.monotonic()
        done = subprocess.run([daemon.binary, *words], check=False, capture_output=True, cwd="/",
                              env={**os.environ, "POINTSMAN_CONTROL": daemon.control})
        assert done.returncode == 0, done.stderr.decode()
        took.append((time.monotonic() - begun) * 1000)
        size = len(done.stdout)
    return statistics.median(took), max(took), size


def kept_rows(daemon):
    with sqlite3.connect(f"file:{daemon.state_dir}/journal.db?mode=ro", uri=True) as journal:
        return journal.execute("SELECT count(*), sum(length(document)) FROM kept WHERE kind='incident'"
                               ).fetchone()


def run(place, turns):
    listener = Listener(free_port())
    listener.on()
    daemon = Daemon(place, config_of(free_port(), listener.port))
    wait_open(daemon, HALF)
    print(f"{2 * HALF} probes, {HALF} incidents open: {anonymous_mib(daemon):.2f} MiB anonymous")
    memory = []
    for turn in range(turns):
        listener.off()
        wait_open(daemon, 2 * HALF)
        listener.on()
        wait_open(daemon, HALF)
        memory.append(anonymous_mib(daemon))
        known = daemon.get("/v1/incidents?limit=1", timeout=30)[1]["total"]
        print(f"  turn {turn + 1}: {known} known, {memory[-1]:.2f} MiB anonymous", flush=True)
    grown = max(memory[FULL_AFTER:]) - memory[FULL_AFTER - 1]
    met = grown <= BOUND_MIB
    print(f"grown by {grown:.2f} MiB since turn {FULL_AFTER}   bound {BOUND_MIB}{'' if met else '   MISSED'}")

    newest = str(daemon.get("/v1/incidents?limit=1000", timeout=30)[1]["incidents"][0]["id"])
    for words in (["version"], ["incidents"], ["incidents", "--limit", "1000"], ["incidents", newest]):
        median, most, size = command_ms(daemon, *words)
        bounded = words == ["incidents"]
        missed = bounded and median > BOUND_MS
        met = met and not missed
        print(f"  pointsman {' '.join(words):<24} median {median:6.1f} ms   most {most:6.1f} ms   "
              f"{size / 1024:7.1f} KiB" + (f"   bound {BOUND_MS:.0f} ms" if bounded else "")
              + ("   MISSED" if missed else ""))

    daemon.stop()
    rows, size = kept_rows(daemon)
    print(f"in the journal: {rows} incidents, {size / rows / 1024:.1f} KiB each")
    begun = time.monotonic()
    daemon.start()
    took = time.monotonic() - begun
    found = daemon.get("/v1/incidents?limit=1", timeout=30)[1]
    print(f"a start answers after {took:.2f} s with {found['open']} open and {found['total']} known")
    return met


def main():
    exit_on_signals()
    options = argparse.ArgumentParser(description=__doc__,
                                      formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--turns", type=int, default=4, choices=range(FULL_AFTER + 1, 100),
                         metavar="N")
    with Place("bench") as place:
        return 0 if run(place, options.parse_args().turns) else 1


if __name__ == "__main__":
    sys.exit(main())
