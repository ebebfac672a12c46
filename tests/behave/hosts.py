# SPDX-License-Identifier: LGPL-2.1-or-later
"""A pool of several hosts: a stack each, on an address of its own, the same ports."""

import functools
import json
import os
import pathlib
import signal
import subprocess
import tempfile
import time
import xmlrpc.client

import pool
import xenapi
from jsonrpc import Client
from stack import BUILD, HANG, Stack, free_port
from xenapi import Failure, Session

MASTER = "127.0.0.1"
MEMBER = "127.0.0.2"


def in_order(value):
    """Without the order of sets, which says nothing."""
    if isinstance(value, dict):
        return {key: in_order(part) for key, part in value.items()}
    if isinstance(value, list):
        return sorted((in_order(part) for part in value), key=json.dumps)
    return value


def objects(stack):
    """The database of a stack's xapid, by reference."""
    done = subprocess.run(
        [BUILD / "bin" / "xapid-cli", "--dir", stack.dir, "db-dump"],
        capture_output=True,
        text=True,
        check=True,
        timeout=HANG,
    )
    found = {}
    for line in done.stdout.splitlines():
        class_name, ref, fields = line.split(" ", 2)
        found[ref] = class_name, in_order(json.loads(fields))
    return found


def settle(stack, **settings):
    """Settings of a stack's xapid, from its next start on."""
    conf = stack.dir / "etc" / "xapid.conf.d"
    conf.mkdir(parents=True, exist_ok=True)
    lines = "".join(f"{name} = {value}\n" for name, value in settings.items())
    (conf / "95-test.conf").write_text(lines)
    stack.xenith("restart", "xapid")


def simulator(stack):
    return Client(stack.dir / "run" / "simulator" / "run" / "simulator.sock")


class TwoHosts(pool.Case):
    """Two hosts that are no pool yet: stacks `a` and `b`, sessions `x` and `alone`."""

    has_tls = False

    def setUp(self):
        self.ports = ["--port", free_port()]
        if self.has_tls:
            self.ports += ["--tls-port", free_port()]
        self.a = self.host_at(MASTER)
        self.b = self.host_at(MEMBER)
        self.sr_folder = pathlib.Path(tempfile.mkdtemp())
        self.addCleanup(subprocess.run, ["rm", "-rf", str(self.sr_folder)], check=True)
        self.connect(self.b.env())
        self.alone = self.x
        self.connect(self.a.env())
        self.password = self.a.env()["XAPI_PASSWORD"]

    def host_at(self, address):
        return Stack(self, "--address", address, *self.ports)

    def hosts(self, by=None):
        """Those that live, by their addresses."""
        call = by or self.x
        return {
            record["address"]: ref
            for ref, record in call("host.get_all_records").items()
            if call("host_metrics.get_live", record["metrics"])
        }

    def await_hosts(self, *addresses, by=None):
        self.until(lambda: set(self.hosts(by)) == set(addresses), f"hosts {addresses}")
        return self.hosts(by)

    def join(self):
        self.alone("pool.join", MASTER, "root", self.password)
        hosts = self.await_hosts(MASTER, MEMBER)
        self.master, self.member = hosts[MASTER], hosts[MEMBER]

    def agree(self, one=None, other=None):
        """Both hosts have the same database."""
        one, other = one or self.a, other or self.b
        end = time.monotonic() + HANG
        while objects(one) != objects(other):
            if time.monotonic() > end:
                self.assertEqual(objects(one), objects(other))
            time.sleep(0.1)

    def refused(self, code, by, method, *args):
        with self.assertRaises(Failure) as caught:
            by(method, *args)
        self.assertEqual(caught.exception.args[0], code, caught.exception.args)
        return list(caught.exception.args[1:])

    def make_there(self, **changes):
        """A VM with a disk that only the member sees."""
        config = {"location": str(self.sr_folder)}
        sr = self.x("SR.create", self.member, config, "0", "There", "", "file", "user", False, {})
        vm = self.make_vm(**changes)
        self.vbd = self.make_vbd(vm, self.make_vdi(sr), "0")
        return vm

    def end_xapid(self, stack):
        """kill -9, and nobody starts it again before what this returns is called."""
        pid = stack.status("xapid")["pid"]
        stat = pathlib.Path(f"/proc/{pid}/stat").read_text()
        supervisor = int(stat.rpartition(")")[2].split()[1])
        os.kill(supervisor, signal.SIGSTOP)
        os.kill(pid, signal.SIGKILL)
        return functools.partial(os.kill, supervisor, signal.SIGCONT)

    def domains(self, stack):
        with simulator(stack) as client:
            return len(client.call("Domain.list"))


class Local(Session):
    """Root of one host, whether it has found its master or not."""

    def __init__(self, env):
        super().__init__(env["XAPI_URL"], env["XAPI_USER"], env["XAPI_PASSWORD"])

    def login(self):
        self.proxy = xmlrpc.client.ServerProxy(
            self.url, transport=xenapi._Transport(), allow_none=True
        )
        self.ref = self.plain("session.slave_local_login_with_password", *self.account)
