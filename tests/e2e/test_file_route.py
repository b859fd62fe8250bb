"""A route by a file and a reload: an nginx whose upstream file pointsman writes, and what nginx then serves."""
import os
import urllib.request

import pytest

from daemon import Daemon
from fault import die_at, ground
from place import free_port
from process import Process, wait_for
from servers import answers

FILE_POINTS = ["file.intended", "file.written", "file.reloaded"]
QUICK = {"interval": "1s", "fast_interval": "200ms", "timeout": "1s", "rise": 2, "fall": 3}
TEMPLATE = """# {{epoch}}
upstream app {
{{#targets}}
  server {{address}};  # {{name}}
{{/targets}}
}
"""


class Web:
    """nginx: `server` is the text of its server block and whatever stands beside it."""

    def __init__(self, place, name, blocks):
        self.place, self.name = place, name
        folder = place.make_folder(f"{name}.d")
        config = place.write(f"{name}.conf", f"""daemon off;
worker_processes 1;
pid {folder}/pid;
error_log stderr;
events {{ worker_connections 64; }}
http {{
  access_log off;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi; uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
{blocks}
}}
""")
        self.argv = ["/usr/sbin/nginx", "-c", config, "-e", "stderr"]
        self.process = None

    def start(self, port):
        self.process = Process(self.place, self.argv, f"{self.name}.log", death_signal="TERM")
        wait_for(lambda: answers(port), 10, why=f"nginx serves, see {self.process.log}")
        return self


class App(Web):
    """Answers every request with its own name."""

    def __init__(self, place, name):
        self.port = free_port()
        super().__init__(place, name, f"  server {{ listen 127.0.0.1:{self.port}; "
                                      f"location / {{ return 200 '{name}'; }} }}")
        self.start(self.port)


class FileScene:
    """Two applications and an nginx in front, which leads where its upstream file says."""

    def __init__(self, place):
        self.scene = self   # as the rounds of test_drive_kill.py have it
        self.place, self.port = place, free_port()
        self.apps = {name: App(place, name) for name in ("app-a", "app-b")}
        self.file = os.path.join(place.make_folder("upstream"), "app.conf")
        self.write(f"# 0\nupstream app {{\n  server 127.0.0.1:{self.apps['app-a'].port};  # app-a\n}}\n")
        self.front = Web(place, "front", f"""  include {self.file};
  server {{ listen 127.0.0.1:{self.port};
    location / {{ proxy_pass http://app; proxy_connect_timeout 300ms; }} }}""").start(self.port)
        # A reload fails for as long as this file is there.
        self.failing = place.path("reload.fails")
        reload = place.write("reload.sh", f"""#!/bin/sh
test -e {self.failing} && echo "no reload today" && exit 1
echo "$POINTSMAN_ROUTE $POINTSMAN_NEW $POINTSMAN_NEW_ADDRESS" >> {place.path("reloads")}
exec {" ".join(self.front.argv)} -s reload
""", 0o755)
        self.config = {
            "defaults": QUICK,
            "probes": {name: {"type": "http", "url": f"http://127.0.0.1:{app.port}/"}
                       for name, app in self.apps.items()},
            "services": {"web": {"members": ["route:web"]}},
            "routes": {"web": {
                "via": {"file": {"path": self.file, "template": place.write("app.tmpl", TEMPLATE),
                                 "reload": {"exec": [reload]},
                                 "verify": {"http": f"http://127.0.0.1:{self.port}/"}}},
                "candidates": list(self.apps), "require": "any", "hold_down": "200ms"}}}
        self.daemon = Daemon(place, self.config)
        self.wait_ready("app-a")

    def wait_ready(self, name):
        """Until the route leads there and every candidate has been seen."""
        self.daemon.wait_route(name, "web")
        for app in self.apps:
            self.daemon.wait_probe(app, "healthy")

    def write(self, text):
        self.place.write("upstream/app.conf", text, 0o664)

    def text(self):
        with open(self.file, encoding="utf-8") as file:
            return file.read()

    def served(self):
        """By whom, through the front."""
        try:
            return urllib.request.urlopen(f"http://127.0.0.1:{self.port}/", timeout=5).read().decode()
        except OSError:
            return "nobody"

    def wait_served(self, name):
        wait_for(lambda: self.served() == name, 10, why=f"{name} serves")


def test_the_file_leads_to_who_serves_and_its_reader_is_reloaded(place):
    scene = FileScene(place)
    assert scene.served() == "app-a"
    scene.apps["app-a"].process.kill9()
    found = scene.daemon.wait_route("app-b", "web")
    assert found["verified"] == "query" and found["via"] == ["file"]
    scene.wait_served("app-b")
    with open(place.path("reloads"), encoding="utf-8") as file:
        assert file.read().splitlines()[-1] == f"web app-b 127.0.0.1:{scene.apps['app-b'].port}"
    # What somebody writes there by hand is put right.
    scene.write("upstream app { server 127.0.0.1:1; }\n")
    wait_for(lambda: f"127.0.0.1:{scene.apps['app-b'].port};  # app-b" in scene.text(), 20,
             why="the file is ours again")
    scene.daemon.wait_route("app-b", "web")


def test_a_reload_that_fails_takes_the_file_back_and_says_so(place):
    scene = FileScene(place)
    before = scene.text()
    place.write("reload.fails", "")
    # The reload after the roll-back fails too: the file is as it was, and that is told.
    done = scene.daemon.command("switch", "web", "--to", "app-b")
    assert done.returncode == 1 and "no reload today" in done.stdout + done.stderr
    # It is tried again, later and later, and taken back each time.
    wait_for(lambda: scene.text() == before, 10, why="the file is as it was")
    assert scene.served() == "app-a"
    assert "no reload today" in scene.daemon.command("why", "web").stdout
    os.remove(scene.failing)
    # Refused while it still looks at what came of the first.
    wait_for(lambda: scene.daemon.command("switch", "web", "--to", "app-b").returncode == 0, 20,
             why="it is switched")
    scene.daemon.wait_route("app-b", "web")
    scene.wait_served("app-b")


# --- it dies half-way (see test_drive_kill.py) -------------------------------------------------

webs = ground(FileScene)


@pytest.mark.parametrize("point", FILE_POINTS)
def test_killed_in_the_middle_of_writing_a_file(webs, point):
    with webs.round() as it:
        old = it.daemon.route("web")["targets"][0]
        new = next(name for name in it.apps if name != old)
        die_at(it.daemon, point, lambda: it.wait_ready(old), it.apps[old].process.kill9)
        it.daemon.wait_route(new, "web")
        it.wait_served(new)
        it.apps[old].start(it.apps[old].port)
