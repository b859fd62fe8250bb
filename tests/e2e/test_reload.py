"""Reload: a bad file changes nothing and says why; unchanged probes keep what they know."""
import copy
import signal
import time

from process import wait_for
from scene import Scene


def test_a_bad_file_changes_nothing_and_says_why(place):
    scene = Scene(place)
    daemon = scene.daemon
    before = daemon.status()
    broken = copy.deepcopy(daemon.config)
    broken["probes"]["primary"]["intervall"] = "1s"
    answer = daemon.reload(broken)
    assert answer.returncode == 78, answer
    said = answer.stdout + answer.stderr
    assert "intervall" in said and "did you mean 'interval'" in said
    assert daemon.file + ":" in said       # file:line:column
    after = daemon.status()
    assert after["probes"].keys() == before["probes"].keys()
    assert after["probes"]["primary"]["since"] == before["probes"]["primary"]["since"]
    assert "pointsman_config_last_reload_successful 0" in daemon.get("/metrics")[1]
    assert daemon.reload(daemon.config).returncode == 0
    assert "pointsman_config_last_reload_successful 1" in daemon.get("/metrics")[1]


def test_unchanged_probes_keep_state_and_counters_and_new_ones_appear(place):
    scene = Scene(place)
    daemon = scene.daemon
    daemon.wait_probe("primary", "healthy")
    wait_for(lambda: daemon.probe("primary")["streak"] >= 3, 15)
    before = daemon.probe("primary")
    changed = copy.deepcopy(daemon.config)
    changed["probes"]["memory"] = {"type": "memory", "warn": "99%", "fail": "100%"}
    changed["services"]["host"] = {"members": ["memory"]}
    daemon.write(changed)
    daemon.process.tell(signal.SIGHUP)
    wait_for(lambda: "memory" in daemon.status()["probes"], 10, why="SIGHUP was heard")
    after = daemon.probe("primary")
    assert after["since"] == before["since"]
    assert after["state"] == "healthy"
    assert after["streak"] >= before["streak"]
    daemon.wait_probe("memory", "healthy")
    assert daemon.route()["last_switch"] is None or "at" in daemon.route()["last_switch"]
    assert daemon.wait_route("primary")

    # And a probe that is taken out is gone.
    assert daemon.reload(daemon.config).returncode == 0
    assert "memory" not in daemon.status()["probes"]


def test_reloading_again_and_again_disturbs_no_client(place):
    scene = Scene(place)
    with scene.add_writer() as writer:
        begun = time.monotonic()
        for _ in range(5):
            assert scene.daemon.reload(scene.daemon.config).returncode == 0
        time.sleep(1)
        assert writer.failed(begun) == []
        assert writer.longest_gap(begun)[0] < 1
