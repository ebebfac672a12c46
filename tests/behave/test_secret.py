# SPDX-License-Identifier: LGPL-2.1-or-later
"""A secret has a type of its own: a line that would log one does not compile."""

import os
import pathlib
import subprocess
import unittest

TOP = pathlib.Path(os.environ.get("XENITH_TOP", pathlib.Path(__file__).parents[2]))
SOURCE = """#include "common/log.h"
#include "common/schema.h"
void f(struct secret password, const char *name);
void f(struct secret password, const char *name)
{
	%s
}
"""


class Secret(unittest.TestCase):
    def compile(self, line):
        """What the compiler says to a function with this line in it."""
        argv = [os.environ.get("CC", "gcc"), "-std=gnu17", "-Wall", "-Werror", "-D_GNU_SOURCE"]
        argv += ["-I.", "-fsyntax-only", "-x", "c", "-"]
        return subprocess.run(
            argv, input=SOURCE % line, cwd=TOP, capture_output=True, text=True, timeout=60
        )

    def test_a_name_is_logged(self):
        done = self.compile('log_info("login of %s", name);')
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_a_secret_is_not(self):
        for line in (
            'log_info("login with %s", password);',
            'log_err(LOG_WARN_, NULL, "login with %s", password);',
            'log_rl(LOG_WARN_, "login with %s", password);',
            'err_free(err_wrap(NULL, "login with %s", password));',
        ):
            done = self.compile(line)
            self.assertNotEqual(done.returncode, 0, line)
            self.assertIn("struct secret", done.stderr)


if __name__ == "__main__":
    unittest.main()
