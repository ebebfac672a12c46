# SPDX-License-Identifier: LGPL-2.1-or-later
"""A host of a test: a machine from the bed, with the programs of this build in its dom0."""

import io
import json
import os
import pathlib
import subprocess
import sys
import tarfile
import tempfile

import machine

TOP = pathlib.Path(__file__).resolve().parents[2]
sys.path.append(str(TOP / "tests/behave"))
from stack import BUILD, SIGNS, variables

PROGRAMS = "/xenith"  # in dom0: bin/ and lib/ of the build
STACK = "/xenith/stack"  # the stack's own directory there


def programs(daemons):
    """A tar of what this build made, of the daemons these, without what only a debugger reads."""
    tar_bytes = io.BytesIO()
    found = [BUILD / "bin/xenith", *(BUILD / "bin" / name for name in daemons)]
    found += [*BUILD.glob("bin/*-cli"), *BUILD.glob("lib/xenith/**/*.so")]
    with tarfile.open(fileobj=tar_bytes, mode="w") as tar, tempfile.TemporaryDirectory() as folder:
        for path in found:
            stripped = pathlib.Path(folder) / path.name
            subprocess.run(["strip", "--strip-debug", "-o", stripped, path], check=True)
            tar.add(stripped, path.relative_to(BUILD))
    return tar_bytes.getvalue()


class Host:
    """Test cases make one in setUp: Host(self, "networkd"), with the daemons that are wanted."""

    def __init__(self, case, *daemons):
        self.case = case
        self.folder = tempfile.TemporaryDirectory()
        case.addCleanup(self.folder.cleanup)
        self.machine = machine.begin(os.environ["XENITH_XEN_BED"], self.folder.name)
        case.addCleanup(self.finish)
        self.put(PROGRAMS + "/", programs(daemons))

    def run(self, *argv, status=0, **more):
        """What the program says in dom0; it is to end with STATUS."""
        done = self.machine.run(*argv, **more)
        self.case.assertEqual(done["status"], status, f"{argv}: {done['out']}{done['err']}")
        return done["out"]

    def shell(self, line, **more):
        return self.run("sh", "-c", line, **more)

    def put(self, path, data):
        self.machine.request("PUT", path, data)

    def get(self, path):
        return self.machine.request("GET", path)

    # ---- the stack in dom0 ----

    def up(self, *options, backend="xenlight"):
        """Brings the daemons up."""
        self.xenith("up", "--backend", backend, *options)

    def env(self):
        """What the stack says of itself to a shell: text by name."""
        return variables(self.run("cat", f"{STACK}/env"))

    def xenith(self, verb, *words):
        return self.run(f"{PROGRAMS}/bin/xenith", verb, "--dir", STACK, *words)

    def call(self, cli, call, **parameters):
        """A daemon's call by its debug CLI: what it answers."""
        argv = [f"{PROGRAMS}/bin/{cli}", "--dir", STACK, "--json", call]
        for name, value in parameters.items():
            if value is True:
                argv += [f"--{name}"]
            else:
                argv += [f"--{name}", value if isinstance(value, str) else json.dumps(value)]
        said = self.run(*argv)
        return json.loads(said) if said.strip() else None

    def status(self, daemon):
        everything = json.loads(self.xenith("status", "--json"))
        return next(d for d in everything["daemons"] if d["name"] == daemon)

    def kill(self, daemon, begin=None):
        """kill -9, amid what BEGIN() has begun. The launcher starts the daemon anew, and this
        returns when it is there."""
        before = self.status(daemon)["pid"]
        if begin:
            begin()
        self.run("kill", "-9", before)

        def is_back():
            now = self.status(daemon)
            return now["state"] == "ready" and now["pid"] != before

        self.machine.wait_for(f"{daemon} again", is_back)

    def logs(self):
        return self.shell(f"cat {STACK}/log/*.log 2>/dev/null; true")

    def finish(self):
        """Ends the machine; what the daemons may not say fails the test."""
        try:
            logs = self.logs()
            if not self.case._outcome.success:  # the test has failed: what helps to see why
                for line in (logs + self.machine.logs()).splitlines()[-200:]:
                    print(f"# {line}")
        finally:
            self.machine.stop()
        for sign in SIGNS:
            self.case.assertNotIn(sign, logs)
