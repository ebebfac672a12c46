# SPDX-License-Identifier: LGPL-2.1-or-later
"""Each rule of tests/lint finds what it is there for, and lets pass what it is not."""

import os
import pathlib
import subprocess
import tempfile
import unittest

TOP = pathlib.Path(os.environ.get("XENITH_TOP", pathlib.Path(__file__).parents[2]))
LINT = TOP / "tests/lint"
C_HEAD = (
    "/* SPDX-License-Identifier: LGPL-2.1-or-later */\n"
    "/*\n * A sample that is here for the rules of lint alone,\n * and which nobody includes.\n */\n"
)
GUARDED = "#ifndef XENITH_COMMON_X_H\n#define XENITH_COMMON_X_H\n#endif\n"

# For each rule: samples that it must find (files, and a piece of what it says), and one it passes.
INTERFACE = "# An interface.\ninterface x version 2;\n\n## Does nothing.\ncall nothing();\n"
HOOKS = {"xapid/api/hooks.c": ""}
BAD = {
    "api-sum": [
        ({"idl/x.idl": INTERFACE}, "does not know x version 2 so: make api-sum"),
        ({"idl/x.idl": INTERFACE, "idl/api.sum": "x 2 0\n"}, "say `version 3`"),
        ({"idl/x.idl": INTERFACE, "idl/api.sum": "x 3 0\n"}, "say `version 4`"),
        ({"idl/x.idl": INTERFACE, "idl/api.sum": "x 1 0\n"}, "does not know x version 2"),
        ({"idl/x/a.idl": INTERFACE, "idl/api.sum": "x 2 0\n"}, "idl/x/a.idl: another wire form"),
        ({"idl/x.idl": "interface x;\n"}, "expected 'version'"),
        ({"idl/api.sum": "y 1 0\n"}, "there is no interface y"),
    ],
    "changelog": [
        ({"README.md": "x\n"}, "is missing"),
        ({"CHANGELOG.md": "## [1.0.0] - 2030-01-01\n"}, "first section"),
        ({"CHANGELOG.md": "## [Unreleased]\n### Broken\n"}, "not one of"),
        (
            {
                "CHANGELOG.md": "## [Unreleased]\n## [1.0.0] - 2030-01-01\n"
                "## [1.1.0] - 2031-01-01\n"
            },
            "do not go down",
        ),
    ],
    "coverage-page": [
        ({"xapid/api/hooks.c": ""}, "does not say what is built"),
        ({"xapid/api/hooks.c": "", "docs/coverage.md": "all\n"}, "does not say what is built"),
        (
            {"xapid/api/hooks.c": "", "tests/proved.txt": "VM.nonsense test_a:A.test_b\n"},
            "VM.nonsense is not built",
        ),
        ({**HOOKS, "tests/wanted.txt": "VM.start\n"}, "VM.start is neither proved nor excepted"),
        ({**HOOKS, "tests/wanted.txt": "VM.nonsense\n"}, "there is no message VM.nonsense"),
        ({**HOOKS, "tests/excepted.txt": "VM.start why\n"}, "VM.start is not in tests/wanted"),
        (
            {**HOOKS, "tests/wanted.txt": "VM.start\n", "tests/excepted.txt": "VM.start\n"},
            "VM.start has no reason",
        ),
        (
            {
                **HOOKS,
                "tests/wanted.txt": "VM.start\n",
                "tests/excepted.txt": "VM.start why\n",
                "tests/proved.txt": "VM.start test_a:A.test_b\n",
            },
            "VM.start is proved",
        ),
    ],
    "documented": [
        ({"common/x.h": "#define XENITH_COMMON_X_H\n\nint x_get(int a);\n"}, "x_get is not"),
        ({"docs/a.md": "see [b](b.md)\n"}, "leads nowhere: b.md"),
    ],
    "fences": [
        ({"smd/x.c": "#include <sqlite3.h>\n"}, "common/store"),
        ({"smd/x.c": '#include "xapid/db/db.h"\n'}, "smd/ may not include"),
        ({"common/x.c": '#include "smd/x.h"\n'}, "common/ may not include"),
        ({"idl/x.c": '#include "core.gen.h"\n'}, "cannot need what it makes"),
        ({"tests/bench/base_x.c": '#include "common/map.h"\n'}, "no project code"),
    ],
    "forbidden": [
        ({"common/x.c": "\tstrcpy(a, b);\n"}, "strcpy() is not"),
        ({"common/x.c": "\tif (system(line))\n"}, "system() is not"),
        ({"common/x.c": "/* a comment:\n two lines */\n\tx = atoi(s);\n"}, "x.c:3: atoi"),
        ({"tests/unit/x/x.c": "\tsprintf(a, b);\n"}, "sprintf() is not"),
    ],
    "format": [({"common/x.c": "int  x;\nint f( void ) { return 1; }\n"}, "common/x.c:1: is not")],
    "head": [
        ({"common/x.c": "int x;\n"}, "not an SPDX"),
        ({"common/x.c": C_HEAD.split("\n", 1)[0] + "\nint x;\n"}, "no head comment"),
        ({"common/x.c": C_HEAD.split("\n", 1)[0] + "\n/*\n * A file.\n */\n"}, "too short"),
        ({"tests/x": "#!/bin/bash\necho\n"}, "no SPDX"),
        ({"common/rules.mk": "a := b\n"}, "does not say"),
    ],
    "includes": [
        (
            {"common/x.c": "#include <stdio.h>\n", "common/x.h": GUARDED},
            'does not include "common/x.h" first',
        ),
        ({"common/y.c": "#include <stdio.h>\n#include <errno.h>\n"}, "not sorted"),
        (
            {"common/y.c": '#include <stdio.h>\n\n#include "common/x.h"\n', "common/x.h": GUARDED},
            "after the system's",
        ),
        ({"common/y.c": '#include "common/z.h"\n'}, "is not in the tree"),
        ({"common/z.h": "#pragma once\n"}, "is not guarded by XENITH_COMMON_Z_H"),
    ],
    "machine": [
        ({"README.md": "lies in /home/me/xenith today\n"}, "/home/m"),
        ({"a.c": "/* see issue 7 */\n"}, "issue 7"),
        ({"deps": "http://mirror.example.org/debian\n"}, "mirror.example.org"),
    ],
    "may_wait": [
        (
            {
                "common/f.h": "MAY_WAIT must_check struct err *f_sleep(int64_t ns);\n",
                "common/x.c": "static void tick(void)\n{\n\terr_free(f_sleep(1));\n}\n",
            },
            "x.c:3: tick is not MAY_WAIT but calls f_sleep",
        ),
        (
            {
                "smd/x.c": "static MAY_WAIT struct err *one(void)\n{\n\treturn NULL;\n}\n\n"
                "struct err *two(void)\n{\n\treturn one();\n}\n"
            },
            "x.c:8: two is not MAY_WAIT but calls one",
        ),
        (
            {
                "xenopsd/backend.h": "struct ops {\n\tMAY_WAIT struct err *(*create)(int vm);\n};\n",
                "xenopsd/x.c": "struct err *go(struct ops *o)\n{\n\treturn o->create(1);\n}\n",
            },
            "go is not MAY_WAIT but calls create",
        ),
        (
            {
                "common/f.h": "MAY_WAIT struct err *f_sleep(int64_t ns);\n",
                "common/x.c": "MAY_WAIT struct err *go(void)\n{\n\tno_wait_begin();\n"
                "\tTRY(f_sleep(1));\n\tno_wait_end();\n\treturn NULL;\n}\n",
            },
            "x.c:4: f_sleep may wait, before no_wait_end",
        ),
    ],
    "python": [
        ({"tests/x.py": "def f(:\n"}, "x.py:1:"),
        ({"tests/x.py": "import numpy\n"}, "numpy is not in the standard library"),
    ],
    "required": [({"tests/required.txt": "unit/common/none\n"}, "no such test")],
    "shell": [({"tests/x": "#!/bin/bash\nrm $1/x\n"}, "x:2: ")],
    "spelling": [({"README.md": "A rec" + "ieved word.\n"}, "received")],
    "switches": [
        (
            {
                "common/x.h": "enum power { POWER_ON, POWER_OFF };\n",
                "common/x.c": "int f(int p)\n{\n\tswitch (p) {\n\tcase POWER_ON:\n\t\treturn 1;\n"
                "\tdefault:\n\t\treturn 0;\n\t}\n}\n",
            },
            "x.c:3: ",
        )
    ],
    "toplevel": [({"misc/x.c": "int x;\n"}, "misc: has no place")],
    "walkthrough": [
        ({"docs/walkthrough.md": "- `smd/x.c`: here.\n"}, "walkthrough.md:1: there is no smd/x.c"),
        (
            {"docs/walkthrough.md": "- `smd/x.c`: `x_do`.\n", "smd/x.c": "int x_did(void);\n"},
            "x_do is in no file",
        ),
    ],
    "whitespace": [
        ({"common/x.c": "int x; \n"}, "blank at the end"),
        ({"common/x.c": "int x;"}, "just one newline"),
        ({"common/x.c": "int x;\n\n"}, "just one newline"),
        ({"common/x.c": "int x;\r\n"}, "carriage returns"),
        ({"common/x.c": "        int x;\n"}, "indented by blanks"),
        ({"common/x.c": "/* " + "x" * 100 + " */\n"}, "longer than 100"),
    ],
}

GOOD = {
    "CHANGELOG.md": "# Changes\n\n## [Unreleased]\n### Added\n- x\n\n## [0.1.0] - 2030-01-01\n",
    "docs/a.md": "see [the changes](../CHANGELOG.md#x)\n\n```\n[b](c)\n```\n",
    "common/x.h": C_HEAD + "#ifndef XENITH_COMMON_X_H\n#define XENITH_COMMON_X_H\n\n"
    "enum power { POWER_ON, POWER_OFF };\n\n/* Waits for NS. */\n"
    "MAY_WAIT must_check struct err *x_sleep(int64_t ns);\n\n#endif\n",
    "common/x.c": C_HEAD + '#include "common/x.h"\n\n#include <errno.h>\n#include <stdio.h>\n\n'
    "/* strcpy(a, b) in a comment, x_sleep(1) too */\n"
    "static MAY_WAIT void begin(void *arg)\n{\n\terr_free(x_sleep(1));\n}\n\n"
    "static void entry(void *arg)\n{\n\terr_free(x_sleep(1));\n}\n\n"
    "int x_start(enum power p)\n{\n"
    '\tputs("system(line), x_sleep(1)");\n'
    "\tsignal(1, SIG_IGN); /* lint: the sample shows an excuse */\n"
    '\terr_free(fiber_spawn(NULL, entry, NULL, "entry"));\n'
    "\tswitch (p) {\n\tcase POWER_ON:\n\t\treturn begin != NULL;\n\tcase POWER_OFF:\n"
    "\t\treturn 2;\n\t}\n\treturn 3;\n}\n",
    "common/store.c": C_HEAD + "#include <sqlite3.h>\n",
    "tests/x": "#!/bin/bash\n# SPDX-License-Identifier: LGPL-2.1-or-later\n# A script.\necho x\n",
    "tests/unit/common/x.c": C_HEAD + "int x;\n",
    "tests/required.txt": "unit/common/x # a test\n",
}


def rules():
    return sorted(p.name for p in LINT.iterdir() if os.access(p, os.X_OK) and p.name != "all")


def run(rule, files):
    """The rule's exit code and words about a tree of FILES."""
    with tempfile.TemporaryDirectory() as root:
        for path, content in files.items():
            where = pathlib.Path(root) / path
            where.parent.mkdir(parents=True, exist_ok=True)
            where.write_text(content, encoding="utf-8", newline="")
        done = subprocess.run(
            [str(LINT / rule), root], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        return done.returncode, done.stdout


class Rules(unittest.TestCase):
    def test_each_rule_finds_its_bad_samples(self):
        for rule, samples in BAD.items():
            for files, words in samples:
                with self.subTest(rule=rule, words=words):
                    code, text = run(rule, files)
                    self.assertEqual(code, 1, text)
                    self.assertIn(words, text)

    def test_each_rule_passes_the_good_sample(self):
        for rule in rules():
            with self.subTest(rule=rule):
                code, text = run(rule, GOOD)
                self.assertEqual((code, text), (0, ""))

    def test_every_rule_has_a_bad_sample(self):
        # These two look at git alone, or never fail.
        self.assertEqual(set(rules()) - set(BAD), {"commits", "sizes"})


class Commits(unittest.TestCase):
    def verdict(self, message):
        with tempfile.TemporaryDirectory() as root:
            git = ["git", "-C", root, "-c", "user.name=a", "-c", "user.email=a@b"]
            subprocess.run(git + ["init", "-q", "-b", "main"], check=True)
            subprocess.run(git + ["commit", "-q", "--allow-empty", "-m", message], check=True)
            return subprocess.run([str(LINT / "commits"), root], capture_output=True).returncode

    def test_subject_and_body(self):
        self.assertEqual(self.verdict("common: Add a map\n\nBecause one is needed."), 0)
        self.assertEqual(self.verdict("common: Add a map"), 1)
        self.assertEqual(self.verdict("Add a map\n\nBecause one is needed."), 1)
        self.assertEqual(self.verdict("common: add a map\n\nBecause."), 1)


if __name__ == "__main__":
    unittest.main()
