# SPDX-License-Identifier: LGPL-2.1-or-later
"""The certificate that a host shows: made, read again, installed and refused. OpenSSL's own
programs make them, and Python's ssl looks at what is shown."""

import hashlib
import http.client
import os
import signal
import ssl
import subprocess
import time
import unittest

from stack import free_port
from xapid import ADDRESS, Xapid
from xenapi import HANG, NULL, Failure

ACCOUNTS = {"root": ("root", "r"), "admin": ("vm-admin", "a")}
DAYS = 86400


def fingerprint(pem, name="sha256"):
    digest = hashlib.new(name, ssl.PEM_cert_to_DER_cert(pem)).hexdigest().upper()
    return ":".join(digest[i : i + 2] for i in range(0, len(digest), 2))


def anybody():
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


class CertificateTest(unittest.TestCase):
    def setUp(self):
        self.port = free_port()
        self.xapid = Xapid(self, ACCOUNTS, f"tls_port = {self.port}\n")
        self.root = self.xapid.login("root", "r")
        self.host = self.root("host.get_all")[0]
        self.file = self.xapid.dir / "lib" / "xapid.pem"

    def shown(self):
        """The certificate that a new connection sees."""
        return ssl.get_server_certificate((ADDRESS, self.port))

    def openssl(self, *args):
        done = subprocess.run(
            ["openssl", *map(str, args)], cwd=self.xapid.dir, capture_output=True, check=True,
            stdin=subprocess.DEVNULL, timeout=HANG,
        )  # fmt: skip
        return done.stdout

    def text(self, name):
        return (self.xapid.dir / name).read_text()

    def make(self, name, *more, key=("rsa:2048",), days=30):
        """NAME.key and NAME.crt, which signs itself."""
        self.openssl("req", "-x509", "-newkey", *key, "-nodes", "-subj", f"/CN={name}",
            "-keyout", f"{name}.key", "-out", f"{name}.crt", "-days", days, *more)  # fmt: skip

    def make_dated(self, name, begins, ends):
        """The same, of days from now."""
        self.make(name)
        (self.xapid.dir / "ca.conf").write_text(
            "[ca]\ndefault_ca = own\n[own]\ndatabase = index\nserial = serial\n"
            "new_certs_dir = .\ndefault_md = sha256\npolicy = any\n[any]\ncommonName = supplied\n"
        )
        (self.xapid.dir / "index").write_text("")
        (self.xapid.dir / "serial").write_text("01\n")
        self.openssl("req", "-new", "-key", f"{name}.key", "-subj", f"/CN={name}", "-out", "r")
        when = [
            time.strftime("%Y%m%d%H%M%SZ", time.gmtime(time.time() + days * DAYS))
            for days in (begins, ends)
        ]
        self.openssl("ca", "-config", "ca.conf", "-selfsign", "-batch", "-in", "r", "-notext",
            "-keyfile", f"{name}.key", "-startdate", when[0], "-enddate", when[1],
            "-out", f"{name}.crt")  # fmt: skip

    def sign(self, name, by, *more):
        """NAME.crt anew, signed by another."""
        self.openssl("req", "-new", "-key", f"{name}.key", "-subj", f"/CN={name}", "-out", "r")
        self.openssl("x509", "-req", "-in", "r", "-CA", f"{by}.crt", "-CAkey", f"{by}.key",
            "-CAcreateserial", "-out", f"{name}.crt", "-days", "30", *more)  # fmt: skip

    def install(self, cert, key=None, chain=""):
        self.root("host.install_server_certificate", self.host, self.text(f"{cert}.crt"),
            self.text(f"{key or cert}.key"), chain)  # fmt: skip

    def refused(self, code, *args, **more):
        before = self.file.read_text()
        with self.assertRaises(Failure) as caught:
            self.install(*args, **more)
        self.assertEqual(caught.exception.error[0], code)
        self.assertEqual(self.file.read_text(), before)
        return caught.exception.error[1:]

    def row(self):
        rows = [
            record
            for record in self.root("Certificate.get_all_records").values()
            if record["type"] == "host"
        ]
        self.assertEqual(len(rows), 1)
        self.assertEqual(rows[0]["host"], self.host)
        return rows[0]

    def check_row(self):
        """It tells of what is shown."""
        shown, row = self.shown(), self.row()
        self.assertEqual(row["fingerprint_sha256"], fingerprint(shown))
        self.assertEqual(row["fingerprint"], fingerprint(shown))
        self.assertEqual(row["fingerprint_sha1"], fingerprint(shown, "sha1"))
        self.assertEqual(self.root("host.get_server_certificate", self.host), shown)
        return row

    def open(self):
        connection = http.client.HTTPSConnection(
            ADDRESS, self.port, timeout=HANG, context=anybody()
        )
        self.addCleanup(connection.close)
        self.ask(connection)
        return connection

    def ask(self, connection):
        connection.request("GET", "/healthz")
        self.assertEqual(connection.getresponse().read(), b"ok\n")


class Made(CertificateTest):
    def test_at_the_first_start(self):
        row = self.check_row()
        noted = self.root("host.get_certificates", self.host)
        kinds = {self.root("Certificate.get_type", ref) for ref in noted}
        self.assertEqual((len(noted), kinds), (2, {"host", "host_internal"}))
        begins, ends = row["not_before"].value, row["not_after"].value
        now = time.strftime("%Y%m%dT%H:%M:%SZ", time.gmtime())
        self.assertLess(begins, now)
        self.assertGreater(ends, now)
        # good for the address that it listens on
        context = ssl.create_default_context(cafile=str(self.file))
        connection = http.client.HTTPSConnection(
            ADDRESS, self.port, timeout=HANG, context=context
        )
        self.addCleanup(connection.close)
        self.ask(connection)
        before = self.shown()
        self.xapid.kill()
        self.xapid.start()
        self.root = self.xapid.login("root", "r")
        self.assertEqual(self.shown(), before)
        self.check_row()

    def test_anew(self):
        seen = [self.shown()]
        kept = self.open()
        for message in ("reset_server_certificate", "refresh_server_certificate"):
            self.root(f"host.{message}", self.host)
            seen.append(self.shown())
            self.check_row()
        self.root.plain("host.emergency_reset_server_certificate", self.root.ref)
        seen.append(self.shown())
        self.check_row()
        self.assertEqual(len(set(seen)), 4)
        self.ask(kept)
        self.assertEqual(os.stat(self.file).st_mode & 0o777, 0o600)
        admin = self.xapid.login("admin", "a")
        for message in ("reset_server_certificate", "refresh_server_certificate"):
            with self.assertRaises(Failure) as caught:
                admin(f"host.{message}", self.host)
            self.assertEqual(caught.exception.error[0], "RBAC_PERMISSION_DENIED")
            with self.assertRaises(Failure) as caught:
                self.root(f"host.{message}", NULL)
            self.assertEqual(caught.exception.error[0], "HANDLE_INVALID")
        with self.assertRaises(Failure) as caught:
            admin.plain("host.emergency_reset_server_certificate", admin.ref)
        self.assertEqual(caught.exception.error[0], "RBAC_PERMISSION_DENIED")
        self.assertEqual(self.shown(), seen[-1])

    def test_read_again(self):
        """SIGHUP: connections that are open go on, rubbish changes nothing."""
        kept, before = self.open(), self.shown()
        self.make("own")
        self.file.write_text(self.text("own.key") + self.text("own.crt"))
        self.assertEqual(self.shown(), before)
        self.xapid.process.send_signal(signal.SIGHUP)
        self.wait(lambda: self.shown() == self.text("own.crt"))
        self.wait(lambda: self.row()["fingerprint_sha256"] == fingerprint(self.shown()))
        self.ask(kept)
        self.file.write_text("rubbish")
        self.xapid.process.send_signal(signal.SIGHUP)
        self.wait(lambda: "STORE_UNUSABLE" in self.xapid.log())
        self.assertEqual(self.shown(), self.text("own.crt"))
        self.ask(kept)
        self.ask(self.open())

    def wait(self, condition):
        end = time.monotonic() + HANG
        while not condition():
            self.assertLess(time.monotonic(), end)
            time.sleep(0.02)


class Installed(CertificateTest):
    def test_one_with_its_chain(self):
        kept = self.open()
        for name in ("ca", "between"):
            self.make(name)
        (self.xapid.dir / "ca.ext").write_text("basicConstraints=critical,CA:TRUE\n")
        self.sign("between", "ca", "-extfile", "ca.ext")
        self.make("leaf", key=("ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"))
        (self.xapid.dir / "leaf.ext").write_text(f"subjectAltName=IP:{ADDRESS}\n")
        self.sign("leaf", "between", "-extfile", "leaf.ext")
        self.install("leaf", chain=self.text("between.crt"))
        self.assertEqual(self.shown(), self.text("leaf.crt"))
        self.check_row()
        context = ssl.create_default_context(cafile=str(self.xapid.dir / "ca.crt"))
        connection = http.client.HTTPSConnection(
            ADDRESS, self.port, timeout=HANG, context=context
        )
        self.addCleanup(connection.close)
        self.ask(connection)
        self.ask(kept)
        # it is for its issuer to renew
        with self.assertRaises(Failure):
            self.root("host.refresh_server_certificate", self.host)
        self.assertEqual(self.shown(), self.text("leaf.crt"))
        chain = self.text("between.crt") + self.text("ca.crt")
        self.install("leaf", chain=chain)
        for bad in (self.text("ca.crt"), "rubbish", chain[:-200], self.text("leaf.crt")):
            self.refused("SERVER_CERTIFICATE_CHAIN_INVALID", "leaf", chain=bad)
        # an issuer that a server would not begin with
        self.make("tiny", key=("rsa:1024",))
        self.sign("leaf", "tiny")
        chain = self.text("tiny.crt")
        self.refused("SERVER_CERTIFICATE_CHAIN_INVALID", "leaf", chain=chain)
        self.assertNotIn("PRIVATE", self.xapid.log())
        self.root("host.reset_server_certificate", self.host)
        self.assertNotEqual(self.shown(), self.text("leaf.crt"))
        self.check_row()

    def test_xe(self):
        def xe(*args):
            done = self.xapid.xe(*args, password="r")
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            return done.stdout.strip()

        self.make("own")
        files = self.xapid.dir / "own.crt", self.xapid.dir / "own.key"
        xe("host-server-certificate-install", f"certificate={files[0]}", f"private-key={files[1]}")
        self.assertEqual(self.shown(), self.text("own.crt"))
        self.assertEqual(xe("host-get-server-certificate"), self.text("own.crt").strip())
        uuid = self.root("host.get_uuid", self.host)
        for args in (
            ("host-reset-server-certificate",),
            ("host-refresh-server-certificate", f"host={uuid}"),
            ("host-emergency-reset-server-certificate",),
        ):
            before = self.shown()
            xe(*args)
            self.assertNotEqual(self.shown(), before)
        self.check_row()

    def test_what_does_not_fit(self):
        prefix = "SERVER_CERTIFICATE_"
        self.make("good")
        self.make("other")
        self.refused(prefix + "KEY_MISMATCH", "good", "other")
        self.make("short", key=("rsa:1024",))
        self.assertEqual(
            self.refused(prefix + "KEY_RSA_LENGTH_NOT_SUPPORTED", "short"), ["1024"]
        )
        self.make("edwards", key=("ed25519",))
        self.assertEqual(
            self.refused(prefix + "KEY_ALGORITHM_NOT_SUPPORTED", "edwards"), ["1.3.101.112"]
        )
        self.make("weak", "-sha1")
        self.refused(prefix + "SIGNATURE_NOT_SUPPORTED", "weak")
        self.make_dated("old", -10, -5)
        self.assertEqual(len(self.refused(prefix + "EXPIRED", "old")), 2)
        self.make_dated("early", 5, 10)
        self.assertEqual(len(self.refused(prefix + "NOT_VALID_YET", "early")), 2)
        for name, code in (("bad.crt", "INVALID"), ("bad.key", "KEY_INVALID")):
            for part in ("crt", "key"):
                (self.xapid.dir / f"bad.{part}").write_text(self.text(f"good.{part}"))
            (self.xapid.dir / name).write_text("rubbish")
            self.refused(prefix + code, "bad")
        self.openssl("rsa", "-in", "good.key", "-aes128", "-passout", "pass:x", "-out", "bad.key")
        (self.xapid.dir / "bad.crt").write_text(self.text("good.crt"))
        self.refused(prefix + "KEY_INVALID", "bad")
        with self.assertRaises(Failure) as caught:
            self.xapid.login("admin", "a")("host.install_server_certificate", self.host, "", "")
        self.assertEqual(caught.exception.error[0], "RBAC_PERMISSION_DENIED")
        # what else stands in a file is not taken
        key = self.xapid.dir / "both.key"
        key.write_text(self.text("other.crt") + self.text("good.key") + self.text("other.key"))
        self.install("good", "both")
        self.assertEqual(self.shown(), self.text("good.crt"))
        self.assertEqual(self.root("host.get_server_certificate", self.host), self.shown())
        self.check_row()
        self.assertEqual(self.file.read_text().count("BEGIN"), 2)


if __name__ == "__main__":
    unittest.main()
