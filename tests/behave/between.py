# SPDX-License-Identifier: LGPL-2.1-or-later
"""Stands between xenopsd and a daemon that it calls, counts the calls, and does harm to one."""

import json
import signal
import socket
import threading

HANG = 60  # seconds; only to catch what hangs


class Between:
    """At the n-th call, what `harm` says:

    error: it is answered with an error, and not done
    cut: it is not done, and the connection ends
    lost: it is done, and the connection ends before the answer
    dead: the daemon is killed before it, and its socket refuses until `mend`
    hang: it waits for `mend`, and is then done
    """

    def __init__(self, case, front, back, daemon):
        self.front, self.back, self.daemon = front, back, daemon
        self.calls = []  # the methods that came by
        self.harm = self.nth = None
        self.met = threading.Event()  # the harm was done
        self.mended = threading.Event()
        self.sockets = set()
        self.threads = []
        self.listener = None
        front.parent.mkdir(parents=True, exist_ok=True)
        self.listen()
        case.addCleanup(self.close)

    # ---- for the test ----

    def plan(self, harm=None, nth=0):
        self.calls = []
        self.met.clear()
        self.mended.clear()
        self.harm, self.nth = harm, nth

    def mend(self):
        """All is well again."""
        was_dead = self.harm == "dead" and self.met.is_set()
        self.harm = None
        self.mended.set()
        if was_dead:
            self.daemon.restart(signal.SIGKILL)
            self.listen()

    def close(self):
        self.harm = None
        self.mended.set()
        self.deaf()
        for thread in self.threads:
            thread.join(HANG)

    # ---- sockets ----

    def listen(self):
        self.front.unlink(missing_ok=True)
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(self.front))
        self.listener.listen()
        self.begin(self.accept, self.listener)

    def deaf(self):
        """Nobody is served any more, nor can connect."""
        self.front.unlink(missing_ok=True)
        self.end(self.listener)
        for one in list(self.sockets):
            self.end(one)

    @staticmethod
    def end(one):
        try:
            one.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # it has ended already

    def begin(self, target, *args):
        self.threads = [thread for thread in self.threads if thread.is_alive()]
        self.threads.append(threading.Thread(target=target, args=args))
        self.threads[-1].start()

    def accept(self, listener):
        with listener:
            while True:
                try:
                    client = listener.accept()[0]
                except OSError:
                    return
                self.begin(self.serve, client)

    def serve(self, client):
        """One connection: calls go up in this thread, answers come down in another."""
        with client, socket.socket(socket.AF_UNIX) as server:
            try:
                server.connect(str(self.back))
            except OSError:
                return
            pair = (client, server)
            self.sockets.update(pair)
            lost = set()  # ids whose answers end the connection
            down = threading.Thread(target=self.down, args=(*pair, lost))
            down.start()
            self.up(*pair, lost)
            for one in pair:
                self.end(one)
            down.join(HANG)
            self.sockets.difference_update(pair)

    def up(self, client, server, lost):
        try:
            with client.makefile("rb") as lines:
                for line in lines:
                    harm = self.harm_of(json.loads(line), lost)
                    if harm in ("cut", "dead"):
                        return
                    if harm == "error":
                        client.sendall(self.error(json.loads(line)))
                    else:
                        server.sendall(line)
        except OSError:
            return

    def down(self, client, server, lost):
        try:
            with server.makefile("rb") as lines:
                for line in lines:
                    if lost and json.loads(line).get("id") in lost:
                        break
                    client.sendall(line)
        except OSError:
            pass
        self.end(client)
        self.end(server)

    # ---- harm ----

    @staticmethod
    def error(message):
        error = {"code": -32000, "message": "INTERNAL_ERROR", "data": ["the test says so"]}
        answer = {"jsonrpc": "2.0", "id": message["id"], "error": error}
        return json.dumps(answer).encode() + b"\n"

    def harm_of(self, message, lost):
        """What becomes of a message; None: it goes on to the daemon."""
        if "id" not in message or "method" not in message:
            return None
        self.calls.append(message["method"])
        harm = self.harm
        if not harm or len(self.calls) != self.nth:
            return None
        if harm == "lost":
            lost.add(message["id"])
        elif harm == "dead":
            self.daemon.stop(signal.SIGKILL)
            self.deaf()
        self.met.set()
        if harm == "hang":
            self.mended.wait(HANG)
        return harm
