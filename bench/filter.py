#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""filter.py PROGRAM DOCS [OPTION...]: runs `PROGRAM --json OPTION...`, which is bench/filter,
puts its figures into DOCS/performance.md between the marks, and draws DOCS/filters.svg.

Exits as the program does: 1 if a bar was missed; with 2, as something was not measured, it
writes nothing.
"""
import json
import re
import subprocess
import sys

BEGIN, END = "<!-- filters -->\n", "<!-- end of filters -->\n"
WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 330, 250, 50, 14, 30, 200
COLORS = ["#444444", "#0b5fa5", "#2e8b57", "#c0562f", "#8e44ad"]
# Of a claim's name: panel, number, and what the subject and the floor are a line of.
SERIES = [
    (r"handle, us: (\d+) sinks?; (one|none) by IN", 0, "{} by IN", "to all sinks"),
    (r"submit, us: (\d+) hosts?; (one|none) wants it", 1, "{} wants it", "all want it"),
    (r"submit, us: (\d+) hosts?; (one|none) by OUT", 1, "{} by OUT", "all want it"),
    (r"a filter adds, us: (\d+) (here|there)", 2, "sinks {}", None),
]
PANELS = ["handling an event, us, by sinks", "submitting an event, us, by hosts",
          "a filter adds to a submission, us, by filters"]


def run(argv):
    out = subprocess.run(argv, stdout=subprocess.PIPE, text=True)
    if out.returncode not in (0, 1):
        sys.exit(out.returncode)
    return [json.loads(line) for line in out.stdout.splitlines()], out.returncode


def interval(v):
    return f"{v['median']:.3g} [{v['low']:.3g}, {v['high']:.3g}]"


def table(claims):
    lines = ["| | without, or all | with | ratio, or value [95 %] | control | bar |",
             "|" + " --- |" * 6]
    for c in claims:
        value = c.get("ratio") or c["value"]
        bar = f"<= {c['bar']:g}: {c['verdict']}" if c["bar"] else ""
        floor = f"{c['floor']['median']:.3g}" if "floor" in c else ""
        lines.append(f"| {c['claim']} | {floor} | {c['subject']['median']:.3g}"
                     f" | {interval(value)} | {interval(c['control'])} | {bar} |")
    return "\n".join(lines) + "\n"


def lines_of(claims):
    """For each panel: what a line is called, and its points."""
    panels = [{} for _ in PANELS]
    for c in claims:
        for pattern, panel, subject, floor in SERIES:
            m = re.fullmatch(pattern, c["claim"])
            if not m:
                continue
            x = int(m[1])
            if floor:
                panels[panel].setdefault(floor, {}).setdefault(x, c["floor"]["median"])
            panels[panel].setdefault(subject.format(m[2]), {})[x] = c["subject"]["median"]
    return panels


def draw(lines, title, at):
    most = max(max(p.values()) for p in lines.values()) * 1.1
    xs = sorted({x for p in lines.values() for x in p})

    def x_of(x):
        return LEFT + 12 + xs.index(x) / max(len(xs) - 1, 1) * (WIDTH - LEFT - RIGHT - 24)

    def y_of(v):
        return BOTTOM - v / most * (BOTTOM - TOP)

    out = [f'<g transform="translate({at},0)">',
           f'<text x="{LEFT}" y="18" font-weight="bold">{title}</text>',
           f'<path d="M{LEFT} {TOP}V{BOTTOM}H{WIDTH - RIGHT}" fill="none" stroke="#888"/>']
    for x in xs:
        out.append(f'<text x="{x_of(x):.0f}" y="{BOTTOM + 16}" text-anchor="middle">{x}</text>')
    for part in (0, 0.5, 1):
        v = most / 1.1 * part
        out.append(f'<text x="{LEFT - 4}" y="{y_of(v) + 4:.0f}" text-anchor="end">{v:.2g}</text>')
    for i, (name, points) in enumerate(lines.items()):
        color = COLORS[i]
        at = [(x_of(x), y_of(v)) for x, v in sorted(points.items())]
        line = " ".join(f"{x:.1f},{y:.1f}" for x, y in at)
        out.append(f'<polyline points="{line}" fill="none" stroke="{color}" stroke-width="2"/>')
        out += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{color}"/>' for x, y in at]
        out.append(f'<text x="{LEFT + i % 3 * 92}" y="{BOTTOM + 34 + i // 3 * 14}"'
                   f' fill="{color}">{name}</text>')
    return out + ["</g>"]


def plot(claims):
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH * len(PANELS)}"'
           f' height="{HEIGHT}" font-family="sans-serif" font-size="12">',
           '<rect width="100%" height="100%" fill="#fff"/>']
    for i, lines in enumerate(lines_of(claims)):
        out += draw(lines, PANELS[i], i * WIDTH)
    return "\n".join(out + ["</svg>"]) + "\n"


def main():
    program, docs, *options = sys.argv[1:]
    claims, status = run([program, "--json", *options])
    with open(f"{docs}/performance.md") as f:
        head, rest = f.read().split(BEGIN)
    tail = rest.split(END)[1]
    with open(f"{docs}/performance.md", "w") as f:
        f.write(head + BEGIN + "\n" + table(claims) + "\n" + END + tail)
    with open(f"{docs}/filters.svg", "w") as f:
        f.write(plot(claims))
    sys.exit(status)


main()
