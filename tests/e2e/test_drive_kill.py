"""The daemon dies (kill -9) at every named point between two steps of an act: the next start converges.

The points are named in the code (POINTSMAN_FAULT_POINT), and compiled in for tests. Each stands here under
the way that it lies on, and a round fails where the daemon did not die at it. The rounds of a way share
their servers: what a round left behind is rebuilt for the next one, as an operator would.
"""
import glob
import os
import re
import threading
import time

import psycopg2
import pytest
import redis

from fault import die_at, ground
from place import REPOSITORY
from process import wait_for
from redis_scene import RedisScene, client
from scene import Scene
from servers import PG_BIN
from test_drive import PROMOTE, TUNED, configure
from test_file_route import FILE_POINTS
from test_haproxy import reaches

PROMOTING = ["promote.intended", "promote.asked"]
WAYS = {
    "the primary is killed": [
        "hook.before", "hook.after", *PROMOTING, "pgbouncer.intent", "pgbouncer.file_written",
        "pgbouncer.reloaded", "pgbouncer.retry_set", "pgbouncer.before_restore"],
    "the primary is frozen": ["pgbouncer.killed", "pgbouncer.resumed"],
    "a planned switch": [
        "switchover.intended", "pgbouncer.hold_intent", "pgbouncer.paused", "pgbouncer.held",
        "switchover.held", "switchover.fence_intended", "switchover.hook_ended", "switchover.fenced",
        "switchover.caught_up", "switchover.promote_intended", "switchover.promoted",
        "pgbouncer.released", "switchover.moved"],
    "a planned switch whose demotion fails": [
        "switchover.undemoted", "switchover.undo_release", "pgbouncer.hold_released",
        "pgbouncer.hold_restore"],
    "a planned switch, session pooling": ["pgbouncer.hold_killed"],
    "the Redis master is killed": [
        *PROMOTING, "promote.others_pointed", "haproxy.intended", "haproxy.addressed",
        "haproxy.readied", "haproxy.retired", "haproxy.cut", "haproxy.saved"],
    "the old Redis master returns": ["demote.intended", "demote.done"],
    "a planned switch of Redis": ["switchover.paused"],
    "a file is switched": FILE_POINTS,
}
ELSEWHERE = ("step.",)   # test_steps.py


def on(way):
    return pytest.mark.parametrize("point", WAYS[way])


def test_every_point_in_the_code_is_on_a_way():
    names = set()
    for file in glob.glob(os.path.join(REPOSITORY, "daemon/actions/*.cpp")):
        with open(file, encoding="utf-8") as text:
            names.update(re.findall(r'POINTSMAN_FAULT_POINT\("([^"]+)"\)', text.read()))
    listed = {point for points in WAYS.values() for point in points}
    assert {name for name in names if not name.startswith(ELSEWHERE)} == listed


# --- PostgreSQL behind pgbouncer ---------------------------------------------------------------

class Pair:
    """A primary and its standby, which take turns."""

    def __init__(self, place, pool_mode="transaction"):
        self.scene = Scene(place, defaults=TUNED, start=False, pool_mode=pool_mode)
        self.leader, self.other = self.scene.servers
        self.failing = place.path("demotion.fails")
        # Stops the server that it is told of; and says that it failed, where it is to.
        stop = place.write("demote.sh", f"""#!/bin/sh
{PG_BIN}/pg_ctl stop -D {place.folder}/$POINTSMAN_OLD -m fast -w && ! test -e {self.failing}
""", 0o755)
        start = place.write("undemote.sh", f"""#!/bin/sh
{PG_BIN}/pg_ctl start -D {place.folder}/$POINTSMAN_OLD -w -l {place.folder}/undemoted.log
""", 0o755)
        self.scene.config["routes"]["bud"].update({
            "promote": PROMOTE, "hold_down": "200ms", "fence": {"exec": ["/bin/true"]},
            "demote": {"exec": [stop], "timeout": "20s"}, "undemote": {"exec": [start], "timeout": "20s"}})
        configure(self.scene)
        self.scene.start()
        self.clients = 0

    def die_at(self, point, act):
        self.timeline = self.leader.timeline()
        die_at(self.scene.daemon, point, self._ready, act)

    def _ready(self):
        self.scene.daemon.wait_route(self.leader.name)
        for server in self.scene.servers:
            self.scene.daemon.wait_probe(server.name, "healthy")

    def add_writer(self):
        self.clients += 1
        return self.scene.add_writer(client=self.clients)

    def ask(self):
        """`pointsman switch` to the standby; it ends when the daemon does."""
        words = ("switch", "bud", "--to", self.other.name)
        threading.Thread(target=lambda: self.scene.daemon.command(*words), daemon=True).start()

    def wait_moved(self):
        self.scene.daemon.wait_route(self.other.name, limit=40)
        assert self.other.timeline() == self.timeline + 1   # promoted once
        self.leader, self.other = self.other, self.leader

    def wait_settled(self):
        """In effect somewhere, with nothing of ours left on the pooler; who leads is the leader."""
        daemon, servers = self.scene.daemon, {server.name: server for server in self.scene.servers}

        def settled():
            # None while the start still looks at what was left half done.
            route = daemon.status()["routes"].get("bud")
            return route and route["in_effect"] and servers[route["targets"][0]]
        leader = wait_for(settled, 40, why="the route is in effect")
        if leader is not self.leader:
            self.wait_moved()
        wait_for(self._is_clean, 15, why="nothing of ours is left on the pooler")

    def _is_clean(self):
        database = next(row for row in self.scene.pooler.console("SHOW DATABASES") if row["name"] == "bud")
        retry = next(row["value"] for row in self.scene.pooler.console("SHOW CONFIG")
                     if row["key"] == "server_login_retry")
        return int(database["paused"]) == 0 and float(retry) == 15

    def put_right(self):
        """For the next round."""
        if not follows(self.other, self.leader):
            self.other.rebuild(self.leader)
        self.leader.wait_streaming()


def follows(standby, primary):
    try:
        return not standby.writable() and primary.sql("select count(*) from pg_stat_replication")[0][0] == 1
    except psycopg2.OperationalError:
        return False


pair = ground(Pair)
session_pair = ground(lambda place: Pair(place, pool_mode="session"))


@on("the primary is killed")
def test_killed_in_the_middle_of_a_failover(pair, point):
    with pair.round() as it:
        it.die_at(point, it.leader.kill9_all)
        it.wait_moved()
        it.wait_settled()
        it.put_right()


@on("the primary is frozen")
def test_killed_while_stuck_clients_are_cut(pair, point):
    with pair.round() as it:
        writer = it.add_writer()
        it.die_at(point, it.leader.freeze_all)
        it.wait_moved()
        it.wait_settled()
        writer.stop()
        assert writer.hung() == []
        it.put_right()


def planned(it, point):
    writer = it.add_writer()
    it.die_at(point, it.ask)
    it.wait_settled()
    settled = time.monotonic()
    wait_for(lambda: writer.first_good_after(settled, it.leader.port), 15, why="writes go on")
    writer.stop()
    assert writer.missing(it.leader) == []
    it.put_right()


@on("a planned switch")
def test_killed_in_the_middle_of_a_planned_switch(pair, point):
    with pair.round() as it:
        planned(it, point)


@on("a planned switch whose demotion fails")
def test_killed_while_a_planned_switch_is_taken_back(pair, point):
    with pair.round() as it:
        it.scene.place.write("demotion.fails", "")
        before = it.leader
        planned(it, point)
        assert it.leader is before
        os.remove(it.failing)


@on("a planned switch, session pooling")
def test_killed_in_the_middle_of_a_planned_switch_with_sessions(session_pair, point):
    with session_pair.round() as it:
        planned(it, point)


# --- Redis behind HAProxy ----------------------------------------------------------------------

class Caches:
    """A master and two replicas behind an HAProxy with two servers; they take turns."""

    def __init__(self, place):
        self.scene = RedisScene(place, replicas=2, spare=True, state_file=True, defaults=TUNED,
                                hold_down="200ms", promote={"when": ["master_dead"], "sole_promoter": True})
        self.leader = "redis-a"

    def server(self):
        return self.scene.servers[self.leader]

    def die_at(self, point, act):
        die_at(self.scene.daemon, point, self._ready, act)

    def _ready(self):
        self.scene.daemon.wait_route(self.leader, "cache")
        # The server that is not in use has the address of no candidate, so that it will need one.
        for row in self.scene.front.ask("show servers state redis").splitlines()[2:]:
            fields = row.split()
            if len(fields) > 18 and fields[18] != str(self.server().port):
                self.scene.front.ask(f"set server redis/{fields[3]} addr 127.0.0.1 port 1")
        for name in self.scene.servers:
            self.scene.daemon.wait_probe(name, "healthy")

    def wait_moved(self):
        old = self.leader

        def moved():
            route = self.scene.daemon.status()["routes"].get("cache")
            return route and route["in_effect"] and route["targets"] != [old] and route["targets"][0]
        self.leader = wait_for(moved, 40, why="the route leads to a new master")
        masters = [name for name, server in self.scene.servers.items() if role(server) == "master"]
        assert self.leader in masters and set(masters) <= {self.leader, old}   # one was promoted
        wait_for(lambda: reaches(self.scene, self.server()), 10, why="HAProxy leads there")

    def wait_in_step(self):
        others = [server for server in self.scene.servers.values() if server is not self.server()]
        for server in others:
            wait_for(lambda one=server: role(one) == "slave" and info(one)["master_port"] == self.server().port
                     and info(one)["master_link_status"] == "up", 30, why="all follow the new master")


def info(server):
    return client(server).info("replication")


def role(server):
    try:
        return info(server)["role"]
    except redis.RedisError:
        return "none"


caches = ground(Caches)


@on("the Redis master is killed")
def test_killed_in_the_middle_of_a_redis_failover(caches, point):
    with caches.round() as it:
        old = it.server()
        it.die_at(point, old.process.kill9)
        it.wait_moved()
        old.start()
        it.wait_in_step()


@on("the old Redis master returns")
def test_killed_while_the_old_master_is_made_to_follow(caches, point):
    with caches.round() as it:
        old = it.server()

        def fail_over_and_return():
            old.process.kill9()
            it.wait_moved()
            old.start()
        it.die_at(point, fail_over_and_return)
        it.wait_in_step()
        it.scene.daemon.wait_route(it.leader, "cache")


@on("a planned switch of Redis")
def test_killed_in_the_middle_of_a_planned_redis_switch(caches, point):
    with caches.round() as it:
        to = next(name for name in it.scene.servers if name != it.leader)
        words = ("switch", "cache", "--to", to)
        it.die_at(point, threading.Thread(target=lambda: it.scene.daemon.command(*words), daemon=True).start)
        wait_for(lambda: (it.scene.daemon.status()["routes"].get("cache") or {}).get("in_effect"), 40,
                 why="the route is in effect")
        it.leader = it.scene.daemon.route("cache")["targets"][0]
        it.wait_in_step()
        # Not paused any more.
        client(it.scene.front, timeout=15).set("after", "1")
