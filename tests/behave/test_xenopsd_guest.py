# SPDX-License-Identifier: LGPL-2.1-or-later
"""What xenopsd does with a guest that keeps its domain: it is saved and goes on, sleeps, starts a
kernel of its own, crashes; what its agent is asked; devices whose settings change."""

import json
import time
import unittest

from xenops import HANG, MIB, SR, Case


class Guest(Case):
    WITH_NETWORK = True
    WITH_STORAGE = True
    CONF = ""

    def setUp(self):
        super().setUp()
        if self.CONF:
            conf = self.dir / "etc" / "xenopsd.conf"
            conf.write_text(conf.read_text() + self.CONF)
            self.xenopsd.restart()
        self.add()

    def up(self):
        self.do("VM.start", vm="vm-1")
        self.do("VM.unpause", vm="vm-1")

    def end_guest(self, how):
        self.simulator.call("Guest.end", vm="vm-1", how=how)

    def domids(self):
        return self.state()["domids"]

    def each_point(self, run, begin):
        """Each atom of what RUN does, once BEGIN has been called: to be made to fail or hang."""
        begin()
        points = self.points(run)
        for atom, nth in points:
            with self.subTest(atom=atom, nth=nth):
                begin()
                yield atom, nth


class Kept(Guest):
    """The domain stays while the image is written."""

    def setUp(self):
        super().setUp()
        spec = {"virtual_size_bytes": MIB, "name_label": "image", "image_format": "raw"}
        vdi = self.smd_do("VDI.create", sr=SR, spec=spec)["vdi"]
        self.image = {"vdi": {"sr": SR, "vdi": vdi}}

    def keep(self):
        self.do("VM.suspend", vm="vm-1", image=self.image, keep_domain=True)

    def start_keep(self):
        return self.start_task("VM.suspend", vm="vm-1", image=self.image, keep_domain=True)

    def go_on(self):
        self.do("VM.fast_resume", vm="vm-1")

    def check_kept(self):
        self.assertEqual(self.power(), "suspended")
        self.assertEqual(self.domain()["end"], "suspended")
        self.assertEqual(self.datapaths(), {"vm-1/xvda": "activated_rw"})
        self.assertEqual(len(self.guests()), 1)

    def check_put_away(self):
        self.assertEqual(self.power(), "suspended")
        self.assertIsNone(self.domain())
        self.assertEqual(self.datapaths(), {})
        self.assertEqual(self.guests(), [])

    def ready(self):
        """It runs, whatever it did before."""
        if self.power() == "suspended" and self.domain():
            self.go_on()
        elif self.power() == "suspended":
            self.do("VM.resume", vm="vm-1", image=self.image)
            self.do("VM.unpause", vm="vm-1")
        elif self.power() == "halted":
            self.up()
        self.check_up("running")

    def ready_kept(self):
        self.ready()
        self.keep()

    def test_there_and_back(self):
        self.up()
        domids = self.domids()
        for _ in range(2):
            self.keep()
            self.check_kept()
            self.xenopsd.restart()
            self.settle()
            self.check_kept()
            self.go_on()
            self.check_up("running")
            self.assertEqual(self.domids(), domids)

    def test_the_image_is_one(self):
        self.up()
        self.simulator.call("Guest.set", vm="vm-1", agent={"data/test": "kept"})
        self.keep()
        self.do("VM.resume", vm="vm-1", image=self.image)
        self.check_up("paused")
        self.assertEqual(self.domain()["guest_agent"], {"data/test": "kept"})

    def test_it_is_ended_or_removed(self):
        self.up()
        self.keep()
        self.do("VM.shutdown", vm="vm-1")
        self.check_halted()
        self.up()
        self.keep()
        self.call("VM.remove", vm="vm-1")
        self.assertEqual(self.simulator.call("Domain.list"), [])
        self.assertEqual(self.datapaths(), {})

    def test_states(self):
        self.assertEqual(
            self.fails("Bad_power_state", "VM.fast_resume", vm="vm-1"), ["halted", "suspended"]
        )
        self.up()
        self.fails("Bad_power_state", "VM.fast_resume", vm="vm-1")
        self.keep()
        for again in (False, True):
            self.fails(
                "Bad_power_state",
                "VM.suspend",
                vm="vm-1",
                image=self.image,
                keep_domain=again,
            )
        self.fails("Bad_power_state", "VM.start", vm="vm-1")
        self.fails("Bad_power_state", "VM.unpause", vm="vm-1")
        self.check_kept()
        self.do("VM.shutdown", vm="vm-1")
        self.fails("Bad_power_state", "VM.fast_resume", vm="vm-1")

    def test_a_domain_that_is_lost_leaves_the_image(self):
        self.up()
        self.keep()
        self.xenopsd.stop()
        self.simulator.call("Domain.destroy", vm="vm-1")
        self.xenopsd.start()
        self.settle()
        self.check_put_away()
        self.ready()

    def test_keeping_fails_at_each_atom(self):
        for atom, nth in self.each_point(self.keep, self.ready):
            self.plan(atom, nth, "fail")
            self.fails(
                "INTERNAL_ERROR", "VM.suspend", vm="vm-1", image=self.image, keep_domain=True
            )
            self.simulator.call("Fault.clear")
            self.check_up("running")

    def test_kill_at_each_atom_of_keeping(self):
        for atom, nth in self.each_point(self.keep, self.ready):
            self.kill_at(atom, nth, self.start_keep)
            self.check_up("running")

    def test_going_on_fails_at_each_atom(self):
        for atom, nth in self.each_point(self.go_on, self.ready_kept):
            self.plan(atom, nth, "fail")
            self.fails("INTERNAL_ERROR", "VM.fast_resume", vm="vm-1")
            self.simulator.call("Fault.clear")
            # A guest that runs again is not suspended any more.
            self.settle()
            goes = self.domain()["power"] == "running"
            self.assertEqual(goes, atom == "vm-went-on")
            self.assertEqual(self.power(), "running" if goes else "suspended")

    def test_kill_at_each_atom_of_going_on(self):
        for atom, nth in self.each_point(self.go_on, self.ready_kept):
            self.kill_at(atom, nth, lambda: self.start_task("VM.fast_resume", vm="vm-1"))
            self.ready()


class Sleep(Guest):
    def test_there_and_back(self):
        self.fails("Bad_power_state", "VM.s3suspend", vm="vm-1")
        self.up()
        self.do("VM.s3resume", vm="vm-1")
        for _ in range(2):
            self.do("VM.s3suspend", vm="vm-1")
            self.check_up("running")
            self.assertTrue(self.domain()["asleep"])
        self.do("VM.s3resume", vm="vm-1")
        self.assertFalse(self.domain()["asleep"])
        self.do("VM.pause", vm="vm-1")
        for call in ("VM.s3suspend", "VM.s3resume"):
            self.assertEqual(
                self.fails("Bad_power_state", call, vm="vm-1"), ["paused", "running"]
            )

    def test_one_that_does_not_listen(self):
        self.up()
        self.simulator.call("Guest.set", vm="vm-1", acknowledges=False)
        self.plan()
        task = self.start_task("VM.s3suspend", vm="vm-1")
        while "guest-s3suspend" not in self.simulator.call("Fault.trace"):
            time.sleep(0.001)
        self.call("TASK.cancel", task=task)
        self.assertEqual(self.xenopsd.client.wait_for_task(task)["state"], "cancelled")
        self.assertFalse(self.domain()["asleep"])


class SoftReboot(Guest):
    def soft_reboot(self):
        self.do("VM.softreboot", vm="vm-1")

    def ready(self):
        if self.power() == "halted":
            self.check_halted()
            self.up()
        self.check_up("running")

    def test_the_domain_stays(self):
        self.fails("Bad_power_state", "VM.softreboot", vm="vm-1")
        self.up()
        self.simulator.call("Guest.set", vm="vm-1", agent={"data/test": "of before"})
        domids = self.domids()
        self.soft_reboot()
        self.check_up("running")
        self.assertEqual(self.domids(), domids)
        self.assertEqual(self.domain()["guest_agent"], {})

    def test_by_the_guest(self):
        self.up()
        domids = self.domids()
        self.end_guest("soft_rebooted")
        self.wait_for("the reboot", lambda: self.domain()["power"] == "running")
        self.settle()
        self.check_up("running")
        self.assertEqual(self.domids(), domids)

    def test_a_config_that_wants_none(self):
        self.call("VM.remove", vm="vm-1")
        self.add(on_softreboot="destroy")
        self.up()
        self.end_guest("soft_rebooted")
        self.wait_for("the end", lambda: self.power() == "halted")
        self.settle()
        self.check_halted()

    def test_it_fails_at_each_atom(self):
        for atom, nth in self.each_point(self.soft_reboot, self.ready):
            self.plan(atom, nth, "fail")
            record = self.run_task("VM.softreboot", vm="vm-1")
            self.simulator.call("Fault.clear")
            self.settle()
            self.assertEqual((record["state"], self.power()), ("failed", "halted"))
            self.check_halted()

    def test_kill_at_each_atom(self):
        for atom, nth in self.each_point(self.soft_reboot, self.ready):
            self.kill_at(atom, nth, lambda: self.start_task("VM.softreboot", vm="vm-1"))
            self.check_up("running")


class Ends(Guest):
    def test_a_preserved_domain_stands_still(self):
        self.call("VM.remove", vm="vm-1")
        self.add(on_crash="preserve", coredump_on_crash=True)
        self.up()
        self.end_guest("crashed")
        self.wait_for("the crash", lambda: self.power() == "paused")
        self.assertEqual(self.domain()["end"], "crashed")
        core = self.dir / "lib" / "coredump" / "vm-1.core"
        self.assertEqual(json.loads(core.read_text())["spec"]["vm"], "vm-1")
        self.xenopsd.restart()
        self.settle()
        self.assertEqual(self.power(), "paused")
        self.do("VM.shutdown", vm="vm-1")
        self.check_halted()

    def test_a_core_that_cannot_be_kept_changes_nothing(self):
        self.call("VM.remove", vm="vm-1")
        self.add(coredump_on_crash=True)
        self.up()
        self.plan("vm-coredump", 1, "fail")
        self.end_guest("crashed")
        self.wait_for("the crash", lambda: self.power() == "halted")
        self.simulator.call("Fault.clear")
        self.settle()
        self.check_halted()

    def test_a_suspend_that_nobody_wanted(self):
        self.up()
        domids = self.domids()
        self.end_guest("suspended")
        self.wait_for("the guest", lambda: self.domain()["power"] == "running")
        self.settle()
        self.check_up("running")
        self.assertEqual(self.domids(), domids)


class SoonReboot(Guest):
    CONF = "short-run = 1000s\nreboot-delay = 86400s\n"

    def waits(self):
        return "reboots too soon" in self.logs()

    def test_it_waits(self):
        self.up()
        domids = self.domids()
        self.end_guest("rebooted")
        end = time.monotonic() + HANG
        while not self.waits():
            self.assertLess(time.monotonic(), end)
            time.sleep(0.005)
        self.settle()
        self.assertEqual(self.domids(), domids)
        self.call("VM.refresh", vm="vm-1")
        # Whoever wants something of it does not wait.
        self.do("VM.reboot", vm="vm-1")
        self.check_up("running")
        self.end_guest("rebooted")
        self.do("VM.shutdown", vm="vm-1")
        self.check_halted()

    def test_it_comes(self):
        conf = self.dir / "etc" / "xenopsd.conf"
        conf.write_text(conf.read_text().replace("86400s", "1s"))
        self.xenopsd.restart()
        self.up()
        domids = self.domids()
        self.end_guest("rebooted")
        self.wait_for("the reboot", lambda: self.domids() not in ([], domids))
        self.settle()
        self.check_up("running")
        self.assertTrue(self.waits())


class Agent(Guest):
    def test_scripts(self):
        self.fails("Bad_power_state", "VM.run_script", vm="vm-1", script="ver")
        self.up()
        (why,) = self.fails("Failed_to_run_script", "VM.run_script", vm="vm-1", script="ver")
        self.assertIn("no agent", why)
        self.simulator.call("Guest.set", vm="vm-1", agent={"data/os_name": "x"})
        record = self.do("VM.run_script", vm="vm-1", script="ver")
        self.assertEqual(record["result"], {"rc": 0, "stdout": "ver", "stderr": ""})
        says = {"rc": 3, "stdout": "a", "stderr": "b"}
        self.simulator.call("Guest.set", vm="vm-1", script=says)
        self.assertEqual(self.do("VM.run_script", vm="vm-1", script="x")["result"], says)

    def test_a_script_that_hangs_keeps_nobody_waiting(self):
        self.up()
        self.simulator.call("Guest.set", vm="vm-1", agent={"a": "b"}, acknowledges=False)
        task = self.start_task("VM.run_script", vm="vm-1", script="ver")
        self.do("VM.shutdown", vm="vm-1")
        self.check_halted()
        self.call("TASK.cancel", task=task)
        self.xenopsd.client.wait_for_task(task)

    def test_remote_desktops(self):
        self.fails("Bad_power_state", "VM.request_rdp", vm="vm-1", enabled=True)
        self.up()
        self.do("VM.request_rdp", vm="vm-1", enabled=True)
        self.assertEqual(self.state()["guest_agent"]["data/ts"], "1")
        self.do("VM.request_rdp", vm="vm-1", enabled=False)
        self.assertEqual(self.state()["guest_agent"]["data/ts"], "0")


class Settings(Guest):
    def settings(self, name):
        (device,) = [d for d in self.domain()["devices"] if d["name"] == name]
        return device["settings"]

    def check(self, call, name, key, text, values, stat, **params):
        """CALL with VALUES is seen in the domain as TEXT; before, after, and when it fails."""
        kind, device = call.split(".")[0].lower(), f"vm-1/{name}"
        atom = params.pop("atom")
        params = {kind: device}

        def state():
            return stat(self.call(f"{kind.upper()}.stat", **params))

        self.do(call, **params, **values[0])
        self.assertEqual(state(), next(iter(values[0].values())))
        self.up()
        self.assertEqual(self.settings(name).get(key), text)
        self.plan(atom, 1, "fail")
        self.fails("INTERNAL_ERROR", call, **params, **values[1])
        self.simulator.call("Fault.clear")
        self.assertEqual(state(), next(iter(values[0].values())))
        self.assertEqual(self.settings(name).get(key), text)
        self.do(call, **params, **values[1])
        self.assertEqual(state(), next(iter(values[1].values()), None))
        self.assertNotIn(key, self.settings(name))
        self.do("VM.shutdown", vm="vm-1")

    def test_priority_of_a_disk(self):
        self.check(
            "VBD.set_qos",
            "xvda",
            "qos",
            "real_time 2",
            ({"qos": {"scheduler": "real_time", "level": 2}}, {}),
            lambda stat: stat["state"].get("qos"),
            atom="vbd-set-qos",
        )
        bad = {"scheduler": "idle", "level": 8}
        self.fails("INVALID_VALUE", "VBD.set_qos", vbd="vm-1/xvda", qos=bad)
        self.fails("Does_not_exist", "VBD.set_qos", vbd="vm-1/none")

    def test_addresses(self):
        for version, address in (("4", "10.0.0.2/24"), ("6", "fd00::2/64")):
            given = {"addresses": [address], "gateway": "gw"}
            self.check(
                f"VIF.set_ipv{version}_configuration",
                "0",
                f"ipv{version}",
                f"{address} gw",
                ({"configuration": given}, {}),
                lambda stat, v=version: stat["vif"].get(f"ipv{v}_configuration"),
                atom="vif-set-addresses",
            )

    def test_pvs_proxy(self):
        proxy = {"site": "site-1", "servers": [], "interface": "eth0"}
        self.check(
            "VIF.set_pvs_proxy",
            "0",
            "pvs_site",
            "site-1",
            ({"proxy": proxy}, {}),
            lambda stat: stat["vif"].get("pvs_proxy"),
            atom="vif-set-pvs-proxy",
        )
        self.do("VIF.set_pvs_proxy", vif="vm-1/0", proxy=proxy)
        self.assertFalse(self.call("VIF.stat", vif="vm-1/0")["state"]["pvs_rules_active"])
        self.up()
        self.assertTrue(self.call("VIF.stat", vif="vm-1/0")["state"]["pvs_rules_active"])


class Hardware(Guest):
    VGPU = {
        "vgpu": "vm-1/0",
        "position": 0,
        "physical_pci_address": "0000:05:00.0",
        "implementation": {"nvidia": {"type_id": "11"}},
    }

    def vgpu(self):
        return self.call("VGPU.stat", vgpu="vm-1/0")["state"]

    def test_vgpu(self):
        self.call("VGPU.add", vgpu=self.VGPU)
        self.assertEqual(self.vgpu(), {"active": False, "plugged": False})
        self.up()
        self.assertEqual(self.vgpu(), {"active": True, "plugged": True})
        (device,) = [d for d in self.domain()["devices"] if d["kind"] == "vgpu"]
        self.assertEqual(device["backend"], "0000:05:00.0")
        self.refuses("Device_is_connected", "VGPU.remove", vgpu="vm-1/0")
        self.do("VM.reboot", vm="vm-1")
        self.assertEqual(self.vgpu(), {"active": True, "plugged": True})
        image = {"local": str(self.dir / "image")}
        self.do("VM.suspend", vm="vm-1", image=image)
        self.assertEqual(self.vgpu(), {"active": True, "plugged": False})
        self.do("VM.resume", vm="vm-1", image=image)
        self.assertEqual(self.vgpu(), {"active": True, "plugged": True})
        self.do("VM.shutdown", vm="vm-1")
        self.assertEqual(self.vgpu(), {"active": False, "plugged": False})
        self.check_halted()
        self.plan("vm-start-device-model", 1, "fail")
        self.fails("INTERNAL_ERROR", "VM.start", vm="vm-1")
        self.simulator.call("Fault.clear")
        self.check_halted()
        self.assertEqual(self.vgpu(), {"active": False, "plugged": False})
        self.call("VGPU.remove", vgpu="vm-1/0")

    def test_quarantine(self):
        pci = {"pci": "vm-1/0", "position": 0, "address": "0000:03:00.0"}
        self.call("PCI.add", pci=pci)
        self.assertEqual(self.simulator.call("Machine.quarantine"), [])
        for _ in range(2):
            self.up()
            self.assertEqual(self.simulator.call("Machine.quarantine"), [])
            self.do("VM.shutdown", vm="vm-1")
            self.assertEqual(self.simulator.call("Machine.quarantine"), [pci["address"]])
        self.call("PCI.dequarantine", address=pci["address"])
        self.call("PCI.dequarantine", address=pci["address"])
        self.assertEqual(self.simulator.call("Machine.quarantine"), [])


class Policies(Guest):
    def test_cpu_policies(self):
        def combine(a, b):
            return self.call("HOST.combine_cpu_policies", a=a, b=b)

        def fits(vm, host):
            return self.call("HOST.is_compatible", vm_policy=vm, host_policy=host)

        self.assertEqual(combine("0000000f-ff", "00000006-0f-1"), "00000006-0000000f")
        own = self.call("HOST.stat")["cpu_info"]["features_hvm"]
        self.assertEqual(combine(own, own), own)
        self.assertTrue(fits(own, own))
        self.assertTrue(fits("6", "f"))
        self.assertFalse(fits("f", "6"))
        self.assertFalse(fits("0-1", "0"))
        self.assertTrue(fits("0-0", "0"))
        self.refuses("INVALID_VALUE", "HOST.combine_cpu_policies", a="x", b="")
        self.refuses(
            "INVALID_VALUE", "HOST.is_compatible", vm_policy="", host_policy="123456789"
        )

    def test_nodes(self):
        self.up()
        self.assertFalse(self.state()["numa_optimised"])
        self.call("HOST.set_numa_affinity_policy", policy="best_effort")
        self.assertFalse(self.state()["numa_optimised"])
        self.do("VM.reboot", vm="vm-1")
        state = self.state()
        self.assertEqual((state["numa_optimised"], state["numa_nodes"]), (True, 1))
        self.assertEqual(state["numa_node_memory_bytes"], [state["memory_actual_bytes"]])
        self.call("HOST.set_numa_affinity_policy")
        self.do("VM.reboot", vm="vm-1")
        self.assertFalse(self.state()["numa_optimised"])

    def test_what_agents_may_do(self):
        def features():
            return self.domain()["agent_features"]

        self.up()
        self.assertEqual(features(), {})
        one = [{"name": "one", "licensed": True, "parameters": {"k": "v"}}]
        expected = {"one/licensed": "1", "one/parameters/k": "v"}
        self.call("HOST.update_guest_agent_features", features=one)
        self.settle()
        self.assertEqual(features(), expected)
        self.xenopsd.restart()
        self.do("VM.reboot", vm="vm-1")
        self.assertEqual(features(), expected)
        image = {"local": str(self.dir / "image")}
        self.do("VM.suspend", vm="vm-1", image=image)
        self.do("VM.resume", vm="vm-1", image=image)
        self.assertEqual(features(), expected)
        self.call("HOST.update_guest_agent_features", features=[])
        self.settle()
        self.assertEqual(features(), {})


if __name__ == "__main__":
    unittest.main()
