"""The daemon itself dies, at any moment, or its disk is full: routes end where they should lead."""
import os
import random
import subprocess
import time

import pytest

from process import wait_for
from scene import Scene


def retry_setting(pooler):
    return next(row["value"] for row in pooler.console("SHOW CONFIG")
                if row["key"] == "server_login_retry")


def test_killed_at_random_moments_of_a_switch_the_next_start_converges(place):
    """`any` of two standbys serves the route, so that each round can kill the one in use."""
    scene = Scene(place, standbys=2, start=False)
    scene.config["routes"] = {"bud": {"via": scene.via("bud"), "require": "any", "hold_down": "0s",
                                      "candidates": ["standby-1", "standby-2"]}}
    scene.pooler.write_targets({"bud": scene.standbys[0].line()})
    scene.pooler.console("RELOAD")
    daemon = scene.daemon
    daemon.write(daemon.complete(scene.config))
    daemon.start()
    daemon.wait_route("standby-1")
    normal_retry = retry_setting(scene.pooler)
    seed = random.randrange(1 << 30)
    print(f"seed {seed}")
    chance = random.Random(seed)
    for number in range(8):
        old, new = scene.standbys if number % 2 == 0 else reversed(scene.standbys)
        old.kill9_all()
        # Detection takes some 0.4 to 0.8 s here, and the switch itself some milliseconds after that.
        moment = chance.uniform(0.2, 1.2)
        time.sleep(moment)
        daemon.process.kill9()
        daemon.start()
        daemon.wait_route(new.name)
        row = next(row for row in scene.pooler.console("SHOW DATABASES") if row["name"] == "bud")
        assert int(row["paused"]) == 0, f"round {number}, killed after {moment:.3f} s"
        assert scene.pooler.sql("select host(inet_server_addr())") == [(new.host,)]
        wait_for(lambda: retry_setting(scene.pooler) == normal_retry, 15,
                 why=f"server_login_retry is put back, killed after {moment:.3f} s")
        old.start()
        daemon.wait_probe(old.name, "healthy")


@pytest.fixture
def small_disk(place):
    """A file system of 8 MiB, and a call that fills it to the last byte."""
    if os.geteuid() != 0:
        pytest.skip("mounting a small file system needs root")
    folder = place.make_folder("small")
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m,mode=0755", "small", folder], check=True)
    place.at_end(lambda: subprocess.run(["umount", "-l", folder], check=False))
    place.own(folder)

    def fill():
        with open(os.path.join(folder, "full"), "wb", buffering=0) as file:
            try:
                while True:
                    file.write(b"x" * 4096)
            except OSError:
                pass
        assert os.statvfs(folder).f_bavail == 0
    return folder, fill


def test_a_full_disk_does_not_stop_a_switch(place, small_disk):
    """The journal and the targets file lie on the disk that is full."""
    folder, fill = small_disk
    scene = Scene(place, start=False, state_dir=place.make_folder("small/state", mode=0o750))
    targets = os.path.join(place.make_folder("small/pgbouncer", mode=0o2775), "targets.ini")
    place.write("small/pgbouncer/targets.ini", f"bud = {scene.primary.line()}\n", 0o664)
    with open(scene.pooler.ini, encoding="utf-8") as file:
        text = file.read().replace(scene.pooler.file, targets)
    place.write("pgbouncer.ini", text)
    scene.pooler.stop()
    scene.pooler.file = targets
    scene.pooler.start()
    scene.config["routes"]["bud"]["via"]["pgbouncer"]["file"] = targets
    scene.daemon.write(scene.daemon.complete(scene.config))
    scene.start()
    writer = scene.add_writer()
    fill()
    scene.primary.kill9_all()
    time.sleep(1)
    scene.standbys[0].promote()
    promoted = time.monotonic()
    first = wait_for(lambda: writer.first_good_after(promoted, scene.standbys[0].port), 25,
                     why="writes came back:\n" + scene.daemon.log())
    assert first.end - promoted < 4
    scene.daemon.wait_route("standby-1")
    assert f"port={scene.standbys[0].port}" in scene.pooler.targets()["bud"]
    assert scene.daemon.get("/health")[0] == 200
    # And it says that its record is not being kept.
    def told():
        lines = scene.daemon.get("/metrics")[1].splitlines()
        counts = [line.split()[-1] for line in lines
                  if line.startswith("pointsman_journal_errors_total")]
        return counts and float(counts[0]) > 0
    wait_for(told, 15, why="the metric journal_errors_total counts")


def test_a_daemon_that_ends_leaves_the_route_as_it_is(place):
    scene = Scene(place)
    with scene.add_writer() as writer:
        begun = time.monotonic()
        assert scene.daemon.stop() == 0
        time.sleep(0.5)
        scene.daemon.start()
        scene.daemon.wait_route("primary")
        assert writer.failed(begun) == []
