# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""Two guests with the packages and without a network: README's lines join their programs, and services start again.

All tests use these guests and follow each other.
"""

from __future__ import annotations

import re
from typing import ClassVar

import repository
from connection_support import lines_for_forward, lines_for_ssh
from first_ring import PATIENCE, USER, HostPeer, apt, as_user, prepare, running
from lab import Doorbell, Job, Server, booted
from lab.debian import DebianGuest
from lab.runner import long
from suites import SuiteCase, for_each_suite

_SUDOER = f"{USER} ALL=(ALL) NOPASSWD: ALL\n"
_UNITS = {
    "echo.socket": "[Socket]\nListenStream=127.0.0.1:80\nAccept=yes\n",
    "echo@.service": "[Service]\nExecStart=cat\nStandardInput=socket\nStandardOutput=socket\n",
}
"""An echo at the port of a web server."""


@long("two guests with systemd boot, and apt works in both")
class Sockets(SuiteCase):
    server: ClassVar[Server]
    one: ClassVar[DebianGuest]
    other: ClassVar[DebianGuest]

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.server = cls.enterClassContext(Server(cls.work, vectors=2))
        shares = {repository.PLACE: cls.repository()}
        guests = [
            DebianGuest(cls.work, cls.suite, name, devices=[Doorbell(cls.server.socket, vectors=2)], shares=shares)
            for name in ("one", "other")
        ]
        cls.one, cls.other = cls.enterClassContext(booted(*guests))
        for guest in guests:
            prepare(guest)
            # The previous version, for the upgrade.
            previous = f"{cls.built.version()}~previous"
            apt(guest, f"install sudo ivshmem-tools={previous} libivshmem0={previous}")
            guest.put("/etc/sudoers.d/tester", _SUDOER.encode(), 0o440)
            guest.run(f"adduser {USER} ivshmem")
        apt(cls.one, "install openssh-server")
        apt(cls.other, "install openssh-client")
        # README's lines are typed in `other`, and lead to the one that they call other.
        cls.one.run("useradd -m -s /bin/bash user && install -d -o user -m 700 /home/user/.ssh")
        key = f"/home/{USER}/.ssh/id_ed25519"
        cls.other.run(as_user(USER, f'ssh-keygen -q -t ed25519 -N "" -f {key}'))
        cls.one.put("/home/user/.ssh/authorized_keys", cls.other.get(f"{key}.pub"))
        kind, known = cls.one.get("/etc/ssh/ssh_host_ed25519_key.pub").decode().split()[:2]
        cls.other.put(f"/home/{USER}/.ssh/known_hosts", f"other {kind} {known}\n".encode())

    def type(self, guest: DebianGuest, line: str) -> Job:
        """Start a line as the user types it after logging in; its output includes standard error."""
        guest.put("/tmp/typed", f"exec 2>&1\n{line}\n".encode())
        return guest.spawn(as_user(USER, "bash /tmp/typed"))

    def typed(self, guest: DebianGuest, line: str) -> str:
        """Do the same, and return the output of a line that succeeds."""
        return self.type(guest, line).wait(PATIENCE).check().stdout

    def test_1_ssh(self) -> None:
        for guest in (self.one, self.other):
            self.assertEqual(guest.run("ls /sys/class/net").stdout, "lo\n")
        lines = lines_for_ssh()
        self.assertEqual(set(lines), {"in both", "in the one", "in the other"}, "two commands in each")
        for guest in (self.one, self.other):
            self.typed(guest, lines["in both"])
        offer = self.type(self.one, lines["in the one"])
        offer.wait_output("offering ssh", PATIENCE)
        self.one.put("/tmp/place", b"this is the one\n")
        said = self.typed(self.other, f"echo 'cat /tmp/place; whoami' | {lines['in the other']}")
        self.assertIn("this is the one\nuser\n", said)
        self.one.run(f"kill -TERM {' '.join(running(self.one, 'ivshmemctl'))}")
        offer.wait(PATIENCE)

    def test_2_forwarders(self) -> None:
        """README's lines for ivshmem-forward, whose units run in their confinement on devices."""
        for name, text in _UNITS.items():
            self.one.put(f"/run/systemd/system/{name}", text.encode())
        self.one.run("systemctl daemon-reload && systemctl start echo.socket")
        for guest, lines in zip((self.one, self.other), lines_for_forward()):
            self.typed(guest, lines)
            self.assertNotEqual(guest.run("stat -c %u /proc/$(systemctl show -P MainPID ivshmem-forward)").stdout, "0\n")
        client = 'exec 3<>/dev/tcp/127.0.0.1/8080 && echo hello >&3 && read -r answer <&3 && echo "$answer"'
        self.assertEqual(self.typed(self.other, f"timeout {PATIENCE:g} bash -c '{client}'"), "hello\n")
        for guest in (self.one, self.other):
            guest.run("systemctl disable --now ivshmem-forward", timeout=PATIENCE)
        self.assertIn("6 bytes sent, 6 received", self.other.run("journalctl -b -o cat -u ivshmem-forward").stdout)

    def test_3_restarts_of_a_shared_device(self) -> None:
        """The device stays open, and a program keeps its connection and vectors, while its service is restarted, crashes
        and is upgraded."""
        guest = self.one
        address = guest.address()
        unit = f"ivshmem-share@{address}"
        # A program waits 2 s for the service, which under TCG may be too short for its start.
        guest.run(f"systemctl enable --now {unit}.socket && systemctl start {unit}.service", timeout=PATIENCE)
        waiting = self.type(guest, f"exec ivshmemctl -D {address} wait")
        said = waiting.wait_output("waiting for", PATIENCE)
        self.rung(waiting, peer := self.peer(said))
        self.assertIn(": ivshmemctl, vectors 0 1", self.typed(guest, f"ivshmemctl -D {address} info"))
        stored = self.stored(unit)
        for end in (f"systemctl restart {unit}.service", f"systemctl kill -s KILL {unit}.service", self.upgrade):
            with self.subTest(str(end)):
                before = self.pid(unit)
                end() if callable(end) else guest.run(end, timeout=PATIENCE)
                guest.wait_for(lambda: self.pid(unit) not in (before, "0"), PATIENCE)
                # Held by systemd too, so the kernel has not reset the device in between.
                self.assertIn("[vfio-device]", guest.run("ls -l /proc/1/fd").stdout)
                self.rung(waiting, peer)
                self.assertEqual(self.stored(unit), stored)
        self.assertEqual(guest.run("dpkg-query -W -f '${Version}' ivshmem-tools").stdout, self.built.version())
        journal = guest.run(f"journalctl -b -o cat -u {unit}.service").stdout
        self.assertEqual(journal.count(" stays: uid "), 3, journal)
        guest.run(f"systemctl stop {unit}.socket", timeout=PATIENCE)
        self.assertIn("server", waiting.wait(PATIENCE).stdout)
        self.assertNotIn("[vfio-device]", guest.run("ls -l /proc/1/fd").stdout)

    def upgrade(self) -> None:
        apt(self.one, "upgrade")

    @staticmethod
    def peer(said: str) -> str:
        match = re.search(r"of peer (\d+)", said)
        assert match is not None, said
        return match[1]

    def rung(self, waiting: Job, peer: str) -> None:
        """Ring the program on both vectors, and wait until it says so."""
        for vector in (0, 1):
            count = waiting.output().count(f"vector {vector} count")
            self.assertEqual(HostPeer(self.server, "ring", peer, vector).end().rc, 0)
            self.wait_for(lambda: waiting.output().count(f"vector {vector} count") > count, f"vector {vector}", PATIENCE)

    def pid(self, unit: str) -> str:
        return self.one.run(f"systemctl show -P MainPID {unit}.service").stdout.strip()

    def stored(self, unit: str) -> str:
        """Return how many descriptors systemd holds for the service, once none of them is of a program that has ended."""
        show = f"systemctl show -P NFileDescriptorStore {unit}.service"
        # The state, container, group and device; the program's connection and two eventfds.
        return str(self.one.wait_for(lambda: (found := self.one.run(show).stdout.strip()) == "7" and found, PATIENCE))


load_tests = for_each_suite(Sockets)
