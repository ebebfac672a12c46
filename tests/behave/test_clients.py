# SPDX-License-Identifier: LGPL-2.1-or-later
"""Clients that nobody here wrote, on one host at once: what one does, another sees."""

import os
import signal
import time
import unittest

import making
from foreign import XenApi, fence
from stack import Stack, free_port
from xenapi import HANG, NULL, Failure, Session

# Classes that can be listed no more: they answer MESSAGE_REMOVED.
REMOVED = {"VBD_metrics", "VIF_metrics", "VMPP"}


class Case(unittest.TestCase):
    def setUp(self):
        self.stack = Stack(self, "--backend", "simulator", "--port", free_port())
        self.python = Session.of(self.stack)
        self.login = (self.python.url, *self.python.account)
        making.wait_for_drivers(self.python)

    def connect(self):
        """Both of xen-api's transports."""
        self.json = XenApi(self, *self.login, "json-rpc")
        self.xml = XenApi(self, *self.login, "xml-rpc")

    def fails(self, description, call, *args):
        with self.assertRaises(Failure) as caught:
            call(*args)
        self.assertEqual(list(caught.exception.args), description)

    def everybody_sees(self, vm, power_state):
        for client in (self.json, self.xml):
            client.until(vm, {"power_state": power_state})
        self.assertEqual(self.python("VM.get_power_state", vm), power_state)

    def make_vm(self, name, **changes):
        """One with a disk and a NIC."""
        sr = making.make_sr(self.python, self.stack.dir / "sr")
        vm = making.make_vm(self.python, name, **changes)
        making.make_vbd(self.python, vm, making.make_vdi(self.python, sr), "0")
        making.make_vif(self.python, vm, making.make_network(self.python))
        return vm


class Life(Case):
    def test_from_a_template_to_its_end(self):
        template = self.make_vm("a template", is_a_template=True)
        self.connect()
        (pool,) = self.python("pool.get_all_records").values()
        self.assertEqual(pool["uuid"], self.json.pool_uuid)
        self.assertEqual(pool["uuid"], self.xml.pool_uuid)
        vm = self.json.callAsync("VM.clone", template, "a clone")
        self.json.call("VM.provision", vm)
        seen = self.xml.until(vm, {"name_label": "a clone", "is_a_template": False})
        self.assertEqual(seen["uuid"], self.python("VM.get_uuid", vm))
        self.start_and_pause(vm)
        self.reboot_and_stop(vm)
        vdi = self.devices(vm)[0]["VDI"]
        self.json.callAsync("VM.destroy", vm)
        self.xml.until(vm, None)
        self.json.until(vm, None)
        for call in (self.python, self.json.call, self.xml.call, self.xml.callAsync):
            self.fails(["HANDLE_INVALID", "VM", vm], call, "VM.start", vm, False, False)
        self.xml.call("VDI.destroy", vdi)
        self.json.until(vdi, None)
        self.fails(["HANDLE_INVALID", "VDI", vdi], self.python, "VDI.get_record", vdi)

    def devices(self, vm):
        """Its disk and its NIC, as the three clients have them."""
        found = []
        record = self.python("VM.get_record", vm)
        for cls in ("VBD", "VIF"):
            (ref,) = record[f"{cls}s"]
            device = self.python(f"{cls}.get_record", ref)
            for client in (self.json, self.xml):
                client.until(ref, {"currently_attached": device["currently_attached"]})
                self.assertEqual(client.cached(ref)["uuid"], device["uuid"])
            found.append(device)
        return found

    def start_and_pause(self, vm):
        self.xml.callAsync("VM.start", vm, False, False)
        self.everybody_sees(vm, "Running")
        running = ["VM_BAD_POWER_STATE", vm, "halted", "running"]
        for client in (self.json, self.xml):
            for call in (client.call, client.callAsync):
                self.fails(running, call, "VM.start", vm, False, False)
        self.fails(running, self.python, "VM.start", vm, False, False)
        (host,) = self.python("host.get_all")
        self.assertEqual(self.json.cached(vm)["resident_on"], host)
        self.assertEqual([d["currently_attached"] for d in self.devices(vm)], [True, True])
        self.python("VM.pause", vm)
        self.everybody_sees(vm, "Paused")
        paused = ["VM_BAD_POWER_STATE", vm, "running", "paused"]
        self.fails(paused, self.xml.callAsync, "VM.pause", vm)
        self.json.call("VM.unpause", vm)
        self.everybody_sees(vm, "Running")

    def reboot_and_stop(self, vm):
        domid = self.python("VM.get_domid", vm)
        for client, call in ((self.xml, "VM.clean_reboot"), (self.json, "VM.hard_reboot")):
            client.callAsync(call, vm)
            self.everybody_sees(vm, "Running")
            self.assertNotEqual(self.python("VM.get_domid", vm), domid)
            domid = self.python("VM.get_domid", vm)
        self.python("VM.clean_shutdown", vm)
        self.everybody_sees(vm, "Halted")
        self.assertEqual([d["currently_attached"] for d in self.devices(vm)], [False, False])
        self.assertEqual(self.xml.cached(vm)["resident_on"], NULL)
        halted = ["VM_BAD_POWER_STATE", vm, "running", "halted"]
        self.fails(halted, self.json.callAsync, "VM.clean_shutdown", vm)
        self.json.call("VM.start", vm, True, False)
        self.everybody_sees(vm, "Paused")
        self.xml.call("VM.hard_shutdown", vm)
        self.everybody_sees(vm, "Halted")


class Devices(Case):
    def test_they_come_and_go_while_the_vm_runs(self):
        vm = self.make_vm("a vm")
        self.connect()
        self.json.call("VM.start", vm, False, False)
        sr = self.python("VDI.get_SR", self.python("VDI.get_all")[0])
        vdi = making.make_vdi(self.xml.call, sr)
        vbd = making.make_vbd(self.json.call, vm, vdi, "1")
        self.xml.until(vbd, {"currently_attached": False, "VDI": vdi, "VM": vm})
        self.xml.callAsync("VBD.plug", vbd)
        self.json.until(vbd, {"currently_attached": True, "device": "xvdb"})
        self.assertEqual(sorted(self.json.barrier(vm)["VBDs"]), sorted(self.xml.cached(vm)["VBDs"]))
        self.fails(["DEVICE_ALREADY_ATTACHED", vbd], self.python, "VBD.plug", vbd)
        self.python("VBD.unplug", vbd)
        self.xml.until(vbd, {"currently_attached": False})
        self.json.call("VBD.destroy", vbd)
        self.xml.until(vbd, None)
        network = self.python("network.get_all")[0]
        vif = making.make_vif(self.xml.call, vm, network, "1", "02:00:00:00:00:07")
        self.json.until(vif, {"MAC": "02:00:00:00:00:07", "currently_attached": False})
        self.json.callAsync("VIF.plug", vif)
        self.xml.until(vif, {"currently_attached": True})
        self.python("VIF.unplug", vif)
        self.xml.call("VIF.destroy", vif)
        self.json.until(vif, None)
        self.json.callAsync("VM.hard_shutdown", vm)
        self.everybody_sees(vm, "Halted")


class Fence(Case):
    def agent(self, action, *plug):
        code, text = fence(*self.login, action, *plug)
        return code, text.splitlines()[-1] if text else ""

    def test_it_stops_starts_and_reboots(self):
        vm = self.make_vm("a vm")
        self.connect()
        self.assertEqual(self.agent("status", "a vm"), (2, "Status: OFF"))
        self.assertEqual(self.agent("on", "a vm"), (0, "Success: Powered ON"))
        self.everybody_sees(vm, "Running")
        self.assertEqual(self.agent("status", "a vm"), (0, "Status: ON"))
        domid = self.python("VM.get_domid", vm)
        self.assertEqual(self.agent("reboot", "a vm"), (0, "Success: Rebooted"))
        self.everybody_sees(vm, "Running")
        self.assertNotEqual(self.python("VM.get_domid", vm), domid)
        uuid = self.python("VM.get_uuid", vm)
        self.assertEqual(self.agent("off", uuid), (0, "Success: Powered OFF"))
        self.everybody_sees(vm, "Halted")
        code, text = fence(*self.login, "list")
        self.assertEqual((code, text.splitlines()), (0, [f"{uuid},a vm"]))

    def test_a_wrong_password_and_an_unknown_vm(self):
        code, text = fence(self.login[0], self.login[1], "wrong", "status", "a vm")
        self.assertEqual(code, 1, text)
        self.assertEqual(self.agent("status", "no such vm")[0], 1)


class Errors(Case):
    def test_as_each_client_is_told(self):
        self.connect()
        url, user, _ = self.login
        refused = ["SESSION_AUTHENTICATION_FAILED", user]
        for transport in ("json-rpc", "xml-rpc"):
            with self.assertRaises(Failure) as caught:
                XenApi(self, url, user, "wrong", transport)
            self.assertEqual(list(caught.exception.args)[:2], refused)
        nobody = "OpaqueRef:00000000-0000-0000-0000-000000000000"
        vm = self.python("VM.get_all")[0]
        for call in (self.python, self.json.call, self.xml.call):
            self.fails(["HANDLE_INVALID", "VM", nobody], call, "VM.get_record", nobody)
            self.fails(["UUID_INVALID", "VM", "nope"], call, "VM.get_by_uuid", "nope")
            self.fails(["MESSAGE_METHOD_UNKNOWN", "VM.fly"], call, "VM.fly", vm)
            mismatch = ["MESSAGE_PARAMETER_COUNT_MISMATCH", "VM.get_uuid", "1", "2"]
            self.fails(mismatch, call, "VM.get_uuid", vm, "more")

    def test_a_session_that_has_ended(self):
        self.connect()
        ref = self.python.ref
        self.python("session.logout")
        self.fails(["SESSION_INVALID", ref], self.python, "VM.get_all")
        self.python.login()
        vm = self.make_vm("a vm")
        for client in (self.json, self.xml):
            old = client.session()
            self.python.plain("session.logout", old)
            # xen-api logs in anew by itself, fetches everything, and has events again.
            self.assertEqual(client.call("VM.get_name_label", vm), "a vm")
            self.assertNotEqual(client.session(), old)
            self.python("VM.set_name_label", vm, f"seen by {old}")
            client.until(vm, {"name_label": f"seen by {old}"})
            self.python("VM.set_name_label", vm, "a vm")


class Cache(Case):
    def test_xen_api_edits_maps_and_sets(self):
        vm = self.make_vm("a vm")
        self.connect()
        self.json.setFieldEntry("VM", vm, "other_config", "key", "one")
        self.json.setFieldEntry("VM", vm, "other_config", "key", "two")
        self.assertEqual(self.python("VM.get_other_config", vm)["key"], "two")
        self.xml.setFieldEntry("VM", vm, "other_config", "key", None)
        self.assertNotIn("key", self.json.barrier(vm)["other_config"])
        self.python("VM.add_tags", vm, "a tag")
        self.assertEqual(self.json.barrier(vm)["tags"], ["a tag"])
        self.assertEqual(self.xml.barrier(vm)["tags"], ["a tag"])

    def test_it_has_all_objects(self):
        self.make_vm("a vm")
        self.connect()
        methods = self.python.proxy.system.listMethods()
        classes = [m.split(".")[0] for m in methods if m.endswith(".get_all_records")]
        self.assertGreater(len(classes), 55)
        for cls in set(classes) - {"task", "session"} - REMOVED:
            refs = sorted(self.python(f"{cls}.get_all"))
            for client in (self.json, self.xml):
                self.assertEqual(sorted(client.refs(cls)), refs, cls)

    def test_it_goes_on_after_xapid_was_killed(self):
        vm = self.make_vm("a vm")
        self.connect()
        self.json.callAsync("VM.start", vm, False, False)
        self.everybody_sees(vm, "Running")
        old = self.stack.status("xapid")["pid"]
        os.kill(old, signal.SIGKILL)
        self.until_answered()
        self.python("VM.set_name_label", vm, "another name")
        for client in (self.json, self.xml):
            client.until(vm, {"name_label": "another name", "power_state": "Running"})
            self.assertEqual(client.call("VM.get_power_state", vm), "Running")
        self.xml.callAsync("VM.hard_shutdown", vm)
        self.everybody_sees(vm, "Halted")

    def until_answered(self):
        """The client written here logs in anew."""
        end = time.monotonic() + HANG
        while True:
            try:
                self.python.login()
                return
            except OSError:
                self.assertLess(time.monotonic(), end)
                time.sleep(0.02)


if __name__ == "__main__":
    unittest.main()
