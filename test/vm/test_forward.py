# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""ivshmem-forward between guests without a network device: ssh, HTTP and many connections at once, over TCP and UNIX sockets."""

from __future__ import annotations

import re
from typing import ClassVar

from connection_support import FORWARD, SSH, USER, ConnectionCase, guest_for_programs, prepare, trust
from lab import Guest, Server, booted
from lab.runner import long
from support import PATIENCE

CONNECTIONS = 1000
SIZE = 2_000_000
REDIS = "/run/redis.sock"


@long("guests encrypt and serve hundreds of connections; the host's tests of ivshmem-forward have no guests")
class Forward(ConnectionCase):
    server: ClassVar[Server]
    one: ClassVar[Guest]
    other: ClassVar[Guest]

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.server = cls.enterClassContext(Server(cls.work, vectors=2))
        programs = (*SSH, "redis-server", "redis-cli", "redis-benchmark")
        guests = [guest_for_programs(cls.work, cls.server, name, *programs, own=(FORWARD,)) for name in ("one", "other")]
        cls.one, cls.other = cls.enterClassContext(booted(*guests))
        for guest in guests:
            prepare(guest)
            guest.bind(guest.address(), "vfio-pci")
        trust(cls.other, cls.one, "[127.0.0.1]:2222")

    def forward(self, offers: str, listens: str, port: int) -> None:
        """Start both sides, whose clients connect to that port of the other guest."""
        offering = self.start(self.one, f"exec ivshmem-forward -v {offers}")
        offering.wait_output("ready: ", PATIENCE)
        self.start(self.other, f"exec ivshmem-forward -v {listens}").wait_output("ready: ", PATIENCE)
        self.listens(self.other, port)

    def test_ssh_and_http_at_once(self) -> None:
        self.start(self.one, "exec nc -ll -p 22 -e sshd -i")
        self.start(self.one, "exec httpd -f -p 127.0.0.1:80 -h /tmp")
        for port in (22, 80):
            self.listens(self.one, port)
        self.one.run(f"head -c {SIZE} /dev/urandom >/tmp/data")
        self.forward(
            "--offer ssh --from tcp:127.0.0.1:22 --offer web --from tcp:127.0.0.1:80",
            "--listen tcp:127.0.0.1:2222 --to ssh --listen tcp:127.0.0.1:8000 --to web", 8000,
        )  # fmt: skip
        download = self.other.spawn("wget -q -O /tmp/page http://127.0.0.1:8000/data")
        said = self.other.run(f"ssh -p 2222 {USER}@127.0.0.1 hostname", timeout=PATIENCE).stdout
        self.assertEqual(said, "one\n")
        download.wait(PATIENCE).check()
        self.assertEqual(self.sum_of(self.other, "/tmp/page"), self.sum_of(self.one, "/tmp/data"))

    def clients(self) -> int:
        said = self.one.run(f"redis-cli -s {REDIS} INFO clients", timeout=PATIENCE).stdout
        return int(re.findall(r"connected_clients:(\d+)", said)[0])

    def test_many_connections_at_once(self) -> None:
        self.start(self.one, f"ulimit -n 4096; exec redis-server --port 0 --unixsocket {REDIS} --save ''")
        self.one.wait_for(f"redis-cli -s {REDIS} PING", PATIENCE)
        self.forward(f"--offer db --from unix:{REDIS}", "--listen tcp:127.0.0.1:8000 --to db", 8000)
        bench = self.other.spawn(f"ulimit -n 4096; exec redis-benchmark -p 8000 -c {CONNECTIONS} -n 1000000 -t set")
        self.addCleanup(bench.signal, "KILL")
        self.wait_for(lambda: bench.ended or self.clients() > CONNECTIONS, f"{CONNECTIONS} connections", PATIENCE)
        self.assertFalse(bench.ended)
        bench.signal("KILL")
        self.wait_for(lambda: self.clients() == 1, "the end of all connections", PATIENCE)
        done = self.other.run(f"ulimit -n 4096; redis-benchmark -p 8000 -c {CONNECTIONS} -n 2000 -t set,get --csv", timeout=PATIENCE)
        self.assertEqual(re.findall(r'(?m)^"(SET|GET)"', done.stdout), ["SET", "GET"], done.stdout + done.stderr)
