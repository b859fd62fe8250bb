"""Recovery ladders against real components: what heals, what does not, and who is told."""
import os

from daemon import Daemon
from process import wait_for
from receiver import Receiver
from servers import Redis

QUICK = {"interval": "1s", "fast_interval": "200ms", "timeout": "500ms", "rise": 2, "fall": 3}


def ladder_of(place, redis, steps, receiver):
    return Daemon(place, {
        "defaults": QUICK,
        "probes": {"redis": {"type": "redis", "url": redis.url(), "check": "ping"}},
        "services": {"cache": {"members": ["redis"], "scope": "shared"}},
        "recovery": {"cache": {"when": {"service": "cache", "state": "unhealthy", "for": "1s"},
                               "steps": steps, "verify_within": "4s", "retry_after": "1s",
                               "exhausted": {"escalate": "oncall"}, "limits": {"cooldown": "10m"}}},
        "notify": {"oncall": {"type": "webhook", "url": receiver.url()}}})


def test_a_flag_is_set_the_command_heals_and_the_flag_goes(place):
    redis, receiver, ran = Redis(place), Receiver(place), place.path("ran.txt")
    script = place.write("heal.sh", f'#!/bin/sh\necho "$POINTSMAN_LADDER $POINTSMAN_STEP" >> {ran}\n'
                         f"kill -CONT {redis.process.pid}\n", 0o755)
    daemon = ladder_of(place, redis, [{"set_flag": {"name": "caching_off", "until": "recovered"}},
                                      {"exec": ["/bin/sh", script]}], receiver)
    daemon.wait_probe("redis", "healthy")
    redis.process.freeze()
    wait_for(lambda: daemon.get("/flags/caching_off")[0] == 200, 20, why="the flag is set:\n" + daemon.log())
    assert os.path.exists(os.path.join(daemon.runtime, "flags", "caching_off"))
    daemon.wait_probe("redis", "healthy")
    wait_for(lambda: daemon.get("/flags/caching_off")[0] == 404, 20, why="the flag is cleared")
    assert open(ran, encoding="utf-8").read().splitlines() == ["cache 2"]
    incident = wait_for(lambda: [one for one in daemon.get("/v1/incidents")[1]["incidents"]
                                 if one["state"] == "closed"], 15, why="the incident is closed")[0]
    story = daemon.command("incidents", str(incident["id"])).stdout
    assert "set_flag" in story and "exec" in story
    assert receiver.sent == []   # it healed by itself: nobody is woken


def test_all_steps_fail_a_human_is_called_once_and_it_is_resolved(place):
    redis, receiver = Redis(place), Receiver(place)
    daemon = ladder_of(place, redis, [{"exec": ["/bin/false"]}], receiver)
    daemon.wait_probe("redis", "healthy")
    redis.process.freeze()
    wait_for(lambda: receiver.sent, 30, why="a human is called:\n" + daemon.log())
    assert receiver.sent[0]["state"] == "firing"
    daemon.process.kill9()      # the alert is neither lost nor doubled
    daemon.start()
    wait_for(lambda: daemon.probe("redis")["state"] == "unhealthy", 15, why="seen again")
    # Killed so soon that this was not written down yet, it verifies once more.
    wait_for(lambda: daemon.status()["ladders"]["cache"]["phase"] == "exhausted", 20, why="still exhausted")
    redis.process.thaw()
    wait_for(lambda: receiver.sent[-1]["state"] == "resolved", 30, why="it is resolved:\n" + daemon.log())
    assert [one["state"] for one in receiver.sent].count("resolved") == 1
