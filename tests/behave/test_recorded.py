# SPDX-License-Identifier: LGPL-2.1-or-later
"""Calls that were recorded from the original toolstack (recorded.jsonl) are sent anew: what comes
back is the same, but for what DIFFERS names.

A line of the recording is a call over JSON-RPC 2.0 ("call") or 1.0 ("json1"), the bytes of one over
XML-RPC ("xml"), or what is said of $vm after the call before it ("state"). $name stands for a
reference or uuid that was answered before; *ref, *uuid, *time, *MAC, *int, *text, *any for any
such. Where there is no "answer", it was peculiar to that installation.
"""

import http.client
import json
import pathlib
import re
import unittest
import urllib.parse

import xe
from jsonrpc import Client
from pool import Case
from stack import Stack, free_port
from xenapi import HANG

RECORDED_XE = pathlib.Path(__file__).with_name("recorded_xe.jsonl")
RECORDED = pathlib.Path(__file__).with_name("recorded.jsonl")
# Parts of it that go on with what the part before has made.
GO_ON = {"devices", "events", "tasks"}
KINDS = {
    "*ref": r"OpaqueRef:(?!NULL)[^<]+",
    "*uuid": r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}",
    "*time": r"2\d{7}T\d\d:\d\d:\d\dZ",
    "*MAC": r"([0-9a-f]{2}:){5}[0-9a-f]{2}",
    "*int": r"\d+",
    "*text": r"[^<]*",
    "*line": r".*",
}
# Records of what depends on the machine: the types of their fields are recorded.
OF_THE_MACHINE = {"host.get_record", "pool.get_all_records", "VM.get_all_records_where"}
CLEAR = "the original answers with its own exception; here it is said which value is wrong, and why"
BALLOON = "the original had no memory daemon; here limits are checked and taken"
METRICS = "the class has no messages and nothing in it: no rows are kept for it"
# (call, where in the answer, why); the first two are patterns.
DIFFERS = (
    ("session.get_record", "/originator", "the tests give one"),
    (r"network.set_\w+|network.create|VM.create|message.create", "/error(/.*)?", CLEAR),
    ("network.get_all_records_where", "/error", "name_label means name__label"),
    ("VM.set_memory.*", ".*", BALLOON),
    ("VM.get_record", "/memory_(overhead|target)", BALLOON),
    ("VM.get_record", "/hardware_platform_version", "nothing depends on it here"),
    ("VIF.get_record|VBD.get_record", "/metrics", METRICS),
    ("event.inject", "", "a class may be given as events write it, in lower case"),
    ("event.next", "/error/1", "the session is told"),
    ("task.get_record", "/finished", "a task that its client ends has ended then"),
    ("subject.create", "", "there is no service of accounts yet that could be disabled"),
)


def load():
    parts = {}
    for line in RECORDED.read_text(encoding="utf-8").splitlines():
        step = json.loads(line)
        parts.setdefault(step.pop("part"), []).append(step)
    return parts


class Names(dict):
    """What $name stands for, learnt from answers."""

    def fill(self, value):
        if isinstance(value, dict):
            return {self.fill(k): self.fill(v) for k, v in value.items()}
        if isinstance(value, list):
            return [self.fill(v) for v in value]
        if isinstance(value, str):
            return re.sub(r"\$\w+", lambda m: self.get(m[0], m[0]), value)
        return value

    def is_same(self, wanted, got):
        """Of what is no list or map."""
        if wanted == "*any" or (wanted == "*int" and isinstance(got, int)):
            return True
        if type(wanted) is not type(got) or not isinstance(wanted, str):
            return type(wanted) is type(got) and wanted == got
        if re.fullmatch(r"\$\w+", wanted):
            return self.setdefault(wanted, got) == got
        words = re.split(r"(\*\w+)", self.fill(wanted))
        pattern = "".join(KINDS.get(word, re.escape(word)) for word in words)
        return re.fullmatch(pattern, got) is not None

    def differences(self, wanted, got, at=""):
        """Yields (where, wanted, got)."""
        if isinstance(wanted, dict) and isinstance(got, dict):
            yield from self.of_maps(wanted, got, at)
        elif isinstance(wanted, list) and isinstance(got, list):
            yield from self.of_lists(wanted, got, at)
        elif not self.is_same(wanted, got):
            yield at, wanted, got

    def of_maps(self, wanted, got, at):
        wanted = {self.fill(name): value for name, value in wanted.items()}
        for name in sorted(set(wanted) | set(got)):
            if name in wanted and name in got:
                yield from self.differences(wanted[name], got[name], f"{at}/{name}")
            else:
                yield f"{at}/{name}", wanted.get(name, "nothing"), got.get(name, "nothing")

    def of_lists(self, wanted, got, at):
        if wanted == ["*ref"]:  # as many as there are
            wanted = wanted * len(got)
        if not at.startswith("/error") and all(isinstance(v, str) for v in wanted + got):
            wanted, got = sorted(self.fill(wanted)), sorted(got)  # sets have no order
        if len(wanted) != len(got):
            yield at, wanted, got
            return
        for i, (one, other) in enumerate(zip(wanted, got)):
            yield from self.differences(one, other, f"{at}/{i}")


def words(text):
    """Its lines, and where a line lists something, its parts: they come in any order."""
    return [line.split("; ") if "; " in line else line for line in text.split("\n")]


def shape(value):
    """The types of a record's fields; of records by reference, those of the first."""
    if all(isinstance(v, dict) and "uuid" in v for v in value.values()):
        value = next(iter(value.values()))
    return {name: type(v).__name__ for name, v in value.items()}


class Replay(Case):
    def setUp(self):
        self.stack = Stack(self, "--backend", "simulator", "--port", free_port())
        self.connect(self.stack.env())
        with Client(self.stack.dir / "run" / "simulator" / "run" / "simulator.sock") as simulator:
            simulator.call("Machine.set", power_buttons=False)  # as the original's
        self.known = set()  # of DIFFERS: what was seen
        self.wrong = []

    def names(self):
        return Names(
            {
                "$session": self.x.ref,
                "$password": self.x.account[1],
                "$host": self.host,
                "$host_uuid": self.x("host.get_uuid", self.host),
                "$pool": self.x("pool.get_all")[0],
                "$dom0": self.x("host.get_control_domain", self.host),
                "$metrics": self.x("host.get_metrics", self.host),
            }
        )

    def post(self, path, body, kind):
        host = urllib.parse.urlsplit(self.x.url).netloc
        connection = http.client.HTTPConnection(host, timeout=HANG)
        try:
            connection.request("POST", path, body, {"Content-Type": kind})
            return connection.getresponse().read().decode()
        finally:
            connection.close()

    def send(self, step, names):
        """What is answered now, in the form of the recording."""
        if "xml" in step:
            return self.post("/RPC2", names.fill(step["xml"]), "text/xml")
        if "state" in step:
            record = self.x.json("VM.get_record", names["$vm"])
            return {name: record[name] for name in step["answer"]}
        body = {"method": step.get("call") or step["json1"], "params": names.fill(step["params"])}
        if "call" in step:
            body["jsonrpc"] = "2.0"
            if body["method"] == "task.get_record":
                self.wait_for_task(body["params"][1])
        answer = json.loads(self.post("/jsonrpc", json.dumps(body | {"id": 1}), "application/json"))
        if "json1" in step:
            return answer
        if "error" in answer:
            return {"error": [answer["error"]["message"], *answer["error"]["data"]]}
        return answer["result"]

    def wait_for_task(self, task):
        """One of a call that was begun."""
        if self.x("task.get_all_records").get(task, {}).get("name_label", "").startswith("Async."):
            self.until(lambda: self.x("task.get_status", task) != "pending", "a task's end")

    def compare(self, what, wanted, got, names):
        if got == {"error": ["NOT_IMPLEMENTED", what]}:
            return  # docs/coverage.md names it
        if what in OF_THE_MACHINE:
            got = shape(got)
        for at, before, now in names.differences(wanted, got):
            if known := self.is_known(what, at, got):
                self.known.add(known)
            else:
                self.wrong.append(f"{what} {at}: {json.dumps(before)}, now {json.dumps(now)}")

    def is_known(self, what, at, got):
        """What DIFFERS says of it, or None."""
        for known in DIFFERS:
            call, where, why = known
            if re.fullmatch(call, what) and re.fullmatch(where, at):
                is_clear = why != CLEAR or got["error"][0] == "INVALID_VALUE"
                return known if is_clear else None
        return None

    def replay(self, steps, names):
        for step in steps:
            got = self.send(step, names)
            if "answer" in step:
                what = step.get("call") or step.get("json1") or step.get("state") or "xml"
                self.compare(what, step["answer"], got, names)


class Calls(Replay):
    def test_the_same_is_answered(self):
        for part, steps in load().items():
            names = names if part in GO_ON else self.names()
            self.replay(steps, names)
        self.assertEqual(self.wrong, [], "\n".join(self.wrong))
        gone = [known for known in DIFFERS if known not in self.known]
        self.assertEqual(gone, [], "these differ no more")


class Xe(Replay):
    """What xe printed after some of those calls, as an answer and as an error, and how it ended
    (recorded_xe.jsonl; a sentence of the original's is *line)."""

    def test_the_same_is_printed(self):
        parts, names = load(), self.names()
        for part in ("VM", "devices", "events", "tasks"):
            self.replay(parts[part], names)
        self.wrong.clear()
        for line in RECORDED_XE.read_text(encoding="utf-8").splitlines():
            step = json.loads(line)
            status, out, err = xe.run(self.stack, *names.fill(step["xe"]))
            if not self.is_unbuilt(step, err):
                before = [step["exit"], *map(words, (step["out"], step["err"]))]
                now = [status, words(out), words(err)]
                self.wrong += [(step["xe"], *d) for d in names.differences(before, now)]
        self.assertEqual(self.wrong, [], "\n".join(map(str, self.wrong)))

    def is_unbuilt(self, step, err):
        """A command that is not there yet says so, as does a call."""
        unknown = f"Unknown command: {step['xe'][0]}\n"
        return (err.startswith(unknown) and not step["err"].startswith(unknown)) or re.search(
            r"^call: ", err, re.MULTILINE
        )


if __name__ == "__main__":
    unittest.main()
