# SPDX-License-Identifier: LGPL-2.1-or-later
"""The host's memory on the simulator: never overbooked, shared out by ratio, balloons that move
slowly, or not at all."""

import random
import signal
import time
import unittest

import xenops
from xenops import HANG, MIB

SLOW = 256 * MIB  # bytes that a balloon moves in a second, where it is to be seen moving


class Memory(xenops.Case):
    def host(self, mib):
        self.simulator.call("Machine.set", memory_bytes=mib * MIB)

    def add_range(self, vm, least, most, **more):
        self.add(
            vm,
            memory_dynamic_min_bytes=least * MIB,
            memory_dynamic_max_bytes=most * MIB,
            memory_static_max_bytes=most * MIB,
            **more,
        )

    def run_range(self, vm, least, most, **more):
        self.add_range(vm, least, most, **more)
        self.do("VM.start", vm=vm)
        self.do("VM.unpause", vm=vm)

    def has(self, vm):
        """MiB that it has."""
        return self.domain(vm)["memory_bytes"] / MIB

    def target(self, vm):
        return self.domain(vm)["memory_target_bytes"] / MIB

    def guest(self, vm, **how):
        self.simulator.call("Guest.set", vm=vm, **how)

    def wait_for(self, what, look):
        """Not every step of a balloon is told of."""
        end = time.monotonic() + HANG
        while not look():
            xenops.not_after(self, end, what, self)
            time.sleep(0.005)

    def wait_for_memory(self, vm, mib):
        self.wait_for(f"{vm} to have {mib} MiB", lambda: abs(self.has(vm) - mib) < 1)

    def balancer(self):
        return self.call("debug.diagnostics")["memory"]

    def settle(self):
        self.wait_for("the balancer", lambda: not self.balancer()["balancing"])

    def check_ratios(self, vms):
        """All have the same part of their range, but for a MiB."""
        parts = []
        for vm, (least, most) in vms.items():
            has = self.has(vm)
            slack = 1.1 / (most - least)
            parts.append(((has - least) / (most - least) - slack, slack * 2))
        self.assertLessEqual(max(p for p, _ in parts), min(p + s for p, s in parts), parts)


class Balance(Memory):
    def test_a_start_squeezes_and_a_stop_gives_back(self):
        self.host(1000)
        self.run_range("a", 200, 600)
        self.run_range("b", 100, 300)
        self.assertEqual((self.has("a"), self.has("b")), (600, 300))
        self.run_range("c", 100, 500)
        # 600 above the least of 400, of 1000.
        self.settle()
        self.check_ratios({"a": (200, 600), "b": (100, 300), "c": (100, 500)})
        self.assertAlmostEqual(self.has("a"), 440, delta=1)
        state = self.state("a")
        self.assertEqual(state["memory_actual_bytes"], self.domain("a")["memory_bytes"])
        self.assertEqual(state["memory_target_bytes"], self.domain("a")["memory_target_bytes"])
        self.assertFalse(state["uncooperative"])
        memory = self.call("HOST.memory")
        self.assertLess(memory["free_bytes"], MIB)
        self.assertEqual(memory["reserved_bytes"], 0)
        self.do("VM.shutdown", vm="c")
        self.wait_for_memory("a", 600)
        self.wait_for_memory("b", 300)
        self.settle()
        self.assertFalse(self.balancer()["short"])

    def test_paused_vms_get_their_part_when_they_go_on(self):
        self.host(600)
        self.run_range("a", 100, 500)
        self.add_range("b", 100, 500)
        self.do("VM.start", vm="b")
        self.assertAlmostEqual(self.has("b"), 300, delta=1)
        self.do("VM.shutdown", vm="a")
        self.settle()
        self.assertAlmostEqual(self.has("b"), 300, delta=1)  # its guest stands still
        self.do("VM.unpause", vm="b")
        self.wait_for_memory("b", 500)

    def test_slow_balloons_are_waited_for(self):
        self.host(600)
        self.run_range("a", 100, 600)
        self.guest("a", balloon_bytes_per_s=SLOW)
        self.run_range("b", 200, 300)
        self.check_ratios({"a": (100, 600), "b": (200, 300)})
        memory = self.simulator.call("Machine.memory")
        self.assertGreaterEqual(memory["free_bytes"], 0)

    def test_the_others_give_back_what_a_cancelled_start_took(self):
        self.host(600)
        self.run_range("a", 100, 600)
        self.guest("a", balloon_bytes_per_s=MIB)
        self.add_range("b", 400, 400)
        task = self.start_task("VM.start", vm="b")
        self.wait_for("the wish", lambda: self.balancer()["waiting"] == ["b"])
        self.wait_for("a to be told", lambda: self.target("a") == 200)
        self.call("TASK.cancel", task=task)
        record = self.xenopsd.client.wait_for_task(task)
        self.assertEqual(record["state"], "cancelled", record)
        self.check_halted("b")
        self.wait_for("a to be told", lambda: self.target("a") == 600)

    def test_ranges_change_while_vms_run(self):
        self.host(600)
        self.run_range("a", 100, 300)
        self.run_range("b", 100, 300)
        self.do("VM.set_memory_dynamic_range", vm="a", min_bytes=100 * MIB, max_bytes=150 * MIB)
        self.assertEqual(self.target("a"), 150)
        self.fails(
            "INVALID_VALUE",
            "VM.set_memory_dynamic_range",
            vm="b",
            min_bytes=100 * MIB,
            max_bytes=301 * MIB,
        )
        self.host(400)
        self.do("VM.set_memory_dynamic_range", vm="a", min_bytes=200 * MIB, max_bytes=300 * MIB)
        self.wait_for_memory("a", 233.3)  # 100 above the least of 300, of 300
        self.wait_for_memory("b", 166.6)
        config = self.call("VM.stat", vm="a")["vm"]
        self.assertEqual(config["memory_dynamic_min_bytes"], 200 * MIB)

    def test_many_starts_at_once(self):
        """Whoever can be started with the others at their least is, and nobody is overbooked."""
        vms = [f"vm-{i}" for i in range(12)]
        self.host(12 * 80)
        self.simulator.call("Machine.set", operation_ms=2)
        for vm in vms:
            self.add_range(vm, 64, 128)
        for half in (vms[:6], vms[6:]):
            tasks = [self.start_task("VM.start", vm=vm) for vm in half]
            for task in tasks:
                record = self.xenopsd.client.wait_for_task(task)
                self.assertEqual(record["state"], "done", record)
            for vm in half:
                self.do("VM.unpause", vm=vm)
        self.settle()
        self.check_ratios({vm: (64, 128) for vm in vms})
        self.assertAlmostEqual(self.has("vm-0"), 80, delta=1)
        self.add_range("one-more", 200, 200)
        needed, free = self.fails("Cannot_free_this_much_memory", "VM.start", vm="one-more")
        self.assertEqual((needed, free), (str(200 * 1024), str(12 * 16 * 1024)))
        self.check_halted("one-more")

    def test_a_killed_xenopsd_goes_on_with_what_is_there(self):
        self.host(600)
        self.run_range("a", 100, 600)
        self.run_range("b", 100, 300)
        self.settle()
        self.xenopsd.restart()
        self.add_range("c", 100, 100)
        self.do("VM.start", vm="c")
        self.settle()
        self.check_ratios({"a": (100, 600), "b": (100, 300)})
        self.do("VM.shutdown", vm="b")
        self.do("VM.shutdown", vm="c")
        self.wait_for_memory("a", 600)

    def test_resume_takes_what_was_saved(self):
        self.host(1000)
        image = {"local": str(self.dir / "image")}
        self.run_range("a", 100, 600)
        self.run_range("b", 100, 600)
        self.settle()
        self.assertAlmostEqual(self.has("a"), 500, delta=1)
        self.do("VM.suspend", vm="a", image=image)
        self.wait_for_memory("b", 600)
        self.do("VM.resume", vm="a", image=image)
        self.assertAlmostEqual(self.has("a"), 500, delta=1)
        self.assertAlmostEqual(self.has("b"), 500, delta=1)
        self.do("VM.unpause", vm="a")
        self.do("VM.shutdown", vm="b")
        self.wait_for_memory("a", 600)

    def test_shadow_memory(self):
        self.host(1024)
        self.run_range("a", 256, 1024)
        self.assertEqual(self.state("a")["shadow_multiplier"], 1)
        self.do("VM.set_shadow_multiplier", vm="a", multiplier=9)  # 8 times 8 MiB
        self.assertEqual(self.state("a")["shadow_multiplier"], 9)
        self.assertEqual(self.has("a"), 1024 - 64)
        self.fails(
            "Cannot_free_this_much_memory", "VM.set_shadow_multiplier", vm="a", multiplier=500
        )
        self.assertEqual(self.call("VM.stat", vm="a")["vm"]["guest"]["hvm"]["shadow_multiplier"], 9)
        self.fails("INVALID_VALUE", "VM.set_shadow_multiplier", vm="a", multiplier=0.5)
        self.do("VM.set_shadow_multiplier", vm="a", multiplier=1)
        self.wait_for_memory("a", 1024)
        self.assertEqual(self.simulator.call("Machine.memory")["free_bytes"], 0)
        # It stays so at the next start.
        self.do("VM.set_shadow_multiplier", vm="a", multiplier=5)
        self.do("VM.shutdown", vm="a")
        self.assertEqual(self.simulator.call("Machine.memory")["free_bytes"], 1024 * MIB)
        self.do("VM.start", vm="a")
        self.assertEqual(self.state("a")["shadow_multiplier"], 5)
        self.assertEqual(self.has("a"), 1024 - 32)


class Migrating(Memory):
    def test_a_vm_that_leaves_is_small(self):
        self.host(1000)
        self.run_range("a", 100, 600)
        self.plan("migrate-connect", 1, "hang")
        task = self.start_task("VM.migrate", vm="a", url=f"unix:{self.dir}/nowhere")
        self.wait_for("the hang", lambda: self.simulator.call("Fault.list")[0]["hanging"])
        self.assertEqual(self.has("a"), 100)
        self.simulator.call("Fault.clear")
        self.assertEqual(self.xenopsd.client.wait_for_task(task)["state"], "failed")
        self.wait_for_memory("a", 600)
        # Killed while it is small, it grows again.
        self.plan("migrate-connect", 1, "hang")
        self.start_task("VM.migrate", vm="a", url=f"unix:{self.dir}/nowhere")
        self.wait_for("the hang", lambda: self.simulator.call("Fault.list")[0]["hanging"])
        self.xenopsd.stop(signal.SIGKILL)
        self.simulator.call("Fault.clear")
        self.assertEqual(self.has("a"), 100)
        self.xenopsd.start()
        self.wait_for_memory("a", 600)


class Uncooperative(Memory):
    def flags(self):
        return [vm for vm in ("a", "b", "c", "d") if self.state(vm)["uncooperative"]]

    def test_found_reported_left_out_and_taken_back(self):
        self.host(900)
        for vm in ("a", "b", "c"):
            self.run_range(vm, 100, 300)
        self.guest("a", balloons=False)
        self.run_range("d", 300, 300)  # the others give what it does not
        self.assertEqual(self.has("a"), 300)
        self.assertAlmostEqual(self.has("b"), 150, delta=1)
        self.assertAlmostEqual(self.has("c"), 150, delta=1)
        self.assertEqual(self.flags(), ["a"])
        self.assertEqual(self.balancer()["uncooperative"], ["a"])
        self.add_range("e", 200, 200)
        self.assertEqual(self.fails("Vms_failed_to_cooperate", "VM.start", vm="e"), ["a"])
        self.check_halted("e")
        # Its driver comes to its senses.
        self.guest("a", balloons=True)
        self.wait_for("a to be trusted", lambda: not self.flags())
        self.do("VM.start", vm="e")
        for vm in ("a", "b", "c"):
            self.assertAlmostEqual(self.has(vm), 400 / 3, delta=1)


class ByChance(Memory):
    def test_never_more_than_there_is(self):
        """Starts, ends, pauses and new ranges by chance: the host is never overbooked, and at rest
        all that can have the same part."""
        chance = random.Random(7)
        self.host(1500)
        ranges, up = {}, set()
        for i in range(8):
            least = chance.randrange(50, 200)
            ranges[f"vm-{i}"] = (least, least + chance.randrange(50, 300))
            self.add_range(f"vm-{i}", *ranges[f"vm-{i}"])
        for _ in range(60):
            vm = chance.choice(list(ranges))
            if vm not in up:
                record = self.run_task("VM.start", vm=vm)
                if record["state"] == "done":
                    self.do("VM.unpause", vm=vm)
                    self.guest(vm, balloon_bytes_per_s=chance.choice((0, 4096 * MIB)))
                    up.add(vm)
                else:
                    self.assertEqual(
                        record["error"]["code"], "Cannot_free_this_much_memory", record
                    )
            elif chance.random() < 0.5:
                self.do("VM.shutdown", vm=vm)
                up.remove(vm)
            else:
                least = chance.randrange(50, 200)
                config = self.call("VM.stat", vm=vm)["vm"]
                most = chance.randrange(least + 20, 400)
                most = min(most, config["memory_static_max_bytes"] // MIB)
                ranges[vm] = (min(least, most - 10), most)
                self.do(
                    "VM.set_memory_dynamic_range",
                    vm=vm,
                    min_bytes=ranges[vm][0] * MIB,
                    max_bytes=most * MIB,
                )
            self.assertGreaterEqual(self.simulator.call("Machine.memory")["free_bytes"], 0)
        self.settle()
        if sum(ranges[vm][0] for vm in up) <= 1500:
            self.check_ratios({vm: ranges[vm] for vm in up})


if __name__ == "__main__":
    unittest.main()
