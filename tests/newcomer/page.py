# SPDX-License-Identifier: MIT
"""What of a page of Markdown is done, and what is expected of it.

Fenced blocks with `host=` are done in the order of the page; others are not looked at.

    ```sh host=a             typed into the first terminal of host a, a line at a time
    ```sh host=a net         the same, where the internet can be reached
    ```sh host=a term=2      another terminal; a command in it may go on for ever
    ```c host=a file=x.c     written to that file
    ```text                  what the block before it prints, as a whole
    ```text host=a term=2    what that terminal prints, from where it was looked at last

A line `^C` is that key. In what is expected `...` stands for anything in its line, and a
line of nothing else for any lines.
"""
import re


class Block:
    def __init__(self, info, line):
        self.kind, *words = info.split()
        self.line = line
        self.net = "net" in words
        named = dict(w.split("=", 1) for w in words if "=" in w)
        self.host = named.get("host")
        self.term = named.get("term", "1")
        self.file = named.get("file")
        self.lines = []

    @property
    def text(self):
        return "".join(line + "\n" for line in self.lines)

    def pattern(self):
        """What it expects, as a regular expression of the whole text."""
        parts = []
        for line in self.lines:
            if line == "...":
                parts.append(r"(?:.*\n)*?")
            else:
                parts.append(".*".join(map(re.escape, line.split("..."))) + r"\n")
        return re.compile("".join(parts))


def blocks(path):
    """The blocks that are done or expected; a fence that is never closed is an error."""
    block = None
    previous = None
    with open(path, encoding="utf-8") as page:
        for number, line in enumerate(page, 1):
            line = line.rstrip("\n")
            if block is None and line.startswith("```"):
                block = Block(line[3:].strip() or "none", number)
            elif block is not None and line == "```":
                if block.host or (block.kind == "text" and previous):
                    yield block
                previous = block if block.host and block.kind == "sh" else None
                block = None
            elif block is not None:
                block.lines.append(line)
    if block is not None:
        raise ValueError(f"{path}:{block.line}: a block without an end")
