# SPDX-License-Identifier: LGPL-2.1-or-later
"""xapid alone, without the other daemons."""

import json
import pathlib
import socket
import subprocess
import tempfile
import time

import proof
from stack import BUILD, SIGNS, free_port
from xenapi import HANG, Session

ADDRESS = "127.0.0.1"


def hash_of(password):
    return subprocess.run(
        ["openssl", "passwd", "-6", "-stdin"],
        input=password,
        capture_output=True,
        text=True,
        check=True,
        timeout=HANG,
    ).stdout.strip()


class Xapid:
    """Runs until the end of the test. ACCOUNTS: name to (role, password). SETTINGS: more lines of
    its configuration, over ours. ROWS: objects that are in its database when it first starts, each
    a reference, a class and its fields as the file has them."""

    def __init__(self, case, accounts, settings="", rows=()):
        self.case = case
        self.process = None
        self.dir = pathlib.Path(tempfile.mkdtemp())
        case.addCleanup(subprocess.run, ["rm", "-rf", str(self.dir)], check=True)
        case.addCleanup(self.finish)
        self.port = free_port()
        conf = self.dir / "etc" / "xapid.conf.d"
        conf.mkdir(parents=True)
        (conf / "50-test.conf").write_text(
            f"address = {ADDRESS}\nport = {self.port}\ntls_port = 0\nauth = file\n"
        )
        (conf / "60-more.conf").write_text(settings)
        proof.withhold(self.dir)
        (self.dir / "lib").mkdir()
        (self.dir / "lib" / "xapid.passwd").write_text(
            "".join(f"{n}:{role}:{hash_of(pw)}\n" for n, (role, pw) in accounts.items())
        )
        if rows:
            self.put(rows)
        self.start()

    def put(self, rows):
        """Before it starts."""
        done = subprocess.run(
            [BUILD / "tests/tools/store-tool", "put", self.dir / "lib/xapid.db", "object"],
            input="".join(f"{ref} {json.dumps({cls: record})}\n" for ref, cls, record in rows),
            text=True,
            capture_output=True,
        )
        self.case.assertEqual((done.returncode, done.stderr), (0, ""))

    def spawn(self):
        with open(self.dir / "log", "ab") as log:
            self.process = subprocess.Popen(
                [str(BUILD / "bin" / "xapid"), "--dir", str(self.dir)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def start(self):
        """It is there when this returns."""
        self.spawn()
        end = time.monotonic() + HANG
        while True:
            try:
                socket.create_connection((ADDRESS, self.port), HANG).close()
                return
            except OSError:
                self.case.assertIsNone(self.process.poll(), self.log())
                self.case.assertLess(time.monotonic(), end)
                time.sleep(0.02)

    def login(self, user, password):
        return Session(f"http://{ADDRESS}:{self.port}", user, password)

    def xe(self, *args, user="root", password=""):
        """What xe says, over the network."""
        return subprocess.run(
            [str(BUILD / "bin" / "xe"), "-s", ADDRESS, "-p", str(self.port), "--nossl",
             "-u", user, "-pw", password, *map(str, args)],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=HANG,
        )  # fmt: skip

    def kill(self):
        self.process.kill()
        self.process.wait(HANG)

    def log(self):
        return (self.dir / "log").read_text()

    def finish(self):
        if self.process and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(HANG)
        for sign in SIGNS:
            self.case.assertNotIn(sign, self.log())
