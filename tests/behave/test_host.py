# SPDX-License-Identifier: LGPL-2.1-or-later
"""What is asked of a host and of its pool over the XenAPI, on the simulator."""

import datetime
import math
import os
import time
import unittest
import xmlrpc.client

from pool import Case
from stack import Stack, free_port


def seconds(value):
    text = value.value.rstrip("Z")
    then = datetime.datetime.strptime(text, "%Y%m%dT%H:%M:%S")
    return then.replace(tzinfo=datetime.timezone.utc).timestamp()


class HostTest(Case):
    def setUp(self):
        self.stack = Stack(self, "--port", str(free_port()))
        self.sr_folder = self.stack.dir / "sr"
        self.connect(self.stack.env())

    def restart(self):
        self.stack.xenith("restart", "xapid")
        self.connect(self.stack.env())


class Enabled(HostTest):
    def test_vms_do_not_start_on_a_disabled_host(self):
        vm = self.make_vm()
        self.x("host.disable", self.host)
        self.assertIs(self.x("host.get_enabled", self.host), False)
        self.fails("NO_HOSTS_AVAILABLE", "VM.start", vm, False, False)
        self.assertIn("shutdown", self.x("host.get_allowed_operations", self.host))
        self.assertEqual(self.x("VM.get_possible_hosts", vm), [])
        self.x("host.enable", self.host)
        self.assertIs(self.x("host.get_enabled", self.host), True)
        self.assertNotIn("shutdown", self.x("host.get_allowed_operations", self.host))
        self.x("VM.start", vm, False, False)
        self.x("VM.hard_shutdown", vm)

    def test_after_a_restart(self):
        """It is enabled again, unless it was to stay as it is."""
        self.x("host.disable", self.host, False)
        self.restart()
        self.assertIs(self.x("host.get_enabled", self.host), False)
        self.x("host.disable", self.host, True)
        self.restart()
        self.assertIs(self.x("host.get_enabled", self.host), True)
        self.x("host.disable", self.host, False)
        self.x("host.enable", self.host)
        self.x("host.disable", self.host)
        self.restart()
        self.assertIs(self.x("host.get_enabled", self.host), True)

    def test_the_agent_restarts_itself(self):
        """What runs goes on."""
        vm = self.make_vm()
        self.x("VM.start", vm, False, False)
        domain = self.x("VM.get_domid", vm)
        before = self.stack.status("xapid")["pid"]
        self.x("host.restart_agent", self.host)

        def is_back():
            now = self.stack.status("xapid")
            return now["state"] == "ready" and now["pid"] != before

        self.until(is_back, "another xapid")
        self.connect(self.stack.env())
        self.until(lambda: self.x("VM.get_power_state", vm) == "Running", "the VM")
        self.assertEqual(self.x("VM.get_domid", vm), domain)
        self.fails("HANDLE_INVALID", "host.restart_agent", "OpaqueRef:none")

    def test_what_runs_prevents_evacuation(self):
        vm = self.make_vm()
        self.assertEqual(self.x("host.get_vms_which_prevent_evacuation", self.host), {})
        self.x("host.assert_can_evacuate", self.host)
        self.x("VM.start", vm, False, False)
        self.assertEqual(
            self.x("host.get_vms_which_prevent_evacuation", self.host),
            {vm: ["NO_HOSTS_AVAILABLE"]},
        )
        why = [f"NO_HOSTS_AVAILABLE,{vm}"]
        self.assertEqual(
            self.fails("CANNOT_EVACUATE_HOST", "host.assert_can_evacuate", self.host), why
        )
        self.assertEqual(self.fails("NO_HOSTS_AVAILABLE", "host.evacuate", self.host), [vm])
        self.assertEqual(self.x("VM.get_power_state", vm), "Running")
        self.x("VM.hard_shutdown", vm)
        self.x("host.evacuate", self.host)
        self.assertEqual(self.x("host.get_current_operations", self.host), {})


class Asked(HostTest):
    def test_clock(self):
        self.assertLess(abs(seconds(self.x("host.get_servertime", self.host)) - time.time()), 60)
        local = seconds(self.x("host.get_server_localtime", self.host))
        self.assertLess(abs(local - time.time() - time.localtime().tm_gmtoff), 60)

    def test_memory(self):
        free = int(self.x("host.compute_free_memory", self.host))
        self.assertGreater(free, 0)
        vm = self.make_vm()
        self.x("VM.start", vm, False, False)
        taken = free - int(self.x("host.compute_free_memory", self.host))
        self.assertGreaterEqual(taken, int(self.x("VM.get_memory_static_max", vm)) // 2)
        self.x("VM.hard_shutdown", vm)
        self.assertEqual(int(self.x("host.compute_free_memory", self.host)), free)
        self.assertGreaterEqual(int(self.x("host.compute_memory_overhead", self.host)), 0)

    def test_hypervisor(self):
        self.assertIn("simulated", self.x("host.dmesg", self.host))
        self.assertIn("simulated", self.x("host.dmesg_clear", self.host))
        self.assertIs(self.x.plain("host.is_in_emergency_mode", self.x.ref), False)

    def test_management_interface(self):
        pif = self.x("host.get_management_interface", self.host)
        self.assertIs(self.x("PIF.get_management", pif), True)
        self.assertEqual(self.x("PIF.get_host", pif), self.host)

    def test_methods(self):
        self.assertEqual(
            set(self.x("host.list_methods")), set(self.x.proxy.system.listMethods())
        )

    def test_power_on_mode(self):
        self.x("host.set_power_on_mode", self.host, "wake-on-lan", {"key": "value"})
        self.assertEqual(self.x("host.get_power_on_mode", self.host), "wake-on-lan")
        self.assertEqual(self.x("host.get_power_on_config", self.host), {"key": "value"})

    def test_pool(self):
        pool = self.x("pool.get_all")[0]
        state = {"edition": "free", "expiry": "never"}
        self.assertEqual(self.x("pool.get_license_state", pool), state)
        self.x("pool.sync_database")
        self.x("host.sync_data", self.host)

    def test_name(self):
        """Of a stack in a directory of its own the machine is not named."""
        for bad in ("", "a" * 65, "a b", "-a", "a.", "a..b", "ü"):
            self.fails("HOST_NAME_INVALID", "host.set_hostname_live", self.host, bad)
        self.fails("HANDLE_INVALID", "host.set_hostname_live", "OpaqueRef:none", "x")
        machine = os.uname().nodename
        self.x("host.set_hostname_live", self.host, "web-1.example")
        self.assertEqual(self.x("host.get_hostname", self.host), "web-1.example")
        self.restart()
        self.assertEqual(self.x("host.get_hostname", self.host), "web-1.example")
        software = self.x("host.get_software_version", self.host)
        self.assertEqual(software["hostname"], "web-1.example")
        self.assertEqual(os.uname().nodename, machine)

    def test_handles(self):
        for message in ("enable", "disable", "get_servertime", "compute_free_memory", "dmesg"):
            answer = self.fails("HANDLE_INVALID", f"host.{message}", "OpaqueRef:none")
            self.assertEqual(answer, ["host", "OpaqueRef:none"])


class Told(HostTest):
    """What other daemons have to know."""

    def test_where_vms_have_their_memory(self):
        call = "host.set_numa_affinity_policy"
        vm = self.make_vm()
        metrics = self.x("VM.get_metrics", vm)
        for value, is_kept in (("best_effort", True), ("any", False), ("best_effort", True)):
            self.x(call, self.host, value)
            self.assertEqual(self.x("host.get_numa_affinity_policy", self.host), value)
            self.x("VM.start", vm, False, False)
            self.assertIs(self.x("VM_metrics.get_numa_optimised", metrics), is_kept)
            self.x("VM.hard_shutdown", vm)
        self.stack.kill("xenopsd")
        self.until(lambda: self.x("VM.start", vm, False, False) or True, "a start")
        self.assertIs(self.x("VM_metrics.get_numa_optimised", metrics), True)
        self.x("host.set_numa_affinity_policy", self.host, "default_policy")
        self.fails("HANDLE_INVALID", call, "OpaqueRef:none", "any")

    def test_archives(self):
        self.x("host.backup_rrds", self.host, 0.0)
        for delay in (-1.0, 3601.0):
            self.fails("INVALID_VALUE", "host.backup_rrds", self.host, delay)
        self.fails("HANDLE_INVALID", "host.backup_rrds", "OpaqueRef:none", 0.0)


class Sources(HostTest):
    def test_of_a_host_and_a_vm(self):
        def known(ref, cls, name):
            try:
                return not math.isnan(self.x(f"{cls}.query_data_source", ref, name))
            except xmlrpc.client.Fault:
                return False

        listed = self.until(lambda: self.x("host.get_data_sources", self.host), "figures")
        by_name = {source["name_label"]: source for source in listed}
        self.assertEqual(by_name["memory_total_kib"]["units"], "KiB")
        self.assertIs(by_name["memory_total_kib"]["enabled"], True)
        self.until(lambda: known(self.host, "host", "memory_total_kib"), "a figure")
        total = self.x("host.query_data_source", self.host, "memory_total_kib")
        self.assertGreater(total, 1 << 18)
        self.assertEqual(
            self.fails("INVALID_VALUE", "host.query_data_source", self.host, "nothing"),
            ["data_source", "nothing"],
        )
        vm = self.make_vm()
        self.assertEqual(self.x("VM.get_data_sources", vm), [])
        self.x("VM.start", vm, False, False)
        listed = self.until(lambda: self.x("VM.get_data_sources", vm), "figures of the VM")
        self.assertIn("memory", {source["name_label"] for source in listed})
        self.x("VM.record_data_source", vm, "memory")
        self.x("host.record_data_source", self.host, "memory_total_kib")
        self.fails("INVALID_VALUE", "host.record_data_source", self.host, "nothing")
        self.until(lambda: known(vm, "VM", "memory"), "a figure of the VM")
        for cls, ref, name in (("VM", vm, "memory"), ("host", self.host, "memory_total_kib")):
            call = f"{cls}.forget_data_source_archives"
            self.x(call, ref, name)
            self.assertEqual(
                self.fails("INVALID_VALUE", call, ref, "nothing"), ["data_source", "nothing"]
            )
            self.fails("HANDLE_INVALID", call, "OpaqueRef:none", name)
        self.x("VM.hard_shutdown", vm)

    def test_of_an_sr(self):
        sr = self.make_sr()
        for source in self.x("SR.get_data_sources", sr):
            self.x("SR.record_data_source", sr, source["name_label"])
        self.fails("INVALID_VALUE", "SR.record_data_source", sr, "nothing")
        self.fails("INVALID_VALUE", "SR.query_data_source", sr, "nothing")
        self.fails("INVALID_VALUE", "SR.forget_data_source_archives", sr, "nothing")


if __name__ == "__main__":
    unittest.main()
