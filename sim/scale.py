#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""scale.py KECHO-SIM DOCS: runs `kecho-sim --scale`, puts its figures into DOCS/scale.md
and draws DOCS/scale.svg. Both are the same on any machine. Nothing is written if the
simulator finds that something grows.
"""
import math
import subprocess
import sys

BEGIN, END = "<!-- figures -->\n", "<!-- end of figures -->\n"
COLORS = {"alike": "#1b6ca8", "fixed": "#c0562f", "mixed": "#3a8a4d"}
COLUMNS = ("table nodes channels links links_most state join_us join_frames join_bytes join_reg "
           "idle_frames idle_bytes idle_most idle_reg event_us event_frames event_bytes").split()
WIDTH, HEIGHT, MARGIN = 300, 230, 46


def measure(sim):
    out = subprocess.run([sim, "--scale"], stdout=subprocess.PIPE, text=True)
    if out.returncode:
        sys.exit(out.stdout + f"scale.py: {sim} --scale exits with {out.returncode}")
    rows = []
    for line in out.stdout.splitlines():
        words = line.replace("|", " ").split()
        if words and words[0] in COLORS:
            row = dict(zip(COLUMNS, [words[0]] + [float(w) for w in words[1:]]))
            rows.append(row)
    return rows


def table(rows):
    lines = [
        "| channels | nodes | links of a node | join: ms | frames | KB | idle, a second: frames"
        " | bytes | busiest node | event: us | frames | bytes |",
        "|" + " --- |" * 12]
    for r in rows:
        lines.append(
            f"| {r['table']}, {r['channels']:.0f} | {r['nodes']:.0f} | {r['links']:.1f}"
            f" | {r['join_us'] / 1000:.2f} | {r['join_frames']:.0f}"
            f" | {r['join_bytes'] / 1000:.1f} | {r['idle_frames']:.1f} | {r['idle_bytes']:.0f}"
            f" | {r['idle_most']:.0f} | {r['event_us']:.0f} | {r['event_frames']:.2f}"
            f" | {r['event_bytes']:.0f} |")
    return "\n".join(lines) + "\n"


def x_of(nodes):
    return MARGIN + (math.log10(nodes) - 1) / 2 * (WIDTH - MARGIN - 16)


def panel(rows, title, value, at):
    most = max(value(r) for r in rows) * 1.15
    bottom, height = HEIGHT - 34, HEIGHT - 34 - 30

    def y_of(v):
        return bottom - v / most * height

    out = [f'<g transform="translate({at},0)">',
           f'<text x="{MARGIN}" y="18" font-weight="bold">{title}</text>',
           f'<path d="M{MARGIN} 30V{bottom}H{WIDTH - 10}" fill="none" stroke="#888"/>']
    for nodes in sorted({r["nodes"] for r in rows}):
        out.append(f'<text x="{x_of(nodes):.0f}" y="{bottom + 16}" text-anchor="middle">'
                   f'{nodes:.0f}</text>')
    for part in (0, 0.5, 1):
        v = most / 1.15 * part
        out.append(f'<text x="{MARGIN - 4}" y="{y_of(v) + 4:.0f}" text-anchor="end">{v:.3g}'
                   '</text>')
    for name, color in COLORS.items():
        points = [(x_of(r["nodes"]), y_of(value(r))) for r in rows if r["table"] == name]
        line = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        out.append(f'<polyline points="{line}" fill="none" stroke="{color}" stroke-width="2"/>')
        out += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{color}"/>' for x, y in points]
    return out + ["</g>"]


def plot(rows):
    panels = [
        ("links of a node", lambda r: r["links"]),
        ("ms of a join", lambda r: r["join_us"] / 1000),
        ("idle frames a second, by link", lambda r: r["idle_frames"] / r["links"]),
        ("frames of an event", lambda r: r["event_frames"]),
    ]
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH * len(panels)}"'
           f' height="{HEIGHT + 20}" font-family="sans-serif" font-size="12">',
           '<rect width="100%" height="100%" fill="#fff"/>']
    for i, (title, value) in enumerate(panels):
        out += panel(rows, title, value, i * WIDTH)
    for i, (name, color) in enumerate(COLORS.items()):
        out.append(f'<text x="{MARGIN + 90 * i}" y="{HEIGHT + 12}" fill="{color}">{name}</text>')
    out.append(f'<text x="{MARGIN + 300}" y="{HEIGHT + 12}">nodes in the cluster from left to'
               ' right</text></svg>')
    return "\n".join(out) + "\n"


def main():
    sim, docs = sys.argv[1:]
    rows = measure(sim)
    with open(f"{docs}/scale.md") as f:
        text = f.read()
    head, rest = text.split(BEGIN)
    tail = rest.split(END)[1]
    with open(f"{docs}/scale.md", "w") as f:
        f.write(head + BEGIN + "\n" + table(rows) + "\n" + END + tail)
    with open(f"{docs}/scale.svg", "w") as f:
        f.write(plot(rows))


main()
