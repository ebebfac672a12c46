# SPDX-License-Identifier: LGPL-2.1-or-later
"""idlc: every interface of tests/unit/idl gives the tree (.ast) or the messages (.err) beside it,
every message has such an interface, and what idlc writes compiles.

A folder there is an interface of several files. After a change that is meant, `XENITH_GOLDEN=write
make test T=tests/behave/test_idlc.py` writes the files anew: read the difference before it goes in.
"""

import ast
import json
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest

TOP = pathlib.Path(os.environ.get("XENITH_TOP", pathlib.Path(__file__).parents[2]))
BUILD = pathlib.Path(os.environ.get("XENITH_BUILD", TOP / "build"))
IDLC = BUILD / "tools/idlc"
GOLDEN = TOP / "tests/unit/idl"
MESSAGE = re.compile(r'\b(?:error_at|note_at)\([^";]*((?:"(?:[^"\\]|\\.)*"\s*)+)')
FLAGS = "-std=gnu17 -D_GNU_SOURCE -O1 -Wall -Wextra -Werror -Wshadow -Wno-unused-parameter".split()


def idlc(*args, cwd=None):
    return subprocess.run(
        [str(IDLC), *map(str, args)],
        cwd=cwd,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    )


def cases():
    """Names, and the files of each."""
    for path in sorted(GOLDEN.iterdir()):
        if path.is_dir():
            yield path.name, [f"{path.name}/{file.name}" for file in sorted(path.glob("*.idl"))]
        elif path.suffix == ".idl":
            yield path.stem, [path.name]


def expected(name):
    """What idlc should print on its output and on its error output."""
    found = [GOLDEN / f"{name}{suffix}" for suffix in (".ast", ".err")]
    return [path.read_text(encoding="utf-8") if path.exists() else "" for path in found]


def write_golden(name, done):
    for suffix, text in ((".ast", done.stdout), (".err", done.stderr)):
        path = GOLDEN / f"{name}{suffix}"
        if text:
            path.write_text(text, encoding="utf-8")
        elif path.exists():
            path.unlink()


class Golden(unittest.TestCase):
    maxDiff = None

    def test_each_interface(self):
        for name, files in cases():
            with self.subTest(name):
                done = idlc("--ast", *files, cwd=GOLDEN)
                if os.environ.get("XENITH_GOLDEN") == "write":
                    write_golden(name, done)
                out, err = expected(name)
                self.assertEqual(done.stderr, err)
                self.assertEqual(done.stdout, out)
                self.assertEqual(done.returncode, 1 if err else 0)
                self.assertTrue(out or err, "an interface without what it should give")

    def test_each_golden_has_its_interface(self):
        names = {name for name, _ in cases()}
        for path in GOLDEN.glob("*.*"):
            if path.suffix in (".ast", ".err"):
                self.assertIn(path.stem, names)

    def test_each_message_is_met(self):
        said = "".join(path.read_text(encoding="utf-8") for path in GOLDEN.glob("*.err"))
        said += Bytes.SAID
        n_messages = 0
        for path in sorted((TOP / "idl").glob("*.c")):
            for found in MESSAGE.finditer(path.read_text(encoding="utf-8")):
                pieces = re.findall(r'"(?:[^"\\]|\\.)*"', found.group(1))
                message = "".join(ast.literal_eval(piece) for piece in pieces)
                fixed = re.split(r"%[-.*0-9]*[a-z]", message)
                pattern = ".+".join(re.escape(piece) for piece in fixed)
                is_met = re.search(f"(?m): (error|note): {pattern}$", said)
                self.assertTrue(is_met, f"{path.name}: no interface leads to: {message}")
                n_messages += 1
        self.assertGreater(n_messages, 50)


class Bytes(unittest.TestCase):
    """What may not lie in the tree, because it is no text."""

    SAID = "x: error: the byte 0x01 is no text in UTF-8\n"

    def check(self, content, byte, column, shown):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder, "bad.idl")
            path.write_bytes(b"# x\ninterface bad version 1;\n" + content)
            done = idlc("--ast", path)
        self.assertEqual(
            done.stderr,
            f"{path}:3:{column}: error: the byte {byte} is no text in UTF-8\n"
            + f"{shown}\n{' ' * (column - 1)}^\n",
        )
        self.assertEqual(done.returncode, 1)

    def test_control_character(self):
        self.check(b"id a\x01b;", "0x01", 5, "id a?b;")

    def test_nul(self):
        self.check(b"# \0 x", "0x00", 3, "# ? x")

    def test_carriage_return(self):
        self.check(b"id a;\r\n", "0x0d", 6, "id a;?")

    def test_half_a_character(self):
        self.check(b"# \xc3", "0xc3", 3, "# ?")
        self.check(b"# \xc3x\xff", "0xc3", 3, "# ?x?")

    def test_overlong(self):
        self.check(b"# \xc0\x80", "0xc0", 3, "# ??")


class Calls(unittest.TestCase):
    """How it is called."""

    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.folder)

    def test_without_a_file(self):
        done = idlc("--ast")
        self.assertEqual(done.returncode, 2)
        self.assertIn("usage: idlc", done.stderr)

    def test_unknown_option(self):
        self.assertEqual(idlc("--nonsense", "x.idl").returncode, 2)

    def test_help(self):
        done = idlc("--help")
        self.assertEqual(done.returncode, 0)
        self.assertIn("--markdown", done.stdout)

    def test_file_that_is_not_there(self):
        done = idlc(self.folder / "none.idl")
        self.assertEqual(done.returncode, 1)
        self.assertIn("none.idl cannot be read: No such file", done.stderr)

    def test_file_that_is_no_file(self):
        self.assertEqual(idlc(self.folder).returncode, 1)

    def test_file_that_is_too_large(self):
        path = self.folder / "large.idl"
        with open(path, "wb") as file:
            file.truncate(5 << 20)
        self.assertIn("File too large", idlc(path).stderr)

    def test_folder_that_cannot_be_written(self):
        done = idlc("--out", self.folder / "none", GOLDEN / "imported.idl")
        self.assertEqual(done.returncode, 1)
        self.assertIn("cannot be written", done.stderr)

    def test_name_of_the_file_is_that_of_the_interface(self):
        done = idlc("--out", self.folder, GOLDEN / "misnamed.idl")
        self.assertEqual(done.returncode, 1)
        self.assertIn("its name should be other.idl", done.stderr)

    def test_depfile_names_imports(self):
        dep = self.folder / "dep"
        idlc("--out", self.folder, "--depfile", dep, "--target", "stamp", "whole.idl", cwd=GOLDEN)
        self.assertEqual(
            dep.read_text(), "stamp: whole.idl imported.idl\nwhole.idl:\nimported.idl:\n"
        )

    def test_output_that_did_not_change_is_left_alone(self):
        idlc("--out", self.folder, GOLDEN / "imported.idl")
        before = {path: path.stat().st_mtime_ns for path in self.folder.iterdir()}
        for path in before:
            os.utime(path, ns=(1, 1))
        idlc("--out", self.folder, GOLDEN / "imported.idl")
        self.assertEqual(len(before), 4)
        for path in self.folder.iterdir():
            self.assertEqual(path.stat().st_mtime_ns, 1, path.name)

    def test_output_to_a_pipe(self):
        done = idlc("--markdown", "/dev/stdout", GOLDEN / "imported.idl")
        self.assertIn("# imported, version 7", done.stdout)


class Fingerprint(unittest.TestCase):
    """It changes with the wire form and with nothing else."""

    TEXT = (GOLDEN / "imported.idl").read_text(encoding="utf-8")

    def fingerprint(self, *changes):
        text = self.TEXT
        for old, new in changes:
            self.assertIn(old, text)
            text = text.replace(old, new)
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder, "imported.idl")
            path.write_text(text)
            done = idlc("--fingerprint", path)
        self.assertEqual(done.stderr, "")
        self.assertRegex(done.stdout, r"\Aimported \d+ [0-9a-f]{16}\n\Z")
        return done.stdout.split()[2]

    def test_stays(self):
        same = self.fingerprint()
        for change in (
            ("An id of it.", "Another word for people."),
            ("thing_id", "renamed_id"),
            ("version 7", "version 8"),
            ("\tid thing_id;\n\tsize int;", "\tsize int;\n\tid thing_id;"),
            ("red green", "green, red"),
            ("errors GONE;", 'errors GONE since "2" deprecated "nothing";'),
            ("size int;", 'size int since "3";'),
        ):
            self.assertEqual(self.fingerprint(change), same, change)

    def test_changes(self):
        base = ("call Thing.forget(", "## Uses all.\ncall use(t thing, c colour);\n"
                "## Makes it go away.\ncall Thing.forget(")
        seen = {self.fingerprint(): None, self.fingerprint(base): None}
        for change in (
            ("Thing.forget", "Thing.drop"),
            ("forget(thing ", "forget(it "),
            ("size int", "size float"),
            ("size int", "size int?"),
            ("size int", "size list int"),
            ("size int", "size int = 5"),
            ("size int;", "size int; more int?;"),
            ("red green", "red green blue"),
            ("enum colour", "enum colour unknown red"),
            ("GONE", "LOST"),
            ("GONE(thing thing_id)", "GONE(thing thing_id, why string)"),
            (") errors GONE", ") task errors GONE"),
            (") errors GONE", ") : int errors GONE"),
        ):
            found = self.fingerprint(base, change)
            self.assertNotIn(found, seen, f"{change} as {seen.get(found)}")
            seen[found] = change


class Output(unittest.TestCase):
    """What it writes is what others can read."""

    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.folder)
        for file in ("imported.idl", "whole.idl", "model.idl"):
            done = idlc("--out", self.folder, GOLDEN / file)
            self.assertEqual((done.stderr, done.returncode), ("", 0))

    def compile(self, source, program=None):
        """An object of no use, or a program."""
        out = ["-o", program] if program else ["-c", "-o", "/dev/null"]
        return subprocess.run(
            [os.environ.get("CC", "gcc"), *FLAGS, "-I", TOP, "-I", self.folder, *out, source],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
        )

    def test_c_compiles(self):
        for source in sorted(self.folder.glob("*.c")):
            self.assertEqual(self.compile(source).stdout, "", source.name)

    def handler(self, signature):
        path = self.folder / "handler.c"
        path.write_text(f'#include "whole.gen.h"\n{signature}\n{{\n\treturn NULL;\n}}\n')
        return self.compile(path).returncode

    def test_wrong_handler_does_not_compile(self):
        right = (
            "struct err *sample_api_each(struct call *c, const struct whole_each_in *in,"
            " const char **out)"
        )
        self.assertEqual(self.handler(right), 0)
        self.assertNotEqual(self.handler(right.replace("const char **out", "int64_t *out")), 0)
        self.assertNotEqual(self.handler(right.replace("_each_in", "_stop_in")), 0)

    def test_defaults_are_initializers(self):
        path = self.folder / "defaults.c"
        path.write_text(
            '#include "whole.gen.h"\n#include <assert.h>\n#include <string.h>\n'
            "int main(void)\n{\n"
            "\tstruct whole_thing t = WHOLE_THING_INIT;\n"
            "\tstruct whole_thing_make_in in = WHOLE_THING_MAKE_IN_INIT;\n"
            "\tassert(in.wait && in.colour == WHOLE_COLOUR_GREEN && !in.thing.id);\n"
            "\tassert(t.big == INT64_MIN && !strcmp(t.keyword, \"a\\\"b\\\\c/\\u00e9\"));\n"
            "\tassert(!strcmp(t.empty.b, \"\") && !t.empty.a);\n"
            "\tassert(!strcmp(t.password.hidden, \"\"));\n"
            "\tassert(t.raw.len == 4 && !strcmp(t.raw.text, \"null\") && !t.nested.n);\n"
            "\tassert(t.off == WHOLE_COLOUR_1_5__OFF_ && t.shade == WHOLE_COLOUR_DARK_GREY);\n"
            "\tassert(t.holds.kind == WHOLE_CONTENT_NOTHING && t.at.y == 0);\n"
            "\tassert(((struct whole_place)WHOLE_PLACE_INIT).y == -500);\n}\n"
        )
        self.assertEqual(self.compile(path, self.folder / "defaults").stdout, "")
        self.assertEqual(subprocess.run([self.folder / "defaults"]).returncode, 0)

    def test_openrpc_is_json_whose_references_lead_somewhere(self):
        path = self.folder / "openrpc.json"
        for file in ("whole.idl", "model.idl"):
            self.assertEqual(idlc("--openrpc", path, GOLDEN / file).returncode, 0)
            text = path.read_text(encoding="utf-8")
            document = json.loads(text)
            schemas = document["components"]["schemas"]
            for name in re.findall(r'"#/components/schemas/([^"]+)"', text):
                self.assertIn(name, schemas)
            for method in document["methods"]:
                self.assertEqual(method["paramStructure"], "by-name")

    def test_links_of_the_reference_lead_somewhere(self):
        pages = {}
        for name in ("imported", "whole", "model"):
            path = self.folder / f"{name}.md"
            idlc("--markdown", path, GOLDEN / f"{name}.idl")
            pages[path.name] = path.read_text(encoding="utf-8")
        for name, page in pages.items():
            for file, anchor in re.findall(r"\]\(([\w.]*)#(\w+)\)", page):
                heads = re.findall(r"(?m)^### (.+)$", pages[file or name])
                self.assertIn(anchor, [head.lower().replace(".", "") for head in heads])


class Together(unittest.TestCase):
    """Two interfaces in one program, which declare the same error."""

    INTERFACE = (
        "# {0}.\ninterface {0} version 1;\n## Both have it.\nerror BOTH(what string);\n"
        "## A call.\ncall {0}.use(a int) : string errors BOTH;\n"
    )
    HANDLER = (
        '#include "left.gen.h"\n\nstruct err *api_left_use(struct call *c,'
        " const struct left_left_use_in *in, const char **out)\n"
        '{\n\treturn err(BOTH, "x");\n}\n'
    )
    MAIN = (
        '#include "left.gen.h"\n#include "right.gen.h"\n\n#include <assert.h>\n\n'
        "int main(void)\n{\n\tstruct err *e = left_service.handlers[0](NULL, NULL, NULL);\n\n"
        "\tassert(err_is(e, &ERR_BOTH));\n\terr_free(e);\n"
        "\tassert(!right_service.handlers[0]);\n"
        "\tassert(left_interface.errors[0] == right_interface.errors[0]);\n}\n"
    )

    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.folder)
        for name in ("left", "right"):
            path = self.folder / f"{name}.idl"
            path.write_text(self.INTERFACE.format(name))
            self.assertEqual(idlc("--out", self.folder, path).returncode, 0)
        (self.folder / "main.c").write_text(self.MAIN)
        (self.folder / "handler.c").write_text(self.HANDLER)

    def link(self, *more):
        sources = [self.folder / f"{name}{part}.gen.c" for name in ("left", "right")
                   for part in ("", "_service")]
        sources += [TOP / f"common/{name}.c" for name in ("err", "mem", "sbuf", "schema")]
        sources += [self.folder / "main.c", self.folder / "handler.c", BUILD / "gen/core.gen.c"]
        return subprocess.run(
            [os.environ.get("CC", "gcc"), *FLAGS, "-I", TOP, "-I", BUILD / "gen"]
            + ["-I", self.folder, "-o", self.folder / "main", *sources, *more],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
        )

    def test_errors_are_one_and_missing_handlers_none(self):
        self.assertEqual(self.link().stdout, "")
        self.assertEqual(subprocess.run([self.folder / "main"]).returncode, 0)

    def test_handler_that_is_there_twice_does_not_link(self):
        shutil.copy(self.folder / "handler.c", self.folder / "again.c")
        self.assertIn("multiple definition", self.link(self.folder / "again.c").stdout)


class Documentation(unittest.TestCase):
    """The examples of docs/idl.md are interfaces: each goes on until the next `interface` line."""

    def test_examples_compile(self):
        page = (TOP / "docs/idl.md").read_text(encoding="utf-8")
        examples = {}
        for block in re.findall(r"(?ms)^```idl\n(.*?)^```$", page):
            head = re.search(r"(?m)^interface (\w+)", block)
            name = head.group(1) if head else name
            examples[name] = examples.get(name, "") + block
        self.assertEqual(list(examples), ["lamps", "lights"])
        with tempfile.TemporaryDirectory() as folder:
            for name, text in examples.items():
                path = pathlib.Path(folder, f"{name}.idl")
                path.write_text(text, encoding="utf-8")
                done = idlc("--import", TOP / "idl", "--out", folder, path)
                self.assertEqual((done.stderr, done.returncode), ("", 0))
            header = "".join(
                " ".join(path.read_text(encoding="utf-8").split())
                for path in pathlib.Path(folder).glob("*.gen.h")
            )
        for name in ("LAMPS_LAMP_INIT", "LAMPS_LAMP_SWITCH_IN_INIT", "LAMPS_COLOUR_RED"):
            self.assertIn(name, page + header)
            self.assertIn(name, header)
        for prototype in re.findall(r"(?m)^struct err \*[^;]*;", page):
            self.assertIn(" ".join(prototype.split()), header)


if __name__ == "__main__":
    unittest.main()
