"""Alerts in a real Alertmanager: none is lost and none outlives its incident over kill -9 and over Alertmanager's own
absence, one cause is one alert, and `notify test`.
"""
import json

from alertmanager import Alertmanager
from daemon import Daemon
from process import wait_for
from servers import Redis

QUICK = {"interval": "500ms", "fast_interval": "200ms", "timeout": "300ms", "rise": 2, "fall": 2}


class Case:
    """A Redis that fails when it is frozen, as many probes of it as wanted, and a ladder that only calls."""

    def __init__(self, place, probes=1):
        self.redis, self.alertmanager = Redis(place), Alertmanager(place)
        names = [f"redis-{number}" for number in range(probes)]
        self.daemon = Daemon(place, {
            "defaults": QUICK,
            "probes": {name: {"type": "redis", "url": self.redis.url(), "check": "ping"} for name in names},
            "services": {"cache": {"members": names, "scope": "shared"},
                         "site": {"members": ["cache"], "scope": "shared"}},
            "recovery": {"cache": {"when": {"service": "cache", "state": "unhealthy", "for": "500ms"}, "steps": [],
                                   "exhausted": {"escalate": "oncall"}, "limits": {"cooldown": "10m"}}},
            "notify": {"oncall": {"type": "alertmanager", "url": self.alertmanager.url(), "refresh": "1s",
                                  "on": ["critical"]}}})
        for name in names:
            self.daemon.wait_probe(name, "healthy")

    def fail(self):
        self.redis.process.freeze()
        wait_for(lambda: self.daemon.status()["ladders"]["cache"]["phase"] == "exhausted", 30,
                 why="a human is called:\n" + self.daemon.log())
        return self


def test_killed_as_the_human_is_called_the_alert_is_neither_lost_nor_doubled(place):
    case = Case(place).fail()
    case.daemon.process.kill9()   # told, or not yet
    case.daemon.start()
    case.alertmanager.wait_active("cache", saying="ladder cache is exhausted")
    case.redis.process.thaw()
    case.alertmanager.wait_resolved("cache")
    assert case.alertmanager.told("cache") == ["firing", "resolved"]


def test_nobody_listens_when_it_fails_the_daemon_is_killed_and_the_alert_is_still_told(place):
    case = Case(place)
    case.alertmanager.process.stop()
    case.fail()
    case.daemon.process.kill9()
    case.daemon.start()
    case.alertmanager.start()
    case.alertmanager.wait_active("cache")
    assert "cache" in case.daemon.command("incidents").stdout


def test_it_heals_while_the_daemon_is_dead_and_the_next_start_ends_the_alert(place):
    case = Case(place).fail()
    case.alertmanager.wait_active("cache")
    case.daemon.process.kill9()
    case.redis.process.thaw()
    case.daemon.start()
    case.alertmanager.wait_resolved("cache")
    assert case.alertmanager.told("cache") == ["firing", "resolved"]
    assert [one["state"] for one in case.daemon.get("/v1/incidents")[1]["incidents"]] == ["closed"]


def test_the_daemon_dies_for_good_and_its_alert_ends_three_refreshes_later(place):
    case = Case(place).fail()
    case.alertmanager.wait_active("cache")
    case.daemon.process.kill9()
    case.alertmanager.wait_over("cache", 20)


def test_one_cause_takes_many_probes_down_and_one_alert_lists_them(place):
    case = Case(place, probes=12).fail()
    alert = case.alertmanager.wait_active("cache")
    listed = set(alert["annotations"]["dependents"].split(", "))
    assert {"site"} | {f"redis-{number}" for number in range(12)} <= listed, listed
    assert len(case.daemon.get("/v1/incidents")[1]["incidents"]) == 1
    case.redis.process.thaw()
    case.alertmanager.wait_resolved("cache")
    assert len(case.alertmanager.hook.sent) == 2, json.dumps(case.alertmanager.hook.sent, indent=1)


def test_notify_test_sends_a_real_alert_or_says_why_not(place):
    case = Case(place)
    done = case.daemon.command("notify", "test", "oncall")
    assert done.returncode == 0 and "ends by itself" in done.stdout, done
    alert = case.alertmanager.active("test", severity="warning")[0]
    assert alert["labels"]["alertname"] == "PointsmanTest" and "nothing is wrong" in alert["annotations"]["summary"]
    unknown = case.daemon.command("notify", "test", "nobody")
    assert unknown.returncode == 1 and "nobody" in unknown.stderr
    case.alertmanager.process.stop()
    away = case.daemon.command("notify", "test", "oncall")
    assert away.returncode == 1 and "refused" in away.stderr, away
