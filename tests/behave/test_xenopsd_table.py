# SPDX-License-Identifier: LGPL-2.1-or-later
"""Every operation of xenopsd in every state of a VM, and harm at every point of it: each atom
fails, is cancelled, has xenopsd killed; so does each step of the undoing; each call of smd and
networkd fails, loses its answer, finds the daemon dead. What is there afterwards is what xenopsd
tells, and that is one of what may be."""

import os
import pathlib
import random
import re
import signal
import time
import unittest

import xenops_table as table
from jsonrpc import Failed, Gone
from xenops import HANG, MIB, SR, VM, Case, not_after
from xenops_table import AGENT, CRASHED, DEVICES, HALTED, KEPT, PAUSED, STATES, SUSPENDED

IDL = pathlib.Path(__file__).resolve().parents[2] / "idl" / "xenops.idl"
ATOM_HARMS = ("fail", "cancel", "kill")
DAEMON_HARMS = ("error", "cut", "lost", "dead", "cancel", "kill")


def task_calls():
    """Of the interface, those that give a task."""
    text = re.sub(r"#.*", "", IDL.read_text())
    for call in re.findall(r"\bcall\s+([A-Z]\w*\.\w+)([^;]*);", text):
        if re.search(r"\)\s*(:[^)]*?)?\btask\b", call[1].split("errors")[0]):
            yield call[0]


def without_buttons(agent):
    """What the guest's agent has said, and not what is said of its machine."""
    return {key: said for key, said in agent.items() if not key.startswith("control/feature-")}


class Point:
    """Harm to one run of an operation: at the n-th atom of this name, or call of this daemon.
    AFTER: the atom and its number that fails before, so that there is something to undo."""

    def __init__(self, op, state, harm, at, nth, after=None):
        self.op, self.state, self.harm, self.at, self.nth = op, state, harm, at, nth
        self.after = after
        self.where = "daemon" if at in ("smd", "networkd") else "atom"

    def __str__(self):
        return f"{self.op} of one {self.state}, {self.harm} at {self.at} {self.nth}"


class Table(Case):
    WITH_NETWORK = True
    WITH_STORAGE = True
    BETWEEN = True
    LOG_LEVEL = "info"
    maxDiff = None

    def setUp(self):
        super().setUp()
        self.networkd.client.call("Bridge.create", bridge="xapi1")
        self.disks = {name: self.disk(name) for name in ("xvda", "xvdb", "xvdc", "medium")}
        spec = {"virtual_size_bytes": MIB, "name_label": "image", "image_format": "raw"}
        vdi = self.smd_do("VDI.create", sr=SR, spec=spec)["vdi"]
        self.image = {"vdi": {"sr": SR, "vdi": vdi}}
        self.now = None  # the state that the VM was made in, while it is as it was then
        self.betweens = {"smd": self.smd.between, "networkd": self.networkd.between}

    # ---- a VM in a state ----

    def config(self, device):
        kind, name = device.split(".", 1)
        config = {kind: f"vm-1/{name}"}
        if name in self.disks:
            config["backend"] = self.disks[name]
        if name in ("xvdc", "xvdd"):
            config.update(type="cd", mode="ro")
        if kind == "vif":
            config = self.vif(name=name)
        if kind == "pci":
            config.update(position=int(name[6]), address=name)
        if kind == "vusb":
            bus, port = name.split("-")
            config.update(hostbus=bus, hostport=port, version="2.00", path="/", speed_mbit=480)
        return config

    def add_devices(self, which):
        self.many(
            (f"{d.split('.')[0].upper()}.add", {d.split(".")[0]: self.config(d)})
            for d in DEVICES
            if DEVICES[d] == which
        )

    def unmake(self):
        for vm in self.call("VM.list"):
            self.do("VM.shutdown", vm="vm-1")
            self.call("VM.remove", vm="vm-1")

    def make(self, state):
        if self.now == state:
            return
        self.unmake()
        self.call("VM.add", vm=dict(VM, on_crash="preserve"))
        self.add_devices("A")
        if state != HALTED:
            self.do("VM.start", vm="vm-1")
            self.do("VM.unpause", vm="vm-1")
            self.simulator.call("Guest.set", vm="vm-1", agent=AGENT)
        self.add_devices("B")
        if state == PAUSED:
            self.do("VM.pause", vm="vm-1")
        if state == SUSPENDED:
            self.do("VM.suspend", vm="vm-1", image=self.image)
        if state == KEPT:
            self.do("VM.suspend", vm="vm-1", image=self.image, keep_domain=True)
        if state == CRASHED:
            self.simulator.call("Guest.end", vm="vm-1", how="crashed")
            self.until(lambda: self.power() == "paused", "the crash")
        self.settle()
        self.now = state

    # ---- looking ----

    def view(self):
        """The VM as xenopsd tells it, which is what is really there; None: there is none."""
        stat = self.check_inventory().get("vm-1")
        if stat is None:
            return None
        config, state = stat["vm"], stat["state"]
        domain = self.domain()
        view = {
            "power": state["power_state"],
            "end": domain and domain.get("end"),
            "asleep": bool(domain and domain["asleep"]),
            "name": config["name"],
            "vcpus": config["vcpus"],
            "vcpus_now": state["vcpus"],
            "memory": (config["memory_dynamic_min_bytes"], config["memory_dynamic_max_bytes"]),
            "memory_now": state["memory_target_bytes"],
            "shadow": config["guest"]["hvm"]["shadow_multiplier"],
            "shadow_now": state["shadow_multiplier"],
            "xenstore": config.get("xenstore_data", {}),
            "xenstore_now": state.get("xenstore_data", {}),
            "agent": without_buttons(state.get("guest_agent", {})),
        }
        for kind, device in stat["devices"]:
            mine = dict(device["state"])
            one = device[kind]
            seen = {key: mine[key] for key in ("plugged", "active") if key in mine}
            if kind == "vbd":
                seen["medium"] = one.get("backend")
                seen["qos"] = one.get("qos")
            if kind == "vif":
                for key in ("backend", "carrier", "locking_mode", "trunks"):
                    seen[key] = one[key]
                for key in ("ipv4_configuration", "ipv6_configuration", "pvs_proxy"):
                    seen[key] = one.get(key)
            view[f"{kind}.{one[kind].split('/')[1]}"] = seen
        return view

    def renew_disks(self):
        """Each freeze makes the chain of images longer, which has an end."""
        self.now = None
        self.unmake()
        for name in ("xvda", "xvdb"):
            self.smd_do("VDI.destroy", **self.disks[name]["vdi"])
            self.disks[name] = self.disk(name)

    # ---- one run ----

    def params(self, op):
        params = dict(op.params)
        for key, value in params.items():
            if value == "IMAGE":
                params[key] = self.image
            if value == "MEDIUM":
                params[key] = self.disks["medium"]
            if value == "METADATA":
                metadata = self.call("VM.export_metadata", vm="vm-1")
                metadata["vm"]["name"] = "other"
                params[key] = metadata
        return params

    def begin(self, op):
        """Makes the call: its task, or how it ended."""
        try:
            answer = self.call(op.method, **self.params(op))
        except Failed as error:
            return None, {"state": "failed", "error": {"code": error.code, "params": error.params}}
        if op.method in TASK_CALLS:
            return answer, None
        return None, {"state": "done"}

    def run_op(self, op):
        task, record = self.begin(op)
        return self.xenopsd.client.wait_for_task(task) if task else record

    def expected(self, op, state, before):
        """The view after a run that ends well."""
        view = op.ends[state](before)
        if view and op.method.startswith("VBD."):
            name = "vbd." + op.params["vbd"].split("/")[1]
            if view[name]["medium"] == "MEDIUM":
                view = {**view, name: {**view[name], "medium": self.disks["medium"]}}
        return view

    def clean_run(self, op, state):
        """Without harm; the points that it has."""
        self.make(state)
        before = self.view()
        for between in self.betweens.values():
            between.plan()
        self.plan()
        record = self.run_op(op)
        trace = self.simulator.call("Fault.trace")
        self.simulator.call("Fault.clear")
        calls = {name: list(b.calls) for name, b in self.betweens.items()}
        self.settle()
        end = op.ends[state]
        after = self.view()
        self.now = None if after != before else state
        if op.method == "VM.freeze_disks":
            self.renew_disks()
        if isinstance(end, table.Refused):
            self.assertEqual(record["state"], "failed", record)
            self.assertEqual(record["error"]["code"], end.code, record)
            if end.params:
                self.assertEqual(tuple(record["error"]["params"]), end.params, record)
            self.assertEqual(after, before)
            return []
        self.assertEqual(record["state"], "done", record)
        self.assertEqual(after, self.expected(op, state, before))
        return self.points_of(op, state, trace, calls)

    def points_of(self, op, state, trace, calls):
        points = []
        # A call without a task is not done amid others.
        harms = ATOM_HARMS if op.method in TASK_CALLS else ("fail",)
        for i, atom in enumerate(trace):
            nth = trace[: i + 1].count(atom)
            points += [Point(op, state, harm, atom, nth) for harm in harms]
        if op.method not in TASK_CALLS:
            return points
        for daemon, methods in calls.items():
            for i in range(len(methods)):
                points += [Point(op, state, harm, daemon, i + 1) for harm in DAEMON_HARMS]
        if trace and op.is_undone:
            points += self.undo_points(op, state, (trace[-1], trace.count(trace[-1])))
        return points

    def undo_points(self, op, state, last):
        """When the last atom fails, all that can be undone is."""
        self.make(state)
        self.now = None
        self.plan(*last, "fail")
        self.run_op(op)
        undone = self.simulator.call("Fault.trace")
        self.simulator.call("Fault.clear")
        self.settle()
        undone = [atom for atom in undone if atom.startswith("undo-")]
        return [
            Point(op, state, harm, atom, undone[: i + 1].count(atom), last)
            for i, atom in enumerate(undone)
            for harm in ("fail", "kill")
        ]

    # ---- harm ----

    def hurt(self, point):
        """Runs the operation with harm, and looks at what is left."""
        self.make(point.state)
        before = self.view()
        self.now = None
        if point.at in self.betweens:
            record = self.hurt_daemon(point, self.betweens[point.at])
        else:
            record = self.hurt_atom(point)
        self.settle()
        after = self.view()
        done = self.expected(point.op, point.state, before)
        also = [look(before) for look in point.op.also]
        if record is None or (record["state"] != "done" and not point.op.is_undone):
            self.assertIn(after, [before, done, *also])
        elif record["state"] == "done":
            self.assertEqual(after, done, record)
        elif point.after:
            self.assertIn(after, [before, *also])
        else:
            self.assertEqual(after, before, record)
        if after == before:
            self.now = point.state
        if point.op.method == "VM.freeze_disks":
            self.renew_disks()

    def until(self, look, point):
        end = time.monotonic() + HANG
        while not look():
            not_after(self, end, point, self)
            time.sleep(0.0005)

    def hangs(self):
        return any(fault["hanging"] for fault in self.simulator.call("Fault.list"))

    def ended(self, task):
        return self.xenopsd.client.wait_for_task(task)

    def hurt_atom(self, point):
        """How the task ended; None: xenopsd was killed."""
        if point.after:
            self.plan(*point.after, "fail")
        self.plan(point.at, point.nth, "fail" if point.harm == "fail" else "hang")
        task, record = self.begin(point.op)
        if point.harm == "fail":
            record = record or self.ended(task)
            self.assertNotEqual(record["state"], "running")
            self.simulator.call("Fault.clear")
            return record
        self.until(self.hangs, point)
        if point.harm == "kill":
            self.kill(task, lambda: self.simulator.call("Fault.clear"))
            return None
        self.call("TASK.cancel", task=task)
        self.simulator.call("Fault.clear")
        return self.ended(task)

    def kill(self, task, clear):
        """kill -9: who waits is told, and then the task is gone."""
        client = self.xenopsd.client
        token = self.call("UPDATES.get")["token"]
        waiter = client.send("UPDATES.get", timeout=600, since=token)
        self.xenopsd.process.send_signal(signal.SIGKILL)
        with self.assertRaises(Gone):
            while True:
                since = client.answer(waiter)["token"]
                waiter = client.send("UPDATES.get", timeout=600, since=since)
        self.xenopsd.stop(signal.SIGKILL)
        clear()
        self.xenopsd.start()
        self.refuses("NO_SUCH_TASK", "TASK.stat", task=task)

    def hurt_daemon(self, point, between):
        between.plan("hang" if point.harm in ("cancel", "kill") else point.harm, point.nth)
        task, record = self.begin(point.op)
        self.assertIsNone(record)
        self.until(between.met.is_set, point)
        if point.harm == "kill":
            self.kill(task, between.mend)
            return None
        if point.harm == "cancel":
            self.call("TASK.cancel", task=task)
            between.mend()
        # A daemon that is dead may be needed for the end of the task: it comes back.
        if point.harm == "dead":
            between.mend()
        record = self.ended(task)
        between.mend()
        return record

    # ---- the tests ----

    def points(self, op, state):
        """The points of an operation that runs without harm."""
        if (op, state) not in KNOWN:
            KNOWN[op, state] = self.clean_run(op, state)
        return KNOWN[op, state]

    def test_every_task_call_has_a_row(self):
        rows = {op.method for op in table.OPERATIONS}
        self.assertGreater(len(TASK_CALLS), 30)
        self.assertEqual(TASK_CALLS - rows - set(table.EXCEPTIONS), set())
        self.assertEqual(set(table.EXCEPTIONS) & rows, set())
        self.assertLessEqual(set(table.EXCEPTIONS), TASK_CALLS)

    def test_every_operation_in_every_state(self):
        for state in STATES:
            for op in table.OPERATIONS:
                if state in op.ends:
                    with self.subTest(op=str(op), state=state):
                        self.points(op, state)

    def harm(self, state, where):
        """At points of every operation in this state, as far as BUDGET allows."""
        budget = float(os.environ.get("BUDGET") or 3) / 6
        seed = int(os.environ.get("SEED") or time.time() // 3600)
        rows = [op for op in table.OPERATIONS if state in op.ends]
        points = [p for op in rows for p in self.points(op, state) if where in p.where]
        if budget:
            random.Random(seed).shuffle(points)
        until = time.monotonic() + budget if budget else float("inf")
        n_seen = 0
        for point in points:
            if n_seen > 3 and time.monotonic() > until:
                break
            n_seen += 1
            with self.subTest(str(point)):
                self.hurt(point)
        print(f"# {n_seen} of {len(points)} points ({where}, {state}), SEED={seed}")


def add_tests():
    """One for each state and place of harm, so that none takes long."""
    for state in STATES:
        for where in ("atom", "daemon"):

            def test(self, state=state, where=where):
                self.harm(state, where)

            setattr(Table, f"test_harm_to_one_{state}_at_each_{where}", test)


add_tests()
TASK_CALLS = frozenset(task_calls())
KNOWN = {}  # points by operation and state; the same in every test


if __name__ == "__main__":
    unittest.main()
