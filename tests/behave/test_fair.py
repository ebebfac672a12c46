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

    # ---- callers ----

    def client(self, agent):
        """A session of one that calls itself so."""
        client = self.xapid.login("root", "r")
        client.proxy("transport").user_agent = agent
        return client

    def caller(self, agent, address="", name=""):
        return self.x("Caller.create", {"name_label": name, "name_description": "a test's",
                                        "user_agent": agent, "client_ip": address})  # fmt: skip

    def limit(self, burst, rate):
        return self.x("Rate_limit.create", {"name_label": "slow", "name_description": "",
                                            "burst_size": burst, "fill_rate": rate})  # fmt: skip

    def fails(self, code, message, *args):
        with self.assertRaises(Failure) as caught:
            self.x(message, *args)
        self.assertEqual(caught.exception.error[0], code)

    def read(self, client, n):
        """So many of N reads were answered, until one was refused."""
        for i in range(n):
            try:
                client("pool.get_name_label", self.pool)
            except Failure as failure:
                self.assertEqual(failure.error[:2],
                                 ["LIMIT_EXCEEDED", "tokens a second of a caller"])  # fmt: skip
                return i
        return n

    def test_a_caller_has_a_rate(self):
        """The bucket fills so slowly that it does not within the test."""
        self.start()
        slow, exact, quick = (self.client(a) for a in ("slow/1.0", "slow/exact", "quick"))
        limit = self.limit(5.0, 1e-4)
        caller = self.caller("slow/*", "127.0.0.*", "the slow ones")
        self.assertEqual(self.read(slow, 20), 20)  # nothing holds it yet
        self.x("Rate_limit.add_caller", limit, caller)
        self.assertEqual(self.x("Rate_limit.get_callers", limit), [caller])
        self.assertEqual(self.x("Caller.get_rate_limit", caller), limit)
        self.assertEqual(self.read(slow, 20), 5)
        self.assertEqual(self.read(quick, 20), 20)
        # what it does not read costs more, and logging in is no way around
        self.x("Rate_limit.set_burst_size", limit, 6.0)
        with self.assertRaises(Failure):
            slow("pool.set_name_label", self.pool, "x")
        with self.assertRaises(Failure):
            slow.plain("session.login_with_password", "root", "r", "1.0", "tests")
        # all of its callers share one bucket; the most specific one says which
        self.assertEqual(self.read(exact, 20), 0)
        other = self.limit(3.0, 1e-4)
        self.x("Rate_limit.add_caller", other, self.caller("slow/exact"))
        self.assertEqual(self.read(exact, 20), 3)
        # HTTP handlers
        connection = http.client.HTTPConnection(ADDRESS, self.xapid.port, timeout=HANG)
        self.addCleanup(connection.close)
        path = f"/audit_log?since=4000000000&session_id={self.x.ref}"
        for agent, status in (("slow/2", 429), ("quick", 200)):
            connection.request("GET", path, headers={"user-agent": agent})
            answer = connection.getresponse()
            answer.read()
            self.assertEqual(answer.status, status)
        # it is let go
        self.x("Rate_limit.remove_caller", limit, caller)
        self.assertEqual(self.read(slow, 20), 20)
        self.x("Rate_limit.remove_caller", limit, caller)
        self.x("Rate_limit.add_caller", limit, caller)
        self.assertEqual(self.read(slow, 20), 0)
        self.x("Rate_limit.destroy", limit)
        self.assertEqual(self.x("Caller.get_rate_limit", caller), NULL)
        self.assertEqual(self.read(slow, 20), 20)

    def test_a_caller_waits_for_its_turn(self):
        """Not for long: it is served, where the same with a lower rate would be refused."""
        self.start("caller_wait = 30s\n")
        caller, limit = self.caller("slow"), self.limit(1.0, 1e-4)
        self.x("Rate_limit.add_caller", limit, caller)
        slow = self.client("slow")
        self.assertEqual(self.read(slow, 3), 1)
        self.x("Rate_limit.set_fill_rate", limit, 200.0)
        self.assertEqual(self.read(slow, 10), 10)
        slow("pool.set_name_label", self.pool, "x")

    def test_what_callers_used(self):
        self.start()
        one, two = self.caller("one", "", "first"), self.caller("", ADDRESS, "second")
        for caller in (one, two):
            self.x("Caller.add_group", caller, "ours")
        self.x("Caller.add_group", one, "mine")
        self.x("Caller.remove_group", two, "nobody's")
        client = self.client("one")
        before = [self.x("Caller.query_call_count", one), self.x("Caller.query_token_usage", one)]
        self.assertEqual(self.read(client, 7), 7)
        client("pool.set_name_label", self.pool, "x")
        after = [self.x("Caller.query_call_count", one), self.x("Caller.query_token_usage", one)]
        self.assertEqual([int(after[0]) - int(before[0]), after[1] - before[1]], [8, 12.0])
        self.assertEqual(self.x("Caller.query_group_call_count", "mine"), after[0])
        self.assertEqual(self.x("Caller.query_group_token_usage", "mine"), after[1])
        self.assertGreater(self.x("Caller.query_group_token_usage", "ours"), after[1])
        rows = self.x("Caller.query_all_usage")
        self.assertEqual([row[1] for row in rows], ["second", "first"])
        self.assertEqual(rows[1], [self.x("Caller.get_uuid", one), "first", "12.000", "8"])
        self.assertNotEqual(self.x("Caller.get_last_access", one).value, "19700101T00:00:00Z")
        self.x("Caller.remove_group", one, "mine")
        self.assertEqual(self.x("Caller.get_groups", one), ["ours"])
        self.assertEqual(self.x("Caller.query_group_call_count", "mine"), "0")
        # the same patterns again are the same row
        self.assertEqual(self.caller("one", "", "renamed"), one)
        self.assertEqual(self.x("Caller.get_name_label", one), "renamed")
        self.x("Caller.destroy", one)
        self.assertEqual(self.x("Caller.get_all"), [two])
        self.fails("HANDLE_INVALID", "Caller.query_call_count", one)
        self.fails("HANDLE_INVALID", "Rate_limit.add_caller", NULL, two)
        self.fails("INVALID_VALUE", "Caller.add_group", two, "")
        self.fails("INVALID_VALUE", "Caller.query_group_call_count", "")
        for burst, rate in ((0.0, 1.0), (1.0, 0.0), (-1.0, 1.0), (float("nan"), 1.0)):
            with self.assertRaises(Failure) as caught:
                self.limit(burst, rate)
            self.assertEqual(caught.exception.error[0], "INVALID_VALUE")
        limit = self.limit(1.0, 1.0)
        self.fails("INVALID_VALUE", "Rate_limit.set_burst_size", limit, 0.0)
        self.fails("INVALID_VALUE", "Rate_limit.set_fill_rate", limit, float("inf"))
        for pattern in ("", "*"):
            with self.assertRaises(Failure) as caught:
                self.caller(pattern)
            self.assertEqual(caught.exception.error[0], "INVALID_VALUE")

    def test_callers_by_themselves(self):
        """Who has logged in; nobody else, and once."""
        self.start("register_callers = true\n")
        client = self.client("new/1")
        connection = http.client.HTTPConnection(ADDRESS, self.xapid.port, timeout=HANG)
        self.addCleanup(connection.close)
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "pool.get_all", "params": ["x"]})
        connection.request("POST", "/jsonrpc", body, {"user-agent": "stranger"})
        self.assertIn("SESSION_INVALID", connection.getresponse().read().decode())
        self.assertEqual(self.read(client, 3), 3)
        rows = [row for row in self.x("Caller.get_all_records").values()
                if row["user_agent"] in ("new/1", "stranger")]  # fmt: skip
        self.assertEqual([(row["user_agent"], row["client_ip"], row["auto_registered"])
                          for row in rows], [("new/1", ADDRESS, True)])  # fmt: skip


if __name__ == "__main__":
    unittest.main()
