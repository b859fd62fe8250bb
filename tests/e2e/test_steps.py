"""Steps of ladders run for real: what a command is given and what becomes of it, a step that hangs or whose end is
not known, two triggers at once, a person's approval, and a daemon that is killed in the middle of each.

A frozen Redis is what fails; a step heals it by thawing it.
"""
import os
import re
import signal
import time

import pytest

from daemon import Daemon
from place import service_user
from process import Process, state_of, wait_for
from receiver import Receiver
from servers import Redis

QUICK = {"interval": "500ms", "fast_interval": "200ms", "timeout": "300ms", "rise": 2, "fall": 2}
SECRET = "s3cret-of-the-step"


class Case:
    """A Redis, a daemon with ladders for it, and a file into which commands write that they ran."""

    def __init__(self, place, steps, **ladder):
        self.place, self.redis = place, Redis(place)
        self.ran_file = place.path("ran.txt")
        self.config = {
            "defaults": QUICK,
            "probes": {"redis": {"type": "redis", "url": self.redis.url(), "check": "ping"}},
            "services": {"cache": {"members": ["redis"], "scope": "shared"}},
            "recovery": {"cache": self.ladder(steps, **ladder)}}
        self.daemon = None

    def ladder(self, steps, service="cache", **more):
        return {"when": {"service": service, "state": "unhealthy", "for": "500ms"}, "steps": steps,
                "verify_within": "1500ms", "retry_after": "200ms", "limits": {"cooldown": "10m"}, **more}

    def start(self, kind=Daemon):
        self.daemon = kind(self.place, self.config)
        self.daemon.wait_probe("redis", "healthy")
        return self

    def fail(self):
        self.redis.process.freeze()
        return self

    def command(self, name, body):
        """An exec step. Its first act is to write that it ran: once means once."""
        script = self.place.write(f"{name}.sh", f'#!/bin/sh\necho "{name} $$" >> {self.ran_file}\n{body}\n', 0o755)
        return {"exec": [script]}

    def heal(self, name="heal"):
        return self.command(name, f"kill -CONT {self.redis.process.pid}")

    def ran(self):
        """[(name, pid)] of the commands that ran, in order."""
        if not os.path.exists(self.ran_file):
            return []
        with open(self.ran_file, encoding="utf-8") as file:
            return [(name, int(pid)) for name, pid in (line.split() for line in file)]

    def names(self):
        return [name for name, _ in self.ran()]

    def wait_ran(self, name):
        return self.wait(lambda: dict(self.ran()).get(name), f"{name} does not run")

    def view(self, name="cache"):
        return self.daemon.status()["ladders"][name]

    def wait_phase(self, phase, name="cache"):
        return self.wait(lambda: self.view(name)["phase"] == phase and self.view(name), f"{name} is not {phase}")

    def attempts(self):
        """(action, outcome, message) of all that was tried, over all incidents."""
        ids = [one["id"] for one in self.daemon.get("/v1/incidents")[1]["incidents"]]
        whole = [self.daemon.get(f"/v1/incidents/{one}")[1] for one in ids]
        return [(one["action"], one["outcome"], one["message"]) for incident in whole
                for one in incident["attempts"]]

    def wait(self, what, why):
        try:
            return wait_for(what, 30)
        except TimeoutError:
            raise TimeoutError(f"{why}; now: {self.daemon.status()}\n{self.daemon.log(100)}") from None

    def kill9_and_start(self):
        self.daemon.process.kill9()
        self.daemon.start()


# --- commands ----------------------------------------------------------------------------------

def test_a_command_has_a_clean_environment_no_secret_in_its_arguments_and_its_output_is_capped(place):
    case, seen = Case(place, []), place.path("seen")
    step = case.command("look", f"""
tr '\\0' '\\n' < /proc/$$/environ > {seen}.environ; tr '\\0' ' ' < /proc/$$/cmdline > {seen}.cmdline
pwd > {seen}.cwd; ls -l /proc/$$/fd > {seen}.fds
echo "token is $TOKEN"; head -c 3000000 /dev/zero | tr '\\0' x; exit 3""")
    place.write("token", SECRET, 0o600)
    case.config["recovery"]["cache"] = case.ladder(
        [{**step, "env": {"TOKEN": f"${{file:{place.path('token')}}}"}}, case.heal()])
    case.start().fail()
    case.wait_phase("cooldown")

    def read(name):
        with open(f"{seen}.{name}", encoding="utf-8") as file:
            return file.read()
    names = {line.split("=")[0] for line in read("environ").splitlines()}
    # The last three are the shell's own.
    assert names - {"PWD", "SHLVL", "_"} == {"PATH", "TOKEN", "POINTSMAN_LADDER", "POINTSMAN_STEP", "POINTSMAN_SUBJECT",
                                    "POINTSMAN_INCIDENT", "POINTSMAN_ATTEMPT"}
    assert SECRET in read("environ") and SECRET not in read("cmdline")
    assert read("cwd") == "/\n"
    assert not re.search(r"socket:|journal|\.db", read("fds"))
    action, outcome, message = case.attempts()[0]
    assert (action, outcome) == ("exec look.sh", "failed")
    assert "exit code 3" in message and "token is" in message and len(message) < 1000
    assert SECRET not in message
    for text in (case.daemon.log(2000), case.daemon.command("incidents", "1").stdout,
                 str(case.daemon.get("/v1/config")[1])):
        assert SECRET not in text


class RootDaemon(Daemon):
    """Runs as root, which alone may run a command as somebody else."""

    def start(self, wait=True):
        self.process = Process(self.place, [self.binary, "run", "--config", self.file], f"{self.name}.log",
                               user=None, env={"RUNTIME_DIRECTORY": self.runtime})
        self.wait_answering()
        return self


@pytest.mark.skipif(os.geteuid() != 0, reason="only root runs commands as another user")
def test_a_command_runs_as_the_user_chosen_with_its_groups_and_no_other_right(place):
    case = Case(place, [])
    step = case.command("who", f"grep -E '^(Uid|Gid|Groups|CapEff):' /proc/$$/status > {place.path('who.txt')}; "
                               f"kill -CONT {case.redis.process.pid}")
    case.config["recovery"]["cache"] = case.ladder([{**step, "user": service_user()}])
    case.start(RootDaemon).fail()
    case.wait_phase("cooldown")
    with open(place.path("who.txt"), encoding="utf-8") as file:
        fields = dict(line.rstrip("\n").split(":", 1) for line in file)
    uid, gid = os.stat(place.path("who.sh")).st_uid, os.stat(place.path("who.sh")).st_gid
    assert set(fields["Uid"].split()) == {str(uid)} and set(fields["Gid"].split()) == {str(gid)}
    assert "0" not in fields["Groups"].split() and int(fields["CapEff"], 16) == 0


def test_a_command_that_hangs_is_killed_with_all_that_it_started_and_the_next_step_heals(place):
    case = Case(place, [])
    hang = case.command("hang", f"sleep 1000 & echo \"child $!\" >> {case.ran_file}; trap '' TERM; sleep 1000")
    case.config["recovery"]["cache"] = case.ladder([{**hang, "timeout": "1s", "retries": 3}, case.heal()])
    case.start().fail()
    case.wait_phase("cooldown")
    pids = dict(case.ran())
    case.wait(lambda: {state_of(pids["hang"]), state_of(pids["child"])} == {""}, "they are not dead and reaped")
    (_, outcome, message), healed = case.attempts()
    assert outcome == "unknown" and "was killed: it had not ended after" in message
    assert case.names() == ["hang", "child", "heal"]   # it may have had its effect: not once more
    assert healed[:2] == ("exec heal.sh", "ok")


# --- how a step can end ------------------------------------------------------------------------

def test_an_answer_that_is_lost_is_unknown_and_the_request_is_not_sent_again(place):
    silent = Receiver(place, lambda path: None)
    case = Case(place, [])
    case.config["recovery"]["cache"] = case.ladder(
        [{"http": {"url": silent.url("/collect")}, "timeout": "1s", "retries": 3}, case.heal()])
    case.start().fail()
    case.wait_phase("cooldown")
    (_, outcome, message), healed = case.attempts()
    assert outcome == "unknown" and "may have been done" in message
    assert healed[:2] == ("exec heal.sh", "ok")
    assert len(silent.requests) == 1


def test_it_recovers_in_the_middle_of_a_step_which_ends_and_no_other_begins(place):
    case = Case(place, [])
    case.config["recovery"]["cache"] = case.ladder([case.command("slow", "sleep 3"), case.command("next", "true")])
    case.start().fail()
    case.wait_ran("slow")
    case.redis.process.thaw()
    case.daemon.wait_probe("redis", "healthy")
    assert case.view()["phase"] == "step"
    case.wait_phase("cooldown")
    assert case.names() == ["slow"]
    assert [one[:2] for one in case.attempts()] == [("exec slow.sh", "ok")]


def test_a_second_trigger_during_a_run_is_recorded_and_skipped(place):
    """The subject is well and fails again while one step runs."""
    case = Case(place, [])
    pid = case.redis.process.pid
    case.config["recovery"]["cache"] = case.ladder(
        [case.command("flap", f"kill -CONT {pid}; sleep 2; kill -STOP {pid}; sleep 4"), case.heal()])
    case.start().fail()
    view = case.wait_phase("cooldown")
    assert view["runs"] == 1 and view["skipped"] == 1
    assert case.names() == ["flap", "heal"]
    assert "triggered again" in case.daemon.command("incidents", "1").stdout + case.daemon.command("events").stdout


def test_two_triggers_at_once_each_have_their_run_and_two_on_one_subject_take_turns(place):
    case = Case(place, [])
    other = Redis(place, "other")
    case.config["probes"]["other"] = {"type": "redis", "url": other.url(), "check": "ping"}
    case.config["services"]["sessions"] = {"members": ["other"], "scope": "shared"}
    case.config["recovery"] = {
        "first": case.ladder([case.command("first", "sleep 1")]),
        "second": case.ladder([case.command("second", "true")]),
        "sessions": case.ladder([case.command("sessions", f"kill -CONT {other.process.pid}")], service="sessions")}
    case.start().fail()
    other.process.freeze()
    case.wait_phase("cooldown", "sessions")
    case.wait_phase("exhausted", "first")
    held = case.view("second")
    assert held["phase"] == "triggered" and held["runs"] == 0
    assert [one["name"] for one in held["guards"] if not one["allow"]] == ["subject_free"]
    assert sorted(case.names()) == ["first", "sessions"]


# --- a person's word ---------------------------------------------------------------------------

def ask(place, **step):
    case = Case(place, [])
    case.config["recovery"]["cache"] = case.ladder([{"approve": "Restart it?", **step}, case.heal()])
    case.start().fail()
    return case, case.wait_phase("approval")["approval"]


def test_a_step_waits_for_a_person_who_approves(place):
    case, number = ask(place)
    said = case.daemon.command("status").stdout
    assert f"pointsman approve {number}" in said and '1 of 2: approve "Restart it?"' in said
    assert "Restart it?" in case.daemon.command("incidents", "1").stdout
    wrong = case.daemon.command("approve", "4711")
    assert wrong.returncode == 1 and "4711" in wrong.stderr
    assert case.names() == []
    assert case.daemon.command("approve", str(number)).returncode == 0
    case.wait_phase("cooldown")
    assert case.names() == ["heal"]
    action, outcome, message = case.attempts()[0]
    assert (action, outcome) == ('approve "Restart it?"', "ok") and message.startswith("approved by uid ")
    again = case.daemon.command("approve", str(number))
    assert again.returncode == 1


def test_a_person_refuses_and_what_was_asked_about_is_not_done(place):
    case, number = ask(place)
    assert case.daemon.command("refuse", str(number)).returncode == 0
    case.wait_phase("exhausted")
    assert case.names() == [] and "was refused" in case.view()["last_end"]


def test_nobody_answers_and_it_is_not_done(place):
    case, _ = ask(place, timeout="1s")
    case.wait_phase("exhausted")
    assert case.names() == [] and "nobody answered" in case.view()["last_end"]


# --- the daemon dies ---------------------------------------------------------------------------

def test_killed_in_each_kind_of_step_none_is_done_twice_and_the_next_one_follows(place):
    case = Case(place, [])
    slow = Receiver(place, lambda path: time.sleep(1) or 500)
    steps = [case.command("slow", "sleep 1000"), {"http": {"url": slow.url("/collect"), "method": "POST"}},
             {"set_flag": {"name": "caching_off", "until": "recovered"}}, {"wait": "2s"},
             {"approve": "Go on?"}, case.heal()]
    case.config["recovery"]["cache"] = case.ladder(steps, retry_after="1s")
    case.start().fail()
    command = case.wait_ran("slow")
    case.kill9_and_start()
    case.wait(lambda: state_of(command) == "", "the command did not die with the daemon")
    case.wait(lambda: slow.requests, "the next step does not begin")
    case.kill9_and_start()
    case.wait(lambda: case.daemon.get("/flags/caching_off")[0] == 200, "the flag is not set")
    case.kill9_and_start()
    assert case.daemon.get("/flags/caching_off")[0] == 200
    case.wait_phase("waiting")
    case.kill9_and_start()
    old = case.wait_phase("approval")["approval"]
    case.kill9_and_start()
    new = case.wait_phase("approval")["approval"]
    assert case.names() == ["slow"]
    assert case.daemon.command("approve", str(new)).returncode == 0, f"asked as {old}, then as {new}"
    case.wait_ran("heal")
    case.kill9_and_start()
    case.wait_phase("cooldown")
    case.wait(lambda: case.daemon.get("/flags/caching_off")[0] == 404, "the flag is still set")
    assert case.names() == ["slow", "heal"] and len(slow.requests) == 1
    tried = case.attempts()
    assert [one[0] for one in tried] == ["exec slow.sh", f"http POST 127.0.0.1", "set_flag caching_off",
                                         'approve "Go on?"', "exec heal.sh"]
    assert [one[1] for one in tried][:2] == ["unknown", "unknown"]
    assert len(case.daemon.get("/v1/incidents")[1]["incidents"]) == 1
    assert case.view()["runs"] <= 1


@pytest.mark.parametrize("point", ["step.before", "step.after"])
def test_killed_right_before_or_after_a_step_it_is_not_done_again(place, point):
    case = Case(place, [])
    case.config["recovery"]["cache"] = case.ladder([case.command("act", "true"), case.heal()])
    case.start()
    case.daemon.stop()
    case.daemon.env["POINTSMAN_FAULT"] = point
    case.daemon.start()
    case.daemon.wait_probe("redis", "healthy")
    case.fail()
    wait_for(lambda: not case.daemon.process.running(), 30, why=f"{point} is reached")
    del case.daemon.env["POINTSMAN_FAULT"]
    assert case.names() == (["act"] if point == "step.after" else [])
    case.daemon.start()
    case.wait_phase("cooldown")
    assert case.names() == (["act", "heal"] if point == "step.after" else ["heal"])
    assert [one[:2] for one in case.attempts()] == [("exec act.sh", "unknown"), ("exec heal.sh", "ok")]


def test_killed_as_a_flag_is_set_it_stays_set_only_as_long_as_somebody_knows_why(place):
    """The flag's file may be there before its record is: then the next start removes it, and the run sets it anew."""
    case = Case(place, [])
    case.config["recovery"]["cache"] = case.ladder([{"set_flag": {"name": "caching_off", "until": "recovered"}}],
                                                   verify_within="20s", limits={"cooldown": "1s"})
    case.start()
    flag = os.path.join(case.daemon.runtime, "flags", "caching_off")
    for _ in range(4):
        case.fail()
        case.wait(lambda: os.path.exists(flag), "the flag is not set")
        os.kill(case.daemon.process.pid, signal.SIGKILL)
        case.daemon.process.popen.wait(10)
        case.daemon.start()
        case.wait(lambda: os.path.exists(flag), "the flag is not set again")
        case.redis.process.thaw()
        case.wait(lambda: not os.path.exists(flag), "the flag is still set")
        case.wait_phase("idle")
