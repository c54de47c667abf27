#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The plots of bench/peers: a panel for each size and place, sinks from left to right, a
line for each entrant, both axes logarithmic."""
import math
from xml.sax.saxutils import escape

PLOTS = [
    ("latency", "p50 of the latency, us, one event in flight", "p50_us"),
    ("cpu", "CPU of the publisher, us per event, one by one", "cpu_us"),
    ("rate", "thousand events per second and sink", "k_events_per_s"),
]
WIDTH, HEIGHT = 300, 230
LEFT, RIGHT, TOP, BOTTOM = 46, 14, 30, 24
LEGEND_LINE, LEGEND_COLUMNS = 18, 4
# Each family keeps its color in all panels; kecho's lines are thick, floors' dashed.
COLORS = {
    "kecho": "#0b5fa5", "kechod": "#45a3e5", "ring": "#777777", "seqpacket": "#999999",
    "tcp": "#444444", "zmq": "#c0392b", "nng": "#e08e0b", "iceoryx": "#2e8b57",
    "cyclone": "#8e44ad", "nats": "#16a3a3", "mosquitto": "#a0522d", "redis": "#e0559a",
    "lcm": "#8a9a1b",
}
OTHER = "#000000"


def color(name):
    return COLORS.get(name.split("-")[0], OTHER)


def style(entrant):
    text = f'stroke="{color(entrant["name"])}" stroke-width="'
    text += "3.5" if entrant["role"] == "kecho" else "1.5"
    return text + ('" stroke-dasharray="5 3' if entrant["role"] == "floor" else "") + '"'


def points(run, hosts, size, name, metric):
    out = []
    for sinks in run.sinks:
        cell = run.cells.get((hosts, size, sinks, name))
        if cell and "why" not in cell and cell[metric]["value"]["median"] > 0:
            out.append((sinks, cell[metric]["value"]["median"]))
    return out


class Scale:
    """Values to a place on an axis from @at to @to."""

    def __init__(self, values, at, to):
        self.low, self.high = math.log10(min(values)), math.log10(max(values))
        if self.high - self.low < 0.1:
            self.low, self.high = self.low - 0.05, self.high + 0.05
        self.at, self.to = at, to

    def __call__(self, v):
        return self.at + (math.log10(v) - self.low) / (self.high - self.low) * (self.to - self.at)

    def ticks(self):
        """1, 10, 100 …; with 2 and 5 between where these are few."""
        steps = (1,) if self.high - self.low > 2 else (1, 2, 5)
        first, last = math.floor(self.low), math.ceil(self.high)
        all_ticks = [s * 10.0 ** e for e in range(first, last + 1) for s in steps]
        return [t for t in all_ticks if self.low <= math.log10(t) <= self.high]


def panel(run, entrants, hosts, size, metric, place):
    lines = [(e, points(run, hosts, size, e["name"], metric)) for e in entrants]
    values = [v for _, p in lines for _, v in p]
    x0, y0, title = place
    right, bottom = WIDTH - RIGHT, HEIGHT - BOTTOM
    out = [f'<g transform="translate({x0},{y0})">',
           f'<text x="{LEFT}" y="18" font-weight="bold">{escape(title)}</text>',
           f'<path d="M{LEFT} {TOP}V{bottom}H{right}" fill="none" stroke="#888"/>']
    if not values:
        return out + [f'<text x="{LEFT + 20}" y="90">not measured</text>', "</g>"]
    x_of = Scale(run.sinks, LEFT + 10, right - 6)
    y_of = Scale(values, bottom - 8, TOP + 6)
    for n in run.sinks:
        out.append(f'<text x="{x_of(n):.0f}" y="{bottom + 16}" text-anchor="middle">{n}</text>')
    for t in y_of.ticks():
        y = y_of(t)
        out.append(f'<path d="M{LEFT} {y:.1f}H{right}" stroke="#ddd"/>')
        out.append(f'<text x="{LEFT - 4}" y="{y + 4:.0f}" text-anchor="end">{t:g}</text>')
    # kecho's are drawn last, on top.
    for e, p in sorted(lines, key=lambda line: line[0]["role"] == "kecho"):
        at = " ".join(f"{x_of(n):.1f},{y_of(v):.1f}" for n, v in p)
        if p:
            out.append(f'<polyline points="{at}" fill="none" {style(e)}/>')
            out += [f'<circle cx="{x_of(n):.1f}" cy="{y_of(v):.1f}" r="2.5"'
                    f' fill="{color(e["name"])}"/>' for n, v in p]
    return out + ["</g>"]


def legend(entrants, width, y0):
    out = []
    for i, e in enumerate(entrants):
        x = LEFT + i % LEGEND_COLUMNS * (width - LEFT) / LEGEND_COLUMNS
        y = y0 + (i // LEGEND_COLUMNS) * LEGEND_LINE
        out.append(f'<path d="M{x:.0f} {y - 4}h24" {style(e)}/>')
        out.append(f'<text x="{x + 30:.0f}" y="{y}">{escape(e["title"])}</text>')
    return out


def draw(run, title, metric, places):
    width = max(WIDTH * len(run.sizes), 3 * WIDTH)
    out, y = [], 0
    for hosts, words in places.items():
        entrants = [e for e in run.of(hosts) if e["role"] != "control"]
        if not entrants:
            continue
        for i, size in enumerate(run.sizes):
            place = (i * WIDTH, y, f"{words}, {size} B")
            out += panel(run, entrants, hosts, size, metric, place)
        y += HEIGHT + LEGEND_LINE
        out += legend(entrants, width, y)
        y += math.ceil(len(entrants) / LEGEND_COLUMNS) * LEGEND_LINE + 12
    out.append(f'<text x="{LEFT}" y="{y + 6}" fill="#444">{escape(title)}; sinks from left to'
               ' right; both axes logarithmic</text>')
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{y + 18}"'
        ' font-family="sans-serif" font-size="12">',
        '<rect width="100%" height="100%" fill="#fff"/>'] + out + ["</svg>"]) + "\n"
