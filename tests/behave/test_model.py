# SPDX-License-Identifier: LGPL-2.1-or-later
"""idl/xenapi is the whole XenAPI and nothing else: every class, field, message, parameter, role,
enum and error of xenapi.txt, which states them one a line, as clients know them.

A line of xenapi.txt is one of

    class NAME persistence {mark} ROLE READER since state
    field CLASS.NAME type access persistence ROLE default key=role,… inverse shown since state
    call CLASS.NAME (name:type[=],…) result ROLE mark,… error,… since state
    enum NAME case,…
    error CODE number-of-parameters

with "-" for nothing, "=" behind a parameter that may be left out, and a secret told as the string
that it is on the wire.
"""

import json
import os
import pathlib
import re
import subprocess
import unittest

HERE = pathlib.Path(__file__).resolve().parent
TOP = HERE.parents[1]
BUILD = TOP / os.environ.get("XENITH_BUILD", "build")
CLASS_MARKS = ["constructed", "listed", "events", "stateless", "singleton"]
CALL_MARKS = ["async", "hidden", "intrapool", "emergency", "uncounted", "sessionless"]
# What a record of its own describes better than the set of events that the name promises.
OWN_FORM = {"xenapi.event_batch": "set(record_event)"}
WORD = r'"(?:[^"\\]|\\.)*"|[{}()\[\];:,=?]|[^\s"{}()\[\];:,=?]+'


class Words:
    """The words of one line of idlc's --ast."""

    def __init__(self, text):
        self.words = re.findall(WORD, text)

    def peek(self):
        return self.words[0] if self.words else None

    def take(self):
        return self.words.pop(0)

    def accept(self, word):
        if self.peek() != word:
            return False
        self.take()
        return True

    def type(self):
        """The next type, in the notation of xenapi.txt."""
        if self.accept("("):
            inner = self.type()
            assert self.take() == ")", self.words
            return f"option({inner})" if self.accept("?") else inner
        word = self.take()
        if word in ("list", "set"):
            return f"set({self.type()})"
        if word == "map":
            key = self.type()
            return f"map({key},{self.type()})" if self.accept("to") else f"map(string,{key})"
        if word in ("ref", "record"):
            return f"{word}_{self.take()}"
        if word in OWN_FORM:
            return OWN_FORM[word]
        if word.startswith("xenapi."):
            return "enum_" + word.removeprefix("xenapi.")
        return "string" if word == "secret" else word

    def role(self):
        role = self.take()
        return f"{role}+{self.take()}" if self.accept("or") else role

    def literal(self):
        """A default value, as JSON without spaces."""
        words = [self.take()]
        ends = {"{": "}", "[": "]"}
        while words[0] in ends and words[-1] != ends[words[0]]:
            words.append(self.take())
        text = "".join(words)
        try:
            return json.dumps(json.loads(text), separators=(",", ":"))
        except ValueError:
            return json.dumps(text)

    def keys(self):
        found = []
        self.take()
        while not self.accept("}"):
            key = json.loads(self.take())
            self.take()
            found.append(f"{key}={self.role()}")
            self.accept(",")
        return ",".join(found)

    def errors(self):
        found = [self.take().split(".")[1]]
        while self.accept(","):
            found.append(self.take().split(".")[1])
        return ",".join(found)

    def marks(self):
        """Whatever stands behind a type, a result or the name of a class: words and values."""
        found = {}
        readers = {
            "role": self.role,
            "visible": self.role,
            "=": self.literal,
            "keys": self.keys,
            "errors": self.errors,
            "inverse": self.take,
            "since": lambda: json.loads(self.take()),
            "deprecated": lambda: json.loads(self.take()),
        }
        while self.words:
            word = self.take()
            if word != ";":
                found[word] = readers[word]() if word in readers else True
        return found


def state(marks):
    states = [word for word in ("removed", "prototyped", "deprecated") if word in marks]
    return states[0] if states else "published"


def default(words_type, marks):
    """The epoch has another form in the IDL."""
    value = marks.get("=", "-")
    return '"19700101T00:00:00Z"' if words_type == "datetime" and value != "-" else value


def is_comment(line):
    return line.strip().startswith("##")


class Model:
    """The lines of xenapi.txt, made of what idlc understood."""

    def __init__(self, text):
        self.lines = set()
        self.since = {}
        for block in re.split(r"\n\n", text):
            lines = [line for line in block.split("\n") if line and not is_comment(line)]
            kind, _, rest = lines[0].partition(" ")
            reader = getattr(self, "read_" + kind, None)
            if reader:
                reader(rest, lines[1:])

    def add(self, *words):
        self.lines.add(" ".join(words))

    def read_class(self, head, fields):
        words = Words(head)
        name, persistence, marks = words.take(), words.take(), words.marks()
        self.since[name] = since = marks.get("since", "rio")
        set_marks = [mark for mark in CLASS_MARKS if mark in marks]
        reader = marks.get("visible", "read-only")
        self.add(
            "class", name, persistence, *set_marks, marks["role"], reader, since, state(marks)
        )
        for line in fields:
            self.read_field(name, since, Words(line))

    def read_field(self, class_name, since, words):
        name, kind = words.take(), words.type()
        marks = words.marks()
        access = [word for word in ("ro", "rw", "create") if word in marks]
        persistence = [word for word in ("persistent", "volatile") if word in marks]
        self.add(
            "field",
            f"{class_name}.{name}",
            kind,
            *access,
            *persistence,
            marks.get("role", "-"),
            default(kind, marks),
            marks.get("keys", "-"),
            marks.get("inverse", "-"),
            "internal" if "internal" in marks else "shown",
            marks.get("since", since),
            state(marks),
        )

    def read_call(self, name, lines):
        parameters = []
        for line in lines[:-1]:
            words = Words(line)
            parameter, kind = words.take(), words.type()
            parameters.append(f"{parameter}:{kind}" + ("=" if "=" in words.marks() else ""))
        words = Words(lines[-1])
        words.take()
        result, marks = words.type(), words.marks()
        self.add(
            "call",
            name,
            "(" + ",".join(parameters) + ")",
            result,
            marks["role"],
            ",".join(mark for mark in CALL_MARKS if mark in marks) or "-",
            marks.get("errors", "-"),
            marks.get("since", self.since[name.split(".")[0]]),
            state(marks),
        )

    def read_enum(self, name, cases):
        self.add("enum", name, ",".join(case.strip().rstrip(";") for case in cases))

    def read_error(self, code, parameters):
        self.add("error", code, str(len(parameters)))


def ast():
    sources = sorted((TOP / "idl/xenapi").glob("*.idl"))
    done = subprocess.run(
        [BUILD / "tools/idlc", "--import", TOP / "idl", "--ast", *sources],
        stdout=subprocess.PIPE,
        check=True,
        encoding="utf-8",
    )
    return done.stdout


def facts():
    lines = (HERE / "xenapi.txt").read_text(encoding="utf-8").splitlines()
    return [line for line in lines if not line.startswith("#")]


class TheModel(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.model = Model(ast()).lines
        cls.facts = facts()

    def test_it_is_whole(self):
        self.assertEqual(sorted(set(self.facts) - self.model)[:20], [])

    def test_it_has_nothing_else(self):
        self.assertEqual(sorted(self.model - set(self.facts))[:20], [])

    def test_the_facts_are_as_many_as_they_should_be(self):
        kinds = [line.split()[0] for line in self.facts]
        counted = {kind: kinds.count(kind) for kind in set(kinds)}
        expected = {"class": 73, "field": 950, "call": 678, "enum": 75, "error": 605}
        self.assertEqual(counted, expected)

    def test_each_class_has_a_file(self):
        for line in self.facts:
            if line.startswith("class "):
                name = line.split()[1]
                text = (TOP / f"idl/xenapi/{name.lower()}.idl").read_text(encoding="utf-8")
                self.assertIn(f"\nclass {name} ", text)


class TheKeysOfMaps(unittest.TestCase):
    """What became root's by way of a map has a role of its own wherever the map is set."""

    def test_dangerous_keys_are_the_administrators(self):
        text = ast()
        vm = text[text.index("\nclass VM ") :]
        for field, keys in (("platform", ["hvm_serial"]), ("other_config", ["pci", "hvm_serial"])):
            line = re.search(rf"^\t{field} map .*$", vm, re.M).group()
            for key in keys:
                self.assertIn(f'"{key}" role pool-admin', line)


if __name__ == "__main__":
    unittest.main()
