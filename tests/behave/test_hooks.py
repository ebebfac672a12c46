# SPDX-License-Identifier: LGPL-2.1-or-later
"""Hooks of xenopsd: which are run when, with what, and what they can forbid."""

import time
import unittest

from xenops import HANG, Case, not_after

# Each notes what it is called with; then it does what the file "then" beside it says.
PROGRAM = """#!/bin/sh
echo "${0#%(hooks)s/} $*" >> %(said)s
test ! -e "$0.then" || . "$0.then"
"""
HOOKS = (
    "vm-pre-start",
    "vm-pre-shutdown",
    "vm-pre-reboot",
    "vm-pre-suspend",
    "vm-pre-resume",
    "vm-post-resume",
    "vm-post-destroy",
)


class Hooks(Case):
    def setUp(self):
        super().setUp()
        self.hooks = self.dir / "libexec" / "hooks"
        self.file = self.dir / "said"
        self.image = {"local": str(self.dir / "image")}
        for hook in HOOKS:
            self.program(hook, "10-note")
        self.add()

    def program(self, hook, name, then=""):
        path = self.hooks / hook / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(PROGRAM % {"hooks": self.hooks, "said": self.file} + then)
        path.chmod(0o755)
        return path

    def forbid(self, hook, code=2):
        """A program of this hook, first of all, that ends with CODE."""
        return self.program(hook, "05-forbid", f"echo no, {hook}\nexit {code}\n")

    def said(self):
        """What was called since the last time: hook and program, reason, whether with a domain."""
        lines = self.file.read_text().splitlines() if self.file.exists() else []
        self.file.unlink(missing_ok=True)
        calls = []
        for line in lines:
            program, *args = line.split()
            self.assertEqual(args[:3], ["-vmuuid", "vm-1", "-reason"])
            self.assertIn(args[4:5], ([], ["-vmdomid"]))
            calls.append((program.removesuffix("/10-note"), args[3], len(args) == 6))
        return calls

    def up(self):
        self.do("VM.start", vm="vm-1")
        self.do("VM.unpause", vm="vm-1")
        self.said()

    def end_guest(self, how):
        self.simulator.call("Guest.end", vm="vm-1", how=how)


class Order(Hooks):
    def test_start_and_shutdown(self):
        self.do("VM.start", vm="vm-1")
        self.assertEqual(self.said(), [("vm-pre-start", "none", False)])
        self.do("VM.start", vm="vm-1")
        self.do("VM.unpause", vm="vm-1")
        self.assertEqual(self.said(), [])
        self.do("VM.shutdown", vm="vm-1", timeout_s=30)
        self.assertEqual(
            self.said(),
            [
                ("vm-pre-shutdown", "clean-shutdown", True),
                ("vm-post-destroy", "clean-shutdown", False),
            ],
        )
        self.do("VM.shutdown", vm="vm-1")
        self.assertEqual(self.said(), [])
        self.up()
        self.do("VM.shutdown", vm="vm-1")
        self.assertEqual([call[1] for call in self.said()], ["hard-shutdown"] * 2)

    def test_reboot(self):
        self.up()
        for how, params in (("clean-reboot", {"timeout_s": 30}), ("hard-reboot", {})):
            self.do("VM.reboot", vm="vm-1", **params)
            self.assertEqual(
                self.said(),
                [
                    ("vm-pre-shutdown", how, True),
                    ("vm-post-destroy", how, False),
                    ("vm-pre-reboot", "none", False),
                    ("vm-pre-start", "none", False),
                ],
            )

    def test_suspend_and_resume(self):
        self.up()
        self.do("VM.suspend", vm="vm-1", image=self.image)
        self.assertEqual(
            self.said(),
            [
                ("vm-pre-suspend", "suspend", True),
                ("vm-pre-shutdown", "suspend", True),
                ("vm-post-destroy", "suspend", False),
            ],
        )
        self.do("VM.resume", vm="vm-1", image=self.image)
        self.assertEqual(
            self.said(),
            [("vm-pre-resume", "none", False), ("vm-post-resume", "none", True)],
        )

    def test_what_the_guest_does_cannot_be_forbidden(self):
        self.up()
        self.forbid("vm-pre-shutdown")
        domids = self.state()["domids"]
        self.end_guest("rebooted")
        self.wait_for("the reboot", lambda: self.state()["domids"] not in ([], domids))
        self.settle()
        self.assertEqual(self.power(), "running")
        self.assertEqual(
            [call[:2] for call in self.said()],
            [
                ("vm-pre-shutdown/05-forbid", "hard-reboot"),
                ("vm-post-destroy", "hard-reboot"),
                ("vm-pre-reboot", "none"),
                ("vm-pre-start", "none"),
            ],
        )
        self.end_guest("halted")
        self.wait_for("the halt", lambda: self.power() == "halted")
        self.settle()
        self.assertEqual([call[1] for call in self.said()], ["hard-shutdown"] * 2)
        self.check_halted()

    def test_programs_are_run_in_the_order_of_their_names(self):
        for name in ("B", "a", "09-x", ".hidden", "20-old~"):
            self.program("vm-pre-start", name)
        self.do("VM.start", vm="vm-1")
        self.assertEqual(
            [call[0].removeprefix("vm-pre-start/") for call in self.said()],
            ["09-x", "vm-pre-start", "B", "a"],
        )


class Forbidden(Hooks):
    def forbids(self, hook, method, **params):
        """METHOD fails for HOOK, and does not any more when it is gone."""
        path = self.forbid(hook)
        script, reason, output, code = self.fails("Hook_failed", method, vm="vm-1", **params)
        self.assertEqual((script, code), (f"{hook}/05-forbid", "2"))
        self.assertEqual(output, f"no, {hook}\n")
        self.assertEqual([call[:2] for call in self.said()][-1], (script, reason))
        path.unlink()

    def test_start(self):
        self.forbids("vm-pre-start", "VM.start")
        self.check_halted()
        self.up()

    def test_shutdown(self):
        self.up()
        for params in ({}, {"timeout_s": 30}):
            self.forbids("vm-pre-shutdown", "VM.shutdown", **params)
            self.check_up("running")
            self.forbids("vm-pre-shutdown", "VM.reboot", **params)
            self.check_up("running")
        self.do("VM.shutdown", vm="vm-1")

    def test_a_reboot_whose_start_is_forbidden_ends_halted(self):
        for hook in ("vm-pre-reboot", "vm-pre-start", "vm-post-destroy"):
            self.up()
            self.forbids(hook, "VM.reboot")
            self.settle()
            self.check_halted()

    def test_suspend(self):
        self.up()
        for hook in ("vm-pre-suspend", "vm-pre-shutdown"):
            self.forbids(hook, "VM.suspend", image=self.image)
            self.check_up("running")
        self.do("VM.suspend", vm="vm-1", image=self.image)
        for hook in ("vm-pre-resume", "vm-post-resume"):
            self.forbids(hook, "VM.resume", image=self.image)
            self.assertEqual(self.power(), "suspended")
            self.assertIsNone(self.domain())
        self.do("VM.resume", vm="vm-1", image=self.image)
        self.check_up("paused")

    def test_what_comes_after_the_end_is_told_and_changes_nothing(self):
        self.up()
        self.forbids("vm-post-destroy", "VM.shutdown")
        self.check_halted()
        self.up()
        self.forbids("vm-post-destroy", "VM.suspend", image=self.image)
        self.assertEqual(self.power(), "suspended")
        self.do("VM.resume", vm="vm-1", image=self.image)

    def test_one_is_only_logged(self):
        self.forbid("vm-pre-start", 1)
        self.do("VM.start", vm="vm-1")
        self.assertEqual(
            [call[0] for call in self.said()], ["vm-pre-start/05-forbid", "vm-pre-start"]
        )
        self.assertIn("no, vm-pre-start", self.logs())

    def test_signals_and_what_is_no_program(self):
        path = self.program("vm-pre-start", "05-dies", "kill -9 $$\n")
        self.assertEqual(self.fails("Hook_failed", "VM.start", vm="vm-1")[3], "signal 9")
        path.chmod(0o644)
        self.assertIn("cannot be run", self.fails("Hook_failed", "VM.start", vm="vm-1")[3])
        self.check_halted()

    def test_one_that_hangs_is_ended(self):
        conf = self.dir / "etc" / "xenopsd.conf"
        conf.write_text(conf.read_text() + "hook-timeout = 1s\n")
        self.xenopsd.restart()
        self.program("vm-pre-start", "05-hangs", "sleep 1000 & echo $!; wait\n")
        self.assertIn("in time", self.fails("Hook_failed", "VM.start", vm="vm-1")[3])
        self.check_halted()

    def test_a_start_that_waits_for_a_hook_is_cancelled(self):
        self.program("vm-pre-start", "05-hangs", "sleep 1000\n")
        task = self.start_task("VM.start", vm="vm-1")
        self.wait_for_call()
        self.call("TASK.cancel", task=task)
        self.assertEqual(self.xenopsd.client.wait_for_task(task)["state"], "cancelled")
        self.check_halted()

    def wait_for_call(self):
        end = time.monotonic() + HANG
        while not self.file.exists():
            not_after(self, end, "the hook", self)
            time.sleep(0.005)


class Kills(Hooks):
    """Killed while a hook runs: what was not forbidden is not asked about again."""

    def kill_at_hook(self, hook, method, **params):
        self.said()
        self.kill_at(
            f"hook-{hook}", 1, lambda: self.start_task(method, vm="vm-1", **params)
        )
        return [call[0] for call in self.said()]

    def test_start(self):
        self.assertEqual(self.kill_at_hook("vm-pre-start", "VM.start"), [])
        self.check_halted()

    def test_shutdown(self):
        self.up()
        self.assertEqual(self.kill_at_hook("vm-pre-shutdown", "VM.shutdown"), [])
        self.check_up("running")
        calls = self.kill_at_hook("vm-post-destroy", "VM.shutdown")
        self.assertEqual(calls, ["vm-pre-shutdown", "vm-post-destroy"])
        self.check_halted()

    def test_reboot(self):
        self.up()
        self.assertEqual(self.kill_at_hook("vm-pre-shutdown", "VM.reboot"), [])
        self.check_up("running")
        for hook in ("vm-post-destroy", "vm-pre-reboot", "vm-pre-start"):
            calls = self.kill_at_hook(hook, "VM.reboot")
            self.check_up("running")
            self.assertEqual(
                sorted(set(calls)), sorted({"vm-pre-shutdown", *HOOKS[:3:2], "vm-post-destroy"})
            )
            self.assertEqual(calls.count("vm-pre-shutdown"), 1)
            self.assertEqual(calls.count("vm-post-destroy"), 1)
            self.assertEqual(calls.count("vm-pre-start"), 1)

    def test_suspend(self):
        self.up()
        for hook in ("vm-pre-suspend", "vm-pre-shutdown"):
            self.kill_at_hook(hook, "VM.suspend", image=self.image)
            self.check_up("running")
        calls = self.kill_at_hook("vm-post-destroy", "VM.suspend", image=self.image)
        self.assertEqual(calls, ["vm-pre-suspend", "vm-pre-shutdown", "vm-post-destroy"])
        self.assertEqual(self.power(), "suspended")
        self.assertIsNone(self.domain())
        for hook in ("vm-pre-resume", "vm-post-resume"):
            self.kill_at_hook(hook, "VM.resume", image=self.image)
            self.assertEqual(self.power(), "suspended")


if __name__ == "__main__":
    unittest.main()
