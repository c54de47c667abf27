#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""manual.py KECHO KECHOD LIBKECHO: whether the manual is that of what was built, in TAP.

Each page renders without a warning and leads to pages that exist; each function that
the library exports is in one SYNOPSIS, with the header's prototype; all that the header
defines is named; examples compile; options, keys, variables and frames are the code's.
"""
import collections
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
MAN = ROOT / "docs/man"
HEADERS = sorted((ROOT / "include/kecho").glob("*.h"))
INCLUDES = "".join(f"#include <{h}.h>\n" for h in (
    "errno", "inttypes", "poll", "stdio", "stdlib", "string",
    *(f"kecho/{h.stem}" for h in HEADERS)))

results = 0
failed = False


def result(name, found):
    """The test failed if anything was found."""
    global results, failed
    results += 1
    for line in found:
        print("#", line)
    failed |= bool(found)
    print("not ok" if found else "ok", results, "-", name)


def run(*command, text=None):
    return subprocess.run(command, input=text, text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT)


def differ(what, ours, theirs, where):
    """What is in one set only; an empty set compares nothing, which is wrong too."""
    if not ours or not theirs:
        return [f"{what}: nothing to compare in {where}"]
    return ([f"{what}: {x} is not in {where}" for x in sorted(ours - theirs)] +
            [f"{what}: {x} is in {where} only" for x in sorted(theirs - ours)])


# -------------------------------------------------------------------- the pages

class Page:
    def __init__(self, path):
        self.name, self.section = path.name.rsplit(".", 1)
        self.path = path
        self.lines = path.read_text().splitlines()

    def part(self, heading):
        """The lines of a section."""
        inside, found = False, []
        for line in self.lines:
            if line.startswith(".Sh "):
                inside = line[4:] == heading
            elif inside:
                found.append(line)
        return found

    def names(self):
        return {line.split()[1] for line in self.part("NAME") if line.startswith(".Nm ")}

    def flags(self, heading="DESCRIPTION"):
        """The options of its lists, as they are written on a command line."""
        found = set()
        for line in self.part(heading):
            words = line.split()
            if words[:2] == [".It", "Fl"]:
                end = words.index("Ar") if "Ar" in words else len(words)
                found |= {"-" + w for w in words[2:end] if w not in (",", "Fl")}
        return found

    def tags(self, macro):
        """The first words of list items that are of this macro."""
        found = set()
        for line in self.lines:
            if line.startswith(f".It {macro} "):
                words = re.split(r"[ ,]+", line.split(" ", 2)[2])
                found |= {w for w in words if w != macro and re.fullmatch(r"[\w.-]+", w)}
        return found


pages = [Page(path) for path in sorted(MAN.iterdir())]
library = [page for page in pages if page.section == "3"]
by_name = {f"{page.name}({page.section})": page for page in pages}


def lint(page):
    out = run("mandoc", "-Tlint", "-Wwarning", page.path)
    return out.stdout.splitlines() + (["mandoc fails"] if out.returncode else [])


def astray(page):
    """References to pages of ours that are not there."""
    for name, section in re.findall(r"^\.Xr (\S+) (\d)", "\n".join(page.lines), re.M):
        if re.match(r"(lib)?kecho", name) and f"{name}({section})" not in by_name:
            yield f"{page.path.name} refers to {name}({section})"


def check_documents():
    """The README leads to each document, and documents to files that are there."""
    readme = (ROOT / "README.md").read_text()
    documents = sorted((ROOT / "docs").glob("*.md"))
    found = [f"docs/{path.name} is not in the README" for path in documents
             if f"docs/{path.name}" not in readme]
    for path in [ROOT / "README.md"] + documents:
        names = re.findall(r"\]\(([^):#]+)\)|`((?:docs/)?[\w-]+\.md)`", path.read_text())
        for name in {a or b for a, b in names}:
            if not (path.parent / name).exists() and not (ROOT / name).exists():
                found.append(f"{path.name} refers to {name}")
    return found


# ------------------------------------------------------------------- the header

def plain(text):
    return re.sub(r"/\*.*?\*/", " ", text, flags=re.S)


def prototype(before, name, arguments):
    text = f"{before} {name}({', '.join(arguments)})"
    text = re.sub(r"\s+", " ", text.replace("*", " * "))
    return re.sub(r"\s*([*(),])\s*", r"\1", text).strip()


def header():
    return "".join(path.read_text() for path in HEADERS)


def header_prototypes():
    found = {}
    for before, name, arguments in re.findall(
            r"^(?:static inline )?(typedef void|[\w ]+?[ *]+)\s*"
            r"(kecho_\w+|\(\*kecho_\w+\))\(([^)]*)\)\s*[;{]",
            plain(header()), flags=re.M):
        found[name] = prototype(before, name, arguments.split(","))
    return found


def page_prototypes(page):
    """Of .Ft and .Fn, or .Ft, .Fo, .Fa and .Fc."""
    kind, name, arguments = None, None, []
    for line in page.part("SYNOPSIS"):
        macro, _, rest = line.partition(" ")
        words = [w.strip('"') for w in re.findall(r'"[^"]*"|\S+', rest)]
        if macro == ".Ft":
            kind = rest
        elif macro == ".Fn":
            yield words[0], prototype(kind, words[0], words[1:])
        elif macro == ".Fo":
            name, arguments = words[0], []
        elif macro == ".Fa":
            arguments += words
        elif macro == ".Fc":
            yield name, prototype(kind, name, arguments)


def check_prototypes():
    theirs, found = header_prototypes(), []
    seen = collections.Counter()
    for page in library:
        for name, text in page_prototypes(page):
            seen[name] += 1
            if theirs.get(name) != text:
                found.append(f"{page.path.name}: {text}; the header: {theirs.get(name)}")
            if "(*" not in name and name not in page.names():
                found.append(f"{page.path.name} does not name {name}")
    found += [f"{name} is in {n} pages" for name, n in seen.items() if n > 1]
    return found + differ("a function", set(theirs), set(seen), "the pages")


def exported(lib):
    out = run("nm", "-D", "--defined-only", lib).stdout
    return set(re.findall(r" [TDBR] (kecho_\w+)", out))


def header_constants():
    text = plain(header())
    words = {word for word in re.findall(r"^#define\s+(KECHO_\w+)", text, re.M)
             if not word.endswith("_H")}
    for body in re.findall(r"enum \w* ?\{(.*?)\}", text, re.S):
        words |= set(re.findall(r"KECHO_\w+", body))
    return words


def header_structs():
    """The fields of each."""
    for name, body in re.findall(r"^struct (\w+) \{(.*?)^\}", plain(header()),
                                 re.S | re.M):
        fields = set()
        for declaration in re.sub(r"\[.*?\]", "", body).split(";"):
            fields |= set(re.findall(r"(\w+)\s*(?:,|$)", declaration.strip()))
        yield name, fields


def words_of(page):
    return set(re.findall(r"\w+", "\n".join(
        line for line in page.lines if re.match(r"\.(It|Fa|Dv) ", line))))


def unnamed():
    named = [words_of(page) for page in library]
    missing = header_constants() - set().union(*named)
    return ([f"{word} is in no page" for word in sorted(missing)] +
            [f"no page names all fields of struct {name}: {' '.join(sorted(fields))}"
             for name, fields in header_structs() if not any(fields <= n for n in named)])


def compiles(where, code):
    if not code:
        return [f"{where} has no example"]
    out = run("cc", "-std=gnu11", "-Wall", "-Wextra", "-Werror", "-Wno-unused-function",
              "-fsyntax-only", "-I", ROOT / "include", "-x", "c", "-",
              text=INCLUDES + code)
    return [f"{where}: {line}" for line in out.stdout.splitlines()] if out.returncode else []


def page_code(page):
    code, inside = "", False
    for line in page.part("EXAMPLES"):
        if line.startswith((".Bd", ".Ed")):
            inside = line.startswith(".Bd")
        elif inside:
            code += line.replace(r"\e", "\\") + "\n"
    return code


def document_code(name):
    return "".join(re.findall(r"^```c\b[^\n]*\n(.*?)^```$", (ROOT / "docs" / name).read_text(),
                              re.M | re.S))


def check_code():
    found = compiles("from-others.md", document_code("from-others.md"))
    for page in library:
        found += compiles(page.path.name, page_code(page))
    hello = (ROOT / "examples/hello.c").read_text()
    if document_code("tutorial.md") not in hello:
        found.append("tutorial.md: its program is not examples/hello.c")
    return found


# ----------------------------------------------------------------- the commands

def help_flags(text):
    """Of lines that begin with an option: both of its names."""
    found = set()
    for line in text.splitlines():
        begin = re.match(r"\s+(-\w)?(?:, |\s)?\s*(--[\w-]+)?", line)
        if begin:
            found |= {flag for flag in begin.groups() if flag}
    return found


def verbs(kecho):
    text = run(kecho, "help").stdout
    return re.findall(r"^  (\w+) {2,}", text[text.index("Verbs:"):text.index("First steps:")],
                      re.M)


def check_verb(kecho, verb):
    page = by_name.get(f"kecho-{verb}(1)")
    if not page:
        return [f"kecho {verb} has no page"]
    found = differ(f"kecho {verb}", help_flags(run(kecho, "help", verb).stdout),
                   page.flags(), page.path.name)
    if verb not in by_name["kecho(1)"].tags("Cm"):
        found.append(f"kecho.1 does not name {verb}")
    return found


def check_json(verb):
    """Of its own files and of those that print for it: each key of what they print."""
    more = {"ls": ["members"], "sub": ["show", "members"], "freeze": ["whole"],
            "drain": ["whole"], "destroy": ["whole"], "stat": ["sight_json"]}
    files = set((ROOT / "cli").glob(f"{verb}*.c"))
    files |= {ROOT / "cli" / f"{name}.c" for name in more.get(verb, [])}
    keys = set(re.findall(r'\bjson_[a-z0-9_]+\([^,()"]+, "(\w+)"',
                          "".join(path.read_text() for path in files)))
    page = by_name.get(f"kecho-{verb}(1)")
    words = set(re.findall(r"\w+", "\n".join(page.lines))) if page else set()
    return [f"{page.path.name if page else verb}: no word of {key}" for key in sorted(keys - words)]


def check_kechod(kechod):
    page = by_name["kechod(8)"]
    said = run(kechod, "-h").stdout
    flags = set(re.findall(r"(?:^  |, )(-\w)\b", said, re.M))
    return differ("kechod", flags, page.flags(), page.path.name)


def check_keys():
    code = (ROOT / "daemon/conf.c").read_text()
    keys = set(re.findall(r'(?:strcmp\(key, |\{ )"([a-z-]+)"', code))
    sample = set(re.findall(r"^# (\S+) = ", (ROOT / "daemon/kechod.conf").read_text(), re.M))
    page = by_name["kechod.conf(5)"]
    return (differ("a key", keys, page.tags("Cm"), page.path.name) +
            differ("a key", keys, sample, "daemon/kechod.conf"))


def check_variables():
    code = "".join(path.read_text() for folder in ("lib", "lib/etcd", "daemon", "cli")
                   for path in sorted((ROOT / folder).glob("*.c"))
                   if not path.stem.endswith("_test"))
    read = set(re.findall(r'(?:getenv|option|take_text|take_file)\([^;"]*'
                          r'"((?:KECHO|ETCDCTL)(?:_[A-Z]+)*)"', code))
    return differ("a variable", read, by_name["kecho(1)"].tags("Ev"), "kecho.1")


def check_frames():
    text = (ROOT / "include/uapi/kecho.h").read_text()
    code = set(re.findall(r"KECHO_FRAME_(\w+ = \d+),", text)) - {"OPTIONAL = 128"}
    page = by_name["kecho-protocol(7)"]
    said = {f"{name} = {number}" for name, number in re.findall(
        r"^\.It ([A-Z_]+) Ta (\d+) Ta", "\n".join(page.lines), re.M)}
    document = {f"{name} = {number}" for name, number in re.findall(
        r"`([A-Z_]+)` \((\d+)\)", (ROOT / "docs/protocol.md").read_text())}
    return (differ("a frame", code, said, page.path.name) +
            differ("a frame", code, document, "docs/protocol.md"))


def main():
    kecho, kechod, lib = sys.argv[1:]
    for page in pages:
        result(f"{page.path.name} renders", lint(page))
    result("pages refer to pages that exist", [x for page in pages for x in astray(page)])
    result("documents are in the README, and refer to files that exist", check_documents())
    result("each prototype of the header is in one page", check_prototypes())
    functions = {name for name in header_prototypes() if "(*" not in name}
    inline = set(re.findall(r"^static inline .*?(kecho_\w+)\(", header(), re.M))
    result("the header declares what the library exports",
           differ("a function", exported(lib), functions - inline, "the header"))
    result("each constant and all fields of each struct are in a page", unnamed())
    result("examples compile", check_code())
    for verb in verbs(kecho):
        result(f"kecho {verb} has the options of its page", check_verb(kecho, verb))
        result(f"kecho {verb} has the JSON of its page", check_json(verb))
    result("kechod has the options of its page", check_kechod(kechod))
    result("kechod.conf has the keys of its page", check_keys())
    result("the environment is that of kecho.1", check_variables())
    result("the frames are those of the protocol", check_frames())
    print(f"1..{results}")
    return failed


sys.exit(main())
