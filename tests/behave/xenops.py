# SPDX-License-Identifier: LGPL-2.1-or-later
"""xenopsd on the simulator, with smd and networkd where a test wants them: calling, looking at what
is really there, planning faults, killing."""

import pathlib
import shutil
import signal
import subprocess
import tempfile
import time
import unittest

from between import Between
from jsonrpc import Client, Failed, Gone
from stack import BUILD

XENOPSD = BUILD / "bin" / "xenopsd"
NETWORKD = BUILD / "bin" / "networkd"
SMD = BUILD / "bin" / "smd"
HANG = 60  # seconds; only to catch what hangs
MIB = 1 << 20
SR = "0f9c2c9e-5d0b-4c4e-8f0c-0d6f3d6a1b11"
KINDS = ("vbd", "vif", "pci", "vusb")
VM = {
    "vm": "vm-1",
    "name": "one",
    "guest": {"hvm": {}},
    "memory_dynamic_min_bytes": 64 * MIB,
    "memory_dynamic_max_bytes": 128 * MIB,
    "memory_static_max_bytes": 128 * MIB,
    "vcpus": 2,
    "vcpus_max": 4,
}


def name_of(kind, stat):
    """Of a device, what its id ends with."""
    return stat[kind][kind].split("/")[1]


def not_after(case, end, what, *places):
    """Fails the test once END has passed, with the logs of the places, which are read only then:
    what is in their folders comes and goes."""
    if time.monotonic() > end:
        case.fail("\n".join([str(what), *(place.logs() for place in places)]))


class Daemon:
    """One daemon, on the directory of the test or on one of its own."""

    def __init__(self, case, program, folder=None):
        self.case, self.program, self.dir = case, program, folder or case.dir
        self.process = self.client = None
        case.addCleanup(self.stop)

    def start(self):
        with open(self.dir / f"{self.program.name}.log", "ab") as log:
            self.process = subprocess.Popen(
                [str(self.program), "--dir", str(self.dir), "--log-level", self.case.LOG_LEVEL],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        self.client = self.case.connect(self.dir / "run" / f"{self.program.name}.sock", self)
        return self

    def stop(self, how=signal.SIGTERM):
        if self.client:
            self.client.close()
            self.client = None
        if self.process:
            self.process.send_signal(how)
            self.process.wait(HANG)
            self.process = None

    def restart(self, how=signal.SIGKILL):
        self.stop(how)
        return self.start()


class Case(unittest.TestCase):
    WITH_NETWORK = False
    WITH_STORAGE = False
    BETWEEN = False  # smd and networkd are reached through a Between
    LOG_LEVEL = "debug"

    def setUp(self):
        self.dir = pathlib.Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.dir)
        self.addCleanup(self.check_logs)
        self.addCleanup(self.end_simulator)
        (self.dir / "etc").mkdir()
        for name in ("xenopsd", "networkd"):
            (self.dir / "etc" / f"{name}.conf").write_text("backend = simulator\n")
        self.xenopsd = Daemon(self, XENOPSD)
        if self.WITH_NETWORK:
            self.networkd = self.daemon(NETWORKD).start()
            self.networkd.client.call("Bridge.create", bridge="xapi0")
        if self.WITH_STORAGE:
            self.make_storage()
        self.xenopsd.start()
        self.simulator = Client(self.simulator_socket)
        self.addCleanup(self.simulator.close)

    def daemon(self, program):
        """smd or networkd."""
        if not self.BETWEEN:
            return Daemon(self, program)
        folder = self.dir / program.name
        (folder / "etc").mkdir(parents=True)
        shutil.copy(self.dir / "etc" / "networkd.conf", folder / "etc")
        daemon = Daemon(self, program, folder)
        socket_name = f"{program.name}.sock"
        daemon.between = Between(
            self, self.dir / "run" / socket_name, folder / "run" / socket_name, daemon
        )
        return daemon

    def make_storage(self):
        """An SR of files in a directory."""
        self.smd = self.daemon(SMD).start()
        config = {"location": str(self.dir / "sr")}
        for call in ("SR.create", "SR.attach"):
            self.smd_do(call, sr=SR, type="file", device_config=config)

    def smd_do(self, method, **params):
        record = self.smd.client.wait_for_task(self.smd.client.call(method, **params))
        self.assertEqual(record["state"], "done", record)
        return record.get("result")

    @property
    def simulator_socket(self):
        return self.dir / "run" / "simulator" / "run" / "simulator.sock"

    def connect(self, path, daemon):
        end = time.monotonic() + HANG
        while True:
            try:
                return Client(path)
            except OSError:
                if time.monotonic() > end or daemon.process.poll() is not None:
                    raise AssertionError(self.logs()) from None
                time.sleep(0.005)

    def end_simulator(self):
        self.xenopsd.stop()
        try:
            with Client(self.simulator_socket) as client:
                client.call("Machine.power_off")
                client.read_line()
        except (OSError, Gone):
            pass

    def logs(self):
        logs = [*self.dir.rglob("*.log"), *self.dir.glob("run/simulator/log")]
        return "".join(path.read_text() for path in logs)

    def check_logs(self):
        logs = self.logs()
        for sign in (" bug ", "Sanitizer", "runtime error:", "Assertion"):
            self.assertNotIn(sign, logs)

    # ---- calling ----

    def call(self, method, **params):
        return self.xenopsd.client.call(method, **params)

    def start_task(self, method, **params):
        return self.xenopsd.client.call(method, **params)

    def run_task(self, method, **params):
        """The task's record, when it has ended."""
        return self.xenopsd.client.wait_for_task(self.start_task(method, **params))

    def do(self, method, **params):
        record = self.run_task(method, **params)
        self.assertEqual(record["state"], "done", record)
        return record

    def fails(self, code, method, **params):
        """A task that ends with this error; its parameters."""
        record = self.run_task(method, **params)
        self.assertEqual(record["state"], "failed", record)
        self.assertEqual(record["error"]["code"], code, record)
        return record["error"]["params"]

    def refuses(self, code, method, **params):
        with self.assertRaises(Failed) as caught:
            self.call(method, **params)
        self.assertEqual(caught.exception.code, code, caught.exception)
        return caught.exception.params

    def wait_for(self, what, look):
        """Until LOOK() is true, woken by xenopsd's updates."""
        token, end = None, time.monotonic() + HANG
        while not look():
            not_after(self, end, what, self)
            since = {} if token is None else {"since": token}
            token = self.call("UPDATES.get", timeout=1, **since)["token"]

    # ---- looking ----

    def state(self, vm="vm-1"):
        return self.call("VM.stat", vm=vm)["state"]

    def power(self, vm="vm-1"):
        return self.state(vm)["power_state"]

    def domain(self, vm="vm-1"):
        return self.simulator.call("Domain.stat", vm=vm)

    # ---- a VM ----

    def disk(self, name="disk"):
        if self.WITH_STORAGE:
            spec = {"virtual_size_bytes": MIB, "name_label": name}
            vdi = self.smd_do("VDI.create", sr=SR, spec=spec)["vdi"]
            return {"vdi": {"sr": SR, "vdi": vdi}}
        path = self.dir / name
        path.touch()
        return {"local": str(path)}

    def add(self, vm="vm-1", **more):
        self.call("VM.add", vm=dict(VM, vm=vm, **more))
        self.call(
            "VBD.add",
            vbd={"vbd": f"{vm}/xvda", "position": "xvda", "backend": self.disk()},
        )
        self.call("VBD.add", vbd={"vbd": f"{vm}/xvdd", "type": "cd", "mode": "ro"})
        if self.WITH_NETWORK:
            self.call("VIF.add", vif=self.vif(vm))

    def vif(self, vm="vm-1", name="0"):
        return {
            "vif": f"{vm}/{name}",
            "position": int(name),
            "mac": f"02:00:00:00:00:0{name}",
            "backend": {"bridge": "xapi0"},
        }

    def run_vm(self, vm="vm-1", **more):
        self.add(vm, **more)
        self.do("VM.start", vm=vm)
        self.do("VM.unpause", vm=vm)

    # ---- inventories ----

    def guests(self):
        return self.networkd.client.call("Guest.list")

    def datapaths(self, vm="vm-1"):
        """State by datapath, of what the VM has in use."""
        all_of_them = self.smd.client.call("DP.list")
        return {d["dp"]: d["state"] for d in all_of_them if d["dp"].startswith(f"{vm}/")}

    def check_halted(self, vm="vm-1"):
        """Nothing of it is left anywhere."""
        self.assertEqual(self.power(vm), "halted")
        self.assertIsNone(self.domain(vm))
        for vbd in self.call("VBD.list", vm=vm):
            self.assertFalse(vbd["state"]["active"] or vbd["state"]["plugged"], vbd)
        for vif in self.call("VIF.list", vm=vm):
            self.assertFalse(vif["state"]["active"] or vif["state"]["plugged"], vif)
        if self.WITH_STORAGE:
            self.assertEqual(self.datapaths(vm), {})
        if self.WITH_NETWORK:
            owners = [guest["owner"] for guest in self.guests()]
            self.assertFalse([owner for owner in owners if owner.startswith(f"{vm}/")])

    def await_balance(self):
        end = time.monotonic() + HANG
        while (told := self.call("debug.diagnostics")["memory"])["balancing"]:
            self.assertLess(time.monotonic(), end, told)
            time.sleep(0.002)

    def check_up(self, power, vm="vm-1"):
        """All of it is there, and agrees, when it has got the memory that it can have."""
        self.await_balance()
        state = self.state(vm)
        self.assertEqual(state["power_state"], power)
        domain = self.domain(vm)
        self.assertEqual(state["domids"], [domain["domid"]])
        self.assertEqual(state["memory_target_bytes"], VM["memory_dynamic_max_bytes"])
        self.assertEqual(state["vcpus"], 2)
        self.assertTrue(state["last_start"])
        self.assertEqual(len(state["consoles"]), 1)
        self.assertTrue(domain["built"] and domain["device_model"])
        devices = {(d["kind"], d["name"]) for d in domain["devices"]}
        expected = set()
        for vbd in self.call("VBD.list", vm=vm):
            self.assertTrue(vbd["state"]["active"] and vbd["state"]["plugged"], vbd)
            expected.add(("vbd", vbd["vbd"]["vbd"].split("/")[1]))
        for vif in self.call("VIF.list", vm=vm):
            self.assertTrue(vif["state"]["active"] and vif["state"]["plugged"], vif)
            expected.add(("vif", vif["vif"]["vif"].split("/")[1]))
        self.assertEqual(devices, expected)
        if self.WITH_STORAGE:
            disks = {name for kind, name in devices if kind == "vbd" and name != "xvdd"}
            self.assertEqual(
                self.datapaths(vm), {f"{vm}/{name}": "activated_rw" for name in disks}
            )
        if self.WITH_NETWORK:
            found = {(g["owner"], g["interface"], g["bridge"]) for g in self.guests()}
            self.assertEqual(
                {g for g in found if g[0].startswith(f"{vm}/")},
                {(f"{vm}/0", f"vif{domain['domid']}.0", "xapi0")},
            )

    def many(self, calls):
        """Sends them all, then takes the answers."""
        client = self.xenopsd.client
        ids = [client.send(method, **params) for method, params in calls]
        return [client.answer(i) for i in ids]

    def check_inventory(self):
        """The simulator, smd and networkd have what xenopsd tells of all VMs, and no more. What it
        tells: by VM what VM.stat does, and "devices", each with its kind."""
        told = {stat["vm"]["vm"]: stat for stat in self.call("VM.list")}
        lists = [(vm, kind) for vm in told for kind in KINDS]
        answers = self.many((f"{kind.upper()}.list", {"vm": vm}) for vm, kind in lists)
        for stat in told.values():
            stat["devices"] = []
        for (vm, kind), devices in zip(lists, answers):
            told[vm]["devices"] += [(kind, device) for device in devices]
        domains = {d["spec"]["vm"]: d for d in self.simulator.call("Domain.list")}
        has_domain = {vm for vm, stat in told.items() if stat["state"]["domids"]}
        self.assertEqual(set(domains), has_domain)
        for vm, stat in told.items():
            if stat["state"]["power_state"] != "suspended":  # its domain may be kept
                is_up = stat["state"]["power_state"] in ("running", "paused")
                self.assertEqual(vm in domains, is_up)
            plugged = [(k, d) for k, d in stat["devices"] if d["state"]["plugged"]]
            if vm in domains:
                self.check_domain(domains[vm], stat["state"], plugged)
            else:
                self.assertEqual(plugged, [])
        plugged = [p for stat in told.values() for p in stat["devices"] if p[1]["state"]["plugged"]]
        self.check_datapaths([d["vbd"] for kind, d in plugged if kind == "vbd"])
        self.check_ports([d["vif"] for kind, d in plugged if kind == "vif"], domains)
        return told

    def check_domain(self, domain, state, plugged):
        self.assertEqual(state["domids"], [domain["domid"]])
        self.assertTrue(domain["built"] and domain["device_model"])
        self.assertEqual(len(state["consoles"]), 1)
        self.assertTrue(state["last_start"])
        is_paused = domain["power"] == "paused" or domain["held"]
        power = "paused" if is_paused else "running"
        if domain.get("end") == "suspended":
            power = "suspended"
        self.assertEqual(state["power_state"], power)
        self.assertEqual(state["vcpus"], domain["vcpus"])
        expected = {(kind, name_of(kind, d)): d for kind, d in plugged}
        found = {(d["kind"], d["name"]): d for d in domain["devices"]}
        self.assertEqual(sorted(found), sorted(expected))
        for key, device in expected.items():
            self.check_settings(found[key]["settings"], key[0], device[key[0]])
            if key[0] == "vbd":
                is_full = bool(found[key]["backend"])
                self.assertEqual(is_full, "backend" in device["state"], device)
                self.assertEqual(device["vbd"].get("backend"), device["state"].get("backend"))

    def check_settings(self, found, kind, config):
        """What the host was told of a device is as in its config."""
        expected = {}
        if kind == "vif":
            expected["carrier"] = str(config["carrier"]).lower()
            for key in ("ipv4", "ipv6"):
                static = config.get(f"{key}_configuration")
                if static:
                    words = [*static["addresses"], static.get("gateway", "-")]
                    expected[key] = " ".join(words)
            if "pvs_proxy" in config:
                expected["pvs_site"] = config["pvs_proxy"]["site"]
        if kind == "vbd" and "qos" in config:
            expected["qos"] = f"{config['qos']['scheduler']} {config['qos']['level']}"
        self.assertEqual(found, expected)

    def check_datapaths(self, vbds):
        expected = {
            vbd["vbd"]: (vbd["backend"]["vdi"]["vdi"], f"activated_{vbd['mode']}")
            for vbd in vbds
            if "vdi" in vbd.get("backend", ())
        }
        for dp in expected:
            vm, name = dp.split("/")
            way = self.smd.client.call("DP.attach_info", dp=dp)[0]
            devices = {d["name"]: d["backend"] for d in self.domain(vm)["devices"]}
            self.assertEqual(devices[name], way["file"]["path"])
        all_of_them = self.smd.client.call("DP.list", sr=SR)
        self.assertEqual({d["dp"]: (d["vdi"], d["state"]) for d in all_of_them}, expected)

    def check_ports(self, vifs, domains):
        expected = {}
        for vif in vifs:
            domid = domains[vif["vif"].split("/")[0]]["domid"]
            interface = f"vif{domid}.{vif['position']}"
            expected[interface] = (vif["vif"], vif["backend"]["bridge"])
        found = {g["interface"]: (g["owner"], g["bridge"]) for g in self.guests()}
        self.assertEqual(found, expected)

    # ---- faults ----

    def plan(self, atom="*", nth=1, action="pass"):
        self.simulator.call("Fault.add", fault={"atom": atom, "nth": nth, "action": action})

    def points(self, run):
        """The atoms of what RUN does, each with its number among those of its name."""
        self.plan()
        run()
        trace = self.simulator.call("Fault.trace")
        self.simulator.call("Fault.clear")
        self.assertGreater(len(trace), 0)
        return [(atom, trace[: i + 1].count(atom)) for i, atom in enumerate(trace)]

    def kill_at(self, atom, nth, run):
        self.plan(atom, nth, "hang")
        task = run()
        end = time.monotonic() + HANG
        while not self.simulator.call("Fault.list")[0]["hanging"]:
            not_after(self, end, f"{atom} {nth}", self)
            time.sleep(0.001)
        self.xenopsd.stop(signal.SIGKILL)
        self.simulator.call("Fault.clear")
        self.xenopsd.start()
        self.refuses("NO_SUCH_TASK", "TASK.stat", task=task)
        self.settle()

    def settle(self):
        """Until nothing is waited for, worked on, or still to be put right."""
        end = time.monotonic() + HANG
        while True:
            told = self.call("debug.diagnostics")
            balancing = told["memory"]["balancing"]
            if not told["queue"]["vms"] and not told["repairs"] and not balancing:
                return
            what = f"{told['queue']} {told['repairs']} {told['memory']}"
            self.assertLess(time.monotonic(), end, what)
            time.sleep(0.002)
