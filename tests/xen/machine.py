#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The machine that Xen runs on: QEMU without KVM. machine.py BED makes the bed's snapshot.

A machine starts from the snapshot in a second, with everything that dom0's boot did done. The
snapshot fits this command line alone, so that both stand here. What differs between machines goes
in over HTTP, once it runs.

Of the emulated CPU: what is newer than qemu64 makes dom0 crash (SMAP) or its C library fail (AVX);
RDTSCP is reported to Xen as another instruction, and PVH guests crash by it. One thread alone is
faster than several that wait for each other.
"""

import http.client
import json
import pathlib
import shutil
import socket
import subprocess
import sys
import time

CPU = "qemu64,+npt,+ssse3,+sse4.1,+sse4.2,+popcnt,+rdrand,-rdtscp"
XEN = "console=com1 com1=115200,8n1 dom0_mem=768M,max:768M dom0_max_vcpus=1 loglvl=warning"
LINUX = "console=hvc0 quiet net.ifnames=0 mitigations=off"
DISKS = ("snapshot.qcow2", "scratch.qcow2")  # dom0's vda and vdb
AGENT, HTTP, HTTPS = 8000, 80, 443  # ports of dom0 that the host reaches
HANG = 300  # seconds; only to catch what hangs


class Failed(Exception):
    """The machine does not do as it should."""


class Qmp:
    """QEMU's own control connection."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(HANG)
        self.socket.connect(str(path))
        self.lines = self.socket.makefile("r", encoding="utf-8")
        self.lines.readline()
        self.call("qmp_capabilities")

    def call(self, command, **arguments):
        words = {"execute": command, "arguments": arguments}
        self.socket.sendall(json.dumps(words).encode() + b"\n")
        for line in self.lines:
            answer = json.loads(line)
            if "error" in answer:
                raise Failed(f"{command}: {answer['error']['desc']}")
            if "return" in answer:
                return answer["return"]
        raise Failed(f"{command}: QEMU is gone")

    def monitor(self, line):
        """A command of the human monitor, which answers in text."""
        return self.call("human-monitor-command", **{"command-line": line})

    def close(self):
        self.lines.close()
        self.socket.close()


class Machine:
    """One QEMU with its disks in a folder of its own."""

    def __init__(self, bed, folder):
        self.bed = pathlib.Path(bed)
        self.dir = pathlib.Path(folder)
        self.console = self.dir / "console.log"
        self.process = None
        self.qmp = None
        self.ports = {}

    def command(self):
        kernel = f"{self.bed}/vmlinux {LINUX}"
        words = ["qemu-system-x86_64", "-machine", "pc", "-accel", "tcg,thread=single"]
        words += ["-cpu", CPU, "-smp", "1", "-m", "1536", "-display", "none", "-nodefaults"]
        words += ["-no-reboot", "-serial", f"file:{self.console}"]
        words += ["-qmp", f"unix:{self.dir}/qmp,server=on,wait=off"]
        words += ["-kernel", f"{self.bed}/xen", "-append", XEN]
        words += ["-initrd", f"{kernel},{self.bed}/initrd.gz"]
        below = f",backing.driver=raw,backing.file.filename={self.bed}/root.img"
        for number, (disk, more) in enumerate(zip(DISKS, (below, ""))):
            file = f"file={self.dir}/{disk},format=qcow2,cache=unsafe{more}"
            words += ["-drive", f"if=none,id=d{number},{file}"]
            words += ["-device", f"virtio-blk-pci,drive=d{number}"]
        forward = "".join(f",hostfwd=tcp:127.0.0.1:0-:{port}" for port in (AGENT, HTTP, HTTPS))
        words += ["-netdev", f"user,id=n0{forward}", "-device", "virtio-net-pci,netdev=n0"]
        # eth1 and eth2 are on one wire.
        for number in (1, 2):
            words += ["-netdev", f"hubport,hubid=0,id=n{number}"]
            words += ["-device", f"virtio-net-pci,netdev=n{number},mac=52:54:00:12:00:0{number}"]
        return words

    def start(self, *more):
        log = (self.dir / "qemu.log").open("wb")
        with log:
            self.process = subprocess.Popen(
                [*self.command(), *more], stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        self.wait_for("QEMU", lambda: (self.dir / "qmp").exists())
        self.qmp = Qmp(self.dir / "qmp")
        for line in self.qmp.monitor("info usernet").splitlines():
            words = line.split()
            if words and words[0] == "TCP[HOST_FORWARD]":
                self.ports[int(words[5])] = int(words[3])
        self.wait_for("the agent", self.answers)

    def wait_for(self, what, is_there):
        deadline = time.monotonic() + HANG
        while not is_there():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise Failed(f"{what} does not come up\n{self.logs()}")
            time.sleep(0.05)

    def logs(self):
        """What QEMU, Xen and dom0's kernel said."""
        text = ""
        for path in (self.dir / "qemu.log", self.console):
            if path.exists():
                text += path.read_text(encoding="utf-8", errors="replace")
        return text

    def answers(self):
        try:
            return self.run("true", timeout=5)["status"] == 0
        except OSError:
            return False

    def request(self, method, path, body=b"", timeout=HANG):
        connection = http.client.HTTPConnection("127.0.0.1", self.ports[AGENT], timeout=timeout)
        try:
            connection.request(method, path, body)
            answer = connection.getresponse()
            data = answer.read()
        except http.client.HTTPException as error:
            raise OSError(f"{method} {path}: {error!r}") from error
        finally:
            connection.close()
        if answer.status != 200:
            raise Failed(f"{method} {path}: {data.decode(errors='replace')}")
        return data

    def run(self, *argv, input="", timeout=HANG):
        """Runs a program in dom0: its status, out and err."""
        words = {"argv": list(map(str, argv)), "input": input, "timeout": timeout}
        return json.loads(self.request("POST", "/run", json.dumps(words), timeout + 10))

    def await_text(self, path, text, times=1, timeout=HANG):
        """What is in a file of dom0 when a text is there so many times, or after the timeout."""
        words = {"path": path, "text": text, "times": times, "timeout": timeout}
        return json.loads(self.request("POST", "/await", json.dumps(words), timeout + 10))["out"]

    def stop(self):
        if self.qmp:
            self.qmp.close()
        if self.process:
            self.process.kill()
            self.process.wait()


def begin(bed, folder):
    """A machine that runs, from the snapshot."""
    for disk in DISKS:
        shutil.copyfile(f"{bed}/{disk}", f"{folder}/{disk}")
    machine = Machine(bed, folder)
    try:
        machine.start("-loadvm", "ready")
        machine.run("date", "-s", f"@{int(time.time())}")
    except BaseException:
        machine.stop()
        raise
    return machine


def make_snapshot(bed):
    """Boots the machine in BED itself, and keeps it there as it then is."""
    image = ["qemu-img", "create", "-q", "-f", "qcow2"]
    subprocess.run([*image, "-b", "root.img", "-F", "raw", f"{bed}/{DISKS[0]}"], check=True)
    subprocess.run([*image, f"{bed}/{DISKS[1]}", "16G"], check=True)
    machine = Machine(bed, bed)
    try:
        machine.start()
        done = machine.run("xl", "info")
        if done["status"] != 0 or "xen_version" not in done["out"]:
            raise Failed(f"xl info: {done['out']}{done['err']}")
        said = machine.qmp.monitor("savevm ready")
        if said:
            raise Failed(f"savevm: {said}")
    finally:
        machine.stop()


if __name__ == "__main__":
    make_snapshot(pathlib.Path(sys.argv[1]).absolute())
