# SPDX-License-Identifier: LGPL-2.1-or-later
"""The messages that follow from fields, of every class that has objects on a simulated host: what
is read is what the record says, what is set is read, and references are found by what they have."""

import unittest

from catalogue import Model
from pool import Case, Failure
from stack import Stack, free_port

MODEL = Model()
OBJECTS = 2  # of each class so many are looked at
# What other fields or the daemons have a say in, and tests of their own set.
NOT_SET = {
    "VM": {"is_a_template"},
    "pool": {"default_SR", "suspend_image_SR", "crash_dump_SR", "wlb_enabled", "wlb_verify_cert"},
}


def other(t, value):
    """Another value of the type; the same where it may not be chosen freely."""
    if t == "string":
        return f"{value}x"
    if t == "int":
        return str(int(value) + 1)
    if t == "float":
        return value + 1.0
    if t == "bool":
        return not value
    if t == "set(string)":
        return [*value, "one more"]
    if t == "map(string,string)":
        return {**value, "one": "more"}
    if t.startswith("enum_"):
        return next((case for case in MODEL.enums[t.removeprefix("enum_")] if case != value), value)
    return value


def same(a, b):
    return sorted(a) == sorted(b) if isinstance(a, list) and a and isinstance(a[0], str) else a == b


class Implicit(Case):
    @classmethod
    def setUpClass(cls):
        """One host for all: a VM that runs with its devices, and one object of what can be made."""
        case = cls()
        case.addCleanup = cls.addClassCleanup
        case.stack = Stack(case, "--port", str(free_port()))
        case.sr_folder = case.stack.dir / "sr"
        case.connect(case.stack.env())
        case.x("VM.start", case.make_whole_vm(), False, False)
        case.make_one_of_each()
        cls.host_of_all = case

    def setUp(self):
        self.x = self.host_of_all.x
        self.names = set(self.x.proxy.system.listMethods())

    def is_implicit(self, name):
        return name in self.names and name not in MODEL.calls

    def read(self, cls, ref, name):
        """A field by its getter; what changes by itself is looked at again."""
        for _ in range(20):
            value = self.x(f"{cls}.get_{name}", ref)
            if same(value, self.x(f"{cls}.get_record", ref)[name]):
                return value
        self.fail(f"{cls}.{name} is {value} alone and something else in the record")

    def sees(self, cls, ref, name, value):
        self.assertTrue(same(self.read(cls, ref, name), value), f"{cls}.{name}: not {value}")

    def change(self, cls, ref, name):
        """Sets a field, and sets it back."""
        t, was = MODEL.fields[cls][name][0], self.x(f"{cls}.get_{name}", ref)
        if self.is_implicit(f"{cls}.set_{name}"):
            for value in (other(t, was), was):
                self.x(f"{cls}.set_{name}", ref, value)
                self.sees(cls, ref, name, value)
        if self.is_implicit(f"{cls}.add_to_{name}"):
            self.x(f"{cls}.add_to_{name}", ref, "key", "value")
            self.sees(cls, ref, name, {**was, "key": "value"})
            self.x(f"{cls}.remove_from_{name}", ref, "key")
            self.sees(cls, ref, name, was)
        if self.is_implicit(f"{cls}.add_{name}") and t == "set(string)":
            self.x(f"{cls}.add_{name}", ref, "value")
            self.sees(cls, ref, name, [*was, "value"])
            self.x(f"{cls}.remove_{name}", ref, "value")
            self.sees(cls, ref, name, was)

    def look_at(self, cls, ref, record):
        for name in record:
            if MODEL.fields[cls][name][-1] == "removed":
                with self.assertRaisesRegex(Failure, "MESSAGE_REMOVED"):
                    self.x(f"{cls}.get_{name}", ref)
            elif self.is_implicit(f"{cls}.get_{name}"):
                self.read(cls, ref, name)
                if name not in NOT_SET.get(cls, ()):
                    with self.subTest(f"{cls}.{name}"):
                        self.change(cls, ref, name)
        if self.is_implicit(f"{cls}.get_by_uuid"):
            self.assertEqual(self.x(f"{cls}.get_by_uuid", record["uuid"]), ref)
        if self.is_implicit(f"{cls}.get_by_name_label"):
            self.assertIn(ref, self.x(f"{cls}.get_by_name_label", record["name_label"]))

    def look_at_all(self, cls):
        records = self.x(f"{cls}.get_all_records")
        refs = self.x(f"{cls}.get_all")
        self.assertEqual(set(records), set(refs))
        self.assertEqual(self.x(f"{cls}.get_all_where", "true"), refs)
        self.assertEqual(set(self.x(f"{cls}.get_all_records_where", "true")), set(refs))
        self.assertEqual(self.x(f"{cls}.get_all_records_where", "false"), {})
        return dict(list(records.items())[:OBJECTS])

    def of_class(self, cls):
        if self.is_implicit(f"{cls}.get_all") and cls not in MODEL.removed:
            for ref, record in self.look_at_all(cls).items():
                self.look_at(cls, ref, record)
        elif cls == "session":
            self.look_at(cls, self.x.ref, self.x("session.get_record", self.x.ref))


for name in MODEL.fields:
    setattr(Implicit, f"test_of__{name}", lambda self, cls=name: self.of_class(cls))


if __name__ == "__main__":
    unittest.main()
