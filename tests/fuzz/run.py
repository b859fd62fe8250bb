#!/usr/bin/python3
"""Runs the fuzzers of a build (preset `fuzz`), each for its share of the time, and tells what they found.

What makes a target fail is kept in build/fuzz-findings/TARGET/, made as small as it gets in a minute. Inputs that
reach something new are kept in BUILD/corpus/TARGET for the next run; the seeds of tests/fuzz/corpus are only read.
Exit status: 0 when no target failed.
"""
import argparse
import glob
import os
import re
import subprocess
import sys
import time

FINDINGS = "build/fuzz-findings"
# Seconds for one input, MiB of memory, and bytes of an input. What is slow or large is a finding too.
LIMITS = ["-timeout=20", "-rss_limit_mb=2048", "-malloc_limit_mb=512"]
LONGEST = {"engine": 1000, "simulation": 4000, "config": 8000}
PROGRESS = re.compile(r"^#(\d+)\s.*?cov: (\d+) ft: (\d+) corp: (\d+)/")
FAILURE = re.compile(r"Test unit written to (\S+)")


def targets(build, wanted):
    found = sorted(os.path.basename(one)[len("fuzz_"):] for one in glob.glob(f"{build}/bin/fuzz_*"))
    return [one for one in found if not wanted or one in wanted]


def seeds(build, target):
    with open(f"{build}/fuzz-seeds/{target}", encoding="utf-8") as text:
        return [folder for folder in text.read().split("\n") if os.path.isdir(folder)]


def minimize(binary, input_file):
    """The smallest input that still fails, beside the one that was found."""
    small = input_file + ".small"
    argv = [binary, *LIMITS, "-minimize_crash=1", "-max_total_time=60", f"-exact_artifact_path={small}", input_file]
    subprocess.run(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
    return small if os.path.exists(small) else input_file


def tell(target, seen, left):
    print(f"{target}: {seen.get('runs', 0)} inputs, {seen.get('edges', 0)} edges, "
          f"{seen.get('kept', 0)} kept, {left:.0f} s left", flush=True)


def run(build, target, limit):
    """What became of one target: its figures, and the inputs that made it fail."""
    binary = os.path.abspath(f"{build}/bin/fuzz_{target}")
    corpus, found = f"{build}/corpus/{target}", f"{FINDINGS}/{target}"
    os.makedirs(corpus, exist_ok=True)
    os.makedirs(found, exist_ok=True)
    argv = [binary, *LIMITS, f"-max_len={LONGEST.get(target, 20000)}", f"-max_total_time={limit}",
            f"-artifact_prefix={found}/", corpus, *seeds(build, target)]
    dictionary = f"tests/fuzz/dictionaries/{target}.dict"
    if os.path.exists(dictionary):
        argv.insert(1, f"-dict={dictionary}")
    seen, failures, begun, told, tail = {}, [], time.monotonic(), time.monotonic(), []
    with subprocess.Popen(argv, stderr=subprocess.PIPE, text=True, errors="replace") as child:
        for line in child.stderr:
            tail = (tail + [line])[-60:]
            if progress := PROGRESS.match(line):
                seen = dict(zip(("runs", "edges", "features", "kept"), map(int, progress.groups())))
            if failure := FAILURE.search(line):
                failures.append(failure[1])
            if time.monotonic() - told >= 30:
                told = time.monotonic()
                tell(target, seen, begun + limit - told)
    if child.returncode != 0:
        print("".join(tail))
        if not failures:
            failures.append(f"(exit status {child.returncode}, no input was kept)")
    seen["rate"] = seen.get("runs", 0) / max(time.monotonic() - begun, 1)
    return seen, [minimize(binary, one) if os.path.exists(one) else one for one in failures]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("build")
    parser.add_argument("targets", nargs="*")
    parser.add_argument("--seconds", type=int, default=600)
    options = parser.parse_args()
    names = targets(options.build, options.targets)
    if not names:
        print(f"no such fuzzer; there are: {', '.join(targets(options.build, []))}")
        return 1
    share = max(options.seconds // len(names), 5)
    print(f"{len(names)} fuzzers, {share} s each", flush=True)
    results = {name: run(options.build, name, share) for name in names}
    print(f"{'fuzzer':<18}{'inputs':>12}{'a second':>10}{'edges':>8}{'kept':>7}  findings")
    for name, (seen, failures) in results.items():
        print(f"{name:<18}{seen.get('runs', 0):>12}{seen['rate']:>10.0f}{seen.get('edges', 0):>8}"
              f"{seen.get('kept', 0):>7}  {' '.join(failures) or 'none'}")
    count = sum(len(failures) for _, failures in results.values())
    if count:
        print(f"{count} findings. Each is an input for build/fuzz/bin/fuzz_TARGET FILE; once it is mended, put it "
              "into tests/fuzz/corpus/TARGET under a name that says what it was")
    return 1 if count else 0


if __name__ == "__main__":
    sys.exit(main())
