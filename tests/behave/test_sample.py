# SPDX-License-Identifier: LGPL-2.1-or-later
"""The ground, from outside, by the sample daemon: calls, tasks, updates, errors, and its death."""

import os
import random
import socket
import subprocess
import tempfile
import threading
import time
import unittest

from jsonrpc import Client, Failed, Gone
from stack import SAMPLED, Stack

MARKS = ("threads",)
HANG = 60  # seconds; only to catch what hangs


def connect(path, is_over=lambda: False):
    """A client of a daemon that may be starting."""
    end = time.monotonic() + HANG
    while True:
        try:
            return Client(path)
        except OSError:
            if time.monotonic() > end or is_over():
                raise
            time.sleep(0.005)


class Sample(unittest.TestCase):
    def setUp(self):
        self.stack = Stack(self, "--also", SAMPLED)
        self.path = self.stack.socket("sampled")
        self.client = Client(self.path)
        self.addCleanup(self.client.close)

    def assert_fails(self, code, method, **params):
        with self.assertRaises(Failed) as caught:
            self.client.call(method, **params)
        self.assertEqual(caught.exception.code, code)
        return caught.exception

    def test_answers_come_to_their_calls(self):
        texts = ["", "plain", "ümläut \U0001f600", 'quote " and \\', "line\nbreak", "x" * 100000]
        calls = [self.client.send("echo", text=text) for text in texts]
        for call, text in reversed(list(zip(calls, texts))):
            self.assertEqual(self.client.answer(call), text)

    def test_a_slow_call_holds_up_no_other(self):
        slow = self.client.send("UPDATES.get", timeout=30, since=self.token())
        self.assertEqual(self.client.call("echo", text="quick"), "quick")
        self.client.call("Note.add", text="wakes it")
        self.assertTrue(self.client.answer(slow)["updates"])

    def token(self):
        return self.client.call("UPDATES.get", timeout=0)["token"]

    def test_notes_are_kept_told_of_and_forgotten(self):
        token = self.token()
        note = self.client.call("Note.add", text="milk", mood="busy", tags=["a", "b"])
        told = self.client.call("UPDATES.get", since=token, timeout=30)
        self.assertEqual([u["id"] for u in told["updates"]], [note])
        self.assertFalse(told["complete"])
        record = self.client.call("Note.get", note=note)
        self.assertEqual(record["text"], "milk")
        self.assertEqual(record["mood"], "busy")
        self.assertEqual(record["tags"], ["a", "b"])
        self.client.call("Note.remove", note=note)
        told = self.client.call("UPDATES.get", since=told["token"], timeout=30)
        self.assertEqual([(u["id"], u["deleted"]) for u in told["updates"]], [(note, True)])
        self.assertEqual(self.client.call("Note.list"), [])

    def test_errors_have_codes_and_parameters(self):
        self.assertEqual(self.assert_fails("NO_SUCH_NOTE", "Note.get", note="x").params, ["x"])
        self.assert_fails("EMPTY_NOTE", "Note.add", text="")
        error = self.assert_fails("NOT_IMPLEMENTED", "Work.undone")
        self.assertEqual(error.params, ["Work.undone"])
        error = self.assert_fails("INVALID_VALUE", "Note.add", text="x", tags=["a", 3])
        self.assertEqual(error.params[0], "tags[1]")
        self.assertEqual(error.number, -32602)
        self.assert_fails("INVALID_VALUE", "Note.add")
        self.assert_fails("INVALID_VALUE", "Note.add", text="x", mood="merry")
        self.assertEqual(self.assert_fails("UNKNOWN_CALL", "Note.burn").number, -32601)
        self.assertEqual(self.client.call("Note.list"), [])

    def test_a_member_that_nobody_knows_is_ignored(self):
        self.assertEqual(self.client.call("echo", text="x", colour="blue"), "x")

    def test_a_task_has_progress_and_a_result(self):
        task = self.client.call("Work.run", steps=5, step_ms=1)
        record = self.client.wait_for_task(task)
        self.assertEqual(record["state"], "done")
        self.assertEqual(record["result"], 5)
        self.assertEqual(record["progress"], 1)
        self.client.call("TASK.destroy", task=task)
        self.assert_fails("NO_SUCH_TASK", "TASK.stat", task=task)

    def test_a_task_is_cancelled(self):
        task = self.client.call("Work.run", steps=1000000, step_ms=60000)
        self.assert_fails("TASK_RUNNING", "TASK.destroy", task=task)
        self.client.call("TASK.cancel", task=task)
        record = self.client.wait_for_task(task)
        self.assertEqual(record["state"], "cancelled")

    def test_a_task_outlives_its_caller(self):
        with Client(self.path) as other:
            task = other.call("Work.run", steps=3, step_ms=20)
        self.assertEqual(self.client.wait_for_task(task)["result"], 3)

    def test_a_failed_task_keeps_its_error(self):
        task = self.client.call("Work.run", steps=-1)
        record = self.client.wait_for_task(task)
        self.assertEqual(record["state"], "failed")
        self.assertEqual(record["error"]["code"], "INVALID_VALUE")

    def test_a_secret_is_in_no_log(self):
        self.client.call("debug.set_log_level", level="debug")
        self.client.call("Note.add", text="x", owner_key="hunter2-hunter2")
        self.client.call("debug.diagnostics")
        self.assertIn("Note.add", self.stack.logs())
        self.assertNotIn("hunter2", self.stack.logs())

    def test_garbage_harms_nobody_else(self):
        for garbage in (
            b"\x00\xff\n",
            b"not json\n",
            b"[" * 100000 + b"\n",
            b'{"jsonrpc":"2.0","id":1,"method":"echo","params":{"text":"cut',
            b'[{"jsonrpc":"2.0","id":1,"method":"echo","params":{"text":"batch"}}]\n',
            b'{"jsonrpc":"2.0","id":1,"method":7}\n' * 100,
            b"\n" * 1000,
        ):
            with self.subTest(garbage=garbage[:30]):
                with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as s:
                    s.connect(str(self.path))
                    s.sendall(garbage)
                self.assertEqual(self.client.call("echo", text="still here"), "still here")

    def test_diagnostics_name_what_waits(self):
        self.client.send("UPDATES.get", timeout=30, since=self.token())
        said = self.client.call("debug.diagnostics")
        self.assertIn("UPDATES.get", [fiber.get("waits_for") for fiber in said["fibers"]])

    def test_sigterm_answers_what_waits_and_ends(self):
        waiting = self.client.send("UPDATES.get", timeout=60, since=self.token())
        self.client.call("echo", text="it is in flight")
        self.assertEqual(self.stack.xenith("restart", "sampled").returncode, 0)
        with self.assertRaises((Failed, Gone)) as caught:
            self.client.answer(waiting)
        if isinstance(caught.exception, Failed):
            self.assertEqual(caught.exception.code, "SHUTTING_DOWN")


class Killed(unittest.TestCase):
    """kill -9 at random moments under writes: what was acknowledged is there, and nothing by half."""

    def setUp(self):
        self.dir = tempfile.mkdtemp()
        self.addCleanup(subprocess.run, ["rm", "-rf", self.dir], check=True)
        self.path = f"{self.dir}/run/sampled.sock"
        self.daemon = None
        self.kept = {}  # id: text, acknowledged
        self.maybe = set()  # texts whose answer did not come
        self.n_waiting = 0  # writers who wait for one
        self.lock = threading.Lock()
        self.is_over = False

    def write(self, writer):
        n = 0
        while not self.is_over:
            try:
                with connect(self.path, lambda: self.is_over) as client:
                    while not self.is_over:
                        n += 1
                        text = f"{writer}-{n}"
                        note = self.add(client, text)
                        with self.lock:
                            self.maybe.remove(text)
                            self.kept[note] = text
            except (Gone, Failed, OSError):
                pass

    def add(self, client, text):
        with self.lock:
            self.maybe.add(text)
            self.n_waiting += 1
        try:
            return client.call("Note.add", text=text)
        finally:
            with self.lock:
                self.n_waiting -= 1

    def start(self):
        self.daemon = subprocess.Popen(
            [str(SAMPLED), "--dir", self.dir],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def kill(self):
        self.daemon.kill()
        self.daemon.wait(HANG)

    def test_no_acknowledged_note_is_lost(self):
        rounds = int(os.environ.get("KILLS", "30"))
        choice = random.Random(int(os.environ.get("SEED", "1")))
        writers = [threading.Thread(target=self.write, args=(i,)) for i in range(4)]
        for writer in writers:
            writer.start()
        in_flight = 0
        try:
            for _ in range(rounds):
                self.start()
                with connect(self.path) as client:
                    client.call("echo", text="up")
                time.sleep(choice.random() * 0.2)
                end = time.monotonic() + HANG
                while not self.n_waiting and time.monotonic() < end:
                    time.sleep(0)
                with self.lock:
                    in_flight += bool(self.n_waiting)
                    self.daemon.kill()
                self.daemon.wait(HANG)
        finally:
            self.is_over = True
            for writer in writers:
                writer.join(HANG)
        self.start()
        self.addCleanup(self.kill)
        with connect(self.path) as client:
            notes = {n["id"]: n["text"] for n in client.call("Note.list")}
        print(f"# {rounds} kills, {in_flight} with a write in flight, {len(self.kept)} notes")
        self.assertGreaterEqual(in_flight, rounds * 0.3)
        self.assertGreater(len(self.kept), 0)
        for note, text in self.kept.items():
            self.assertEqual(notes.get(note), text)
        for note in set(notes) - set(self.kept):
            self.assertIn(notes[note], self.maybe)


if __name__ == "__main__":
    unittest.main()
