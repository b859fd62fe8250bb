"""The servers that the other tests lean on really do what those tests take for granted."""
import os
import subprocess
import sys
import time

import psycopg2
import pytest

from place import Place, free_port, processes, working_folder
from process import state_of, wait_for
from servers import Nginx, Pgbouncer, Postgres, Redis, answers
from writer import Writer


def test_a_standby_follows_and_is_promoted_on_the_next_timeline(place):
    primary = Postgres(place)
    standby = Postgres(place, "standby", upstream=primary)
    primary.sql("insert into writes values (1, 1)", "bud")
    primary.wait_streaming()
    assert standby.sql("select count(*) from writes", "bud") == [(1,)]
    primary.kill9_all()
    assert primary.members() == []
    assert not answers(primary.port)
    standby.promote()
    assert standby.timeline() == 2


def test_a_frozen_primary_accepts_and_never_answers(place):
    primary = Postgres(place)
    primary.freeze_all()
    assert {state_of(pid) for pid in primary.members()} == {"T"}
    assert answers(primary.port)
    with pytest.raises(psycopg2.OperationalError):
        primary.sql("select 1", timeout=2)
    primary.thaw_all()
    assert wait_for(lambda: primary.sql("select 1"), 5) == [(1,)]


def test_a_writer_sees_an_outage_as_it_is(place):
    primary = Postgres(place)
    pooler = Pgbouncer(place, {"bud": f"host=127.0.0.1 port={primary.port} dbname=bud"},
                       settings="server_login_retry = 0.2")
    with Writer(pooler.port) as writer:
        wait_for(lambda: len(writer.good()) > 20, 10)
        begun = time.monotonic()
        primary.kill9_all()
        time.sleep(0.5)
        primary.start()
        wait_for(lambda: writer.first_good_after(begun + 0.5), 15)
    assert writer.longest_gap()[0] >= 0.5
    assert writer.missing(primary) == []
    assert pooler.leads_to() == ("127.0.0.1", primary.port)


def test_redis_and_nginx_serve(place):
    master = Redis(place)
    Redis(place, "replica", replica_of=master)
    nginx = Nginx(place, ports=3)
    assert all(answers(port) for port in nginx.ports)


def test_ports_are_not_given_twice():
    ports = {free_port() for _ in range(50)}
    assert len(ports) == 50


def test_nothing_is_left_after_the_end_nor_after_a_kill():
    with Place("left") as place:
        folder = place.folder
        Postgres(place)
        Redis(place)
    assert not os.path.exists(folder)
    assert [pid for pid in processes() if working_folder(pid).startswith(folder)] == []

    # A run that is killed outright takes its servers along; the next place removes its folder.
    code = ("import sys, time; sys.path.insert(0, sys.argv[1])\n"
            "from place import Place; from servers import Redis\n"
            "p = Place('killed'); Redis(p); print(p.folder, flush=True); time.sleep(60)")
    support = os.path.dirname(sys.modules["place"].__file__)
    with subprocess.Popen([sys.executable, "-c", code, support], stdout=subprocess.PIPE,
                          text=True) as child:
        folder = child.stdout.readline().strip()
        assert os.path.isdir(folder)
        child.kill()
    with Place("next"):
        assert not os.path.exists(folder)
    wait_for(lambda: not [pid for pid in processes() if working_folder(pid).startswith(folder)], 5)
