"""A Redis master behind HAProxy: the application's writes follow it, and what HAProxy forgets comes back."""
import time

import pytest
import redis

from process import wait_for
from redis_scene import RedisScene, client

# As in test_failover: a bound that tells "at once" from "after some timeout of others".
AT_ONCE = 4.0


def reaches(scene, server):
    try:
        return scene.leads_to() == str(server.port)
    except redis.RedisError:
        return False


def assert_follows(scene, writer, name, since, within=AT_ONCE):
    came_back = writer.wait_good_after(since, within + 20)
    found = scene.daemon.wait_route(name, "cache")
    assert came_back - since < within, scene.daemon.log()
    assert found["verified"] == "query"
    assert scene.leads_to() == str(scene.servers[name].port)
    writer.stop()
    assert writer.hung == []
    return found


def test_writes_follow_when_the_master_is_killed_and_a_replica_promoted(place):
    scene = RedisScene(place)
    writer = scene.add_writer()
    scene.master.process.kill9()
    time.sleep(1)
    client(scene.replicas[0]).replicaof("NO", "ONE")
    found = assert_follows(scene, writer, "redis-b", time.monotonic())
    assert found["last_switch"]["from"] == "redis-a"


def test_sessions_on_a_frozen_master_are_cut(place):
    scene = RedisScene(place)
    writer = scene.add_writer()
    scene.master.process.freeze()
    time.sleep(1)
    client(scene.replicas[0]).replicaof("NO", "ONE")
    assert_follows(scene, writer, "redis-b", time.monotonic())
    scene.master.process.thaw()


@pytest.mark.parametrize("how", ["kill9", "freeze"])
def test_pointsman_promotes_the_replica_of_a_dead_or_frozen_master(place, how):
    scene = RedisScene(place, replicas=2, promote={"when": ["master_dead", "master_frozen"],
                                                   "sole_promoter": True})
    writer = scene.add_writer()
    killed = time.monotonic()
    if how == "kill9":
        scene.master.process.kill9()
    else:
        scene.master.process.freeze()
    came_back = writer.wait_good_after(killed + 0.5, 30)
    assert came_back - killed < 12, scene.daemon.log()
    name = wait_for(lambda: next((one for one in ("redis-b", "redis-c")
                                  if scene.daemon.route("cache")["targets"] == [one]), None), 10)
    assert_follows(scene, writer, name, killed, within=12)
    other = scene.replicas[1 if name == "redis-b" else 0]
    wait_for(lambda: client(other).info("replication")["master_port"] == scene.servers[name].port,
             10, why="the other replica follows the new master")
    # The old master comes back as one, and is made to follow: nobody can write there.
    if how == "kill9":
        scene.master.start()
    else:
        scene.master.process.thaw()
    wait_for(lambda: client(scene.master).info("replication").get("master_port") ==
             scene.servers[name].port, 20, why="the old master follows the new one")
    assert scene.daemon.wait_route(name, "cache")["targets"] == [name]


def test_a_reload_of_haproxy_does_not_bring_the_old_master_back(place):
    scene = RedisScene(place)
    scene.master.process.kill9()
    client(scene.replicas[0]).replicaof("NO", "ONE")
    scene.daemon.wait_route("redis-b", "cache")
    writer = scene.add_writer()
    forgot = time.monotonic()
    scene.front.reload()
    # The connection that the writer has stays with HAProxy's worker of before: a new one tells.
    wait_for(lambda: reaches(scene, scene.replicas[0]), 10, why="what HAProxy forgot is repaired")
    assert time.monotonic() - forgot < 2 * AT_ONCE, scene.daemon.log()
    assert_follows(scene, writer, "redis-b", forgot)


def test_a_state_file_keeps_the_target_over_a_reload(place):
    scene = RedisScene(place, state_file=True)
    client(scene.replicas[0]).replicaof("NO", "ONE")
    scene.master.process.kill9()
    scene.daemon.wait_route("redis-b", "cache")
    scene.daemon.stop()
    scene.front.reload()
    assert scene.leads_to() == str(scene.replicas[0].port)
