# SPDX-License-Identifier: LGPL-2.1-or-later
"""How long a killed daemon is missed: recover.py DAEMON prints "SECONDS 0 0" (bench.h).

A stack on the simulator has VMs that run, each with a disk and a NIC. The daemon is killed (-9);
the time ends when the XenAPI has done something that needs this daemon, and says of every VM that
it runs, with nothing under way.
"""

import os
import pathlib
import signal
import sys
import time
import urllib.request

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "behave"))

import xenapi
from pool import MIB, Case
from stack import Stack, free_port

VMS = 50
HANG = 60  # seconds


class Recovery(Case):
    def setUp(self):
        self.stack = Stack(self, "--backend", "simulator", "--port", free_port())
        self.sr_folder = self.stack.dir / "disks"
        self.sr_folder.mkdir()
        self.connect(self.stack.env())
        self.sr = self.make_sr()
        record = {"name_label": "net", "other_config": {}}
        self.network = self.x("network.create", record)
        self.vms = [self.start_one(f"vm{i}") for i in range(VMS)]

    def start_one(self, name):
        kinds = ("static_max", "static_min", "dynamic_max", "dynamic_min")
        vm = self.make_vm(name, **{f"memory_{kind}": str(16 * MIB) for kind in kinds})
        self.make_vbd(vm, self.make_vdi(self.sr, MIB), "0")
        self.make_vif(vm, self.network)
        self.x("VM.start", vm, False, False)
        return vm

    # What needs the daemon.

    def need_xapid(self):
        self.x.login()

    def need_xenopsd(self):
        self.x("VM.pause", self.vms[0])
        self.x("VM.unpause", self.vms[0])

    def need_smd(self):
        self.x("VDI.destroy", self.make_vdi(self.sr, MIB))

    def need_networkd(self):
        vif = self.make_vif(self.vms[0], self.network, "1")
        self.x("VIF.plug", vif)
        self.x("VIF.unplug", vif)

    def need_rrdd(self):
        url = f"{self.x.url}/rrd_updates?start=0&session_id={self.x.ref}"
        urllib.request.urlopen(url, timeout=HANG).read()

    def all_run(self):
        records = self.x("VM.get_all_records")
        return all(
            records[vm]["power_state"] == "Running" and not records[vm]["current_operations"]
            for vm in self.vms
        )

    def try_once(self, need):
        try:
            need()
            return self.all_run()
        except (OSError, xenapi.Failure):
            return False

    def measure(self, daemon):
        os.kill(self.stack.status(daemon)["pid"], signal.SIGKILL)
        begin = time.monotonic()
        while not self.try_once(getattr(self, f"need_{daemon}")):
            self.assertLess(time.monotonic() - begin, HANG, self.stack.logs()[-3000:])
            time.sleep(0.005)
        return time.monotonic() - begin

    def runTest(self):
        self.seconds = self.measure(sys.argv[1])


def main():
    recovery = Recovery()
    result = recovery.run()
    for _, text in result.failures + result.errors:
        print(text, file=sys.stderr)
    if not result.wasSuccessful():
        return 1
    print(f"{recovery.seconds:.4f} 0 0")
    return 0


sys.exit(main())
