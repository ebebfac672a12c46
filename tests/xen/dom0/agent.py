#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Runs in dom0 and does over HTTP what a test asks for: runs programs, gives and takes files.

POST /run    {"argv": [...], "input": "...", "timeout": s}: {"status", "out", "err"}
POST /await  {"path": "...", "text": "...", "times": n, "timeout": s}: {"out"}: what is in a file,
             when the text is there so many times, or time is up
GET  /PATH   a file
PUT  /PATH   writes a file; a tar goes to PATH/ when it ends in a slash
"""

import http.server
import io
import json
import os
import subprocess
import tarfile
import tempfile
import time

PORT = 8000
SHELL_HUNG = 124  # as timeout(1) says it


def run(asked):
    # Files, not pipes: whom the program leaves running may keep them open.
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        try:
            done = subprocess.run(
                asked["argv"],
                input=asked.get("input", "").encode(),
                stdout=out,
                stderr=err,
                timeout=asked.get("timeout", 120),
            )
            status = done.returncode
        except subprocess.TimeoutExpired:
            status = SHELL_HUNG
        except OSError as error:
            status = 127
            err.write(str(error).encode())
        texts = []
        for file in (out, err):
            file.seek(0)
            texts.append(file.read().decode(errors="replace"))
    return {"status": status, "out": texts[0], "err": texts[1]}


def wait_for(asked):
    """Here and not by calls again and again, which would take a guest's time."""
    deadline = time.monotonic() + asked["timeout"]
    while True:
        try:
            with open(asked["path"], encoding="utf-8", errors="replace") as file:
                text = file.read()
        except FileNotFoundError:
            text = ""
        if text.count(asked["text"]) >= asked["times"] or time.monotonic() > deadline:
            return {"out": text}
        time.sleep(0.1)


CALLS = {"/run": run, "/await": wait_for}


class Agent(http.server.BaseHTTPRequestHandler):
    def answer(self, status, body=b""):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.answer(200, json.dumps(CALLS[self.path](asked)).encode())

    def do_GET(self):
        try:
            with open(self.path, "rb") as file:
                self.answer(200, file.read())
        except OSError as error:
            self.answer(404, str(error).encode())

    def do_PUT(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        try:
            if self.path.endswith("/"):
                with tarfile.open(fileobj=io.BytesIO(body)) as tar:
                    tar.extractall(self.path)
            else:
                os.makedirs(os.path.dirname(self.path), exist_ok=True)
                with open(self.path, "wb") as file:
                    file.write(body)
            self.answer(200)
        except OSError as error:
            self.answer(500, str(error).encode())

    def log_message(self, *_):
        pass


http.server.ThreadingHTTPServer(("", PORT), Agent).serve_forever()
