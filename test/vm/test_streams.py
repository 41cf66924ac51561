# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""HTTP, WebSocket and TLS, as Beast and OpenSSL speak them, between two guests."""

from __future__ import annotations

import subprocess
from typing import ClassVar

from lab import Doorbell, Guest, Job, Result, Server, booted, build_folder
from lab.case import LabCase
from lab.runner import long
from support import PATIENCE

PEER = build_folder() / "test/vm/guest/stream_peer"
SIZES = (0, 1, 65535, 65536, 1 << 20, 4 << 20)


@long("its program takes a minute to compile; test_examples.py has HTTP between guests, too")
class Streams(LabCase):
    server: ClassVar[Guest]
    client: ClassVar[Guest]
    serving: ClassVar[Job]
    ARCHITECTURES: ClassVar[tuple[str, str]] = ("x86_64", "x86_64")

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        ivshmem_server = cls.enterClassContext(Server(cls.work, vectors=1, size="8M"))
        certificate, key = cls.work / "certificate.pem", cls.work / "key.pem"
        subprocess.run([str(PEER), "certificate", str(certificate), str(key)], check=True)
        device = Doorbell(ivshmem_server.socket, 1)
        files = {"/etc/certificate.pem": certificate, "/etc/key.pem": key}
        guests = [
            Guest(cls.work, name, devices=[device], programs=[PEER], files=files, memory=512, arch=arch)
            for name, arch in zip(("server", "client"), cls.ARCHITECTURES)
        ]
        cls.server, cls.client = cls.enterClassContext(booted(*guests))
        for guest in guests:
            guest.bind(guest.address(), "vfio-pci")
        cls.serving = cls.start(cls.server, "server", 0, "/etc/key.pem")
        cls.serving.wait_output("ready", PATIENCE)

    @staticmethod
    def start(guest: Guest, what: str, slot: int, words: str) -> Job:
        return guest.spawn(f"exec {PEER.name} {what} {guest.address()} {slot} /etc/certificate.pem {words}")

    def ask(self, protocol: str, *sizes: int) -> Result:
        words = " ".join((protocol, *map(str, sizes)))
        return self.start(self.client, "client", 1, words).wait(PATIENCE).check()

    def check(self, protocol: str) -> None:
        answers = self.ask(protocol, *SIZES).stdout.splitlines()
        self.assertEqual(answers, [f"{protocol} {size} ok" for size in SIZES])
        self.assertFalse(self.serving.ended)

    def test_http(self) -> None:
        self.check("http")

    def test_websocket(self) -> None:
        self.check("websocket")

    def test_tls(self) -> None:
        self.check("tls")

    def test_a_client_that_is_killed_and_comes_back(self) -> None:
        job = self.start(self.client, "client", 1, " ".join(("http", *("4194304",) * 100)))
        job.wait_output("http 4194304 ok", PATIENCE)
        job.signal("KILL")
        job.wait(PATIENCE)
        self.assertEqual(self.ask("http", 1).stdout, "http 1 ok\n")
        self.assertFalse(self.serving.ended)


@long("it boots two guests, and its program takes minutes to compile for another processor")
class Aarch64Serves(Streams):
    ARCHITECTURES = ("aarch64", "x86_64")
