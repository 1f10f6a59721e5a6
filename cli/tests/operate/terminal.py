"""Runs a command in a real terminal of its own and plays a script against it.

The script is JSON on standard input: a list of steps, each one of {"until": text}, {"send": text}, {"say": text}, which
goes to standard error for whoever plays along, {"resize": [columns, rows]}, {"signal": number}. Ends with the command's exit code, what the terminal's settings were
before and after, and all that was written, as JSON.
"""

import codecs
import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import sys
import termios
import time

LONGEST = 60


def set_size(fd, columns, rows):
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


class Screen:
    """What can be read on it: programs write what changes, which need not be words."""

    TOKEN = re.compile(r"\x1b\[([0-9;?]*)([A-Za-z])|\x1b.|([^\x1b])", re.DOTALL)

    def __init__(self):
        self.cells = {}
        self.row = self.column = 0
        self.rest = ""

    def write(self, text):
        text = self.rest + text
        # a sequence that is not whole yet waits for its end
        cut = re.search(r"\x1b(\[[0-9;?]*)?$", text)
        self.rest = text[cut.start():] if cut else ""
        for match in self.TOKEN.finditer(text[: cut.start()] if cut else text):
            self.take(*match.groups())

    def take(self, numbers, letter, character):
        if letter == "H":
            row, _, column = (numbers or "1;1").partition(";")
            self.row, self.column = int(row or 1) - 1, int(column or 1) - 1
        elif letter == "J":
            self.cells = {}
        elif character == "\n":
            self.row += 1
        elif character == "\r":
            self.column = 0
        elif character:
            self.cells[self.row, self.column] = character
            self.column += 1

    def shows(self, wanted):
        rows = {}
        for (row, column), character in self.cells.items():
            rows.setdefault(row, {})[column] = character
        lines = ("".join(cells.get(column, " ") for column in range(max(cells) + 1)) for cells in rows.values())
        return any(wanted in line for line in lines)


def main():
    steps = json.load(sys.stdin)
    master, slave = pty.openpty()
    set_size(master, 100, 30)
    before = termios.tcgetattr(slave)
    pid = os.fork()
    if pid == 0:
        os.close(master)
        os.setsid()
        fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
        for fd in (0, 1, 2):
            os.dup2(slave, fd)
        os.execv(sys.argv[1], sys.argv[1:])
    written = b""
    screen = Screen()
    decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
    deadline = time.monotonic() + LONGEST
    problem = None

    def follow(wait):
        nonlocal written
        if select.select([master], [], [], wait)[0]:
            try:
                read = os.read(master, 65536)
                written += read
                screen.write(decoder.decode(read))
            except OSError:
                return False
        return True

    for step in steps:
        if "until" in step:
            while not screen.shows(step["until"]):
                if time.monotonic() > deadline:
                    problem = f"never saw {step['until']!r}"
                    break
                follow(0.1)
            if problem:
                break
        elif "send" in step:
            os.write(master, step["send"].encode())
        elif "say" in step:
            print(step["say"], file=sys.stderr, flush=True)
        elif "resize" in step:
            set_size(master, *step["resize"])
        elif "signal" in step:
            os.kill(pid, step["signal"])
    code = None
    while code is None:
        if time.monotonic() > deadline or problem:
            os.kill(pid, signal.SIGKILL)
            problem = problem or "it did not end"
        follow(0.05)
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            code = os.waitstatus_to_exitcode(status)
    while select.select([master], [], [], 0)[0] and follow(0):
        pass
    after = termios.tcgetattr(slave)
    json.dump(
        {
            "code": code,
            "problem": problem,
            "restored": before == after,
            "written": written.decode(errors="replace"),
        },
        sys.stdout,
    )


main()
