# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""ivshmem-gateway between two regions that share a broker only, with a guest at each: a value that is retained, and a
series during which the broker ends and starts again."""

from __future__ import annotations

import shutil
import socket
from typing import ClassVar

from channel_support import AnyJob, HostJob, kill
from lab import Doorbell, Guest, Server, booted, build_folder
from support import IVSHMEMCTL, PATIENCE, DeviceCase

GATEWAY = build_folder() / "tools/ivshmem-gateway/ivshmem-gateway"
MOSQUITTO = shutil.which("mosquitto", path="/usr/sbin:/usr/bin")
COUNT = 300
"""Messages of the series, at 100 a second: the gateway's queue and the ring have room for all of them."""


class Gateway(DeviceCase):
    """The gateways are programs of the host, peers of each region's server."""

    near: ClassVar[Server]
    far: ClassVar[Server]
    left: ClassVar[Guest]
    right: ClassVar[Guest]

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.near, cls.far = (
            cls.enterClassContext(Server(cls.work, name=name, vectors=1, size="4M")) for name in ("near", "far")
        )
        guests = [
            Guest(cls.work, name, devices=[Doorbell(server.socket, 1)], programs=[IVSHMEMCTL])
            for name, server in (("left", cls.near), ("right", cls.far))
        ]
        cls.left, cls.right = cls.enterClassContext(booted(*guests))
        for guest in guests:
            guest.bind(guest.address(), "vfio-pci")

    def setUp(self) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]

    def on_host(self, command: str) -> HostJob:
        """Start a command that ends with the test at the latest; its output includes standard error."""
        job = HostJob(self.work, ["sh", "-c", f"exec 2>&1; exec {command}"])
        self.addCleanup(kill, job, None)
        return job

    def in_guest(self, guest: Guest, command: str) -> AnyJob:
        job = guest.spawn(f"exec 2>&1; exec ivshmemctl -v -D any {command}")
        self.addCleanup(kill, job, guest)
        return job

    def broker(self) -> HostJob:
        """A broker that keeps what it has, and listens."""
        path = self.work / "mosquitto.conf"
        path.write_text(f"user root\nlistener {self.port} 127.0.0.1\nallow_anonymous true\n"
                        f"persistence true\npersistence_location {path.parent}/\n")  # fmt: skip
        job = self.on_host(f"{MOSQUITTO} -c {path}")
        job.wait_output("running", PATIENCE)
        return job

    def gateway(self, server: Server, rules: str) -> HostJob:
        """A gateway that is connected."""
        name = server.socket.name
        job = self.on_host(f"{GATEWAY} --socket {server.socket} --broker 127.0.0.1 --port {self.port} "
                           f"--client-id gateway-{name} {rules}")  # fmt: skip
        job.wait_output("connected as", PATIENCE)
        return job

    def end(self, job: AnyJob) -> None:
        job.signal("TERM")
        job.wait(PATIENCE).check()

    def test_two_regions_have_the_same_topics(self) -> None:
        broker = self.broker()
        outward = self.gateway(self.near, "--out setpoint --to plant/setpoint --qos 1 --retain true "
                                          "--out series --to plant/series --qos 1")  # fmt: skip
        # Before the other gateway is there: the broker retains it.
        self.left.run("ivshmemctl -D any pub setpoint 42", timeout=PATIENCE)
        foreign = self.on_host(f"mosquitto_sub -V 5 -p {self.port} -q 1 -C 1 -t plant/setpoint")
        self.assertEqual(foreign.wait(PATIENCE).check().stdout, "42\n")
        # After it was away, the broker sends what it kept at once: the topic has room for the whole series.
        inward = self.gateway(self.far, "--in plant/setpoint --to setpoint --qos 1 "
                                        "--in plant/series --to series --qos 1 --messages 512")  # fmt: skip
        latest = self.in_guest(self.right, "sub --latest -c 1 setpoint")
        latest.wait_output("42\n", PATIENCE)

        reader = self.in_guest(self.right, "sub series")
        reader.wait_output("waiting for", PATIENCE)
        writer = self.left.spawn(f"seq 1 {COUNT} | ivshmemctl -D any pub --rate 100 --stay series")
        self.addCleanup(kill, writer, self.left)
        reader.wait_output(f"\n{COUNT // 3}\n", PATIENCE)
        self.end(broker)
        for gateway in (outward, inward):
            gateway.wait_output("trying again", PATIENCE)
        again = self.broker()
        printed = reader.wait_output(f"\n{COUNT}\n", PATIENCE)
        self.assertNotIn("skipped", printed)
        numbers = [int(line) for line in printed.splitlines() if line.isdigit()]
        # Of QoS 1, so what was not acknowledged may come again; first copies are in order, and none is missing.
        self.assertEqual(list(dict.fromkeys(numbers)), list(range(1, COUNT + 1)))
        for job in (outward, inward, again):
            self.end(job)
        for gateway in (outward, inward):
            for word in ("skipped", "dropped", "lost with this program"):
                self.assertNotIn(word, gateway.output())
