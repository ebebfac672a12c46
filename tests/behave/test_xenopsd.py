# SPDX-License-Identifier: LGPL-2.1-or-later
"""xenopsd by its socket and its CLI, on the simulator: life, errors by name, kills, faults."""

import json
import os
import signal
import socket
import subprocess
import time
import unittest

from stack import BUILD
from xenops import HANG, MIB, SR, VM, Case

CLI = BUILD / "bin" / "xenops-cli"


class Life(Case):
    WITH_NETWORK = True
    WITH_STORAGE = True

    def test_whole_life(self):
        self.add()
        self.check_halted()
        self.do("VM.start", vm="vm-1")
        self.check_up("paused")
        self.do("VM.unpause", vm="vm-1")
        self.check_up("running")
        self.do("VM.pause", vm="vm-1")
        self.check_up("paused")
        self.do("VM.unpause", vm="vm-1")
        before = self.state()["domids"]
        self.do("VM.reboot", vm="vm-1", timeout_s=30)
        self.check_up("running")
        self.assertNotEqual(self.state()["domids"], before)
        self.do("VM.shutdown", vm="vm-1", timeout_s=30)
        self.check_halted()
        self.call("VM.remove", vm="vm-1")
        self.assertEqual(self.call("VM.list"), [])
        self.refuses("Does_not_exist", "VBD.stat", vbd="vm-1/xvda")

    def test_start_of_what_runs_is_no_error(self):
        self.run_vm()
        self.do("VM.start", vm="vm-1")
        self.check_up("running")

    def test_hot_plug(self):
        self.run_vm()
        self.call("VBD.add", vbd={"vbd": "vm-1/xvdb", "backend": self.disk("b")})
        self.do("VBD.plug", vbd="vm-1/xvdb")
        self.do("VIF.unplug", vif="vm-1/0")
        self.assertEqual(self.guests(), [])
        self.refuses("Device_is_connected", "VBD.remove", vbd="vm-1/xvdb")
        self.fails("Device_not_connected", "VIF.unplug", vif="vm-1/0")
        self.do("VIF.plug", vif="vm-1/0")
        self.check_up("running")
        self.simulator.call("Guest.set", vm="vm-1", lets_go=False)
        self.fails("Device_detach_rejected", "VBD.unplug", vbd="vm-1/xvdb")
        self.check_up("running")
        self.do("VBD.unplug", vbd="vm-1/xvdb", force=True)
        self.call("VBD.remove", vbd="vm-1/xvdb")
        self.check_up("running")

    def test_media(self):
        self.run_vm()
        self.fails("Media_not_present", "VBD.eject", vbd="vm-1/xvdd")
        self.fails("Media_not_ejectable", "VBD.eject", vbd="vm-1/xvda")
        iso = self.dir / "iso"
        iso.touch()
        disk = {"local": str(iso)}
        self.do("VBD.insert", vbd="vm-1/xvdd", disk=disk)
        self.fails("Media_present", "VBD.insert", vbd="vm-1/xvdd", disk=disk)
        drive = next(d for d in self.domain()["devices"] if d["name"] == "xvdd")
        self.assertEqual(drive["backend"], str(iso))
        self.do("VBD.eject", vbd="vm-1/xvdd")
        self.assertNotIn("backend", self.call("VBD.stat", vbd="vm-1/xvdd")["state"])

    def test_move_of_vif(self):
        self.networkd.client.call("Bridge.create", bridge="xapi1")
        self.run_vm()
        self.do("VIF.move", vif="vm-1/0", backend={"bridge": "xapi1"})
        self.assertEqual([g["bridge"] for g in self.guests()], ["xapi1"])
        self.fails("Bridge_does_not_exist", "VIF.move", vif="vm-1/0", backend={"bridge": "none"})
        self.assertEqual([g["bridge"] for g in self.guests()], ["xapi1"])
        self.assertEqual(
            self.call("VIF.stat", vif="vm-1/0")["vif"]["backend"], {"bridge": "xapi1"}
        )

    def test_failed_start_is_undone(self):
        self.add()
        self.networkd.stop()
        (path,) = self.fails("CONNECTION_REFUSED", "VM.start", vm="vm-1")[:1]
        self.assertIn("networkd.sock", path)
        self.networkd.start()
        self.check_halted()
        self.smd.stop()
        (path,) = self.fails("CONNECTION_REFUSED", "VM.start", vm="vm-1")[:1]
        self.assertIn("smd.sock", path)
        self.smd.start()
        self.wait_for("the repair", lambda: not self.datapaths())
        self.check_halted()
        self.do("VM.start", vm="vm-1")
        self.check_up("paused")

    def test_plug_that_fails_while_smd_is_away_is_undone_later(self):
        self.run_vm()
        self.call("VBD.add", vbd={"vbd": "vm-1/xvdb", "backend": self.disk("b")})
        self.simulator.call("Fault.add", fault={"atom": "vbd-plug", "nth": 1, "action": "hang"})
        task = self.call("VBD.plug", vbd="vm-1/xvdb")
        self.wait_for("the hang", lambda: self.simulator.call("Fault.list")[0]["hanging"])
        self.smd.stop()
        self.call("TASK.cancel", task=task)
        self.assertEqual(self.xenopsd.client.wait_for_task(task)["state"], "cancelled")
        self.refuses("Device_is_connected", "VBD.remove", vbd="vm-1/xvdb")
        self.simulator.call("Fault.clear")
        self.smd.start()
        stat = {"vbd": "vm-1/xvdb"}
        self.wait_for("the repair", lambda: not self.call("VBD.stat", **stat)["state"]["active"])
        self.assertEqual(list(self.datapaths()), ["vm-1/xvda"])
        self.do("VBD.plug", **stat)

    def test_shutdown_while_smd_is_away_ends_later(self):
        self.run_vm()
        self.smd.stop()
        self.fails("CONNECTION_REFUSED", "VM.shutdown", vm="vm-1")
        self.assertEqual(self.power(), "halted")
        self.assertIsNone(self.domain())
        self.smd.start()
        self.wait_for("the repair", lambda: not self.datapaths())
        self.check_halted()
        self.do("VM.start", vm="vm-1")
        self.check_up("paused")


class Errors(Case):
    def test_power_states(self):
        self.add()
        self.assertEqual(
            self.fails("Bad_power_state", "VM.unpause", vm="vm-1"), ["halted", "paused"]
        )
        self.fails("Bad_power_state", "VM.pause", vm="vm-1")
        self.fails("Bad_power_state", "VM.reboot", vm="vm-1")
        self.fails("Bad_power_state", "VBD.plug", vbd="vm-1/xvda")
        self.do("VM.start", vm="vm-1")
        self.assertEqual(
            self.refuses("Bad_power_state", "VM.remove", vm="vm-1"), ["paused", "halted"]
        )

    def test_names(self):
        self.add()
        self.assertEqual(
            self.refuses("Already_exists", "VM.add", vm=VM), ["vm", "vm-1"]
        )
        self.refuses("Already_exists", "VBD.add", vbd={"vbd": "vm-1/xvda"})
        self.refuses("Does_not_exist", "VBD.add", vbd={"vbd": "nobody/xvda"})
        self.fails("Does_not_exist", "VM.start", vm="nobody")
        for wrong in ("", "..", "a/b", "a b", "x" * 65):
            self.refuses("INVALID_VALUE", "VM.add", vm=dict(VM, vm=wrong))
        for wrong in ("vm-1", "vm-1/", "vm-1/..", "vm-1/a/b", "../vm-1"):
            self.refuses("INVALID_VALUE", "VBD.add", vbd={"vbd": wrong})
        self.refuses("INVALID_VALUE", "VM.add", vm=dict(VM, vm="b", vcpus=5))

    def test_guests_that_do_not_listen(self):
        self.run_vm()
        self.simulator.call("Guest.set", vm="vm-1", ends=False)
        vm, timeout = self.fails("Failed_to_shutdown", "VM.shutdown", vm="vm-1", timeout_s=0.05)
        self.assertEqual((vm, timeout), ("vm-1", "0.05"))
        self.simulator.call("Guest.set", vm="vm-1", acknowledges=False)
        self.fails(
            "Failed_to_acknowledge_shutdown_request", "VM.reboot", vm="vm-1", timeout_s=0.05
        )
        self.check_up("running")

    def test_memory_is_not_overbooked(self):
        self.simulator.call("Machine.set", memory_bytes=5 * 128 * MIB, operation_ms=5)
        vms = [f"vm-{i}" for i in range(8)]
        for vm in vms:
            self.add(vm)
        tasks = [self.start_task("VM.start", vm=vm) for vm in vms]
        ended = [self.xenopsd.client.wait_for_task(task) for task in tasks]
        self.assertEqual([t["state"] for t in ended].count("done"), 5, ended)
        for vm, task in zip(vms, ended):
            if task["state"] == "failed":
                self.assertEqual(task["error"]["code"], "Not_enough_memory")
                self.check_halted(vm)
        memory = self.call("HOST.memory")
        self.assertEqual((memory["free_bytes"], memory["reserved_bytes"]), (0, 0))


class Guests(Case):
    """What the guest does by itself; nobody else is there."""

    def end_guest(self, how):
        self.simulator.call("Guest.end", vm="vm-1", how=how)

    def test_reboot(self):
        self.run_vm()
        first = self.state()["domids"]
        self.end_guest("rebooted")
        self.wait_for("the reboot", lambda: self.state()["domids"] not in ([], first))
        self.wait_for("the guest", lambda: self.domain()["power"] == "running")
        self.check_up("running")

    def test_halt_and_crash(self):
        self.run_vm()
        self.end_guest("halted")
        self.wait_for("the halt", lambda: self.power() == "halted")
        self.check_halted()
        self.do("VM.start", vm="vm-1")
        self.do("VM.unpause", vm="vm-1")
        self.end_guest("crashed")
        self.wait_for("the crash", lambda: self.power() == "halted")
        self.check_halted()

    def test_early_crash_is_no_loop(self):
        self.run_vm(on_crash="restart")
        self.end_guest("crashed")
        self.wait_for("the crash", lambda: self.power() == "halted")
        self.check_halted()

    def test_preserved_domain(self):
        self.run_vm(on_crash="preserve")
        self.end_guest("crashed")
        self.wait_for("the crash", lambda: self.domain()["power"] == "ended")
        self.call("VM.refresh", vm="vm-1")
        self.assertIsNotNone(self.domain())
        self.do("VM.shutdown", vm="vm-1")
        self.check_halted()

    def test_halt_while_xenopsd_is_away(self):
        self.run_vm()
        self.xenopsd.stop()
        self.end_guest("halted")
        self.xenopsd.start()
        self.wait_for("the halt", lambda: self.power() == "halted")
        self.check_halted()

    def test_console(self):
        self.run_vm()
        (console,) = self.state()["consoles"]
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(HANG)
            s.connect(console["path"])
            seen = b""
            s.sendall(b"hello\r\n")
            while b"hello\r\n" not in seen:
                seen += s.recv(4096)
            self.assertIn(b"a simulated guest", seen)


class Restarts(Case):
    def test_everything_is_there_again(self):
        self.run_vm()
        self.add("vm-2")
        for how in (signal.SIGTERM, signal.SIGKILL):
            self.xenopsd.restart(how)
            self.check_up("running")
            self.check_halted("vm-2")
        self.call("VM.remove", vm="vm-2")
        self.xenopsd.restart()
        self.assertEqual(len(self.call("VM.list")), 1)

    def test_updates_tell_of_all(self):
        self.add()
        self.xenopsd.restart()
        answer = self.call("UPDATES.get")
        self.assertTrue(answer["complete"])
        found = {(u["class"], u["id"]) for u in answer["updates"]}
        self.assertLessEqual({("vm", "vm-1"), ("vbd", "vm-1/xvda"), ("vbd", "vm-1/xvdd")}, found)

    def test_import_makes_like(self):
        self.add()
        metadata = self.call("VM.export_metadata", vm="vm-1")
        metadata["vm"]["name"] = "two"
        metadata["vbds"] = metadata["vbds"][:1]
        self.assertEqual(self.call("VM.import_metadata", metadata=metadata), "vm-1")
        self.assertEqual(self.call("VM.export_metadata", vm="vm-1"), metadata)
        self.xenopsd.restart()
        self.assertEqual(self.call("VM.export_metadata", vm="vm-1"), metadata)
        self.do("VM.start", vm="vm-1")
        metadata["vbds"] = []
        self.refuses("Device_is_connected", "VM.import_metadata", metadata=metadata)


class Faults(Case):
    """Every atom of every plan fails, and xenopsd is killed at each."""

    WITH_NETWORK = True
    WITH_STORAGE = True

    def setUp(self):
        super().setUp()
        self.add()

    def up(self):
        self.do("VM.start", vm="vm-1")
        self.do("VM.unpause", vm="vm-1")

    def down(self):
        self.do("VM.shutdown", vm="vm-1")

    def test_start_fails_at_each_atom(self):
        points = self.points(lambda: self.do("VM.start", vm="vm-1"))
        self.down()
        self.assertGreater(len(points), 10)
        for atom, nth in points:
            with self.subTest(atom=atom, nth=nth):
                self.plan(atom, nth, "fail")
                self.fails("INTERNAL_ERROR", "VM.start", vm="vm-1")
                self.simulator.call("Fault.clear")
                self.check_halted()

    def test_cancel_of_start_at_each_atom(self):
        points = self.points(lambda: self.do("VM.start", vm="vm-1"))
        self.down()
        for atom, nth in points:
            with self.subTest(atom=atom, nth=nth):
                self.plan(atom, nth, "hang")
                task = self.start_task("VM.start", vm="vm-1")
                while not self.simulator.call("Fault.list")[0]["hanging"]:
                    time.sleep(0.001)
                self.call("TASK.cancel", task=task)
                record = self.xenopsd.client.wait_for_task(task)
                self.simulator.call("Fault.clear")
                self.assertEqual(record["state"], "cancelled", record)
                self.check_halted()

    def test_kill_at_each_atom_of_start(self):
        points = self.points(lambda: self.do("VM.start", vm="vm-1"))
        self.down()
        for atom, nth in points:
            with self.subTest(atom=atom, nth=nth):
                self.kill_at(atom, nth, lambda: self.start_task("VM.start", vm="vm-1"))
                self.check_halted()

    def test_kill_at_each_atom_of_shutdown(self):
        self.up()
        for atom, nth in self.points(self.down):
            with self.subTest(atom=atom, nth=nth):
                self.up()
                self.kill_at(atom, nth, lambda: self.start_task("VM.shutdown", vm="vm-1"))
                if self.power() == "running":
                    # It had not begun.
                    self.check_up("running")
                    self.down()
                self.check_halted()

    def test_kill_at_each_atom_of_reboot(self):
        self.up()
        for atom, nth in self.points(lambda: self.do("VM.reboot", vm="vm-1")):
            with self.subTest(atom=atom, nth=nth):
                self.kill_at(atom, nth, lambda: self.start_task("VM.reboot", vm="vm-1"))
                self.check_up("running")

    def test_kill_at_each_atom_of_plug(self):
        self.up()
        self.call("VBD.add", vbd={"vbd": "vm-1/xvdb", "backend": self.disk("b")})
        for kind, device in (("VBD", "vm-1/xvdb"), ("VIF", "vm-1/0")):
            self.run_task(f"{kind}.unplug", **{kind.lower(): device})
            params = {kind.lower(): device}
            for op, other in (("plug", "unplug"), ("unplug", "plug")):
                points = self.points(lambda: self.do(f"{kind}.{op}", **params))
                for atom, nth in points:
                    with self.subTest(kind=kind, op=op, atom=atom, nth=nth):
                        self.run_task(f"{kind}.{other}", **params)
                        self.kill_at(
                            atom, nth, lambda: self.start_task(f"{kind}.{op}", **params)
                        )
                        self.check_device(kind, device)
                self.run_task(f"{kind}.plug", **params)
        self.check_up("running")

    def check_device(self, kind, device):
        """It is there whole, or not at all."""
        state = self.call(f"{kind}.stat", **{kind.lower(): device})["state"]
        self.assertEqual(state["active"], state["plugged"])
        found = {f"vm-1/{d['name']}" for d in self.domain()["devices"]}
        self.assertEqual(device in found, state["plugged"])
        if kind == "VIF":
            self.assertEqual([g["owner"] for g in self.guests()], [device] * state["plugged"])


class Suspends(Faults):
    """A VM goes to its image and comes back; whatever fails, it runs or is suspended."""

    def setUp(self):
        super().setUp()
        spec = {"virtual_size_bytes": MIB, "name_label": "image", "image_format": "raw"}
        vdi = self.smd_do("VDI.create", sr=SR, spec=spec)["vdi"]
        self.image = {"vdi": {"sr": SR, "vdi": vdi}}
        self.agent = {"data/test": "what the guest remembers"}

    # What the VM's start and end are tested for is not tested anew.
    test_start_fails_at_each_atom = test_cancel_of_start_at_each_atom = None
    test_kill_at_each_atom_of_start = test_kill_at_each_atom_of_shutdown = None
    test_kill_at_each_atom_of_reboot = test_kill_at_each_atom_of_plug = None

    def run_guest(self):
        self.up()
        self.simulator.call("Guest.set", vm="vm-1", agent=self.agent)

    def suspend(self):
        self.do("VM.suspend", vm="vm-1", image=self.image)

    def resume(self):
        self.do("VM.resume", vm="vm-1", image=self.image)

    def start_suspend(self):
        return self.start_task("VM.suspend", vm="vm-1", image=self.image)

    def start_resume(self):
        return self.start_task("VM.resume", vm="vm-1", image=self.image)

    def check_suspended(self):
        """Nothing of it is left here, and it keeps its devices."""
        self.assertEqual(self.power(), "suspended")
        self.assertIsNone(self.domain())
        self.assertEqual(self.datapaths(), {})
        self.assertEqual(self.guests(), [])
        for vbd in self.call("VBD.list", vm="vm-1"):
            self.assertTrue(vbd["state"]["active"], vbd)
            self.assertFalse(vbd["state"]["plugged"], vbd)

    def check_same_guest(self, power):
        """It is up, and the guest that it was."""
        self.check_up(power)
        self.assertEqual(self.domain()["guest_agent"], self.agent)

    def check_one_of_two(self):
        """It runs or is suspended, whole; then it runs."""
        if self.power() == "suspended":
            self.check_suspended()
            self.resume()
            self.check_same_guest("paused")
            self.do("VM.unpause", vm="vm-1")
        self.check_same_guest("running")

    def test_there_and_back(self):
        self.run_guest()
        started = self.state()["last_start"]
        for _ in range(2):
            domids = self.state()["domids"]
            self.suspend()
            self.check_suspended()
            self.xenopsd.restart()
            self.check_suspended()
            self.resume()
            self.check_same_guest("paused")
            self.do("VM.unpause", vm="vm-1")
            self.check_same_guest("running")
            self.assertNotEqual(self.state()["domids"], domids)
        self.assertEqual(self.state()["last_start"], started)

    def test_a_path_of_this_host(self):
        self.image = {"local": str(self.dir / "image")}
        self.run_guest()
        self.suspend()
        self.check_suspended()
        self.resume()
        self.check_same_guest("paused")

    def test_a_suspended_vm_is_shut_down(self):
        self.run_guest()
        self.suspend()
        self.fails("Bad_power_state", "VM.start", vm="vm-1")
        self.fails("Bad_power_state", "VM.suspend", vm="vm-1", image=self.image)
        self.down()
        self.check_halted()

    def test_a_suspended_vm_is_carried_elsewhere(self):
        self.run_guest()
        self.suspend()
        metadata = self.call("VM.export_metadata", vm="vm-1")
        self.call("VM.remove", vm="vm-1")
        self.assertEqual(self.call("VM.list"), [])
        bad = dict(metadata, domain={"phase": "up"})
        self.refuses("INVALID_VALUE", "VM.import_metadata", metadata=bad)
        self.call("VM.import_metadata", metadata=metadata)
        self.check_suspended()
        self.resume()
        self.check_same_guest("paused")

    def test_what_was_added_meanwhile_does_not_come(self):
        self.run_guest()
        self.suspend()
        self.call("VBD.add", vbd={"vbd": "vm-1/xvdb", "backend": self.disk("b")})
        self.resume()
        self.assertFalse(self.call("VBD.stat", vbd="vm-1/xvdb")["state"]["plugged"])

    def test_only_a_running_guest_is_suspended(self):
        self.fails("Bad_power_state", "VM.suspend", vm="vm-1", image=self.image)
        self.do("VM.start", vm="vm-1")
        self.assertEqual(
            self.fails("Bad_power_state", "VM.suspend", vm="vm-1", image=self.image),
            ["paused", "running"],
        )
        self.fails("Bad_power_state", "VM.resume", vm="vm-1", image=self.image)

    def test_a_guest_that_does_not_listen_runs_on(self):
        self.run_guest()
        self.simulator.call("Guest.set", vm="vm-1", acknowledges=False)
        task = self.start_suspend()
        self.wait_for("the wish", lambda: self.datapaths().get("vm-1/+image"))
        self.call("TASK.cancel", task=task)
        self.assertEqual(self.xenopsd.client.wait_for_task(task)["state"], "cancelled")
        self.check_same_guest("running")

    def test_an_image_that_is_none_is_refused(self):
        self.image = {"local": str(self.dir / "image")}
        self.run_guest()
        self.suspend()
        path = self.dir / "image"
        good = path.read_bytes()
        other = good.replace(b'"vm-1"', b'"vm-2"')
        damaged = bytearray(good)
        damaged[4096 + 5] ^= 1
        header = bytearray(good)
        header[20] = 0
        for bad, why in (
            (b"", "no finished image"),
            (bytes(len(good)), "no finished image"),
            (good[:4100], "too short"),
            (other, "another VM"),
            (good.replace(b'"simulator"', b'"qemu"'), "another hypervisor"),
            (bytes(header), "damaged header"),
            (bytes(damaged), "checksum"),
        ):
            with self.subTest(why=why):
                path.write_bytes(bad)
                (reason,) = self.fails(
                    "Image_unusable", "VM.resume", vm="vm-1", image=self.image
                )
                self.assertIn(why, reason)
                self.check_suspended()
        path.write_bytes(good)
        self.resume()
        self.check_same_guest("paused")

    def test_an_image_without_room_leaves_the_guest_running(self):
        spec = {"virtual_size_bytes": 4096, "image_format": "raw"}
        vdi = self.smd_do("VDI.create", sr=SR, spec=spec)
        small = {"vdi": {"sr": SR, "vdi": vdi["vdi"]}}
        self.run_guest()
        self.simulator.call("Guest.set", vm="vm-1", agent={"long": "x" * MIB})
        self.fails("SYSTEM_ERROR", "VM.suspend", vm="vm-1", image=small)
        self.simulator.call("Guest.set", vm="vm-1", agent=self.agent)
        self.check_same_guest("running")

    def test_put_away_while_smd_is_away_ends_later(self):
        self.run_guest()
        self.plan("vm-destroy", 1, "hang")
        task = self.start_suspend()
        while not self.simulator.call("Fault.list")[0]["hanging"]:
            time.sleep(0.001)
        self.smd.stop()
        self.xenopsd.stop(signal.SIGKILL)
        self.simulator.call("Fault.clear")
        self.xenopsd.start()
        self.refuses("NO_SUCH_TASK", "TASK.stat", task=task)
        self.wait_for("the repair", lambda: self.domain() is None)
        self.assertEqual(self.power(), "suspended")
        self.smd.start()
        self.wait_for("the repair", lambda: not self.datapaths())
        self.settle()
        self.check_suspended()

    def test_suspend_fails_at_each_atom(self):
        self.run_guest()
        points = self.points(self.suspend)
        self.assertGreater(len(points), 10)
        self.resume()
        self.do("VM.unpause", vm="vm-1")
        for atom, nth in points:
            with self.subTest(atom=atom, nth=nth):
                self.plan(atom, nth, "fail")
                self.run_task("VM.suspend", vm="vm-1", image=self.image)
                self.simulator.call("Fault.clear")
                self.wait_for("the repair", lambda: not self.is_half_done())
                self.check_one_of_two()

    def is_half_done(self):
        if self.power() != "suspended":
            return bool(self.call("debug.diagnostics")["queue"]["vms"])
        return bool(self.domain() or self.datapaths() or self.guests())

    def test_a_guest_that_could_not_go_on_goes_on_later(self):
        self.run_guest()
        for atom in ("undo-guest-suspend", "undo-image-create", "undo-suspend-begin"):
            with self.subTest(atom=atom):
                self.plan("vm-save", 1, "fail")
                self.plan(atom, 1, "fail")
                self.fails("INTERNAL_ERROR", "VM.suspend", vm="vm-1", image=self.image)
                self.simulator.call("Fault.clear")
                self.wait_for("the repair", lambda: self.domain()["power"] == "running")
                self.wait_for("the disks", lambda: "vm-1/+image" not in self.datapaths())
                self.check_same_guest("running")
                self.suspend()
                self.resume()
                self.do("VM.unpause", vm="vm-1")

    def test_cancel_of_suspend_at_each_atom(self):
        self.run_guest()
        points = self.points(self.suspend)
        self.resume()
        self.do("VM.unpause", vm="vm-1")
        states = []
        for atom, nth in points:
            with self.subTest(atom=atom, nth=nth):
                self.plan(atom, nth, "hang")
                task = self.start_suspend()
                while not self.simulator.call("Fault.list")[0]["hanging"]:
                    time.sleep(0.001)
                self.call("TASK.cancel", task=task)
                self.simulator.call("Fault.clear")
                record = self.xenopsd.client.wait_for_task(task)
                self.assertIn(record["state"], ("cancelled", "done"), record)
                states.append((record["state"], self.power()))
                self.check_one_of_two()
        self.assertIn(("cancelled", "running"), states)
        self.assertIn(("done", "suspended"), states)

    def test_kill_at_each_atom_of_suspend(self):
        self.run_guest()
        points = self.points(self.suspend)
        self.resume()
        self.do("VM.unpause", vm="vm-1")
        powers = set()
        for atom, nth in points:
            with self.subTest(atom=atom, nth=nth):
                self.kill_at(atom, nth, self.start_suspend)
                powers.add(self.power())
                self.check_one_of_two()
        self.assertEqual(powers, {"running", "suspended"})

    def test_resume_fails_at_each_atom(self):
        self.run_guest()
        self.suspend()
        points = self.points(self.resume)
        self.assertGreater(len(points), 10)
        for atom, nth in points:
            with self.subTest(atom=atom, nth=nth):
                self.do("VM.unpause", vm="vm-1")
                self.suspend()
                self.plan(atom, nth, "fail")
                self.fails("INTERNAL_ERROR", "VM.resume", vm="vm-1", image=self.image)
                self.simulator.call("Fault.clear")
                self.check_suspended()
                self.resume()
                self.check_same_guest("paused")

    def test_cancel_of_resume_at_each_atom(self):
        self.run_guest()
        self.suspend()
        points = self.points(self.resume)
        for atom, nth in points:
            with self.subTest(atom=atom, nth=nth):
                self.do("VM.unpause", vm="vm-1")
                self.suspend()
                self.plan(atom, nth, "hang")
                task = self.start_resume()
                while not self.simulator.call("Fault.list")[0]["hanging"]:
                    time.sleep(0.001)
                self.call("TASK.cancel", task=task)
                record = self.xenopsd.client.wait_for_task(task)
                self.simulator.call("Fault.clear")
                self.assertEqual(record["state"], "cancelled", record)
                self.check_suspended()
                self.resume()
                self.check_same_guest("paused")

    def test_kill_at_each_atom_of_resume(self):
        self.run_guest()
        self.suspend()
        points = self.points(self.resume)
        for atom, nth in points:
            with self.subTest(atom=atom, nth=nth):
                self.do("VM.unpause", vm="vm-1")
                self.suspend()
                self.kill_at(atom, nth, self.start_resume)
                self.check_suspended()
                self.resume()
                self.check_same_guest("paused")


class Queues(Case):
    def test_one_after_the_other_and_side_by_side(self):
        self.simulator.call("Machine.set", operation_ms=2)
        for i in range(6):
            self.add(f"vm-{i}")
        tasks = []
        for _ in range(3):
            for method in ("VM.start", "VM.unpause", "VM.shutdown"):
                tasks += [self.start_task(method, vm=f"vm-{i}") for i in range(6)]
        for task in tasks:
            self.assertEqual(self.xenopsd.client.wait_for_task(task)["state"], "done")
        for i in range(6):
            self.check_halted(f"vm-{i}")

    def test_pool_of_one(self):
        self.call("HOST.set_worker_pool_size", size=1)
        self.refuses("INVALID_VALUE", "HOST.set_worker_pool_size", size=0)
        self.run_vm()
        self.add("vm-2")
        self.simulator.call("Guest.set", vm="vm-1", acknowledges=False)
        first = self.start_task("VM.shutdown", vm="vm-1", timeout_s=1000)
        second = self.start_task("VM.start", vm="vm-2")
        self.wait_for(
            "the queue", lambda: self.call("debug.diagnostics")["queue"]["working"] == 1
        )
        self.assertEqual(self.call("TASK.stat", task=second)["state"], "running")
        self.assertEqual(self.power("vm-2"), "halted")
        self.call("HOST.set_worker_pool_size", size=2)
        self.assertEqual(self.xenopsd.client.wait_for_task(second)["state"], "done")
        self.call("TASK.cancel", task=first)
        self.assertEqual(self.xenopsd.client.wait_for_task(first)["state"], "cancelled")
        self.check_up("running")


class ByCli(Case):
    def cli(self, *args):
        return subprocess.run(
            [str(CLI), "--dir", str(self.dir), *args],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=HANG,
        )

    def ok(self, *args):
        done = self.cli(*args)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return done.stdout

    def test_life(self):
        self.ok("vm-add", "--vm", json.dumps(VM))
        self.ok("vbd-add", "--vbd", json.dumps({"vbd": "vm-1/xvda", "backend": self.disk()}))
        self.ok("vm-start", "vm-1")
        self.ok("vm-unpause", "vm-1")
        self.check_up("running")
        listed = json.loads(self.ok("--json", "vm-list"))
        self.assertEqual([vm["state"]["power_state"] for vm in listed], ["running"])
        self.ok("vm-shutdown", "vm-1", "--timeout_s", "30")
        self.ok("vm-remove", "vm-1")
        failed = self.cli("vm-start", "vm-1")
        self.assertEqual(failed.returncode, 1)
        self.assertIn("Does_not_exist(vm, vm-1)", failed.stderr)


if __name__ == "__main__":
    os.umask(0o022)
    unittest.main()
