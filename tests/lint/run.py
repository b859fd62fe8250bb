#!/usr/bin/python3
"""The house rules as a test. Prints each breach as FILE:LINE: text and ends with 'N checks, N failed'.

POINTSMAN_FAST=1 leaves clang-tidy out.
"""
import glob
import os
import re
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.dirname(__file__))
import rules  # noqa: E402

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')
SYSTEM_HEADER = re.compile(r"^(?:[a-z_0-9]+|(?:[a-z_0-9]+/)?[a-z_0-9]+\.h)$")
SYSTEM_FOLDERS = ("sys/", "netinet/", "arpa/", "linux/", "net/", "bits/")


def sources(*folders):
    found = []
    for folder in folders:
        for kind in ("hpp", "cpp"):
            found += glob.glob(f"{ROOT}/{folder}/**/*.{kind}", recursive=True)
    return sorted(os.path.relpath(path, ROOT) for path in found)


def lines_of(file):
    """(number, line without its comment); block comments are not used in this project."""
    with open(os.path.join(ROOT, file), encoding="utf-8") as text:
        for number, line in enumerate(text, 1):
            yield number, re.sub(r"(?<!:)//.*", "", line.rstrip("\n"))


def includes(file):
    with open(os.path.join(ROOT, file), encoding="utf-8") as text:
        for number, line in enumerate(text, 1):
            found = INCLUDE.match(line)
            if found:
                yield number, found[1], found[2]


def rule_of(file):
    fitting = [folder for folder in rules.FOLDERS if file.startswith(folder + "/")]
    return rules.FOLDERS[max(fitting, key=len)]


def check_includes(file):
    rule = rule_of(file)
    for number, mark, name in includes(file):
        top = name.split("/")[0]
        ours = mark == '"' or top in ("policies", "probes", "daemon")
        if ours:
            if not any(re.match(one, name) for one in rule["only"]):
                yield f"{file}:{number}: may not include {name}"
        elif SYSTEM_HEADER.match(name) and not name.startswith(("openssl/", "hiredis/", "systemd/")) \
                and (name.count("/") == 0 or name.startswith(SYSTEM_FOLDERS)) \
                and name not in ("libpq-fe.h", "sqlite3.h"):
            never = rule.get("never", set()) - rules.EXCEPTIONS.get(file, set())
            if name in never or name in rules.NOBODY:
                yield f"{file}:{number}: may not include <{name}>"
            if "never" in rule and name.endswith(".h"):
                yield f"{file}:{number}: only the C++ standard library here, not <{name}>"
        elif "libraries" in rule and not any(re.match(one, name) for one in rule["libraries"]):
            yield f"{file}:{number}: may not include <{name}>"


def check_one_folder(file):
    for number, _, name in includes(file):
        for pattern, folder in rules.ONE_FOLDER.items():
            if re.match(pattern, name) and not file.startswith(folder + "/"):
                yield f"{file}:{number}: <{name}> is known to {folder}/ alone"


def check_words(file):
    for number, line in lines_of(file):
        for word in rules.WORDS:
            if file not in word.allowed and word.pattern.search(line):
                yield f"{file}:{number}: '{word.pattern.search(line)[0]}': {word.why}"


def check_header(file):
    if not file.endswith(".hpp"):
        return
    with open(os.path.join(ROOT, file), encoding="utf-8") as text:
        content = text.read()
    if not content.startswith("//"):
        yield f"{file}:1: a header opens with what it is"
    if "#pragma once" not in content:
        yield f"{file}:1: no '#pragma once'"


def check_readmes():
    for pattern in rules.README_FOLDERS:
        for folder in sorted(glob.glob(os.path.join(ROOT, pattern))):
            if os.path.isdir(folder) and any(os.path.isfile(os.path.join(folder, one))
                                             for one in os.listdir(folder)):
                name = os.path.join(os.path.relpath(folder, ROOT), "README.md")
                if not os.path.exists(os.path.join(ROOT, name)):
                    yield f"{os.path.normpath(name)}:1: missing; a short map of the folder's files"


def check_executable():
    for name in (".ci/run", "tests/run", "etc/quickstart"):
        if not os.access(os.path.join(ROOT, name), os.X_OK):
            yield f"{name}:1: not executable"


def run(argv):
    return subprocess.run(argv, cwd=ROOT, text=True, capture_output=True, check=False)


def check_format():
    files = sources("policies", "probes", "daemon", "tests")
    done = run(["clang-format", "--dry-run", "-Werror", *files])
    yield from [line for line in done.stderr.splitlines() if ": error:" in line]


def check_shell():
    scripts = [".ci/run", "tests/run", "etc/quickstart", "etc/packages.bash"]
    scripts += [os.path.relpath(one, ROOT) for one in glob.glob(f"{ROOT}/tests/**/*.sh", recursive=True)]
    scripts = [one for one in scripts if os.path.exists(os.path.join(ROOT, one))]
    # SC1091, SC2034, SC2154: packages.bash is sourced, and its names are used elsewhere.
    done = run(["shellcheck", "--shell=bash", "--format=gcc", "--severity=warning",
                "--exclude=SC1091,SC2034,SC2154", *scripts])
    yield from done.stdout.splitlines()


def check_python():
    for file in sorted(glob.glob(f"{ROOT}/tests/**/*.py", recursive=True)):
        with open(file, encoding="utf-8") as text:
            try:
                compile(text.read(), file, "exec")
            except SyntaxError as trouble:
                yield f"{os.path.relpath(file, ROOT)}:{trouble.lineno}: {trouble.msg}"


def check_tidy():
    done = run(["clang-tidy", "--quiet", *[file for file in sources("policies") if file.endswith(".cpp")],
                "--", "-std=c++20", "-I."])
    yield from [line.replace(ROOT + "/", "") for line in done.stdout.splitlines() if ": error:" in line]
    if done.returncode != 0 and ": error:" not in done.stdout:
        yield f".clang-tidy:1: clang-tidy failed: {done.stderr.strip()[-200:]}"


def report_lengths(files):
    lengths = []
    for file in files:
        with open(os.path.join(ROOT, file), encoding="utf-8") as text:
            lengths.append((sum(1 for _ in text), file))
    long_ones = [pair for pair in sorted(lengths, reverse=True) if pair[0] > rules.LONG_FILE]
    print(f"{len(lengths)} C++ files, {sum(length for length, _ in lengths)} lines, "
          f"{len(long_ones)} longer than {rules.LONG_FILE}")
    for length, file in long_ones:
        print(f"  {length} {file}")


def main():
    files = sources("policies", "probes", "daemon")
    checks = [(f"{name} of {file}", check(file)) for file in files
              for name, check in (("includes", check_includes), ("libraries", check_one_folder),
                                  ("words", check_words), ("header", check_header))]
    checks += [("readmes", check_readmes()), ("executable", check_executable()),
               ("python", check_python())]
    tools = [("clang-format", "format", check_format), ("shellcheck", "shell", check_shell)]
    if not os.environ.get("POINTSMAN_FAST"):
        tools.append(("clang-tidy", "tidy", check_tidy))
    for tool, name, check in tools:
        missing = [f"{tool}: not installed"] if not shutil.which(tool) else None
        checks.append((name, missing or check()))
    failed = 0
    for _, breaches in checks:
        breaches = list(breaches)
        failed += bool(breaches)
        for breach in breaches:
            print(breach)
    report_lengths(files + sources("tests"))
    print(f"{len(checks)} checks, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
