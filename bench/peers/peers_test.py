#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""peers_test.py PROGRAM: what peers.py makes of lines that are known, and of what bench/peers
prints. Needs no peer."""
import json
import os
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ET

SCRIPT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "peers.py")
METRICS = ["p50_us", "p99_us", "cpu_us", "broker_us", "cpu64_us", "broker64_us",
           "k_events_per_s", "lost", "asleep"]
SVG = "{http://www.w3.org/2000/svg}"
failed = 0


def check(good, what):
    global failed
    if not good:
        print(f"# {what}")
        failed += 1


def interval(v):
    return {"median": v, "low": v * 0.9, "high": v * 1.1}


def entrant(name, role):
    return {"kind": "entrant", "hosts": 1, "name": name, "title": f"title of {name}",
            "role": role, "packages": "no-such-package" if role == "peer" else "",
            "waits": "a futex", "promise": f"promise of {name}"}


def cell(name, sinks, value, won=False, asleep=1.0, why=None):
    out = {"kind": "cell", "hosts": 1, "size": 100, "sinks": sinks, "rounds": 24, "name": name}
    if why:
        return dict(out, why=why)
    for m in METRICS:
        out[m] = {"value": interval(value), "to_best": interval(1), "won": won}
    out["asleep"] = {"value": interval(asleep)}
    out["lost"] = {"value": interval(0.0625)}
    return out


def bar(metric, verdict):
    return {"kind": "bar", "hosts": 1, "size": 100, "sinks": 8, "rounds": 24, "metric": metric,
            "kecho": "kecho", "peer": "fast", "ratio": interval(2), "verdict": verdict}


def known_lines():
    return [
        entrant("kecho", "kecho"), entrant("fast", "peer"), entrant("absent", "peer"),
        entrant("nobody", "peer"),
        cell("kecho", 1, 1.5, won=True), cell("kecho", 8, 123.4),
        cell("fast", 1, 2, asleep=0.5), cell("fast", 8, 61.7, won=True),
        cell("absent", 1, 0, why="not built: <absent>"),
        cell("absent", 8, 0, why="not built: <absent>"),
        bar("p50_us", "missed"), bar("cpu_us", "met"), bar("cpu64_us", "not decided"),
    ]


def run(*args):
    return subprocess.run([SCRIPT] + list(args), stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True)


def read(folder, name):
    with open(os.path.join(folder, name)) as f:
        return f.read()


def known_figures(folder):
    with open(f"{folder}/peers.json", "w") as f:
        f.writelines(json.dumps(line) + "\n" for line in known_lines())
    with open(f"{folder}/peers.md", "w") as f:
        f.write("Before.\n<!-- figures -->\nold\n<!-- end of figures -->\nAfter.\n")
    for _ in range(2):  # the second time on top of its own
        result = run("--render", f"{folder}/peers.json", folder)
        check(result.returncode == 0, f"it renders: {result.stdout}")
    md = read(folder, "peers.md")
    check(md.startswith("Before.\n") and md.endswith("After.\n"), "the text around stays")
    check("old" not in md and md.count("On one host, 100 B") == 1, "figures are replaced")
    check("| title of kecho | **1.5** / 123 |" in md, "a row, with who won in bold")
    check("| title of fast | 2 (awake) / **61.7** |" in md, "who was awake")
    check(" 6.25 / 6.25 |" in md, "losses in percent")
    check("--hosts=1 --size=100 --peer=fast`" in md, "the command of a row")
    check("- `absent`, on one host: not built: <absent>" in md, "the reason of an empty row")
    check("| title of absent | not installed | promise of absent |" in md, "its promise")
    check("nobody" not in md, "nothing of who was not asked")
    check("2.000 [1.800, 2.200] | **fast** |" in md, "a bar that a peer meets")
    check("| kecho |\n" in md and "| not decided |\n" in md, "the other bars")
    tsv = read(folder, "peers.tsv").splitlines()
    check(len(tsv) == 7 and tsv[1].startswith("1\t100\t1\tkecho\t1.5 [1.35 1.65]\t"), "the table")
    for name in ("latency", "cpu", "rate"):
        root = ET.fromstring(read(folder, f"peers-{name}.svg"))
        lines = root.findall(f".//{SVG}polyline")
        check(len(lines) == 2, f"peers-{name}.svg has a line for each that was measured")
        points = [p.split(",") for line in lines for p in line.get("points").split()]
        check(len(points) == 4 and all(0 < float(x) < float(root.get("width")) and
                                       0 < float(y) < float(root.get("height"))
                                       for x, y in points), f"peers-{name}.svg: its points")


def no_figures(folder):
    open(f"{folder}/peers.json", "w").close()
    result = run("--render", f"{folder}/peers.json", folder)
    check(result.returncode != 0 and "nothing was measured" in result.stdout, "an empty run")
    with open(f"{folder}/peers.json", "w") as f:
        f.write(json.dumps(entrant("a", "peer")) + "\n" + json.dumps(cell("a", 1, 1)) + "\n")
    with open(f"{folder}/peers.md", "w") as f:
        f.write("no marks\n")
    result = run("--render", f"{folder}/peers.json", folder)
    check(result.returncode != 0 and "has no marks" in result.stdout, "a page without marks")
    check(read(folder, "peers.md") == "no marks\n", "which stays as it is")


def real_figures(folder, program):
    link = os.path.join(folder, "peers")  # so that what is kept lies beside it
    os.symlink(os.path.abspath(program), link)
    result = run(link, folder, "--quick", "--hosts=1", "--size=100", "--sinks=1", "--peer=kecho",
                 "--peer=ring")
    check(result.returncode == 0, f"it runs: {result.stdout}")
    md = read(folder, "peers.md")
    for title in ("kecho, embedded", "floor: one shared ring"):
        row = [line for line in md.splitlines() if line.startswith(f"| {title} | ")]
        check(len(row) == 2, f"two rows of {title}: figures and promise")
        p50 = float(row[0].split("|")[2].strip(" *"))
        check(0 < p50 < 1e6, f"p50 of {title}")
    check("Not measured" not in md, "all was measured")


def main():
    tests = [known_figures, no_figures, real_figures]
    bad = 0
    global failed
    for i, test in enumerate(tests, 1):
        failed = 0
        with tempfile.TemporaryDirectory() as folder:
            test(*([folder] if test is not real_figures else [folder, sys.argv[1]]))
        print(f"{'not ok' if failed else 'ok'} {i} - {test.__name__}")
        bad += bool(failed)
    print(f"1..{len(tests)}")
    sys.exit(bad > 0)


main()
