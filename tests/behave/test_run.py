# SPDX-License-Identifier: LGPL-2.1-or-later
"""tests/run tells a failure from a success, and tests/proofs what a test needs: on a small tree of
tests made for it."""

import contextlib
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

TOP = pathlib.Path(os.environ.get("XENITH_TOP", pathlib.Path(__file__).parents[2]))
SH = "#!/bin/bash\n"
HANG = 60  # seconds; only to catch what hangs


class Tree(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.root = pathlib.Path(self.folder.name)
        for name in ("tests/run", "tests/tap"):
            (self.root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(TOP / name, self.root / name)
        self.write("tests/required.txt", "")

    def write(self, name, text):
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    def unit(self, name, script):
        """A unit program that is a shell script."""
        self.write(f"tests/unit/{name}.c", "")
        self.write(f"build/tests/unit/{name}", SH + script).chmod(0o755)

    def behave(self, name, body):
        self.write(f"tests/behave/{name}.py", f"import unittest\n{body}\n")

    def run_tests(self, *words, ci=False, script="tests/run"):
        """(exit code, all lines)"""
        env = {k: v for k, v in os.environ.items() if k not in ("CI", "XENITH_TEST")}
        if ci:
            env["CI"] = "true"
        done = subprocess.run(
            [sys.executable, str(self.root / script), *words],
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        return done.returncode, done.stdout.splitlines()

    def check(self, last, *said, code=None, words=(), **how):
        got, lines = self.run_tests(*words, **how)
        text = "\n".join(lines)
        self.assertEqual(lines[-1], last, text)
        for piece in said:
            self.assertIn(piece, text)
        self.assertEqual(got, (0 if " 0 failed" in last else 1) if code is None else code, text)


class Runner(Tree):
    def test_counts_every_test(self):
        self.unit("a/x", 'echo "1..3"; echo "ok 1 - one"; echo "ok 2 - two"\n'
                         'echo "# skip: no such device"; echo "not ok 3 # SKIP three"\n')
        self.behave("test_y", "class Y(unittest.TestCase):\n    def test_z(self): pass")
        self.check("3 passed, 0 failed, 1 skipped", "skipped unit/a/x:three: no such device")

    def test_a_failed_test_and_its_words(self):
        self.unit("a/x", 'echo "1..2"; echo "noise"; echo "not ok 1 - one"; echo "# why"\n'
                         'echo "ok 2 - two"; exit 1\n')
        self.check("1 passed, 1 failed, 0 skipped", "FAILED  unit/a/x:one", "why", "noise")

    def test_a_crash(self):
        self.unit("a/x", 'echo "1..2"; echo "ok 1 - one"; kill -SEGV $$\n')
        self.check("1 passed, 1 failed, 0 skipped", "killed by SIGSEGV")

    def test_no_plan(self):
        self.unit("a/x", "true\n")
        self.check("0 passed, 1 failed, 0 skipped", "printed no plan")

    def test_no_test(self):
        self.unit("a/x", "echo 1..0\n")
        self.check("0 passed, 1 failed, 0 skipped", "has no test")

    def test_a_plan_not_kept(self):
        self.unit("a/x", 'echo "1..2"; echo "ok 1 - one"\n')
        self.check("1 passed, 1 failed, 0 skipped", "planned 2 tests, reported 1")

    def test_an_exit_code_alone(self):
        self.unit("a/x", 'echo "1..1"; echo "ok 1 - one"; exit 7\n')
        self.check("1 passed, 1 failed, 0 skipped", "exited with 7")

    def test_a_sanitizer_that_only_prints(self):
        self.unit("a/x", 'echo "1..1"; echo "a.c:3:4: runtime error: index 9"; echo "ok 1 - one"\n')
        self.check("1 passed, 1 failed, 0 skipped", "a sanitizer reports")

    def test_a_program_that_was_not_built(self):
        self.write("tests/unit/a/x.c", "")
        self.check("0 passed, 1 failed, 0 skipped", "is not built")

    def test_a_hang(self):
        self.unit("a/x", 'echo "1..2"; echo "ok 1 - one"; sleep 1000\n')
        self.check("1 passed, 1 failed, 0 skipped", "hung", words=("--deadline", "3"))

    def test_a_file_left_behind(self):
        self.unit("a/x", 'touch "$TMPDIR/litter"; echo "1..1"; echo "ok 1 - one"\n')
        self.check("1 passed, 1 failed, 0 skipped", "left files behind", "litter")

    def test_a_process_left_behind_is_ended(self):
        pid_path = self.root / "pid"
        self.unit("a/x", f'setsid sleep 1000 >/dev/null 2>&1 & echo $! >{pid_path}\n'
                         'echo "1..1"; echo "ok 1 - one"\n')
        self.check("1 passed, 1 failed, 0 skipped", "left processes behind", "sleep 1000")
        stat = pathlib.Path(f"/proc/{pid_path.read_text().strip()}/stat")
        end = time.monotonic() + HANG
        with contextlib.suppress(OSError):  # it may be gone at any moment
            while " Z " not in stat.read_text():
                self.assertLess(time.monotonic(), end, "it still runs")
                time.sleep(0.05)

    def test_signals_are_not_ignored(self):
        self.unit("a/x", 'grep -q "^SigIgn:.*0000000$" /proc/self/status && echo "ok 1 - one"\n'
                         'echo "1..1"\n')
        before = signal.signal(signal.SIGQUIT, signal.SIG_IGN)
        self.addCleanup(signal.signal, signal.SIGQUIT, before)
        self.check("1 passed, 0 failed, 0 skipped")

    def test_a_filter(self):
        self.unit("a/x", '[ "$1" = two ] || exit 1; echo "1..1"; echo "ok 1 - two"\n')
        self.unit("a/y", "exit 1\n")
        self.check("1 passed, 0 failed, 0 skipped", words=("tests/unit/a/x.c::two",))
        self.check("1 passed, 0 failed, 0 skipped", words=("unit/a/x:two",))

    def test_a_filter_that_finds_nothing_fails(self):
        self.unit("a/x", 'echo "1..1"; echo "ok 1 - one"\n')
        self.check("0 passed, 0 failed, 0 skipped", "no test matches", words=("none",), code=1)

    def test_python_outcomes(self):
        self.behave("test_y", """
class Y(unittest.TestCase):
    def test_bad(self): self.assertEqual(1, 2)
    def test_error(self): raise OSError("gone")
    def test_good(self): pass
    @unittest.skip("no reason to")
    def test_skip(self): pass
    def test_subs(self):
        for i in range(3):
            with self.subTest(i=i):
                self.assertLess(i, 2)
class Z(unittest.TestCase):
    @classmethod
    def setUpClass(cls): raise RuntimeError("no set-up")
    def test_never(self): pass
""")
        self.check("1 passed, 4 failed, 1 skipped", "behave/test_y:Y.test_bad", "1 != 2",
                   "gone", "i=2", "no set-up", "Y.test_skip: no reason to")

    def test_one_python_test(self):
        self.behave("test_y", "class Y(unittest.TestCase):\n    def test_a(self): pass\n"
                              "    def test_b(self): self.fail()")
        self.check("1 passed, 0 failed, 0 skipped", words=("tests/behave/test_y.py::test_a",))
        self.check("1 passed, 0 failed, 0 skipped", words=("behave/test_y:Y.test_a",))

    def test_a_module_that_does_not_load(self):
        self.behave("test_y", "import no_such_module")
        self.check("0 passed, 1 failed, 0 skipped", "no_such_module")

    def test_marks(self):
        self.behave("test_y", "MARKS = ('threads',)\nclass Y(unittest.TestCase):\n"
                              "    def test_a(self): pass")
        self.behave("test_z", "class Z(unittest.TestCase):\n    def test_a(self): pass")
        self.check("1 passed, 0 failed, 0 skipped", words=("--marked", "threads"))

    def test_what_runs_in_the_plain_build_alone(self):
        self.behave("test_y", "class Y(unittest.TestCase):\n    def test_a(self): pass")
        self.behave("test_z", "class Z(unittest.TestCase):\n    def test_a(self): self.fail()")
        self.write("tests/once.txt", "# why\nbehave/test_z # it need not\n")
        words = ("--build", "build/other")
        self.check("1 passed, 0 failed, 0 skipped", words=words)
        self.check("0 passed, 1 failed, 0 skipped", words=(*words, "behave/test_z"))
        self.check("1 passed, 1 failed, 0 skipped")

    def test_what_is_required_in_ci(self):
        self.unit("a/x", 'echo "1..1"; echo "not ok 1 # SKIP one"\n')
        self.write("tests/required.txt", "unit/a/x  # it matters\n")
        self.check("0 passed, 0 failed, 1 skipped")
        self.check("0 passed, 1 failed, 1 skipped", "may not be skipped", ci=True)
        self.write("tests/required.txt", "unit/a/y\n")
        self.check("0 passed, 1 failed, 1 skipped", "did not run", ci=True)


class Proofs(Tree):
    """tests/proofs tells a message that a test needs from one that it merely sends."""

    SENDS = """import os, proof
class A(unittest.TestCase):
    def test_needs(self):
        proof.note("VM.clone")
        self.assertNotEqual(os.environ.get("MUTATE"), "VM.clone")
    def test_ignores(self):
        proof.note("VM.copy")
        proof.note("Async.VM.start")"""

    def setUp(self):
        super().setUp()
        for name in ("tests/proofs", "tests/behave/proof.py"):
            (self.root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(TOP / name, self.root / name)
        self.write("tests/excepted.txt", "# not proved, and why\nVM.clone not built\nVM.copy later\n")
        names = "VM clone e - -\nVM copy e - -\nVM start e - -"
        self.write("build/tests/tools/messages-tool", f"{SH}echo '{names}'").chmod(0o755)
        self.behave("test_a", self.SENDS)
        self.check("2 passed, 0 failed, 0 skipped")

    def check_proofs(self, last, *said, **how):
        self.check(last, *said, script="tests/proofs", **how)

    def test_what_is_needed_is_listed(self):
        told = ("VM.clone: test_a:A.test_needs", "VM.copy: no test that sends it needs it")
        self.check_proofs("1 messages are proved", *told, code=0, words=("--write",))
        lines = (self.root / "tests/proved.txt").read_text().splitlines()
        self.assertEqual([n for n in lines if n[0] != "#"], ["VM.clone test_a:A.test_needs"])
        excepted = (self.root / "tests/excepted.txt").read_text()
        self.assertEqual(excepted, "# not proved, and why\nVM.copy later\n")
        self.check_proofs("1 passed, 0 failed, 0 skipped", "1 of 1 points")

    def test_a_list_that_is_not_true(self):
        self.write("tests/proved.txt", "VM.copy test_a:A.test_ignores\n")
        self.check_proofs("0 passed, 1 failed, 0 skipped", "FAILED  VM.copy")

    def test_one_by_name(self):
        need = "needs it         test_a:A.test_needs"
        self.check_proofs("1 passed, 0 failed, 0 skipped", need, words=("VM.clone",))
        self.check_proofs("0 passed, 1 failed, 0 skipped", "no test needs", words=("VM.copy",))
        self.check_proofs("0 passed, 1 failed, 0 skipped", "no test sends", words=("VM.start",))


if __name__ == "__main__":
    unittest.main()
