# SPDX-License-Identifier: LGPL-2.1-or-later
"""docs/coverage.md tells the truth: each message that it calls not built answers NOT_IMPLEMENTED
with its name, and none of the others does. All are sent to a fresh xapid that has no other daemon,
with arguments of the right types that lead to no object."""

import pathlib
import re
import unittest
import xmlrpc.client

from xapid import Xapid
from xenapi import Failure

HERE = pathlib.Path(__file__).resolve().parent
PAGE = HERE.parents[1] / "docs" / "coverage.md"


def called_missing():
    """The messages that the page calls not built."""
    missing, cls, is_in_list = set(), None, False
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        if line.startswith("## "):
            cls, is_in_list = line.removeprefix("## "), False
        elif line.startswith(("Not built:", "In ")):
            is_in_list = line.startswith("Not built:")
        elif cls and is_in_list:
            missing.update(f"{cls}.{name}" for name in re.findall(r"`(\w+)`", line))
    return missing


class Model:
    """xenapi.txt: what each message takes."""

    def __init__(self):
        self.fields, self.calls, self.enums = {}, {}, {}
        for line in (HERE / "xenapi.txt").read_text(encoding="utf-8").splitlines():
            kind, name, *words = line.split()
            if kind == "field":
                cls, field = name.split(".")
                self.fields.setdefault(cls, {})[field] = words
            elif kind == "call":
                # What may be left out is.
                params = re.findall(r"\w+:((?:[^,()=]|\((?:[^()]|\([^()]*\))*\))+)(=?)", words[0][1:-1])
                types = [t for t, is_optional in params if not is_optional]
                self.calls[name] = (types, "sessionless" in words[3])
            elif kind == "enum":
                self.enums[name] = words[0].split(",")

    def record(self, cls):
        """What a client says of a new object."""
        own = self.fields[cls].items()
        return {n: self.value(w[0]) for n, w in own if w[1] in ("create", "rw")}

    def value(self, t):
        if t.startswith("ref"):
            return "OpaqueRef:none"
        if t.startswith("enum_"):
            return self.enums[t.removeprefix("enum_")][0]
        if t.startswith("record_"):
            return self.record(t.removeprefix("record_"))
        if t.startswith("set("):
            return []
        if t.startswith("map("):
            return {}
        plain = {"int": "0", "bool": False, "float": 0.0}
        return xmlrpc.client.DateTime(0) if t == "datetime" else plain.get(t, "none")

    def types(self, name):
        """Of the arguments behind the session."""
        if name in self.calls:
            return self.calls[name][0]
        cls, message = name.split(".")
        if message in ("get_all", "get_all_records"):
            return []
        if message == "create":
            return [f"record_{cls}"]
        if message in ("get_record", "destroy"):
            return ["ref"]
        for prefix, more in (("set_", 1), ("add_to_", 2), ("remove_from_", 1), ("get_", 0)):
            field = self.fields[cls].get(message.removeprefix(prefix))
            if message.startswith(prefix) and field:
                is_map = prefix in ("add_to_", "remove_from_")
                return ["ref", *(["string"] * more if is_map else [field[0]] * more)]
        for prefix in ("add_", "remove_"):
            field = self.fields[cls].get(message.removeprefix(prefix))
            if message.startswith(prefix) and field:
                return ["ref", field[0].removeprefix("set(").removesuffix(")")]
        return ["string"]

    def is_sessionless(self, name):
        return name in self.calls and self.calls[name][1]


class Coverage(unittest.TestCase):
    def setUp(self):
        self.xapid = Xapid(self, {"root": ("root", "secret")})
        self.client = self.xapid.login("root", "secret")
        self.secret = (self.xapid.dir / "lib" / "xapid-pool.secret").read_text().strip()
        self.model = Model()
        self.session = self.new_session()

    def new_session(self):
        return self.client.plain("session.slave_login", "OpaqueRef:none", self.secret)

    def answer(self, name):
        """The error that a message answers with, or []. The session is a host's of the pool, to
        which everything is allowed; those that end sessions get one of their own."""
        args = [self.model.value(t) for t in self.model.types(name)]
        if name.startswith("session."):
            self.session = self.new_session()
        if not self.model.is_sessionless(name):
            args.insert(0, self.session)
        try:
            self.client.plain(name, *args)
        except Failure as failure:
            return failure.error
        return []

    def test_page_tells_the_truth(self):
        names = set(self.client.proxy.system.listMethods())
        missing = called_missing()
        self.assertEqual(missing - names, set(), "there are no such messages")
        self.assertGreater(len(names), 2000)
        for name in sorted(names):
            with self.subTest(name=name):
                answer = self.answer(name)
                if name in missing:
                    self.assertEqual(answer, ["NOT_IMPLEMENTED", name])
                else:
                    self.assertNotIn("NOT_IMPLEMENTED", answer)
                    self.assertNotIn("SESSION_INVALID", answer)
                    self.assertNotIn("MESSAGE_PARAMETER_COUNT_MISMATCH", answer)


if __name__ == "__main__":
    unittest.main()
