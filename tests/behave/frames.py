# SPDX-License-Identifier: LGPL-2.1-or-later
"""Frames as guests send them, honest and not; and, run as a program in a network namespace, which
of them cross a bridge: frames.py FROM TO END, with lines of hex on its standard input, prints the
marks of those that came."""

import ipaddress
import os
import re
import socket
import struct
import sys

ETH_P_ALL = 3
TRIES, WAIT = 60, 1  # to see the end's frame; only to catch what hangs
BROADCAST = "ff:ff:ff:ff:ff:ff"


def mac_bytes(mac):
    return bytes.fromhex(mac.replace(":", ""))


def ether(source, kind, body, mark):
    """A broadcast with a mark behind it."""
    return mac_bytes(BROADCAST) + mac_bytes(source) + struct.pack("!H", kind) + body + marked(mark)


def marked(mark):
    return f"<{mark}>".encode().rjust(60, b".")


def sum16(data):
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def ipv4(source, dest, mark, protocol=17, ports=(1000, 2000), size=0):
    data = marked(mark) + b"." * size
    udp = struct.pack("!HHHH", *ports, 8 + len(data), 0) + data
    head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(udp), 1, 0, 64, protocol, 0)
    head += socket.inet_aton(source) + socket.inet_aton(dest)
    return head[:10] + struct.pack("!H", sum16(head)) + head[12:] + udp


def arp(mac, source, target):
    addresses = mac_bytes(mac) + socket.inet_aton(source) + bytes(6) + socket.inet_aton(target)
    return struct.pack("!HHBBH", 1, 0x800, 6, 4, 1) + addresses


def ipv6(source, dest, kind, body):
    """ICMPv6, whose checksum nobody looks at who only forwards."""
    source, dest = (ipaddress.IPv6Address(a).packed for a in (source, dest))
    icmp = struct.pack("!BBHI", kind, 0, 0, 0) + body
    pseudo = source + dest + struct.pack("!II", len(icmp), 58)
    icmp = icmp[:2] + struct.pack("!H", sum16(pseudo + icmp)) + icmp[4:]
    return struct.pack("!IHBB", 6 << 28, len(icmp), 58, 255) + source + dest + icmp


def neighbour(source, dest, kind, target, mark):
    return ipv6(source, dest, kind, ipaddress.IPv6Address(target).packed + marked(mark))


def raw(interface):
    s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
    s.bind((interface, 0))
    return s


def came(sink):
    return [m.decode() for m in re.findall(rb"<([^<>]+)>", sink.recv(65535))]


def cross(source, sink, end, frames):
    """All on one processor, so that what is sent first comes first; END's frame is the last."""
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    last, seen = ether("02:00:00:00:0b:02", 0x88B5, b"", "end"), []
    sink.settimeout(WAIT)
    for _ in range(TRIES):  # until the ports forward
        end.send(last)
        try:
            while "end" not in came(sink):
                pass
            break
        except TimeoutError:
            pass
    for frame in frames:
        source.send(frame)
    end.send(last)
    sink.settimeout(TRIES * WAIT)
    while "end" not in seen:
        seen += came(sink)
    return seen[: seen.index("end")]


def main():
    source, sink, end = (raw(name) for name in sys.argv[1:])
    sink.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
    print(*cross(source, sink, end, [bytes.fromhex(line) for line in sys.stdin]), sep="\n")


if __name__ == "__main__":
    main()
