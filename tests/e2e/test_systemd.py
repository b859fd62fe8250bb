"""Under a real systemd: the unit as it is shipped, in a Debian 12 that boots in a container.

The container is booted once and the tests that use it follow one another. None of them needs the order, but each
leaves the daemon running.
"""
import json
import os
import re
import subprocess
import time

import pytest

from container import Container, packages_of
from daemon import binary
from place import REPOSITORY, Place
from process import wait_for

UNIT = os.path.join(REPOSITORY, "systemd/pointsman.service")
SERVICE = "pointsman.service"
CONFIG = "/etc/pointsman/pointsman.yaml"
WITNESS = """\
[Service]
ExecStart=/usr/bin/sleep infinity
[Install]
WantedBy=multi-user.target
"""
PROBES = {
    "disk": {"type": "disk", "path": "/", "warn": "99%", "fail": "100%"},
    "memory": {"type": "memory", "warn": "99%", "fail": "100%"},
    "cpu": {"type": "cpu", "warn": "99.9%", "fail": "100%", "over": "5s"},
    "witness": {"type": "unit", "unit": "witness.service"},
}


def config(**more_probes):
    """What makes /health 503 is what does not depend on how busy the machine is that runs the tests."""
    probes = {**PROBES, **more_probes}
    beside = ["cpu", "witness"]
    return json.dumps({
        "version": 1, "node": {"name": "container"}, "listen": {"http": "0.0.0.0:8600"},
        "defaults": {"interval": "1s", "fast_interval": "300ms", "rise": 1, "fall": 2},
        "probes": probes,
        "services": {"host": {"members": [one for one in probes if one not in beside]},
                     "beside": {"members": beside, "critical": False}}}, indent=1) + "\n"


# libpam-systemd provides the logind that polkitd depends on: debootstrap picks no providers itself. Python runs the
# example's `scale` (test_guide_memory.py).
SYSTEM = {"systemd", "systemd-sysv", "dbus", "polkitd", "libpam-systemd", "python3"}


class Machine(Container):
    """The container with pointsman in it as `cmake --install` and the README of systemd/ put it."""

    def __init__(self, place):
        super().__init__(place, sorted(SYSTEM.union(packages_of(binary()))))
        build = os.path.dirname(os.path.dirname(binary()))
        subprocess.run(["cmake", "--install", build, "--prefix", "/usr"], check=True, capture_output=True,
                       env={**os.environ, "DESTDIR": self.root})
        self.write("/etc/systemd/system/witness.service", WITNESS)
        self.write(CONFIG, config())
        subprocess.run(["systemd-sysusers", "--root=" + self.root], check=True, capture_output=True)
        subprocess.run(["systemctl", "--root=" + self.root, "enable", SERVICE, "witness.service"],
                       check=True, capture_output=True)

    def get(self, path):
        """(status, body) of the daemon's HTTP port, which only the container's network reaches."""
        ask = ("import http.client, sys; c = http.client.HTTPConnection('127.0.0.1', 8600, timeout=3); "
               "c.request('GET', sys.argv[1]); a = c.getresponse(); print(a.status, a.read().decode())")
        status, _, body = self.run_in_network("/usr/bin/python3", "-c", ask, path).partition(" ")
        return int(status), json.loads(body)

    def health(self):
        try:
            return self.get("/health")
        except subprocess.CalledProcessError:
            return 0, {}

    def pid(self):
        return int(self.show(SERVICE, "MainPID"))

    def wait_probe(self, name, state):
        wait_for(lambda: self.get("/v1/status")[1]["probes"][name]["state"] == state, 20, 0.2, f"{name} is {state}")
        return self.get("/v1/status")[1]["probes"][name]

    def wait_restarted(self, old, limit):
        """Seconds until another process than `old` is ready and says 200."""
        begun = time.monotonic()
        wait_for(lambda: self.pid() not in (0, old) and self.show(SERVICE, "ActiveState") == "active",
                 limit, 0.2, "restarted")
        wait_for(lambda: self.health()[0] == 200, 15, 0.2, "/health is 200 after the restart")
        return time.monotonic() - begun


@pytest.fixture(scope="module", name="booted")
def booted_machine():
    if os.geteuid() != 0:
        pytest.skip("only root can boot a container")
    with Place("systemd") as place:
        one = Machine(place)
        one.boot()
        yield one
        one.power_off()


@pytest.fixture(name="machine")
def machine_with_its_journal(booted, request):
    yield booted
    report = getattr(request.node, "report_of_call", None)
    if report is not None and report.failed:
        print(booted.journal(SERVICE))


def test_systemd_finds_nothing_wrong_with_the_unit(place):
    with open(UNIT, encoding="utf-8") as file:
        text = file.read()
    assert "ExecStart=/usr/bin/pointsman " in text
    # Verify wants a program to be there; whether ours starts is what the container shows.
    there = place.write("pointsman.service", text.replace("/usr/bin/pointsman", "/usr/bin/true"))
    done = subprocess.run(["systemd-analyze", "verify", there], check=False, capture_output=True, text=True)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_the_exposure_of_the_unit_is_at_most_two():
    done = subprocess.run(["systemd-analyze", "security", "--offline=true", "--no-pager", UNIT],
                          check=True, capture_output=True, text=True)
    found = re.search(r"Overall exposure level for pointsman.service: ([\d.]+)", done.stdout)
    assert found and float(found[1]) <= 2.0, done.stdout


def test_it_comes_up_with_the_system_and_without_a_right(machine):
    assert machine.show(SERVICE, "ActiveState") == "active"
    assert machine.show(SERVICE, "Type") == "notify"
    wait_for(lambda: machine.health()[0] == 200, 15, 0.2, "/health is 200")
    with open(machine.path("/etc/passwd"), encoding="utf-8") as file:
        user = next(line.split(":")[2] for line in file if line.startswith("pointsman:"))
    status = machine.run("cat", f"/proc/{machine.pid()}/status").stdout
    assert re.search(rf"^Uid:\t{user}\t{user}\t", status, re.M) and user != "0"
    assert re.search(r"^CapEff:\t0+$", status, re.M) and re.search(r"^CapBnd:\t0+$", status, re.M)
    assert re.search(r"^NoNewPrivs:\t1$", status, re.M) and re.search(r"^Seccomp:\t2$", status, re.M)
    assert machine.run("stat", "--format=%a %U", "/var/lib/pointsman").stdout.split() == ["751", "pointsman"]
    assert os.path.getsize(machine.path("/var/lib/pointsman/journal.db")) > 0


def test_every_probe_works_behind_the_hardening(machine):
    for probe in ("disk", "memory", "witness"):
        machine.wait_probe(probe, "healthy")
    wait_for(lambda: "% busy" in json.dumps(machine.get("/v1/status")[1]["probes"]["cpu"]["sample"]), 15, 0.2,
             "the cpu probe has measured")
    assert machine.run("pointsman", "status").returncode in (0, 1)     # 1: the machine is that busy


def test_the_unit_probe_sees_a_unit_over_dbus(machine):
    machine.wait_probe("witness", "healthy")
    machine.run("systemctl", "stop", "witness.service")
    gone = machine.wait_probe("witness", "unhealthy")
    assert "inactive" in json.dumps(gone["sample"])
    assert machine.health()[0] == 200          # beside is not critical
    machine.run("systemctl", "start", "witness.service")
    machine.wait_probe("witness", "healthy")


def test_reload_takes_what_is_right_and_refuses_what_is_wrong_with_the_reason(machine):
    old = machine.pid()
    machine.write(CONFIG, config(root={"type": "disk", "path": "/var", "warn": "99%", "fail": "100%"}))
    machine.run("systemctl", "reload", SERVICE)
    machine.wait_probe("root", "healthy")

    machine.write(CONFIG, config(wrong={"type": "disk", "path": "/", "warm": "99%"}))
    refused = machine.run("systemctl", "reload", SERVICE, check=False)
    assert refused.returncode != 0
    said = machine.journal(SERVICE, 20)
    assert "did you mean 'warn'" in said and CONFIG + ":" in said, said
    assert machine.show(SERVICE, "ActiveState") == "active" and machine.pid() == old
    assert {"root", *PROBES} == set(machine.get("/v1/status")[1]["probes"])
    assert machine.health()[0] == 200

    machine.write(CONFIG, config())
    machine.run("systemctl", "reload", SERVICE)
    assert set(PROBES) == set(machine.get("/v1/status")[1]["probes"])


def test_a_flag_is_a_file_that_others_read_and_that_outlives_a_restart(machine):
    flag = "/run/pointsman/flags/maintenance_page"
    machine.run("pointsman", "flag", "set", "maintenance_page", "--for", "10m", "--reason", "a test")
    machine.run("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "test", "-r", flag)
    old = machine.pid()
    machine.run("systemctl", "restart", SERVICE)
    machine.wait_restarted(old, 15)
    machine.run("test", "-e", flag)
    machine.run("pointsman", "flag", "clear", "maintenance_page")
    assert machine.run("test", "-e", flag, check=False).returncode == 1


def test_frozen_it_is_started_anew_by_the_watchdog_within_a_minute(machine):
    old = machine.pid()
    machine.run("bash", "-c", f"kill -STOP {old}")
    assert machine.wait_restarted(old, 60) < 60
    assert "atchdog" in machine.journal(SERVICE)


def test_killed_it_is_started_anew_at_once(machine):
    old = machine.pid()
    machine.run("bash", "-c", f"kill -KILL {old}")
    assert machine.wait_restarted(old, 15) < 15


def test_the_targets_folder_goes_to_the_group_of_pgbouncer_where_there_is_one(machine):
    folder = "/var/lib/pointsman/pgbouncer"
    assert machine.run("stat", "--format=%a %U", folder).stdout.split() == ["2750", "pointsman"]
    machine.run("groupadd", "--system", "postgres")
    machine.run("systemd-tmpfiles", "--create", "pointsman.conf", "pointsman-pgbouncer.conf")
    machine.run("runuser", "-u", "pointsman", "--", "touch", folder + "/new")
    for path, mode in ((folder, "2750"), (folder + "/new", "644")):
        assert machine.run("stat", "--format=%a %U %G", path).stdout.split() == [mode, "pointsman", "postgres"]


def test_polkit_lets_it_restart_the_units_named_and_do_nothing_else(machine):
    def ask(verb, unit):
        return machine.run("runuser", "-u", "pointsman", "--", "systemctl", "--no-ask-password", verb, unit,
                           check=False).returncode
    assert ask("restart", "witness.service") != 0
    with open(os.path.join(REPOSITORY, "etc/polkit/50-pointsman.rules"), encoding="utf-8") as file:
        rules = file.read().replace('// "bud-api.service"', '"witness.service"')
    machine.write("/etc/polkit-1/rules.d/50-pointsman.rules", rules)
    wait_for(lambda: ask("restart", "witness.service") == 0, 15, 0.2, "polkit has read the rule")
    assert ask("stop", "witness.service") != 0
    assert ask("restart", SERVICE) != 0
