# SPDX-License-Identifier: LGPL-2.1-or-later
"""Logging in through PAM: what xapid-pam asks and xapid makes of the answer. libpam-wrapper gives
PAM a service of the test's own; pam_matrix knows its accounts."""

import os
import pathlib
import signal
import subprocess
import sysconfig
import threading
import time
import unittest

from stack import BUILD
from xapid import Xapid
from xenapi import HANG, Failure

LIBRARIES = pathlib.Path("/usr/lib", sysconfig.get_config_var("MULTIARCH") or "")
MATRIX = LIBRARIES / "pam_wrapper" / "pam_matrix.so"
WRAPPER = LIBRARIES / "libpam_wrapper.so"
PASSWORDS = "root:secret:xapid\nann:other:xapid\n"
WRONG = "wrong name or password"
NO_ANSWER = "it cannot be found out who this is: try again later"


@unittest.skipUnless(MATRIX.exists() and WRAPPER.exists(), "no libpam-wrapper")
class PamTest(unittest.TestCase):
    SETTINGS = ""
    TIMEOUT = HANG  # seconds that a login may take

    def setUp(self):
        settings = f"auth = pam\nlogin_timeout = {self.TIMEOUT}s\n{self.SETTINGS}"
        self.xapid = Xapid(self, {"root": ("root", "of the file")}, settings)
        self.dir = self.xapid.dir
        (self.dir / "services").mkdir()
        (self.dir / "passwords").write_text(PASSWORDS)
        self.service(account=f"required {MATRIX} passdb={self.dir}/passwords")
        (self.dir / "libexec").mkdir()
        self.helper(
            f"""export LD_PRELOAD={WRAPPER} PAM_WRAPPER=1
            # A sanitizer wants to be first, alone, and the tracer of what it looks at.
            export ASAN_OPTIONS=verify_asan_link_order=0:detect_leaks=0
            export UID_WRAPPER_DISABLE_DEEPBIND=1
            export PAM_WRAPPER_SERVICE_DIR={self.dir}/services
            exec {BUILD}/bin/xapid-pam "$@" """
        )

    def service(self, auth=None, account=None):
        auth = auth or f"required {MATRIX} passdb={self.dir}/passwords"
        account = account or "required pam_permit.so"
        text = f"auth {auth}\naccount {account}\n"
        (self.dir / "services" / "xapid").write_text(text)

    def helper(self, script):
        path = self.dir / "libexec" / "xapid-pam"
        path.write_text("#!/bin/sh\n" + script + "\n")
        path.chmod(0o755)

    def login(self, user="root", password="secret"):
        return self.xapid.login(user, password)

    def refused(self, user="root", password="secret"):
        """Why a login is refused."""
        with self.assertRaises(Failure) as caught:
            self.login(user, password)
        code, name, why = caught.exception.args
        self.assertEqual((code, name), ("SESSION_AUTHENTICATION_FAILED", user))
        return why

    def wait_for(self, condition):
        end = time.monotonic() + HANG
        while not condition():
            self.assertLess(time.monotonic(), end)
            time.sleep(0.02)

    def helpers(self):
        """The processes that xapid has started."""
        done = subprocess.run(
            ["ps", "-o", "pid=", "--ppid", str(self.xapid.process.pid)],
            stdout=subprocess.PIPE,
            text=True,
        )
        return [int(pid) for pid in done.stdout.split()]


class Logins(PamTest):
    def test_right_and_wrong(self):
        client = self.login()
        self.assertTrue(client("session.get_is_local_superuser", client.ref))
        self.assertEqual(client("session.get_auth_user_name", client.ref), "root")
        client = self.login("ann", "other")
        self.assertEqual(client("session.get_auth_user_name", client.ref), "ann")
        self.assertEqual(self.refused(password="other"), WRONG)
        self.assertEqual(self.refused(password=""), WRONG)
        self.assertEqual(self.refused("nobody-of-this-name"), WRONG)
        self.assertEqual(self.refused(password="of the file"), WRONG)

    def test_pam_is_told_the_origin(self):
        told = self.dir / "told"
        (self.dir / "tell").write_text(f'#!/bin/sh\necho "$PAM_USER $PAM_RHOST" >{told}\n')
        (self.dir / "tell").chmod(0o755)
        self.service(account=f"required pam_exec.so {self.dir}/tell")
        self.login()
        self.assertEqual(told.read_text(), "root 127.0.0.1\n")
        self.refused(password="other")
        self.assertIn("login as 'root' from 127.0.0.1 failed", self.xapid.log())

    def test_nothing_of_a_password_is_logged(self):
        self.login()
        self.refused(password="a wrong one")
        self.assertNotIn("a wrong one", self.xapid.log())
        self.assertNotIn("secret", self.xapid.log())

    def test_expired(self):
        self.service(account="required pam_debug.so acct=acct_expired")
        self.assertEqual(self.refused(), "User account has expired")
        self.assertEqual(self.refused(password="wrong"), WRONG)
        self.service(account="required pam_debug.so acct=new_authtok_reqd")
        self.assertIn("new one required", self.refused())
        self.service(account="required pam_debug.so acct=perm_denied")
        self.assertEqual(self.refused(), WRONG)

    def test_pam_cannot_say(self):
        self.service(auth="required pam_debug.so auth=authinfo_unavail")
        self.assertEqual(self.refused(), NO_ANSWER)
        self.service(auth="required /nowhere/pam_nothing.so")
        self.assertNotEqual(self.refused(), "")
        (self.dir / "services" / "xapid").unlink()
        self.assertNotEqual(self.refused(), "")
        self.service()
        self.login()

    def begin_to_hang(self):
        """A login, in a thread, whose module of PAM hangs by now; and where its answer comes."""
        hang, hangs = self.dir / "hang", self.dir / "hangs"
        hang.write_text(f"#!/bin/sh\ntouch {hangs}\nexec sleep 1000\n")
        hang.chmod(0o755)
        self.service(auth=f"required pam_exec.so {hang}")
        answers = []
        hanging = threading.Thread(target=lambda: answers.append(self.refused()))
        hanging.start()
        self.wait_for(hangs.exists)
        return hanging, answers

    def test_module_that_hangs_holds_up_nobody_else(self):
        hanging, answers = self.begin_to_hang()
        self.service()
        self.login()("pool.get_all")
        self.assertEqual(answers, [])
        os.kill(self.helpers()[0], signal.SIGKILL)
        hanging.join(HANG)
        self.assertEqual(answers, [NO_ANSWER])

    def test_helper_is_killed(self):
        hanging, answers = self.begin_to_hang()
        self.wait_for(self.helpers)
        os.kill(self.helpers()[0], signal.SIGKILL)
        hanging.join(HANG)
        self.assertEqual(answers, [NO_ANSWER])
        self.service()
        self.login()

    def test_there_is_no_helper(self):
        (self.dir / "libexec" / "xapid-pam").unlink()
        self.assertEqual(self.refused(), NO_ANSWER)

    def test_several_at_once(self):
        # pam_wrapper's processes share a folder, and begin one at a time; this one is xapid's part
        self.helper("cat >/dev/null; exec sleep 0.1")
        clients = []
        threads = [
            threading.Thread(target=lambda: clients.append(self.login())) for _ in range(12)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(HANG)
        self.assertEqual(len({client.ref for client in clients}), 12, self.xapid.log())


class Hanging(PamTest):
    TIMEOUT = 1

    def test_module_that_hangs_is_ended(self):
        self.service(auth="required pam_exec.so /bin/sleep 1000")
        self.assertEqual(self.refused(), NO_ANSWER)
        self.assertEqual(self.helpers(), [])


class Subjects(PamTest):
    SETTINGS = "pam_users = subject\n"

    def role(self, name):
        (ref,) = (r for r in self.root("role.get_all") if self.label(r) == name)
        return ref

    def label(self, role):
        return self.root("role.get_name_label", role)

    def subject(self, name="ann"):
        return self.root("subject.create", {"subject_identifier": name, "other_config": {}})

    def setUp(self):
        super().setUp()
        self.root = self.login()

    def fails(self, code, call, *args):
        with self.assertRaises(Failure) as caught:
            call(*args)
        self.assertEqual(caught.exception.args[0], code)
        return caught.exception.args[1:]

    def test_root_needs_none(self):
        self.assertTrue(self.root("session.get_is_local_superuser", self.root.ref))
        self.assertIn("no role", self.refused("ann", "other"))
        self.subject("bob")
        self.assertIn("no role", self.refused("ann", "other"))

    def test_roles_of_a_subject(self):
        subject = self.subject()
        self.assertEqual(self.root("subject.get_roles", subject), [self.role("pool-admin")])
        ann = self.login("ann", "other")
        self.assertFalse(ann("session.get_is_local_superuser", ann.ref))
        self.assertEqual(ann("session.get_subject", ann.ref), subject)
        self.assertEqual(ann("session.get_auth_user_sid", ann.ref), "ann")
        pool = ann("pool.get_all")[0]
        ann("pool.set_name_label", pool, "of ann's")

        # What changes counts for the session that is there.
        self.root("subject.add_to_roles", subject, self.role("vm-operator"))
        ann("pool.set_name_label", pool, "still")
        self.root("subject.remove_from_roles", subject, self.role("pool-admin"))
        self.fails("RBAC_PERMISSION_DENIED", ann, "pool.set_name_label", pool, "no")
        ann("pool.add_to_other_config", pool, "folder", "/ann")
        self.assertEqual(self.root("pool.get_name_label", pool), "still")

        # Without a role nobody is logged in.
        self.root("subject.remove_from_roles", subject, self.role("vm-operator"))
        self.fails("SESSION_INVALID", ann, "pool.get_all")
        self.assertIn("no role", self.refused("ann", "other"))
        self.root("subject.add_to_roles", subject, self.role("read-only"))
        ann = self.login("ann", "other")
        self.root("subject.destroy", subject)
        self.fails("SESSION_INVALID", ann, "pool.get_all")
        self.root("pool.get_all")

    def test_what_is_refused(self):
        subject = self.subject()
        self.fails("SUBJECT_ALREADY_EXISTS", self.subject)
        self.fails("INVALID_VALUE", self.subject, "")
        admin = self.role("pool-admin")
        self.fails("ROLE_ALREADY_EXISTS", self.root, "subject.add_to_roles", subject, admin)
        self.fails("ROLE_NOT_FOUND", self.root, "subject.add_to_roles", subject, "OpaqueRef:x")
        reader = self.role("read-only")
        self.fails("ROLE_NOT_FOUND", self.root, "subject.remove_from_roles", subject, reader)
        self.fails("HANDLE_INVALID", self.root, "subject.add_to_roles", "OpaqueRef:x", reader)
        self.assertEqual(len(self.root("subject.get_all")), 1)

    def test_permissions(self):
        def of(role):
            return set(self.root("role.get_permissions_name_label", self.role(role)))

        reader, operator, admin = of("read-only"), of("vm-operator"), of("pool-admin")
        self.assertLess(reader, operator)
        self.assertLess(operator, admin)
        self.assertIn("vm.get_record", reader)
        self.assertNotIn("vm.start", reader)
        self.assertIn("vm.start", operator)
        self.assertIn("pool.add_to_other_config/key:folder", operator)
        self.assertNotIn("pool.add_to_other_config", operator)
        self.assertIn("vm.add_to_other_config/key:pci", admin)
        self.assertNotIn("vm.add_to_other_config/key:pci", of("vm-admin"))
        roles = self.root("role.get_by_permission_name_label", "vm.add_to_other_config/key:pci")
        self.assertEqual([self.label(role) for role in roles], ["pool-admin"])
        self.assertEqual(self.root("role.get_by_permission_name_label", "vm.fly"), [])
        subject = self.subject()
        names = self.root("subject.get_permissions_name_label", subject)
        self.assertEqual(set(names), admin)


if __name__ == "__main__":
    unittest.main()
