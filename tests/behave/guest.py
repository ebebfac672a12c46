# SPDX-License-Identifier: LGPL-2.1-or-later
"""The demo guest (docs/guest.md): its files, what is put on its disk, what it must answer."""

import functools
import hashlib
import os
import pathlib
import re
import shutil
import socket
import subprocess
import threading
import time

BUILDER = pathlib.Path(__file__).parents[2] / "packaging" / "guest" / "build"
CONFIG_AT = 512 * 1024  # bytes from the beginning of the disk
CMDLINE = "console=ttyS0 quiet nokaslr net.ifnames=0 mitigations=off"
HANG = 120  # seconds; only to catch what hangs


@functools.cache
def folder():
    """Where vmlinuz, initrd.gz, disk.raw and release are; made if need be, as a user would."""
    env = {**os.environ, "PATH": "/usr/local/bin:/usr/bin:/bin"}
    done = subprocess.run(
        [BUILDER], stdin=subprocess.DEVNULL, capture_output=True, text=True, env=env
    )
    if done.returncode:
        raise RuntimeError(done.stderr)
    return pathlib.Path(done.stdout.strip())


def release():
    return (folder() / "release").read_text().strip()


def configure(disk, **settings):
    """Puts NAME=VALUE lines onto a raw disk."""
    text = "".join(f"{name}={value}\n" for name, value in settings.items())
    with open(disk, "r+b") as image:
        image.seek(CONFIG_AT)
        image.write(text.encode() + b"\0")


def new_disk(path, **settings):
    shutil.copyfile(folder() / "disk.raw", path)
    configure(path, **settings)


def answer(nonce, boots):
    """What the guest prints when it boots for the time of this number."""
    what = hashlib.sha256(f"{nonce} {release()} {boots}".encode()).hexdigest()
    return f"guest: kernel {release()} boot {boots} answer {what}"


def connect_unix(sock, path):
    """To a socket whose path may be longer than the 107 bytes of an address."""
    folder = os.open(pathlib.Path(path).parent, os.O_PATH)
    try:
        sock.connect(f"/proc/self/fd/{folder}/{pathlib.Path(path).name}")
    finally:
        os.close(folder)


class Console:
    """A guest's serial console behind a Unix socket. It is read all the time: a guest that nobody
    listens to waits with each letter."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.said = ""
        self.is_closed = False
        self.came = threading.Condition()
        end = time.monotonic() + HANG
        while True:
            try:
                connect_unix(self.socket, path)
                break
            except OSError:
                if time.monotonic() > end:
                    self.socket.close()
                    raise
                time.sleep(0.05)
        self.reader = threading.Thread(target=self.read)
        self.reader.start()

    def read(self):
        more = True
        while more:
            try:
                more = self.socket.recv(65536)
            except OSError:
                more = b""
            with self.came:
                self.said += more.decode(errors="replace")
                self.is_closed = not more
                self.came.notify_all()

    def close(self):
        try:
            self.socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # the guest was first
        self.reader.join()
        self.socket.close()

    def send(self, text):
        self.socket.sendall(text.encode())

    def wait_for(self, pattern):
        """Waits until the pattern came; gives the match, and forgets all up to its end."""

        def look():
            return re.search(pattern, self.said) or self.is_closed

        with self.came:
            self.came.wait_for(look, HANG)
            match = re.search(pattern, self.said)
            if not match:
                raise AssertionError(f"no {pattern!r} in {self.said!r}")
            self.said = self.said[match.end() :]
            return match

    def log_in(self):
        self.send("\n")  # asks once more, where it was asked already
        self.wait_for("login: ")
        self.send("root\n")
        self.wait_for("assword: ")
        self.send("xenith\n")
        self.wait_for("# ")
