"""What is in effect is read again and again, and repaired. A repair is not a switch."""
import os
import time

from process import wait_for
from scene import Scene


def led_right(scene):
    return scene.pooler.leads_to() == ("127.0.0.1", scene.primary.port) \
        and f"port={scene.primary.port}" in scene.pooler.targets().get("bud", "")


def test_a_targets_file_edited_by_hand_is_repaired(place):
    scene = Scene(place)
    before = scene.daemon.route()["last_switch"]
    scene.pooler.write_targets({"bud": scene.standbys[0].line()})
    scene.pooler.console("RELOAD")
    assert not led_right(scene)
    wait_for(lambda: led_right(scene), 20, why="repaired:\n" + scene.daemon.log())
    assert scene.daemon.wait_route("primary")["last_switch"] == before


def test_a_pgbouncer_restarted_with_an_old_file_is_repaired(place):
    scene = Scene(place)
    scene.pooler.stop()
    scene.pooler.write_targets({"bud": scene.standbys[0].line()})
    scene.pooler.start()
    assert not led_right(scene)
    wait_for(lambda: led_right(scene), 20, why="repaired:\n" + scene.daemon.log())
    scene.daemon.wait_route("primary")


def test_a_targets_file_that_is_gone_is_written_again(place):
    scene = Scene(place)
    os.unlink(scene.pooler.file)
    wait_for(lambda: os.path.exists(scene.pooler.file) and led_right(scene), 20, why="written again")


def test_a_route_left_wrong_while_the_daemon_was_down_is_repaired_at_its_start(place):
    scene = Scene(place)
    scene.daemon.stop()
    scene.primary.kill9_all()
    scene.standbys[0].promote()
    scene.daemon.start()
    scene.daemon.wait_route("standby-1")
    assert scene.pooler.leads_to() == (scene.standbys[0].host, scene.standbys[0].port)


def test_in_observe_mode_nothing_is_touched(place):
    scene = Scene(place, start=False, mode="observe")
    scene.daemon.start()
    wait_for(lambda: scene.daemon.probe("standby-1")["state"] == "healthy", 15)
    content = scene.pooler.targets()
    stamp = os.stat(scene.pooler.file)
    scene.primary.kill9_all()
    scene.standbys[0].promote()
    found = wait_for(lambda: scene.daemon.probe("primary")["state"] == "unhealthy"
                     and scene.daemon.route(), 15)
    time.sleep(2)
    assert scene.pooler.targets() == content
    now = os.stat(scene.pooler.file)
    assert (now.st_mtime_ns, now.st_ino) == (stamp.st_mtime_ns, stamp.st_ino)
    assert scene.pooler.leads_to() == ("127.0.0.1", scene.primary.port)
    found = scene.daemon.route()
    assert [guard for guard in found["guards"] if guard["name"] == "mode" and not guard["allow"]], found
    assert scene.daemon.status()["mode"] == "observe"
