"""Driving: pointsman promotes by itself, and above all does not when it should not."""
import datetime
import json
import os
import signal
import time

import psycopg2
import pytest

from daemon import reachable_binary
from process import send, wait_for
from scene import Scene
from servers import PG_BIN
from test_crash import small_disk  # noqa: F401  pylint: disable=unused-import

TUNED = {"interval": "1s", "fast_interval": "200ms", "timeout": "500ms", "rise": 2, "fall": 3}
HOLD_DOWN = "500ms"
PROMOTE = {"when": ["primary_dead", "primary_frozen"], "sole_promoter": True, "restart_grace": "15s"}
# Bounds are the benches' business; these tell "acts by itself" from "waits for others".
SOON = 8.0
LIBFAKETIME = "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1"


def drive(place, standbys=1, hooks=None, promote=None, run_by=None, **more):
    """A scene whose route promotes by itself. `run_by`: a script that runs pointsman in its own way."""
    scene = Scene(place, standbys=standbys, defaults=TUNED, start=False, **more)
    scene.config["routes"]["bud"].update(
        {"promote": {**PROMOTE, **(promote or {})}, "hold_down": HOLD_DOWN, **(hooks or {})})
    configure(scene)
    scene.daemon.binary = run_by or scene.daemon.binary
    scene.start()
    wait_ready(scene)
    return scene


def wait_ready(scene):
    """Until it would act: it leads to the primary, has seen every candidate, and no hold-down is left."""
    scene.daemon.wait_route("primary")
    for server in scene.servers:
        scene.daemon.wait_probe(server.name, "healthy")
    wait_for(lambda: all(guard["allow"] for guard in scene.daemon.route()["guards"]
                         if guard["name"] == "hold_down"), 10, why="the hold-down is over")


def configure(scene):
    scene.daemon.config = scene.daemon.complete(scene.config)
    scene.daemon.write(scene.daemon.config)


def serves(server):
    try:
        return server.writable()
    except psycopg2.OperationalError:
        return False


def assert_no_act(scene, before):
    """Nothing was promoted and nothing moved."""
    after = scene.daemon.route()
    assert after["targets"] == ["primary"], json.dumps(after, indent=1)
    assert after["last_switch"] == before["last_switch"]
    for standby in scene.standbys:
        assert not standby.writable(), scene.daemon.log()
    assert scene.primary.timeline() == 1


def demote_hook(server):
    return {"exec": [f"{PG_BIN}/pg_ctl", "stop", "-D", server.data, "-m", "fast", "-w"],
            "timeout": "20s"}


def undemote_hook(server):
    return {"exec": [f"{PG_BIN}/pg_ctl", "start", "-D", server.data, "-w", "-l",
                     server.place.path("undemoted.log")], "timeout": "20s"}


def assert_marks(incident):
    """T0 to T9, each later than the one before; the last three by the switch's own clock, not by its end."""
    times = [one["at"] for one in incident["marks"]]
    assert None not in times and times == sorted(times), incident["marks"]
    switched = next(one for one in incident["attempts"] if one["action"].startswith("switch"))
    ended = (datetime.datetime.fromisoformat(switched["at"].replace("Z", "+00:00"))
             + datetime.timedelta(milliseconds=switched["took_ms"]))
    in_effect = datetime.datetime.fromisoformat(times[7].replace("Z", "+00:00"))
    assert in_effect < ended, incident


# --- it acts -----------------------------------------------------------------------------------

@pytest.mark.parametrize("how", ["kill9", "freeze"])
def test_a_dead_or_frozen_primary_is_promoted_away_from(place, how):
    scene = drive(place)
    writer = scene.add_writer()
    struck = time.monotonic()
    if how == "kill9":
        scene.primary.kill9_all()
    else:
        scene.primary.freeze_all()
    standby = scene.standbys[0]
    first = wait_for(lambda: writer.first_good_after(struck, standby.port), 30,
                     why="writes came back:\n" + scene.daemon.log())
    assert first.end - struck < SOON
    found = scene.daemon.wait_route("standby-1")
    assert found["verified"] == "query"
    assert standby.timeline() == 2

    # The incident tells the story, in the order in which it happened.
    def closed():
        return [one for one in scene.daemon.get("/v1/incidents")[1]["incidents"]
                if one["state"] == "closed"]
    incident = scene.daemon.get(f"/v1/incidents/{wait_for(closed, 10, why='closed')[0]['id']}")[1]
    assert incident["subject"] == "route:bud"
    assert incident["cause"] == ("primary_dead" if how == "kill9" else "primary_frozen")
    assert incident["rpo"]["lower_bytes"] == 0
    assert any("primary" in line for line in incident["to_rebuild"])
    assert_marks(incident)
    story = scene.daemon.command("incidents", str(incident["id"])).stdout
    assert "promote standby-1" in story and "RTO" in story

    # The old primary comes back and still takes itself for the primary: reported, never led to.
    if how == "kill9":
        scene.primary.start()
    else:
        scene.primary.thaw_all()
    wait_for(lambda: scene.daemon.route()["diagnosis"] == "old_primary_back", 15,
             why="it is reported:\n" + json.dumps(scene.daemon.route()))
    time.sleep(2)
    assert scene.daemon.route()["targets"] == ["standby-1"]
    told = scene.daemon.get(f"/v1/incidents/{incident['id']}")[1]
    assert told["rpo"]["exact"] and any("WAL that only it has" in one["text"] for one in told["notes"])
    since = time.monotonic()
    time.sleep(1)
    writer.stop()
    assert {one.port for one in writer.good(since)} == {standby.port}
    assert writer.missing(standby) == []


def test_the_standby_that_received_most_is_promoted_not_the_first(place):
    scene = drive(place, standbys=2)
    second = scene.standbys[1]
    # The first in order is sent nothing more; what is written from here only the second receives.
    sender = scene.primary.sql("select pid from pg_stat_replication where application_name = 'standby-1'")
    send(sender[0][0], signal.SIGSTOP)
    scene.primary.sql("insert into writes select 9, n from generate_series(1, 2000) n", "bud")
    wait_for(lambda: second.sql("select count(*) from writes", "bud")[0][0] == 2000, 10,
             why="the second has it")
    scene.primary.kill9_all()
    scene.daemon.wait_route("standby-2")
    assert second.sql("select count(*) from writes", "bud")[0][0] == 2000


def test_a_synchronous_standby_loses_nothing(place):
    scene = drive(place)
    scene.primary.sql("alter system set synchronous_standby_names = '\"standby-1\"'")
    scene.primary.sql("select pg_reload_conf()")
    writers = [scene.add_writer(client=number) for number in range(1, 4)]
    wait_for(lambda: scene.primary.sql("select sync_state from pg_stat_replication") == [("sync",)], 10,
             why="it is synchronous")
    struck = time.monotonic()
    scene.primary.kill9_all()
    standby = scene.standbys[0]
    wait_for(lambda: writers[0].first_good_after(struck, standby.port), 30, why="writes came back")
    for writer in writers:
        writer.stop()
        assert writer.missing(standby) == []


def test_a_standby_that_lacks_too_much_is_promoted_on_a_persons_word_alone(place):
    scene = drive(place, promote={"max_lag": "64KiB"})
    standby = scene.standbys[0]
    sender = scene.primary.sql("select pid from pg_stat_replication")[0][0]
    send(sender, signal.SIGSTOP)
    scene.primary.sql("insert into writes select 9, n from generate_series(1, 20000) n", "bud")
    written = scene.primary.sql("select pg_current_wal_lsn() - '0/0'")[0][0]
    wait_for(lambda: scene.daemon.probe("primary")["facts"]["lsn"] >= written, 10,
             why="the last position is seen: " + json.dumps(scene.daemon.probe("primary")))
    scene.primary.kill9_all()
    wait_for(lambda: scene.daemon.route()["diagnosis"] == "no_candidate", 20,
             why="it is said: " + json.dumps(scene.daemon.route()))
    assert "bytes" in scene.daemon.route()["why"]
    incident = wait_for(lambda: next((one for one in scene.daemon.get("/v1/incidents")[1]["incidents"]
                                      if one["needs_human"]), None), 10, why="a person is asked")
    # The plan and every guard are shown though it is refused.
    plan = scene.daemon.command("switch", "bud", "--to", "standby-1", "--dry-run")
    assert plan.returncode == 1
    for word in ("refused", "--allow-data-loss", "promote standby-1", "guard lag", "guard hold_down"):
        assert word in plan.stdout + plan.stderr, plan.stdout + plan.stderr
    assert scene.daemon.command("switch", "bud", "--to", "standby-1").returncode == 1
    assert not standby.writable()
    done = scene.daemon.command("switch", "bud", "--to", "standby-1", "--allow-data-loss")
    assert done.returncode == 0, done.stdout + done.stderr
    scene.daemon.wait_route("standby-1")
    assert scene.daemon.get(f"/v1/incidents/{incident['id']}")[1]["rpo"]["lower_bytes"] > 64 * 1024


def test_a_promoted_standby_is_reported_to_the_hook_and_a_fence_runs_first(place):
    log = place.path("hooks.txt")
    script = place.write("hook.sh", f"""#!/bin/sh
echo "$1 $POINTSMAN_ROUTE $POINTSMAN_OLD $POINTSMAN_NEW $POINTSMAN_OLD_ADDRESS" >> {log}
""", 0o755)
    scene = drive(place, hooks={"fence": {"exec": ["/bin/sh", script, "fence"]},
                                "after_promote": {"exec": ["/bin/sh", script, "after"]}})
    scene.primary.kill9_all()
    scene.daemon.wait_route("standby-1")
    wait_for(lambda: os.path.exists(log) and open(log, encoding="utf-8").read().count("\n") == 2, 10,
             why="both hooks ran")
    lines = open(log, encoding="utf-8").read().splitlines()
    assert lines[0] == f"fence bud primary standby-1 127.0.0.1:{scene.primary.port}"
    assert lines[1].startswith("after bud primary standby-1")


def test_a_fence_that_fails_blocks_the_promotion_and_asks_for_a_person(place):
    scene = drive(place, hooks={"fence": {"exec": ["/bin/false"]}})
    scene.primary.kill9_all()
    wait_for(lambda: any(one["needs_human"] for one in
                         scene.daemon.get("/v1/incidents")[1]["incidents"]), 20,
             why="a person is asked")
    time.sleep(3)
    assert not scene.standbys[0].writable()
    assert scene.daemon.route()["targets"] == ["primary"]
    why = scene.daemon.command("why", "bud").stdout
    assert "primary_dead" in why and "limits" in why


def test_no_right_to_promote_is_said_beforehand_and_holds(place):
    scene = drive(place)
    scene.primary.sql("revoke execute on function pg_promote(boolean, integer) from pointsman", "bud")
    scene.primary.wait_streaming()
    time.sleep(1)
    # The right is read with each new session; the kept ones are renewed every minute.
    scene.daemon.restart()
    wait_ready(scene)
    scene.primary.kill9_all()
    wait_for(lambda: any(guard["name"] == "may_promote" and not guard["allow"]
                         for guard in scene.daemon.route()["guards"]), 15, why="the guard holds")
    time.sleep(2)
    assert not scene.standbys[0].writable()
    assert "GRANT EXECUTE" in scene.daemon.command("why", "bud").stdout


# --- it does not act ---------------------------------------------------------------------------

def test_a_restart_of_the_primary_in_place_promotes_nothing(place):
    scene = drive(place)
    before = scene.daemon.route()
    for _ in range(2):
        scene.primary.stop("fast")
        time.sleep(3)
        scene.primary.start()
        scene.daemon.wait_route("primary")
        time.sleep(1)
    assert_no_act(scene, before)


def test_the_sidecar_frozen_for_a_minute_and_resumed_promotes_nothing(place):
    scene = drive(place)
    before = scene.daemon.route()
    scene.daemon.process.freeze()
    time.sleep(60)
    scene.daemon.process.thaw()
    time.sleep(5)
    assert_no_act(scene, before)
    assert scene.daemon.wait_route("primary")["diagnosis"] == "ok"


def test_all_connections_in_use_promotes_nothing(place):
    scene = drive(place)
    before = scene.daemon.route()
    held = []

    def take_all():
        try:
            while True:
                held.append(psycopg2.connect(host="127.0.0.1", port=scene.primary.port, user="app",
                                             password="app-secret", dbname="bud"))
        except psycopg2.OperationalError as full:
            assert "remaining connection slots" in str(full)
    take_all()
    # The kept session is cut and its place taken, while the daemon can not be quicker than we are.
    scene.daemon.process.freeze()
    scene.primary.sql("select pg_terminate_backend(pid, 5000) from pg_stat_activity "
                      "where usename = 'pointsman'")
    take_all()
    scene.daemon.process.thaw()
    wait_for(lambda: scene.daemon.probe("primary")["sample"]["reason"] == "saturated", 15,
             why="it is full: " + json.dumps(scene.daemon.probe("primary")))
    time.sleep(6)
    for connection in held:
        connection.close()
    scene.daemon.wait_route("primary")
    assert_no_act(scene, before)


def test_the_clock_set_back_an_hour_promotes_nothing(place):
    """libfaketime sets the daemon's wall clock; its monotonic clock goes on, as when `date` is used."""
    place.write("clock", "+0")
    scene = drive(place, run_by=place.write("faked.sh", f"""#!/bin/sh
export LD_PRELOAD={LIBFAKETIME} FAKETIME_TIMESTAMP_FILE={place.path("clock")}
export FAKETIME_NO_CACHE=1 FAKETIME_DONT_FAKE_MONOTONIC=1
exec {reachable_binary(place)} "$@"
""", 0o755))
    before = scene.daemon.route()

    def hours_back():
        said = scene.daemon.get("/health")[1]["timestamp"].replace("Z", "+00:00")
        late = datetime.datetime.now(datetime.timezone.utc) - datetime.datetime.fromisoformat(said)
        return round(late.total_seconds() / 3600)
    assert hours_back() == 0
    place.write("clock", "-3600")
    wait_for(lambda: hours_back() == 1, 10, why="the clock is set back")
    wait_for(lambda: "distrust" in scene.daemon.command("events").stdout, 10, why="it noticed")
    time.sleep(3)
    assert_no_act(scene, before)
    # And it can still act, on the new clock.
    wait_ready(scene)
    scene.primary.kill9_all()
    scene.daemon.wait_route("standby-1")


def test_crash_recovery_that_lasts_promotes_nothing(place):
    """57P03 for half a minute: the start-up process is stopped in the middle of its replay."""
    scene = drive(place)
    before = scene.daemon.route()
    scene.primary.sql("insert into writes select 9, n from generate_series(1, 20000) n", "bud")
    scene.primary.kill9_all()
    scene.primary.start(wait=False)
    starting = wait_for(lambda: next((pid for pid in scene.primary.members()
                                      if "startup" in open(f"/proc/{pid}/cmdline", encoding="utf-8").read()),
                                     None), 5, 0.001, why="the start-up process runs")
    send(starting, signal.SIGSTOP)
    wait_for(lambda: scene.daemon.route()["diagnosis"] == "primary_starting", 10,
             why="it is starting: " + json.dumps(scene.daemon.route()))
    time.sleep(30)
    assert scene.daemon.route()["diagnosis"] == "primary_starting"
    send(starting, signal.SIGCONT)
    scene.daemon.wait_route("primary")
    wait_for(lambda: serves(scene.primary), 20, why="the primary serves")
    scene.daemon.wait_route("primary")
    assert_no_act(scene, before)


def test_a_pooler_that_is_down_while_the_primary_is_up_promotes_nothing(place):
    scene = drive(place)
    before = scene.daemon.route()
    scene.pooler.process.kill9()
    wait_for(lambda: scene.daemon.route()["diagnosis"] == "pooler_dead", 20, why="it is said")
    time.sleep(3)
    scene.pooler.start()
    scene.daemon.wait_route("primary")
    assert_no_act(scene, before)


def test_one_probe_in_three_failing_promotes_nothing(place):
    """The primary is frozen for less than `fall` runs, again and again."""
    scene = drive(place)
    before = scene.daemon.route()
    for _ in range(8):
        scene.primary.freeze_all()
        time.sleep(0.7)
        scene.primary.thaw_all()
        time.sleep(1.3)
    scene.daemon.wait_route("primary")
    assert_no_act(scene, before)


def test_a_full_disk_under_the_journal_promotes_nothing(place, small_disk):
    _, fill = small_disk
    scene = drive(place, state_dir=place.make_folder("small/state", mode=0o750))
    before = scene.daemon.route()
    fill()
    time.sleep(6)
    assert_no_act(scene, before)
    assert scene.daemon.wait_route("primary")["diagnosis"] == "ok"


# --- a person asks -----------------------------------------------------------------------------

def test_a_planned_switch_loses_nothing_and_fails_nothing(place):
    scene = drive(place)
    scene.config["routes"]["bud"].update({"demote": demote_hook(scene.primary),
                                          "undemote": undemote_hook(scene.primary)})
    configure(scene)
    assert scene.daemon.reload().returncode == 0
    scene.daemon.wait_route("primary")
    plan = scene.daemon.command("switch", "bud", "--to", "standby-1", "--dry-run")
    assert plan.returncode == 0 and "demote" in plan.stdout and "guard" in plan.stdout
    assert scene.primary.writable()
    writers = [scene.add_writer(client=number, rate=20) for number in range(1, 5)]
    begun = time.monotonic()
    done = scene.daemon.command("switch", "bud", "--to", "standby-1")
    assert done.returncode == 0, done.stdout + done.stderr
    found = scene.daemon.wait_route("standby-1")
    assert found["verified"] == "query"
    time.sleep(1)
    for writer in writers:
        writer.stop()
        assert writer.failed(begun) == []
        assert writer.hung() == []
        assert writer.missing(scene.standbys[0]) == []


def test_a_planned_switch_without_a_demote_hook_is_refused_with_the_next_step(place):
    scene = drive(place)
    done = scene.daemon.command("switch", "bud", "--to", "standby-1")
    assert done.returncode == 1
    assert "demote" in done.stdout + done.stderr and "--unfenced" in done.stdout + done.stderr
    plan = scene.daemon.command("switch", "bud", "--to", "standby-1", "--dry-run")
    assert plan.returncode == 1
    for word in ("refused", "4. promote standby-1", "guard mode", "guard quorum"):
        assert word in plan.stdout + plan.stderr, plan.stdout + plan.stderr
    assert scene.primary.writable() and not scene.standbys[0].writable()
    assert scene.daemon.command("switch", "nowhere").returncode == 1


def test_a_demote_that_fails_leaves_everything_as_it_was(place):
    scene = drive(place, hooks={"demote": {"exec": ["/bin/false"]}})
    writer = scene.add_writer()
    done = scene.daemon.command("switch", "bud", "--to", "standby-1")
    assert done.returncode == 1
    after = time.monotonic()
    wait_for(lambda: writer.first_good_after(after, scene.primary.port), 10, why="writes go on")
    assert scene.primary.writable() and not scene.standbys[0].writable()
    assert [int(row["paused"]) for row in scene.pooler.console("SHOW DATABASES")
            if row["name"] == "bud"] == [0]


def test_pause_holds_and_survives_a_restart(place):
    scene = drive(place)
    assert scene.daemon.command("pause", "--reason", "upgrade").returncode == 0
    assert scene.daemon.status()["automation"] == "paused"
    scene.daemon.restart()
    assert scene.daemon.status()["automation"] == "paused"
    wait_ready(scene)
    scene.primary.kill9_all()
    time.sleep(5)
    assert not scene.standbys[0].writable()
    assert scene.daemon.command("resume").returncode == 0
    scene.daemon.wait_route("standby-1")
