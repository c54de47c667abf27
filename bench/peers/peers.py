#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""peers.py PROGRAM DOCS [OPTION...]: runs `PROGRAM --json OPTION...`, which is bench/peers,
and puts its figures into DOCS/peers.md between the marks, all of them with their intervals
into DOCS/peers.tsv, and plots into DOCS/peers-*.svg.
peers.py --render LINES DOCS: the same from what the program printed, kept beside it in
peers.json.

Exits as the program does: 1 if kecho is not the best where it must be, 2 if something was
not measured.
"""
import datetime
import json
import os
import platform
import subprocess
import sys

import plot

BEGIN, END = "<!-- figures -->\n", "<!-- end of figures -->\n"
HOSTS = {1: "On one host", 2: "Between two hosts"}
COLUMNS = [
    ("p50_us", "p50, us"), ("p99_us", "p99, us"), ("cpu_us", "CPU, us: publisher"),
    ("broker_us", "broker"), ("cpu64_us", "64 at a call: publisher"), ("broker64_us", "broker"),
    ("k_events_per_s", "k events/s"), ("lost", "lost, %"),
]
BARS = {"p50_us": "p50", "cpu_us": "publisher's CPU, one by one",
        "cpu64_us": "publisher's CPU, 64 at a call"}
ASLEEP_MIN = 0.9


class Run:
    """What the program printed, and where."""

    def __init__(self, lines, about):
        self.about = about
        self.entrants, self.cells, self.bars = [], {}, []
        for line in lines:
            item = json.loads(line)
            kind = item.pop("kind")
            if kind == "entrant":
                self.entrants.append(item)
            elif kind == "cell":
                key = tuple(item.pop(k) for k in ("hosts", "size", "sinks", "name"))
                self.cells[key] = item
            elif kind == "bar":
                self.bars.append(item)
        self.sizes = sorted({k[1] for k in self.cells})
        self.sinks = sorted({k[2] for k in self.cells})

    def of(self, hosts, size=None):
        """Entrants that took part, or were to."""
        names = {k[3] for k in self.cells if k[0] == hosts and size in (None, k[1])}
        return [e for e in self.entrants if e["hosts"] == hosts and e["name"] in names]


def number(v):
    return f"{v:.0f}" if v >= 100 else f"{v:.1f}" if v >= 10 else f"{v:.3g}"


def field(cell, metric):
    if cell is None or "why" in cell:
        return "–"
    value = cell[metric]["value"]["median"]
    if metric == "lost":
        return number(value * 100)
    text = number(value)
    if metric in ("p50_us", "p99_us") and cell["asleep"]["value"]["median"] < ASLEEP_MIN:
        text += " (awake)"
    return f"**{text}**" if cell[metric].get("won") else text


def table(run, hosts, size, program):
    out = [f"### {HOSTS[hosts]}, {size} B\n",
           "| | " + " | ".join(title for _, title in COLUMNS) + " | command |",
           "|" + " --- |" * (len(COLUMNS) + 2)]
    for e in run.of(hosts, size):
        cells = [run.cells.get((hosts, size, n, e["name"])) for n in run.sinks]
        if all(c is None or "why" in c for c in cells):
            continue
        fields = [" / ".join(field(c, m) for c in cells) for m, _ in COLUMNS]
        out.append(f"| {e['title']} | " + " | ".join(fields) +
                   f" | `{program} --hosts={hosts} --size={size} --peer={e['name']}` |")
    return out + [""]


def failures(run):
    """Each reason once, with what it is the reason of."""
    why = {}
    for (hosts, size, sinks, name), cell in run.cells.items():
        if "why" in cell:
            why.setdefault((name, hosts, cell["why"]), []).append((size, sinks))
    out = []
    for (name, hosts, reason), at in why.items():
        whole = len(run.sizes) * len(run.sinks) == len(at)
        where = "" if whole else ", " + ", ".join(f"{z} B to {n}" for z, n in at)
        out.append(f"- `{name}`, {HOSTS[hosts].lower()}{where}: {reason}")
    return ["Not measured:\n"] + out + [""] if out else []


def bars(run):
    if not run.bars:
        return []
    out = ["### Is kecho the best?\n",
           "| | of | B | sinks | kecho's best | the best peer | ratio [95 %] | |",
           "|" + " --- |" * 8]
    for b in run.bars:
        r = b["ratio"]
        verdict = {"met": "kecho", "missed": f"**{b['peer']}**", "not decided": "not decided",
                   "no bar": "too few rounds to say"}[b["verdict"]]
        out.append(f"| {HOSTS[b['hosts']]} | {BARS[b['metric']]} | {b['size']} | {b['sinks']}"
                   f" | {b['kecho']} | {b['peer']}"
                   f" | {r['median']:.3f} [{r['low']:.3f}, {r['high']:.3f}] | {verdict} |")
    return out + [""]


def version(packages):
    if not packages:
        return "this tree"
    found = subprocess.run(["dpkg-query", "-W", "-f", "${Version}\n"] + packages.split()[:1],
                           stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    return found.stdout.strip() or "not installed"


def promises(run):
    out = ["### What they promise\n",
           "| | version | delivery | a sink sleeps in |", "| --- | --- | --- | --- |"]
    seen = set()
    for e in run.entrants:
        key = (e["title"], e["promise"], e["waits"])
        if key in seen or e["role"] == "control" or e not in run.of(e["hosts"]):
            continue
        seen.add(key)
        out.append(f"| {e['title']} | {version(e['packages'])} | {e['promise']} | {e['waits']} |")
    return out + [""]


def figures(run, program):
    out = [run.about, ""]
    out += bars(run)
    for hosts in HOSTS:
        if run.of(hosts):
            for name, title, _ in plot.PLOTS:
                if hosts == 1:
                    out += [f"![{title}](peers-{name}.svg)", ""]
            for size in run.sizes:
                out += table(run, hosts, size, program)
    out += failures(run) + promises(run)
    return "\n".join(out)


def tsv(run):
    metrics = [m for m, _ in COLUMNS] + ["asleep"]
    out = ["\t".join(["hosts", "size", "sinks", "name"] + metrics)]
    for key, cell in run.cells.items():
        if "why" in cell:
            values = [cell["why"]]
        else:
            values = ["{median:g} [{low:g} {high:g}]".format(**cell[m]["value"]) for m in metrics]
        out.append("\t".join([str(k) for k in key] + values))
    return "\n".join(out) + "\n"


def machine():
    model = "an unknown CPU"
    with open("/proc/cpuinfo") as f:
        for line in f:
            if line.startswith("model name"):
                model = line.split(":", 1)[1].strip()
                break
    return f"{os.cpu_count()} CPUs ({model}), Linux {platform.release()}"


def write(path, text):
    """Whole or not at all."""
    with open(path + ".new", "w") as f:
        f.write(text)
    os.replace(path + ".new", path)


def measured(rounds, when=None):
    """What begins a page of figures."""
    when = when or datetime.date.today()
    return f"Measured on {when}, {machine()}: medians of {rounds} rounds in turn."


def put_figures(path, title, text):
    """Between the marks of a page; one that is not there gets @title and nothing else."""
    try:
        with open(path) as f:
            page = f.read()
    except FileNotFoundError:
        page = title + BEGIN + END
    if BEGIN not in page or END not in page:
        sys.exit(f"{path} has no marks {BEGIN.strip()} and {END.strip()}")
    head, rest = page.split(BEGIN)
    write(path, head + BEGIN + "\n" + text + "\n" + END + rest.split(END)[1])


def render(lines, docs, about, program):
    run = Run(lines, about)
    if not run.cells:
        sys.exit("peers.py: nothing was measured")
    put_figures(f"{docs}/peers.md", "# kecho beside its peers\n\n", figures(run, program))
    write(f"{docs}/peers.tsv", tsv(run))
    for name, title, metric in plot.PLOTS:
        write(f"{docs}/peers-{name}.svg", plot.draw(run, title, metric, HOSTS))


def measure(program, options):
    """The lines, kept beside the program as they come; and its exit status."""
    lines = []
    with open(f"{os.path.dirname(program)}/peers.json", "w") as kept, \
            subprocess.Popen([program, "--json"] + options, stdout=subprocess.PIPE,
                             text=True) as p:
        for line in p.stdout:
            kept.write(line)
            kept.flush()
            lines.append(line)
            item = json.loads(line)
            if item["kind"] == "cell" and sys.stderr.isatty():
                print("\r\033[K{hosts} host(s), {size} B, {sinks} sinks: {name}".format(**item),
                      end="", file=sys.stderr)
        status = p.wait()
    if sys.stderr.isatty():
        print("\r\033[K", end="", file=sys.stderr)
    if status not in (0, 1, 2):
        sys.exit(f"peers.py: {program} ended with {status}; nothing was written")
    return lines, status


def main():
    if sys.argv[1:2] == ["--render"]:
        _, _, path, docs = sys.argv
        with open(path) as f:
            lines = f.readlines()
        when = datetime.date.fromtimestamp(os.path.getmtime(path))
        program, status = f"{os.path.dirname(path)}/peers", 0
    else:
        program, docs = sys.argv[1:3]
        lines, status = measure(program, sys.argv[3:])
        when = None
    rounds = max((json.loads(line).get("rounds", 0) for line in lines), default=0)
    render(lines, docs, measured(rounds, when), program)
    sys.exit(status)


if __name__ == "__main__":
    main()
