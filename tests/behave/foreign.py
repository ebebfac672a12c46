# SPDX-License-Identifier: LGPL-2.1-or-later
"""Clients of the XenAPI that nobody here wrote, unmodified, as the tests drive them."""

import hashlib
import itertools
import json
import os
import pathlib
import queue
import shutil
import subprocess
import sys
import threading
import unittest

from xenapi import HANG, Failure

HERE = pathlib.Path(__file__).parent
TOP = HERE.parents[1]


def npm_folder():
    """Where `make deps` has installed the clients of npm."""
    cache = os.environ.get("XENITH_CACHE") or pathlib.Path.home() / ".cache/xenith"
    lock = (TOP / "packaging/deps/npm/package-lock.json").read_bytes()
    return pathlib.Path(cache) / f"npm-{hashlib.sha256(lock).hexdigest()[:12]}" / "node_modules"


class XenApi:
    """npm's xen-api with its event cache, on a leash. TRANSPORT: json-rpc, xml-rpc or auto.

    Each of clients/xen_api.mjs's requests is a method: client.call("VM.start", ref, False, False).
    """

    def __init__(self, case, url, user, password, transport):
        folder = npm_folder() / "xen-api"
        if shutil.which("node") is None or not folder.exists():
            raise unittest.SkipTest("npm's xen-api is not installed: make deps")
        self.ids = itertools.count(1)
        self.answers = {}
        self.lines = queue.Queue()
        self.process = subprocess.Popen(
            ["node", HERE / "clients/xen_api.mjs", folder, url, user, password, transport],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        case.addCleanup(self.close)
        threading.Thread(target=self._read, daemon=True).start()
        self.pool_uuid = self.finish(0)

    def _read(self):
        for line in self.process.stdout:
            self.lines.put(json.loads(line))
        self.lines.put(None)

    def begin(self, op, *args):
        """Starts a request; finish() with what this returns gives its result."""
        number = next(self.ids)
        self.process.stdin.write(json.dumps({"id": number, "op": op, "args": args}) + "\n")
        self.process.stdin.flush()
        return number

    def finish(self, number):
        while number not in self.answers:
            answer = self.lines.get(timeout=HANG)
            if answer is None:
                raise AssertionError("xen-api has ended")
            self.answers[answer["id"]] = answer
        answer = self.answers.pop(number)
        if "error" in answer:
            raise Failure(*answer["error"])
        return answer["result"]

    def __getattr__(self, op):
        return lambda *args: self.finish(self.begin(op, *args))

    def close(self):
        self.process.stdin.close()
        try:
            self.process.wait(HANG)
        finally:
            self.process.kill()
            self.process.wait()
            self.process.stdout.close()


def fence(url, user, password, action, plug=None):
    """Debian's fence_xenapi: (exit code, what it printed)."""
    tool = shutil.which("fence_xenapi", path=os.environ["PATH"] + ":/usr/sbin")
    if tool is None:
        raise unittest.SkipTest("fence_xenapi is not installed: make deps")
    words = [tool, "-s", url, "-l", user, "-p", password, "-o", action]
    if plug:
        words += ["-n", plug]
    done = subprocess.run(
        words, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=HANG
    )
    sys.stdout.write(done.stderr)
    return done.returncode, done.stdout
