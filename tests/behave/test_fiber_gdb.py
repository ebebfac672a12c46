# SPDX-License-Identifier: LGPL-2.1-or-later
"""common/fiber-gdb.py: gdb shows what each parked fiber was doing, live and from a core file."""

import os
import shutil
import subprocess
import tempfile
import unittest

TOP = os.environ.get("XENITH_TOP", os.path.dirname(os.path.dirname(os.path.dirname(__file__))))
BUILD = os.environ.get("XENITH_BUILD", os.path.join(TOP, "build"))
PROGRAM = os.path.join(BUILD, "tests/unit/common/fiber_stack")


def gdb(*words):
    done = subprocess.run(
        ["gdb", "-nx", "-batch", "-ex", "set debuginfod enabled off", *words],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
        check=False,
    )
    return done.stdout


@unittest.skipUnless(shutil.which("gdb"), "gdb is not installed")
@unittest.skipIf("san-" in BUILD, "a sanitizer does not like to be traced")
class Gdb(unittest.TestCase):
    SCRIPT = ["-ex", "source " + os.path.join(TOP, "common/fiber-gdb.py")]

    def check(self, text):
        """Both fibers of the scene, each with its own functions, to the outermost one."""
        self.assertIn("waits for a bus", text)
        self.assertIn("waits for a train", text)
        bus, _, train = text.partition("for_a_train")
        self.assertNotEqual(train, "", text)
        for name in ("fiber_park", "waits_for_a_bus", "goes_to_town", "fiber_main"):
            self.assertIn(name, bus)
        self.assertIn("fiber_main", train)
        self.assertNotIn("waits_for_a_bus", train)
        self.assertNotIn("Traceback", text)

    def test_live_and_core(self):
        with tempfile.TemporaryDirectory() as tmp:
            core = os.path.join(tmp, "core")
            live = gdb(
                *self.SCRIPT,
                "-ex", "run",
                "-ex", "fibers bt",
                "-ex", "generate-core-file " + core,
                "-ex", "bt",
                "-ex", "kill",
                "--args", PROGRAM, "--scene", "parks and aborts",
            )  # fmt: skip
            self.check(live)
            # The thread's own backtrace is what it was.
            self.assertIn("loop_run", live.partition("Saved corefile")[2])
            self.check(gdb(*self.SCRIPT, "-ex", "fibers bt", PROGRAM, core))

    def test_filter(self):
        text = gdb(
            *self.SCRIPT, "-ex", "run", "-ex", "fibers bt train", "-ex", "kill",
            "--args", PROGRAM, "--scene", "parks and aborts",
        )  # fmt: skip
        self.assertIn("for_a_train", text)
        self.assertNotIn("for_a_bus", text)


if __name__ == "__main__":
    unittest.main()
