#!/usr/bin/python3
"""What pointsman costs at rest: the reference configuration (etc/pointsman.yaml) with local endpoints.

A primary and two standbys, two Redis, two TLS endpoints with verified certificates, the application's
/health, disk, memory and cpu, a route for writes and one for reads, at the reference's intervals.

Counted are the daemon, its mount worker and the looker of the disk.

    tests/bench/at_rest.py [--seconds 60] [--runs 1]

Bounds (issue 2): at most 0.1 % of a core, 8 MiB anonymous, 16 MiB proportional. Exit 1 if missed.
"""
import argparse
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))

from measure import cpu_seconds, memory_kib, thread_count   # noqa: E402
from place import Place, exit_on_signals, free_port         # noqa: E402
from process import wait_for                                # noqa: E402
from scene import Scene                                     # noqa: E402
from servers import Nginx, Redis, certificate               # noqa: E402


def reference(place):
    scene = Scene(place, standbys=2, reads=True, start=False)
    first, second = Redis(place, "redis-a"), Redis(place, "redis-b")
    tls = certificate(place)
    outside, app = Nginx(place, ports=2, name="outside", tls=tls), Nginx(place, name="app")
    away = {"type": "http", "status": "<500", "warn_status": ">=500", "timeout": "10s", "interval": "30s",
            "tls": {"ca": f"{tls}/cert.pem"}}
    config = scene.config
    config["defaults"] = {"interval": "5s", "fast_interval": "1s", "timeout": "2s", "rise": 2, "fall": 3}
    config["listen"] = {"agent_check": f"127.0.0.1:{free_port()}"}
    config["probes"].update({
        "redis-a": {"type": "redis", "url": first.url(), "check": "roundtrip"},
        "redis-b": {"type": "redis", "url": second.url(), "check": "ping"},
        "disk": {"type": "disk", "path": place.folder, "warn": "98%", "fail": "99%"},
        "memory": {"type": "memory", "warn": "98%", "fail": "99%"},
        "cpu": {"type": "cpu", "warn": "99%", "fail": "100%", "over": "1m"},
        "openai": {**away, "url": f"https://localhost:{outside.ports[0]}/v1/models", "ip": "4"},
        "firebase": {**away, "url": f"https://localhost:{outside.ports[1]}/v1/projects", "ip": "4"},
        "app": {"type": "http", "url": f"http://127.0.0.1:{app.ports[0]}/health"},
    })
    config["services"].update({
        "host": {"members": ["disk", "memory", "cpu", "app"]},
        "cache": {"members": ["redis-a", "redis-b"]},
        "external": {"members": ["openai", "firebase"], "critical": False},
    })
    config["routes"]["bud"]["hold_down"] = "60s"
    config["routes"]["bud_ro"]["failback"] = {"after": "30s"}
    scene.daemon.write(scene.daemon.complete(config))
    return scene


def measure(seconds):
    """[(what, value, bound)] of one run; all processes of the daemon together."""
    with Place("bench") as place:
        scene = reference(place)
        daemon = scene.start().daemon
        for probe in scene.config["probes"]:
            wait_for(lambda one=probe: daemon.probe(one)["state"] in ("healthy", "degraded"), 60, 0.2,
                     f"{probe} is up")
        # Every probe has run, the kept sessions stand, the caches are warm; and the minute is over in which
        # each sample of a route's candidates has a row of the journal.
        time.sleep(75)
        pids = daemon.process.members()   # it, its mount worker and the looker
        used, begun = sum(map(cpu_seconds, pids)), time.monotonic()
        time.sleep(seconds)
        core = (sum(map(cpu_seconds, pids)) - used) / (time.monotonic() - begun) * 100
        memory = [memory_kib(pid) for pid in pids]
        print(f"{len(pids)} processes, {thread_count(pids[0])} threads in the daemon")
    anonymous, pss = (sum(one[name] for one in memory) / 1024 for name in ("Anonymous", "Pss"))
    return [("% of a core", core, 0.1), ("MiB anonymous", anonymous, 8.0), ("MiB proportional", pss, 16.0)]


def main():
    exit_on_signals()
    options = argparse.ArgumentParser(description=__doc__,
                                      formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--seconds", type=float, default=60)
    options.add_argument("--runs", type=int, default=1)
    given = options.parse_args()
    good = True
    print(f"at rest over {given.seconds:.0f} s, reference configuration")
    for _ in range(given.runs):
        for name, value, bound in measure(given.seconds):
            good = good and value <= bound
            print(f"  {name:<17} {value:>8.3f}   bound {bound:>5}   ratio {value / bound:.2f}"
                  + ("" if value <= bound else "   MISSED"), flush=True)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
