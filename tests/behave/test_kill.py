# SPDX-License-Identifier: LGPL-2.1-or-later
"""kill -9 of xapid at random moments while clients write: what was acknowledged is there
afterwards, and of what was not there is all or nothing. Every second kill is a writer's own, who
has sent a request and not looked at the answer; so that it comes amid a write however quick the
disk, and however slow the test."""

import threading
import time
import unittest

from budget import Budget
from pipeline import Pipeline
from pool import NO_QOS, NULL, VM
from xapid import Xapid
from xenapi import HANG

KILLS = 1000
PARTS = 4  # so many tests share them
WRITERS = 3
LEAST_AMID = 0.3  # of the kills, so many come between a request and its answer
PASSWORD = "secret of root"
FEW = 6  # VMs of a writer, about


class Writer:
    """One client and what it knows of the objects that are its own: their names begin with its
    number. An object is (class, ref); a VM's CD drives are known by their places."""

    def __init__(self, number, dice):
        self.prefix, self.dice, self.n = f"w{number} ", dice, 0
        self.known = {}
        self.drives = {}  # (VM, place) to the VBD
        self.pending = None  # the write that has no answer
        self.sent = None  # when its request was under way
        self.n_answered = 0
        self.kills = None  # called, with how long to wait, when the next request is under way

    def label(self):
        self.n += 1
        return f"{self.prefix}{self.n}"

    def some(self, cls):
        refs = [ref for kind, ref in self.known if kind == cls]
        return self.dice.choice(refs) if refs else None

    # ---- writes: (method, arguments, function that gives what is known after it) ----

    def make_vm(self):
        label = self.label()
        new = {"name": label, "tags": [], "appliance": NULL, "places": []}
        return "VM.create", [{**VM, "name_label": label}], self.adds("VM", new)

    def make_appliance(self):
        label = self.label()
        record = {"name_label": label, "name_description": ""}
        return "VM_appliance.create", [record], self.adds("VM_appliance", {"name": label})

    def post(self):
        label = self.label()
        args = [label, 3, "Pool", self.pool_uuid, "body"]
        return "message.create", args, self.adds("message", {"name": label})

    def adds(self, cls, new):
        return lambda ref: {**self.known, (cls, ref): new}

    def changes(self, cls, ref, **new):
        return lambda _: {**self.known, (cls, ref): {**self.known[cls, ref], **new}}

    def clone(self):
        vm, label = self.some("VM"), self.label()
        new = {**self.known["VM", vm], "name": label, "appliance": NULL}
        return "VM.clone", [vm, label], self.adds("VM", new)

    def rename(self):
        cls = self.dice.choice(("VM", "VM_appliance"))
        ref, label = self.some(cls), self.label()
        return f"{cls}.set_name_label", [ref, label], self.changes(cls, ref, name=label)

    def tag(self):
        vm, label = self.some("VM"), self.label()
        tags = sorted([*self.known["VM", vm]["tags"], label])
        return "VM.add_tags", [vm, label], self.changes("VM", vm, tags=tags)

    def join(self):
        vm, ref = self.some("VM"), self.some("VM_appliance")
        return "VM.set_appliance", [vm, ref], self.changes("VM", vm, appliance=ref)

    def add_drive(self):
        vm, place = self.some("VM"), str(self.dice.randrange(8))
        places = self.known["VM", vm]["places"]
        if place in places:
            return self.tag()
        record = {"VM": vm, "VDI": NULL, "userdevice": place, "bootable": True, "mode": "RO",
                  "type": "CD", "unpluggable": True, "empty": True, **NO_QOS}
        after = self.changes("VM", vm, places=sorted([*places, place]))

        def done(ref):
            if ref:
                self.drives[vm, place] = ref
            return after(ref)

        return "VBD.create", [record], done

    def drop_drive(self):
        if not self.drives:
            return self.add_drive()
        vm, place = self.dice.choice(list(self.drives))
        ref = self.drives.pop((vm, place))
        if ("VM", vm) not in self.known:
            return self.tag()
        places = [p for p in self.known["VM", vm]["places"] if p != place]
        return "VBD.destroy", [ref], self.changes("VM", vm, places=places)

    def drop(self):
        cls = self.dice.choice(("VM", "VM_appliance", "message"))
        ref = self.some(cls)
        if not ref:
            return self.post()
        return f"{cls}.destroy", [ref], lambda _: self.without(cls, ref)

    def without(self, cls, gone):
        """References to what is gone are NULL."""
        left = {key: dict(it) for key, it in self.known.items() if key != (cls, gone)}
        for it in left.values():
            if it.get("appliance") == gone:
                it["appliance"] = NULL
        return left

    def next_write(self):
        if not self.some("VM"):
            return self.make_vm()
        if not self.some("VM_appliance"):
            return self.make_appliance()
        n = sum(1 for cls, _ in self.known if cls == "VM")
        making = [self.make_vm, self.clone, self.make_appliance, self.post] * (n < FEW)
        changing = [self.rename, self.tag, self.join, self.add_drive, self.drop_drive]
        return self.dice.choice(making + changing + [self.drop] * (2 + n // FEW * 4))()

    # ---- at work ----

    def run(self, case, url, session):
        """Until the connection breaks."""
        try:
            with Pipeline(url) as line:
                took = 0  # the write before
                while True:
                    self.sent = None
                    self.pending = method, args, after = self.next_write()
                    line.socket.sendall(line.request(method, [session, *args]))
                    self.sent = time.monotonic()
                    if self.kills and self.n_answered:
                        self.kills(self.dice.random() * took)
                        self.kills = None
                        return
                    answer = line.response()
                    took = time.monotonic() - self.sent
                    if "error" in answer:
                        case.problems.append((method, args, answer["error"]))
                        return
                    self.known, self.pending = after(answer["result"]), None
                    self.n_answered += 1
                    if self.dice.random() < 0.5:
                        time.sleep(self.dice.random() * 0.004)
        except (OSError, ValueError):
            pass

    # ---- afterwards ----

    def check(self, case, found):
        """FOUND is what is there; of the write without an answer there is all or nothing."""
        mine = {key: it for key, it in found.items() if it["name"].startswith(self.prefix)}
        if mine == self.known or not self.pending:
            case.assertEqual(mine, self.known)
            self.pending = None
            return
        method, args, after = self.pending
        new = [ref for cls, ref in mine if (cls, ref) not in self.known]
        case.assertEqual(mine, after(new[0] if new else None), (method, args))
        self.known, self.pending = mine, None


class Kill(unittest.TestCase):
    def setUp(self):
        self.xapid = Xapid(self, {"root": ("root", PASSWORD)})
        self.problems = []

    def database(self):
        """What is there, as writers know it."""
        all_of = {}
        for cls in ("VM", "VBD", "VM_appliance", "VM_metrics", "message", "task"):
            all_of[cls] = self.session.json(f"{cls}.get_all_records")
        self.check_relations(all_of)
        found = {
            ("VM", ref): {
                "name": r["name_label"],
                "tags": sorted(r["tags"]),
                "appliance": r["appliance"],
                "places": sorted(all_of["VBD"][vbd]["userdevice"] for vbd in r["VBDs"]),
            }
            for ref, r in all_of["VM"].items()
        }
        for ref, r in all_of["VM_appliance"].items():
            found["VM_appliance", ref] = {"name": r["name_label"]}
        for ref, r in all_of["message"].items():
            found["message", ref] = {"name": r["name"]}
        return found

    def check_relations(self, all_of):
        """Both sides of each agree, and nothing is left of what was not made to its end."""
        vms = all_of["VM"]
        drives = sorted(vbd for r in vms.values() for vbd in r["VBDs"])
        self.assertEqual(drives, sorted(all_of["VBD"]))
        for ref, r in vms.items():
            for vbd in r["VBDs"]:
                self.assertEqual(all_of["VBD"][vbd]["VM"], ref)
            self.assertEqual(r["current_operations"], {})
        for ref, r in all_of["VM_appliance"].items():
            members = sorted(vm for vm, v in vms.items() if v["appliance"] == ref)
            self.assertEqual(sorted(r["VMs"]), members)
        metrics = sorted(r["metrics"] for r in vms.values() if r["metrics"] != NULL)
        self.assertEqual(metrics, sorted(all_of["VM_metrics"]))
        self.assertEqual(all_of["task"], {})

    def kill_after(self, seconds):
        time.sleep(seconds)
        self.killed = time.monotonic()
        self.xapid.kill()

    def one(self, dice, writers, is_own):
        """Whether the kill came between a request and its answer. IS_OWN: a writer's own."""
        threads = [
            threading.Thread(target=w.run, args=(self, self.session.url, self.session.ref))
            for w in writers
        ]
        for thread in threads:
            thread.start()
        moment = dice.random() ** 2 * 0.1
        if is_own:
            time.sleep(moment)
            dice.choice(writers).kills = self.kill_after
        else:
            self.kill_after(moment)
        for thread in threads:
            thread.join(HANG)
        self.assertEqual(self.problems, [])
        is_amid = any(w.pending and w.sent and w.sent < self.killed for w in writers)
        if dice.random() < 0.2:
            self.xapid.spawn()
            time.sleep(dice.random() * 0.05)
            self.xapid.kill()
        self.xapid.start()
        self.session = self.xapid.login("root", PASSWORD)
        found = self.database()
        for writer in writers:
            writer.check(self, found)
        return is_amid

    def kills(self, part):
        budget = Budget("kill", KILLS // PARTS, least=3, share=1 / PARTS, part=part)
        writers = [Writer(i, budget.dice) for i in range(WRITERS)]
        self.session = self.xapid.login("root", PASSWORD)
        (pool,) = self.session.json("pool.get_all_records").values()
        for writer in writers:
            writer.pool_uuid = pool["uuid"]
        amid = [self.one(budget.dice, writers, i % 2 == 0) for i in budget]
        answered = sum(writer.n_answered for writer in writers)
        print(f"# {sum(amid)} of {len(amid)} kills amid a write, {answered} writes answered")
        self.assertGreaterEqual(sum(amid), LEAST_AMID * len(amid))
        self.assertGreater(answered, 0)


for number in range(PARTS):
    setattr(Kill, f"test_kill__{number}", lambda self, part=number: self.kills(part))


if __name__ == "__main__":
    unittest.main()
