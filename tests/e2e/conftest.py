"""What the end-to-end tests share: a place that is closed whatever happens, and logs on failure."""
import os
import sys

import pytest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "support"))
sys.path.insert(0, os.path.dirname(__file__))

from place import Place, exit_on_signals  # noqa: E402  pylint: disable=wrong-import-position

exit_on_signals()


@pytest.fixture
def place(request):
    """A folder and its servers for one test. The tail of every log is shown when the test fails."""
    with Place(request.node.name[:30].replace("/", "_")) as one:
        yield one
        report = getattr(request.node, "report_of_call", None)
        if report is not None and report.failed:
            for name in sorted(os.listdir(one.folder)):
                if name.endswith(".log"):
                    with open(one.path(name), encoding="utf-8", errors="replace") as file:
                        print(f"---- {name}\n" + "".join(file.readlines()[-40:]))


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item):
    outcome = yield
    report = outcome.get_result()
    if report.when == "call":
        item.report_of_call = report
