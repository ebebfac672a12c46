# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a host has to tell to whoever looks for a fault from afar: logs, and the state of it all."""

import http.client
import io
import json
import os
import pathlib
import subprocess
import tarfile
import time
import unittest
import urllib.parse
import xml.etree.ElementTree
import zipfile

from pool import Case
from stack import BUILD, Stack, free_port
from xapid import ADDRESS, Xapid
from xenapi import HANG, NULL, Failure

ACCOUNTS = {
    "root": ("root", "r"),
    "operator": ("pool-operator", "p"),
    "power": ("vm-power-admin", "v"),
}
TOP = pathlib.Path(__file__).parents[2]


def get(port, path, **query):
    """The answer, and its body."""
    connection = http.client.HTTPConnection(ADDRESS, port, timeout=HANG)
    try:
        connection.request("GET", f"{path}?" + urllib.parse.urlencode(query))
        answer = connection.getresponse()
        return answer, answer.read()
    finally:
        connection.close()


class Whole(Case):
    """Of a stack of all daemons."""

    def setUp(self):
        self.port = free_port()
        self.stack = Stack(self, "--port", self.port)
        self.connect(self.stack.env())

    def test_system_status(self):
        word = "hush-hush"
        pool = self.x("pool.get_all")[0]
        self.x("pool.add_to_other_config", pool, "password", word)
        self.x("secret.create", {"value": word, "other_config": {}})
        conf = self.stack.dir / "etc" / "smd.conf.d" / "60-mine.conf"
        conf.parent.mkdir(exist_ok=True)
        conf.write_text(f"my_password = {word}\n# a = b\n")
        answer, body = get(self.port, "/system-status", session_id=self.x.ref, output="tar")
        self.assertEqual(answer.status, 200, body)
        self.assertEqual(answer.getheader("content-type"), "application/x-tar")
        files = {}
        with tarfile.open(fileobj=io.BytesIO(body)) as tar:
            for member in tar:
                files[member.name] = tar.extractfile(member).read().decode()
        for name in ("xapid", "xenopsd", "smd", "networkd", "rrdd"):
            self.assertIn("fibers", json.loads(files[f"diagnostics/{name}.json"]))
            self.assertIn(f"{name} ", files["versions.txt"])
            self.assertIn(" info ", files[f"logs/{name}.log"])
        self.assertIn("pool.add_to_other_config", files["audit/xapid-audit.log"])
        self.assertIn("simulated", files["hypervisor.log"])
        self.assertIn("my_password = ***", files["config/smd.conf.d/60-mine.conf"])
        self.assertIn("# a = b", files["config/smd.conf.d/60-mine.conf"])
        rows = [json.loads(line) for line in files["database.json"].splitlines()]
        kinds = {row["class"] for row in rows}
        self.assertLessEqual({"pool", "host", "VM", "network"}, kinds)
        self.assertFalse({"session", "secret"} & kinds)
        for text in files.values():
            self.assertNotIn(word, text)
            self.assertNotIn(self.x.ref, text)
            self.assertNotIn(self.stack.env()["XAPI_PASSWORD"], text)
        self.check_logs()

    def check_logs(self):
        answer, body = get(self.port, "/host_logs_download", session_id=self.x.ref)
        self.assertEqual(answer.status, 200)
        with tarfile.open(fileobj=io.BytesIO(body), mode="r:gz") as tar:
            names = tar.getnames()
        self.assertIn("logs/xenopsd.log", names)
        self.assertIn("audit/xapid-audit.log", names)
        target = self.stack.dir / "fetched.tar.gz"
        socket = self.stack.dir / "run" / "xapi"
        for command in (
            ["host-logs-download", f"file-name={target}"],
            ["host-get-system-status", f"filename={target}.2", "entries=versions,logs"],
        ):
            done = subprocess.run(
                [str(BUILD / "bin" / "xe"), "--socket", str(socket), *command],
                capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=HANG,
            )  # fmt: skip
            self.assertEqual((done.returncode, done.stderr), (0, ""))
        with tarfile.open(target) as tar:
            self.assertIn("logs/smd.log", tar.getnames())
        with tarfile.open(f"{target}.2") as tar:
            self.assertIn("versions.txt", tar.getnames())
        log = self.x("host.get_log", self.host)
        self.assertIn(" info xapid", log)
        self.assertLessEqual(len(log), 128 * 1024)
        self.fails("HANDLE_INVALID", "host.get_log", NULL)


class Alone(unittest.TestCase):
    """Of xapid without the others."""

    def setUp(self):
        self.xapid = Xapid(self, ACCOUNTS)
        self.x = self.xapid.login("root", "r")
        self.host = self.x("host.get_all")[0]

    def status(self, session, path="/system-status", **query):
        if session:
            query["session_id"] = session.ref
        return get(self.xapid.port, path, **query)[0].status

    def test_who_may_and_what(self):
        operator, power = self.xapid.login("operator", "p"), self.xapid.login("power", "v")
        for path in ("/system-status", "/host_logs_download"):
            self.assertEqual(self.status(None, path, entries="versions"), 401)
            self.assertEqual(self.status(power, path, entries="versions"), 403)
            self.assertEqual(self.status(operator, path, host="none", entries="versions"), 404)
        self.assertEqual(self.status(operator, entries="versions", output="tar"), 200)
        self.assertEqual(self.status(operator, entries="versions", host=self.host), 200)
        self.assertEqual(self.status(operator, entries="versions,nonsense"), 400)
        self.assertEqual(self.status(operator, entries="versions", output="rar"), 400)

    def test_what_there_is(self):
        text = self.x("host.get_system_status_capabilities", self.host)
        keys = {one.get("key") for one in xml.etree.ElementTree.fromstring(text)}
        self.assertLessEqual({"logs", "config", "database", "diagnostics", "versions"}, keys)
        query = {"session_id": self.x.ref, "list": ""}
        self.assertEqual(get(self.xapid.port, "/system-status", **query)[1].decode(), text)
        with self.assertRaises(Failure):
            self.x("host.get_system_status_capabilities", NULL)

    def test_what_is_not_there_says_so_in_its_place(self):
        query = {"session_id": self.x.ref, "output": "zip", "entries": "diagnostics,hypervisor"}
        answer, body = get(self.xapid.port, "/system-status", **query)
        self.assertEqual(answer.status, 200)
        with zipfile.ZipFile(io.BytesIO(body)) as pack:
            self.assertIn("fibers", json.loads(pack.read("diagnostics/xapid.json")))
            for name in ("diagnostics/smd.json", "hypervisor.failed"):
                self.assertIn("CONNECTION_REFUSED", pack.read(name).decode())

    def test_a_client_that_goes_away(self):
        connection = http.client.HTTPConnection(ADDRESS, self.xapid.port, timeout=HANG)
        connection.request("GET", f"/system-status?output=tar&session_id={self.x.ref}")
        connection.sock.close()
        connection.close()
        self.assertEqual(self.status(self.x, entries="database"), 200)
        end = time.monotonic() + HANG
        while any("archive" in name for name in os.listdir(self.xapid.dir / "lib")):
            self.assertLess(time.monotonic(), end)

    def test_syslog(self):
        """By a program of the installation, which gets nothing but a name."""
        program = self.xapid.dir / "libexec" / "syslog-reconfigure"
        told = self.xapid.dir / "told"
        with self.assertRaises(Failure) as caught:
            self.x("host.syslog_reconfigure", self.host)
        self.assertEqual(caught.exception.error[0], "NOT_IMPLEMENTED")
        program.parent.mkdir(exist_ok=True)
        program.write_text(f'#!/bin/sh\necho "<$1>" >>{told}\n[ "$1" != bad ] || exit 1\n')
        program.chmod(0o755)
        self.x("host.syslog_reconfigure", self.host)
        self.x("host.set_logging", self.host, {"syslog_destination": "logs.example:514"})
        self.x("host.syslog_reconfigure", self.host)
        self.assertEqual(told.read_text(), "<>\n<logs.example:514>\n")
        for value, code in (("a b", "INVALID_VALUE"), ("x\n*.* @y", "INVALID_VALUE"),
                            ("bad", "INTERNAL_ERROR")):  # fmt: skip
            self.x("host.set_logging", self.host, {"syslog_destination": value})
            with self.assertRaises(Failure) as caught:
                self.x("host.syslog_reconfigure", self.host)
            self.assertEqual(caught.exception.error[0], code)
        with self.assertRaises(Failure) as caught:
            self.xapid.login("power", "v")("host.syslog_reconfigure", self.host)
        self.assertEqual(caught.exception.error[0], "RBAC_PERMISSION_DENIED")
        # the one that is installed
        conf = self.xapid.dir / "remote.conf"
        env = {**os.environ, "SYSLOG_CONF": str(conf), "SYSLOG_RESTART": "true"}
        script = str(TOP / "packaging" / "syslog-reconfigure")
        subprocess.run([script, "logs.example"], env=env, check=True, timeout=HANG)
        self.assertIn("*.* @logs.example\n", conf.read_text())
        subprocess.run([script, ""], env=env, check=True, timeout=HANG)
        self.assertFalse(conf.exists())


if __name__ == "__main__":
    unittest.main()
