# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""Behind a vIOMMU: 1, 2 and 3 guests and the host, 1, 4 and 64 vectors, VFIO and igb_uio at once."""

from __future__ import annotations

from typing import ClassVar

from lab import Doorbell, Guest, Server, booted
from support import CONFORMANCE, DeviceCase, Party

COUNTS = (1, 4, 64)
"""Each guest has a device of each kind, in this order."""


class Peers(DeviceCase):
    servers: ClassVar[list[Server]]
    guests: ClassVar[tuple[Guest, ...]]

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.servers = [
            cls.enterClassContext(Server(cls.work, f"server{count}", vectors=count, size="1M")) for count in COUNTS
        ]
        devices = [Doorbell(server.socket, server.vectors) for server in cls.servers]
        cls.guests = cls.enterClassContext(
            booted(
                *(
                    Guest(cls.work, name, devices=devices, programs=[CONFORMANCE], extra_modules=["igb_uio"])
                    for name in ("left", "middle", "right")
                )
            )
        )

        for guest in cls.guests:
            for index in range(len(COUNTS)):
                guest.bind(guest.address(index), "vfio-pci")

    def parties(self, count: int, guests: int) -> list[Party]:
        index = COUNTS.index(count)
        return [Party(guest, guest.address(index)) for guest in self.guests[:guests]]

    def host(self, count: int) -> Party:
        return Party(None, f"server:{self.servers[COUNTS.index(count)].socket}")

    def _alone(self, count: int) -> None:
        guest = self.guests[0]
        last = count - 1
        wanted = (f"self.wait.{last}", f"self.take-any.{last}", f"asio.interrupt.{last}", f"asio.any-interrupt.{last}")
        self.alone(guest, guest.address(COUNTS.index(count)), *wanted, "asio.cancel", vectors=count)

    def test_alone_with_1_vector(self) -> None:
        self._alone(1)

    def test_alone_with_4_vectors(self) -> None:
        self._alone(4)

    def test_alone_with_64_vectors(self) -> None:
        self._alone(64)

    def test_two_guests_with_1_vector(self) -> None:
        self.together(self.parties(1, 2), [1, 1], vectors=1)

    def test_two_guests_with_4_vectors(self) -> None:
        self.together(self.parties(4, 2), [4, 4], vectors=4)

    def test_two_guests_with_64_vectors(self) -> None:
        self.together(self.parties(64, 2), [64, 64], vectors=64)

    def test_three_guests(self) -> None:
        self.together(self.parties(4, 3), [4, 4, 4], vectors=4)

    def test_host_and_guest(self) -> None:
        self.together([self.host(4), *self.parties(4, 1)], [4, 4], vectors=4)

    def test_host_and_two_guests(self) -> None:
        self.together([*self.parties(4, 2), self.host(4)], [4, 4, 4], vectors=4)

    def test_vfio_and_igb_uio(self) -> None:
        left, middle, *_ = self.guests
        middle.bind(middle.address(1), "igb_uio")
        self.addCleanup(middle.bind, middle.address(1), "vfio-pci")
        self.together([Party(left, left.address(1)), Party(middle, middle.address(1))], [4, 1])

    def test_a_device_that_has_other_vectors_is_noticed(self) -> None:
        # The tests above rely on this: the program can fail.
        guest = self.guests[0]
        result = guest.run(f"{CONFORMANCE.name} {guest.address(1)} --vectors 5", check=False)
        self.assertEqual(result.rc, 1)
        self.assertIn("not ok open: the device has 4 vectors", result.stdout)
