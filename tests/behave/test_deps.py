# SPDX-License-Identifier: LGPL-2.1-or-later
"""make deps: silent when all is there, the exact line and exit 3 when root is needed."""

import os
import pathlib
import shutil
import subprocess
import tempfile
import unittest

TOP = pathlib.Path(os.environ.get("XENITH_TOP", pathlib.Path(__file__).parents[2]))


class Deps(unittest.TestCase):
    def test_without_root_prints_the_line_and_exits_3(self):
        if shutil.which("dpkg-query") is None or shutil.which("apt-get") is None:
            self.skipTest("knows the names of Debian's packages only")
        with tempfile.TemporaryDirectory() as root:
            where = pathlib.Path(root) / "deps"
            shutil.copytree(TOP / "packaging/deps", where)
            shutil.rmtree(where / "npm")
            (where / "debian").write_text("dpkg\nno-such-package-at-all  # a test\n")
            tools = pathlib.Path(root) / "bin"
            tools.mkdir()
            (tools / "id").write_text("#!/bin/bash\necho 1000\n")
            (tools / "id").chmod(0o755)
            env = dict(os.environ, PATH=f"{tools}:{os.environ['PATH']}")
            done = subprocess.run([where / "install"], env=env, capture_output=True, text=True)
            self.assertEqual(done.returncode, 3)
            line = "apt-get install -y --no-install-recommends no-such-package-at-all"
            self.assertIn(line, done.stderr)
            # Not wanted to run; and one whose command is there.
            lists = "dpkg\n# ---- to test\nno-such-package-at-all\n"
            (where / "debian").write_text(lists)
            for wanted, code in ((["run"], 0), ([], 3)):
                done = subprocess.run([where / "install", *wanted], env=env, capture_output=True)
                self.assertEqual(done.returncode, code)
            (where / "debian").write_text("dpkg\nno-such-package-at-all/bash\n")
            done = subprocess.run([where / "install"], env=env, capture_output=True, text=True)
            self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "", ""))


if __name__ == "__main__":
    unittest.main()
