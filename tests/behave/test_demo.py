# SPDX-License-Identifier: LGPL-2.1-or-later
"""The demo host of `xenith up --demo`, as Python's own xmlrpc.client sees it: made, made again,
completed, lived in."""

import fcntl
import unittest

from stack import Stack, free_port
from xenapi import NULL, Session

CLASSES = "pool host SR PBD network PIF VM VBD VIF VDI".split()
# What time changes by itself, and what tells how full the disk below is.
MOVING = {"last_updated", "physical_utilisation", "physical_size"}


class Demo(unittest.TestCase):
    def setUp(self):
        self.port = free_port()
        self.up_args = ("--backend", "simulator", "--port", self.port, "--demo")
        self.stack = Stack(self, *self.up_args)
        self.login()

    def login(self):
        self.x = Session.of(self.stack.env())

    def again(self):
        done = self.stack.xenith("up", *self.up_args)
        self.assertEqual((done.returncode, done.stderr), (0, ""), done.stdout)
        return done.stdout

    def records(self):
        """All that the demo could touch: {(class, reference): record}."""
        found = {}
        for cls in CLASSES:
            for ref, record in self.x(f"{cls}.get_all_records").items():
                found[cls, ref] = {k: v for k, v in record.items() if k not in MOVING}
        return found

    def named(self, name):
        """The one VM of that name: reference and record."""
        (ref,) = self.x("VM.get_by_name_label", name)
        return ref, self.x("VM.get_record", ref)

    def disk_of(self, record):
        (vbd,) = record["VBDs"]
        self.assertEqual(self.x("VBD.get_type", vbd), "Disk")
        self.assertEqual(self.x("VBD.get_mode", vbd), "RW")
        self.assertTrue(self.x("VBD.get_bootable", vbd))
        return self.x("VBD.get_VDI", vbd)

    def check_whole(self):
        (pool,) = self.x("pool.get_all_records").values()
        sr = self.x("SR.get_record", pool["default_SR"])
        self.assertEqual(sr["type"], "file")
        (pbd,) = sr["PBDs"]
        self.assertTrue(self.x("PBD.get_currently_attached", pbd))
        location = self.x("PBD.get_device_config", pbd)["location"]
        self.assertTrue(location.startswith(f"{self.stack.dir}/"), location)
        _, template = self.named("demo-template")
        _, vm = self.named("demo-vm")
        self.assertTrue(template["is_a_template"])
        self.assertFalse(template["is_default_template"])
        self.assertFalse(vm["is_a_template"])
        disks = [self.disk_of(record) for record in (template, vm)]
        self.assertNotEqual(disks[0], disks[1])
        for disk in disks:
            self.assertEqual(self.x("VDI.get_SR", disk), pool["default_SR"])
        for record in (template, vm):
            (vif,) = record["VIFs"]
            network = self.x("VIF.get_network", vif)
            if self.x("PIF.get_all"):
                self.assertTrue(self.x("network.get_PIFs", network))
        self.assertEqual(len(self.x("VDI.get_all")), 2)

    def test_what_is_there(self):
        self.check_whole()
        (host,) = self.x("host.get_all_records").values()
        self.assertTrue(self.x("host_metrics.get_live", host["metrics"]))
        self.assertTrue(self.x("VM.get_is_control_domain", host["control_domain"]))
        self.assertEqual(self.named("demo-vm")[1]["power_state"], "Halted")

    def test_a_second_time_changes_nothing(self):
        before = self.records()
        token = self.x("event.from", CLASSES, "", 0.0)["token"]
        self.assertIn("demo-vm (Halted)", self.again())
        self.assertEqual(self.records(), before)
        self.assertEqual(self.x("event.from", CLASSES, token, 0.0)["events"], [])
        self.stack.xenith("down")
        self.again()
        self.login()
        self.check_whole()

    def test_what_a_kill_left_is_completed(self):
        """Undoes the last steps one by one; each is what a kill before it had left."""
        vm, record = self.named("demo-vm")
        disk = self.disk_of(record)
        self.x("VM.destroy", vm)
        self.x("VDI.destroy", disk)
        self.again()
        self.check_whole()

        vm, record = self.named("demo-vm")
        self.x("VM.set_is_a_template", vm, True)
        self.again()
        self.check_whole()
        self.assertEqual(self.named("demo-vm")[0], vm)

        _, template = self.named("demo-template")
        self.x("VBD.destroy", template["VBDs"][0])
        self.x("VIF.destroy", template["VIFs"][0])
        self.again()
        self.check_whole()
        self.assertEqual(self.named("demo-template")[1]["uuid"], template["uuid"])

        (pool,) = self.x("pool.get_all")
        sr = self.x("pool.get_default_SR", pool)
        self.x("pool.set_default_SR", pool, NULL)
        self.x("PBD.unplug", self.x("SR.get_PBDs", sr)[0])
        self.again()
        self.check_whole()
        self.assertEqual(self.x("pool.get_default_SR", pool), sr)

    def test_what_the_user_has_chosen_stays(self):
        folder = self.stack.dir / "mine"
        (host,), (pool,) = self.x("host.get_all"), self.x("pool.get_all")
        mine = self.x("SR.create", host, {"location": str(folder)}, "0", "mine", "", "file",
            "user", False, {})  # fmt: skip
        self.x("pool.set_default_SR", pool, mine)
        vm, _ = self.named("demo-vm")
        self.x("VM.set_name_description", vm, "as I like it")
        self.again()
        self.assertEqual(self.x("pool.get_default_SR", pool), mine)
        self.assertEqual(self.x("VM.get_name_description", vm), "as I like it")

    def test_the_vm_runs_and_halts(self):
        vm, record = self.named("demo-vm")
        self.assertIn("start", record["allowed_operations"])
        self.x("VM.start", vm, False, False)
        record = self.x("VM.get_record", vm)
        self.assertEqual(record["power_state"], "Running")
        self.assertTrue(self.x("VBD.get_currently_attached", record["VBDs"][0]))
        self.assertTrue(self.x("VIF.get_currently_attached", record["VIFs"][0]))
        self.assertIn("demo-vm (Running)", self.again())
        self.assertEqual(self.x("VM.get_power_state", vm), "Running")
        self.x("VM.shutdown", vm)
        self.assertEqual(self.x("VM.get_power_state", vm), "Halted")

    def test_what_fails_is_said(self):
        (pool,) = self.x("pool.get_all")
        sr = self.x("pool.get_default_SR", pool)
        for name in ("demo-vm", "demo-template"):
            self.x("VM.destroy", self.named(name)[0])
        for disk in self.x("VDI.get_all"):
            self.x("VDI.destroy", disk)
        location = self.stack.dir / "storage"
        location.rename(self.stack.dir / "gone")
        location.write_text("no folder")
        done = self.stack.xenith("up", *self.up_args)
        self.assertEqual(done.returncode, 1, done.stdout)
        self.assertIn("making the demo host: ", done.stderr)
        self.assertIn("VDI.create", done.stderr)
        self.assertNotIn("demo-vm (", done.stdout)
        self.assertEqual(self.x("pool.get_default_SR", pool), sr)

    def test_one_at_a_time(self):
        with open(self.stack.dir / "run" / "demo.lock", "r+") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            done = self.stack.xenith("up", *self.up_args)
        self.assertEqual(done.returncode, 1)


if __name__ == "__main__":
    unittest.main()
