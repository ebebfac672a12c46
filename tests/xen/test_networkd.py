# SPDX-License-Identifier: LGPL-2.1-or-later
"""networkd in dom0: its bridges carry real packets, and outlive it."""

import json
import unittest

from host import Host


class Networks(unittest.TestCase):
    """eth1 and eth2 of dom0 are on one wire: eth2 goes into a namespace, and is somebody else."""

    def setUp(self):
        self.host = Host(self, "networkd")
        self.host.up()
        self.host.shell(
            "ip netns add other && ip link set eth2 netns other && "
            "ip -n other addr add 192.0.2.9/24 dev eth2 && ip -n other link set eth2 up"
        )

    def call(self, call, **parameters):
        return self.host.call("networkd-cli", call, **parameters)

    def ip(self, *words):
        return json.loads(self.host.run("ip", "-j", *words))

    def assert_connected(self):
        self.host.run("ip", "netns", "exec", "other", "ping", "-c1", "-W30", "192.0.2.7")

    def test_a_bridge_carries_packets_and_outlives_its_maker(self):
        self.call("Bridge.create", bridge="xenbr1")
        self.call("Bridge.add_port", bridge="xenbr1", port="eth1", config={"interfaces": ["eth1"]})
        ipv4 = {"static": ["192.0.2.7/24"]}
        self.call("Interface.set_addresses", interface="xenbr1", ipv4=ipv4)
        link = self.ip("-d", "link", "show", "dev", "xenbr1")[0]
        self.assertEqual(link["linkinfo"]["info_kind"], "bridge")
        self.assertEqual(self.ip("link", "show", "dev", "eth1")[0]["master"], "xenbr1")
        self.assert_connected()
        self.host.kill("networkd")
        self.assert_connected()
        stat = self.call("Bridge.stat", bridge="xenbr1")
        self.assertEqual(stat["interfaces"], ["eth1"])
        self.assertEqual(self.ip("link", "show", "dev", "xenbr1")[0]["ifindex"], link["ifindex"])
        self.call("Bridge.destroy", bridge="xenbr1", force=True)
        self.assertNotIn("xenbr1", [link["ifname"] for link in self.ip("link")])
