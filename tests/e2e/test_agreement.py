"""Real servers and the simulator agree: the same configuration, the same thing done, the same decisions.

And the past agrees with itself: what the daemon recorded, given to the same configuration, decides the same.
"""
import json
import time
from datetime import datetime

from process import wait_for
from scene import Scene
from test_drive import drive

DECIDED = ("diagnosis", "decision", "outcome")
#: What passes within moments, on the way to a diagnosis: which of them are seen is a matter of milliseconds.
PASSING = ("primary_failing", "primary_starting", "unknown", "pooler_not_following")
#: A session that ends makes all that was seen of the others old: until they have run again nothing is against "ok".
MOMENT = 20


def gist(event):
    """Of a sentence what does not depend on addresses, numbers and times."""
    text = event["text"].split(" (")[0]
    if event["kind"] == "diagnosis":
        text = text.split(":")[0]
    if event["kind"] == "outcome":
        text = " ".join(text.split(" ")[:2]) if text.startswith(("follow", "target_lost")) else \
            text.split(",")[0].split(":")[0]
    return f"{event['kind']} {text}"


def milliseconds(event):
    return event["at_ms"] if "at_ms" in event else \
        datetime.fromisoformat(event["at"].replace("Z", "+00:00")).timestamp() * 1000


def is_passing(line, event, later):
    if line.split(" ", 1)[1] in PASSING or "adopt" in line or "verify" in line:
        return True
    after = next((one for one in later if one["kind"] == "diagnosis"), None)
    return line == "diagnosis ok" and after is not None and milliseconds(after) - milliseconds(event) < MOMENT


def sequence(events, route="bud"):
    """The decisions about a route, each once where it is repeated, from the first settled state on."""
    found = []
    events = [one for one in events if one["kind"] in DECIDED and one["subject"] == route]
    for number, event in enumerate(events):
        line = gist(event)
        if is_passing(line, event, events[number + 1:]):
            continue
        if not found or found[-1] != line:
            found.append(line)
    return found


def simulated(scene, timeline, lasts):
    """The decisions of the simulator for the same configuration file."""
    scenario = {"title": "the same", "lasts": lasts, "timeline": timeline,
                "cluster": {"wal_receiver_timeout": "60s"}}
    file = scene.place.write("scenario.yaml", json.dumps(scenario))
    done = scene.daemon.command("simulate", "--config", scene.daemon.file, "--scenario", file, "--json",
                                control=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return sequence(json.loads(done.stdout)["timeline"])


def decided(scene):
    done = scene.daemon.command("events", "--json", "-n", "1000")
    return [json.loads(line) for line in done.stdout.splitlines()]


def assert_agreement(scene, timeline, lasts="60s"):
    events = decided(scene)
    assert sequence(events) == simulated(scene, timeline, lasts), scene.daemon.log()
    scene.daemon.stop()
    done = scene.daemon.command("simulate", "--config", scene.daemon.file, "--json", "--since", "1h",
                                "--history", f"{scene.daemon.state_dir}/journal.db", control=False)
    assert done.returncode == 0, done.stderr
    replayed = json.loads(done.stdout)
    assert replayed["not_recorded"] == []
    lines = replayed["lines"]
    assert sequence([one for one in lines if one["now"]]) == sequence([one for one in lines if one["then"]])
    apart = [one for one in lines if one["then"] != one["now"] and one["kind"] in DECIDED]
    assert apart == [], json.dumps(apart, indent=1)
    told = scene.daemon.command("simulate", "--config", scene.daemon.file, "--since", "1h",
                                "--history", f"{scene.daemon.state_dir}/journal.db", control=False)
    assert "  both  decision bud" in told.stdout or "decision" not in told.stdout, told.stdout


def test_the_primary_dies_and_somebody_promotes(place):
    scene = Scene(place)
    scene.primary.kill9_all()
    time.sleep(2)
    scene.standbys[0].promote()
    scene.daemon.wait_route("standby-1")
    time.sleep(1.5)
    assert_agreement(scene, [{"at": "10s", "target": "primary", "becomes": "down"},
                             {"at": "12s", "target": "standby-1", "becomes": "primary"}])


def test_the_primary_dies_and_pointsman_promotes(place):
    scene = drive(place, standbys=1)
    scene.primary.kill9_all()
    scene.daemon.wait_route("standby-1")
    time.sleep(1.5)
    assert_agreement(scene, [{"at": "10s", "target": "primary", "becomes": "down"}])


def test_the_primary_is_restarted_in_place(place):
    scene = Scene(place)
    scene.primary.stop("fast")
    time.sleep(2.5)
    scene.primary.start()
    streaming = "select count(*) from pg_stat_replication where state = 'streaming'"
    wait_for(lambda: scene.primary.sql(streaming)[0][0] == 1, 30, why="the standby streams again")
    wait_for(lambda: scene.daemon.route()["diagnosis"] == "ok", 30, why="all is well again")
    assert_agreement(scene, [{"at": "10s", "target": "primary", "becomes": "stopped"},
                             {"at": "12500ms", "target": "primary", "becomes": "up"}])


def test_a_standby_is_promoted_beside_a_living_primary(place):
    scene = Scene(place)
    scene.standbys[0].promote()
    wait_for(lambda: scene.daemon.route()["diagnosis"] == "split_brain", 15, why="a split brain")
    time.sleep(2)
    scene.primary.kill9_all()
    scene.daemon.wait_route("standby-1")
    time.sleep(1.5)
    assert_agreement(scene, [{"at": "10s", "target": "standby-1", "becomes": "primary"},
                             {"at": "14s", "target": "primary", "becomes": "down"}])


def test_the_primary_dies_and_nobody_promotes(place):
    scene = Scene(place)
    scene.primary.kill9_all()
    wait_for(lambda: scene.daemon.route()["state"] == "unhealthy", 15, why="the route is unhealthy")
    time.sleep(4)
    assert scene.daemon.route()["targets"] == ["primary"]
    assert_agreement(scene, [{"at": "10s", "target": "primary", "becomes": "down"}])
