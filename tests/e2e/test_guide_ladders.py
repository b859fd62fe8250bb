"""The ladders of BUD's guide, as etc/examples/bud ships them, against real servers: what the first step heals,
what the last one does, and what is left to a human, whom a real Alertmanager tells.

High memory, whose steps need a real systemd, is in test_guide_memory.py.
"""
import contextlib
import os
import subprocess

import psycopg2
import pytest

from bud import Bud, attempts, ladder, replaced, wait_service
from place import Place
from process import wait_for


@pytest.fixture(scope="module", name="made")
def made_once():
    with Place("bud") as place:
        yield Bud(place)


@pytest.fixture(name="bud")
def all_well(made):
    made.mend()
    return made


@contextlib.contextmanager
def running(bud, **texts):
    """A daemon whose log is shown when the test fails."""
    daemon = bud.start(**texts)
    try:
        yield daemon
    except BaseException:
        print(daemon.log(80))
        raise
    finally:
        daemon.stop()


def flag_is_set(daemon, name):
    return daemon.get(f"/flags/{name}")[0] == 200


def wait_recovered(daemon, name, limit=40):
    """The ladder's run has ended well: nobody was called."""
    found = wait_for(lambda: ladder(daemon, name)["phase"] == "cooldown" and ladder(daemon, name), limit, 0.1,
                     f"ladder {name} has ended: {ladder(daemon, name)}")
    assert found["runs"] == 1
    return found["last_end"]


# --- database connection -----------------------------------------------------------------------

def fill_pool(bud, count=8):
    """So many idle connections that pgbouncer keeps to the primary, and no room for one more."""
    clients = [psycopg2.connect(host="127.0.0.1", port=bud.pooler.port, user="app", dbname="bud",
                                password="app-secret") for _ in range(count)]
    for one in clients:
        one.cursor().execute("select 1")   # a transaction each, so that each has a server connection
    for one in clients:
        one.rollback()
    bud.primary.sql(f"alter database bud connection limit {count}")
    bud.primary.sql("select pg_terminate_backend(pid) from pg_stat_activity "
                    "where usename = 'pointsman' and datname = 'bud'")
    return clients


def test_the_database_has_no_connection_left_and_reopening_those_of_the_pooler_heals(bud):
    with running(bud, recovery=bud.recovery(verify_within="30s")) as daemon:
        clients = fill_pool(bud)
        wait_service(daemon, "database", "unhealthy")
        assert "recovered by reconnect bud" in wait_recovered(daemon, "database_connection")
        wait_service(daemon, "database", "healthy")
        assert attempts(daemon, "route:bud") == [("reconnect bud", "ok")]
        assert not flag_is_set(daemon, "maintenance_page")
        assert bud.pooler.sql("select 1") == [(1,)]
        for one in clients:
            one.close()


def test_the_primary_comes_back_behind_the_maintenance_page_which_then_goes(bud):
    with running(bud) as daemon:
        bud.primary.kill9_all()
        wait_for(lambda: flag_is_set(daemon, "maintenance_page"), 60, 0.1, "the page is up")
        assert os.path.exists(os.path.join(daemon.runtime, "flags", "maintenance_page"))
        assert daemon.get("/health")[0] == 200   # a shared failure takes no host out of the balancer
        bud.primary.start()
        assert "recovered by set_flag maintenance_page" in wait_recovered(daemon, "database_connection")
        wait_for(lambda: not flag_is_set(daemon, "maintenance_page"), 20, 0.1, "the page is gone")
        tried = attempts(daemon, "route:bud")
        assert [one for one, _ in tried] == ["reconnect bud", "reconnect bud_ro", "switch bud",
                                             "set_flag maintenance_page"]
        # A standby is never promoted by a host that only follows.
        assert ("switch bud", "failed") in tried and ("set_flag maintenance_page", "ok") in tried
        assert not bud.replicas[0].writable()


def test_the_primary_stays_away_and_a_human_is_told_once_of_all_that_it_took_down(bud):
    with running(bud) as daemon:
        bud.primary.kill9_all()
        said = bud.alertmanager.wait_active("route:bud", 90, "database_connection is exhausted")["annotations"]
        assert ladder(daemon, "database_connection")["phase"] == "exhausted"
        assert "pointsman ack" in said["asked"] and "set_flag maintenance_page: ok" in said["attempts"]
        # The service and the other route went down with it: they are listed, not told apart.
        assert "database" in said["dependents"], said
        assert bud.alertmanager.active("database") == [] and bud.alertmanager.active("route:bud_ro") == []
        bud.primary.start()
        wait_service(daemon, "database", "healthy")
        bud.alertmanager.wait_resolved("route:bud")
        assert bud.told_since("route:bud") == ["firing", "resolved"]


# --- Redis connection --------------------------------------------------------------------------

def leave_only_redis_a(bud, daemon):
    bud.caches[1].process.freeze()
    daemon.wait_probe("redis-b", "unhealthy")


def test_redis_has_no_connection_left_and_cutting_those_of_the_proxy_heals(bud):
    with running(bud, recovery=bud.recovery(verify_within="30s")) as daemon:
        leave_only_redis_a(bud, daemon)
        clients = [bud.client(bud.front) for _ in range(12)]
        for one in clients:
            one.ping()   # each keeps its connection through HAProxy
        bud.client(bud.caches[0]).config_set("maxclients", 10)
        wait_service(daemon, "cache", "unhealthy")
        assert "recovered by reconnect cache" in wait_recovered(daemon, "redis_connection")
        assert attempts(daemon, "route:cache") == [("reconnect cache", "ok")]
        assert not flag_is_set(daemon, "caching_off")


def test_redis_comes_back_while_caching_is_off(bud):
    with running(bud) as daemon:
        leave_only_redis_a(bud, daemon)
        bud.caches[0].process.freeze()
        wait_for(lambda: flag_is_set(daemon, "caching_off"), 60, 0.1, "caching is off")
        assert daemon.get("/health")[0] == 200
        bud.caches[0].process.thaw()
        assert "recovered by set_flag caching_off" in wait_recovered(daemon, "redis_connection")
        wait_for(lambda: not flag_is_set(daemon, "caching_off"), 20, 0.1, "caching is on again")
        assert [one for one, _ in attempts(daemon, "route:cache")] == [
            "reconnect cache", "switch cache", "set_flag caching_off"]


def test_both_redis_stay_away_and_one_critical_alert_ends_by_itself(bud):
    with running(bud) as daemon:
        for one in bud.caches:
            one.process.freeze()
        said = bud.alertmanager.wait_active("route:cache", 60, "redis_connection is exhausted")["annotations"]
        assert [line.split(": ")[0].split(" ", 1)[1] for line in said["attempts"].splitlines()] == [
            "reconnect cache", "switch cache", "set_flag caching_off"]
        for one in bud.caches:
            one.process.thaw()
        bud.alertmanager.wait_resolved("route:cache")
        assert bud.told_since("route:cache") == ["firing", "resolved"]
        wait_for(lambda: not flag_is_set(daemon, "caching_off"), 20, 0.1, "caching is on again")


# --- what only a human mends -------------------------------------------------------------------

def test_outside_services_that_err_degrade_and_those_that_are_silent_are_told(bud):
    with running(bud) as daemon:
        bud.outside_status = 503
        wait_service(daemon, "external", "degraded")
        assert daemon.get("/health/detailed")[1]["overall_status"] == "degraded"
        assert ladder(daemon, "external_service")["phase"] == "idle"
        bud.outside_status = None
        bud.alertmanager.wait_active("external", 40, "it has no step to try")
        assert daemon.get("/health")[0] == 200
        assert daemon.get("/health/detailed")[1]["overall_status"] == "degraded"
        bud.outside_status = 200
        bud.alertmanager.wait_resolved("external")
        assert bud.told_since("external") == ["firing", "resolved"]


def test_high_cpu_is_told_until_it_is_over(bud):
    limits = "{enabled: false, type: cpu, warn: 85%, fail: 98%, over: 1m}"
    main = replaced(bud.main(), {limits: "{type: cpu, warn: 49%, fail: 50%, over: 1s}"})
    # Close together: on its way the load is not seen between the two for long, which would be the probe's incident.
    with running(bud, main=main) as daemon:
        load = [subprocess.Popen(["/bin/sh", "-c", "while :; do :; done"]) for _ in range(os.cpu_count())]
        try:
            # Processors that are taken whole make the host unwell: that is one and the same incident.
            bud.alertmanager.wait_active("host", 60, "ladder high_cpu is exhausted (it has no step to try)")
        finally:
            for one in load:
                one.kill()
                one.wait()
        # Others may go on loading this machine: what ends it is sure only with a limit that none reaches.
        assert daemon.reload(daemon.complete((bud.main(), bud.recovery()))).returncode == 0
        bud.alertmanager.wait_resolved("host")
