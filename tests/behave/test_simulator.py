# SPDX-License-Identifier: LGPL-2.1-or-later
"""The simulator as seen from above: what is really there behind what xenopsd tells, figures that
move, consoles, guests that act, operations that take time."""

import socket
import time
import unittest

import xenops
from xenops import HANG, MIB


class Simulator(xenops.Case):
    def states(self, vm="vm-1"):
        return {(d["kind"], d["name"]): d["state"] for d in self.domain(vm)["devices"]}

    def figures(self, vm="vm-1"):
        all_of_them = self.call("VM.figures")["vms"]
        return next(figures for figures in all_of_them if figures["vm"] == vm)

    def guest(self, call, **params):
        return self.simulator.call(f"Guest.{call}", vm="vm-1", **params)

    def test_domain_ids_are_never_given_twice(self):
        self.add()
        seen = []
        for _ in range(3):
            self.do("VM.start", vm="vm-1")
            seen += self.state()["domids"]
            self.assertEqual(self.domain()["domid"], seen[-1])
            self.do("VM.shutdown", vm="vm-1")
        self.assertEqual(sorted(set(seen)), seen)

    def test_devices_wait_connect_and_are_not_let_go(self):
        self.add()
        self.do("VM.start", vm="vm-1")
        self.assertEqual(set(self.states().values()), {"waiting"})
        self.do("VM.unpause", vm="vm-1")
        self.assertEqual(set(self.states().values()), {"connected"})
        self.guest("set", lets_go=False)
        self.fails("Device_detach_rejected", "VBD.unplug", vbd="vm-1/xvda")
        self.assertEqual(self.states()[("vbd", "xvda")], "closing")
        self.do("VBD.unplug", vbd="vm-1/xvda", force=True)
        self.assertNotIn(("vbd", "xvda"), self.states())
        self.do("VBD.plug", vbd="vm-1/xvda")
        self.assertEqual(self.states()[("vbd", "xvda")], "connected")

    def test_figures_move_while_the_guest_runs(self):
        self.run_vm()
        first = self.figures()

        def has_moved():
            return self.figures()["vcpus_ns"][0] > first["vcpus_ns"][0]

        end = time.monotonic() + HANG
        while not has_moved():
            self.assertLess(time.monotonic(), end)
        self.do("VM.pause", vm="vm-1")
        still = self.figures()
        self.assertEqual(self.figures()["vcpus_ns"], still["vcpus_ns"])
        self.assertEqual(len(still["vcpus_ns"]), 2)
        self.assertEqual(still["memory_bytes"], 128 * MIB)
        self.do("VM.unpause", vm="vm-1")
        self.do(
            "VM.set_memory_dynamic_range", vm="vm-1", min_bytes=64 * MIB, max_bytes=96 * MIB
        )
        self.wait_for("the balloon", lambda: self.figures()["memory_bytes"] == 96 * MIB)
        self.assertEqual(self.state()["memory_actual_bytes"], 96 * MIB)

    def test_a_console_is_read_and_written_on_both_sides(self):
        self.run_vm()
        (console,) = self.state()["consoles"]
        self.guest("print", text="login: ")
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(HANG)
            s.connect(console["path"])
            seen = b""
            while not seen.endswith(b"login: "):
                seen += s.recv(4096)
            self.assertTrue(seen.startswith(b"one: a simulated guest\r\n"), seen)
            s.sendall(b"root\n")
            while not seen.endswith(b"root\n"):
                seen += s.recv(4096)
            self.guest("print", text="welcome")
            while not seen.endswith(b"welcome"):
                seen += s.recv(4096)
        told = self.guest("console")
        self.assertEqual(told["typed"], "root\n")
        self.assertEqual(told["shown"], "one: a simulated guest\r\nlogin: welcome")

    def test_the_agent_speaks(self):
        self.run_vm()
        token = self.call("UPDATES.get", timeout=0)["token"]
        agent = {"data/os_name": "Linux", "attr/vif/0/ipv4/0": "192.0.2.9"}
        self.guest("set", agent=agent)
        seen = []
        while not seen:
            answer = self.call("UPDATES.get", since=token, timeout=1)
            token = answer["token"]
            seen = [u["id"] for u in answer["updates"] if u["class"] == "vm"]
        self.assertEqual(seen, ["vm-1"])
        self.assertEqual(self.state()["guest_agent"], agent)
        self.assertTrue(self.state()["pv_drivers_detected"])

    def test_operations_take_their_time(self):
        """As long as was said; that it is not much longer is not for a test to say."""
        self.add()
        self.simulator.call("Machine.set", operation_ms=100)
        begun = time.monotonic()
        self.do("VM.start", vm="vm-1")  # four calls at least, one after the other
        self.assertGreater(time.monotonic() - begun, 0.4)

    def test_what_is_there_outlives_xenopsd(self):
        self.run_vm()
        domain = self.domain()
        self.xenopsd.restart()
        self.assertEqual(self.domain(), domain)
        self.assertEqual(self.state()["domids"], [domain["domid"]])
        self.assertEqual(self.power(), "running")


if __name__ == "__main__":
    unittest.main()
