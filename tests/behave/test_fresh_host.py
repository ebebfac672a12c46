# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a client finds on a host that was just installed: everything that it reads is there."""

import os
import subprocess
import time
import unittest

from stack import Stack, free_port
from xapid import ADDRESS, Xapid
from xenapi import HANG, NULL, Failure, Session

# What must have something in it for clients to show the object at all.
FILLED = {
    "pool": "uuid master cpu_info allowed_operations other_config",
    "host": """uuid name_label hostname address software_version capabilities cpu_info chipset_info
        bios_strings other_config metrics control_domain resident_VMs host_CPUs PIFs editions
        license_params license_server sched_policy supported_bootloaders edition PCIs
        allowed_operations virtual_hardware_platform_versions timezone""",
    "host_cpu": "uuid vendor host",
    "host_metrics": "uuid live memory_total",
    "PIF": "uuid device MAC network metrics host",
    "network": "uuid name_label bridge",
    "role": "uuid name_label name_description",
}

# What Xen Orchestra and others look up in them, and do without nothing.
LOOKED_UP = {
    "software_version": "product_version product_brand platform_version build_number xapi linux",
    "license_params": "expiry sku_type",
    "cpu_info": "cpu_count socket_count vendor speed modelname family stepping flags features_hvm",
    "chipset_info": "iommu",
    "other_config": "boot_time agent_start_time",
    "bios_strings": "bios-vendor bios-version system-manufacturer system-product-name",
}


def until(case, condition):
    end = time.monotonic() + HANG
    while not condition():
        case.assertLess(time.monotonic(), end)
        time.sleep(0.05)


class HostAlone(unittest.TestCase):
    def test_without_the_other_daemons(self):
        """The host is what its kernel says."""
        xapid = Xapid(self, {"root": ("root", "secret")})
        client = xapid.login("root", "secret")
        (host,) = client.json("host.get_all_records").values()
        count = os.sysconf("SC_NPROCESSORS_ONLN")
        self.assertEqual(host["cpu_info"]["cpu_count"], str(count))
        self.assertEqual(len(host["host_CPUs"]), count)
        self.assertEqual(host["capabilities"], [])
        self.assertEqual(host["software_version"]["xen"], "")
        self.assertEqual(host["software_version"]["linux"], os.uname().release)
        metrics = client.json("host_metrics.get_record", host["metrics"])
        self.assertGreater(int(metrics["memory_total"]), 1 << 28)
        self.assertIs(metrics["live"], True)


class FreshHost(unittest.TestCase):
    def setUp(self):
        self.port = free_port()
        self.stack = Stack(self, "--backend", "simulator", "--port", self.port)
        self.env = self.stack.env()
        self.client = self.login()
        # What xenopsd says of the host comes when both are there.
        until(self, lambda: next(iter(self.hosts().values()))["capabilities"])

    def hosts(self):
        return self.client.json("host.get_all_records")

    def login(self):
        self.assertEqual(self.env["XAPI_URL"], f"http://{ADDRESS}:{self.port}")
        return Session.of(self.env)

    def all_records(self):
        """Of every class that can be listed, as xen-api asks for them."""
        records = {}
        for name in self.client.proxy.system.listMethods():
            cls, message = name.split(".")
            if message == "get_all_records":
                try:
                    records[cls] = self.client.json(name)
                except Failure as failure:
                    self.assertEqual(failure.error, ["MESSAGE_REMOVED"], name)
        return records

    def test_all_classes(self):
        everything = self.all_records()
        self.assertGreater(len(everything), 55)
        for cls, records in everything.items():
            fields = {frozenset(record) for record in records.values()}
            self.assertLessEqual(len(fields), 1, f"records of {cls} have different fields")
        for cls, names in FILLED.items():
            self.assertTrue(everything[cls], f"there is no {cls}")
            for record in everything[cls].values():
                for name in names.split():
                    self.assertTrue(record[name], f"{cls}.{name} is empty")
                    self.assertNotEqual(record[name], NULL, f"{cls}.{name}")

    def test_references_lead_somewhere(self):
        everything = self.all_records()
        known = {ref for records in everything.values() for ref in records} | {NULL}
        for cls, records in everything.items():
            for record in records.values():
                for name, value in record.items():
                    for one in value if isinstance(value, list) else [value]:
                        if isinstance(one, str) and one.startswith("OpaqueRef:"):
                            self.assertIn(one, known, f"{cls}.{name}")

    def test_host_and_control_domain(self):
        (ref, host), *others = self.client.json("host.get_all_records").items()
        self.assertEqual(others, [])
        self.assertEqual(host["hostname"], os.uname().nodename)
        self.assertEqual(host["address"], ADDRESS)
        self.assertEqual(host["software_version"]["product_brand"], "Xenith")
        self.assertEqual(host["software_version"]["linux"], os.uname().release)
        for field, keys in LOOKED_UP.items():
            self.assertLessEqual(set(keys.split()), set(host[field]), field)
        for name in ("product_version", "platform_version"):
            self.assertRegex(host["software_version"][name], r"^\d+\.\d+\.\d+$")
        time.strptime(host["software_version"]["date"], "%Y%m%dT%H:%M:%SZ")
        zone = os.path.realpath("/etc/localtime").partition("zoneinfo/")[2]
        self.assertIn(host["timezone"], (zone, "UTC"))
        time.strptime(host["license_params"]["expiry"], "%Y%m%dT%H:%M:%SZ")
        self.assertGreaterEqual((host["API_version_major"], host["API_version_minor"]), (2, 20))
        self.assertEqual(int(host["cpu_info"]["cpu_count"]), len(host["host_CPUs"]))
        self.assertGreater(float(host["other_config"]["boot_time"]), 1e9)
        vm = self.client.json("VM.get_record", host["control_domain"])
        self.assertIs(vm["is_control_domain"], True)
        self.assertEqual(vm["power_state"], "Running")
        self.assertEqual(vm["resident_on"], ref)
        self.assertEqual(vm["domid"], 0)
        metrics = self.client.json("VM_metrics.get_record", vm["metrics"])
        self.assertEqual(metrics["current_domain_type"], "pv")
        self.assertEqual(metrics["VCPUs_number"], vm["VCPUs_max"])
        self.assertGreater(metrics["memory_actual"], 0)
        self.assertEqual(host["resident_VMs"], [host["control_domain"]])
        pool = next(iter(self.client.json("pool.get_all_records").values()))
        self.assertEqual(pool["master"], ref)

    def check_simulated(self):
        (host,) = self.hosts().values()
        self.assertEqual(host["cpu_info"]["modelname"], "Simulated CPU")
        self.assertEqual(host["cpu_info"]["cpu_count"], "16")
        self.assertEqual(host["cpu_info"]["speed"], "2400.000")
        self.assertEqual(host["capabilities"], ["hvm-3.0-x86_64", "xen-3.0-x86_64"])
        self.assertEqual(host["software_version"]["xen"], "")
        self.assertTrue(host["software_version"]["hypervisor"].startswith("simulator "))
        cpus = self.client.json("host_cpu.get_all_records")
        self.assertEqual(set(cpus), set(host["host_CPUs"]))
        self.assertEqual({int(cpu["number"]) for cpu in cpus.values()}, set(range(16)))
        self.assertEqual({int(cpu["speed"]) for cpu in cpus.values()}, {2400})
        (pool,) = self.client.json("pool.get_all_records").values()
        self.assertEqual(pool["cpu_info"]["cpu_count"], "16")
        self.assertEqual(
            pool["cpu_info"]["features_hvm_host"], host["cpu_info"]["features_hvm_host"]
        )

    def test_xenopsd_says_what_the_host_is(self):
        """It is still known after a restart of xapid, before xenopsd is asked again."""
        self.check_simulated()
        self.stack.xenith("restart", "xapid")
        self.client = self.login()
        self.check_simulated()

    def test_management(self):
        pifs = self.client.json("PIF.get_all_records").values()
        self.assertEqual(len([pif for pif in pifs if pif["management"]]), 1)
        for pif in pifs:
            if pif["IP"]:
                shown = subprocess.run(
                    ["ip", "-o", "-4", "address", "show", "dev", pif["device"]],
                    capture_output=True,
                    text=True,
                    check=True,
                ).stdout
                self.assertIn(f" {pif['IP']}/", shown)

    def test_templates(self):
        templates = [
            vm for vm in self.client.json("VM.get_all_records").values() if vm["is_a_template"]
        ]
        self.assertIn("Other install media", [vm["name_label"] for vm in templates])
        for vm in templates:
            self.assertIs(vm["is_default_template"], True)
            self.assertEqual(vm["power_state"], "Halted")
            self.assertIn("<restrictions>", vm["recommendations"])
            self.assertLessEqual(vm["memory_static_min"], vm["memory_dynamic_min"])
            self.assertLessEqual(vm["memory_dynamic_max"], vm["memory_static_max"])

    def test_nothing_is_made_twice(self):
        """The same objects after a restart, and what was changed stays changed."""
        before = self.all_records()
        pool = next(iter(before["pool"]))
        self.client("pool.set_name_label", pool, "kept")
        self.stack.xenith("restart", "xapid")
        self.client = self.login()
        after = self.all_records()
        for cls in ("pool", "host", "host_cpu", "VM", "network", "PIF", "role"):
            self.assertEqual(set(before[cls]), set(after[cls]), cls)
        self.assertEqual(after["pool"][pool]["name_label"], "kept")

    def test_password(self):
        """Of the stack's own choice at first, the same again later, or the one that is given."""
        password = self.env["XAPI_PASSWORD"]
        self.assertGreaterEqual(len(password), 12)
        self.assertEqual((self.stack.dir / "env").stat().st_mode & 0o77, 0)
        self.stack.xenith("down")
        done = self.stack.xenith("up", "--port", self.port)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(self.stack.env()["XAPI_PASSWORD"], password)
        self.login()
        self.stack.xenith("down")
        os.environ["XAPI_PASSWORD"] = "it's given"
        self.addCleanup(os.environ.pop, "XAPI_PASSWORD")
        self.stack.xenith("up", "--port", self.port)
        self.assertEqual(self.stack.env()["XAPI_PASSWORD"], "it's given")
        with self.assertRaises(Failure):
            self.login()
        self.env = self.stack.env()
        self.login()


if __name__ == "__main__":
    unittest.main()
