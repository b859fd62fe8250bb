"""A balanced route: reads go to every healthy replica, else where writes go."""
import time

import psycopg2

from process import wait_for
from scene import Scene
from servers import query


def read_from(pooler, sessions=6):
    """The hosts of the servers that answer so many clients at once."""
    connections = [psycopg2.connect(host="127.0.0.1", port=pooler.port, user="app", dbname="bud_ro",
                                    password="app-secret") for _ in range(sessions)]
    found = set()
    try:
        for connection in connections:   # each in a transaction of its own, so on a server of its own
            with connection.cursor() as cursor:
                cursor.execute("select host(inet_server_addr())")
                found.add(cursor.fetchone()[0])
    finally:
        for connection in connections:
            connection.close()
    return found


def test_reads_use_every_replica_lose_those_that_die_and_fall_back_to_the_primary(place):
    scene = Scene(place, standbys=2, reads=True)
    first, second = scene.standbys
    daemon = scene.daemon
    daemon.wait_route(["standby-1", "standby-2"], "bud_ro")
    assert read_from(scene.pooler) == {first.host, second.host}

    second.kill9_all()
    daemon.wait_route(["standby-1"], "bud_ro")
    assert read_from(scene.pooler) == {first.host}
    assert daemon.route("bud_ro")["state"] == "degraded"

    first.kill9_all()
    daemon.wait_route(["primary"], "bud_ro")
    assert read_from(scene.pooler) == {scene.primary.host}
    assert daemon.route("bud_ro")["state"] == "degraded"

    # Back it comes after failback.after (3s), not at once.
    begun = time.monotonic()
    first.start()
    daemon.wait_route(["standby-1"], "bud_ro")
    assert time.monotonic() - begun >= 3
    second.start()
    daemon.wait_route(["standby-1", "standby-2"], "bud_ro")
    assert read_from(scene.pooler) == {first.host, second.host}


def test_the_fallback_follows_the_writes(place):
    """The only standby becomes the primary: reads then go where writes go."""
    scene = Scene(place, reads=True)
    scene.daemon.wait_route("standby-1", "bud_ro")
    scene.primary.kill9_all()
    time.sleep(1)
    scene.standbys[0].promote()
    scene.daemon.wait_route("standby-1", "bud")
    found = scene.daemon.wait_route("standby-1", "bud_ro")
    assert found["state"] == "degraded"
    assert query(scene.pooler.port, "select 1", "app", "bud_ro", password="app-secret") == [(1,)]


def test_a_replica_that_lags_leaves_the_reads(place):
    scene = Scene(place, standbys=2, reads=True)
    scene.config["routes"]["bud_ro"]["max_lag"] = "2s"
    assert scene.daemon.reload(scene.daemon.complete(scene.config)).returncode == 0
    scene.daemon.wait_route(["standby-1", "standby-2"], "bud_ro")
    with scene.add_writer():
        scene.standbys[0].sql("select pg_wal_replay_pause()")
        scene.daemon.wait_route(["standby-2"], "bud_ro")
        scene.standbys[0].sql("select pg_wal_replay_resume()")
        wait_for(lambda: scene.daemon.route("bud_ro")["targets"] == ["standby-1", "standby-2"], 15,
                 why="the replica caught up and rejoined")
