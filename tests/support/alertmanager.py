"""The real Alertmanager, and what it passes on: one notification for each change of an alert's state."""
import json
import subprocess
import sys

from place import free_port
from process import Process, wait_for
from receiver import Receiver

CONFIG = """\
route: {{receiver: hook, group_by: ['...'], group_wait: 0s, group_interval: 1s, repeat_interval: 1h}}
receivers:
  - name: hook
    webhook_configs: [{{url: "{url}", send_resolved: true}}]
"""

ACTIVE = "/api/v2/alerts?active=true"
FETCH = "import sys, urllib.request; print(urllib.request.urlopen(sys.argv[1], timeout=5).read().decode())"


class Alertmanager:
    def __init__(self, place, name="alertmanager", enter=()):
        """`enter`: the front of a command line that leads into another network."""
        self.place, self.name, self.enter, self.port = place, name, list(enter), free_port()
        self.hook = Receiver(place)
        self.config = place.write(f"{name}.yml", CONFIG.format(url=self.hook.url()))
        self.folder = place.make_folder(f"{name}.data")
        self.process = None
        self.start()

    def start(self):
        self.process = Process(
            self.place, [*self.enter, "/usr/bin/prometheus-alertmanager", f"--config.file={self.config}",
                         f"--storage.path={self.folder}", "--cluster.listen-address=",
                         f"--web.listen-address=127.0.0.1:{self.port}"], f"{self.name}.log",
            user=None if self.enter else "service")
        wait_for(self._ready, 20, 0.2, f"Alertmanager serves, see {self.process.log}")

    def _get(self, path):
        argv = [*self.enter, sys.executable, "-c", FETCH, self.url() + path]
        return subprocess.run(argv, check=True, capture_output=True, text=True).stdout

    def _ready(self):
        try:
            return self._get("/-/ready")
        except subprocess.CalledProcessError:
            return False

    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def active(self, subject, severity="critical"):
        """The alerts that fire now: what a human sees."""
        return [one for one in json.loads(self._get(ACTIVE)) if _is(one, subject, severity)]

    def told(self, subject, severity="critical"):
        """What was passed on of a subject, in order: ["firing", "resolved"]."""
        return [alert["status"] for sent in list(self.hook.sent) for alert in sent["alerts"]
                if _is(alert, subject, severity)]

    def wait_active(self, subject, limit=40, saying=""):
        """The one critical alert of this subject, once it says this somewhere."""
        try:
            found = wait_for(lambda: [one for one in self.active(subject) if saying in json.dumps(one)], limit, 0.3)
        except TimeoutError:
            alerts = json.loads(self._get(ACTIVE))
            raise TimeoutError(f"no critical alert of {subject} that says '{saying}': {alerts}") from None
        assert len(found) == 1, found
        return found[0]

    def wait_over(self, subject, limit=40):
        wait_for(lambda: not self.active(subject), limit, 0.3, f"the alert of {subject} is over")

    def wait_resolved(self, subject, limit=40):
        """It is over, and that was passed on."""
        self.wait_over(subject, limit)
        wait_for(lambda: self.told(subject)[-1:] == ["resolved"], limit, 0.3,
                 f"that it is over was passed on: {self.told(subject)}")


def _is(alert, subject, severity):
    return alert["labels"]["subject"] == subject and alert["labels"]["severity"] == severity
