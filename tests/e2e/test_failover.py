"""The main promise: the application's writes follow the primary, and nothing moves without need."""
import json
import time

import pytest

from process import wait_for
from scene import Scene

# The benches measure; these bounds only tell "follows at once" from "waits for some timeout of others",
# the shortest of which is five seconds, on a machine that is busy with other tests too.
AT_ONCE = 4.0


def assert_writes_came_back(scene, writer, server, promoted, within=AT_ONCE):
    first = wait_for(lambda: writer.first_good_after(promoted, server.port), within + 20,
                     why=f"a write on {server.name}:\n{scene.daemon.log()}")
    assert first.end - promoted < within, scene.daemon.log()
    found = scene.daemon.wait_route(server.name)
    assert found["verified"] == "query"
    assert scene.pooler.leads_to() == (server.host, server.port)
    wait_for(lambda: scene.servers_of() == {(server.host, server.port)}, 5,
             why="pgbouncer keeps no connection to the old primary")
    return found


def test_writes_follow_when_the_primary_is_killed_and_the_standby_promoted(place):
    scene = Scene(place)
    writer = scene.add_writer()
    scene.primary.kill9_all()
    time.sleep(1)
    scene.standbys[0].promote()
    found = assert_writes_came_back(scene, writer, scene.standbys[0], time.monotonic())
    assert found["last_switch"]["from"] == "primary"
    assert found["last_switch"]["to"] == "standby-1"
    writer.stop()
    assert writer.hung() == []
    promoted_rows = {row[0] for row in scene.standbys[0].sql("select number from writes", "bud")}
    assert [one.number for one in writer.good() if one.port == scene.standbys[0].port
            and one.number not in promoted_rows] == []


def test_writes_follow_when_the_primary_is_frozen_and_no_client_hangs(place):
    scene = Scene(place)
    writers = [scene.add_writer(client=number, rate=rate)
               for number, rate in enumerate((50, 20, 10, 5), 1)]
    scene.primary.freeze_all()
    time.sleep(1)
    scene.standbys[0].promote()
    promoted = time.monotonic()
    for writer in writers:
        assert_writes_came_back(scene, writer, scene.standbys[0], promoted)
    assert [writer.waiting_for() for writer in writers if writer.waiting_for() > 2] == []

    # The old primary wakes up and still takes itself for the primary: nobody is led to it.
    thawed = time.monotonic()
    scene.primary.thaw_all()
    time.sleep(3)
    assert scene.daemon.wait_route("standby-1")["targets"] == ["standby-1"]
    for writer in writers:
        writer.stop()
        assert writer.hung() == []
        assert {one.port for one in writer.good(thawed)} == {scene.standbys[0].port}


@pytest.mark.parametrize("pool_mode", ["session"])
def test_writes_follow_with_session_pooling(place, pool_mode):
    scene = Scene(place, pool_mode=pool_mode)
    writer = scene.add_writer()
    scene.primary.kill9_all()
    time.sleep(1)
    scene.standbys[0].promote()
    assert_writes_came_back(scene, writer, scene.standbys[0], time.monotonic())


def test_writes_follow_to_the_one_that_was_promoted_of_two(place):
    scene = Scene(place, standbys=2)
    writer = scene.add_writer()
    scene.primary.kill9_all()
    time.sleep(0.5)
    scene.standbys[1].promote()
    # The standbys share a port on hosts of their own, so that the port alone does not tell them apart.
    assert_writes_came_back(scene, writer, scene.standbys[1], time.monotonic())


@pytest.mark.parametrize("end", ["fast", "kill9"])
def test_a_restart_of_the_primary_in_place_moves_nothing(place, end):
    scene = Scene(place)
    writer = scene.add_writer()
    before, file_before = scene.daemon.route(), scene.pooler.targets()
    if end == "kill9":
        scene.primary.kill9_all()
    else:
        scene.primary.stop(end)
    time.sleep(2.5)   # longer than `fall` failures take
    scene.primary.start()
    up = time.monotonic()
    wait_for(lambda: writer.first_good_after(up), 25, why="writes go on")
    after = scene.daemon.wait_route("primary")
    assert after["last_switch"] == before["last_switch"]
    assert scene.pooler.targets() == file_before
    writer.stop()
    assert writer.missing(scene.primary) == []


def test_a_standby_promoted_beside_a_living_primary_is_a_split_brain_and_moves_nothing(place):
    scene = Scene(place)
    writer = scene.add_writer()
    scene.standbys[0].promote()
    wait_for(lambda: scene.daemon.route()["diagnosis"] == "split_brain", 15,
             why="the diagnosis says split_brain: " + json.dumps(scene.daemon.route()))
    time.sleep(1)
    assert scene.daemon.route()["targets"] == ["primary"]
    assert scene.pooler.leads_to() == ("127.0.0.1", scene.primary.port)
    assert {one.port for one in writer.good()} == {scene.primary.port}
    # Once the primary is gone there is only one that takes writes.
    scene.primary.kill9_all()
    assert_writes_came_back(scene, writer, scene.standbys[0], time.monotonic())


def test_without_a_writable_candidate_the_route_stays_and_says_so(place):
    scene = Scene(place)
    scene.primary.kill9_all()
    found = wait_for(lambda: scene.daemon.route()["state"] == "unhealthy" and scene.daemon.route(), 15,
                     why="the route is unhealthy")
    assert found["targets"] == ["primary"]
    assert found["diagnosis"] in ("primary_dead", "no_candidate")
    assert found["why"]
    status, body = scene.daemon.get("/health/detailed")
    assert status == 503 and body["overall_status"] == "unhealthy"
    # A shared dependency that is down does not take hosts out of the balancer.
    assert scene.daemon.get("/health")[0] == 200
