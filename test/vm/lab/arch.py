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
    cpu: str
    """QEMU's model of the processor under TCG."""
    debian: str
    """Debian's name of the architecture."""
    compiler: str
    """The beginning of the names of Debian's compiler and tools for it."""
    loader: str
    """The program interpreter of its programs."""
    kernel_package: str
    kernel_flavour: str
    """The end of the names of the kernel's packages."""
    console: str
    control: str
    """The second serial port: the agent's."""
    control_port: tuple[str, ...]
    """QEMU arguments that add that port to the character device `control`."""
    iommu: tuple[str, ...]
    """QEMU arguments that add a vIOMMU."""
    iommu_of_models: tuple[str, ...]
    """The same, if device models see the guest's memory through it."""
    iommu_modules_of_models: tuple[str, ...]
    """The modules that the guest loads for the latter before it binds a device."""
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
    cpu="max",
    debian="amd64",
    compiler="x86_64-linux-gnu",
    loader="/lib64/ld-linux-x86-64.so.2",
    kernel_package="linux-image-amd64",
    kernel_flavour="amd64",
    console="ttyS0",
    control="ttyS1",
    control_port=("-serial", "chardev:control"),
    iommu=("-device", "intel-iommu,intremap=on"),
    iommu_of_models=("-device", "intel-iommu,intremap=on,caching-mode=on"),
    iommu_modules_of_models=(),
    # Under TCG on a busy machine, no tick may come while the kernel checks whether its timer works: it panics then.
    iommu_append="intel_iommu=on iommu=pt no_timer_check",
)

AARCH64 = Arch(
    name="aarch64",
    qemu="qemu-system-aarch64",
    package="qemu-system-arm",
    # The ITS of version 3, which is the interrupt controller that isolates MSIs, is what VFIO asks for.
    machine=("-machine", "virt,gic-version=3"),
    # TCG computes the pointer authentication of "max" by its slow algorithm, in every function of the kernel.
    cpu="cortex-a72",
    debian="arm64",
    compiler="aarch64-linux-gnu",
    loader="/lib/ld-linux-aarch64.so.1",
    kernel_package="linux-image-arm64",
    kernel_flavour="arm64",
    console="ttyAMA0",
    control="ttyS0",
    # The machine's only UART is the console.
    control_port=("-device", "pci-serial,chardev=control,bus=pcie.0,addr=0x2"),
    iommu=("-machine", "iommu=smmuv3"),
    # QEMU's SMMUv3 reports no new mappings to devices. Debian 12's kernel has no driver of this one.
    iommu_of_models=("-device", "virtio-iommu-pci,bus=pcie.0,addr=0x1"),
    iommu_modules_of_models=("virtio_iommu",),
    iommu_append="",
)

_ALL = {arch.name: arch for arch in (X86_64, AARCH64)}


def names() -> list[str]:
    return list(_ALL)


def get(name: str) -> Arch:
    if name not in _ALL:
        raise LabError(f"architecture {name}: guests of this kind are not implemented; there are: {', '.join(_ALL)}")
    return _ALL[name]
