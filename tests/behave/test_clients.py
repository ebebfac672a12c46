# SPDX-License-Identifier: LGPL-2.1-or-later
"""Clients that nobody here wrote, on one host at once: what one does, another sees."""

import json
import os
import signal
import unittest

from foreign import XenApi, fence
from hosts import MEMBER, TwoHosts
from pool import MIB, Case
from stack import Stack, free_port
from xapid import ADDRESS
from xenapi import NULL, Failure, Session

# Classes that can be listed no more: they answer MESSAGE_REMOVED.
REMOVED = {"VBD_metrics", "VIF_metrics", "VMPP"}


class ClientsTest(Case):
    def setUp(self):
        self.stack = Stack(self, "--backend", "simulator", "--port", free_port(), "--demo")
        self.connect(self.stack.env())
        self.login = (self.x.url, *self.x.account)

    def begin(self):
        """Both of xen-api's transports."""
        self.json = XenApi(self, *self.login, "json-rpc")
        self.xml = XenApi(self, *self.login, "xml-rpc")

    def assert_told(self, error, call, *args):
        with self.assertRaises(Failure) as caught:
            call(*args)
        self.assertEqual(caught.exception.error, error)

    def everybody_sees(self, vm, power_state):
        for client in (self.json, self.xml):
            client.until(vm, {"power_state": power_state})
        self.assertEqual(self.x("VM.get_power_state", vm), power_state)

    def named(self, name):
        (vm,) = self.x("VM.get_by_name_label", name)
        return vm

    def boot_a_kernel(self, vm):
        """A guest that is known to have drivers; one that boots from a disk has to say so."""
        for field, value in (("domain_type", "pvh"), ("PV_kernel", "/boot/vmlinuz")):
            self.xml.call(f"VM.set_{field}", vm, value)
            self.json.until(vm, {field: value})


class Life(ClientsTest):
    def test_from_a_template_to_its_end(self):
        template = self.named("demo-template")
        self.begin()
        (pool,) = self.x("pool.get_all_records").values()
        self.assertEqual(pool["uuid"], self.json.pool_uuid)
        self.assertEqual(pool["uuid"], self.xml.pool_uuid)
        vm = self.json.callAsync("VM.clone", template, "a clone")
        self.json.call("VM.provision", vm)
        seen = self.xml.until(vm, {"name_label": "a clone", "is_a_template": False})
        self.assertEqual(seen["uuid"], self.x("VM.get_uuid", vm))
        platform = self.x("VM.get_platform", vm)
        self.xml.call("VM.set_platform", vm, {**platform, "acpi": "false"})
        self.json.call("VM.start", vm, False, False)
        self.assert_told(["VM_LACKS_FEATURE", vm], self.xml.callAsync, "VM.clean_shutdown", vm)
        self.x("VM.hard_shutdown", vm)
        self.everybody_sees(vm, "Halted")
        self.boot_a_kernel(vm)
        self.start_and_pause(vm)
        self.suspend_and_resume(vm)
        self.reboot_and_stop(vm)
        vdi = self.devices(vm)[0]["VDI"]
        self.json.callAsync("VM.destroy", vm)
        self.xml.until(vm, None)
        self.json.until(vm, None)
        for call in (self.x, self.json.call, self.xml.call, self.xml.callAsync):
            self.assert_told(["HANDLE_INVALID", "VM", vm], call, "VM.start", vm, False, False)
        self.xml.call("VDI.destroy", vdi)
        self.json.until(vdi, None)
        self.assert_told(["HANDLE_INVALID", "VDI", vdi], self.x, "VDI.get_record", vdi)

    def devices(self, vm):
        """Its disk and its NIC, as the three clients have them."""
        found = []
        record = self.x("VM.get_record", vm)
        for cls in ("VBD", "VIF"):
            (ref,) = record[f"{cls}s"]
            device = self.x(f"{cls}.get_record", ref)
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
                self.assert_told(running, call, "VM.start", vm, False, False)
        self.assert_told(running, self.x, "VM.start", vm, False, False)
        (host,) = self.x("host.get_all")
        self.assertEqual(self.json.cached(vm)["resident_on"], host)
        self.assertEqual([d["currently_attached"] for d in self.devices(vm)], [True, True])
        self.x("VM.pause", vm)
        self.everybody_sees(vm, "Paused")
        paused = ["VM_BAD_POWER_STATE", vm, "running", "paused"]
        self.assert_told(paused, self.xml.callAsync, "VM.pause", vm)
        self.json.call("VM.unpause", vm)
        self.everybody_sees(vm, "Running")

    def suspend_and_resume(self, vm):
        self.json.callAsync("VM.suspend", vm)
        self.everybody_sees(vm, "Suspended")
        image = self.xml.cached(vm)["suspend_VDI"]
        self.assertEqual(self.x("VM.get_suspend_VDI", vm), image)
        self.xml.until(image, {"type": "suspend"})
        suspended = ["VM_BAD_POWER_STATE", vm, "running", "suspended"]
        self.assert_told(suspended, self.xml.callAsync, "VM.suspend", vm)
        self.xml.callAsync("VM.resume", vm, False, False)
        self.everybody_sees(vm, "Running")
        self.json.until(image, None)

    def reboot_and_stop(self, vm):
        domid = self.x("VM.get_domid", vm)
        for client, call in ((self.xml, "VM.clean_reboot"), (self.json, "VM.hard_reboot")):
            client.callAsync(call, vm)
            self.everybody_sees(vm, "Running")
            self.assertNotEqual(self.x("VM.get_domid", vm), domid)
            domid = self.x("VM.get_domid", vm)
        self.x("VM.clean_shutdown", vm)
        self.everybody_sees(vm, "Halted")
        self.assertEqual([d["currently_attached"] for d in self.devices(vm)], [False, False])
        self.assertEqual(self.xml.cached(vm)["resident_on"], NULL)
        halted = ["VM_BAD_POWER_STATE", vm, "running", "halted"]
        self.assert_told(halted, self.json.callAsync, "VM.clean_shutdown", vm)
        self.json.call("VM.start", vm, True, False)
        self.everybody_sees(vm, "Paused")
        self.xml.call("VM.hard_shutdown", vm)
        self.everybody_sees(vm, "Halted")


class Devices(ClientsTest):
    def test_they_come_and_go_while_the_vm_runs(self):
        vm = self.named("demo-vm")
        self.begin()
        self.boot_a_kernel(vm)
        self.json.call("VM.start", vm, False, False)
        (sr,) = self.x("SR.get_all")
        vdi = self.make_vdi(sr, by=self.xml.call)
        vbd = self.make_vbd(vm, vdi, "1", by=self.json.call)
        self.xml.until(vbd, {"currently_attached": False, "VDI": vdi, "VM": vm})
        self.xml.callAsync("VBD.plug", vbd)
        self.json.until(vbd, {"currently_attached": True, "device": "xvdb"})
        self.assertEqual(sorted(self.json.barrier(vm)["VBDs"]), sorted(self.xml.cached(vm)["VBDs"]))
        self.assert_told(["DEVICE_ALREADY_ATTACHED", vbd], self.x, "VBD.plug", vbd)
        self.x("VBD.unplug", vbd)
        self.xml.until(vbd, {"currently_attached": False})
        self.json.call("VBD.destroy", vbd)
        self.xml.until(vbd, None)
        network = self.x("network.get_all")[0]
        vif = self.make_vif(vm, network, "1", "02:00:00:00:00:07", by=self.xml.call)
        self.json.until(vif, {"MAC": "02:00:00:00:00:07", "currently_attached": False})
        self.json.callAsync("VIF.plug", vif)
        self.xml.until(vif, {"currently_attached": True})
        self.x("VIF.unplug", vif)
        self.xml.call("VIF.destroy", vif)
        self.json.until(vif, None)
        self.json.callAsync("VM.hard_shutdown", vm)
        self.everybody_sees(vm, "Halted")


class Fence(ClientsTest):
    def agent(self, action, *plug):
        code, text = fence(*self.login, action, *plug)
        return code, text.splitlines()[-1] if text else ""

    def test_it_stops_starts_and_reboots(self):
        vm = self.named("demo-vm")
        self.begin()
        self.assertEqual(self.agent("status", "demo-vm"), (2, "Status: OFF"))
        self.assertEqual(self.agent("on", "demo-vm"), (0, "Success: Powered ON"))
        self.everybody_sees(vm, "Running")
        self.assertEqual(self.agent("status", "demo-vm"), (0, "Status: ON"))
        domid = self.x("VM.get_domid", vm)
        self.assertEqual(self.agent("reboot", "demo-vm"), (0, "Success: Rebooted"))
        self.everybody_sees(vm, "Running")
        self.assertNotEqual(self.x("VM.get_domid", vm), domid)
        uuid = self.x("VM.get_uuid", vm)
        self.assertEqual(self.agent("off", uuid), (0, "Success: Powered OFF"))
        self.everybody_sees(vm, "Halted")
        code, text = fence(*self.login, "list")
        self.assertEqual((code, text.splitlines()), (0, [f"{uuid},demo-vm"]))

    def test_a_wrong_password_and_an_unknown_vm(self):
        code, text = fence(self.login[0], self.login[1], "wrong", "status", "demo-vm")
        self.assertEqual(code, 1, text)
        self.assertEqual(self.agent("status", "no such vm")[0], 1)


class XenOrchestra(ClientsTest):
    """What Xen Orchestra was seen to send, through the library that it sends it with."""

    def test_what_it_does_to_a_vm(self):
        template = self.named("demo-template")
        self.begin()
        xo = self.json
        vm = xo.callAsync("VM.clone", template, "from XO")
        self.boot_a_kernel(vm)
        xo.call("VM.set_is_a_template", vm, False)
        xo.call("VM.set_name_description", vm, "<described> & \"quoted\"")
        xo.call("VM.add_tags", vm, "tagged")
        xo.setFieldEntry("VM", vm, "platform", "cores-per-socket", "1")
        seen = self.xml.until(vm, {"name_description": "<described> & \"quoted\""})
        self.assertEqual(seen["uuid"], xo.call("VM.get_uuid", vm))
        xo.call("VM.start", vm, False, False)
        xo.callAsync("VM.pause", vm)
        xo.callAsync("VM.unpause", vm)
        xo.callAsync("VM.clean_shutdown", vm)
        snapshot = xo.callAsync("VM.snapshot", vm, "a snapshot")
        self.xml.until(snapshot, {"is_a_snapshot": True, "snapshot_of": vm})
        self.assertEqual(self.x("VM.get_snapshots", vm), [snapshot])
        self.assertEqual(self.x("VM.get_platform", snapshot)["cores-per-socket"], "1")
        for one in (snapshot, vm):
            self.destroy(one)
        self.assertEqual(len(self.x("VDI.get_all")), 2)  # of the template and of demo-vm
        self.assertEqual(self.x("task.get_all"), [])  # each is destroyed by who has begun it

    def destroy(self, vm):
        """The VM, and its disks by what is known of them."""
        devices = [self.json.call("VBD.get_record", vbd) for vbd in self.x("VM.get_VBDs", vm)]
        vdis = [device["VDI"] for device in devices if device["VDI"] != NULL]
        self.json.callAsync("VM.destroy", vm)
        self.xml.until(vm, None)
        self.assertEqual(len(vdis), 1)
        for vdi in vdis:
            self.assertEqual(self.json.call("VDI.get_VBDs", vdi), [])
            self.json.callAsync("VDI.destroy", vdi)
            self.xml.until(vdi, None)

    def test_its_disks(self):
        """It asks without a body first, and watches the task of what it sends."""
        self.begin()
        (sr,) = self.x("SR.get_all")
        file = self.stack.dir / "bytes"
        file.write_bytes(b"begin" + bytes(MIB) + b"end")
        for client in (self.json, self.xml):
            vdi = self.make_vdi(sr, 4 * MIB)
            before = self.x("VDI.get_physical_utilisation", vdi)
            client.put("/import_raw_vdi/", {"format": "raw", "vdi": vdi}, str(file), True)
            self.assertNotEqual(self.x("VDI.get_physical_utilisation", vdi), before)
        self.until(lambda: self.x("task.get_all") == [], "the end of the tasks")

    def test_its_figures(self):
        self.begin()
        (host,) = self.x("host.get_all_records").values()

        def legend():
            for client in (self.json, self.xml):
                query = {"start": -60, "host": "true", "json": "true"}
                told = json.loads(client.get("/rrd_updates", query))["meta"]["legend"]
                if f"AVERAGE:host:{host['uuid']}:memory_total_kib" not in told:
                    return False
            return True

        self.until(legend, "the host's figures")


class Encrypted(unittest.TestCase):
    def test_over_tls(self):
        port = free_port()
        stack = Stack(self, "--port", free_port(), "--tls-port", port)
        x = Session.of(stack.env())
        url = f"https://{ADDRESS}:{port}"
        for transport in ("json-rpc", "xml-rpc"):
            client = XenApi(self, url, *x.account, transport)
            (pool,) = x("pool.get_all")
            x("pool.set_name_label", pool, f"seen over {transport}")
            client.until(pool, {"name_label": f"seen over {transport}"})


class Errors(ClientsTest):
    def test_as_each_client_is_told(self):
        self.begin()
        url, user, _ = self.login
        refused = ["SESSION_AUTHENTICATION_FAILED", user]
        for transport in ("json-rpc", "xml-rpc"):
            with self.assertRaises(Failure) as caught:
                XenApi(self, url, user, "wrong", transport)
            self.assertEqual(caught.exception.error[:2], refused)
        nobody = "OpaqueRef:00000000-0000-0000-0000-000000000000"
        vm = self.x("VM.get_all")[0]
        for call in (self.x, self.json.call, self.xml.call):
            self.assert_told(["HANDLE_INVALID", "VM", nobody], call, "VM.get_record", nobody)
            self.assert_told(["UUID_INVALID", "VM", "nope"], call, "VM.get_by_uuid", "nope")
            self.assert_told(["MESSAGE_METHOD_UNKNOWN", "VM.fly"], call, "VM.fly", vm)
            mismatch = ["MESSAGE_PARAMETER_COUNT_MISMATCH", "VM.get_uuid", "1", "2"]
            self.assert_told(mismatch, call, "VM.get_uuid", vm, "more")

    def test_a_session_that_has_ended(self):
        self.begin()
        ref = self.x.ref
        self.x("session.logout")
        self.assert_told(["SESSION_INVALID", ref], self.x, "VM.get_all")
        self.x.login()
        vm = self.named("demo-vm")
        for client in (self.json, self.xml):
            old = client.session()
            self.x.plain("session.logout", old)
            # xen-api logs in anew by itself, fetches everything, and has events again.
            self.until(lambda c=client, o=old: c.session() not in (None, o), "a session")
            self.assertEqual(client.call("VM.get_name_label", vm), "demo-vm")
            self.x("VM.set_name_label", vm, f"seen by {old}")
            client.until(vm, {"name_label": f"seen by {old}"})
            self.x("VM.set_name_label", vm, "demo-vm")


class Cache(ClientsTest):
    def test_xen_api_edits_maps_and_sets(self):
        vm = self.named("demo-vm")
        self.begin()
        self.json.setFieldEntry("VM", vm, "other_config", "key", "one")
        self.json.setFieldEntry("VM", vm, "other_config", "key", "two")
        self.assertEqual(self.x("VM.get_other_config", vm)["key"], "two")
        self.xml.setFieldEntry("VM", vm, "other_config", "key", None)
        self.assertNotIn("key", self.json.barrier(vm)["other_config"])
        self.x("VM.add_tags", vm, "a tag")
        self.assertEqual(self.json.barrier(vm)["tags"], ["a tag"])
        self.assertEqual(self.xml.barrier(vm)["tags"], ["a tag"])

    def test_it_has_all_objects(self):
        self.begin()
        methods = self.x.proxy.system.listMethods()
        classes = [m.split(".")[0] for m in methods if m.endswith(".get_all_records")]
        self.assertGreater(len(classes), 55)
        for cls in set(classes) - {"task", "session"} - REMOVED:
            refs = sorted(self.x(f"{cls}.get_all"))
            for client in (self.json, self.xml):
                self.assertEqual(sorted(client.refs(cls)), refs, cls)
        task = self.x("task.create", "a task", "")
        for client in (self.json, self.xml):
            client.until(task, {"status": "pending"})
            self.assertEqual(client.refs("task"), [task])

    def test_many_calls_at_once(self):
        """xen-api has twenty under way over connections that it keeps."""
        vm = self.named("demo-vm")
        self.begin()
        begun = []
        for i in range(100):
            for client, name in ((self.json, "json"), (self.xml, "xml")):
                arguments = ("VM.add_to_other_config", vm, f"{name}-{i}", str(i))
                begun.append((client, client.begin("call", *arguments)))
        for client, number in begun:
            client.finish(number)
        wanted = {f"{name}-{i}": str(i) for name in ("json", "xml") for i in range(100)}
        self.assertLessEqual(wanted.items(), self.x("VM.get_other_config", vm).items())
        for client in (self.json, self.xml):
            self.assertLessEqual(wanted.items(), client.barrier(vm)["other_config"].items())

    def test_it_goes_on_after_xapid_was_killed(self):
        vm = self.named("demo-vm")
        self.begin()
        self.json.callAsync("VM.start", vm, False, False)
        self.everybody_sees(vm, "Running")
        old = self.stack.status("xapid")["pid"]
        os.kill(old, signal.SIGKILL)
        self.until(lambda: self.x.login() or True, "a session")
        self.x("VM.set_name_label", vm, "another name")
        for client in (self.json, self.xml):
            client.until(vm, {"name_label": "another name", "power_state": "Running"})
            self.assertEqual(client.call("VM.get_power_state", vm), "Running")
        self.xml.callAsync("VM.hard_shutdown", vm)
        self.everybody_sees(vm, "Halted")


class OfPool(TwoHosts):
    """A pool of two hosts: the clients speak to the master, and the VM runs on the member."""

    def setUp(self):
        super().setUp()
        self.join()
        self.login = (self.x.url, *self.x.account)

    def told(self, error, call, *args):
        with self.assertRaises(Failure) as caught:
            call(*args)
        self.assertEqual(caught.exception.error, error)

    def seen(self, vm, power_state, host):
        for client in (self.json, self.xml):
            client.until(vm, {"power_state": power_state, "resident_on": host})
        self.assertEqual(self.x("VM.get_record", vm)["resident_on"], host)

    def test_a_whole_life(self):
        # Whoever comes to the member is sent to the master, and goes there by itself.
        to_member = (self.alone.url, *self.x.account)
        self.json = XenApi(self, *to_member, "json-rpc")
        self.xml = XenApi(self, *self.login, "xml-rpc")
        vm = self.make_there(name="there")
        self.json.until(vm, {"name_label": "there"})
        self.json.callAsync("VM.start", vm, False, False)
        self.seen(vm, "Running", self.member)
        running = ["VM_BAD_POWER_STATE", vm, "halted", "running"]
        for call in (self.x, self.json.call, self.xml.call, self.xml.callAsync):
            self.told(running, call, "VM.start", vm, False, False)
        self.pause_and_reboot(vm)
        self.stop_and_fill(vm)
        self.move()
        self.fence(vm)
        for client in (self.json, self.xml):
            client.callAsync("VM.start", vm, False, False)
            client.callAsync("VM.hard_shutdown", vm)
        self.seen(vm, "Halted", NULL)
        self.xml.callAsync("VM.destroy", vm)
        self.json.until(vm, None)
        self.until(lambda: self.x("task.get_all") == [], "the end of the tasks")
        self.agree()

    def pause_and_reboot(self, vm):
        self.xml.callAsync("VM.pause", vm)
        self.seen(vm, "Paused", self.member)
        self.told(["VM_BAD_POWER_STATE", vm, "running", "paused"], self.json.call, "VM.pause", vm)
        self.json.call("VM.unpause", vm)
        domid = self.x("VM.get_domid", vm)
        self.json.callAsync("VM.clean_reboot", vm)
        self.seen(vm, "Running", self.member)
        self.assertNotEqual(self.x("VM.get_domid", vm), domid)
        (console,) = self.xml.cached(vm)["consoles"]
        self.assertIn(MEMBER, self.json.cached(console)["location"])

    def stop_and_fill(self, vm):
        """Bytes go to the host that has the disk: xen-api follows where it is sent."""
        self.xml.callAsync("VM.clean_shutdown", vm)
        self.seen(vm, "Halted", NULL)
        vdi = self.x("VBD.get_VDI", self.vbd)
        before = self.x("VDI.get_physical_utilisation", vdi)
        file = self.a.dir / "bytes"
        file.write_bytes(b"begin" + bytes(MIB) + b"end")
        for client in (self.json, self.xml):
            client.put("/import_raw_vdi/", {"format": "raw", "vdi": vdi}, str(file), True)
        self.until(
            lambda: self.x("VDI.get_physical_utilisation", vdi) != before, "what was written"
        )

    def move(self):
        vm = self.make_vm(name="roams", affinity=self.member)
        self.xml.callAsync("VM.start", vm, False, False)
        self.seen(vm, "Running", self.member)
        self.json.callAsync("VM.pool_migrate", vm, self.master, {})
        self.seen(vm, "Running", self.master)
        self.x("host.disable", self.member)
        disabled = ["HOST_DISABLED", self.member]
        for call in (self.json.call, self.xml.callAsync, self.x):
            self.told(disabled, call, "VM.pool_migrate", vm, self.member, {})
        self.x("host.enable", self.member)
        self.xml.callAsync("VM.pool_migrate", vm, self.member, {})
        self.seen(vm, "Running", self.member)
        self.json.call("VM.hard_shutdown", vm)
        self.json.call("VM.destroy", vm)

    def fence(self, vm):
        def says(action, code, text):
            done = fence(*self.login, action, "there")
            self.assertEqual((done[0], done[1].splitlines()[-1]), (code, text))

        says("status", 2, "Status: OFF")
        says("on", 0, "Success: Powered ON")
        self.seen(vm, "Running", self.member)
        says("status", 0, "Status: ON")
        domid = self.x("VM.get_domid", vm)
        says("reboot", 0, "Success: Rebooted")
        self.seen(vm, "Running", self.member)
        self.assertNotEqual(self.x("VM.get_domid", vm), domid)
        says("off", 0, "Success: Powered OFF")
        self.seen(vm, "Halted", NULL)
        code, text = fence(self.alone.url, *self.x.account, "status", "there")
        self.assertEqual(code, 1, text)  # it does not ask the master by itself


if __name__ == "__main__":
    unittest.main()
