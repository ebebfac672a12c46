# SPDX-License-Identifier: LGPL-2.1-or-later
"""What tests make through the XenAPI: VMs, disks, NICs, SRs. X is a client's session (xenapi.py)."""

import time

from xenapi import HANG, NULL

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


def wait_for_drivers(x):
    """Until smd has told xapid of its drivers, which an SR needs."""
    end = time.monotonic() + HANG
    while not x("SM.get_all"):
        if time.monotonic() > end:
            raise AssertionError("smd has no drivers")
        time.sleep(0.02)


def make_sr(x, folder):
    """An SR of files in a folder of the host."""
    (host,) = x("host.get_all")
    config = {"location": str(folder)}
    return x("SR.create", host, config, "0", "Local", "", "file", "user", False, {})


def make_vdi(x, sr, size=64 * MIB):
    record = {
        "name_label": "disk",
        "name_description": "",
        "SR": sr,
        "virtual_size": str(size),
        "type": "user",
        "sharable": False,
        "read_only": False,
        "other_config": {},
    }
    return x("VDI.create", record)


def make_network(x, name="net"):
    """One of no host's interface."""
    return x("network.create", {"name_label": name, "other_config": {}})


def make_vm(x, name="vm", **changes):
    return x("VM.create", {**VM, "name_label": name, **changes})


def make_vbd(x, vm, vdi, place, **changes):
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
    return x("VBD.create", {**record, **NO_QOS, **changes})


def make_cd(x, vm, place):
    return make_vbd(x, vm, NULL, place, type="CD", mode="RO", empty=True)


def vif_record(vm, network, device="0", mac=""):
    record = {"device": device, "network": network, "VM": vm, "MAC": mac, "MTU": "1500"}
    return {**record, **NO_QOS}


def make_vif(x, vm, network, device="0", mac=""):
    return x("VIF.create", vif_record(vm, network, device, mac))
