#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""run.py BASE DEBS PAGE: a newcomer's path, in TAP. Two hosts that are copies of the
Debian BASE, with the packages of the folder DEBS in the user's home, are joined by a
cable; what PAGE says is done on them to the letter. Then what was installed is purged,
and nothing is left that was not there before."""
import pathlib
import signal
import subprocess
import sys

import page
from host import LOOK_S, Host

ADDRESSES = {"a": "192.0.2.1", "b": "192.0.2.2"}
# What apt and dpkg keep for themselves, and the user's own.
FORGOTTEN = ("/home/you/", "/var/cache/", "/var/lib/apt/", "/var/lib/dpkg/", "/var/log/",
             "/run/sudo/", "/tmp/")
LIST_FILES = """find / /run /tmp /dev/shm -xdev -printf '%y %M %u:%g %p\\n' | sort -u
find /etc -type f ! -name '*-' ! -name ld.so.cache -exec sha256sum {} + | sort"""
LIST_PACKAGES = r"dpkg-query -W -f '${db:Status-Status} ${Package}\n'"

results = 0
failed = False


def result(good, name, notes=""):
    global results, failed
    results += 1
    failed |= not good
    print("ok" if good else "not ok", results, "-", name)
    if not good:
        for line in notes.splitlines():
            print("#", line)
    sys.stdout.flush()
    return good


def cable(hosts):
    """a and b, joined."""
    a, b = hosts.values()
    subprocess.run(["ip", "link", "add", "eth0", "netns", a.pid, "type", "veth",
                    "peer", "name", "eth0", "netns", b.pid], check=True)
    for host in hosts.values():
        for words in (f"addr add {ADDRESSES[host.name]}/24 dev eth0", "link set eth0 up"):
            subprocess.run(["nsenter", "-t", host.pid, "--net", "ip", *words.split()],
                           check=True)


def listing(host):
    """All files outside of what is forgotten, and what /etc holds."""
    code, text = host.run(LIST_FILES)
    if code:
        raise RuntimeError(f"host {host.name}: its files cannot be listed: {text}")
    return {line for line in text.splitlines()
            if not any(f" {path}" in line for path in FORGOTTEN)}


def packages(host):
    return {line for line in host.run(LIST_PACKAGES)[1].splitlines()
            if line.startswith("installed ")}


class Reader:
    """Does what a page says, block by block."""

    def __init__(self, hosts, name):
        self.hosts = hosts
        self.name = name
        self.printed = None

    def typed(self, block):
        """Types a block: whether all of it went well, and with which exit codes. The next
        line comes when the one before has ended: a command may read what is typed. The
        last in another terminal need not end."""
        terminal = self.hosts[block.host].terminal(block.term)
        stays = 1 if block.term != "1" else 0
        terminal.seen = terminal.seen if stays else ""
        codes = []
        for left, line in zip(reversed(range(len(block.lines))), block.lines):
            if line == "^C":
                codes.append(terminal.interrupt())
                continue
            terminal.type(line)
            if left >= stays:
                codes.append(terminal.finish())
        return not any(code != 0 for code in codes), f"exit codes {codes}\n{terminal.seen}"

    def do(self, block):
        if block.file:
            self.hosts[block.host].write(block.file, block.text)
            return True, ""
        if block.net:
            code, self.printed = self.hosts[block.host].run(block.text, net=False, user="you")
            return code == 0, f"exit code {code}\n{self.printed}"
        return self.typed(block)

    def expect(self, block, before):
        if block.host is None and before.net:
            return bool(block.pattern().fullmatch(self.printed)), self.printed
        where = block if block.host else before
        terminal = self.hosts[where.host].terminal(where.term)
        return terminal.expect(block.pattern(), LOOK_S if block.host else 0)

    def read(self, blocks):
        """To the first block that does not do what it says: the rest stands on it."""
        before = None
        for block in blocks:
            where = f"{self.name}:{block.line}: "
            if block.kind == "text":
                good, said = self.expect(block, before)
                name = "it prints what the page says"
            else:
                good, said = self.do(block)
                name = f"{block.kind} on {block.host}"
                before = block
            if not result(good, where + name, f"it said:\n{said}"):
                return False
        return True


def clean(host, files, had):
    """Takes away what came with the packages, and looks for what is left."""
    mine = {line for line in packages(host) - had if "kecho" in line}
    result(not mine, f"host {host.name}: the page has purged kecho", "\n".join(mine))
    more = " ".join(line.split()[1] for line in packages(host) - had)
    if more:
        code, text = host.run(f"apt-get -qy purge {more}")
        result(code == 0, f"host {host.name}: what came along goes", text)
    now = listing(host)
    result(now == files, f"host {host.name}: nothing is left, and nothing is missing",
           "\n".join([f"left: {x}" for x in sorted(now - files)] +
                     [f"missing: {x}" for x in sorted(files - now)]))


def main():
    base, debs, text = map(pathlib.Path, sys.argv[1:])
    hosts = {}
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended before its end"))
    try:
        for name, address in ADDRESSES.items():
            hosts[name] = Host(name, address, base, base.parent)
        cable(hosts)
        for host in hosts.values():
            for deb in debs.glob("*.deb"):
                host.put(deb)
        files = {name: listing(host) for name, host in hosts.items()}
        had = {name: packages(host) for name, host in hosts.items()}
        if Reader(hosts, text.name).read(page.blocks(text)):
            for name, host in hosts.items():
                clean(host, files[name], had[name])
    finally:
        for host in hosts.values():
            host.stop()
    print(f"1..{results}")
    return failed


if __name__ == "__main__":
    sys.exit(main())
