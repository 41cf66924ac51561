# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""The differences between the architectures of guests."""

from __future__ import annotations

import platform
from dataclasses import dataclass

from .errors import LabError


@dataclass(frozen=True)
class Arch:
    name: str
    qemu: str
    """The QEMU binary."""
    package: str
    """The QEMU binary's Debian package."""
    machine: tuple[str, ...]
    kernel_package: str
    kernel_flavour: str
    """The end of the names of the kernel's packages."""
    console: str
    control: str
    """The second serial port: the agent's."""
    iommu: tuple[str, ...]
    """QEMU arguments that add a vIOMMU."""
    iommu_append: str
    """The options on the kernel's command line for the vIOMMU."""

    @property
    def native(self) -> bool:
        return platform.machine() == self.name


X86_64 = Arch(
    name="x86_64",
    qemu="qemu-system-x86_64",
    package="qemu-system-x86",
    machine=("-machine", "q35"),
    kernel_package="linux-image-amd64",
    kernel_flavour="amd64",
    console="ttyS0",
    control="ttyS1",
    iommu=("-device", "intel-iommu,intremap=on"),
    # Under TCG on a busy machine, no tick may come while the kernel checks whether its timer works: it panics then.
    iommu_append="intel_iommu=on iommu=pt no_timer_check",
)

_ALL = {arch.name: arch for arch in (X86_64,)}


def get(name: str) -> Arch:
    if name not in _ALL:
        raise LabError(f"architecture {name}: guests of this kind are not implemented; there are: {', '.join(_ALL)}")
    return _ALL[name]
