# SPDX-License-Identifier: LGPL-2.1-or-later
"""What is asked of a xapid that needs no other daemon for it: programs that it runs, devices that
the kernel tells of, and what is in its database alone."""

import unittest
import uuid
import xmlrpc.client

from pool import MIB, NULL, VM, Case, Failure
from xapid import Xapid
from xenapi import HANG

AWAY = "OpaqueRef:away"
GOOD = "OpaqueRef:pif-good"
GUEST = "OpaqueRef:guest"
# A host that is away, and a guest that ran there.
ROWS = (
    (AWAY, "host", {"uuid": "6f4e3f0c-6a5b-4f6e-9a52-b4c81ea2b9aa", "hostname": "away"}),
    (
        GUEST,
        "VM",
        {
            "uuid": "8d5d4a7d-8d57-4b7e-a3bb-4f3c3a1b2c1d",
            "name_label": "guest",
            "power_state": "Running",
            "resident_on": AWAY,
        },
    ),
    ("OpaqueRef:dump", "crashdump", {"uuid": "0b9f5c3e-52f6-4a35-8c3a-0a0f1c2d3e4f", "VM": GUEST}),
)


def interfaces(host):
    """NICs: one with xapid's address, others that lack something."""
    static = {"host": host, "ip_configuration_mode": "Static", "currently_attached": True}
    yield "OpaqueRef:wire", "network", {"uuid": str(uuid.uuid4()), "bridge": "xenbr70"}
    yield "OpaqueRef:empty", "network", {"uuid": str(uuid.uuid4()), "bridge": "xenbr71"}
    for number, (name, pif) in enumerate(
        {
            "good": {**static, "IP": "127.0.0.1", "network": "OpaqueRef:wire"},
            "none": {**static, "ip_configuration_mode": "None"},
            "bare": static,
            "other": {**static, "IP": "127.0.0.2"},
            "away": {**static, "host": AWAY},
        }.items()
    ):
        device = {"uuid": str(uuid.uuid4()), "device": f"nic{number}", "VLAN": -1}
        yield f"OpaqueRef:pif-{name}", "PIF", {**device, **pif}


PLUGIN = """#!/bin/sh
printf '%s' "$1" > "{told}"
printf '%s' '<?xml version="1.0"?><methodResponse><params><param><value><struct>'
printf '%s' '<member><name>Status</name><value>Success</value></member>'
printf '%s' '<member><name>Value</name><value>{value}</value></member>'
printf '%s' '</struct></value></param></params></methodResponse>'
"""
# Two functions of a card, and a bridge.
CARD = {"vendor": "8086", "device": "10fb", "class": "020000", "subsystem_vendor": "15d9"}
CARDS = {
    "0000:03:00.0": ({**CARD, "subsystem_device": "0611"}, "ixgbe"),
    "0000:03:00.1": ({**CARD, "subsystem_device": "0611"}, "pciback"),
    "0000:00:1f.0": ({**CARD, "class": "060100"}, "lpc"),
}
PCI_IDS = """# A list.
15d9  Super Micro Computer Inc
8086  Intel Corporation
\t10fa  Another
\t10fb  82599ES 10-Gigabit
\t\t15d9 0611  A card
C 02  Network controller
\t00  Ethernet controller
"""


class Lone(Case):
    """One xapid for all tests, with folders for what it runs and reads."""

    rows = ROWS

    @classmethod
    def setUpClass(cls):
        case = cls()
        case.addCleanup = cls.addClassCleanup
        cls.own = Xapid(case, {"root": ("root", "secret")})
        client = cls.own.login("root", "secret")
        (host,) = client("host.get_all")
        cls.own.finish()
        cls.own.put([*cls.rows, *interfaces(host)])
        cls.dir = cls.own.dir
        (cls.dir / "etc/xapid.conf.d/70-folders.conf").write_text(
            f"shutdown_command = /bin/cp /dev/null {cls.dir}/shut\n"
            f"reboot_command = {cls.dir}/none\n"
            f"plugins = {cls.dir}/plugins\n"
            f"uefi_tools = {cls.dir}/uefi\n"
            f"uefi_certificates = {cls.dir}/certificates\n"
            f"sys = {cls.dir}/sys\n"
            f"pci_ids = {cls.dir}/pci.ids\n"
        )
        (cls.dir / "pci.ids").write_text(PCI_IDS)
        for name, (card, driver) in CARDS.items():
            folder = cls.dir / "sys/bus/pci/devices" / name
            folder.mkdir(parents=True)
            for file, text in card.items():
                (folder / file).write_text(f"0x{text}\n")
            (folder / "driver").symlink_to(f"../../../../bus/pci/drivers/{driver}")
        for name in ("plugins", "uefi", "certificates", "libexec/extensions"):
            (cls.dir / name).mkdir(parents=True, exist_ok=True)
        cls.own.start()
        cls.client = cls.own.login("root", "secret")

    def setUp(self):
        self.x = self.client
        self.host = self.x("session.get_this_host", self.x.ref)
        (self.pool,) = self.x("pool.get_all")

    def program(self, name, text):
        path = self.dir / name
        path.write_text(text)
        path.chmod(0o755)
        self.addCleanup(path.unlink, missing_ok=True)


class Power(Lone):
    def test_off_and_on_again(self):
        for call in ("host.shutdown", "host.reboot"):
            self.fails("HOST_NOT_DISABLED", call, self.host)
            self.fails("HANDLE_INVALID", call, NULL)
        self.x("host.disable", self.host)
        self.x("host.shutdown", self.host)
        self.assertTrue((self.dir / "shut").exists())
        self.assertIn("none", self.fails("INTERNAL_ERROR", "host.reboot", self.host)[0])
        self.program("none", f"#!/bin/sh\n: > {self.dir}/rebooted\n")
        self.x("host.reboot", self.host)
        self.assertTrue((self.dir / "rebooted").exists())
        self.assertEqual(self.x("host.get_current_operations", self.host), {})
        self.x("host.enable", self.host)

    def test_another_host_is_switched_on(self):
        call = "host.power_on"
        self.fails("HOST_IS_LIVE", call, self.host)
        self.fails("HOST_POWER_ON_MODE_DISABLED", call, AWAY)
        self.x("host.set_power_on_mode", AWAY, "custom", {"how": "so"})
        self.assertEqual(self.fails("XENAPI_MISSING_PLUGIN", call, AWAY), ["power-on-host"])
        told = self.dir / "told"
        self.program("plugins/power-on-host", PLUGIN.format(told=told, value="True"))
        self.x(call, AWAY)
        self.assertIn(self.x("host.get_uuid", AWAY), told.read_text())
        self.program("plugins/power-on-host", PLUGIN.format(told=told, value="False"))
        self.fails("XENAPI_PLUGIN_FAILURE", call, AWAY)
        self.x("host.set_power_on_mode", AWAY, "", {})

    def test_a_host_is_given_up(self):
        """What ran there is halted, as nobody else may say while it lives."""
        self.assertEqual(self.x("VM.get_power_state", GUEST), "Running")
        self.fails("HOST_IS_LIVE", "host.declare_dead", self.host)
        self.fails("HANDLE_INVALID", "host.declare_dead", NULL)
        self.x("host.declare_dead", AWAY)
        record = self.x("VM.get_record", GUEST)
        self.assertEqual((record["power_state"], record["resident_on"]), ("Halted", NULL))
        self.assertIn("start", record["allowed_operations"])


    def test_the_agent_ends(self):
        """For good, by itself, and after the answer."""
        own = Xapid(self, {"root": ("root", "secret")}, "shutdown_command =\n")
        client = own.login("root", "secret")
        (host,) = client("host.get_all")
        client("host.disable", host)
        with self.assertRaises(Failure) as caught:
            client("host.shutdown", host)
        self.assertIn("no command", caught.exception.error[1])
        client("host.shutdown_agent")
        self.assertEqual(own.process.wait(HANG), 0)

    def test_editions(self):
        for call, ref in (("host", self.host), ("pool", self.pool)):
            self.x(f"{call}.apply_edition", ref, "free")
            self.assertEqual(self.x("host.get_edition", self.host), "free")
            self.assertEqual(
                self.fails("INVALID_EDITION", f"{call}.apply_edition", ref, "costly"), ["costly"]
            )
            self.fails("HANDLE_INVALID", f"{call}.apply_edition", NULL, "free")


class Switches(Lone):
    def test_there_is_one_controller(self):
        introduce = "SDN_controller.introduce"
        told = self.dir / "told"
        self.fails("INVALID_VALUE", introduce, "ssl", "", "6632")
        self.fails("INVALID_VALUE", introduce, "ssl", "192.0.2.1", "65536")
        self.program("plugins/openvswitch-cfg-update", PLUGIN.format(told=told, value=""))
        # The other host is away, which is no reason not to note it.
        controller = self.x(introduce, "ssl", "192.0.2.1", "6632")
        self.assertIn("<methodName>update</methodName>", told.read_text())
        record = self.x("SDN_controller.get_record", controller)
        self.assertEqual((record["address"], record["port"]), ("192.0.2.1", "6632"))
        self.fails("OPERATION_NOT_ALLOWED", introduce, "pssl", "", "0")
        self.x("SDN_controller.forget", controller)
        self.fails("HANDLE_INVALID", "SDN_controller.forget", controller)
        self.x("SDN_controller.forget", self.x(introduce, "pssl", "", "0"))


class SecureBoot(Lone):
    def make_guest(self, **platform):
        return self.make_vm(
            HVM_boot_policy="BIOS order",
            HVM_boot_params={"firmware": "uefi"},
            domain_type="hvm",
            platform=platform,
        )

    def keys(self, *names):
        """The variables of whatever VM is asked about."""
        lines = "".join(f"8be4df61-93ca-11d2-aa0d-00e098032b8c {n}\\n" for n in names)
        self.program("uefi/varstore-ls", f"#!/bin/sh\nprintf '{lines}'\n")

    def test_a_guest(self):
        call = "VM.get_secureboot_readiness"
        self.assertEqual(self.x(call, self.make_vm()), "not_supported")
        self.assertEqual(self.x(call, self.make_guest()), "disabled")
        vm = self.make_guest(secureboot="true")
        self.fails("INTERNAL_ERROR", call, vm)
        self.fails("HANDLE_INVALID", call, NULL)
        for names, expected in (
            ((), "first_boot"),
            (("BootOrder",), "setup_mode"),
            (("PK", "KEK"), "certs_incomplete"),
            (("PK", "KEK", "db"), "ready_no_dbx"),
            (("dbx", "db", "KEK", "PK"), "ready"),
        ):
            self.keys(*names)
            self.assertEqual(self.x(call, vm), expected)
            self.doCleanups()

    def test_its_mode(self):
        vm = self.make_guest()
        self.fails("INTERNAL_ERROR", "VM.set_uefi_mode", vm, "setup")
        self.fails("INVALID_VALUE", "VM.set_uefi_mode", self.make_vm(), "user")
        self.program("uefi/varstore-sb-state", '#!/bin/sh\nprintf "%s is %s" "$1" "$2"\n')
        said = self.x("VM.set_uefi_mode", vm, "user")
        self.assertEqual(said, f"{self.x('VM.get_uuid', vm)} is user")

    def test_the_pool(self):
        call = "pool.get_guest_secureboot_readiness"
        for name, expected in (
            ("PK", "not_ready"),
            ("KEK", "not_ready"),
            ("db", "ready_no_dbx"),
            ("dbx", "ready"),
        ):
            self.program(f"certificates/{name}.auth", "")
            self.assertEqual(self.x(call, self.pool), expected)
        self.fails("HANDLE_INVALID", call, NULL)


class Usb(Lone):
    def plug(self, name, **files):
        folder = self.dir / "sys/bus/usb/devices" / name
        folder.mkdir(parents=True)
        for file, text in files.items():
            (folder / file).write_text(text + "\n")

    def unplug(self, name):
        folder = self.dir / "sys/bus/usb/devices" / name
        for file in folder.iterdir():
            file.unlink()
        folder.rmdir()

    def test_devices_of_the_host(self):
        ids = {"idVendor": "0951", "idProduct": "1666", "version": " 2.10", "speed": "480"}
        self.plug("usb1", **ids)
        self.plug("1-1", **{**ids, "bDeviceClass": "09"})
        self.plug("1-1:1.0", **ids)
        self.plug("1-1.2", **ids, manufacturer="Maker", product="Stick", serial="7")
        self.x("PUSB.scan", self.host)
        ((pusb, record),) = self.x("PUSB.get_all_records").items()
        for name, value in {
            "path": "1-1.2",
            "vendor_id": "0951",
            "vendor_desc": "Maker",
            "product_id": "1666",
            "product_desc": "Stick",
            "serial": "7",
            "version": "2.10",
            "description": "Maker Stick",
            "speed": 480.0,
            "host": self.host,
            "passthrough_enabled": False,
        }.items():
            self.assertEqual(record[name], value, name)
        self.x("PUSB.scan", self.host)
        self.assertEqual(self.x("PUSB.get_all"), [pusb])
        self.fails("HANDLE_INVALID", "PUSB.scan", NULL)
        self.x("PUSB.set_passthrough_enabled", pusb, True)
        self.assertIs(self.x("PUSB.get_passthrough_enabled", pusb), True)

        group = record["USB_group"]
        self.assertEqual(self.x("USB_group.get_PUSBs", group), [pusb])
        self.assertEqual(self.fails("USB_GROUP_CONTAINS_PUSB", "USB_group.destroy", group), [pusb])
        vm = self.make_vm()
        vusb = self.x("VUSB.create", vm, group, {"key": "value"})
        self.assertEqual(self.x("VUSB.get_VM", vusb), vm)
        self.assertEqual(self.x("VM.get_VUSBs", vm), [vusb])
        self.assertEqual(self.fails("USB_GROUP_CONFLICT", "VUSB.create", vm, group, {}), [group])
        self.assertEqual(self.fails("USB_GROUP_CONTAINS_VUSB", "USB_group.destroy", group), [vusb])
        self.x("VUSB.destroy", vusb)
        self.fails("HANDLE_INVALID", "VUSB.destroy", vusb)

        self.unplug("1-1.2")
        self.x("PUSB.scan", self.host)
        self.assertEqual(self.x("PUSB.get_all"), [])
        self.assertEqual(self.x("USB_group.get_all"), [])

    def test_a_group_without_devices(self):
        group = self.x("USB_group.create", "name", "what it is", {"key": "value"})
        record = self.x("USB_group.get_record", group)
        self.assertEqual((record["name_label"], record["PUSBs"]), ("name", []))
        vm = self.make_vm()
        self.fails("USB_GROUP_CONTAINS_NO_PUSBS", "VUSB.create", vm, group, {})
        self.x("USB_group.destroy", group)
        self.fails("HANDLE_INVALID", "USB_group.destroy", group)


class Pci(Lone):
    def test_devices_of_the_host(self):
        records = self.x("PCI.get_all_records")
        pcis = {record["pci_id"]: ref for ref, record in records.items()}
        first, second = "0000:03:00.0", "0000:03:00.1"
        self.assertEqual(set(pcis), {first, second})
        for name, value in {
            "class_id": "0200",
            "class_name": "Ethernet controller",
            "vendor_id": "8086",
            "vendor_name": "Intel Corporation",
            "device_id": "10fb",
            "device_name": "82599ES 10-Gigabit",
            "subsystem_vendor_id": "15d9",
            "subsystem_vendor_name": "Super Micro Computer Inc",
            "subsystem_device_id": "0611",
            "driver_name": "ixgbe",
            "host": self.host,
            "dependencies": [pcis[second]],
        }.items():
            self.assertEqual(records[pcis[first]][name], value, name)
        for pci_id, expected in ((first, "enabled"), (second, "disabled")):
            self.assertEqual(self.x("PCI.get_dom0_access_status", pcis[pci_id]), expected)
        self.fails("HANDLE_INVALID", "PCI.get_dom0_access_status", NULL)


class Management(Lone):
    """The interfaces are rows of the database: one has the address that xapid listens on."""

    def test_of_a_host(self):
        call = "host.management_reconfigure"
        self.x(call, GOOD)
        self.assertIs(self.x("PIF.get_management", GOOD), True)
        self.assertEqual(self.x("host.get_management_interface", self.host), GOOD)
        managed = [r for r, p in self.x("PIF.get_all_records").items() if p["management"]]
        self.assertEqual(managed, [GOOD])
        self.assertEqual(self.x("host.get_address", self.host), "127.0.0.1")
        for pif, code in (
            ("none", "PIF_HAS_NO_NETWORK_CONFIGURATION"),
            ("bare", "INTERFACE_HAS_NO_IP"),
            ("other", "OPERATION_NOT_ALLOWED"),
            ("away", "HOST_OFFLINE"),
        ):
            self.fails(code, call, f"OpaqueRef:pif-{pif}")
        self.fails("HANDLE_INVALID", call, NULL)
        self.assertEqual(self.x("host.get_management_interface", self.host), GOOD)

    def test_of_a_pool(self):
        call = "pool.management_reconfigure"
        self.assertEqual(
            self.fails("PIF_NOT_PRESENT", call, "OpaqueRef:wire"), [AWAY, "OpaqueRef:wire"]
        )
        self.fails("HANDLE_INVALID", call, NULL)


class Alone(Lone):
    """Without another host."""

    rows = ()

    def test_management_of_a_pool(self):
        self.x("pool.management_reconfigure", "OpaqueRef:wire")
        self.assertEqual(self.x("host.get_management_interface", self.host), GOOD)
        self.fails("PIF_NOT_PRESENT", "pool.management_reconfigure", "OpaqueRef:empty")


class Notes(Lone):
    """What is in the database alone."""

    def test_roles(self):
        (admin,) = self.x("role.get_by_name_label", "pool-admin")
        self.assertEqual(self.x("role.get_permissions", admin), [admin])
        self.assertEqual(self.x("role.get_by_permission", admin), [admin])
        self.fails("HANDLE_INVALID", "role.get_permissions", NULL)
        self.fails("HANDLE_INVALID", "role.get_by_permission", NULL)

    def test_a_secret_of_another_pool(self):
        own = str(uuid.uuid4())
        secret = self.x("secret.introduce", own, "hidden", {"key": "value"})
        self.assertEqual(self.x("secret.get_by_uuid", own), secret)
        self.assertEqual(self.x("secret.get_value", secret), "hidden")
        self.fails("DB_UNIQUENESS_CONSTRAINT_VIOLATION", "secret.introduce", own, "x", {})

    def test_what_a_crash_left(self):
        (dump,) = self.x("VM.get_crash_dumps", GUEST)
        self.x("crashdump.destroy", dump)
        self.assertEqual(self.x("VM.get_crash_dumps", GUEST), [])
        self.fails("HANDLE_INVALID", "crashdump.destroy", dump)

    def test_groups_of_vms(self):
        groups = [
            self.x(
                "VM_group.create", {"name_label": n, "name_description": "", "placement": "normal"}
            )
            for n in "ab"
        ]
        vm = self.make_vm()
        self.x("VM.set_groups", vm, groups[:1])
        self.assertEqual(self.x("VM_group.get_VMs", groups[0]), [vm])
        self.fails("OPERATION_NOT_ALLOWED", "VM.set_groups", vm, groups)
        self.fails("HANDLE_INVALID", "VM.set_groups", vm, [NULL])
        self.x("VM_group.destroy", groups[0])
        self.assertEqual(self.x("VM.get_groups", vm), [])

    def test_memory_and_what_it_costs(self):
        vm = self.make_vm()
        overhead = int(self.x("VM.compute_memory_overhead", vm))
        size = int(VM["memory_static_max"])
        self.assertGreater(overhead, 0)
        self.assertEqual(self.x("VM.get_memory_overhead", vm), str(overhead))
        for setting in (("VCPUs_max", "8"), ("HVM_shadow_multiplier", 2.0)):
            self.x(f"VM.set_{setting[0]}", vm, setting[1])
            more = self.x("VM.compute_memory_overhead", vm)
            self.assertGreater(int(more), overhead)
            self.assertEqual(self.x("VM.get_memory_overhead", vm), more)
            overhead = int(more)
        for wrong in (0.5, -1.0, float("nan"), float("inf")):
            self.fails("INVALID_VALUE", "VM.set_HVM_shadow_multiplier", vm, wrong)
        self.assertEqual(self.x("VM.get_HVM_shadow_multiplier", vm), 2.0)
        exact = int(self.x("VM.maximise_memory", vm, str(size + overhead), False))
        self.assertEqual(exact, size)
        rough = int(self.x("VM.maximise_memory", vm, str(size + overhead), True))
        self.assertLess(rough, exact)
        self.assertEqual(self.x("VM.maximise_memory", vm, "0", False), "0")
        for call in (("VM.compute_memory_overhead",), ("VM.maximise_memory", "0", True)):
            self.fails("HANDLE_INVALID", call[0], NULL, *call[1:])

    def test_where_a_vm_could_run(self):
        vm = self.make_vm()
        self.x("VM.assert_agile", vm)
        network = self.x("network.create", {"name_label": "inside", "other_config": {}})
        self.make_vif(vm, network)
        self.assertEqual(
            self.fails("HA_CONSTRAINT_VIOLATION_NETWORK_NOT_SHARED", "VM.assert_agile", vm),
            [network],
        )
        self.fails("HANDLE_INVALID", "VM.assert_agile", NULL)


class Settings(Lone):
    """Setters with a message of their own."""

    def test_of_a_vm(self):
        vm = self.make_vm()
        for field, value in {
            "HVM_shadow_multiplier": 2.0,
            "NVRAM": {"key": "value"},
            "actions_after_crash": "preserve",
            "has_vendor_device": True,
            "memory_dynamic_max": str(192 * MIB),
            "memory_dynamic_min": str(160 * MIB),
            "memory_static_min": str(96 * MIB),
            "shutdown_delay": "3",
            "is_default_template": True,
        }.items():
            self.fails("HANDLE_INVALID", f"VM.set_{field}", NULL, value)
            if field == "memory_dynamic_max":
                self.x("VM.set_memory_dynamic_min", vm, value)
            self.x(f"VM.set_{field}", vm, value)
            self.assertEqual(self.x(f"VM.get_{field}", vm), value)
        self.assertIs(self.x("VM.get_is_a_template", vm), True)
        allowed = set(self.x("VM.get_allowed_operations", vm))
        self.x("VM.update_allowed_operations", vm)
        self.assertEqual(set(self.x("VM.get_allowed_operations", vm)), allowed)
        self.fails("HANDLE_INVALID", "VM.update_allowed_operations", NULL)

    def test_of_drives(self):
        cd = self.make_cd(self.make_vm(), "3")
        self.fails("VBD_CDS_MUST_BE_READONLY", "VBD.set_mode", cd, "RW")
        self.x("VBD.set_mode", cd, "RO")
        self.x("VBD.assert_attachable", cd)
        for call in (("VBD.set_mode", NULL, "RO"), ("VBD.assert_attachable", NULL)):
            self.fails("HANDLE_INVALID", *call)

    def test_of_tasks(self):
        task = self.x("task.create", "mine", "")
        self.x("task.set_result", task, "<value>7</value>")
        self.assertEqual(self.x("task.get_result", task), "<value>7</value>")
        self.x("task.set_error_info", task, ["CODE", "why"])
        self.assertEqual(self.x("task.get_error_info", task), ["CODE", "why"])
        self.x("task.set_other_config", task, {"a": "1", "b": "2"})
        self.x("task.remove_from_other_config", task, "a")
        self.assertEqual(self.x("task.get_other_config", task), {"b": "2"})
        self.x("task.destroy", task)
        for name, value in (("result", ""), ("error_info", []), ("other_config", {})):
            self.fails("HANDLE_INVALID", f"task.set_{name}", task, value)
        self.fails("HANDLE_INVALID", "task.remove_from_other_config", task, "b")

    def test_of_the_pool(self):
        self.x("pool.set_crash_dump_SR", self.pool, NULL)
        self.assertEqual(self.x("pool.get_crash_dump_SR", self.pool), NULL)
        self.fails("HANDLE_INVALID", "pool.set_crash_dump_SR", self.pool, "OpaqueRef:none")
        self.assertIs(self.x("pool.is_slave", self.host), False)
        secret = (self.dir / "lib/xapid-pool.secret").read_text().strip()
        self.assertEqual(self.x("pool.initial_auth"), secret)

    def test_of_consoles(self):
        """What one leads to, nobody but xenopsd says."""
        console = self.x("console.create", {"other_config": {"a": "b"}, "port": "5900"})
        self.assertEqual(self.x("console.get_other_config", console), {"a": "b"})
        self.x("console.destroy", console)
        self.fails("HANDLE_INVALID", "console.destroy", console)


class Schedules(Lone):
    record = {
        "name_label": "schedule",
        "name_description": "",
        "enabled": True,
        "type": "snapshot",
        "retained_snapshots": "7",
        "frequency": "weekly",
        "schedule": {"min": "15", "hour": "3", "days": "Monday,Friday"},
    }

    def test_what_is_refused(self):
        for changes, code in (
            ({"type": "snapshot_with_quiesce"}, "NOT_IMPLEMENTED"),
            ({"retained_snapshots": "0"}, "INVALID_VALUE"),
            ({"retained_snapshots": "11"}, "INVALID_VALUE"),
            ({"frequency": "daily"}, "INVALID_VALUE"),
            ({"schedule": {"min": "15"}}, "INVALID_VALUE"),
        ):
            self.fails(code, "VMSS.create", {**self.record, **changes})

    def test_what_is_changed(self):
        vmss = self.x("VMSS.create", self.record)
        self.x("VMSS.add_to_schedule", vmss, "min", "45")
        self.x("VMSS.remove_from_schedule", vmss, "days")
        self.assertEqual(
            self.x("VMSS.get_schedule", vmss), {"min": "45", "hour": "3", "days": "Monday"}
        )
        for call, values in (
            ("set_schedule", ({"min": "45"},)),
            ("add_to_schedule", ("min", "44")),
            ("add_to_schedule", ("other", "1")),
            ("set_retained_snapshots", ("0",)),
        ):
            self.fails("INVALID_VALUE", f"VMSS.{call}", vmss, *values)
        self.fails("NOT_IMPLEMENTED", "VMSS.set_type", vmss, "snapshot_with_quiesce")
        self.x("VMSS.set_frequency", vmss, "hourly")
        self.assertEqual(self.x("VMSS.get_schedule", vmss), {"min": "45"})
        self.x("VMSS.set_schedule", vmss, {"min": "0"})
        self.assertEqual(self.x("VMSS.get_schedule", vmss), {"min": "0"})
        self.x("VMSS.set_retained_snapshots", vmss, "3")
        self.assertEqual(self.x("VMSS.get_retained_snapshots", vmss), "3")
        self.x("VMSS.set_type", vmss, "checkpoint")
        self.assertEqual(self.x("VMSS.get_type", vmss), "checkpoint")
        self.x("VMSS.destroy", vmss)
        for call, *values in (
            ("set_frequency", "hourly"),
            ("set_schedule", {}),
            ("add_to_schedule", "min", "0"),
            ("remove_from_schedule", "min"),
            ("set_type", "snapshot"),
            ("set_retained_snapshots", "3"),
            ("destroy",),
        ):
            self.fails("HANDLE_INVALID", f"VMSS.{call}", vmss, *values)


class Messages(Lone):
    def test_those_that_are_asked_for(self):
        own = self.x("pool.get_uuid", self.pool)
        message = self.x("message.create", "NAME", "3", "Pool", own, "body")
        since, never = (xmlrpc.client.DateTime(f"{year}0101T00:00:00Z") for year in (2000, 2100))
        for call, args in (("message.get", ("Pool", own)), ("message.get_since", ())):
            self.assertEqual(self.x(call, *args, since)[message]["body"], "body")
            self.assertEqual(self.x(call, *args, never), {})
        self.assertEqual(self.x("message.get", "VM", own, since), {})
        self.assertIn(message, self.x("message.get_all_records_where", "true"))
        self.assertEqual(self.x("message.get_all_records_where", "false"), {})
        for name, found in (("NAME", [message]), ("OTHER", [])):
            expr = f'field "name" = "{name}" and field "cls" = "Pool"'
            self.assertEqual(list(self.x("message.get_all_records_where", expr)), found)
        self.fails("INVALID_VALUE", "message.get_all_records_where", "nonsense")


class Sessions(Lone):
    def test_of_hosts(self):
        """They are let in by what all hosts of a pool know."""
        secret = (self.dir / "lib/xapid-pool.secret").read_text().strip()
        for call, args in (
            ("session.slave_login", (self.host, secret)),
            ("session.slave_local_login", (secret,)),
            ("session.slave_local_login_with_password", ("root", "secret")),
        ):
            session = self.x.plain(call, *args)
            self.assertEqual(self.x.plain("session.get_all_subject_identifiers", session), [])
            self.x.plain("session.local_logout", session)
            with self.assertRaisesRegex(Failure, "SESSION_INVALID"):
                self.x.plain("session.get_all_subject_identifiers", session)
            with self.assertRaisesRegex(Failure, "SESSION_AUTHENTICATION_FAILED"):
                self.x.plain(call, *args[:-1], "wrong")

    def test_nobody_is_logged_out_by_another_name(self):
        other = self.own.login("root", "secret")
        self.x("session.logout_subject_identifier", "S-1-5-21")
        self.assertEqual(other("session.get_this_host", other.ref), self.host)


if __name__ == "__main__":
    unittest.main()
