# SPDX-License-Identifier: MIT
"""Hosts: a tree of files and namespaces of their own, and the terminals on them."""
import os
import pathlib
import pty
import re
import select
import shlex
import shutil
import signal
import subprocess
import time

HERE = pathlib.Path(__file__).resolve().parent
USER = "you"
# The shell's own words are no part of what a reader sees under a block; its prompt is
# how it says that a command has ended, and with which exit code. Nothing is typed before
# that: the command might read it.
QUIET = "stty -echo -onlcr; set +o emacs +o vi; PS2= PS1='\\036$?\\036'"
PROMPT = re.compile("\036(\\d+)\036")
COMMAND_S = 300     # apt-get install over a slow line
LOOK_S = 10         # until something that was announced is seen


class Host:
    def __init__(self, name, address, base, folder):
        self.name = name
        self.tree = folder / name
        self.terminals = {}
        shutil.rmtree(self.tree, ignore_errors=True)
        subprocess.run(["cp", "-a", base, self.tree], check=True)
        (self.tree / "etc/hostname").write_text(name + "\n")
        (self.tree / "etc/hosts").write_text(f"127.0.0.1 localhost\n{address} {name}\n")
        self.init = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", "unshare", "--mount", "--net", "--pid", "--uts",
             "--ipc", "--fork", "--kill-child", HERE / "host.sh", self.tree, name],
            stdout=subprocess.PIPE, text=True)
        if self.init.stdout.readline() != "ready\n":
            raise RuntimeError(f"host {name} does not start")
        children = f"/proc/{self.init.pid}/task/{self.init.pid}/children"
        self.pid = pathlib.Path(children).read_text().split()[0]

    def enter(self, *command, net=True):
        """The command that runs COMMAND there; without net outside of its network."""
        return ["nsenter", "-t", self.pid, "--mount", "--pid", "--uts", "--ipc", "--root",
                "--wd=/", *(["--net"] if net else []), *command]

    def run(self, script, net=True, user="root"):
        """Runs a script to its end: (exit code, output)."""
        done = subprocess.run(
            self.enter("su", "-", user, "-c", f"bash -ec {shlex.quote(script)}", net=net),
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            timeout=COMMAND_S)
        return done.returncode, done.stdout.decode(errors="replace")

    def terminal(self, name):
        if name not in self.terminals:
            self.terminals[name] = Terminal(self.enter("su", "-", USER))
        return self.terminals[name]

    def write(self, name, text):
        path = self.tree / "home" / USER / name
        path.write_text(text, encoding="utf-8")
        shutil.chown(path, *self.ids())

    def put(self, path):
        shutil.copy(path, self.tree / "home" / USER)

    def ids(self):
        home = (self.tree / "home" / USER).stat()
        return home.st_uid, home.st_gid

    def stop(self):
        """All of it ends with its first process."""
        self.init.send_signal(signal.SIGKILL)
        self.init.wait()
        for terminal in self.terminals.values():
            terminal.close()
        shutil.rmtree(self.tree)


class Terminal:
    """A login shell at a terminal. `seen` is what it printed and nobody has looked at."""

    def __init__(self, command):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.execvp(command[0], command)
        self.seen = ""
        self.type(QUIET)
        self.finish()
        self.seen = ""

    def type(self, line):
        os.write(self.fd, b"\x03" if line == "^C" else line.encode() + b"\n")

    def read(self, timeout_s):
        if select.select([self.fd], [], [], timeout_s)[0]:
            text = os.read(self.fd, 65536).decode(errors="replace")
            self.seen += text.replace("\r\n", "\n").replace("\r", "\n")

    def until(self, found, timeout_s):
        """Reads until found(seen) says something, or the time is up; what it said."""
        end = time.monotonic() + timeout_s
        while True:
            said = found(self.seen)
            left = end - time.monotonic()
            if said or left <= 0:
                return said
            self.read(left)

    def finish(self, timeout_s=COMMAND_S):
        """Waits until what was typed has ended: its exit code, None if it has not."""
        found = self.until(PROMPT.search, timeout_s)
        if not found:
            return None
        self.seen = self.seen[:found.start()] + self.seen[found.end():]
        return int(found.group(1))

    def interrupt(self):
        """^C, and the shell is there again. What came before is not looked at any more."""
        self.type("^C")
        code = self.finish(LOOK_S)
        self.seen = ""
        return code

    def expect(self, pattern, timeout_s=LOOK_S):
        """Whether all that it prints is that, now or soon."""
        found = self.until(pattern.fullmatch, timeout_s)
        said, self.seen = self.seen, ""
        return bool(found), said

    def close(self):
        os.close(self.fd)
        os.waitpid(self.pid, 0)
