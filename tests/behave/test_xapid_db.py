# SPDX-License-Identifier: LGPL-2.1-or-later
"""xapid alone: it starts without the others, is looked into by xapid-cli, and survives kills."""

import json
import pathlib
import signal
import subprocess
import tempfile
import time
import unittest

from jsonrpc import Client, Failed
from stack import BUILD, SIGNS

HANG = 60  # seconds; only to catch what hangs


class XapidTest(unittest.TestCase):
    def setUp(self):
        self.dir = pathlib.Path(tempfile.mkdtemp())
        self.addCleanup(subprocess.run, ["rm", "-rf", str(self.dir)], check=True)
        conf = self.dir / "etc" / "xapid.conf.d"
        conf.mkdir(parents=True)
        (conf / "50-test.conf").write_text("port = 0\ntls_port = 0\n")
        self.process = None
        self.addCleanup(self.end)
        self.start()

    def start(self):
        with open(self.dir / "log", "ab") as log:
            self.process = subprocess.Popen(
                [str(BUILD / "bin" / "xapid"), "--dir", str(self.dir)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        end = time.monotonic() + HANG
        while True:
            try:
                self.client = Client(self.dir / "run" / "xapid.sock")
                return
            except OSError:
                self.assertIsNone(self.process.poll(), (self.dir / "log").read_text())
                self.assertLess(time.monotonic(), end)
                time.sleep(0.02)

    def end(self):
        if self.process and self.process.poll() is None:
            self.process.terminate()
        self.process.wait(HANG)
        said = (self.dir / "log").read_text()
        for sign in SIGNS:
            self.assertNotIn(sign, said)

    def cli(self, *args):
        return subprocess.run(
            [str(BUILD / "bin" / "xapid-cli"), "--dir", str(self.dir), *args],
            capture_output=True,
            text=True,
            timeout=HANG,
        )

    def stat(self):
        return self.client.call("DB.stat")

    def test_a_new_run_is_newer_than_every_run_before(self):
        generations = [self.stat()["generation"]]
        for _ in range(3):
            self.process.send_signal(signal.SIGKILL)
            self.process.wait(HANG)
            self.start()
            generations.append(self.stat()["generation"])
        self.assertEqual(generations, sorted(set(generations)))

    def test_the_cli_shows_the_database(self):
        told = json.loads(self.cli("db-stat", "--json").stdout)
        self.assertEqual(told["classes"], self.stat()["classes"])
        lines = self.cli("db-dump").stdout.splitlines()
        self.assertEqual(len(lines), sum(c["rows"] for c in told["classes"]))
        for line in lines:
            name, ref, fields = line.split(" ", 2)
            got = json.loads(self.cli("db-get", ref, "--json").stdout)
            self.assertEqual(got["head"]["class"], name)
            self.assertIsInstance(json.loads(fields), dict)

    def test_what_is_not_there_is_an_error(self):
        for call, arguments in (("DB.list", {"class": "nonsense"}), ("DB.get", {"id": "nope"})):
            with self.assertRaises(Failed) as caught:
                self.client.call(call, **arguments)
            self.assertIn("Does_not_exist", str(caught.exception))

    def test_waiting_for_a_change_ends(self):
        since = self.stat()["generation"]
        told = self.client.call("DB.changes", since=since, timeout=0.05)
        self.assertEqual(told["changes"], [])
        self.assertGreaterEqual(told["generation"], since)


if __name__ == "__main__":
    unittest.main()
