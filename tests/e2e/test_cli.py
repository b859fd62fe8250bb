"""Exit statuses and what the command line says: 0 fine, 1 unhealthy, 2 usage, 3 no daemon, 78 configuration."""
import json
import os
import re
import subprocess

from daemon import Daemon, binary, forced_run
from place import REPOSITORY, free_port
from process import wait_for
from scene import Scene
from servers import Nginx

SMALL = {"probes": {"memory": {"type": "memory", "warn": "99%", "fail": "100%"}},
         "services": {"host": {"members": ["memory"]}}}


def test_a_broken_configuration_ends_run_at_once_with_78(place):
    status, said, seconds = forced_run(place, "version: 1\nprobes:\n  a: {type: postgress}\nfoo: 1\n")
    assert status == 78 and seconds < 5
    assert re.search(r"forced\.yaml:3:\d+: error: probes\.a\.type: .*did you mean 'postgres'", said)
    assert re.search(r"forced\.yaml:4:\d+: error: .*foo", said)   # all errors at once


def test_a_configuration_that_is_not_there_ends_run_with_78(place):
    daemon = Daemon(place, SMALL, start=False)
    done = daemon.command("run", "--config", place.path("absent.yaml"), control=False)
    assert done.returncode == 78 and "absent.yaml" in done.stderr


def test_usage_errors_are_2_and_version_is_0(place):
    daemon = Daemon(place, SMALL, start=False)
    assert daemon.command("version", control=False).returncode == 0
    assert re.search(r"\d+\.\d+\.\d+", daemon.command("version", control=False).stdout)
    for words in (["nonsense"], [], ["status", "--nonsense"], ["why"], ["run", "extra", "words"]):
        done = daemon.command(*words, control=False)
        assert done.returncode == 2, (words, done)
        assert done.stderr


def test_output_that_cannot_be_written_is_no_success():
    for arguments in (["version"], ["simulate", "--scenario", "etc/scenarios/primary-dies.yaml"]):
        with open("/dev/full", "wb") as full:
            ended = subprocess.run([binary(), *arguments], stdout=full, stderr=subprocess.PIPE, text=True,
                                   cwd=REPOSITORY, timeout=30)
        assert ended.returncode == 1 and "could not be written" in ended.stderr


def test_without_a_daemon_its_commands_end_with_3(place):
    daemon = Daemon(place, SMALL, start=False)
    for words in (["status"], ["why", "bud"], ["reload"]):
        done = daemon.command(*words)
        assert done.returncode == 3, (words, done)
        assert daemon.control in done.stderr


def test_check_says_whether_a_file_is_right(place):
    scene = Scene(place, start=False)
    daemon = scene.daemon
    done = daemon.command("check", daemon.file, control=False)
    assert done.returncode == 0, done
    assert "shared" in done.stdout and "bud" in done.stdout
    found = json.loads(daemon.command("check", daemon.file, "--json", control=False).stdout)
    assert isinstance(found, dict)
    assert "secret" not in done.stdout + json.dumps(found).replace("app-secret", "")
    daemon.write("version: 1\nprobes: {a: {type: tcp}}\n")
    assert daemon.command("check", daemon.file, control=False).returncode == 78


def test_the_shipped_configurations_are_right(place):
    daemon = Daemon(place, SMALL, start=False)
    for name in ("pointsman.yaml", "examples/minimal.yaml"):
        with open(os.path.join(REPOSITORY, "etc", name), encoding="utf-8") as file:
            copy = place.write(os.path.basename(name), file.read())
        done = daemon.command("check", copy, control=False)
        assert done.returncode == 0, done.stdout + done.stderr


def test_status_why_probe_and_reload_of_a_running_daemon(place):
    scene = Scene(place)
    daemon = scene.daemon
    done = daemon.command("status")
    assert done.returncode == 0, done
    assert "primary" in done.stdout and "bud" in done.stdout
    assert "\x1b[" not in done.stdout    # plain when piped
    status = json.loads(daemon.command("status", "--json").stdout)
    assert status["routes"]["bud"]["targets"] == ["primary"]
    done = daemon.command("why", "bud")
    assert done.returncode == 0 and "primary" in done.stdout, done
    assert daemon.command("why", "nobody").returncode in (1, 2)
    assert daemon.command("reload").returncode == 0
    done = daemon.command("probe", "primary", "-v", "--config", daemon.file, control=False)
    assert done.returncode == 0 and "pass" in done.stdout, done
    assert daemon.command("probe", "nobody", "--config", daemon.file, control=False).returncode == 2

    # What is unhealthy is 1.
    for server in scene.servers:
        server.kill9_all()
    daemon.wait_probe("primary", "unhealthy")
    wait_for(lambda: daemon.command("status").returncode == 1, 10, 0.2, "status ends with 1")
    done = daemon.command("probe", "primary", "--config", daemon.file, control=False)
    assert done.returncode == 1 and "connect_refused" in done.stdout, done


def test_the_control_socket_is_found_by_the_configuration_and_the_environment(place):
    daemon = Daemon(place, SMALL)
    daemon.env = {"POINTSMAN_CONTROL": daemon.control}
    assert daemon.command("status", control=False).returncode == 0
    assert os.stat(daemon.control).st_mode & 0o007 == 0


def test_two_daemons_on_one_port_end_the_second_with_a_clear_line(place):
    first = Daemon(place, SMALL)
    second = Daemon(place, {**SMALL, "listen": {"http": f"127.0.0.1:{first.port}"}}, name="second",
                    start=False)
    second.start(wait=False)
    assert second.process.popen.wait(10) != 0
    assert str(first.port) in second.log()
    assert first.get("/livez")[0] == 200


def test_metrics_please_promtool(place):
    nginx = Nginx(place)
    config = {"probes": {**SMALL["probes"],
                         "web": {"type": "http", "url": f"http://127.0.0.1:{nginx.ports[0]}/"},
                         "gone": {"type": "tcp", "address": f"127.0.0.1:{free_port()}"}},
              "services": {"host": {"members": ["memory"]},
                           "web": {"members": ["web", "gone"], "need": "any", "critical": False}}}
    daemon = Daemon(place, config)
    daemon.wait_probe("web", "healthy")
    text = daemon.get("/metrics")[1]
    assert 'pointsman_probe_state{' in text
    done = subprocess.run(["promtool", "check", "metrics"], input=text, text=True, check=False,
                          capture_output=True)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")
