# SPDX-License-Identifier: LGPL-2.1-or-later
"""Real guests through the whole stack, on QEMU: the tests of scenario.py."""

import ctypes
import os
import pathlib
import re
import shutil
import subprocess
import unittest

import guest
from jsonrpc import Client
from scenario import Guests, Kills, Life, Place, Suspends
from stack import Stack, free_port

CLONE_NEWNET = 0x40000000
BRIDGE_ADDRESS = "10.9.0.1"
USER_GATEWAY = "10.0.2.2"  # of QEMU's user network


def has_bridges():
    """Whether there can be a network namespace here with a bridge and taps in it."""
    tried = "ip link add x0 type bridge && ip tuntap add x1 mode tap"
    if os.geteuid() != 0:
        return False
    done = subprocess.run(["unshare", "-n", "sh", "-c", tried], capture_output=True)
    return done.returncode == 0


def enter_namespace(case):
    """A network of this test's own for this thread and the programs that it starts."""
    libc = ctypes.CDLL(None, use_errno=True)
    before = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    if libc.unshare(CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "unshare")
    case.addCleanup(os.close, before)
    case.addCleanup(libc.setns, before, CLONE_NEWNET)
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)


class Console:
    """A guest's console, read as text and not as patterns."""

    def __init__(self, case, path):
        self.console = guest.Console(path)
        case.addCleanup(self.console.close)
        self.send = self.console.send

    def wait_for(self, text):
        self.console.wait_for(re.escape(text))


class OnQemu(Place):
    """A stack on the qemu backend, on the kernel's bridges where there can be any."""

    kinds = ("pvh",)
    rounds = 3

    def __init__(self, case):
        self.case = case
        if has_bridges():
            enter_namespace(case)
            self.address, self.gateway = "10.9.0.2/24", BRIDGE_ADDRESS
        else:
            self.gateway = USER_GATEWAY
        self.stack = Stack(case, "--port", str(free_port()), "--backend", "qemu")
        self.kill = self.stack.kill
        case.addCleanup(self.end_guests)
        self.sr_folder = self.stack.dir / "sr"
        folder = guest.folder()
        self.kernel = {
            "PV_kernel": str(folder / "vmlinuz"),
            "PV_ramdisk": str(folder / "initrd.gz"),
            "PV_args": guest.CMDLINE.replace("ttyS0", "hvc0"),
        }

    def end_guests(self):
        """A failed test may leave guests, which outlive the stack."""
        for vm in self.call("xenopsd", "VM.list"):
            with Client(self.stack.socket("xenopsd")) as client:
                client.wait_for_task(client.call("VM.shutdown", vm=vm["vm"]["vm"]))

    def put_image(self, folder, **settings):
        guest.new_disk(pathlib.Path(folder) / "guest.raw", **settings)

    def network_is_there(self, bridge):
        if self.address:
            ipv4 = {"static": [f"{BRIDGE_ADDRESS}/24"]}
            self.call("networkd", "Interface.set_addresses", interface=bridge, ipv4=ipv4)

    def call(self, daemon, method, **params):
        with Client(self.stack.socket(daemon)) as client:
            return client.call(method, **params)

    def domains(self):
        """By the processes: each QEMU has its VM's uuid among its arguments."""
        found = {}
        for entry in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
            try:
                words = entry.read_bytes().split(b"\0")
            except OSError:
                continue
            ours = str(self.stack.dir).encode() in b" ".join(words)
            if ours and b"qemu" in words[0] and b"-uuid" in words:
                found[words[words.index(b"-uuid") + 1].decode()] = None
        return found

    def console(self, uuid):
        consoles = self.call("xenopsd", "VM.stat", vm=uuid)["state"]["consoles"]
        return Console(self.case, next(c["path"] for c in consoles if c["protocol"] == "vt100"))


@unittest.skipUnless(shutil.which("qemu-system-x86_64"), "no qemu-system-x86_64")
class OnQemuTest(Life, Suspends, Kills, Guests):
    def setUp(self):
        super().setUp()
        self.place = OnQemu(self)
        self.sr_folder = self.place.sr_folder
        self.connect(self.place.stack.env())
        self.make_image()

    def test_whole_life(self):
        self.whole_life("pvh")

    def test_suspend(self):
        self.guest_is_suspended("pvh")

    def test_kills_while_it_runs(self):
        guest = self.guest_outlives_daemons("pvh")
        self.plugs_outlive_daemons(guest)

    def test_kills_while_it_starts_and_ends(self):
        self.starts_and_ends_outlive_daemons("pvh")


if __name__ == "__main__":
    unittest.main()
