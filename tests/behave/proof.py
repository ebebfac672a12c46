# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a test proves: the messages of the XenAPI that it sent with success, which tests/tap writes
down; and MUTATE in the environment, one that xapid is to answer NOT_IMPLEMENTED (tests/proofs)."""

import json
import os
import pathlib
import time

WITHHELD = os.environ.get("MUTATE", "")

_called = set()
_since = time.monotonic()


def withhold(folder):
    """Has the xapid in FOLDER do without the message, from its next start on."""
    if WITHHELD:
        conf = pathlib.Path(folder) / "etc" / "xapid.conf.d"
        conf.mkdir(parents=True, exist_ok=True)
        (conf / "90-withheld.conf").write_text(f"withheld = {WITHHELD}\n")


def note(method):
    """METHOD was answered with success. Of Async ones the answer says nothing yet."""
    if not method.startswith(("Async.", "InternalAsync.", "system.")):
        _called.add(method)


def write(build, module, test):
    """What was called since the test before: at its end, when it has passed."""
    if _called and not WITHHELD:
        path = pathlib.Path(build) / "tests" / "calls" / module / test
        path.parent.mkdir(parents=True, exist_ok=True)
        took = {"seconds": round(time.monotonic() - _since, 1), "calls": sorted(_called)}
        path.write_text(json.dumps(took))
    forget()


def forget():
    """A new test begins."""
    global _since
    _called.clear()
    _since = time.monotonic()
