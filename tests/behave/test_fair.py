# SPDX-License-Identifier: LGPL-2.1-or-later
"""Nobody keeps others waiting: what a flood of requests leaves to them, and what a session may."""

import http.client
import json
import signal
import socket
import unittest

from xapid import ADDRESS, Xapid
from xenapi import HANG, NULL, Failure

ACCOUNTS = {"root": ("root", "r")}
CONNECTIONS, FLOOD, GOOD = 8, 150, 40


class Fair(unittest.TestCase):
    def start(self, settings=""):
        self.xapid = Xapid(self, ACCOUNTS, settings)
        self.x = self.xapid.login("root", "r")
        self.pool = self.x("pool.get_all")[0]

    def connect(self, agent, n):
        """With N requests sent ahead, which fail and stand in the audit: in its order."""
        s = socket.create_connection((ADDRESS, self.xapid.port), HANG)
        self.addCleanup(s.close)
        call = {"jsonrpc": "2.0", "id": 1, "method": "pool.set_name_label",
                "params": [self.x.ref, NULL, "x"]}  # fmt: skip
        body = json.dumps(call)
        head = (
            f"POST /jsonrpc HTTP/1.1\r\nhost: x\r\nuser-agent: {agent}\r\n"
            f"content-length: {len(body)}\r\n\r\n"
        )
        s.sendall((head + body).encode() * n)
        s.shutdown(socket.SHUT_WR)
        return s

    def test_a_flood_leaves_room(self):
        """All is there at once, the flood first, over many connections."""
        self.start()
        self.xapid.process.send_signal(signal.SIGSTOP)
        all_of_them = [self.connect("flood", FLOOD) for _ in range(CONNECTIONS)]
        all_of_them.append(self.connect("good", GOOD))
        self.xapid.process.send_signal(signal.SIGCONT)
        for s in all_of_them:
            while s.recv(1 << 16):
                pass
        audit = (self.xapid.dir / "lib" / "xapid-audit.log").read_text().splitlines()
        agents = [a for a in (json.loads(line)["agent"] for line in audit) if len(a) < 6]
        self.assertEqual(agents.count("flood"), CONNECTIONS * FLOOD)
        self.assertEqual(agents.count("good"), GOOD)
        places = [i for i, agent in enumerate(agents) if agent == "good"]
        between = [b - a - 1 for a, b in zip(places, places[1:])]
        self.assertLessEqual(max(between), 32, between)
        # nor is the flood kept from its share
        self.assertGreater(agents.index("flood", places[0]), 0)

    def test_a_session_has_a_rate(self):
        self.start("session_rate = 50\n")
        other = self.xapid.login("root", "r")
        with self.assertRaises(Failure) as caught:
            for _ in range(10_000):
                self.x("pool.get_name_label", self.pool)
        self.assertEqual(
            caught.exception.error, ["LIMIT_EXCEEDED", "calls a second of a session", "50"]
        )
        other("pool.get_name_label", self.pool)
        connection = http.client.HTTPConnection(ADDRESS, self.xapid.port, timeout=HANG)
        self.addCleanup(connection.close)
        seen = set()
        while 429 not in seen:
            connection.request("GET", f"/audit_log?since=4000000000&session_id={other.ref}")
            answer = connection.getresponse()
            answer.read()
            seen.add(answer.status)
        self.assertEqual(seen, {200, 429})
        # it has not ended
        while True:
            try:
                self.x("pool.get_name_label", self.pool)
                return
            except Failure as failure:
                self.assertEqual(failure.error[0], "LIMIT_EXCEEDED")


if __name__ == "__main__":
    unittest.main()
