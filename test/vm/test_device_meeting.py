# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""One region at an ivshmem server: a guest on QEMU's own device, guests on device models, and the host."""

from __future__ import annotations

from typing import ClassVar

from device_support import DEVICE_PROGRAMS, ModelCase, bind
from lab import DeviceModel, Doorbell, Guest, Server, booted
from lab.runner import long
from support import PATIENCE, Party, facts, probe


class Meeting(ModelCase):
    server: ClassVar[Server]
    bridge: ClassVar[DeviceModel]
    own: ClassVar[Guest]
    """A guest on the installed QEMU's own device."""
    modelled: ClassVar[Guest]

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.server = cls.enterClassContext(Server(cls.work, vectors=3, size="1M"))
        cls.bridge = cls.model("qemu", "--server", str(cls.server.socket), "--vectors", "3", guests=2)
        own = Guest(cls.work, "own", devices=[Doorbell(cls.server.socket, 3)], programs=DEVICE_PROGRAMS)
        modelled = cls.new_guest("modelled", [cls.bridge.device(0)])
        cls.own, cls.modelled = cls.enterClassContext(booted(own, modelled))
        for guest in (cls.own, cls.modelled):
            bind(guest)

    def party(self, guest: Guest) -> Party:
        return Party(guest, guest.address())

    def host(self) -> Party:
        return Party(None, f"server:{self.server.socket}")

    def test_all_three(self) -> None:
        self.together([self.party(self.own), self.party(self.modelled), self.host()], [3, 3, 3], vectors=3)

    def test_channels(self) -> None:
        self.transfer(self.party(self.modelled), self.party(self.own))
        self.transfer(self.host(), self.party(self.modelled))

    @long("it boots a third guest")
    def test_two_device_models(self) -> None:
        with self.new_guest("other", [self.bridge.device(1)]) as other:
            bind(other)
            ids = {facts(probe(guest, "info", guest.address()))["id"] for guest in (self.own, self.modelled, other)}
            self.assertEqual(len(ids), 3, ids)
            self.together([self.party(other), self.party(self.modelled), self.party(self.own)], [3, 3, 3], vectors=3)
            other.kill()
        with self.new_guest("again", [self.bridge.device(1)]) as again:
            bind(again)
            self.together([self.party(again), self.party(self.modelled)], [3, 3], vectors=3)
