# SPDX-License-Identifier: LGPL-2.1-or-later
"""The demo host of `xenith up --demo`, as Python's own xmlrpc.client sees it: made, made again,
completed, lived in."""

import fcntl
import hashlib
import os
import pathlib
import pty
import random
import re
import select
import shutil
import subprocess
import termios
import time
import unittest

import guest
from stack import BUILD, HANG, XENITH, Stack, free_port
from xenapi import NULL, Session

CLASSES = "pool host SR PBD network PIF VM VBD VIF VDI".split()
# What time changes by itself, and what tells how full the disk below is.
MOVING = {"last_updated", "physical_utilisation", "physical_size"}


class Demo(unittest.TestCase):
    def setUp(self):
        self.port = free_port()
        self.up_args = ("--backend", "simulator", "--port", self.port, "--demo")
        self.stack = Stack(self, *self.up_args)
        self.login()

    def login(self):
        self.x = Session.of(self.stack.env())

    def again(self):
        done = self.stack.xenith("up", *self.up_args)
        self.assertEqual((done.returncode, done.stderr), (0, ""), done.stdout)
        return done.stdout

    def records(self):
        """All that the demo could touch: {(class, reference): record}."""
        found = {}
        for cls in CLASSES:
            for ref, record in self.x(f"{cls}.get_all_records").items():
                found[cls, ref] = {k: v for k, v in record.items() if k not in MOVING}
        return found

    def named(self, name):
        """The one VM of that name: reference and record."""
        (ref,) = self.x("VM.get_by_name_label", name)
        return ref, self.x("VM.get_record", ref)

    def disk_of(self, record):
        (vbd,) = record["VBDs"]
        self.assertEqual(self.x("VBD.get_type", vbd), "Disk")
        self.assertEqual(self.x("VBD.get_mode", vbd), "RW")
        self.assertTrue(self.x("VBD.get_bootable", vbd))
        return self.x("VBD.get_VDI", vbd)

    def check_whole(self):
        (pool,) = self.x("pool.get_all_records").values()
        sr = self.x("SR.get_record", pool["default_SR"])
        self.assertEqual(sr["type"], "file")
        (pbd,) = sr["PBDs"]
        self.assertTrue(self.x("PBD.get_currently_attached", pbd))
        location = self.x("PBD.get_device_config", pbd)["location"]
        self.assertTrue(location.startswith(f"{self.stack.dir}/"), location)
        _, template = self.named("demo-template")
        _, vm = self.named("demo-vm")
        self.assertTrue(template["is_a_template"])
        self.assertFalse(template["is_default_template"])
        self.assertFalse(vm["is_a_template"])
        disks = [self.disk_of(record) for record in (template, vm)]
        self.assertNotEqual(disks[0], disks[1])
        for disk in disks:
            self.assertEqual(self.x("VDI.get_SR", disk), pool["default_SR"])
        for record in (template, vm):
            (vif,) = record["VIFs"]
            network = self.x("VIF.get_network", vif)
            if self.x("PIF.get_all"):
                self.assertTrue(self.x("network.get_PIFs", network))
        self.assertEqual(len(self.x("VDI.get_all")), 2)

    def test_what_is_there(self):
        self.check_whole()
        (host,) = self.x("host.get_all_records").values()
        self.assertTrue(self.x("host_metrics.get_live", host["metrics"]))
        self.assertTrue(self.x("VM.get_is_control_domain", host["control_domain"]))
        self.assertEqual(self.named("demo-vm")[1]["power_state"], "Halted")

    def test_a_second_time_changes_nothing(self):
        before = self.records()
        token = self.x("event.from", CLASSES, "", 0.0)["token"]
        self.assertIn("demo-vm (Halted)", self.again())
        self.assertEqual(self.records(), before)
        self.assertEqual(self.x("event.from", CLASSES, token, 0.0)["events"], [])
        self.stack.xenith("down")
        self.again()
        self.login()
        self.check_whole()

    def test_what_a_kill_left_is_completed(self):
        """Undoes the last steps one by one; each is what a kill before it had left."""
        vm, record = self.named("demo-vm")
        disk = self.disk_of(record)
        self.x("VM.destroy", vm)
        self.x("VDI.destroy", disk)
        self.again()
        self.check_whole()

        vm, record = self.named("demo-vm")
        self.x("VM.set_is_a_template", vm, True)
        self.again()
        self.check_whole()
        self.assertEqual(self.named("demo-vm")[0], vm)

        _, template = self.named("demo-template")
        self.x("VBD.destroy", template["VBDs"][0])
        self.x("VIF.destroy", template["VIFs"][0])
        self.again()
        self.check_whole()
        self.assertEqual(self.named("demo-template")[1]["uuid"], template["uuid"])

        (pool,) = self.x("pool.get_all")
        sr = self.x("pool.get_default_SR", pool)
        self.x("pool.set_default_SR", pool, NULL)
        self.x("PBD.unplug", self.x("SR.get_PBDs", sr)[0])
        self.again()
        self.check_whole()
        self.assertEqual(self.x("pool.get_default_SR", pool), sr)

    def remove_all(self):
        for name in ("demo-vm", "demo-template"):
            self.x("VM.destroy", self.named(name)[0])
        for disk in self.x("VDI.get_all"):
            self.x("VDI.destroy", disk)

    def test_killed_at_any_moment(self):
        for ms in range(0, 60, 5):
            self.remove_all()
            command = [str(XENITH), *map(str, ("up", *self.up_args, "--dir", self.stack.dir))]
            with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
                time.sleep(ms / 1000)
                process.kill()
            self.again()
            self.check_whole()

    def test_what_the_user_has_chosen_stays(self):
        folder = self.stack.dir / "mine"
        (host,), (pool,) = self.x("host.get_all"), self.x("pool.get_all")
        mine = self.x("SR.create", host, {"location": str(folder)}, "0", "mine", "", "file",
            "user", False, {})  # fmt: skip
        self.x("pool.set_default_SR", pool, mine)
        vm, _ = self.named("demo-vm")
        self.x("VM.set_name_description", vm, "as I like it")
        self.again()
        self.assertEqual(self.x("pool.get_default_SR", pool), mine)
        self.assertEqual(self.x("VM.get_name_description", vm), "as I like it")

    def test_the_vm_runs_and_halts(self):
        vm, record = self.named("demo-vm")
        self.assertIn("start", record["allowed_operations"])
        self.x("VM.start", vm, False, False)
        record = self.x("VM.get_record", vm)
        self.assertEqual(record["power_state"], "Running")
        self.assertTrue(self.x("VBD.get_currently_attached", record["VBDs"][0]))
        self.assertTrue(self.x("VIF.get_currently_attached", record["VIFs"][0]))
        self.assertIn("demo-vm (Running)", self.again())
        self.assertEqual(self.x("VM.get_power_state", vm), "Running")
        self.x("VM.clean_reboot", vm)
        self.assertEqual(self.x("VM.get_power_state", vm), "Running")
        self.x("VM.clean_shutdown", vm)
        self.assertEqual(self.x("VM.get_power_state", vm), "Halted")

    def test_what_fails_is_said(self):
        (pool,) = self.x("pool.get_all")
        sr = self.x("pool.get_default_SR", pool)
        self.remove_all()
        location = self.stack.dir / "storage"
        location.rename(self.stack.dir / "gone")
        location.write_text("no folder")
        done = self.stack.xenith("up", *self.up_args)
        self.assertEqual(done.returncode, 1, done.stdout)
        self.assertIn("making the demo host: ", done.stderr)
        self.assertIn("VDI.create", done.stderr)
        self.assertNotIn("demo-vm (", done.stdout)
        self.assertEqual(self.x("pool.get_default_SR", pool), sr)

    def test_one_at_a_time(self):
        with open(self.stack.dir / "run" / "demo.lock", "r+") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            done = self.stack.xenith("up", *self.up_args)
        self.assertEqual(done.returncode, 1)

    # ---- its disk ----

    def sha256(self, vdi):
        """Of the raw bytes of a VDI."""
        about = (self.stack.dir / "storage" / f"{self.x('VDI.get_location', vdi)}.json").read_text()
        image = re.search(r"node-[-0-9a-f]+\.\w+", about)[0]
        raw = self.stack.dir / "raw"
        command = ["qemu-img", "convert", "-O", "raw", self.stack.dir / "storage" / image, raw]
        subprocess.run(command, check=True, timeout=HANG)
        return hashlib.sha256(raw.read_bytes()).hexdigest()

    def test_the_disk_begins_with_an_image(self):
        image = self.stack.dir / "image"
        content = random.Random(7).randbytes(100000) + bytes(1 << 20)
        image.write_bytes(content)
        padded = content + bytes(-len(content) % 512)
        self.remove_all()
        self.up_args += ("--demo-disk", image)
        self.again()
        self.check_whole()
        for name in ("demo-vm", "demo-template"):
            disk = self.disk_of(self.named(name)[1])
            self.assertEqual(self.sha256(disk), hashlib.sha256(padded).hexdigest())
        # A kill before the contents were whole.
        _, template = self.named("demo-template")
        disk = self.disk_of(template)
        self.x("VBD.destroy", template["VBDs"][0])
        self.x("VDI.remove_from_other_config", disk, "demo-disk")
        image.write_bytes(b"x" * len(content))
        self.again()
        self.check_whole()
        self.assertEqual(self.disk_of(self.named("demo-template")[1]), disk)
        self.assertNotEqual(self.sha256(disk), hashlib.sha256(padded).hexdigest())
        before = self.records()
        image.unlink()
        done = self.stack.xenith("up", *self.up_args)
        self.assertEqual(done.returncode, 1)
        self.assertIn("No such file", done.stderr)
        self.assertEqual(self.records(), before)

    # ---- its console ----

    def start(self):
        vm, record = self.named("demo-vm")
        self.x("VM.start", vm, False, False)
        return vm, record["uuid"]

    def test_its_console_is_a_terminal(self):
        vm, uuid = self.start()
        for name in ("demo-vm", uuid):
            with Terminal("console", name, "--dir", self.stack.dir) as console:
                before = console.settings
                console.wait_for("Ctrl-] leaves it.")
                console.send("hello there\r")
                console.wait_for("hello there")
                console.send("\x03\x1d")  # the first goes to the guest
                console.wait_for("Left the console")
                self.assertEqual(console.process.wait(HANG), 0)
                self.assertEqual(console.read_settings(), before)
        with Terminal("console", "demo-vm", "--dir", self.stack.dir) as console:
            console.wait_for("Ctrl-] leaves it.")
            self.x("VM.hard_shutdown", vm)
            console.wait_for("Left the console")
            self.assertEqual(console.process.wait(HANG), 0)

    def test_a_console_in_a_pipe(self):
        vm, _ = self.start()
        command = [str(XENITH), "console", "demo-vm", "--dir", str(self.stack.dir)]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
            process.stdin.write(b"by a pipe\x1d\r")
            process.stdin.close()
            said = b""
            while b"by a pipe" not in said:
                more = os.read(process.stdout.fileno(), 4096)
                self.assertTrue(more, said)
                said += more
            self.x("VM.hard_shutdown", vm)
            self.assertEqual(process.wait(HANG), 0)

    def test_who_has_no_console(self):
        for name in ("demo-vm", "nobody", self.named("demo-vm")[1]["uuid"]):
            done = self.stack.xenith("console", name)
            self.assertEqual(done.returncode, 1)
            self.assertIn(name, done.stderr)
        self.assertEqual(self.stack.xenith("console").returncode, 2)
        vm, uuid = self.start()
        other = self.x("VM.copy", self.named("demo-template")[0], "demo-vm", NULL)
        self.x("VM.provision", other)
        self.x("VM.start", other, False, False)
        done = self.stack.xenith("console", "demo-vm")
        self.assertEqual(done.returncode, 1)
        self.assertIn("give the uuid", done.stderr)
        self.stack.xenith("down")
        self.assertEqual(self.stack.xenith("console", uuid).returncode, 3)


class Terminal:
    """A run of xenith on a terminal of its own."""

    def __init__(self, *words):
        self.ours, self.theirs = pty.openpty()
        self.said = ""
        self.settings = self.read_settings()
        ends = {"stdin": self.theirs, "stdout": self.theirs, "stderr": self.theirs}
        self.process = subprocess.Popen([str(XENITH), *map(str, words)], **ends)

    def __enter__(self):
        return self

    def __exit__(self, *why):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(HANG)
        os.close(self.ours)
        os.close(self.theirs)

    def read_settings(self):
        return termios.tcgetattr(self.theirs)

    def send(self, text):
        os.write(self.ours, text.encode())

    def wait_for(self, text, within=HANG):
        """Passes over what comes up to the text."""
        end = time.monotonic() + within
        while text not in self.said:
            if not select.select([self.ours], [], [], max(0, end - time.monotonic()))[0]:
                raise AssertionError(f"no {text!r} in: {self.said}")
            self.said += os.read(self.ours, 65536).decode(errors="replace")
        self.said = self.said.split(text, 1)[1]


@unittest.skipUnless(shutil.which("qemu-system-x86_64"), "no qemu-system-x86_64")
class Run(unittest.TestCase):
    """What `make run` does once everything is built: up to the guest's prompt, and down again."""

    def test_from_nothing_to_the_guest(self):
        port = free_port()
        stack = Stack(self, "--port", port, "--backend", "qemu", "--network", "simulator")
        # The password and the directory are the stack's; the script finds both as they are.
        script = pathlib.Path(guest.BUILDER).parents[1] / "run"
        command = [str(script), str(BUILD / "bin"), str(stack.dir), "qemu", str(port)]
        for _ in range(2):
            done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True,
                text=True, timeout=3 * HANG)  # fmt: skip
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
            env = stack.env()
            for piece in (env["XAPI_URL"], env["XAPI_PASSWORD"], "Left out: the host's network"):
                self.assertIn(piece, done.stdout)
        x = Session.of(env)
        (vm,) = x("VM.get_by_name_label", "demo-vm")
        self.assertEqual(x("VM.get_power_state", vm), "Running")
        self.assertIn("QEMU's user network", stack.xenith("status").stdout)
        words = re.search(r"Into the guest: +\S+ (console .*)", done.stdout)[1].replace("'", "")
        with Terminal(*words.split()) as console:
            console.wait_for("guest: ping 10.0.2.2 ok", 3 * HANG)
            console.send("\r")
            console.wait_for("login: ")
            console.send("root\r")
            console.wait_for("assword: ")
            console.send("xenith\r")
            console.wait_for("# ")
            console.send("cat /disk/boots\r")
            console.wait_for("\n1\r")
            console.send("\x1d")
            console.wait_for("Left the console")
        x("VM.suspend", vm)
        self.assertEqual(x("VM.get_power_state", vm), "Suspended")
        x("VM.resume", vm, False, False)
        x("VM.clean_shutdown", vm)
        self.assertEqual(x("VM.get_power_state", vm), "Halted")


if __name__ == "__main__":
    unittest.main()
