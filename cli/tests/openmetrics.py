#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""openmetrics.py: reads OpenMetrics 1.0 text from stdin, strictly, as far as info, gauges
and counters go, and prints JSON: family -> type and samples, each with labels and value.
Anything that the format does not allow is an assertion that fails.
"""
import json
import re
import sys

NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
SUFFIX = {"gauge": "", "counter": "_total", "info": "_info"}
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\[\\"n])*)"(,|$)')
NUMBER = re.compile(r"[+-]?\d+(\.\d+)?([eE][+-]?\d+)?|NaN|[+-]Inf")
ESCAPES = {"\\\\": "\\", '\\"': '"', "\\n": "\n"}


def unescape(s):
    return re.sub(r'\\[\\"n]', lambda m: ESCAPES[m.group()], s)


def labels(text):
    found, at = {}, 0
    while at < len(text):
        m = LABEL.match(text, at)
        assert m, f"no label at {text[at:]!r}"
        assert m.group(1) not in found, f"label {m.group(1)} twice"
        assert m.group(3) == ("," if m.end() < len(text) else ""), text
        found[m.group(1)] = unescape(m.group(2))
        at = m.end()
    return found


def sample(line, name, kind):
    m = re.fullmatch(f"({NAME})(?:{{(.*)}})? (\\S+)", line, re.S)
    assert m, f"no sample: {line!r}"
    assert m.group(1) == name + SUFFIX[kind], f"{m.group(1)} is not of the family {name}"
    assert NUMBER.fullmatch(m.group(3)), f"no number: {line!r}"
    assert kind != "counter" or float(m.group(3)) >= 0, line
    assert kind != "info" or m.group(3) == "1", line
    return {"labels": labels(m.group(2) or ""), "value": float(m.group(3))}


def families(text):
    assert text.endswith("# EOF\n"), "no end"
    found, name = {}, None
    for line in text[:-len("# EOF\n")].split("\n")[:-1]:
        assert line and line != "# EOF", "an empty line, or one behind the end"
        if not line.startswith("#"):
            found[name]["samples"].append(sample(line, name, found[name]["type"]))
            continue
        hash_, word, family, rest = line.split(" ", 3)
        assert hash_ == "#" and word in ("TYPE", "UNIT", "HELP"), line
        assert re.fullmatch(NAME, family), line
        if word == "TYPE":
            assert family not in found, f"family {family} twice"
            assert rest in SUFFIX, line
            name = family
            found[name] = {"type": rest, "samples": []}
            continue
        assert family == name and not found[name]["samples"], f"out of place: {line}"
        assert word.lower() not in found[name], f"{word} of {name} twice"
        found[name][word.lower()] = unescape(rest)
        assert word != "UNIT" or name.endswith("_" + rest), line
    for name, f in found.items():
        seen = [json.dumps(s["labels"], sort_keys=True) for s in f["samples"]]
        assert len(seen) == len(set(seen)), f"{name} has a sample twice"
    clashes = {n + SUFFIX[f["type"]] for n, f in found.items()}
    assert len(clashes) == len(found), "two families have samples of one name"
    return found


json.dump(families(sys.stdin.buffer.read().decode("utf-8")), sys.stdout)
