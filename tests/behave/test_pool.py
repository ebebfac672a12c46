# SPDX-License-Identifier: LGPL-2.1-or-later
"""A pool of two hosts: two stacks on addresses of their own, the same ports."""

import json
import os
import pathlib
import subprocess
import tempfile
import time

import pool
import xe
from jsonrpc import Client
from stack import BUILD, HANG, Stack, free_port
from xenapi import NULL, Failure, Session

MASTER = "127.0.0.1"
MEMBER = "127.0.0.2"


def in_order(value):
    """Without the order of sets, which says nothing."""
    if isinstance(value, dict):
        return {key: in_order(part) for key, part in value.items()}
    if isinstance(value, list):
        return sorted((in_order(part) for part in value), key=json.dumps)
    return value


def objects(stack):
    """The database of a stack's xapid, by reference."""
    done = subprocess.run(
        [BUILD / "bin" / "xapid-cli", "--dir", stack.dir, "db-dump"],
        capture_output=True,
        text=True,
        check=True,
        timeout=HANG,
    )
    found = {}
    for line in done.stdout.splitlines():
        class_name, ref, fields = line.split(" ", 2)
        found[ref] = class_name, in_order(json.loads(fields))
    return found


class TwoHosts(pool.Case):
    has_tls = False

    def setUp(self):
        ports = ["--port", free_port()]
        if self.has_tls:
            ports += ["--tls-port", free_port()]
        self.a = Stack(self, "--address", MASTER, *ports)
        self.b = Stack(self, "--address", MEMBER, *ports)
        self.sr_folder = pathlib.Path(tempfile.mkdtemp())
        self.addCleanup(subprocess.run, ["rm", "-rf", str(self.sr_folder)], check=True)
        self.connect(self.b.env())
        self.alone = self.x
        self.connect(self.a.env())
        self.password = self.a.env()["XAPI_PASSWORD"]

    def hosts(self, by=None):
        """Those that live, by their addresses."""
        call = by or self.x
        return {
            record["address"]: ref
            for ref, record in call("host.get_all_records").items()
            if call("host_metrics.get_live", record["metrics"])
        }

    def await_hosts(self, *addresses, by=None):
        self.until(lambda: set(self.hosts(by)) == set(addresses), f"hosts {addresses}")
        return self.hosts(by)

    def join(self):
        self.alone("pool.join", MASTER, "root", self.password)
        self.master, self.member = self.await_hosts(MASTER, MEMBER).values()
        if self.x("host.get_address", self.master) != MASTER:
            self.master, self.member = self.member, self.master

    def agree(self, one=None, other=None):
        """Both hosts have the same database."""
        one, other = one or self.a, other or self.b
        end = time.monotonic() + HANG
        while objects(one) != objects(other):
            if time.monotonic() > end:
                self.assertEqual(objects(one), objects(other))
            time.sleep(0.1)

    def refused(self, code, by, method, *args):
        with self.assertRaises(Failure) as caught:
            by(method, *args)
        self.assertEqual(caught.exception.args[0], code, caught.exception.args)
        return list(caught.exception.args[1:])

    def make_there(self):
        """A VM with a disk that only the member sees."""
        config = {"location": str(self.sr_folder)}
        sr = self.x("SR.create", self.member, config, "0", "There", "", "file", "user", False, {})
        vm = self.make_vm()
        self.vbd = self.make_vbd(vm, self.make_vdi(sr), "0")
        return vm


class Joining(TwoHosts):
    def test_one_pool_of_two(self):
        kept = self.alone("VM.create", {**pool.VM, "name_label": "kept"})
        uuid = self.alone("host.get_uuid", self.alone("host.get_all")[0])
        self.join()
        self.assertEqual(self.x("host.get_uuid", self.member), uuid)
        self.assertEqual(self.x("VM.get_name_label", kept), "kept")
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

    def test_a_host_leaves_and_comes_again(self):
        self.join()
        vm = self.make_there()
        self.x("VM.start", vm, False, False)
        self.fails("HOST_HAS_RESIDENT_VMS", "pool.eject", self.member)
        self.x("VM.hard_shutdown", vm)
        self.x("pool.eject", self.member)
        self.assertEqual(list(self.hosts()), [MASTER])
        self.assertEqual({r["host"] for r in self.x("PIF.get_all_records").values()}, {self.master})
        self.assertNotIn("There", self.x("SR.get_all_records").__repr__())
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
        path = self.b.dir / "run" / "simulator" / "run" / "simulator.sock"
        with Client(path) as client:
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
        config = {"location": str(folder)}
        pbd = {"host": self.member, "SR": self.sr, "device_config": config, "other_config": {}}
        self.x("PBD.plug", self.x("PBD.create", pbd))

    def domains(self, stack):
        path = stack.dir / "run" / "simulator" / "run" / "simulator.sock"
        with Client(path) as client:
            return len(client.call("Domain.list"))

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

    def as_master(self, stack):
        self.until(lambda: Session.of(stack.env()), "the new master")
        return Session.of(stack.env())

    def test_the_part_is_given_to_another(self):
        vm = self.make_there()
        self.x("pool.designate_new_master", self.member)
        self.x = self.as_master(self.b)
        self.await_hosts(MASTER, MEMBER)
        self.assertEqual(self.x("pool.get_master", self.x("pool.get_all")[0]), self.member)
        with self.assertRaises(Failure) as caught:
            Session.of(self.a.env())
        self.assertEqual(caught.exception.error, ["HOST_IS_SLAVE", MEMBER])
        self.x("VM.start", vm, False, False)
        self.agree()

    def test_the_master_is_lost(self):
        vm = self.make_there()
        self.agree()
        self.a.xenith("down")
        local = Local(self.b.env())
        self.until(lambda: local("host.is_in_emergency_mode"), "an emergency")
        local("pool.emergency_transition_to_master")
        self.x = self.as_master(self.b)
        self.assertEqual(self.x("VM.get_record", vm)["power_state"], "Halted")
        self.assertEqual(self.x("pool.get_master", self.x("pool.get_all")[0]), self.member)
        self.x("VM.start", vm, False, False)


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
        with Client(self.b.dir / "run" / "simulator" / "run" / "simulator.sock") as client:
            client.call("Guest.end", vm=vm, how="halted")
            self.until(lambda: not client.call("Domain.list"), "the guest's end")
        self.xe(self.b, "pool-emergency-transition-to-master")
        self.until(lambda: Session.of(self.b.env()), "the new master")
        self.assertEqual(self.b.status("xapid")["restarts"], 0)
        self.until(lambda: self.xe(self.b, "vm-list", "name-label=roams", "params=power-state",
                                   "--minimal") == "halted", "the VM's end")
        self.assertEqual(self.xe(self.b, "pool-list", "params=master", "--minimal"),
                         self.xe(self.b, "host-list", "address=" + MEMBER, "--minimal"))


class Local(Session):
    """Root of one host, whether it has found its master or not."""

    def __init__(self, env):
        super().__init__(env["XAPI_URL"], env["XAPI_USER"], env["XAPI_PASSWORD"])

    def login(self):
        import xmlrpc.client

        import xenapi

        self.proxy = xmlrpc.client.ServerProxy(
            self.url, transport=xenapi._Transport(), allow_none=True
        )
        self.ref = self.plain("session.slave_local_login_with_password", *self.account)
