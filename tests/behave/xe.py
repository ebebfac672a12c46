# SPDX-License-Identifier: LGPL-2.1-or-later
"""xe as a test runs it: (exit status, what it printed, what it printed as an error)."""

import os
import subprocess

from stack import BUILD, HANG

XE = BUILD / "bin" / "xe"


def run(stack, *args, stdin=None, local=True):
    """LOCAL: it finds the stack by itself, and needs no login."""
    env = {k: v for k, v in os.environ.items() if not k.startswith("XE")}
    env["HOME"] = str(stack.dir)
    if local:
        env["XENITH_DIR"] = str(stack.dir)
    done = subprocess.run(
        [str(XE), *map(str, args)],
        input=stdin or "",
        capture_output=True,
        text=True,
        timeout=HANG,
        env=env,
    )
    return done.returncode, done.stdout, done.stderr
