# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""The virtual machine: QEMU's command line, and the devices that are plugged and unplugged."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from . import accel
from .arch import Arch
from .devices import Device, Doorbell, Plain
from .errors import LabError
from .qmp import Qmp

MODULES = ("vfio-pci", "vfio_iommu_type1", "uio_pci_generic")
"""The modules that every guest can load, besides their dependencies."""

# Slots of the root bus. Lower ones are QEMU's own.
_FIRST_DEVICE = 0x04
_FIRST_PORT = 0x10
_BRIDGE = 0x1E


_SETTLE = 0.5


@dataclass
class Slot:
    """The place of a device, also after it was unplugged."""

    device: Device
    name: str
    bus: str
    address: str
    parent: str | None
    """The address of the port or bridge it is behind, as the guest sees it."""
    plugged: bool = True

    @property
    def backend(self) -> str:
        return f"{self.name}-backend"

    def arguments(self) -> dict[str, Any]:
        return {"id": self.name, "bus": self.bus, "addr": self.address, **self.device.properties(self.backend)}


_QUICK = "cryptomgr.notests tsc=reliable rodata=off"
"""Leaves out checks of the kernel's own that take a sixth of a boot."""


class Machine:
    def __init__(
        self,
        arch: Arch,
        name: str,
        devices: Sequence[Device],
        *,
        qemu: Sequence[str],
        vfio_user: bool,
        iommu: bool,
        memory: int,
        cpus: int,
        spare_ports: int,
    ) -> None:
        """
        qemu: the program. vfio_user: whether the machine can have VfioUser devices.
        """
        self._arch = arch
        self._name = name
        self._qemu = qemu
        self._vfio_user = vfio_user
        self._iommu = iommu
        self._memory = memory
        self._cpus = cpus
        self._ports: list[str] = []
        self.slots: list[Slot] = []
        for device in devices:
            self._place(device)
        for _ in range(spare_ports):
            self._add_port()

    def _add_port(self) -> str:
        self._ports.append(f"port{len(self._ports)}")
        if _FIRST_PORT + len(self._ports) > _BRIDGE:
            raise LabError(f"guest {self._name}: too many ports")
        return self._ports[-1]

    def _place(self, device: Device) -> None:
        index = len(self.slots)
        name = f"ivshmem{index}"
        if device.place == "port":
            port = self._add_port()
            slot = Slot(device, name, port, "0x0", _root_address(_FIRST_PORT + self._ports.index(port)))
        elif device.place == "bridge":
            slot = Slot(device, name, "bridge", hex(index + 1), _root_address(_BRIDGE))
        else:
            if _FIRST_DEVICE + index >= _FIRST_PORT:
                raise LabError(f"guest {self._name}: too many devices on the root bus")
            slot = Slot(device, name, "pcie.0", hex(_FIRST_DEVICE + index), None)
        self.slots.append(slot)

    def command(self, accelerator: str) -> list[str]:
        """Return QEMU's arguments for the machine and its devices; the caller adds consoles and the kernel."""
        # The machine has no default devices, so that it boots quickly.
        command = [*self._qemu, "-name", self._name, *self._arch.machine, *accel.options(accelerator, self._arch.cpu)]
        command += ["-m", str(self._memory), "-smp", str(self._cpus)]
        command += ["-nodefaults", "-no-user-config", "-display", "none"]
        if self._vfio_user:
            # A device model gets the guest's memory for DMA, as descriptors.
            command += ["-object", f"memory-backend-memfd,id=ram,size={self._memory}M,share=on"]
            command += ["-machine", "memory-backend=ram"]
        if self._iommu:
            command += self._arch.iommu_of_models if self._vfio_user else self._arch.iommu
        for number, port in enumerate(self._ports):
            place = f"bus=pcie.0,addr={_FIRST_PORT + number:#x},chassis={number + 1}"
            command += ["-device", f"pcie-root-port,id={port},{place}"]
        if any(slot.bus == "bridge" for slot in self.slots):
            command += ["-device", f"pcie-pci-bridge,id=bridge,bus=pcie.0,addr={_BRIDGE:#x}"]
        for slot in self.slots:
            if not slot.plugged:
                continue
            command += [*slot.device.backend_options(slot.backend), "-device", json.dumps(slot.arguments())]
        return command

    def kernel_command_line(self, more: str) -> str:
        iommu = self._arch.iommu_append if self._iommu else ""
        line = f"console={self._arch.console} panic=-1 lab.name={self._name} {_QUICK} {iommu} {more}"
        return " ".join(line.split())

    def slot(self, index: int) -> Slot:
        if not 0 <= index < len(self.slots):
            raise LabError(f"guest {self._name}: no ivshmem device {index}; it has {len(self.slots)}")
        return self.slots[index]

    def plug(self, qmp: Qmp, device: Device) -> int:
        used = {slot.bus for slot in self.slots if slot.plugged}
        free = [port for port in self._ports if port not in used]
        if not free:
            raise LabError(f"guest {self._name}: no free port; give it spare_ports")
        index = len(self.slots)
        parent = _root_address(_FIRST_PORT + self._ports.index(free[0]))
        slot = Slot(device, f"ivshmem{index}", free[0], "0x0", parent)
        if (backend := device.backend(slot.backend)) is not None:
            command, arguments = backend
            qmp.execute(command, **arguments)
        qmp.execute("device_add", **slot.arguments())
        self.slots.append(slot)
        return index

    def replace(self, devices: Mapping[int, Device]) -> dict[int, Device]:
        """Put other devices in the places of these; return the previous ones."""
        before = {index: self.slot(index).device for index in devices}
        for index, device in devices.items():
            self.slot(index).device = device
        return before

    def request_unplug(self, qmp: Qmp, index: int) -> None:
        qmp.execute("device_del", id=self.slot(index).name)

    def wait_unplugged(self, qmp: Qmp, index: int, timeout: float) -> None:
        slot = self.slot(index)
        qmp.wait_event("DEVICE_DELETED", timeout, device=slot.name)
        slot.plugged = False
        # QEMU keeps the device's backend, so a server would still see the peer.
        if isinstance(slot.device, Doorbell):
            qmp.execute("chardev-remove", id=slot.backend)
            # QEMU 7.2 and 10.0 crash if another doorbell device is plugged within some 50 ms, and
            # have no event to wait for.
            time.sleep(_SETTLE)
        elif isinstance(slot.device, Plain):
            qmp.execute("object-del", id=slot.backend)

    def report_error(self, qmp: Qmp, index: int) -> None:
        said = qmp.execute("human-monitor-command", command_line=f"pcie_aer_inject_error {self.slot(index).bus} COMP_TIME")
        if not said.startswith("OK"):
            raise LabError(f"guest {self._name}: {self.slot(index).bus}: no error can be injected: {said.strip()}")

    def unplug(self, qmp: Qmp, index: int, timeout: float) -> None:
        self.request_unplug(qmp, index)
        self.wait_unplugged(qmp, index, timeout)


def _root_address(slot: int) -> str:
    return f"0000:00:{slot:02x}.0"
