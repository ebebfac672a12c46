# SPDX-License-Identifier: LGPL-2.1-or-later
"""xenopsd by its socket and its CLI, on the simulator: life, errors by name, kills, faults."""

import contextlib
import datetime
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

    def image_of(self, name):
        return next(d["backend"] for d in self.domain()["devices"] if d["name"] == name)

    def test_freeze(self):
        """The guest goes over with all disks that it writes to, and what they had is kept."""
        other = self.disk("b")
        self.add()
        self.call("VBD.add", vbd={"vbd": "vm-1/xvdb", "backend": other})
        self.call("VBD.add", vbd={"vbd": "vm-1/xvdc", "backend": self.disk("c"), "mode": "ro"})
        vbds = [f"vm-1/{name}" for name in ("xvda", "xvdb", "xvdc", "xvdd")]

        def freeze():
            return self.do("VM.freeze_disks", vm="vm-1", vbds=vbds)["result"]

        self.assertEqual(freeze(), {})
        self.do("VM.start", vm="vm-1")
        before = [self.image_of(name) for name in ("xvda", "xvdb", "xvdc")]
        frozen = freeze()
        self.assertEqual(set(frozen), {"vm-1/xvda", "vm-1/xvdb"})
        after = [self.image_of(name) for name in ("xvda", "xvdb", "xvdc")]
        self.assertEqual([a == b for a, b in zip(before, after)], [False, False, True])
        self.assertTrue(before[1].endswith("/" + frozen["vm-1/xvdb"]))
        self.check_inventory()
        kept = self.smd_do("VDI.snapshot", **other["vdi"], frozen=frozen["vm-1/xvdb"])
        self.assertEqual(kept["snapshot_of"], other["vdi"]["vdi"])
        # One that cannot be frozen leaves all at what smd has; and the next is as the first.
        dp = {"dp": "look", "sr": SR, "vdi": other["vdi"]["vdi"], "read_write": False}
        self.smd.client.call("VDI.attach", **dp)
        self.fails("Illegal_transition", "VM.freeze_disks", vm="vm-1", vbds=vbds)
        self.smd.client.call("DP.destroy", dp="look")
        self.check_inventory()
        self.assertEqual(set(freeze()), set(frozen))
        self.fails("Does_not_exist", "VM.freeze_disks", vm="vm-1", vbds=["vm-1/no"])
        self.do("VM.shutdown", vm="vm-1")
        self.check_halted()

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

    def test_plug_of_what_is_half_out_leaves_nothing(self):
        self.run_vm()
        self.call("VBD.add", vbd={"vbd": "vm-1/xvdb", "backend": self.disk("b")})
        self.do("VBD.plug", vbd="vm-1/xvdb")
        self.smd.stop(signal.SIGKILL)
        self.fails("CONNECTION_REFUSED", "VBD.unplug", vbd="vm-1/xvdb")
        self.fails("CONNECTION_REFUSED", "VBD.plug", vbd="vm-1/xvdb")
        self.smd.start()
        self.settle()
        self.assertEqual(list(self.datapaths()), ["vm-1/xvda"])
        self.do("VBD.plug", vbd="vm-1/xvdb")
        self.check_up("running")

    def test_eject_of_what_is_half_in_leaves_nothing(self):
        self.run_vm()
        self.simulator.call("Fault.add", fault={"atom": "vbd-insert", "nth": 1, "action": "hang"})
        task = self.call("VBD.insert", vbd="vm-1/xvdd", disk=self.disk("medium"))
        self.wait_for("the hang", lambda: self.simulator.call("Fault.list")[0]["hanging"])
        self.smd.stop(signal.SIGKILL)
        self.call("TASK.cancel", task=task)
        self.assertEqual(self.xenopsd.client.wait_for_task(task)["state"], "cancelled")
        self.simulator.call("Fault.clear")
        self.fails("CONNECTION_REFUSED", "VBD.eject", vbd="vm-1/xvdd")
        self.smd.start()
        self.settle()
        self.assertEqual(list(self.datapaths()), ["vm-1/xvda"])
        self.assertNotIn("backend", self.call("VBD.stat", vbd="vm-1/xvdd")["state"])

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

    def while_away(self, how, **more):
        self.run_vm(**more)
        before = self.state()["domids"]
        self.xenopsd.stop(signal.SIGKILL)
        self.end_guest(how)
        self.xenopsd.start()
        self.settle()
        return before

    def test_reboot_while_xenopsd_is_away(self):
        before = self.while_away("rebooted")
        self.check_up("running")
        self.assertNotEqual(self.state()["domids"], before)

    def test_crash_while_xenopsd_is_away(self):
        self.while_away("crashed")
        self.check_halted()

    def test_crash_that_is_kept_while_xenopsd_is_away(self):
        before = self.while_away("crashed", on_crash="preserve")
        self.assertEqual(self.power(), "paused")
        self.assertEqual(self.state()["domids"], before)

    def test_early_crash_while_xenopsd_is_away_is_no_loop(self):
        self.while_away("crashed", on_crash="restart")
        self.check_halted()

    def age(self, seconds):
        """As if the guest had been started so long ago."""
        self.xenopsd.stop(signal.SIGKILL)
        path = self.dir / "run" / "xenopsd" / "simulator" / "VM" / "vm-1" / "state"
        state = json.loads(path.read_text())
        then = datetime.datetime.fromisoformat(state["last_start"])
        then -= datetime.timedelta(seconds=seconds)
        state["last_start"] = then.strftime("%Y-%m-%dT%H:%M:%SZ")
        path.write_text(json.dumps(state))
        self.xenopsd.start()
        self.settle()

    def test_late_crash_is_a_restart(self):
        self.run_vm(on_crash="restart")
        self.age(60)
        self.age(61)
        before = self.state()["domids"]
        self.end_guest("crashed")
        self.wait_for("the restart", lambda: self.state()["domids"] not in ([], before))
        self.settle()
        self.check_up("running")
        # The new one is young: it may not crash as well.
        self.end_guest("crashed")
        self.wait_for("the end", lambda: self.power() == "halted")
        self.check_halted()

    def test_crash_that_is_not_late_enough(self):
        self.run_vm(on_crash="restart")
        self.age(60)
        self.end_guest("crashed")
        self.wait_for("the end", lambda: self.power() == "halted")
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

    def test_a_start_makes_like_and_lets_run(self):
        self.add()
        metadata = self.call("VM.export_metadata", vm="vm-1")
        self.call("VM.remove", vm="vm-1")
        self.fails("INVALID_VALUE", "VM.start", vm="vm-2", metadata=metadata)
        self.assertEqual(self.call("VM.list"), [])
        self.do("VM.start", vm="vm-1", metadata=metadata)
        self.assertEqual(self.state()["power_state"], "paused")
        self.do("VM.start", vm="vm-1", runs=True)
        self.assertEqual(self.state()["power_state"], "running")
        self.assertEqual(self.call("VM.export_metadata", vm="vm-1"), metadata)
        fewer = {**metadata, "vbds": metadata["vbds"][:1]}
        self.fails("Device_is_connected", "VM.start", vm="vm-1", metadata=fewer)
        self.do("VM.shutdown", vm="vm-1")
        self.do("VM.start", vm="vm-1", metadata=fewer, runs=True)
        self.assertEqual(self.state()["power_state"], "running")
        self.assertEqual(self.call("VM.export_metadata", vm="vm-1"), fewer)


class Damage(Case):
    """A file that cannot be read is put aside, and everything else is served."""

    WITH_NETWORK = True
    WITH_STORAGE = True
    TEXTS = (b"", b"{", b"[]", b'{"vm": 5}', bytes(100), b"\xff\xfe")

    def path(self, name, vm="vm-1"):
        return self.dir / "run" / "xenopsd" / "simulator" / "VM" / vm / name

    def damage(self, name, text):
        self.xenopsd.stop(signal.SIGKILL)
        self.path(name).write_bytes(text)
        self.xenopsd.start()
        self.settle()
        self.assertFalse(self.path(name).exists() and name != "state")
        aside = self.path(f"{name}.damaged")
        self.assertEqual(aside.read_bytes(), text)
        self.assertIn(str(aside), self.call("debug.diagnostics")["damaged"])
        self.assertIn(f"put aside as {aside}", self.logs())
        self.check_up("running", "vm-2")

    def setUp(self):
        super().setUp()
        self.run_vm()
        self.run_vm("vm-2")
        self.domids = self.state()["domids"]
        self.metadata = self.call("VM.export_metadata", vm="vm-1")

    def test_config(self):
        other = self.path("config", "vm-2").read_bytes()
        for text in (*self.TEXTS, other):
            with self.subTest(text=text):
                self.damage("config", text)
                self.assertEqual([s["vm"]["vm"] for s in self.call("VM.list")], ["vm-2"])
                self.xenopsd.restart()  # it is not forgotten
                self.assertTrue(self.path("config.damaged").exists())
                self.assertIsNotNone(self.domain())
                self.call("VM.import_metadata", metadata=self.metadata)
                self.settle()
                self.check_up("running")
                self.assertEqual(self.state()["domids"], self.domids)
                self.xenopsd.restart()
                self.check_up("running")

    def test_state(self):
        for text in self.TEXTS:
            if text.endswith(b"}"):
                continue  # a state whose members have their defaults
            with self.subTest(text=text):
                self.damage("state", text)
                self.check_up("running")
                self.assertEqual(self.state()["domids"], self.domids)
        self.do("VM.shutdown", vm="vm-1")
        self.damage("state", b"")
        self.check_halted()

    def test_device(self):
        other = self.path("vif.0", "vm-2").read_bytes()
        for name, kind, config in (
            ("vbd.xvda", "VBD", self.metadata["vbds"][0]),
            ("vif.0", "VIF", self.metadata["vifs"][0]),
        ):
            for text in (*self.TEXTS, other):
                with self.subTest(name=name, text=text):
                    self.damage(name, text)
                    ident = {kind.lower(): config[kind.lower()]}
                    self.refuses("Does_not_exist", f"{kind}.stat", **ident)
                    self.call(f"{kind}.add", **{kind.lower(): config})
                    self.check_up("running")
                    self.assertEqual(self.state()["domids"], self.domids)
        self.do("VM.shutdown", vm="vm-1")
        self.check_halted()
        self.call("VM.remove", vm="vm-1")
        self.assertEqual(self.call("debug.diagnostics")["damaged"], {})


class Suspends(Case):
    """A VM goes to its image and comes back; what becomes of it amid that is the table's."""

    WITH_NETWORK = True
    WITH_STORAGE = True

    def setUp(self):
        super().setUp()
        self.add()
        spec = {"virtual_size_bytes": MIB, "name_label": "image", "image_format": "raw"}
        vdi = self.smd_do("VDI.create", sr=SR, spec=spec)["vdi"]
        self.image = {"vdi": {"sr": SR, "vdi": vdi}}
        self.agent = {"data/test": "what the guest remembers"}

    def up(self):
        self.do("VM.start", vm="vm-1")
        self.do("VM.unpause", vm="vm-1")

    def down(self):
        self.do("VM.shutdown", vm="vm-1")

    def run_guest(self):
        self.up()
        self.simulator.call("Guest.set", vm="vm-1", agent=self.agent)

    def suspend(self):
        self.do("VM.suspend", vm="vm-1", image=self.image)

    def resume(self):
        self.do("VM.resume", vm="vm-1", image=self.image)

    def start_suspend(self):
        return self.start_task("VM.suspend", vm="vm-1", image=self.image)

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
    def running_tasks(self):
        return [task for task in self.call("TASK.list") if task["state"] == "running"]

    @contextlib.contextmanager
    def started(self, command):
        pipe = subprocess.PIPE
        with subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe
        ) as process:
            try:
                yield process
            finally:
                process.kill()

    def test_who_waits_is_told_of_a_kill(self):
        self.run_vm()
        self.simulator.call("Guest.set", vm="vm-1", acknowledges=False)
        command = [str(CLI), "--dir", str(self.dir), "vm-shutdown", "vm-1", "--timeout_s", "1000"]
        with self.started(command) as waiting:
            self.wait_for("the task", self.running_tasks)
            (task,) = self.running_tasks()
            self.xenopsd.stop(signal.SIGKILL)
            told = waiting.communicate(timeout=HANG)[1].decode()
            self.assertEqual(waiting.returncode, 3, told)
            # REFUSED, when it was killed between two calls of the one who waits
            self.assertRegex(told, "CONNECTION_(LOST|REFUSED)")
        self.xenopsd.start()
        self.refuses("NO_SUCH_TASK", "TASK.stat", task=task["id"])
        self.check_up("running")

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
