# SPDX-License-Identifier: LGPL-2.1-or-later
"""Many calls of the XenAPI at once: JSON-RPC requests behind one another on one connection."""

import json
import socket
import urllib.parse

from xenapi import HANG

AT_ONCE = 100  # requests that are under way; they and their answers fit into buffers


class Pipeline:
    """answers([(method, args), …]) are the results, or the errors as lists."""

    def __init__(self, url):
        where = urllib.parse.urlsplit(url)
        self.host = where.netloc
        self.socket = socket.create_connection((where.hostname, where.port), HANG)
        self.file = self.socket.makefile("rb")

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.file.close()
        self.socket.close()

    def request(self, method, args):
        call = {"jsonrpc": "2.0", "id": 1, "method": method, "params": list(args)}
        body = json.dumps(call).encode()
        head = f"POST /jsonrpc HTTP/1.1\r\nHost: {self.host}\r\nContent-Length: {len(body)}\r\n\r\n"
        return head.encode() + body

    def response(self):
        if b" 200 " not in self.file.readline():
            raise OSError("no answer of HTTP's")
        size = 0
        while (line := self.file.readline().strip()):
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                size = int(value)
        return json.loads(self.file.read(size))

    def answers(self, calls):
        calls, found = list(calls), []
        for i in range(0, len(calls), AT_ONCE):
            some = calls[i : i + AT_ONCE]
            self.socket.sendall(b"".join(self.request(*call) for call in some))
            for _ in some:
                answer = self.response()
                error = answer.get("error")
                found.append(Error(error) if error else answer["result"])
        return found


class Error(list):
    """Code and parameters."""

    def __init__(self, error):
        super().__init__([error["message"], *error["data"]])
