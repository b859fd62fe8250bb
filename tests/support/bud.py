"""The shipped example etc/examples/bud, run as it is against real servers.

Its two files are read as text; the addresses of BUD's servers are replaced by those of a test's, the receivers
of alerts by an Alertmanager, and the times by short ones. Whatever is to be replaced has to be there, so a test
breaks when the example goes another way than it. All else, the structure above all, is what is shipped.
"""
import os
import re

import redis

from alertmanager import Alertmanager
from daemon import Daemon
from place import REPOSITORY, free_port
from process import wait_for
from receiver import Receiver
from redis_scene import RedisFront
from servers import Pgbouncer, Postgres, Redis, query

EXAMPLE = os.path.join(REPOSITORY, "etc/examples/bud")
SECRETS = {"postgres": "secret", "redis": "redis-secret", "admin_token": "admin-secret",
           "pagerduty": "0123456789abcdef0123456789abcdef", "slack_webhook": "unused"}
DATABASE_LIMIT = 100   # connections; more than anything here opens


def example(name):
    with open(os.path.join(EXAMPLE, name), encoding="utf-8") as file:
        return file.read()


def replaced(text, pairs):
    for old, new in pairs.items():
        assert old in text, f"the example has no {old!r} any more"
        text = text.replace(old, new)
    return text


def timed(text, times):
    """{"verify_within": "3s"}: every value of a key, the shipped one being a duration."""
    for key, value in times.items():
        text, count = re.subn(rf"\b{key}: \d+(ms|s|m|h)\b", f"{key}: {value}", text)
        assert count, f"the example has no {key!r} any more"
    return text


def with_alertmanager(text, alertmanager):
    """Both of the example's receivers: what is told to both is one alert there."""
    where = f'type: alertmanager, url: "{alertmanager.url()}", refresh: 1s'
    return replaced(text, {'type: pagerduty, routing_key: "${credential:pagerduty}"': where,
                           'type: slack, url: "${credential:slack_webhook}"': where})


class BudDaemon(Daemon):
    """`complete` is given the two texts; the second is written beside the first, as `include` wants it."""

    def complete(self, config):
        main, recovery = config
        self.place.write("recovery.yaml", recovery)
        main = replaced(main, {
            "  http: 0.0.0.0:8600 ": f"  control: {self.control}\n  http: 127.0.0.1:{self.port} ",
            "0.0.0.0:8601": f"127.0.0.1:{free_port()}",
            "include: [": f"state_dir: {self.state_dir}\ninclude: [",
        })
        return main


class Bud:
    """BUD's servers. Made once for a module; each test runs a daemon of its own and mends what it broke."""

    def __init__(self, place):
        self.place = place
        self.alertmanager = Alertmanager(place)
        self.primary = Postgres(place, "primary")
        port = free_port()   # balanced candidates share it
        self.replicas = [Postgres(place, f"replica-{number}", upstream=self.primary, port=port,
                                  host=f"127.0.0.{number + 1}") for number in (1, 2)]
        self.pooler = Pgbouncer(place, {"bud": self.primary.line(), "bud_ro": self.replicas[0].line()})
        self.caches = [Redis(place, f"redis-{name}") for name in "ab"]
        for one in self.caches:
            self.client(one, password=None).config_set("requirepass", SECRETS["redis"])
        self.front = RedisFront(place, self.caches[0])
        self.outside_status, self.app_status = 200, 200   # None: it takes the request and never answers
        self.outside = Receiver(place, lambda path: self.outside_status)
        self.app = Receiver(place, lambda path: self.app_status)
        folder = place.make_folder("credentials", mode=0o700)
        for name, value in SECRETS.items():
            place.write(os.path.join("credentials", name), value, 0o600)
        self.env = {"CREDENTIALS_DIRECTORY": folder}
        self.daemons, self.told_before = 0, {}

    def client(self, server, password=SECRETS["redis"]):
        return redis.Redis(port=server.port, password=password, socket_timeout=3)

    def main(self):
        """pointsman.yaml: our addresses, quick probes, and the machine's own load left out of it."""
        text = example("pointsman.yaml")
        servers = {"10.0.1.10:5432": self.primary, "10.0.1.11:5432": self.replicas[0],
                   "10.0.1.12:5432": self.replicas[1]}
        text = replaced(text, {old: f"{new.host}:{new.port}" for old, new in servers.items()})
        return replaced(text, {
            "10.0.1.20:6379": f"127.0.0.1:{self.caches[0].port}",
            "10.0.1.21:6379": f"127.0.0.1:{self.caches[1].port}",
            "host=/run/postgresql port=6432 dbname=pgbouncer user=pointsman": self.pooler.admin(),
            "/var/lib/pointsman/pgbouncer/targets.ini": self.pooler.file,
            "/run/haproxy/admin.sock": self.front.socket,
            "127.0.0.1:6380": f"127.0.0.1:{self.front.port}",
            "http://127.0.0.1:8000/": f"http://127.0.0.1:{self.app.port}/",
            "https://api.openai.com/": f"http://127.0.0.1:{self.outside.port}/",
            "https://firebase.googleapis.com/": f"http://127.0.0.1:{self.outside.port}/",
            "timeout: 10s, interval: 30s": "timeout: 1s, interval: 1s",
            "failback: {after: 30s}": "failback: {after: 1s}",
            "{type: disk,": "{enabled: false, type: disk,",
            "{type: memory,": "{enabled: false, type: memory,",
            "{type: cpu,": "{enabled: false, type: cpu,",
            "probes:\n": "defaults: {interval: 1s, fast_interval: 200ms, timeout: 1s}\nprobes:\n",
        })

    def recovery(self, verify_within="3s"):
        """recovery.yaml: `verify_within` has to be long where a step is to heal."""
        text = with_alertmanager(example("recovery.yaml"), self.alertmanager)
        text = replaced(text, {"- reconnect: bud\n": "- {reconnect: bud, timeout: 2s}\n"})
        return timed(text, {"for": "1s", "retry_after": "500ms", "verify_within": verify_within})

    def told_since(self, subject):
        """What Alertmanager passed on of a critical alert since the daemon was started."""
        return self.alertmanager.told(subject)[self.told_before.get(subject, 0):]

    def start(self, main=None, recovery=None):
        """A daemon that knows nothing yet, once all is well."""
        self.daemons += 1
        for subject in ("route:bud", "route:cache", "external"):
            # What the daemon before could not end itself ends by itself.
            wait_for(lambda one=subject: self.alertmanager.told(one)[-1:] != ["firing"], 20, 0.1, f"{subject} is over")
            self.told_before[subject] = len(self.alertmanager.told(subject))
        daemon = BudDaemon(self.place, (main or self.main(), recovery or self.recovery()),
                           name=f"daemon-{self.daemons}", env=self.env)
        for route, target in (("bud", "primary"), ("cache", "redis-a")):
            daemon.wait_route(target, route)
        for service in ("database", "cache", "external"):
            wait_service(daemon, service, "healthy")
        return daemon

    def mend(self):
        """All as it was made, for the next test."""
        if not self.primary.process.running():
            self.primary.start()
        self.pooler.stop()   # it remembers for 15 s that it could not log in
        self.pooler.start()
        for server in self.caches:
            server.process.thaw()
            self.client(server).config_set("maxclients", 10000)
        self.front.lead_to(self.caches[0])   # either will do, so no daemon leads back from the other by itself
        self.outside_status, self.app_status = 200, 200
        query(self.primary.port, f"alter database bud connection limit {DATABASE_LIMIT}")
        self.primary.wait_streaming()


def wait_service(daemon, name, state, limit=40):
    wait_for(lambda: daemon.status()["services"][name]["state"] == state, limit, 0.1,
             f"service {name} is {state}")


def ladder(daemon, name):
    return daemon.status()["ladders"][name]


def attempts(daemon, subject):
    """What was tried in the newest incident of a subject: [(action, outcome)]."""
    found = [one for one in daemon.get("/v1/incidents")[1]["incidents"] if one["subject"] == subject]
    newest = max(found, key=lambda one: int(one["id"]))
    whole = daemon.get(f"/v1/incidents/{newest['id']}")[1]
    return [(one["action"], one["outcome"]) for one in whole["attempts"]]
