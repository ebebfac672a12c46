# SPDX-License-Identifier: LGPL-2.1-or-later
"""What is set of VMs, disks and SRs by messages of their own, and read again."""

import socket
import unittest
import urllib.parse

from jsonrpc import Client
from pool import MIB, VM, Case
from stack import Stack, free_port
from xenapi import HANG, Failure


class Settings(Case):
    def setUp(self):
        self.stack = Stack(self, "--port", str(free_port()))
        self.sr_folder = self.stack.dir / "sr"
        self.connect(self.stack.env())

    def memory(self, vm):
        names = ("static_min", "dynamic_min", "dynamic_max", "static_max")
        return [int(self.x(f"VM.get_memory_{name}", vm)) // MIB for name in names]

    def set_memory(self, vm, message, *mibs):
        self.x(f"VM.set_memory{message}", vm, *(str(mib * MIB) for mib in mibs))
        return self.memory(vm)

    def test_memory(self):
        vm = self.make_vm()
        self.assertEqual(self.memory(vm), [128, 256, 256, 256])
        self.assertEqual(self.set_memory(vm, "_limits", 64, 512, 128, 384), [64, 128, 384, 512])
        self.assertEqual(self.set_memory(vm, "_dynamic_range", 96, 400), [64, 96, 400, 512])
        self.assertEqual(self.set_memory(vm, "_dynamic_min", 100), [64, 100, 400, 512])
        self.assertEqual(self.set_memory(vm, "_static_range", 32, 1024), [32, 100, 400, 1024])
        self.assertEqual(self.set_memory(vm, "_static_max", 600), [32, 100, 400, 600])
        self.assertEqual(self.set_memory(vm, "", 300)[1:], [300, 300, 300])
        self.fails("MEMORY_CONSTRAINT_VIOLATION", "VM.set_memory_dynamic_min", vm, str(900 * MIB))

    def test_a_vm(self):
        vm = self.make_vm()
        self.x("VM.set_VCPUs_max", vm, "4")
        self.x("VM.set_VCPUs_at_startup", vm, "3")
        self.assertEqual(self.x("VM.get_VCPUs_max", vm), "4")
        self.assertEqual(self.x("VM.get_VCPUs_at_startup", vm), "3")
        self.x("VM.set_HVM_boot_policy", vm, "BIOS order")
        self.assertEqual(self.x("VM.get_HVM_boot_policy", vm), "BIOS order")
        self.x("VM.set_domain_type", vm, "hvm")
        self.assertEqual(self.x("VM.get_domain_type", vm), "hvm")
        self.assertIn("0", self.x("VM.get_allowed_VIF_devices", vm))

    def console(self, vm):
        """A client's session with it: the connection, and what it was answered."""
        url = urllib.parse.urlsplit(self.x.url)
        s = socket.create_connection((url.hostname, url.port), HANG)
        self.addCleanup(s.close)
        head = f"CONNECT /console?ref={vm}&session_id={self.x.ref} HTTP/1.1\r\n\r\n"
        s.sendall(head.encode())
        return s, int(s.recv(12).split()[1])

    def test_sessions_with_consoles(self):
        pool = self.x("pool.get_all")[0]
        one, other = self.make_vm(), self.make_vm()
        for vm in (one, other):
            self.x("VM.start", vm, False, False)
            self.until(lambda vm=vm: self.x("VM.get_consoles", vm), "a console")
        first, status = self.console(one)
        self.assertEqual(status, 200)
        self.x("pool.set_limit_console_sessions", pool, True)
        self.assertEqual(self.console(one)[1], 429)
        self.assertEqual(self.console(other)[1], 200)
        first.close()
        self.until(lambda: self.console(one)[1] == 200, "that it is free")
        self.x("pool.set_limit_console_sessions", pool, False)
        self.x("pool.set_vm_console_idle_timeout", pool, "1")
        idle, status = self.console(one)
        self.assertEqual(status, 200)
        while idle.recv(4096):
            pass

    def test_what_is_told_of_a_pool(self):
        pool = self.x("pool.get_all")[0]
        self.fails("WLB_NOT_INITIALIZED", "pool.set_wlb_enabled", pool, True)
        self.x("pool.set_wlb_enabled", pool, False)
        self.assertIs(self.x("pool.get_wlb_enabled", pool), False)
        self.x("pool.set_wlb_verify_cert", pool, True)
        self.assertIs(self.x("pool.get_wlb_verify_cert", pool), True)
        self.assertIn("eject", self.x("pool.get_allowed_operations", pool))
        for pif in self.x("PIF.get_all"):
            self.x("PIF.set_disallow_unplug", pif, True)
            self.assertIs(self.x("PIF.get_disallow_unplug", pif), True)
        sr = self.make_sr()
        blob = self.x("SR.create_new_blob", sr, "notes", "text/plain", False)
        self.assertEqual(self.x("SR.get_blobs", sr), {"notes": blob})

    def test_messages_are_destroyed(self):
        uuid = self.x("pool.get_uuid", self.x("pool.get_all")[0])
        for priority in (1, 2, 3, 3):
            self.x("message.create", "NAME", str(priority), "Pool", uuid, "body")

        def left():
            records = self.x("message.get_all_records").values()
            return sorted(int(r["priority"]) for r in records if r["name"] == "NAME")

        for filters in ({"sort": "1"}, {"priority": "high"}, {"before": "yesterday"}):
            self.fails("INVALID_VALUE", "message.destroy_all", filters)
        self.x("message.destroy_all", {"before": "20200101T00:00:00Z"})
        self.x("message.destroy_all", {"after": "2100-01-01T00:00:00Z", "priority": "3"})
        self.assertEqual(left(), [1, 2, 3, 3])
        self.x("message.destroy_all", {"priority": "3"})
        self.assertEqual(left(), [1, 2])
        self.x("message.destroy_all", {"after": "20200101T00:00:00Z"})
        self.assertEqual(left(), [])

    def test_operations(self):
        vm = self.make_vm()
        self.x("VM.assert_operation_valid", vm, "start")
        self.fails("VM_BAD_POWER_STATE", "VM.assert_operation_valid", vm, "pause")
        self.x("VM.assert_can_boot_here", vm, self.host)
        self.x("VM.add_to_blocked_operations", vm, "start", "because")
        self.fails("OPERATION_BLOCKED", "VM.start", vm, False, False)
        self.x("VM.remove_from_blocked_operations", vm, "start")
        for value in ({"fly": "because"}, {"start": "", "": "because"}):
            self.fails("INVALID_VALUE", "VM.set_blocked_operations", vm, value)
            with self.assertRaisesRegex(Failure, "is none of: snapshot, clone"):
                self.x.json("VM.set_blocked_operations", vm, value)
            self.fails("INVALID_VALUE", "VM.create", {**VM, "blocked_operations": value})
        self.assertEqual(self.x("VM.get_blocked_operations", vm), {})
        self.x("VM.start", vm, False, False)
        self.fails("DOMAIN_EXISTS", "VM.power_state_reset", vm)
        self.assertEqual(self.state(vm), "Running")

    def test_devices_by_force(self):
        vm = self.make_whole_vm()
        self.x("VM.start", vm, False, False)
        for kind, device in (("VBD", self.vbd), ("VIF", self.vif)):
            self.x(f"{kind}.unplug_force", device)
            self.assertIs(self.x(f"{kind}.get_currently_attached", device), False)
        self.x("VBD.plug", self.vbd)
        self.x("VBD.unplug_force_no_safety_check", self.vbd)
        self.assertIs(self.x("VBD.get_currently_attached", self.vbd), False)
        self.fails("DEVICE_ALREADY_DETACHED", "VBD.unplug_force_no_safety_check", self.vbd)

    def test_disks_and_srs(self):
        sr = self.make_sr()
        vdi = self.make_vdi(sr)
        for field in ("name_label", "name_description"):
            self.x(f"VDI.set_{field}", vdi, f"new {field}")
            self.assertEqual(self.x(f"VDI.get_{field}", vdi), f"new {field}")
            self.x(f"SR.set_{field}", sr, f"of the SR {field}")
            self.assertEqual(self.x(f"SR.get_{field}", sr), f"of the SR {field}")
        self.x("SR.update", sr)
        self.assertIn("file", self.x("SR.get_supported_types"))

        for field in ("read_only", "sharable"):
            for value in (True, False):
                self.x(f"VDI.set_{field}", vdi, value)
                self.assertIs(self.x(f"VDI.get_{field}", vdi), value)
            self.fails("HANDLE_INVALID", f"VDI.set_{field}", "OpaqueRef:none", True)

        # It is forgotten with its disks, and comes back with them.
        uuids = self.x("SR.get_uuid", sr), self.x("VDI.get_uuid", vdi)
        (pbd,) = self.x("SR.get_PBDs", sr)
        config = self.x("PBD.get_device_config", pbd)
        self.x("PBD.unplug", pbd)
        self.x("PBD.destroy", pbd)
        self.x("SR.forget", sr)
        self.fails("HANDLE_INVALID", "VDI.get_record", vdi)
        args = uuids[0], "again", "", "file", "user", False, {}
        self.fails("INVALID_VALUE", "SR.introduce", "no uuid", *args[1:])
        again = self.x("SR.introduce", *args)
        record = {"SR": again, "host": self.host, "device_config": config, "other_config": {}}
        self.x("PBD.plug", self.x("PBD.create", record))
        self.x("SR.scan", again)
        self.assertEqual(self.x("VDI.get_SR", self.x("VDI.get_by_uuid", uuids[1])), again)

    def test_connections(self):
        sr = self.make_sr()
        (pbd,) = self.x("SR.get_PBDs", sr)
        config = self.x("PBD.get_device_config", pbd)
        self.fails("OPERATION_NOT_ALLOWED", "PBD.set_device_config", pbd, config)
        self.x("PBD.unplug", pbd)
        self.x("PBD.set_device_config", pbd, {**config, "more": "x"})
        self.assertEqual(self.x("PBD.get_device_config", pbd), {**config, "more": "x"})
        self.fails("HANDLE_INVALID", "PBD.set_device_config", "OpaqueRef:none", config)

    def test_bridges(self):
        """They are there before anybody is plugged."""
        networks = [
            self.x("network.create", {"name_label": name, "other_config": {}}) for name in "ab"
        ]
        vm = self.make_vm()
        self.make_vif(vm, networks[1])
        self.x("network.attach", networks[0], self.host)
        self.assertEqual(self.bridges(networks), [True, False])
        self.x("network.attach_for_vm", self.host, vm)
        self.assertEqual(self.bridges(networks), [True, True])
        self.fails("HANDLE_INVALID", "network.attach", "OpaqueRef:none", self.host)
        self.fails("HANDLE_INVALID", "network.attach_for_vm", self.host, "OpaqueRef:none")

    def bridges(self, networks):
        with Client(self.stack.socket("networkd")) as networkd:
            there = {bridge["bridge"] for bridge in networkd.call("Bridge.list")}
        return [self.x("network.get_bridge", network) in there for network in networks]

    def test_the_rest(self):
        self.x("secret.destroy", self.x("secret.create", {"value": "x", "other_config": {}}))
        self.assertEqual(self.x("secret.get_all"), [])
        (pool,) = self.x("pool.get_all")
        args = "NAME", "3", "Pool", self.x("pool.get_uuid", pool), "body"
        self.x("message.destroy_many", [self.x("message.create", *args) for _ in range(2)])
        self.assertEqual(self.x("message.get_all"), [])
        self.assertEqual(self.x("session.get_all_subject_identifiers"), [])
        before = int(self.x("event.get_current_id"))
        self.x("pool.set_name_label", pool, "new")
        self.assertGreater(int(self.x("event.get_current_id")), before)


if __name__ == "__main__":
    unittest.main()
