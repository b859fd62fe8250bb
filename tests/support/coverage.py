"""Runs the tests of the core and prints which lines and branches of policies/ they ran; fails below the limits.

Usage: coverage.py BUILD_FOLDER, of the preset `coverage`. Branches to where an exception is thrown, which the
compiler adds at nearly every call, are left out (gcovr's --exclude-throw-branches). The lines that were not run
are listed for each file; the sources with marks are in BUILD_FOLDER/html.
"""
import glob
import json
import os
import subprocess
import sys

LIMITS = {"line": 95.0, "branch": 85.0}
SEEDS = "200"  # of the simulation: the build is not optimised


# What is run, with its arguments.
TESTS = [["unit_policies"], ["simulation_checkers"], ["simulation"],
         ["simulation", "--replay", *sorted(glob.glob("tests/golden/simulation/*.case"))],
         ["fuzz_engine", "tests/fuzz/corpus/engine"]]


def run_tests(folder):
    environment = {**os.environ, "POINTSMAN_SIMULATION_SEEDS": os.environ.get("POINTSMAN_SIMULATION_SEEDS", SEEDS)}
    good = True
    for name, *arguments in TESTS:
        binary = os.path.join(folder, "bin", name)
        print(f"--- {name}", flush=True)
        done = subprocess.run([binary, *arguments], env=environment, text=True, stdout=subprocess.PIPE, check=False)
        print(done.stdout if done.returncode else done.stdout[-500:], flush=True)
        good = done.returncode == 0 and good
    return good


def gcovr(folder, *more):
    argv = ["gcovr", "--root", ".", "--filter", "policies/", "--exclude-throw-branches", "--print-summary",
            "-j", str(os.cpu_count()), *more, os.path.join(folder, "policies"), os.path.join(folder, "tests")]
    return subprocess.run(argv, text=True, capture_output=True, check=False)


def not_run(lines):
    """[3, 4, 5, 9] as '3-5,9'."""
    spans = []
    for line in lines:
        if spans and line == spans[-1][1] + 1:
            spans[-1][1] = line
        else:
            spans.append([line, line])
    return ",".join(str(a) if a == b else f"{a}-{b}" for a, b in spans)


def tally(file):
    lines = [one for one in file["lines"] if not one["gcovr/noncode"]]
    branches = [branch for one in lines for branch in one["branches"] if not branch.get("throw")]
    return {"line": (sum(1 for one in lines if one["count"]), len(lines)),
            "branch": (sum(1 for one in branches if one["count"]), len(branches)),
            "missed": not_run([one["line_number"] for one in lines if not one["count"]])}


def percent(run, of):
    return 100.0 * run / of if of else 100.0


def main():
    folder = sys.argv[1]
    for old in glob.glob(f"{folder}/**/*.gcda", recursive=True):
        os.remove(old)
    good = run_tests(folder)
    report = os.path.join(folder, "coverage.json")
    os.makedirs(os.path.join(folder, "html"), exist_ok=True)
    done = gcovr(folder, "--json", report, "--html-details", os.path.join(folder, "html", "index.html"))
    if done.returncode != 0:
        print(done.stdout + done.stderr)
        return 1
    with open(report, encoding="utf-8") as text:
        files = {one["file"]: tally(one) for one in json.load(text)["files"]}
    print(f"{'':<44} lines  branches  not run")
    for name, found in sorted(files.items()):
        print(f"{name:<44} {percent(*found['line']):5.1f} {percent(*found['branch']):9.1f}  {found['missed']}")
    failed = 0 if good else 1
    for kind, limit in LIMITS.items():
        run, of = (sum(found[kind][part] for found in files.values()) for part in (0, 1))
        failed += percent(run, of) < limit
        plural = {"line": "lines", "branch": "branches"}[kind]
        print(f"{plural}: {percent(run, of):.1f} % of {of} in policies/ were run, at least {limit:.0f} % must be")
    print(f"3 checks, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
