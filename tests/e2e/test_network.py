"""Hosts that are lost, and cuts between us and them, in network namespaces. Needs root."""
import os
import time

import pytest

from network import Network
from process import wait_for
from scene import Scene
from test_drive import HOLD_DOWN, PROMOTE, TUNED, configure, wait_ready

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces need root")


def drive_apart(place, standbys=1):
    network = Network(place, standbys + 1)
    scene = Scene(place, standbys=standbys, defaults=TUNED, start=False, network=network)
    scene.config["routes"]["bud"].update({"promote": PROMOTE, "hold_down": HOLD_DOWN})
    configure(scene)
    scene.start()
    wait_ready(scene)
    return scene, network


def test_a_lost_host_is_promoted_away_from_after_half_the_receivers_timeout_and_a_second(place):
    scene, network = drive_apart(place)   # wal_receiver_timeout = 5s
    writer = scene.add_writer()
    lost = time.monotonic()
    network.lose(0)
    standby = scene.standbys[0]
    first = wait_for(lambda: next((one for one in writer.good(lost + 0.5)), None), 30,
                     why="writes came back:\n" + scene.daemon.log())
    # At most 6 s on a machine that has nothing else to do; not before half of 5 s and a second.
    assert 3.0 < first.end - lost < 9.0, scene.daemon.log()
    scene.daemon.wait_route("standby-1")
    assert standby.timeline() == 2
    assert writer.waiting_for() < 3 and writer.hung() == []
    # It comes back, takes itself for the primary, and nobody is led to it.
    network.find(0)
    wait_for(lambda: scene.daemon.route()["diagnosis"] == "old_primary_back", 20, why="it is reported")
    assert scene.daemon.route()["targets"] == ["standby-1"]


def test_a_cut_between_us_and_the_primary_while_standbys_stream_promotes_nothing(place):
    scene, network = drive_apart(place, standbys=2)
    before = scene.daemon.route()
    network.cut_from_us(0)
    wait_for(lambda: scene.daemon.route()["diagnosis"] == "primary_unreachable_from_here", 40,
             why="it is told apart: " + str(scene.daemon.route()["why"]))
    time.sleep(12)
    after = scene.daemon.route()
    assert after["targets"] == ["primary"] and after["last_switch"] == before["last_switch"]
    assert not any(standby.writable() for standby in scene.standbys)
