# SPDX-License-Identifier: LGPL-2.1-or-later
"""The store from outside (common/store.h): a sync between each change and its answer, many answers
for a sync, nothing lost by kill -9, and no answer after a disk has failed."""

import os
import random
import re
import shutil
import subprocess
import tempfile
import time
import unittest

TOP = os.environ.get("XENITH_TOP", os.path.dirname(os.path.dirname(os.path.dirname(__file__))))
BUILD = os.environ.get("XENITH_BUILD", os.path.join(TOP, "build"))
TOOL = os.path.join(BUILD, "tests/tools/store-tool")
TIMEOUT = 120

CALL = re.compile(
    r"^(?P<pid>\d+) +(?:(?P<resumed><\.\.\. )?(?P<name>\w+))(?P<rest>.*)$",
)
SAID = re.compile(r'^\(1, "(?P<what>[car]) (?P<writer>\d+) (?P<i>\d+)\\n"')


def run(*words):
    return subprocess.run(
        [TOOL, *words],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        timeout=TIMEOUT,
        check=False,
    )


def said(text):
    """The whole lines of TEXT as (what, writer, i)."""
    for line in text.splitlines(keepends=True):
        if line.endswith("\n"):
            what, writer, i = line.split()
            yield what, int(writer), int(i)


class Events:
    """What strace saw, in order: said lines, log writes, and syncs as they begin and end."""

    def __init__(self, path):
        self.list = []
        with open(path, encoding="ascii", errors="replace") as lines:
            for line in lines:
                self.read(line)

    def read(self, line):
        call = CALL.match(line)
        if not call:
            return
        name, rest = call["name"], call["rest"]
        if name == "write" and not call["resumed"]:
            words = SAID.match(rest)
            if words:
                self.list.append((words["what"], int(words["writer"]), int(words["i"])))
        elif name == "pwrite64" and not call["resumed"]:
            self.list.append(("pwrite",))
        elif name == "fdatasync":
            if not call["resumed"]:
                self.list.append(("begin",))
            if "= 0" in rest:
                self.list.append(("end",))
            elif "= -1" in rest:
                self.list.append(("failed",))

    def count(self, what):
        return sum(1 for event in self.list if event[0] == what)

    def unsynced_answers(self):
        """Answers without write, sync begun and sync ended, in this order, since the change."""
        steps = ["pwrite", "begin", "end"]
        reached, bad = {}, []
        for event in self.list:
            what = event[0]
            if what == "c":
                reached[event[1:]] = 0
            elif what == "a":
                if reached.pop(event[1:], 0) < len(steps):
                    bad.append(event)
            else:
                for change, n in reached.items():
                    if n < len(steps) and steps[n] == what:
                        reached[change] = n + 1
        return bad


class Store(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory(prefix="xenith-store-")
        self.addCleanup(self.folder.cleanup)
        self.file = os.path.join(self.folder.name, "db")
        self.trace = os.path.join(self.folder.name, "trace")

    def rows(self):
        """What is in the file after whatever happened; it must open, and its check find nothing."""
        checked = run("fsck", self.file)
        self.assertEqual(checked.returncode, 0, checked.stdout + checked.stderr)
        listed = run("list", self.file)
        self.assertEqual(listed.returncode, 0, listed.stderr)
        return {int(key): int(value) for key, value in map(str.split, listed.stdout.splitlines())}

    def check_kept(self, text):
        """Each writer's row is of its last answered change, or of one that it made later."""
        tried, answered = {}, {}
        for what, writer, i in said(text):
            if what == "c":
                tried[writer] = i
            elif what == "a":
                answered[writer] = i
        rows = self.rows() if os.path.exists(self.file) else {}
        for writer, i in answered.items():
            self.assertIn(writer, rows)
            self.assertGreaterEqual(rows[writer], i)
        for writer, i in rows.items():
            self.assertLessEqual(i, tried[writer])
        return answered

    def kill_one(self, folder, dice):
        """Kills a writer at a random moment; how many writers had got an answer."""
        self.file = os.path.join(folder, "db")
        with subprocess.Popen(
            [TOOL, "write", self.file, str(dice.choice([1, 3, 64])), "0", "700"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
        ) as tool:
            # Now and then before the file is there, mostly among thousands of changes.
            time.sleep(dice.random() ** 3 * 0.4)
            tool.kill()
            text = tool.stdout.read().decode()
        return len(self.check_kept(text))

    def test_kill(self):
        """kill -9 at random moments."""
        budget = float(os.environ.get("BUDGET") or 3)
        until = time.monotonic() + budget if budget else float("inf")
        seed = int(os.environ.get("SEED") or 1)
        dice = random.Random(seed)
        rounds = n_answered = 0
        while rounds < 1000 and (rounds < 3 or time.monotonic() < until):
            with tempfile.TemporaryDirectory(prefix="xenith-store-") as folder:
                n_answered += self.kill_one(folder, dice)
            rounds += 1
        self.assertGreater(n_answered, 0)
        print(f"# {rounds} of 1000 points (kill), SEED={seed}")


@unittest.skipUnless(shutil.which("strace"), "strace is not installed")
@unittest.skipIf("san-" in BUILD, "a sanitizer does not like to be traced")
class Traced(Store):
    test_kill = None

    def strace(self, *words, calls="write,pwrite64,fdatasync", inject=None):
        tracer = ["strace", "-f", "-qq", "-e", "signal=none", "-o", self.trace]
        tracer += ["-e", "trace=" + calls]
        if inject:
            tracer += ["-e", "inject=" + inject]
        done = subprocess.run(
            [*tracer, TOOL, *words],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            timeout=TIMEOUT,
            check=False,
        )
        if "PTRACE" in done.stderr and "Operation not permitted" in done.stderr:
            self.skipTest("strace may not trace here")
        return done

    def check_synced(self, writers, each):
        done = self.strace("write", self.file, str(writers), str(each), "300")
        self.assertEqual(done.returncode, 0, done.stderr)
        events = Events(self.trace)
        self.assertEqual(events.count("a"), writers * each)
        self.assertEqual(events.unsynced_answers(), [])
        return events

    def test_one_writer_syncs_each(self):
        events = self.check_synced(1, 50)
        self.assertGreaterEqual(events.count("end"), 50)

    def test_many_writers_share_syncs(self):
        events = self.check_synced(64, 20)
        self.assertGreaterEqual(events.count("a") / events.count("end"), 8)

    def test_no_answer_after_failed_sync(self):
        # The first syncs are of the opening; somewhere behind them a commit meets it.
        n_fatal = 0
        for nth in range(1, 40, 3):
            with self.subTest(nth=nth):
                self.folder.cleanup()
                os.mkdir(self.folder.name)
                done = self.strace(
                    "write", self.file, "8", "40", "300", inject=f"fdatasync:error=EIO:when={nth}"
                )
                events = Events(self.trace)
                if not events.count("failed"):
                    continue
                self.assertNotEqual(done.returncode, 0)
                self.assertEqual(events.unsynced_answers(), [])
                self.check_kept(done.stdout)
                if events.count("c") == 0:
                    continue  # it did not even open
                n_fatal += 1
                self.assertIn("cannot be trusted", done.stderr)
                # What was synced before may still be told of; nothing is synced any more.
                after = events.list[events.list.index(("failed",)) :]
                self.assertNotIn(("begin",), after)
        self.assertGreater(n_fatal, 0)

    def test_kill_while_opening(self):
        """kill -9 at each call that changes a file, from the first on: what is there opens."""
        calls = "write,pwrite64,fsync,fdatasync,rename,unlink,ftruncate,openat"
        budget = float(os.environ.get("BUDGET") or 3)
        until = time.monotonic() + budget if budget else float("inf")
        points = list(range(1, 250))
        random.Random(int(os.environ.get("SEED") or 1)).shuffle(points)
        n_killed = 0
        for seen, nth in enumerate(points):
            if seen > 5 and time.monotonic() > until:
                break
            with self.subTest(nth=nth), tempfile.TemporaryDirectory() as folder:
                self.file = os.path.join(folder, "db")
                inject = f"{calls}:signal=KILL:when={nth}"
                done = self.strace("write", self.file, "2", "3", "300", calls=calls, inject=inject)
                n_killed += done.returncode != 0
                self.check_kept(done.stdout)
                # Whatever was left behind, it can be gone on with.
                self.assertEqual(run("write", self.file, "2", "3", "300").returncode, 0)
                self.assertEqual(self.rows(), {0: 3, 1: 3})
        self.assertGreater(n_killed, 0)
        print(f"# {seen + 1} of {len(points)} points (kill while opening)")

    def test_full_disk(self):
        done = self.strace(
            "write", self.file, "8", "40", "300", inject="pwrite64:error=ENOSPC:when=40..90"
        )
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("READ-ONLY", done.stderr)
        self.assertIn("can be written again", done.stderr)
        events = Events(self.trace)
        self.assertGreater(events.count("r"), 0)
        self.assertEqual(events.unsynced_answers(), [])
        self.assertEqual(self.rows(), {writer: 40 for writer in range(8)})


if __name__ == "__main__":
    unittest.main()
