# SPDX-License-Identifier: LGPL-2.1-or-later
"""Blobs: bytes that are kept with an object, put and fetched over HTTP."""

import http.client
import os
import random
import socket
import time
import unittest
import urllib.parse

from xapid import ADDRESS, Xapid
from xenapi import HANG, NULL, Failure

ACCOUNTS = {
    "root": ("root", "r"),
    "power": ("vm-power-admin", "p"),
    "admin": ("vm-admin", "a"),
    "reader": ("read-only", "o"),
}
MIB = 1 << 20


class BlobTest(unittest.TestCase):
    def setUp(self):
        self.xapid = Xapid(self, ACCOUNTS)
        self.folder = self.xapid.dir / "lib" / "xapid-blobs"
        self.root = self.xapid.login("root", "r")
        self.pool = self.root("pool.get_all")[0]

    def make(self, name="b", kind="text/plain", public=False):
        return self.root("pool.create_new_blob", self.pool, name, kind, public)

    def refused(self, code, method, *args, by=None):
        with self.assertRaises(Failure) as caught:
            (by or self.root)(method, *args)
        self.assertEqual(caught.exception.error[0], code)

    def send(self, method, body=None, session=None, **query):
        """The answer, and its body."""
        if session is None:
            session = self.root
        if session:
            query["session_id"] = session.ref
        connection = http.client.HTTPConnection(ADDRESS, self.xapid.port, timeout=HANG)
        self.addCleanup(connection.close)
        connection.request(method, "/blob?" + urllib.parse.urlencode(query), body)
        answer = connection.getresponse()
        return answer, answer.read()

    def put(self, body, **more):
        return self.send("PUT", body, **more)[0].status

    def get(self, **more):
        answer, body = self.send("GET", **more)
        return answer.status, body


class Objects(BlobTest):
    def test_each_class_has_them(self):
        template = self.root("VM.get_by_name_label", "Other install media")[0]
        record = {**self.root("VM.get_record", template), "is_a_template": False}
        owners = {
            "VM": self.root("VM.create", record),
            "host": self.root("host.get_all")[0],
            "pool": self.pool,
            "network": self.root("network.get_all")[0],
        }
        for name, owner in owners.items():
            blob = self.root(f"{name}.create_new_blob", owner, "n", "image/png", False)
            self.assertEqual(self.root(f"{name}.get_blobs", owner), {"n": blob})
            self.assertEqual(self.root("blob.get_name_label", blob), "n")
            self.assertEqual(self.root("blob.get_mime_type", blob), "image/png")
            self.assertEqual(self.root("blob.get_size", blob), "0")
            self.refused(
                "MAP_DUPLICATE_KEY", f"{name}.create_new_blob", owner, "n", "image/png", False
            )
            self.refused("HANDLE_INVALID", f"{name}.create_new_blob", NULL, "n", "x/y", False)
            reader = self.xapid.login("reader", "o")
            self.refused(
                "RBAC_PERMISSION_DENIED", f"{name}.create_new_blob", owner, "m", "", False,
                by=reader,
            )  # fmt: skip
            self.assertEqual(self.put(b"bytes", ref=blob), 200)
        self.refused("HANDLE_INVALID", "SR.create_new_blob", NULL, "n", "x/y", False)
        self.assertEqual(len(os.listdir(self.folder)), 4)
        # what goes takes its own along; a copy has none
        clone = self.root("VM.clone", owners["VM"], "clone")
        self.assertEqual(self.root("VM.get_blobs", clone), {})
        self.root("VM.destroy", clone)
        self.assertEqual(len(self.root("blob.get_all")), 4)
        self.root("VM.destroy", owners["VM"])
        self.assertEqual(len(self.root("blob.get_all")), 3)
        for name in ("host", "pool", "network"):
            (blob,) = self.root(f"{name}.get_blobs", owners[name]).values()
            self.root("blob.destroy", blob)
            self.assertEqual(self.root(f"{name}.get_blobs", owners[name]), {})
        self.assertEqual(os.listdir(self.folder), [])
        self.refused("HANDLE_INVALID", "blob.destroy", NULL)

    def test_alone(self):
        blob = self.root("blob.create", "", True)
        self.assertIs(self.root("blob.get_public", blob), True)
        self.root("blob.set_public", blob, False)
        self.root("blob.set_name_label", blob, "called")
        record = self.root("blob.get_record", blob)
        self.assertEqual(record["mime_type"], "application/octet-stream")
        self.assertEqual((record["name_label"], record["public"]), ("called", False))
        reader = self.xapid.login("reader", "o")
        self.refused("RBAC_PERMISSION_DENIED", "blob.destroy", blob, by=reader)
        self.refused("RBAC_PERMISSION_DENIED", "blob.create", "", False, by=reader)
        self.root("blob.destroy", blob)
        self.assertEqual(self.root("blob.get_all"), [])


class Commands(BlobTest):
    def xe(self, *args, user="root", password="r"):
        done = self.xapid.xe(*args, user=user, password=password)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return done.stdout.strip()

    def test_xe(self):
        pool = self.root("pool.get_uuid", self.pool)
        uuid = self.xe("blob-create", "name=n", f"pool-uuid={pool}", "mime-type=text/plain")
        source, target = self.xapid.dir / "source", self.xapid.dir / "target"
        source.write_bytes(random.Random(1).randbytes(3 * MIB))
        self.xe("blob-put", f"uuid={uuid}", f"filename={source}")
        self.xe("blob-get", f"uuid={uuid}", f"filename={target}")
        self.assertEqual(source.read_bytes(), target.read_bytes())
        done = self.xapid.xe(
            "blob-put", f"uuid={uuid}", f"filename={source}", user="reader", password="o"
        )
        self.assertEqual(done.returncode, 1)
        self.assertIn("403", done.stderr)
        done = self.xapid.xe("blob-create", "name=m", password="r")
        self.assertIn("needs an object", done.stderr)
        self.xe("blob-destroy", f"uuid={uuid}")
        self.assertEqual(self.root("blob.get_all"), [])

    def test_diagnostics(self):
        self.assertIn("generation: ", self.xe("diagnostic-db-stats"))
        self.assertIn("used_bytes: ", self.xe("diagnostic-gc-stats"))
        self.xe("diagnostic-compact")


class Bytes(BlobTest):
    def test_they_come_back(self):
        blob = self.make()
        self.assertEqual(self.get(ref=blob)[0], 404)
        for size in (5, 0, 3 * MIB + 1):
            body = random.Random(size).randbytes(size)
            self.assertEqual(self.put(body, ref=blob), 200)
            self.assertEqual(self.get(ref=blob), (200, body))
            uuid = self.root("blob.get_uuid", blob)
            self.assertEqual(self.get(uuid=uuid), (200, body))
            self.assertEqual(self.root("blob.get_size", blob), str(size))
        self.xapid.kill()
        (self.folder / "a-strangers").write_text("x")
        self.xapid.start()
        self.root = self.xapid.login("root", "r")
        self.assertEqual(self.get(ref=blob), (200, body))
        self.assertEqual(os.listdir(self.folder), [uuid])

    def test_who_may(self):
        blob = self.make()
        reader, admin = self.xapid.login("reader", "o"), self.xapid.login("admin", "a")
        self.assertEqual(self.put(b"x", ref=blob, session=False), 401)
        self.assertEqual(self.put(b"x", ref=blob, session=admin), 403)
        self.assertEqual(self.put(b"x", ref=blob, session=self.xapid.login("power", "p")), 200)
        self.assertEqual(self.get(ref=blob, session=False)[0], 401)
        self.assertEqual(self.get(ref=blob, session=reader), (200, b"x"))
        self.root("blob.set_public", blob, True)
        self.assertEqual(self.get(ref=blob, session=False), (200, b"x"))
        self.assertEqual(self.put(b"y", ref=blob, session=False), 401)
        for query in ({"ref": NULL}, {"uuid": "x"}, {}):
            self.assertEqual(self.get(**query)[0], 404)
            self.assertEqual(self.put(b"x", **query), 404)
            self.assertEqual(self.get(session=False, **query)[0], 401)

    def test_what_a_browser_makes_of_it(self):
        """Bytes, and no page of ours; no header but ours."""
        for kind, told in (
            ("text/html", "text/html"),
            ("a/b\r\nset-cookie: x=y", "application/octet-stream"),
            ("nonsense", "application/octet-stream"),
        ):
            blob = self.make(kind, kind, True)
            self.put(b"<script>", ref=blob)
            answer, _ = self.send("GET", session=False, ref=blob)
            self.assertEqual(answer.getheader("content-type"), told)
            self.assertEqual(answer.getheader("x-content-type-options"), "nosniff")
            self.assertEqual(answer.getheader("content-disposition"), "attachment")
            self.assertIsNone(answer.getheader("set-cookie"))

    def raw(self, blob, length, body):
        """A PUT that stops within its body."""
        s = socket.create_connection((ADDRESS, self.xapid.port), HANG)
        path = f"/blob?ref={blob}&session_id={self.root.ref}"
        s.sendall(f"PUT {path} HTTP/1.1\r\nhost: x\r\ncontent-length: {length}\r\n\r\n".encode())
        s.sendall(body)
        return s

    def wait(self, condition):
        end = time.monotonic() + HANG
        while not condition():
            self.assertLess(time.monotonic(), end)
            time.sleep(0.01)

    def test_a_client_that_goes_away(self):
        """What was there stays, and nothing is left over."""
        blob = self.make()
        self.assertEqual(self.put(b"before", ref=blob), 200)
        with self.raw(blob, 4 * MIB, bytes(MIB)):
            self.wait(lambda: len(os.listdir(self.folder)) == 2)
        self.wait(lambda: len(os.listdir(self.folder)) == 1)
        self.assertEqual(self.get(ref=blob), (200, b"before"))
        self.assertEqual(self.root("blob.get_size", blob), "6")
        # nor where xapid is killed meanwhile
        with self.raw(blob, 4 * MIB, bytes(MIB)):
            self.wait(lambda: len(os.listdir(self.folder)) == 2)
            self.xapid.kill()
        self.xapid.start()
        self.root = self.xapid.login("root", "r")
        self.assertEqual(len(os.listdir(self.folder)), 1)
        self.assertEqual(self.get(ref=blob), (200, b"before"))

    def test_one_that_goes_meanwhile(self):
        blob = self.make()
        with self.raw(blob, 10, b"12345") as s:
            self.wait(lambda: len(os.listdir(self.folder)) == 1)
            self.root("blob.destroy", blob)
            s.sendall(b"67890")
            self.assertIn(b" 500 ", s.recv(1000))
        self.wait(lambda: not os.listdir(self.folder))

    def test_what_is_too_much(self):
        blob = self.make()
        with self.raw(blob, (1 << 30) + 1, b"") as s:
            self.assertIn(b" 413 ", s.recv(1000))
        s = socket.create_connection((ADDRESS, self.xapid.port), HANG)
        self.addCleanup(s.close)
        s.sendall(f"PUT /blob?ref={blob}&session_id={self.root.ref} HTTP/1.1\r\n\r\n".encode())
        self.assertIn(b" 411 ", s.recv(1000))


if __name__ == "__main__":
    unittest.main()
