# SPDX-License-Identifier: LGPL-2.1-or-later
"""The authorisation matrix: every message of the model by each role, by nobody and in a session
that has ended. Who may not is told so, and nothing has changed then. What role a message, a field
or a key of a map asks for stands in xenapi.txt."""

import contextlib
import hashlib
import itertools
import subprocess
import unittest

from catalogue import Model
from jsonrpc import Client
from pipeline import Error, Pipeline
from pool import NULL, VM, Case, Failure
from stack import BUILD, Stack, free_port
from xapid import hash_of
from xenapi import Session

MODEL = Model()
ROLES = (
    "read-only",
    "client-cert",
    "vm-operator",
    "vm-admin",
    "vm-power-admin",
    "pool-operator",
    "pool-admin",
    "local-root",
)
# These are nobody's doing: figures, and when a session was last used.
FIGURES = {"session", "host_metrics", "VM_metrics", "VM_guest_metrics", "PIF_metrics"}
# They end the session in which they are sent.
ENDING = {"session.logout", "session.local_logout"}
PASSWORD = "the same for all"
DENIED = "RBAC_PERMISSION_DENIED"


def is_enough(role, wanted):
    least, _, also = wanted.partition("+")
    return ROLES.index(role) >= ROLES.index(least) or role == also


def setUpModule():
    RolesTest.bring_up()


class RolesTest(Case):
    """One host for all, with a session of each role."""

    @classmethod
    def bring_up(cls):
        case = cls()
        case.addCleanup = unittest.addModuleCleanup
        case.stack = Stack(case, "--port", str(free_port()))
        case.sr_folder = case.stack.dir / "sr"
        env = case.stack.env()
        case.connect(env)
        case.vm = case.make_whole_vm()
        case.make_one_of_each()
        with open(case.stack.dir / "lib" / "xapid.passwd", "a", encoding="utf-8") as accounts:
            secret = hash_of(PASSWORD)
            accounts.writelines(f"{role}:{role}:{secret}\n" for role in ROLES[:-1])
        case.sessions = {role: Session(env["XAPI_URL"], role, PASSWORD) for role in ROLES[:-1]}
        cls.all = case

    def setUp(self):
        self.stack, self.x, self.vm = self.all.stack, self.all.x, self.all.vm
        self.sessions, self.vdi_of_all = self.all.sessions, self.all.vdi
        self.control = Client(self.stack.socket("xapid"))
        self.addCleanup(self.control.close)
        self.names = sorted(self.x.proxy.system.listMethods())
        self.refs = {}

    # ---- arguments that would do something ----

    def ref_of(self, cls):
        """An object of the class, where there is one."""
        if cls not in self.refs:
            known = cls in MODEL.fields and f"{cls}.get_all" in self.names
            refs = self.x(f"{cls}.get_all") if known and cls not in MODEL.removed else []
            self.refs[cls] = refs[0] if refs else "OpaqueRef:none"
        return self.vm if cls == "VM" else self.refs[cls]

    def value(self, t):
        if t.startswith("ref_"):
            return self.ref_of(t.removeprefix("ref_"))
        if t.startswith("record_"):
            cls = t.removeprefix("record_")
            own = MODEL.fields.get(cls, {}).items()
            return {n: self.value(w[0]) for n, w in own if w[1] in ("create", "rw")}
        if t == "datetime":
            return "20300101T00:00:00Z"
        return MODEL.value(t)

    def real_args(self, name):
        cls = name.partition(".")[0]
        return [self.ref_of(cls) if t == "ref" else self.value(t) for t in MODEL.types(name)]

    def wrong_args(self, name):
        """So many, and none of the right type: the gate sees who calls before it sees them."""
        return [[[]] for _ in MODEL.types(name)]

    # ---- what is asked ----

    @contextlib.contextmanager
    def same_after(self, what):
        """A block in which the database stays what it is, by hash and by its own account."""
        generation, dump = self.control.call("DB.stat")["generation"], self.dump()
        yield
        self.assertEqual(self.changes_since(generation), [], what)
        self.assertEqual(self.dump(), dump, what)

    def dump(self):
        done = subprocess.run(
            [str(BUILD / "bin" / "xapid-cli"), "--dir", str(self.stack.dir), "db-dump"],
            capture_output=True, text=True, check=True,
        )
        lines = [n for n in done.stdout.splitlines() if n.split(" ", 1)[0] not in FIGURES]
        self.assertGreater(len(lines), 40)
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()

    def changes_since(self, generation):
        told = self.control.call("DB.changes", since=generation, timeout=0.01)
        return [c for c in told["changes"] if c["class"] not in FIGURES]

    def send(self, ref, names, args):
        """Each message in the session, in both spellings where it has them."""
        calls = [(name, [ref, *args(name)]) for name in names]
        calls += [(f"Async.{n}", a) for n, a in calls if "async" in MODEL.marks(n)]
        with Pipeline(self.x.url) as pipeline:
            return [(call[0], a) for call, a in zip(calls, pipeline.answers(calls))]



class Messages(RolesTest):
    def with_session(self):
        return [name for name in self.names if not MODEL.is_sessionless(name)]

    def check_answer(self, name, answer):
        """That of a message which the caller may not send."""
        plain = name.removeprefix("Async.")
        if MODEL.is_removed(plain):
            self.assertEqual(answer, ["MESSAGE_REMOVED"])
        elif "intrapool" in MODEL.marks(plain):
            self.assertEqual(answer[0], "INTERNAL_ERROR")
        else:
            self.assertEqual(answer[:2], [DENIED, plain.lower()])

    def test_every_message_by_every_role(self):
        n_denied = n_allowed = 0
        for role, session in self.sessions.items():
            may = [n for n in self.with_session() if is_enough(role, MODEL.role(n))]
            may_not = [n for n in self.with_session() if n not in set(may)]
            with self.same_after(role):
                for name, answer in self.send(session.ref, may_not, self.real_args):
                    with self.subTest(f"{name} by {role}"):
                        self.assertIsInstance(answer, Error)
                        self.check_answer(name, answer)
                    n_denied += 1
            quiet = [n for n in may if n not in ENDING and MODEL.types(n)]
            for name, answer in self.send(session.ref, quiet, self.wrong_args):
                with self.subTest(f"{name} by {role}"):
                    self.assertIsInstance(answer, Error)
                    self.assertNotIn(answer[0], (DENIED, "SESSION_INVALID"))
                n_allowed += 1
        print(f"# {n_denied} were denied, {n_allowed} were not")
        self.assertGreater(n_denied, 4000)
        self.assertGreater(n_allowed, 8000)

    def test_every_message_without_a_session(self):
        gone = Session(self.x.url, "pool-admin", PASSWORD)
        gone("session.logout")
        names = self.with_session()
        self.assertGreater(len(names), 2000)
        for ref in (gone.ref, NULL, ""):
            with self.same_after("nobody"):
                for name, answer in self.send(ref, names, self.real_args):
                    with self.subTest(f"{name} in {ref}"):
                        self.assertEqual(answer, ["SESSION_INVALID", ref])


class Keys(RolesTest):
    """Keys of maps that have a role of their own, by every path that can write them. One that asks
    for more than its map is the host's: a guest that could be given it by whoever may clone, say,
    would have the host's devices and files."""

    def keys(self, cls, name):
        """(the model's pattern, a key of it, its role)"""
        for rule in MODEL.fields[cls][name][5].split(","):
            pattern, _, role = rule.partition("=")
            yield pattern, pattern.replace("*", "some"), role

    def fields(self):
        """Tasks are their maker's, whatever role he has."""
        for cls, fields in MODEL.fields.items():
            for name, words in fields.items():
                if words[5] != "-" and cls != "task":
                    yield cls, name

    def may(self, role, message, key_role, needs_both):
        """What changes one key asks for that key's role; what says all asks for both."""
        roles = [key_role, MODEL.role(message)] if needs_both else [key_role]
        return all(is_enough(role, wanted) for wanted in roles)

    def cases(self, cls, name):
        """(role, message, its arguments, pattern, whether it may be sent), of each way in which a
        message may change a key that is "v"."""
        ref, was = self.ref_of(cls), self.x(f"{cls}.get_{name}", self.ref_of(cls))
        for (pattern, key, key_role), role in itertools.product(self.keys(cls, name), ROLES[:-1]):
            without = {n: v for n, v in was.items() if n != key}
            for message, args, needs_both in (
                (f"{cls}.remove_from_{name}", (ref, key), False),
                (f"{cls}.add_to_{name}", (ref, key, "v"), False),
                (f"{cls}.set_{name}", (ref, {**without, key: "w"}), True),
                (f"{cls}.set_{name}", (ref, without), True),
                (f"{cls}.set_{name}", (ref, {**without, key: "v"}), True),
            ):
                may = self.may(role, message, key_role, needs_both)
                if may or message != f"{cls}.set_{name}" or args[1] != was:
                    yield role, message, args, pattern, may

    def denied(self, role, message, args, pattern=None):
        with self.assertRaises(Failure) as caught:
            self.sessions[role](message, *args)
        code, permission, *_ = caught.exception.args
        self.assertEqual(code, DENIED, (role, message, args))
        self.assertIn(permission, (message.lower(), f"{message.lower()}/key:{pattern}"))

    def test_each_key_by_each_role(self):
        n_denied = n_allowed = 0
        for cls, name in self.fields():
            ref = self.ref_of(cls)
            for _, key, _ in self.keys(cls, name):
                self.x(f"{cls}.add_to_{name}", ref, key, "v")
            cases = list(self.cases(cls, name))
            with self.same_after(f"{cls}.{name}"):
                for role, message, args, pattern, may in cases:
                    if not may:
                        self.denied(role, message, args, pattern)
                        n_denied += 1
            for role, message, args, _, may in cases:
                if may:
                    self.sessions[role](message, *args)
                    self.check_written(cls, name, message, args)
                    n_allowed += 1
        print(f"# {n_denied} keys were denied, {n_allowed} were not")
        self.assertGreater(n_denied, 200)
        self.assertGreater(n_allowed, 200)

    def check_written(self, cls, name, message, args):
        now = self.x(f"{cls}.get_{name}", args[0])
        if "add_to" in message:
            self.assertEqual(now[args[1]], args[2])
        elif "remove_from" in message:
            self.assertNotIn(args[1], now)
        else:
            self.assertEqual(now, args[1])

    # ---- new objects ----

    def new_records(self):
        sr = self.x("VDI.get_SR", self.vdi_of_all)
        return {
            "VM": {**VM, "name_label": "n"},
            "network": {"name_label": "n", "other_config": {}},
            "VDI": {
                "name_label": "n", "name_description": "", "SR": sr, "virtual_size": "1048576",
                "type": "user", "sharable": False, "read_only": False, "other_config": {},
            },
        }

    def test_a_new_object_by_each_role(self):
        records = self.new_records()
        for cls, name in self.fields():
            if cls not in records:
                self.assertNotIn(f"{cls}.create", self.names_that_are_implicit())
                continue
            for (pattern, key, key_role), role in itertools.product(
                self.keys(cls, name), ROLES[:-1]
            ):
                record = {**records[cls], name: {key: "v"}}
                if self.may(role, f"{cls}.create", key_role, True):
                    ref = self.sessions[role](f"{cls}.create", record)
                    self.assertEqual(self.x(f"{cls}.get_{name}", ref)[key], "v")
                    self.x(f"{cls}.destroy", ref)
                    continue
                with self.same_after(f"{cls}.create"):
                    self.denied(role, f"{cls}.create", [record], pattern)

    def names_that_are_implicit(self):
        return {n for n in self.names if n not in MODEL.calls and MODEL.is_removed(n) is False}

    def revert(self, vm, snapshot, pattern, key_role):
        """By each role, from the least: those that may come after those that may not."""
        for role in ROLES[:-1]:
            if self.may(role, "VM.revert", key_role, True):
                self.sessions[role]("VM.revert", snapshot)
                return
            with self.same_after("VM.revert"):
                self.denied(role, "VM.revert", [snapshot], pattern)

    def test_what_a_snapshot_gives_back(self):
        """And what it takes: a key that the VM has and the snapshot has not."""
        vm = self.make_vm("source")
        for name in ("other_config", "platform"):
            for pattern, key, key_role in self.keys("VM", name):
                without = self.x("VM.snapshot", vm, "without")
                self.x(f"VM.add_to_{name}", vm, key, "v")
                having = self.x("VM.snapshot", vm, "with")
                self.revert(vm, without, pattern, key_role)
                self.assertNotIn(key, self.x(f"VM.get_{name}", vm))
                self.revert(vm, having, pattern, key_role)
                self.assertEqual(self.x(f"VM.get_{name}", vm)[key], "v")
                self.x(f"VM.remove_from_{name}", vm, key)

    def test_a_copy_by_each_role(self):
        vm = self.make_vm("source")
        for name in ("other_config", "platform"):
            for pattern, key, key_role in self.keys("VM", name):
                self.x(f"VM.add_to_{name}", vm, key, "v")
                for message, args in (("VM.clone", (vm, "c")), ("VM.copy", (vm, "c", NULL))):
                    for role in ROLES[:-1]:
                        if self.may(role, message, key_role, True):
                            copy = self.sessions[role](message, *args)
                            self.assertEqual(self.x(f"VM.get_{name}", copy)[key], "v")
                            self.x("VM.destroy", copy)
                            continue
                        with self.same_after(message):
                            self.denied(role, message, args, pattern)
                self.x(f"VM.remove_from_{name}", vm, key)


if __name__ == "__main__":
    unittest.main()
