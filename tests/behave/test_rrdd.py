# SPDX-License-Identifier: LGPL-2.1-or-later
"""rrdd by its socket, beside a xenopsd whose VMs' counters the test sets."""

import base64
import json
import math
import os
import pathlib
import shutil
import socketserver
import subprocess
import threading
import time
import unittest
import urllib.error
import urllib.request
import uuid
import xml.etree.ElementTree as ET

from daemon import Daemon
from jsonrpc import Failed
from stack import Stack, free_port
from xenapi import Session

MARKS = ("threads",)
HANG = 60  # seconds; only to catch what hangs
STEP = 5
HOST = str(uuid.UUID(int=7))


class Xenopsd(socketserver.ThreadingUnixStreamServer):
    """Answers VM.figures, and nothing else."""

    daemon_threads = True

    def __init__(self, case, path):
        class Handler(socketserver.StreamRequestHandler):
            def handle(handler):
                for line in handler.rfile:
                    call = json.loads(line)
                    case.assertEqual(call["method"], "VM.figures")
                    self.asked += 1
                    answer = {"jsonrpc": "2.0", "id": call["id"], "result": self.figures()}
                    handler.wfile.write(json.dumps(answer).encode() + b"\n")

        path.parent.mkdir(parents=True, exist_ok=True)
        super().__init__(str(path), Handler)
        self.vms, self.asked = [], 0
        thread = threading.Thread(target=self.serve_forever, args=(0.05,))
        thread.start()
        case.addCleanup(thread.join)
        case.addCleanup(self.server_close)
        case.addCleanup(self.shutdown)

    def figures(self):
        """Counters that grow as time goes: half a CPU, 1000 bytes a second received."""
        now = time.monotonic()
        vms = []
        for domid, vm in enumerate(self.vms, 1):
            vms.append(
                {
                    "vm": vm,
                    "domid": domid,
                    "vcpus_ns": [int(now * 0.5e9)],
                    "memory_bytes": 64 << 20,
                    "memory_target_bytes": 128 << 20,
                    "vifs": [
                        {
                            "position": 0,
                            "rx_bytes": int(now * 1000),
                            "tx_bytes": 0,
                            "rx_errors": 0,
                            "tx_errors": 0,
                        }
                    ],
                }
            )
        return {"taken_ns": int(now * 1e9), "vms": vms}


class Metrics(unittest.TestCase):
    def setUp(self):
        self.rrdd = Daemon(self, "rrdd")
        self.xenopsd = Xenopsd(self, self.rrdd.dir / "run" / "xenopsd.sock")
        self.vm = str(uuid.uuid4())
        self.xenopsd.vms.append(self.vm)
        self.rrdd.start()

    def call(self, method, **params):
        return self.rrdd.call(method, **params)

    def updates(self, **params):
        params = {"start_s": -600, "host": True, "host_uuid": HOST, **params}
        return json.loads(self.call("RRD.updates", format="json", **params))

    def rows(self, name, **params):
        """{time: value} of a column, as far as it is known."""
        document = self.updates(**params)
        at = document["meta"]["legend"].index(name)
        values = {row["t"]: float(row["values"][at]) for row in document["data"]}
        return {t: v for t, v in values.items() if not math.isnan(v)}

    def wait_for(self, name, n, **params):
        """Until a column has N known rows."""
        end = time.monotonic() + HANG
        while time.monotonic() < end:
            try:
                rows = self.rows(name, **params)
            except ValueError:
                rows = {}
            if len(rows) >= n:
                return rows
            time.sleep(0.1)
        self.fail(f"{name} has not {n} rows: {self.rrdd.said()}")

    def test_what_is_measured_outlives_a_kill(self):
        memory = f"AVERAGE:vm:{self.vm}:memory"
        first = self.wait_for(memory, 1)
        self.assertEqual(set(first.values()), {float(64 << 20)})
        self.rrdd.kill_and_start()
        rates = self.wait_for(f"AVERAGE:vm:{self.vm}:vif_0_rx", 2)
        for value in rates.values():
            self.assertAlmostEqual(value, 1000, delta=1)
        for value in self.rows(f"AVERAGE:vm:{self.vm}:cpu0").values():
            self.assertAlmostEqual(value, 0.5, delta=0.001)
        rows = self.rows(memory)
        self.assertLessEqual(set(first), set(rows))
        times = sorted(rows)
        self.assertEqual(times, list(range(times[0], times[-1] + 1, STEP)))
        self.assertTrue(all(t % STEP == 0 for t in times))
        self.assertLessEqual(abs(times[-1] - time.time()), 2 * STEP)
        with open("/proc/meminfo", encoding="ascii") as meminfo:
            total = int(meminfo.readline().split()[1])
        self.assertEqual(set(self.rows(f"AVERAGE:host:{HOST}:memory_total_kib").values()), {total})
        self.assertGreater(max(self.rows(f"AVERAGE:host:{HOST}:cpu_avg").values()), 0)
        # One call for all VMs, each round and no other.
        self.assertLessEqual(self.xenopsd.asked, len(times) + 2)
        self.check_documents(memory)
        self.check_end(memory)

    def check_documents(self, memory):
        """Both forms say the same, and rrdtool reads the one of the whole archive."""
        as_json = self.updates()
        params = {"start_s": -600, "host": True, "host_uuid": HOST}
        root = ET.fromstring(self.call("RRD.updates", **params))
        self.assertEqual(root.tag, "xport")
        legend = [e.text for e in root.find("meta/legend")]
        self.assertEqual(sorted(legend), sorted(as_json["meta"]["legend"]))
        at = legend.index(memory)
        rows = {int(r.find("t").text): r.findall("v")[at].text for r in root.find("data")}
        at = as_json["meta"]["legend"].index(memory)
        for row in as_json["data"]:
            self.assertEqual(rows.get(row["t"], row["values"][at]), row["values"][at])
        times = [row["t"] for row in as_json["data"]]
        self.assertEqual(times, sorted(times, reverse=True))
        meta = as_json["meta"]
        self.assertEqual((meta["end"], meta["start"]), (times[0], times[-1]))
        self.assertEqual((meta["rows"], meta["columns"]), (len(times), len(legend)))
        dump = json.loads(self.call("RRD.dump", owner={"vm": self.vm}, format="json"))
        self.assertEqual([r["pdp_per_row"] for r in dump["rra"]], ["1", "12", "720", "17280"])
        self.assertEqual([len(r["database"]) for r in dump["rra"]], [120, 120, 168, 366])
        text = self.call("RRD.dump", owner={"vm": self.vm})
        names = [ds.find("name").text for ds in ET.fromstring(text).findall("ds")]
        self.assertEqual(names, [ds["name"] for ds in dump["ds"]])
        if not shutil.which("rrdtool"):
            return
        # rrdtool's names are shorter than ours.
        for i, name in enumerate(names):
            text = text.replace(f"<name>{name}</name>", f"<name>c{i}</name>")
        (self.rrdd.dir / "dump.xml").write_text(text)
        rrd = str(self.rrdd.dir / "dump.rrd")
        tool = ["rrdtool", "restore", str(self.rrdd.dir / "dump.xml"), rrd]
        subprocess.run(tool, check=True, timeout=HANG)
        out = subprocess.run(
            ["rrdtool", "lastupdate", rrd], check=True, capture_output=True, text=True, timeout=HANG
        ).stdout
        self.assertIn(f"{64 << 20}", out)

    def check_end(self, memory):
        """A VM that ended is not among the updates, and is still known; until it is removed."""
        latest = {row["t"] for row in self.updates()["data"]}
        self.assertEqual(self.updates(vms=[], host=False)["meta"]["columns"], 0)
        self.assertEqual(self.updates(consolidation="max")["meta"]["columns"], 0)
        self.xenopsd.vms.clear()
        end = time.monotonic() + HANG
        while memory in self.updates()["meta"]["legend"]:
            self.assertLess(time.monotonic(), end)
            time.sleep(0.1)
        self.assertLess(max(latest), max(row["t"] for row in self.updates()["data"]))
        owner = {"vm": self.vm}
        self.assertIsNone(self.call("DS.query", owner=owner, name="memory"))
        self.assertTrue(self.call("RRD.exists", owner=owner))
        self.rrdd.client.wait_for_task(self.call("RRD.backup"))
        self.call("RRD.remove", owner=owner)
        self.assertFalse(self.call("RRD.exists", owner=owner))
        left = [p.name for p in self.rrdd.dir.rglob(f"*{self.vm}*")]
        self.assertEqual(left, [])

    def test_a_source_is_forgotten(self):
        """Its past, and nobody else's; what is still measured begins a new one."""
        memory, other = (f"AVERAGE:vm:{self.vm}:{n}" for n in ("memory", "memory_target"))
        known = max(self.wait_for(memory, 1))
        before = set(self.rows(other))
        self.call("DS.forget", owner={"vm": self.vm}, name="memory")
        self.assertEqual([t for t in self.rows(memory) if t <= known], [])
        self.assertLessEqual(before, set(self.rows(other)))
        self.assertGreater(min(self.wait_for(memory, 1)), known)
        for owner, name, code in (
            ({"vm": self.vm}, "none", "Datasource_missing"),
            ({"vm": str(uuid.uuid4())}, "memory", "No_such_owner"),
        ):
            with self.assertRaises(Failed) as caught:
                self.call("DS.forget", owner=owner, name=name)
            self.assertEqual(caught.exception.code, code)

    def test_sources_and_what_is_refused(self):
        self.wait_for(f"AVERAGE:vm:{self.vm}:memory", 1)
        sources = {s["name"]: s for s in self.call("DS.list", owner="host")}
        self.assertEqual(sources["memory_total_kib"]["units"], "KiB")
        self.assertEqual(sources["cpu0"]["max"], 1.0)
        cpus = {name for name in sources if name[:3] == "cpu" and name[3:].isdigit()}
        self.assertEqual(len(cpus), os.cpu_count())
        memory = self.call("DS.query", owner={"vm": self.vm}, name="memory")
        self.assertEqual(memory, float(64 << 20))
        self.assertIn(f'xenith_memory{{owner="vm",uuid="{self.vm}"}}', self.call("RRD.metrics"))
        for owner in ({"vm": str(uuid.uuid4())}, {"vm": "../host"}, {"sr": self.vm}):
            with self.assertRaises(Failed) as caught:
                self.call("DS.list", owner=owner)
            self.assertEqual(caught.exception.code, "No_such_owner")
        with self.assertRaises(Failed) as caught:
            self.call("DS.query", owner="host", name="none")
        self.assertEqual(caught.exception.code, "Datasource_missing")
        for start in (-(1 << 62), 1 << 62, -1, 0):
            self.updates(start_s=start)
            self.updates(start_s=start, interval_s=1 << 62)
        by_start = {-60: 5, -3600: 60, -86400: 3600, -86400 * 30: 86400}
        for start, step in by_start.items():
            self.assertEqual(self.updates(start_s=start)["meta"]["step"], step)
        self.assertEqual(self.updates(start_s=-60, interval_s=60)["meta"]["step"], 60)


class OverHttp(unittest.TestCase):
    """A whole stack: what xapid's clients get."""

    def get(self, path, account="root", accept=None):
        request = urllib.request.Request(self.url + path)
        if account:
            word = base64.b64encode(f"{account}:{self.password}".encode()).decode()
            request.add_header("Authorization", f"Basic {word}")
        if accept:
            request.add_header("Accept", accept)
        try:
            with urllib.request.urlopen(request, timeout=HANG) as answer:
                return answer.status, answer.headers["Content-Type"], answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, None, error.read().decode()

    def test_documents(self):
        self.stack = Stack(self, "--backend", "simulator", "--port", free_port())
        env = self.stack.env()
        self.url, self.password = env["XAPI_URL"], env["XAPI_PASSWORD"]
        end = time.monotonic() + HANG
        while True:
            status, kind, text = self.get("/rrd_updates?start=-60&host=true&json=true")
            legend = json.loads(text)["meta"]["legend"] if status == 200 else []
            if any(name.endswith(":memory_total_kib") for name in legend):
                break
            self.assertLess(time.monotonic(), end, (status, text))
            time.sleep(0.1)
        self.assertEqual(kind, "application/json")
        x = Session.of(env)
        (ref,) = x("host.get_all")
        host = x("host.get_uuid", ref)
        self.assertIn(f"AVERAGE:host:{host}:memory_total_kib", legend)
        status, kind, text = self.get(f"/rrd_updates?start=-60&host=true&session_id={x.ref}", "")
        self.assertEqual((status, kind), (200, "text/xml"))
        self.assertEqual([e.text for e in ET.fromstring(text).iter("entry")], legend)
        for path in ("/host_rrd", "/host_rrds"):
            status, kind, text = self.get(path)
            self.assertEqual((status, ET.fromstring(text).tag), (200, "rrd"))
            status, kind, text = self.get(path, accept="application/json")
            self.assertEqual((status, json.loads(text)["version"]), (200, "0003"))
        refused = {
            "/rrd_updates": 400,
            "/rrd_updates?start=x": 400,
            "/rrd_updates?start=1e3": 400,
            "/rrd_updates?start=0&interval=": 400,
            "/vm_rrd": 400,
            "/vm_rrd?uuid=../host": 404,
            f"/vm_rrds?uuid={uuid.uuid4()}": 404,
        }
        self.assertEqual({path: self.get(path)[0] for path in refused}, refused)
        for path in ("/rrd_updates?start=0", "/host_rrd", "/vm_rrd?uuid=x"):
            self.assertEqual(self.get(path, "")[0], 401)


class Alone(unittest.TestCase):
    """Without xenopsd the host is measured all the same."""

    def test_a_host_without_xenopsd(self):
        rrdd = Daemon(self, "rrdd").start()
        end = time.monotonic() + HANG
        while not rrdd.call("RRD.exists", owner="host"):
            self.assertLess(time.monotonic(), end)
            time.sleep(0.05)
        self.assertIn("loadavg", [s["name"] for s in rrdd.call("DS.list", owner="host")])
        (series,) = pathlib.Path(rrdd.dir / "run" / "rrdd").iterdir()
        rrdd.stop(9)
        series.write_bytes(b"no series")
        rrdd.start()
        self.assertIn("made anew", rrdd.said())


if __name__ == "__main__":
    unittest.main()
