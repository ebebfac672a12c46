# SPDX-License-Identifier: LGPL-2.1-or-later
"""What most tests of a host make through the XenAPI, and how they wait."""

import time
import unittest
import xmlrpc.client

from xenapi import HANG, NULL, Failure, Session

MIB = 1 << 20

VM = {
    "name_description": "",
    "user_version": "1",
    "is_a_template": False,
    "affinity": NULL,
    "memory_static_max": str(256 * MIB),
    "memory_dynamic_max": str(256 * MIB),
    "memory_dynamic_min": str(256 * MIB),
    "memory_static_min": str(128 * MIB),
    "VCPUs_params": {},
    "VCPUs_max": "2",
    "VCPUs_at_startup": "1",
    "actions_after_shutdown": "destroy",
    "actions_after_reboot": "restart",
    "actions_after_crash": "restart",
    "PV_bootloader": "",
    "PV_kernel": "/boot/vmlinuz",
    "PV_ramdisk": "",
    "PV_args": "",
    "PV_bootloader_args": "",
    "PV_legacy_args": "",
    "HVM_boot_policy": "",
    "HVM_boot_params": {},
    "platform": {},
    "PCI_bus": "",
    "other_config": {},
    "recommendations": "",
    "domain_type": "pvh",
}
NO_QOS = {"other_config": {}, "qos_algorithm_type": "", "qos_algorithm_params": {}}


class Case(unittest.TestCase):
    """A host that runs, whoever brought it up. Things are made by the session `x`, or by another
    client's call()."""

    sr_folder = None  # where make_sr puts SRs

    def connect(self, env):
        """A session of the account that stands in ENV."""
        self.x = Session.of(env)
        self.until(lambda: self.x("SM.get_all"), "the drivers of smd")
        self.host = self.x("host.get_all")[0]

    def until(self, condition, what):
        end = time.monotonic() + HANG
        while True:
            try:
                if value := condition():
                    return value
            except (OSError, xmlrpc.client.ProtocolError, Failure) as e:
                self.assertNotEqual(e.args[:1], ("NOT_IMPLEMENTED",), e)
                what = f"{what} ({e})"
            self.assertLess(time.monotonic(), end, what)
            time.sleep(0.05)

    def fails(self, code, method, *args):
        with self.assertRaises(Failure) as caught:
            self.x(method, *args)
        self.assertEqual(caught.exception.args[0], code, caught.exception.args)
        return list(caught.exception.args[1:])

    def make_sr(self):
        config = {"location": str(self.sr_folder)}
        return self.x(
            "SR.create", self.host, config, "0", "Local", "", "file", "user", False, {}
        )

    def make_vdi(self, sr, size=64 * MIB, by=None):
        call = by or self.x
        return call(
            "VDI.create",
            {
                "name_label": "disk",
                "name_description": "",
                "SR": sr,
                "virtual_size": str(size),
                "type": "user",
                "sharable": False,
                "read_only": False,
                "other_config": {},
            },
        )

    def make_vbd(self, vm, vdi, place, by=None, **changes):
        record = {
            "VM": vm,
            "VDI": vdi,
            "userdevice": place,
            "bootable": True,
            "mode": "RW",
            "type": "Disk",
            "unpluggable": True,
            "empty": False,
        }
        return (by or self.x)("VBD.create", {**record, **NO_QOS, **changes})

    def make_cd(self, vm, place):
        return self.make_vbd(vm, NULL, place, type="CD", mode="RO", empty=True)

    def make_vif(self, vm, network, device="0", mac="", by=None):
        record = {"device": device, "network": network, "VM": vm, "MAC": mac, "MTU": "1500"}
        return (by or self.x)("VIF.create", {**record, **NO_QOS})

    def make_vm(self, name="vm", **changes):
        return self.x("VM.create", {**VM, "name_label": name, **changes})

    def make_whole_vm(self):
        """A VM with a disk, an empty CD drive and a NIC on an internal network."""
        sr = self.make_sr()
        vm = self.make_vm()
        self.vdi = self.make_vdi(sr)
        self.vbd = self.make_vbd(vm, self.vdi, "0")
        self.cd = self.make_cd(vm, "3")
        network = self.x("network.create", {"name_label": "net", "other_config": {}})
        self.vif = self.make_vif(vm, network)
        return vm

    def make_one_of_each(self):
        """Of what is an object and nothing else."""
        make = self.x
        make("secret.create", {"value": "hidden", "other_config": {}})
        make("VM_appliance.create", {"name_label": "a", "name_description": ""})
        make("VM_group.create", {"name_label": "g", "name_description": "", "placement": "normal"})
        make("subject.create", {"subject_identifier": "ann", "other_config": {}})
        make("task.create", "made", "by hand")
        pool = make("pool.get_all")[0]
        make("message.create", "NAME", "3", "Pool", make("pool.get_uuid", pool), "body")

    def state(self, vm):
        return self.x("VM.get_power_state", vm)
