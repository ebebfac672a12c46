# SPDX-License-Identifier: LGPL-2.1-or-later
"""The messages that follow from fields, of every class: what is read is what the record says, what
is set is read, and references are found by what they have. A simulated host has objects of most
classes; of the others, objects are put into the database of a xapid before it starts."""

import unittest
import uuid

from catalogue import Model
from pool import Case, Failure
from stack import Stack, free_port
from test_coverage_page import called_missing
from xapid import Xapid

MODEL = Model()
MISSING = called_missing()
OBJECTS = 2  # of each class so many are looked at
# What other fields or the daemons have a say in, and tests of their own set.
NOT_SET = {
    "VM": {"is_a_template"},
    "pool": {"default_SR", "suspend_image_SR", "crash_dump_SR", "wlb_enabled", "wlb_verify_cert"},
}


# What is looked at anew when xapid starts: a blob without its file is empty.
NOT_KEPT = {"blob": {"size", "last_updated"}}
# Classes that a simulated host has no objects of.
RARE = (
    "Bond Caller Certificate Cluster Cluster_host DR_task Driver_variant Feature GPU_group "
    "Host_driver LVHD Observer PCI PGPU PUSB PVS_cache_storage PVS_proxy PVS_server PVS_site "
    "Rate_limit Repository SDN_controller USB_group VGPU VGPU_type VLAN VMSS VTPM VUSB blob "
    "crashdump host_crashdump host_patch network_sriov pool_patch pool_update tunnel user"
).split()


def ref_of(cls):
    return f"OpaqueRef:rare-{cls}"


def chosen(t, name):
    """A value of the type that is no default, as it is kept; None: that of a relation's other side,
    or of nothing that is there."""
    kinds = {"string": name, "int": 7, "float": 1.5, "bool": True, "set(string)": [name]}
    if t in kinds:
        return kinds[t]
    if t == "datetime":
        return "2030-01-02T03:04:05Z"
    if t == "map(string,string)":
        return {name: "value"}
    if t.startswith("enum_"):
        return MODEL.enums[t.removeprefix("enum_")][-1]
    if t.startswith("ref_") and t.removeprefix("ref_") in RARE:
        return ref_of(t.removeprefix("ref_"))
    return None


def kept(cls):
    """The object of the class, as the database's file has it."""
    record = {name: chosen(words[0], name) for name, words in MODEL.fields[cls].items()}
    record["uuid"] = str(uuid.uuid5(uuid.NAMESPACE_OID, cls))
    return {name: value for name, value in record.items() if value is not None}


def told(t, value):
    """What was kept as clients read it."""
    if t == "int":
        return str(value)
    return value.replace("-", "") if t == "datetime" else value


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


class Messages:
    """What is asked of one object; self.x is the session, self.names what there is."""

    def is_implicit(self, name):
        return name in self.names and name not in MODEL.calls and name not in MISSING

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


class Implicit(Messages, Case):
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

    def of_class(self, cls):
        if self.is_implicit(f"{cls}.get_all") and cls not in MODEL.removed:
            for ref, record in self.look_at_all(cls).items():
                self.look_at(cls, ref, record)
        elif cls == "session":
            self.look_at(cls, self.x.ref, self.x("session.get_record", self.x.ref))


class Rare(Messages, unittest.TestCase):
    """Objects of the classes that a simulated host has none of."""

    @classmethod
    def setUpClass(cls):
        """One xapid for all, with an object of each that is in no field as it is by default."""
        case = cls()
        case.addCleanup = cls.addClassCleanup
        rows = [(ref_of(c), c, kept(c)) for c in RARE]
        own = Xapid(case, {"root": ("root", "secret")}, rows=rows)
        cls.client = own.login("root", "secret")

    def setUp(self):
        self.x = self.client
        self.names = set(self.x.proxy.system.listMethods())

    def of_class(self, cls):
        ref, record = ref_of(cls), self.x(f"{cls}.get_record", ref_of(cls))
        for name, value in kept(cls).items():
            words = MODEL.fields[cls][name]
            if name in NOT_KEPT.get(cls, ()):
                continue
            if name in record and words[-1] != "removed":
                self.sees(cls, ref, name, told(words[0], value))
        self.look_at(cls, ref, record)
        if self.is_implicit(f"{cls}.get_all"):
            self.assertIn(ref, self.look_at_all(cls))


for name in MODEL.fields:
    setattr(Implicit, f"test_of__{name}", lambda self, cls=name: self.of_class(cls))
for name in RARE:
    setattr(Rare, f"test_of__{name}", lambda self, cls=name: self.of_class(cls))


if __name__ == "__main__":
    unittest.main()
