# SPDX-License-Identifier: LGPL-2.1-or-later
"""Where scenario.py's tests run on Xen: a host of the bed, with the XenAPI reached from outside."""

import machine
from host import Host
from scenario import Guests, Place
from xapid import ADDRESS as LOOPBACK
from xen_guest import ADDRESS, CMDLINE, ITS_ADDRESS, KERNEL, domains, write_disk

FOLDER = "/srv/sr"
CLIS = {"xenopsd": "xenops-cli", "smd": "sm-cli", "networkd": "networkd-cli"}
CONNECTED = "4"  # what xenstore says of both ends of a device that works


class Console:
    """What xenconsoled has written down of a guest, and the terminal that it made."""

    def __init__(self, host, uuid, domid, read):
        self.host, self.read = host, read
        self.log = f"/var/log/xen/console/guest-{uuid}.log"
        self.tty = host.run("xenstore-read", f"/local/domain/{domid}/console/tty").strip()

    def send(self, text):
        self.host.shell(f"cat >{self.tty}", input=text)

    def wait_for(self, text):
        """Waits until the text came; forgets all up to its end."""
        times = self.read.count(text) + 1
        said = self.host.machine.await_text(self.log, text, times)
        at = said.find(text, len(self.read))
        if at < 0:
            raise AssertionError(f"no {text!r} in {said[len(self.read):]!r}")
        self.read = said[: at + len(text)]


class OnXen(Place):
    """A host of the bed."""

    kinds = ("pv", "pvh")
    kernel = {
        "PV_kernel": KERNEL["kernel"],
        "PV_ramdisk": KERNEL["ramdisk"],
        "PV_args": CMDLINE,
    }
    address, gateway = f"{ITS_ADDRESS}/24", ADDRESS
    slowness = 3

    def __init__(self, case):
        self.host = Host(case, "networkd", "smd", "xenopsd", "rrdd", "xapid")
        self.host.up("--address", "0.0.0.0", "--port", machine.HTTP)
        self.kill = self.host.kill
        self.consoles = {}

    def env(self):
        """What the stack says of itself, as it is from here."""
        port = self.host.machine.ports[machine.HTTP]
        return self.host.env() | {"XAPI_URL": f"http://{LOOPBACK}:{port}"}

    def put_image(self, folder, **settings):
        write_disk(self.host, f"{folder}/guest.raw", settings)

    def network_is_there(self, bridge):
        ipv4 = {"static": [f"{ADDRESS}/24"]}
        self.host.call("networkd-cli", "Interface.set_addresses", interface=bridge, ipv4=ipv4)

    def call(self, daemon, method, **params):
        return self.host.call(CLIS[daemon], method, **params)

    def domains(self):
        return {name: domid for name, (domid, _) in domains(self.host).items()}

    def check_devices(self, case, domid, vbds, vifs):
        for kind, number in (("vbd", vbds), ("vif", vifs)):
            path = f"/local/domain/0/backend/{kind}/{domid}"
            there = self.host.shell(f"xenstore-list {path} 2>/dev/null; true").split()
            states = [self.host.run("xenstore-read", f"{path}/{d}/state").strip() for d in there]
            case.assertEqual(states, [CONNECTED] * number, path)

    def console(self, uuid):
        before = self.consoles.get(uuid)
        domid = self.domains()[uuid]
        self.consoles[uuid] = Console(self.host, uuid, domid, before.read if before else "")
        return self.consoles[uuid]


class OnXenTest(Guests):
    sr_folder = FOLDER

    def setUp(self):
        self.place = OnXen(self)
        self.connect(self.place.env())
        self.make_image()
