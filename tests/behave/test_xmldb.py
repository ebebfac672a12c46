# SPDX-License-Identifier: LGPL-2.1-or-later
"""The database as the original toolstack's XML: a pool that comes over with it is whole, what does
not fit is named, and a backup brings everything back. And what xapid does when its own file is
damaged."""

import http.client
import pathlib
import re
import signal
import socket
import subprocess
import time
import unittest
import urllib.parse

import test_pool
from budget import Budget
from jsonrpc import Client
from stack import BUILD
from xapid import ADDRESS, Xapid
from xenapi import HANG, NULL, Session

ORIGINAL = pathlib.Path(__file__).parent / "original.xml"
ADMIN = ("pool-admin", "a")
FINDINGS = """\
line 10: there is no class colour_scheme: 1 rows are left out
line 8: VM OpaqueRef:e0e0-vm: affinity refers to host OpaqueRef:9999-gone, which is not there
VM: the field resources_from_the_future is not known: left out of 1 rows
"""


def tool(folder, *args):
    return subprocess.run(
        [str(BUILD / "bin" / "xapid"), "--dir", str(folder), *map(str, args)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=HANG,
    )


def xe(folder, *args):
    return subprocess.run(
        [str(BUILD / "bin" / "xe"), "--socket", str(folder / "run" / "xapi"), *args],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=HANG,
    )


def await_that(condition):
    end = time.monotonic() + HANG
    while not condition():
        if time.monotonic() > end:
            raise AssertionError("it does not come about")
        time.sleep(0.02)


def rows(text):
    """What a dump says of each row, but for when it changed."""
    found = re.findall(r'<row ref="([^"]*)" __ctime="\d+" __mtime="\d+" ([^>]*)/>', text)
    return dict(found)


class Case(unittest.TestCase):
    def setUp(self):
        self.xapid = Xapid(self, {"admin": ADMIN, "vm": ("vm-admin", "v")})
        self.x = self.xapid.login("admin", "a")
        self.lib = self.xapid.dir / "lib"

    def login(self):
        self.x = self.xapid.login("admin", "a")

    def stop(self, how=signal.SIGTERM):
        self.xapid.process.send_signal(how)
        self.xapid.process.wait(HANG)

    def generation(self):
        with Client(self.xapid.dir / "run" / "xapid.sock") as client:
            return client.call("DB.stat")["generation"]

    def http(self, method, body=None, session=None, **query):
        query["session_id"] = session or self.x.ref
        connection = http.client.HTTPConnection(ADDRESS, self.xapid.port, timeout=HANG)
        path = "/pool/xmldbdump?" + urllib.parse.urlencode(query)
        connection.request(method, path, body)
        answer = connection.getresponse()
        text = answer.read().decode()
        connection.close()
        return answer.status, text

    def dump(self):
        status, text = self.http("GET")
        self.assertEqual(status, 200, text)
        return text


class Import(Case):
    def import_original(self, *more):
        return tool(self.xapid.dir, "--import-xml-db", ORIGINAL, *more)

    def test_a_pool_of_the_original_comes_over(self):
        newest = self.generation()
        refused = self.import_original("--force")
        self.assertEqual(refused.returncode, 1)
        self.assertIn("in use by another process", refused.stderr)
        self.stop()
        refused = self.import_original()
        self.assertEqual((refused.returncode, refused.stdout), (1, ""))
        self.assertIn("--force replaces it", refused.stderr)
        done = self.import_original("--force")
        self.assertEqual(done.returncode, 0, done.stderr)
        for line in FINDINGS.splitlines():
            self.assertIn(line + "\n", done.stdout)
        self.assertEqual(len(done.stdout.splitlines()), 4, done.stdout)
        self.assertTrue((self.lib / "xapid.db.replaced-1").exists())
        fsck = tool(self.xapid.dir, "--fsck")
        self.assertEqual(fsck.returncode, 0, fsck.stdout + fsck.stderr)
        self.xapid.start()
        self.login()
        self.check_pool()
        self.assertGreater(self.generation(), newest)
        self.stop(signal.SIGKILL)
        self.xapid.start()
        self.login()
        self.check_pool()

    def check_pool(self):
        x = self.x
        (pool,) = x("pool.get_all_records").values()
        self.assertEqual(pool["name_label"], "Old pool")
        self.assertEqual(pool["master"], "OpaqueRef:aa01-host")
        self.assertEqual(pool["other_config"]["xo:clientInfo"], '{"a":1}')
        vm = x("VM.get_record", x("VM.get_by_uuid", "e0e0e0e0-1111-2222-3333-444444444444"))
        self.assertEqual(vm["name_label"], 'web "one" & caf%C3%A9 café')
        self.assertEqual(vm["name_description"], "Line one\nline two at 100%")
        self.assertEqual(vm["other_config"]["folder"], "/it's")
        self.assertEqual(vm["blocked_operations"], {"destroy": "not this one"})
        self.assertEqual(vm["memory_static_max"], "2147483648")
        self.assertEqual((vm["VCPUs_max"], vm["VCPUs_params"]), ("4", {"weight": "512"}))
        self.assertEqual((vm["power_state"], vm["affinity"]), ("Halted", NULL))
        self.assertEqual(vm["tags"], ["web", "north"])
        self.assertEqual((vm["VBDs"], vm["VIFs"]), (["OpaqueRef:c3d0-vbd"], ["OpaqueRef:f1f0-vif"]))
        vbd = x("VBD.get_record", "OpaqueRef:c3d0-vbd")
        self.assertEqual(x("VDI.get_SR", vbd["VDI"]), pool["default_SR"])
        self.assertEqual(x("SR.get_VDIs", pool["default_SR"]), ["OpaqueRef:d15c-vdi"])
        pbd = x("PBD.get_record", "OpaqueRef:0b1e-pbd")
        self.assertEqual(pbd["device_config"], {"device": "/dev/sda3"})
        self.assertIn("OpaqueRef:77e0-pif", x("network.get_PIFs", "OpaqueRef:9d40-net"))
        self.assertEqual(x("network.get_purpose", "OpaqueRef:9d40-net"), ["nbd"])
        subject = x("subject.get_record", "OpaqueRef:5b00-subject")
        self.assertEqual(subject["other_config"]["subject-gecos"], "Ada 'the first'")
        roles = [x("role.get_name_label", role) for role in subject["roles"]]
        self.assertEqual(roles, ["vm-power-admin"])
        host = x("host.get_record", pool["master"])
        self.assertEqual(host["uuid"], "aa010000-0000-0000-0000-000000000000")
        self.assertEqual(host["software_version"]["product_brand"], "Xenith")
        self.assertEqual((host["tags"], host["enabled"]), (["rack7"], True))
        self.assertEqual(x("VM.get_by_name_label", "Our own template"), ["OpaqueRef:7e3b-template"])
        self.assertEqual(len(x("host.get_all")), 1)

    def test_what_cannot_be_taken_changes_nothing(self):
        self.stop()
        before = (self.lib / "xapid.db").read_bytes()
        names = set(self.lib.iterdir())
        text = ORIGINAL.read_text()
        lol = "<!DOCTYPE a [<!ENTITY b 'c'>]>\n"
        for harm, why in (
            (text[: len(text) // 2], "line 8"),
            (text.replace("?>\n", "?>\n" + lol, 1), "DOCTYPE is not taken): "),
            (text.replace('value="786"', 'value="1786"'), "RESTORE_INCOMPATIBLE_VERSION"),
            ("<a>" * 1000, "LIMIT_EXCEEDED"),
            (re.sub(r'<table name="pool">.*?</table>', "", text), "there is one pool"),
        ):
            path = self.xapid.dir / "harm.xml"
            path.write_text(harm)
            force = () if "INCOMPATIBLE" in why else ("--force",)
            for file in (self.lib / "xapid.db",) if not force else ():
                file.rename(file.with_suffix(".away"))
            done = tool(self.xapid.dir, "--import-xml-db", path, *force)
            for file in (self.lib / "xapid.away",) if not force else ():
                file.rename(self.lib / "xapid.db")
            self.assertEqual((done.returncode, done.stdout), (1, ""), done.stderr)
            self.assertIn(why, done.stderr)
        self.assertEqual((self.lib / "xapid.db").read_bytes(), before)
        self.assertEqual(set(self.lib.iterdir()) - names, set())
        missing = tool(self.xapid.dir, "--import-xml-db", "/nonexistent", "--force")
        self.assertEqual(missing.returncode, 1)
        self.xapid.start()


    def test_a_killed_import_is_whole_or_nothing(self):
        """Whatever the moment, there is one database, whole: the old one or the new one."""
        self.stop()
        text = ORIGINAL.read_text()
        one, two = (self.xapid.dir / f"{n}.xml" for n in ("one", "two"))
        one.write_text(text)
        two.write_text(re.sub(r'<table name="VBD">.*?</table>', "", text))
        kinds = {}
        for file in (one, two):
            begun = time.monotonic()
            self.assertEqual(
                tool(self.xapid.dir, "--import-xml-db", file, "--force").returncode, 0
            )
            took = time.monotonic() - begun
            kinds[tool(self.xapid.dir, "--fsck").stdout] = file
        self.assertEqual(len(kinds), 2)
        now, budget = two, Budget("kills of an import", 100, least=5, share=0.5)
        for _ in budget:
            other = one if now is two else two
            command = [BUILD / "bin" / "xapid", "--dir", self.xapid.dir, "--force"]
            process = subprocess.Popen(
                [*map(str, command), "--import-xml-db", str(other)],
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            time.sleep(budget.dice.random() * took)
            process.kill()
            process.wait(HANG)
            told = tool(self.xapid.dir, "--fsck")
            self.assertEqual(told.returncode, 0, told.stdout + told.stderr)
            now = kinds[told.stdout]
        self.xapid.start()
        self.login()
        self.check_pool_name()

    def check_pool_name(self):
        (pool,) = self.x("pool.get_all_records").values()
        self.assertEqual(pool["name_label"], "Old pool")


class Restore(Case):
    def put_of_unknown_length(self, body):
        """As some clients send it: they end by closing. What the host says then."""
        path = f"/pool/xmldbdump?dry_run=true&session_id={self.x.ref}"
        with socket.create_connection((ADDRESS, self.xapid.port), HANG) as s:
            s.sendall(f"PUT {path} HTTP/1.1\r\nhost: x\r\n".encode())
            s.sendall(b"content-length: 1125899906842624\r\n\r\n" + body.encode())
            s.shutdown(socket.SHUT_WR)
            return b"".join(iter(lambda: s.recv(65536), b""))

    def test_a_backup_brings_everything_back(self):
        x = self.x
        pool = x("pool.get_all")[0]
        name = "a  name\twith\nblanks, 100%, 'quotes' and \\"
        network = x("network.create", {"name_label": name, "other_config": {"it's": '"x" \\'}})
        secret = x("secret.create", {"value": "s", "other_config": {}})
        backup = self.dump()
        self.assertTrue(backup.startswith('<?xml version="1.0" encoding="UTF-8"?>\n<database>'))
        self.assertIn('<pair key="schema_major_vsn" value="5"/>', backup)
        x("secret.destroy", secret)
        x("network.set_name_label", network, "changed")
        x("pool.set_name_label", pool, "changed")
        changed = self.dump()
        self.assertNotEqual(rows(changed), rows(backup))

        self.assertEqual(self.http("PUT", backup, dry_run="true"), (200, ""))
        self.assertEqual(x("pool.get_name_label", pool), "changed")
        self.assertIn(b"HTTP/1.1 200", self.put_of_unknown_length(backup))
        self.assertNotIn(b"HTTP/1.1 200", self.put_of_unknown_length(backup[:-20]))
        vm = self.xapid.login("vm", "v")
        for method in ("GET", "PUT"):
            self.assertEqual(self.http(method, backup, vm.ref)[0], 403)
        host = x("host.get_uuid", x("host.get_all")[0])
        for harm in ("", backup[:-20], backup.replace(host, "another"), "x" * 1000000):
            self.assertGreaterEqual(self.http("PUT", harm)[0], 400)
        self.assertEqual(x("pool.get_name_label", pool), "changed")

        newest = self.generation()
        self.assertEqual(self.http("PUT", backup), (200, ""))
        await_that(lambda: self.xapid.log().count(" ready: ") == 2)
        self.login()
        self.assertGreater(self.generation(), newest)
        self.assertEqual(self.x("secret.get_value", secret), "s")
        self.assertEqual(self.x("network.get_name_label", network), name)
        self.assertEqual(self.x("network.get_other_config", network), {"it's": '"x" \\'})
        again, was = rows(self.dump()), rows(backup)
        self.assertEqual(set(again), set(was))
        moving = ("host", "host_metrics")  # what is noted at each start
        for ref, fields in was.items():
            if not any(ref in self.x(f"{c}.get_all") for c in moving):
                self.assertEqual(again[ref], fields)


    def test_xe_backs_up_and_restores(self):
        pool = self.x("pool.get_all")[0]
        self.x("pool.set_name_label", pool, "before")
        file = self.xapid.dir / "backup"
        done = xe(self.xapid.dir, "pool-dump-database", f"file-name={file}")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.x("pool.set_name_label", pool, "after")
        done = xe(self.xapid.dir, "pool-dump-database", f"file-name={file}")
        self.assertEqual(done.returncode, 1)
        done = xe(self.xapid.dir, "pool-restore-database", f"file-name={file}", "dry-run=true")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertEqual(self.x("pool.get_name_label", pool), "after")
        harm = self.xapid.dir / "harm"
        harm.write_text("no database")
        done = xe(self.xapid.dir, "pool-restore-database", f"file-name={harm}")
        self.assertEqual(done.returncode, 1)
        self.assertIn("not XML", done.stderr)
        done = xe(self.xapid.dir, "pool-restore-database", f"file-name={file}")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        await_that(lambda: self.xapid.log().count(" ready: ") == 2)
        self.login()
        self.assertEqual(self.x("pool.get_name_label", pool), "before")


class Pool(test_pool.TwoHosts):
    """The master's database is restored; the member and what runs there are as they were."""

    def test_a_restored_master_finds_its_member(self):
        self.join()
        vm = self.make_vm("before", affinity=self.member)
        self.x("VM.start", vm, False, False)
        file = self.a.dir / "backup"
        done = xe(self.a.dir, "pool-dump-database", f"file-name={file}")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.x("VM.set_name_label", vm, "after")
        self.agree()
        refused = xe(self.b.dir, "pool-restore-database", f"file-name={file}")
        self.assertEqual(refused.returncode, 1)
        self.assertEqual(self.x("VM.get_name_label", vm), "after")
        done = xe(self.a.dir, "pool-restore-database", f"file-name={file}")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.until(lambda: "takes the place of" in self.a.logs(), "the restored database")
        self.until(self.login, "a session")
        self.await_hosts(test_pool.MASTER, test_pool.MEMBER)
        self.agree()
        self.assertEqual(self.x("VM.get_name_label", vm), "before")
        self.assertEqual(self.state(vm), "Running")
        self.assertEqual(self.x("VM.get_resident_on", vm), self.member)
        self.x("VM.hard_shutdown", vm)
        self.agree()

    def login(self):
        self.x = Session.of(self.a.env())
        return True


class Damage(Case):
    """The newest copy takes the place of a damaged file, an older one that of a damaged copy.
    Generations go on, so that nobody who was told of one misses what comes."""

    def setUp(self):
        self.xapid = Xapid(self, {"admin": ADMIN}, "backup_interval = 1s\n")
        self.login()
        self.lib = self.xapid.dir / "lib"

    def harm(self, name):
        with open(self.lib / name, "r+b") as file:
            file.seek(3 * 4096)
            file.write(b"\0" * 65536)

    def await_backup(self, holds):
        path = self.lib / "xapid.db.backup"
        await_that(lambda: path.exists() and holds in path.read_bytes())

    def test_copies_take_the_place_of_what_is_damaged(self):
        pool = self.x("pool.get_all")[0]
        self.x("pool.set_name_label", pool, "first")
        self.await_backup(b"first")
        self.x("pool.set_name_label", pool, "second")
        self.await_backup(b"second")
        self.assertTrue((self.lib / "xapid.db.backup.1").exists())
        for name, expected in (("xapid.db", "second"), ("xapid.db.backup", "")):
            newest, second = self.generation(), int(time.time())
            await_that(lambda: int(time.time()) > second)  # two restores in one are one too many
            self.stop(signal.SIGKILL)
            self.harm(name)
            if name != "xapid.db":
                self.harm("xapid.db")
            before = len(list(self.lib.glob("xapid.db.damaged-*")))
            self.xapid.start()
            self.login()
            self.assertGreater(len(list(self.lib.glob("xapid.db.damaged-*"))), before)
            self.assertGreater(self.generation(), newest)
            if expected:
                self.assertEqual(self.x("pool.get_name_label", pool), expected)
        self.assertIn("IS DAMAGED", self.xapid.log())
        self.assertIn("xapid.db.backup.1; all changes", self.xapid.log())

    def test_fsck_tells_of_damage(self):
        self.stop()
        self.assertEqual(tool(self.xapid.dir, "--fsck").returncode, 0)
        self.harm("xapid.db")
        told = tool(self.xapid.dir, "--fsck", self.lib / "xapid.db")
        self.assertEqual(told.returncode, 1)
        self.assertIn("STORE_UNUSABLE", told.stdout)
        self.assertEqual(tool(self.xapid.dir, "--fsck", "/nonexistent").returncode, 1)


if __name__ == "__main__":
    unittest.main()
