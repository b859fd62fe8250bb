"""The usual scene: a primary, standbys, a pgbouncer that leads to the primary, and pointsman."""
from daemon import Daemon
from place import free_port
from process import wait_for
from servers import Pgbouncer, Postgres
from writer import Writer

# Quick, so that tests are; the defaults are 5s and 1s.
QUICK = {"interval": "1s", "fast_interval": "200ms", "timeout": "1s", "rise": 2, "fall": 3}


class Scene:
    def __init__(self, place, standbys=1, reads=False, pooler="", pool_mode="transaction", start=True,
                 network=None, **config):  # pylint: disable=too-many-arguments
        """`reads`: a route bud_ro over the standbys. `config`: sections that are added or replaced.
        `network`: a network.Network; each PostgreSQL is then a machine of its own."""
        self.place = place
        self.primary = Postgres(place, **(network.machine(0) if network else {}))
        # Balanced candidates share a port, so that standbys have hosts of their own.
        port = free_port()
        self.standbys = [Postgres(place, f"standby-{number}", upstream=self.primary, port=port,
                                  **(network.machine(number) if network else
                                     {"host": f"127.0.0.{number + 1}"}))
                         for number in range(1, standbys + 1)]
        self.servers = [self.primary, *self.standbys]
        targets = {"bud": self.primary.line()}
        if reads:
            targets["bud_ro"] = self.standbys[0].line()
        self.pooler = Pgbouncer(place, targets, settings=pooler, pool_mode=pool_mode)
        self.config = {
            "defaults": QUICK,
            "probes": {server.name: {"type": "postgres", "url": server.url()}
                       for server in self.servers},
            "services": {"database": {"members": ["route:bud"]}},
            "routes": {"bud": {"via": self.via("bud"), "require": "writable", "hold_down": "5s",
                               "candidates": [server.name for server in self.servers]}},
        }
        if reads:
            self.config["services"]["database"]["members"].append("route:bud_ro")
            self.config["routes"]["bud_ro"] = {
                "via": self.via("bud_ro", options="dbname=bud"), "require": "standby",
                "candidates": [server.name for server in self.standbys], "balance": "round_robin",
                "max_lag": "10s", "fallback": ["route:bud"], "failback": {"after": "3s"}}
        for section, content in config.items():
            if isinstance(content, dict) and isinstance(self.config.get(section), dict):
                self.config[section] = {**self.config[section], **content}
            else:
                self.config[section] = content
        self.daemon = Daemon(place, self.config, start=False)
        if start:
            self.start()

    def via(self, database, **more):
        return {"pgbouncer": {"admin": self.pooler.admin(), "file": self.pooler.file,
                              "database": database, **more}}

    def start(self):
        self.daemon.start()
        self.daemon.wait_route("primary")
        return self

    def add_writer(self, **more):
        """A client that writes 50 rows a second, already at it."""
        writer = Writer(self.pooler.port, **more).start()
        self.place.at_end(writer.stop)
        wait_for(lambda: len(writer.good()) >= 5, 10, why="the client writes")
        return writer

    def servers_of(self, database="bud"):
        """Where pgbouncer's server connections of a database lead: {(address, port)}."""
        return {(row["addr"], int(row["port"])) for row in self.pooler.console("SHOW SERVERS")
                if row["database"] == database}
