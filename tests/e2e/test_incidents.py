"""What an incident keeps: the evidence of each transition, from real servers, also over a restart."""
import time

from process import wait_for
from scene import Scene


def details_of(incident):
    """All evidence of a story: {name: [values]}."""
    found = {}
    for note in incident["notes"]:
        for name, value in note["details"].items():
            found.setdefault(name, []).append(value)
    return found


def test_a_failover_keeps_samples_facts_guards_pools_and_pressure_over_a_restart(place):
    scene = Scene(place)
    scene.config["probes"]["memory"] = {"type": "memory", "warn": "98%", "fail": "99%"}
    assert scene.daemon.reload(scene.daemon.complete(scene.config)).returncode == 0
    scene.daemon.wait_probe("memory", "healthy")
    writer = scene.add_writer()
    wait_for(writer.good, 10, why="a write")
    time.sleep(2)   # the pooler has been looked at since
    scene.primary.kill9_all()
    time.sleep(1)
    scene.standbys[0].promote()
    scene.daemon.wait_route("standby-1")
    closed = wait_for(lambda: [one for one in scene.daemon.get("/v1/incidents")[1]["incidents"]
                               if one["state"] == "closed"], 20, why="the incident is over:\n" + scene.daemon.log())
    path = f"/v1/incidents/{closed[0]['id']}"
    story = scene.daemon.get(path)[1]
    kept = details_of(story)
    assert any("fail" in value for value in kept["primary"]), kept
    assert any("role=primary" in value and "timeline=2" in value for value in kept["standby-1 facts"]), kept
    assert any("allow: mode" in value for value in kept["route:bud guards"]), kept
    assert any("servers" in value and "waiting" in value for value in kept["route:bud pooler 1 pools"]), kept
    assert any("used_ratio=" in value for value in kept["memory facts"]), kept
    told = scene.daemon.command("incidents", str(story["id"])).stdout
    assert "route:bud pooler 1 pools: " in told and "memory facts: " in told

    scene.daemon.restart()
    scene.daemon.wait_route("standby-1")
    after = scene.daemon.get(path)[1]
    assert [note["text"] for note in after["notes"]] == [note["text"] for note in story["notes"]]
    assert details_of(after) == kept
