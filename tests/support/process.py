"""One started program: its log, its end, and freezing it with all that it started."""
import os
import signal
import subprocess
import time

from place import as_user, processes, service_user


def wait_for(what, limit=10.0, step=0.02, why=""):
    """Polls `what()` until it is true, and returns it; fails after `limit` seconds."""
    end = time.monotonic() + limit
    while True:
        found = what()
        if found:
            return found
        if time.monotonic() > end:
            raise TimeoutError(f"not within {limit} s: {why or getattr(what, '__name__', what)}")
        time.sleep(step)


def parent_of(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
            return int(file.read().rpartition(")")[2].split()[1])
    except (OSError, IndexError):
        return 0


def state_of(pid):
    """'R', 'S', 'T', 'Z', … or '' when there is no such process."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
            return file.read().rpartition(")")[2].split()[0]
    except (OSError, IndexError):
        return ""


def send(pid, number):
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass


def family(pid):
    """A process and all that descend from it."""
    found = [pid]
    parents = {one: parent_of(one) for one in processes()}
    for one in found:
        found += [child for child, parent in parents.items() if parent == one]
    return found


def freeze(members):
    """SIGSTOPs what `members()` lists, and again until nobody new was forked in between."""
    done = set()
    while True:
        fresh = [pid for pid in members() if pid not in done]
        if not fresh:
            return
        for pid in fresh:
            send(pid, signal.SIGSTOP)
        for pid in fresh:
            wait_for(lambda one=pid: state_of(one) in ("T", "Z", ""), 5, 0.001, f"{pid} stopped")
        done.update(fresh)


class Process:
    """A child in a session of its own; dies with us; its output goes to `log`."""

    def __init__(self, place, argv, log, user="service", cwd=None, env=None, death_signal="KILL",
                 netns=None):  # pylint: disable=too-many-arguments
        self.place, self.log, self.argv = place, place.path(log), argv
        who = service_user() if user == "service" else user
        surroundings = {**os.environ, **(env or {})}
        with open(self.log, "ab") as output:
            self.popen = subprocess.Popen(
                (["ip", "netns", "exec", netns] if netns else []) + as_user(who, death_signal) + argv,
                stdin=subprocess.DEVNULL, stdout=output,
                stderr=subprocess.STDOUT, cwd=cwd or place.folder, env=surroundings,
                start_new_session=True)
        self.pid = self.popen.pid
        place.at_end(self.kill9)

    def running(self):
        return self.popen.poll() is None

    def members(self):
        return family(self.pid) if self.running() else []

    def tell(self, number):
        if self.running():
            send(self.pid, number)

    def stop(self, number=signal.SIGTERM, limit=15):
        """Asks it to end; returns its exit status."""
        if self.running():
            self.tell(signal.SIGCONT)
            self.tell(number)
        return self.popen.wait(limit)

    def kill9(self):
        freeze(self.members)
        for pid in self.members():
            send(pid, signal.SIGKILL)
        self.popen.wait(10)

    def freeze(self):
        freeze(self.members)

    def thaw(self):
        for pid in reversed(self.members()):
            send(pid, signal.SIGCONT)

    def output(self, lines=60):
        with open(self.log, encoding="utf-8", errors="replace") as file:
            return "".join(file.readlines()[-lines:])
