"""Prints 'PASSED FAILED' of one stage of tests/run, read from its log.

Understands Catch2's and pytest's closing lines and the lint's 'N checks, N failed'; each test of ctest
that is called simulation_... or fuzz_corpus_... is one case. A stage that ended badly without saying what
failed counts as one failure; one without cases of its own as one pass.
"""
import re
import sys


def count(text, status):
    passed = failed = 0
    for found in re.finditer(r"All tests passed \(\d+ assertions? in (\d+) test cases?\)", text):
        passed += int(found[1])
    for found in re.finditer(r"test cases:\s+\d+((?: \|\s+\d+ [a-z ]+)+)", text):
        parts = dict(reversed(part.split(None, 1)) for part in found[1].split("|") if part.strip())
        passed += int(parts.get("passed", 0))
        failed += int(parts.get("failed", 0))
    for found in re.finditer(r"^(\d+) checks, (\d+) failed$", text, re.M):
        passed, failed = passed + int(found[1]) - int(found[2]), failed + int(found[2])
    passed += len(re.findall(r"Test +#\d+: (?:simulation|fuzz_corpus)_\S+ \.+ +Passed", text))
    closing = re.findall(r"^=+ .*\b(?:passed|failed|errors?)\b.* in [\d.]+s.*=+$", text, re.M)
    if closing:
        for number, word in re.findall(r"(\d+) (passed|failed|errors?)\b", closing[-1]):
            if word == "passed":
                passed += int(number)
            else:
                failed += int(number)
    if status != 0:
        failed = max(failed, len(re.findall(r"\*\*\*(?:Failed|Exception|Timeout)", text)), 1)
    elif passed == 0 and failed == 0:
        passed = 1
    return passed, failed


if __name__ == "__main__":
    with open(sys.argv[1], encoding="utf-8", errors="replace") as log:
        print(*count(log.read(), int(sys.argv[2])))
