# SPDX-License-Identifier: LGPL-2.1-or-later
"""One daemon on a directory of its own, to be called, killed and started again."""

import pathlib
import shutil
import signal
import subprocess
import tempfile
import time

from jsonrpc import Client, Failed
from stack import BUILD

HANG = 60  # seconds; only to catch what hangs


class Daemon:
    """Daemon(case, "smd", "key = value\\n").start(); ends with the test, and a bug in its log, or a
    sanitizer's report, fails it."""

    def __init__(self, case, name, conf="", prefix=()):
        self.case, self.name, self.prefix = case, name, prefix
        self.dir = pathlib.Path(tempfile.mkdtemp())
        case.addCleanup(shutil.rmtree, self.dir)
        folder = self.dir / "etc" / f"{name}.conf.d"
        folder.mkdir(parents=True)
        (folder / "50-test.conf").write_text(conf)
        self.process = self.client = self.dead = None
        case.addCleanup(self.end)

    def spawn(self):
        with open(self.dir / "log", "ab") as log:
            self.process = subprocess.Popen(
                [*self.prefix, str(BUILD / "bin" / self.name), "--dir", str(self.dir)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def said(self):
        return (self.dir / "log").read_text()

    def connect(self):
        return Client(self.dir / "run" / f"{self.name}.sock")

    def start(self):
        self.spawn()
        end = time.monotonic() + HANG
        while True:
            try:
                self.client = self.connect()
                if self.client.listener() != self.dead:
                    return self
                self.client.close()  # a child of the killed one has its door for a moment
                time.sleep(0.01)
            except OSError:
                if time.monotonic() > end or self.process.poll() is not None:
                    raise AssertionError(self.said()) from None
                time.sleep(0.01)

    def call(self, method, **params):
        return self.client.call(method, **params)

    def do(self, method, **params):
        """A call that gives a task: waits for its end and returns its result."""
        record = self.client.wait_for_task(self.client.call(method, **params))
        if record["state"] == "done":
            return record.get("result")
        error = record["error"]
        raise Failed({"code": -32000, "message": error["code"], "data": error["params"]})

    def stop(self, how):
        if self.client:
            self.client.close()
            self.client = None
        if self.process:
            self.process.send_signal(how)
            self.process.wait(HANG)
            self.dead, self.process = self.process.pid, None

    def restart(self, how=signal.SIGKILL):
        self.stop(how)
        return self.start()

    def kill_and_start(self):
        self.stop(signal.SIGKILL)
        return self.start()

    def end(self):
        self.stop(signal.SIGTERM)
        if (self.dir / "log").exists():
            for sign in (" bug ", "bug:", "Sanitizer", "runtime error:", "Assertion"):
                self.case.assertNotIn(sign, self.said())
