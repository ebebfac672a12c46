# SPDX-License-Identifier: LGPL-2.1-or-later
"""networkd by its socket: a network in memory, and a real one in a network namespace of its own."""

import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import unittest

import frames as frames_py
from jsonrpc import Client, Failed
from stack import BUILD, Stack

MARKS = ("threads",)
NETWORKD = BUILD / "bin" / "networkd"
CLI = BUILD / "bin" / "networkd-cli"
HANG = 60  # seconds; only to catch what hangs
VIF = {"interface": "vif1.0", "owner": "vm/0", "bridge": "xapi0", "mac": "02:00:00:00:0a:01"}

LOCKED = {"locked": {"ipv4": ["192.0.2.7"], "ipv6": ["2001:db8::7"]}}
OTHER_MAC = "02:00:00:00:0a:99"


def held(mode, **more):
    return dict(VIF, locking_mode=mode, **more)


class Daemon:
    """One networkd on a directory of its own, behind the words of PREFIX."""

    def __init__(self, case, backend, prefix=()):
        self.case, self.prefix = case, list(prefix)
        self.dir = pathlib.Path(tempfile.mkdtemp())
        case.addCleanup(shutil.rmtree, self.dir)
        conf = self.dir / "etc" / "networkd.conf.d"
        conf.mkdir(parents=True)
        (conf / "50-test.conf").write_text(f"backend = {backend}\n")
        self.process = self.client = None
        case.addCleanup(self.end)

    @property
    def state(self):
        return next(self.dir.rglob("networkd.json"))

    def spawn(self):
        self.log = open(self.dir / "log", "ab")
        self.process = subprocess.Popen(
            [*self.prefix, str(NETWORKD), "--dir", str(self.dir)],
            stdin=subprocess.DEVNULL,
            stdout=self.log,
            stderr=self.log,
        )
        self.log.close()

    def said(self):
        return (self.dir / "log").read_text()

    def start(self):
        self.spawn()
        end = time.monotonic() + HANG
        while True:
            try:
                self.client = Client(self.dir / "run" / "networkd.sock")
                return self
            except OSError:
                if time.monotonic() > end or self.process.poll() is not None:
                    raise AssertionError(self.said()) from None
                time.sleep(0.01)

    def call(self, method, **params):
        return self.client.call(method, **params)

    def stop(self, how):
        if self.client:
            self.client.close()
            self.client = None
        if self.process:
            self.process.send_signal(how)
            self.process.wait(HANG)
            self.process = None

    def kill_and_start(self):
        self.stop(signal.SIGKILL)
        return self.start()

    def end(self):
        self.stop(signal.SIGTERM)
        if (self.dir / "log").exists():
            for sign in (" bug ", "bug:", "Sanitizer", "runtime error:", "Assertion"):
                self.case.assertNotIn(sign, self.said())


class Checks:
    """What holds with either backend; eth0 is there and free."""

    def assert_fails(self, code, method, **params):
        with self.assertRaises(Failed) as caught:
            self.daemon.call(method, **params)
        self.assertEqual(caught.exception.code, code, caught.exception)
        return caught.exception

    def call(self, method, **params):
        return self.daemon.call(method, **params)

    def uplink(self, bridge="xenbr0", interface="eth0"):
        self.call("Bridge.create", bridge=bridge)
        config = {"interfaces": [interface]}
        self.call("Bridge.add_port", bridge=bridge, port=interface, config=config)

    def whole(self):
        """A bridge with an uplink and addresses, an internal one with a guest, all persistent."""
        self.uplink()
        config = {
            "ipv4": {"static": ["192.0.2.7/24", "192.0.2.8/24"]},
            "ipv4_gateway": "192.0.2.1",
            "ipv4_routes": [{"subnet": "198.51.100.9/24", "gateway": "192.0.2.2"}],
            "ipv6": {"static": ["2001:DB8::7/64"]},
            "mtu": 1400,
            "persistent": True,
        }
        self.call("Interface.make_config", config={"xenbr0": config})
        self.call("Bridge.set_persistent", bridge="xenbr0", persistent=True)
        self.call("Bridge.create", bridge="xapi0", mac="02:00:00:00:00:77")
        self.call("Guest.plug", vif=VIF)

    def assert_whole(self):
        bridge = self.call("Bridge.stat", bridge="xenbr0")
        self.assertEqual(bridge["interfaces"], ["eth0"])
        self.assertEqual([p["port"] for p in bridge["ports"]], ["eth0"])
        stat = self.call("Interface.stat", interface="xenbr0")
        self.assertEqual(sorted(stat["ipv4_addresses"]), ["192.0.2.7/24", "192.0.2.8/24"])
        self.assertEqual(stat["ipv4_gateway"], "192.0.2.1")
        self.assertEqual(stat["ipv6_addresses"], ["2001:db8::7/64"])
        self.assertEqual((stat["mtu"], stat["is_up"]), (1400, True))
        eth0 = self.call("Interface.stat", interface="eth0")
        self.assertEqual((eth0["mac"], eth0["mtu"]), (stat["mac"], 1400))
        self.assertEqual(self.call("Bridge.stat", bridge="xapi0")["interfaces"], ["vif1.0"])
        self.assertEqual(
            self.call("Interface.stat", interface="xapi0")["mac"], "02:00:00:00:00:77"
        )
        self.assertEqual([v["interface"] for v in self.call("Guest.list")], ["vif1.0"])

    def test_a_whole_network_and_its_end(self):
        self.whole()
        self.assert_whole()
        names = [i["interface"] for i in self.call("Interface.list")]
        self.assertIn("xenbr0", names)
        self.assertNotIn("vif1.0", names)
        self.assertNotIn("lo", names)
        error = self.assert_fails("Bridge_in_use", "Bridge.destroy", bridge="xapi0")
        self.assertEqual(error.params, ["xapi0", "vif1.0"])
        self.call("Guest.unplug", interface="vif1.0")
        self.call("Guest.unplug", interface="vif1.0")
        self.assertEqual(self.call("Guest.list"), [])
        for _ in range(2):
            self.call("Bridge.destroy", bridge="xapi0")
        self.assertEqual([b["bridge"] for b in self.call("Bridge.list")], ["xenbr0"])
        self.call("Bridge.remove_port", bridge="xenbr0", port="eth0")
        self.call("Bridge.remove_port", bridge="xenbr0", port="eth0")
        self.assertEqual(self.call("Bridge.stat", bridge="xenbr0")["interfaces"], [])
        self.call("Bridge.destroy", bridge="xenbr0")
        self.assertEqual(self.call("Bridge.list"), [])
        self.assertEqual(self.call("Config.get")["interfaces"], {})

    def test_a_kill_changes_nothing(self):
        self.whole()
        config = self.call("Config.get")
        self.daemon.kill_and_start()
        self.assert_whole()
        self.assertEqual(self.call("Config.get"), config)

    def test_a_reboot_keeps_what_is_persistent(self):
        self.whole()
        self.daemon.stop(signal.SIGTERM)
        run = self.daemon.dir / "run"
        (run / "networkd-run.json").unlink()
        shutil.rmtree(run / "networkd-guests")
        self.daemon.start()
        config = self.call("Config.get")
        self.assertEqual(list(config["bridges"]), ["xenbr0"])
        self.assertEqual(list(config["interfaces"]), ["xenbr0"])
        self.assertEqual(self.call("Guest.list"), [])

    def test_addresses_change_and_go(self):
        self.whole()
        # The second address of its subnet stays when the first, which leads it, goes.
        ipv4 = {"static": ["192.0.2.8/24"]}
        self.call("Interface.set_addresses", interface="xenbr0", ipv4=ipv4)
        stat = self.call("Interface.stat", interface="xenbr0")
        self.assertEqual(stat["ipv4_addresses"], ["192.0.2.8/24"])
        self.assertEqual(stat["ipv4_gateway"], "192.0.2.1")
        self.assertEqual(stat["ipv6_addresses"], ["2001:db8::7/64"])
        self.call("Interface.set_mtu", interface="xenbr0", mtu=1300)
        stat = self.call("Interface.stat", interface="xenbr0")
        self.assertEqual((stat["mtu"], stat["config"]["mtu"]), (1300, 1300))
        self.call("Interface.bring_down", interface="xenbr0")
        stat = self.call("Interface.stat", interface="xenbr0")
        self.assertEqual((stat["ipv4_addresses"], stat["is_up"]), ([], False))
        self.assertNotIn("config", {k for k, v in stat.items() if v is not None})

    def test_the_default_gateway_is_one(self):
        for bridge, net in (("xenbr0", 2), ("xenbr1", 3)):
            self.call("Bridge.create", bridge=bridge)
            self.call(
                "Interface.set_addresses",
                interface=bridge,
                ipv4={"static": [f"10.0.{net}.7/24"]},
                ipv4_gateway=f"10.0.{net}.1",
            )

        def gateways():
            stats = [self.call("Interface.stat", interface=f"xenbr{i}") for i in (0, 1)]
            return [s.get("ipv4_gateway") for s in stats]

        self.assertEqual(gateways(), ["10.0.2.1", None])
        self.call("Interface.set_gateway", interface="xenbr1")
        self.assertEqual(gateways(), [None, "10.0.3.1"])
        self.call("Interface.set_gateway")
        self.assertEqual(gateways(), ["10.0.2.1", None])
        self.assert_fails("Interface_does_not_exist", "Interface.set_gateway", interface="no0")

    def test_what_cannot_be_is_refused(self):
        self.uplink()
        self.call("Bridge.create", bridge="xapi0")
        before = self.call("Config.get")
        port = {"interfaces": ["eth0"]}
        for name in ("", "a/b", "../x", "sixteen-letters.", "all", "a b"):
            self.assert_fails("INVALID_VALUE", "Bridge.create", bridge=name)
            self.assert_fails("INVALID_VALUE", "Guest.plug", vif=dict(VIF, interface=name))
        self.assert_fails("INVALID_VALUE", "Bridge.create", bridge="xapi1", mac="x")
        self.assert_fails(
            "NOT_IMPLEMENTED", "Bridge.create", bridge="v", vlan={"bridge": "xenbr0", "vlan": 3}
        )
        self.assert_fails("Network_error", "Bridge.create", bridge="eth0")
        self.assert_fails("Bridge_does_not_exist", "Bridge.stat", bridge="eth0")
        self.assert_fails(
            "Bridge_does_not_exist", "Bridge.add_port", bridge="no", port="p", config=port
        )
        self.assert_fails(
            "Interface_does_not_exist",
            "Bridge.add_port",
            bridge="xapi0",
            port="p",
            config={"interfaces": ["no0"]},
        )
        self.assert_fails(
            "Network_error", "Bridge.add_port", bridge="xapi0", port="p", config=port
        )
        self.assert_fails("Bridge_does_not_exist", "Guest.plug", vif=dict(VIF, bridge="no0"))
        self.assert_fails("INVALID_VALUE", "Guest.plug", vif=dict(VIF, interface="eth0"))
        self.assert_fails("INVALID_VALUE", "Guest.plug", vif=dict(VIF, interface="xenbr0"))
        self.assert_fails("INVALID_VALUE", "Guest.plug", vif=dict(VIF, mtu=1))
        self.assert_fails("NOT_IMPLEMENTED", "Guest.plug", vif=dict(VIF, vlan=3))
        for mode in ({"ipv4": ["192.0.2.7; drop"]}, {"ipv6": ["192.0.2.7"]}, {"ipv4": ["::1"]}):
            self.assert_fails("INVALID_VALUE", "Guest.plug", vif=held({"locked": mode}))
        many = {"ipv4": ["192.0.2.7"] * 257}
        self.assert_fails("INVALID_VALUE", "Guest.plug", vif=held({"locked": many}))
        for rate in ({"kbytes_per_s": 0}, {"kbytes_per_s": 5, "timeslice_us": 0}):
            self.assert_fails("INVALID_VALUE", "Guest.plug", vif=dict(VIF, rate=rate))
        for ipv4, code in (("dhcp", "NOT_IMPLEMENTED"), ({"static": ["x"]}, "INVALID_VALUE")):
            self.assert_fails(code, "Interface.set_addresses", interface="xenbr0", ipv4=ipv4)
        self.assert_fails("Interface_does_not_exist", "Interface.set_mtu", interface="x", mtu=1500)
        self.assert_fails("Interface_does_not_exist", "Interface.stat", interface="no0")
        self.assert_fails("NOT_IMPLEMENTED", "Sriov.enable", interface="eth0")
        self.assertEqual(self.call("Config.get"), before)
        self.assertEqual(self.call("Guest.list"), [])

    def test_settings_of_a_guest_are_kept(self):
        self.call("Bridge.create", bridge="xapi0")
        self.call("Guest.plug", vif=held(LOCKED, carrier=False, rate={"kbytes_per_s": 100}))
        self.daemon.kill_and_start()
        (vif,) = self.call("Guest.list")
        self.assertEqual(vif["locking_mode"], LOCKED)
        self.assertEqual((vif["carrier"], vif["rate"]["kbytes_per_s"]), (False, 100))
        self.call("Guest.plug", vif=held("disabled"))
        (vif,) = self.call("Guest.list")
        self.assertEqual((vif["locking_mode"], vif["carrier"]), ("disabled", True))
        self.assertIsNone(vif.get("rate"))
        self.call("Guest.unplug", interface="vif1.0")
        self.assertEqual(self.call("Guest.list"), [])

    def test_a_bad_file_is_refused(self):
        self.whole()
        self.daemon.stop(signal.SIGTERM)
        path = self.daemon.state
        path.write_text(path.read_text()[:-20])
        self.daemon.spawn()
        self.assertNotEqual(self.daemon.process.wait(HANG), 0)
        self.assertIn("STORE_UNUSABLE", self.daemon.said())
        self.assertIn(str(path), self.daemon.said())
        self.daemon.process = None

    def test_updates_tell_what_changed(self):
        token = self.call("UPDATES.get", timeout=0)["token"]

        def told():
            nonlocal token
            answer = self.call("UPDATES.get", since=token, timeout=0)
            token = answer["token"]
            return sorted((u["class"], u["id"], u["deleted"]) for u in answer["updates"])

        self.call("Bridge.create", bridge="xapi0")
        self.call("Guest.plug", vif=VIF)
        self.assertEqual(told(), [("bridge", "xapi0", False), ("vif", "vif1.0", False)])
        self.call("Bridge.create", bridge="xapi0")
        self.call("Guest.plug", vif=VIF)
        self.assertEqual(told(), [])
        self.call("Bridge.destroy", bridge="xapi0", force=True)
        self.assertEqual(told(), [("bridge", "xapi0", True), ("vif", "vif1.0", True)])

    def test_calls_at_once(self):
        for i in range(4):
            self.call("Bridge.create", bridge=f"xapi{i}")
        sent = [self.daemon.client.send("Bridge.create", bridge=f"b{i}") for i in range(8)]
        sent += [self.daemon.client.send("Bridge.destroy", bridge=f"xapi{i}") for i in range(4)]
        sent += [self.daemon.client.send("Bridge.list") for _ in range(4)]
        for call in sent:
            self.daemon.client.answer(call)
        names = sorted(b["bridge"] for b in self.call("Bridge.list"))
        self.assertEqual(names, [f"b{i}" for i in range(8)])


class Simulator(Checks, unittest.TestCase):
    def setUp(self):
        self.daemon = Daemon(self, "simulator").start()

    def test_the_launcher_brings_it_up_and_the_cli_speaks_to_it(self):
        stack = Stack(self, "--backend", "simulator")
        done = subprocess.run(
            [str(CLI), "--dir", str(stack.dir), "--json", "Interface.list"],
            capture_output=True,
            text=True,
            timeout=HANG,
        )
        self.assertEqual(done.returncode, 0, done.stderr)
        names = [i["interface"] for i in json.loads(done.stdout)]
        self.assertEqual(names, ["eth0", "eth1"])


def why_no_namespace():
    if os.geteuid() != 0:
        return "needs root"
    if not shutil.which("ip") or not shutil.which("unshare"):
        return "needs iproute2 and util-linux"
    tried = subprocess.run(
        ["unshare", "-n", "sh", "-c", "ip link add x0 type bridge && ip link add x1 type veth"],
        capture_output=True,
        text=True,
    )
    return None if tried.returncode == 0 else f"no bridges here: {tried.stderr.strip()}"


REASON = why_no_namespace()


@unittest.skipIf(REASON, REASON)
class Kernel(Checks, unittest.TestCase):
    """A process keeps the namespace; what it has is seen by `ip`, which is nobody of ours."""

    def setUp(self):
        self.keeper = subprocess.Popen(
            ["unshare", "-n", "sh", "-c", "echo; exec cat"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self.addCleanup(self.let_go)
        self.keeper.stdout.readline()
        self.inside = ["nsenter", "--net", "--target", str(self.keeper.pid)]
        # The other ends of the cables of a card and of a guest.
        for name in ("eth0", "vif1.0"):
            self.ip("link", "add", name, "type", "veth", "peer", "name", f"far-{name}")
            self.ip("link", "set", f"far-{name}", "up")
        self.daemon = Daemon(self, "kernel", self.inside).start()

    def let_go(self):
        self.keeper.stdin.close()
        self.keeper.wait(HANG)
        self.keeper.stdout.close()

    def ip(self, *args):
        done = subprocess.run(
            [*self.inside, "ip", "-j", *args], capture_output=True, text=True, timeout=HANG
        )
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads(done.stdout) if done.stdout.strip() else []

    def link(self, name):
        return self.ip("-d", "link", "show", "dev", name)[0]

    def test_the_kernel_has_what_was_asked_for(self):
        self.whole()
        bridge = self.link("xenbr0")
        self.assertEqual(bridge["linkinfo"]["info_kind"], "bridge")
        self.assertIn("UP", bridge["flags"])
        self.assertEqual(bridge["mtu"], 1400)
        self.assertEqual(self.link("eth0")["master"], "xenbr0")
        self.assertEqual(self.link("eth0")["address"], bridge["address"])
        self.assertEqual(self.link("xapi0")["address"], "02:00:00:00:00:77")
        self.assertEqual(self.link("vif1.0")["master"], "xapi0")
        self.assertIn("UP", self.link("vif1.0")["flags"])
        found = self.ip("addr", "show", "dev", "xenbr0", "scope", "global")[0]["addr_info"]
        self.assertEqual(
            sorted((a["local"], a["prefixlen"]) for a in found if a),
            [("192.0.2.7", 24), ("192.0.2.8", 24), ("2001:db8::7", 64)],
        )
        routes = [(r["dst"], r["gateway"]) for r in self.ip("route") if "gateway" in r]
        self.assertEqual(
            sorted(routes), [("198.51.100.0/24", "192.0.2.2"), ("default", "192.0.2.1")]
        )
        self.call("Guest.unplug", interface="vif1.0")
        self.assertNotIn("master", self.link("vif1.0"))
        self.assertNotIn("UP", self.link("vif1.0")["flags"])
        self.call("Bridge.destroy", bridge="xapi0")
        self.assertNotIn("xapi0", [link["ifname"] for link in self.ip("link")])

    def wait_until_quiet(self):
        """IPv6 finds out by and by that nobody else has our addresses."""
        end = time.monotonic() + HANG
        while any(a.get("tentative") for i in self.ip("addr") for a in i["addr_info"]):
            self.assertLess(time.monotonic(), end)
            time.sleep(0.05)

    def watch(self, act):
        """What the kernel told its listeners of links, addresses and routes while ACT ran."""
        monitor = subprocess.Popen(
            [*self.inside, "ip", "monitor", "link", "address", "route"],
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            self.mark(monitor)
            act()
            return self.mark(monitor)
        finally:
            monitor.kill()
            monitor.wait()
            monitor.stdout.close()

    def mark(self, monitor):
        """What MONITOR said until it tells of a change that the test makes itself."""
        mtu = self.link("far-eth0")["mtu"] + 1
        end = time.monotonic() + HANG
        os.set_blocking(monitor.stdout.fileno(), False)
        self.ip("link", "set", "far-eth0", "mtu", str(mtu))
        text = ""
        while f" mtu {mtu} " not in text:
            self.assertLess(time.monotonic(), end, text)
            try:
                more = os.read(monitor.stdout.fileno(), 65536)
            except BlockingIOError:
                more = b""
            text += more.decode()
            if not more:
                # It may not have listened yet.
                mtu += 1
                self.ip("link", "set", "far-eth0", "mtu", str(mtu))
                time.sleep(0.02)
        return [line for line in text.splitlines() if line[:1].strip() and "far-eth0" not in line]

    def test_the_same_calls_again_change_nothing(self):
        self.whole()
        self.wait_until_quiet()
        self.assertEqual(self.watch(self.whole), [])
        # The watcher is not deaf.
        self.assertTrue(self.watch(lambda: self.call("Bridge.create", bridge="xapi1")))

    def test_a_restart_touches_nothing(self):
        self.whole()
        self.wait_until_quiet()
        self.assertEqual(self.watch(self.daemon.kill_and_start), [])

    def test_a_restart_repairs_what_was_undone_meanwhile(self):
        self.whole()
        self.daemon.stop(signal.SIGKILL)
        self.ip("link", "del", "xenbr0")
        self.ip("link", "set", "vif1.0", "nomaster")
        self.daemon.start()
        self.assert_whole()
        self.assertEqual(self.link("eth0")["master"], "xenbr0")
        self.assertEqual(self.link("vif1.0")["master"], "xapi0")

    def test_a_guest_that_is_gone_is_forgotten(self):
        self.whole()
        self.daemon.stop(signal.SIGKILL)
        self.ip("link", "del", "vif1.0")
        self.daemon.start()
        self.assertEqual(self.call("Guest.list"), [])
        self.call("Bridge.destroy", bridge="xapi0")
        self.call("Bridge.create", bridge="xapi0")
        self.assert_fails("Interface_does_not_exist", "Guest.plug", vif=VIF)

    def test_the_mac_of_a_bridge_stays_when_a_guest_joins(self):
        self.call("Bridge.create", bridge="xapi0")
        before = self.link("xapi0")["address"]
        self.ip("link", "set", "vif1.0", "address", "00:00:00:00:00:01")
        self.call("Guest.plug", vif=VIF)
        self.assertEqual(self.link("xapi0")["address"], before)

    def test_what_is_nobodys_is_left_alone(self):
        self.ip("link", "add", "other0", "type", "bridge")
        self.ip("addr", "add", "203.0.113.5/24", "dev", "far-eth0")
        before = self.link("other0")
        self.whole()
        self.daemon.kill_and_start()
        self.assertEqual(self.link("other0"), before)
        self.assertEqual(self.link("far-eth0")["mtu"], 1500)
        # What is asked of an interface leaves what it had and was not asked about.
        self.call("Interface.set_mtu", interface="far-eth0", mtu=1450)
        found = self.ip("addr", "show", "dev", "far-eth0")[0]
        self.assertEqual(found["mtu"], 1450)
        self.assertIn("203.0.113.5", [a["local"] for a in found["addr_info"]])

    def test_frames_cross_the_bridge(self):
        """From the far end of the card's cable to the far end of the guest's."""
        self.uplink("xapi0")
        self.call("Guest.plug", vif=VIF)
        kind = socket.htons(0x88B5)  # for experiments
        frame = b"\xff" * 6 + bytes.fromhex("020000000b01") + b"\x88\xb5" + b"hello" * 20
        script = (
            "import socket,sys\n"
            "a,b=[socket.socket(socket.AF_PACKET,socket.SOCK_RAW,%d) for _ in 'ab']\n"
            "a.bind(('far-eth0',0x88b5)); b.bind(('far-vif1.0',0x88b5)); b.settimeout(1)\n"
            "for _ in range(%d):\n"
            "    a.send(bytes.fromhex('%s'))\n"
            "    try:\n"
            "        sys.exit(0 if b.recv(2000).endswith(b'hello') else 1)\n"
            "    except TimeoutError: pass\n"
            "sys.exit(2)\n" % (kind, HANG, frame.hex())
        )
        done = subprocess.run([*self.inside, "python3", "-c", script], timeout=2 * HANG)
        self.assertEqual(done.returncode, 0)

    def crossed(self, frames, source="far-vif1.0", sink="far-eth0"):
        """The marks of those that came, in order. The last one comes from another guest."""
        done = subprocess.run(
            [*self.inside, "python3", frames_py.__file__, source, sink, "far-vif2.0"],
            input="".join(f.hex() + "\n" for f in frames),
            stdout=subprocess.PIPE,
            text=True,
            timeout=2 * HANG,
        )
        self.assertEqual(done.returncode, 0)
        return done.stdout.split()

    def two_guests(self):
        """One, and another beside it that nothing holds."""
        self.ip("link", "add", "vif2.0", "type", "veth", "peer", "name", "far-vif2.0")
        self.ip("link", "set", "far-vif2.0", "up")
        self.uplink("xapi0")
        self.call("Guest.plug", vif=VIF)
        other = dict(VIF, interface="vif2.0", mac="02:00:00:00:0b:02")
        self.call("Guest.plug", vif=other)

    def test_a_locked_guest_sends_what_is_its_own(self):
        self.two_guests()
        frames, honest = guest_frames()
        everything = [*honest, *(set(frames) - set(honest))]
        self.assertEqual(set(self.crossed(frames.values())), set(everything))
        self.call("Guest.plug", vif=held(LOCKED))
        self.assertEqual(self.crossed(frames.values()), honest)
        self.daemon.kill_and_start()
        self.assertEqual(self.crossed(frames.values()), honest)
        # Its IPv4 alone; nothing at all; everything again, for who comes after it too.
        self.call("Guest.plug", vif=held({"locked": {"ipv4": ["192.0.2.7"]}}))
        only4 = [name for name in honest if not name.startswith("6")]
        self.assertEqual(self.crossed(frames.values()), only4)
        self.call("Guest.plug", vif=held({"locked": {}}))
        self.assertEqual(self.crossed(frames.values()), [])
        self.call("Guest.unplug", interface="vif1.0")
        self.call("Guest.plug", vif=VIF)
        self.assertEqual(set(self.crossed(frames.values())), set(everything))

    def test_a_disabled_guest_is_alone(self):
        self.two_guests()
        self.call("Guest.plug", vif=held("disabled"))
        frames, _ = guest_frames()
        self.assertEqual(self.crossed(frames.values()), [])
        hello = frames_py.ether(OTHER_MAC, 0x88B5, b"", "hello")
        # The far end of the uplink to the guest: the end's frame does not come either.
        code = subprocess.run(
            [*self.inside, "python3", "-c", LISTEN % (hello.hex(),)], timeout=2 * HANG
        ).returncode
        self.assertEqual(code, 0)

    def test_rules_that_somebody_threw_away_come_back(self):
        self.two_guests()
        self.call("Guest.plug", vif=held("disabled"))
        subprocess.run([*self.inside, "nft", "flush", "ruleset"], check=True, timeout=HANG)
        self.call("Guest.plug", vif=held(LOCKED))
        frames, honest = guest_frames()
        self.assertEqual(self.crossed(frames.values()), honest)

    def test_a_guest_sends_no_faster_than_it_may(self):
        self.two_guests()
        big = frames_py.ipv4("192.0.2.7", "192.0.2.9", "big", size=1300)
        frames = [frames_py.ether(VIF["mac"], 0x800, big, "")] * 400
        self.assertEqual(self.crossed(frames).count("big"), 400)
        self.call("Guest.plug", vif=dict(VIF, rate={"kbytes_per_s": 1}))
        came = self.crossed(frames).count("big")
        self.assertGreater(came, 20)  # what it may send at once
        self.assertLess(came, 300)

    def test_a_pulled_cable(self):
        self.two_guests()
        self.call("Guest.plug", vif=dict(VIF, carrier=False))
        self.assertNotIn("UP", self.link("vif1.0")["flags"])
        self.call("Guest.plug", vif=VIF)
        self.assertIn("UP", self.link("vif1.0")["flags"])


# Sends a frame from the uplink's side; one that is not held gets it, and who is held does not.
LISTEN = """
import os, sys
sys.path.insert(0, %r)
import frames
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
a, held, free = (frames.raw("far-" + n) for n in ("eth0", "vif1.0", "vif2.0"))
free.settimeout(1)
for _ in range(60):
    a.send(bytes.fromhex("%%s"))
    try:
        if "hello" in frames.came(free):
            break
    except TimeoutError:
        pass
else:
    sys.exit(2)
held.setblocking(False)
try:
    while True:
        if "hello" in frames.came(held):
            sys.exit(1)
except BlockingIOError:
    sys.exit(0)
""" % os.path.dirname(
    __file__
)


def guest_frames():
    """By their marks, 6 for IPv6; and the marks of those that a locked guest may send."""
    mac, own, local = VIF["mac"], "2001:db8::7", "fe80::ff:fe00:a01"
    ip = [(m, a, mark) for m, a, mark in (
        (mac, "192.0.2.7", "own"),
        (mac, "192.0.2.8", "other-address"),
        (OTHER_MAC, "192.0.2.7", "other-mac"),
    )]  # fmt: skip
    frames = {
        mark: frames_py.ether(m, 0x800, frames_py.ipv4(a, "192.0.2.9", mark), "")
        for m, a, mark in ip
    }
    dhcp = frames_py.ipv4("0.0.0.0", "255.255.255.255", "dhcp", ports=(68, 67))
    frames["dhcp"] = frames_py.ether(mac, 0x800, dhcp, "")
    served = frames_py.ipv4("0.0.0.0", "255.255.255.255", "dhcp-server", ports=(67, 68))
    frames["dhcp-server"] = frames_py.ether(mac, 0x800, served, "")
    for mark, m, a in (
        ("arp", mac, "192.0.2.7"),
        ("arp-probe", mac, "0.0.0.0"),
        ("arp-other-address", mac, "192.0.2.8"),
        ("arp-other-mac", OTHER_MAC, "192.0.2.7"),
    ):
        frames[mark] = frames_py.ether(mac, 0x806, frames_py.arp(m, a, "192.0.2.9"), mark)
    tagged = b"\x00\x05\x08\x00" + frames_py.ipv4("192.0.2.7", "192.0.2.9", "tagged")
    frames["tagged"] = frames_py.ether(mac, 0x8100, tagged, "")
    frames["experiment"] = frames_py.ether(mac, 0x88B5, b"", "experiment")
    solicit, advert, router, ping = 135, 136, 134, 128
    for mark, source, kind, target in (
        ("6own", own, ping, own),
        ("6local", local, ping, own),
        ("6other", "2001:db8::8", ping, own),
        ("6advert", own, advert, own),
        ("6advert-local", local, advert, local),
        ("6advert-other", own, advert, "2001:db8::8"),
        ("6router", local, router, own),
        ("6probe", "::", solicit, own),
        ("6probe-other", "::", solicit, "2001:db8::8"),
    ):
        body = frames_py.neighbour(source, "ff02::1", kind, target, mark)
        frames[mark] = frames_py.ether(mac, 0x86DD, body, "")
    honest = "own dhcp arp arp-probe 6own 6local 6advert 6advert-local 6probe".split()
    return frames, honest


if __name__ == "__main__":
    unittest.main()
