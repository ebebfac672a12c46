# SPDX-License-Identifier: LGPL-2.1-or-later
"""The launcher, from outside: daemons that are ready, that fail, that die, in a private directory."""

import json
import os
import pathlib
import shlex
import signal
import subprocess
import sys
import tempfile
import time
import unittest

MARKS = ()
BUILD = pathlib.Path(os.environ.get("XENITH_BUILD", "build")).absolute()
XENITH = BUILD / "bin" / "xenith"
HANG = 60  # seconds; only to catch what hangs

# Says that it is ready as any daemon does, and stays.
READY = f"""#!{sys.executable}
import os, socket, sys, time
print("started with", sys.argv[1:], flush=True)
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.connect(os.environ["NOTIFY_SOCKET"])
s.send(b"STATUS=fine\\nREADY=1\\n")
time.sleep(1000)
"""

FAILS = f"""#!{sys.executable}
import sys
print("first line\\nno such disk", file=sys.stderr, flush=True)
sys.exit(7)
"""


class Launcher(unittest.TestCase):
    def setUp(self):
        self.top = pathlib.Path(tempfile.mkdtemp())
        self.addCleanup(subprocess.run, ["rm", "-rf", str(self.top)], check=True)
        self.dir = self.top / "it's a dir"
        self.addCleanup(self.xenith, "down")

    def xenith(self, verb, *args, directory=None):
        if verb == "up" and "--port" not in args:
            args += ("--port", 0)  # other tests run beside this one
        return subprocess.run(
            [str(XENITH), verb, *map(str, args), "--dir", str(directory or self.dir)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=HANG,
            cwd=self.top,
        )

    def program(self, name, text):
        path = self.top / name
        path.write_text(text)
        path.chmod(0o755)
        return path

    def up(self, *args):
        done = self.xenith("up", *args)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done

    def status(self):
        done = self.xenith("status", "--json")
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads(done.stdout)

    def daemon(self, name):
        found = [d for d in self.status()["daemons"] if d["name"] == name]
        self.assertEqual(len(found), 1)
        return found[0]

    def wait_for(self, what, predicate):
        end = time.monotonic() + HANG
        while not predicate():
            self.assertLess(time.monotonic(), end, what)
            time.sleep(0.02)

    def test_runs_and_is_asked_and_ends(self):
        self.up("--also", self.program("oned", READY))
        oned = self.daemon("oned")
        self.assertEqual(oned["state"], "ready")
        self.assertEqual(oned["restarts"], 0)
        os.kill(oned["pid"], 0)
        self.assertIn("oned", self.xenith("status").stdout)
        self.assertEqual(self.xenith("down").returncode, 0)
        self.assertFalse(os.path.exists(f"/proc/{oned['pid']}"))
        self.assertEqual(self.xenith("status").returncode, 3)

    def test_the_env_file_is_read_by_a_shell(self):
        self.up("--backend", "qemu", "--also", self.program("two-d", READY))
        line = f". {shlex.quote(str(self.dir / 'env'))}; "
        line += 'printf "%s\\n" "$XENITH_DIR" "$XENITH_BACKEND" "$TWO_D_PID" "$TWO_D_SOCKET"'
        said = subprocess.run(["sh", "-c", line], capture_output=True, text=True, check=True)
        two_d = self.daemon("two-d")
        self.assertEqual(
            said.stdout.splitlines(),
            [str(self.dir), "qemu", str(two_d["pid"]), two_d["socket"]],
        )
        self.assertEqual((self.dir / "env").stat().st_mode & 0o777, 0o600)

    def test_a_daemon_that_fails_is_shown_with_its_last_lines(self):
        done = self.xenith(
            "up", "--also", self.program("oned", READY), "--also", self.program("bad", FAILS)
        )
        self.assertEqual(done.returncode, 1)
        self.assertIn("DAEMON_FAILED(bad, exit 7)", done.stderr)
        self.assertIn("no such disk", done.stderr)
        self.assertEqual(self.xenith("status").returncode, 3, "something stayed behind")

    def test_a_program_that_is_not_there_is_an_error(self):
        done = self.xenith("up", "--also", self.top / "nobody")
        self.assertEqual(done.returncode, 1)
        self.assertIn("DAEMON_FAILED(nobody", done.stderr)

    def test_one_that_dies_is_started_again(self):
        self.up("--also", self.program("oned", READY))
        before = self.daemon("oned")["pid"]
        os.kill(before, signal.SIGKILL)
        self.wait_for("a restart", lambda: self.daemon("oned")["restarts"] == 1)
        self.wait_for("ready", lambda: self.daemon("oned")["state"] == "ready")
        oned = self.daemon("oned")
        self.assertNotEqual(oned["pid"], before)
        self.assertEqual(oned["last_end"], "signal 9")
        self.assertIn("oned has died (signal 9)", self.xenith("logs", "xenith").stdout)

    def test_one_that_is_configured_wrongly_is_not_started_again_and_again(self):
        text = READY.replace(
            "time.sleep(1000)", f"while not os.path.exists({str(self.top / 'end')!r}):"
            " time.sleep(0.01)\nsys.exit(78)"
        )
        self.up("--also", self.program("oned", text))
        (self.top / "end").touch()
        self.wait_for("its end", lambda: self.daemon("oned")["state"] == "stopped")
        self.assertEqual(self.daemon("oned")["restarts"], 0)
        self.program("oned", READY)
        self.assertEqual(self.xenith("restart", "oned").returncode, 0)
        self.assertEqual(self.daemon("oned")["state"], "ready")

    def test_one_that_ends_before_the_others_are_ready(self):
        pid = self.top / "pid"
        first = READY.replace(
            "time.sleep(1000)", f"open({str(pid)!r}, 'w').write(str(os.getpid()))\nsys.exit(78)"
        )
        wait = (
            "while True:\n"
            "    try:\n"
            f"        os.kill(int(open({str(pid)!r}).read()), 0)\n"
            "    except (FileNotFoundError, ValueError):\n"
            "        pass\n"
            "    except ProcessLookupError:\n"
            "        break\n"
            "    time.sleep(0.01)\n"
            "s.send("
        )
        last = READY.replace("s.send(", wait)
        done = self.xenith(
            "up", "--also", self.program("oned", first), "--also", self.program("twod", last)
        )
        self.assertEqual(done.returncode, 1, done.stdout)
        self.assertIn("DAEMON_FAILED(oned, exit 78)", done.stderr)

    def test_restart_waits_until_it_is_ready_again(self):
        self.up("--also", self.program("oned", READY))
        before = self.daemon("oned")["pid"]
        done = self.xenith("restart", "oned")
        self.assertEqual(done.returncode, 0, done.stderr)
        oned = self.daemon("oned")
        self.assertEqual(oned["state"], "ready")
        self.assertNotEqual(oned["pid"], before)
        self.assertEqual(oned["restarts"], 0, "a restart that was asked for is no death")
        done = self.xenith("restart", "nosuch")
        self.assertEqual(done.returncode, 1)
        self.assertIn("NO_SUCH_DAEMON(nosuch)", done.stderr)

    def test_up_again_changes_nothing(self):
        self.up("--also", self.program("oned", READY))
        before = self.status()
        self.assertIn("runs already", self.up().stdout)
        after = self.status()
        self.assertEqual(after["supervisor_pid"], before["supervisor_pid"])
        for status in (before, after):
            self.assertIn("oned", [d["name"] for d in status["daemons"]])
        self.assertEqual(
            [(d["name"], d["pid"]) for d in after["daemons"]],
            [(d["name"], d["pid"]) for d in before["daemons"]],
        )

    def test_a_killed_supervisor_leaves_a_directory_that_comes_up_again(self):
        program = self.program("oned", READY)
        self.up("--also", program)
        oned = self.daemon("oned")
        os.kill(self.status()["supervisor_pid"], signal.SIGKILL)
        self.wait_for("its end", lambda: not os.path.exists(f"/proc/{oned['pid']}"))
        self.up("--also", program)
        self.assertNotEqual(self.daemon("oned")["pid"], oned["pid"])

    def test_logs_are_there_when_nothing_runs(self):
        self.up("--also", self.program("oned", READY))
        self.assertEqual(self.xenith("down").returncode, 0)
        said = self.xenith("logs", "oned", "-n", "1").stdout
        self.assertEqual(said, f"started with ['--dir', {str(self.dir)!r}]\n")
        self.assertEqual(self.xenith("logs", "nosuch").returncode, 1)
        self.assertEqual(self.xenith("logs", "../env").returncode, 2)

    def test_two_directories_know_nothing_of_each_other(self):
        program = self.program("oned", READY)
        self.up("--also", program)
        other = self.top / "other"
        self.addCleanup(self.xenith, "down", directory=other)
        done = self.xenith("up", "--also", program, directory="other")  # relative to its cwd
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(self.xenith("down", directory=other).returncode, 0)
        self.assertEqual(self.daemon("oned")["state"], "ready")

    def test_wrong_usage_starts_nothing(self):
        for args, says in (
            (["up", "--port", "70000"], "'70000' is no port"),
            (["up", "--backend", "vmware"], "'vmware' is no backend"),
            (["fly"], "there is no verb 'fly'"),
            (["status", "now"], "'now' is one word too many"),
            ([], "Usage"),
        ):
            with self.subTest(args=args):
                done = subprocess.run(
                    [str(XENITH), *args, "--dir", str(self.dir)],
                    capture_output=True,
                    text=True,
                    timeout=HANG,
                )
                self.assertEqual(done.returncode, 2)
                self.assertIn(says, done.stderr)
        self.assertFalse(self.dir.exists())


if __name__ == "__main__":
    unittest.main()
