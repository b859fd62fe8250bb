"""Machines of their own: network namespaces on a bridge, whose packets can be lost. Needs root.

The daemon, the pooler and the clients stay in the tests' own namespace, at the bridge's address. The
kernel has no netem; a lost host is a link that is taken down under permanent neighbour entries, so that
packets go nowhere and nobody is told; a cut in one direction is a blackhole route.
"""
import os
import subprocess


def _ip(*words, check=True):
    done = subprocess.run(["ip", *words], capture_output=True, text=True, check=False)
    if check and done.returncode != 0:
        raise RuntimeError(f"ip {' '.join(words)}: {done.stderr.strip()}")
    return done.stdout


class Network:
    """`count` machines at 10.231.X.2 and up; the tests are at 10.231.X.1."""

    def __init__(self, place, count):
        tag = os.getpid() % 0x10000
        self.bridge, self.subnet = f"pm{tag:04x}", f"10.231.{tag % 250}"
        self.names = [f"pm{tag:04x}n{number}" for number in range(count)]
        place.at_end(self.remove)
        self.remove()
        _ip("link", "add", self.bridge, "type", "bridge")
        _ip("addr", "add", f"{self.subnet}.1/24", "dev", self.bridge)
        _ip("link", "set", self.bridge, "up")
        for number, name in enumerate(self.names):
            _ip("netns", "add", name)
            _ip("link", "add", f"{name}v", "type", "veth", "peer", "name", "eth0", "netns", name)
            _ip("link", "set", f"{name}v", "master", self.bridge, "up")
            _ip("-n", name, "addr", "add", f"{self.subnet}.{number + 2}/24", "dev", "eth0")
            _ip("-n", name, "link", "set", "eth0", "up")
            _ip("-n", name, "link", "set", "lo", "up")
        self._fix_neighbours()

    def _mac(self, number):
        return _ip("-n", self.names[number], "-o", "link", "show", "eth0").split("link/ether ")[1].split()[0]

    def _fix_neighbours(self):
        """Whoever is lost is not found missing by ARP, which would tell the senders."""
        for number in range(len(self.names)):
            address, mac = f"{self.subnet}.{number + 2}", self._mac(number)
            _ip("neigh", "replace", address, "lladdr", mac, "dev", self.bridge, "nud", "permanent")
            for other, name in enumerate(self.names):
                if other != number:
                    _ip("-n", name, "neigh", "replace", address, "lladdr", mac, "dev", "eth0",
                        "nud", "permanent")

    def machine(self, number):
        """Arguments of servers.Postgres."""
        return {"host": f"{self.subnet}.{number + 2}", "netns": self.names[number]}

    def lose(self, number):
        """All packets from and to the machine are lost from now on."""
        _ip("link", "set", f"{self.names[number]}v", "down")

    def find(self, number):
        _ip("link", "set", f"{self.names[number]}v", "up")

    def cut_from_us(self, number):
        """The machine's packets to us are lost; the others hear it still."""
        _ip("-n", self.names[number], "route", "add", "blackhole", f"{self.subnet}.1/32")

    def remove(self):
        for name in self.names:
            _ip("link", "del", f"{name}v", check=False)
            _ip("netns", "del", name, check=False)
        _ip("link", "del", self.bridge, check=False)
