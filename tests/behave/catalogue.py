# SPDX-License-Identifier: LGPL-2.1-or-later
"""xenapi.txt as tests use it: what each message takes, and values of every type."""

import pathlib
import re
import xmlrpc.client

HERE = pathlib.Path(__file__).resolve().parent
# Whom a field is shown to that is not shown to the readers of its class.
READERS = {"secret.get_other_config": "read-only"}


class Model:
    """xenapi.txt: what each message takes."""

    def __init__(self):
        self.fields, self.calls, self.enums, self.removed = {}, {}, {}, set()
        self.classes, self.of_calls = {}, {}  # (role, reader); the words of each
        for line in (HERE / "xenapi.txt").read_text(encoding="utf-8").splitlines():
            kind, name, *words = line.split()
            if kind == "field":
                cls, field = name.split(".")
                self.fields.setdefault(cls, {})[field] = words
            elif kind == "class":
                self.classes[name] = words[-4], words[-3]
                if words[-1] == "removed":
                    self.removed.add(name)
            elif kind == "call":
                # What may be left out is.
                params = re.findall(r"\w+:((?:[^,()=]|\((?:[^()]|\([^()]*\))*\))+)(=?)", words[0][1:-1])
                types = [t for t, is_optional in params if not is_optional]
                self.calls[name] = (types, "sessionless" in words[3])
                self.of_calls[name] = words
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

    def field_of(self, name):
        """The words of the field that an implicit message is about, or None."""
        cls, _, message = name.partition(".")
        own = self.fields.get(cls, {})
        for prefix in ("add_to_", "remove_from_", "set_", "get_", "add_", "remove_"):
            if message.startswith(prefix) and message.removeprefix(prefix) in own:
                return own[message.removeprefix(prefix)]
        return None

    def role(self, name):
        """The least role that a message asks for, and behind a + another that may send it."""
        cls, _, message = name.partition(".")
        if name in self.of_calls:
            return self.of_calls[name][2]
        if name in READERS:
            return READERS[name]
        writer, reader = self.classes[cls]
        if message in ("create", "destroy"):
            return writer
        field = self.field_of(name)
        return reader if message.startswith("get_") or not field else field[3]

    def marks(self, name):
        """Of a message that is declared: async, hidden and so on."""
        return self.of_calls[name][3].split(",") if name in self.of_calls else []

    def is_removed(self, name):
        words = self.of_calls.get(name) or self.field_of(name)
        return name.partition(".")[0] in self.removed or bool(words and words[-1] == "removed")

    def is_sessionless(self, name):
        return name in self.calls and self.calls[name][1]
