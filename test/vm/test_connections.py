# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""ivshmemctl connect and offer between guests without a network device: ssh, HTTP, a database, the host's programs."""

from __future__ import annotations

import random
import subprocess
from collections.abc import Callable
from typing import ClassVar

from connection_support import SSH, USER, ConnectionCase, guest_for_programs, lines_for_ssh, prepare, trust
from lab import Doorbell, Guest, Job, Server, booted
from lab.runner import long
from support import IVSHMEMCTL, PATIENCE

SIZE = 2_000_000
"""The size of the file that is copied."""


class Connections(ConnectionCase):
    server: ClassVar[Server]
    one: ClassVar[Guest]
    other: ClassVar[Guest]
    lines: ClassVar[dict[str, str]]
    """README's, by the guest in which each is typed."""

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.server = cls.enterClassContext(Server(cls.work, vectors=2))
        guests = [guest_for_programs(cls.work, cls.server, name, *SSH, "redis-server", "redis-cli") for name in ("one", "other")]
        cls.one, cls.other = cls.enterClassContext(booted(*guests))
        for guest in guests:
            prepare(guest)
            guest.run(f"head -c {SIZE} /dev/urandom >/tmp/data")
        # README's lines are typed in `other`, and lead to the one that they call other.
        trust(cls.other, cls.one, "other")
        cls.lines = lines_for_ssh()
        for guest in guests:
            guest.run(cls.lines["in both"], timeout=PATIENCE)

    def test_ssh_as_the_readme_says(self) -> None:
        self.assertEqual(self.one.run("ls /sys/class/net").stdout, "lo\n")
        offer = self.offering(self.start(self.one, self.lines["in the one"]), "ssh")
        ssh = self.lines["in the other"]
        said = self.other.run(f"echo 'hostname; echo $USER; exit 7' | {ssh}", timeout=PATIENCE, check=False)
        self.assertEqual((said.stdout, said.rc), (f"one\n{USER}\n", 7), said.stderr)
        scp, place = ssh.replace("ssh ", "scp -q ", 1).rsplit(" ", 1)
        self.other.run(f"{scp} /tmp/data {place}:there", timeout=PATIENCE)
        self.assertEqual(self.sum_of(self.one, f"/home/{USER}/there"), self.sum_of(self.other, "/tmp/data"))
        self.assertFalse(offer.ended)

    def bridged(self, service: str, client: str) -> str:
        """Run a client of TCP in the other guest, whose one connection to port 8000 goes to the service; return its output."""
        bridge = self.start(self.other, f"exec nc -l -p 8000 -e ivshmemctl connect {service}")
        self.listens(self.other, 8000)
        said = self.other.run(client, timeout=PATIENCE).stdout
        self.assertEqual(bridge.wait(PATIENCE).rc, 0)
        return said

    def test_http_download(self) -> None:
        self.start(self.one, "exec httpd -f -p 127.0.0.1:80 -h /tmp")
        self.listens(self.one, 80)
        self.offer(self.one, "web", "--to tcp:127.0.0.1:80")
        self.bridged("web", "wget -q -O /tmp/page http://127.0.0.1:8000/data")
        self.assertEqual(self.sum_of(self.other, "/tmp/page"), self.sum_of(self.one, "/tmp/data"))

    @long("two connections carry what test_http_download and the host's tests show")
    def test_database_at_a_unix_socket_and_a_tcp_port(self) -> None:
        local = "/run/redis.sock"
        self.start(self.one, f"exec redis-server --bind 127.0.0.1 --port 6379 --unixsocket {local} --save ''")
        self.listens(self.one, 6379)
        for name, to in (("at-unix", f"unix:{local}"), ("at-tcp", "tcp:127.0.0.1:6379")):
            offer = self.offer(self.one, name, f"--to {to}")
            self.assertEqual(self.bridged(name, f"redis-cli -p 8000 -x SET {name} </tmp/data"), "OK\n")
            answer = self.bridged(name, f"printf 'STRLEN {name}\\nPING\\n' | redis-cli -p 8000")
            self.assertEqual(answer, f"{SIZE}\nPONG\n")
            stored = f"redis-cli -s {local} --raw GET {name} | head -c {SIZE} | sha256sum"
            self.assertEqual(self.one.run(stored, timeout=PATIENCE).stdout.split()[0], self.sum_of(self.other, "/tmp/data"))
            self.end(offer)

    def test_host_as_the_other_side(self) -> None:
        data = random.Random("host").randbytes(SIZE)
        offer = self.offer(self.one, "echo", "-- cat")
        command = self.host_command("connect", "echo")
        ran = subprocess.run(command, input=data, capture_output=True, timeout=PATIENCE, check=False)
        self.assertEqual((ran.returncode, ran.stdout == data), (0, True), ran.stderr)
        self.assertIn(f"{SIZE} bytes sent, {SIZE} received; closed", self.end(offer))
        self.offering(self.start_on_host("offer", "sum", "--", "sha256sum"), "sum")
        said = self.other.run("ivshmemctl connect sum </tmp/data", timeout=PATIENCE).stdout
        self.assertEqual(said.split()[0], self.sum_of(self.other, "/tmp/data"))


class Killed(ConnectionCase):
    """A guest and its programs that end in the middle of connections: from it, to it, and to it from the host."""

    server: ClassVar[Server]
    survivor: ClassVar[Guest]
    victim: ClassVar[Guest]

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.server = cls.enterClassContext(Server(cls.work, vectors=2))
        # A program of a guest has a device alone.
        guests = [Guest(cls.work, name, devices=[Doorbell(cls.server.socket, 2)] * 2, programs=[IVSHMEMCTL]) for name in ("survivor", "victim")]
        cls.survivor, cls.victim = cls.enterClassContext(booted(*guests))
        for guest in guests:
            cls.bind(guest)

    @staticmethod
    def bind(guest: Guest) -> None:
        for index in range(guest.devices):
            guest.bind(guest.address(index), "vfio-pci")

    def connected(self, client: Guest, service: str) -> Job:
        """Return a connection to an echo over which a line has gone, and whose input does not end."""
        kept = "rm -f /tmp/input && mkfifo /tmp/input && exec 3<>/tmp/input && echo line >&3"
        job = self.start(client, f"{kept} && exec ivshmemctl -v -D {client.address(1)} connect {service} <&3")
        job.wait_output("line\n", PATIENCE)
        return job

    def connected_host(self, service: str) -> subprocess.Popen[bytes]:
        job = subprocess.Popen(self.host_command("connect", service), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.addCleanup(job.communicate)
        self.addCleanup(job.kill)
        assert job.stdin and job.stdout
        job.stdin.write(b"line\n")
        job.stdin.flush()
        self.assertEqual(job.stdout.readline(), b"line\n")
        return job

    def ends_of_others(self, kill_victim: Callable[[], object]) -> None:
        """Check that each other side of the victim's connections reports their end."""
        offer = self.offer(self.survivor, "here", "-- cat", self.survivor.address(0))
        self.offer(self.victim, "there", "-- cat", self.victim.address(0))
        connect = self.connected(self.survivor, "there")
        self.connected(self.victim, "here")
        host = self.connected_host("there")
        kill_victim()
        ended = connect.wait(PATIENCE)
        self.assertEqual(ended.rc, 1, ended.stdout)
        self.assertRegex(ended.stdout, r"(?m)^ivshmemctl: there: .*peer")
        self.assertIn(b"ivshmemctl: there: ", host.communicate(timeout=PATIENCE)[1])
        self.assertEqual(host.returncode, 1)
        offer.wait_output(": 5 bytes sent, 5 received; ", PATIENCE)

    @long("a peer counts as gone after 30 s, and test_guest_is_killed waits for that, too")
    def test_programs_are_killed(self) -> None:
        self.ends_of_others(lambda: self.victim.run("killall -KILL ivshmemctl"))

    def test_guest_is_killed(self) -> None:
        self.addCleanup(self.restart)
        self.ends_of_others(self.victim.kill)

    def restart(self) -> None:
        self.victim.start()
        self.victim.wait_ready()
        self.bind(self.victim)
