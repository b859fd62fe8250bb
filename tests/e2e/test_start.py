"""What a start does first, undoing what a killed daemon left half done, takes as long as it takes: systemd is told
READY, the watchdog is fed, and a SIGTERM in the middle of it forgets nothing."""
import os
import signal
import socket
import time

import pytest

from fault import die_at
from process import wait_for
from scene import Scene
from servers import PG_BIN
from test_drive import PROMOTE, TUNED, configure


class Notified:
    """The socket of systemd's notifications."""

    def __init__(self, place):
        self.path = place.path("notify.sock")
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(self.path)
        os.chmod(self.path, 0o777)
        self.socket.setblocking(False)
        self.said = []

    def __call__(self, text):
        try:
            while True:
                self.said.append(self.socket.recv(4096).decode())
        except BlockingIOError:
            pass
        return sum(text in one for one in self.said)


@pytest.fixture(name="half")
def scene_whose_undo_is_slow(place):
    """Killed in the middle of a planned switch, its old primary stopped; and started with systemd's socket."""
    scene = Scene(place, defaults=TUNED, start=False)
    slow = place.write("undo.slow", "")
    undemote = place.write("undemote.sh", f"""#!/bin/sh
test -e {slow} && sleep 12
exec {PG_BIN}/pg_ctl start -D {place.folder}/$POINTSMAN_OLD -w -l {place.folder}/undemoted.log
""", 0o755)
    scene.config["routes"]["bud"].update({
        "promote": PROMOTE, "hold_down": "200ms", "fence": {"exec": ["/bin/true"]},
        "demote": {"exec": [f"{PG_BIN}/pg_ctl", "stop", "-D", scene.primary.data, "-m", "fast", "-w"],
                   "timeout": "20s"},
        "undemote": {"exec": [undemote], "timeout": "25s"}})
    configure(scene)
    scene.start()
    scene.slow, scene.notified = slow, Notified(place)
    scene.daemon.env.update({"NOTIFY_SOCKET": scene.notified.path, "WATCHDOG_USEC": "3000000"})

    def ready():
        scene.daemon.wait_route("primary")
        scene.daemon.wait_probe("standby-1", "healthy")

    def ask():
        scene.daemon.command("switch", "bud", "--to", "standby-1", "--no-wait")
    die_at(scene.daemon, "switchover.fenced", ready, ask)
    return scene


def test_a_start_that_undoes_first_is_ready_alive_and_takes_no_commands(half):
    daemon, notified = half.daemon, half.notified
    wait_for(lambda: notified("READY=1") >= 2, 5, why="READY is said by the second life, too")
    fed = notified("WATCHDOG=1")
    begun = time.monotonic()
    while time.monotonic() - begun < 5:
        assert daemon.get("/livez")[0] == 200
        status, body = daemon.get("/health")
        assert status == 503 and body["reason"] == "starting", body
        time.sleep(0.2)
    assert notified("WATCHDOG=1") >= fed + 3
    refused = daemon.command("reload")
    assert refused.returncode == 1 and "still starting" in refused.stdout + refused.stderr
    # Asked for by a signal it is remembered.
    changed = daemon.complete(half.config)
    changed["probes"]["memory"] = {"type": "memory", "warn": "99%", "fail": "100%"}
    daemon.write(changed)
    daemon.process.tell(signal.SIGHUP)
    daemon.wait_route("primary", limit=40)
    wait_for(lambda: "memory" in daemon.status()["probes"], 10, why="SIGHUP was remembered")
    assert half.primary.writable()


def test_a_start_that_is_stopped_while_it_undoes_leaves_it_to_the_next(half):
    daemon = half.daemon
    time.sleep(2)
    daemon.stop()
    os.remove(half.slow)
    daemon.start()
    daemon.wait_route("primary", limit=40)
    assert half.primary.writable() and not half.standbys[0].writable()
