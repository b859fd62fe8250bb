"""`pointsman simulate`: the shipped scenarios, what fails and how it says so, and files that are wrong."""
import glob
import json
import os
import subprocess

import pytest

from daemon import binary
from place import REPOSITORY

SCENARIOS = sorted(glob.glob(os.path.join(REPOSITORY, "etc/scenarios/*.yaml")))
DRIVE = os.path.join(REPOSITORY, "etc/examples/drive.yaml")


def simulate(*words):
    done = subprocess.run([binary(), "simulate", *words], capture_output=True, text=True, timeout=60,
                          check=False)
    return done.returncode, done.stdout, done.stderr


def written(tmp_path, text):
    file = tmp_path / "scenario.yaml"
    file.write_text(text, encoding="utf-8")
    return str(file)


def test_there_are_twelve():
    assert len(SCENARIOS) == 12


@pytest.mark.parametrize("file", SCENARIOS, ids=os.path.basename)
def test_a_shipped_scenario_holds_explains_itself_and_can_fail(file, tmp_path):
    status, out, err = simulate("--scenario", file)
    assert status == 0, out + err
    assert "world" in out and "expectations hold" in out
    with open(file, encoding="utf-8") as opened:
        text = opened.read()
    assert "about:" in text and "expect:" in text and "never:" in text
    # In a world where nothing happens at least one of its expectations does not come true.
    still = [line for line in text.replace("../examples", os.path.join(REPOSITORY, "etc/examples"))
             .splitlines() if not any(word in line for word in
                                      ("becomes:", "cut:", "mend:", "operator:"))]
    status, out, err = simulate("--scenario", written(tmp_path, "\n".join(still)))
    assert status == 1, out + err
    assert "FAILED at" in out


def test_the_same_file_gives_the_same_run():
    runs = {simulate("--scenario", SCENARIOS[0], "--json")[1] for _ in range(3)}
    assert len(runs) == 1
    whole = json.loads(runs.pop())
    assert whole["ok"] and whole["checked"] > 0
    assert {"at_ms", "who", "kind", "subject", "text"} <= set(whole["timeline"][0])


def test_a_failed_expectation_says_where_what_and_what_was_instead(tmp_path):
    file = written(tmp_path, """title: wrong
timeline:
  - {at: 20s, target: primary, becomes: down}
  - {at: 10s, expect: {route: bud, leads_to: replica-2}, within: 2s}
never: [{act: promote}]
""")
    status, out, _ = simulate("--config", DRIVE, "--scenario", file, "--json")
    assert status == 1
    first, second = json.loads(out)["failures"]
    assert first["at_ms"] == 12000 and first["where"] == f"{file}:4:23"
    assert first["text"] == ("expected: route bud leads to replica-2; it leads to primary; diagnosis ok: "
                             "primary serves and the pooler leads there")
    assert "never: act that says 'promote'" in second["text"]


@pytest.mark.parametrize("text, error", [
    ("title: x\nconfig: none.yaml\ntimeline: []\n", "none.yaml"),
    ("title: x\ntimeline: []\n", "config: names no configuration"),
    ("timeline: 5\n", "title: missing"),
    ("[1]\n", "a scenario is a map"),
    ("title: x\ntimeline:\n- {at: 1s, target: primry, becomes: down}\n",
     "3:20: error: timeline[0].target: 'primry' names no probe, did you mean 'primary'?"),
    ("title: x\ntimeline:\n- {at: 1s, target: primary, becomes: dead}\n", "becomes: 'dead' is not one of"),
    ("title: x\ntimeline:\n- {at: 1s, target: disk, becomes: frozen}\n", "disk is no database"),
    ("title: x\ntimeline:\n- {at: 1s, cut: [pointsman]}\n", "two ends"),
    ("title: x\ntimeline:\n- {at: 1s}\n", "nothing happens"),
    ("title: x\ntimeline:\n- {at: 1s, expect: {route: bud}}\n", "says not what of it"),
    ("title: x\ntimeline:\n- {at: 1s, expect: {route: bud, diagnosis: dead}}\n", "names no diagnosis"),
    ("title: x\ntimeline:\n- {at: 1s, expect: {}}\n", "asks nothing"),
    ("title: x\nlasts: 1s\ntimeline:\n- {at: 2s, operator: drain}\n", "ends before the last entry"),
    ("title: x\ntimeline:\n- {at: 1s, operator: drian}\n", "did you mean 'drain'?"),
    ("title: x\ntimeline:\n- {at: 1s, operator: drain, every: 2s}\n", "belong together"),
])
def test_a_wrong_file_is_an_error_with_its_place(tmp_path, text, error):
    config = [] if "config" in error or "none" in error else ["--config", DRIVE]
    status, out, err = simulate(*config, "--scenario", written(tmp_path, text))
    assert status == 78 and error in err, out + err


def test_usage():
    assert simulate()[0] == 2
    assert simulate("--history", "x.db")[0] == 2
    assert simulate("--scenario", "x.yaml", "--history", "x.db")[0] == 2
    status, _, err = simulate("--config", DRIVE, "--history", "/nonexistent/journal.db")
    assert status == 1 and "/nonexistent/journal.db" in err
    status, _, err = simulate("--config", DRIVE, "--history", "x.db", "--since", "soon")
    assert status == 2 and "'soon'" in err
