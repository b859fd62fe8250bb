"""Killing the daemon at a fault point, in rounds that share their servers."""
import contextlib
import shutil
import signal

import pytest

from place import Place
from process import wait_for


# A route promotes three times an hour at most, and the journal knows.
ROUNDS_REMEMBERED = 2


def forget(daemon):
    """A new journal; and the daemon has adopted what it found."""
    daemon.stop()
    shutil.rmtree(daemon.state_dir)
    daemon.place.make_folder(f"{daemon.name}.state", mode=0o750)
    daemon.start()

    def adopted():
        routes = daemon.status()["routes"]
        return routes and all(route["in_effect"] for route in routes.values())
    wait_for(adopted, 20, why="its routes are in effect")


class Ground:
    """Servers and a daemon for the rounds of a module; made anew after a round that failed."""

    def __init__(self, make):
        self._make, self._made, self._rounds = make, None, 0

    @contextlib.contextmanager
    def round(self):
        if self._made is None:
            place = Place("kill")
            self._made = (place, self._make(place))
            self._rounds = 0
        self._rounds += 1
        try:
            if self._rounds % ROUNDS_REMEMBERED == 0:
                forget(self._made[1].scene.daemon)
            yield self._made[1]
        except BaseException:
            print(self._made[1].scene.daemon.log(150))
            self.close()
            raise

    def close(self):
        if self._made:
            self._made[0].close()
        self._made = None


def ground(make):
    """A fixture of the module."""
    @pytest.fixture(scope="module")
    def fixture():
        one = Ground(make)
        yield one
        one.close()
    return fixture


def die_at(daemon, point, ready, act):
    """The daemon is started with this point, does `act`'s work and dies of it; then it starts without."""
    daemon.stop()
    daemon.env["POINTSMAN_FAULT"] = point
    try:
        daemon.start()
        ready()
        act()
        wait_for(lambda: not daemon.process.running(), 25, why=f"it dies at {point}")
    finally:
        del daemon.env["POINTSMAN_FAULT"]
    assert daemon.process.popen.returncode == -signal.SIGKILL
    daemon.start()
