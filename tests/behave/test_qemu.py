# SPDX-License-Identifier: LGPL-2.1-or-later
"""xenopsd on the qemu backend: a real guest boots, proves it, reboots, halts, and outlives kills."""

import os
import pathlib
import secrets
import shutil
import signal
import time
import unittest
import uuid

import guest
from daemon import Daemon
from jsonrpc import Client, Failed

HANG = 60  # seconds; only to catch what hangs
MIB = 1 << 20


def needs_qemu(test):
    return unittest.skipUnless(shutil.which("qemu-system-x86_64"), "no qemu-system-x86_64")(test)


class Case(unittest.TestCase):
    def setUp(self):
        self.networkd = Daemon(self, "networkd", "backend = simulator\n").start()
        self.networkd.call("Bridge.create", bridge="xapi0")
        self.xenopsd = Daemon(self, "xenopsd", "backend = qemu\n")
        # Both on one directory, as in a stack.
        run = self.xenopsd.dir / "run"
        run.mkdir()
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
        self.assertEqual(self.state()["memory_actual_bytes"], 128 * MIB)
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


if __name__ == "__main__":
    unittest.main()
