# SPDX-License-Identifier: LGPL-2.1-or-later
"""xapid's door (HTTP and its framings) by raw sockets, with a gate of the tests behind it: doord."""

import base64
import hashlib
import json
import os
import pathlib
import signal
import socket
import ssl
import struct
import subprocess
import tempfile
import time
import unittest
import xmlrpc.client

from stack import free_port

BUILD = pathlib.Path(os.environ.get("XENITH_BUILD", "build")).absolute()
DOORD = BUILD / "tests" / "doord"
HANG = 60  # seconds; only to catch what hangs


class Door(unittest.TestCase):
    """One doord for all tests of a class."""

    CONF = ""

    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory(prefix="d")
        cls.addClassCleanup(folder.cleanup)
        cls.dir = pathlib.Path(folder.name)
        cls.port, cls.tls_port = free_port(), free_port()
        for name in ("etc", "share/www/sub"):
            (cls.dir / name).mkdir(parents=True)
        (cls.dir / "share/www/index.html").write_text("<p>front</p>")
        (cls.dir / "share/www/sub/a b.js").write_text("1")
        (cls.dir / "share/www/.hidden").write_text("no")
        (cls.dir / "share/secret").write_text("no")
        (cls.dir / "etc/doord.conf").write_text(
            f"port = {cls.port}\ntls_port = {cls.tls_port}\n{cls.CONF}"
        )
        cls.log = open(cls.dir / "log", "w+")
        cls.addClassCleanup(cls.log.close)
        cls.daemon = subprocess.Popen(
            [DOORD, "--dir", cls.dir], stdin=subprocess.DEVNULL, stderr=cls.log
        )
        cls.addClassCleanup(cls.end)
        deadline = time.monotonic() + HANG
        while "ready" not in (cls.dir / "log").read_text():
            if time.monotonic() > deadline or cls.daemon.poll() is not None:
                raise AssertionError((cls.dir / "log").read_text())
            time.sleep(0.01)

    @classmethod
    def end(cls):
        cls.daemon.send_signal(signal.SIGTERM)
        try:
            status = cls.daemon.wait(HANG)
        finally:
            cls.daemon.kill()
        text = (cls.dir / "log").read_text()
        if status or " bug " in text or "ERROR: " in text:
            raise AssertionError(f"doord ended with {status}:\n{text}")

    def connect(self, port=None):
        s = socket.create_connection(("127.0.0.1", port or self.port), HANG)
        self.addCleanup(s.close)
        return s

    def connect_unix(self):
        s = socket.socket(socket.AF_UNIX)
        s.settimeout(HANG)
        self.addCleanup(s.close)
        s.connect(str(self.dir / "run/xapi"))
        return s

    def connect_tls(self, **versions):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        for name, value in versions.items():
            setattr(context, name, value)
        s = context.wrap_socket(self.connect(self.tls_port))
        self.addCleanup(s.close)
        return s

    def read_all(self, s):
        whole = b""
        while piece := s.recv(65536):
            whole += piece
        return whole

    def read_n(self, s, n):
        whole = b""
        while len(whole) < n:
            piece = s.recv(n - len(whole))
            self.assertTrue(piece, f"closed after {whole[:200]}")
            whole += piece
        return whole

    def read_line(self, s):
        line = b""
        while not line.endswith(b"\r\n"):
            line += self.read_n(s, 1)
        return line[:-2].decode()

    def answer(self, s):
        """Of one request, and not a byte more: status, headers, body."""
        version, status, _ = self.read_line(s).split(" ", 2)
        self.assertEqual(version, "HTTP/1.1")
        headers = {}
        while line := self.read_line(s):
            name, value = line.split(": ", 1)
            headers[name] = value
        if headers.get("transfer-encoding") != "chunked":
            return int(status), headers, self.read_n(s, int(headers["content-length"]))
        body = b""
        while n := int(self.read_line(s), 16):
            body += self.read_n(s, n)
            self.assertEqual(self.read_line(s), "")
        self.assertEqual(self.read_line(s), "")
        return int(status), headers, body

    def ask(self, raw, s=None):
        s = s or self.connect()
        s.sendall(raw if isinstance(raw, bytes) else raw.encode())
        return self.answer(s)

    def refused(self, raw, status):
        """The request is answered so, and the connection ends with it."""
        s = self.connect()
        s.sendall(raw if isinstance(raw, bytes) else raw.encode())
        whole = self.read_all(s)
        self.assertTrue(whole.startswith(f"HTTP/1.1 {status} ".encode()), whole[:200])
        self.assertEqual(whole.count(b"\r\n\r\n"), 1, whole)
        self.assertIn(b"\r\nconnection: close\r\n", whole)


GET = "GET /healthz HTTP/1.1\r\nHost: x\r\n"


def call(method, *params, path="/jsonrpc", extra=""):
    body = json.dumps({"jsonrpc": "2.0", "method": method, "params": params, "id": 7})
    return (
        f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n{extra}\r\n{body}".encode()
    )


class Heads(Door):
    """What is a request, and what is not."""

    def test_plain(self):
        status, headers, body = self.ask(GET + "\r\n")
        self.assertEqual((status, body), (200, b"ok\n"))
        self.assertEqual(headers["content-length"], "3")
        self.assertIn("GMT", headers["date"])

    def test_in_single_bytes(self):
        s = self.connect()
        for byte in (GET + "\r\n").encode():
            s.sendall(bytes([byte]))
        self.assertEqual(self.answer(s)[0], 200)

    def test_smuggling(self):
        chunked = "Transfer-Encoding: chunked\r\n"
        for headers, status in (
            ("Content-Length: 3\r\n" + chunked, 400),
            (chunked + "Content-Length: 3\r\n", 400),
            (chunked, 501),
            ("Transfer-Encoding: xchunked\r\n", 501),
            ("Content-Length: 3\r\nContent-Length: 3\r\n", 400),
            ("Content-Length: 3\r\nContent-Length: 5\r\n", 400),
            ("Content-Length: 3, 3\r\n", 400),
            ("Content-Length: +3\r\n", 400),
            ("Content-Length: -3\r\n", 400),
            ("Content-Length: 0x3\r\n", 400),
            ("Content-Length: 3 5\r\n", 400),
            ("Content-Length : 3\r\n", 400),
            ("Content-Length: 99999999999999999999\r\n", 400),
            (" Content-Length: 3\r\n", 400),
            ("X: a\r\n b\r\n", 400),
            ("X: a\r\n\tContent-Length: 3\r\n", 400),
            ("X: a\nContent-Length: 3\r\n", 400),
            ("X: a\rContent-Length: 3\r\n", 400),
            ("X\0: a\r\n", 400),
            ("X: a\0b\r\n", 400),
            ("X\x80: a\r\n", 400),
            (": a\r\n", 400),
            ("X\r\n", 400),
        ):
            with self.subTest(headers):
                self.refused(f"POST /count HTTP/1.1\r\nHost: x\r\n{headers}\r\nabc", status)

    def test_request_lines(self):
        for line, status in (
            ("GET /healthz HTTP/1.1\n", 400),
            ("GET  HTTP/1.1\r\n", 400),
            ("GET /healthz\r\n", 505),
            ("GET /healthz HTTP/2.0\r\n", 505),
            ("GET /healthz HTTP/1.2\r\n", 505),
            ("GET /healthz HTTP/0.9\r\n", 505),
            ("GET healthz HTTP/1.1\r\n", 400),
            ("GE(T /healthz HTTP/1.1\r\n", 400),
            ("FROB /healthz HTTP/1.1\r\n", 400),
            ("GET /%zz HTTP/1.1\r\n", 400),
            ("GET /%0 HTTP/1.1\r\n", 400),
            ("GET /a%00b HTTP/1.1\r\n", 400),
            ("GET /a\tb HTTP/1.1\r\n", 400),
            ("\x16\x03\x01 hello\r\n", 400),
        ):
            with self.subTest(line):
                self.refused(f"{line}Host: x\r\n\r\n", status)

    def test_huge_heads(self):
        self.refused(GET + "X: " + "a" * 40000 + "\r\n\r\n", 431)
        self.refused("GET /" + "a" * 40000 + " HTTP/1.1\r\n\r\n", 431)
        self.refused(GET + "".join(f"X{i}: a\r\n" for i in range(200)) + "\r\n", 431)
        status, _, _ = self.ask(GET + "".join(f"X{i}: a\r\n" for i in range(90)) + "\r\n")
        self.assertEqual(status, 200)

    def test_unknown(self):
        self.assertEqual(self.ask("DELETE /healthz HTTP/1.1\r\n\r\n")[0], 501)
        self.assertEqual(self.ask("PUT /healthz HTTP/1.1\r\ncontent-length: 0\r\n\r\n")[0], 404)
        self.assertEqual(self.ask("PUT /counter HTTP/1.1\r\ncontent-length: 0\r\n\r\n")[0], 404)
        self.assertEqual(self.ask("PUT /count/er HTTP/1.1\r\ncontent-length: 0\r\n\r\n")[0], 200)

    def test_keep_alive(self):
        s = self.connect()
        for _ in range(3):
            self.assertEqual(self.ask(GET + "\r\n", s)[0], 200)
        _, headers, _ = self.ask(GET + "Connection: close\r\n\r\n", s)
        self.assertEqual(headers["connection"], "close")
        self.assertEqual(s.recv(1), b"")

    def test_http_1_0(self):
        s = self.connect()
        s.sendall(b"GET /healthz HTTP/1.0\r\n\r\n")
        self.assertIn(b"connection: close", self.read_all(s))
        s = self.connect()
        _, headers, _ = self.ask("GET /healthz HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", s)
        self.assertEqual(headers["connection"], "keep-alive")
        self.assertEqual(self.ask(GET + "\r\n", s)[0], 200)

    def test_pipelining(self):
        s = self.connect()
        s.sendall(b"".join(call("test.echo", i) for i in range(100)) + b"\r\n\r\n")
        for i in range(100):
            status, _, body = self.answer(s)
            self.assertEqual((status, json.loads(body)["result"]), (200, i))
        self.assertEqual(self.ask(GET + "\r\n", s)[0], 200)

    def test_half_close(self):
        s = self.connect()
        s.sendall(call("test.sleep", 50))
        s.shutdown(socket.SHUT_WR)
        self.assertIn(b"slept", self.read_all(s))

    def test_truncated(self):
        for part in (GET, "POST / HTTP/1.1\r\nContent-Length: 10\r\n\r\nabc"):
            s = self.connect()
            s.sendall(part.encode())
            s.shutdown(socket.SHUT_WR)
            whole = self.read_all(s)
            self.assertNotIn(b" 200 ", whole)
        self.assertEqual(self.ask(GET + "\r\n")[0], 200)

    def test_head(self):
        s = self.connect()
        s.sendall(b"HEAD /healthz HTTP/1.1\r\n\r\nHEAD /bytes?n=5 HTTP/1.1\r\n\r\n" + GET.encode() + b"\r\n")
        whole = b""
        while not whole.endswith(b"ok\n"):
            whole += s.recv(4096)
        self.assertEqual(whole.count(b"HTTP/1.1 200 OK\r\n"), 3)
        self.assertEqual(whole.count(b"ok\n"), 1)

    def test_absolute_target(self):
        self.assertEqual(self.ask("GET http://x/healthz?a=b HTTP/1.1\r\n\r\n")[0], 200)


class Bodies(Door):
    """Bodies of requests and answers."""

    def test_limits(self):
        body = b"x" * (300 * 1024 + 1)
        head = f"POST /jsonrpc HTTP/1.1\r\nContent-Length: {len(body)}\r\n\r\n".encode()
        s = self.connect()
        status, _, _ = self.ask(head + body, s)
        self.assertEqual(status, 413)
        # It was passed over, and the connection is still good.
        self.assertEqual(self.ask(GET + "\r\n", s)[0], 200)
        self.refused("POST /jsonrpc HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\nabc", 413)
        self.assertEqual(self.ask("POST /jsonrpc HTTP/1.1\r\n\r\n")[0], 411)

    def test_streamed(self):
        bytes_ = os.urandom(3_000_000)
        s = self.connect()
        status, _, body = self.ask(
            f"PUT /count HTTP/1.1\r\nContent-Length: {len(bytes_)}\r\n\r\n".encode() + bytes_, s
        )
        self.assertEqual(body.decode().split(), [str(len(bytes_)), str(sum(bytes_))])
        self.assertEqual(self.ask(GET + "\r\n", s)[0], 200)

    def test_expect(self):
        # Who is refused is not asked to send.
        s = self.connect()
        s.sendall(b"POST /jsonrpc HTTP/1.1\r\nContent-Length: 400000\r\nExpect: 100-continue\r\n\r\n")
        self.assertTrue(self.read_all(s).startswith(b"HTTP/1.1 413 "))
        s = self.connect()
        s.sendall(b"PUT /count HTTP/1.1\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n")
        self.assertEqual(s.recv(100), b"HTTP/1.1 100 Continue\r\n\r\n")
        self.assertEqual(self.ask(b"\1\2\3", s)[2], b"3 6\n")
        self.refused(
            "PUT /count HTTP/1.1\r\nContent-Length: 3\r\nExpect: miracles\r\n\r\nabc", 417
        )

    def test_answers_in_pieces(self):
        s = self.connect()
        for query, header in (("", "transfer-encoding"), ("&length", "content-length")):
            _, headers, body = self.ask(f"GET /bytes?n=1000000{query} HTTP/1.1\r\n\r\n", s)
            self.assertIn(header, headers)
            self.assertEqual(body, b"x" * 1000000)
        s.sendall(b"GET /bytes?n=10 HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
        self.assertTrue(self.read_all(s).endswith(b"\r\n\r\n" + b"x" * 10))

    def test_slow_reader(self):
        """The door does not keep what a client does not take."""
        s = socket.socket()
        self.addCleanup(s.close)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        s.settimeout(HANG)
        s.connect(("127.0.0.1", self.port))
        s.sendall(b"GET /bytes?n=200000000&length HTTP/1.1\r\nConnection: close\r\n\r\n")
        s.recv(10)
        self.assertEqual(self.ask(GET + "\r\n")[0], 200)
        resident = int(pathlib.Path(f"/proc/{self.daemon.pid}/statm").read_text().split()[1])
        self.assertLess(resident * os.sysconf("SC_PAGE_SIZE"), 150 << 20)

    def test_failures(self):
        s = self.connect()
        status, _, body = self.ask("GET /failure HTTP/1.1\r\n\r\n", s)
        self.assertEqual(status, 500)
        self.assertIn(b"HANDLE_INVALID", body)
        s.sendall(b"GET /failure?late HTTP/1.1\r\n\r\n")
        self.assertTrue(self.read_all(s).endswith(b"\r\n\r\nhalf"))
        s = self.connect()
        self.assertEqual(
            self.ask("PUT /nothing HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc", s)[0], 500
        )
        self.assertEqual(self.ask(GET + "\r\n", s)[0], 200)

    def test_admission(self):
        for query, header, status in (
            ("", "", 401),
            ("?session_id=weak", "", 403),
            ("?session_id=good", "", 200),
            ("?session_id=go%6fd", "", 200),
            ("", "Cookie: a=b; session_id=good\r\n", 200),
            ("", f"Authorization: Basic {base64.b64encode(b'root:se:cret').decode()}\r\n", 200),
            ("", f"Authorization: Basic {base64.b64encode(b'root:no').decode()}\r\n", 401),
            ("", "Authorization: Basic %%%\r\n", 401),
            ("", "Authorization: Bearer good\r\n", 401),
        ):
            with self.subTest(query + header):
                got, headers, _ = self.ask(f"GET /admitted{query} HTTP/1.1\r\n{header}\r\n")
                self.assertEqual(got, status)
                if status == 401:
                    self.assertEqual(headers["www-authenticate"], 'Basic realm="get_admitted"')
        self.assertEqual(self.ask("GET /admitted HTTP/1.1\r\n\r\n", self.connect_unix())[0], 200)

    def test_files(self):
        for path, status, type_ in (
            ("/", 200, "text/html; charset=utf-8"),
            ("/index.html", 200, "text/html; charset=utf-8"),
            ("/sub/a%20b.js?v=1", 200, "text/javascript; charset=utf-8"),
            ("/sub", 404, None),
            ("/missing", 404, None),
            ("/.hidden", 404, None),
            ("/../secret", 404, None),
            ("/%2e%2e/secret", 404, None),
            ("/..%2fsecret", 404, None),
            ("/sub/..%5c..%5csecret", 404, None),
        ):
            with self.subTest(path):
                got, headers, _ = self.ask(f"GET {path} HTTP/1.1\r\n\r\n")
                self.assertEqual(got, status)
                if type_:
                    self.assertEqual(headers["content-type"], type_)


    def test_ranges(self):
        """Of the file's 12 bytes; what is no range, or more than one, gets all of them."""
        for wanted, status, bytes_, body in (
            ("bytes=0-2", 206, "bytes 0-2/12", b"<p>"),
            ("bytes=3-", 206, "bytes 3-11/12", b"front</p>"),
            ("bytes=8-99", 206, "bytes 8-11/12", b"</p>"),
            ("bytes=-4", 206, "bytes 8-11/12", b"</p>"),
            ("bytes=-99", 206, "bytes 0-11/12", b"<p>front</p>"),
            ("bytes=11-11", 206, "bytes 11-11/12", b">"),
            ("bytes=12-", 416, "bytes */12", None),
            ("bytes=-0", 416, "bytes */12", None),
            ("bytes=2-1", 200, None, b"<p>front</p>"),
            ("bytes=0-1,4-5", 200, None, b"<p>front</p>"),
            ("bytes=x-1", 200, None, b"<p>front</p>"),
            ("bytes=99999999999999999999-", 200, None, b"<p>front</p>"),
            ("bytes=--1", 200, None, b"<p>front</p>"),
            ("bytes=", 200, None, b"<p>front</p>"),
            ("lines=0-1", 200, None, b"<p>front</p>"),
        ):
            with self.subTest(wanted):
                got, headers, answer = self.ask(f"GET / HTTP/1.1\r\nRange: {wanted}\r\n\r\n")
                self.assertEqual((got, headers.get("content-range")), (status, bytes_))
                if body is not None:
                    self.assertEqual(answer, body)
                    self.assertEqual(headers["content-length"], str(len(body)))
        got, headers, answer = self.ask(
            'GET / HTTP/1.1\r\nRange: bytes=0-2\r\nIf-Range: "x"\r\n\r\n'
        )
        self.assertEqual((got, answer), (200, b"<p>front</p>"))
        self.assertEqual(headers["accept-ranges"], "bytes")


class Framings(Door):
    """XML-RPC and JSON-RPC."""

    def post(self, path, body):
        return self.ask(
            f"POST {path} HTTP/1.1\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()
        )

    def test_xml(self):
        body = xmlrpc.client.dumps(("a<b",), "test.echo")
        for path in ("/", "/RPC2", "/xmlrpc", "/json", "/nobody/knows"):
            status, headers, answer = self.post(path, body)
            self.assertEqual(status, 200)
            self.assertEqual(headers["content-type"], "text/xml")
            self.assertEqual(headers["access-control-allow-origin"], "*")
            self.assertEqual(
                answer.decode(),
                '<?xml version="1.0"?><methodResponse><params><param><value><struct><member>'
                "<name>Status</name><value>Success</value></member><member><name>Value</name>"
                "<value>a&lt;b</value></member></struct></value></param></params></methodResponse>",
            )

    def test_xml_client(self):
        proxy = xmlrpc.client.ServerProxy(f"http://localhost:{self.port}/")
        with proxy:
            self.assertEqual(proxy.test.echo({"a": ["", 1]})["Value"], {"a": ["", "1"]})
            self.assertEqual(
                proxy.test.fail(),
                {"Status": "Failure", "ErrorDescription": ["HANDLE_INVALID", "V<M>", 'Opaque"Ref']},
            )
            self.assertEqual(proxy.system.listMethods(), ["test.echo", "test.fail"])
            self.assertEqual(len(proxy.test.large(3_000_000)["Value"]), 3_000_000)

    def test_json(self):
        for request, answer in (
            (
                '{"jsonrpc":"2.0","method":"test.echo","params":[[1,{"a":null}]],"id":3}',
                '{"jsonrpc":"2.0","result":[1,{"a":null}],"id":3}',
            ),
            (
                '{"jsonrpc":"2.0","method":"test.echo","params":{"a":1},"id":"i\\"d"}',
                '{"jsonrpc":"2.0","result":{"a":1},"id":"i\\"d"}',
            ),
            (
                '{"jsonrpc":"2.0","method":"test.hello","id":3}',
                '{"jsonrpc":"2.0","result":"hello","id":3}',
            ),
            (
                '{"jsonrpc":"2.0","method":"test.fail","params":[],"id":3}',
                '{"jsonrpc":"2.0","error":{"code":1,"message":"HANDLE_INVALID",'
                '"data":["V<M>","Opaque\\"Ref"]},"id":3}',
            ),
            (
                '{"method":"test.echo","params":["x"],"id":0}',
                '{"result":"x","error":null,"id":0}',
            ),
            (
                '{"id":-4,"params":[],"method":"test.fail","more":[{}]}',
                '{"result":null,"error":["HANDLE_INVALID","V<M>","Opaque\\"Ref"],"id":-4}',
            ),
        ):
            with self.subTest(request):
                status, headers, body = self.post("/jsonrpc", request)
                self.assertEqual((status, body.decode()), (200, answer))
                self.assertEqual(headers["content-type"], "application/json")

    def test_malformed(self):
        for body in (
            "",
            "not json",
            "[]",
            "{}",
            "3",
            '{"method":"test.hello","params":[]}',
            '{"method":"test.hello","params":[],"id":null}',
            '{"method":"test.hello","params":[],"id":1.5}',
            '{"method":"test.hello","params":[],"id":[]}',
            '{"method":"test.hello","params":{},"id":1}',
            '{"method":"test.hello","id":1}',
            '{"method":3,"params":[],"id":1}',
            '{"params":[],"id":1}',
            '{"jsonrpc":"1.0","method":"test.hello","params":[],"id":1}',
            '{"jsonrpc":2.0,"method":"test.hello","params":[],"id":1}',
            '{"jsonrpc":"2.0","method":"test.hello","params":3,"id":1}',
            '{"jsonrpc":"2.0","method":"test.hello","params":[],"id":1}x',
            '{"method":"test.hello","method":"test.hello","params":[],"id":1}',
            '{"method":"test.hello","params":[' + "[" * 100 + "]" * 100 + '],"id":1}',
        ):
            with self.subTest(body):
                self.assertEqual(self.post("/jsonrpc", body)[0], 500)
        for body in ("", "<not-xml", "<methodCall/>", "<a/>", "<!DOCTYPE a><methodCall/>"):
            with self.subTest(body):
                self.assertEqual(self.post("/RPC2", body)[0], 500)

    def test_preflight(self):
        for path in ("/", "/json", "/jsonrpc"):
            status, headers, body = self.ask(f"OPTIONS {path} HTTP/1.1\r\n\r\n")
            self.assertEqual((status, body), (200, b""))
            self.assertEqual(headers["access-control-allow-origin"], "*")
            self.assertIn("X-Requested-With", headers["access-control-allow-headers"])

    def test_origins(self):
        raw = call("test.peer", extra="User-Agent: me\r\nTask-Id: OpaqueRef:1\r\n")
        for connect, origin in (
            (self.connect, "tcp 127.0.0.1 me OpaqueRef:1"),
            (self.connect_tls, "tls 127.0.0.1 me OpaqueRef:1"),
            (self.connect_unix, "unix  me OpaqueRef:1"),
        ):
            s = connect()
            for _ in range(2):
                self.assertEqual(json.loads(self.ask(raw, s)[2])["result"], origin)


class Tls(Door):
    """Handshakes, from Python's ssl module and OpenSSL's client."""

    def test_versions(self):
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            s = self.connect_tls(minimum_version=version, maximum_version=version)
            self.assertEqual(self.ask(GET + "\r\n", s)[0], 200)
            self.assertEqual(self.ask(call("test.echo", "é"), s)[0], 200)

    def test_large(self):
        s = self.connect_tls()
        body = self.ask(call("test.large", 3_000_000), s)[2]
        self.assertEqual(json.loads(body)["result"], "y" * 3_000_000)
        bytes_ = b"\1" * 3_000_000
        _, _, body = self.ask(b"PUT /count HTTP/1.1\r\nContent-Length: 3000000\r\n\r\n" + bytes_, s)
        self.assertEqual(body, b"3000000 3000000\n")

    def test_not_tls(self):
        s = self.connect(self.tls_port)
        s.sendall(GET.encode() + b"\r\n")
        self.assertNotIn(b"HTTP/1.1 200", self.read_all(s))
        s = self.connect(self.tls_port)
        s.close()
        self.assertEqual(self.ask(GET + "\r\n", self.connect_tls())[0], 200)

    def test_openssl(self):
        done = subprocess.run(
            ["openssl", "s_client", "-connect", f"127.0.0.1:{self.tls_port}", "-quiet"],
            input=GET.encode() + b"Connection: close\r\n\r\n",
            capture_output=True,
            timeout=HANG,
        )
        self.assertIn(b"HTTP/1.1 200 OK", done.stdout)

    def test_key_is_nobody_elses(self):
        found = list(self.dir.rglob("doord.pem"))
        self.assertEqual(len(found), 1)
        self.assertEqual(found[0].stat().st_mode & 0o777, 0o600)


class Unix(Door):
    """The socket of root."""

    def test_mode(self):
        self.assertEqual((self.dir / "run/xapi").stat().st_mode & 0o777, 0o600)

    @unittest.skipIf(os.geteuid(), "only root can become somebody else")
    def test_others_are_turned_away(self):
        os.chmod(self.dir, 0o755)
        os.chmod(self.dir / "run", 0o755)
        os.chmod(self.dir / "run/xapi", 0o666)
        self.addCleanup(os.chmod, self.dir / "run/xapi", 0o600)
        code = (
            "import os, socket, sys\n"
            "os.setgid(65534); os.setuid(65534)\n"
            "s = socket.socket(socket.AF_UNIX)\n"
            "try:\n s.connect(sys.argv[1])\n s.sendall(b'GET /healthz HTTP/1.1\\r\\n\\r\\n')\n print(s.recv(100))\n"
            "except OSError:\n print(b'')\n"
        )
        done = subprocess.run(
            ["python3", "-c", code, str(self.dir / "run/xapi")],
            capture_output=True,
            text=True,
            timeout=HANG,
        )
        self.assertEqual(done.stdout, "b''\n", done.stderr)


class Consoles(Door):
    """CONNECT and WebSocket to a console that echoes, and ends at an exclamation mark."""

    def connect_to(self, uuid):
        s = self.connect()
        s.sendall(f"CONNECT /console?uuid={uuid}&session_id=good HTTP/1.1\r\n\r\n".encode())
        head = b""
        while b"\r\n\r\n" not in head:
            head += s.recv(1)
        return s, int(head.split()[1])

    def test_one_session_of_some(self):
        first, status = self.connect_to("one")
        self.assertEqual(status, 200)
        self.assertEqual(self.connect_to("one")[1], 429)
        self.assertEqual(self.connect_to("other")[1], 200)
        self.assertEqual(self.connect_to("other")[1], 200)
        first.sendall(b"bye!")
        while first.recv(100):
            pass
        # and whoever was refused has no share in it
        self.assertEqual(self.connect_to("one")[1], 200)

    def test_idle_ones_end(self):
        s, status = self.connect_to("idle")
        self.assertEqual((status, s.recv(100)), (200, b""))

    def test_connect(self):
        s = self.connect()
        s.sendall(b"CONNECT /console?uuid=1&session_id=good HTTP/1.0\r\n\r\nearly")
        whole = b""
        while not whole.endswith(b"early"):
            whole += s.recv(100)
        self.assertEqual(whole, b"HTTP/1.1 200 OK\r\n\r\nearly")
        s.sendall(b"bye!")
        self.assertEqual(self.read_all(s), b"bye!")

    def test_refusals(self):
        for query, status in (("uuid=1", 401), ("session_id=good", 404)):
            s = self.connect()
            s.sendall(f"CONNECT /console?{query} HTTP/1.1\r\n\r\n".encode())
            self.assertIn(f"HTTP/1.1 {status} ".encode(), s.recv(1000))
        self.assertEqual(self.ask("GET /console?uuid=1&session_id=good HTTP/1.1\r\n\r\n")[0], 426)

    def frame(self, opcode, payload):
        mask = os.urandom(4)
        masked = bytes(b ^ mask[i % 4] for i, b in enumerate(payload))
        return bytes([0x80 | opcode, 0x80 | len(payload)]) + mask + masked

    def read_frame(self, s):
        head = self.read_n(s, 2)
        n = head[1]
        if n == 126:
            (n,) = struct.unpack(">H", self.read_n(s, 2))
        return head[0] & 15, self.read_n(s, n)

    def upgrade(self, s, key=base64.b64encode(b"0123456789abcdef").decode(), version="13"):
        s.sendall(
            "GET /console?uuid=1&session_id=good HTTP/1.1\r\nHost: x\r\nUpgrade: WebSocket\r\n"
            f"Connection: keep-alive, Upgrade\r\nSec-WebSocket-Key: {key}\r\n"
            f"Sec-WebSocket-Version: {version}\r\nSec-WebSocket-Protocol: binary\r\n\r\n".encode()
        )
        head = b""
        while b"\r\n\r\n" not in head:
            head += s.recv(1)
        return head.decode(), key

    def test_websocket(self):
        for connect in (self.connect, self.connect_tls):
            s = connect()
            head, key = self.upgrade(s)
            self.assertTrue(head.startswith("HTTP/1.1 101 "), head)
            digest = hashlib.sha1((key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest()
            self.assertIn(f"sec-websocket-accept: {base64.b64encode(digest).decode()}\r\n", head)
            self.assertIn("sec-websocket-protocol: binary\r\n", head)
            s.sendall(self.frame(2, b"hello") + self.frame(9, b"ping"))
            got = {self.read_frame(s), self.read_frame(s)}
            self.assertEqual(got, {(2, b"hello"), (10, b"ping")})
            s.sendall(self.frame(8, struct.pack(">H", 1000)))
            self.assertEqual(self.read_frame(s)[0], 8)
            self.assertEqual(s.recv(1), b"")

    def test_websocket_refused(self):
        for key, version in (("short", "13"), ("!" * 24, "13"), (None, "8")):
            s = self.connect()
            head, _ = self.upgrade(s, key or base64.b64encode(b"0" * 16).decode(), version)
            self.assertRegex(head, r"^HTTP/1\.1 4(00|26) ")

    def test_unmasked_frames_end_it(self):
        s = self.connect()
        self.upgrade(s)
        s.sendall(b"\x82\x02hi")
        self.assertNotIn(b"hi", self.read_all(s))


class Limits(Door):
    """Few connections, little patience."""

    CONF = "connections = 4\nidle_timeout = 1s\n"

    def test_the_idle_one_makes_room(self):
        first = self.connect()
        self.ask(GET + "\r\n", first)
        others = [self.connect() for _ in range(6)]
        for s in others[-3:]:
            self.assertEqual(self.ask(GET + "\r\n", s)[0], 200)
        self.assertEqual(first.recv(1), b"")

    def test_idle_ones_are_closed(self):
        s = self.connect()
        self.ask(GET + "\r\n", s)
        self.assertEqual(s.recv(1), b"")  # else this hangs

    def held(self):
        """A call that is answered when release() says so."""
        return call("test.hold", str(self.dir / "released"))

    def release(self):
        (self.dir / "released").touch()
        self.addCleanup((self.dir / "released").unlink)

    def await_read(self, s):
        """Until the door has read all that was sent."""
        ends = f":{self.port:04X}", f":{s.getsockname()[1]:04X}"
        deadline = time.monotonic() + HANG
        while True:
            rows = [row.split() for row in pathlib.Path("/proc/net/tcp").read_text().splitlines()]
            [queues] = [r[4] for r in rows[1:] if (r[1][-5:], r[2][-5:]) == ends]
            if queues.endswith(":00000000"):
                return
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.005)

    def test_slow_ones_make_room(self):
        """Whose request is on its way the longest goes first; one that is served is not touched."""
        served = self.connect()
        served.sendall(self.held())
        self.await_read(served)
        half = call("test.sleep", 0)
        slow = [self.connect() for _ in range(3)]
        for s, n in zip(slow, (5, len(half) - 5, 5)):
            s.sendall(half[:n])
            self.await_read(s)
        others = []
        for s in slow[:2]:
            others.append(self.connect())
            others[-1].sendall(self.held())
            self.assertEqual(s.recv(1), b"")
            self.await_read(others[-1])
        slow[2].sendall(half[5:])
        self.assertIn(b"slept", self.answer(slow[2])[2])
        self.release()
        for s in (served, *others):
            self.assertIn(b"held", self.answer(s)[2])

    def test_empty_lines_are_no_request(self):
        """Who sends nothing else keeps nobody out."""
        empty = [self.connect() for _ in range(4)]
        for s in empty:
            s.sendall(b"\r\n")
        time.sleep(0.1)
        self.assertEqual(self.ask(GET + "\r\n")[0], 200)

    def test_busy_ones_stay(self):
        busy = [self.connect() for _ in range(4)]
        for s in busy:
            s.sendall(self.held())
            self.await_read(s)
        turned_away = self.connect()
        try:
            self.assertEqual(turned_away.recv(1), b"")
        except ConnectionResetError:
            pass
        self.release()
        for s in busy:
            self.assertIn(b"held", self.answer(s)[2])


class Crowd(Door):
    """Many who do nothing, and many who do it slowly."""

    def test_the_others_are_served(self):
        idle = [self.connect() for _ in range(300)]
        for s in idle[:150]:
            self.ask(GET + "\r\n", s)
        encrypted = [self.connect_tls() for _ in range(30)]
        request = call("test.sleep", 0)
        slow = [self.connect() for _ in range(100)]
        for n in range(0, len(request), 20):
            for s in slow:
                s.sendall(request[n : n + 20])
            self.assertEqual(self.ask(GET + "\r\n")[0], 200)
        for s in slow:
            self.assertIn(b"slept", self.answer(s)[2])
        for s in idle + encrypted:
            self.assertEqual(self.ask(GET + "\r\n", s)[0], 200)


class Stopping(Door):
    """SIGTERM."""

    def test_idle_connections_do_not_hold_it(self):
        idle = [self.connect() for _ in range(3)]
        for s in idle[:2]:
            self.ask(GET + "\r\n", s)
        self.daemon.send_signal(signal.SIGTERM)
        self.assertEqual(self.daemon.wait(HANG), 0)
        for s in idle:
            try:
                self.assertEqual(s.recv(1), b"")
            except ConnectionResetError:
                pass

class Answering(Door):
    """SIGTERM, with requests in hand."""

    def test_they_are_answered(self):
        body = b'{"jsonrpc": "2.0", "id": 1, "method": "test.sleep", "params": [60000]}'
        head = (
            "POST /jsonrpc HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        go_on = b"HTTP/1.1 100 Continue\r\n\r\n"
        asked = [self.connect(), self.connect_tls(), self.connect_unix()]
        for s in asked:
            s.sendall(head.encode())
            self.assertEqual(self.read_n(s, len(go_on)), go_on)
            s.sendall(body)
        self.daemon.send_signal(signal.SIGTERM)
        for s in asked:
            self.assertRegex(self.read_all(s), rb"^HTTP/1\.1 \d\d\d ")
        self.assertEqual(self.daemon.wait(HANG), 0)


if __name__ == "__main__":
    unittest.main()
