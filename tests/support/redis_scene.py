"""A Redis master with replicas behind HAProxy, an application that writes through it, and pointsman."""
import os
import signal
import socket
import threading
import time

import redis

from daemon import Daemon
from place import free_port
from process import wait_for
from servers import Haproxy, Redis

QUICK = {"interval": "1s", "fast_interval": "200ms", "timeout": "1s", "rise": 2, "fall": 3}


def client(server, **more):
    """`server` has a port: a Redis, or the HAProxy in front of it."""
    return redis.Redis(port=server.port, socket_timeout=more.pop("timeout", 2), **more)


class RedisFront:
    """HAProxy with the backend `redis`: a server `active`, and a `spare` that is disabled where asked for."""

    def __init__(self, place, leads_to, name="haproxy", spare=False):
        self.place, self.name, self.port = place, name, free_port()
        folder = place.make_folder(f"{name}.d")
        self.socket = os.path.join(folder, "admin.sock")
        self.state_file = os.path.join(folder, "state")
        config = f"""global
  stats socket {self.socket} mode 600 level admin
  server-state-file {self.state_file}
  hard-stop-after 5s
defaults
  mode tcp
  timeout connect 500ms
  timeout client 1h
  timeout server 1h
  retries 0
  load-server-state-from-file global
frontend in
  bind 127.0.0.1:{self.port}
  default_backend redis
backend redis
  server active 127.0.0.1:{leads_to.port}
{"  server spare 127.0.0.1:1 disabled" if spare else ""}
"""
        self.process = Haproxy(place, config, name, master=True).process
        wait_for(self._ready, 10, why=f"HAProxy serves, see {self.process.log}")

    def _ready(self):
        return "Loading success" in self.process.output() and os.path.exists(self.socket)

    def ask(self, command):
        """Of the runtime API."""
        with socket.socket(socket.AF_UNIX) as one:
            one.connect(self.socket)
            one.sendall(command.encode() + b"\n")
            return b"".join(iter(lambda: one.recv(65536), b"")).decode()

    def lead_to(self, server):
        self.ask(f"set server redis/active addr 127.0.0.1 port {server.port}")

    def reload(self):
        """A new worker with the configuration as it stands."""
        loads = self.process.output(1000).count("Loading success")
        self.process.tell(signal.SIGUSR2)
        wait_for(lambda: self.process.output(1000).count("Loading success") > loads, 10,
                 why="HAProxy is reloaded")


class RedisWriter:
    """Sets a key each 20 ms over one connection that it keeps, and notes when it was answered."""

    def __init__(self, front, limit=20):
        self.front, self._limit = front, limit
        self.good, self.failed, self.hung = [], [], []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        # No retries and a long patience: what hangs must be cut by the product.
        connection = client(self.front, timeout=self._limit)
        number = 0
        while not self._stop.is_set():
            number += 1
            try:
                connection.set(f"written:{number}", number)
                self.good.append((time.monotonic(), number))
            except redis.TimeoutError:
                self.hung.append(number)
                connection.connection_pool.disconnect()
            except redis.RedisError as trouble:
                self.failed.append((time.monotonic(), str(trouble)))
                connection.connection_pool.disconnect()
            self._stop.wait(0.02)

    def stop(self):
        self._stop.set()
        self._thread.join(self._limit + 5)

    def wait_good_after(self, when, limit):
        return wait_for(lambda: next((at for at, _ in list(self.good) if at > when), None), limit,
                        why="a write is answered")


class RedisScene:
    def __init__(self, place, replicas=1, state_file=False, spare=False, defaults=None, **route):
        """`state_file`: pointsman keeps HAProxy's. `spare`: HAProxy has two servers. `route`: keys that are
        added or replaced."""  # pylint: disable=too-many-arguments
        self.place = place
        self.master = Redis(place, "redis-a")
        self.replicas = [Redis(place, f"redis-{name}", replica_of=self.master)
                         for name in "bcd"[:replicas]]
        self.servers = {"redis-a": self.master,
                        **{f"redis-{name}": one for name, one in zip("bcd", self.replicas)}}
        wait_for(self._in_step, 15, why="the replicas are in step")
        self.front = RedisFront(place, self.master, spare=spare)
        more = {"server_state_file": self.front.state_file} if state_file else {}
        self.config = {
            "defaults": defaults or QUICK,
            "probes": {name: {"type": "redis", "url": server.url()}
                       for name, server in self.servers.items()},
            "services": {"cache": {"members": ["route:cache"]}},
            "routes": {"cache": {
                "via": {"haproxy": {"socket": self.front.socket, "backend": "redis",
                                    "server": ["active", "spare"] if spare else "active",
                                    "verify": {"address": f"127.0.0.1:{self.front.port}"},
                                    **more}},
                "candidates": list(self.servers), "require": "master", "hold_down": "5s", **route}},
        }
        self.daemon = Daemon(place, self.config)
        self.daemon.wait_route("redis-a", "cache")

    def _in_step(self):
        return all(client(one).info("replication").get("master_link_status") == "up"
                   for one in self.replicas)

    def add_writer(self):
        writer = RedisWriter(self.front)
        self.place.at_end(writer.stop)
        wait_for(lambda: len(writer.good) >= 5, 10, why="the client writes")
        return writer

    def leads_to(self):
        """The port that a query through HAProxy reaches."""
        return client(self.front).config_get("port")["port"]
