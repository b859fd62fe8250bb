"""The dependency rules of the house as data: who may include what, and who may name what.

Change a rule here only together with the README of the folder that it is about.
"""
import re

# The standard library without what would make policies/ impure: no threads, no streams, no clock of the
# machine, nothing random, and only ordered containers, so that a journal replays bit for bit.
IMPURE_HEADERS = {
    "thread", "mutex", "shared_mutex", "condition_variable", "atomic", "future", "iostream", "fstream",
    "ostream", "istream", "sstream", "cstdio", "stdio.h", "filesystem", "unordered_map",
    "unordered_set", "random", "ctime", "time.h", "cstdlib", "stdlib.h", "csignal",
}

# `only`: what a folder may include of the project and of libraries. Standard headers are allowed but for
# `never`. The longest matching folder wins.
FOLDERS = {
    "policies": {"only": [r"policies/"], "libraries": [], "never": IMPURE_HEADERS},
    "probes": {
        "only": [r"policies/model/", r"probes/"],
        "libraries": [r"boost/", r"openssl/", r"libpq-fe\.h$", r"hiredis/", r"systemd/sd-bus\.h$",
                      r"fmt/"],
    },
    "daemon/config": {"only": [r"policies/", r"probes/", r"daemon/config/"]},
    "daemon/journal": {"only": [r"policies/", r"probes/", r"daemon/journal/"]},
    "daemon/actions": {"only": [r"policies/", r"probes/", r"daemon/actions/"]},
    "daemon/notify": {"only": [r"policies/", r"probes/", r"daemon/notify/"]},
    "daemon/http": {"only": [r"policies/", r"probes/", r"daemon/http/"]},
    "daemon/fleet": {"only": [r"policies/", r"probes/", r"daemon/fleet/"]},
    "daemon/cli": {"only": [r"policies/", r"probes/", r"daemon/cli/"]},
    "daemon": {"only": [r"policies/", r"probes/", r"daemon/"]},
}

# The one place of policies/ that may write a line and abort.
EXCEPTIONS = {"policies/model/invariant.cpp": {"cstdio", "cstdlib"}}

# A library that one folder alone knows.
ONE_FOLDER = {
    r"libpq-fe\.h$": "probes",
    r"hiredis/": "probes",
    r"sqlite3\.h$": "daemon/journal",
    r"yaml-cpp/": "daemon/config",
    r"prometheus/": "daemon/http",
    r"CLI/": "daemon/cli",
    r"systemd/sd-bus\.h$": "probes",
}

# Nobody includes these: <format> is not in g++ 12's library, views pipelines do not compile with clang 14.
NOBODY = {"format": "use fmt", "ranges": "plain loops: clang 14 rejects views pipelines"}


class Word:
    """A name that may stand only in a few files, and why."""

    def __init__(self, pattern, allowed, why):
        self.pattern, self.allowed, self.why = re.compile(pattern), allowed, why


WORDS = [
    Word(r"\b(steady|system|high_resolution)_clock::now\b|\bclock_gettime\b|\bgettimeofday\b"
         r"|(?<![\w:.>])(?:std::|::)?time\((?:nullptr|NULL|0)\)",
         ["probes/clock.cpp", "daemon/runtime/clock.cpp"],
         "real time is named in the clock files only; take the time as an argument or from probes/clock.hpp"),
    Word(r"\brandom_device\b|\bmt19937|\bgetrandom\b|\bRAND_bytes\b|(?<![\w:.>])s?rand\(",
         ["probes/clock.cpp", "daemon/runtime/clock.cpp", "daemon/runtime/random.cpp",
          "probes/redis.cpp", "daemon/actions/file_write.cpp"],
         "randomness is named in a short list of files only"),
    Word(r"\bstd::locate_zone\b|\bchrono::locate_zone\b|\blocate_zone\(", [],
         "libstdc++ 12 has none; zones come from the date library"),
    Word(r"\bsystem\(|\bpopen\(|\"/bin/(?:ba)?sh\"", [], "no shell anywhere"),
    Word(r"\bawaitable_operators\b", [], "not on hot paths, and not needed elsewhere"),
    Word(r"\basio::detached\b", ["probes/task_group.cpp", "probes/asio.hpp"],
         "no detached coroutine: a task group owns each"),
]

# A folder with sources of its own has a README.md that maps them.
README_FOLDERS = ["", "policies", "probes", "daemon", "daemon/*", "etc", "systemd", "tests"]
LONG_FILE = 500
