# SPDX-License-Identifier: LGPL-2.1-or-later
"""What gdb knows of fibers, in a live process and in a core file:

    (gdb) source common/fiber-gdb.py
    (gdb) fibers             every fiber: its state, name, what it waits for
    (gdb) fibers bt          the same with the backtrace of each parked one
    (gdb) fibers bt task     only those whose name contains "task"

A parked fiber's registers lie on its stack (common/fiber_switch.c). An unwinder pretends that the
newest frame of the selected thread was called from there, so gdb's own backtrace does the rest, and
nothing of the process is touched.
"""

import gdb
import gdb.unwinder

# Registers in the order in which fiber_switch_asm leaves them at the saved stack pointer, and the
# size of it all.
LAYOUTS = {
    "i386:x86-64": (["r15", "r14", "r13", "r12", "rbx", "rbp", "rip"], "rsp", 56),
    "aarch64": (["x%d" % n for n in range(19, 30)] + ["pc"], "sp", 160),
}


class FrameId:
    def __init__(self, sp, pc):
        self.sp = sp
        self.pc = pc


class Unwinder(gdb.unwinder.Unwinder):
    """While a fiber is shown, the way from the thread's newest frame leads to that fiber."""

    def __init__(self):
        super().__init__("xenith-fibers")
        self.saved_sp = None
        self.newest_sp = None

    def __call__(self, pending):
        if self.saved_sp is None:
            return None
        names, sp_name, size = LAYOUTS[pending.architecture().name()]
        sp = pending.read_register(sp_name)
        if int(sp) != self.newest_sp:
            return None
        info = pending.create_unwind_info(FrameId(sp, pending.read_register("pc")))
        word = gdb.lookup_type("unsigned long")
        for i, name in enumerate(names):
            at = gdb.Value(self.saved_sp + 8 * i).cast(word.pointer())
            info.add_saved_register(name, at.dereference())
        info.add_saved_register(sp_name, gdb.Value(self.saved_sp + size).cast(word))
        return info

    def show(self, saved_sp):
        self.saved_sp = saved_sp
        if saved_sp is not None:
            self.newest_sp = int(gdb.newest_frame().read_register("sp"))
        gdb.invalidate_cached_frames()


UNWINDER = Unwinder()
gdb.unwinder.register_unwinder(None, UNWINDER, replace=True)


def each_fiber():
    """Every struct fiber, oldest first."""
    fiber = gdb.lookup_type("struct fiber")
    offset = next(f.bitpos // 8 for f in fiber.fields() if f.name == "all")
    head = gdb.parse_and_eval("&fiber_all")
    link = head["next"]
    while link != head:
        yield gdb.Value(int(link) - offset).cast(fiber.pointer()).dereference()
        link = link["next"]


def describe(fiber):
    state = str(fiber["state"]).replace("FIBER_", "").lower()
    text = "%-8s %s" % (state, fiber["name"].string(errors="replace"))
    if fiber["waits_for"]:
        text += ", waits for " + fiber["waits_for"].string(errors="replace")
    if fiber["tag"][0]:
        text += " [%s]" % fiber["tag"].string(errors="replace")
    return text


def backtrace(fiber):
    """The lines of gdb's backtrace of a fiber that does not run."""
    bottom = int(fiber["stack"]["bottom"])
    top = bottom + int(fiber["stack"]["size"])
    selected = gdb.selected_frame()
    selected_level = selected.level()
    lines = []
    UNWINDER.show(int(fiber["context"]["sp"]))
    try:
        frame = gdb.newest_frame()
        while frame is not None and frame.is_valid():
            if bottom <= int(frame.read_register("sp")) < top:
                frame.select()
                text = gdb.execute("frame", to_string=True).splitlines()[0]
                lines.append("#%-3d%s" % (len(lines), text.split(None, 1)[1]))
            frame = frame.older()
    except gdb.error as error:
        lines.append("(%s)" % error)
    finally:
        UNWINDER.show(None)
        gdb.execute("frame %d" % selected_level, to_string=True)
    return lines


class Fibers(gdb.Command):
    """Lists fibers: fibers [bt] [NAME], where NAME is a part of the names that are wanted."""

    def __init__(self):
        super().__init__("fibers", gdb.COMMAND_STACK)

    def invoke(self, argument, from_tty):
        words = gdb.string_to_argv(argument)
        with_backtrace = bool(words) and words[0] == "bt"
        wanted = " ".join(words[1:] if with_backtrace else words)
        for fiber in each_fiber():
            if wanted not in fiber["name"].string(errors="replace"):
                continue
            print(describe(fiber))
            if with_backtrace and str(fiber["state"]) in ("FIBER_PARKED", "FIBER_READY"):
                for line in backtrace(fiber):
                    print("  " + line)


Fibers()
