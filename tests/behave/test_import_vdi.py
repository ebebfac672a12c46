# SPDX-License-Identifier: LGPL-2.1-or-later
"""PUT /import_raw_vdi: the bytes of a client are in the VDI, zeroes take no room, and what cannot
be taken is refused for a reason. QEMU's own tools look at the images."""

import hashlib
import http.client
import json
import os
import random
import signal
import socket
import subprocess
import time
import unittest
import urllib.parse

from stack import HANG, Stack, free_port
from xapid import ADDRESS
from xenapi import Session

MIB = 1 << 20


class Import(unittest.TestCase):
    def setUp(self):
        self.port = free_port()
        self.stack = Stack(self, "--port", self.port, "--demo")
        self.x = Session.of(self.stack.env())
        self.sr = self.x("pool.get_default_SR", self.x("pool.get_all")[0])
        self.location = self.stack.dir / "storage"

    def make_vdi(self, size=4 * MIB, **more):
        record = {"name_label": "v", "name_description": "", "SR": self.sr, "type": "user",
            "virtual_size": str(size), "sharable": False, "read_only": False,
            "other_config": {}, **more}  # fmt: skip
        return self.x("VDI.create", record)

    def put(self, body, **query):
        """The status and the text of the answer."""
        query.setdefault("session_id", self.x.ref)
        connection = http.client.HTTPConnection(ADDRESS, self.port, timeout=HANG)
        connection.request("PUT", "/import_raw_vdi?" + urllib.parse.urlencode(query), body)
        answer = connection.getresponse()
        text = answer.read().decode()
        connection.close()
        return answer.status, text

    def image(self, vdi):
        """The file that the VDI's bytes are in, and its format."""
        about = json.loads((self.location / f"{self.x('VDI.get_location', vdi)}.json").read_text())
        (name,) = [v for v in about.values() if isinstance(v, str) and v.startswith("node-")]
        return self.location / name, name.rsplit(".", 1)[1]

    def sha256(self, vdi):
        path, image_format = self.image(vdi)
        raw = self.stack.dir / "raw"
        command = ["qemu-img", "convert", "-f", image_format, "-O", "raw", str(path), str(raw)]
        subprocess.run(command, check=True, timeout=HANG)
        return hashlib.sha256(raw.read_bytes()).hexdigest()

    def check(self, vdi, expected):
        self.assertEqual(self.sha256(vdi), hashlib.sha256(expected).hexdigest())

    def check_nobody_has_it(self, vdi):
        """Then its VDI can be destroyed."""
        self.x("VDI.destroy", vdi)

    def test_the_bytes_arrive(self):
        body = bytearray(4 * MIB)
        body[0:5] = b"begin"
        body[MIB + 7 : MIB + 70000] = random.Random(1).randbytes(69993)
        body[-3:] = b"end"
        for name in ("VDI.get_uuid", None):
            vdi = self.make_vdi()
            named = self.x(name, vdi) if name else vdi
            self.assertEqual(self.put(bytes(body), vdi=named), (200, ""))
            self.check(vdi, body)
            path, _ = self.image(vdi)
            self.assertLess(os.stat(path).st_blocks * 512, MIB)
            self.assertLess(int(self.x("VDI.get_physical_utilisation", vdi)), MIB)
            self.assertEqual(self.x("VDI.get_current_operations", vdi), {})
            self.check_nobody_has_it(vdi)

    def test_zeroes_are_written_over_what_was_there(self):
        vdi = self.make_vdi()
        self.assertEqual(self.put(b"\xff" * (4 * MIB), vdi=vdi)[0], 200)
        self.assertEqual(self.put(bytes(MIB) + b"x" * 10, vdi=vdi)[0], 200)
        self.check(vdi, bytes(MIB) + b"x" * 10 + b"\xff" * (3 * MIB - 10))
        self.assertEqual(self.put(b"", vdi=vdi)[0], 200)

    def test_a_clone_goes_its_own_way(self):
        vdi = self.make_vdi()
        self.put(b"a" * MIB, vdi=vdi)
        clone = self.x("VDI.clone", vdi)
        self.put(b"b" * 4096, vdi=clone)
        self.check(vdi, b"a" * MIB + bytes(3 * MIB))
        self.check(clone, b"b" * 4096 + b"a" * (MIB - 4096) + bytes(3 * MIB))

    def test_the_clients_task_tells_of_it(self):
        vdi = self.make_vdi()
        task = self.x("task.create", "import", "")
        self.assertEqual(self.put(b"x" * MIB, vdi=vdi, task_id=task)[0], 200)
        record = self.x("task.get_record", task)
        self.assertEqual((record["status"], record["progress"]), ("success", 1.0))
        vdi = self.make_vdi(size=65536)
        task = self.x("task.create", "import", "")
        self.assertEqual(self.put(bytes(65537), vdi=vdi, task_id=task)[0], 500)
        record = self.x("task.get_record", task)
        self.assertEqual(record["status"], "failure")
        self.assertEqual(record["error_info"], ["VDI_TOO_SMALL", vdi, "65537"])

    def test_what_is_refused(self):
        vdi = self.make_vdi()
        for status, says, query in (
            (401, "", {"vdi": vdi, "session_id": "OpaqueRef:no"}),
            (500, "HANDLE_INVALID", {"vdi": "OpaqueRef:no"}),
            (501, "NOT_IMPLEMENTED", {}),
            (501, "another format", {"vdi": vdi, "format": "vhd"}),
            (501, "chunks", {"vdi": vdi, "chunked": "true"}),
            (404, "no format x", {"vdi": vdi, "format": "x"}),
        ):
            got, text = self.put(b"x" * 512, **query)
            self.assertEqual(got, status, text)
            self.assertIn(says, text)
        self.assert_tasks_fail(vdi)
        self.check(vdi, bytes(4 * MIB))
        snapshot = self.x("VDI.snapshot", vdi)
        self.assertIn("VDI_READONLY", self.put(b"x" * 512, vdi=snapshot)[1])
        (vm,) = self.x("VM.get_by_name_label", "demo-vm")
        disk = self.x("VBD.get_VDI", self.x("VM.get_VBDs", vm)[0])
        self.x("VM.start", vm, False, False)
        self.assertIn("VDI_IN_USE", self.put(b"x" * 512, vdi=disk)[1])
        self.x("VM.hard_shutdown", vm)

    def ask(self, method, path, **query):
        """The status of the answer, without sending a body or its length, and the task's record."""
        task = self.x("task.create", path, "")
        query |= {"session_id": self.x.ref, "task_id": task}
        connection = http.client.HTTPConnection(ADDRESS, self.port, timeout=HANG)
        connection.putrequest(method, f"{path}?{urllib.parse.urlencode(query)}")
        connection.endheaders()
        status = connection.getresponse().status
        connection.close()
        return status, self.x("task.get_record", task)

    def assert_tasks_fail(self, vdi):
        """Whoever watches the task of a request learns that it was refused, whoever refuses it."""
        for status, method, path, query in (
            (404, "PUT", "/import_raw_vdi", {"vdi": vdi, "format": "x"}),
            (411, "PUT", "/import_raw_vdi", {"vdi": vdi}),
            (404, "GET", "/blob", {"ref": "OpaqueRef:no"}),
            (400, "GET", "/rrd_updates", {}),
            (400, "GET", "/audit_log", {"since": "x"}),
        ):
            got, record = self.ask(method, path, **query)
            self.assertEqual((got, record["status"]), (status, "failure"), path)
            self.assertEqual(record["error_info"][0], "INTERNAL_ERROR")
        for method, path in (("GET", "/export"), ("PUT", "/import"), ("GET", "/export_raw_vdi")):
            got, record = self.ask(method, path, uuid="x")
            self.assertEqual((got, record["status"]), (501, "failure"), path)
            self.assertEqual(record["error_info"], ["NOT_IMPLEMENTED", f"{method} {path}"])

    def begin(self, vdi, task):
        """A client that sends half of what it said that it would."""
        s = socket.create_connection((ADDRESS, self.port), HANG)
        self.addCleanup(s.close)
        query = urllib.parse.urlencode(
            {"vdi": vdi, "session_id": self.x.ref, "task_id": task}
        )
        s.sendall(f"PUT /import_raw_vdi?{query} HTTP/1.1\r\nhost: x\r\n"
                  f"content-length: {2 * MIB}\r\n\r\n".encode())  # fmt: skip
        s.sendall(b"x" * MIB)
        self.until(lambda: float(self.x("task.get_progress", task)) >= 0.4)
        return s

    def until(self, condition):
        end = time.monotonic() + HANG
        while not condition():
            self.assertLess(time.monotonic(), end)
            time.sleep(0.02)

    def is_ready_again(self, daemon, before):
        now = self.stack.status(daemon)
        return now["state"] == "ready" and now["pid"] != before

    def ended(self, task):
        self.until(lambda: self.x("task.get_status", task) != "pending")
        return self.x("task.get_status", task)

    def test_a_client_that_goes_away(self):
        vdi = self.make_vdi()
        task = self.x("task.create", "import", "")
        self.begin(vdi, task).close()
        self.assertEqual(self.ended(task), "failure")
        self.check_nobody_has_it(vdi)

    def test_a_task_that_is_cancelled(self):
        vdi = self.make_vdi()
        task = self.x("task.create", "import", "")
        self.begin(vdi, task)
        # whoever names it too does not take it away
        self.assertEqual(self.put(b"x" * 512, vdi=self.make_vdi(), task_id=task), (200, ""))
        self.assertEqual(self.x("task.get_status", task), "pending")
        self.x("task.cancel", task)
        self.assertEqual(self.ended(task), "cancelled")
        self.check_nobody_has_it(vdi)

    def test_kills_amid_it(self):
        """Of smd: the import fails. Of xapid: what it held is let go."""
        vdi = self.make_vdi()
        task = self.x("task.create", "import", "")
        s = self.begin(vdi, task)
        before = self.stack.status("smd")["pid"]
        os.kill(before, signal.SIGKILL)
        s.sendall(b"y" * MIB)
        self.assertEqual(self.ended(task), "failure")
        self.until(lambda: self.is_ready_again("smd", before))
        self.assertEqual(self.put(b"x" * MIB, vdi=vdi)[0], 200)
        self.begin(vdi, self.x("task.create", "import", ""))
        before = self.stack.status("xapid")["pid"]
        os.kill(before, signal.SIGKILL)
        self.until(lambda: self.is_ready_again("xapid", before))
        self.x.login()
        self.check_nobody_has_it(vdi)


if __name__ == "__main__":
    unittest.main()
