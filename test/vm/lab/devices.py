# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""The ivshmem devices that a guest can have.

The place of a device (`place`):
- "root": on the root bus, in its own IOMMU group;
- "port": behind its own root port: it can be unplugged, and another plugged in its place;
- "bridge": behind the only PCI bridge, so that all devices there share one IOMMU group.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

Place = Literal["root", "port", "bridge"]


@dataclass(frozen=True)
class Plain:
    """ivshmem-plain: memory only. Guests and the host share it by naming the same file."""

    memory: Path
    size: int = 4 << 20
    """Bytes, a power of two."""
    place: Place = "root"
    master: bool = False
    """Whether the memory migrates with the guest; if not, a guest that has the device cannot migrate."""

    def backend(self, name: str) -> tuple[str, dict[str, Any]]:
        """The QMP command, with its arguments, that creates the device's backend."""
        return "object-add", {
            "qom-type": "memory-backend-file",
            "id": name,
            "mem-path": str(self.memory),
            "size": self.size,
            "share": True,
        }

    def backend_options(self, name: str) -> list[str]:
        """The same on QEMU's command line."""
        return ["-object", f"memory-backend-file,id={name},mem-path={self.memory},size={self.size},share=on"]

    def properties(self, name: str) -> dict[str, Any]:
        """The properties of the device itself, its driver included."""
        return {"driver": "ivshmem-plain", "memdev": name, "master": "on" if self.master else "off"}


@dataclass(frozen=True)
class Doorbell:
    """ivshmem-doorbell: memory and interrupts, from the server that listens on this socket."""

    socket: Path
    vectors: int = 1
    ioeventfd: bool = True
    place: Place = "root"
    master: bool = False
    """As `Plain.master`; needs the id 0."""

    def backend(self, name: str) -> tuple[str, dict[str, Any]]:
        address = {"type": "unix", "data": {"path": str(self.socket)}}
        return "chardev-add", {
            "id": name,
            "backend": {"type": "socket", "data": {"addr": address, "server": False}},
        }

    def backend_options(self, name: str) -> list[str]:
        return ["-chardev", f"socket,id={name},path={self.socket}"]

    def properties(self, name: str) -> dict[str, Any]:
        return {
            "driver": "ivshmem-doorbell",
            "chardev": name,
            "vectors": self.vectors,
            "ioeventfd": self.ioeventfd,
            "master": "on" if self.master else "off",
        }


@dataclass(frozen=True)
class VfioUser:
    """vfio-user-pci: any device, whose model is a process that listens on this socket. Only newer QEMUs have it: see
    `qemu.with_vfio_user`."""

    socket: Path
    place: Place = "root"

    def backend(self, name: str) -> None:
        """The device has no object besides itself."""

    def backend_options(self, name: str) -> list[str]:
        return []

    def properties(self, name: str) -> dict[str, Any]:
        return {"driver": "vfio-user-pci", "socket": {"type": "unix", "path": str(self.socket)}}


Device = Plain | Doorbell | VfioUser
