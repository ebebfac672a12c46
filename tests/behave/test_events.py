# SPDX-License-Identifier: LGPL-2.1-or-later
"""How a client hears of changes: event.from and the older event.next."""

import subprocess
import threading
import time
import unittest

from stack import BUILD
from xapid import Xapid
from xenapi import HANG, Failure

PASSWORD = "secret of root"


class EventsTest(unittest.TestCase):
    def setUp(self):
        self.xapid = Xapid(self, {"root": ("root", PASSWORD)})
        self.client = self.login()

    def login(self):
        return self.xapid.login("root", PASSWORD)

    def make(self, label):
        fields = {"name_label": label, "name_description": ""}
        return self.client("VM_appliance.create", fields)

    def now(self):
        return self.client.json("event.from", ["VM_appliance"], "", 0)["token"]

    def wait(self, classes, token):
        """What event.from answers in another thread, as a function to be called for it."""
        other, answer = self.login(), []

        def run():
            try:
                answer.append(other.json("event.from", classes, token, 60.1))
            except Failure as failure:
                answer.append(failure)

        thread = threading.Thread(target=run)
        thread.start()

        def result():
            thread.join()
            return answer[0]

        return other, result


class From(EventsTest):
    def test_everything_at_first(self):
        answer = self.client.json("event.from", ["*"], "", 60.1)
        classes = {event["class"] for event in answer["events"]}
        self.assertLessEqual({"pool", "host", "vm", "network"}, classes)
        self.assertNotIn("session", classes)
        self.assertEqual({event["operation"] for event in answer["events"]}, {"add"})
        counts = answer["valid_ref_counts"]
        self.assertEqual(counts["pool"], 1)
        self.assertEqual(counts["task"], 0)
        self.assertEqual(counts["vm"], len(self.client("VM.get_all")))
        self.assertRegex(answer["token"], r"^\d{20},\d{20}$")
        pool = next(event for event in answer["events"] if event["class"] == "pool")
        self.assertEqual(pool["timestamp"], "0.0")
        self.assertEqual(pool["snapshot"], self.client.json("pool.get_record", pool["ref"]))

    def test_both_forms(self):
        """Points in time, numbers and booleans are in XML what they are in a record."""
        xml = self.client("event.from", ["host_metrics"], "", "5.0")
        event = xml["events"][0]
        record = self.client("host_metrics.get_record", event["ref"])
        self.assertEqual(event["snapshot"], record)
        self.assertIsInstance(xml["valid_ref_counts"]["task"], int)

    def test_same_change_to_several(self):
        """An answer that serves many is not given to who has heard of something else."""
        unaware = self.now()
        appliance = self.make("a")
        aware = self.now()
        later = []
        for token in (unaware, aware, aware, unaware):
            later.append(self.wait(["VM_appliance"], token)[1])
        self.client("VM_appliance.set_name_label", appliance, "b")
        answers = [result() for result in later[1:3]]
        for answer in answers:
            events = [(e["operation"], e["snapshot"]["name_label"]) for e in answer["events"]]
            self.assertEqual(events, [("mod", "b")])
        for answer in (later[0](), later[3]()):
            self.assertEqual([e["operation"] for e in answer["events"]], ["add"])
        for token in (unaware, aware):
            answer = self.client.json("event.from", ["VM_appliance"], token, 60.1)
            kind = "mod" if token == aware else "add"
            self.assertEqual([e["operation"] for e in answer["events"]], [kind])
        self.client("VM_appliance.destroy", appliance)
        gone = self.client.json("event.from", ["VM_appliance"], aware, 60.1)
        self.assertEqual([e["operation"] for e in gone["events"]], ["del"])
        never = self.client.json("event.from", ["VM_appliance"], unaware, 0)
        self.assertEqual(never["events"], [])

    def test_each_object_once(self):
        token = self.now()
        old = self.make("old")
        answer = self.client.json("event.from", ["VM_appliance"], token, 60)
        self.assertEqual([(e["operation"], e["ref"]) for e in answer["events"]], [("add", old)])
        token = answer["token"]
        self.client("VM_appliance.set_name_label", old, "a")
        self.client("VM_appliance.set_name_label", old, "b")
        new = self.make("new")
        gone = self.make("gone")
        self.client("VM_appliance.destroy", gone)
        answer = self.client.json("event.from", ["VM_appliance"], token, 60)
        self.assertEqual(
            [(e["operation"], e["ref"], e["snapshot"]["name_label"]) for e in answer["events"]],
            [("add", new, "new"), ("mod", old, "b")],
        )
        self.client("VM_appliance.destroy", old)
        answer = self.client.json("event.from", ["VM_appliance"], answer["token"], 60)
        self.assertEqual([(e["operation"], e["ref"]) for e in answer["events"]], [("del", old)])
        self.assertNotIn("snapshot", answer["events"][0])

    def test_wakes(self):
        _, result = self.wait(["vm_Appliance"], self.now())
        ref = self.make("seen")
        answer = result()
        self.assertEqual([event["ref"] for event in answer["events"]], [ref])

    def test_of_one_object(self):
        one, other = self.make("one"), self.make("other")
        token = self.now()
        self.client("VM_appliance.set_name_label", other, "x")
        self.assertEqual(
            self.client.json("event.from", [f"VM_appliance/{one}"], token, 0)["events"], []
        )
        self.client("VM_appliance.set_name_label", one, "y")
        answer = self.client.json("event.from", [f"VM_appliance/{one}"], token, 60)
        self.assertEqual([event["ref"] for event in answer["events"]], [one])

    def test_nothing_is_told_twice(self):
        token = self.now()
        self.make("x")
        answer = self.client.json("event.from", ["VM_appliance"], token, 60)
        again = self.client.json("event.from", ["VM_appliance"], answer["token"], 0)
        self.assertEqual(again["events"], [])
        self.assertIn("task", again["valid_ref_counts"])

    def test_logout_wakes(self):
        other, result = self.wait(["VM_appliance"], self.now())
        other.json("session.logout")
        failure = result()
        self.assertIsInstance(failure, Failure)
        self.assertEqual(failure.error, ["SESSION_INVALID", other.ref])

    def test_nonsense(self):
        for args, error in (
            ((["vm"], "garbage", 1.0), ["EVENT_FROM_TOKEN_PARSE_FAILURE", "garbage"]),
            ((["vm/"], "", 1.0), ["EVENT_SUBSCRIPTION_PARSE_FAILURE", "vm/"]),
        ):
            with self.assertRaises(Failure) as caught:
                self.client.json("event.from", *args)
            self.assertEqual(caught.exception.error, error)
        self.assertEqual(self.client.json("event.from", ["nonsense"], "", 0)["events"], [])

    def test_token_of_a_run_before(self):
        """What was deleted meanwhile is not remembered, so the client is to read all anew."""
        token = self.now()
        self.client("VM_appliance.destroy", self.make("gone"))
        self.xapid.kill()
        self.xapid.start()
        self.client = self.login()
        with self.assertRaises(Failure) as caught:
            self.client.json("event.from", ["VM_appliance"], token, 60)
        self.assertEqual(caught.exception.error, ["EVENTS_LOST"])


class OfMessages(EventsTest):
    """Messages to administrators are objects like others."""

    def post(self, name):
        (pool,) = self.client.json("pool.get_all_records").values()
        return self.client("message.create", name, 3, "Pool", pool["uuid"], f"of {name}")

    def test_told_and_kept(self):
        token = self.client.json("event.from", ["message"], "", 0)["token"]
        first = self.post("FIRST")
        answer = self.client.json("event.from", ["message"], token, 60)
        (event,) = answer["events"]
        self.assertEqual((event["operation"], event["ref"]), ("add", first))
        self.assertEqual(event["snapshot"], self.client.json("message.get_record", first))
        self.assertEqual(event["snapshot"]["body"], "of FIRST")
        self.assertEqual(answer["valid_ref_counts"]["message"], 1)
        second = self.post("SECOND")
        self.client("message.destroy", first)
        answer = self.client.json("event.from", ["*"], answer["token"], 60)
        self.assertEqual(
            [(e["operation"], e["ref"]) for e in answer["events"] if e["class"] == "message"],
            [("add", second), ("del", first)],
        )
        self.xapid.kill()
        self.xapid.start()
        self.client = self.login()
        records = self.client.json("message.get_all_records")
        self.assertEqual([r["name"] for r in records.values()], ["SECOND"])
        self.assertEqual(list(records), [second])
        third = self.post("THIRD")
        self.assertEqual(set(self.client.json("message.get_all")), {second, third})
        uuid = records[second]["uuid"]
        self.assertEqual(self.client.json("message.get_by_uuid", uuid), second)

    def test_wakes(self):
        token = self.client.json("event.from", ["message"], "", 0)["token"]
        _, result = self.wait(["message"], token)
        ref = self.post("SEEN")
        self.assertEqual([event["ref"] for event in result()["events"]], [ref])

    def test_a_token_from_an_inject(self):
        """Whoever begins with it and then reads all hears of what is deleted from then on."""
        first = self.post("FIRST")
        (pool,) = self.client("pool.get_all")
        token = self.client("event.inject", "pool", pool)
        self.assertEqual(self.client("message.get_all"), [first])
        self.client("message.destroy", first)
        events = self.client.json("event.from", ["message"], token, 60)["events"]
        self.assertEqual([(e["operation"], e["ref"]) for e in events], [("del", first)])

    def test_errors(self):
        for method, args, error in (
            ("message.create", ("x", 3, "bogus", "y", "z"), "INVALID_VALUE"),
            ("message.create", ("x", 3, "VM", "y", "z"), "UUID_INVALID"),
            ("message.destroy", ("OpaqueRef:x",), "HANDLE_INVALID"),
            ("message.get_by_uuid", ("x",), "UUID_INVALID"),
        ):
            with self.subTest(method), self.assertRaises(Failure) as caught:
                self.client(method, *args)
            self.assertEqual(caught.exception.error[0], error)


class Inject(EventsTest):
    def test_token_is_from_before(self):
        pool = self.client("pool.get_all")[0]
        token = self.client("event.inject", "pool", pool)
        answer = self.client.json("event.from", ["pool"], token, 60)
        self.assertEqual([event["ref"] for event in answer["events"]], [pool])
        self.assertEqual(answer["events"][0]["operation"], "mod")
        for args in (("pool", "OpaqueRef:x"), ("nonsense", pool), ("VM", pool)):
            with self.assertRaises(Failure) as caught:
                self.client("event.inject", *args)
            self.assertEqual(caught.exception.error, ["HANDLE_INVALID", *args])


class Next(EventsTest):
    def test_registered(self):
        with self.assertRaises(Failure) as caught:
            self.client("event.next")
        self.assertEqual(caught.exception.error[0], "SESSION_NOT_REGISTERED")
        self.client("event.register", ["VM_appliance"])
        ref = self.make("n")
        events = self.client.json("event.next")
        self.assertEqual([(e["operation"], e["ref"]) for e in events], [("add", ref)])
        self.client("event.unregister", ["VM_appliance"])
        with self.assertRaises(Failure) as caught:
            self.client("event.next")
        self.assertEqual(caught.exception.error[0], "SESSION_NOT_REGISTERED")

    def waits(self):
        cli = [BUILD / "bin" / "xapid-cli", "--dir", self.xapid.dir, "fibers"]
        said = subprocess.run(cli, capture_output=True, text=True, check=True, timeout=HANG)
        return "a change of the database" in said.stdout

    def test_what_is_given_up_amid_a_wait(self):
        """The call goes on with what was registered when it came."""
        refs = [self.make(label) for label in ("a", "b")]
        names = [f"VM_appliance/{ref}" for ref in refs]
        self.client("event.register", names[:1])
        self.assertFalse(self.waits())
        answer = []
        call = threading.Thread(target=lambda: answer.append(self.client.json("event.next")))
        call.start()
        end = time.monotonic() + HANG
        while not self.waits():
            self.assertLess(time.monotonic(), end)
        self.client("event.unregister", names[:1])
        self.client("event.register", names[1:])
        self.client("VM_appliance.set_name_label", refs[0], "c")
        call.join(HANG)
        self.assertEqual([[event["ref"] for event in events] for events in answer], [refs[:1]])


if __name__ == "__main__":
    unittest.main()
