"""Runs a command in a real terminal of its own and plays a script against it.

The script is JSON on standard input: a list of steps, each one of {"until": text}, {"send": text}, {"say": text}, which
goes to standard error for whoever plays along, {"resize": [columns, rows]}, {"signal": number}. Ends with the command's exit code, what the terminal's settings were
before and after, and all that was written, as JSON.
"""

import fcntl
import json
import os
import pty
import select
import signal
import struct
import sys
import termios
import time

LONGEST = 60


def set_size(fd, columns, rows):
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


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
    seen = 0
    deadline = time.monotonic() + LONGEST
    problem = None

    def read(wait):
        nonlocal written
        if select.select([master], [], [], wait)[0]:
            try:
                written += os.read(master, 65536)
            except OSError:
                return False
        return True

    for step in steps:
        if "until" in step:
            wanted = step["until"].encode()
            while wanted not in written[seen:]:
                if time.monotonic() > deadline:
                    problem = f"never saw {step['until']!r}"
                    break
                read(0.1)
            if problem:
                break
            seen += written[seen:].index(wanted) + len(wanted)
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
        read(0.05)
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            code = os.waitstatus_to_exitcode(status)
    while select.select([master], [], [], 0)[0] and read(0):
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
