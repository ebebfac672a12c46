# SPDX-License-Identifier: LGPL-2.1-or-later
"""Who may send which message to xapid, and what comes of it: sessions, roles, arguments, tasks."""

import grp
import json
import os
import pwd
import ssl
import threading
import time
import unittest

from stack import BUILD, free_port
from xapid import Xapid
from xenapi import HANG, NULL, Failure

ACCOUNTS = {
    "root": ("root", "secret of root"),
    "reader": ("read-only", "secret of reader"),
    "operator": ("vm-operator", "secret of operator"),
    "admin": ("vm-admin", "secret of admin"),
    "nobody": ("no-such-role", "secret of nobody"),
}


class GateTest(unittest.TestCase):
    def setUp(self):
        self.xapid = Xapid(self, ACCOUNTS)
        self.root = self.login("root")

    def login(self, user):
        return self.xapid.login(user, ACCOUNTS[user][1])

    def refused(self, *error):
        """The call fails with this error; of its parameters as many are compared as are given."""
        return _Refused(self, list(error))


class _Refused:
    def __init__(self, case, error):
        self.case, self.error = case, error

    def __enter__(self):
        return self

    def __exit__(self, kind, failure, trace):
        self.case.assertIs(kind, Failure)
        self.case.assertEqual(failure.error[: len(self.error)], self.error)
        return True


class Sessions(GateTest):
    def test_passwords(self):
        with self.refused("SESSION_AUTHENTICATION_FAILED", "root"):
            self.xapid.login("root", "wrong")
        with self.refused("SESSION_AUTHENTICATION_FAILED", "stranger"):
            self.xapid.login("stranger", "secret of root")
        with self.refused("SESSION_AUTHENTICATION_FAILED", "nobody"):
            self.login("nobody")
        with self.refused("SESSION_AUTHENTICATION_FAILED", "root:root"):
            self.xapid.login("root:root", "")
        for user in ACCOUNTS:
            self.assertNotIn(f"secret of {user}", self.xapid.log())
        self.assertNotIn(self.root.ref, self.xapid.log())

    def test_record(self):
        record = self.root.json("session.get_record", self.root.ref)
        self.assertEqual(record["auth_user_name"], "root")
        self.assertIs(record["is_local_superuser"], True)
        self.assertEqual(record["originator"], "tests")
        self.assertEqual(record["this_host"], self.root("host.get_all")[0])
        reader = self.login("reader")
        self.assertIs(reader("session.get_is_local_superuser", reader.ref), False)

    def test_logout(self):
        other = self.login("root")
        self.assertEqual(other("session.logout"), "")
        with self.refused("SESSION_INVALID", other.ref):
            other("session.logout")
        with self.refused("SESSION_INVALID", other.ref):
            other.json("VM.get_all")
        self.root("VM.get_all")

    def test_end_with_the_daemon(self):
        self.xapid.kill()
        self.xapid.start()
        with self.refused("SESSION_INVALID", self.root.ref):
            self.root("VM.get_all")
        self.assertEqual(self.login("root")("task.get_all"), [])


class Messages(GateTest):
    def test_names_and_counts(self):
        for method, args, error in (
            ("nonsense.call", [], ["MESSAGE_METHOD_UNKNOWN", "nonsense.call"]),
            ("VM.nonsense", [], ["MESSAGE_METHOD_UNKNOWN", "VM.nonsense"]),
            ("session.get_user", ["x"], ["MESSAGE_METHOD_UNKNOWN", "session.get_user"]),
            ("network.set_bridge", ["x", "y"], ["MESSAGE_METHOD_UNKNOWN", "network.set_bridge"]),
            ("VM.get_all", ["x"], ["MESSAGE_PARAMETER_COUNT_MISMATCH", "VM.get_all", "0", "1"]),
            ("VMPP.get_all_records", [], ["MESSAGE_REMOVED"]),
            ("pool.enable_redo_log", [NULL], ["NOT_IMPLEMENTED", "pool.enable_redo_log"]),
            ("host.request_backup", ["h", 0, True], ["INTERNAL_ERROR"]),
            (
                "Async.VM.get_all",
                [],
                ["Fault", "No async mode for this operation (rpc: VM.get_all)"],
            ),
        ):
            with self.subTest(method):
                with self.refused(*error):
                    self.root(method, *args)
                with self.refused(*error):
                    self.root.json(method, *args)
        with self.refused("MESSAGE_PARAMETER_COUNT_MISMATCH", "VM.get_all", "0", "-1"):
            self.root.plain("VM.get_all")
        self.assertEqual(self.root("VM_get_all"), self.root("VM.get_all"))

    def test_values(self):
        network = self.root.json(
            "network.create", {"name_label": "n", "other_config": {}, "MTU": "9000"}
        )
        self.assertEqual(self.root.json("network.get_MTU", network), 9000)
        self.assertEqual(self.root("network.get_MTU", network), "9000")
        self.root.json("network.set_MTU", network, 1400)
        self.assertEqual(self.root.json("network.get_MTU", network), 1400)
        for value in ("abc", 1.5, None, [], {}, True):
            with self.subTest(value=value), self.refused("INVALID_VALUE"):
                self.root.json("network.set_MTU", network, value)
        with self.refused("INVALID_VALUE"):
            self.root.json("network.set_name_label", network, 7)
        with self.refused("INVALID_VALUE"):
            self.root.json("network.create", {"name_label": "q"})
        self.assertEqual(self.root.json("network.get_MTU", network), 1400)

    def test_list_of_methods(self):
        names = self.root.proxy.system.listMethods()
        self.assertEqual(len(names), len(set(names)))
        for name in ("VM.start", "VM.get_all_records", "pool.add_to_other_config", "VM.add_tags"):
            self.assertIn(name, names)
        self.assertNotIn("system.listMethods", names)
        self.assertFalse([name for name in names if name.startswith("Async.")])


class Roles(GateTest):
    def test_reader(self):
        reader = self.login("reader")
        pool = reader("pool.get_all")[0]
        self.assertEqual(reader("pool.get_name_label", pool), "")
        with self.refused("RBAC_PERMISSION_DENIED", "pool.set_name_label"):
            reader("pool.set_name_label", pool, "x")
        with self.refused("RBAC_PERMISSION_DENIED", "vm.start"):
            reader("VM.start", NULL, False, False)
        with self.refused("RBAC_PERMISSION_DENIED", "vm.start"):
            reader("Async.VM.start", NULL, False, False)
        with self.refused("RBAC_PERMISSION_DENIED", "secret.get_all_records"):
            reader("secret.get_all_records")
        with self.refused("RBAC_PERMISSION_DENIED", "network.create"):
            reader("network.create", {"name_label": "n", "other_config": {}})
        self.assertEqual(self.root("pool.get_name_label", pool), "")
        self.assertEqual(self.root("task.get_all"), [])

    def test_keys_of_maps(self):
        operator = self.login("operator")
        pool = operator("pool.get_all")[0]
        operator("pool.add_to_other_config", pool, "folder", "/a")
        operator("pool.add_to_other_config", pool, "XenCenter.CustomFields.x", "1")
        with self.refused("RBAC_PERMISSION_DENIED", "pool.add_to_other_config"):
            operator("pool.add_to_other_config", pool, "other", "1")
        with self.refused("RBAC_PERMISSION_DENIED", "pool.add_to_other_config/key:folder"):
            self.login("reader")("pool.add_to_other_config", pool, "folder", "/b")
        operator("pool.remove_from_other_config", pool, "folder")
        with self.refused("RBAC_PERMISSION_DENIED", "pool.remove_from_other_config"):
            operator("pool.remove_from_other_config", pool, "memory-ratio-pv")
        other_config = self.root("pool.get_other_config", pool)
        self.assertNotIn("folder", other_config)
        self.assertIn("memory-ratio-pv", other_config)

    def test_keys_of_maps_that_ask_for_more(self):
        """Whichever way they are written: such a key gives a guest what is the host's."""
        admin = self.login("admin")
        template = self.root("VM.get_by_name_label", "Other install media")[0]
        record = admin("VM.get_record", template)
        vm = admin("VM.create", {**record, "name_label": "v", "is_a_template": False})
        pci = {"pci": "0/0000:00:1f.0"}
        denied = "RBAC_PERMISSION_DENIED"
        with self.refused(denied, "vm.add_to_other_config/key:pci"):
            admin("VM.add_to_other_config", vm, "pci", "0/0000:00:1f.0")
        kept = {**admin("VM.get_other_config", vm), "a": "b"}
        with self.refused(denied, "vm.set_other_config/key:pci"):
            admin("VM.set_other_config", vm, {**kept, **pci})
        with self.refused(denied, "vm.set_platform/key:hvm_serial"):
            admin("VM.set_platform", vm, {"hvm_serial": "file:/etc/shadow"})
        with self.refused(denied, "vm.create/key:pci"):
            admin("VM.create", {**record, "other_config": pci})
        with self.refused(denied, "vm.create/key:hvm_serial"):
            admin("VM.create", {**record, "platform": {"hvm_serial": "pty"}})
        admin("VM.set_other_config", vm, kept)
        self.assertEqual(admin("VM.get_other_config", vm), kept)

        # What root has given nobody below takes, changes or copies; what stays may be said again.
        self.root("VM.add_to_other_config", vm, "pci", pci["pci"])
        with self.refused(denied, "vm.remove_from_other_config/key:pci"):
            admin("VM.remove_from_other_config", vm, "pci")
        with self.refused(denied, "vm.set_other_config/key:pci"):
            admin("VM.set_other_config", vm, kept)
        with self.refused(denied, "vm.set_other_config/key:pci"):
            admin("VM.set_other_config", vm, {**kept, "pci": "0/0000:00:00.0"})
        admin("VM.set_other_config", vm, {**kept, **pci, "c": "d"})
        self.assertEqual(admin("VM.get_other_config", vm), {**kept, **pci, "c": "d"})
        with self.refused(denied, "vm.clone/key:pci"):
            admin("VM.clone", vm, "clone")
        with self.refused(denied, "vm.copy/key:pci"):
            admin("VM.copy", vm, "copy", NULL)
        self.assertEqual(self.root("VM.get_by_name_label", "clone"), [])

        # A key that asks for less opens itself, and nothing else of the map.
        operator = self.login("operator")
        operator("VM.add_to_other_config", vm, "folder", "/a")
        with self.refused(denied, "vm.add_to_other_config"):
            operator("VM.add_to_other_config", vm, "b", "c")
        with self.refused(denied, "vm.set_other_config"):
            operator("VM.set_other_config", vm, {**kept, **pci, "c": "d", "folder": "/b"})


PLUGIN = """#!/usr/bin/env python3
import os, sys, time, xmlrpc.client
(session, args), function = xmlrpc.client.loads(sys.argv[1])
if function == "say":
    value = {"Status": "Success", "Value": f"{session} {sorted(args.items())}"}
elif function == "refuse":
    value = {"Status": "Failure", "ErrorDescription": ["MY_OWN_ERROR", "1", "<&>"]}
elif function == "nothing":
    value = {"Status": "Failure", "ErrorDescription": []}
elif function == "hang":
    open(args["told"], "w").write(str(os.getpid()))
    time.sleep(1000)
elif function == "die":
    os.kill(os.getpid(), 9)
else:
    print("some words")
    sys.exit("no such function" if function == "fail" else 0)
print(xmlrpc.client.dumps((value,), "", True))
"""


class Plugins(GateTest):
    def setUp(self):
        super().setUp()
        plugins = self.xapid.dir / "libexec" / "plugins"
        plugins.mkdir(parents=True)
        self.write(plugins / "mine", PLUGIN, 0o755)
        self.write(plugins / "data", PLUGIN, 0o644)
        self.write(plugins.parent / "outside", PLUGIN, 0o755)
        self.host = self.root("host.get_all")[0]

    def write(self, path, text, mode):
        path.write_text(text)
        path.chmod(mode)

    def plugin(self, function, args=None, plugin="mine"):
        return self.root("host.call_plugin", self.host, plugin, function, args or {})

    def test_answers(self):
        said = self.plugin("say", {"b": "<&\n>", "a": "ü"})
        self.assertEqual(said, f"{self.root.ref} [('a', 'ü'), ('b', '<&\\n>')]")
        with self.refused("MY_OWN_ERROR", "1", "<&>"):
            self.plugin("refuse")
        failure = "XENAPI_PLUGIN_FAILURE"
        with self.refused(failure, "non-zero exit", "some words\n", "no such function\n"):
            self.plugin("fail")
        with self.refused(failure, "signal: 9", "", ""):
            self.plugin("die")
        with self.refused(failure, "unexpected XMLRPC result", "some words\n", ""):
            self.plugin("other")
        with self.refused(failure, "unexpected XMLRPC result"):
            self.plugin("nothing")

    def test_what_is_no_plugin(self):
        for name in ("none", "data", "../outside", "", ".", "..", "/bin/true"):
            with self.refused("XENAPI_MISSING_PLUGIN", name):
                self.plugin("say", {}, name)
        with self.refused("RBAC_PERMISSION_DENIED", "host.call_plugin"):
            self.login("admin")("host.call_plugin", self.host, "mine", "say", {})

    def test_a_cancelled_one_ends(self):
        told = self.xapid.dir / "told"
        task = self.root(
            "Async.host.call_plugin", self.host, "mine", "hang", {"told": str(told)}
        )
        end = time.monotonic() + HANG
        while not (told.exists() and told.read_text()):
            self.assertLess(time.monotonic(), end)
            time.sleep(0.02)
        self.root("task.cancel", task)
        while self.root("task.get_status", task) != "cancelled":
            self.assertLess(time.monotonic(), end)
            time.sleep(0.02)
        with self.assertRaises(ProcessLookupError):
            os.kill(int(told.read_text()), 0)


EXTENSION = """#!/usr/bin/env python3
import sys, xmlrpc.client
params, method = xmlrpc.client.loads(sys.stdin.read())
assert sys.argv[1:] == ["--xmlrpc"]
if params[0] == "say":
    value = {"Status": "Success", "Value": {"method": method, "params": list(params)}}
elif params[0] == "refuse":
    value = {"Status": "Failure", "ErrorDescription": ["MY_OWN_ERROR", "1", "<&>"]}
else:
    sys.exit("some reason")
print(xmlrpc.client.dumps((value,), "", True))
"""


class Extensions(GateTest):
    def setUp(self):
        super().setUp()
        folder = self.xapid.dir / "libexec" / "extensions"
        folder.mkdir(parents=True)
        (folder / "Mine.message").write_text(EXTENSION)
        (folder / "Mine.message").chmod(0o755)
        self.host = self.root("host.get_all")[0]

    def extension(self, *params, method="Mine.message"):
        call = json.dumps({"method": method, "params": params, "id": 3})
        return json.loads(self.root("host.call_extension", self.host, call))

    def test_answers(self):
        params = ["say", 7, [True, {"a": "ü<"}]]
        said = self.extension(*params)
        self.assertEqual(said, {"method": "Mine.message", "params": params})
        with self.refused("MY_OWN_ERROR", "1", "<&>"):
            self.extension("refuse")
        with self.refused("INTERNAL_ERROR"):
            self.extension("other")

    def test_what_is_no_extension(self):
        for name in ("none", "../libexec/extensions/Mine.message", "", "..", "/bin/true"):
            with self.refused("MESSAGE_METHOD_UNKNOWN", name):
                self.extension(method=name)
            self.assertIs(self.root("host.has_extension", self.host, name), False)
        self.assertIs(self.root("host.has_extension", self.host, "Mine.message"), True)
        (pool,) = self.root("pool.get_all")
        self.assertIs(self.root("pool.has_extension", pool, "Mine.message"), True)
        self.assertIs(self.root("pool.has_extension", pool, "none"), False)
        with self.refused("HANDLE_INVALID"):
            self.root("pool.has_extension", "OpaqueRef:none", "none")
        with self.refused("INVALID_VALUE"):
            self.root("host.call_extension", self.host, "no JSON")
        with self.refused("RBAC_PERMISSION_DENIED", "host.call_extension"):
            self.login("admin")("host.call_extension", self.host, "{}")


class Users(GateTest):
    def test_what_the_system_knows(self):
        me = pwd.getpwuid(os.getuid())
        self.assertEqual(self.root("auth.get_subject_identifier", me.pw_name), me.pw_name)
        told = self.root("auth.get_subject_information_from_identifier", me.pw_name)
        self.assertEqual(told["subject-name"], me.pw_name)
        self.assertEqual(told["subject-uid"], str(me.pw_uid))
        groups = self.root("auth.get_group_membership", me.pw_name)
        mine = {grp.getgrgid(gid).gr_name for gid in os.getgrouplist(me.pw_name, me.pw_gid)}
        self.assertEqual(set(groups), mine)

    def test_strangers(self):
        for message in (
            "get_subject_identifier",
            "get_subject_information_from_identifier",
            "get_group_membership",
        ):
            with self.refused("SUBJECT_CANNOT_BE_RESOLVED"):
                self.root(f"auth.{message}", "no such user")


class Looks(GateTest):
    """At xapid's own state, and what a network is for."""

    def test_diagnostics(self):
        host = self.root("host.get_all")[0]
        self.root("Diagnostics.gc_compact", host)
        memory = self.root("Diagnostics.gc_stats", host)
        if "san-" not in str(BUILD):  # a sanitizer's allocator tells nothing
            self.assertGreater(int(memory["used_bytes"]), 0)
        before = self.root("Diagnostics.db_stats")
        self.root("secret.create", {"value": "x", "other_config": {}})
        after = self.root("Diagnostics.db_stats")
        self.assertGreater(int(after["generation"]), int(before["generation"]))
        self.assertEqual(int(after["rows"]), int(before["rows"]) + 1)
        for message in ("gc_compact", "gc_stats"):
            with self.refused("HANDLE_INVALID", "host"):
                self.root(f"Diagnostics.{message}", NULL)

    def test_certificate(self):
        """What a client is shown that connects."""
        port = free_port()
        xapid = Xapid(self, ACCOUNTS, f"tls_port = {port}\n")
        root = xapid.login("root", ACCOUNTS["root"][1])
        told = root("host.get_server_certificate", root("host.get_all")[0])
        self.assertNotIn("PRIVATE", told)
        self.assertEqual(told, ssl.get_server_certificate(("127.0.0.1", port)))

    def test_purposes_of_a_network(self):
        network = self.root("network.create", {"name_label": "n", "other_config": {}})
        for _ in range(2):
            self.root("network.add_purpose", network, "nbd")
            self.assertEqual(self.root("network.get_purpose", network), ["nbd"])
        with self.refused("NETWORK_INCOMPATIBLE_PURPOSES", "insecure_nbd", "nbd"):
            self.root("network.add_purpose", network, "insecure_nbd")
        self.root("network.remove_purpose", network, "nbd")
        self.root("network.add_purpose", network, "insecure_nbd")
        self.assertEqual(self.root("network.get_purpose", network), ["insecure_nbd"])


class Tasks(GateTest):
    def test_async(self):
        task = self.root(
            "Async.network.create", {"name_label": "later", "other_config": {}}
        )
        token, record = "", self.root.json("task.get_record", task)
        while record["status"] == "pending":
            token = self.root.json("event.from", [f"task/{task}"], token, 60)["token"]
            record = self.root.json("task.get_record", task)
        network = self.root("network.get_by_name_label", "later")[0]
        self.assertEqual(record["name_label"], "Async.network.create")
        self.assertEqual(record["status"], "success")
        self.assertEqual(record["result"], f"<value>{network}</value>")
        self.assertEqual(record["progress"], 1)
        self.assertNotEqual(record["finished"], "19700101T00:00:00Z")
        self.assertEqual(record["allowed_operations"], [])
        self.assertEqual(self.root("task.destroy", task), "")
        with self.refused("HANDLE_INVALID", "task", task):
            self.root("task.get_record", task)

    def test_async_failure(self):
        task = self.root("Async.network.destroy", "OpaqueRef:none")
        token, record = "", self.root.json("task.get_record", task)
        while record["status"] == "pending":
            token = self.root.json("event.from", [f"task/{task}"], token, 60)["token"]
            record = self.root.json("task.get_record", task)
        self.assertEqual(record["status"], "failure")
        self.assertEqual(record["error_info"], ["HANDLE_INVALID", "network", "OpaqueRef:none"])
        self.assertEqual(record["result"], "")

    def test_of_others(self):
        reader, operator = self.login("reader"), self.login("operator")
        task = operator("task.create", "mine", "of the operator")
        with self.refused("RBAC_PERMISSION_DENIED", "task.cancel"):
            reader("task.cancel", task)
        with self.refused("RBAC_PERMISSION_DENIED", "task.destroy"):
            reader("task.destroy", task)
        reader("task.add_to_other_config", task, "applies_to", "x")
        operator("task.set_progress", task, 0.5)
        self.assertEqual(reader.json("task.get_progress", task), 0.5)
        self.root("task.cancel", task)
        self.assertIn("cancel", self.root("task.get_current_operations", task).values())
        operator("task.set_status", task, "cancelled")
        operator("task.set_status", task, "success")
        self.assertEqual(reader("task.get_status", task), "cancelled")
        self.root("task.destroy", task)

    def test_many_at_once(self):
        """Calls of many connections do not mix."""
        found = {}

        def work(i):
            client = self.login("root")
            for j in range(5):
                label = f"n-{i}-{j}"
                ref = client("network.create", {"name_label": label, "other_config": {}})
                found[label] = client("network.get_name_label", ref)

        threads = [threading.Thread(target=work, args=(i,)) for i in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(len(found), 40)
        self.assertEqual(list(found), list(found.values()))
        self.assertEqual(self.root("task.get_all"), [])


if __name__ == "__main__":
    unittest.main()
