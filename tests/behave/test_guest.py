# SPDX-License-Identifier: LGPL-2.1-or-later
"""The demo guest alone in QEMU: it boots both ways, proves that it did, and obeys its button."""

import pathlib
import secrets
import shutil
import subprocess
import tempfile
import unittest

import guest

QEMU = "qemu-system-x86_64"
DIRECT = ["-kernel", "vmlinuz", "-initrd", "initrd.gz", "-append", guest.CMDLINE]


@unittest.skipUnless(shutil.which(QEMU), f"no {QEMU}")
class Boots(unittest.TestCase):
    def setUp(self):
        self.dir = pathlib.Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.dir)
        self.nonce = secrets.token_hex(16)
        guest.new_disk(self.dir / "disk", nonce=self.nonce)

    def boot(self, *args):
        sockets = f"unix:{self.dir}/%s,server=on,wait=off"
        process = subprocess.Popen(
            [QEMU, "-machine", "pc", "-accel", "tcg", "-m", "128", "-display", "none"]
            + ["-nodefaults", "-serial", sockets % "serial"]
            + ["-monitor", sockets % "monitor", "-S"]
            + ["-drive", f"if=none,id=d,file={self.dir}/disk,format=raw,cache=unsafe"]
            + ["-device", "virtio-blk-pci,drive=d", "-netdev", "user,id=n"]
            + ["-device", "virtio-net-pci,netdev=n", *args],
            cwd=guest.folder(),
            stdin=subprocess.DEVNULL,
        )
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        serial = guest.Console(self.dir / "serial")
        self.addCleanup(serial.close)
        self.monitor = guest.Console(self.dir / "monitor")
        self.addCleanup(self.monitor.close)
        self.monitor.send("cont\n")
        return process, serial

    def test_kernel_directly(self):
        qemu, serial = self.boot(*DIRECT)
        serial.wait_for(guest.answer(self.nonce, 1))
        serial.wait_for("guest: eth0 10.0.2.15/24")
        serial.wait_for("guest: ping 10.0.2.2 ok")
        serial.log_in()
        serial.send("reboot\n")
        serial.wait_for("guest: going down")
        serial.wait_for(guest.answer(self.nonce, 2))
        serial.wait_for("guest: ping 10.0.2.2 ok")
        self.monitor.send("system_powerdown\n")
        serial.wait_for("guest: going down")
        self.assertEqual(qemu.wait(guest.HANG), 0)

    def test_from_its_disk_with_set_address(self):
        guest.configure(
            self.dir / "disk", nonce=self.nonce, address="10.0.2.77/24", ping="10.0.2.2"
        )
        _, serial = self.boot()
        serial.wait_for(guest.answer(self.nonce, 1))
        serial.wait_for("guest: eth0 10.0.2.77/24")
        serial.wait_for("guest: ping 10.0.2.2 ok")


if __name__ == "__main__":
    unittest.main()
