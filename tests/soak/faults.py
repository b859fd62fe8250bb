"""What is done to the servers of the soak test, each with its repair. `Fault.group` keeps two faults that would
leave nothing to lead to from being done at once."""
import dataclasses
import re
import typing

import psycopg2
import redis

from process import Process
from redis_scene import client


@dataclasses.dataclass
class Fault:
    name: str
    group: str
    begin: typing.Callable[[], None]
    repair: typing.Callable[[], None]


def again(process):
    """The same program, started anew."""
    return Process(process.place, process.argv, process.log.rsplit("/", 1)[1])


def _postgres(server):
    def end_sessions():
        """As a firewall that forgets its connections would."""
        server.sql("select pg_terminate_backend(pid) from pg_stat_activity "
                   "where backend_type = 'client backend' and pid <> pg_backend_pid()")
    yield Fault(f"kill {server.name}", server.name, server.kill9_all, server.start)
    yield Fault(f"freeze {server.name}", server.name, server.freeze_all, server.thaw_all)
    yield Fault(f"restart {server.name}", server.name, server.stop, server.start)
    yield Fault(f"cut the sessions of {server.name}", server.name, end_sessions, lambda: None)


def _pooler(pooler):
    yield Fault("kill pgbouncer", "pooler", pooler.process.kill9, pooler.start)
    yield Fault("freeze pgbouncer", "pooler", lambda: pooler.process.freeze(), lambda: pooler.process.thaw())
    yield Fault("lead pgbouncer by hand elsewhere", "pooler", lambda: _lead_wrong(pooler), lambda: None)


def _lead_wrong(pooler):
    targets = pooler.targets()
    targets["bud"] = re.sub(r"port=\d+", "port=1", targets["bud"])
    pooler.write_targets(targets)
    pooler.console("RELOAD")


class _Cache:
    """The Redis pair. A server that was killed comes back as a replica, if there is a master to follow."""

    def __init__(self, servers):
        self.servers, self.victim = servers, None

    def _masters(self):
        found = []
        for server in self.servers:
            try:
                if client(server, timeout=1).info("replication")["role"] == "master":
                    found.append(server)
            except redis.RedisError:
                pass
        return found

    def pick(self, act):
        def begin():
            self.victim = (self._masters() or self.servers)[0]
            act(self.victim)
        return begin

    def bring_back(self):
        masters = self._masters()
        self.victim.start(["--replicaof", "127.0.0.1", str(masters[0].port)] if masters else [])

    def cut(self, server):
        client(server, timeout=1).execute_command("CLIENT", "KILL", "TYPE", "normal")

    def faults(self):
        yield Fault("kill the Redis master", "cache", self.pick(lambda one: one.process.kill9()), self.bring_back)
        yield Fault("freeze the Redis master", "cache", self.pick(lambda one: one.process.freeze()),
                    lambda: self.victim.process.thaw())
        yield Fault("cut the clients of the Redis master", "cache", self.pick(self.cut), lambda: None)


def _front(front):
    def restart():
        front.process = again(front.process)
    yield Fault("kill HAProxy", "front", lambda: front.process.kill9(), restart)


def _daemon(daemon):
    def command(*words):
        def run():
            done = daemon.command(*words)
            assert done.returncode == 0, f"pointsman {' '.join(words)}: {done.stdout}{done.stderr}"
        return run
    yield Fault("reload", "daemon", command("reload"), lambda: None)
    yield Fault("pause", "daemon", command("pause", "--reason", "soak"), command("resume"))
    yield Fault("drain", "daemon", command("drain", "--reason", "soak"), command("undrain"))


def all_faults(world):
    found = []
    for server in world.scene.servers:
        found += _postgres(server)
    found += _pooler(world.scene.pooler)
    found += _Cache(world.redis).faults()
    found += _front(world.front)
    found += _daemon(world.daemon)
    return found


# What a fault that comes while its server is already in trouble may meet with.
EXPECTED = (psycopg2.Error, redis.RedisError)
