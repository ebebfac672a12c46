# SPDX-License-Identifier: LGPL-2.1-or-later
"""VMs that go from one xenopsd to another, each with a simulator, disks and a network of its own."""

import json
import os
import random
import shutil
import signal
import socket
import ssl
import struct
import subprocess
import threading
import time
import unittest

from jsonrpc import Client, Gone
from xenops import HANG, MIB, VM, Case, not_after

KINDS = "hello ready memory memory_end done runs thanks failed ask answer".split()
AGENT = {"data/test": "what the guest remembers"}


class Host(Case):
    """One of two hosts; a test of its own it is not."""

    WITH_NETWORK = True
    WITH_STORAGE = True

    def setUp(self):
        super().setUp()
        self.vdi = self.disk()["vdi"]

    @property
    def url(self):
        return f"unix:{self.dir}/run/xenopsd.sock"

    def vms(self):
        """What its xenopsd knows, by id."""
        return {record["vm"]["vm"]: record["state"] for record in self.call("VM.list")}

    def check_nothing(self):
        """Nothing of the VM is here, nor was it left with anybody."""
        self.assertEqual(self.vms(), {})
        self.assertEqual(self.simulator.call("Domain.list"), [])
        self.assertEqual(self.datapaths(), {})
        self.assertEqual(self.guests(), [])
        self.assertEqual(self.call("VBD.list", vm="vm-1") if self.vms() else [], [])
        folder = self.dir / "run" / "xenopsd" / "simulator"
        self.assertEqual(list((folder / "VM").iterdir()), [])
        memory = self.simulator.call("Machine.memory")
        self.assertEqual(memory["free_bytes"], memory["total_bytes"])
        self.assertEqual(self.call("HOST.memory")["reserved_bytes"], 0)

    def arrivals(self):
        folder = self.dir / "run" / "xenopsd" / "simulator" / "arrived"
        return list(folder.iterdir()) if folder.exists() else []


class Pair(unittest.TestCase):
    """A running VM on the first of two hosts."""

    def setUp(self):
        self.a, self.b = self.host(), self.host()
        self.a.call("VM.add", vm=VM)
        self.a.call("VBD.add", vbd=self.vbd("xvda", backend={"vdi": self.a.vdi}))
        self.a.call("VBD.add", vbd=self.vbd("xvdd", type="cd", mode="ro"))
        self.a.call("VIF.add", vif=self.a.vif())
        self.a.do("VM.start", vm="vm-1")
        self.a.do("VM.unpause", vm="vm-1")
        self.a.simulator.call("Guest.set", vm="vm-1", agent=AGENT)

    def host(self):
        host = Host()
        self.addCleanup(host.doCleanups)
        host.setUp()
        return host

    def vbd(self, name, **more):
        return {"vbd": f"vm-1/{name}", "position": name, "can_attach_early": True, **more}

    # ---- migrating ----

    def other(self, host):
        return self.b if host is self.a else self.a

    def params(self, source, **more):
        to = self.other(source)
        return {"vm": "vm-1", "url": to.url, "vdi_map": {"xvda": to.vdi}, **more}

    def start(self, source, **more):
        return source.start_task("VM.migrate", **self.params(source, **more))

    def migrate(self, source, **more):
        source.do("VM.migrate", **self.params(source, **more))

    def fails(self, code, source, **more):
        return source.fails(code, "VM.migrate", **self.params(source, **more))

    def check_at(self, host):
        """It runs on this host, whole and the guest that it was, and nothing of it is elsewhere."""
        host.check_up("running")
        self.assertEqual(host.domain()["guest_agent"], AGENT)
        (disk,) = [v for v in host.call("VBD.list", vm="vm-1") if v["vbd"]["position"] == "xvda"]
        self.assertEqual(disk["vbd"]["backend"], {"vdi": host.vdi})
        self.other(host).check_nothing()

    def where(self):
        """The host that has it, running, when only one knows of it; else None."""
        found = [host for host in (self.a, self.b) if host.vms()]
        if len(found) != 1 or found[0].vms()["vm-1"]["power_state"] != "running":
            return None
        if any(h.call("debug.diagnostics")["queue"]["vms"] for h in (self.a, self.b)):
            return None
        return found[0]

    def settle(self, what):
        """Until only one host has it; which."""
        end = time.monotonic() + HANG
        while not self.where():
            not_after(self, end, what, self.a, self.b)
            time.sleep(0.005)
        return self.where()

    def settle_whole(self, what):
        """The same, and it is whole, and nothing was left; it goes to the first host again."""
        host = self.settle(what)
        host.settle()
        self.check_at(host)
        if host is self.b:
            self.migrate(self.b)
            self.check_at(self.a)
        return host

    def points(self, host):
        """What comes by at HOST when the VM goes from the first to the second, with numbers."""
        points = host.points(lambda: self.migrate(self.a))
        self.migrate(self.b)
        self.assertGreater(len(points), 10)
        return points

    def visit(self, points, name, visit):
        """VISIT(i, atom, nth) for as many of the points as there is time for, in any order."""
        budget = float(os.environ.get("BUDGET") or 3) * 0.7
        until = time.monotonic() + budget if budget else float("inf")
        seed = int(os.environ.get("SEED") or 1)
        order = list(enumerate(points))
        random.Random(seed).shuffle(order)
        n = 0
        for i, (atom, nth) in order:
            if n >= 3 and time.monotonic() > until:
                break
            with self.subTest(atom=atom, nth=nth, seed=seed):
                visit(i, atom, nth)
            n += 1
        print(f"# {n} of {len(points)} points ({name}), SEED={seed}")

    def hang_at(self, host, atom, nth):
        """A migration that stands at this atom; its task at the sender."""
        host.plan(atom, nth, "hang")
        task = self.start(self.a)
        self.await_hanging(host, atom, nth)
        return task

    def await_hanging(self, host, atom, nth):
        end = time.monotonic() + HANG
        while not host.simulator.call("Fault.list")[0]["hanging"]:
            not_after(self, end, f"{atom} {nth}", host)
            time.sleep(0.001)


class Migration(Pair):
    def test_there_and_back(self):
        started = self.a.state()["last_start"]
        self.migrate(self.a)
        self.check_at(self.b)
        self.a.xenopsd.restart()
        self.b.xenopsd.restart()
        self.check_at(self.b)
        self.migrate(self.b)
        self.check_at(self.a)
        self.assertEqual(self.a.state()["last_start"], started)

    def test_the_guest_runs_while_its_memory_goes(self):
        for host, atom, here, there in (
            (self.a, "migrate-connect", "running", None),
            (self.a, "vm-save-running", "running", "paused"),
            (self.a, "guest-suspend", "running", "paused"),
            (self.b, "receive-await-done", "ended", "paused"),
            (self.b, "receive-arrive", "ended", "paused"),
            (self.b, "receive-runs", "ended", "running"),
        ):
            with self.subTest(atom=atom):
                task = self.hang_at(host, atom, 1)
                self.settle_power(here, there)
                host.simulator.call("Fault.clear")
                self.assertEqual(self.a.xenopsd.client.wait_for_task(task)["state"], "done")
                self.check_at(self.b)
                self.migrate(self.b)

    def settle_power(self, *powers):
        """Until the hypervisors say so; the side that does not hang goes on meanwhile."""
        end = time.monotonic() + HANG
        while True:
            domains = (self.a.domain(), self.b.domain())
            found = tuple(d and d["power"] for d in domains)
            if found == powers:
                return
            self.assertLess(time.monotonic(), end, f"{found} {powers}")
            time.sleep(0.001)


class Faults(Pair):
    """Every atom of both sides fails, hangs and is cancelled, and each side is killed at each."""

    def fail_each(self, host, undecided):
        """Before `undecided` the guest goes on where it was; afterwards it is at either."""
        points = self.points(host)
        decided = points.index((undecided, 1))

        def visit(i, atom, nth):
            host.plan(atom, nth, "fail")
            record = self.a.run_task("VM.migrate", **self.params(self.a))
            host.simulator.call("Fault.clear")
            found = self.settle_whole(atom)
            if i < decided:
                self.assertEqual(record["state"], "failed", record)
                self.assertEqual(record["error"]["code"], "INTERNAL_ERROR", record)
                self.assertIs(found, self.a)
            elif i > decided:
                self.assertIs(found, self.b)

        self.visit(points, "fail", visit)

    def test_fails_at_each_atom_of_the_sender(self):
        self.fail_each(self.a, "migrate-done")

    def test_fails_at_each_atom_of_the_receiver(self):
        self.fail_each(self.b, "vm-unpause")

    def cancel_each(self, host, undecided):
        points = self.points(host)
        decided = points.index((undecided, 1))

        def visit(i, atom, nth):
            task = self.hang_at(host, atom, nth)
            cancelled = task if host is self.a else self.receiving()
            host.call("TASK.cancel", task=cancelled)
            if i < decided:
                record = host.xenopsd.client.wait_for_task(cancelled)
                self.assertEqual(record["state"], "cancelled", record)
            host.simulator.call("Fault.clear")
            record = self.a.xenopsd.client.wait_for_task(task)
            found = self.settle_whole(atom)
            self.assertEqual(record["state"] == "done", found is self.b, record)
            self.assertIs(found, self.a if i < decided else self.b)

        self.visit(points, "cancel", visit)

    def receiving(self):
        """The task at the receiver."""
        tasks = [t for t in self.b.call("TASK.list") if t["state"] == "running"]
        (task,) = [t["id"] for t in tasks if t["name"].startswith("VM.receive")]
        return task

    def test_cancel_at_each_atom_of_the_sender(self):
        self.cancel_each(self.a, "migrate-done")

    def test_cancel_at_each_atom_of_the_receiver(self):
        self.cancel_each(self.b, "vm-unpause")

    def kill_each(self, killed, hosts):
        """The hosts KILLED die while the one that hangs, any of HOSTS, stands at an atom."""

        def visit(host, atom, nth):
            self.hang_at(host, atom, nth)
            for each in killed:
                each.xenopsd.stop(signal.SIGKILL)
            host.simulator.call("Fault.clear")
            for each in killed:
                each.xenopsd.start()
            self.settle_whole(f"{atom} {nth}")

        for host in hosts:
            self.visit(
                self.points(host), "kill", lambda i, atom, nth, host=host: visit(host, atom, nth)
            )

    def test_kill_at_each_atom_of_the_sender(self):
        self.kill_each([self.a], [self.a])

    def test_kill_at_each_atom_of_the_receiver(self):
        self.kill_each([self.b], [self.b])

    def test_kill_of_the_other(self):
        self.kill_each([self.b], [self.a])
        self.kill_each([self.a], [self.b])

    def test_kill_of_both(self):
        self.kill_each([self.a, self.b], [self.a, self.b])

    def test_a_daemon_that_is_stopped(self):
        for host, atom in (
            (self.a, "migrate-await-ready"),
            (self.a, "vm-save-running"),
            (self.a, "guest-suspend"),
            (self.a, "migrate-await-runs"),
            (self.b, "receive-ready"),
            (self.b, "receive-await-done"),
            (self.b, "receive-arrive"),
            (self.b, "receive-runs"),
        ):
            with self.subTest(atom=atom):
                self.hang_at(host, atom, 1)
                host.xenopsd.stop()
                host.simulator.call("Fault.clear")
                host.xenopsd.start()
                self.settle_whole(atom)

    def test_a_plan_that_could_not_be_undone_is_undone_later(self):
        for atom in ("undo-vbd-deactivate", "undo-guest-suspend", "undo-migrate-begin"):
            with self.subTest(atom=atom):
                self.a.plan("migrate-hand-over", 1, "fail")
                self.a.plan(atom, 1, "fail")
                self.fails("INTERNAL_ERROR", self.a)
                self.a.simulator.call("Fault.clear")
                self.assertIs(self.settle_whole(atom), self.a)
        for atom in ("undo-vm-create", "undo-vif-plug", "undo-vbd-attach-early"):
            with self.subTest(atom=atom):
                self.b.plan("receive-arrive", 1, "fail")
                self.b.plan(atom, 1, "fail")
                self.fails("INTERNAL_ERROR", self.a)
                self.b.simulator.call("Fault.clear")
                self.assertIs(self.settle_whole(atom), self.a)


class Doubt(Pair):
    """The receiver does not answer when it is asked what it decided."""

    def hand_over_to_nobody(self, atom="receive-runs"):
        """The receiver dies when it has decided, or is about to, and stays away."""
        task = self.hang_at(self.b, atom, 1)
        self.b.xenopsd.stop(signal.SIGKILL)
        self.b.simulator.call("Fault.clear")
        record = self.a.xenopsd.client.wait_for_task(task)
        self.assertEqual(record["state"], "failed")
        self.assertEqual(record["error"]["code"], "Failed_to_contact_remote_service", record)

    def test_nothing_is_done_with_it_meanwhile(self):
        self.hand_over_to_nobody()
        self.assertEqual(self.a.power(), "suspended")
        self.a.fails("Bad_power_state", "VM.unpause", vm="vm-1")
        self.a.fails("Bad_power_state", "VM.start", vm="vm-1")
        self.a.fails("Bad_power_state", "VM.reboot", vm="vm-1")
        self.fails("Bad_power_state", self.a)
        self.a.refuses("Failed_to_contact_remote_service", "VM.remove", vm="vm-1")
        self.assertEqual(self.a.domain()["power"], "ended")
        self.a.xenopsd.restart()
        self.assertEqual(self.a.power(), "suspended")
        self.b.xenopsd.start()
        self.assertIs(self.settle_whole("the answer"), self.b)

    def test_a_vm_that_has_gone_on_from_there_was_there(self):
        self.hand_over_to_nobody()
        self.a.xenopsd.stop(signal.SIGKILL)
        self.b.xenopsd.start()
        self.b.wait_for("its coming", lambda: self.b.power() == "running")
        self.b.do("VM.shutdown", vm="vm-1")
        self.b.call("VM.remove", vm="vm-1")
        self.assertEqual(len(self.b.arrivals()), 1)
        self.b.xenopsd.restart()
        self.a.xenopsd.start()
        self.a.wait_for("its going", lambda: not self.a.vms())
        self.a.check_nothing()
        self.b.check_nothing()
        self.b.wait_for("the thanks", lambda: not self.b.arrivals())

    def test_a_host_that_has_booted_may_have_run_it(self):
        self.hand_over_to_nobody()
        self.a.xenopsd.stop(signal.SIGKILL)
        shutil.rmtree(self.b.dir / "run" / "xenopsd")
        self.b.simulator.call("Domain.destroy", vm="vm-1")
        self.b.xenopsd.start()
        self.a.xenopsd.start()
        self.a.wait_for("its going", lambda: not self.a.vms())
        self.a.check_nothing()

    def test_who_knows_better_pulls_the_plug(self):
        self.hand_over_to_nobody("receive-arrive")
        state = self.a.dir / "run" / "xenopsd" / "simulator" / "VM" / "vm-1" / "state"
        self.assertIn(self.b.url, state.read_text())
        self.a.do("VM.shutdown", vm="vm-1")
        self.a.check_halted()
        self.assertNotIn(self.b.url, state.read_text())
        self.b.xenopsd.start()
        self.b.wait_for("its going", lambda: not self.b.vms())
        self.b.check_nothing()


class Many(Pair):
    def add(self, host, vm):
        host.call("VM.add", vm=dict(VM, vm=vm))
        host.do("VM.start", vm=vm)
        host.do("VM.unpause", vm=vm)

    def test_hosts_that_send_to_each_other_with_a_worker_each(self):
        for host in (self.a, self.b):
            conf = host.dir / "etc" / "xenopsd.conf"
            conf.write_text(conf.read_text() + "worker-pool-size = 1\n")
            host.xenopsd.restart()
        others = [(self.a, "vm-2"), (self.b, "vm-3"), (self.b, "vm-4")]
        for host, vm in others:
            self.add(host, vm)
        for _ in range(3):
            tasks = [(self.a, self.start(self.a))]
            for host, vm in others:
                url = self.other(host).url
                tasks.append((host, host.start_task("VM.migrate", vm=vm, url=url)))
            for host, task in tasks:
                record = host.xenopsd.client.wait_for_task(task)
                self.assertEqual(record["state"], "done", record)
                self.assertEqual(record["progress"], 1)
            self.assertEqual(sorted(self.a.vms()), ["vm-3", "vm-4"])
            self.assertEqual(sorted(self.b.vms()), ["vm-1", "vm-2"])
            for host, vm in others:
                there = self.other(host)
                self.assertEqual(there.power(vm), "running")
                there.do("VM.migrate", vm=vm, url=host.url)
            self.migrate(self.b)
        for host, vm in others:
            host.do("VM.shutdown", vm=vm)
            host.call("VM.remove", vm=vm)
        self.check_at(self.a)

    def test_progress(self):
        """It moves with the memory, and the task tells what is being done."""
        progress = []
        for atom in ("migrate-begin", "vm-save-running", "vm-save", "migrate-hand-over"):
            task = self.hang_at(self.a, atom, 1)
            progress.append(self.a.call("TASK.stat", task=task)["progress"])
            self.a.call("TASK.cancel", task=task)
            self.a.simulator.call("Fault.clear")
            self.assertEqual(self.a.xenopsd.client.wait_for_task(task)["state"], "cancelled")
            self.assertIs(self.settle_whole(atom), self.a)
        self.assertEqual(progress, sorted(set(progress)))
        self.assertLess(progress[1], 0.3)
        self.assertGreater(progress[3], 0.8)


class Hooks(Pair):
    def setUp(self):
        super().setUp()
        for host in (self.a, self.b):
            for hook in ("pre-migrate", "post-migrate", "post-destroy", "pre-shutdown"):
                self.hook(host, hook, 0)

    def hook(self, host, hook, code):
        path = host.dir / "libexec" / "hooks" / f"vm-{hook}" / "note"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f'#!/bin/sh\necho "{hook} $4" >> {host.dir}/said\nexit {code}\n')
        path.chmod(0o755)

    def said(self, host):
        path = host.dir / "said"
        said = path.read_text().splitlines() if path.exists() else []
        path.unlink(missing_ok=True)
        return said

    def test_of_both_hosts(self):
        self.migrate(self.a)
        self.check_at(self.b)
        self.assertEqual(self.said(self.a), ["pre-migrate source", "post-destroy suspend"])
        self.b.wait_for("the last", lambda: not self.b.call("debug.diagnostics")["queue"]["vms"])
        self.assertEqual(self.said(self.b), ["post-migrate destination"])

    def test_one_forbids_it(self):
        self.hook(self.a, "pre-migrate", 3)
        self.assertEqual(self.fails("Hook_failed", self.a)[0], "vm-pre-migrate/note")
        self.check_at(self.a)
        self.assertEqual(self.said(self.b), [])

    def test_one_that_fails_afterwards(self):
        """It is told at the receiver, and the VM runs there."""
        self.hook(self.b, "post-migrate", 3)
        self.migrate(self.a)
        self.check_at(self.b)
        (task,) = [t for t in self.b.call("TASK.list") if t["name"] == "VM.receive"]
        record = self.b.xenopsd.client.wait_for_task(task["id"])
        self.assertEqual(record["error"]["code"], "Hook_failed", record)
        self.assertEqual(self.b.arrivals(), [])


class Door:
    """In the place of a host's xapid: it passes on what comes over HTTP to the xenopsd there."""

    def __init__(self, case, host, certificate=None):
        self.host, self.requests, self.answer = host, [], b"HTTP/1.1 200 OK\r\n\r\n"
        self.tls = None
        if certificate:
            self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.tls.load_cert_chain(certificate)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.threads = [threading.Thread(target=self.serve)]
        self.threads[0].start()
        case.addCleanup(self.end)

    @property
    def url(self):
        port = self.listener.getsockname()[1]
        scheme = "https" if self.tls else "http"
        return f"{scheme}://127.0.0.1:{port}/services/xenops/?session_id=secret"

    def end(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        for thread in self.threads:
            thread.join()
        self.listener.close()

    def serve(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            if self.tls:
                connection = self.tls.wrap_socket(connection, server_side=True)
            head = b""
            while not head.endswith(b"\r\n\r\n") and (byte := connection.recv(1)):
                head += byte
            self.requests.append(head.decode().split("\r\n"))
            connection.sendall(self.answer)
            try:
                if b" 200 " in self.answer:
                    self.pass_on(connection)
            except (OSError, Gone):
                pass  # its xenopsd is away
            connection.close()

    def pass_on(self, connection):
        if not self.tls:
            self.give(connection)
            return
        ours, theirs = socket.socketpair()
        with theirs:
            self.give(theirs)
        for pair in ((connection, ours), (ours, connection)):
            self.threads.append(threading.Thread(target=self.pump, args=pair))
            self.threads[-1].start()
        for thread in self.threads[-2:]:
            thread.join()
        ours.close()

    def pump(self, source, to):
        try:
            while data := source.recv(65536):
                to.sendall(data)
            to.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def give(self, connection):
        line = {"jsonrpc": "2.0", "method": "rpc.descriptor", "params": {"id": "s"}}
        with Client(self.host.dir / "run" / "xenopsd.sock") as client:
            data = json.dumps(line).encode() + b"\n"
            socket.send_fds(client.socket, [data], [connection.fileno()])
            client.call("VM.receive", stream="s")


class OverHttp(Pair):
    def check(self, door):
        self.migrate(self.a, url=door.url)
        self.check_at(self.b)
        (request,) = door.requests
        self.assertEqual(
            request[0], "PUT /services/xenops/migrate/vm/vm-1?session_id=secret HTTP/1.1"
        )
        self.assertIn("content-length: 0", request)
        self.assertNotIn("secret", self.a.logs())

    def test_http(self):
        self.check(Door(self, self.b))

    def test_https(self):
        certificate = self.a.dir / "certificate.pem"
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
            + ["-nodes", "-subj", "/CN=x", "-keyout", certificate, "-out", f"{certificate}.crt"],
            check=True,
            capture_output=True,
        )
        with open(certificate, "a", encoding="ascii") as both:
            both.write((self.a.dir / "certificate.pem.crt").read_text())
        self.check(Door(self, self.b, certificate))

    def test_kill_while_it_comes_over_http(self):
        door = Door(self, self.b)
        for atom in ("vm-restore", "receive-arrive", "receive-runs"):
            with self.subTest(atom=atom):
                self.b.plan(atom, 1, "hang")
                self.start(self.a, url=door.url)
                self.await_hanging(self.b, atom, 1)
                self.b.xenopsd.stop(signal.SIGKILL)
                self.b.simulator.call("Fault.clear")
                self.b.xenopsd.start()
                self.settle_whole(atom)

    def test_a_door_that_does_not_let_in(self):
        door = Door(self, self.b)
        for answer in (b"HTTP/1.1 401 No\r\ncontent-length: 2\r\n\r\nno", b"what\r\n\r\n", b""):
            with self.subTest(answer=answer):
                door.answer = answer
                (told,) = self.fails("Failed_to_contact_remote_service", self.a, url=door.url)
                self.assertNotIn("secret", told)
                self.check_at(self.a)
        for url in ("http://", "http://[::1/x", "http://h:0/", "http://h:99999/", "http://a b/"):
            self.fails("INVALID_VALUE", self.a, url=url)
        self.assertNotIn("secret", self.a.logs())


class Refusals(Pair):
    def test_only_a_running_vm_migrates(self):
        self.a.do("VM.pause", vm="vm-1")
        self.assertEqual(self.fails("Bad_power_state", self.a), ["paused", "running"])
        self.a.do("VM.unpause", vm="vm-1")
        image = {"local": str(self.a.dir / "image")}
        self.a.do("VM.suspend", vm="vm-1", image=image)
        self.assertEqual(self.fails("Bad_power_state", self.a), ["suspended", "running"])
        self.a.do("VM.shutdown", vm="vm-1")
        self.assertEqual(self.fails("Bad_power_state", self.a), ["halted", "running"])
        self.assertEqual(self.fails("Does_not_exist", self.b), ["vm", "vm-1"])
        self.b.check_nothing()

    def test_urls(self):
        url = f"unix:{self.b.dir}/nobody?session=secret"
        (told,) = self.fails("Failed_to_contact_remote_service", self.a, url=url)
        self.assertNotIn("secret", told)
        self.fails("INVALID_VALUE", self.a, url="what")
        self.fails("NOT_IMPLEMENTED", self.a, compress=True)
        self.fails("NOT_IMPLEMENTED", self.a, verify_dest=True)
        self.fails("Already_exists", self.a, url=self.a.url)
        self.check_at(self.a)
        self.assertNotIn("secret", self.a.logs())

    def test_maps(self):
        for name in ("vdi_map", "vif_map", "pci_map"):
            value = {"vdi_map": self.b.vdi, "vif_map": {"bridge": "x"}, "pci_map": "y"}[name]
            self.fails("INVALID_VALUE", self.a, **{name: {"nobody": value}})
        self.b.networkd.client.call("Bridge.create", bridge="xapi1")
        self.migrate(self.a, vif_map={"0": {"bridge": "xapi1"}})
        self.assertEqual([g["bridge"] for g in self.b.guests()], ["xapi1"])
        self.a.check_nothing()
        self.migrate(self.b, vif_map={"0": {"bridge": "xapi0"}})
        self.check_at(self.a)

    def test_a_receiver_that_cannot(self):
        self.b.simulator.call("Machine.set", memory_bytes=MIB)
        self.fails("Not_enough_memory", self.a)
        self.b.simulator.call("Machine.set", memory_bytes=1 << 40)
        self.fails("Vdi_does_not_exist", self.a, vdi_map={})
        self.b.call("VM.add", vm=dict(VM, vm="vm-1"))
        self.fails("Already_exists", self.a)
        self.b.call("VM.remove", vm="vm-1")
        self.check_at(self.a)

    def test_a_guest_that_does_not_listen_runs_on(self):
        self.a.simulator.call("Guest.set", vm="vm-1", acknowledges=False)
        task = self.start(self.a)
        self.b.wait_for("the memory", lambda: self.b.vms())
        self.a.call("TASK.cancel", task=task)
        self.assertEqual(self.a.xenopsd.client.wait_for_task(task)["state"], "cancelled")
        self.assertIs(self.settle_whole("the end"), self.a)

    def test_a_guest_that_ends_meanwhile(self):
        task = self.hang_at(self.a, "guest-suspend", 1)
        self.a.simulator.call("Guest.end", vm="vm-1", how="rebooted")
        self.a.simulator.call("Fault.clear")
        record = self.a.xenopsd.client.wait_for_task(task)
        self.assertEqual(record["error"]["code"], "Bad_power_state", record)
        self.settle("the reboot")
        self.a.simulator.call("Guest.set", vm="vm-1", agent=AGENT)
        self.check_at(self.a)

    def test_calls_wait_until_it_is_known_where_it_is(self):
        task = self.hang_at(self.a, "vm-save", 1)
        here = self.a.start_task("VM.pause", vm="vm-1")
        there = self.b.start_task("VM.pause", vm="vm-1")
        self.a.simulator.call("Fault.clear")
        self.assertEqual(self.a.xenopsd.client.wait_for_task(task)["state"], "done")
        record = self.a.xenopsd.client.wait_for_task(here)
        self.assertEqual(record["error"]["code"], "Does_not_exist", record)
        self.assertEqual(self.b.xenopsd.client.wait_for_task(there)["state"], "done")
        self.assertEqual(self.b.power(), "paused")


class Strangers(Host):
    """What comes over a stream that no xenopsd has sent."""

    def message(self, kind, content=b""):
        if not isinstance(content, bytes):
            content = json.dumps(content).encode()
        return struct.pack(">II", KINDS.index(kind) + 1, len(content)) + content

    def hello(self, **more):
        vbd = {"vbd": "vm-1/xvda", "position": "xvda", "backend": {"vdi": self.vdi}}
        return {
            "token": "7e57ab1e-0000-4000-8000-000000000001",
            "backend": "simulator",
            "metadata": {"vm": VM, "vbds": [vbd], "vifs": [self.vif()]},
            "memory_bytes": MIB,
            "active": ["vbd.xvda", "vif.0"],
            **more,
        }

    def give(self, descriptor, name="s"):
        """Hands it over, and calls for a migration from it; the task."""
        client = self.xenopsd.client
        line = {"jsonrpc": "2.0", "method": "rpc.descriptor", "params": {"id": name}}
        socket.send_fds(client.socket, [json.dumps(line).encode() + b"\n"], [descriptor])
        return self.call("VM.receive", stream=name)

    def receive(self, data, ends=True):
        """The record of the task that has received these bytes, and what it has said."""
        ours, theirs = socket.socketpair()
        with ours:
            with theirs:
                task = self.give(theirs.fileno())
            ours.settimeout(HANG)
            try:
                ours.sendall(data)
                if ends:
                    ours.shutdown(socket.SHUT_WR)
            except BrokenPipeError:
                pass
            record = self.xenopsd.client.wait_for_task(task)
            return record, self.rest(ours)

    def rest(self, stream):
        """All that it says until it closes, which it may do with bytes unread."""
        said = b""
        try:
            while more := stream.recv(65536):
                said += more
        except ConnectionResetError:
            pass
        return said

    def check_refused(self, code, data, ends=True):
        record, said = self.receive(data, ends)
        self.assertEqual(record["state"], "failed", record)
        self.assertEqual(record["error"]["code"], code, record)
        self.assertIn(b'"code":"%s"' % code.encode(), said)
        self.check_nothing()

    GREETING = b"xenith migration 1\n"
    SAVED = {"vcpus": 2, "memory_bytes": MIB, "memory_target_bytes": MIB, "ran_ns": 1}

    def memory(self):
        domain = json.dumps(self.SAVED).encode()
        pages = struct.pack("<QQ4Q", 1, 32, 0, 1, 2, 3)
        return pages + struct.pack("<QQ", 2, len(domain)) + domain

    def whole(self, **more):
        """A migration up to the moment when the receiver decides."""
        memory = self.memory()
        return [
            self.GREETING,
            self.message("hello", self.hello(**more)),
            self.message("memory", memory),
            self.message("memory_end", {"bytes": len(memory)}),
            self.message("done"),
        ]

    def test_a_whole_one_is_taken(self):
        record, said = self.receive(b"".join(self.whole()))
        self.assertEqual(record["state"], "done", record)
        self.assertEqual(record["result"], "vm-1")
        self.assertIn(struct.pack(">II", KINDS.index("runs") + 1, 0), said)
        self.assertEqual(self.domain()["power"], "running")
        self.assertEqual(self.datapaths(), {"vm-1/xvda": "activated_rw"})
        # Its sender may ask until it has given thanks.
        question = self.message("ask", {"token": self.hello()["token"]})
        for thanks in (b"", self.message("thanks")):
            record, said = self.receive(self.GREETING + question + thanks)
            self.assertEqual(record["result"], "vm-1")
            self.assertIn(b'"has_arrived":true', said)
        record, said = self.receive(self.GREETING + question)
        self.assertIn(b'"has_arrived":false', said)
        self.do("VM.shutdown", vm="vm-1")
        self.call("VM.remove", vm="vm-1")
        self.check_nothing()

    def test_truncated(self):
        parts = self.whole()
        data = b"".join(parts)
        ends = [len(b"".join(parts[:i])) for i in range(len(parts))]
        cuts = {n + d for n in ends for d in (-1, 0, 1, 7, 8, 9)}
        for n in sorted(c for c in cuts if 0 <= c < len(data)):
            with self.subTest(n=n):
                self.check_refused("CONNECTION_LOST", data[:n])

    def test_garbage(self):
        dice = random.Random(1)
        for n in (19, 1000, 100000):
            self.check_refused("Stream_unusable", b"?" + dice.randbytes(n), ends=False)
            self.check_refused("Stream_unusable", self.GREETING + b"?" + dice.randbytes(n), False)
        self.check_refused("Stream_unusable", b"xenith migration 2\n")

    def test_wrong_hellos(self):
        metadata = self.hello()["metadata"]
        for code, more in (
            ("Stream_unusable", {"token": "../../config"}),
            ("Stream_unusable", {"backend": "qemu"}),
            ("Stream_unusable", {"memory_bytes": -1}),
            ("Stream_unusable", {"memory_bytes": 1 << 62}),
            ("Stream_unusable", {"metadata": 1}),
            ("INVALID_VALUE", {"metadata": dict(metadata, vm=dict(VM, vm="../x"), vbds=[])}),
            ("INVALID_VALUE", {"metadata": dict(metadata, vm=dict(VM, vm="vm-2"))}),
            ("INVALID_VALUE", {"metadata": dict(metadata, vm=dict(VM, vcpus=0))}),
        ):
            with self.subTest(more=more):
                data = self.GREETING + self.message("hello", self.hello(**more))
                self.check_refused(code, data, ends=False)

    def test_wrong_messages(self):
        greeting, hello, memory, end, done = self.whole()
        begin = greeting + hello
        for what, code, data in (
            ("twice", "Stream_unusable", begin + hello),
            ("no memory", "Stream_unusable", begin + done),
            ("a wrong sum", "Stream_unusable", begin + memory + memory + end),
            ("no end", "Stream_unusable", begin + memory + done),
            ("empty", "Stream_unusable", begin + self.message("memory")),
            ("long", "Stream_unusable", begin + struct.pack(">II", 3, 1 << 31)),
            ("other memory", "Image_unusable", begin + self.message("memory", b"x" * 99)
                + self.message("memory_end", {"bytes": 99})),
            ("not done", "Stream_unusable", begin + memory + end + hello),
            ("content", "Stream_unusable", begin + memory + end + self.message("done", b"x")),
        ):
            with self.subTest(what=what):
                self.check_refused(code, data, ends=False)
        failed = self.message("failed", {"code": "Hook_failed", "params": ["a"]})
        self.check_refused("Hook_failed", begin + memory + failed, ends=False)

    def test_descriptors(self):
        for what, descriptor in (
            ("a file", os.open("/dev/null", os.O_RDONLY)),
            ("a pipe", os.pipe()[0]),
        ):
            with self.subTest(what=what):
                record = self.xenopsd.client.wait_for_task(self.give(descriptor, what))
                self.assertEqual(record["error"]["code"], "INVALID_VALUE", record)
                os.close(descriptor)
        self.fails("INVALID_VALUE", "VM.receive", stream="nobody")
        self.check_nothing()


if __name__ == "__main__":
    unittest.main()
