# SPDX-License-Identifier: LGPL-2.1-or-later
"""smd by its socket: real directories and images, their contents looked at by QEMU's own tools."""

import json
import os
import random
import subprocess
import sys
import threading
import time
import unittest
import uuid

from daemon import Daemon
from jsonrpc import Failed, Gone

MARKS = ("threads",)
HANG = 60  # seconds; only to catch what hangs
MIB = 1 << 20

# Serves nothing, and ends when it was told to for the second time.
DEAF = """
import os, signal, socket, sys
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
path = next(a for a in sys.argv if a.startswith("--socket=")).partition("=")[2]
door = socket.socket(socket.AF_UNIX)
door.bind(path)
door.listen()
signal.sigwait({signal.SIGTERM})
signal.sigwait({signal.SIGTERM})
os.close(os.open("TOLD", os.O_CREAT | os.O_WRONLY))
"""


def tool(*argv):
    done = subprocess.run(
        list(map(str, argv)), capture_output=True, text=True, timeout=HANG, check=False
    )
    if done.returncode:
        raise AssertionError(f"{argv}: {done.stdout}{done.stderr}")
    return done.stdout


def write(way, pattern, offset=0, size=65536):
    """Fills a part of an image with a byte."""
    image = way["file"]
    command = f"write -P {pattern:#x} {offset} {size}"
    tool("qemu-io", "-f", image["format"], "-c", command, image["path"])


def reads(way, offset=0):
    """A byte of an image, or None where none was ever written."""
    image = way["file"]
    args = ("qemu-io", "-r", "-f", image["format"], "-c", f"read -v {offset} 512", image["path"])
    first = tool(*args).split()[1]
    return int(first, 16)


class Case(unittest.TestCase):
    def setUp(self):
        self.smd = Daemon(self, "smd").start()
        self.sr = str(uuid.uuid4())
        self.folder = self.smd.dir / "sr"
        self.config = {"location": str(self.folder)}

    def call(self, method, **params):
        return self.smd.call(method, **params)

    def do(self, method, **params):
        return self.smd.do(method, **params)

    def assert_fails(self, code, method, **params):
        is_task = method.split(".")[0] in ("SR", "DATA") or method in self.tasks
        with self.assertRaises(Failed) as caught:
            (self.do if is_task and method not in self.quick else self.call)(method, **params)
        self.assertEqual(caught.exception.code, code, caught.exception)
        return caught.exception

    tasks = ("VDI.create", "VDI.snapshot", "VDI.clone", "VDI.resize", "VDI.destroy", "VDI.revert")
    quick = ("SR.stat", "SR.set", "SR.list", "SR.reset")

    def make_sr(self):
        self.do("SR.create", sr=self.sr, type="file", device_config=self.config, name_label="a")
        self.attach_sr()

    def attach_sr(self):
        self.do("SR.attach", sr=self.sr, type="file", device_config=self.config)

    def create(self, size=MIB, **spec):
        spec = {"virtual_size_bytes": size, "image_format": "raw", **spec}
        return self.do("VDI.create", sr=self.sr, spec=spec)["vdi"]

    def stat(self, vdi):
        return self.call("VDI.stat", sr=self.sr, vdi=vdi)

    def attach(self, vdi, dp="vbd/1/xvda", read_write=True):
        params = {"dp": dp, "sr": self.sr, "vdi": vdi, "read_write": read_write}
        return self.call("VDI.attach", **params)[0]

    def use(self, step, vdi, dp="vbd/1/xvda", **more):
        return self.call(f"VDI.{step}", dp=dp, sr=self.sr, vdi=vdi, **more)

    def state(self, dp="vbd/1/xvda"):
        states = {d["dp"]: d["state"] for d in self.call("DP.list")}
        return states.get(dp, "detached")

    def vdis(self):
        return {vdi["vdi"] for vdi in self.do("SR.scan", sr=self.sr)["vdis"]}

    def images(self):
        return sorted(p.name for p in self.folder.iterdir() if p.name.startswith("node-"))


class Use(Case):
    """An SR and the life of a raw VDI in it."""

    def setUp(self):
        super().setUp()
        self.make_sr()

    def test_a_life(self):
        vdi = self.create(name_label="root", size=MIB + 1)
        stat = self.stat(vdi)
        self.assertEqual(stat["virtual_size_bytes"], MIB + 512)
        self.assertEqual((stat["name_label"], stat["image_format"]), ("root", "raw"))
        self.assertLess(stat["physical_utilisation_bytes"], MIB)
        way = self.attach(vdi)
        self.assertEqual(way["file"]["format"], "raw")
        self.assertEqual(os.stat(way["file"]["path"]).st_size, MIB + 512)
        self.assertEqual(self.state(), "attached_rw")
        self.use("activate", vdi)
        self.assertEqual(self.state(), "activated_rw")
        self.assertNotEqual(self.stat(vdi)["content_id"], stat["content_id"])
        write(way, 0x5A)
        self.assert_fails("Illegal_transition", "VDI.destroy", sr=self.sr, vdi=vdi)
        self.use("deactivate", vdi)
        self.use("detach", vdi)
        self.assertEqual(self.call("DP.list"), [])
        self.assertEqual(reads(self.attach(vdi)), 0x5A)
        self.call("DP.destroy", dp="vbd/1/xvda")
        self.do("VDI.destroy", sr=self.sr, vdi=vdi)
        self.assert_fails("Vdi_does_not_exist", "VDI.stat", sr=self.sr, vdi=vdi)
        self.assertEqual((self.vdis(), self.images()), (set(), []))
        self.do("SR.destroy", sr=self.sr)
        self.assertFalse(self.folder.exists())

    def test_each_call_may_be_repeated(self):
        vdi = self.create()
        ways = {json.dumps(self.attach(vdi)) for _ in range(2)}
        self.assertEqual(len(ways), 1)
        for step in ("activate", "deactivate", "detach"):
            for _ in range(2):
                self.use(step, vdi)
        for _ in range(2):
            self.call("DP.destroy", dp="vbd/1/xvda")
            self.attach_sr()
        for _ in range(2):
            self.do("SR.create", sr=str(uuid.UUID(int=1)), type="file",
                    device_config={"location": str(self.smd.dir / "other")})

    def test_who_may_use_it_beside_whom(self):
        vdi = self.create()
        self.assert_fails("Illegal_transition", "VDI.activate", dp="a", sr=self.sr, vdi=vdi)
        self.attach(vdi, "a")
        self.attach(vdi, "b")
        self.use("activate", vdi, "a")
        self.assert_fails("Illegal_transition", "VDI.activate", dp="b", sr=self.sr, vdi=vdi)
        self.use("activate", vdi, "b", read_only=True)
        self.assertEqual(self.state("b"), "activated_ro")
        self.use("deactivate", vdi, "a")
        self.use("activate", vdi, "b")
        self.assertEqual(self.state("b"), "activated_rw")
        self.assert_fails("Illegal_transition", "VDI.detach", dp="b", sr=self.sr, vdi=vdi)
        shared = self.create(sharable=True)
        for dp in ("c", "d"):
            self.attach(shared, dp)
            self.use("activate", shared, dp)
        fixed = self.create(read_only=True)
        self.assert_fails(
            "Illegal_transition", "VDI.attach", dp="e", sr=self.sr, vdi=fixed, read_write=True
        )
        self.attach(fixed, "e", read_write=False)

    def test_an_attach_that_is_cancelled_is_taken_back(self):
        client, vdi = self.smd.client, self.create()
        params = {"dp": "vbd/1/xvda", "sr": self.sr, "vdi": vdi, "read_write": True, "vm": "1"}
        for _ in range(50):
            attach = client.send("VDI.attach", **params)
            cancel = {"jsonrpc": "2.0", "method": "rpc.cancel", "params": {"id": attach}}
            client.socket.sendall(json.dumps(cancel).encode() + b"\n")
            destroy = client.send("DP.destroy", dp="vbd/1/xvda")
            for call in (attach, destroy):
                try:
                    client.answer(call)
                except Failed as failed:
                    self.assertEqual((call, failed.code), (attach, "CANCELLED"))
            self.assertEqual(self.call("DP.list"), [])

    def test_names_of_users(self):
        vdi, other = self.create(), self.create()
        self.attach(vdi, "a")
        self.assert_fails(
            "Already_exists", "VDI.attach", dp="a", sr=self.sr, vdi=other, read_write=True
        )
        for dp in ("", "x" * 256):
            self.assert_fails(
                "INVALID_VALUE", "VDI.attach", dp=dp, sr=self.sr, vdi=vdi, read_write=True
            )
        self.assertEqual(self.call("DP.attach_info", dp="a"), [self.attach(vdi, "a")])
        self.assert_fails("Does_not_exist", "DP.attach_info", dp="b")

    def test_sr_detach_takes_down_what_is_attached(self):
        vdi = self.create()
        self.attach(vdi)
        self.use("activate", vdi)
        self.do("SR.detach", sr=self.sr)
        self.assertEqual((self.call("DP.list"), self.call("SR.list")), ([], []))
        self.assert_fails("Sr_not_attached", "VDI.stat", sr=self.sr, vdi=vdi)
        self.attach_sr()
        self.assertEqual(self.vdis(), {vdi})

    def test_what_is_refused(self):
        for spec in ({"size": 0}, {"size": -1}, {"size": 1 << 60}):
            with self.assertRaises(Failed) as caught:
                self.create(**spec)
            self.assertEqual(caught.exception.code, "Backend_error")
        with self.assertRaises(Failed) as caught:
            self.create(image_format="vmdk")
        self.assertEqual(caught.exception.code, "INVALID_VALUE")
        other, config = str(uuid.uuid4()), self.config
        self.assert_fails("Backend_error", "SR.create", sr=other, type="file", device_config=config)
        self.assert_fails("Backend_error", "SR.attach", sr=other, type="file", device_config=config)
        self.assert_fails(
            "No_storage_plugin_for_sr", "SR.attach", sr=other, type="no", device_config={}
        )
        self.assert_fails(
            "Missing_configuration_parameter", "SR.create", sr=other, type="file", device_config={}
        )
        config = {"location": "relative"}
        self.assert_fails("INVALID_VALUE", "SR.create", sr=other, type="file", device_config=config)
        self.assert_fails("INVALID_VALUE", "SR.attach", sr="x/..", type="file", device_config={})
        self.assert_fails("Sr_attached", "SR.attach", sr=self.sr, type="file", device_config=config)
        self.assert_fails("Sr_attached", "SR.create", sr=self.sr, type="file", device_config={})

    def test_names_and_numbers(self):
        self.call("SR.set", sr=self.sr, name_label="b")
        stat = self.call("SR.stat", sr=self.sr)
        self.assertEqual((stat["name_label"], stat["health"]), ("b", "healthy"))
        self.assertGreater(stat["total_space_bytes"], stat["free_space_bytes"])
        vdi = self.create()
        self.call("VDI.set", sr=self.sr, vdi=vdi, name_description="d", tags=["x"])
        self.smd.kill_and_start()
        self.assertEqual(self.call("SR.stat", sr=self.sr)["name_label"], "b")
        stat = self.stat(vdi)
        self.assertEqual((stat["name_description"], stat["tags"]), ("d", ["x"]))

    def test_probe(self):
        probe = self.do("SR.probe", type="file", device_config=self.config)["found"][0]
        self.assertEqual(probe["sr"]["sr"], self.sr)
        config = {"location": str(self.smd.dir / "nothing")}
        probe = self.do("SR.probe", type="file", device_config=config)["found"][0]
        self.assertNotIn("sr", probe)
        self.assertTrue(probe["complete"])


class Nbd(Case):
    """The bytes of a VDI over NBD, whatever its image is."""

    def setUp(self):
        super().setUp()
        self.make_sr()

    def serve(self, vdi, dp="vbd/1/xvda"):
        return self.call("DATA.get_nbd_server", dp=dp, sr=self.sr, vdi=vdi)

    def io(self, path, command, *options):
        uri = f"nbd+unix:///?socket={path}"
        return tool("qemu-io", *options, "-f", "raw", "-c", command, uri)

    def test_what_is_written_is_in_the_image(self):
        for image_format in ("raw", "qcow2"):
            vdi = self.create(image_format=image_format)
            way = self.attach(vdi)
            self.use("activate", vdi)
            path = self.serve(vdi)
            self.assertEqual(self.serve(vdi), path)
            self.io(path, "write -P 0x5a 4096 65536")
            self.use("deactivate", vdi)
            self.assertFalse(os.path.exists(path))
            self.assertEqual(reads(way, 4096), 0x5A)
            self.use("detach", vdi)

    def test_a_reader_does_not_write(self):
        vdi = self.create(image_format="qcow2")
        self.attach(vdi, read_write=False)
        self.use("activate", vdi)
        with self.assertRaises(AssertionError):
            self.io(self.serve(vdi), "write 0 512")
        self.assertIn("512", self.io(self.serve(vdi), "read 0 512", "-r"))
        self.call("DP.destroy", dp="vbd/1/xvda")

    def test_only_of_who_is_activated(self):
        vdi, other = self.create(), self.create()
        serve = {"sr": self.sr, "dp": "vbd/1/xvda"}
        code = "Illegal_transition"
        self.assert_called(code, "DATA.get_nbd_server", vdi=vdi, **serve)
        self.attach(vdi)
        self.assert_called(code, "DATA.get_nbd_server", vdi=vdi, **serve)
        self.use("activate", vdi)
        self.assert_called(code, "DATA.get_nbd_server", vdi=other, **serve)

    def assert_called(self, code, method, **params):
        with self.assertRaises(Failed) as caught:
            self.call(method, **params)
        self.assertEqual(caught.exception.code, code, caught.exception)

    def test_one_that_misses_the_word_is_told_again(self):
        """As qemu-nbd does when SIGTERM comes between its first connection and its loop."""
        told = self.smd.dir / "told twice"
        program = self.smd.dir / "deaf-nbd"
        program.write_text(f"#!{sys.executable} -IS\n{DEAF.replace('TOLD', str(told))}")
        program.chmod(0o755)
        conf = self.smd.dir / "etc" / "smd.conf.d" / "60-deaf.conf"
        conf.write_text(f"qemu-nbd = {program}\n")
        self.smd.end()
        self.smd.start()
        vdi = self.create()
        self.attach(vdi)
        self.use("activate", vdi)
        self.serve(vdi)
        self.use("deactivate", vdi)
        self.assertTrue(told.exists())

    def test_it_is_there_again_after_a_kill(self):
        vdi = self.create(image_format="qcow2")
        way = self.attach(vdi)
        self.use("activate", vdi)
        self.serve(vdi)
        self.smd.kill_and_start()
        self.io(self.serve(vdi), "write -P 0x77 0 512")
        self.call("DP.destroy", dp="vbd/1/xvda")
        self.assertEqual(reads(way), 0x77)


class Chains(Case):
    """Snapshots, clones and what follows from them; contents are written and read by qemu-io."""

    def setUp(self):
        super().setUp()
        self.make_sr()

    def put(self, vdi, byte, offset=0):
        """What a VM would do: its disk has this byte there afterwards."""
        way = self.attach(vdi)
        self.use("activate", vdi)
        write(way, byte, offset)
        self.use("deactivate", vdi)
        self.use("detach", vdi)

    def get(self, vdi, offset=0):
        way = self.attach(vdi, "look", read_write=False)
        byte = reads(way, offset)
        self.call("DP.destroy", dp="look")
        return byte

    def snapshot(self, vdi, **names):
        return self.do("VDI.snapshot", sr=self.sr, vdi=vdi, **names)["vdi"]

    def clone(self, vdi, **names):
        return self.do("VDI.clone", sr=self.sr, vdi=vdi, **names)["vdi"]

    def destroy(self, vdi):
        self.do("VDI.destroy", sr=self.sr, vdi=vdi)

    def test_contents_go_their_own_ways(self):
        for image_format in ("raw", "qcow2"):
            vdi = self.create(image_format=image_format, name_label="root")
            self.put(vdi, 1)
            first = self.snapshot(vdi, name_label="one")
            record = self.stat(first)
            self.assertEqual(
                (record["name_label"], record["is_a_snapshot"], record["snapshot_of"]),
                ("one", True, vdi),
            )
            self.assertEqual(record["content_id"], self.stat(vdi)["content_id"])
            self.put(vdi, 2)
            second = self.snapshot(vdi)
            clone = self.clone(first)
            self.assertFalse(self.stat(clone)["is_a_snapshot"])
            self.put(clone, 3)
            self.put(vdi, 4)
            self.put(first, 5, 65536)  # a snapshot that is written keeps that to itself
            expected = {vdi: 4, first: 1, second: 2, clone: 3}
            self.assertEqual({v: self.get(v) for v in expected}, expected)
            self.assertEqual([self.get(v, 65536) for v in (first, clone)], [5, 0])
            self.smd.kill_and_start()
            self.assertEqual({v: self.get(v) for v in expected}, expected)
            self.destroy(first)
            del expected[first]
            self.assertEqual({v: self.get(v) for v in expected}, expected)
            self.destroy(vdi)
            del expected[vdi]
            self.assertEqual({v: self.get(v) for v in expected}, expected)
            for vdi in expected:
                self.destroy(vdi)
            self.assertEqual(self.images(), [])

    def test_a_snapshot_costs_no_image(self):
        vdi = self.create()
        self.put(vdi, 1)
        for _ in range(8):
            self.destroy(self.snapshot(vdi))
            self.put(vdi, 1)
        self.assertEqual(len(self.images()), 1)
        self.assertEqual(self.stat(vdi)["image_format"], "raw")

    def test_a_chain_ends(self):
        vdi = self.create(size=65536)
        with self.assertRaises(Failed) as caught:
            for byte in range(1, 40):
                self.put(vdi, byte)
                self.snapshot(vdi)
        self.assertEqual(caught.exception.code, "Backend_error")
        self.assertEqual(caught.exception.params[0], "SR_BACKEND_FAILURE_109")
        self.assertEqual((len(self.images()), self.get(vdi)), (30, 30))
        self.assertEqual(self.call("DP.list"), [])

    def test_not_while_it_is_written(self):
        vdi = self.create()
        self.attach(vdi)
        for method in ("VDI.snapshot", "VDI.clone"):
            self.assert_fails("Illegal_transition", method, sr=self.sr, vdi=vdi)
        params = {"sr": self.sr, "vdi": vdi, "virtual_size_bytes": 2 * MIB}
        self.assert_fails("Illegal_transition", "VDI.resize", **params)
        self.use("detach", vdi)
        self.attach(vdi, read_write=False)
        self.snapshot(vdi)

    def freeze(self, vdi, path, dp="vbd/1/xvda"):
        return self.call("VDI.freeze", dp=dp, sr=self.sr, vdi=vdi, path=path)

    def test_while_it_is_written(self):
        """The writer goes over to a new image, and what it had is a snapshot's and a clone's."""
        for image_format in ("raw", "qcow2"):
            vdi = self.create(image_format=image_format)
            self.put(vdi, 1)
            first = self.snapshot(vdi)
            way = self.attach(vdi)
            self.use("activate", vdi)
            write(way, 2)
            frozen = self.freeze(vdi, way["file"]["path"])
            after = frozen["ways"][0]
            self.assertNotEqual(after, way)
            self.assertEqual(self.call("DP.attach_info", dp="vbd/1/xvda"), [after])
            write(after, 3)
            kept = {"vdi": vdi, "frozen": frozen["frozen"]}
            second = self.snapshot(**kept, name_label="two")
            clone = self.clone(**kept)
            contents = {self.stat(v)["content_id"] for v in (vdi, first, second, clone)}
            self.assertEqual(len(contents), 4)
            record = self.stat(second)
            self.assertEqual((record["snapshot_of"], record["name_label"]), (vdi, "two"))
            self.smd.kill_and_start()
            self.assertEqual(self.attach(vdi), after)
            expected = {first: 1, second: 2, clone: 2}
            self.assertEqual({v: self.get(v) for v in expected}, expected)
            third = self.freeze(vdi, after["file"]["path"])
            write(third["ways"][0], 5)
            self.call("DP.destroy", dp="vbd/1/xvda")
            self.put(clone, 4)
            expected.update({vdi: 5, clone: 4})
            self.assertEqual({v: self.get(v) for v in expected}, expected)
            for v in expected:
                self.destroy(v)
            self.assertEqual(self.images(), [])

    def test_a_writer_that_does_not_go_over(self):
        """Its writes are the VDI's, and the image that waits for it is used the next time."""
        vdi = self.create(image_format="qcow2")
        way = self.attach(vdi)
        self.use("activate", vdi)
        frozen = self.freeze(vdi, way["file"]["path"])
        self.assertEqual(self.freeze(vdi, way["file"]["path"]), frozen)
        self.smd.kill_and_start()
        self.assertEqual(self.freeze(vdi, way["file"]["path"]), frozen)
        write(way, 6)
        self.call("DP.destroy", dp="vbd/1/xvda")
        self.assertEqual((self.get(vdi), len(self.images())), (6, 2))
        self.put(vdi, 7)
        self.assertEqual(self.get(vdi), 7)

    def test_what_cannot_be_frozen(self):
        vdi, other = self.create(), self.create()
        way = self.attach(vdi)
        path, dp = way["file"]["path"], "vbd/1/xvda"

        def refused(code, **more):
            params = {"dp": dp, "sr": self.sr, "vdi": vdi, "path": path, **more}
            with self.assertRaises(Failed) as caught:
                self.call("VDI.freeze", **params)
            self.assertEqual(caught.exception.code, code, caught.exception)

        refused("Illegal_transition", dp="nobody")
        refused("Illegal_transition", vdi=other)
        refused("INVALID_VALUE", path=self.attach(other, "b")["file"]["path"])
        refused("Illegal_transition", vdi="no")
        self.attach(vdi, "look", read_write=False)
        refused("Illegal_transition")
        self.call("DP.destroy", dp="look")
        self.use("activate", vdi)
        self.call("DATA.get_nbd_server", dp=dp, sr=self.sr, vdi=vdi)
        refused("Illegal_transition")
        self.use("deactivate", vdi)
        self.use("detach", vdi)
        self.attach(vdi, read_write=False)
        refused("Illegal_transition")
        mine = os.path.basename(path)
        for frozen in ("no", mine, self.images()[self.images()[0] == mine]):
            for method in ("VDI.snapshot", "VDI.clone"):
                self.assert_fails("INVALID_VALUE", method, sr=self.sr, vdi=vdi, frozen=frozen)
        self.assertEqual(self.vdis(), {vdi, other})
        self.assertEqual(len(self.images()), 2)

    def test_growing(self):
        for image_format in ("raw", "qcow2"):
            vdi = self.create(image_format=image_format)
            self.put(vdi, 7)
            kept = self.snapshot(vdi)
            params = {"sr": self.sr, "vdi": vdi}
            self.assertEqual(
                self.do("VDI.resize", virtual_size_bytes=2 * MIB - 1, **params), 2 * MIB
            )
            self.smd.kill_and_start()
            sizes = [self.stat(v)["virtual_size_bytes"] for v in (vdi, kept)]
            self.assertEqual(sizes, [2 * MIB, MIB])
            self.put(vdi, 8, 2 * MIB - 65536)
            self.assertEqual([self.get(vdi), self.get(vdi, 2 * MIB - 65536)], [7, 8])
            self.assert_fails("Backend_error", "VDI.resize", virtual_size_bytes=MIB, **params)

    def test_back_to_a_snapshot(self):
        vdi = self.create()
        self.put(vdi, 1)
        kept = self.snapshot(vdi)
        for byte in (2, 3):
            self.put(vdi, byte)
            self.do("VDI.revert", sr=self.sr, snapshot=kept)
            self.assertEqual([self.get(v) for v in (vdi, kept)], [1, 1])
        self.assert_fails("INVALID_VALUE", "VDI.revert", sr=self.sr, snapshot=vdi)

    def test_contents_that_go_back_at_each_boot(self):
        vdi = self.create(persistent=False)
        self.put(vdi, 1)
        epoch = {"sr": self.sr, "vdi": vdi, "vm": "x"}
        for _ in range(2):
            self.call("VDI.epoch_begin", persistent=False, **epoch)
            self.assertEqual(self.get(vdi), 1)
            self.put(vdi, 2)
            self.assertEqual(self.get(vdi), 2)
        self.smd.kill_and_start()
        self.assertEqual(self.get(vdi), 2)
        for _ in range(2):
            self.call("VDI.epoch_end", **epoch)
            self.assertEqual((self.get(vdi), len(self.images())), (1, 1))
        self.call("VDI.epoch_begin", persistent=True, **epoch)
        self.put(vdi, 3)
        self.call("VDI.epoch_end", **epoch)
        self.assertEqual(self.get(vdi), 3)

    def test_copying(self):
        vdi = self.create(name_label="root")
        self.put(vdi, 1)
        self.snapshot(vdi)
        self.put(vdi, 2, 65536)
        other = str(uuid.uuid4())
        config = {"location": str(self.smd.dir / "other")}
        self.do("SR.create", sr=other, type="file", device_config=config)
        self.do("SR.attach", sr=other, type="file", device_config=config)
        for sr in (other, self.sr):
            copy = self.do("DATA.copy", sr=self.sr, vdi=vdi, dest_sr=sr)
            self.assertEqual((copy["name_label"], copy["image_format"]), ("root", "qcow2"))
            way = self.call("VDI.attach", dp="look", sr=sr, vdi=copy["vdi"], read_write=False)[0]
            self.assertEqual([reads(way), reads(way, 65536)], [1, 2])
            info = json.loads(tool("qemu-img", "info", "--output=json", way["file"]["path"]))
            self.assertNotIn("backing-filename", info)
            self.call("DP.destroy", dp="look")
        self.assertEqual(self.call("DP.list"), [])
        self.attach(vdi)
        self.assert_fails("Illegal_transition", "DATA.copy", sr=self.sr, vdi=vdi, dest_sr=other)


class Hostile(Case):
    """Images that somebody put into the directory."""

    def setUp(self):
        super().setUp()
        self.make_sr()

    def put(self, name, *options, size="1M"):
        path = self.folder / name
        tool("qemu-img", "create", "-q", "-f", "qcow2", "-u", *options, path, size)
        return path

    def labels(self):
        vdis = self.do("SR.scan", sr=self.sr)["vdis"]
        return {vdi["name_label"]: vdi["vdi"] for vdi in vdis}

    def test_an_image_becomes_a_vdi(self):
        self.put("debian.qcow2")
        (self.folder / "disk.raw").write_bytes(b"\x11" * 1536)
        (self.folder / "notes.txt").write_text("no image")
        labels = self.labels()
        self.assertEqual(set(labels), {"debian.qcow2", "disk.raw"})
        self.assertEqual(self.labels(), labels)
        way = self.attach(labels["disk.raw"])
        self.assertEqual((way["file"]["format"], reads(way)), ("raw", 0x11))
        self.use("detach", labels["disk.raw"])
        self.smd.kill_and_start()
        self.assertEqual(self.labels(), labels)
        for vdi in labels.values():
            self.do("VDI.destroy", sr=self.sr, vdi=vdi)
        self.assertEqual((self.labels(), (self.folder / "disk.raw").exists()), ({}, False))

    def test_a_chain_of_ones_own(self):
        self.put("base.qcow2")
        self.put("leaf.qcow2", "-b", "base.qcow2", "-F", "qcow2")
        self.assertEqual(set(self.labels()), {"leaf.qcow2"})
        self.attach(self.labels()["leaf.qcow2"])

    def test_what_no_image_may_refer_to(self):
        outside = self.smd.dir / "secret.raw"
        outside.write_bytes(b"secret" * 1000)
        (self.folder / "link.raw").symlink_to(outside)
        (self.folder / "dir.raw").mkdir()
        (self.folder / "good.raw").write_bytes(bytes(MIB))
        self.put("outside.qcow2", "-b", outside, "-F", "raw")
        self.put("up.qcow2", "-b", "../secret.raw", "-F", "raw")
        self.put("here.qcow2", "-b", "./good.raw", "-F", "raw")
        self.put("linked.qcow2", "-b", "link.raw", "-F", "raw")
        self.put("json.qcow2", "-b", 'json:{"driver":"file","filename":"/etc/passwd"}', "-F", "raw")
        self.put("nbd.qcow2", "-b", "nbd://127.0.0.1/x", "-F", "raw")
        self.put("host.qcow2", "-b", "/dev/null", "-F", "host_device")
        self.put("lies.qcow2", "-b", "good.raw", "-F", "qcow2")
        self.put("one.qcow2", "-b", "two.qcow2", "-F", "qcow2")
        self.put("two.qcow2", "-b", "one.qcow2", "-F", "qcow2")
        self.put("self.qcow2", "-b", "self.qcow2", "-F", "qcow2")
        data = ["-o", f"data_file={self.smd.dir}/data.raw"]
        tool("qemu-img", "create", "-q", "-f", "qcow2", *data, self.folder / "data.qcow2", "1M")
        (self.folder / "short.qcow2").write_bytes(b"QFI\xfb")
        # One that does not say how its backing file is written, which QEMU would guess.
        path = self.put("guess.qcow2", "-b", "good.raw", "-F", "raw")
        head = path.read_bytes()
        path.write_bytes(head.replace(bytes.fromhex("e2792aca"), bytes.fromhex("12345678"), 1))
        self.assertEqual(set(self.labels()), {"good.raw"})
        self.smd.kill_and_start()
        self.assertEqual(set(self.labels()), {"good.raw"})

    def test_an_image_that_was_exchanged(self):
        vdi = self.create(image_format="qcow2")
        (name,) = self.images()
        secret = self.smd.dir / "secret.raw"
        secret.write_bytes(bytes(MIB))
        self.put(name, "-b", secret, "-F", "raw")
        error = self.assert_fails(
            "Backend_error", "VDI.attach", dp="a", sr=self.sr, vdi=vdi, read_write=False
        )
        self.assertIn("backing file", error.params[1])
        self.assertEqual(self.call("DP.list"), [])
        (self.folder / name).unlink()
        (self.folder / name).symlink_to(secret)
        self.assert_fails(
            "Backend_error", "VDI.attach", dp="a", sr=self.sr, vdi=vdi, read_write=True
        )

    def test_a_raw_disk_stays_raw(self):
        vdi = self.create()
        way = self.attach(vdi)
        evil = self.put("evil.img.tmp", "-b", "/etc/passwd", "-F", "raw")
        with open(way["file"]["path"], "r+b") as disk:
            disk.write(evil.read_bytes())
        evil.unlink()
        self.use("detach", vdi)
        self.smd.kill_and_start()
        self.do("VDI.snapshot", sr=self.sr, vdi=vdi)
        self.assertEqual(self.attach(vdi, "look", read_write=False)["file"]["format"], "raw")
        self.call("DP.destroy", dp="look")
        way = self.attach(vdi)
        self.assertEqual(reads(way), ord("Q"))

    def test_a_file_of_ours_that_was_damaged(self):
        kept, lost = self.create(), self.create()
        before = self.images()
        (self.folder / f"{lost}.json").write_text("{")
        self.smd.kill_and_start()
        self.assertEqual(self.vdis(), {kept})
        self.assertEqual(self.images(), before)  # nothing is removed in doubt
        self.assertIn(lost, self.smd.said())


class Kills(Case):
    """smd is killed at any moment, and everything agrees again."""

    def setUp(self):
        super().setUp()
        self.make_sr()

    def test_who_uses_what_outlives_it(self):
        vdi, other = self.create(), self.create(image_format="qcow2")
        self.attach(vdi)
        self.use("activate", vdi)
        self.attach(other, "b")
        before = sorted(self.call("DP.list"), key=lambda d: d["dp"])
        way = self.attach(vdi)
        self.smd.kill_and_start()
        self.assertEqual(sorted(self.call("DP.list"), key=lambda d: d["dp"]), before)
        self.assertEqual(self.attach(vdi), way)
        self.assert_fails("Illegal_transition", "VDI.destroy", sr=self.sr, vdi=vdi)
        for dp in ("vbd/1/xvda", "b"):
            self.call("DP.destroy", dp=dp)
        self.smd.kill_and_start()
        self.assertEqual(self.call("DP.list"), [])

    def test_an_sr_that_is_away_for_a_while(self):
        vdi = self.create()
        self.attach(vdi)
        away = self.smd.dir / "away"
        self.smd.stop(9)
        self.folder.rename(away)
        self.smd.start()
        self.assertEqual(self.call("SR.list"), [self.sr])
        self.assertEqual(self.call("SR.stat", sr=self.sr)["health"], "unavailable")
        self.assert_fails("Sr_unhealthy", "VDI.stat", sr=self.sr, vdi=vdi)
        away.rename(self.folder)
        self.attach_sr()
        self.assertEqual(self.state(), "attached_rw")
        self.assertEqual(self.stat(vdi)["vdi"], vdi)

    def test_another_daemon_keeps_away(self):
        second = Daemon(self, "smd").start()
        params = {"sr": self.sr, "type": "file", "device_config": self.config}
        with self.assertRaises(Failed) as caught:
            second.do("SR.attach", **params)
        self.assertEqual(caught.exception.code, "Backend_error")
        self.assertEqual(second.call("SR.list"), [])
        self.do("SR.detach", sr=self.sr)
        second.do("SR.attach", **params)

    def consistent(self):
        """Every VDI can be used, every image is one's, and nobody uses what is not there."""
        vdis = self.vdis()
        in_use = {d["vdi"] for d in self.call("DP.list")}
        self.assertLessEqual(in_use, vdis)
        for vdi in vdis - in_use:
            way = self.attach(vdi, "look", read_write=False)["file"]
            if way["format"] == "qcow2":
                tool("qemu-img", "check", "-q", "-f", "qcow2", way["path"])
            self.call("DP.destroy", dp="look")
        named = set()
        for path in self.folder.glob("????????-*.json"):
            image = json.loads(path.read_text())["image"]
            while image:
                named.add(image)
                info = tool("qemu-img", "info", "-U", "--output=json", self.folder / image)
                image = json.loads(info).get("backing-filename")
        self.assertEqual(set(self.images()), named)
        return vdis

    def test_killed_at_any_moment(self):
        """Several clients make, clone, attach and destroy; what was answered holds afterwards."""
        rng = random.Random(int(os.environ.get("SEED", "1")))
        rounds = 6 if os.environ.get("BUDGET", "3") != "0" else 60
        in_flight = 0
        for _ in range(rounds):
            held = set()  # VDIs whose making was answered, and not their end
            doubtful = set()  # whose end was asked for
            self.busy = {rng.random(): False for _ in range(3)}
            threads = [
                threading.Thread(target=self.one_client, args=(seed, held, doubtful))
                for seed in self.busy
            ]
            for thread in threads:
                thread.start()
            time.sleep(rng.uniform(0.02, 0.3))
            end = time.monotonic() + HANG
            while not (busy := sum(self.busy.values())) and time.monotonic() < end:
                time.sleep(0)  # one that is idle has nothing to lose
            in_flight += busy
            self.smd.process.kill()
            for thread in threads:
                thread.join(HANG)
            self.smd.kill_and_start()
            there = self.consistent()
            self.assertLessEqual(held - doubtful, there)
            for dp in self.call("DP.list"):
                self.call("DP.destroy", dp=dp["dp"])
            for vdi in there:
                self.do("VDI.destroy", sr=self.sr, vdi=vdi)
            self.assertEqual(self.images(), [])
        self.assertGreaterEqual(in_flight, rounds)  # it was not idle when it was killed

    def one_client(self, seed, held, doubtful):
        rng = random.Random(seed)
        mine = []
        with self.smd.connect() as client:

            def ask(method, **params):
                self.busy[seed] = True
                answer = client.call(method, **params)
                self.busy[seed] = False
                return answer

            def do(method, **params):
                self.busy[seed] = True
                record = client.wait_for_task(client.call(method, sr=self.sr, **params))
                self.busy[seed] = False
                return record.get("result")

            try:
                while True:
                    step = rng.randrange(5)
                    if step == 0 or not mine:
                        image_format = rng.choice(("raw", "qcow2"))
                        spec = {"virtual_size_bytes": MIB, "image_format": image_format}
                        mine.append(do("VDI.create", spec=spec)["vdi"])
                        held.add(mine[-1])
                    elif step == 1:
                        mine.append(do("VDI.snapshot", vdi=rng.choice(mine))["vdi"])
                        held.add(mine[-1])
                    elif step == 2:
                        use = {"dp": f"{seed}", "sr": self.sr, "vdi": rng.choice(mine)}
                        ask("VDI.attach", read_write=True, **use)
                        ask("VDI.activate", **use)
                        ask("DP.destroy", dp=use["dp"])
                    elif step == 3:
                        use = {"dp": f"{seed}", "sr": self.sr, "vdi": rng.choice(mine)}
                        way = ask("VDI.attach", read_write=True, **use)[0]
                        kept = ask("VDI.freeze", path=way["file"]["path"], **use)
                        new = do("VDI.snapshot", vdi=use["vdi"], frozen=kept["frozen"])
                        mine.append(new["vdi"])
                        held.add(mine[-1])
                        ask("DP.destroy", dp=use["dp"])
                    else:
                        vdi = mine.pop(rng.randrange(len(mine)))
                        doubtful.add(vdi)
                        do("VDI.destroy", vdi=vdi)
                        held.discard(vdi)
            except (Gone, OSError):
                pass


class Iso(Case):
    """A folder of CD images."""

    def test_a_folder(self):
        folder = self.smd.dir / "isos"
        folder.mkdir()
        (folder / "debian.iso").write_bytes(b"x" * 4096)
        (folder / "notes.txt").write_text("no image")
        (folder / "link.iso").symlink_to("/etc/passwd")
        (folder / "dir.iso").mkdir()
        self.do("SR.attach", sr=self.sr, type="iso", device_config={"location": str(folder)})
        self.assertEqual(self.vdis(), {"debian.iso"})
        vdi = self.stat("debian.iso")
        self.assertEqual((vdi["virtual_size_bytes"], vdi["read_only"]), (4096, True))
        for dp in ("a", "b"):
            way = self.attach("debian.iso", dp, read_write=False)
            self.use("activate", "debian.iso", dp)
        self.assertEqual(way["file"], {"path": str(folder / "debian.iso"), "format": "raw"})
        for name in ("link.iso", "../isos/debian.iso", "dir.iso", "notes.txt"):
            self.assert_fails("Vdi_does_not_exist", "VDI.stat", sr=self.sr, vdi=name)
        self.assert_fails(
            "Illegal_transition",
            "VDI.attach",
            dp="c",
            sr=self.sr,
            vdi="debian.iso",
            read_write=True,
        )
        self.assert_fails("Unimplemented", "VDI.create", sr=self.sr, spec={"virtual_size_bytes": 1})
        (folder / "new.iso").write_bytes(b"")
        self.assertEqual(self.vdis(), {"debian.iso", "new.iso"})
        self.assert_fails("Unimplemented", "SR.destroy", sr=self.sr)


if __name__ == "__main__":
    unittest.main()
