#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""graph.py FILE: reads DOT strictly, as far as `kecho graph` writes it, and prints
JSON: the nodes and clusters with their labels as they would be shown, and the edges.
"""
import html
import json
import re
import sys

TOKEN = re.compile(r'\s*(?:("(?:[^"\\]|\\.)*")|(->|[{}\[\];=,])|([A-Za-z_]\w*|-?[\d.]+))', re.S)


def tokens(text):
    at = 0
    text = text.rstrip()
    while at < len(text):
        m = TOKEN.match(text, at)
        assert m, f"no token at {text[at:at + 40]!r}"
        at = m.end()
        yield m.group(1) or m.group(2) or m.group(3)


class Graph:
    def __init__(self, text):
        self.left = list(tokens(text))[::-1]
        self.nodes, self.clusters, self.edges = {}, {}, []
        for word in ("digraph", "kecho", "{"):
            self.take(word)
        self.body(None)
        assert not self.left, "something behind the end"

    def take(self, *wanted):
        t = self.left.pop()
        assert not wanted or t in wanted, f"{t!r} is not one of {wanted}"
        return t

    def text(self):
        t = self.take()
        return t[1:-1] if t[0] == '"' else t

    def attributes(self):
        found = {}
        if self.left[-1] != "[":
            return found
        self.take("[")
        while self.left[-1] != "]":
            name = self.take()
            self.take("=")
            found[name] = self.text()
            if self.left[-1] == ",":
                self.take(",")
        self.take("]")
        return found

    def body(self, cluster):
        while self.left[-1] != "}":
            name = self.text()
            if name == "subgraph":
                inner = self.text()
                self.clusters[inner] = {"members": []}
                self.take("{")
                self.body(inner)
                continue
            if self.left[-1] == "=":
                self.take("=")
                self.clusters[cluster][name] = shown(self.text())
            elif self.left[-1] == "->":
                self.take("->")
                to = self.text()
                self.edges.append({"from": name, "to": to, **labelled(self.attributes())})
            else:
                found = labelled(self.attributes())
                if name not in ("graph", "node", "edge"):
                    assert name not in self.nodes, f"{name} twice"
                    self.nodes[name] = found
                if cluster:
                    self.clusters[cluster]["members"].append(name)
            self.take(";")
        self.take("}")


def shown(label):
    """What graphviz draws of a label."""
    out = re.sub(r"\\(.)", lambda m: "\n" if m.group(1) == "n" else m.group(1), label)
    return html.unescape(out)


def labelled(attributes):
    if "label" in attributes:
        attributes["label"] = shown(attributes["label"])
    return attributes


g = Graph(open(sys.argv[1], encoding="utf-8").read())
known = set(g.nodes)
assert all(e["from"] in known and e["to"] in known for e in g.edges), "an edge to nowhere"
json.dump({"nodes": g.nodes, "clusters": g.clusters, "edges": g.edges}, sys.stdout)
