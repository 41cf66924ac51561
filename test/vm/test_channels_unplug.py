# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""A device that is unplugged while channels are in use."""

from __future__ import annotations

from channel_support import CHANNEL_PROGRAMS, ChannelCase
from lab import Doorbell, Guest, Server
from support import DEVICES, Party


class ChannelsUnplugged(ChannelCase):
    def test_operations_complete_and_the_device_is_released(self) -> None:
        # QEMU crashes when a device is unplugged that has seen a peer leave.
        server = self.enterContext(Server(self.work, vectors=2, size="1M", options=["--no-departures"]))
        device = Doorbell(server.socket, 2, place="port")
        guest = self.enterContext(Guest(self.work, "guest", devices=[device], programs=CHANNEL_PROGRAMS))
        address = guest.address()
        guest.bind(address, "vfio-pci")
        self.peer(Party(None, f"server:{server.socket}"), "idle", 1, 0).wait_output("slot: 1\n")

        job = self.peer(Party(guest, address), "pend", 0, 1)
        self.assertIn("connected: ok\n", job.wait_output("pending\n"))
        guest.request_unplug(0)
        printed = job.wait(60).check().stdout
        removed = f"ivshmem {self.errc('device_removed')}\n"
        for operation in ("send", "drain", "event", "receive", "connect", "accept", "connect by name"):
            self.assertIn(f"\n{operation}: {removed}", printed)
        self.assertIn("\nclosed\n", printed)
        guest.wait_unplugged(0, 30)
        guest.run(f"! test -e {DEVICES}/{address}")
