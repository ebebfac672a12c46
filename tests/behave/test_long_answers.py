# SPDX-License-Identifier: LGPL-2.1-or-later
"""Answers with many records to clients that read slowly: whole, of one moment, and let go of."""

import json
import re
import socket
import time
import unittest
import xmlrpc.client

from jsonrpc import Client
from xapid import ADDRESS, Xapid
from xenapi import HANG

VMS = 24
LENGTH = 250_000  # of a description; all of them are more than sockets take
CACHE = 7 << 20  # more than one answer


class Slow:
    """A client that has asked for all VMs, and has read no more than the head of the answer."""

    def __init__(self, case, is_json=False):
        self.is_json = is_json
        session = case.x.ref
        self.socket = socket.socket()
        case.addCleanup(self.socket.close)
        self.socket.settimeout(HANG)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self.socket.connect((ADDRESS, case.xapid.port))
        if is_json:
            path = "/jsonrpc"
            body = {"jsonrpc": "2.0", "id": 1, "method": "VM.get_all_records", "params": [session]}
            body = json.dumps(body)
        else:
            path = "/"
            body = xmlrpc.client.dumps((session,), "VM.get_all_records")
        self.socket.sendall(
            f"POST {path} HTTP/1.1\r\ncontent-length: {len(body)}\r\n\r\n{body}".encode()
        )
        self.unread = b""
        while b"\r\n\r\n" not in self.unread:
            self.unread += self.socket.recv(256)
        head, self.unread = self.unread.split(b"\r\n\r\n", 1)
        self.length = int(re.search(rb"content-length: (\d+)", head).group(1))

    def rest(self):
        """The records, or None: it was cut off."""
        pieces = [self.unread]
        got = len(self.unread)
        while got < self.length:
            try:
                piece = self.socket.recv(1 << 20)
            except ConnectionResetError:
                return None
            if not piece:
                return None
            pieces.append(piece)
            got += len(piece)
        body = b"".join(pieces)
        if self.is_json:
            return json.loads(body)["result"]
        return xmlrpc.client.loads(body)[0][0]["Value"]


class LongAnswers(unittest.TestCase):
    def setUp(self):
        self.xapid = Xapid(self, {"root": ("pool-admin", "secret")}, f"cache_size = {CACHE}\n")
        self.x = self.xapid.login("root", "secret")
        self.control = Client(self.xapid.dir / "run" / "xapid.sock")
        self.addCleanup(self.control.close)
        template = self.x("VM.get_by_name_label", "Other install media")[0]
        self.vms = [self.x("VM.clone", template, f"vm {i}") for i in range(VMS)]
        self.change("a")

    def change(self, letter):
        """All descriptions."""
        for vm in self.vms:
            self.x("VM.set_name_description", vm, letter * LENGTH)

    def is_of(self, records, letter):
        """Whether all of them are as they were when this was their letter."""
        return all(records[vm]["name_description"] == letter * LENGTH for vm in self.vms)

    def old_bytes(self):
        return self.control.call("debug.diagnostics")["database"]["form_old_bytes"]

    def wait_for_none(self):
        end = time.monotonic() + HANG
        while self.old_bytes():
            self.assertLess(time.monotonic(), end)
            time.sleep(0.01)

    def test_changes_do_not_reach_an_answer_under_way(self):
        for is_json in (False, True):
            self.change("a")
            slow = Slow(self, is_json)
            self.change("b")
            self.assertGreater(self.old_bytes(), LENGTH)
            self.x("VM.destroy", self.vms.pop())
            self.vms.append(self.x("VM.clone", self.vms[0], "another"))
            records = slow.rest()
            gone = set(records) - set(self.x("VM.get_all"))
            self.assertEqual(len(gone), 1)
            for ref in {*self.vms[:-1], *gone}:
                self.assertEqual(records[ref]["name_description"], "a" * LENGTH)
            self.assertTrue(self.is_of(Slow(self, is_json).rest(), "b"))
            self.wait_for_none()

    def test_who_goes_away_lets_go(self):
        slow = Slow(self)
        self.change("b")
        self.assertGreater(self.old_bytes(), LENGTH)
        slow.socket.close()
        self.wait_for_none()

    def test_the_slowest_is_cut_off_when_too_much_has_changed(self):
        slow = []
        for letter in "bcdefghi":
            slow.append(Slow(self))
            self.change(letter)
            self.assertLessEqual(self.old_bytes(), CACHE)
        self.assertTrue(slow[0].rest() is None)
        self.assertTrue(self.is_of(slow[-1].rest(), "h"))

    def test_escapes(self):
        name = "<&>\"'é\n\r€\x7f"
        self.x.json("VM.set_name_label", self.vms[0], name)
        for ask in (self.x, self.x.json):
            self.assertEqual(ask("VM.get_all_records")[self.vms[0]]["name_label"], name)


if __name__ == "__main__":
    unittest.main()
