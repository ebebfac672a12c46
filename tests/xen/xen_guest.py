# SPDX-License-Identifier: LGPL-2.1-or-later
"""The demo guest (docs/guest.md) as a VM of xenopsd, in the dom0 of a test's host."""

import secrets
import uuid

import host as _  # says where the other tests' modules are
from guest import CONFIG_AT, answer

BRIDGE, ADDRESS, ITS_ADDRESS = "xenbr1", "192.0.2.1", "192.0.2.7"
MEMORY = 160 << 20
CMDLINE = "console=hvc0 quiet nokaslr net.ifnames=0 mitigations=off"
KERNEL = {"kernel": "/guest/vmlinuz", "ramdisk": "/guest/initrd.gz", "cmdline": CMDLINE}


def make_network(host):
    """A bridge of dom0, with an address of it."""
    host.call("networkd-cli", "Bridge.create", bridge=BRIDGE)
    ipv4 = {"static": [f"{ADDRESS}/24"]}
    host.call("networkd-cli", "Interface.set_addresses", interface=BRIDGE, ipv4=ipv4)


def write_disk(host, path, told):
    """The guest's disk, with NAME=VALUE lines on it."""
    lines = "".join(f"{name}={value}\n" for name, value in told.items())
    host.shell(f"cp --sparse=always /guest/disk.raw {path}")
    host.shell(
        f"dd of={path} bs=1 seek={CONFIG_AT} conv=notrunc status=none", input=lines + "\0"
    )


def domains(host):
    """What `xl list` has but dom0: (domid, state) by name."""
    found = {}
    for line in host.run("xl", "list").splitlines()[2:]:
        words = line.split()
        found[words[0]] = int(words[1]), words[4].replace("-", "")
    return found


class Guest:
    """A VM that is added, with a disk that has a fresh nonce and a card on the bridge."""

    def __init__(self, host, kind, disk=None):
        self.host, self.kind = host, kind
        self.id = str(uuid.uuid4())
        self.nonce = secrets.token_hex(16)
        self.call(
            "VM.add",
            vm={
                "vm": self.id,
                "name": f"{kind} guest",
                "guest": {kind: {"boot": {"direct": KERNEL}}},
                "memory_dynamic_min_bytes": MEMORY,
                "memory_dynamic_max_bytes": MEMORY,
                "memory_static_max_bytes": MEMORY,
            },
        )
        self.raw = f"/tmp/{self.id}.raw"
        told = {"nonce": self.nonce, "address": f"{ITS_ADDRESS}/24", "ping": ADDRESS}
        write_disk(host, self.raw, told)
        disk = disk(self.raw) if disk else {"local": self.raw}
        self.call("VBD.add", vbd={"vbd": f"{self.id}/xvda", "position": "xvda", "backend": disk})
        backend = {"bridge": BRIDGE}
        mac = "02:00:00:00:00:01"
        vif = {"vif": f"{self.id}/0", "position": 0, "mac": mac, "backend": backend}
        self.call("VIF.add", vif=vif)

    def call(self, call, **parameters):
        return self.host.call("xenops-cli", call, **parameters)

    def state(self):
        return self.call("VM.stat", vm=self.id)["state"]

    @property
    def log(self):
        return f"/var/log/xen/console/guest-{self.id}.log"

    def console(self):
        """All that it has said."""
        return self.host.shell(f"cat {self.log} 2>/dev/null; true")

    def wait_for(self, text, times=1):
        said = self.host.machine.await_text(self.log, text, times)
        if said.count(text) < times:
            raise AssertionError(f"no {text!r} ({times} times) in {said!r}")

    def wait_for_boot(self, number):
        """It has read this disk, and found its neighbour, for the time of this number."""
        self.wait_for(answer(self.nonce, number))
        self.wait_for(f"guest: ping {ADDRESS} ok", number)

    def domain(self):
        """Its line of `xl list`: (domid, state), or None."""
        return domains(self.host).get(self.id)
