# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""The common parts of the tests of ivshmem-gateway: brokers, foreign clients and gateways."""

import pathlib
import re
import shutil
import socket
import subprocess
import sys

GATEWAY = pathlib.Path(sys.argv.pop(-3)).resolve()

# pylint: disable=wrong-import-position
from ivshmemctl_session import PATIENCE, Running, Session  # noqa: E402 - it takes the other arguments

MOSQUITTO = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin")


def free_port():
    """A port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class GatewayCase(Session):
    MEMORY = "4M"

    def setUp(self):
        super().setUp()
        self.port = free_port()
        self.clients = 0

    def broker(self, more="", port=None):
        """A broker that listens."""
        port = port or self.port
        path = self.work / f"{port}.mosquitto.conf"
        path.write_text(f"user root\nlistener {port} 127.0.0.1\n" + (more or "allow_anonymous true\n"))
        started = Running(self, [MOSQUITTO, "-c", str(path)])
        started.wait_for(r"mosquitto version .* running", where="err")
        return started

    def sub(self, *words, port=None):
        """A mosquitto_sub that has subscribed."""
        started = Running(self, ["stdbuf", "-oL", "mosquitto_sub", "-V", "5", "-h", "127.0.0.1", "-p",
                                 str(port or self.port), "-d", *map(str, words)])
        started.wait_for(r"Subscribed \(mid")
        return started

    def pub(self, *words):
        subprocess.run(["mosquitto_pub", "-V", "5", "-h", "127.0.0.1", "-p", str(self.port), *map(str, words)],
                       check=True, timeout=PATIENCE)

    def run_gateway(self, *words, server=None, port=None, **options):
        """Starts a gateway, which need not connect."""
        self.clients += 1
        return Running(self, [str(GATEWAY), "--socket", str(server or self.socket), "--broker", "127.0.0.1", "--port",
                              str(port or self.port), "--client-id", f"gateway{self.clients}", *map(str, words)],
                       **options)

    def gateway(self, *words, server=None):
        """Starts a gateway, and waits until it is connected."""
        started = self.run_gateway(*words, server=server)
        started.wait_for(r"connected as", where="err")
        return started

    def writer(self, name, *words):
        """A program that writes a topic; write lines to it."""
        made = subprocess.Popen(self.command("pub", *words, name), stdin=subprocess.PIPE)

        def end():
            made.stdin.close()
            made.wait(PATIENCE)

        self.addCleanup(end)
        return made

    def say(self, writer, *lines):
        writer.stdin.write("".join(f"{line}\n" for line in lines).encode())
        writer.stdin.flush()

    def reader(self, name, *words):
        """A 'sub' that waits in the region."""
        started = self.start("sub", *words, name)
        started.wait_for("waiting for", where="err")
        return started

    def values(self, running):
        """The lines that are numbers."""
        return [int(line) for line in re.findall(r"(?m)^(\d+)$", running.out)]
