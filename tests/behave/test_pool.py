# SPDX-License-Identifier: LGPL-2.1-or-later
"""Pools of several hosts: how they form, run VMs, and lose hosts."""

import base64
import contextlib
import http.client
import os
import pathlib
import signal
import socket
import subprocess
import tempfile
import threading
import xmlrpc.client

import pool
import xe
from hosts import MASTER, MEMBER, Local, TwoHosts, objects, settle, simulator
from stack import BUILD, HANG
from xapid import hash_of
from xenapi import NULL, Failure, Session


class Joining(TwoHosts):
    def test_one_pool_of_two(self):
        kept = self.alone("VM.create", {**pool.VM, "name_label": "kept"})
        about = "VM", self.alone("VM.get_uuid", kept)
        alert = self.alone("message.create", "ALERT", "3", *about, "unread")
        uuid = self.alone("host.get_uuid", self.alone("host.get_all")[0])
        self.join()
        self.assertEqual(self.x("host.get_uuid", self.member), uuid)
        self.assertEqual(self.x("VM.get_name_label", kept), "kept")
        self.assertEqual(self.x("message.get_record", alert)["obj_uuid"], about[1])
        self.assertEqual(len(self.x("pool.get_all")), 1)
        self.assertEqual(self.x("pool.get_master", self.x("pool.get_all")[0]), self.master)
        pifs = self.x("PIF.get_all_records").values()
        self.assertEqual({pif["host"] for pif in pifs}, {self.master, self.member})
        bridges = [n["bridge"] for n in self.x("network.get_all_records").values()]
        self.assertEqual(len(bridges), len(set(bridges)))
        self.agree()
        self.x("VM.set_name_label", kept, "renamed")
        self.agree()

    def test_clients_are_sent_to_the_master(self):
        self.join()
        with self.assertRaises(Failure) as caught:
            Session.of(self.b.env())
        self.assertEqual(caught.exception.error, ["HOST_IS_SLAVE", MASTER])
        at_member = Session.of(self.a.env())
        self.agree()
        at_member.url = self.b.env()["XAPI_URL"]
        self.assertEqual(
            at_member.post(
                "/jsonrpc",
                {"id": 1, "method": "VM.get_all", "params": [at_member.ref], "jsonrpc": "2.0"},
            )["error"]["data"],
            [MASTER],
        )
        answer = at_member.post(
            "/jsonrpc", {"id": 1, "method": "VM.get_all", "params": ["x"], "jsonrpc": "2.0"}
        )
        self.assertEqual(answer["error"]["message"], "SESSION_INVALID")
        status, out, _ = xe.run(self.b, "host-list", "--minimal")
        self.assertEqual((status, out.count(",")), (0, 1))

    def test_what_does_not_fit_does_not_join(self):
        def fails(code, address=MASTER, password=self.password):
            self.refused(code, self.alone, "pool.join", address, "root", password)
            self.assertEqual(len(self.hosts()), 1)

        fails("SESSION_AUTHENTICATION_FAILED", password="wrong")
        fails("JOINING_HOST_CONNECTION_FAILED", address="127.0.0.3")
        self.refused(
            "OPERATION_NOT_ALLOWED",
            self.alone,
            "pool.join",
            MEMBER,
            "root",
            self.b.env()["XAPI_PASSWORD"],
        )
        vm = self.alone("VM.create", {**pool.VM, "name_label": "runs"})
        self.alone("VM.start", vm, False, False)
        fails("JOINING_HOST_CANNOT_HAVE_RUNNING_VMS")
        self.alone("VM.hard_shutdown", vm)
        self.join()
        self.refused(
            "JOINING_HOST_CANNOT_BE_MASTER_OF_OTHER_HOSTS",
            self.x,
            "pool.join",
            MEMBER,
            "root",
            self.password,
        )

    def eject_slowly(self):
        """While it goes on, nothing else is done with the pool."""
        own = self.x("pool.get_all")[0]
        may = self.x("pool.get_allowed_operations", own)
        self.assertLessEqual({"eject", "designate_new_master"}, set(may))
        smd = self.b.status("smd")["pid"]
        os.kill(smd, signal.SIGSTOP)
        try:
            task = self.x("Async.pool.eject", self.member)
            self.until(lambda: self.x("pool.get_current_operations", own), "the operation")
            self.assertEqual(self.x("pool.get_current_operations", own), {task: "eject"})
            self.assertEqual(self.x("pool.get_allowed_operations", own), [])
            waits = self.x("Async.pool.designate_new_master", self.member)
            self.assertEqual(self.x("pool.get_current_operations", own), {task: "eject"})
        finally:
            os.kill(smd, signal.SIGCONT)
        self.until(lambda: self.x("task.get_status", task) != "pending", "the end of it")
        self.assertEqual(self.x("task.get_error_info", task), [])
        self.until(lambda: self.x("task.get_status", waits) == "failure", "the end of the other")
        self.assertEqual(self.x("task.get_error_info", waits)[0], "HANDLE_INVALID")
        self.assertEqual(self.x("pool.get_current_operations", own), {})
        self.assertEqual(self.x("pool.get_allowed_operations", own), may)

    def test_a_host_leaves_and_comes_again(self):
        for network in self.alone("network.get_all"):  # which is not the bridge that it is on
            self.alone("network.add_to_other_config", network, "bridge", "another")
        self.join()
        bridges = [n["bridge"] for n in self.x("network.get_all_records").values()]
        self.assertEqual(len(bridges), len(set(bridges)))
        vm = self.make_there()
        self.x("VM.start", vm, False, False)
        self.fails("HOST_HAS_RESIDENT_VMS", "pool.eject", self.member)
        self.x("VM.hard_shutdown", vm)
        self.eject_slowly()
        self.assertEqual(list(self.hosts()), [MASTER])
        self.assertEqual({r["host"] for r in self.x("PIF.get_all_records").values()}, {self.master})
        self.assertNotIn("There", self.x("SR.get_all_records").__repr__())
        for devices in ("PCI", "host_cpu", "Certificate"):
            hosts = [r["host"] for r in self.x(devices + ".get_all_records").values()]
            self.assertEqual(set(hosts), {self.master} if hosts else set(), devices)
        self.until(lambda: Session.of(self.b.env()), "the host that has left")
        self.alone = Session.of(self.b.env())
        self.until(lambda: self.alone("SM.get_all"), "the drivers of smd")
        self.assertEqual(len(self.alone("host.get_all")), 1)
        self.assertNotEqual(self.alone("host.get_all"), [self.member])
        self.join()
        self.agree()


class Running(TwoHosts):
    def setUp(self):
        super().setUp()
        self.join()

    def test_a_vm_lives_on_the_member(self):
        vm = self.make_there()
        self.x("VM.start", vm, False, False)
        self.assertEqual(self.x("VM.get_resident_on", vm), self.member)
        self.assertEqual(self.state(vm), "Running")
        self.assertTrue(self.x("VBD.get_currently_attached", self.vbd))
        self.agree()
        for method, state in (("VM.pause", "Paused"), ("VM.unpause", "Running")):
            self.x(method, vm)
            self.assertEqual(self.state(vm), state)
        self.x("VM.hard_shutdown", vm)
        self.assertEqual(self.x("VM.get_resident_on", vm), NULL)
        self.x("VM.destroy", vm)
        self.agree()

    def test_guests_end_and_start_with_the_members_toolstack(self):
        vm = self.make_there(affinity=self.member)
        for key, value in (("auto_poweron", "true"), ("on_toolstack_stop", "shutdown")):
            self.x("VM.add_to_other_config", vm, key, value)
        self.x("pool.add_to_other_config", self.x("pool.get_all")[0], "auto_poweron", "true")
        self.x("VM.start", vm, False, False)
        self.assertIn("guests: 1 shut down", self.b.xenith("down").stdout)
        self.assertEqual(self.state(vm), "Halted")
        self.b.xenith("up", "--address", MEMBER, *self.ports)
        self.until(lambda: self.state(vm) == "Running", "the guest")
        self.assertEqual(self.x("VM.get_resident_on", vm), self.member)

    def test_where_a_vm_starts(self):
        vm = self.make_vm(affinity=self.member)
        self.x("VM.start", vm, False, False)
        self.assertEqual(self.x("VM.get_resident_on", vm), self.member)
        self.x("VM.hard_shutdown", vm)
        for host in (self.member, self.master):
            self.x("VM.start_on", vm, host, False, False)
            self.assertEqual(self.x("VM.get_resident_on", vm), host)
            self.x("VM.hard_shutdown", vm)
        self.x("host.disable", self.member)
        self.x("VM.start", vm, False, False)
        self.assertEqual(self.x("VM.get_resident_on", vm), self.master)
        self.fails("HOST_DISABLED", "VM.start_on", self.make_vm(), self.member, False, False)

    def test_a_task_there_is_the_callers(self):
        vm = self.make_vm(affinity=self.member)
        task = self.x("Async.VM.start", vm, False, False)
        self.until(lambda: self.x("task.get_status", task) != "pending", "the start")
        self.assertEqual(self.x("task.get_status", task), "success")
        self.assertEqual(self.x("task.get_progress", task), 1.0)
        self.assertEqual(self.x("VM.get_current_operations", vm), {})
        self.fails("VM_BAD_POWER_STATE", "VM.start", vm, False, False)
        self.assertIn("simulated", self.x("host.dmesg", self.member))

    def test_a_task_there_is_cancelled(self):
        vm = self.make_there()
        with simulator(self.b) as client:
            client.call("Fault.add", fault={"atom": "vbd-plug", "action": "hang"})
            task = self.x("Async.VM.start", vm, False, False)
            self.until(lambda: client.call("Fault.list")[0]["hanging"], "the plug")
            self.assertIn("start", self.x("VM.get_current_operations", vm).values())
            self.x("task.cancel", task)
            client.call("Fault.clear")
        self.until(lambda: self.x("task.get_status", task) == "cancelled", "the task's end")
        self.assertEqual(self.state(vm), "Halted")
        self.assertEqual(self.x("VM.get_current_operations", vm), {})
        self.agree()
        self.x("VM.start", vm, False, False)

    def test_an_appliance_on_both(self):
        there = self.make_there()
        here = self.make_vm(affinity=self.master)
        made = {"name_label": "both", "name_description": ""}
        appliance = self.x("VM_appliance.create", made)
        for vm in (here, there):
            self.x("VM.set_appliance", vm, appliance)
        self.x("VM_appliance.start", appliance, False)
        self.assertEqual(self.x("VM.get_resident_on", here), self.master)
        self.assertEqual(self.x("VM.get_resident_on", there), self.member)
        self.x("VM_appliance.hard_shutdown", appliance)
        self.assertEqual({self.state(vm) for vm in (here, there)}, {"Halted"})

    def test_killed_and_back(self):
        vm = self.make_there()
        self.x("VM.start", vm, False, False)
        self.b.kill("xapid")
        self.await_hosts(MASTER, MEMBER)
        self.assertEqual(self.state(vm), "Running")
        self.agree()
        self.a.kill("xapid", lambda: self.x("Async.VM.clean_reboot", vm))
        self.x = Session.of(self.a.env())
        self.await_hosts(MASTER, MEMBER)
        self.until(lambda: self.x("VM.get_current_operations", vm) == {}, "the reboot's end")
        self.agree()
        self.b.kill("xapid", lambda: self.x("Async.VM.hard_shutdown", vm))
        self.await_hosts(MASTER, MEMBER)
        self.until(lambda: self.x("VM.get_current_operations", vm) == {}, "the shutdown's end")
        if self.state(vm) != "Halted":
            self.x("VM.hard_shutdown", vm)
        self.agree()

    def test_it_dies_while_it_is_called(self):
        """Who asks is told; the master goes on."""
        def ask():
            by = Session.of(self.a.env())
            while not is_over.is_set():
                by("Async.host.dmesg", self.member)  # which the member has to hear of first
                try:
                    by("host.dmesg", self.member)
                except Failure as e:
                    told.add(e.error[0])

        told, is_over = set(), threading.Event()
        threads = [threading.Thread(target=ask) for _ in range(8)]
        for thread in threads:
            thread.start()
        self.b.kill("xapid")
        self.b.kill("xapid")
        self.await_hosts(MASTER, MEMBER)
        is_over.set()
        for thread in threads:
            thread.join()
        self.assertTrue(told)
        self.assertLessEqual(told, {"CANNOT_CONTACT_HOST", "HOST_OFFLINE"})
        self.assertEqual(self.a.status("xapid")["restarts"], 0)

    def test_a_member_that_is_away(self):
        vm = self.make_there()
        self.b.xenith("down")
        self.await_hosts(MASTER)
        self.fails("HOST_OFFLINE", "VM.start_on", vm, self.member, False, False)
        self.fails("HOST_OFFLINE", "pool.eject", self.member)
        self.x("host.destroy", self.member)
        self.assertEqual(len(self.x("host.get_all")), 1)


class Moving(TwoHosts):
    """A VM that runs goes from one host to the other."""

    has_tls = True

    def setUp(self):
        super().setUp()
        self.join()
        config = {"location": str(self.sr_folder)}
        self.sr = self.x(
            "SR.create", self.master, config, "0", "Shared", "", "file", "user", True, {}
        )
        vdi = self.make_vdi(self.sr)
        self.plug_at_member()
        self.vm = self.make_vm(affinity=self.master)
        self.vbd = self.make_vbd(self.vm, vdi, "0")
        network = self.x("network.create", {"name_label": "net", "other_config": {}})
        self.vif = self.make_vif(self.vm, network)
        self.x("VM.start", self.vm, False, False)
        self.assertEqual(self.x("VM.get_resident_on", self.vm), self.master)

    def plug_at_member(self):
        """The same files under another name: a folder is one smd's alone."""
        folder = pathlib.Path(tempfile.mkdtemp())
        self.addCleanup(subprocess.run, ["rm", "-rf", str(folder)], check=True)
        for file in self.sr_folder.iterdir():
            if file.is_file() and file.name != ".lock":
                os.link(file, folder / file.name)
        pbds = self.x("PBD.get_all_records").items()
        (pbd,) = (ref for ref, record in pbds if record["host"] == self.member
                  and record["SR"] == self.sr)
        self.assertIs(self.x("PBD.get_currently_attached", pbd), False)  # it could not be
        self.x("PBD.set_device_config", pbd, {"location": str(folder)})
        self.x("PBD.plug", pbd)

    def check_runs(self, host):
        self.assertEqual(self.state(self.vm), "Running")
        self.assertEqual(self.x("VM.get_resident_on", self.vm), host)
        self.assertEqual(self.x("VM.get_scheduled_to_be_resident_on", self.vm), NULL)
        self.assertEqual(self.x("VM.get_current_operations", self.vm), {})
        self.assertTrue(self.x("VBD.get_currently_attached", self.vbd))
        self.assertTrue(self.x("VIF.get_currently_attached", self.vif))
        count = [self.domains(self.a), self.domains(self.b)]
        self.assertEqual(count, [1, 0] if host == self.master else [0, 1])
        address = self.x("host.get_address", host)
        for console in self.x("VM.get_consoles", self.vm):
            self.assertIn(address, self.x("console.get_location", console))
        self.agree()

    def test_there_and_back(self):
        self.x("VM.pool_migrate", self.vm, self.member, {"live": "true"})
        self.check_runs(self.member)
        # Where its guest is its disks are snapshotted.
        disk = self.x("VBD.get_VDI", self.vbd)
        self.assertEqual(self.x("VDI.get_snapshot_of", self.x("VDI.snapshot", disk, {})), disk)
        kept = self.x("VM.snapshot", self.vm, "kept", [])
        self.assertEqual(self.x("VM.get_snapshot_of", kept), self.vm)
        self.check_runs(self.member)
        self.x("VM.pool_migrate", self.vm, self.master, {})
        self.check_runs(self.master)
        self.x("VM.hard_shutdown", self.vm)

    def test_what_cannot_go(self):
        self.fails("OPERATION_NOT_ALLOWED", "VM.pool_migrate", self.vm, self.master, {})
        self.x("host.disable", self.member)
        self.fails("HOST_DISABLED", "VM.pool_migrate", self.vm, self.member, {})
        self.x("host.enable", self.member)
        self.sr_folder = pathlib.Path(tempfile.mkdtemp(dir=self.sr_folder))
        alone = self.make_sr()
        self.x("VBD.plug", self.make_vbd(self.vm, self.make_vdi(alone), "1"))
        self.fails("VM_REQUIRES_SR", "VM.pool_migrate", self.vm, self.member, {})
        self.check_runs(self.master)

    def test_a_host_is_emptied(self):
        prevent = "host.get_vms_which_prevent_evacuation"
        both = {self.master, self.member}
        self.assertEqual(set(self.x("VM.get_possible_hosts", self.vm)), both)
        self.x("VM.assert_can_boot_here", self.vm, self.member)
        self.assertEqual(self.x(prevent, self.master), {})
        self.x("host.assert_can_evacuate", self.master)
        self.x("host.disable", self.master)
        self.x("host.evacuate", self.master)
        self.check_runs(self.member)
        # Back there is no way, until the master takes VMs again.
        self.assertEqual(self.x("VM.get_possible_hosts", self.vm), [self.member])
        self.fails("HOST_DISABLED", "VM.assert_can_boot_here", self.vm, self.master)
        self.fails("NO_HOSTS_AVAILABLE", "host.evacuate", self.member)
        self.assertEqual(self.x(prevent, self.member), {self.vm: ["NO_HOSTS_AVAILABLE"]})
        self.fails("CANNOT_EVACUATE_HOST", "host.assert_can_evacuate", self.member)
        self.x("host.enable", self.master)
        task = self.x("Async.host.evacuate", self.member)
        self.until(lambda: self.x("task.get_status", task) != "pending", "the end of it")
        self.assertEqual(self.x("task.get_error_info", task), [])
        self.check_runs(self.master)
        self.assertEqual(self.x("host.get_current_operations", self.member), {})
        self.x("VM.set_memory_limits", self.make_vm(), *[str(1 << 50)] * 4)
        big = next(vm for vm in self.x("VM.get_all") if
                   self.x("VM.get_memory_static_max", vm) == str(1 << 50))
        self.fails("HOST_NOT_ENOUGH_FREE_MEMORY", "VM.assert_can_boot_here", big, self.member)

    def hang_at_connect(self, client):
        for _ in range(4):  # each is for one: the first that comes to it
            client.call("Fault.add", fault={"atom": "migrate-connect", "action": "hang"})

    def test_several_go_at_once(self):
        vms = [self.vm, *(self.make_vm(f"vm{i}", affinity=self.master) for i in range(3))]
        for vm in vms[1:]:
            self.x("VM.start", vm, False, False)

        def are_at_it(client, count):
            self.until(lambda: sum(f["hanging"] for f in client.call("Fault.list")) == count,
                       f"{count} to go")
            records = self.x("VM.get_all_records").values()
            busy = [r for r in records if "pool_migrate" in r["current_operations"].values()]
            self.assertEqual(len(busy), count)

        with simulator(self.a) as client:
            self.hang_at_connect(client)
            task = self.x("Async.host.evacuate", self.master, NULL, "2")
            are_at_it(client, 2)
            names = [self.x("task.get_name_label", t) for t in self.x("task.get_subtasks", task)]
            self.assertEqual(names, ["VM.pool_migrate"] * 2)
            self.fails("OTHER_OPERATION_IN_PROGRESS", "host.evacuate", self.master)
            self.x("task.cancel", task)
            client.call("Fault.clear")
            self.until(lambda: self.x("task.get_status", task) == "cancelled", "the task's end")
            self.assertEqual({self.x("VM.get_resident_on", vm) for vm in vms}, {self.master})
            self.hang_at_connect(client)
            task = self.x("Async.host.evacuate", self.master)
            are_at_it(client, 4)
            client.call("Fault.clear")
        self.until(lambda: self.x("task.get_status", task) != "pending", "the end of it")
        self.assertEqual(self.x("task.get_error_info", task), [])
        self.assertEqual(self.x("task.get_progress", task), 1.0)
        self.assertEqual({self.x("VM.get_resident_on", vm) for vm in vms}, {self.member})
        with simulator(self.b) as client:
            client.call("Fault.add", fault={"atom": "migrate-connect", "nth": 2, "action": "fail"})
            self.fails("INTERNAL_ERROR", "host.evacuate", self.member, NULL, "1")
        self.assertEqual(len(self.x("host.get_resident_VMs", self.master)), 2)  # and dom0
        self.agree()

    def test_sent_within_the_pool(self):
        network = self.x("VIF.get_network", self.vif)
        dest = self.x("host.migrate_receive", self.member, network, {})
        self.assertEqual(dest["host"], self.member)
        self.assertIn(MEMBER, dest["xenops"])
        (vdi,) = self.x("SR.get_VDIs", self.sr)
        same = {vdi: self.sr}, {self.vif: network}
        self.x("VM.assert_can_migrate", self.vm, dest, True, *same, {})
        self.assertEqual(self.x("VM.migrate_send", self.vm, dest, True, *same, {}), self.vm)
        self.check_runs(self.member)
        other = self.x("network.create", {"name_label": "other", "other_config": {}})
        for message in ("VM.migrate_send", "VM.assert_can_migrate"):
            for code, to, vdis, vifs, options in (
                ("OPERATION_NOT_ALLOWED", dest, *same, {}),
                ("NOT_IMPLEMENTED", dest, {vdi: NULL}, {}, {}),
                ("NOT_IMPLEMENTED", dest, {}, {self.vif: other}, {}),
                ("NOT_IMPLEMENTED", dest, {}, {}, {"copy": "true"}),
                ("NOT_IMPLEMENTED", {"host": "OpaqueRef:elsewhere"}, {}, {}, {}),
                ("INVALID_VALUE", {}, {}, {}, {}),
                ("HANDLE_INVALID", dest, {NULL: self.sr}, {}, {}),
            ):
                self.fails(code, message, self.vm, to, True, vdis, vifs, options)
        self.x("host.disable", self.master)
        self.fails("HOST_DISABLED", "host.migrate_receive", self.master, network, {})
        self.check_runs(self.member)

    def test_kills_on_the_way(self):
        """Wherever it is then, both hosts and both xenopsd say the same."""
        for stack, daemon in (
            (self.a, "xapid"),
            (self.b, "xapid"),
            (self.a, "xenopsd"),
            (self.b, "xenopsd"),
        ):
            with self.subTest(daemon=daemon, host="master" if stack is self.a else "member"):
                here = self.x("VM.get_resident_on", self.vm)
                there = self.member if here == self.master else self.master
                stack.kill(
                    daemon, lambda there=there: self.x("Async.VM.pool_migrate", self.vm, there, {})
                )
                self.x = Session.of(self.a.env())
                self.await_hosts(MASTER, MEMBER)
                self.until(self.is_settled, "one mind")
                self.check_runs(self.x("VM.get_resident_on", self.vm))

    def is_settled(self):
        record = self.x("VM.get_record", self.vm)
        attached = self.x("VBD.get_currently_attached", self.vbd)
        return (
            attached
            and self.x("VIF.get_currently_attached", self.vif)
            and record["resident_on"] != NULL
            and record["scheduled_to_be_resident_on"] == NULL
            and not record["current_operations"]
            and self.domains(self.a) + self.domains(self.b) == 1
        )


class Masters(TwoHosts):
    has_tls = True

    def setUp(self):
        super().setUp()
        self.join()

    def make_what_is_kept(self):
        uuid = self.x("pool.get_uuid", self.x("pool.get_all")[0])
        self.alert = self.x("message.create", "ALERT", "3", "Pool", uuid, "body")
        self.hidden = self.x("secret.create", {"value": "hidden", "other_config": {}})

    def check_what_is_kept(self):
        self.assertEqual(self.x("message.get_record", self.alert)["body"], "body")
        self.assertEqual(self.x("secret.get_value", self.hidden), "hidden")

    def as_master(self, stack):
        self.until(lambda: Session.of(stack.env()), "the new master")
        return Session.of(stack.env())

    def test_the_part_is_given_to_another(self):
        vm = self.make_there()
        self.make_what_is_kept()
        self.x("pool.designate_new_master", self.member)
        self.x = self.as_master(self.b)
        self.check_what_is_kept()
        self.await_hosts(MASTER, MEMBER)
        self.assertEqual(self.x("pool.get_master", self.x("pool.get_all")[0]), self.member)
        with self.assertRaises(Failure) as caught:
            Session.of(self.a.env())
        self.assertEqual(caught.exception.error, ["HOST_IS_SLAVE", MEMBER])
        self.x("VM.start", vm, False, False)
        self.agree()

    def test_the_master_is_lost(self):
        vm = self.make_there()
        self.make_what_is_kept()
        self.agree()
        self.a.xenith("down")
        local = Local(self.b.env())
        self.until(lambda: local("host.is_in_emergency_mode"), "an emergency")
        local("pool.emergency_transition_to_master")
        self.x = self.as_master(self.b)
        self.check_what_is_kept()
        self.assertEqual(self.x("VM.get_record", vm)["power_state"], "Halted")
        self.assertEqual(self.x("pool.get_master", self.x("pool.get_all")[0]), self.member)
        self.x("VM.start", vm, False, False)


    def write(self, index, told):
        """Until the master is gone; TOLD has what was answered."""
        with contextlib.suppress(OSError, Failure, http.client.HTTPException):
            by = Session.of(self.a.env())
            vm = by("VM.create", {**pool.VM, "name_label": str(index)})
            for count in range(1 << 20):
                told[vm] = count
                self.begun.release()
                by("VM.set_name_label", vm, f"{index} {count + 1}")

    def test_what_was_told_outlives_the_master(self):
        """It dies amid writes, and no other word of it comes."""
        self.begun, told = threading.Semaphore(0), {}
        threads = [threading.Thread(target=self.write, args=(i, told)) for i in range(4)]
        for thread in threads:
            thread.start()
        for _ in range(100):
            self.assertTrue(self.begun.acquire(timeout=HANG))
        self.addCleanup(self.end_xapid(self.a))
        for thread in threads:
            thread.join()
        local = Local(self.b.env())
        self.until(lambda: local("host.is_in_emergency_mode"), "an emergency")
        local("pool.emergency_transition_to_master")
        self.x = self.as_master(self.b)
        names = {vm: self.x("VM.get_name_label", vm).split() for vm in told}
        for vm, count in told.items():
            self.assertIn(int((names[vm] + ["0"])[1]), (count, count + 1))

    def test_nothing_is_lost_when_the_part_is_given_away(self):
        self.begun, told = threading.Semaphore(0), {}
        threads = [threading.Thread(target=self.write, args=(i, told)) for i in range(4)]
        for thread in threads:
            thread.start()
        for _ in range(50):
            self.assertTrue(self.begun.acquire(timeout=HANG))
        self.x("pool.designate_new_master", self.member)
        for thread in threads:
            thread.join()
        self.x = self.as_master(self.b)
        for vm, count in told.items():
            name = (self.x("VM.get_name_label", vm).split() + ["0"])[1]
            self.assertIn(int(name), (count, count + 1))


class Web(TwoHosts):
    """What a client asks of the master over HTTP, of a VM that is on the member."""

    def setUp(self):
        super().setUp()
        self.join()
        self.vm = self.make_there(affinity=self.member)
        self.x("VM.start", self.vm, False, False)
        self.uuid = self.x("VM.get_uuid", self.vm)

    def connect_to(self, address):
        s = socket.create_connection((address, self.ports[1]), HANG)
        self.addCleanup(s.close)
        return s

    def ask(self, address, request):
        """The connection, and the head of the answer."""
        s = self.connect_to(address)
        s.sendall(request.encode())
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            byte = s.recv(1)
            self.assertTrue(byte, head)
            head += byte
        return s, head.decode()

    def talk(self, s, say, expect):
        """Both ways, as it is at the guest's console."""
        with simulator(self.b) as client:
            client.call("Guest.print", vm=self.uuid, text="from the guest")
            got = b""
            while b"from the guest" not in got:
                got += s.recv(4096)
            s.sendall(say)
            self.until(lambda: expect in client.call("Guest.console", vm=self.uuid)["typed"],
                       "what was typed")

    def test_consoles(self):
        (console,) = self.x("VM.get_consoles", self.vm)
        self.assertIn(MEMBER, self.x("console.get_location", console))
        uuid = self.x("console.get_uuid", console)
        for address, name in ((MASTER, f"uuid={uuid}"), (MASTER, f"ref={self.vm}"),
                              (MEMBER, f"ref={console}")):
            path = f"/console?{name}&session_id={self.x.ref}"
            s, head = self.ask(address, f"CONNECT {path} HTTP/1.1\r\nHost: x\r\n\r\n")
            self.assertIn("200 OK", head)
            self.talk(s, b"typed by " + name.encode(), "typed by " + name)
        key = base64.b64encode(b"0123456789abcdef").decode()
        s, head = self.ask(MASTER, f"GET /console?uuid={uuid} HTTP/1.1\r\nHost: x\r\n"
                           f"Cookie: session_id={self.x.ref}\r\nUpgrade: websocket\r\n"
                           f"Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\n"
                           "Sec-WebSocket-Version: 13\r\n\r\n")
        self.assertIn(" 101 ", head)
        self.talk(s, bytes([0x82, 0x80 | 2, 0, 0, 0, 0]) + b"ws", "ws")
        for path, status in ((f"uuid={uuid}", 401), (f"uuid=none&session_id={self.x.ref}", 404)):
            request = f"CONNECT /console?{path} HTTP/1.1\r\nHost: x\r\n\r\n"
            self.assertIn(f" {status} ", self.ask(MASTER, request)[1])
        self.x("VM.hard_shutdown", self.vm)
        request = f"CONNECT /console?ref={self.vm}&session_id={self.x.ref} HTTP/1.1\r\n\r\n"
        self.assertIn(" 404 ", self.ask(MASTER, request)[1])

    def test_bytes_and_figures(self):
        (vdi,) = (self.x("VBD.get_VDI", vbd) for vbd in self.x("VM.get_VBDs", self.vm))
        self.x("VM.hard_shutdown", self.vm)
        task = self.x("task.create", "import", "")
        query = f"vdi={vdi}&session_id={self.x.ref}&task_id={task}"
        request = f"PUT /import_raw_vdi?{query} HTTP/1.1\r\nHost: x\r\nContent-Length: "
        _, head = self.ask(MASTER, request + "0\r\n\r\n")
        there = f"http://{MEMBER}:{self.ports[1]}/import_raw_vdi?{query}"
        self.assertIn(" 302 ", head)
        self.assertIn(f"location: {there}\r\n", head)
        self.assertEqual(self.x("task.get_status", task), "pending")
        _, head = self.ask(MEMBER, request + "4\r\n\r\ndata")
        self.assertIn("200 OK", head)
        self.until(lambda: self.x("task.get_status", task) == "success", "the task's end")
        self.x("VM.start", self.vm, False, False)
        _, head = self.ask(
            MASTER, f"GET /vm_rrd?uuid={self.uuid}&session_id={self.x.ref} HTTP/1.1\r\n\r\n"
        )
        self.assertIn(f"location: http://{MEMBER}:", head)

        def is_measured():
            path = f"/vm_rrd?uuid={self.uuid}&session_id={self.x.ref}"
            return " 200 " in self.ask(MEMBER, f"GET {path} HTTP/1.1\r\n\r\n")[1]

        self.until(is_measured, "the VM's figures")
        path = f"/rrd_updates?start=-60&host=true&json=1&session_id={self.x.ref}"

        def legend():
            s, head = self.ask(MEMBER, f"GET {path} HTTP/1.1\r\nConnection: close\r\n\r\n")
            text = s.makefile().read()
            return " 200 " in head and self.x("host.get_uuid", self.member) in text

        self.until(legend, "the member's own figures")
        metrics = self.x("VM.get_metrics", self.vm)
        self.assertGreater(int(self.x("VM_metrics.get_memory_actual", metrics)), 0)
        metrics = self.x("host.get_metrics", self.member)
        self.assertGreater(int(self.x("host_metrics.get_memory_total", metrics)), 0)

    def account(self, name, role):
        """Of the master; members are told of its sessions."""
        with open(self.a.dir / "lib" / "xapid.passwd", "a", encoding="utf-8") as file:
            file.write(f"{name}:{role}:{hash_of('known')}\n")
        return Session(self.x.url, name, "known")

    def test_nobody_may_more_at_the_member(self):
        reader = self.account("reader", "read-only")
        operator = self.account("operator", "vm-operator")
        (console,) = self.x("VM.get_consoles", self.vm)
        (vdi,) = (self.x("VBD.get_VDI", vbd) for vbd in self.x("VM.get_VBDs", self.vm))
        before = objects(self.b)[self.vm]
        for message, *args in (("VM.hard_shutdown", self.vm), ("host.dmesg", self.member),
                               ("VM.pool_migrate", self.vm, self.master, {})):
            self.refused("RBAC_PERMISSION_DENIED", reader, message, *args)
        self.refused("RBAC_PERMISSION_DENIED", operator, "VM.pool_migrate", self.vm,
                     self.master, {})
        self.assertNotIn("user='reader'", self.b.logs())  # it was never asked
        operator("VM.pause", self.vm)
        operator("VM.unpause", self.vm)
        self.agree()
        self.assertEqual(objects(self.b)[self.vm], before)
        size = "Content-Length: 0\r\n"
        for address in (MASTER, MEMBER):
            for request, least in (
                (f"CONNECT /console?ref={console}", "vm-operator"),
                (f"PUT /import_raw_vdi?vdi={vdi}", "vm-admin"),
                ("CONNECT /pool_link?x=", "a host of the pool"),
                (f"PUT /services/xenops/migrate/vm/{self.uuid}?x=", "a host of the pool"),
            ):
                for by in (reader, operator, self.x):
                    head = f"{request}&session_id={by.ref} HTTP/1.1\r\nHost: x\r\n{size}\r\n"
                    may = by is self.x or (by is operator and least == "vm-operator")
                    if not may or least == "a host of the pool":
                        self.assertIn(" 403 ", self.ask(address, head)[1], (head, address))
            for credentials in ("", "&pool_secret=" + "0" * 64, "&session_id=OpaqueRef:none"):
                head = f"CONNECT /pool_link?x={credentials} HTTP/1.1\r\nHost: x\r\n\r\n"
                self.assertIn(" 401 ", self.ask(address, head)[1])
        reader("session.logout")
        self.agree()
        head = f"GET /vm_rrd?uuid={self.uuid}&session_id={reader.ref} HTTP/1.1\r\n\r\n"
        self.assertIn(" 401 ", self.ask(MEMBER, head)[1])

    def test_xml_rpc_on_a_members_socket(self):
        """Root of a member is root of the pool, in either form."""
        at_member = OnSocket(self.b)
        self.assertEqual(at_member("VM.get_power_state", self.vm), "Running")
        self.assertEqual(at_member("VM.get_memory_static_max", self.vm), str(256 << 20))
        self.refused("VM_BAD_POWER_STATE", at_member, "VM.start", self.vm, False, False)
        task = at_member("Async.VM.pause", self.vm)
        self.until(lambda: at_member("task.get_status", task) == "success", "the pause")
        self.assertEqual(self.state(self.vm), "Paused")
        events = at_member("event.from", ["vm"], "", 1.0)
        self.assertIn(self.vm, {event["ref"] for event in events["events"]})
        at_member("session.logout")
        self.refused("SESSION_INVALID", at_member, "VM.get_all")


class Three(TwoHosts):
    """Three hosts, all with TLS."""

    has_tls = True

    def everybody_agrees(self):
        self.agree(self.a, self.b)
        self.agree(self.b, self.c)

    def test_through_a_life(self):
        third = "127.0.0.3"
        self.c = self.host_at(third)
        self.join()
        Session.of(self.c.env())("pool.join_force", MASTER, "root", self.password)
        self.last = self.await_hosts(MASTER, MEMBER, third)[third]
        self.everybody_agrees()
        vms = {}
        for host in (self.master, self.member, self.last):
            vms[host] = self.make_vm(affinity=host)
            self.x("VM.start", vms[host], False, False)
            self.assertEqual(self.x("VM.get_resident_on", vms[host]), host)
        self.everybody_agrees()
        self.c.kill("xapid")
        self.a.kill("xapid")
        self.x = Session.of(self.a.env())
        self.await_hosts(MASTER, MEMBER, third)
        self.assertEqual({self.state(vm) for vm in vms.values()}, {"Running"})
        self.everybody_agrees()
        self.assertEqual(set(self.x("pool.recover_slaves")), {self.member, self.last})
        self.x("pool.designate_new_master", self.last)
        self.until(lambda: Session.of(self.c.env()), "the new master")
        self.x = Session.of(self.c.env())
        self.await_hosts(MASTER, MEMBER, third)
        self.x("VM.hard_shutdown", vms[self.member])
        self.x("VM.clean_reboot", vms[self.master])
        self.everybody_agrees()
        self.c.kill("xapid", lambda: self.x("Async.VM.hard_shutdown", vms[self.master]))
        self.x = Session.of(self.c.env())
        self.await_hosts(MASTER, MEMBER, third)
        self.until(lambda: self.x("VM.get_current_operations", vms[self.master]) == {}, "its end")
        self.everybody_agrees()
        self.x("pool.eject", self.member)
        self.assertEqual(set(self.hosts()), {MASTER, third})
        self.agree(self.a, self.c)
        self.until(lambda: Session.of(self.b.env()), "the host that has left")
        self.assertEqual(self.state(vms[self.last]), "Running")


class Lost(TwoHosts):
    """Hosts that say nothing any more, though their connections are there."""

    def test_a_host_that_is_silent(self):
        for stack in (self.a, self.b):
            settle(stack, heartbeat="1s")
        self.x = Session.of(self.a.env())
        self.alone = Session.of(self.b.env())
        self.until(lambda: self.alone("SM.get_all"), "the drivers of smd")
        self.join()
        vm = self.make_vm(affinity=self.member)
        self.x("VM.start", vm, False, False)
        self.assertEqual(self.x("VM.get_resident_on", vm), self.member)
        pid = self.b.status("xapid")["pid"]
        os.kill(pid, signal.SIGSTOP)
        try:
            self.await_hosts(MASTER)
            self.assertEqual(self.state(vm), "Running")  # for nobody knows
            self.assertEqual(self.x("VM.get_resident_on", vm), self.member)
            self.fails("HOST_OFFLINE", "VM.hard_shutdown", vm)
            self.fails("HOST_NOT_LIVE", "VM.assert_can_boot_here", vm, self.member)
            self.fails("HOST_IS_LIVE", "host.declare_dead", self.master)
        finally:
            os.kill(pid, signal.SIGCONT)
        self.await_hosts(MASTER, MEMBER)
        self.agree()
        self.fails("HOST_IS_LIVE", "host.declare_dead", self.member)
        pid = self.a.status("xapid")["pid"]
        os.kill(pid, signal.SIGSTOP)
        try:
            local = Local(self.b.env())
            self.until(lambda: local("host.is_in_emergency_mode"), "an emergency")
            self.assertIs(local("pool.is_slave", self.member), True)
            local("pool.emergency_reset_master", MASTER)  # as it is
            self.refused("INVALID_VALUE", local, "pool.emergency_reset_master", "nobody")
        finally:
            os.kill(pid, signal.SIGCONT)
        self.until(lambda: not local("host.is_in_emergency_mode"), "its end")
        self.await_hosts(MASTER, MEMBER)
        self.b.xenith("down")
        self.await_hosts(MASTER)
        self.x("VM.power_state_reset", vm)
        self.assertEqual(self.state(vm), "Halted")
        self.x("VM.start_on", vm, self.master, False, False)
        self.x("host.declare_dead", self.member)


class Known(TwoHosts):
    """Hosts know each other by their certificates."""

    has_tls = True

    def test_no_other_certificate_is_taken(self):
        self.join()
        records = self.x("Certificate.get_all_records").values()
        own = {r["host"]: r["fingerprint_sha256"] for r in records if r["type"] == "host_internal"}
        self.assertEqual(set(own), {self.master, self.member})
        self.assertEqual(len(set(own.values())), 2)
        pool_ref = self.x("pool.get_all")[0]
        self.assertIs(self.x("pool.get_tls_verification_enabled", pool_ref), True)
        self.assertIs(self.x("host.get_tls_verification_enabled", self.member), True)
        role = (self.b.dir / "lib" / "xapid.role").read_text()
        self.assertIn(own[self.master], role)
        # Whoever is at the master's address with another certificate is not the master.
        self.a.xenith("stop", "xapid")
        (self.a.dir / "lib" / "xapid.pem").unlink()
        self.a.xenith("restart", "xapid")
        local = Local(self.b.env())
        self.until(lambda: local("host.is_in_emergency_mode"), "an emergency")

        def is_refused():
            return "is not known" in self.b.logs()

        self.until(is_refused, "the refusal")
        self.assertIs(local("host.is_in_emergency_mode"), True)
        local("host.emergency_disable_tls_verification")
        self.until(lambda: not local("host.is_in_emergency_mode"), "the master")
        self.x = Session.of(self.a.env())
        self.await_hosts(MASTER, MEMBER)
        self.agree()
        local("host.emergency_reenable_tls_verification")
        self.b.kill("xapid")
        self.await_hosts(MASTER, MEMBER)
        self.x("pool.enable_tls_verification")
        self.a_new_one_is_announced_first(Local(self.b.env()))
        self.assertNotIn(self.secret(), self.a.logs() + self.b.logs())

    def a_new_one_is_announced_first(self, local):
        """The member shows none that the master has not heard of."""
        file = self.b.dir / "lib" / "xapid.pem"
        before, pid = file.read_text(), self.a.status("xapid")["pid"]
        call = threading.Thread(
            target=local.plain, args=("host.emergency_reset_server_certificate", local.ref)
        )

        def waits():
            self.assertTrue(call.is_alive(), "it does not wait for the master")
            return "the master to have what was written" in self.waits_of(self.b)

        os.kill(pid, signal.SIGSTOP)
        try:
            call.start()
            self.until(waits, "the master to be waited for")
            self.assertEqual(file.read_text(), before)
        finally:
            os.kill(pid, signal.SIGCONT)
        call.join(HANG)
        self.assertNotEqual(file.read_text(), before)
        self.await_hosts(MASTER, MEMBER)
        self.agree()

    def waits_of(self, stack):
        return subprocess.run(
            [BUILD / "bin" / "xapid-cli", "--dir", stack.dir, "fibers"],
            capture_output=True, text=True, check=True, timeout=HANG,
        ).stdout  # fmt: skip

    def secret(self):
        return (self.a.dir / "lib" / "xapid-pool.secret").read_text().strip()


class OnSocket(Session):
    """XML-RPC of root's on a stack's Unix socket."""

    def __init__(self, stack):
        self.path = str(stack.dir / "run" / "xapi")
        super().__init__("http://localhost", "", "")

    def login(self):
        path = self.path

        class Transport(xmlrpc.client.Transport):
            def make_connection(self, host):
                connection = http.client.HTTPConnection(host, timeout=HANG)
                connection.sock = socket.socket(socket.AF_UNIX)
                connection.sock.settimeout(HANG)
                connection.sock.connect(path)
                return connection

        self.proxy = xmlrpc.client.ServerProxy(self.url, transport=Transport(), allow_none=True)
        self.ref = self.plain("session.login_with_password", *self.account)


class ByXe(TwoHosts):
    """What an administrator types."""

    def xe(self, stack, *args, **more):
        status, out, err = xe.run(stack, *args, **more)
        self.assertEqual((status, err), (0, ""), (args, out))
        return out.strip()

    def setUp(self):
        super().setUp()
        login = ("master-address=" + MASTER, "master-username=root")
        status, _, err = xe.run(self.b, "pool-join", *login, "master-password=wrong")
        self.assertEqual((status, err.splitlines()[-1]), (1, "Nobody has this name and password."))
        self.xe(self.b, "pool-join", *login, "master-password=" + self.password)
        hosts = self.await_hosts(MASTER, MEMBER)
        self.master, self.member = hosts[MASTER], hosts[MEMBER]
        self.vm = self.make_vm(name_label="roams")
        self.xe(self.a, "vm-start", "vm=roams", "on=" + self.uuid(self.master))

    def uuid(self, host):
        return self.x("host.get_uuid", host)

    def test_a_vm_moves(self):
        to = "host-uuid=" + self.uuid(self.member)
        self.xe(self.a, "vm-migrate", "vm=roams", "live=true", to)
        self.assertEqual(self.x("VM.get_resident_on", self.vm), self.member)
        status, _, err = xe.run(self.a, "vm-migrate", "vm=roams", "host=nobody")
        self.assertEqual((status, err), (1, "Error: No matching hosts found\n"))
        status, _, err = xe.run(self.a, "vm-migrate", "vm=roams", "remote-master=there")
        self.assertEqual((status, "VM.migrate_send" in err), (1, True))

    def test_a_host_leaves(self):
        sr = self.x("SR.create", self.member, {"location": str(self.sr_folder)}, "0", "There", "",
                    "file", "user", False, {})
        vdi = self.x("VDI.get_uuid", self.make_vdi(sr))
        eject = ("pool-eject", "host-uuid=" + self.uuid(self.member))
        status, out, err = xe.run(self.a, *eject, stdin="no\n")
        self.assertEqual((status, err), (1, "Error: Aborted\n"))
        self.assertIn(vdi, out)
        self.assertEqual(len(self.x("host.get_all")), 2)
        self.xe(self.a, *eject, stdin="yes\n")
        self.assertEqual(self.x("host.get_all"), [self.master])

    def test_the_master_is_lost(self):
        self.xe(self.a, "vm-migrate", "vm=roams", "host-uuid=" + self.uuid(self.member))
        self.assertEqual(self.xe(self.b, "host-is-in-emergency-mode"), "false")
        vm = self.x("VM.get_uuid", self.vm)
        self.a.xenith("down")
        self.until(lambda: self.xe(self.b, "host-is-in-emergency-mode") == "true", "an emergency")
        # What happens now the master will never have.
        with simulator(self.b) as client:
            client.call("Guest.end", vm=vm, how="halted")
            self.until(lambda: not client.call("Domain.list"), "the guest's end")
        self.xe(self.b, "pool-emergency-transition-to-master")
        self.until(lambda: Session.of(self.b.env()), "the new master")
        self.assertEqual(self.b.status("xapid")["restarts"], 0)
        self.until(lambda: self.xe(self.b, "vm-list", "name-label=roams", "params=power-state",
                                   "--minimal") == "halted", "the VM's end")
        self.assertEqual(self.xe(self.b, "pool-list", "params=master", "--minimal"),
                         self.xe(self.b, "host-list", "address=" + MEMBER, "--minimal"))
