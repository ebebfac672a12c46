# SPDX-License-Identifier: LGPL-2.1-or-later
"""A stack in a private directory, brought up by the launcher and taken down after the test."""

import contextlib
import json
import os
import pathlib
import random
import shlex
import signal
import socket
import subprocess
import tempfile
import time

import proof
from jsonrpc import Client, Gone

BUILD = pathlib.Path(os.environ.get("XENITH_BUILD", "build")).absolute()
XENITH = BUILD / "bin" / "xenith"
SAMPLED = BUILD / "tests" / "sampled"
SAMPLE_CLI = BUILD / "tests" / "sample-cli"
HANG = 90  # seconds; only to catch what hangs
# What no daemon may say.
SIGNS = (" bug ", "bug:", "Sanitizer", "runtime error:", "Assertion", "died (signal 11)",
         "died (signal 6)", "did not end in time")


claims = []  # on ports, while this process lives


def free_port():
    """A TCP port for a stack; none that the kernel gives to connections meanwhile, nor one that a
    test beside this one has been given and does not listen on yet."""
    while True:
        port = random.randrange(20000, 32000)
        claim = socket.socket(socket.AF_UNIX)
        with contextlib.suppress(OSError):
            claim.bind(f"\0xenith-test-port-{port}")
            with socket.create_server(("127.0.0.1", port)):
                claims.append(claim)
                return port
        claim.close()


def variables(text):
    """What a stack says of itself to a shell: text by name."""
    return dict(shlex.split(line)[0].split("=", 1) for line in text.splitlines())


class Stack:
    """Test cases make one in setUp: Stack(self, "--also", SAMPLED)."""

    def __init__(self, case, *up_args):
        self.dir = pathlib.Path(tempfile.mkdtemp())
        case.addCleanup(subprocess.run, ["rm", "-rf", str(self.dir)], check=True)
        case.addCleanup(self.finish, case)
        if "--port" not in up_args:
            up_args += ("--port", 0)  # other tests run beside this one
        proof.withhold(self.dir)
        done = self.xenith("up", *up_args)
        case.assertEqual(done.returncode, 0, done.stdout + done.stderr + self.logs())

    def xenith(self, *args):
        return subprocess.run(
            [str(XENITH), *map(str, args), "--dir", str(self.dir)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=HANG,
        )

    def env(self):
        return variables((self.dir / "env").read_text())

    def socket(self, daemon):
        return self.dir / "run" / f"{daemon}.sock"

    def status(self, daemon):
        everything = json.loads(self.xenith("status", "--json").stdout)
        return next(d for d in everything["daemons"] if d["name"] == daemon)

    def kill(self, daemon, begin=None):
        """kill -9, amid what BEGIN() has begun. The launcher starts the daemon anew, and this
        returns when it is there."""
        before = self.status(daemon)["pid"]
        if begin:
            begin()
        os.kill(before, signal.SIGKILL)
        end = time.monotonic() + HANG
        now = self.status(daemon)
        while now["state"] != "ready" or now["pid"] == before:
            if time.monotonic() > end:
                raise AssertionError(f"{daemon} does not come back: {now}")
            time.sleep(0.05)
            now = self.status(daemon)

    def logs(self):
        return "".join(path.read_text() for path in sorted(self.dir.glob("log/*.log")))

    def end_simulator(self):
        """The simulator outlives xenopsd when it has domains, as a hypervisor does."""
        try:
            with Client(self.dir / "run" / "simulator" / "run" / "simulator.sock") as client:
                client.call("Machine.power_off")
                client.read_line()
        except (OSError, Gone):
            pass

    def finish(self, case):
        """Ends the stack; a bug in a log, or a sanitizer's report, fails the test."""
        self.xenith("down")
        self.end_simulator()
        logs = self.logs()
        for sign in SIGNS:
            case.assertNotIn(sign, logs)
