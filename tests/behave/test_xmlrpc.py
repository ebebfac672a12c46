# SPDX-License-Identifier: LGPL-2.1-or-later
"""The XML-RPC codec beside that of Python's standard library: each reads what the other wrote."""

import datetime
import json
import os
import pathlib
import random
import subprocess
import unittest
import xmlrpc.client

TOP = pathlib.Path(os.environ.get("XENITH_TOP", pathlib.Path(__file__).parents[2]))
BUILD = pathlib.Path(os.environ.get("XENITH_BUILD", TOP / "build"))

TEXTS = ["", " ", "a", "<&>\"'", "]]>", "é€𝄞", "line\nline\ttab", " outer blanks ", "0" * 5000]


def tool(*words, stdin=""):
    argv = [str(BUILD / "tests/tools/xmlrpc-tool"), *words]
    done = subprocess.run(argv, input=stdin.encode(), capture_output=True, timeout=60, check=False)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def random_value(rng, depth):
    kind = rng.randrange(8 if depth else 6)
    if kind == 6:
        return [random_value(rng, depth - 1) for _ in range(rng.randrange(4))]
    if kind == 7:
        return {f"{rng.choice(TEXTS)[:9]}{i}": random_value(rng, depth - 1) for i in range(3)}
    return (
        None,
        rng.random() < 0.5,
        rng.randrange(-(2**31), 2**31),
        rng.uniform(-1, 1) * 10.0 ** rng.randrange(-300, 300),
        rng.choice(TEXTS),
        rng.choice([0, 1.0, -0.5, 1e22, 5e-324]),
    )[kind]


class Xmlrpc(unittest.TestCase):
    def echo(self, value, name):
        text = xmlrpc.client.dumps((value,), "echo", allow_none=True)
        code, out, err = tool("echo", name, stdin=text)
        self.assertEqual((code, err), (0, ""), text)
        (back,), _ = xmlrpc.client.loads(out, use_builtin_types=True)
        return back

    def test_values_of_each_type_come_back(self):
        when = datetime.datetime(2026, 11, 21, 9, 12, 58)
        for name, value in [
            ("bool", True),
            ("bool", False),
            ("int", 0),
            ("int", -(2**31)),
            ("float", 0.1),
            ("float", -1e300),
            ("bytes", b""),
            ("bytes", bytes(range(256)) * 9),
        ] + [("string", text) for text in TEXTS]:
            self.assertEqual(self.echo(value, name), value)
            self.assertIs(type(self.echo(value, name)), type(value))
        self.assertEqual(self.echo(2**31 - 1, "int64"), str(2**31 - 1))
        self.assertEqual(self.echo(str(-(2**63)), "int"), -(2**63))
        self.assertEqual(self.echo([when], "void"), "")
        self.assertEqual(self.echo(float("inf"), "float"), float("inf"))
        stamp = xmlrpc.client.dumps((when,), "echo")
        self.assertIn("20261121T09:12:58Z<", tool("echo", "datetime", stdin=stamp)[1])

    def test_random_values_come_back(self):
        rng = random.Random(int(os.environ.get("SEED", "1")))
        for _ in range(100):
            value = random_value(rng, 4)
            self.assertEqual(self.echo(value, "any"), value)

    def test_calls_are_read_by_python(self):
        value = {"a": [1, 2.5, None, True, {"b<": "c\r\n&"}], "big": 2**40, "": []}
        code, out, err = tool("call", "VM.start", stdin=json.dumps(value))
        self.assertEqual((code, err), (0, ""))
        (back,), method = xmlrpc.client.loads(out)
        self.assertEqual((method, back), ("VM.start", value))

    def test_answers_and_faults_go_both_ways(self):
        text = xmlrpc.client.dumps((["é", 1],), methodresponse=True)
        self.assertEqual(json.loads(tool("result", stdin=text)[1]), ["é", 1])
        text = xmlrpc.client.dumps(xmlrpc.client.Fault(-7, "no <such> thing"))
        self.assertEqual(tool("result", stdin=text)[1], "-7 no <such> thing")
        with self.assertRaises(xmlrpc.client.Fault) as caught:
            xmlrpc.client.loads(tool("fault", "42", "é & <x>")[1])
        fault = caught.exception
        self.assertEqual((fault.faultCode, fault.faultString), (42, "é & <x>"))

    def test_a_wrong_type_is_an_error(self):
        text = xmlrpc.client.dumps((["a"],), "echo")
        code, out, err = tool("echo", "int", stdin=text)
        self.assertEqual((code, out), (1, ""))
        self.assertEqual(err, "INVALID_VALUE(param, expected int, found array)\n")


if __name__ == "__main__":
    unittest.main()
