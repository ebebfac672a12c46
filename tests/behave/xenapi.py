# SPDX-License-Identifier: LGPL-2.1-or-later
"""The tests' one client of the XenAPI: Python's own xmlrpc.client, and JSON-RPC beside it."""

import http.client
import json
import urllib.parse
import xmlrpc.client

import proof

# Seconds; only to catch what hangs. A message that is withheld keeps some waiting in vain.
HANG = 15 if proof.WITHHELD else 90
NULL = "OpaqueRef:NULL"


class Failure(Exception):
    """What the XenAPI answered: code and parameters."""

    @property
    def error(self):
        return list(self.args)


class Session:
    """x("VM.start", ref, False, False) is one call in the session that it has logged in to."""

    def __init__(self, url, user, password):
        self.url = url
        self.account = user, password
        self.login()

    @classmethod
    def of(cls, env):
        """Of the account that a stack tells of."""
        return cls(env["XAPI_URL"], env["XAPI_USER"], env["XAPI_PASSWORD"])

    def login(self):
        """Anew, over a connection of its own."""
        self.proxy = xmlrpc.client.ServerProxy(self.url, transport=_Transport(), allow_none=True)
        self.ref = self.plain("session.login_with_password", *self.account, "1.0", "tests")

    def plain(self, method, *args):
        """A call that has no session before its arguments."""
        answer = getattr(self.proxy, method)(*args)
        if answer["Status"] != "Success":
            raise Failure(*answer["ErrorDescription"])
        proof.note(method)
        return answer["Value"]

    def __call__(self, method, *args):
        return self.plain(method, self.ref, *args)

    def json(self, method, *args):
        """The same call over JSON-RPC 2.0, on a connection of its own."""
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": [self.ref, *args]}
        answer = self.post("/jsonrpc", body)
        if "error" in answer:
            raise Failure(answer["error"]["message"], *answer["error"]["data"])
        proof.note(method)
        return answer["result"]

    def post(self, path, body):
        """JSON for JSON."""
        host = urllib.parse.urlsplit(self.url).netloc
        connection = http.client.HTTPConnection(host, timeout=HANG)
        try:
            connection.request("POST", path, json.dumps(body))
            return json.loads(connection.getresponse().read())
        finally:
            connection.close()


class _Transport(xmlrpc.client.Transport):
    def make_connection(self, host):
        if not self._connection or host != self._connection[0]:
            self._connection = host, http.client.HTTPConnection(host, timeout=HANG)
        return self._connection[1]
