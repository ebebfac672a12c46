# SPDX-License-Identifier: LGPL-2.1-or-later
"""TLS (common/tls.h) with OpenSSL's own client and Python's ssl module at the other end."""

import hashlib
import os
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import threading
import unittest

TOP = os.environ.get("XENITH_TOP", os.path.dirname(os.path.dirname(os.path.dirname(__file__))))
BUILD = os.environ.get("XENITH_BUILD", os.path.join(TOP, "build"))
TOOL = os.path.join(BUILD, "tests/tools/tls-tool")
TIMEOUT = 60


def fingerprint(der):
    digest = hashlib.sha256(der).hexdigest().upper()
    return ":".join(digest[i : i + 2] for i in range(0, len(digest), 2))


def anybody():
    """A client that believes anybody and would speak old versions too."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_ciphers("ALL:@SECLEVEL=0")
    return context


class Server(unittest.TestCase):
    """Our server, their clients."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="xenith-tls-")
        self.addCleanup(folder.cleanup)
        self.cert = os.path.join(folder.name, "cert.pem")
        self.tool = subprocess.Popen(
            [TOOL, "serve", self.cert], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True
        )
        self.addCleanup(self.end)
        # Nobody waits for a line for ever.
        watchdog = threading.Timer(2 * TIMEOUT, self.tool.kill)
        watchdog.start()
        self.addCleanup(watchdog.cancel)
        port, self.fingerprint = self.line().split()
        self.port = int(port)

    def end(self):
        self.tool.terminate()
        try:
            self.assertEqual(self.tool.wait(TIMEOUT), 0)
        finally:
            self.tool.kill()
            self.tool.stdout.close()

    def line(self):
        line = self.tool.stdout.readline()
        self.assertNotEqual(line, "", "the server has ended")
        return line.strip()

    def connect(self, context, name="localhost"):
        plain = socket.create_connection(("127.0.0.1", self.port), TIMEOUT)
        try:
            return context.wrap_socket(plain, server_hostname=name)
        except BaseException:
            plain.close()
            raise

    def check_echo(self, peer, payload=b"hello"):
        # A piece at a time: one SSL object is not to be read and written by two threads at once.
        for start in range(0, len(payload), 65536):
            piece = payload[start : start + 65536]
            peer.sendall(piece)
            got = b""
            while len(got) < len(piece):
                more = peer.recv(65536)
                self.assertNotEqual(more, b"", "the connection was closed")
                got += more
            self.assertEqual(got, piece)

    def test_versions(self):
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            with self.subTest(version=version):
                context = anybody()
                context.minimum_version = context.maximum_version = version
                with self.connect(context) as peer:
                    self.check_echo(peer, os.urandom(1_000_000))
                    peer.unwrap()
                self.assertEqual(self.line(), "ended")

    def test_old_versions_are_refused(self):
        for version in (ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1):
            with self.subTest(version=version):
                context = anybody()
                context.minimum_version = ssl.TLSVersion.TLSv1
                context.maximum_version = version
                with self.assertRaises(ssl.SSLError):
                    self.connect(context)
                self.assertIn("error: TLS_FAILED(unsupported protocol", self.line())

    def test_weak_ciphers_are_refused(self):
        for cipher in ("AES128-SHA", "AES256-GCM-SHA384", "ECDHE-RSA-AES128-SHA", "aNULL"):
            with self.subTest(cipher=cipher):
                context = anybody()
                context.maximum_version = ssl.TLSVersion.TLSv1_2
                context.set_ciphers(cipher + ":@SECLEVEL=0")
                with self.assertRaises(ssl.SSLError):
                    self.connect(context)
                self.assertIn("error: TLS_FAILED(no shared cipher", self.line())

    def test_certificate(self):
        context = ssl.create_default_context(cafile=self.cert)
        for name in ("localhost", "127.0.0.1"):
            with self.connect(context, name) as peer:
                self.check_echo(peer)
                self.assertEqual(fingerprint(peer.getpeercert(True)), self.fingerprint)
                peer.unwrap()
            self.assertEqual(self.line(), "ended")
        with self.assertRaises(ssl.SSLCertVerificationError):
            self.connect(context, "another.example")

    def test_cut(self):
        """A connection that ends without a good-bye is an error at our end."""
        peer = self.connect(anybody())
        self.check_echo(peer)
        plain = socket.socket(fileno=peer.detach())
        plain.close()
        self.assertIn("error: CONNECTION_LOST", self.line())

    def test_garbage(self):
        with socket.create_connection(("127.0.0.1", self.port), TIMEOUT) as peer:
            peer.sendall(b"GET / HTTP/1.1\r\n\r\n")
            self.assertIn("error: TLS_FAILED(http request", self.line())

    def test_reload(self):
        before = self.connect(anybody())
        os.unlink(self.cert)
        again = subprocess.Popen(
            [TOOL, "serve", self.cert], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True
        )
        fresh = again.stdout.readline().split()[1]
        again.terminate()
        again.wait(TIMEOUT)
        again.stdout.close()
        self.assertNotEqual(fresh, self.fingerprint)
        self.tool.send_signal(signal.SIGHUP)
        self.assertEqual(self.line(), "reloaded")
        with self.connect(anybody()) as after:
            self.assertEqual(fingerprint(after.getpeercert(True)), fresh)
            self.check_echo(after)
        # The one from before goes on.
        self.check_echo(before)
        with open(self.cert, "w", encoding="ascii") as cert:
            cert.write("rubbish")
        self.tool.send_signal(signal.SIGHUP)
        while "STORE_UNUSABLE" not in (said := self.line()):
            self.assertNotEqual(said, "reloaded")
        self.check_echo(before)
        before.close()

    @unittest.skipUnless(shutil.which("openssl"), "openssl is not installed")
    def test_s_client(self):
        """Renegotiation is refused, and nothing is compressed."""
        done = subprocess.run(
            ["openssl", "s_client", "-connect", f"127.0.0.1:{self.port}", "-tls1_2",
             "-CAfile", self.cert, "-verify_return_error", "-verify_hostname", "localhost"],
            input="R\n", stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            timeout=TIMEOUT, check=False,
        )  # fmt: skip
        self.assertIn("Verify return code: 0 (ok)", done.stdout)
        self.assertIn("Compression: NONE", done.stdout)
        self.assertIn("no renegotiation", done.stdout)


class Client(unittest.TestCase):
    """Their server, our client."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="xenith-tls-")
        self.addCleanup(folder.cleanup)
        self.cert = os.path.join(folder.name, "cert.pem")
        maker = subprocess.Popen([TOOL, "serve", self.cert], stdout=subprocess.PIPE, text=True)
        self.fingerprint = maker.stdout.readline().split()[1]
        maker.terminate()
        maker.wait(TIMEOUT)
        maker.stdout.close()

    def answer(self, listener, context, is_cut):
        plain, _ = listener.accept()
        plain.settimeout(TIMEOUT)
        try:
            with context.wrap_socket(plain, server_side=True) as peer:
                if peer.recv(5) == b"hello":
                    peer.sendall(b"welcome")
                if not is_cut:
                    peer.unwrap()
        except (OSError, ssl.SSLError):
            pass  # the client's verdict is what counts
        finally:
            plain.close()

    def talk(self, *how, name="localhost", is_cut=False, oldest=None):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.cert)
        if oldest:
            context.set_ciphers("ALL:@SECLEVEL=0")
            context.minimum_version = context.maximum_version = oldest
        with socket.create_server(("127.0.0.1", 0)) as listener:
            server = threading.Thread(target=self.answer, args=(listener, context, is_cut))
            server.start()
            done = subprocess.run(
                [TOOL, "connect", str(listener.getsockname()[1]), name, *how],
                stdout=subprocess.PIPE, text=True, timeout=TIMEOUT, check=False,
            )  # fmt: skip
            server.join()
        return done.stdout.strip()

    def test_verdicts(self):
        self.assertEqual(self.talk("none"), "got: welcome")
        self.assertEqual(self.talk("pinned", self.fingerprint), "got: welcome")
        plain = self.fingerprint.replace(":", "").lower()
        self.assertEqual(self.talk("pinned", plain), "got: welcome")
        self.assertEqual(self.talk("ca", self.cert), "got: welcome")
        self.assertEqual(self.talk("ca", self.cert, name="127.0.0.1"), "got: welcome")
        other = "00" * 32
        self.assertIn("CERTIFICATE_REFUSED", self.talk("pinned", other))
        self.assertIn("CERTIFICATE_REFUSED", self.talk("ca", self.cert, name="other.example"))

    def test_old_version(self):
        self.assertIn("TLS_FAILED", self.talk("none", oldest=ssl.TLSVersion.TLSv1_1))

    def test_cut(self):
        self.assertIn("error: CONNECTION_LOST", self.talk("none", is_cut=True))


if __name__ == "__main__":
    unittest.main()
