# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""A guest that is a fuzzer: every register, every size, every value, while other guests use the same device model."""

from __future__ import annotations

from typing import ClassVar

from device_support import POKER, ModelCase, bind
from lab import DeviceModel, Guest, booted
from lab.runner import long
from support import Party

ROUNDS = 4
POKES = 20_000


@long("it pokes hundreds of thousands of times")
class Poking(ModelCase):
    """One guest of each model pokes; two others hold a conversation, which must not notice."""

    models: ClassVar[list[DeviceModel]]
    guests: ClassVar[tuple[Guest, ...]]

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.models = [
            cls.model("v2", "--max-peers", "3", "--rw-size", "64K", "--output-size", "64K", guests=3),
            cls.model("qemu", "--size", "1M", "--vectors", "2", guests=3),
            cls.model("acrn-hv", "--size", "1M", guests=3),
        ]
        cls.guests = cls.enterClassContext(
            booted(*(cls.new_guest(f"vm{n}", [model.device(n) for model in cls.models]) for n in range(3)))
        )
        for guest in cls.guests:
            bind(guest)

    def poke(self, index: int, where: str) -> None:
        poking = self.guests[2]
        address = poking.address(index)
        poking.unbind(address)
        poking.run(f"echo 1 >/sys/bus/pci/devices/{address}/enable")
        parties = [Party(guest, guest.address(index)) for guest in self.guests[:2]]
        vectors = (2, 2, 8)[index]
        for seed in range(ROUNDS):
            with self.subTest(model=self.models[index].profile, where=where, seed=seed):
                job = poking.spawn(f"{POKER.name} {address} {seed} {POKES} {where}")
                # It may ring them, and change its state: these are no faults.
                self.together(parties, [vectors, vectors], crowded=True)
                self.assertIn("poked: ", job.wait(600).check().stdout)
                self.assertTrue(self.models[index].running)
        # A reset, and the device is as new for the poking guest too.
        poking.bind(address, "vfio-pci")
        self.together([parties[0], Party(poking, address)], [vectors, vectors])

    def test_registers(self) -> None:
        for index in range(len(self.models)):
            self.poke(index, "registers")

    def test_configuration(self) -> None:
        for index in range(len(self.models)):
            self.poke(index, "config")

    def test_bars_that_move(self) -> None:
        for index in range(len(self.models)):
            self.poke(index, "bars")
