# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""The VM lab: real QEMU guests on stock Debian kernels, with ivshmem devices.

    from lab import Doorbell, Guest, Server, Workdir, booted

    with Workdir("example") as work, Server(work, vectors=4) as server:
        with booted(
            Guest(work, "left", devices=[Doorbell(server.socket, vectors=4)]),
            Guest(work, "right", devices=[Doorbell(server.socket, vectors=4)]),
        ) as (left, right):
            left.bind(left.address(0), "vfio-pci")
            print(left.run("ls /dev/vfio").stdout)
"""

from .bare_metal import BareMetal
from .device_model import DeviceModel
from .devices import Doorbell, Plain, VfioUser
from .errors import CommandFailed, CommandTimeout, GuestGone, LabError
from .guest import Guest, booted
from .initramfs import Initramfs
from .job import Job, Result
from .processes import end_on_signals
from .server import Server, build_folder
from .workdir import Workdir

__all__ = [
    "BareMetal",
    "CommandFailed",
    "CommandTimeout",
    "DeviceModel",
    "Doorbell",
    "Guest",
    "GuestGone",
    "Initramfs",
    "Job",
    "LabError",
    "Plain",
    "Result",
    "Server",
    "VfioUser",
    "Workdir",
    "booted",
    "build_folder",
    "end_on_signals",
]
