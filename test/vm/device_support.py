# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""Guests whose ivshmem devices are device models: ivshmem-device, over vfio-user."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from channel_support import CHANNEL_PEER, ChannelCase
from lab import DeviceModel, Guest, build_folder
from lab.arch import X86_64
from lab.devices import Device
from lab.kernel import Kernel
from lab.qemu import with_vfio_user
from support import CONFORMANCE, LSIVSHMEM, PROBE

POKER = build_folder() / "test/vm/guest/register-poker"
STATES = build_folder() / "test/vm/guest/state-peer"
"""Peers with states and sections."""
DEVICE_PROGRAMS = (CONFORMANCE, PROBE, LSIVSHMEM, POKER, STATES, CHANNEL_PEER)
"""The programs that a guest needs."""


class ModelCase(ChannelCase):
    """Tests of devices that a device model presents."""

    @classmethod
    def model(cls, profile: str, *options: str, guests: int = 1, name: str | None = None) -> DeviceModel:
        """Start a device model that ends with the tests of this class."""
        return cls.enterClassContext(DeviceModel(cls.work, profile, *options, guests=guests, name=name))

    @classmethod
    def new_guest(
        cls, name: str, devices: Sequence[Device], *, programs: Sequence[Path] = DEVICE_PROGRAMS, kernel: Kernel | None = None,
        **more: Any,
    ) -> Guest:
        """Return a guest on a QEMU that has vfio-user-pci, not yet started."""
        arch = kernel.arch if kernel is not None else X86_64
        return Guest(
            cls.work, name, devices=devices, programs=programs, kernel=kernel, qemu=with_vfio_user(arch), **more
        )


def bind(guest: Guest, driver: str = "vfio-pci") -> None:
    """Bind all devices of a guest to a driver."""
    for index in range(guest.devices):
        guest.bind(guest.address(index), driver)
