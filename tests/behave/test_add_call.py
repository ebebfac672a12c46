# SPDX-License-Identifier: LGPL-2.1-or-later
"""A stranger adds a call: one interface file is edited, one function is written, and it is there.

Works on a copy of the tree and of what was built, so that only what the call needs is made.
"""

import os
import pathlib
import shutil
import subprocess
import tempfile
import unittest

from jsonrpc import Client, Failed
from test_build import TOP, tracked


DECLARED = """
## The sum of some numbers.
call Sum.of(numbers list int) : int read;
"""
WRITTEN = """/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The calls of class Sum.
 */
#include "common/rpc.h"
#include "sample.gen.h"

MAY_WAIT struct err *api_sum_of(struct call *c, const struct sample_sum_of_in *in, int64_t *out)
{
	int64_t sum = 0;

	for (size_t i = 0; i < in->numbers.n; i++)
		sum += in->numbers.v[i];
	*out = sum;
	return NULL;
}
"""


class AddCall(unittest.TestCase):
    def setUp(self):
        if shutil.which("git") is None or not (TOP / ".git").exists():
            raise unittest.SkipTest("needs a clone: it copies what git tracks")
        self.root = pathlib.Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.root)
        for name in tracked():
            (self.root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(TOP / name, self.root / name)
        for part in ("gen", "obj", "lib", "tools", "flags"):
            self.copy_built(part)

    def copy_built(self, part):
        source = TOP / "build" / part
        if source.is_dir():
            shutil.copytree(source, self.root / "build" / part)
        elif source.exists():
            shutil.copy2(source, self.root / "build" / part)

    def build(self):
        env = {k: v for k, v in os.environ.items() if not k.startswith(("MAKE", "CFLAGS", "SAN"))}
        words = ["make", "build/tests/sampled", "build/tests/sample-cli"]
        done = subprocess.run(
            words, cwd=self.root, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True
        )
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return done.stdout

    def start(self):
        """The daemon, ready: it says so as it says it to a service manager."""
        state = self.root / "state"
        daemon = subprocess.Popen(
            [self.root / "build/tests/sampled", "--dir", state],
            stdin=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.addCleanup(self.end, daemon)
        for line in daemon.stderr:
            if "ready: sampled" in line:
                return daemon, Client(state / "run/sampled.sock")
        raise AssertionError("it ended before it was ready")

    @staticmethod
    def end(daemon):
        daemon.kill()
        daemon.wait(60)
        daemon.stderr.close()

    def test_by_one_idl_file_and_one_function(self):
        interface = self.root / "tests/sample/sample.idl"
        interface.write_text(interface.read_text() + DECLARED)
        self.build()
        daemon, client = self.start()
        with client, self.assertRaises(Failed) as caught:
            client.call("Sum.of", numbers=[1, 2])
        self.assertEqual(caught.exception.code, "NOT_IMPLEMENTED")
        self.end(daemon)
        (self.root / "tests/sample/api_sum.c").write_text(WRITTEN)
        made = self.build()
        self.assertIn("tests/sample/api_sum.c", made)
        self.assertNotIn("common/", made)
        daemon, client = self.start()
        with client:
            self.assertEqual(client.call("Sum.of", numbers=[1, 2, 39]), 42)
        cli = self.root / "build/tests/sample-cli"
        said = subprocess.run([cli, "Sum.of", "--help"], capture_output=True, text=True)
        self.assertIn("The sum of some numbers", said.stdout)


if __name__ == "__main__":
    unittest.main()
