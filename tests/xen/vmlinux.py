#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Takes the kernel out of a bzImage: vmlinux.py BZIMAGE VMLINUX.

Xen unpacks it as well, but emulated that takes seconds, at each start of dom0 or of a guest. The
offsets are those of Linux's boot protocol (setup_sects, payload_offset, payload_length).
"""

import lzma
import struct
import subprocess
import sys
import zlib

UNPACK = {
    # The size follows the packed kernel: what a decompressor object leaves alone.
    b"\xfd7zXZ\0": lambda packed: lzma.LZMADecompressor().decompress(packed),
    b"\x1f\x8b": lambda packed: zlib.decompressobj(31).decompress(packed),
    b"\x28\xb5\x2f\xfd": lambda packed: subprocess.run(
        ["zstd", "-dc"], input=packed, stdout=subprocess.PIPE, check=True
    ).stdout,
}


def main(source, target):
    with open(source, "rb") as file:
        image = file.read()
    offset, length = struct.unpack_from("<II", image, 0x248)
    start = (image[0x1F1] + 1) * 512 + offset
    packed = image[start : start + length]
    for magic, unpack in UNPACK.items():
        if packed.startswith(magic):
            with open(target, "wb") as file:
                file.write(unpack(packed))
            return 0
    print(f"{source}: is packed in an unknown way", file=sys.stderr)
    return 1


sys.exit(main(*sys.argv[1:]))
