#!/usr/bin/python3
"""A policy tried on a month: how long does it take, and what does it cost to record it?

Builds and runs bench_history_replay (tests/bench/history_replay.cpp): 50 probes each 5 s, 26 million samples,
a failure every two hours, recorded, written to a journal.db, read and replayed.

    tests/bench/history_replay.py

Bounds: reading and replaying takes less than 10 s (issue 5); recording takes less than 0.1 % of a core.
Exit 1 if one is missed.
"""
import argparse
import os
import re
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
REPLAY_SECONDS, RECORD_SHARE = 10.0, 0.001


def main():
    options = argparse.ArgumentParser(description=__doc__,
                                      formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--build", default=os.path.join(ROOT, "build", "ci"))
    options = options.parse_args()
    subprocess.run(["cmake", "--build", options.build, "--target", "bench_history_replay"], check=True,
                   stdout=subprocess.DEVNULL)
    done = subprocess.run([os.path.join(options.build, "bin", "bench_history_replay")], check=True,
                          capture_output=True, text=True)
    print(done.stdout, end="")
    recorded, read, replayed = (float(re.search(rf"{word} in ([\d.]+) s", done.stdout)[1])
                                for word in ("recorded", "read", "replayed"))
    share = recorded / (30 * 24 * 3600)
    took = read + replayed
    met = took < REPLAY_SECONDS and share < RECORD_SHARE
    print(f"read and replayed {took:.2f} s   bound {REPLAY_SECONDS:.0f} s   ratio {took / REPLAY_SECONDS:.2f}\n"
          f"recorded {share:.5%} of a core   bound {RECORD_SHARE:.1%}   ratio {share / RECORD_SHARE:.2f}"
          + ("" if met else "   MISSED"))
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
