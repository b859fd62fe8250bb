"""A Debian 12 that boots: a real systemd with a unit, a user and a D-Bus of its own, and no network but its
loopback. Needs root, debootstrap, systemd-nspawn and, the first time, a Debian mirror.

The folder that debootstrap makes is kept in POINTSMAN_CACHE (/var/cache/pointsman-tests) and used again while
the list of its packages stays the same; each boot has a copy of its own. Whoever makes it holds a lock, and makes it
in a mount namespace, so that what debootstrap mounts ends with it. Nothing is registered with the machine's own
systemd, if there is one. A control group of its own keeps two containers apart.
"""
import contextlib
import fcntl
import os
import re
import shutil
import subprocess

from process import Process, parent_of, wait_for
from place import processes

CACHE = os.environ.get("POINTSMAN_CACHE", "/var/cache/pointsman-tests")
MAKING_LIMIT = 900      # seconds; debootstrap took 120 through a slow mirror
BOOT_LIMIT = 60


def _output(*argv, limit=60):
    return subprocess.run(argv, check=True, capture_output=True, text=True, timeout=limit).stdout


def packages_of(binary):
    """The Debian packages of the libraries that a program names itself; theirs come as dependencies."""
    wanted = set(re.findall(r"\(NEEDED\).*\[(.+)\]", _output("readelf", "--dynamic", binary)))
    found = set()
    for name, path in re.findall(r"(\S+) => (/\S+)", _output("ldd", binary)):
        if name in wanted:
            # dpkg knows a file by the path that its package gives it, with or without /usr.
            paths = (path, "/usr" + path, os.path.realpath(path))
            answers = [subprocess.run(["dpkg-query", "--search", one], check=False, capture_output=True,
                                      text=True) for one in paths]
            owners = [one.stdout.split(":")[0] for one in answers if one.returncode == 0]
            assert owners, f"no package has {path}, which {binary} needs"
            found.add(owners[0])
    return sorted(found)


def _mirror():
    """Where this machine's own apt gets its bookworm from."""
    for line in _output("apt-get", "indextargets", "--format", "$(REPO_URI) $(RELEASE)",
                        "Created-By: Packages").splitlines():
        uri, _, release = line.partition(" ")
        if release in ("bookworm", "stable") and "debian" in uri:
            return uri
    return "http://deb.debian.org/debian"


def _remove(folder):
    subprocess.run(["rm", "-rf", "--one-file-system", folder], check=True)


def debian(packages):
    """The folder of a Debian 12 with these packages; made when there is none yet, which takes minutes."""
    for tool in ("debootstrap", "systemd-nspawn", "nsenter"):
        assert shutil.which(tool), f"{tool} is not installed; tests/run installs what is missing"
    os.makedirs(CACHE, exist_ok=True)
    folder, listing = os.path.join(CACHE, "debian-12"), "\n".join(packages) + "\n"
    mark = folder + ".packages"
    with open(folder + ".lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if os.path.isdir(folder) and os.path.exists(mark):
            with open(mark, encoding="ascii") as file:
                if file.read() == listing:
                    return folder
        for old in (folder, folder + ".part"):
            _remove(old)
        done = subprocess.run(
            ["unshare", "--mount", "--propagation", "private", "--pid", "--fork", "--kill-child",
             "debootstrap", "--variant=minbase", "--include=" + ",".join(packages),
             "bookworm", folder + ".part", _mirror()],
            check=False, capture_output=True, text=True, timeout=MAKING_LIMIT)
        assert done.returncode == 0, (f"debootstrap failed with {done.returncode}:\n"
                                      + "\n".join((done.stdout + done.stderr).splitlines()[-20:]))
        for waste in ("var/cache/apt/archives", "var/lib/apt/lists", "usr/share/locale", "usr/share/doc"):
            _remove(os.path.join(folder + ".part", waste))
        os.rename(folder + ".part", folder)
        with open(mark, "w", encoding="ascii") as file:
            file.write(listing)
    return folder


def _own_groups():
    """Our control group in each hierarchy that systemd keeps track of its units with."""
    with open("/proc/self/cgroup", encoding="ascii") as file:
        lines = [line.rstrip("\n").split(":", 2) for line in file]
    for _, controllers, path in lines:
        tops = {"": ("/sys/fs/cgroup", "/sys/fs/cgroup/unified"), "name=systemd": ("/sys/fs/cgroup/systemd",)}
        for top in tops.get(controllers, ()):
            if os.path.exists(os.path.join(top, "cgroup.procs")):
                yield os.path.normpath(top + "/" + path)


class Container:
    """One Debian, copied and not yet booted. Put what is to be there into `root`, then boot()."""

    def __init__(self, place, packages):
        self.place, self.process, self.leader = place, None, 0
        self.root = place.path("debian")
        subprocess.run(["cp", "-a", "--reflink=auto", debian(packages), self.root], check=True)
        self.groups = []
        place.at_end(self._remove_groups)

    def install(self, source, target, mode=0o644):
        """A file of this machine, at a path inside."""
        with open(source, "rb") as file:
            self._put(file.read(), target, mode)

    def write(self, target, text):
        self._put(text.encode(), target, 0o644)

    def _put(self, content, target, mode):
        path = self.path(target)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(content)
        os.chmod(path, mode)

    def path(self, inside):
        return os.path.join(self.root, inside.lstrip("/"))

    def boot(self):
        self._make_groups()
        enter = "while [ \"$1\" != -- ]; do echo $$ >\"$1/cgroup.procs\" || exit; shift; done; shift; exec \"$@\""
        argv = ["/bin/sh", "-c", enter, "enter", *self.groups, "--"]
        self.process = Process(
            self.place, [*argv, "systemd-nspawn", "--quiet", "--register=no", "--keep-unit", "--private-network",
                         "--console=pipe", f"--machine=pointsman-test-{os.getpid()}",
                         "--directory=" + self.root, "--boot"], "container.log", user=None)
        try:
            self.leader = wait_for(self._init, BOOT_LIMIT, 0.05, "systemd runs in the container")
            wait_for(self.settled, BOOT_LIMIT, 0.2, "the container has booted")
        except TimeoutError as trouble:
            raise TimeoutError(f"{trouble}; systemd-nspawn says:\n{self.process.output()}") from None
        return self

    def settled(self):
        assert self.process.running(), "systemd-nspawn ended:\n" + self.process.output()
        return self.run("systemctl", "is-system-running", check=False).stdout.strip() in ("running", "degraded")

    def run(self, *argv, check=True, limit=60):
        """A command inside, as root."""
        done = subprocess.run(["nsenter", f"--target={self.leader}", "--all", "--root", "--wd", "--", *argv],
                              check=False, capture_output=True, text=True, timeout=limit)
        assert not check or done.returncode == 0, f"{argv} gave {done.returncode}:\n{done.stdout}{done.stderr}"
        return done

    def run_in_network(self, *argv, limit=30):
        """A command of this machine, in the container's network alone."""
        return _output("nsenter", f"--target={self.leader}", "--net", "--", *argv, limit=limit)

    def show(self, unit, name):
        return self.run("systemctl", "show", "--value", "--property=" + name, unit).stdout.strip()

    def journal(self, unit, lines=60):
        return self.run("journalctl", "--no-pager", f"--unit={unit}", f"--lines={lines}", check=False).stdout

    def power_off(self, limit=30):
        """An orderly end, as `systemctl poweroff` is."""
        self.process.stop(limit=limit)

    def _init(self):
        assert self.process.running(), "systemd-nspawn ended:\n" + self.process.output()
        for pid in processes():
            if parent_of(pid) == self.process.pid:
                with contextlib.suppress(OSError), open(f"/proc/{pid}/comm", encoding="ascii") as file:
                    if file.read() == "systemd\n":
                        return pid
        return 0

    def _make_groups(self):
        for own in _own_groups():
            group = os.path.join(own, f"pointsman-test-{os.getpid()}")
            os.makedirs(group, exist_ok=True)
            self.groups.append(group)

    def _remove_groups(self):
        for group in self.groups:
            wait_for(lambda one=group: not self._busy(one), 10, why=f"{group} is empty")
            for folder, _, _ in os.walk(group, topdown=False):
                os.rmdir(folder)

    @staticmethod
    def _busy(group):
        for folder, _, _ in os.walk(group):
            with open(os.path.join(folder, "cgroup.procs"), encoding="ascii") as file:
                if file.read():
                    return True
        return False
