#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""selective.py PROGRAM DOCS [OPTION...]: runs `PROGRAM --json OPTION...`, which is
bench/selective, and puts its figures into DOCS/selective.md between the marks, with the plot
DOCS/selective.svg.
selective.py --render LINES DOCS: the same from what the program printed, kept beside it in
selective.json.

Exits as the program does: 1 if kecho is not the best, 2 if something was not measured.
"""
import datetime
import json
import os
import subprocess
import sys
from xml.sax.saxutils import escape

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)) + "/../peers")
import peers  # noqa: E402: what reports of measurements share
import plot  # noqa: E402

TASKS = {"own": "each sink wants another hundredth", "same": "all want the same one"}
CPU = [("cpu_us", "CPU, us: all"), ("publisher_us", "publisher"), ("broker_us", "broker"),
       ("cpu64_us", "64 at a call: all"), ("publisher64_us", "publisher")]
WIRE = [("wire_b", "wire, B"), ("wire64_b", "64 at a call")]
BARS = {"cpu_us": "CPU, us", "cpu64_us": "CPU, us, 64 at a call", "wire_b": "wire, B",
        "wire64_b": "wire, B, 64 at a call"}
WIDTH, LEFT, ROW, TOP = 400, 150, 18, 30


class Run:
    """What the program printed, and where."""

    def __init__(self, lines, about):
        self.about = about
        self.entrants, self.cells, self.bars = {}, {}, []
        for line in lines:
            item = json.loads(line)
            kind = item.pop("kind")
            if kind == "entrant":
                self.entrants[item["hosts"], item["name"]] = item
            elif kind == "cell":
                key = tuple(item[k] for k in ("hosts", "task", "size"))
                self.cells.setdefault(key, {})[item["name"]] = item
            else:
                self.bars.append(item)

    def title(self, hosts, name):
        return self.entrants[hosts, name]["title"]


def interval(v):
    return "{} [{}, {}]".format(*(peers.number(v[k]) for k in ("median", "low", "high")))


def field(cell, metric):
    value = cell[metric]["value"]
    text = interval(value) if metric in BARS else peers.number(value["median"])
    return f"**{text}**" if cell[metric].get("won") else text


def where(hosts, task, size):
    return f"{peers.HOSTS[hosts]}, {size} B: {TASKS[task]}"


def table(run, hosts, task, size):
    cells = run.cells[hosts, task, size]
    columns = CPU + (WIRE if hosts == 2 else [])
    out = [f"### {where(hosts, task, size)}\n",
           "| | " + " | ".join(title for _, title in columns) + " |",
           "|" + " --- |" * (len(columns) + 1)]
    for name, cell in cells.items():
        title = run.title(hosts, name)
        if "why" in cell:
            out.append(f"| {title} | not measured: {cell['why']} |" + " |" * (len(columns) - 1))
        else:
            out.append(f"| {title} | " + " | ".join(field(cell, m) for m, _ in columns) + " |")
    return out + [""]


def bars(run):
    out = ["### Is kecho the best?\n",
           "| | of | kecho's best | | the best peer | | ratio [95 %] | |", "|" + " --- |" * 8]
    for b in run.bars:
        cells = run.cells[b["hosts"], b["task"], b["size"]]
        values = {who: peers.number(cells[b[who]][b["metric"]]["value"]["median"])
                  for who in ("kecho", "peer")}
        r = b["ratio"]
        verdict = {"met": "kecho", "missed": f"**{b['peer']}**", "not decided": "not decided",
                   "no bar": "too few rounds to say"}[b["verdict"]]
        out.append(f"| {where(b['hosts'], b['task'], b['size'])} | {BARS[b['metric']]}"
                   f" | {b['kecho']} | {values['kecho']} | {b['peer']} | {values['peer']}"
                   f" | {r['median']:.3f} [{r['low']:.3f}, {r['high']:.3f}] | {verdict} |")
    return out + [""] if run.bars else []


def how(run):
    out = ["### How they choose\n", "| | version | by | a sink sleeps in |",
           "|" + " --- |" * 4]
    for e in run.entrants.values():
        if e["role"] != "control":
            out.append(f"| {e['title']} | {peers.version(e['packages'])} | {e['promise']}"
                       f" | {e['waits']} |")
    return list(dict.fromkeys(out)) + [""]


def figures(run):
    out = [run.about, "", "![CPU and bytes per event](selective.svg)", ""] + bars(run)
    for key in run.cells:
        out += table(run, *key)
    return "\n".join(out + how(run))


# ------------------------------------------------------------------------------ the plot

def panel(run, hosts, task, size, metric, place):
    cells = {n: c for n, c in run.cells[hosts, task, size].items()
             if "why" not in c and run.entrants[hosts, n]["role"] != "control"}
    most = max((c[metric]["value"]["median"] for c in cells.values()), default=1)
    x0, y0 = place
    out = [f'<g transform="translate({x0},{y0})">',
           f'<text x="8" y="18" font-weight="bold">{escape(peers.HOSTS[hosts])}, {size} B,'
           f' {task}: {escape(BARS[metric])}</text>']
    for i, (name, cell) in enumerate(cells.items()):
        value, y = cell[metric]["value"]["median"], TOP + i * ROW
        long = max(1, value / most * (WIDTH - LEFT - 60))
        out.append(f'<text x="{LEFT - 6}" y="{y + 12}" text-anchor="end">'
                   f'{escape(run.title(hosts, name))}</text>')
        out.append(f'<rect x="{LEFT}" y="{y + 2}" width="{long:.1f}" height="{ROW - 5}"'
                   f' fill="{plot.color(name)}"/>')
        out.append(f'<text x="{LEFT + long + 5:.0f}" y="{y + 12}">{peers.number(value)}</text>')
    return out + ["</g>"]


def draw(run):
    out, y = [], 0
    for key, cells in run.cells.items():
        metrics = ["cpu_us"] + (["wire_b"] if key[0] == 2 else [])
        for i, metric in enumerate(metrics):
            out += panel(run, *key, metric, (i * WIDTH, y))
        y += TOP + len(cells) * ROW
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{2 * WIDTH}" height="{y + 10}"'
        ' font-family="sans-serif" font-size="12">',
        '<rect width="100%" height="100%" fill="#fff"/>'] + out + ["</svg>"]) + "\n"


# ------------------------------------------------------------------------------- the run

def render(lines, docs, when):
    rounds = max((json.loads(line).get("rounds", 0) for line in lines), default=0)
    run = Run(lines, peers.measured(rounds, when))
    if not run.cells:
        sys.exit("selective.py: nothing was measured")
    peers.put_figures(f"{docs}/selective.md", "# One event in a hundred\n\n", figures(run))
    peers.write(f"{docs}/selective.svg", draw(run))


def measure(program, options):
    """The lines, kept beside the program; and its exit status."""
    p = subprocess.run([program, "--json"] + options, stdout=subprocess.PIPE, text=True,
                       check=False)
    if p.returncode not in (0, 1, 2):
        sys.exit(f"selective.py: {program} ended with {p.returncode}; nothing was written")
    peers.write(f"{os.path.dirname(program)}/selective.json", p.stdout)
    return p.stdout.splitlines(), p.returncode


def main():
    if sys.argv[1:2] == ["--render"]:
        _, _, path, docs = sys.argv
        with open(path) as f:
            lines = f.readlines()
        render(lines, docs, datetime.date.fromtimestamp(os.path.getmtime(path)))
        return
    program, docs = sys.argv[1:3]
    lines, status = measure(program, sys.argv[3:])
    render(lines, docs, None)
    sys.exit(status)


if __name__ == "__main__":
    main()
