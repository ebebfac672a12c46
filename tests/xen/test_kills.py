# SPDX-License-Identifier: LGPL-2.1-or-later
"""Daemons are killed while a guest runs on a real Xen, and while it is worked on."""

import unittest

import xen_place
from scenario import Kills


class OnXen(Kills, xen_place.OnXenTest):
    def test_while_it_runs(self):
        guest = self.guest_outlives_daemons("pv")
        self.plugs_outlive_daemons(guest)

    def test_while_it_starts_and_ends(self):
        self.starts_and_ends_outlive_daemons("pvh")


if __name__ == "__main__":
    unittest.main()
