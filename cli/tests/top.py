#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""top.py KECHO CHANNEL: `kecho top` on a terminal of our own, in TAP lines without
numbers. The terminal knows what ncurses sends to an xterm, and keeps the screen.
"""
import fcntl
import os
import pty
import re
import select
import signal
import struct
import sys
import termios
import time

kecho, channel = sys.argv[1:]
LIMIT_S = 15


def claim(good, what):
    print(f"{'ok' if good else 'not ok'} - {what}", flush=True)


class Screen:
    """An xterm, as far as it is needed: text, moves, erasures; colours mean nothing."""
    CSI = re.compile(rb"\x1b\[([?>]?)([\d;]*)([@-~])")
    OTHER = re.compile(rb"\x1b[()][0AB]|\x1b[=>78cM]|\x1b\][^\x07]*\x07")

    def __init__(self, lines, columns):
        self.left = b""
        self.alternate = False
        self.saved = self.used = False
        self.size(lines, columns)

    def size(self, lines, columns):
        self.h, self.w = lines, columns
        self.cell = [[" "] * columns for _ in range(lines)]
        self.y = self.x = 0

    def text(self):
        return "\n".join("".join(line).rstrip() for line in self.cell)

    def erase(self, y, first, last):
        for x in range(first, last):
            self.cell[y][x] = " "

    def csi(self, private, given, what):
        n = [int(v or 0) for v in given.split(b";")] if given else []
        first = n[0] if n and n[0] else 1
        if private:
            if 1049 in n:
                self.alternate = what == b"h"
        elif what in b"Hf":
            self.y = min(first, self.h) - 1
            self.x = min(n[1] if len(n) > 1 and n[1] else 1, self.w) - 1
        elif what == b"d":
            self.y = min(first, self.h) - 1
        elif what == b"G":
            self.x = min(first, self.w) - 1
        elif what in b"ABCD":
            y, x = {b"A": (-1, 0), b"B": (1, 0), b"C": (0, 1), b"D": (0, -1)}[what]
            self.y = max(0, min(self.h - 1, self.y + y * first))
            self.x = max(0, min(self.w - 1, self.x + x * first))
        elif what == b"K":
            self.erase(self.y, 0 if n == [1] else self.x, self.x + 1 if n == [1] else self.w)
        elif what == b"J":
            if n == [2]:
                self.x, self.y = 0, 0
            self.erase(self.y, self.x, self.w)
            for y in range(self.y + 1, self.h):
                self.erase(y, 0, self.w)
        elif what == b"X":
            self.erase(self.y, self.x, min(self.w, self.x + first))
        elif what == b"b":
            for _ in range(first):
                self.put(self.cell[self.y][self.x - 1])
        elif what == b"P":
            line = self.cell[self.y]
            del line[self.x:self.x + first]
            line += [" "] * (self.w - len(line))
        elif what == b"@":
            line = self.cell[self.y]
            line[self.x:self.x] = [" "] * first
            del line[self.w:]
        elif what in b"LM":
            for _ in range(first):
                gone, at = (self.h - 1, self.y) if what == b"L" else (self.y, self.h - 1)
                del self.cell[gone]
                self.cell.insert(at, [" "] * self.w)
        elif what not in b"mrhlt":
            raise ValueError(f"what is CSI {given} {what}?")

    def put(self, c):
        if self.x == self.w:
            self.x, self.y = 0, min(self.y + 1, self.h - 1)
        self.cell[self.y][self.x] = c
        self.x += 1

    def feed(self, data):
        data = self.left + data
        at = 0
        while at < len(data):
            if data[at:at + 1] == b"\x1b":
                m = self.CSI.match(data, at)
                if m:
                    self.csi(*m.groups())
                else:
                    m = self.OTHER.match(data, at)
                    if not m and len(data) - at < 16:
                        break
                    assert m, f"what is {data[at:at + 16]!r}?"
                at = m.end()
                continue
            c = data[at]
            at += 1
            if c == 13:
                self.x = 0
            elif c == 10:
                self.y = min(self.y + 1, self.h - 1)
            elif c == 8:
                self.x = max(0, min(self.x, self.w) - 1)
            elif c >= 32:
                self.put(chr(c))
        self.left = data[at:]


class Terminal:
    def __init__(self, *arguments, term="xterm"):
        self.master, self.slave = pty.openpty()
        self.resize(24, 80, None)
        self.was = termios.tcgetattr(self.slave)
        self.screen = Screen(24, 80)
        self.all = b""
        self.pid = os.fork()
        if not self.pid:
            os.setsid()
            fcntl.ioctl(self.slave, termios.TIOCSCTTY, 0)
            for fd in range(3):
                os.dup2(self.slave, fd)
            os.environ["TERM"] = term
            os.execv(kecho, [kecho, "top", "--interval", "200ms", *arguments])

    def resize(self, lines, columns, pid):
        fcntl.ioctl(self.slave, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
        if pid:
            self.screen.size(lines, columns)

    def read(self, wait_s):
        while select.select([self.master], [], [], wait_s)[0]:
            data = os.read(self.master, 65536)
            self.all += data
            self.screen.feed(data)
            wait_s = 0

    def until(self, *patterns):
        end = time.monotonic() + LIMIT_S
        while time.monotonic() < end:
            self.read(.05)
            if all(re.search(p, self.screen.text(), re.M) for p in patterns):
                return True
        print("# " + self.screen.text().replace("\n", "\n# "), flush=True)
        return False

    def key(self, data):
        os.write(self.master, data)

    def end(self):
        """Its exit code, once it has ended, and whether the terminal is as it was."""
        end = time.monotonic() + LIMIT_S
        while time.monotonic() < end:
            self.read(.02)
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.read(.1)
                code = os.waitstatus_to_exitcode(status)
                good = termios.tcgetattr(self.slave) == self.was and not self.screen.alternate
                return code, good
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        return None, False


row = r"^ +1 +1 +[1-9][\d.k]* +[\d.]+ KiB .*  " + re.escape(channel) + "$"
t = Terminal(channel)
claim(t.until(r"^kecho top: 1 channels", r"^ SRC SINK  EVENTS/S", row), "a channel with its rate")
claim(t.screen.alternate, "on a screen of its own")
claim(t.until(r"^up +[\d.]+ [um]s .* alpha$", r"q: end$"), "the links, and the keys")
t.key(b"\r")
claim(t.until(r"^kecho top: .*, 2 members", r"^[0-9a-f]{16} source +[1-9].* alpha$",
              r"^[0-9a-f]{16} block +[1-9].* beta$", r"^up .* beta$"),
      "enter: its members and their links")
t.key(b"l")
claim(t.until(r"by lag$"), "l sorts by lag")
t.key(b"\x1bOB\x1bOB\x1bOA")
claim(t.until(r"2 members"), "the arrows move, and leave nothing")
t.key(b"\x1b")
claim(t.until(r"^kecho top: 1 channels", row), "escape: all channels")
t.resize(10, 60, t.pid)
claim(t.until(r"^kecho top: 1 channels") and len(t.screen.text().split("\n")) == 10,
      "a smaller terminal")
t.resize(2, 20, t.pid)
claim(t.until(r"^kecho top: 1 chann"), "a very small one")
t.resize(40, 132, t.pid)
claim(t.until(row, r"^up .* alpha$", r"q: end$"), "a larger one")
t.key(b"q")
claim(t.end() == (0, True), "q ends it, and the terminal is as it was")

for number in (signal.SIGTERM, signal.SIGINT):
    t = Terminal()
    t.until(row)
    os.kill(t.pid, number)
    claim(t.end() == (0, True), f"{number.name} ends it, and the terminal is as it was")

# Both come at once, as two do during a look that takes its time.
t = Terminal()
t.until(row)
for number in (signal.SIGSTOP, signal.SIGINT, signal.SIGTERM, signal.SIGCONT):
    os.kill(t.pid, number)
code, good = t.end()
claim(code in (-signal.SIGINT, -signal.SIGTERM) and good,
      "a second signal ends it at once, and the terminal is as it was")

t = Terminal(term="no-such-terminal")
code, good = t.end()
claim(code == 1 and good and b"'no-such-terminal' is not known" in t.all,
      "an unknown terminal is an error")
