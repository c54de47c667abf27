#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""filter.py BENCH DOCS [OPTION...]: runs `BENCH/filter --json OPTION...` and `filter_cost`
likewise, and puts their figures into DOCS/filtering.md between the marks, with the plot
DOCS/filtering.svg.

Exits as the worse of the two: 1 if a bar is missed, 2 if something was not measured.
"""
import json
import re
import subprocess
import sys
from xml.sax.saxutils import escape

sys.path.insert(0, __file__.rsplit("/", 1)[0] + "/peers")
import peers  # noqa: E402: what reports of measurements share

GROUPS = [
    ("handle, us: ", "Handling an event, by how many sinks get it", "us"),
    ("submit, us: ", "Submitting an event, by how many hosts it goes to", "us"),
    ("IN itself, us: ", "What a filter for IN takes, for each sink", "us"),
    ("OUT itself, us: ", "What a filter for OUT takes, for 8 sinks", "us"),
    ("a filter adds, us: ", "What each distinct filter adds to a submission", "us"),
    ("judgements: ", "How often an event is judged", ""),
    ("wire, B in 2.25 s: ", "What nobody wants, on the wire", "B"),
]
COST = "What judging an event takes, ns"
COLORS = {"all": "#444444", "one": "#0b5fa5", "none": "#45a3e5"}
WIDTH, HEIGHT, LEFT, TOP, BOTTOM = 360, 240, 46, 30, 44


def number(v):
    return f"{v:.0f}" if abs(v) >= 100 else f"{v:.3g}"


def interval(v, scale=1):
    low, high = (number(v[k] * scale) for k in ("low", "high"))
    return f"{number(v['median'] * scale)} [{low}, {high}]"


def bar(item):
    return f"{item['side']} {item['bar']:g}: {item['verdict']}" if item["bar"] else ""


def compared(name, items):
    """A floor, and what is measured beside it."""
    out = [f"### {name}\n", "| | all, or none wanted | with the filter | ratio [95 %] | bar |",
           "|" + " --- |" * 5]
    for title, i in items:
        out.append(f"| {title} | {number(i['floor']['median'])} | {number(i['subject']['median'])}"
                   f" | {interval(i['ratio'])} | {bar(i)} |")
    return out + [""]


def absolute(name, items):
    out = [f"### {name}\n", "| | [95 %] | bar |", "|" + " --- |" * 3]
    out += [f"| {title} | {interval(i['value'])} | {bar(i)} |" for title, i in items]
    return out + [""]


def wire(name, items):
    out = [f"### {name}\n",
           "| in 2.25 s | B, idle | B | above idle, B an event | bar |", "|" + " --- |" * 5]
    for title, i in items:
        n = int(re.sub(r"\D", "", title))
        above = (i["subject"]["median"] - i["floor"]["median"]) / n
        out.append(f"| {title} | {number(i['floor']['median'])} | {number(i['subject']['median'])}"
                   f" | {above:.2g} | {bar(i)} |")
    return out + [""]


def table(name, unit, items):
    if unit == "B":
        return wire(name, items)
    return absolute(name, items) if "value" in items[0][1] else compared(name, items)


# ------------------------------------------------------------------------------ the plot

def bars_of(items):
    """{sinks: {"all" | "one" | "none": us}} of claims like `4 hosts; one by OUT`."""
    found = {}
    for title, i in items:
        m = re.match(r"(\d+) (?:sinks?|hosts?); (one|none) by", title)
        if not m:
            continue
        at = found.setdefault(int(m[1]), {})
        at["all"] = i["floor"]["median"]
        at[m[2]] = i["subject"]["median"]
    return found


def panel(title, found, x0):
    most = max(v for at in found.values() for v in at.values())
    bottom, step = HEIGHT - BOTTOM, (WIDTH - LEFT - 10) / len(found)
    out = [f'<g transform="translate({x0},0)">',
           f'<text x="{LEFT}" y="18" font-weight="bold">{escape(title)}</text>']
    for part in range(5):
        y = bottom - part / 4 * (bottom - TOP)
        out.append(f'<path d="M{LEFT} {y:.1f}H{WIDTH - 10}" stroke="#ddd"/>')
        out.append(f'<text x="{LEFT - 4}" y="{y + 4:.0f}" text-anchor="end">'
                   f'{number(most * part / 4)}</text>')
    for place, (n, at) in enumerate(sorted(found.items())):
        x = LEFT + place * step
        for slot, who in enumerate(COLORS):
            if who not in at:
                continue
            high = at[who] / most * (bottom - TOP)
            out.append(f'<rect x="{x + 6 + slot * step / 4:.1f}" y="{bottom - high:.1f}" '
                       f'width="{step / 4 - 2:.1f}" height="{high:.1f}" fill="{COLORS[who]}"/>')
        out.append(f'<text x="{x + step / 2:.0f}" y="{bottom + 16}" text-anchor="middle">{n}'
                   '</text>')
    return out + ["</g>"]


def plot(groups):
    out = panel("handling, us; sinks", bars_of(groups[GROUPS[0][0]]), 0)
    out += panel("submitting, us; hosts", bars_of(groups[GROUPS[1][0]]), WIDTH)
    for i, (who, color) in enumerate(COLORS.items()):
        x = LEFT + i * 150
        out.append(f'<rect x="{x}" y="{HEIGHT - 16}" width="12" height="12" fill="{color}"/>')
        out.append(f'<text x="{x + 18}" y="{HEIGHT - 6}">{who} of them</text>')
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{2 * WIDTH}" height="{HEIGHT}"'
        ' font-family="sans-serif" font-size="12">',
        '<rect width="100%" height="100%" fill="#fff"/>'] + out + ["</svg>"]) + "\n"


# ------------------------------------------------------------------------------- the run

def run(program, options):
    """What it printed, and its exit status."""
    with subprocess.Popen([program, "--json"] + options, stdout=subprocess.PIPE,
                          text=True) as p:
        items = [json.loads(line) for line in p.stdout]
        status = p.wait()
    if status not in (0, 1, 2) or not items:
        sys.exit(f"filter.py: {program} ended with {status}; nothing was written")
    return items, status


def grouped(items):
    groups = {}
    for i in items:
        for prefix, _, _ in GROUPS:
            if i["claim"].startswith(prefix):
                groups.setdefault(prefix, []).append((i["claim"][len(prefix):], i))
    return groups


def main():
    bench, docs = sys.argv[1:3]
    items, status = run(f"{bench}/filter", sys.argv[3:])
    costs, cost_status = run(f"{bench}/filter_cost", sys.argv[3:])
    groups = grouped(items)
    out = [peers.measured(max(i["pairs"] for i in items)), ""]
    for prefix, name, unit in GROUPS:
        if prefix in groups:
            out += table(name, unit, groups[prefix])
    out += table(COST, "ns", [(i["claim"], i) for i in costs])
    peers.put_figures(f"{docs}/filtering.md", "# What filters save, and what they cost\n\n",
                      "\n".join(out))
    if all(g[0] in groups for g in GROUPS[:2]):
        peers.write(f"{docs}/filtering.svg", plot(groups))
    sys.exit(max(status, cost_status))


if __name__ == "__main__":
    main()
