"""Compares what a client printed, one JSON object a line, with expected.json. Used by `ci`.

    compare.py expected.json printed

Numbers are compared as numbers: 42 and 42.0 are equal, and integers are exact however large they are.
"""

import json
import sys
from pathlib import Path


def differences(expected, printed):
    """What differs, as lines of text; none: they are the same."""
    told = []
    for number, line in enumerate(expected):
        if number >= len(printed):
            told.append(f"line {number + 1} is missing; expected {json.dumps(line)}")
        elif printed[number] != line:
            told.append(f"line {number + 1} is {json.dumps(printed[number])}; expected {json.dumps(line)}")
    told += [f"line {number + 1} is one too many: {json.dumps(printed[number])}"
             for number in range(len(expected), len(printed))]
    return told


def main():
    expected = json.loads(Path(sys.argv[1]).read_text())
    printed = [json.loads(line) for line in Path(sys.argv[2]).read_text().splitlines() if line.strip()]
    told = differences(expected, printed)
    # A comparison that never fails would show nothing.
    for wrong in (expected[:-1], expected + expected[-1:], [{**expected[0], "outcome": "?"}, *expected[1:]]):
        assert differences(expected, wrong), wrong
    for line in told:
        print(line, file=sys.stderr)
    return 1 if told else 0


if __name__ == "__main__":
    sys.exit(main())
