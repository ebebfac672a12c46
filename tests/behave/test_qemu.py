# SPDX-License-Identifier: LGPL-2.1-or-later
"""xenopsd on the qemu backend: a real guest boots, proves it, reboots, halts, and outlives kills."""

import os
import pathlib
import re
import secrets
import shutil
import signal
import subprocess
import time
import unittest
import uuid

import guest
from between import Between
from daemon import Daemon
from jsonrpc import Failed

HANG = 60  # seconds; only to catch what hangs
MIB = 1 << 20


def needs_qemu(test):
    return unittest.skipUnless(shutil.which("qemu-system-x86_64"), "no qemu-system-x86_64")(test)


class Case(unittest.TestCase):
    NETWORKD = "simulator"
    PREFIX = ()  # words before both daemons
    accelerator = None  # what the first xenopsd has found out, so that not each tries KVM anew

    def setUp(self):
        conf = f"backend = {self.NETWORKD}\n"
        self.networkd = Daemon(self, "networkd", conf, self.PREFIX).start()
        self.networkd.call("Bridge.create", bridge="xapi0")
        self.xenopsd = Daemon(self, "xenopsd", "backend = qemu\n", self.PREFIX)
        # Both on one directory, as in a stack.
        run = self.xenopsd.dir / "run"
        self.found = run / "xenopsd" / "qemu" / "accelerator"
        self.found.parent.mkdir(parents=True)
        if Case.accelerator:
            self.found.write_text(Case.accelerator)
        (run / "networkd.sock").symlink_to(self.networkd.dir / "run" / "networkd.sock")
        self.xenopsd.start()
        self.nonce = secrets.token_hex(16)
        self.vm = str(uuid.uuid4())
        self.addCleanup(self.end_guests)

    def end_guests(self):
        """A failed test may leave guests, which outlive xenopsd."""
        if self.xenopsd.process is None:
            self.xenopsd.start()
        for vm in self.xenopsd.call("VM.list"):
            self.xenopsd.do("VM.shutdown", vm=vm["vm"]["vm"])
        if self.found.exists():
            Case.accelerator = self.found.read_text()

    # ---- a VM ----

    def disk(self, name="disk", **settings):
        path = self.xenopsd.dir / name
        guest.new_disk(path, nonce=self.nonce, **settings)
        return {"local": str(path)}

    def add(self, machine, memory_mib=128, **more):
        self.xenopsd.call(
            "VM.add",
            vm={
                "vm": self.vm,
                "name": "demo, the guest",
                "guest": machine,
                "memory_dynamic_min_bytes": memory_mib * MIB,
                "memory_dynamic_max_bytes": memory_mib * MIB,
                "memory_static_max_bytes": memory_mib * MIB,
                **more,
            },
        )
        self.add_vbd("xvda", backend=self.disk())
        self.xenopsd.call(
            "VIF.add",
            vif={
                "vif": f"{self.vm}/0",
                "position": 0,
                "mac": "02:00:00:00:00:01",
                "backend": {"bridge": "xapi0"},
            },
        )

    def add_direct(self, **more):
        folder = guest.folder()
        boot = {
            "kernel": str(folder / "vmlinuz"),
            "ramdisk": str(folder / "initrd.gz"),
            "cmdline": guest.CMDLINE.replace("console=ttyS0", "console=hvc0"),
        }
        self.add({"pvh": {"boot": {"direct": boot}}}, **more)

    def add_vbd(self, name, **more):
        self.xenopsd.call("VBD.add", vbd={"vbd": f"{self.vm}/{name}", "position": name, **more})

    def do(self, call, **params):
        return self.xenopsd.do(call, vm=self.vm, **params)

    def fails(self, code, call, **params):
        with self.assertRaises(Failed) as caught:
            self.xenopsd.do(call, **params)
        self.assertEqual(caught.exception.code, code, caught.exception)
        return caught.exception

    def state(self):
        return self.xenopsd.call("VM.stat", vm=self.vm)["state"]

    def console(self, protocol="vt100"):
        path = next(c["path"] for c in self.state()["consoles"] if c["protocol"] == protocol)
        console = guest.Console(path)
        self.addCleanup(console.close)
        return console

    def start(self):
        """Started and running; its console, from its first word on."""
        self.do("VM.start")
        console = self.console()
        self.do("VM.unpause")
        return console

    def wait_for(self, what, look):
        """Until LOOK() is true, woken by xenopsd's updates."""
        token, end = None, time.monotonic() + HANG
        while not look():
            self.assertLess(time.monotonic(), end, what + "\n" + self.xenopsd.said())
            since = {} if token is None else {"since": token}
            token = self.xenopsd.call("UPDATES.get", timeout=1, **since)["token"]

    def wait_for_power(self, power):
        self.wait_for(power, lambda: self.state()["power_state"] == power)

    def qemu_pids(self):
        """The processes that have this VM's uuid among their arguments."""
        found = []
        for entry in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
            try:
                words = entry.read_bytes().split(b"\0")
            except OSError:
                continue
            if self.vm.encode() in words and b"qemu" in words[0]:
                found.append(int(entry.parent.name))
        return found

    def check_nothing_left(self):
        self.assertEqual(self.state()["power_state"], "halted")
        self.assertEqual(self.qemu_pids(), [])
        self.assertEqual(self.networkd.call("Guest.list"), [])
        folder = self.xenopsd.dir / "run" / "xenopsd" / "qemu" / "VM" / self.vm
        self.assertEqual([p.name for p in folder.glob("backend.*")], [])


@needs_qemu
class Life(Case):
    def check_balloon(self):
        """It moves as it is told, there and back."""
        self.assertEqual(self.state()["memory_actual_bytes"], 128 * MIB)
        for most in (96, 128):
            self.do("VM.set_memory_dynamic_range", min_bytes=64 * MIB, max_bytes=most * MIB)
            self.assertEqual(self.state()["memory_target_bytes"], most * MIB)
            self.wait_for(
                "the balloon",
                lambda most=most: self.state()["memory_actual_bytes"] == most * MIB,
            )
        self.assertFalse(self.state()["uncooperative"])

    def test_boot_reboot_halt(self):
        self.add_direct()
        self.do("VM.start")
        state = self.state()
        self.assertEqual(state["power_state"], "paused")
        self.assertEqual(len(state["domids"]), 1)
        console = self.console()
        self.do("VM.unpause")
        console.wait_for(guest.answer(self.nonce, 1))
        console.wait_for("guest: ping 10.0.2.2 ok")
        self.check_balloon()
        # The guest's own reboot is a new domain of the same VM.
        console.log_in()
        console.send("reboot\n")
        domids = state["domids"]
        self.wait_for("a new domain", lambda: self.state()["domids"] not in ([], domids))
        self.wait_for_power("running")
        console = self.console()
        console.log_in()
        console.send("cat /disk/boots\n")
        console.wait_for(r"\b2\r\n")
        # So is one that was asked for; then it is asked to halt.
        self.do("VM.reboot", timeout_s=60)
        console = self.console()
        console.wait_for("guest: ping 10.0.2.2 ok")
        console.log_in()
        console.send("cat /disk/boots\n")
        console.wait_for(r"\b3\r\n")
        self.do("VM.shutdown", timeout_s=60)
        console.wait_for("guest: going down")
        self.check_nothing_left()
        self.xenopsd.call("VM.remove", vm=self.vm)

    def test_is_halted_while_it_still_boots(self):
        self.add({"hvm": {"boot_order": "c"}})
        self.start()
        self.do("VM.shutdown", timeout_s=60)
        self.check_nothing_left()

    def test_boots_from_its_disk(self):
        self.add({"hvm": {"boot_order": "dc"}}, vcpus=2, vcpus_max=2)
        self.add_vbd("xvdd", type="cd", mode="ro")
        console = self.start()
        console.wait_for(guest.answer(self.nonce, 1))
        screen = self.console("rfb")
        screen.wait_for("RFB 003.008")
        console.wait_for("guest: ping")
        console.log_in()
        console.send("poweroff\n")
        self.wait_for_power("halted")
        self.check_nothing_left()


@needs_qemu
class Ends(Case):
    """However a guest ends, and whoever is there to see it."""

    def up(self, **more):
        self.add_direct(**more)
        console = self.start()
        console.wait_for("guest: ping")
        console.log_in()
        return console

    def test_guest_outlives_xenopsd(self):
        console = self.up()
        pids, domids = self.qemu_pids(), self.state()["domids"]
        self.assertEqual(len(pids), 1)
        self.xenopsd.kill_and_start()
        self.assertEqual(self.qemu_pids(), pids)
        state = self.state()
        self.assertEqual((state["power_state"], state["domids"]), ("running", domids))
        console.send("cat /disk/boots\n")
        console.wait_for(r"\b1\r\n")
        self.do("VM.pause")
        self.xenopsd.kill_and_start()
        self.assertEqual(self.state()["power_state"], "paused")
        self.do("VM.unpause")
        # It halts while nobody is there to see it.
        self.xenopsd.stop(signal.SIGKILL)
        console.send("poweroff\n")
        console.wait_for("reboot: Power down")
        self.xenopsd.start()
        self.wait_for_power("halted")
        self.check_nothing_left()

    def test_guest_crashes(self):
        console = self.up()
        console.send("echo c >/proc/sysrq-trigger\n")
        self.wait_for_power("halted")
        self.assertIn("the guest has crashed", self.xenopsd.said())
        self.check_nothing_left()

    def test_what_a_crashed_guest_had_in_memory(self):
        console = self.up(coredump_on_crash=True, on_crash="preserve")
        console.send("echo c >/proc/sysrq-trigger\n")
        core = self.xenopsd.dir / "lib" / "coredump" / f"{self.vm}.core"
        self.wait_for_power("paused")
        self.wait_for("the core", core.exists)
        self.assertEqual(core.read_bytes()[:4], b"\x7fELF")
        self.assertGreater(core.stat().st_size, 32 * MIB)
        self.do("VM.shutdown")
        self.check_nothing_left()

    def test_qemu_is_killed(self):
        self.add_direct()
        self.do("VM.start")
        os.kill(self.qemu_pids()[0], signal.SIGKILL)
        self.wait_for_power("halted")
        self.check_nothing_left()

    def test_killed_while_it_starts(self):
        self.add_direct()
        for i in range(8):
            self.xenopsd.client.send("VM.start", vm=self.vm)
            time.sleep(secrets.randbelow(200) / 1000)
            self.xenopsd.kill_and_start()
            self.wait_for("an end", lambda: self.state()["power_state"] in ("halted", "paused"))
            if self.state()["power_state"] == "paused":
                self.assertEqual(len(self.qemu_pids()), 1)
                self.do("VM.shutdown")
            self.check_nothing_left()


@needs_qemu
class Suspends(Case):
    """The guest does not notice: a process of it counts on, on the console and on its disk."""

    COUNT = "i=0; while :; do i=$((i+1)); echo $i >/disk/count; echo \"count:$i\"; sleep 0.1; done"

    def setUp(self):
        super().setUp()
        self.path = self.xenopsd.dir / "image"
        self.image = {"local": str(self.path)}

    def count(self):
        """A guest that counts, and its console."""
        self.add_direct()
        console = self.start()
        console.wait_for("guest: ping")
        console.log_in()
        console.send(self.COUNT + "\n")
        console.wait_for(r"count:3\r")
        return console

    def counted(self, console):
        """The next number that it prints."""
        return int(console.wait_for(r"count:(\d+)\r").group(1))

    def check_counts_on(self, console, before):
        """It is the same process, and not far from where it was."""
        after = self.counted(console)
        self.assertTrue(before < after < before + 50, (before, after))
        return self.counted(console)

    def suspend(self):
        self.do("VM.suspend", image=self.image)

    def check_suspended(self):
        self.assertEqual(self.state()["power_state"], "suspended")
        self.assertEqual(self.qemu_pids(), [])
        self.assertEqual(self.networkd.call("Guest.list"), [])

    def resume(self):
        """Resumed; its console, before it runs."""
        self.do("VM.resume", image=self.image)
        self.assertEqual(self.state()["power_state"], "paused")
        console = self.console()
        self.do("VM.unpause")
        return console

    def test_there_and_back(self):
        console = self.count()
        for restart in (False, True):
            before = self.counted(console)
            self.suspend()
            self.check_suspended()
            if restart:
                self.xenopsd.kill_and_start()
                self.check_suspended()
            console = self.resume()
            self.check_counts_on(console, before)
        # It is whole: its network and its disk as well.
        console.send("\x03")
        console.send("sync; cat /disk/boots; network\n")
        console.wait_for(r"\b1\r\n")
        console.wait_for("guest: ping 10.0.2.2 ok")
        self.do("VM.shutdown", timeout_s=60)
        self.check_nothing_left()

    def test_a_domain_that_is_kept_goes_on(self):
        console = self.count()
        pids = self.qemu_pids()
        for restart in (False, True):
            before = self.counted(console)
            self.do("VM.suspend", image=self.image, keep_domain=True)
            self.assertEqual(self.state()["power_state"], "suspended")
            self.assertEqual(self.qemu_pids(), pids)
            if restart:
                self.xenopsd.kill_and_start()
                self.assertEqual(self.state()["power_state"], "suspended")
            self.do("VM.fast_resume")
            self.assertEqual(self.state()["power_state"], "running")
            self.check_counts_on(console, before)
        # What was kept is an image as any other.
        self.do("VM.suspend", image=self.image, keep_domain=True)
        console = self.resume()
        self.assertNotEqual(self.qemu_pids(), pids)
        self.check_counts_on(console, before)

    def test_a_damaged_image_is_refused(self):
        console = self.count()
        before = self.counted(console)
        self.suspend()
        size = self.path.stat().st_size
        self.assertGreater(size, MIB)
        for at in (5000, size // 2, size - 10):
            with open(self.path, "r+b") as image:
                image.seek(at)
                (byte,) = image.read(1)
                image.seek(at)
                image.write(bytes([byte ^ 255]))
                image.flush()
                with self.subTest(at=at):
                    error = self.fails(
                        "Image_unusable", "VM.resume", vm=self.vm, image=self.image
                    )
                    self.assertIn("damaged", error.params[0])
                    self.check_suspended()
                image.seek(at)
                image.write(bytes([byte]))
        self.check_counts_on(self.resume(), before)

    def test_killed_while_it_suspends_and_resumes(self):
        console = self.count()
        for _ in range(6):
            before = self.counted(console)
            self.xenopsd.client.send("VM.suspend", vm=self.vm, image=self.image)
            time.sleep(secrets.randbelow(400) / 1000)
            self.xenopsd.kill_and_start()
            self.wait_until_idle()
            if self.state()["power_state"] == "suspended":
                self.check_suspended()
                self.xenopsd.client.send("VM.resume", vm=self.vm, image=self.image)
                time.sleep(secrets.randbelow(400) / 1000)
                self.xenopsd.kill_and_start()
                self.wait_until_idle()
                if self.state()["power_state"] == "suspended":
                    self.do("VM.resume", image=self.image)
                console = self.console()
                self.do("VM.unpause")
            self.assertEqual(self.state()["power_state"], "running")
            self.check_counts_on(console, before)

    def wait_until_idle(self):
        self.wait_for(
            "the repair",
            lambda: not self.xenopsd.call("debug.diagnostics")["queue"]["vms"],
        )

    def test_no_room_for_the_image(self):
        console = self.count()
        before = self.counted(console)
        self.fails("SYSTEM_ERROR", "VM.suspend", vm=self.vm, image={"local": "/dev/full"})
        self.assertEqual(self.state()["power_state"], "running")
        self.check_counts_on(console, before)


@needs_qemu
class Snapshots(Case):
    """Disks of an SR go over to new images while the guest writes to them."""

    def setUp(self):
        super().setUp()
        self.smd = Daemon(self, "smd").start()
        run = self.xenopsd.dir / "run"
        self.between = Between(self, run / "smd.sock", self.smd.dir / "run" / "smd.sock", self.smd)
        self.sr, self.folder = str(uuid.uuid4()), self.smd.dir / "sr"
        config = {"location": str(self.folder)}
        for call in ("SR.create", "SR.attach"):
            self.smd.do(call, sr=self.sr, type="file", device_config=config)
        self.addCleanup(self.end_guests)

    def disk(self, name="disk", **settings):
        """A VDI with what the guest boots with."""
        super().disk(name, **settings)
        shutil.move(self.xenopsd.dir / name, self.folder / f"{name}.raw")
        vdis = self.smd.do("SR.scan", sr=self.sr)["vdis"]
        vdi = next(v["vdi"] for v in vdis if v["name_label"] == f"{name}.raw")
        return {"vdi": {"sr": self.sr, "vdi": vdi}}

    def way(self, dp=None):
        return self.smd.call("DP.attach_info", dp=dp or f"{self.vm}/xvda")[0]["file"]

    def written(self):
        """The images that QEMU has open to write."""
        (pid,) = self.qemu_pids()
        found = set()
        for info in pathlib.Path(f"/proc/{pid}/fdinfo").iterdir():
            try:
                path = os.readlink(f"/proc/{pid}/fd/{info.name}")
                flags = int(re.search(r"flags:\s*(\d+)", info.read_text()).group(1), 8)
            except OSError:
                continue  # closed meanwhile
            if path.startswith(str(self.folder)) and flags & os.O_ACCMODE != os.O_RDONLY:
                found.add(path)
        return found

    def freeze(self, *names):
        vbds = [f"{self.vm}/{name}" for name in names]
        return self.do("VM.freeze_disks", vbds=vbds)

    def kept(self, frozen, name="xvda"):
        """The bytes of a snapshot of what was frozen."""
        backend = self.xenopsd.call("VBD.stat", vbd=f"{self.vm}/{name}")["vbd"]["backend"]
        image = frozen[f"{self.vm}/{name}"]
        vdi = self.smd.do("VDI.snapshot", **backend["vdi"], frozen=image)["vdi"]
        way = self.smd.call("VDI.attach", dp="look", sr=self.sr, vdi=vdi, read_write=False)[0]
        bytes_of_it = self.read(way["file"])
        self.smd.call("DP.destroy", dp="look")
        return bytes_of_it

    def read(self, way):
        out = self.smd.dir / "bytes"
        argv = ["qemu-img", "convert", "-f", way["format"], "-O", "raw", way["path"], out]
        subprocess.run(argv, check=True, timeout=HANG)
        return out.read_bytes()

    def test_while_the_guest_writes(self):
        self.add_direct()
        spec = {"virtual_size_bytes": MIB}
        second = self.smd.do("VDI.create", sr=self.sr, spec=spec)["vdi"]
        self.add_vbd("xvdb", backend={"vdi": {"sr": self.sr, "vdi": second}})
        console = self.start()
        console.wait_for("guest: ping")
        console.log_in()
        marks = [f"{word}-{self.nonce}" for word in ("first", "second", "third")]

        def write(mark):
            console.send(f"echo {mark} >>/disk/marks; echo {mark} >>/tmp/m; cat /tmp/m >/dev/vdb\n")
            console.send("sync; echo writ''ten\n")
            console.wait_for("written")

        def has(found):
            return [mark.encode() in found for mark in marks]

        write(marks[0])
        before = self.written()
        one = self.freeze("xvda", "xvdb")
        self.assertEqual(self.written(), {self.way()["path"], self.way(f"{self.vm}/xvdb")["path"]})
        self.assertFalse(before & self.written())
        write(marks[1])
        self.xenopsd.kill_and_start()
        two = self.freeze("xvda", "xvdb")
        write(marks[2])
        for name in ("xvda", "xvdb"):
            self.assertEqual(has(self.kept(one, name)), [True, False, False])
            self.assertEqual(has(self.kept(two, name)), [True, True, False])
        # What went over is taken away whole, and comes back.
        self.xenopsd.do("VBD.unplug", vbd=f"{self.vm}/xvdb")
        self.assertEqual(self.written(), {self.way()["path"]})
        self.xenopsd.do("VBD.plug", vbd=f"{self.vm}/xvdb")
        console.send("until [ -b /dev/vdb ]; do sleep 0.1; done; tail -c +1 /dev/vdb | head -3\n")
        console.wait_for(marks[2])
        leaf = self.way()
        console.send("poweroff\n")
        self.wait_for_power("halted")
        self.assertEqual(has(self.read(leaf)), [True] * 3)
        self.check_nothing_left()

    def test_killed_at_each_step(self):
        """xenopsd or smd ends at each call between the two; QEMU then writes to what smd has."""
        self.add_direct()
        self.do("VM.start")

        def agrees():
            return self.written() == {self.way()["path"]}

        self.assertTrue(agrees())
        for who in ("xenopsd", "smd"):
            for harm in ("hang", "lost"):
                before = self.way()
                self.between.plan("dead" if who == "smd" and harm == "hang" else harm, 1)
                vbds = [f"{self.vm}/xvda"]
                task = self.xenopsd.call("VM.freeze_disks", vm=self.vm, vbds=vbds)
                self.assertTrue(self.between.met.wait(HANG))
                if who == "xenopsd":
                    self.xenopsd.stop(signal.SIGKILL)
                    self.between.mend()
                    self.xenopsd.start()
                else:
                    self.between.mend()
                    self.xenopsd.client.wait_for_task(task)
                self.wait_for("all to agree", agrees)
                self.freeze("xvda")
                self.assertTrue(agrees())
                self.assertNotEqual(self.way(), before)
        self.do("VM.shutdown")
        self.check_nothing_left()


@needs_qemu
class Devices(Case):
    def test_hot_plug(self):
        self.add_direct()
        console = self.start()
        console.wait_for("guest: ping")
        console.log_in()
        (self.xenopsd.dir / "second").write_bytes(b"second" + bytes(MIB))
        self.add_vbd("xvdb", backend={"local": str(self.xenopsd.dir / "second")})
        vbd = f"{self.vm}/xvdb"
        self.xenopsd.do("VBD.plug", vbd=vbd)
        console.send("until [ -b /dev/vdb ]; do sleep 0.1; done; head -c 6 /dev/vdb; echo\n")
        console.wait_for(r"\nsecond\r\n")
        # What is plugged is known after a restart, too.
        self.xenopsd.kill_and_start()
        self.assertTrue(self.xenopsd.call("VBD.stat", vbd=vbd)["state"]["plugged"])
        self.xenopsd.do("VBD.unplug", vbd=vbd)
        console.send("[ -b /dev/vdb ] || echo g''one\n")
        console.wait_for("gone")
        self.assertFalse(self.xenopsd.call("VBD.stat", vbd=vbd)["state"]["plugged"])
        self.xenopsd.do("VIF.unplug", vif=f"{self.vm}/0")
        self.assertEqual(self.networkd.call("Guest.list"), [])
        console.send("[ -e /sys/class/net/eth0 ] || echo g''one\n")
        console.wait_for("gone")
        self.xenopsd.do("VIF.plug", vif=f"{self.vm}/0")
        console.send("until [ -e /sys/class/net/eth0 ]; do sleep 0.1; done; network\n")
        console.wait_for("guest: ping 10.0.2.2 ok")
        figures = self.xenopsd.call("VM.figures")["vms"]
        self.assertEqual([f["vm"] for f in figures], [self.vm])
        self.assertGreater(figures[0]["vcpus_ns"][0], 0)
        drive = next(d for d in figures[0]["vbds"] if d["position"] == "xvda")
        self.assertGreater(min(drive["read_bytes"], drive["reads"], drive["writes"]), 0)

    def test_media(self):
        self.add({"hvm": {"boot_order": "d"}})
        self.add_vbd("xvdd", type="cd", mode="ro")
        vbd = f"{self.vm}/xvdd"
        self.do("VM.start")
        iso = self.xenopsd.dir / "iso"
        iso.write_bytes(bytes(MIB))
        for _ in range(2):
            self.xenopsd.do("VBD.insert", vbd=vbd, disk={"local": str(iso)})
            self.fails("Media_present", "VBD.insert", vbd=vbd, disk={"local": str(iso)})
            self.xenopsd.do("VBD.eject", vbd=vbd)
        self.fails("Media_not_present", "VBD.eject", vbd=vbd)

    def test_what_qemu_cannot_do(self):
        self.add_direct()
        self.add_vbd("xvdb", backend={"local": str(self.xenopsd.dir / "none")})
        self.fails("SYSTEM_ERROR", "VM.start", vm=self.vm)
        self.check_nothing_left()
        (self.xenopsd.dir / "none").write_bytes(b"")
        os.remove(self.xenopsd.dir / "disk")
        (self.xenopsd.dir / "disk").mkdir()
        error = self.fails("Failed_to_start_emulator", "VM.start", vm=self.vm)
        self.assertEqual(error.params[:2], [self.vm, "qemu"])
        self.assertIn("disk", error.params[2])
        self.check_nothing_left()


def why_no_bridge():
    if os.geteuid() != 0:
        return "needs root"
    tried = subprocess.run(
        ["unshare", "-n", "sh", "-c", "ip link add x0 type bridge && ip tuntap add x1 mode tap"],
        capture_output=True,
        text=True,
    )
    return None if tried.returncode == 0 else f"no bridges here: {tried.stderr.strip()}"


REASON = why_no_bridge()


@needs_qemu
@unittest.skipIf(REASON, REASON)
class Bridge(Case):
    """Both daemons in a network namespace, with a bridge of the kernel."""

    NETWORKD = "kernel"

    def setUp(self):
        keeper = subprocess.Popen(
            ["unshare", "-n", "sh", "-c", "echo; exec cat"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self.addCleanup(keeper.wait)
        self.addCleanup(keeper.stdout.close)
        self.addCleanup(keeper.stdin.close)
        keeper.stdout.readline()
        self.PREFIX = ("nsenter", "--net", "--target", str(keeper.pid))
        super().setUp()

    def links(self, *args):
        done = subprocess.run(
            [*self.PREFIX, "ip", "-o", "link", "show", *args],
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout

    def test_guest_pings_the_host(self):
        self.networkd.call(
            "Interface.set_addresses",
            interface="xapi0",
            ipv4={"static": ["10.9.0.1/24"]},
        )
        self.add_direct()
        self.disk(address="10.9.0.2/24", ping="10.9.0.1")
        console = self.start()
        (domid,) = self.state()["domids"]
        tap = f"tap{domid}.0"
        self.assertIn(tap, self.links("master", "xapi0"))
        console.wait_for("guest: eth0 10.9.0.2/24")
        console.wait_for("guest: ping 10.9.0.1 ok")
        self.assertEqual(
            self.xenopsd.call("VIF.stat", vif=f"{self.vm}/0")["state"]["device"], tap
        )
        (figures,) = self.xenopsd.call("VM.figures")["vms"]
        (nic,) = figures["vifs"]
        self.assertGreater(min(nic["rx_bytes"], nic["tx_bytes"]), 0)
        self.do("VM.shutdown")
        self.assertNotIn(tap, self.links())
        self.check_nothing_left()


if __name__ == "__main__":
    unittest.main()
