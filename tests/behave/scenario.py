# SPDX-License-Identifier: LGPL-2.1-or-later
"""What real guests are to do through the XenAPI, wherever they run: the same tests on QEMU
(test_guest_life.py) and in a Xen host's dom0 (tests/xen/test_life.py).

A test case is one of the classes here and a Place, which knows how things are reached there.
"""

import secrets
import time
import xmlrpc.client

from guest import answer
from pool import MIB, NULL, Case, Failure

DAEMONS = "xenopsd", "xapid", "smd", "networkd", "rrdd"
SETTLE = 20  # seconds; only to catch what hangs
LOGIN = "root", "xenith"


class Place:
    """Where a host of a test runs; a test case gets one from `self.place`."""

    kinds = ()  # the domain types that run here
    kernel = {}  # fields of a VM that boots the demo guest
    memory = 160 * MIB
    address = None  # of this host on the guests' network; None: they ask for theirs
    gateway = None  # whom they ping
    slowness = 1  # deadlines are so many times as long
    rounds = 1  # kills of each daemon amid operations

    def put_image(self, folder, **settings):
        """The demo guest's disk in a folder of the host, with the settings on it."""
        raise NotImplementedError

    def network_is_there(self, bridge):
        """Gives the bridge its address."""

    def call(self, daemon, method, **params):
        """A call of a daemon's own interface."""
        raise NotImplementedError

    def kill(self, daemon, begin=None):
        """kill -9, amid what BEGIN() has begun; the launcher starts the daemon anew."""
        raise NotImplementedError

    def domains(self):
        """What the hypervisor runs: domid by the VM's uuid; a domid that it does not know is None."""
        raise NotImplementedError

    def check_devices(self, case, domid, vbds, vifs):
        """The hypervisor has these devices of a domain, by number."""

    def console(self, uuid):
        """wait_for(text) and send(text)."""
        raise NotImplementedError


class Guest:
    """A VM with the demo guest in it."""

    def __init__(self, case, vm, nonce):
        self.case, self.vm, self.nonce = case, vm, nonce
        self.uuid = case.x("VM.get_uuid", vm)
        self.terminal = None

    def watch(self):
        """Its console, anew: each domain has one of its own."""
        self.terminal = self.case.place.console(self.uuid)

    def wait_for_boot(self, number):
        """It has read its own disk, and found the host, for the time of this number."""
        self.terminal.wait_for(answer(self.nonce, number))
        self.terminal.wait_for(f"guest: ping {self.case.place.gateway} ok")

    def log_in(self):
        self.terminal.send("\n")  # it asks once more, where it has asked already
        self.terminal.wait_for("login: ")
        for word, after in zip(LOGIN, ("assword: ", "# ")):
            self.terminal.send(word + "\n")
            self.terminal.wait_for(after)

    def check_alive(self):
        """Somebody is logged in, and still gets answers."""
        number = secrets.randbelow(10**9)
        self.terminal.send(f"echo $(({number} + 1))-alive\n")
        self.terminal.wait_for(f"{number + 1}-alive")


class Guests(Case):
    """Makes guests, and sees that all agree about them."""

    place = None
    told = "not yet agreed"  # what was done last, for who reads of a failure

    def settles(self, check):
        """CHECK fails no more; what it said last says what is wrong."""
        end = time.monotonic() + SETTLE * self.place.slowness
        while True:
            try:
                return check()
            except (AssertionError, OSError, xmlrpc.client.ProtocolError, Failure) as e:
                if time.monotonic() > end:
                    raise AssertionError(f"{self.told}: {e}") from e
            time.sleep(0.1)

    # ---- making ----

    def make_image(self):
        """A VDI with the demo guest, and what is fresh on it."""
        self.nonce = secrets.token_hex(16)
        settings = {"nonce": self.nonce}
        if self.place.address:
            settings |= {"address": self.place.address, "ping": self.place.gateway}
        self.sr = self.make_sr()
        self.place.put_image(self.sr_folder, **settings)
        self.x("SR.scan", self.sr)
        (self.image,) = self.x("SR.get_VDIs", self.sr)
        self.network = self.x("network.create", {"name_label": "guests", "other_config": {}})

    def make_template(self, kind):
        size = str(self.place.memory)
        memory = {f"memory_{name}": size for name in ("static_max", "dynamic_max", "dynamic_min")}
        template = self.make_vm(
            f"{kind} template", is_a_template=True, domain_type=kind, **memory, **self.place.kernel
        )
        self.make_vbd(template, self.image, "0")
        self.make_vif(template, self.network)
        return template

    def make_guest(self, kind):
        """A VM of its own, cloned from a template, with a clone of the image."""
        template = self.make_template(kind)
        vm = self.x("VM.clone", template, f"{kind} guest")
        self.x("VM.provision", vm)
        (self.vbd,) = self.x("VM.get_VBDs", vm)
        (self.vif,) = self.x("VM.get_VIFs", vm)
        self.vdi = self.x("VBD.get_VDI", self.vbd)
        self.assertNotEqual(self.vdi, self.image)
        return Guest(self, vm, self.nonce)

    def start(self, guest):
        """Started, and seen from its first word on."""
        self.x("VM.start", guest.vm, True, False)
        guest.watch()
        self.place.network_is_there(self.x("network.get_bridge", self.network))
        self.x("VM.unpause", guest.vm)

    # ---- agreeing ----

    def check_vm(self, record, power_state):
        """A VM is in this state, and nothing is under way."""
        self.assertEqual(record["power_state"], power_state)
        self.assertEqual(record["current_operations"], {})
        allowed = record["allowed_operations"]
        rests = power_state == "Halted"
        self.assertEqual(("start" in allowed, "destroy" in allowed), (rests, rests), allowed)
        self.assertEqual("hard_shutdown" in allowed, not rests, allowed)
        self.assertEqual("clean_shutdown" in allowed, power_state == "Running", allowed)
        self.assertEqual(record["resident_on"], NULL if rests else self.host)
        self.assertEqual(record["domid"] == "-1", rests)
        self.assertEqual(record["consoles"] == [], rests)

    def plugged(self, kind, uuid):
        """The devices of a VM that are plugged, as their records in the XenAPI say."""
        (vm,) = [v for v in self.records["VM"].values() if v["uuid"] == uuid]
        devices = [self.records[kind][ref] for ref in vm[f"{kind}s"]]
        for device in devices:
            self.assertEqual(device["current_operations"], {}, kind)
            if vm["power_state"] == "Halted":
                self.assertFalse(device["currently_attached"], kind)
        return [device for device in devices if device["currently_attached"]]

    def look(self):
        self.records = {
            kind: self.x(f"{kind}.get_all_records")
            for kind in ("VM", "VBD", "VIF", "VDI", "SR", "task", "host")
        }
        for task in self.records["task"].values():
            self.assertNotEqual(task["status"], "pending", task)
        for kind in ("VDI", "SR", "host"):
            for record in self.records[kind].values():
                self.assertEqual(record["current_operations"], {}, kind)

    def check_agreement(self, guest, power_state):
        """The XenAPI, every daemon and the hypervisor say the same of the only guest."""
        self.look()
        record = self.records["VM"][guest.vm]
        self.check_vm(record, power_state)
        domid = int(record["domid"])
        here = {} if power_state == "Halted" else {guest.uuid: domid}
        vbds = [v for v in self.plugged("VBD", guest.uuid) if not v["empty"]]
        vifs = self.plugged("VIF", guest.uuid)
        told = self.place.call("xenopsd", "VM.list")
        states = {v["vm"]["vm"]: v["state"] for v in told}
        self.assertEqual({vm: s["domids"] for vm, s in states.items()}, {
            vm: [domid] for vm, domid in here.items()
        })
        for state in states.values():
            self.assertEqual(state["power_state"], power_state.lower())
        found = self.place.domains()
        self.assertEqual(set(found), set(here))
        if found.get(guest.uuid) is not None:
            self.assertEqual(found, here)
        used = [d["vdi"] for d in self.place.call("smd", "DP.list")]
        wanted = [self.records["VDI"][v["VDI"]]["location"] for v in vbds]
        self.assertEqual(sorted(used), sorted(wanted))
        cards = [v["owner"] for v in self.place.call("networkd", "Guest.list")]
        self.assertEqual(sorted(cards), sorted(f"{guest.uuid}/{v['device']}" for v in vifs))
        if here:
            self.place.check_devices(self, domid, len(vbds), len(vifs))

    def assert_agreed(self, guest, power_state):
        self.settles(lambda: self.check_agreement(guest, power_state))

    def assert_settled(self, guest):
        """It runs or has halted, and all agree on which; that is returned."""

        def check():
            power_state = self.x("VM.get_power_state", guest.vm)
            self.assertIn(power_state, ("Running", "Halted"))
            self.check_agreement(guest, power_state)
            return power_state

        return self.settles(check)


class Life:
    """The whole life of a guest."""

    def whole_life(self, kind):
        guest = self.make_guest(kind)
        self.start(guest)
        guest.wait_for_boot(1)
        self.assert_agreed(guest, "Running")
        first = self.x("VM.get_domid", guest.vm)
        metrics = self.x("VM.get_metrics", guest.vm)
        self.assertEqual(self.x("VM_metrics.get_current_domain_type", metrics), kind)
        self.x("VM.pause", guest.vm)
        self.assert_agreed(guest, "Paused")
        self.x("VM.unpause", guest.vm)
        self.x("VM.clean_reboot", guest.vm)
        guest.watch()
        guest.wait_for_boot(2)
        self.assert_agreed(guest, "Running")
        second = self.x("VM.get_domid", guest.vm)
        self.assertNotEqual(first, second)
        self.x("VM.clean_shutdown", guest.vm)
        guest.terminal.wait_for("guest: going down")
        self.assert_agreed(guest, "Halted")
        # Without the guest's consent, which need not have come up.
        self.x("VM.start", guest.vm, False, False)
        third = self.x("VM.get_domid", guest.vm)
        self.x("VM.hard_reboot", guest.vm)
        self.assert_agreed(guest, "Running")
        self.assertNotIn(self.x("VM.get_domid", guest.vm), (first, second, third))
        self.x("VM.hard_shutdown", guest.vm)
        self.assert_agreed(guest, "Halted")
        self.x("VM.destroy", guest.vm)
        self.fails("HANDLE_INVALID", "VM.get_record", guest.vm)
        self.x("VDI.destroy", self.vdi)
        self.assertEqual(self.place.domains(), {})


class Suspends:
    """A guest goes to a VDI and comes back."""

    def check_suspended(self, guest):
        record = self.x("VM.get_record", guest.vm)
        self.assertEqual((record["power_state"], record["domid"]), ("Suspended", "-1"))
        self.assertEqual(self.place.domains(), {})
        self.assertEqual(self.place.call("smd", "DP.list"), [])
        self.assertEqual(self.place.call("networkd", "Guest.list"), [])
        return record["suspend_VDI"]

    def guest_is_suspended(self, kind):
        guest = self.make_guest(kind)
        (pool,) = self.x("pool.get_all")
        self.x("pool.set_suspend_image_SR", pool, self.sr)
        self.start(guest)
        guest.wait_for_boot(1)
        guest.log_in()
        word = secrets.token_hex(8)
        guest.terminal.send(f"word={word}\n")
        guest.check_alive()
        for _ in range(2):
            self.x("VM.suspend", guest.vm)
            memory = self.check_suspended(guest)
            self.x("VM.resume", guest.vm, False, False)
            self.fails("HANDLE_INVALID", "VDI.get_record", memory)
            guest.watch()
            guest.terminal.send("echo this-is-$word\n")
            guest.terminal.wait_for(f"this-is-{word}")
            self.assert_agreed(guest, "Running")
        guest.terminal.send(f"ping -c 1 {self.place.gateway} && echo $word-pings\n")
        guest.terminal.wait_for(f"{word}-pings")
        self.x("VM.suspend", guest.vm)
        self.x("VM.hard_shutdown", guest.vm)
        self.assert_agreed(guest, "Halted")
        self.x("VM.destroy", guest.vm)


class Kills:
    """Each daemon is killed while a guest runs, and while it is worked on."""

    def setUp(self):
        super().setUp()
        self.lengths = {}  # how long a call takes

    def kill(self, daemon, begin=None):
        self.place.kill(daemon, begin)
        if daemon == "xapid":
            self.until(lambda: self.x.login() or True, "a session")

    def while_it_runs(self, daemon, method, *args):
        """The daemon is killed somewhere in the operation, which is done once undisturbed first."""
        self.told = f"{daemon} killed amid {method}"
        tasks = []

        def begin():
            tasks.append(self.x(f"Async.{method}", *args))
            time.sleep(self.lengths[method] * secrets.randbelow(1000) / 1000)

        self.kill(daemon, begin)
        if daemon == "xapid":
            return  # tasks are not kept
        (task,) = tasks
        self.settles(lambda: self.assertNotEqual(self.x("task.get_status", task), "pending"))
        record = self.x("task.get_record", task)
        self.assertEqual(bool(record["error_info"]), record["status"] != "success", record)

    def undisturbed(self, method, *args):
        """How long that takes says when somebody may be killed amid it."""
        begin = time.monotonic()
        self.x(method, *args)
        self.lengths[method] = time.monotonic() - begin

    def guest_outlives_daemons(self, kind):
        guest = self.make_guest(kind)
        self.start(guest)
        guest.wait_for_boot(1)
        guest.log_in()
        domid = self.x("VM.get_domid", guest.vm)
        for daemon in DAEMONS:
            self.kill(daemon)
            guest.check_alive()
            self.assert_agreed(guest, "Running")
            self.assertEqual(self.x("VM.get_domid", guest.vm), domid, daemon)
        return guest

    def make_second_disk(self, guest):
        return self.make_vbd(guest.vm, self.make_vdi(self.sr, 8 * MIB), "1")

    def plugs_outlive_daemons(self, guest):
        vbd = self.make_second_disk(guest)
        self.undisturbed("VBD.plug", vbd)
        self.undisturbed("VBD.unplug", vbd)
        for daemon in DAEMONS:
            for _ in range(self.place.rounds):
                there = self.x("VBD.get_currently_attached", vbd)
                self.while_it_runs(daemon, "VBD.unplug" if there else "VBD.plug", vbd)
                self.assert_agreed(guest, "Running")
        guest.check_alive()

    def starts_and_ends_outlive_daemons(self, kind):
        guest = self.make_guest(kind)
        self.undisturbed("VM.start", guest.vm, False, False)
        self.undisturbed("VM.hard_shutdown", guest.vm)
        for daemon in DAEMONS:
            for _ in range(self.place.rounds):
                if self.x("VM.get_power_state", guest.vm) == "Running":
                    self.while_it_runs(daemon, "VM.hard_shutdown", guest.vm)
                else:
                    self.while_it_runs(daemon, "VM.start", guest.vm, False, False)
                self.assert_settled(guest)
        if self.x("VM.get_power_state", guest.vm) == "Running":
            self.x("VM.hard_shutdown", guest.vm)
        self.assert_agreed(guest, "Halted")
        self.x("VM.destroy", guest.vm)
