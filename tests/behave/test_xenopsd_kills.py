# SPDX-License-Identifier: LGPL-2.1-or-later
"""kill -9 of xenopsd at random moments, while clients work on several VMs at once: nothing is half
done, nothing is lost, and who waited for a task is told. Where all rounds are run, smd or networkd
is killed before, now and then."""

import os
import random
import signal
import threading
import time
import unittest

from jsonrpc import Client, Failed, Gone
from xenops import HANG, MIB, SR, VM, Case

ROUNDS = 500
VMS = 5
UP = ("running", "paused")
AWAY = ("CONNECTION_LOST", "CONNECTION_REFUSED")  # of smd or networkd, as a task's error

# By operation: the power states to call it in, and what the VM may be when it is cut short.
POWER = {
    "VM.start": (("halted",), ("halted", "paused")),
    "VM.unpause": (("paused",), ("paused", "running")),
    "VM.pause": (("running",), ("paused", "running")),
    "VM.shutdown": (UP, ("running", "paused", "halted")),
    "VM.reboot": (UP, ("running", "paused")),
    "VM.suspend": (("running",), ("running", "suspended")),
    "VM.resume": (("suspended",), ("suspended", "paused")),
    "VM.set_vcpus": (("halted", *UP), None),
    "VM.set_xenstore_data": (("halted", *UP), None),
    "VBD.plug": (UP, None),
    "VBD.unplug": (UP, None),
    "VBD.insert": (UP, None),
    "VBD.eject": (UP, None),
    "VIF.plug": (UP, None),
    "VIF.unplug": (UP, None),
    "VIF.move": (UP, None),
    "VM.remove": (("halted", "suspended"), ("halted", "suspended", None)),
    "guest": (("running",), ("running", "halted")),
}


class Worker:
    """A client that does one thing after the other with its VM, until xenopsd is gone."""

    def __init__(self, case, vm, seed):
        self.case, self.vm = case, vm
        self.dice = random.Random(seed)
        self.task = None  # one that it waits for
        self.done = 0  # operations that ended
        self.may_be = None  # the power states that the VM may be found in; None: it is not there
        self.trouble = None
        self.is_round_bad = False  # smd or networkd is killed as well
        self.did = []  # for who reads the failure

    def run(self):
        try:
            with Client(self.case.socket) as client, Client(self.case.simulator_socket) as sim:
                while True:
                    self.one(client, sim)
        except Gone:
            pass
        except Exception as error:  # told by the test's own thread
            self.trouble = error

    def params(self, op):
        kind = op.split(".")[0]
        params = {
            "VM": {"vm": self.vm},
            "VBD": {"vbd": f"{self.vm}/xvdb"},
            "VIF": {"vif": f"{self.vm}/0"},
        }[kind]
        if op in ("VBD.insert", "VBD.eject"):
            params["vbd"] = f"{self.vm}/xvdd"
        if op == "VBD.insert":
            params["disk"] = self.case.media[self.vm]
        if op in ("VM.suspend", "VM.resume"):
            params["image"] = self.case.images[self.vm]
        if op == "VM.set_vcpus":
            params["vcpus"] = self.dice.randint(1, 4)
        if op == "VM.set_xenstore_data":
            params["xenstore_data"] = {"vm-data/a": str(self.dice.random())}
        if op == "VIF.move":
            params["backend"] = {"bridge": self.dice.choice(("xapi0", "xapi1"))}
        if op in ("VM.shutdown", "VM.reboot") and self.dice.random() < 0.3:
            params["timeout_s"] = 0.2
        if op.endswith("unplug") and self.dice.random() < 0.3:
            params["force"] = True
        return params

    def one(self, client, sim):
        """One operation from its call to its end."""
        power = self.power(client)
        if power is None:
            self.may_be = (None, "halted")
            self.case.add_one(client, self.vm)
            self.may_be = ("halted",)
            return
        op = self.dice.choice([op for op in POWER if power in POWER[op][0]])
        self.may_be = POWER[op][1] or (power,)
        if self.is_round_bad:
            self.may_be += ("halted",)  # a reboot that could not begin its second life
        self.did.append((power, op))
        if op == "guest":
            self.be_guest(client, sim)
            return
        try:
            answer = client.call(op, **self.params(op))
        except Failed as error:
            # Nothing may stay with smd or networkd when a VM goes.
            assert self.is_round_bad and error.code in AWAY, error
            return
        if op != "VM.remove":
            self.task = answer
            record = client.wait_for_task(answer)
            self.task = None
            self.check_end(op, record)
        self.done += 1

    def power(self, client):
        try:
            return client.call("VM.stat", vm=self.vm)["state"]["power_state"]
        except Failed as error:
            assert error.code == "Does_not_exist", error
            return None

    def check_end(self, op, record):
        """A task fails only for what is to be expected of a client that does not look first."""
        if record["state"] == "done":
            return
        if self.is_round_bad and record["error"]["code"] in (*AWAY, "Domain_not_built"):
            return  # a reboot that waits has no guest
        assert record["error"]["code"] in (
            "Device_not_connected",
            "Media_present",
            "Media_not_present",
            "Does_not_exist",
            "Failed_to_acknowledge_shutdown_request",
        ), (op, record)

    def be_guest(self, client, sim):
        """The guest ends by its own will, and xenopsd sees to it."""
        before = sim.call("Domain.stat", vm=self.vm)["domid"]
        how = self.dice.choice(("rebooted", "halted", "crashed"))
        try:
            sim.call("Guest.end", vm=self.vm, how=how)
        except Failed as error:
            # A reboot that waits for smd or networkd, to begin its second life anew.
            assert self.is_round_bad and error.code == "Domain_not_built", error
            return
        end = time.monotonic() + HANG
        while True:
            power = self.power(client)
            domain = sim.call("Domain.stat", vm=self.vm)
            if domain and domain["domid"] != before and domain["power"] == "running":
                break
            if power == "halted":
                break
            assert time.monotonic() < end, (how, power, domain)
        self.done += 1


class Kills(Case):
    WITH_NETWORK = True
    WITH_STORAGE = True
    LOG_LEVEL = "info"
    maxDiff = None

    def setUp(self):
        super().setUp()
        self.socket = self.dir / "run" / "xenopsd.sock"
        self.networkd.client.call("Bridge.create", bridge="xapi1")
        self.vms = [f"vm-{i}" for i in range(VMS)]
        self.disks = {f"{vm}/{d}": self.disk(d) for vm in self.vms for d in ("xvda", "xvdb")}
        self.media = {vm: self.disk("medium") for vm in self.vms}
        spec = {"virtual_size_bytes": MIB, "name_label": "image", "image_format": "raw"}
        self.images = {}
        for vm in self.vms:
            vdi = self.smd_do("VDI.create", sr=SR, spec=spec)["vdi"]
            self.images[vm] = {"vdi": {"sr": SR, "vdi": vdi}}
            self.add_one(self.xenopsd.client, vm)

    def add_one(self, client, vm):
        """A VM comes whole, or not at all."""
        metadata = {
            "vm": dict(VM, vm=vm),
            "vbds": [
                {"vbd": f"{vm}/xvda", "backend": self.disks[f"{vm}/xvda"]},
                {"vbd": f"{vm}/xvdb", "backend": self.disks[f"{vm}/xvdb"]},
                {"vbd": f"{vm}/xvdd", "type": "cd", "mode": "ro"},
            ],
            "vifs": [self.vif(vm)],
        }
        client.call("VM.import_metadata", metadata=metadata)

    def restart_amid(self, dice):
        """Work, a kill, a new start; whether something was being done."""
        told = {s["vm"]["vm"]: s["state"]["power_state"] for s in self.call("VM.list")}
        workers = [Worker(self, vm, dice.random()) for vm in self.vms]
        is_bad = self.is_whole and dice.random() < 0.2
        for worker in workers:
            worker.may_be = (told.get(worker.vm),)
            worker.is_round_bad = is_bad
        threads = [threading.Thread(target=worker.run) for worker in workers]
        for thread in threads:
            thread.start()
        time.sleep(dice.uniform(0.002, 0.08))
        if is_bad:
            dice.choice((self.smd, self.networkd)).restart(signal.SIGKILL)
            time.sleep(dice.uniform(0, 0.02))
        n_working = self.call("debug.diagnostics")["queue"]["working"]
        self.xenopsd.stop(signal.SIGKILL)
        for thread in threads:
            thread.join(HANG)
            self.assertFalse(thread.is_alive(), "a client still waits")
        self.xenopsd.start()
        for worker in workers:
            if worker.trouble:
                raise worker.trouble
            if worker.task:
                self.refuses("NO_SUCH_TASK", "TASK.stat", task=worker.task)
        self.settle()
        told = self.check_inventory()
        for worker in workers:
            power = told[worker.vm]["state"]["power_state"] if worker.vm in told else None
            self.assertIn(power, worker.may_be, (worker.vm, worker.did))
            if power is not None:
                self.assertEqual(len(told[worker.vm]["devices"]), 4)
        self.n_done += sum(worker.done for worker in workers)
        return n_working > 0

    def test_killed_at_random_moments(self):
        budget = float(os.environ.get("BUDGET") or 3)
        seed = int(os.environ.get("SEED") or time.time() // 3600)
        self.is_whole = budget == 0
        dice = random.Random(seed)
        until = time.monotonic() + budget if budget else float("inf")
        rounds = n_amid = self.n_done = 0
        while rounds < ROUNDS and (rounds < 5 or time.monotonic() < until):
            with self.subTest(round=rounds, seed=seed):
                n_amid += self.restart_amid(dice)
            rounds += 1
        print(f"# {rounds} of {ROUNDS} points (kills at random), SEED={seed}:")
        print(f"# amid an operation {n_amid}, operations that ended {self.n_done}")
        self.assertGreaterEqual(n_amid, 0.3 * rounds)
        self.assertGreater(self.n_done, 0)


if __name__ == "__main__":
    unittest.main()
