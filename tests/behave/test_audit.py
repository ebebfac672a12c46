# SPDX-License-Identifier: LGPL-2.1-or-later
"""The audit: a line for whatever somebody did or was not let do, in a file that outlives xapid."""

import http.client
import json
import os
import signal
import threading
import time
import unittest
import urllib.parse

from xapid import ADDRESS, Xapid
from xenapi import HANG, NULL, Failure

ACCOUNTS = {
    "root": ("root", "secret of root"),
    "reader": ("read-only", "secret of reader"),
    "admin": ("vm-admin", "secret of admin"),
}
SMALL = "audit_size = 64KiB\naudit_files = 2\n"


class AuditTest(unittest.TestCase):
    SETTINGS = ""

    def setUp(self):
        self.xapid = Xapid(self, ACCOUNTS, self.SETTINGS)
        self.root = self.login("root")
        self.pool = self.root("pool.get_all")[0]

    def login(self, user):
        return self.xapid.login(user, ACCOUNTS[user][1])

    def denied(self, session, method, *args):
        with self.assertRaises(Failure) as caught:
            session(method, *args)
        return caught.exception.error[0]

    def files(self):
        """Oldest first."""
        folder = self.xapid.dir / "lib"
        older = [f for i in range(9, 0, -1) if (f := folder / f"xapid-audit.log.{i}").exists()]
        return [*older, folder / "xapid-audit.log"]

    def text(self):
        return "".join(path.read_text() for path in self.files())

    def lines(self, call=None):
        lines = [json.loads(line) for line in self.text().splitlines()]
        return [line for line in lines if call in (None, line["call"])]

    def get(self, session=None, **query):
        """The status and the text of GET /audit_log."""
        if session:
            query["session_id"] = session.ref
        connection = http.client.HTTPConnection(ADDRESS, self.xapid.port, timeout=HANG)
        self.addCleanup(connection.close)
        connection.request("GET", "/audit_log?" + urllib.parse.urlencode(query))
        answer = connection.getresponse()
        return answer.status, answer.read().decode()


class Lines(AuditTest):
    def test_what_is_written(self):
        self.root("pool.set_name_label", self.pool, "na\nmed")
        reader = self.login("reader")
        self.denied(reader, "pool.set_name_label", self.pool, "no")
        self.denied(self.root, "pool.set_name_label", NULL, "nobody's")
        done, denied, failed = self.lines("pool.set_name_label")
        self.assertEqual(done["args"], {"self": self.pool, "value": "na\nmed"})
        self.assertEqual((done["verdict"], done["outcome"]), ("ALLOWED", "OK"))
        self.assertEqual((done["user"], done["role"]), ("root", "pool-admin"))
        self.assertEqual((done["originator"], done["from"]), ("tests", "tcp"))
        self.assertEqual(done["address"], ADDRESS)
        self.assertIn("xmlrpc", done["agent"])
        self.assertEqual((denied["verdict"], denied["user"]), ("DENIED", "reader"))
        self.assertEqual(denied["outcome"], "RBAC_PERMISSION_DENIED")
        self.assertEqual(denied["args"], {"self": self.pool, "value": "no"})
        self.assertEqual((failed["verdict"], failed["outcome"]), ("ALLOWED", "HANDLE_INVALID"))
        self.assertEqual(self.lines("pool.get_all"), [])

    def test_what_takes_long_has_two(self):
        record = {"name_label": "n", "other_config": {}}
        task = self.root("Async.network.create", record)
        while self.root("task.get_status", task) == "pending":
            time.sleep(0.01)
        begun, ended = self.lines("Async.network.create")
        self.assertEqual((begun["outcome"], ended["outcome"]), ("BEGUN", "OK"))
        self.assertEqual((begun["task"], ended["task"]), (task, task))
        self.assertEqual(begun["args"]["record"]["name_label"], "n")

    def test_logins(self):
        with self.assertRaises(Failure):
            self.xapid.login("root", "wrong")
        with self.assertRaises(Failure):
            self.root.plain("pool.set_name_label", "OpaqueRef:none", self.pool, "x")
        login = self.lines("session.login_with_password")[-1]
        self.assertEqual(login["outcome"], "SESSION_AUTHENTICATION_FAILED")
        self.assertEqual(login["verdict"], "DENIED")
        self.assertEqual((login["args"]["uname"], login["args"]["pwd"]), ("root", "***"))
        self.assertEqual(self.lines("pool.set_name_label")[-1]["outcome"], "SESSION_INVALID")

    def test_secrets_are_masked(self):
        """Whichever way they come."""
        x, word = self.root, "hush-hush"
        secret = x("secret.create", {"value": word, "other_config": {}})
        uuid = "00000000-0000-4000-8000-000000000001"
        x("secret.introduce", uuid, word, {})
        x("secret.set_value", secret, word)
        x("pool.add_to_other_config", self.pool, "chapPassword", word)
        x("pool.set_other_config", self.pool, {"PASSWD": word, "a": "seen"})
        x("session.add_to_other_config", x.ref, "a", "b")
        self.denied(x, "session.change_password", word, word)
        self.denied(x, "host.install_server_certificate", NULL, "", word, "")
        self.denied(x, "SR.create", NULL, {"cifspassword": word}, "0", "", "", "x", "", False, {})
        text = self.text()
        self.assertNotIn(word, text)
        self.assertNotIn(x.ref, text)
        self.assertIn("seen", text)
        self.assertGreaterEqual(text.count("***"), 8)

    def test_what_is_long_is_cut(self):
        self.root("pool.set_name_description", self.pool, "ü" * 50_000)
        (line,) = self.lines("pool.set_name_description")
        self.assertLess(len(line["args"]), 5000)
        self.assertIn("ü" * 100, line["args"])

    def test_requests_that_are_no_messages(self):
        connection = http.client.HTTPConnection(ADDRESS, self.xapid.port, timeout=HANG)
        self.addCleanup(connection.close)
        for session in (self.login("reader").ref, "OpaqueRef:none", self.root.ref):
            path = f"/import_raw_vdi?vdi=none&session_id={session}"
            connection.request("PUT", path, b"")
            connection.getresponse().read()
        denied, unknown, begun, failed = self.lines("http/put_import_raw_vdi")
        self.assertEqual(denied["outcome"], "RBAC_PERMISSION_DENIED")
        self.assertEqual((unknown["verdict"], unknown["outcome"]), ("DENIED", "SESSION_INVALID"))
        self.assertEqual((begun["outcome"], failed["outcome"]), ("BEGUN", "HANDLE_INVALID"))
        self.assertEqual(begun["args"], {"vdi": "none", "session_id": "***"})
        self.assertNotIn(self.root.ref, self.text())


class File(AuditTest):
    SETTINGS = SMALL

    def test_it_stays_within_bounds(self):
        for i in range(120):
            self.root("pool.set_name_description", self.pool, f"{i} " + "x" * 3000)
        sizes = [os.stat(path).st_size for path in self.files()]
        self.assertEqual(len(sizes), 3)
        self.assertLessEqual(max(sizes), 64 * 1024)
        numbers = [
            int(line["args"]["value"].split()[0])
            for line in self.lines("pool.set_name_description")
        ]
        self.assertEqual(numbers, list(range(numbers[0], 120)))
        self.assertEqual(self.get(self.root), (200, self.text()))
        # smaller ones from now on
        (self.xapid.dir / "etc/xapid.conf.d/60-more.conf").write_text("audit_files = 0\n")
        self.xapid.process.send_signal(signal.SIGHUP)
        end = time.monotonic() + HANG
        while len(self.files()) > 1:
            self.assertLess(time.monotonic(), end)
            for i in range(40):
                self.root("pool.set_name_description", self.pool, f"{i} " + "x" * 3000)
        self.assertTrue(self.lines())

    def test_what_was_answered_outlives_a_kill(self):
        """And nothing is in the database that the audit does not tell of."""
        answered = []

        def write():
            session = self.login("root")
            try:
                for i in range(100_000):
                    session("pool.add_to_other_config", self.pool, f"key {i}", "x")
                    answered.append(i)
            except OSError:
                pass

        writer = threading.Thread(target=write)
        writer.start()
        end = time.monotonic() + HANG
        while len(answered) < 20 and time.monotonic() < end:
            time.sleep(0.001)
        self.xapid.kill()
        writer.join(HANG)
        written = [line["args"]["key"] for line in self.lines("pool.add_to_other_config")]
        self.xapid.start()
        kept = [k for k in self.login("root")("pool.get_other_config", self.pool) if " " in k]
        self.assertGreaterEqual(len(answered), 20)
        self.assertLessEqual({f"key {i}" for i in answered}, set(written))
        self.assertLessEqual(set(kept), set(written))
        self.login("root")("pool.set_name_label", self.pool, "after")
        self.assertEqual(len(self.lines("pool.set_name_label")), 1)


class Get(AuditTest):
    def test_since(self):
        self.root("pool.set_name_label", self.pool, "first")
        time.sleep(1.1)
        self.root("pool.set_name_label", self.pool, "second")
        lines = self.text().splitlines(True)
        when = json.loads(lines[-1])["time"]
        status, text = self.get(self.root, since=when)
        self.assertEqual(status, 200)
        self.assertIn("second", text)
        self.assertNotIn("first", text)
        compact = when[:19].replace("-", "") + "Z"
        self.assertEqual(self.get(self.root, since=compact)[1], text)
        self.assertEqual(self.get(self.root, since="0")[1], self.text())
        self.assertEqual(self.get(self.root, since="")[1], self.text())
        self.assertEqual(self.get(self.root, since="2099-01-01T00:00:00Z"), (200, ""))
        for bad in ("yesterday", "-1", "2026-13-01T00:00:00Z", "9" * 30):
            self.assertEqual(self.get(self.root, since=bad)[0], 400, bad)

    def test_who_may(self):
        self.assertEqual(self.get()[0], 401)
        self.assertEqual(self.get(session_id="OpaqueRef:none")[0], 401)
        status, text = self.get(self.login("reader"))
        self.assertEqual(status, 200)
        self.assertIn("session.login_with_password", text)

    def test_xe(self):
        self.root("pool.set_name_label", self.pool, "by hand")
        file = self.xapid.dir / "fetched"
        password = ACCOUNTS["reader"][1]
        args = "audit-log-get", f"filename={file}"
        done = self.xapid.xe(*args, user="reader", password=password)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        lines = [json.loads(line) for line in file.read_text().splitlines()]
        self.assertIn("pool.set_name_label", [line["call"] for line in lines])
        self.assertEqual(os.stat(file).st_mode & 0o777, 0o600)
        # what is there is not written over, and what was refused leaves nothing
        done = self.xapid.xe(*args, user="reader", password=password)
        self.assertEqual(done.returncode, 1)
        self.assertIn("File exists", done.stderr)
        file.unlink()
        for when in ("never", "0&1", "0 or so", "100%", "\u00fc"):
            done = self.xapid.xe(*args, f"since={when}", user="reader", password=password)
            self.assertEqual(done.returncode, 1)
            self.assertIn("no point in time", done.stderr)
            self.assertFalse(file.exists())

    def test_a_client_that_goes_away(self):
        for i in range(400):
            self.root("pool.set_name_description", self.pool, "x" * 3000)
        connection = http.client.HTTPConnection(ADDRESS, self.xapid.port, timeout=HANG)
        connection.request("GET", f"/audit_log?session_id={self.root.ref}")
        connection.getresponse().read(10)
        connection.sock.close()
        connection.close()
        self.assertEqual(self.get(self.root), (200, self.text()))


if __name__ == "__main__":
    unittest.main()
