# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""Modules and PCI devices in a guest: load, find, bind."""

from __future__ import annotations

import abc
from typing import TYPE_CHECKING

from .errors import LabError

if TYPE_CHECKING:
    from .job import Result
    from .machine import Machine

_DEVICES = "/sys/bus/pci/devices"


class Pci(abc.ABC):
    """A part of `Guest`."""

    name: str
    _machine: Machine
    _noiommu: bool
    _iommu_modules: tuple[str, ...]

    @abc.abstractmethod
    def run(self, command: str, *, timeout: float = 30, check: bool = True, user: str | None = None) -> Result: ...

    @abc.abstractmethod
    def explain(self, message: str) -> str: ...

    def address(self, index: int = 0) -> str:
        """Return the PCI address of an ivshmem device; the index follows the order in which the guest got them."""
        slot = self._machine.slot(index)
        if slot.parent is None:
            return f"0000:00:{int(slot.address, 16):02x}.0"
        # Bus numbers are the firmware's choice.
        wanted = f"{int(slot.address, 16):02x}.0"
        found = self.run(f"cd {_DEVICES}/{slot.parent} && ls -d ????:??:{wanted}", check=False).stdout.split()
        if len(found) != 1:
            raise LabError(self.explain(f"{slot.name}: not found behind {slot.parent}"))
        return found[0]

    def modprobe(self, module: str, **parameters: object) -> None:
        """Load a module and all its dependencies."""
        words = [f"{key}={value}" for key, value in parameters.items()]
        self.run(" ".join(["modprobe", module, *words]))

    def driver(self, address: str) -> str | None:
        """Return the driver of a PCI device."""
        return self.run(f"basename $(readlink {_DEVICES}/{address}/driver)", check=False).stdout.strip() or None

    def bind(self, address: str, driver: str) -> None:
        """Bind a PCI device to a driver, after loading its modules if needed."""
        for module in self._iommu_modules:
            self.modprobe(module)
        if driver == "vfio-pci" and self._noiommu:
            self.modprobe("vfio", enable_unsafe_noiommu_mode=1)
        if driver == "igb_uio":
            self.modprobe("igb_uio", intr_mode="msix")
        else:
            self.modprobe(driver)
        if driver == "vfio-pci" and not self._noiommu:
            self.modprobe("vfio_iommu_type1")
        self.unbind(address)
        device = f"{_DEVICES}/{address}"
        self.run(f"echo {driver} >{device}/driver_override && echo {address} >/sys/bus/pci/drivers_probe")
        if (bound := self.driver(address)) != driver:
            kernel = self.run("dmesg | tail -n 5").stdout
            raise LabError(self.explain(f"{address}: driver {bound} instead of {driver}; the kernel said:\n{kernel}"))

    def unbind(self, address: str) -> None:
        """Unbind a PCI device from its driver, if it has one."""
        device = f"{_DEVICES}/{address}"
        self.run(f"echo >{device}/driver_override; [ ! -e {device}/driver ] || echo {address} >{device}/driver/unbind")

    def rescan(self) -> None:
        """Make the guest rescan its PCI bus."""
        self.run("echo 1 >/sys/bus/pci/rescan")
