# SPDX-License-Identifier: LGPL-2.1-or-later
"""The build makes just what is needed: from clean, and after any file or flag was touched.

Works on a copy of the tree, without most of the daemons and tests, which build like the rest, and
with a compiler that need not optimise.
"""

import os
import pathlib
import shutil
import subprocess
import tempfile
import time
import unittest

TOP = pathlib.Path(os.environ.get("XENITH_TOP", pathlib.Path(__file__).parents[2]))


def tracked():
    words = ["git", "-C", str(TOP), "ls-files", "-co", "--exclude-standard", "-z"]
    done = subprocess.run(words, stdout=subprocess.PIPE, check=True, text=True)
    return [name for name in done.stdout.split("\0") if name and (TOP / name).is_file()]


# What a packager gives wins over what we say.
FLAGS = "-O0 -g0 -U_FORTIFY_SOURCE"


def is_wanted(name):
    """Enough of the tree to build libraries, tools, a daemon and some tests, in a few seconds."""
    if name.startswith("tests/"):
        return name.endswith((".mk", ".h")) or name.startswith(
            ("tests/unit/common/map", "tests/unit/common/vec", "tests/sample/")
        )
    return not name.startswith(("docs/", ".ci/", "xapid/", "xenopsd/", "smd/", "rrdd/"))


class Build(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        if shutil.which("git") is None or not (TOP / ".git").exists():
            raise unittest.SkipTest("needs a clone: it copies what git tracks")
        cls.folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.folder.cleanup)
        cls.root = pathlib.Path(cls.folder.name)
        for name in filter(is_wanted, tracked()):
            (cls.root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(TOP / name, cls.root / name)
        cls.first = cls.make("all", "unit")

    @classmethod
    def say(cls, *words, code=0):
        """What make printed."""
        env = {k: v for k, v in os.environ.items() if not k.startswith(("MAKE", "SAN"))}
        env["CFLAGS"] = FLAGS
        done = subprocess.run(
            ["make", *words],
            cwd=cls.root,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        if done.returncode != code:
            raise AssertionError(f"make {words} exited with {done.returncode}:\n{done.stdout}")
        return done.stdout

    @classmethod
    def make(cls, *words, code=0):
        """The steps that make told of: "cc<tab>file" and so on."""
        lines = cls.say(*words, code=code).splitlines()
        return [tuple(line.split("\t", 1)) for line in lines if "\t" in line]

    def steps(self, *words):
        return sorted(set(self.make(*(words or ("all", "unit")))))

    def compiled(self, lines):
        return sorted(rest for step, rest in lines if step == "cc")

    def touch(self, name):
        # A file's time has the grain of the clock's tick; make compares strictly.
        time.sleep(0.02)
        os.utime(self.root / name)

    def test_from_clean_everything_is_made_once(self):
        compiled = [rest for step, rest in self.first if step == "cc"]
        self.assertEqual(len(compiled), len(set(compiled)))
        self.assertIn("common/map.c", compiled)
        self.assertIn("build/gen/core.gen.c", compiled)
        self.assertTrue((self.root / "build/tests/unit/common/map").exists())

    def test_nothing_is_made_twice(self):
        self.assertEqual(self.steps(), [])

    def test_a_source_makes_itself_anew(self):
        self.touch("common/task.c" if (self.root / "common/task.c").exists() else "common/err.c")
        compiled = self.compiled(self.steps())
        self.assertEqual(len(compiled), 1, compiled)

    def test_what_is_optimised_as_one_is_merged_anew(self):
        self.touch("common/json.c")
        lines = self.steps()
        self.assertEqual(self.compiled(lines), ["common/json.c"])
        self.assertIn(("merge", "build/obj/common/merged.o"), lines)

    def test_a_header_makes_anew_what_includes_it(self):
        self.touch("common/vec.h")
        users = sorted(
            str(path.relative_to(self.root).with_suffix(".c")).removeprefix("build/obj/")
            for path in (self.root / "build/obj").rglob("*.d")
            if "common/vec.h" in path.read_text().replace("\\\n", " ").split()
        )
        users = sorted(name.replace("gen/", "build/gen/", 1) if name.startswith("gen/") else name
                       for name in users)
        compiled = self.compiled(self.steps())
        self.assertEqual(compiled, users)
        self.assertIn("tests/unit/common/vec.c", compiled)
        self.assertNotIn("common/mem.c", compiled)

    def test_an_interface_makes_anew_only_what_became_different(self):
        self.touch("idl/core.idl")
        lines = self.steps()
        self.assertIn(("idlc", "core"), lines)
        self.assertEqual(self.compiled(lines), [])
        # An error more is in the header of every user.
        path = self.root / "idl/core.idl"
        before = path.read_text()
        more = "\n## Only a test declares it.\nerror Test_only_error ( what string ) ;\n"
        path.write_text(before + more)
        self.addCleanup(self.make, "all", "unit")
        self.addCleanup(path.write_text, before)
        lines = self.steps()
        self.assertIn("build/gen/core.gen.c", self.compiled(lines))
        self.assertIn("common/err.c", self.compiled(lines))
        self.assertNotIn("common/mem.c", self.compiled(lines))

    def test_a_touched_rules_mk_makes_nothing(self):
        self.touch("common/rules.mk")
        self.touch("tests/rules.mk")
        self.touch("Makefile")
        self.assertEqual(self.steps(), [])

    def test_a_new_file_is_found_and_a_removed_one_forgotten(self):
        new = self.root / "common/only_here.c"
        new.write_text("int only_here(void);\nint only_here(void)\n{\n\treturn 1;\n}\n")
        lines = self.steps()
        self.assertEqual(self.compiled(lines), ["common/only_here.c"])
        self.assertIn(("ar", "build/lib/libcommon.a"), lines)
        new.unlink()
        lines = self.steps()
        self.assertEqual(self.compiled(lines), [])
        self.assertIn(("ar", "build/lib/libcommon.a"), lines)
        names = subprocess.run(
            ["ar", "t", "build/lib/libcommon.a"], cwd=self.root, stdout=subprocess.PIPE, text=True
        )
        self.assertNotIn("only_here.o", names.stdout.split())

    def test_other_flags_make_everything_anew(self):
        everything = sorted({rest for step, rest in self.first if step == "cc"})
        self.addCleanup(self.make, "all", "unit")
        lines = self.steps("all", "unit", f"CFLAGS={FLAGS} -DOTHER='\"a b\"'")
        self.assertEqual(self.compiled(lines), everything)
        self.assertEqual(self.steps("all", "unit", f"CFLAGS={FLAGS} -DOTHER='\"a b\"'"), [])

    def test_a_dry_run_changes_nothing(self):
        self.make("-n", "all", "unit", f"CFLAGS={FLAGS} -DOTHER2")
        self.assertEqual(self.steps(), [])

    def test_a_word_for_benches_does_not_move_the_build(self):
        self.assertEqual(self.steps("all", "unit", "B=rpc"), [])

    def test_an_error_in_a_header_is_an_error(self):
        path = self.root / "common/vec.h"
        before = path.read_text()
        self.addCleanup(self.make, "all", "unit")
        self.addCleanup(path.write_text, before)
        path.write_text(before.replace("#endif\n", "int broken(\n#endif\n"))
        self.make("all", "unit", code=2)

    def test_make_help_names_every_target(self):
        done = subprocess.run(["make", "help"], cwd=TOP, stdout=subprocess.PIPE, text=True)
        listed = {line.split()[0] for line in done.stdout.splitlines() if line}
        wanted = "all deps run lint check test test-xen long bench bench-check fuzz format coverage"
        self.assertLessEqual(set(wanted.split()) | {"install", "clean"}, listed)

    def test_what_is_not_there_is_named(self):
        with open(self.root / "packaging/rules.mk", "a", encoding="utf-8") as f:
            f.write("$(eval $(call optional,HAVE_X,no-such-library,the backend x))\n")
        self.addCleanup(shutil.copy2, TOP / "packaging/rules.mk", self.root / "packaging/rules.mk")
        self.assertEqual(self.say().count("left out: the backend x"), 1)


class Linked(unittest.TestCase):
    def test_what_is_under_the_gpl_is_free_of_openssl(self):
        """As LICENSE says."""
        for name in ("rrdd", "networkd"):
            path = TOP / "build" / "bin" / name
            done = subprocess.run(
                ["readelf", "-d", path], stdout=subprocess.PIPE, text=True, check=True
            )
            self.assertIn("NEEDED", done.stdout)
            self.assertNotRegex(done.stdout, "lib(ssl|crypto)")


class Install(unittest.TestCase):
    def test_into_a_folder(self):
        with tempfile.TemporaryDirectory() as root:
            words = ["make", "-s", "install", f"DESTDIR={root}", "PREFIX=/opt/x"]
            env = {k: v for k, v in os.environ.items() if not k.startswith("MAKE")}
            subprocess.run(words, cwd=TOP, env=env, check=True, stdout=subprocess.DEVNULL)
            self.assertTrue((pathlib.Path(root) / "opt/x/share/doc/xenith/LICENSE").exists())


if __name__ == "__main__":
    unittest.main()
