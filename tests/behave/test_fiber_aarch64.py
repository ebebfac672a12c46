# SPDX-License-Identifier: LGPL-2.1-or-later
"""common/fiber_switch.c on aarch64: built by a cross compiler and run by QEMU's user emulation."""

import os
import shutil
import subprocess
import tempfile
import unittest

TOP = os.environ.get("XENITH_TOP", os.path.dirname(os.path.dirname(os.path.dirname(__file__))))
CC = "aarch64-linux-gnu-gcc"
QEMU = "qemu-aarch64-static"

# Both sides keep integers and reals in registers that a callee must keep.
PROGRAM = r"""
#include "common/fiber_switch.h"
#include <stdio.h>

static struct fiber_context self, other;

__attribute__((__noinline__)) static double half_more(double a)
{
	return a * 1.5;
}

static void work(long start, struct fiber_context *from, struct fiber_context *to)
{
	long a = start, b = a + 1, c = b + 1, d = c + 1, e = d + 1;
	double x = 1.25, y = 2.5;

	for (int i = 0; i < 4; i++) {
		a += i, b += a, c += b, d += c, e += d;
		x = half_more(x), y += x;
		fiber_context_switch(from, to);
	}
	printf("%ld %ld %ld %ld %ld %.3f %.3f\n", a, b, c, d, e, x, y);
}

static void other_main(void)
{
	fiber_context_entered(&other, &self);
	printf("%s\n", (uintptr_t)__builtin_frame_address(0) % 16 ? "askew" : "aligned");
	work(100, &other, &self);
	fiber_context_leave(&other, &self);
}

int main(void)
{
	void *stack = malloc(65536);

	fiber_context_init_self(&self);
	fiber_context_init(&other, stack, 65536, 64, other_main);
	work(1, &self, &other);
	fiber_context_switch(&self, &other);
	free(stack);
	return 0;
}
"""


def expected(start):
    """What work() of the program prints, computed here."""
    v = [start + i for i in range(5)]
    x, y = 1.25, 2.5
    for i in range(4):
        v[0] += i
        for n in range(1, 5):
            v[n] += v[n - 1]
        x *= 1.5
        y += x
    return "%d %d %d %d %d %.3f %.3f" % (*v, x, y)


def run(*words):
    return subprocess.run(
        words,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
        check=True,
    ).stdout


@unittest.skipUnless(shutil.which(CC), CC + " is not installed")
@unittest.skipUnless(shutil.which(QEMU), QEMU + " is not installed")
class Switch(unittest.TestCase):
    def test_keeps_registers(self):
        with tempfile.TemporaryDirectory() as tmp:
            source, program = os.path.join(tmp, "main.c"), os.path.join(tmp, "main")
            with open(source, "w", encoding="utf-8") as out:
                out.write(PROGRAM)
            for level in ("-O0", "-O2"):
                run(
                    CC, "-std=gnu17", level, "-mbranch-protection=standard", "-static",
                    "-D_GNU_SOURCE", "-I" + TOP, "-o", program, source,
                    os.path.join(TOP, "common/fiber_switch.c"),
                )  # fmt: skip
                lines = run(QEMU, program).splitlines()
                self.assertEqual(lines, ["aligned", expected(1), expected(100)], level)


if __name__ == "__main__":
    unittest.main()
