# SPDX-License-Identifier: LGPL-2.1-or-later
"""What an operator types: the commands of xenops-cli beside the calls, names for ids, the console,
how commands end, and the page that shows a VM's whole life."""

import fcntl
import json
import os
import pathlib
import pty
import re
import select
import signal
import subprocess
import termios
import time
import unittest

import xenops
from stack import BUILD
from xenops import HANG, VM

CLI = BUILD / "bin" / "xenops-cli"
PAGE = pathlib.Path(__file__).parents[2] / "docs" / "xenopsd.md"
OK, FAILED, USAGE, NO_CONNECTION, TIMEOUT = range(5)
IDS = ("4f1c6a52-8a0c-4c2b-9d6e-0b3f5d1f7a01", "4f1c6a52-8a0c-4c2b-9d6e-0b3f5d1f7a02")


class Case(xenops.Case):
    def words(self, *words):
        return [str(CLI), "--dir", str(self.dir), *map(str, words)]

    def cli(self, *words, code=OK):
        """What it printed, and what it said on standard error."""
        done = subprocess.run(
            self.words(*words),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=HANG,
        )
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        return done.stdout, done.stderr

    def add_named(self, vm, name):
        self.call("VM.add", vm=dict(VM, vm=vm, name=name))
        backend = self.disk()
        self.call("VBD.add", vbd={"vbd": f"{vm}/xvda", "position": "xvda", "backend": backend})

    def rows(self):
        """The table of `list`, by its titles."""
        titles, *lines = self.cli("list")[0].splitlines()
        starts = [match.start() for match in re.finditer(r"\S+", titles)]
        ends = [*starts[1:], None]
        cut = [[line[a:b].strip() for a, b in zip(starts, ends)] for line in lines]
        return [dict(zip(titles.split(), cells)) for cells in cut]

    def on_terminal(self, *words):
        """Runs on a terminal of its own: the process, and the other side of it."""
        ours, theirs = pty.openpty()
        self.addCleanup(os.close, ours)
        process = subprocess.Popen(
            self.words(*words),
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )
        os.close(theirs)
        self.addCleanup(process.wait, HANG)
        self.addCleanup(lambda: process.poll() is None and process.kill())
        return process, ours

    def read_until(self, fd, what):
        seen, end = b"", time.monotonic() + HANG
        while what not in seen:
            self.assertLess(time.monotonic(), end, seen)
            if select.select([fd], [], [], 1)[0]:
                seen += os.read(fd, 4096)
        return seen


class Operator(Case):
    def test_a_life_by_name(self):
        self.add_named(IDS[0], "web")
        self.cli("start", "web")
        self.assertEqual(self.power(IDS[0]), "running")
        self.cli("pause", "web", "--wait")
        self.assertEqual(self.power(IDS[0]), "paused")
        self.cli("unpause", "web")
        before = self.state(IDS[0])["domids"]
        self.cli("reboot", "web", "--timeout-s", "30")
        self.assertGreater(self.state(IDS[0])["domids"], before)
        image = self.dir / "image"
        self.cli("suspend", "web", image)
        self.assertEqual(self.power(IDS[0]), "suspended")
        self.cli("resume", "web", image, "--paused")
        self.assertEqual(self.power(IDS[0]), "paused")
        self.cli("unpause", "web")
        self.cli("suspend", "web", image)
        self.cli("resume", "web", image)
        self.assertEqual(self.power(IDS[0]), "running")
        self.cli("shutdown", "web")
        self.check_halted(IDS[0])
        self.cli("start", "--paused", "web")
        self.assertEqual(self.power(IDS[0]), "paused")
        self.cli("shutdown", "web", "--force")  # a paused guest does not listen
        self.check_halted(IDS[0])

    def test_names_stand_for_ids_in_every_call(self):
        self.add_named(IDS[0], "web")
        self.add_named(IDS[1], "db")
        self.cli("vm-start", "db")
        self.assertEqual(self.power(IDS[1]), "paused")
        stat = json.loads(self.cli("--json", "vm-stat", "--vm", "db")[0])
        self.assertEqual(stat["vm"]["vm"], IDS[1])
        self.cli("vbd-unplug", "db/xvda")
        self.assertFalse(self.call("VBD.stat", vbd=f"{IDS[1]}/xvda")["state"]["plugged"])
        self.cli("vbd-plug", f"{IDS[1]}/xvda")
        self.assertTrue(self.call("VBD.stat", vbd=f"{IDS[1]}/xvda")["state"]["plugged"])
        # An id wins over a name; a name of two, or of none, is told.
        self.call("VM.add", vm=dict(VM, vm="db", name="other"))
        self.cli("vm-unpause", "db", code=FAILED)
        self.cli("vm-remove", "db")
        self.call("VM.add", vm=dict(VM, vm="third", name="web"))
        said = self.cli("start", "web", code=USAGE)[1]
        self.assertIn("several VMs", said)
        self.assertIn(IDS[0], said)
        self.assertIn("third", said)
        self.assertIn("Does_not_exist(vm, nobody)", self.cli("start", "nobody", code=FAILED)[1])

    def test_the_list(self):
        self.assertEqual(self.rows(), [])
        self.add_named(IDS[0], "web")
        self.add_named(IDS[1], "a long name with spaces")
        self.cli("start", "web")
        first, second = self.rows()
        self.assertEqual(
            second,
            {
                "NAME": "web",
                "STATE": "running",
                "VCPUS": "2",
                "MEMORY": "128/128 MiB",
                "UP": "0m",
                "DOMID": str(self.state(IDS[0])["domids"][0]),
                "ID": IDS[0],
            },
        )
        self.assertEqual(first["NAME"], "a long name with spaces")
        self.assertEqual((first["STATE"], first["MEMORY"]), ("halted", "128 MiB"))
        self.assertEqual((first["UP"], first["DOMID"]), ("-", "-"))
        listed = json.loads(self.cli("list", "--json")[0])
        self.assertEqual({vm["vm"]["vm"] for vm in listed}, set(IDS))
        self.assertNotIn(" \n", self.cli("list")[0])

    def test_a_bar_shows_how_far_it_is(self):
        self.add_named(IDS[0], "web")
        self.simulator.call("Fault.add", fault={"atom": "vm-build", "action": "hang"})
        process, terminal = self.on_terminal("start", "web", "--wait")
        seen = self.read_until(terminal, b"%")
        self.assertIn(b"VM.start [", seen)
        os.write(terminal, b"\x03")  # Ctrl-C: the start is cancelled, and undone
        self.read_until(terminal, b"CANCELLED")
        self.assertEqual(process.wait(HANG), FAILED)
        self.check_halted(IDS[0])

    def test_who_does_not_wait_gets_the_task(self):
        self.add_named(IDS[0], "web")
        task = self.cli("start", "web", "--no-wait")[0].strip()
        self.cli("wait", task)
        self.assertEqual(self.power(IDS[0]), "paused")

    def test_how_commands_end(self):
        self.add_named(IDS[0], "web")
        for words in (
            ("start",),
            ("start", "web", "db"),
            ("start", "web", "--froce"),
            ("list", "web"),
            ("suspend", "web"),
            ("suspend", "web", "no-path"),
            ("migrate", "web"),
            ("shutdown", "web", "--timeout-s", "soon"),
        ):
            self.cli(*words, code=USAGE)
        self.assertIn("Bad_power_state", self.cli("unpause", "web", code=FAILED)[1])
        self.simulator.call("Fault.add", fault={"atom": "vm-build", "action": "hang"})
        self.cli("start", "web", "--timeout", "0.2", code=TIMEOUT)
        self.simulator.call("Fault.clear")
        self.wait_for("the start", lambda: self.power(IDS[0]) == "paused")
        self.xenopsd.stop()
        self.cli("list", code=NO_CONNECTION)
        self.cli("start", "web", code=NO_CONNECTION)

    def test_explains_and_completes_all(self):
        out = self.cli("help")[0]
        own = "list start shutdown reboot pause unpause suspend resume migrate console".split()
        for name in (*own, "events", "tasks", "diagnostics", "vm-add", "vm-start"):
            self.assertRegex(out, rf"(?m)^  {name}( |$)")
        self.assertIn("--force", self.cli("help", "shutdown")[0])
        script = self.cli("completion", "bash")[0]

        def complete(*words):
            listed = " ".join(f"'{w}'" for w in ("xenops-cli", *words))
            asked = f"COMP_WORDS=({listed})\nCOMP_CWORD={len(words)}\n_xenops_cli\n"
            done = subprocess.run(
                ["bash", "-c", script + asked + "printf '%s\\n' \"${COMPREPLY[@]}\""],
                capture_output=True,
                text=True,
                timeout=HANG,
            )
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            return done.stdout.split()

        self.assertEqual(complete("star"), ["start"])
        self.assertEqual(complete("start", "--pa"), ["--paused"])
        self.assertEqual(complete("shutdown", "--f"), ["--force"])
        self.assertIn("--json", complete("list", "--"))


class Console(Case):
    def setUp(self):
        super().setUp()
        self.add_named(IDS[0], "web")
        self.do("VM.start", vm=IDS[0])
        self.do("VM.unpause", vm=IDS[0])
        self.name = "web"

    def typed(self):
        return self.simulator.call("Guest.console", vm=IDS[0])["typed"]

    def test_the_terminal_is_that_of_the_guest(self):
        process, terminal = self.on_terminal("console", "web")
        seen = self.read_until(terminal, b"a simulated guest\r\n")
        self.assertIn(b"^] leaves", seen)
        os.write(terminal, b"root\x03\x1a")  # keys that mean something to a terminal
        self.read_until(terminal, b"root\x03\x1a")  # the guest's echo alone
        self.simulator.call("Guest.print", vm=IDS[0], text="welcome")
        self.read_until(terminal, b"welcome")
        os.write(terminal, b"bye\x1dnot this")
        self.assertEqual(process.wait(HANG), OK)
        self.assertEqual(self.typed(), "root\x03\x1abye")

    def test_it_ends_with_the_guest(self):
        process, terminal = self.on_terminal("console", "web")
        self.read_until(terminal, b"a simulated guest\r\n")
        self.do("VM.shutdown", vm=IDS[0])
        self.assertEqual(process.wait(HANG), OK)

    def test_without_a_terminal(self):
        process = subprocess.Popen(
            self.words("console", "web"), stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        self.addCleanup(process.communicate)
        process.stdin.write(b"hello\n\x1dstill here\n")
        process.stdin.flush()
        self.read_until(process.stdout.fileno(), b"still here\n")
        process.stdin.close()
        self.simulator.call("Guest.print", vm=IDS[0], text="all is shown")
        self.read_until(process.stdout.fileno(), b"all is shown")
        process.send_signal(signal.SIGINT)
        self.assertEqual(process.wait(HANG), OK)
        process.stdin = None

    def test_where_there_is_none(self):
        self.do("VM.shutdown", vm=IDS[0])
        self.assertIn("text console", self.cli("console", "web", code=FAILED)[1])


class Page(Case):
    """docs/xenopsd.md says what to type, and so it is typed here."""

    WITH_NETWORK = True

    def script(self):
        text = PAGE.read_text().split("## A VM's life by xenops-cli\n")[1].split("\n## ")[0]
        lines = [line[4:] for line in text.split("\n") if line.startswith("    ")]
        return "\n".join(lines)

    def test_the_whole_life_as_the_page_shows_it(self):
        programs, srv = self.dir / "programs", self.dir / "srv"
        programs.mkdir()
        srv.mkdir()
        wrapper = programs / "xenops-cli"
        wrapper.write_text(f'#!/bin/sh\nexec {CLI} --dir {self.dir} "$@"\n')
        wrapper.chmod(0o755)
        self.networkd.client.call("Bridge.create", bridge="xenbr0")
        self.simulator.call("Fault.add", fault={"atom": "*", "action": "pass"})
        script = self.script().replace("/srv/", f"{srv}/")
        self.assertGreater(script.count("xenops-cli "), 15)
        done = subprocess.run(
            ["bash", "-eu", "-c", script],
            env=dict(os.environ, PATH=f"{programs}:{os.environ['PATH']}"),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=HANG,
        )
        self.assertEqual((done.returncode, done.stderr), (0, ""), done.stdout)
        self.assertRegex(done.stdout, rf"(?m)^web +running +2 +1024/1024 MiB .* {IDS[0]}$")
        trace = self.simulator.call("Fault.trace")
        counts = {atom: trace.count(atom) for atom in ("vbd-plug", "vif-plug", "vm-destroy")}
        # Three lives: started, rebooted, resumed; and each device once by hand.
        self.assertEqual(counts, {"vbd-plug": 7, "vif-plug": 4, "vm-destroy": 3})
        self.assertEqual(self.call("VM.list"), [])
        self.assertEqual(self.simulator.call("Domain.list"), [])
        self.assertEqual(self.guests(), [])
        self.assertTrue((srv / "web.memory").exists())


if __name__ == "__main__":
    unittest.main()
