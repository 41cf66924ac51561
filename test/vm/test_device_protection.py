# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""A guest that stores into the sections of others: with --protect, nothing arrives; and the channels that need that."""

from __future__ import annotations

from device_support import POKER
from hostile_client import DEEDS, Client, honest
from lab.runner import long
from state_support import STATE_TABLE, StatesCase
from support import PATIENCE


class _Trespassing(StatesCase):
    GUESTS = 3

    def trespass(self, count: int, seed: int = 1) -> None:
        """Make the third guest store into the state table and the others' output sections."""
        guest = self.guests[2]
        guest.unbind(guest.address())
        guest.run(f"echo 1 >/sys/bus/pci/devices/{guest.address()}/enable")
        for offset, size in ((0, STATE_TABLE), (self.output_section(0), 2 * self.OUTPUT)):
            guest.run(f"{POKER.name} {guest.address()} {seed} {count} memory {offset} {size}", timeout=PATIENCE)

    def seen_after_trespassing(self) -> list[str]:
        """Return what the first two guests see of their states and sections after the third has stored into them."""
        holding = [self.hold(peer, 30 + peer, "fill") for peer in (0, 1)]
        holding[0].wait_output("state 1 31\n", PATIENCE)
        self.trespass(3000)
        lines = []
        for job in holding:
            job.signal("USR1")
            lines.append(job.wait_output("checked: ", PATIENCE).splitlines()[-1])
        return lines


class Protected(_Trespassing):
    """The tests run in the order of their numbers, because the last one ends a guest."""

    OPTIONS = ("--protect",)
    # Each load of a foreign section is a message.
    OUTPUT = 16 << 10

    def test_1_stores_into_foreign_sections_do_not_arrive(self) -> None:
        self.assertEqual(self.seen_after_trespassing(), ["checked: 0=30 whole 1=31 whole"] * 2)

    @long("each load of the other sections is an exchange with the model")
    def test_2_channels_of_others_go_on(self) -> None:
        guest = self.guests[2]
        guest.unbind(guest.address())
        guest.run(f"echo 1 >/sys/bus/pci/devices/{guest.address()}/enable")
        size = self.output_section(2)
        job = guest.spawn(f"{POKER.name} {guest.address()} 2 {1 << 30} memory 0 {size}")
        self.transfer(self.party(0), self.party(1))
        self.assertFalse(job.ended)
        job.signal("KILL")
        job.wait()

    @long("each load of the other sections is an exchange with the model")
    def test_3_together(self) -> None:
        self.together([self.party(0), self.party(1)], [3, 3], vectors=3)

    def test_4_clients_that_break_the_protocol(self) -> None:
        """While two guests ring each other, clients come to the third socket and misbehave."""
        self.guests[2].kill()
        path = self.model_of_all.sockets[2]
        ringing = [self.spawn(peer, "bounce", 1 - peer, 500) for peer in (0, 1)]
        for deed, act in DEEDS.items():
            with self.subTest(deed=deed):
                # Once the client leaves at once, and once it waits for what the model does.
                for patience in (0, 0.1):
                    with Client(path) as client:
                        act(client)
                        if patience:
                            client.linger(patience)
                self.assertTrue(self.model_of_all.running)
                with honest(path) as client:
                    self.assertEqual(client.read(7, 0, 4), (0, bytes.fromhex("0a110641")))
        for job in ringing:
            job.wait(PATIENCE).check()


@long("it boots three guests to show that the other mode protects nothing")
class Mapped(_Trespassing):
    """What the tests above would see if nothing protected the sections."""

    def test_stores_into_foreign_sections_arrive(self) -> None:
        for line in self.seen_after_trespassing():
            self.assertRegex(line, "broken")

    def test_channels(self) -> None:
        self.transfer(self.party(0), self.party(1))
