"""The program under test: pointsman started with a configuration, asked over HTTP and its own command line.

The binary is POINTSMAN_BIN, else build/ci/bin/pointsman. It is copied into the place once, because the
unprivileged user that it runs as may not reach the checkout. Configurations are written as JSON, which
is YAML too.
"""
import http.client
import json
import os
import shutil
import signal
import subprocess
import time

from place import REPOSITORY, as_user, free_port, service_user
from process import Process, wait_for


def binary():
    return os.environ.get("POINTSMAN_BIN") or os.path.join(REPOSITORY, "build/ci/bin/pointsman")


def reachable_binary(place):
    copy = place.path("pointsman")
    if not os.path.exists(copy):
        shutil.copy2(binary(), copy)
        os.chmod(copy, 0o755)
    return copy


class Daemon:
    def __init__(self, place, config, name="daemon", env=None, start=True):
        self.place, self.name, self.env = place, name, env or {}
        self.port = free_port()
        self.state_dir = place.make_folder(f"{name}.state", mode=0o750)
        self.runtime = place.make_folder(f"{name}.run")
        self.control = os.path.join(self.runtime, "control.sock")
        self.binary = reachable_binary(place)
        self.config = self.complete(config)
        self.file = place.path(f"{name}.yaml")
        self.write(self.config)
        self.process = None
        if start:
            self.start()

    def complete(self, config):
        """Adds what every daemon of a test needs."""
        whole = {"version": 1, "mode": "act", "node": {"name": "test"}, **config}
        whole.setdefault("state_dir", self.state_dir)
        whole["listen"] = {"http": f"127.0.0.1:{self.port}", "control": self.control,
                           **config.get("listen", {})}
        return whole

    def write(self, config):
        """Replaces the configuration file; a str is written as it stands."""
        text = config if isinstance(config, str) else json.dumps(config, indent=2) + "\n"
        self.place.write(f"{self.name}.yaml", text)

    def start(self, wait=True):
        self.process = Process(self.place, [self.binary, "run", "--config", self.file],
                               f"{self.name}.log", env={"RUNTIME_DIRECTORY": self.runtime, **self.env})
        if wait:
            self.wait_answering()
        return self

    def wait_answering(self, limit=15):
        def answering():
            if not self.process.running():
                raise RuntimeError(f"pointsman ended with {self.process.popen.returncode}:\n"
                                   + self.process.output())
            try:
                return self.get("/livez")[0] == 200
            except OSError:
                return False
        wait_for(answering, limit, why=f"pointsman answers, see {self.process.log}")

    def wait_ready(self, limit=15):
        wait_for(lambda: self.get("/readyz")[0] == 200, limit, why="/readyz says 200")

    def stop(self, number=signal.SIGTERM, limit=15):
        return self.process.stop(number, limit)

    def restart(self):
        self.stop()
        return self.start()

    def get(self, path, headers=None, timeout=5):
        """(status, body); the body parsed where it is JSON."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            connection.request("GET", path, headers=headers or {})
            answer = connection.getresponse()
            text = answer.read().decode("utf-8", "replace")
            kind = answer.getheader("Content-Type") or ""
            return answer.status, json.loads(text) if "json" in kind and text else text
        finally:
            connection.close()

    def status(self):
        return self.get("/v1/status")[1]

    def route(self, name="bud"):
        return self.status()["routes"][name]

    def probe(self, name):
        return self.status()["probes"][name]

    def wait_route(self, targets, name="bud", limit=30):
        """Until the route is in effect on exactly these targets."""
        wanted = sorted(targets if isinstance(targets, (list, tuple)) else [targets])

        def there():
            # None while the start still looks at what was left half done.
            found = self.status()["routes"].get(name)
            return found if found and found["in_effect"] and sorted(found["targets"]) == wanted else None
        try:
            return wait_for(there, limit, 0.05)
        except TimeoutError:
            now = json.dumps(self.status()["routes"].get(name), indent=1)
            raise TimeoutError(f"route {name} is not in effect on {wanted} after {limit} s: {now}\n"
                               + self.process.output(30)) from None

    def wait_probe(self, name, state, limit=30):
        return wait_for(lambda: self.probe(name)["state"] == state, limit, 0.05,
                        f"probe {name} is {state}")

    def command(self, *words, timeout=30, control=True):
        """A command line of pointsman; the completed process."""
        where = ["--control", self.control] if control else []
        return subprocess.run(as_user(service_user()) + [self.binary, *words, *where], text=True,
                              capture_output=True, timeout=timeout, check=False, cwd="/",
                              env={**os.environ, "RUNTIME_DIRECTORY": self.runtime, **self.env})

    def reload(self, config=None):
        """Rewrites the file and has it read again by the command, which returns once that is done."""
        if config is not None:
            self.write(config)
        return self.command("reload")

    def log(self, lines=60):
        return self.process.output(lines)


def forced_run(place, config_text, limit=10):
    """`pointsman run` with a file as it stands: (exit status, output, seconds)."""
    file = place.write("forced.yaml", config_text)
    begun = time.monotonic()
    done = subprocess.run(as_user(service_user()) + [reachable_binary(place), "run", "--config", file],
                          text=True, capture_output=True, timeout=limit, check=False, cwd="/")
    return done.returncode, done.stdout + done.stderr, time.monotonic() - begun
