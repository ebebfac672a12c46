# SPDX-License-Identifier: LGPL-2.1-or-later
"""The whole life of PV and PVH guests through the XenAPI, on a real Xen."""

import unittest

import xen_place
from scenario import Life


class OnXen(Life, xen_place.OnXenTest):
    def test_pv(self):
        self.whole_life("pv")

    def test_pvh(self):
        self.whole_life("pvh")


if __name__ == "__main__":
    unittest.main()
