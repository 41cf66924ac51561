# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""Several programs of a guest that are joined to others at once, over one device that ivshmem-share shares."""

from __future__ import annotations

import re
from typing import ClassVar

from connection_support import SHARE, SSH, USER, ConnectionCase, guest_for_programs, lines_for_ssh, prepare, trust
from lab import Guest, Job, Server, booted
from lab.runner import long
from support import IVSHMEMCTL, PATIENCE
from test_share import listens


@long("four programs of ssh take long under TCG; test_share.py and test_connections.py have the parts")
class ConnectionsShared(ConnectionCase):
    server: ClassVar[Server]
    one: ClassVar[Guest]
    other: ClassVar[Guest]

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.server = cls.enterClassContext(Server(cls.work, vectors=4))
        guests = [guest_for_programs(cls.work, cls.server, name, *SSH, own=(IVSHMEMCTL, SHARE)) for name in ("one", "other")]
        cls.one, cls.other = cls.enterClassContext(booted(*guests))
        for guest in guests:
            prepare(guest)
        trust(cls.other, cls.one, "other")

    def share(self, driver: str) -> None:
        for guest in (self.one, self.other):
            address = guest.address()
            guest.bind(address, driver)
            self.start(guest, f"exec ivshmem-share {address}")
            guest.wait_for(listens(address), PATIENCE)

    def session(self, line: str, number: int) -> Job:
        """Return an open ssh session, which reads commands from /tmp/input-NUMBER."""
        kept = f"rm -f /tmp/input-{number} && mkfifo /tmp/input-{number} && exec 3<>/tmp/input-{number}"
        return self.start(self.other, f"{kept} && exec {line} <&3")

    def all_at_once(self, driver: str, vectors: list[str]) -> None:
        """Two ssh sessions and an offer in the one guest, two offers and a connection in the other."""
        self.share(driver)
        lines = lines_for_ssh()
        self.offering(self.start(self.one, lines["in the one"]), "ssh")
        self.offer(self.one, "sum", "-- sha256sum")
        # The programs take different vectors, if there are enough.
        self.assertEqual(re.findall(r"ivshmemctl, vectors (\d)", self.one.run("ivshmemctl info -v", timeout=PATIENCE).stdout), vectors)
        back = self.offer(self.other, "echo", "-- cat")
        sessions = [self.session(lines["in the other"], number) for number in range(2)]
        for round in range(2):
            for number, session in enumerate(sessions):
                self.other.run(f"echo 'echo $HOME {number} {round}' >/tmp/input-{number}")
                session.wait_output(f"/home/{USER} {number} {round}\n", PATIENCE)
            said = self.one.run(f"echo {round} | ivshmemctl connect echo", timeout=PATIENCE).stdout
            self.assertEqual(said, f"{round}\n")
            said = self.other.run("head -c 1000000 /dev/zero | ivshmemctl connect sum", timeout=PATIENCE).stdout
            self.assertTrue(said.startswith("d29751f2649b32ff572b5e0a9f541ea660a50f94ff0beedfb0b692b924cc8025 "), said)
        sessions[0].signal("KILL")
        self.other.run("echo 'exit 5' >/tmp/input-1")
        self.assertEqual(sessions[1].wait(PATIENCE).rc, 5)
        self.assertIn("closed", self.end(back))

    def test_vfio(self) -> None:
        self.all_at_once("vfio-pci", ["0", "1"])

    def test_igb_uio(self) -> None:
        self.all_at_once("igb_uio", ["0", "0"])
