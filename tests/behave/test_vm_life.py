# SPDX-License-Identifier: LGPL-2.1-or-later
"""The life of VMs through the XenAPI, on the simulator: Python's own xmlrpc.client is the client."""

import contextlib
import functools
import json
import pathlib
import re
import signal
import subprocess
import time
import unittest
import xmlrpc.client

from budget import Budget
from jsonrpc import Client, Failed
from pool import MIB, NO_QOS, NULL, Case, Failure
from stack import BUILD, HANG, Stack, free_port


class LifeTest(Case):
    def setUp(self):
        self.stack = Stack(self, "--port", str(free_port()))
        self.sr_folder = self.stack.dir / "sr"
        self.connect(self.stack.env())


class Synced(LifeTest):
    SYNCS = "fsync", "fdatasync", "sync_file_range", "msync", "syncfs", "sync"
    ROUNDS = 2

    def is_traced(self, pid):
        status = pathlib.Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
        return int(re.search(r"TracerPid:\s+(\d+)", status)[1]) != 0

    @contextlib.contextmanager
    def strace(self):
        """All daemons are watched; yields what names the files that they have synced up to now."""
        trace = self.stack.dir / "trace"
        daemons = "xapid", "xenopsd", "smd", "networkd", "rrdd"
        pids = [self.stack.status(daemon)["pid"] for daemon in daemons]
        command = ["strace", "-f", "-qq", "-y", "-e", "signal=none", "-o", trace]
        command += ["-e", "trace=" + ",".join(self.SYNCS)]
        for pid in pids:
            command += ["-p", str(pid)]
        with subprocess.Popen(command, stdin=subprocess.DEVNULL) as tracer:
            try:
                self.until(lambda: all(map(self.is_traced, pids)), "strace")
                begun = re.compile(r"^\d+ +\w+\((?:\d+<(.*?)>)?", re.MULTILINE)
                text = functools.partial(trace.read_text, encoding="utf-8")
                yield lambda: [pathlib.PurePath(path).name for path in begun.findall(text())]
            finally:
                tracer.send_signal(signal.SIGINT)

    @staticmethod
    def is_tidy(synced):
        """Each store has brought its log in and begun it anew: it does nothing more."""
        for store in {name for name in synced if name.endswith(".db")}:
            log = f"{store}-wal"
            if [name for name in synced if name in (store, log)][-3:] != [store, log, log]:
                return False
        return "xapid.db" in synced

    def test_a_start_waits_for_the_disk_twice(self):
        vm = self.make_vm()
        starts, changes = [], []
        with self.strace() as synced:

            def note(into, *call):
                before = len(synced())
                self.x(*call)
                # The store tidies up in the midst of it if that takes a second: not counted.
                if "xapid.db" not in (files := synced()[before:]):
                    into.append(len(files))

            def wait_until_idle():
                self.until(lambda: self.is_tidy(synced()), "idle stores")

            self.x("VM.start", vm, False, False)
            for i in range(self.ROUNDS):
                self.x("VM.hard_shutdown", vm)
                wait_until_idle()
                note(changes, "VM.set_name_label", vm, f"changed {i}")
                wait_until_idle()
                note(starts, "VM.start", vm, False, False)
        self.assertEqual(set(changes), {1}, changes)
        self.assertTrue(starts)
        self.assertLessEqual(set(starts), {1, 2}, starts)


class WholeLife(LifeTest):
    def test_a_vm_lives_with_its_disk_and_its_network(self):
        vm = self.make_whole_vm()
        self.assertIn("start", self.x("VM.get_allowed_operations", vm))
        self.x("VM.start", vm, False, False)
        record = self.x("VM.get_record", vm)
        self.assertEqual(record["power_state"], "Running")
        self.assertEqual(record["resident_on"], self.host)
        self.assertNotEqual(record["domid"], "-1")
        self.assertTrue(record["consoles"])
        self.assertEqual(record["current_operations"], {})
        self.assertIn("pause", record["allowed_operations"])
        self.assertNotIn("start", record["allowed_operations"])
        for kind, device in (("VBD", self.vbd), ("VBD", self.cd), ("VIF", self.vif)):
            self.assertTrue(self.x(f"{kind}.get_currently_attached", device), device)
        self.assertEqual(self.x("VBD.get_device", self.vbd), "xvda")
        self.assertNotIn("destroy", self.x("VDI.get_allowed_operations", self.vdi))
        console = self.x("console.get_record", record["consoles"][0])
        self.assertIn(f"/console?uuid={console['uuid']}", console["location"])
        metrics = self.x("VM_metrics.get_record", record["metrics"])
        self.assertEqual(metrics["current_domain_type"], "pvh")

        self.x("VM.pause", vm)
        self.assertEqual(self.state(vm), "Paused")
        self.x("VM.unpause", vm)
        self.x("VM.clean_reboot", vm)
        self.assertEqual(self.state(vm), "Running")
        self.x("VM.hard_reboot", vm)
        self.assertEqual(self.x("VM.get_consoles", vm), record["consoles"])
        self.assertGreater(int(self.x("VM.get_domid", vm)), int(record["domid"]))
        self.x("VM.clean_shutdown", vm)
        record = self.x("VM.get_record", vm)
        self.assertEqual(record["power_state"], "Halted")
        self.assertEqual(record["resident_on"], NULL)
        self.assertEqual(record["domid"], "-1")
        self.assertEqual(record["consoles"], [])
        for kind, device in (("VBD", self.vbd), ("VBD", self.cd), ("VIF", self.vif)):
            self.assertFalse(self.x(f"{kind}.get_currently_attached", device), device)
        self.assertIn("destroy", self.x("VDI.get_allowed_operations", self.vdi))

        self.x("VM.start_on", vm, self.host, True, False)
        self.assertEqual(self.state(vm), "Paused")
        self.x("VM.hard_shutdown", vm)
        self.x("VM.start", vm, False, False)
        self.x("VM.shutdown", vm)
        self.assertEqual(self.state(vm), "Halted")
        self.x("VM.destroy", vm)
        self.assertEqual(self.fails("HANDLE_INVALID", "VM.get_record", vm), ["VM", vm])
        self.fails("HANDLE_INVALID", "VBD.get_record", self.vbd)
        self.fails("HANDLE_INVALID", "VIF.get_record", self.vif)
        self.x("VDI.destroy", self.vdi)
        self.fails("HANDLE_INVALID", "VDI.get_record", self.vdi)

    def test_what_is_settled_when_it_starts(self):
        """What a guest finds of its machine is chosen once; a copy is told from its original."""
        vm = self.make_vm(domain_type="hvm", HVM_boot_policy="BIOS order")
        record = self.x("VM.get_record", vm)
        self.assertEqual(record["generation_id"], "0:0")
        self.assertEqual(record["bios_strings"], {})
        self.assertEqual(record["last_boot_CPU_flags"], {})
        snapshot = self.x("VM.snapshot", vm, "then")
        self.x("VM.start", vm, False, False)
        record = self.x("VM.get_record", vm)
        self.assertRegex(record["generation_id"], r"^\d+:\d+$")
        self.assertNotEqual(record["generation_id"], "0:0")
        self.assertEqual(record["bios_strings"]["bios-vendor"], "Xen")
        cpu = self.x("host.get_cpu_info", self.host)
        wanted = {"vendor": cpu["vendor"], "features": cpu["features_hvm"]}
        self.assertEqual(record["last_boot_CPU_flags"], wanted)
        metrics = self.x("VM_metrics.get_record", record["metrics"])
        self.assertIs(metrics["hvm"], True)
        self.assertEqual(metrics["current_domain_type"], "hvm")
        self.assertEqual(metrics["VCPUs_number"], "1")
        self.assertEqual(metrics["memory_actual"], str(256 * MIB))
        self.assertGreater(str(metrics["start_time"]), "2020")
        self.x("VM.hard_reboot", vm)
        self.x("VM.hard_shutdown", vm)
        self.x("VM.start", vm, False, False)
        self.assertEqual(self.x("VM.get_generation_id", vm), record["generation_id"])
        self.x("VM.hard_shutdown", vm)
        clone = self.x("VM.clone", vm, "clone")
        again = self.x("VM.snapshot", vm, "again")
        self.assertEqual(self.x("VM.get_generation_id", again), record["generation_id"])
        ids = {record["generation_id"], self.x("VM.get_generation_id", clone)}
        self.x("VM.revert", again)
        ids.add(self.x("VM.get_generation_id", vm))
        self.assertEqual(len(ids), 3)
        self.x("VM.revert", snapshot)
        self.assertEqual(self.x("VM.get_generation_id", vm), "0:0")

    def test_the_memory_of_the_host_follows(self):
        metrics = self.x("host.get_metrics", self.host)

        def free():
            return int(self.x("host_metrics.get_record", metrics)["memory_free"])

        vm = self.make_vm()
        self.until(lambda: self.x("host.get_capabilities", self.host), "what the host is")
        before = free()
        self.x("VM.start", vm, False, False)
        self.until(lambda: free() < before, "less free memory")
        self.x("VM.hard_shutdown", vm)
        self.until(lambda: free() == before, "the memory back")

    def test_vms_share_the_memory_and_one_does_not(self):
        def actual(vm):
            metrics = self.x("VM.get_metrics", vm)
            return int(self.x("VM_metrics.get_memory_actual", metrics))

        a, b, c = (self.make_vm(name, memory_dynamic_min=str(128 * MIB)) for name in "abc")
        self.x("VM.start", a, False, False)
        with Client(self.stack.dir / "run" / "simulator" / "run" / "simulator.sock") as simulator:
            simulator.call("Machine.set", memory_bytes=384 * MIB)
            self.x("VM.start", b, False, False)
            self.until(lambda: actual(a) == 192 * MIB, "the balloon")
            could_be = int(self.x("host.compute_free_memory", self.host))
            self.assertEqual(could_be, 2 * (192 - 128) * MIB)
            self.x("VM.set_memory_dynamic_range", a, str(128 * MIB), str(160 * MIB))
            self.until(lambda: actual(b) > 224 * MIB, "the other balloon")
            self.assertEqual(self.x("VM.get_memory_dynamic_max", a), str(160 * MIB))
            self.fails(
                "MEMORY_CONSTRAINT_VIOLATION",
                "VM.set_memory_dynamic_max",
                a,
                str(257 * MIB),
            )
            self.x("VM.set_memory_dynamic_max", a, str(256 * MIB))
            self.until(lambda: actual(a) == 192 * MIB, "the balloon")
            simulator.call("Machine.set", memory_bytes=383 * MIB)
            self.fails("HOST_NOT_ENOUGH_FREE_MEMORY", "VM.start", c, False, False)
            self.assertTrue(self.x("VM.get_cooperative", a))
            simulator.call("Machine.set", memory_bytes=384 * MIB)
            simulator.call("Guest.set", vm=self.x("VM.get_uuid", a), balloons=False)
            self.fails("VMS_FAILED_TO_COOPERATE", "VM.start", c, False, False)
        self.assertFalse(self.x("VM.get_cooperative", a))
        self.assertTrue(self.x("VM.get_cooperative", b))
        self.assertTrue(self.x("VM.get_cooperative", c))
        self.assertEqual(self.x("host.get_uncooperative_resident_VMs", self.host), [a])

    def test_the_memory_of_a_running_vm_changes(self):
        def state():
            with Client(self.stack.dir / "run" / "xenopsd.sock") as xenopsd:
                return xenopsd.call("VM.stat", vm=self.x("VM.get_uuid", vm))["state"]

        vm = self.make_vm(
            HVM_boot_policy="BIOS order", domain_type="hvm", memory_dynamic_min=str(128 * MIB)
        )
        self.fails("VM_BAD_POWER_STATE", "VM.set_shadow_multiplier_live", vm, 2.0)
        self.x("VM.start", vm, False, False)
        self.x("VM.set_shadow_multiplier_live", vm, 2.0)
        self.assertEqual(state()["shadow_multiplier"], 2)
        self.assertEqual(self.x("VM.get_HVM_shadow_multiplier", vm), 2.0)
        self.fails("INVALID_VALUE", "VM.set_shadow_multiplier_live", vm, 0.5)
        self.x("VM.set_memory_target_live", vm, str(192 * MIB))
        self.assertEqual(state()["memory_target_bytes"], 192 * MIB)
        self.assertEqual(self.x("VM.get_memory_dynamic_min", vm), str(192 * MIB))
        self.fails(
            "MEMORY_CONSTRAINT_VIOLATION", "VM.set_memory_target_live", vm, str(64 * MIB)
        )

    def test_what_does_not_fit_the_power_state_is_refused(self):
        vm = self.make_vm()
        code = "VM_BAD_POWER_STATE"
        self.assertEqual(self.fails(code, "VM.unpause", vm), [vm, "paused", "halted"])
        self.assertEqual(
            self.fails(code, "VM.hard_shutdown", vm),
            [vm, "paused, suspended, running", "halted"],
        )
        self.x("VM.start", vm, False, False)
        self.assertEqual(
            self.fails(code, "VM.start", vm, False, False), [vm, "halted", "running"]
        )
        self.assertEqual(
            self.fails(code, "VM.destroy", vm), [vm, "halted, suspended", "running"]
        )
        self.assertEqual(self.fails(code, "VM.clone", vm, "c"), [vm, "halted", "running"])

    def test_what_is_blocked_or_a_template_does_not_start(self):
        vm = self.make_vm()
        self.x("VM.set_blocked_operations", vm, {"start": "because"})
        answer = self.fails("OPERATION_BLOCKED", "VM.start", vm, False, False)
        self.assertEqual(answer, [vm, "because"])
        self.assertNotIn("start", self.x("VM.get_allowed_operations", vm))
        self.x("VM.set_blocked_operations", vm, {})
        self.fails("PROVISION_ONLY_ALLOWED_ON_TEMPLATE", "VM.provision", vm)
        self.x("VM.set_is_a_template", vm, True)
        answer = self.fails("VM_IS_TEMPLATE", "VM.start", vm, False, False)
        self.assertEqual(answer, [vm, "start"])

    def test_a_guest_without_drivers_is_not_asked(self):
        """One without ACPI either, that is; else there is the power button of its machine."""
        vm = self.make_vm(
            domain_type="hvm", HVM_boot_policy="BIOS order", platform={"acpi": "0"}
        )
        self.x("VM.start", vm, False, False)
        self.assertEqual(self.fails("VM_LACKS_FEATURE", "VM.clean_shutdown", vm), [vm])
        self.x("VM.shutdown", vm)
        self.assertEqual(self.state(vm), "Halted")

    def cli(self, command):
        """What xapid-cli says of xapid, as a list."""
        done = subprocess.run(
            [str(BUILD / "bin" / "xapid-cli"), "--dir", str(self.stack.dir), command, "--json"],
            capture_output=True,
            text=True,
            timeout=HANG,
        )
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads(done.stdout)

    def test_what_is_at_work_can_be_seen(self):
        vm = self.make_whole_vm()
        path = self.stack.dir / "run" / "simulator" / "run" / "simulator.sock"
        self.assertEqual((self.cli("locks"), self.cli("plans")), ([], []))
        with Client(path) as client:
            client.call("Fault.add", fault={"atom": "vbd-plug", "action": "hang"})
            task = self.x("Async.VM.start", vm, False, False)
            self.until(lambda: client.call("Fault.list")[0]["hanging"], "the plug")
            later = self.x("Async.VM.start", vm, False, False)
            self.until(lambda: any(lock["waiting"] for lock in self.cli("locks")), "a waiter")
            (lock,) = [lock for lock in self.cli("locks") if lock["class"] == "VM"]
            plans = {plan["task"]: plan for plan in self.cli("plans")}
            links = {link["to"]: link for link in self.cli("links")}
            fibers = self.cli("fibers")
            sessions = self.cli("sessions")
            client.call("Fault.clear")
        self.assertEqual((lock["ref"], lock["operation"], lock["task"]), (vm, "start", task))
        self.assertEqual((lock["task_name"], lock["waiting"]), ("Async.VM.start", 1))
        self.assertIn(f"VM.start {vm}", plans[task]["operations"])
        self.assertEqual(plans[task]["user"], self.stack.env()["XAPI_USER"])
        self.assertEqual(plans[later]["operations"], [])
        (part,) = [plan for plan in plans.values() if plan["part_of"] == task]
        self.assertEqual(set(links), {"xenopsd", "smd", "networkd", "rrdd"})
        self.assertTrue(links["xenopsd"]["up"])
        self.assertGreaterEqual(links["xenopsd"]["tasks"], 1)
        self.assertIn("another operation", [fiber.get("waits_for") for fiber in fibers])
        (mine,) = [session for session in sessions if session["ref"] == self.x.ref]
        self.assertEqual((mine["kind"], mine["user"]), ("root", self.stack.env()["XAPI_USER"]))
        self.until(lambda: not self.cli("plans"), "the end of both")


class Suspends(LifeTest):
    """A VM goes to a VDI and comes back."""

    def setUp(self):
        super().setUp()
        self.vm = self.make_whole_vm()
        self.sr = self.x("VDI.get_SR", self.vdi)
        (self.pool,) = self.x("pool.get_all")
        self.x("pool.set_default_SR", self.pool, self.sr)
        self.x("VM.start", self.vm, False, False)

    def memories(self):
        """The VDIs that are memories."""
        return [
            ref
            for ref, vdi in self.x("VDI.get_all_records").items()
            if vdi["type"] == "suspend"
        ]

    def datapaths(self):
        with Client(self.stack.socket("smd")) as client:
            return [d["dp"] for d in client.call("DP.list")]

    def check_suspended(self):
        record = self.x("VM.get_record", self.vm)
        self.assertEqual(record["power_state"], "Suspended")
        self.assertEqual(record["resident_on"], NULL)
        self.assertEqual(record["domid"], "-1")
        self.assertEqual(record["consoles"], [])
        self.assertEqual(record["current_operations"], {})
        allowed = record["allowed_operations"]
        for operation in ("resume", "resume_on", "hard_shutdown", "destroy"):
            self.assertIn(operation, allowed)
        for operation in ("start", "suspend", "clean_shutdown", "pause"):
            self.assertNotIn(operation, allowed)
        self.assertEqual(self.memories(), [record["suspend_VDI"]])
        self.assertTrue(self.x("VBD.get_currently_attached", self.vbd))
        self.assertEqual(self.datapaths(), [])
        return record

    def check_runs(self, power="Running"):
        record = self.x("VM.get_record", self.vm)
        self.assertEqual(record["power_state"], power)
        self.assertEqual(record["resident_on"], self.host)
        self.assertEqual(record["suspend_VDI"], NULL)
        self.assertEqual(self.memories(), [])
        self.assertTrue(self.x("VBD.get_currently_attached", self.vbd))
        self.assertTrue(self.x("VIF.get_currently_attached", self.vif))

    def kill(self, daemon):
        self.stack.kill(daemon)
        self.until(lambda: self.x.login() or True, "a session")

    def test_there_and_back(self):
        self.assertIn("suspend", self.x("VM.get_allowed_operations", self.vm))
        self.x("VM.suspend", self.vm)
        memory = self.check_suspended()["suspend_VDI"]
        record = self.x("VDI.get_record", memory)
        self.assertEqual(record["name_label"], "Suspend image")
        self.assertEqual(record["SR"], self.sr)
        self.assertEqual(
            self.fails("VM_BAD_POWER_STATE", "VM.start", self.vm, False, False),
            [self.vm, "halted", "suspended"],
        )
        self.x("VM.resume", self.vm, False, False)
        self.check_runs()
        self.assertEqual(
            self.fails("VM_BAD_POWER_STATE", "VM.resume", self.vm, False, False),
            [self.vm, "suspended", "running"],
        )
        self.x("VM.suspend", self.vm)
        self.swap_memory()
        self.x("VM.resume_on", self.vm, self.host, True, False)
        self.check_runs("Paused")
        self.x("VM.unpause", self.vm)
        self.x("VM.clean_shutdown", self.vm)
        self.assertEqual(
            self.fails("VM_BAD_POWER_STATE", "VM.suspend", self.vm),
            [self.vm, "running", "halted"],
        )

    def swap_memory(self):
        """The VM is said to have another one, and its own again."""
        call, own = "VM.set_suspend_VDI", self.x("VM.get_suspend_VDI", self.vm)
        size = int(self.x("VDI.get_virtual_size", own))
        other = self.x(
            "VDI.create",
            {
                **{n: self.x(f"VDI.get_{n}", own) for n in ("SR", "type", "sharable")},
                "name_label": "other",
                "name_description": "",
                "read_only": False,
                "other_config": {},
                "virtual_size": str(size),
            },
        )
        self.x(call, self.vm, other)
        self.assertEqual(self.x("VM.get_suspend_VDI", self.vm), other)
        self.x(call, self.vm, own)
        self.x("VDI.destroy", other)
        self.fails("VDI_INCOMPATIBLE_TYPE", call, self.vm, self.vdi)
        self.fails("HANDLE_INVALID", call, self.vm, NULL)
        self.fails("VM_BAD_POWER_STATE", call, self.make_vm("halted"), own)

    def test_where_the_memory_goes(self):
        self.sr_folder = self.stack.dir / "sr2"
        other = self.make_sr()
        for kind, ref, field in (
            ("pool", self.pool, "suspend_image_SR"),
            ("host", self.host, "suspend_image_sr"),
            ("VM", self.vm, "suspend_SR"),
        ):
            self.x(f"{kind}.set_{field}", ref, other)
            self.x("VM.suspend", self.vm)
            memory = self.x("VM.get_suspend_VDI", self.vm)
            self.assertEqual(self.x("VDI.get_SR", memory), other, kind)
            self.x("VM.resume", self.vm, False, False)
            other = self.sr if other != self.sr else other
        for kind, ref, field in (
            ("pool", self.pool, "default_SR"),
            ("pool", self.pool, "suspend_image_SR"),
            ("host", self.host, "suspend_image_sr"),
            ("VM", self.vm, "suspend_SR"),
        ):
            self.x(f"{kind}.set_{field}", ref, NULL)
        self.assertEqual(self.fails("VM_NO_SUSPEND_SR", "VM.suspend", self.vm), [self.vm])
        self.check_runs()

    def test_a_suspended_vm_is_ended(self):
        self.x("VM.suspend", self.vm)
        self.x("VM.hard_shutdown", self.vm)
        record = self.x("VM.get_record", self.vm)
        self.assertEqual((record["power_state"], record["suspend_VDI"]), ("Halted", NULL))
        self.assertEqual(self.memories(), [])
        self.assertFalse(self.x("VBD.get_currently_attached", self.vbd))
        self.x("VM.start", self.vm, False, False)
        self.x("VM.suspend", self.vm)
        self.x("VM.destroy", self.vm)
        self.assertEqual(self.memories(), [])
        self.x("VDI.destroy", self.vdi)

    def test_what_is_made_meanwhile_does_not_come(self):
        self.x("VM.suspend", self.vm)
        vbd = self.make_vbd(self.vm, self.make_vdi(self.sr), "1")
        self.x("VM.resume", self.vm, False, False)
        self.assertFalse(self.x("VBD.get_currently_attached", vbd))
        self.check_runs()

    def test_a_damaged_memory_is_refused(self):
        self.x("VM.suspend", self.vm)
        (path,) = self.sr_folder.glob("*.raw")
        good = path.read_bytes()[:8192]
        for bad, word in ((bytes(8192), "no finished image"), (b"", "")):
            with self.subTest(word=word):
                if bad:
                    with open(path, "r+b") as image:
                        image.write(bad)
                else:
                    with open(path, "r+b") as image:
                        image.write(good[:4096] + b"?" + good[4097:])
                (reason,) = self.fails("VDI_IO_ERROR", "VM.resume", self.vm, False, False)
                self.assertIn(word or "damaged", reason)
                self.check_suspended()
        with open(path, "r+b") as image:
            image.write(good)
        self.x("VM.resume", self.vm, False, False)
        self.check_runs()

    def test_kills_while_it_is_suspended(self):
        self.x("VM.suspend", self.vm)
        for daemon in ("xenopsd", "xapid", "smd"):
            self.kill(daemon)
            self.check_suspended()
        self.x("VM.resume", self.vm, False, False)
        self.check_runs()

    def at_atom(self, atom, call, *args):
        """The task of a call that hangs at an atom of xenopsd's plan."""
        fault = {"atom": atom, "action": "hang"}
        with self.simulator() as client:
            client.call("Fault.add", fault=fault)
            task = self.x(f"Async.{call}", self.vm, *args)
            self.until(lambda: client.call("Fault.list")[0]["hanging"], atom)
        return task

    def simulator(self):
        return Client(self.stack.dir / "run" / "simulator" / "run" / "simulator.sock")

    def go_on(self):
        with self.simulator() as client:
            client.call("Fault.clear")

    def is_one_of_two(self):
        record = self.x("VM.get_record", self.vm)
        memories = self.memories()
        if record["current_operations"] or record["power_state"] == "Paused":
            return False
        if record["power_state"] == "Suspended":
            return memories == [record["suspend_VDI"]] and not self.datapaths()
        return not memories and record["power_state"] == "Running"

    def test_a_suspend_is_cancelled(self):
        for atom in ("guest-suspend", "vm-save"):
            task = self.at_atom(atom, "VM.suspend")
            self.x("task.cancel", task)
            self.until(lambda: self.x("task.get_status", task) == "cancelled", atom)
            self.go_on()
            self.check_runs()

    def test_a_kill_of_xenopsd_amid_a_suspend(self):
        for atom, power in (("vm-save", "Running"), ("vm-destroy", "Suspended")):
            with self.subTest(atom=atom):
                task = self.at_atom(atom, "VM.suspend")
                self.stack.kill("xenopsd")
                self.go_on()
                self.until(lambda: self.x("task.get_status", task) != "pending", "an end")
                self.until(self.is_one_of_two, f"one mind after {atom}")
                self.assertEqual(self.state(self.vm), power)
        self.x("VM.resume", self.vm, False, False)
        self.check_runs()

    def test_a_kill_of_xapid_amid_a_suspend(self):
        self.at_atom("vm-save", "VM.suspend")
        self.kill("xapid")
        self.go_on()
        self.until(lambda: self.state(self.vm) == "Suspended", "the suspend's end")
        self.until(self.is_one_of_two, "one mind")
        self.x("VM.resume", self.vm, False, False)
        self.check_runs()

    def test_kills_amid_a_resume(self):
        for daemon in ("xenopsd", "xapid"):
            with self.subTest(daemon=daemon):
                self.x("VM.suspend", self.vm)
                self.at_atom("vm-restore", "VM.resume", False, False)
                self.kill(daemon)
                self.go_on()
                settled = ("Running", "Suspended")
                self.until(
                    lambda: self.state(self.vm) in settled and self.is_settled(), "one mind"
                )
                if self.state(self.vm) == "Suspended":
                    self.x("VM.resume", self.vm, False, False)
                self.assertEqual(self.state(self.vm), "Running")

    def is_settled(self):
        record = self.x("VM.get_record", self.vm)
        return not record["current_operations"] and record["scheduled_to_be_resident_on"] == NULL


class Hooks(LifeTest):
    def test_a_program_of_the_host_forbids(self):
        folder = self.stack.dir / "libexec" / "hooks" / "vm-pre-start"
        folder.mkdir(parents=True)
        program = folder / "10-no"
        program.write_text("#!/bin/sh\necho not today\nexit 3\n")
        program.chmod(0o755)
        vm = self.make_vm()
        self.assertEqual(
            self.fails("XAPI_HOOK_FAILED", "VM.start", vm, False, False),
            ["vm-pre-start/10-no", "none", "not today\n", "3"],
        )
        self.assertEqual(self.x("VM.get_power_state", vm), "Halted")
        program.unlink()
        self.x("VM.start", vm, False, False)


class Checkpoints(Suspends):
    """A snapshot with memory."""

    # What suspending is tested for is not tested anew.
    locals().update({name: None for name in dir(Suspends) if name.startswith("test_")})

    def setUp(self):
        super().setUp()
        simulator = self.stack.dir / "run" / "simulator" / "run" / "simulator.sock"
        self.simulator = Client(simulator)
        self.addCleanup(self.simulator.close)
        self.uuid = self.x("VM.get_uuid", self.vm)
        self.agent = {"data/test": "what the guest remembers"}
        self.simulator.call("Guest.set", vm=self.uuid, agent=self.agent)

    def check_checkpoint(self, checkpoint):
        record = self.x("VM.get_record", checkpoint)
        self.assertEqual(record["power_state"], "Suspended")
        self.assertEqual(record["snapshot_of"], self.vm)
        self.assertTrue(record["is_a_snapshot"] and record["is_a_template"])
        self.assertEqual(record["name_label"], "kept")
        self.assertEqual(record["current_operations"], {})
        self.assertIn(record["suspend_VDI"], self.memories())
        disks = [self.x("VBD.get_VDI", vbd) for vbd in record["VBDs"]]
        (disk,) = [disk for disk in disks if disk != NULL]
        self.assertEqual(self.x("VDI.get_snapshot_of", disk), self.vdi)
        return record["suspend_VDI"], disk

    def check_goes_on(self):
        record = self.x("VM.get_record", self.vm)
        self.assertEqual(record["power_state"], "Running")
        self.assertEqual(record["suspend_VDI"], NULL)
        self.assertEqual(record["resident_on"], self.host)
        self.assertTrue(self.x("VBD.get_currently_attached", self.vbd))
        domain = self.simulator.call("Domain.stat", vm=self.uuid)
        self.assertEqual(domain["guest_agent"], self.agent)

    def test_of_a_running_vm(self):
        self.assertIn("checkpoint", self.x("VM.get_allowed_operations", self.vm))
        checkpoint = self.x("VM.checkpoint", self.vm, "kept")
        memory, disk = self.check_checkpoint(checkpoint)
        self.check_goes_on()
        self.assertEqual(self.memories(), [memory])
        self.assertEqual(self.x("VM.get_snapshots", self.vm), [checkpoint])
        self.assertEqual(self.x("VM.get_parent", self.vm), checkpoint)
        self.fails("VM_IS_SNAPSHOT", "VM.resume", checkpoint, False, False)
        self.x("VM.destroy", checkpoint)
        self.assertEqual(self.memories(), [])
        self.x("VDI.destroy", disk)
        self.check_goes_on()

    def test_of_a_suspended_vm(self):
        self.x("VM.suspend", self.vm)
        own = self.x("VM.get_suspend_VDI", self.vm)
        checkpoint = self.x("VM.checkpoint", self.vm, "kept")
        memory, _ = self.check_checkpoint(checkpoint)
        self.assertEqual(self.x("VM.get_power_state", self.vm), "Suspended")
        self.assertEqual(sorted(self.memories()), sorted([own, memory]))
        self.x("VM.resume", self.vm, False, False)
        self.check_goes_on()
        self.x("VM.hard_shutdown", checkpoint)
        self.assertEqual(self.memories(), [])
        self.assertEqual(self.x("VM.get_power_state", checkpoint), "Halted")

    def test_of_a_halted_vm(self):
        self.x("VM.hard_shutdown", self.vm)
        self.assertEqual(
            self.fails("VM_BAD_POWER_STATE", "VM.checkpoint", self.vm, "kept"),
            [self.vm, "paused, suspended, running", "halted"],
        )

    def test_what_fails_leaves_it_running(self):
        for atom in ("vm-save", "vm-saved"):
            self.simulator.call("Fault.add", fault={"atom": atom})
            self.fails("INTERNAL_ERROR", "VM.checkpoint", self.vm, "kept")
            self.simulator.call("Fault.clear")
            self.check_goes_on()
            self.assertEqual(self.memories(), [])
        self.assertEqual(self.x("VM.get_snapshots", self.vm), [])

    def test_one_that_cannot_be_resumed_stays_suspended(self):
        self.simulator.call("Fault.add", fault={"atom": "vm-restore"})
        self.assertEqual(
            self.fails("VM_CHECKPOINT_RESUME_FAILED", "VM.checkpoint", self.vm, "kept"),
            [self.vm],
        )
        self.simulator.call("Fault.clear")
        (checkpoint,) = self.x("VM.get_snapshots", self.vm)
        self.check_checkpoint(checkpoint)
        self.x("VM.resume", self.vm, False, False)
        self.check_goes_on()


class Reverts(Checkpoints):
    """A VM becomes again what it was."""

    locals().update({name: None for name in dir(Checkpoints) if name.startswith("test_")})

    def disk(self):
        """The VDI that the VM has now."""
        vbds = self.x("VM.get_VBDs", self.vm)
        (disk,) = [v for v in (self.x("VBD.get_VDI", vbd) for vbd in vbds) if v != NULL]
        return disk

    def disks(self):
        records = self.x("VDI.get_all_records")
        return {ref for ref, vdi in records.items() if vdi["type"] == "user"}

    def check_reverted(self, snapshot, power):
        record = self.x("VM.get_record", self.vm)
        self.assertEqual(record["power_state"], power)
        self.assertEqual(record["uuid"], self.uuid)
        self.assertEqual(record["name_label"], "renamed")
        self.assertEqual(record["PV_args"], "")
        self.assertEqual(record["VCPUs_at_startup"], "1")
        self.assertEqual(record["snapshots"], [snapshot])
        self.assertEqual(record["parent"], snapshot)
        self.assertEqual(record["current_operations"], {})
        self.assertFalse(record["is_a_snapshot"] or record["is_a_template"])
        self.assertEqual((len(record["VBDs"]), len(record["VIFs"])), (2, 1))
        self.assertEqual(self.x("VIF.get_MAC", record["VIFs"][0]), self.mac)
        disk = self.disk()
        self.assertNotEqual(disk, self.vdi)
        kept = [self.x("VBD.get_VDI", vbd) for vbd in self.x("VM.get_VBDs", snapshot)]
        (kept,) = [vdi for vdi in kept if vdi != NULL]
        self.assertEqual(self.disks(), {disk, kept})
        self.assertEqual(self.x("VDI.get_snapshot_of", kept), disk)
        self.assertFalse(self.x("VDI.get_is_a_snapshot", disk))

    def change(self):
        """What a revert takes back, but for the name."""
        self.mac = self.x("VIF.get_MAC", self.vif)
        self.x("VM.set_name_label", self.vm, "renamed")
        self.x("VM.set_PV_args", self.vm, "other")

    def test_to_a_snapshot(self):
        self.x("VM.hard_shutdown", self.vm)
        snapshot = self.x("VM.snapshot", self.vm, "kept")
        self.change()
        self.x("VM.set_VCPUs_at_startup", self.vm, "2")
        self.x("VM.start", self.vm, False, False)
        self.x("VM.revert", snapshot)
        self.check_reverted(snapshot, "Halted")
        self.x("VM.start", self.vm, False, False)
        self.assertEqual(len(self.datapaths()), 1)
        self.vdi = self.disk()
        self.x("VM.revert", snapshot)
        self.check_reverted(snapshot, "Halted")
        self.fails("ONLY_REVERT_SNAPSHOT", "VM.revert", self.vm)

    def test_to_a_checkpoint(self):
        checkpoint = self.x("VM.checkpoint", self.vm, "kept")
        for daemon in (None, "xenopsd", "xapid"):
            self.change()
            self.x("VM.revert", checkpoint)
            if daemon:
                self.kill(daemon)
            self.check_reverted(checkpoint, "Suspended")
            own = self.x("VM.get_suspend_VDI", self.vm)
            kept = self.x("VM.get_suspend_VDI", checkpoint)
            self.assertEqual(sorted(self.memories()), sorted([own, kept]))
            self.x("VM.resume", self.vm, False, False)
            self.assertEqual(self.memories(), [kept])
            self.assertEqual(len(self.datapaths()), 1)
            (self.vbd,) = [
                vbd
                for vbd in self.x("VM.get_VBDs", self.vm)
                if self.x("VBD.get_type", vbd) == "Disk"
            ]
            (self.vif,) = self.x("VM.get_VIFs", self.vm)
            self.vdi = self.disk()
            self.check_goes_on()

    def test_what_fails_changes_nothing(self):
        self.x("VM.hard_shutdown", self.vm)
        snapshot = self.x("VM.snapshot", self.vm, "kept")
        self.change()
        self.x("VM.start", self.vm, False, False)
        before = self.disks()
        self.simulator.call("Fault.add", fault={"atom": "vm-destroy"})
        self.simulator.call("Fault.add", fault={"atom": "hook-vm-pre-shutdown"})
        self.fails("INTERNAL_ERROR", "VM.revert", snapshot)
        self.simulator.call("Fault.clear")
        self.assertEqual(self.disks(), before)
        self.assertEqual(self.disk(), self.vdi)
        self.assertEqual(self.x("VM.get_PV_args", self.vm), "other")
        self.check_runs_as_before()

    def check_runs_as_before(self):
        self.assertEqual(self.x("VM.get_power_state", self.vm), "Running")
        self.assertEqual(self.x("VM.get_current_operations", self.vm), {})

    def test_of_a_vm_that_is_gone(self):
        self.x("VM.hard_shutdown", self.vm)
        snapshot = self.x("VM.snapshot", self.vm, "kept")
        self.x("VM.destroy", self.vm)
        self.fails("VM_REVERT_FAILED", "VM.revert", snapshot)


class Live(Reverts):
    """Snapshots of what a running guest writes to; it goes on."""

    locals().update({name: None for name in dir(Reverts) if name.startswith("test_")})

    def image(self):
        """What the guest writes to."""
        domain = self.simulator.call("Domain.stat", vm=self.uuid)
        return next(d["backend"] for d in domain["devices"] if d["name"] == "xvda")

    def test_of_a_vm(self):
        self.assertIn("snapshot", self.x("VM.get_allowed_operations", self.vm))
        for power in ("Running", "Paused"):
            if power == "Paused":
                self.x("VM.pause", self.vm)
            before, disks = self.image(), self.disks()
            snapshot = self.x("VM.snapshot", self.vm, "kept", [])
            self.assertNotEqual(self.image(), before)
            self.assertEqual(self.x("VM.get_power_state", self.vm), power)
            record = self.x("VM.get_record", snapshot)
            self.assertEqual(record["power_state"], "Halted")
            self.assertEqual((record["snapshot_of"], record["domid"]), (self.vm, "-1"))
            self.assertNotEqual(record["snapshot_time"].value[:4], "1970")
            self.assertTrue(record["is_a_snapshot"] and record["is_a_template"])
            (disk,) = self.disks() - disks
            vbds = [self.x("VBD.get_record", vbd) for vbd in record["VBDs"]]
            self.assertEqual({vbd["VDI"] for vbd in vbds}, {disk, NULL})
            self.assertFalse([vbd for vbd in vbds if vbd["currently_attached"]])
            kept = self.x("VDI.get_record", disk)
            self.assertEqual((kept["snapshot_of"], kept["is_a_snapshot"]), (self.vdi, True))
        # One that leaves the disk out lets the guest go on where it is.
        before, disks = self.image(), self.disks()
        settings = self.x("VM.snapshot", self.vm, "settings", [self.vdi])
        self.assertTrue(self.x("VM.get_is_a_snapshot", settings))
        self.assertEqual((self.image(), self.disks()), (before, disks))

    def test_of_a_disk(self):
        operations = self.x("VDI.get_allowed_operations", self.vdi)
        self.assertIn("snapshot", operations)
        self.assertIn("clone", operations)
        self.assertNotIn("resize_online", operations)
        before = self.image()
        snapshot = self.x("VDI.snapshot", self.vdi, {})
        self.assertEqual(self.x("VDI.get_snapshot_of", snapshot), self.vdi)
        between = self.image()
        clone = self.x("VDI.clone", self.vdi, {})
        self.assertFalse(self.x("VDI.get_is_a_snapshot", clone))
        self.assertEqual(len({before, between, self.image()}), 3)
        self.check_goes_on()
        self.x("VDI.destroy", snapshot)
        self.x("VDI.destroy", clone)

    def test_back_to_it(self):
        snapshot = self.x("VM.snapshot", self.vm, "kept", [])
        self.change()
        self.x("VM.revert", snapshot)
        self.check_reverted(snapshot, "Halted")
        self.x("VM.start", self.vm, False, False)
        self.assertEqual(len(self.datapaths()), 1)

    def test_what_is_refused_moves_nobody(self):
        second = self.make_vdi(self.x("VDI.get_SR", self.vdi))
        self.x("VDI.set_sharable", second, True)
        self.x("VBD.plug", self.make_vbd(self.vm, second, "1"))
        before, disks = self.image(), self.disks()
        self.fails("VDI_IS_SHARABLE", "VM.snapshot", self.vm, "no", [])
        self.assertEqual((self.image(), self.disks()), (before, disks))
        self.x("VM.snapshot", self.vm, "yes", [second])
        self.assertNotEqual(self.image(), before)

    def test_what_fails_leaves_nothing(self):
        disks = self.disks()
        for atom in ("vbd-freeze", "vbds-move", "freeze-end"):
            self.simulator.call("Fault.add", fault={"atom": atom})
            self.fails("INTERNAL_ERROR", "VM.snapshot", self.vm, "kept", [])
            self.simulator.call("Fault.clear")
            self.check_goes_on()
            self.assertEqual(self.x("VM.get_current_operations", self.vm), {})
        self.assertEqual((self.disks(), self.x("VM.get_snapshots", self.vm)), (disks, []))
        for daemon in ("xenopsd", "smd", "xapid"):
            self.kill(daemon)
            self.x("VM.snapshot", self.vm, daemon, [])
            self.check_goes_on()
        self.assertEqual(len(self.x("VM.get_snapshots", self.vm)), 3)


class Guests(LifeTest):
    """What a running guest is asked to do."""

    def setUp(self):
        super().setUp()
        self.vm = self.make_whole_vm()
        self.uuid = self.x("VM.get_uuid", self.vm)

    def start(self):
        self.x("VM.start", self.vm, False, False)
        self.simulator = Client(self.stack.dir / "run" / "simulator" / "run" / "simulator.sock")
        self.addCleanup(self.simulator.close)

    def domain(self):
        return self.simulator.call("Domain.stat", vm=self.uuid)

    def test_sleep_in_memory(self):
        for call in ("VM.s3_suspend", "VM.s3_resume"):
            self.assertEqual(
                self.fails("VM_BAD_POWER_STATE", call, self.vm), [self.vm, "running", "halted"]
            )
        self.start()
        self.x("VM.s3_suspend", self.vm)
        self.assertTrue(self.domain()["asleep"])
        self.assertEqual(self.x("VM.get_power_state", self.vm), "Running")
        self.x("VM.s3_resume", self.vm)
        self.assertFalse(self.domain()["asleep"])

    def test_processors(self):
        call = "VM.set_VCPUs_number_live"
        self.fails("VM_BAD_POWER_STATE", call, self.vm, "2")
        self.start()
        self.x(call, self.vm, "2")
        self.assertEqual(self.domain()["vcpus"], 2)
        self.assertEqual(self.x("VM.get_VCPUs_at_startup", self.vm), "2")
        metrics = self.x("VM.get_metrics", self.vm)
        self.assertEqual(self.x("VM_metrics.get_VCPUs_number", metrics), "2")
        for bad in ("0", "3"):
            self.fails("INVALID_VALUE", call, self.vm, bad)
        self.assertEqual(self.domain()["vcpus"], 2)

    def call_plugin(self, fn, **args):
        return self.x("VM.call_plugin", self.vm, "guest-agent-operation", fn, args)

    def test_agent(self):
        self.fails("VM_BAD_POWER_STATE", "VM.call_plugin", *self.script("ver"))
        self.start()
        failure = self.fails("XENAPI_PLUGIN_FAILURE", "VM.call_plugin", *self.script("ver"))
        self.assertIn("no agent", failure[0])
        self.simulator.call("Guest.set", vm=self.uuid, agent={"data/os_name": "x"})
        self.assertEqual(
            json.loads(self.call_plugin("run-script", script="ver")),
            {"rc": 0, "stdout": "ver", "stderr": ""},
        )
        for how, ts in (("on", "1"), ("off", "0")):
            self.assertEqual(self.call_plugin(f"request-rdp-{how}"), "")
            self.assertEqual(self.domain()["guest_agent"]["data/ts"], ts)
        self.fails("XENAPI_PLUGIN_FAILURE", "VM.call_plugin", *self.script("x" * 1025))
        self.fails(
            "XENAPI_PLUGIN_FAILURE",
            "VM.call_plugin",
            self.vm,
            "guest-agent-operation",
            "run-script",
            {},
        )
        self.fails("XENAPI_MISSING_PLUGIN", "VM.call_plugin", self.vm, "other", "fn", {})

    def bridge(self):
        """That the guest's interface is on, by what networkd says."""
        with Client(self.stack.socket("networkd")) as networkd:
            return [guest["bridge"] for guest in networkd.call("Guest.list")]

    def locks(self):
        """What it may send, by what networkd says."""
        with Client(self.stack.socket("networkd")) as networkd:
            return [guest["locking_mode"] for guest in networkd.call("Guest.list")]

    def test_vif_moves(self):
        networks = [
            self.x("network.create", {"name_label": name, "other_config": {}}) for name in "ab"
        ]
        first, second = (self.x("network.get_bridge", network) for network in networks)
        self.x("VIF.move", self.vif, networks[0])
        self.assertEqual(self.x("network.get_VIFs", networks[0]), [self.vif])
        self.start()
        self.assertEqual(self.bridge(), [first])
        self.x("VIF.move", self.vif, networks[1])
        self.assertEqual(self.bridge(), [second])
        self.assertEqual(self.x("VIF.get_network", self.vif), networks[1])
        self.assertEqual(self.x("network.get_VIFs", networks[0]), [])
        self.fails("HANDLE_INVALID", "VIF.move", self.vif, NULL)
        self.assertIn("unplug", self.x("VIF.get_allowed_operations", self.vif))

        # It moves with its lock, and gets another one where it is.
        self.x("network.set_default_locking_mode", networks[0], "disabled")
        self.x("VIF.move", self.vif, networks[0])
        self.assertEqual((self.bridge(), self.locks()), ([first], ["disabled"]))
        self.x("VIF.set_locking_mode", self.vif, "unlocked")
        self.assertEqual(self.locks(), ["unlocked"])
        self.x("VIF.set_ipv4_allowed", self.vif, ["10.1.2.3"])
        self.x("VIF.set_locking_mode", self.vif, "locked")
        self.x("VIF.add_ipv6_allowed", self.vif, "fd00::3")
        self.assertEqual(self.locks(), [{"locked": {"ipv4": ["10.1.2.3"], "ipv6": ["fd00::3"]}}])
        self.x("VIF.set_locking_mode", self.vif, "network_default")
        self.assertEqual(self.locks(), ["disabled"])

        # networkd has no VLANs of guests yet: nothing has changed.
        self.fails("NOT_IMPLEMENTED", "VIF.set_trunks", self.vif, ["5"])
        self.assertEqual(self.x("VIF.get_trunks", self.vif), [])

    def test_what_a_vif_may_send(self):
        """Whoever is plugged later is told then."""
        for family, good, more in (("4", "10.1.2.3", "10.1.2.4"), ("6", "fd00::3", "fd00::4")):
            name = f"ipv{family}_allowed"
            self.x(f"VIF.set_{name}", self.vif, [good])
            self.x(f"VIF.add_{name}", self.vif, more)
            self.assertEqual(sorted(self.x(f"VIF.get_{name}", self.vif)), [good, more])
            self.x(f"VIF.remove_{name}", self.vif, good)
            self.assertEqual(self.x(f"VIF.get_{name}", self.vif), [more])
            for call, value in (("set", ["x"]), ("add", "x"), ("add", good + "/24")):
                self.assertEqual(
                    self.fails(
                        "INVALID_IP_ADDRESS_SPECIFIED", f"VIF.{call}_{name}", self.vif, value
                    ),
                    [name],
                )
            self.assertEqual(self.x(f"VIF.get_{name}", self.vif), [more])
        self.x("VIF.set_locking_mode", self.vif, "locked")
        self.assertEqual(self.x("VIF.get_locking_mode", self.vif), "locked")
        self.fails("HANDLE_INVALID", "VIF.set_locking_mode", NULL, "locked")
        self.start()
        self.assertEqual(self.locks(), [{"locked": {"ipv4": ["10.1.2.4"], "ipv6": ["fd00::4"]}}])

    def test_vlans_of_a_vif(self):
        self.x("VIF.set_trunks", self.vif, ["5", "6"])
        self.x("VIF.add_trunks", self.vif, "7")
        self.x("VIF.remove_trunks", self.vif, "5")
        self.assertEqual(sorted(self.x("VIF.get_trunks", self.vif)), ["6", "7"])
        for call, value in (("set", ["4095"]), ("add", "4095"), ("add", "-1")):
            self.fails("INVALID_VALUE", f"VIF.{call}_trunks", self.vif, value)
        self.assertEqual(sorted(self.x("VIF.get_trunks", self.vif)), ["6", "7"])

    def test_its_device_model_begins_anew(self):
        (pool,) = self.x("pool.get_all")
        self.x("pool.set_default_SR", pool, self.x("VDI.get_SR", self.vdi))
        call = "VM.restart_device_models"
        self.assertEqual(
            self.fails("VM_BAD_POWER_STATE", call, self.vm), [self.vm, "running", "halted"]
        )
        self.start()
        domain = self.domain()["domid"]
        self.x("host.disable", self.host)
        self.x(call, self.vm)
        self.assertEqual(self.x("VM.get_power_state", self.vm), "Running")
        self.assertEqual(self.x("VM.get_suspend_VDI", self.vm), NULL)
        self.assertEqual(self.x("VM.get_current_operations", self.vm), {})
        self.assertNotEqual(self.domain()["domid"], domain)
        self.assertTrue(self.x("VIF.get_currently_attached", self.vif))

    def test_the_memory_that_it_was_told_to_have(self):
        call = "VM.wait_memory_target_live"
        self.x("VM.set_HVM_boot_policy", self.vm, "BIOS order")
        self.fails("VM_BAD_POWER_STATE", call, self.vm)
        self.start()
        self.x(call, self.vm)
        metrics = self.x("VM.get_metrics", self.vm)
        self.assertEqual(
            self.x("VM_metrics.get_memory_actual", metrics),
            self.x("VM.get_memory_target", self.vm),
        )
        self.x("VM.set_memory_target_live", self.vm, str(192 * MIB))
        self.assertEqual(self.x("VM.get_memory_dynamic_max", self.vm), str(192 * MIB))
        self.x(call, self.vm)
        self.assertEqual(self.x("VM_metrics.get_memory_actual", metrics), str(192 * MIB))
        self.x("VM.set_shadow_multiplier_live", self.vm, 2.0)
        self.assertEqual(self.x("VM.get_HVM_shadow_multiplier", self.vm), 2.0)
        self.fails("INVALID_VALUE", "VM.set_shadow_multiplier_live", self.vm, 0.5)

    def test_usb_devices(self):
        """The guest has it from its start on, and gives it back."""
        device = self.stack.dir / "sys" / "bus" / "usb" / "devices" / "1-2.3"
        device.mkdir(parents=True)
        for name, text in {"idVendor": "0951", "idProduct": "1666", "speed": "480"}.items():
            (device / name).write_text(text + "\n")
        conf = self.stack.dir / "etc" / "xapid.conf.d"
        conf.mkdir(parents=True, exist_ok=True)
        (conf / "70-sys.conf").write_text(f"sys = {self.stack.dir / 'sys'}\n")
        self.stack.xenith("restart", "xapid")
        self.connect(self.stack.env())
        ((pusb, record),) = self.x("PUSB.get_all_records").items()
        self.assertEqual((record["path"], record["speed"]), ("1-2.3", 480.0))
        group = record["USB_group"]
        vusb = self.x("VUSB.create", self.vm, group, {})
        self.assertEqual(
            self.fails("VM_REQUIRES_VUSB", "VM.start", self.vm, False, False), [self.vm, group]
        )
        self.x("PUSB.set_passthrough_enabled", pusb, True)
        self.start()
        self.assertTrue(self.x("VUSB.get_currently_attached", vusb))
        self.assertEqual(self.x("VUSB.get_allowed_operations", vusb), ["unplug"])
        (plugged,) = [d for d in self.domain()["devices"] if d["kind"] == "vusb"]
        self.assertIn(self.x("VUSB.get_uuid", vusb), plugged["name"])
        self.assertEqual(
            self.fails("USB_ALREADY_ATTACHED", "PUSB.set_passthrough_enabled", pusb, False),
            [pusb, self.vm],
        )
        self.assertEqual(self.fails("VM_HAS_VUSBS", "VM.suspend", self.vm), [self.vm])
        self.fails("OPERATION_NOT_ALLOWED", "VUSB.destroy", vusb)
        self.x("VUSB.unplug", vusb)
        self.assertFalse(self.x("VUSB.get_currently_attached", vusb))
        self.assertEqual([d for d in self.domain()["devices"] if d["kind"] == "vusb"], [])
        self.fails("DEVICE_ALREADY_DETACHED", "VUSB.unplug", vusb)
        self.x("VM.hard_shutdown", self.vm)
        self.x("VM.start", self.vm, False, False)
        self.assertTrue(self.x("VUSB.get_currently_attached", vusb))
        self.x("VM.hard_shutdown", self.vm)
        self.assertFalse(self.x("VUSB.get_currently_attached", vusb))
        self.x("VM.destroy", self.vm)
        self.assertEqual(self.x("VUSB.get_all"), [])

    def script(self, text):
        return self.vm, "guest-agent-operation", "run-script", {"script": text}

    def addresses(self):
        (vif,) = [d for d in self.domain()["devices"] if d["kind"] == "vif"]
        return {k: v for k, v in vif["settings"].items() if k.startswith("ip")}

    def test_addresses(self):
        for version, address, gateway in (
            ("4", "10.1.2.3/24", "10.1.2.1"),
            ("6", "fd00::3/64", ""),
        ):
            call = f"VIF.configure_ipv{version}"
            for bad in ("", "x/24", address.split("/")[0], address + "9"):
                self.fails("INVALID_CIDR_ADDRESS_SPECIFIED", call, self.vif, "Static", bad, "")
            self.fails("INVALID_IP_ADDRESS_SPECIFIED", call, self.vif, "Static", address, "x")
            self.x(call, self.vif, "Static", address, gateway)
            record = self.x("VIF.get_record", self.vif)
            self.assertEqual(record[f"ipv{version}_configuration_mode"], "Static")
            self.assertEqual(record[f"ipv{version}_addresses"], [address])
            self.assertEqual(record[f"ipv{version}_gateway"], gateway)
        self.start()
        expected = {"ipv4": "10.1.2.3/24 10.1.2.1", "ipv6": "fd00::3/64 -"}
        self.assertEqual(self.addresses(), expected)
        self.x("VIF.configure_ipv4", self.vif, "Static", "10.1.2.4/24", "")
        self.assertEqual(self.addresses(), {**expected, "ipv4": "10.1.2.4/24 -"})
        self.simulator.call("Fault.add", fault={"atom": "vif-set-addresses"})
        self.fails("INTERNAL_ERROR", "VIF.configure_ipv4", self.vif, "None", "", "")
        self.simulator.call("Fault.clear")
        self.assertEqual(self.x("VIF.get_ipv4_addresses", self.vif), ["10.1.2.4/24"])
        for version in ("4", "6"):
            self.x(f"VIF.configure_ipv{version}", self.vif, "None", "", "")
            self.assertEqual(self.x(f"VIF.get_ipv{version}_addresses", self.vif), [])
        self.assertEqual(self.addresses(), {})


class Schedules(LifeTest):
    """Snapshots that are taken by themselves."""

    def setUp(self):
        super().setUp()
        self.vm = self.make_whole_vm()
        (pool,) = self.x("pool.get_all")
        self.x("pool.set_default_SR", pool, self.x("VDI.get_SR", self.vdi))

    def make(self, **changes):
        record = {
            "name_label": "schedule",
            "name_description": "",
            "enabled": True,
            "type": "snapshot",
            "retained_snapshots": "2",
            "frequency": "hourly",
            "schedule": {"min": "0"},
        }
        return self.x("VMSS.create", {**record, **changes})

    def snapshots(self):
        """Oldest first, by their numbers in the database."""
        return self.x("VM.get_snapshots", self.vm)

    def test_snapshots_now(self):
        vmss = self.make(enabled=False)
        self.x("VM.set_snapshot_schedule", self.vm, vmss)
        self.assertEqual(self.x("VMSS.get_VMs", vmss), [self.vm])
        by_hand = self.x("VM.snapshot", self.vm, "mine", [])
        self.x("VMSS.snapshot_now", vmss)
        (first,) = set(self.snapshots()) - {by_hand}
        record = self.x("VM.get_record", first)
        self.assertIs(record["is_vmss_snapshot"], True)
        self.assertTrue(record["name_label"].startswith("vm 20"), record["name_label"])
        disks = len(self.x("VDI.get_all"))
        self.x("VM.start", self.vm, False, False)
        self.x("VMSS.set_type", vmss, "checkpoint")
        self.x("VMSS.set_retained_snapshots", vmss, "1")
        self.x("VMSS.snapshot_now", vmss)
        (second,) = set(self.snapshots()) - {by_hand}
        self.assertNotEqual(second, first)
        self.assertEqual(self.x("VM.get_power_state", second), "Suspended")
        self.assertEqual(self.x("VM.get_power_state", self.vm), "Running")
        # The memory is more, and the first one's disk is gone.
        self.assertEqual(len(self.x("VDI.get_all")), disks + 1)

        self.x("VM.add_to_blocked_operations", self.vm, "checkpoint", "because")
        self.fails("OPERATION_BLOCKED", "VMSS.snapshot_now", vmss)
        self.assertEqual(set(self.snapshots()), {by_hand, second})
        self.fails("HANDLE_INVALID", "VMSS.snapshot_now", NULL)

        self.fails("VMSS_HAS_VM", "VMSS.destroy", vmss)
        self.x("VM.set_snapshot_schedule", self.vm, NULL)
        self.x("VMSS.destroy", vmss)
        self.fails("HANDLE_INVALID", "VM.set_snapshot_schedule", self.vm, vmss)
        (template,) = self.x("VM.get_by_name_label", "Other install media")
        self.fails("OPERATION_NOT_ALLOWED", "VM.set_snapshot_schedule", template, NULL)

    def test_snapshots_that_are_due(self):
        """One that ran long ago makes up for the last quarter of an hour."""
        quarter = time.localtime().tm_min // 15 * 15
        vmss = self.make(schedule={"min": str(quarter)})
        self.x("VM.set_snapshot_schedule", self.vm, vmss)
        self.x("VMSS.set_last_run_time", vmss, xmlrpc.client.DateTime("20200101T00:00:00Z"))
        self.until(self.snapshots, "a snapshot")
        last = self.x("VMSS.get_last_run_time", vmss)
        self.assertGreater(last.value, "20260101")
        self.x("VMSS.set_frequency", vmss, "weekly")
        self.assertEqual(len(self.snapshots()), 1)


class Devices(LifeTest):
    def test_devices_come_and_go_while_the_guest_runs(self):
        vm = self.make_whole_vm()
        self.x("VM.start", vm, False, False)
        other = self.make_vdi(self.x("VDI.get_SR", self.vdi))
        vbd = self.make_vbd(vm, other, "autodetect")
        self.assertEqual(self.x("VBD.get_userdevice", vbd), "1")
        self.x("VBD.plug", vbd)
        self.assertTrue(self.x("VBD.get_currently_attached", vbd))
        self.fails("DEVICE_ALREADY_ATTACHED", "VBD.plug", vbd)
        self.fails("OPERATION_NOT_ALLOWED", "VBD.destroy", vbd)
        self.x("VBD.unplug", vbd)
        self.assertFalse(self.x("VBD.get_currently_attached", vbd))
        self.fails("DEVICE_ALREADY_DETACHED", "VBD.unplug", vbd)
        self.x("VBD.destroy", vbd)
        self.x("VDI.destroy", other)

        vif = self.make_vif(vm, self.x("VIF.get_network", self.vif), device="1")
        self.x("VIF.plug", vif)
        self.assertTrue(self.x("VIF.get_currently_attached", vif))
        self.fails("OPERATION_NOT_ALLOWED", "VIF.destroy", vif)
        self.x("VIF.unplug", vif)
        self.x("VIF.destroy", vif)

    def test_a_disc_is_put_in_and_taken_out(self):
        vm = self.make_whole_vm()
        disc = self.make_vdi(self.x("VDI.get_SR", self.vdi))
        self.assertEqual(self.fails("VBD_IS_EMPTY", "VBD.eject", self.cd), [self.cd])
        self.fails("VBD_NOT_REMOVABLE_MEDIA", "VBD.insert", self.vbd, disc)
        for run in (False, True):
            if run:
                self.x("VM.start", vm, False, False)
            self.x("VBD.insert", self.cd, disc)
            self.assertFalse(self.x("VBD.get_empty", self.cd))
            self.assertEqual(self.x("VBD.get_VDI", self.cd), disc)
            self.fails("VBD_NOT_EMPTY", "VBD.insert", self.cd, disc)
            self.x("VBD.eject", self.cd)
            self.assertTrue(self.x("VBD.get_empty", self.cd))

    def test_what_cannot_be_made_is_refused(self):
        vm = self.make_whole_vm()
        network = self.x("VIF.get_network", self.vif)
        self.assertEqual(
            self.fails("DEVICE_ALREADY_EXISTS", "VIF.create", self.vif_record(vm, network, "0")),
            ["0"],
        )
        record = self.vif_record(vm, network, "1") | {"MAC": "zz"}
        self.assertEqual(self.fails("MAC_INVALID", "VIF.create", record), ["zz"])
        with self.assertRaisesRegex(Failure, "DEVICE_ALREADY_EXISTS"):
            self.make_cd(vm, "3")
        with self.assertRaisesRegex(Failure, "INVALID_DEVICE"):
            self.make_cd(vm, "zz")
        with self.assertRaisesRegex(Failure, "VBD_NOT_REMOVABLE_MEDIA"):
            self.make_vbd(vm, NULL, "1", empty=True)
        self.assertTrue(self.x("VIF.get_MAC_autogenerated", self.vif))
        free = self.x("VM.get_allowed_VBD_devices", vm)
        self.assertEqual(free[:3], ["1", "2", "4"])

    def vif_record(self, vm, network, device):
        record = {"device": device, "network": network, "VM": vm, "MAC": "", "MTU": "1500"}
        return {**record, **NO_QOS}

    def test_a_disk_that_is_written_is_shared_with_nobody(self):
        vm = self.make_whole_vm()
        other = self.make_vm("other")
        self.make_vbd(other, self.vdi, "0")
        self.x("VM.start", vm, False, False)
        answer = self.fails("VDI_IN_USE", "VM.start", other, False, False)
        self.assertEqual(answer[0], self.vdi)
        self.assertEqual(self.x("VM.get_current_operations", other), {})
        self.assertEqual(self.state(other), "Halted")


class Copies(LifeTest):
    def test_a_template_becomes_a_vm_with_disks_of_its_own(self):
        sr = self.make_sr()
        uuid = self.x("SR.get_uuid", sr)
        template = self.make_vm("template", is_a_template=True)
        disk = f'<disk device="0" size="{32 * MIB}" sr="{uuid}" bootable="true"/>'
        disks = f"<provision>{disk}</provision>"
        self.x("VM.add_to_other_config", template, "disks", disks)
        vm = self.x("VM.clone", template, "a vm")
        self.assertTrue(self.x("VM.get_is_a_template", vm))
        self.x("VM.provision", vm)
        self.assertFalse(self.x("VM.get_is_a_template", vm))
        vbds = self.x("VM.get_VBDs", vm)
        self.assertEqual(len(vbds), 1)
        vdi = self.x("VBD.get_VDI", vbds[0])
        self.assertEqual(self.x("VDI.get_virtual_size", vdi), str(32 * MIB))
        self.x("VM.start", vm, False, False)
        self.assertEqual(self.state(vm), "Running")

    def test_a_clone_has_another_disk_and_another_mac(self):
        vm = self.make_whole_vm()
        clone = self.x("VM.clone", vm, "clone")
        record = self.x("VM.get_record", clone)
        self.assertEqual(record["name_label"], "clone")
        vdis = {self.x("VBD.get_VDI", vbd) for vbd in record["VBDs"]} - {NULL}
        self.assertEqual(len(vdis), 1)
        self.assertNotIn(self.vdi, vdis)
        self.assertNotEqual(
            self.x("VIF.get_MAC", record["VIFs"][0]), self.x("VIF.get_MAC", self.vif)
        )
        self.x("VM.start", vm, False, False)
        self.x("VM.start", clone, False, False)
        self.assertEqual(self.state(clone), "Running")

    def test_disks_are_copied_resized_and_found_again(self):
        sr = self.make_sr()
        vdi = self.make_vdi(sr)
        snapshot = self.x("VDI.snapshot", vdi)
        self.assertTrue(self.x("VDI.get_is_a_snapshot", snapshot))
        self.assertEqual(self.x("VDI.get_snapshot_of", snapshot), vdi)
        copy = self.x("VDI.copy", vdi, sr)
        self.assertFalse(self.x("VDI.get_is_a_snapshot", copy))
        self.x("VDI.resize", copy, str(128 * MIB))
        self.assertEqual(self.x("VDI.get_virtual_size", copy), str(128 * MIB))
        uuid = self.x("VDI.get_uuid", copy)
        self.x("VDI.forget", copy)
        self.fails("HANDLE_INVALID", "VDI.get_record", copy)
        self.x("SR.scan", sr)
        self.assertTrue(self.x("VDI.get_by_uuid", uuid))

    def test_an_sr_is_unplugged_forgotten_or_destroyed(self):
        sr = self.make_sr()
        vdi = self.make_vdi(sr)
        pbd = self.x("SR.get_PBDs", sr)[0]
        self.assertEqual(self.fails("SR_HAS_PBD", "SR.destroy", sr), [sr])
        self.x("PBD.unplug", pbd)
        self.assertFalse(self.x("PBD.get_currently_attached", pbd))
        self.fails("SR_HAS_NO_PBDS", "SR.scan", sr)
        self.fails("SR_NOT_EMPTY", "SR.destroy", sr)
        self.x("PBD.plug", pbd)
        self.x("VDI.destroy", vdi)
        self.x("PBD.unplug", pbd)
        self.x("SR.destroy", sr)
        self.fails("HANDLE_INVALID", "SR.get_record", sr)
        bad = {"location": str(self.stack.dir)}
        self.fails(
            "SR_UNKNOWN_DRIVER",
            "SR.create", self.host, bad, "0", "x", "", "no-such", "user", False, {},
        )  # fmt: skip


class Queue(LifeTest):
    """Whoever wants an object that others use waits, for no more than his turn."""

    MANY = 100

    def queue(self):
        with Client(self.stack.dir / "run" / "xapid.sock") as xapid:
            return xapid.call("debug.diagnostics")["operations"]

    def test_many_wait_for_a_guest_that_does_not_end(self):
        """The one who came first goes first, and nobody is woken before his turn."""
        vm = self.make_vm()
        self.x("VM.start", vm, False, False)
        uuid = self.x("VM.get_uuid", vm)
        with Client(self.stack.dir / "run" / "simulator" / "run" / "simulator.sock") as simulator:
            simulator.call("Guest.set", vm=uuid, acknowledges=False)
        shutdown = self.x("Async.VM.clean_shutdown", vm)
        self.until(lambda: self.x("VM.get_current_operations", vm), "the shutdown")
        before = self.queue()
        tasks = [
            self.x("Async.VM.set_memory_dynamic_range", vm, str((128 + i) * MIB), str(256 * MIB))
            for i in range(self.MANY)
        ]
        self.until(lambda: self.queue()["waiting"] == self.MANY, "all in the queue")
        during = self.queue()
        self.assertEqual(during["looks"], before["looks"])
        for task in tasks[1::2]:
            self.x("task.cancel", task)
        self.until(lambda: self.queue()["waiting"] == self.MANY // 2, "half of them")
        for task in tasks[1::2]:
            self.until(lambda: self.x("task.get_status", task) == "cancelled", "the end")
            self.assertEqual(self.x("task.get_error_info", task), ["TASK_CANCELLED", task])
        self.assertEqual(self.x("VM.get_memory_dynamic_min", vm), str(256 * MIB))
        self.x("task.cancel", shutdown)
        for task in tasks[::2]:
            self.until(lambda: self.x("task.get_status", task) == "success", "its turn")
        after = self.queue()
        self.assertEqual(after["served"] - before["served"], self.MANY // 2)
        self.assertEqual(after["waiting"], 0)
        # A look for him whose turn it is, and one for the next, which says no.
        self.assertLessEqual(after["looks"] - before["looks"], self.MANY)
        last = (128 + self.MANY - 2) * MIB
        self.assertEqual(self.x("VM.get_memory_dynamic_min", vm), str(last))

    def test_a_vm_waits_for_its_disk(self):
        """What is in the way is an operation on another object than the one that waits."""
        sr = self.make_sr()
        vm = self.make_vm()
        vdi = self.make_vdi(sr)
        self.make_vbd(vm, vdi, "0")
        tasks = [
            self.x("Async.VDI.snapshot", vdi, {}),
            self.x("Async.VM.start", vm, False, False),
        ]
        for task in tasks:
            self.until(lambda: self.x("task.get_status", task) != "pending", "the end")
            self.assertEqual(self.x("task.get_error_info", task), [])
        self.assertEqual(self.state(vm), "Running")


class Tasks(LifeTest):
    def test_a_start_is_a_task_with_a_part_for_each_step(self):
        vm = self.make_vm()
        token = self.x("event.from", ["*"], "", 0.0)["token"]
        task = self.x("Async.VM.start", vm, False, False)
        names, states = set(), []

        def ended():
            nonlocal token
            # asked first: what it has made known by its end is in the batch
            has_ended = self.x("task.get_status", task) != "pending"
            batch = self.x("event.from", ["task", "vm"], token, 0.0 if has_ended else 5.0)
            token = batch["token"]
            for event in batch["events"]:
                if event["operation"] == "del":
                    continue
                if event["class"] == "task":
                    names.add(event["snapshot"]["name_label"])
                elif event["ref"] == vm:
                    states.append(event["snapshot"]["power_state"])
            return has_ended

        self.until(ended, "the end of the start")
        record = self.x("task.get_record", task)
        self.assertEqual(record["status"], "success", record)
        self.assertEqual(record["progress"], 1.0)
        self.assertEqual(len(record["subtasks"]), 1)
        self.assertLessEqual({"Async.VM.start", "VM.start"}, names)
        self.assertEqual(states[-1], "Running")
        self.assertNotIn("Paused", states)

    def test_no_task_outlives_who_could_destroy_it(self):
        """Neither the parts of a call nor those of a task that its client has destroyed."""
        vm = self.make_whole_vm()
        self.x("VM.start", vm, False, False)
        self.fails("VM_BAD_POWER_STATE", "VM.start", vm, False, False)
        self.x("VM.hard_shutdown", vm)
        self.assertEqual(self.x("task.get_all"), [])
        task = self.x("Async.VM.start", vm, False, False)
        self.until(lambda: self.x("task.get_status", task) == "success", "the start")
        self.assertTrue(self.x("task.get_subtasks", task))
        self.x("task.destroy", task)
        self.assertEqual(self.x("task.get_all"), [])

    def test_a_failed_start_says_why_and_leaves_nothing(self):
        too_much = str(1 << 50)
        vm = self.make_vm(memory_static_max=too_much, memory_dynamic_max=too_much,
            memory_dynamic_min=too_much)
        task = self.x("Async.VM.start", vm, False, False)
        self.until(lambda: self.x("task.get_status", task) == "failure", "the failure")
        error = self.x("task.get_error_info", task)
        self.assertEqual(error[0], "HOST_NOT_ENOUGH_FREE_MEMORY", error)
        self.assertEqual(self.x("VM.get_current_operations", vm), {})
        self.assertEqual(self.state(vm), "Halted")


class Kills(LifeTest):
    """Whoever is killed, all agree again by themselves."""

    def again(self, vm):
        """The power state as a client sees it that logs in anew."""
        self.until(lambda: self.x.login() or True, "a session")
        return self.state(vm)

    def test_a_running_vm_outlives_every_daemon(self):
        vm = self.make_whole_vm()
        self.x("VM.start", vm, False, False)
        domid = self.x("VM.get_domid", vm)
        for daemon in ("xenopsd", "xapid", "smd", "networkd"):
            self.stack.kill(daemon)
            self.assertEqual(self.again(vm), "Running", daemon)
            self.assertEqual(self.x("VM.get_domid", vm), domid, daemon)
            self.assertTrue(self.x("VBD.get_currently_attached", self.vbd), daemon)
        self.x("VM.hard_shutdown", vm)
        self.assertEqual(self.state(vm), "Halted")
        self.x("VM.start", vm, False, False)

    def test_a_kill_amid_starts_leaves_all_of_one_mind(self):
        vms = [self.make_vm(f"vm{i}") for i in range(8)]
        for daemon in ("xenopsd", "xapid"):
            tasks = [self.x("Async.VM.start", vm, False, False) for vm in vms]
            self.stack.kill(daemon)
            self.until(lambda: self.x.login() or True, "a session")
            if daemon == "xenopsd":
                for task in tasks:
                    self.until(
                        lambda t=task: self.x("task.get_status", t) != "pending", "an end"
                    )
            for vm in vms:
                self.until(lambda v=vm: self.is_settled(v), f"one mind after {daemon}")
                if self.state(vm) != "Halted":
                    self.x("VM.hard_shutdown", vm)
                self.assertEqual(self.state(vm), "Halted")

    def begin_and_hang(self, atom, method, *args):
        """A call that hangs in this atom: its task."""
        socket = self.stack.dir / "run" / "simulator" / "run" / "simulator.sock"
        self.until(socket.exists, "the simulator")
        self.simulator = Client(socket)
        self.addCleanup(self.simulator.close)
        self.simulator.call("Fault.add", fault={"atom": atom, "nth": 1, "action": "hang"})
        task = self.x(f"Async.{method}", *args)
        self.until(lambda: self.simulator.call("Fault.list")[0]["hanging"], "the hang")
        return task

    def end_in_failure(self, task):
        self.until(lambda: self.x("task.get_status", task) == "failure", "the failure")
        self.assertTrue(self.x("task.get_error_info", task))

    def test_a_start_goes_on_while_xapid_is_killed(self):
        vm = self.make_vm()
        self.begin_and_hang("vm-build", "VM.start", vm, False, False)
        self.stack.kill("xapid")
        self.assertEqual(self.again(vm), "Halted")
        self.simulator.call("Fault.clear")
        self.until(lambda: self.state(vm) == "Running", "the end of the start")
        self.assertTrue(self.is_settled(vm))
        self.assertNotEqual(self.x("VM.get_domid", vm), "-1")

    def test_a_start_that_xenopsd_lost_says_so_and_leaves_nothing(self):
        vm = self.make_vm()
        task = self.begin_and_hang("vm-unpause", "VM.start", vm, False, False)
        self.stack.kill("xenopsd")
        self.end_in_failure(task)
        self.assertEqual(self.state(vm), "Halted")
        self.assertTrue(self.is_settled(vm))
        self.simulator.call("Fault.clear")
        self.x("VM.start", vm, False, False)
        self.assertEqual(self.state(vm), "Running")

    def test_a_plug_that_xenopsd_lost_leaves_nothing(self):
        vm = self.make_whole_vm()
        self.x("VM.start", vm, False, False)
        vbd = self.make_vbd(vm, self.make_vdi(self.x("VDI.get_SR", self.vdi)), "1")
        task = self.begin_and_hang("vbd-plug", "VBD.plug", vbd)
        self.stack.kill("xenopsd")
        self.end_in_failure(task)
        self.simulator.call("Fault.clear")
        self.until(lambda: "plug" in self.x("VBD.get_allowed_operations", vbd), "the repair")
        self.assertFalse(self.x("VBD.get_currently_attached", vbd))
        self.x("VBD.plug", vbd)
        self.assertTrue(self.x("VBD.get_currently_attached", vbd))

    def is_settled(self, vm):
        """It runs or has halted, and nothing is under way."""
        record = self.x("VM.get_record", vm)
        runs = record["power_state"] == "Running" and record["resident_on"] == self.host
        rests = record["power_state"] == "Halted" and record["resident_on"] == NULL
        return (runs or rests) and not record["current_operations"]

    # What is begun, by the power state that it is begun in.
    ANY = {
        "Halted": ["VM.start", "VM.start_on", "VM.snapshot", "VM.clone"],
        "Running": ["VM.pause", "VM.suspend", "VM.clean_shutdown", "VM.hard_shutdown",
                    "VM.shutdown", "VM.clean_reboot", "VM.hard_reboot", "VM.checkpoint",
                    "VM.set_VCPUs_number_live", "VM.set_memory_dynamic_range", "VBD.unplug",
                    "VBD.plug", "VIF.unplug", "VIF.plug", "VBD.insert", "VBD.eject",
                    "VM.snapshot", "VDI.snapshot"],
        "Paused": ["VM.unpause", "VM.hard_shutdown", "VM.hard_reboot", "VM.snapshot"],
        "Suspended": ["VM.resume", "VM.resume_on", "VM.hard_shutdown"],
    }  # fmt: skip

    def arguments(self, method, vm):
        if method.startswith("VIF."):
            return [self.vif]
        if method in ("VBD.insert", "VBD.eject"):
            return [self.cd] + ([self.disc] if method == "VBD.insert" else [])
        if method.startswith("VBD."):
            return [self.second]
        if method.startswith("VDI."):
            return [self.x("VBD.get_VDI", self.second)]
        more = {
            "VM.start": [False, False],
            "VM.start_on": [self.host, False, False],
            "VM.resume": [False, False],
            "VM.resume_on": [self.host, False, False],
            "VM.clone": ["again"],
            "VM.snapshot": ["then"],
            "VM.checkpoint": ["then"],
            "VM.set_VCPUs_number_live": ["2"],
            "VM.set_memory_dynamic_range": [str(192 * MIB), str(256 * MIB)],
        }
        return [vm, *more.get(method, [])]

    def disagreement(self, vm):
        """What xapid and the simulator say differently of the VM, or None."""
        record = self.x("VM.get_record", vm)
        state = record["power_state"]
        domain = self.simulator.call("Domain.stat", vm=record["uuid"])
        if record["current_operations"] or record["scheduled_to_be_resident_on"] != NULL:
            return f"not settled: {record['current_operations']}"
        if domain is None:
            is_gone = state in ("Halted", "Suspended")
            has_memory = record["suspend_VDI"] != NULL
            return None if is_gone and has_memory == (state == "Suspended") else f"gone, {state}"
        if (domain["power"], str(domain["domid"])) != (state.lower(), record["domid"]):
            return f"{domain['power']} {domain['domid']}, {state} {record['domid']}"
        here = {device["name"] for device in domain["devices"]}
        vbds = [self.x("VBD.get_record", ref) for ref in record["VBDs"]]
        vifs = [self.x("VIF.get_record", ref) for ref in record["VIFs"]]
        told = {device["device"] for device in vbds + vifs if device["currently_attached"]}
        return self.other_image(domain) if here == told else f"{here}, {told}"

    def other_image(self, domain):
        """What the guest has in a drive that smd does not, or None."""
        with Client(self.stack.dir / "run" / "smd.sock") as smd:
            for device in domain["devices"]:
                if device["kind"] != "vbd" or not device["backend"]:
                    continue
                dp = f"{domain['spec']['vm']}/{device['name']}"
                try:
                    path = smd.call("DP.attach_info", dp=dp)[0]["file"]["path"]
                except Failed as failed:
                    return f"{dp}: {failed}"
                if path != device["backend"]:
                    return f"{dp}: {device['backend']}, {path}"
        return None

    def test_a_kill_amid_any_operation(self):
        sr = self.make_sr()
        self.sr_folder = self.stack.dir / "discs"
        self.x("pool.set_suspend_image_SR", self.x("pool.get_all")[0], sr)
        vm = self.make_vm(memory_dynamic_min=str(128 * MIB))
        self.make_vbd(vm, self.make_vdi(sr), "0")
        self.second = self.make_vbd(vm, self.make_vdi(sr), "1")
        self.cd = self.make_cd(vm, "3")
        self.disc = self.make_vdi(sr)
        network = self.x("network.create", {"name_label": "net", "other_config": {}})
        self.vif = self.make_vif(vm, network)
        self.simulator = Client(self.stack.dir / "run" / "simulator" / "run" / "simulator.sock")
        self.addCleanup(self.simulator.close)
        budget = Budget("kills amid any operation", 200, least=2)
        for _ in budget:
            method = budget.dice.choice(self.ANY[self.state(vm)])
            daemon = budget.dice.choice(("xapid", "xenopsd"))
            what = f"{method} of one {self.state(vm)}, kill of {daemon}"

            def begin(method=method):
                self.x(f"Async.{method}", *self.arguments(method, vm))
                time.sleep(budget.dice.uniform(0, 0.05))

            self.stack.kill(daemon, begin)
            self.until(lambda: self.x.login() or True, f"a session after {what}")
            self.until(lambda: not self.pending(), f"no task after {what}")
            end = time.monotonic() + HANG
            while trouble := self.disagreement(vm):
                self.assertLess(time.monotonic(), end, f"{what}: {trouble}")
                time.sleep(0.05)

    def pending(self):
        records = self.x("task.get_all_records").values()
        return [record["name_label"] for record in records if record["status"] == "pending"]


if __name__ == "__main__":
    unittest.main()
