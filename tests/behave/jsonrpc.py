# SPDX-License-Identifier: LGPL-2.1-or-later
"""JSON-RPC over a daemon's Unix socket, as a stranger would write it: one message a line."""

import json
import socket
import sys

HANG = 60  # seconds; only to catch what hangs


class Failed(Exception):
    """The daemon answered with an error."""

    def __init__(self, error):
        super().__init__(f"{error['message']}{error.get('data', '')}")
        self.number = error["code"]
        self.code = error["message"]
        self.params = error.get("data", [])


class Gone(Exception):
    """The connection ended before the answer came."""


class Client:
    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.settimeout(HANG)
        try:
            self.socket.connect(str(path))
        except OSError:
            self.socket.close()
            raise
        self.unread = b""
        self.last_id = 0
        self.answers = {}

    def listener(self):
        """The process that opened the door."""
        cred = self.socket.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
        return int.from_bytes(cred[:4], sys.byteorder)

    def close(self):
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()

    def send(self, method, **params):
        """Sends a call and returns its id; `answer` waits for what comes back."""
        self.last_id += 1
        call = {"jsonrpc": "2.0", "id": self.last_id, "method": method, "params": params}
        try:
            self.socket.sendall(json.dumps(call).encode() + b"\n")
        except OSError as error:
            raise Gone(str(error)) from error
        return self.last_id

    def read_line(self):
        while b"\n" not in self.unread:
            try:
                more = self.socket.recv(65536)
            except ConnectionError as error:
                raise Gone(str(error)) from error
            if not more:
                raise Gone("the connection was closed")
            self.unread += more
        line, self.unread = self.unread.split(b"\n", 1)
        return json.loads(line)

    def answer(self, call_id):
        while call_id not in self.answers:
            message = self.read_line()
            self.answers[message["id"]] = message
        message = self.answers.pop(call_id)
        if "error" in message:
            raise Failed(message["error"])
        return message["result"]

    def call(self, method, **params):
        return self.answer(self.send(method, **params))

    def wait_for_task(self, task):
        """Follows UPDATES.get until the task has ended; returns its record."""
        token = None
        while True:
            record = self.call("TASK.stat", task=task)
            if record["state"] != "running":
                return record
            since = {} if token is None else {"since": token}
            token = self.call("UPDATES.get", timeout=30, **since)["token"]
