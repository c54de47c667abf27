#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""list-tests.py TREE: the tests of a build tree, one a line.

The line is name, suites, protocol, seconds and command, between tabs; the
command is quoted for a shell and sets the test's environment and directory.
Meson knows all this, and says it in JSON only.
"""
import json
import os
import shlex
import subprocess
import sys

tree = sys.argv[1]
found = subprocess.run(
    ["meson", "introspect", "--tests", tree],
    check=True, stdout=subprocess.PIPE, text=True).stdout
for test in json.loads(found):
    # Meson names what it has built relative to the tree, and runs tests there.
    workdir = test["workdir"] or os.path.abspath(tree)
    env = [f"{name}={value}" for name, value in test["env"].items()]
    command = shlex.join(["env", "-C", workdir] + env + test["cmd"])
    suites = ",".join(suite.split(":")[-1] for suite in test["suite"])
    print(test["name"], suites, test["protocol"], test["timeout"], command, sep="\t")
