# SPDX-License-Identifier: LGPL-2.1-or-later
"""For a test that is exhaustive, or as good as: it takes as many of its points as BUDGET seconds
allow, all with BUDGET=0, by dice that SEED has thrown. What it did is told, and SEED repeats it."""

import os
import random
import time


class Budget:
    """for i in Budget("kill", 1000, least=3): …; its dice are `dice`. Of several that are PARTs of
    one each takes its SHARE of the seconds."""

    def __init__(self, what, points, least=1, share=1.0, part=0):
        self.what, self.points, self.least = what, points, least
        self.seed = int(os.environ.get("SEED") or 1)
        self.dice = random.Random(f"{self.seed}/{part}")
        self.seconds = share * float(os.environ.get("BUDGET") or 3)

    def __iter__(self):
        until = time.monotonic() + self.seconds
        seen = 0
        while seen < self.points:
            if seen >= self.least and self.seconds and time.monotonic() > until:
                break
            yield seen
            seen += 1
        print(f"# {seen} of {self.points} points ({self.what}), SEED={self.seed}")
