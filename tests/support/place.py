"""Where a test lives: a folder of its own, ports of its own, and an end that leaves nothing behind.

A Place is a temporary folder plus what was started in it. close() ends everything by pid, last started
first, and removes the folder; it runs at exit and on TERM too. What a killed test run (kill -9) could not
clean up is cleaned by the next one: the folder's name carries the pid of its maker.

Servers run as an unprivileged user, because PostgreSQL and pgbouncer refuse to run as root: `postgres`
when the tests run as root, otherwise whoever runs them.
"""
import atexit
import fcntl
import os
import pwd
import re
import shutil
import signal
import socket
import sys
import tempfile

REPOSITORY = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
PREFIX = "pointsman-test-"

# Below the range that the kernel hands out by itself (32768 and up), so that no outgoing connection
# can take a port between our choice and the server's bind.
FIRST_PORT, LAST_PORT = 20000, 32000
_port_locks = []
_places = []


def service_user():
    """The user that servers run as, or None for ourselves."""
    return "postgres" if os.geteuid() == 0 else None


def as_user(user=None, death_signal="KILL"):
    """The front of a command line that drops to `user` and dies with us."""
    front = ["setpriv", "--pdeathsig", death_signal]
    if user and os.geteuid() == 0:
        front += ["--reuid", user, "--regid", str(pwd.getpwnam(user).pw_gid), "--init-groups"]
    return front + ["--"]


def _bindable(port, kind):
    with socket.socket(socket.AF_INET, kind) as one:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            one.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def free_port():
    """A port on 127.0.0.1 that is ours until this process ends.

    Other test runs of this user see the lock and take another one; a port that somebody else listens on
    cannot be bound and is passed over.
    """
    folder = f"/tmp/pointsman-ports-{os.geteuid()}"
    os.makedirs(folder, mode=0o700, exist_ok=True)
    start = FIRST_PORT + (os.getpid() * 37) % (LAST_PORT - FIRST_PORT)
    for step in range(LAST_PORT - FIRST_PORT):
        port = FIRST_PORT + (start - FIRST_PORT + step) % (LAST_PORT - FIRST_PORT)
        lock = os.open(f"{folder}/{port}", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(lock)
            continue
        if _bindable(port, socket.SOCK_STREAM):
            _port_locks.append(lock)
            return port
        os.close(lock)
    raise RuntimeError("no free port")


class Place:
    def __init__(self, name="place"):
        _sweep()
        self.folder = tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-{name}-", dir="/tmp")
        self._endings = []
        os.chmod(self.folder, 0o755)
        self.own(self.folder)
        _places.append(self)

    def path(self, *parts):
        return os.path.join(self.folder, *parts)

    def own(self, path):
        """Gives a file or folder to the user that the servers run as."""
        if service_user():
            entry = pwd.getpwnam(service_user())
            os.chown(path, entry.pw_uid, entry.pw_gid)
        return path

    def make_folder(self, *parts, mode=0o755):
        path = self.path(*parts)
        os.makedirs(path, exist_ok=True)
        os.chmod(path, mode)
        return self.own(path)

    def write(self, name, text, mode=0o644):
        path = self.path(name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(path, mode)
        return self.own(path)

    def at_end(self, call):
        """`call()` runs when the place closes; the last registered first."""
        self._endings.append(call)

    def close(self):
        if self in _places:
            _places.remove(self)
        troubles = []
        while self._endings:
            try:
                self._endings.pop()()
            except Exception as trouble:  # the rest must still be ended
                troubles.append(repr(trouble))
        _kill_all_within(self.folder)
        if os.environ.get("POINTSMAN_KEEP"):
            print(f"kept: {self.folder}", file=sys.stderr)
        else:
            shutil.rmtree(self.folder, ignore_errors=True)
        if troubles:
            raise RuntimeError(f"closing {self.folder}: " + "; ".join(troubles))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def processes():
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def working_folder(pid):
    try:
        return os.readlink(f"/proc/{pid}/cwd")
    except OSError:
        return ""


def _kill_all_within(folder):
    """Every process that still works inside a folder of ours: what a failed test left."""
    for pid in processes():
        where = working_folder(pid)
        if pid != os.getpid() and (where == folder or where.startswith(folder + "/")):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass


def _sweep():
    """Removes the folders, and ends the servers, of test runs that were killed."""
    for name in os.listdir("/tmp"):
        found = re.match(re.escape(PREFIX) + r"(\d+)-", name)
        if not found or os.path.exists(f"/proc/{found[1]}"):
            continue
        folder = os.path.join("/tmp", name)
        if os.lstat(folder).st_uid in (os.geteuid(), _service_uid()):
            _kill_all_within(folder)
            shutil.rmtree(folder, ignore_errors=True)


def _service_uid():
    return pwd.getpwnam(service_user()).pw_uid if service_user() else os.geteuid()


@atexit.register
def close_all():
    for place in reversed(_places[:]):
        try:
            place.close()
        except RuntimeError as trouble:
            print(trouble, file=sys.stderr)


def exit_on_signals():
    """TERM and HUP end the program in order, so that the places are closed."""
    def leave(number, _frame):
        sys.exit(128 + number)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, leave)
