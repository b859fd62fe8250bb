"""Everything that the host depends on hangs at once, and /health is answered all the same."""
import os
import subprocess
import time

import pytest

from place import REPOSITORY, processes
from process import Process, wait_for
from scene import Scene
from servers import Nginx, Redis


@pytest.fixture
def disk(place):
    """A FUSE mount that hangs while the file `hang` exists in its control folder."""
    if os.geteuid() != 0:
        pytest.skip("mounting a file system that hangs needs root")
    if not os.path.exists("/dev/fuse"):
        pytest.skip("this kernel or container has no /dev/fuse")
    mount, control = place.make_folder("mount"), place.make_folder("control")
    script = os.path.join(REPOSITORY, "tests/support/fuse_hang.py")
    process = Process(place, ["/usr/bin/python3", script, mount, control], "fuse.log",
                      user=None)
    wait_for(lambda: os.path.ismount(mount), 10, why="mounted:\n" + process.output())

    def unmount():
        if os.path.exists(os.path.join(control, "hang")):
            os.unlink(os.path.join(control, "hang"))
        subprocess.run(["umount", "-l", mount], check=False, capture_output=True)
    place.at_end(unmount)
    return mount, os.path.join(control, "hang"), process


def test_health_is_answered_while_postgres_redis_and_the_disk_hang(place, disk):
    mount, hang, _ = disk
    redis, nginx = Redis(place), Nginx(place)
    scene = Scene(place, start=False)
    for probe, what in {"redis": {"type": "redis", "url": redis.url(), "check": "roundtrip"},
                        "disk": {"type": "disk", "path": mount, "warn": "97%", "fail": "99%"},
                        "web": {"type": "http", "url": f"http://127.0.0.1:{nginx.ports[0]}/"}}.items():
        scene.config["probes"][probe] = what
    scene.config["services"]["cache"] = {"members": ["redis"], "scope": "shared"}
    scene.config["services"]["host"] = {"members": ["disk", "web"]}
    daemon = scene.daemon
    daemon.write(daemon.complete(scene.config))
    # As root, because the kernel lets nobody else into a mount that root made for itself.
    daemon.process = Process(place, [daemon.binary, "run", "--config", daemon.file], "daemon.log",
                             user=None, env={"RUNTIME_DIRECTORY": daemon.runtime})
    daemon.wait_answering()
    for probe in ("primary", "standby-1", "redis", "disk", "web"):
        daemon.wait_probe(probe, "healthy")
    assert daemon.get("/health")[0] == 200

    with open(hang, "w", encoding="utf-8"):
        pass
    for server in scene.servers:
        server.freeze_all()
    redis.process.freeze()

    slowest, end, web_before = 0.0, time.monotonic() + 8, daemon.probe("web")["sample"]["at"]
    while time.monotonic() < end:
        begun = time.monotonic()
        status, body = daemon.get("/health", timeout=5)
        slowest = max(slowest, time.monotonic() - begun)
        assert status in (200, 503)
        assert body["status"] == ("ok" if status == 200 else "unavailable")
        time.sleep(0.02)
    assert slowest < 0.5
    assert daemon.probe("disk")["sample"]["reason"] == "stuck"
    assert daemon.probe("primary")["sample"]["outcome"] == "fail"
    assert daemon.probe("redis")["sample"]["outcome"] == "fail"
    web = daemon.probe("web")
    assert web["state"] == "healthy" and web["sample"]["at"] > web_before
    assert status == 503 and "host" in body["reason"]    # the disk is this host's own

    os.unlink(hang)
    redis.process.thaw()
    for server in scene.servers:
        server.thaw_all()
    for probe in ("primary", "standby-1", "redis", "disk"):
        daemon.wait_probe(probe, "healthy")
    wait_for(lambda: daemon.get("/health")[0] == 200, 10, why="/health is 200 again")


@pytest.mark.parametrize("how", ["taken", "frozen"])
def test_the_daemon_ends_while_a_disk_hangs(place, disk, how):
    """The file system takes a request and never answers, which no signal ends; or it takes none, as a
    dead NFS server. What looks at the disk is left behind, and the next daemon can start."""
    mount, hang, server = disk
    scene = Scene(place, start=False)
    scene.config["probes"]["disk"] = {"type": "disk", "path": mount, "warn": "97%", "fail": "99%"}
    daemon = scene.daemon
    daemon.write(daemon.complete(scene.config))

    def start():
        daemon.process = Process(place, [daemon.binary, "run", "--config", daemon.file], "daemon.log",
                                 user=None, env={"RUNTIME_DIRECTORY": daemon.runtime})
        daemon.wait_answering()

    def is_stuck():
        sample = daemon.probe("disk")["sample"]
        return sample and sample["reason"] == "stuck"
    start()
    daemon.wait_probe("disk", "healthy")
    if how == "taken":
        with open(hang, "w", encoding="utf-8"):
            pass
    else:
        server.freeze()
    wait_for(is_stuck, 15)
    begun = time.monotonic()
    assert daemon.stop() == 0
    assert time.monotonic() - begun < 5
    start()
    wait_for(is_stuck, 15)
    if how == "taken":
        os.unlink(hang)
    else:
        server.thaw()
    daemon.wait_probe("disk", "healthy")
    assert daemon.stop() == 0
    wait_for(lambda: not running(daemon.binary), 10, why="nothing of either daemon is left")


def running(binary):
    """Processes of this program, whatever they call themselves."""
    def program(pid):
        try:
            return os.readlink(f"/proc/{pid}/exe")
        except OSError:
            return ""
    return [pid for pid in processes() if program(pid) == binary]
