# SPDX-License-Identifier: LGPL-2.1-or-later
"""docs/coverage.md tells the truth: each message that it calls not built answers NOT_IMPLEMENTED
with its name, and none of the others does. All are sent to a fresh xapid that has no other daemon,
with arguments of the right types that lead to no object."""

import pathlib
import re
import unittest

from catalogue import Model
from xapid import Xapid
from xenapi import Failure

HERE = pathlib.Path(__file__).resolve().parent
PAGE = HERE.parents[1] / "docs" / "coverage.md"
# Behind it nobody answers.
ENDS = {"host.shutdown_agent"}


def called_missing():
    """The messages that the page calls not built."""
    missing, cls, is_in_list = set(), None, False
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        if line.startswith("## "):
            cls, is_in_list = line.removeprefix("## "), False
        elif line.startswith(("Not built:", "Built, not", "In ")):
            is_in_list = line.startswith("Not built:")
        elif cls and is_in_list:
            missing.update(f"{cls}.{name}" for name in re.findall(r"`(\w+)`", line))
    return missing


class Coverage(unittest.TestCase):
    def setUp(self):
        self.xapid = Xapid(self, {"root": ("root", "secret")})
        self.client = self.xapid.login("root", "secret")
        self.secret = (self.xapid.dir / "lib" / "xapid-pool.secret").read_text().strip()
        self.model = Model()
        self.session = self.new_session()

    def new_session(self):
        return self.client.plain("session.slave_login", "OpaqueRef:none", self.secret)

    def answer(self, name):
        """The error that a message answers with, or []. The session is a host's of the pool, to
        which everything is allowed; those that end sessions get one of their own."""
        args = [self.model.value(t) for t in self.model.types(name)]
        if name.startswith("session."):
            self.session = self.new_session()
        if not self.model.is_sessionless(name):
            args.insert(0, self.session)
        try:
            self.client.plain(name, *args)
        except Failure as failure:
            return failure.error
        return []

    def test_page_tells_the_truth(self):
        names = set(self.client.proxy.system.listMethods())
        missing = called_missing()
        self.assertEqual(missing - names, set(), "there are no such messages")
        self.assertGreater(len(names), 2000)
        for name in [*sorted(names - ENDS), *ENDS]:
            with self.subTest(name=name):
                answer = self.answer(name)
                if name in missing:
                    self.assertEqual(answer, ["NOT_IMPLEMENTED", name])
                else:
                    self.assertNotIn("NOT_IMPLEMENTED", answer)
                    self.assertNotIn("SESSION_INVALID", answer)
                    self.assertNotIn("MESSAGE_PARAMETER_COUNT_MISMATCH", answer)


if __name__ == "__main__":
    unittest.main()
