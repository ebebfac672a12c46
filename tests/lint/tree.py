# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the lint rules share: the files of the tree, C without its comments, and how to complain.

A rule is an executable file in this folder: `tests/lint/NAME [ROOT]`. It prints
"path:line: what is wrong" and exits 1 when it found anything. A line that must break a rule says
why with a comment: /* lint: why */ (or "# lint: why").
"""

import pathlib
import re
import subprocess
import sys

TOP = pathlib.Path(__file__).resolve().parent.parent.parent
ROOT = pathlib.Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else TOP
EXCUSE = re.compile(r"(?:/\*|#)\s*lint: \S+")

n_found = 0


def complain(path, line, what):
    global n_found
    n_found += 1
    print(f"{path}:{line}: {what}" if line else f"{path}: {what}")


def finish():
    sys.exit(1 if n_found else 0)


def files(*endings):
    """Paths, relative to the root, of what git tracks or would: all, or those with an ending."""
    if (ROOT / ".git").exists():
        words = ["git", "-C", str(ROOT), "ls-files", "-co", "--exclude-standard", "-z"]
        listed = subprocess.run(words, check=True, stdout=subprocess.PIPE).stdout.decode()
        names = [name for name in listed.split("\0") if name]
    else:
        names = [str(p.relative_to(ROOT)) for p in ROOT.rglob("*") if p.is_file()]
        names = [n for n in names if not re.match(r"build/|\.git/|.*__pycache__", n)]
    names = sorted(set(name for name in names if (ROOT / name).is_file()))
    return [name for name in names if not endings or name.endswith(endings)]


def is_corpus(path):
    """Inputs of tests are bytes that somebody chose; no rule of form holds for them."""
    return path.startswith(("tests/fuzz/corpus/", "tests/wire/")) or "/golden/" in path


def read(path):
    return (ROOT / path).read_text(encoding="utf-8", errors="replace")


def scripts(*interpreters):
    """Files that begin with #! and one of INTERPRETERS (bash, sh, python3)."""
    found = []
    for path in files():
        with open(ROOT / path, "rb") as f:
            first = f.readline(200).decode(errors="replace")
        if first.startswith("#!") and re.split(r"[/\s]+", first.strip())[-1] in interpreters:
            found.append(path)
    return found


def is_excused(lines, number):
    """Whether line NUMBER (from 1) says why it breaks a rule."""
    return bool(EXCUSE.search(lines[number - 1]))


TOKENS = re.compile(
    r"""//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'""", re.S
)


def blank(match):
    text = match.group(0)
    lines = "\n" * text.count("\n")
    if text[0] in "\"'":
        return text[0] + " " * (len(text) - 2) + text[0]
    return " " + lines


def code(text):
    """C without comments and without what stands in strings; lines keep their numbers."""
    return TOKENS.sub(blank, text)


def line_of(text, offset):
    return text.count("\n", 0, offset) + 1


class Function:
    """A definition in a .c file: its name, the words before it, its body and where they are."""

    def __init__(self, name, head, body, start, body_start):
        self.name = name
        self.head = head
        self.body = body
        self.start = start
        self.body_start = body_start


HEAD = re.compile(r"^(?![#\s}])(?P<head>[^;{}=]*?\b(?P<name>\w+)\s*\([^;{}]*\))\s*\n\{\n", re.M)


def functions(text):
    """The function definitions in TEXT, which code() has been through."""
    found = []
    for match in HEAD.finditer(text):
        end = text.find("\n}", match.end() - 1)
        if end < 0:
            continue
        name = match.group("name")
        head = match.group("head")
        # The first name before a parenthesis is the function's; attributes may stand before it.
        for candidate in re.finditer(r"\b(\w+)\s*\(", head):
            if candidate.group(1) not in ("__attribute__", "printf_like", "AUTO"):
                name = candidate.group(1)
                break
        found.append(Function(name, head, text[match.end() : end], match.start(), match.end()))
    return found
