# SPDX-License-Identifier: LGPL-2.1-or-later
"""VMs that are started and shut down together or with the toolstack, and what guests find of
firmware."""

import pathlib
import unittest

from jsonrpc import Client
from pool import Case
from stack import Stack, free_port
from xenapi import NULL


class SimulatorTest(Case):
    def setUp(self):
        self.stack = Stack(self, "--port", str(free_port()))
        self.connect(self.stack.env())


class Appliance(SimulatorTest):
    def setUp(self):
        super().setUp()
        record = {"name_label": "three", "name_description": ""}
        self.appliance = self.x("VM_appliance.create", record)
        self.vms = []
        for order in (2, 0, 1):
            vm = self.make_vm()
            self.x("VM.set_order", vm, str(order))
            self.x("VM.set_appliance", vm, self.appliance)
            self.vms.append(vm)

    def allowed(self):
        return set(self.x("VM_appliance.get_allowed_operations", self.appliance))

    def states(self):
        return [self.x("VM.get_power_state", vm) for vm in self.vms]

    def test_starts_in_order_and_ends(self):
        self.assertEqual(set(self.x("VM_appliance.get_VMs", self.appliance)), set(self.vms))
        self.assertEqual(self.allowed(), {"start"})
        self.x("VM.set_start_delay", self.vms[1], "1")
        self.x("VM_appliance.start", self.appliance, False)
        self.assertEqual(self.states(), ["Running"] * 3)
        domids = [int(self.x("VM.get_domid", vm)) for vm in self.vms]
        self.assertLess(domids[1], domids[2])
        self.assertLess(domids[2], domids[0])
        self.assertEqual(self.allowed(), {"clean_shutdown", "hard_shutdown", "shutdown"})
        self.assertEqual(self.x("VM_appliance.get_current_operations", self.appliance), {})
        self.x("VM.hard_shutdown", self.vms[0])
        self.assertEqual(
            self.allowed(), {"start", "clean_shutdown", "hard_shutdown", "shutdown"}
        )
        self.x("VM_appliance.start", self.appliance, True)
        self.assertEqual(self.states(), ["Paused", "Running", "Running"])
        self.x("VM_appliance.clean_shutdown", self.appliance)
        self.assertEqual(self.states(), ["Paused", "Halted", "Halted"])
        self.x("VM_appliance.hard_shutdown", self.appliance)
        self.assertEqual(self.states(), ["Halted"] * 3)
        self.x("VM_appliance.start", self.appliance, False)
        self.x("VM_appliance.shutdown", self.appliance)
        self.assertEqual(self.states(), ["Halted"] * 3)

    def test_one_that_fails(self):
        self.x("VM.set_blocked_operations", self.vms[1], {"start": "because"})
        answer = self.fails(
            "OPERATION_PARTIALLY_FAILED", "VM_appliance.start", self.appliance, False
        )
        self.assertEqual(answer, ["start"])
        self.assertEqual(self.states(), ["Running", "Halted", "Running"])
        self.x("VM_appliance.hard_shutdown", self.appliance)

    def test_what_fits_none(self):
        code = "OPERATION_NOT_ALLOWED"
        self.fails(code, "VM_appliance.clean_shutdown", self.appliance)
        for vm in self.vms:
            self.x("VM.set_appliance", vm, NULL)
        self.assertEqual(self.allowed(), set())
        self.fails(code, "VM_appliance.start", self.appliance, False)
        self.fails("HANDLE_INVALID", "VM_appliance.start", "OpaqueRef:none", False)
        template = self.x("VM.get_by_name_label", "Other install media")[0]
        self.fails(code, "VM.set_appliance", template, self.appliance)
        self.x("VM_appliance.destroy", self.appliance)


class Toolstack(SimulatorTest):
    """It starts at a boot of the host and when it was stopped as a whole. That one of its daemons
    starts is nothing that a guest notices."""

    def setUp(self):
        self.port = str(free_port())
        self.stack = Stack(self, "--port", self.port)
        self.sr_folder = self.stack.dir / "sr"
        self.mark = self.stack.dir / "run" / "toolstack.started"
        self.connect(self.stack.env())
        self.pool = self.x("pool.get_all")[0]
        self.until(self.mark.exists, "the end of the start")

    def states(self, *vms):
        return [self.x("VM.get_power_state", vm) for vm in vms]

    def domid(self, vm):
        return int(self.x("VM.get_domid", vm))

    def xapid(self, method):
        with Client(self.stack.socket("xapid")) as client:
            return client.call(method)

    def has_begun(self):
        """The host boots, as far as xapid can see: the mark is of another boot, or there is none.
        Waits until what is to be started has been."""
        boot_id = pathlib.Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        self.until(
            lambda: self.mark.exists() and self.mark.read_text() == boot_id, "the toolstack"
        )
        self.connect(self.stack.env())

    def up(self):
        done = self.stack.xenith("up", "--port", self.port)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.has_begun()

    def make_both(self):
        """One that is shut down and one that is suspended; the other one starts first."""
        config = {"auto_poweron": "true", "on_toolstack_stop": "shutdown"}
        first = self.make_vm("a", other_config=config)
        second = self.make_vm("b", other_config={**config, "on_toolstack_stop": "suspend"})
        self.x("VM.set_order", first, "1")
        self.x("VM.set_start_delay", second, "1")
        return first, second

    def test_guests_start_and_end_with_it(self):
        self.x("pool.set_suspend_image_SR", self.pool, self.make_sr())
        self.x("pool.add_to_other_config", self.pool, "auto_poweron", "true")
        first, second = self.make_both()
        other = self.make_vm("c")
        self.x("VM.start", other, False, False)
        domid = self.domid(other)
        self.stack.xenith("down")
        self.up()
        self.assertEqual(self.states(first, second), ["Running"] * 2)
        self.assertLess(self.domid(second), self.domid(first))
        done = self.stack.xenith("down")
        self.assertIn("guests: 1 shut down, 1 suspended", done.stdout)
        self.assertEqual(done.stderr, "")
        self.assertFalse(self.mark.exists())
        self.stack.xenith("up", "--port", self.port)
        self.connect(self.stack.env())
        self.has_begun()
        self.assertEqual(self.states(first, second), ["Running"] * 2)
        self.assertEqual(self.x("VM.get_suspend_VDI", second), NULL)
        self.assertEqual(self.domid(other), domid)

    def test_a_daemon_that_starts_is_no_start_of_it(self):
        self.x("pool.add_to_other_config", self.pool, "auto_poweron", "true")
        first, second = self.make_both()
        self.x("VM.start", second, False, False)
        domid = self.domid(second)
        for again in (self.stack.kill, lambda name: self.stack.xenith("restart", name)):
            again("xapid")
            self.connect(self.stack.env())
            fibers = [fiber["name"] for fiber in self.xapid("debug.diagnostics")["fibers"]]
            self.assertIn("link xenopsd", fibers)
            self.assertNotIn("guests' start", fibers)
            self.assertEqual(self.states(first, second), ["Halted", "Running"])
            self.assertEqual(self.domid(second), domid)
        # A boot, though the guests of before are there.
        self.mark.write_text("another boot")
        self.stack.kill("xapid")
        self.has_begun()
        self.assertEqual(self.states(first, second), ["Running"] * 2)
        self.assertEqual(self.domid(second), domid)
        # The pool has to want it too.
        self.x("VM.hard_shutdown", first)
        self.x("pool.remove_from_other_config", self.pool, "auto_poweron")
        self.mark.write_text("another boot")
        self.stack.kill("xapid")
        self.has_begun()
        self.assertEqual(self.states(first, second), ["Halted", "Running"])

    def test_what_does_not_end(self):
        folder = self.stack.dir / "etc" / "xapid.conf.d"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "10-stop.conf").write_text("guests_stop_timeout = 1s\n")
        self.stack.xenith("restart", "xapid")
        self.connect(self.stack.env())
        first, second = self.make_both()
        for vm in (first, second):
            self.x("VM.start", vm, False, False)
        uuid = self.x("VM.get_uuid", first)
        with Client(self.stack.dir / "run" / "simulator" / "run" / "simulator.sock") as simulator:
            simulator.call("Guest.set", vm=uuid, acknowledges=False)
        done = self.xapid("Guests.stop")
        self.assertEqual((done["shut_down"], done["suspended"]), (1, 0))
        (failure,) = done["failures"]
        self.assertEqual(failure["name_label"], "b")
        self.assertIn("SR", failure["error"])
        self.assertEqual(self.states(first, second), ["Halted", "Running"])
        self.x("VM.hard_shutdown", second)


class Failures(SimulatorTest):
    def test_what_becomes_of_a_vm(self):
        vm = self.make_vm()
        for value in ("restart", "best-effort", ""):
            self.x("VM.set_ha_restart_priority", vm, value)
            self.assertEqual(self.x("VM.get_ha_restart_priority", vm), value)
        answer = self.fails("INVALID_VALUE", "VM.set_ha_restart_priority", vm, "soon")
        self.assertEqual(answer, ["ha_restart_priority", "soon"])
        self.x("VM.set_ha_always_run", vm, True)
        self.assertIs(self.x("VM.get_ha_always_run", vm), True)
        self.assertIs(self.x("VM.get_cooperative", vm), True)
        self.fails("HANDLE_INVALID", "VM.get_cooperative", "OpaqueRef:none")


class Firmware(SimulatorTest):
    def test_strings_are_chosen_once(self):
        vm, other = self.make_vm(), self.make_vm()
        code = "INVALID_VALUE"
        for key, value in (("oem-1", "x"), ("bios-vendor", "ü"), ("bios-vendor", "x" * 513)):
            self.assertEqual(self.fails(code, "VM.set_bios_strings", vm, {key: value})[0], key)
        self.assertEqual(self.x("VM.get_bios_strings", vm), {})
        self.x("VM.set_bios_strings", vm, {"bios-vendor": "Mine", "baseboard-version": "3"})
        strings = self.x("VM.get_bios_strings", vm)
        self.assertEqual(strings["bios-vendor"], "Mine")
        self.assertEqual(strings["baseboard-version"], "3")
        self.assertEqual(strings["system-product-name"], "HVM domU")
        again = "VM_BIOS_STRINGS_ALREADY_SET"
        self.fails(again, "VM.set_bios_strings", vm, {})
        self.fails(again, "VM.copy_bios_strings", vm, self.host)
        self.x("VM.copy_bios_strings", other, self.host)
        self.assertEqual(
            self.x("VM.get_bios_strings", other), self.x("host.get_bios_strings", self.host)
        )

    def test_variables(self):
        vm = self.make_vm()
        self.x("VM.add_to_NVRAM", vm, "EFI-variables", "AA==")
        self.fails("MAP_DUPLICATE_KEY", "VM.add_to_NVRAM", vm, "EFI-variables", "BB==")
        self.assertEqual(self.x("VM.get_NVRAM", vm), {"EFI-variables": "AA=="})
        self.x("VM.start", vm, False, False)
        self.fails("VM_BAD_POWER_STATE", "VM.remove_from_NVRAM", vm, "EFI-variables")
        self.x("VM.hard_shutdown", vm)
        self.x("VM.remove_from_NVRAM", vm, "EFI-variables")
        self.assertEqual(self.x("VM.get_NVRAM", vm), {})


if __name__ == "__main__":
    unittest.main()
