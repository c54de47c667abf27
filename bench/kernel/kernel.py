#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""kernel.py BUILD DOCS [MODULES]: measures by kernel.sh, and puts the figures into
DOCS/kernel-performance.md between the marks, with the plot DOCS/kernel-performance.svg.
kernel.py --render LINES DOCS: the same from what was measured, kept in BUILD/bench/kernel.json.
kernel.py --quick BUILD DIR [MODULES]: some cells, for a look, into DIR.

Exits 1 if a bar is missed, 2 if something was not measured.
"""
import datetime
import json
import os
import subprocess
import sys
from xml.sax.saxutils import escape

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE + "/../peers")
import peers  # noqa: E402: what reports of measurements share

WHO = {
    "echo": "ECho, user level",
    "tcp": "TCP, a call a sink",
    "embedded": "kecho, embedded",
    "process": "kecho, a process at the module",
    "thread": "kecho, a kernel thread",
}
COLORS = {"echo": "#444444", "tcp": "#999999", "embedded": "#e08214", "process": "#45a3e5",
          "thread": "#0b5fa5"}
SIZES = (100, 1024)
COUNTS = (1, 2, 4, 8)
BURST = 64
# (hosts, sinks): who is at most so much of ECho.
BARS = {(8, 8): {"thread": .7, "process": .8}, (1, 8): {"thread": .5, "process": .55}}
CALLERS = ("echo", "embedded", "process", "thread")
CREATE_CALLS_MOST = 3
ARRIVE = {
    "softirq": "kecho, a callback in softirq",
    "thread": "kecho, a callback in a kernel thread",
    "process": "kecho, a process at the module",
    "boosted": "the same, boosted",
    "embedded": "kecho, embedded",
    "echo": "ECho, user level",
}
HOGS = 4
SOFTIRQ_MOST = .5    # of what a process takes
BOOSTED_MOST_US = 20
WIDTH, HEIGHT, LEFT, TOP, BOTTOM = 380, 270, 62, 30, 44


def places():
    """(hosts, sinks)"""
    return [(n, n) for n in COUNTS] + [(1, n) for n in COUNTS[1:]]


def cells(quick):
    """What kernel_bench is asked for."""
    if quick:
        return [f"submit {who} 2 2 100 1" for who in WHO] + [
            "calls process", "filter 1", "arrive softirq 0", "arrive boosted 1"]
    out = [f"calls {who}" for who in CALLERS] + ["filter 0", "filter 1"]
    out += [f"arrive {who} {hogs}" for hogs in (0, HOGS) for who in ARRIVE]
    for size in SIZES:
        for hosts, sinks in places():
            out += [f"submit {who} {hosts} {sinks} {size} 1" for who in WHO]
        for hosts, sinks in BARS:
            out += [f"submit {who} {hosts} {sinks} {size} {BURST}" for who in WHO]
    return out


def thousands(v):
    return f"{v / 1000:.1f}" if v < 100000 else f"{v / 1000:.0f}"


def where(hosts, sinks):
    if sinks == 1:
        return "1 sink"
    return f"{sinks} sinks on " + (f"{hosts} hosts" if hosts > 1 else "one host")


class Run:
    def __init__(self, lines):
        self.items = [json.loads(line) for line in lines]
        self.missed = 0

    def submit(self, hosts, sinks, size, each):
        """{who: item}"""
        key = {"what": "submit", "hosts": hosts, "sinks": sinks, "bytes": size, "each": each}
        return {i["who"]: i for i in self.items if key.items() <= i.items()}

    def arrive(self, who, hogs):
        key = {"what": "arrive", "who": who, "hogs": hogs}
        return next((i for i in self.items if key.items() <= i.items()), None)

    def calls(self, who):
        return next((i for i in self.items if i["what"] == "calls" and i["who"] == who), None)

    def judge(self, value, bar):
        self.missed += value > bar
        return "met" if value <= bar else "**missed**"


# ---------------------------------------------------------------------------- the tables

def submissions(run, size, each):
    title = f"Submitting {size} B" + (f", {each} at a time" if each > 1 else "")
    out = [f"### {title}: thousand instructions an event\n",
           "| | " + " | ".join(WHO.values()) + " |", "|" + " --- |" * (len(WHO) + 1)]
    for hosts, sinks in places():
        found = run.submit(hosts, sinks, size, each)
        if found:
            fields = [f"{thousands(found[w]['all'])} ({thousands(found[w]['own'])})"
                      if w in found else "–" for w in WHO]
            out.append(f"| {where(hosts, sinks)} | " + " | ".join(fields) + " |")
    return out + [""] if len(out) > 3 else []


def bars(run):
    out = ["### How much of ECho's\n", "| | | one by one | bar | 64 at a time |",
           "|" + " --- |" * 5]
    for size in SIZES:
        for (hosts, sinks), limits in BARS.items():
            one, many = (run.submit(hosts, sinks, size, n) for n in (1, BURST))
            for who, limit in limits.items():
                if who not in one or "echo" not in one:
                    continue
                ratio = one[who]["all"] / one["echo"]["all"]
                burst = many[who]["all"] / many["echo"]["all"] if who in many else 0
                out.append(f"| {where(hosts, sinks)}, {size} B | {WHO[who]} | {ratio:.3f} |"
                           f" at most {limit}: {run.judge(ratio, limit)} |"
                           f" {burst:.3f} |")
    return out + [""] if len(out) > 3 else []


def with_calls(instructions, n):
    text = f"{instructions / 1000:.3g}" if instructions < 1e6 else f"{instructions / 1000:.0f}"
    return f"{text} ({n:.3g})"


def channels(run):
    """The paper's table."""
    out = ["### What channels take: thousand instructions (system calls)\n",
           "| | create | open, for a sink | submit, for each of 8 sinks | poll, no event |",
           "|" + " --- |" * 5]
    for who in CALLERS:
        i, submit = run.calls(who), run.submit(8, 8, SIZES[0], 1).get(who)
        if not i:
            continue
        each = with_calls(submit["all"] / 8, submit["calls"] / 8) if submit else "–"
        out.append(f"| {WHO[who]} | {with_calls(i['create'], i['create_calls'])}"
                   f" | {with_calls(i['open'], i['open_calls'])} | {each}"
                   f" | {with_calls(i['poll'], i['poll_calls'])} |")
    process, echo = run.calls("process"), run.calls("echo")
    if process:
        verdict = run.judge(process["create_calls"], CREATE_CALLS_MOST)
        out.append(f"\nTo create a channel takes a process at the module at most "
                   f"{CREATE_CALLS_MOST} system calls: {verdict}.")
    if process and echo:
        verdict = run.judge(process["poll"] / echo["poll"], 1)
        out.append(f"It looks for an event in {process['poll'] / echo['poll']:.2f} of what ECho "
                   f"takes; at most all of it: {verdict}.")
    return out + [""] if len(out) > 3 else []


def filters(run):
    interpreted, compiled = (next((i for i in run.items if i["what"] == "filter" and
                                   i["jit"] == jit), None) for jit in (0, 1))
    if not interpreted or not compiled:
        return []
    return ["### What a filter of four comparisons takes: instructions\n",
            "| | in C | interpreted | machine code |", "|" + " --- |" * 4,
            "| a submission for nobody, more than one that is for all | – |"
            f" {interpreted['judged'] - interpreted['plain']} |"
            f" {compiled['judged'] - compiled['plain']} |",
            f"| an event that is left out as it is read | {interpreted['read_c']} |"
            f" {interpreted['read']} | {compiled['read']} |", ""]


def duration(ns):
    return f"{ns / 1e6:.1f} ms" if ns >= 1e6 else f"{ns / 1e3:.1f} us"


def arrivals(run):
    out = ["### From the socket to the handler: median (longest)\n",
           f"| | alone | beside {HOGS} hogs |", "|" + " --- |" * 3]
    for who, title in ARRIVE.items():
        both = [run.arrive(who, hogs) for hogs in (0, HOGS)]
        if any(both):
            out.append(f"| {title} | " + " | ".join(
                f"{duration(i['median'])} ({duration(i['most'])})" if i else "–"
                for i in both) + " |")
    if len(out) == 3:
        return []
    softirq, process, boosted = (run.arrive(*which) for which in
                                 (("softirq", 0), ("process", 0), ("boosted", HOGS)))
    out.append("")
    if softirq and process:
        ratio = softirq["median"] / process["median"]
        out.append(f"In softirq it is {ratio:.3f} of what it is in a process; at most "
                   f"{SOFTIRQ_MOST}: {run.judge(ratio, SOFTIRQ_MOST)}.")
    if boosted:
        out.append(f"Boosted, beside hogs, {duration(boosted['median'])}; at most "
                   f"{BOOSTED_MOST_US} us: {run.judge(boosted['median'] / 1e3, BOOSTED_MOST_US)}.")
    return out + [""]


def figures(run, when):
    out = [f"Measured on {when}: {len(run.items)} cells in one guest.", "",
           "![instructions an event](kernel-performance.svg)", ""] + bars(run)
    for size in SIZES:
        for each in (1, BURST):
            out += submissions(run, size, each)
    return "\n".join(out + channels(run) + arrivals(run) + filters(run))


# ------------------------------------------------------------------------------ the plot

def line(points, color, scale):
    at = [f"{scale[0](x):.1f},{scale[1](y):.1f}" for x, y in points]
    marks = [f'<circle cx="{a.split(",")[0]}" cy="{a.split(",")[1]}" r="3" fill="{color}"/>'
             for a in at]
    return [f'<polyline points="{" ".join(at)}" fill="none" stroke="{color}"'
            ' stroke-width="2"/>'] + marks


def panel(run, size, spread, place):
    """The paper's figure: an event's cost by the number of sinks."""
    lines = {}
    for n in COUNTS:
        for who, i in run.submit(n if spread else 1, n, size, 1).items():
            lines.setdefault(who, []).append((n, i["all"] / 1000))
    most = max((y for points in lines.values() for _, y in points), default=1)
    bottom = HEIGHT - BOTTOM
    scale = (lambda n: LEFT + (n - 1) / (COUNTS[-1] - 1) * (WIDTH - LEFT - 20),
             lambda y: bottom - y / most * (bottom - TOP))
    sinks = "a host each" if spread else "on one host"
    out = [f'<g transform="translate({place[0]},{place[1]})">',
           f'<text x="{LEFT}" y="18" font-weight="bold">{size} B; sinks, {escape(sinks)}</text>']
    for part in range(5):
        y = scale[1](most * part / 4)
        out.append(f'<path d="M{LEFT} {y:.1f}H{WIDTH - 20}" stroke="#ddd"/>')
        out.append(f'<text x="{LEFT - 6}" y="{y + 4:.0f}" text-anchor="end">'
                   f'{most * part / 4:.0f}k</text>')
    for n in COUNTS:
        out.append(f'<text x="{scale[0](n):.0f}" y="{bottom + 16}" text-anchor="middle">{n}</text>')
    for who, points in lines.items():
        out += line(points, COLORS[who], scale)
    return out + ["</g>"]


def plot(run):
    out = []
    for row, spread in enumerate((True, False)):
        for column, size in enumerate(SIZES):
            out += panel(run, size, spread, (column * WIDTH, row * HEIGHT))
    y = 2 * HEIGHT
    for i, (who, color) in enumerate(COLORS.items()):
        x = LEFT + i % 2 * WIDTH
        at = y + i // 2 * 20
        out.append(f'<rect x="{x}" y="{at}" width="12" height="12" fill="{color}"/>')
        out.append(f'<text x="{x + 18}" y="{at + 10}">{escape(WHO[who])}</text>')
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{2 * WIDTH}" height="{y + 70}"'
        ' font-family="sans-serif" font-size="12">',
        '<rect width="100%" height="100%" fill="#fff"/>'] + out + ["</svg>"]) + "\n"


# ------------------------------------------------------------------------------- the run

def render(lines, docs, when):
    run = Run(lines)
    if not run.items:
        sys.exit("kernel.py: nothing was measured")
    peers.put_figures(f"{docs}/kernel-performance.md", "# What the kernel's node takes\n\n",
                      figures(run, when))
    peers.write(f"{docs}/kernel-performance.svg", plot(run))
    return 1 if run.missed else 0


def measure(build, quick, modules):
    """The lines, kept in the build tree."""
    folder = f"{build}/bench/kernel"
    os.makedirs(folder, exist_ok=True)
    wanted = cells(quick)
    peers.write(f"{folder}/wanted", "\n".join(wanted) + "\n")
    p = subprocess.run([HERE + "/kernel.sh", build, folder, f"{folder}/wanted"] + modules,
                       stdout=subprocess.PIPE, text=True, check=False)
    lines = p.stdout.splitlines()
    if p.returncode or len(lines) != len(wanted):
        print(p.stdout)
        print(f"kernel.py: {len(lines)} of {len(wanted)} cells were measured; nothing was written",
              file=sys.stderr)
        sys.exit(2)
    peers.write(f"{build}/bench/kernel.json", p.stdout)
    return lines


def main():
    words = sys.argv[1:]
    if words[:1] == ["--render"]:
        with open(words[1]) as f:
            lines = f.readlines()
        when = datetime.date.fromtimestamp(os.path.getmtime(words[1]))
        sys.exit(render(lines, words[2], when))
    quick = words[:1] == ["--quick"]
    build, docs, *modules = words[1:] if quick else words
    sys.exit(render(measure(build, quick, modules), docs, datetime.date.today()))


if __name__ == "__main__":
    main()
