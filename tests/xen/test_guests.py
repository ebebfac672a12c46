# SPDX-License-Identifier: LGPL-2.1-or-later
"""PV and PVH guests through xenopsd, on a real Xen: what the stack says of them, Xen says too."""

import unittest

from host import Host
from xen_guest import BRIDGE, Guest, make_network


class Guests(unittest.TestCase):
    def setUp(self):
        self.host = Host(self, "networkd", "smd", "xenopsd")
        self.host.up()
        make_network(self.host)

    def xenstore(self, path):
        return self.host.run("xenstore-read", path).strip()

    def assert_agrees(self, guest, state):
        """The stack, xl and xenstore tell the same of a VM that is up."""
        found = guest.state()
        domid, letters = guest.domain()
        self.assertEqual(found["domids"], [domid])
        self.assertEqual((found["power_state"], found["domain_type"]), (state, guest.kind))
        self.assertEqual("p" in letters, state == "paused")  # beside b: it idled
        self.assertEqual(self.xenstore(f"/local/domain/{domid}/vm"), f"/vm/{guest.id}")
        tty = self.xenstore(f"/local/domain/{domid}/console/tty")
        self.assertEqual([c["path"] for c in found["consoles"]], [tty])
        vif = guest.call("VIF.stat", vif=f"{guest.id}/0")["state"]
        self.assertEqual((vif["plugged"], vif["device"]), (True, f"vif{domid}.0"))
        self.assertTrue(guest.call("VBD.stat", vbd=f"{guest.id}/xvda")["state"]["plugged"])
        bridge = self.host.call("networkd-cli", "Bridge.stat", bridge=BRIDGE)
        self.assertEqual(bridge["interfaces"], [f"vif{domid}.0"])

    def assert_nothing_is_left(self, guest):
        self.assertEqual(guest.state()["power_state"], "halted")
        self.assertIsNone(guest.domain())
        for path in ("/local/domain", "/local/domain/0/backend/vif", "/local/domain/0/backend/vbd"):
            found = self.host.shell(f"xenstore-list {path} 2>/dev/null; true").split()
            self.assertEqual([name for name in found if name != "0"], [], path)
        self.assertEqual(self.host.run("losetup", "-a"), "")
        self.assertEqual(self.host.shell("cat /sys/block/nbd*/pid 2>/dev/null; true"), "")
        bridge = self.host.call("networkd-cli", "Bridge.stat", bridge=BRIDGE)
        self.assertEqual(bridge["interfaces"], [])
        self.assertEqual(self.host.call("networkd-cli", "Guest.list"), [])

    def whole_life(self, guest):
        guest.call("VM.start", vm=guest.id)
        self.assert_agrees(guest, "paused")
        guest.call("VM.unpause", vm=guest.id)
        guest.wait_for_boot(1)
        self.assert_agrees(guest, "running")
        guest.call("VM.pause", vm=guest.id)
        self.assert_agrees(guest, "paused")
        guest.call("VM.unpause", vm=guest.id)
        guest.call("VM.reboot", vm=guest.id, timeout_s=60)
        guest.wait_for_boot(2)
        self.assert_agrees(guest, "running")
        figures = guest.call("VM.figures")["vms"][0]
        self.assertGreater(figures["vcpus_ns"][0], 0)
        self.assertGreater(figures["vbds"][0]["read_bytes"], 0)
        self.assertGreater(figures["vifs"][0]["tx_bytes"], 0)
        guest.call("VM.shutdown", vm=guest.id, timeout_s=60)
        self.assertIn("guest: going down", guest.console())
        self.assert_nothing_is_left(guest)

    def test_pv(self):
        self.whole_life(Guest(self.host, "pv"))

    def test_pvh(self):
        self.whole_life(Guest(self.host, "pvh"))
