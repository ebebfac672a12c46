# SPDX-License-Identifier: LGPL-2.1-or-later
"""xe against a live xapid: what it prints, to which stream, and how it ends."""

import re
import socket
import struct

import unittest

import xe
from pool import VM
from stack import HANG, Stack, free_port
from xenapi import Session

UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$")


class ForClass:
    """What Stack asks of a test case, for a whole class of them."""

    def __init__(self, cls):
        self.addCleanup = cls.addClassCleanup

    def __getattr__(self, name):
        return getattr(unittest.TestCase(), name)


class Xe(unittest.TestCase):
    """One stack for all tests of a class."""

    @classmethod
    def setUpClass(cls):
        cls.port, cls.tls_port = free_port(), free_port()
        cls.stack = Stack(ForClass(cls), "--port", cls.port, "--tls-port", cls.tls_port)
        cls.env = cls.stack.env()

    def xe(self, *args, **more):
        return xe.run(self.stack, *args, **more)

    def good(self, *args, **more):
        status, out, err = self.xe(*args, **more)
        self.assertEqual((status, err), (0, ""), f"{args}: {out}")
        return out

    def bad(self, err, *args, out="", **more):
        self.assertEqual(self.xe(*args, **more), (1, out, err), args)

    def one(self, *args):
        """The one line that a command prints."""
        out = self.good(*args)
        self.assertEqual(out.count("\n"), 1, out)
        return out[:-1]


class Lists(Xe):
    """CLASS-list."""

    def test_record(self):
        host = self.one("host-list", "--minimal")
        self.assertRegex(host, UUID)
        name = self.one("host-param-get", f"uuid={host}", "param-name=name-label")
        self.assertEqual(
            self.good("host-list"),
            f"uuid ( RO)                : {host}\n"
            f"          name-label ( RW): {name}\n"
            "    name-description ( RW): Default install\n\n\n",
        )
        self.assertEqual(
            self.good("host-list", "params=name-label,uuid"),
            f"uuid ( RO)          : {host}\n    name-label ( RW): {name}\n\n\n",
        )
        self.assertEqual(self.good("host-list", "params=bogus"), "\n\n\n")
        self.assertEqual(self.one("host-list", "params=name-label,address", "--minimal"), name)

    def test_filters(self):
        dom0 = self.one("vm-list", "is-control-domain=true", "--minimal")
        self.assertIn(
            "    power-state ( RO): running\n", self.good("vm-list", "is-control-domain=true")
        )
        host = self.one("host-list", "--minimal")
        self.assertEqual(self.one("vm-list", f"resident-on={host}", "--minimal"), dom0)
        self.assertEqual(self.good("vm-list", "power-state=bogus"), "")
        self.assertEqual(self.good("vm-list", "power-state=bogus", "--minimal"), "\n")
        self.assertEqual(self.good("vm-list", "uuid="), "")
        self.assertEqual(self.good("vm-list", f"uuid={dom0}", "uuid=b"), "")
        self.bad("Error: Unknown field 'bogus'\n", "vm-list", "bogus=1")
        self.bad("Error: Unknown field 'bogus'\n", "vm-list", "--bogus")
        self.assertIn(
            "Debian", self.good("template-list", "params=name-label", "is-default-template=true")
        )
        self.assertEqual(self.good("snapshot-list"), "")

    def test_references(self):
        network = self.one("pif-list", "params=network-uuid", "--minimal")
        self.assertIn(network, self.one("network-list", "--minimal").split(","))
        label = self.one("pif-list", "params=network-name-label", "--minimal")
        self.assertEqual(
            self.one("network-param-get", f"uuid={network}", "param-name=name-label"), label
        )
        self.assertIn("default-SR ( RW): <not in database>\n", self.good("pool-list"))

    def test_every_class(self):
        names = self.one("help", "--minimal").split(",")
        lists = [n for n in names if n.endswith("-list") and not n.endswith("-param-list")]
        # these want a VM, or list what is measured; messages are no rows of the database
        others = ("vm-disk-list", "vm-cd-list", "vm-vif-list", "message-list")
        lists = [n for n in lists if n not in others and "-data-source-" not in n]
        self.assertLessEqual({"vm-list", "vmss-list", "vusb-list", "appliance-list"}, set(lists))
        for name in lists:
            with self.subTest(name):
                self.good(name, "params=all")


class Params(Xe):
    """CLASS-param-*."""

    def setUp(self):
        self.pool = "uuid=" + self.one("pool-list", "--minimal")
        self.vm = "uuid=" + self.one("vm-list", "is-control-domain=true", "--minimal")

    def get(self, name, *more):
        return self.one("pool-param-get", self.pool, f"param-name={name}", *more)

    def test_list(self):
        out = self.good("vm-param-list", self.vm)
        for line in (
            f"uuid ( RO)                                  : {self.vm[5:]}",
            "                     is-control-domain ( RO): true",
            "                     last-boot-record ( RO): <expensive field>",
            "            ha-always-run ( RW) [DEPRECATED]: false",
            "                                  tags (SRW): ",
            "                          other-config (MRW): ",
            "                 HVM-shadow-multiplier ( RW): 1.000",
            "                            os-version (MRO): <not in database>",
        ):
            self.assertIn(line.strip(), out)
        self.assertTrue(out.startswith("uuid ( RO)                                  : "), out)

    def test_get(self):
        self.bad("Required parameter not found: uuid\nFor usage run: 'xe help'\n", "vm-param-get")
        self.bad(
            "Required parameter not found: param-name\nFor usage run: 'xe help'\n",
            "vm-param-get",
            self.vm,
        )
        self.bad(
            "Error code: Missing parameter\nError parameters: bogus\n",
            "vm-param-get",
            self.vm,
            "param-name=bogus",
        )
        status, out, err = self.xe("vm-param-get", "uuid=bogus", "param-name=name-label")
        self.assertEqual((status, out), (1, ""))
        self.assertTrue(err.endswith("\ntype: VM\nuuid: bogus\n"), err)

    def test_set(self):
        self.assertEqual(self.good("pool-param-set", self.pool), "")
        self.good("pool-param-set", self.pool, "name-label=a, b", "other-config:x=1 = 2")
        self.assertEqual(self.get("name-label"), "a, b")
        self.assertEqual(self.one("pool-list", "params=name-label", "--minimal"), "a\\, b")
        self.assertEqual(self.get("other-config", "param-key=x"), "1 = 2")
        self.bad(
            "Error: Key absent not found in map\n",
            *("pool-param-get", self.pool, "param-name=other-config", "param-key=absent"),
        )
        self.bad(
            "Error: Field 'power-state' is read-only.\n",
            *("vm-param-set", self.vm, "power-state=running"),
        )
        self.bad("Error: Unknown field 'bogus'\n", "vm-param-set", self.vm, "bogus=1")
        # Nothing is changed when one of several cannot be.
        self.bad(
            "Error: Unknown field 'bogus'\n",
            *("pool-param-set", self.pool, "name-label=other", "bogus=1"),
        )
        self.assertEqual(self.get("name-label"), "a, b")

    def test_sets_and_maps(self):
        self.good("pool-param-add", self.pool, "param-name=tags", "param-key=t1")
        self.good("pool-param-add", self.pool, "param-name=tags", "param-key=t2")
        self.assertEqual(sorted(self.get("tags").split("; ")), ["t1", "t2"])
        self.assertEqual(
            self.one("pool-list", "tags:contains=t2", "--minimal"), self.pool[len("uuid=") :]
        )
        self.good("pool-param-remove", self.pool, "param-name=tags", "param-key=t1")
        self.assertEqual(self.get("tags"), "t2")
        self.good("pool-param-clear", self.pool, "param-name=tags")
        self.assertEqual(self.get("tags"), "")
        self.good("pool-param-add", self.pool, "param-name=other-config", "b=2")
        self.assertIn("b: 2", self.get("other-config").split("; "))
        self.good("pool-param-remove", self.pool, "param-name=other-config", "param-key=b")
        self.bad(
            "Error: Key b is not in map\n",
            *("pool-param-remove", self.pool, "param-name=other-config", "param-key=b"),
        )
        self.bad(
            "Error: Can only add to parameters of type Set or Map\n",
            *("pool-param-add", self.pool, "param-name=name-label", "param-key=t9"),
        )


class Commands(Xe):
    """Those that are not every class's."""

    def test_unknown(self):
        self.bad("Unknown command: bogus\nFor usage run: 'xe help'\n", "bogus")
        self.bad("Syntax error: \nFor usage run: 'xe help'\n", "vm-list", "-x", "y")
        self.bad("Syntax error: \nFor usage run: 'xe help'\n")

    def test_help(self):
        self.assertTrue(
            self.good("help", "sr-create").startswith(
                "command name            : sr-create\n"
                "        reqd params     : name-label, type\n"
                "        optional params : name-description, host-uuid, device-config:, shared, "
                "physical-size, content-type, sm-config:\n        description     : "
            )
        )
        self.assertEqual(self.good("help", "bogus"), "Unknown command 'bogus'\n")
        self.assertIn("vm-start, ", self.good("help"))
        self.assertEqual(self.good("help", "--all"), self.good("help"))

    def test_vms(self):
        self.bad("Error: No matching VMs found\n", "vm-start", "uuid=bogus")
        self.bad("Error: No matching VMs found\n", "vm-start", "vm=bogus")
        self.bad("Error: Unknown field 'bogus'\n", "vm-start", "bogus")
        self.bad("Error: No templates matched\n", "vm-install", "template=b", "new-name-label=z")
        self.bad(
            "Required parameter not found: new-name-label\nFor usage run: 'xe help'\n",
            *("vm-clone", "uuid=bogus"),
        )

    def test_suspend(self):
        config = f"device-config:location={self.stack.dir / 'memories'}"
        sr = self.one("sr-create", "name-label=memories", "type=file", config)
        pool = self.one("pool-list", "--minimal")
        self.good("pool-param-set", f"uuid={pool}", f"suspend-image-SR={sr}")
        x = Session.of(self.env)
        which = "uuid=" + x("VM.get_uuid", x("VM.create", {**VM, "name_label": "sleeper"}))
        self.good("vm-start", which)
        self.good("vm-suspend", which)
        self.assertEqual(self.one("vm-param-get", which, "param-name=power-state"), "suspended")
        memory = self.one("vm-param-get", which, "param-name=suspend-VDI-uuid")
        self.assertEqual(self.one("vdi-param-get", f"uuid={memory}", "param-name=type"), "suspend")
        self.good("vm-resume", which)
        self.assertEqual(self.one("vm-param-get", which, "param-name=power-state"), "running")
        self.good("vm-suspend", which)
        self.good("vm-shutdown", which, "force=true")
        self.assertEqual(self.one("vm-param-get", which, "param-name=power-state"), "halted")
        self.assertEqual(self.good("vdi-list", "type=suspend", "--minimal").strip(), "")

    def test_snapshots(self):
        config = f"device-config:location={self.stack.dir / 'snapshots'}"
        sr = self.one("sr-create", "name-label=snapshots", "type=file", config)
        pool = self.one("pool-list", "--minimal")
        self.good("pool-param-set", f"uuid={pool}", f"suspend-image-SR={sr}")
        x = Session.of(self.env)
        vm = x("VM.get_uuid", x("VM.create", {**VM, "name_label": "kept"}))
        which = f"uuid={vm}"
        disk = self.one("vdi-create", f"sr-uuid={sr}", "name-label=d", "virtual-size=1MiB")
        self.one("vbd-create", f"vm-uuid={vm}", f"vdi-uuid={disk}", "device=0")
        whole = self.one("vm-snapshot", which, "new-name-label=whole", "new-name-description=x")
        bare = self.one(
            "vm-snapshot", which, "new-name-label=bare", f"ignore-vdi-uuids={disk}"
        )
        for uuid, disks in ((whole, 1), (bare, 0)):
            found = self.good("vbd-list", f"vm-uuid={uuid}", "--minimal").split()
            self.assertEqual(len(found), disks)
            self.assertIn(uuid, self.good("snapshot-list", "--minimal"))
        self.assertEqual(
            self.one("snapshot-param-get", f"uuid={whole}", "param-name=name-description"), "x"
        )
        self.good("vm-param-set", which, "PV-args=changed")
        self.good("snapshot-revert", f"snapshot-uuid={whole}")
        text = self.good("vm-param-get", which, "param-name=PV-args")
        self.assertEqual(text.strip(), "")
        self.good("vm-start", which)
        self.good("vm-vcpu-hotplug", which, "new-vcpus=2")
        checkpoint = self.one("vm-checkpoint", which, "new-name-label=memory")
        self.assertEqual(
            self.one("snapshot-param-get", f"uuid={checkpoint}", "param-name=power-state"),
            "suspended",
        )
        self.good("vm-call-plugin", f"vm-uuid={vm}", "plugin=guest-agent-operation",
                  "fn=request-rdp-on")
        self.good("snapshot-revert", f"uuid={checkpoint}")
        self.assertEqual(self.one("vm-param-get", which, "param-name=power-state"), "suspended")
        self.good("snapshot-destroy", f"uuid={bare}")
        for uuid in (whole, checkpoint):
            self.good("snapshot-uninstall", f"uuid={uuid}", "--force")
        self.assertEqual(self.good("snapshot-list", "--minimal").strip(), "")
        self.bad("Error: No snapshots matched\n", "snapshot-revert", which)
        self.good("vm-shutdown", which, "force=true")

    def test_hosts(self):
        host = self.one("host-list", "--minimal")
        self.good("host-disable", f"uuid={host}")
        self.assertEqual(self.one("host-param-get", f"uuid={host}", "param-name=enabled"), "false")
        self.good("host-enable")
        self.assertEqual(self.one("host-param-get", f"uuid={host}", "param-name=enabled"), "true")
        self.bad("Error: No matching hosts found\n", "host-enable", "host=nobody's")
        self.assertGreater(int(self.one("host-compute-free-memory")), 0)
        self.assertIn("simulated", self.good("host-dmesg", f"host={host}"))
        self.assertEqual(
            self.good("host-get-vms-which-prevent-evacuation", f"uuid={host}"), ""
        )
        self.good("host-set-hostname-live", f"host-uuid={host}", "host-name=renamed")
        self.assertEqual(
            self.one("host-param-get", f"uuid={host}", "param-name=hostname"), "renamed"
        )
        self.good("host-evacuate")
        self.good("pool-sync-database")
        status, _, err = self.xe("host-call-plugin", f"host-uuid={host}", "plugin=none", "fn=f")
        self.assertEqual(status, 1)
        self.assertIn("none", err)
        self.assertIn("name_label", self.good("host-data-source-list"))
        self.assertIn("memory_total_kib", self.good("host-data-source-list"))
        figure = self.one("host-data-source-query", "data-source=memory_total_kib")
        self.assertTrue(figure == "nan" or float(figure) > 0, figure)
        self.assertEqual(self.xe("host-data-source-query", "data-source=none")[0], 1)

    def test_callers_and_their_limits(self):
        caller = self.one("caller-create", "user-agent=slow/*", "name-label=slow")
        other = self.one("caller-create", "client-ip=192.0.2.1")
        limit = self.one("rate-limit-create", "burst-size=5", "fill-rate=0.5",
                         f"caller-uuids={caller},{other}")  # fmt: skip
        which = f"uuid={limit}"
        self.good("rate-limit-remove-caller", which, f"caller-uuid={other}")
        x = Session.of(self.env)
        refs = x("Rate_limit.get_callers", x("Rate_limit.get_by_uuid", limit))
        self.assertEqual([x("Caller.get_uuid", ref) for ref in refs], [caller])
        self.good("rate-limit-add-caller", which, f"caller-uuid={other}")
        self.good("rate-limit-param-set", which, "burst-size=7", "fill-rate=2.5")
        self.assertEqual(
            float(self.one("rate-limit-param-get", which, "param-name=fill-rate")), 2.5
        )
        self.good("caller-param-add", f"uuid={caller}", "param-name=groups", "param-key=ours")
        groups = ("caller-param-get", f"uuid={caller}", "param-name=groups")
        self.assertEqual(self.one(*groups), "ours")
        unused = "tokens: 0.000\ncalls: 0\n"
        self.assertEqual(self.good("caller-query-usage", "group=ours"), unused)
        self.assertEqual(self.good("caller-query-usage", f"uuid={other}"), unused)
        self.assertEqual(self.xe("caller-query-usage")[0], 1)
        rows = self.good("caller-list-usage")
        self.assertIn(caller, rows)
        self.assertIn("slow", rows)
        self.good("caller-param-remove", f"uuid={caller}", "param-name=groups", "param-key=ours")
        self.assertEqual(self.good(*groups).strip(), "")
        self.assertEqual(self.xe("rate-limit-create", "burst-size=x", "fill-rate=1")[0], 1)
        self.good("rate-limit-destroy", which)
        for uuid in (caller, other):
            self.good("caller-destroy", f"uuid={uuid}")
        self.assertEqual(self.good("caller-list", "--minimal").strip(), "")

    def test_what_is_one_message(self):
        """Arguments of each type become parameters, and each kind of answer is printed."""
        x = Session.of(self.env)
        vm = x("VM.get_uuid", x("VM.create", {**VM, "name_label": "one message"}))
        which = f"uuid={vm}"
        self.good("vm-memory-set", which, "memory=300MiB")
        self.assertEqual(
            self.one("vm-param-get", which, "param-name=memory-static-max"), str(300 << 20)
        )
        self.good("vm-memory-dynamic-range-set", which, "min=290MiB", "max=295MiB")
        self.good("vm-memory-target-set", which, "target=280MiB")
        for field in ("memory-dynamic-min", "memory-dynamic-max"):
            self.assertEqual(
                self.one("vm-param-get", which, f"param-name={field}"), str(280 << 20)
            )
        self.assertGreater(int(self.one("vm-compute-memory-overhead", which)), 0)
        most = ("vm-compute-maximum-memory", which, "total=1GiB")
        self.assertGreater(int(self.one(*most)), int(self.one(*most, "approximate=true")))
        self.bad("Error: No matching VMs found\n", "vm-memory-set", "memory=1", "name-label=none")
        self.assertEqual(self.xe("vm-memory-set", which)[0], 1)
        self.good("host-set-power-on-mode", "power-on-mode=none", "power-on-config:a=b")
        host = self.one("host-list", "--minimal")
        config = ("param-name=power-on-config", "param-key=a")
        self.assertEqual(self.one("host-param-get", f"uuid={host}", *config), "b")
        secret = self.one("secret-create", "value=hidden")
        self.assertEqual(
            self.one("secret-param-get", f"uuid={secret}", "param-name=value"), "hidden"
        )
        self.good("secret-destroy", f"uuid={secret}")
        self.assertNotIn(secret, self.good("secret-list", "--minimal"))
        self.assertEqual(self.good("session-subject-identifier-list"), "")
        controller = self.one("sdn-controller-introduce", "address=192.0.2.7", "tcp-port=6633")
        self.assertEqual(
            self.good("sdn-controller-list"),
            f"uuid ( RO)        : {controller}\n    protocol ( RO): ssl\n"
            "     address ( RO): 192.0.2.7\n        port ( RO): 6633\n\n\n",
        )
        self.good("sdn-controller-forget", f"uuid={controller}")
        self.assertEqual(self.good("sdn-controller-list"), "")

    def test_disks_and_how_hosts_reach_them(self):
        place = self.stack.dir / "copies"
        config = f"device-config:location={place}"
        sr = self.one("sr-create", "name-label=copies", "type=file", config)
        disk = self.one("vdi-create", f"sr-uuid={sr}", "name-label=d", "virtual-size=1MiB")
        snapshot = self.one("vdi-snapshot", f"uuid={disk}")
        self.assertEqual(
            self.one("vdi-param-get", f"uuid={snapshot}", "param-name=snapshot-of"), disk
        )
        for more in ((), ("--progress",)):
            status, out, _ = self.xe("vdi-copy", f"uuid={disk}", f"sr-uuid={sr}", *more)
            self.assertEqual(status, 0)
            self.assertRegex(out.strip(), UUID)
        self.assertEqual(len(self.one("vdi-list", f"sr-uuid={sr}", "--minimal").split(",")), 4)
        pbd = self.one("pbd-list", f"sr-uuid={sr}", "--minimal")
        self.good("pbd-unplug", f"uuid={pbd}")
        self.good("sr-forget", f"uuid={sr}")
        again = self.one("sr-introduce", f"uuid={sr}", "name-label=again", "type=file")
        self.assertEqual(again, sr)
        host = self.one("host-list", "--minimal")
        pbd = self.one("pbd-create", f"host-uuid={host}", f"sr-uuid={sr}", config)
        self.good("pbd-plug", f"uuid={pbd}")
        self.good("sr-scan", f"uuid={sr}")
        self.assertEqual(len(self.one("vdi-list", f"sr-uuid={sr}", "--minimal").split(",")), 4)

    def test_drives(self):
        place = self.stack.dir / "isos"
        place.mkdir()
        for name in ("a.iso", "b.iso"):
            (place / name).write_bytes(bytes(4096))
        config = f"device-config:location={place}", "device-config:legacy_mode=true"
        sr = self.one("sr-create", "name-label=isos", "type=iso", "content-type=iso", *config)
        self.assertEqual(len(self.one("cd-list", "--minimal").split(",")), 2)
        self.assertEqual(self.good("cd-list", "params=name-label").count(".iso\n"), 2)
        x = Session.of(self.env)
        vm = x("VM.get_uuid", x("VM.create", {**VM, "name_label": "drives"}))
        which = f"uuid={vm}"
        self.bad("Error: No CDs found\n", "vm-cd-eject", which)
        self.bad("Error: CD c.iso not found!\n", "vm-cd-add", which, "cd-name=c.iso", "device=3")
        self.good("vm-cd-add", which, "cd-name=a.iso", "device=3")
        self.assertIn("name-label ( RW): a.iso\n", self.good("vm-cd-list", which))
        self.good("vm-cd-eject", which)
        text = self.good("vm-cd-list", which)
        self.assertRegex(text, r"^CD 0 VBD:\nuuid \( RO\) +: [0-9a-f-]+\n")
        self.assertIn("            empty ( RO): true\n", text)
        self.assertNotIn("VDI", text)
        self.good("vm-cd-insert", which, "cd-name=b.iso")
        self.assertIn("b.iso", self.good("vm-cd-list", which, "vdi-params=name-label"))
        self.bad("Error: CD a.iso not found!\n", "vm-cd-remove", which, "cd-name=a.iso")
        self.good("vm-cd-remove", which, "cd-name=b.iso")
        self.assertEqual(self.good("vm-cd-list", which), "")
        self.disks(which)
        self.good("pbd-unplug", f"uuid={self.one('pbd-list', f'sr-uuid={sr}', '--minimal')}")
        self.good("sr-forget", f"uuid={sr}")

    def disks(self, which):
        """More of them, and fewer."""
        config = f"device-config:location={self.stack.dir / 'disks'}"
        sr = self.one("sr-create", "name-label=disks", "type=file", config)
        more = ("vm-disk-add", which, "disk-size=1MiB", f"sr-uuid={sr}")
        self.good(*more, "device=0")
        self.assertEqual(self.xe(*more, "device=0")[0], 1)  # and its disk is not left there
        vbd, vdi = self.one("vm-disk-list", which, "--minimal").split(",")
        self.assertEqual(self.one("vdi-list", f"sr-uuid={sr}", "--minimal"), vdi)
        self.assertEqual(
            self.good("vm-disk-list", which, "vbd-params=uuid", "vdi-params=uuid"),
            f"Disk 0 VBD:\nuuid ( RO)    : {vbd}\n\n\nDisk 0 VDI:\nuuid ( RO)    : {vdi}\n\n\n",
        )
        self.good("vm-disk-remove", which, "device=0")
        self.bad("Error: Disk not found: 0\n", "vm-disk-remove", which, "device=0")
        self.assertEqual(self.good("vdi-list", f"sr-uuid={sr}", "--minimal").strip(), "")

    def test_nonsense_is_refused(self):
        """By every command that needs to be told which object it is about."""
        tried = 0
        for command in self.one("help", "--minimal").split(","):
            needed = re.search(r"reqd params     : (.+)", self.good("help", command))
            if not needed or "uuid" not in needed[1] or "filename" in needed[1]:
                continue
            values = [f"{key}=\u2603" for key in needed[1].split(", ")]
            status, _, err = self.xe(command, *values)
            self.assertEqual((status, err != ""), (1, True), command)
            tried += 1
        self.assertGreater(tried, 40)

    def test_subjects(self):
        subject = self.one("subject-add", "subject-name=ann")
        self.assertRegex(subject, UUID)
        self.assertEqual(
            self.one("subject-param-get", f"uuid={subject}", "param-name=subject-identifier"), "ann"
        )
        self.good("subject-role-add", f"uuid={subject}", "role-name=vm-admin")
        self.good("subject-role-remove", f"uuid={subject}", "role-name=pool-admin")
        self.assertEqual(
            self.xe("subject-role-remove", f"uuid={subject}", "role-name=pool-admin")[0], 1
        )
        self.assertEqual(
            self.xe("subject-role-add", f"uuid={subject}", "role-name=pilot"),
            (1, "", "Error: There is no role 'pilot'\n"),
        )
        self.good("subject-remove", f"subject-uuid={subject}")
        self.assertEqual(self.good("subject-list", "--minimal").strip(), "")

    def test_appliances(self):
        appliance = self.one("appliance-create", "name-label=both")
        self.assertEqual(self.xe("appliance-start", f"uuid={appliance}")[0], 1)
        vm = self.one("vm-install", "template=Other install media", "new-name-label=member")
        self.good("vm-param-set", f"uuid={vm}", f"appliance={appliance}")
        self.good("appliance-start", f"uuid={appliance}", "paused=true")
        self.assertEqual(
            self.one("vm-param-get", f"uuid={vm}", "param-name=power-state"), "paused"
        )
        self.good("appliance-shutdown", f"uuid={appliance}", "--force")
        self.assertEqual(
            self.one("vm-param-get", f"uuid={vm}", "param-name=power-state"), "halted"
        )
        self.good("appliance-destroy", f"uuid={appliance}")
        self.good("vm-uninstall", f"uuid={vm}", "--force")

    def test_sizes(self):
        self.bad(
            "Error: virtual-size: '1zz' is no size (bytes, KiB, MiB, GiB, TiB)\n",
            *("vdi-create", "sr-uuid=x", "name-label=x", "virtual-size=1zz"),
        )

    def test_event_wait(self):
        vm = self.one("vm-list", "is-control-domain=true", "--minimal")
        self.good("event-wait", "class=vm", f"uuid={vm}", "power-state=running")
        self.good("event-wait", "class=vm", f"uuid={vm}", "power-state=/=halted")
        self.bad("Error: Unknown class 'bogus'\n", "event-wait", "class=bogus")


class Transports(Xe):
    """Where it goes to, and as whom."""

    def login(self, *more):
        user, password = self.env["XAPI_USER"], self.env["XAPI_PASSWORD"]
        return ("-s", "localhost", "-u", user, "-pw", password, *more)

    def test_tcp_and_tls(self):
        host = self.one("host-list", "--minimal")
        plain = self.login("-p", self.port, "--nossl", "host-list", "--minimal")
        self.assertEqual(self.good(*plain, local=False), host + "\n")
        tls = self.login("-p", self.tls_port, "host-list", "--minimal")
        self.assertEqual(self.good(*tls, local=False), host + "\n")

    def test_password_file(self):
        path = self.stack.dir / "password"
        path.write_text(f"{self.env['XAPI_USER']}\n{self.env['XAPI_PASSWORD']}\n")
        args = ("-s", "localhost", "-p", self.port, "--nossl", "-pwf", path)
        self.assertRegex(self.good(*args, "host-list", "--minimal", local=False), UUID)

    def test_wrong_password(self):
        args = ("-s", "localhost", "-p", self.port, "--nossl", "-u", "root", "-pw", "wrong")
        status, out, err = self.xe(*args, "host-list", local=False)
        self.assertEqual((status, out), (1, ""))
        self.assertIn("password", err)

    def test_nobody_there(self):
        status, out, err = self.xe("--socket", self.stack.dir / "none", "host-list")
        self.assertEqual((status, out), (1, ""))
        self.assertIn("No such file", err)

    def test_sessions_end(self):
        """A command leaves no session behind."""
        before = self.one("host-list", "--minimal")
        for _ in range(3):
            self.assertEqual(self.one("host-list", "--minimal"), before)
        log = (self.stack.dir / "log" / "xapid.log").read_text()
        self.assertEqual(
            len(re.findall("session.login_with_password .*result=ok", log)),
            len(re.findall("session.logout .*result=ok", log)),
        )


GREETING = b"XenSource thin CLI protocol" + struct.pack("<ii", 0, 2)


class Protocol(Xe):
    """The bytes, by a raw socket."""

    def send(self, body, greeting=GREETING):
        s = socket.socket(socket.AF_UNIX)
        self.addCleanup(s.close)
        s.settimeout(HANG)
        s.connect(str(self.stack.dir / "run" / "xapi"))
        head = f"POST /cli HTTP/1.0\r\ncontent-length: {len(body)}\r\n\r\n"
        s.sendall(head.encode() + body + greeting)
        whole = b""
        while piece := s.recv(65536):
            whole += piece
        return whole

    def frames(self, whole):
        self.assertTrue(whole.startswith(GREETING), whole)
        whole = whole[len(GREETING) :]
        while whole:
            (n,) = struct.unpack_from("<i", whole)
            yield whole[4 : 4 + n]
            whole = whole[4 + n :]

    def test_frames(self):
        for end in (b"\n", b"\r\n"):
            frames = list(self.frames(self.send(end.join([b"host-list", b"--minimal", b""]))))
            text = self.one("host-list", "--minimal").encode()
            self.assertEqual(
                frames,
                [
                    struct.pack("<iii", 9, 0, len(text)) + text,
                    struct.pack("<iii", 9, 4, 0),
                ],
            )

    def test_other_greetings(self):
        self.assertEqual(
            self.send(b"host-list\n", b"XenSource thin CLI protocol" + struct.pack("<ii", 1, 2)),
            GREETING,
        )
        self.assertEqual(self.send(b"host-list\n", b"x" * len(GREETING)), GREETING)

    def test_too_large(self):
        self.assertIn(b"413", self.send(b"x" * (200 * 1024 + 1), b"")[:20])


if __name__ == "__main__":
    unittest.main()
