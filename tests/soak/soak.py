#!/usr/bin/python3
"""A long run against real servers: load, garbage, and a fault every few seconds, each repaired.

At the end everything has to be as after the start: the same descriptors, threads and children, memory that no
longer grows, every route in effect on a target that works, nothing hung, no invariant broken. Prints a line every
30 seconds and a table at the end; exit status 0 when all of it holds.
"""
import argparse
import collections
import json
import os
import random
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "support"))

from faults import EXPECTED, all_faults  # noqa: E402
from garbage import GarbageServer, send_garbage  # noqa: E402
from measure import memory_kib, thread_count  # noqa: E402
from place import Place, exit_on_signals, free_port  # noqa: E402
from process import family, state_of, wait_for  # noqa: E402
from redis_scene import RedisFront, RedisWriter, client  # noqa: E402
from scene import Scene  # noqa: E402
from servers import Nginx, Redis  # noqa: E402

# Memory may still grow by so much in the second half: rings and books that are not yet full, and what malloc
# keeps for later. A leak of one byte for each probe run would show.
GROWTH_KIB = 3 * 1024
SETTLES = 90    # seconds, from the last repair until all is as it was: hold-downs, poolers' own waits
SLOW = 1.0      # seconds: an answer to /health that took longer


def config(world):
    garbage = world.garbage.port
    noise = {"noise-pg": {"type": "postgres", "url": f"postgresql://x:y@127.0.0.1:{garbage}/z"},
             "noise-redis": {"type": "redis", "url": f"redis://127.0.0.1:{garbage}", "check": "roundtrip"},
             "noise-http": {"type": "http", "url": f"http://127.0.0.1:{garbage}/", "body_contains": "ok"},
             "noise-tcp": {"type": "tcp", "address": f"127.0.0.1:{garbage}", "send": "x", "expect": "y"},
             "noise-exec": {"type": "exec", "command": ["/bin/sleep", "30"], "timeout": "300ms"},
             "noise-dns": {"type": "tcp", "address": "nowhere.invalid:80"}}
    return {
        "probes": {**noise,
                   "redis-a": {"type": "redis", "url": world.redis[0].url()},
                   "redis-b": {"type": "redis", "url": world.redis[1].url()},
                   "web": {"type": "http", "url": f"http://127.0.0.1:{world.web.ports[0]}/"},
                   "pooler": {"type": "pgbouncer", "admin": world.admin},
                   "disk": {"type": "disk", "path": "/tmp", "fail": "99.9%"},
                   "memory": {"type": "memory", "fail": "99.9%"},
                   "exec": {"type": "exec", "command": ["/bin/echo", "fine"]}},
        "services": {"noise": {"members": list(noise), "critical": False},
                     "cache": {"members": ["route:cache"]},
                     "host": {"members": ["disk", "memory", "exec", "web"]}},
        "routes": {"cache": {
            "via": {"haproxy": {"socket": world.front.socket, "backend": "redis", "server": "active",
                                "verify": {"address": f"127.0.0.1:{world.front.port}"}}},
            "candidates": ["redis-a", "redis-b"], "require": "master", "hold_down": "2s",
            "promote": {"when": ["master_dead", "master_frozen"], "sole_promoter": True}}},
        "recovery": {"cache": {"when": {"service": "cache", "state": "unhealthy", "for": "2s"},
                               "steps": [{"set_flag": {"name": "cache_off", "until": "recovered"}},
                                         {"exec": ["/bin/true"]}],
                               "verify_within": "5s", "retry_after": "1s",
                               "limits": {"cooldown": "10s"}}},
    }


class World:
    """Servers, the daemon, and who uses them."""

    def __init__(self, place):
        self.redis = [Redis(place, "redis-a")]
        self.redis.append(Redis(place, "redis-b", replica_of=self.redis[0]))
        self.front = RedisFront(place, self.redis[0])
        self.web = Nginx(place)
        self.garbage = GarbageServer(free_port())
        place.at_end(self.garbage.stop)
        self.scene = Scene(place, standbys=2, reads=True, start=False)
        self.admin = self.scene.pooler.admin()
        for section, content in config(self).items():
            self.scene.config[section] = {**self.scene.config.get(section, {}), **content}
        self.daemon = self.scene.daemon
        self.daemon.config = self.daemon.complete(self.scene.config)
        self.daemon.write(self.daemon.config)
        self.daemon.start()
        self.pid = self.daemon.process.pid
        wait_for(lambda: not self.unserved(), SETTLES, 0.2, f"all routes are served, see {self.daemon.process.log}")

    def unserved(self):
        """What is not as it should be, or nothing."""
        routes = self.daemon.status()["routes"]
        found = [f"route {name} is {one['state']} ({one['diagnosis']})" for name, one in sorted(routes.items())
                 if not one["in_effect"] or one["state"] != "healthy"]
        return found

    def works(self):
        """Writes through each pooler reach a server that takes them; reads a standby."""
        pooler = self.scene.pooler
        assert pooler.sql("insert into writes(client, number) values (0, 0) returning 1")
        assert pooler.sql("select pg_is_in_recovery()", "bud_ro")[0][0], "reads are led to a primary"
        client(self.front).set("soak", "1")
        return True

    def figures(self):
        members = family(self.pid)
        memory = memory_kib(self.pid)
        return {"anonymous": memory["Anonymous"], "rss": memory["Rss"],
                "descriptors": len(os.listdir(f"/proc/{self.pid}/fd")), "threads": thread_count(self.pid),
                "children": len(members) - 1, "zombies": sum(state_of(one) == "Z" for one in members)}


class Users:
    """Who asks pointsman: a balancer, dashboards, and clients that talk nonsense. And who writes."""

    def __init__(self, place, world):
        self.world, self.asked, self.slow, self.broken = world, 0, 0, []
        self.writer = world.scene.add_writer()
        self.cache = RedisWriter(world.front)
        place.at_end(self.cache.stop)
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=one, daemon=True) for one in (self._ask, self._look, self._babble)]
        for thread in self._threads:
            thread.start()

    def stop(self):
        self._stop.set()
        for thread in self._threads:
            thread.join(15)
        self.cache.stop()
        self.writer.stop()

    def _ask(self):
        while not self._stop.wait(0.05):
            begun = time.monotonic()
            try:
                self.world.daemon.get("/health")
            except (OSError, ValueError) as trouble:
                self.broken.append(repr(trouble))
            self.asked += 1
            self.slow += time.monotonic() - begun > SLOW

    def _look(self):
        paths = ["/health/detailed", "/v1/status", "/metrics", "/v1/incidents", "/v1/why/bud", "/"]
        turn = 0
        while not self._stop.wait(0.5):
            turn += 1
            try:
                self.world.daemon.get(paths[turn % len(paths)])
            except (OSError, ValueError) as trouble:
                self.broken.append(repr(trouble))

    def _babble(self):
        chance = random.Random(2)
        while not self._stop.wait(0.2):
            send_garbage(self.world.daemon.port, chance)


class Trouble:
    """A fault every few seconds; sometimes two at a time."""

    def __init__(self, world, seed):
        self.chance, self.groups = random.Random(seed), collections.defaultdict(list)
        for fault in all_faults(world):
            self.groups[fault.group].append(fault)
        self.done, self.missed = collections.Counter(), collections.Counter()

    def once(self):
        count = 2 if self.chance.random() < 0.25 else 1
        pair = [self.chance.choice(self.groups[name]) for name in self.chance.sample(sorted(self.groups), count)]
        begun = [one for one in pair if self._try(one, one.begin)]
        time.sleep(self.chance.uniform(0.5, 6))
        for one in reversed(begun):
            one.repair()
        time.sleep(self.chance.uniform(0.5, 4))

    def _try(self, fault, act):
        try:
            act()
        except EXPECTED:
            self.missed[fault.name] += 1
            return False
        self.done[fault.name] += 1
        return True


def line(clock, figures):
    return (f"{clock:6.0f} s  anonymous {figures['anonymous'] / 1024:6.1f} MiB  rss {figures['rss'] / 1024:6.1f} MiB  "
            f"descriptors {figures['descriptors']:3}  threads {figures['threads']:2}  children {figures['children']}  "
            f"zombies {figures['zombies']}")


def judge(world, users, before, half, after):
    """What does not hold, in words."""
    wrong = []
    log = world.daemon.process.output(1_000_000)
    if "invariant broken" in log or not world.daemon.process.running():
        wrong.append(f"pointsman ended or broke an invariant:\n{world.daemon.log(40)}")
    grown = after["anonymous"] - half["anonymous"]
    if grown > GROWTH_KIB:
        wrong.append(f"memory grew by {grown} KiB in the second half, at most {GROWTH_KIB} are allowed")
    for name, slack in (("descriptors", 4), ("threads", 1), ("children", 0), ("zombies", 0)):
        if after[name] > before[name] + slack:
            wrong.append(f"{name}: {before[name]} at the start, {after[name]} at the end")
    if users.writer.hung():
        wrong.append(f"{len(users.writer.hung())} writes hung")
    if users.broken:
        wrong.append(f"{len(users.broken)} questions were not answered, the first: {users.broken[0]}")
    if users.slow > users.asked / 100:
        wrong.append(f"{users.slow} of {users.asked} answers to /health took longer than {SLOW} s")
    return wrong


def ends_clean(world):
    """Nothing is left of the daemon once it was told to end."""
    members = family(world.pid)
    status = world.daemon.stop()
    left = [one for one in members if state_of(one) not in ("", "Z")]
    found = [f"pointsman ended with {status}"] if status != 0 else []
    return found + ([f"processes {left} are left behind"] if left else [])


def settle(world):
    try:
        wait_for(lambda: not world.unserved(), SETTLES, 0.2)
        wait_for(lambda: _tried(world), SETTLES, 0.5)
        return []
    except TimeoutError:
        routes = json.dumps(world.daemon.status()["routes"], indent=1)
        return [f"{SETTLES} s after the last repair: {'; '.join(world.unserved()) or 'queries fail'}\n{routes}"]


def _tried(world):
    try:
        return world.works()
    except EXPECTED:
        return False


def run(place, seconds, seed):
    world = World(place)
    users = Users(place, world)
    time.sleep(5)
    before, half = world.figures(), None
    trouble = Trouble(world, seed)
    begun = told = time.monotonic()
    print(line(0, before), flush=True)
    while time.monotonic() - begun < seconds:
        trouble.once()
        if half is None and time.monotonic() - begun > seconds / 2:
            half = world.figures()
        if time.monotonic() - told > 30:
            told = time.monotonic()
            print(line(told - begun, world.figures()), flush=True)
    wrong = settle(world)
    users.stop()
    time.sleep(15)  # idle connections, workers and held sessions are given back
    after = world.figures()
    print(line(time.monotonic() - begun, after), flush=True)
    wrong += judge(world, users, before, half or before, after)
    wrong += ends_clean(world)
    return world, users, trouble, wrong


def report(users, trouble):
    print(f"\n{'fault':<42} times")
    for name, count in sorted(trouble.done.items()):
        print(f"{name:<42} {count:>5}")
    gap, _ = users.writer.longest_gap()
    print(f"\nwrites to PostgreSQL: {len(users.writer.good())} good, {len(users.writer.failed())} failed, "
          f"{len(users.writer.hung())} hung, longest gap {gap:.1f} s")
    print(f"writes to Redis: {len(users.cache.good)} good, {len(users.cache.failed)} failed, "
          f"{len(users.cache.hung)} hung")
    print(f"/health: {users.asked} answers, {users.slow} slower than {SLOW} s, {len(users.broken)} not answered")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=int, default=600)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    options = parser.parse_args()
    exit_on_signals()
    print(f"soak for {options.seconds} s, seed {options.seed}", flush=True)
    with Place("soak") as place:
        _, users, trouble, wrong = run(place, options.seconds, options.seed)
        report(users, trouble)
    for one in wrong:
        print(f"WRONG: {one}")
    print("soak: " + ("nothing is left behind, and all is served" if not wrong else f"{len(wrong)} things are wrong"))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
