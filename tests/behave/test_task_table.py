# SPDX-License-Identifier: LGPL-2.1-or-later
"""Tasks of the XenAPI and of xenopsd belong together: after random calls, with kills of xapid and
of xenopsd amid them, every task has ended, every part of one is gone with it, and xenopsd keeps
none."""

import contextlib
import unittest

from budget import Budget
from jsonrpc import Client, Gone
from pipeline import Pipeline
from pool import Case
from stack import Stack, free_port

CALLS = 10_000
A_ROUND = 50
PARTS = 8  # so many tests share them
STARTED = ("VM.start", [False, False])
CALLED = (
    STARTED,
    ("VM.start_on", None),
    ("VM.pause", []),
    ("VM.unpause", []),
    ("VM.clean_reboot", []),
    ("VM.hard_reboot", []),
    ("VM.clean_shutdown", []),
    ("VM.hard_shutdown", []),
    ("VM.clone", ["clone"]),
)


class Tasks(Case):
    def setUp(self):
        self.stack = Stack(self, "--port", str(free_port()))
        self.connect(self.stack.env())
        self.vms = [self.make_vm(f"vm {i}") for i in range(6)]

    def of_xenopsd(self):
        """Whether it runs, by id."""
        with Client(self.stack.socket("xenopsd")) as client:
            return {t["id"]: t["state"] == "running" for t in client.call("TASK.list")}

    def pending(self):
        return [r for r in self.x("task.get_all_records").values() if r["status"] == "pending"]

    def some_calls(self):
        for _ in range(A_ROUND):
            method, more = self.dice.choice(CALLED)
            more = [self.host, False, False] if more is None else more
            yield f"Async.{method}", [self.x.ref, self.dice.choice(self.vms), *more]

    def begin(self):
        """The tasks of a round; of a killed xapid nobody has an answer."""
        with Pipeline(self.x.url) as line, contextlib.suppress(OSError, ValueError):
            self.refs = line.answers(self.some_calls())

    def kill(self, daemon):
        self.stack.kill(daemon, self.begin)
        if daemon == "xapid":
            self.refs = []
            self.until(self.login, "xapid")

    def login(self):
        self.connect(self.stack.env())
        return True

    def rest(self):
        """Nothing is under way on either side."""
        self.until(lambda: not self.pending(), "the end of the XenAPI's tasks")
        with contextlib.suppress(OSError, Gone):
            self.until(lambda: not any(self.of_xenopsd().values()), "the end of xenopsd's tasks")

    def check_tasks(self):
        """Each call has its task, each task of xenopsd that was done for it one part, and there is
        nothing else."""
        tasks = self.x("task.get_all_records")
        self.assertEqual(len(set(self.refs)), len(self.refs))
        self.assertLessEqual(set(self.refs), set(tasks))
        parts = [r for ref, r in tasks.items() if ref not in self.refs]
        for part in parts:
            self.assertIn(part["subtask_of"], self.refs, part)
            self.assertNotEqual(part["name_description"], "", part)
        done = [part["name_description"] for part in parts]
        self.assertEqual(len(set(done)), len(done), parts)

    def drop_tasks(self):
        """Ours; with them go their parts, and nothing else is left."""
        for ref in self.refs:
            # A hard shutdown cancels a clean one.
            status = self.x("task.get_status", ref)
            self.assertIn(status, ("success", "failure", "cancelled"), ref)
            self.x("task.destroy", ref)
        self.assertEqual(self.x("task.get_all"), [])

    def drop_clones(self):
        for vm in self.x("VM.get_by_name_label", "clone"):
            self.x("VM.destroy", vm)

    def round(self):
        victim = self.dice.choice((None, None, "xapid", "xenopsd"))
        if victim:
            self.kill(victim)
        else:
            self.begin()
        self.rest()
        self.check_tasks()
        self.drop_tasks()
        self.until(lambda: not self.of_xenopsd(), "what xenopsd has done, forgotten")
        self.drop_clones()
        for vm in self.vms:
            self.assertEqual(self.x("VM.get_current_operations", vm), {})
            self.assertIn(self.state(vm), ("Halted", "Running", "Paused"))

    def random_calls_with_kills(self, part):
        rounds = CALLS // A_ROUND // PARTS
        budget = Budget("rounds of calls", rounds, least=2, share=1 / PARTS, part=part)
        self.dice = budget.dice
        for _ in budget:
            self.round()


for number in range(PARTS):
    setattr(
        Tasks,
        f"test_random_calls_with_kills__{number}",
        lambda self, part=number: self.random_calls_with_kills(part),
    )


if __name__ == "__main__":
    unittest.main()
