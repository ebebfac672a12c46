# SPDX-License-Identifier: LGPL-2.1-or-later
"""Two thousand VMs on one xenopsd: descriptors, consoles and files do for all of them, also after a
kill."""

import os
import signal
import socket
import tempfile
import unittest.mock

from xenops import VM, Case

VMS = 2000
AT_ONCE = 500  # calls in flight


class Many(Case):
    LOG_LEVEL = "warn"

    def setUp(self):
        # In memory, as a host's run directory is: on a disk the files cost ten times as much.
        if os.access("/dev/shm", os.W_OK):
            patch = unittest.mock.patch.object(tempfile, "tempdir", "/dev/shm")
            patch.start()
            self.addCleanup(patch.stop)
        super().setUp()

    def call_all(self, method, calls):
        """The results of many calls, in their order."""
        results = []
        for i in range(0, len(calls), AT_ONCE):
            ids = [self.xenopsd.client.send(method, **params) for params in calls[i : i + AT_ONCE]]
            results += [self.xenopsd.client.answer(call_id) for call_id in ids]
        return results

    def run_all(self, method, vms):
        """Many tasks, to their end."""
        for task in self.call_all(method, [{"vm": vm} for vm in vms]):
            record = self.xenopsd.client.wait_for_task(task)
            self.assertEqual(record["state"], "done", record)
            self.call("TASK.destroy", task=task)

    def check_all_are_up(self, vms):
        stats = self.call("VM.list")
        self.assertEqual(sorted(stat["vm"]["vm"] for stat in stats), vms)
        self.assertEqual({stat["state"]["power_state"] for stat in stats}, {"paused"})
        self.assertEqual(len({domid for s in stats for domid in s["state"]["domids"]}), VMS)
        return {stat["vm"]["vm"]: stat["state"]["consoles"][0]["path"] for stat in stats}

    def check_console(self, path, name):
        with socket.socket(socket.AF_UNIX) as console:
            console.connect(path)
            greeting = console.makefile("rb").readline()
        self.assertEqual(greeting, f"{name}: a simulated guest\r\n".encode())

    def test_life(self):
        vms = [f"vm-{i:04}" for i in range(VMS)]
        self.call_all("VM.add", [{"vm": {**VM, "vm": vm, "name": vm}} for vm in vms])
        self.run_all("VM.start", vms)
        consoles = self.check_all_are_up(vms)
        for vm in (vms[0], vms[VMS // 2], vms[-1]):
            self.check_console(consoles[vm], vm)
        self.xenopsd.restart(signal.SIGKILL)
        self.assertEqual(self.check_all_are_up(vms), consoles)
        self.run_all("VM.shutdown", vms)
        self.call_all("VM.remove", [{"vm": vm} for vm in vms])
        self.assertEqual(self.call("VM.list"), [])
        self.assertEqual(self.simulator.call("Domain.list"), [])
