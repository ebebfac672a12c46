# SPDX-License-Identifier: LGPL-2.1-or-later
"""The debug CLIs, by that of the sample daemon: what is typed, what is seen, and how it ends."""

import json
import os
import pty
import select
import signal
import subprocess
import tempfile
import time
import unittest

from stack import SAMPLE_CLI, SAMPLED, Stack

MARKS = ()
HANG = 60  # seconds; only to catch what hangs
OK, FAILED, USAGE, NO_CONNECTION, TIMEOUT = range(5)


def terminal_read(fd):
    """All that was written to the other end, which is closed: a read gives a piece of it."""
    pieces = []
    while True:
        try:
            piece = os.read(fd, 65536)
        except OSError:  # EIO: the end
            piece = b""
        if not piece:
            return b"".join(pieces)
        pieces.append(piece)


class Cli(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.stack = Stack(ClassCase(cls), "--also", SAMPLED)

    def words(self, *words):
        return [str(SAMPLE_CLI), "--dir", str(self.stack.dir), *map(str, words)]

    def run_cli(self, *words, code=OK, stdin=""):
        """What it printed, and what it said on standard error."""
        done = subprocess.run(
            self.words(*words), input=stdin, capture_output=True, text=True, timeout=HANG
        )
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        return done.stdout, done.stderr

    def start_cli(self, *words, **options):
        started = subprocess.Popen(
            self.words(*words),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            **options,
        )
        self.addCleanup(started.communicate, timeout=HANG)
        return started

    def json(self, *words):
        return json.loads(self.run_cli("--json", *words)[0])

    def wait_for(self, what, predicate):
        end = time.monotonic() + HANG
        while not (found := predicate()):
            self.assertLess(time.monotonic(), end, what)
            time.sleep(0.02)
        return found

    def running_task(self):
        """The one task that runs, once it does."""
        return self.wait_for(
            "no task runs",
            lambda: next((t for t in self.json("tasks") if t["state"] == "running"), None),
        )

    # ---- calls ----

    def test_calls_by_either_name(self):
        for name in ("Note.add", "note-add"):
            note = self.json(name, "--text", "a note", "--mood", "busy", "--tags", "a,b")
            found = self.json("Note.get", note)
            self.assertEqual(
                (found["id"], found["text"], found["mood"], found["tags"]),
                (note, "a note", "busy", ["a", "b"]),
            )
            self.assertEqual(self.run_cli("note-remove", note)[0], "")

    def test_shows_a_table_and_a_record_to_people(self):
        note = self.run_cli("note-add", "first", "--mood=angry")[0].strip()
        self.addCleanup(self.run_cli, "note-remove", note)
        table = self.run_cli("note-list")[0].splitlines()
        self.assertEqual(table[0].split()[:3], ["ID", "MOOD", "TEXT"])
        row = next(line for line in table[1:] if line.startswith(note))
        self.assertEqual(row.split()[1:3], ["angry", "first"])
        record = self.run_cli("note-get", "--note", note)[0]
        self.assertRegex(record, rf"(?m)^id: +{note}$")
        self.assertRegex(record, r"(?m)^mood: +angry$")
        self.assertRegex(record, r"(?m)^tags: +-$")

    def test_reads_a_secret_from_a_file_or_standard_input_and_never_shows_it(self):
        with tempfile.NamedTemporaryFile("w") as key:
            key.write("opensesame\n")
            key.flush()
            one = self.run_cli("note-add", "x", "--owner-key", "@" + key.name)[0].strip()
        other = self.run_cli("note-add", "y", "--owner-key", "-", stdin="opensesame\n")[0].strip()
        for note in (one, other):
            self.addCleanup(self.run_cli, "note-remove", note)
            self.assertEqual(self.json("note-get", note)["owner_key"], "opensesame")
            self.assertNotIn("opensesame", self.run_cli("note-get", note)[0])
        self.assertNotIn("opensesame", self.run_cli("note-list")[0])
        said = self.run_cli("note-add", "z", "--owner-key", "opensesame", code=USAGE)[1]
        self.assertNotIn("opensesame", said)

    # ---- how it ends ----

    def test_an_error_of_the_daemon_is_told_by_its_code(self):
        self.assertIn("EMPTY_NOTE", self.run_cli("note-add", "", code=FAILED)[1])
        self.assertIn("NO_SUCH_NOTE(none)", self.run_cli("note-get", "none", code=FAILED)[1])
        said = self.run_cli("work-undone", code=FAILED)[1]
        self.assertIn("NOT_IMPLEMENTED(Work.undone)", said)
        said = self.run_cli("work-run", "--steps=-1", code=FAILED)[1]
        self.assertIn("INVALID_VALUE(steps,", said)

    def test_a_wrong_command_line_is_told_before_anything_is_sent(self):
        for words, name in (
            (("note-add",), "--text"),
            (("note-add", "a", "b"), "b"),
            (("note-add", "a", "--mood", "sad"), "mood"),
            (("note-add", "a", "--nothing"), "--nothing"),
            (("no-such-thing",), "no-such-thing"),
            ((), "COMMAND"),
            (("--nothing",), "--nothing"),
            (("work-run", "--steps", "1.5"), "--steps"),
            (("completion", "csh"), "bash"),
        ):
            out, said = self.run_cli(*words, code=USAGE)
            self.assertEqual(out, "")
            self.assertTrue(said.startswith(f"sample-cli: {name} "), said)
            self.assertIn("--help'.", said)

    def test_nobody_to_connect_to(self):
        said = self.run_cli("--socket", "/nowhere/at/all", "echo", "x", code=NO_CONNECTION)[1]
        self.assertIn("CONNECTION_REFUSED(/nowhere/at/all, ", said)

    def test_output_that_cannot_be_written_is_a_failure(self):
        with open("/dev/full", "w") as full:
            done = subprocess.run(
                self.words("echo", "x"), stdout=full, stderr=subprocess.PIPE, timeout=HANG
            )
        self.assertEqual(done.returncode, FAILED)
        self.assertIn(b"could not be written", done.stderr)

    # ---- tasks ----

    def test_waits_for_a_task_and_destroys_it(self):
        self.assertEqual(self.run_cli("work-run", "--steps", 3, "--step-ms", 1), ("3\n", ""))
        self.assertEqual([t for t in self.json("tasks") if t["state"] == "done"], [])

    def test_leaves_a_task_alone_and_waits_for_it_later(self):
        task = self.run_cli("work-run", "--steps", 2, "--step-ms", 1, "--no-wait")[0].strip()
        self.assertEqual(self.run_cli("wait", task)[0], "2\n")
        self.assertIn("NO_SUCH_TASK", self.run_cli("wait", task, code=FAILED)[1])

    def test_interrupt_cancels_the_task_and_waits_for_its_end(self):
        cli = self.start_cli("work-run", "--steps", 100000, "--step-ms", 10)
        self.running_task()
        cli.send_signal(signal.SIGINT)
        out, said = cli.communicate(timeout=HANG)
        self.assertEqual((cli.returncode, out), (FAILED, ""))
        self.assertIn("CANCELLED", said)
        self.assertEqual(self.json("tasks"), [])

    def test_time_that_is_over_leaves_the_task_running(self):
        said = self.run_cli(
            "--timeout", 0.2, "work-run", "--steps", 100000, "--step-ms", 10, code=TIMEOUT
        )[1]
        task = self.running_task()["id"]
        self.assertIn(f"task {task} goes on", said)
        self.run_cli("task-cancel", task)
        self.assertIn("CANCELLED", self.run_cli("wait", task, code=FAILED)[1])

    def test_shows_a_bar_on_a_terminal(self):
        ours, theirs = pty.openpty()
        done = subprocess.run(
            self.words("work-run", "--steps", 4, "--step-ms", 5),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=theirs,
            timeout=HANG,
        )
        os.close(theirs)
        seen = terminal_read(ours).decode()
        os.close(ours)
        self.assertEqual((done.returncode, done.stdout), (OK, b"4\n"))
        self.assertRegex(seen, r"Work\.run.* \[[# ]{24}\] +\d+ %")
        self.assertTrue(seen.endswith("\r\033[K"), seen)

    # ---- events ----

    def test_follows_events_until_interrupted(self):
        cli = self.start_cli("events", "note", bufsize=1)
        notes = []

        def hears():
            # the first answer of the daemon only tells where we are: until it has come, nothing
            notes.append(self.run_cli("note-add", "x")[0].strip())
            return select_line(cli.stdout)

        line = self.wait_for("no event", hears)
        for note in notes:
            self.run_cli("note-remove", note)
        when, kind, name = line.split()[:3]
        self.assertRegex(when, r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$")
        self.assertEqual(kind, "note")
        self.assertIn(name, notes)
        self.wait_for("no deletion", lambda: "(gone)" in (select_line(cli.stdout) or ""))
        cli.send_signal(signal.SIGINT)
        self.assertEqual(cli.wait(timeout=HANG), OK)

    # ---- help ----

    def test_explains_itself(self):
        out = self.run_cli("--help")[0]
        for name in ("note-add", "work-run", "task-list", "events", "completion", "Exit codes"):
            self.assertIn(name, out)
        self.assertEqual(self.run_cli("help")[0], out)
        of_a_call = self.run_cli("Note.add", "--help")[0]
        for word in ("--text", "--mood calm|busy|angry", "EMPTY_NOTE"):
            self.assertIn(word, of_a_call)
        self.assertEqual(self.run_cli("help", "note-add")[0], of_a_call)
        self.assertIn("[CLASS]", self.run_cli("events", "--help")[0])

    def test_shows_the_inside_of_the_daemon(self):
        self.assertIn("fibers", json.loads(self.run_cli("diagnostics")[0]))

    def complete(self, *words):
        """What bash proposes for the last word."""
        script = self.run_cli("completion", "bash")[0]
        listed = " ".join(f"'{w}'" for w in ("sample-cli", *words))
        done = subprocess.run(
            ["bash", "-c", f"{script}\nCOMP_WORDS=({listed})\nCOMP_CWORD={len(words)}\n"
                "_sample_cli\nprintf '%s\\n' \"${COMPREPLY[@]}\""],
            capture_output=True,
            text=True,
            timeout=HANG,
        )  # fmt: skip
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return done.stdout.split()

    def test_completes_commands_options_and_names(self):
        notes = ["note-add", "note-get", "note-list", "note-remove"]
        self.assertEqual(self.complete("note-"), notes)
        self.assertIn("events", self.complete(""))
        self.assertEqual(self.complete("--dir", "/x", "work-r"), ["work-run"])
        self.assertEqual(self.complete("note-add", "--mo"), ["--mood"])
        self.assertEqual(self.complete("Note.add", "--owner"), ["--owner-key"])
        self.assertEqual(self.complete("note-add", "--mood", ""), ["calm", "busy", "angry"])
        self.assertIn("--json", self.complete("note-list", "--"))


class ClassCase:
    """What a Stack wants of a test case, for one that a whole class shares."""

    def __init__(self, cls):
        self.addCleanup = cls.addClassCleanup

    def assertEqual(self, one, other, message=None):
        if one != other:
            raise AssertionError(message or f"{one!r} is not {other!r}")

    def assertNotIn(self, one, other):
        if one in other:
            raise AssertionError(f"{one!r} in {other!r}")


def select_line(stream):
    """A line of the stream if there is one soon, else None."""
    return stream.readline() if select.select([stream], [], [], 0.5)[0] else None


if __name__ == "__main__":
    unittest.main()
