# SPDX-License-Identifier: LGPL-2.1-or-later
"""The table of xenopsd's operations: what each does to a VM in each state, and what may be left
when it fails, is cancelled, or xenopsd is killed amid it. test_xenopsd_table.py carries it out.

A new operation is a row here. A VM of the table has a device of each kind that came with it (A),
and a second one of each that was added when it ran (B); `view` there is how a VM is written down.
"""

VM = "vm-1"
MIB = 1 << 20
AGENT = {"data/test": "what the guest remembers"}
HALTED, RUNNING, PAUSED, SUSPENDED = "halted", "running", "paused", "suspended"
CRASHED = "crashed"  # and kept to be looked at: it counts as paused
KEPT = "kept"  # its image is written and its domain is there: it counts as suspended
STATES = (HALTED, RUNNING, PAUSED, SUSPENDED, CRASHED, KEPT)
UP = (RUNNING, PAUSED, CRASHED)
DOWN = (HALTED, SUSPENDED)  # and no domain

# The devices: name, and whether it is one of those that came later.
DEVICES = {
    "vbd.xvda": "A",
    "vbd.xvdc": "A",  # a CD drive with a medium
    "vbd.xvdd": "A",  # an empty one
    "vbd.xvdb": "B",
    "vif.0": "A",
    "vif.1": "B",
    "pci.0000:03:00.0": "A",
    "pci.0000:04:00.0": "B",
    "vusb.1-1": "A",
    "vusb.1-2": "B",
}

# ---- what becomes of a view ----


def same(view):
    return view


def with_device(view, name, changes):
    """PCI and USB devices do not tell whether they are active."""
    device = view[name]
    return {**view, name: {**device, **{k: v for k, v in changes.items() if k in device}}}


def with_devices(view, **changes):
    """CHANGES of every device."""
    for name in DEVICES:
        view = with_device(view, name, changes)
    return view


def domain_gone(view):
    return {**view, "end": None, "asleep": False, "agent": {}, "vcpus_now": view["vcpus"]}


def halted(view):
    if view["power"] == HALTED:
        return view
    view = with_devices(view, plugged=False, active=False)
    return {**domain_gone(view), "power": HALTED}


def started(view):
    view = with_devices(domain_gone(view), plugged=True, active=True)
    return {**view, "power": PAUSED}


def rebooted(view):
    return {**started(view), "power": RUNNING}


def suspended(view):
    return {**domain_gone(with_devices(view, plugged=False)), "power": SUSPENDED}


def resumed(view):
    """What came with it comes back."""
    for name, which in DEVICES.items():
        view = with_device(view, name, {"plugged": which == "A"})
    now = {"power": PAUSED, "end": None, "agent": AGENT, "xenstore_now": view["xenstore"]}
    return {**view, **now}


def kept(view):
    return {**view, "power": SUSPENDED, "end": "suspended"}


def went_on(view):
    return {**view, "power": RUNNING, "end": None}


def power(to):
    return lambda view: {**view, "power": to}


def gone(view):
    return None


def device(name, **changes):
    return lambda view: with_device(view, name, changes)


def values(**changes):
    return lambda view: {**view, **changes}


# ---- rows ----


class Refused:
    """The call, or its task, ends with this error, and nothing has changed."""

    def __init__(self, code, *params):
        self.code, self.params = code, params


class Op:
    def __init__(self, method, params, ends, **how):
        self.method = method
        self.params = params
        self.ends = ends  # by state: a function of the view before, or Refused
        # A failure or cancel leaves it as it was before. Otherwise it may be done as well.
        self.is_undone = how.pop("is_undone", True)
        # What else it may be after one, after a kill, and where the undoing fails: functions of
        # the view before.
        self.also = how.pop("also", ())
        # What more it says of itself when one method has several rows.
        self.note = how.pop("note", "")
        assert not how and set(ends) <= set(STATES)

    def __str__(self):
        return f"{self.method}{' ' if self.note else ''}{self.note}"


def each(states, end):
    return dict.fromkeys(states, end)


def bad(found, expected):
    return Refused("Bad_power_state", found, expected)


NOT_UP = {
    HALTED: bad("halted", "running"),
    **each((SUSPENDED, KEPT), bad("suspended", "running")),
}
NOT_RUNNING = {**NOT_UP, **each((PAUSED, CRASHED), bad("paused", "running"))}
IMAGE = {"image": "IMAGE"}  # put in by the test
ONE = {"vm": VM}


def device_rows(kind, plugged, unplugged, name, **how):
    """plug and unplug of a kind of device; PLUGGED and UNPLUGGED are two of it."""
    ident = {name: f"{VM}/{plugged}"}, {name: f"{VM}/{unplugged}"}
    key = f"{name}.{plugged}", f"{name}.{unplugged}"
    yield Op(
        f"{kind}.plug",
        ident[1],
        {**each(UP, device(key[1], plugged=True, active=True)), **NOT_UP},
    )
    yield Op(f"{kind}.plug", ident[0], {**each(UP, same), **NOT_UP}, note="of one that is in")
    yield Op(
        f"{kind}.unplug",
        ident[0],
        {**each(UP, device(key[0], plugged=False, active=False)), **NOT_UP},
        is_undone=False,
    )
    yield Op(
        f"{kind}.unplug",
        ident[1],
        {**each(UP, Refused("Device_not_connected")), **NOT_UP},
        note="of one that is out",
    )
    if how.get("force"):
        yield Op(
            f"{kind}.unplug",
            {**ident[0], "force": True},
            {**each(UP, device(key[0], plugged=False, active=False)), **NOT_UP},
            is_undone=False,
            note="by force",
        )


def vif_row(method, params, note="", ends_in=None, **change):
    """A change of a network interface: A is plugged when the VM is up, B is not."""
    change = change or params
    yield Op(
        method,
        {"vif": f"{VM}/0", **params},
        {
            **each(DOWN, device("vif.0", **change)),
            **each((*UP, KEPT), ends_in or device("vif.0", **change)),
        },
        note=note,
    )
    yield Op(
        method,
        {"vif": f"{VM}/1", **params},
        each(STATES, device("vif.1", **change)),
        note=f"{note} of one that is out".strip(),
    )


LESS_MEMORY = {"memory": (64 * MIB, 96 * MIB)}
NO_VLANS = Refused("NOT_IMPLEMENTED")
PROXY = {"site": "a site", "servers": [], "interface": "eth0"}
DATA = {"vm-data/b": "2"}
QOS = {"qos": {"scheduler": "idle", "level": 3}}
MEDIUM = {"disk": "MEDIUM"}
OPERATIONS = [
    # ---- power ----
    Op(
        "VM.start",
        ONE,
        {
            HALTED: started,
            **each((SUSPENDED, KEPT), bad("suspended", "halted")),
            **each(UP, same),
        },
    ),
    Op(
        "VM.unpause",
        ONE,
        {
            HALTED: bad("halted", "paused"),
            **each((SUSPENDED, KEPT), bad("suspended", "paused")),
            **each((PAUSED, CRASHED), power(RUNNING)),
            RUNNING: same,
        },
    ),
    Op(
        "VM.pause",
        ONE,
        {**NOT_UP, PAUSED: same, RUNNING: power(PAUSED), CRASHED: same},
    ),
    Op("VM.shutdown", ONE, {**each((*UP, *DOWN), halted)}, is_undone=False),
    Op(
        "VM.shutdown",
        ONE,
        {KEPT: halted},
        is_undone=False,
        # Its domain has gone, and it was not yet noted why.
        also=(suspended,),
        note="of one that is kept",
    ),
    Op(
        "VM.shutdown",
        {**ONE, "timeout_s": 30},
        {**each((RUNNING, CRASHED, *DOWN), halted)},
        is_undone=False,
        note="clean",
    ),
    Op(
        "VM.shutdown",
        {**ONE, "timeout_s": 0.01},
        {PAUSED: Refused("Failed_to_acknowledge_shutdown_request")},
        note="clean, of one that cannot listen",
    ),
    Op(
        "VM.reboot",
        ONE,
        {**each(UP, rebooted), **NOT_UP},
        is_undone=False,
        also=(halted,),
    ),
    Op(
        "VM.reboot",
        {**ONE, "timeout_s": 30},
        {**each((RUNNING, CRASHED), rebooted), **NOT_UP},
        is_undone=False,
        also=(halted,),
        note="clean",
    ),
    Op("VM.suspend", {**ONE, **IMAGE}, {**NOT_RUNNING, RUNNING: suspended}, is_undone=False),
    Op(
        "VM.suspend",
        {**ONE, **IMAGE, "keep_domain": True},
        {**NOT_RUNNING, RUNNING: kept},
        note="that keeps its domain",
    ),
    Op(
        "VM.fast_resume",
        ONE,
        {
            KEPT: went_on,
            HALTED: bad("halted", "suspended"),
            RUNNING: bad("running", "suspended"),
            SUSPENDED: bad("suspended", "suspended"),
            **each((PAUSED, CRASHED), bad("paused", "suspended")),
        },
        is_undone=False,
    ),
    Op("VM.s3suspend", ONE, {**NOT_RUNNING, RUNNING: values(asleep=True)}),
    Op("VM.s3resume", ONE, {**NOT_RUNNING, RUNNING: same}),
    Op(
        "VM.softreboot",
        ONE,
        {**NOT_RUNNING, RUNNING: rebooted},
        is_undone=False,
        also=(halted,),
    ),
    Op(
        "VM.resume",
        {**ONE, **IMAGE},
        {
            SUSPENDED: resumed,
            RUNNING: bad("running", "suspended"),
            **each((PAUSED, CRASHED), bad("paused", "suspended")),
        },
    ),
    Op(
        "VM.resume",
        {**ONE, **IMAGE},
        {KEPT: resumed},
        # The domain that was kept goes first, for good.
        is_undone=False,
        also=(suspended,),
        note="of one that is kept",
    ),
    # ---- changes ----
    Op(
        "VM.set_vcpus",
        {**ONE, "vcpus": 3},
        {**each((*DOWN, *UP), values(vcpus=3, vcpus_now=3)), KEPT: values(vcpus=3)},
        also=(values(vcpus=3, vcpus_now=3),),
    ),
    Op(
        "VM.set_vcpus",
        {**ONE, "vcpus": 5},
        each(STATES, Refused("Invalid_vcpus", "4")),
        note="too many",
    ),
    Op(
        "VM.set_memory_dynamic_range",
        {**ONE, "min_bytes": 64 * MIB, "max_bytes": 96 * MIB},
        {
            **each((HALTED, RUNNING, SUSPENDED), values(**LESS_MEMORY, memory_now=96 * MIB)),
            # A balloon moves when its guest does.
            **each((PAUSED, CRASHED, KEPT), values(**LESS_MEMORY)),
        },
    ),
    Op(
        "VM.set_memory_dynamic_range",
        {**ONE, "min_bytes": 64 * MIB, "max_bytes": 1024 * MIB},
        each(STATES, Refused("INVALID_VALUE")),
        note="too much",
    ),
    Op(
        "VM.set_shadow_multiplier",
        {**ONE, "multiplier": 2.0},
        {**each((*DOWN, *UP), values(shadow=2.0, shadow_now=2.0)), KEPT: values(shadow=2.0)},
        also=(values(shadow=2.0, shadow_now=2.0),),
    ),
    Op(
        "VM.set_xenstore_data",
        {**ONE, "xenstore_data": DATA},
        {
            **each((*DOWN, KEPT), values(xenstore=DATA)),
            **each(UP, values(xenstore=DATA, xenstore_now=DATA)),
        },
        also=(values(xenstore=DATA, xenstore_now=DATA),),
    ),
    # check_inventory sees whether the guest writes to what smd has.
    Op(
        "VM.freeze_disks",
        {**ONE, "vbds": [f"{VM}/{name}" for name in ("xvda", "xvdb", "xvdc", "xvdd")]},
        {**each((*DOWN, *UP), same), KEPT: bad("suspended", "running")},
    ),
    # ---- its guest's agent ----
    Op(
        "VM.request_rdp",
        {**ONE, "enabled": True},
        {**NOT_UP, RUNNING: values(agent={**AGENT, "data/ts": "1"})},
    ),
    Op("VM.run_script", {**ONE, "script": "true"}, {**NOT_UP, RUNNING: same}),
    # ---- the VM as a whole ----
    Op(
        "VM.remove",
        ONE,
        {
            **each(DOWN, gone),
            RUNNING: bad("running", "halted"),
            **each((PAUSED, CRASHED), bad("paused", "halted")),
        },
    ),
    Op(
        "VM.remove",
        ONE,
        {KEPT: gone},
        is_undone=False,
        also=(suspended,),
        note="of one that is kept",
    ),
    Op("VM.import_metadata", {"metadata": "METADATA"}, each(STATES, values(name="other"))),
    # ---- drives ----
    *device_rows("VBD", "xvda", "xvdb", "vbd", force=True),
    Op(
        "VBD.insert",
        {"vbd": f"{VM}/xvdd", **MEDIUM},
        {**each(UP, device("vbd.xvdd", medium="MEDIUM")), **NOT_UP},
    ),
    Op(
        "VBD.insert",
        {"vbd": f"{VM}/xvdc", **MEDIUM},
        {**each(UP, Refused("Media_present")), **NOT_UP},
        note="where one is",
    ),
    Op(
        "VBD.eject",
        {"vbd": f"{VM}/xvdc"},
        {**each(UP, device("vbd.xvdc", medium=None)), **NOT_UP},
        is_undone=False,
    ),
    Op(
        "VBD.eject",
        {"vbd": f"{VM}/xvdd"},
        {**each(UP, Refused("Media_not_present")), **NOT_UP},
        note="of an empty one",
    ),
    Op("VBD.set_qos", {"vbd": f"{VM}/xvda", **QOS}, each(STATES, device("vbd.xvda", **QOS))),
    # ---- network interfaces ----
    *device_rows("VIF", "0", "1", "vif", force=True),
    *vif_row("VIF.move", {"backend": {"bridge": "xapi1"}}),
    *vif_row("VIF.set_carrier", {"carrier": False}),
    *vif_row("VIF.set_locking_mode", {"locking_mode": "disabled"}),
    # networkd has none of guests yet.
    *vif_row("VIF.set_trunks", {"trunks": [3, 4]}, ends_in=NO_VLANS),
    *vif_row(
        "VIF.set_ipv4_configuration",
        {"configuration": {"addresses": ["192.0.2.5/24"], "gateway": "192.0.2.1"}},
        ipv4_configuration={"addresses": ["192.0.2.5/24"], "gateway": "192.0.2.1"},
    ),
    *vif_row(
        "VIF.set_ipv6_configuration",
        {"configuration": {"addresses": ["2001:db8::5/64"]}},
        ipv6_configuration={"addresses": ["2001:db8::5/64"]},
    ),
    *vif_row("VIF.set_pvs_proxy", {"proxy": PROXY}, pvs_proxy=PROXY),
    # ---- PCI and USB ----
    *device_rows("PCI", "0000:03:00.0", "0000:04:00.0", "pci"),
    *device_rows("VUSB", "1-1", "1-2", "vusb"),
]

# Task calls of xenops.idl that have no row, and why.
EXCEPTIONS = {
    "VM.migrate": "it needs a second xenopsd: test_migrate.py",
    "VM.receive": "it needs a second xenopsd: test_migrate.py",
}
