# SPDX-License-Identifier: LGPL-2.1-or-later
"""smd by its socket: real directories and images, their contents looked at by QEMU's own tools."""

import json
import os
import subprocess
import unittest
import uuid

from daemon import Daemon
from jsonrpc import Failed

MARKS = ("threads",)
HANG = 60  # seconds; only to catch what hangs
MIB = 1 << 20


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
