# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""The common parts of the tests of ivshmem-forward: forwarders at a server, clients and programs that serve."""

import os
import pathlib
import random
import socket
import sys
import threading

FORWARD = pathlib.Path(sys.argv.pop(-3)).resolve()

# pylint: disable=wrong-import-position
from ivshmemctl_session import PATIENCE, Running, Session  # noqa: E402 - it takes the other arguments


def chunks(connection):
    return iter(lambda: connection.recv(65536), b"")


def echo(connection):
    for data in chunks(connection):
        connection.sendall(data)


class Serving:
    """A program that serves: a listening socket, and a thread for each client."""

    def __init__(self, case, family, where, answer=echo, backlog=4096):
        self.socket = socket.socket(family)
        self.socket.bind(where)
        self.socket.listen(backlog)
        self.answer = answer
        self.clients = []
        self.thread = threading.Thread(target=self.accept, daemon=True)
        self.thread.start()
        case.addCleanup(self.close)

    def accept(self):
        while True:
            try:
                one = self.socket.accept()[0]
            except OSError:
                return
            self.clients.append(one)
            threading.Thread(target=self.serve, args=(one,), daemon=True).start()

    def serve(self, one):
        with one:
            try:
                self.answer(one)
                one.shutdown(socket.SHUT_WR)
            except OSError:
                pass

    def close(self):
        try:
            self.socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.socket.close()

    @property
    def address(self):
        if self.socket.family == socket.AF_UNIX:
            return f"unix:{self.socket.getsockname()}"
        host, port = self.socket.getsockname()[:2]
        return f"tcp:[{host}]:{port}" if ":" in host else f"tcp:{host}:{port}"


def free_port(family=socket.AF_INET, host="127.0.0.1"):
    """A port that was free a moment ago."""
    with socket.socket(family) as probe:
        probe.bind((host, 0))
        return probe.getsockname()[1]


def has_ipv6():
    try:
        free_port(socket.AF_INET6, "::1")
    except OSError:
        return False
    return True


class ForwardCase(Session):
    MEMORY = "4M"
    DATA = random.Random(1).randbytes(3_000_001)

    def forward_command(self, *words):
        return [str(FORWARD), "--socket", str(self.socket), *map(str, words)]

    def run_forward(self, *words, **options):
        """Starts a forwarder, which need not become ready."""
        return Running(self, self.forward_command(*words), **options)

    def forward(self, *words, **options):
        """Starts a forwarder, and waits until it is ready."""
        started = self.run_forward(*words, **options)
        started.slot = int(started.wait_for(r"ready: .*, slot (\d+)\n", where="err")[1])
        return started

    def serving(self, answer=echo, **more):
        return Serving(self, socket.AF_INET, ("127.0.0.1", 0), answer, **more)

    def serving_at_path(self, answer=echo, **more):
        return Serving(self, socket.AF_UNIX, str(self.work / f"serving{len(os.listdir(self.work))}"), answer, **more)

    def offering(self, name="echo", at=None, *words):
        """A forwarder that offers a program, by default one that echoes."""
        return self.forward("--offer", name, "--from", (at or self.serving()).address, *words)

    def listening(self, name="echo", *words, host="127.0.0.1"):
        """A forwarder that listens at TCP, and its port."""
        port = free_port()
        return self.forward("--listen", f"tcp:{host}:{port}", "--to", name, *words), port

    def client(self, to):
        """A connected socket: to a port, or a path."""
        if isinstance(to, int):
            made = socket.create_connection(("127.0.0.1", to), PATIENCE)
        else:
            made = socket.socket(socket.AF_UNIX)
            made.connect(str(to))
        made.settimeout(PATIENCE)
        self.addCleanup(made.close)
        return made

    def exchange(self, made, data):
        """Sends all data and its end, and returns the answer until its end."""

        def send():
            made.sendall(data)
            made.shutdown(socket.SHUT_WR)

        thread = threading.Thread(target=send)
        thread.start()
        answer = b"".join(chunks(made))
        thread.join()
        made.close()
        return answer

    def assert_echoes(self, to, data=b"ping"):
        self.assertEqual(self.exchange(self.client(to), data), data)

    def assert_refused(self, to):
        """A client is reset, perhaps before it knows that it was connected."""
        with self.assertRaises(ConnectionResetError):
            made = self.client(to)
            while made.recv(65536):
                pass

    def assert_reset(self, made):
        """The forwarder has ended the connection as broken."""
        with self.assertRaises(ConnectionResetError):
            while made.recv(65536):
                pass
