# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""The devices of this machine, which need not be opened."""

from __future__ import annotations

import os
from ctypes import byref, c_char_p, c_size_t
from dataclasses import dataclass, field

from . import _native as native
from ._native import c, check, named, text

_BACKENDS = {0: None, 1: "vfio", 2: "uio", 3: "server", 4: "shared"}
_TYPES = {0: "unknown", 1: "plain", 2: "doorbell"}
_HAS_REVISION, _HAS_VECTORS, _HAS_REGION, _HAS_GROUP, _HAS_NUMA, _HAS_SECTIONS = 1, 2, 4, 8, 16, 32
_HAS_INTX, _IS_GONE, _IS_ENABLED, _IS_NOIOMMU = 64, 128, 256, 512


def backend_name(number: int) -> str | None:
    return _BACKENDS.get(number)


@dataclass(frozen=True)
class Sections:
    """The sizes of the sections of an ivshmem-v2 device, in bytes."""

    state_table: int
    read_write: int
    output: int


@dataclass(frozen=True)
class Diagnosis:
    """Whether this process can use a device as it is, and the obstacle if not. Each text is one line, or empty."""

    can_map: bool
    can_ring: bool
    can_interrupt: bool
    problem: str
    remedy: str
    """The command or the step that fixes the problem."""
    driver: str
    """The driver to bind, as `ivshmemctl bind` takes it."""
    driver_remedy: str
    iommu_remedy: str
    remapping_remedy: str
    msi_problem: str
    msi_remedy: str


@dataclass(frozen=True)
class DeviceInfo:
    """The facts about a PCI device, as sysfs has them. None: the fact does not exist, or cannot be read."""

    address: str
    """As "0000:00:04.0"."""
    vendor: int
    device: int
    subsystem_vendor: int
    subsystem_device: int
    class_code: int
    revision: int | None
    generation: int
    """Of the registers: 1 (QEMU, ACRN) or 2 (ivshmem-v2)."""
    type: str
    """ "plain", "doorbell" or "unknown"."""
    driver: str
    backend: str | None
    """What can use the device now: "vfio", "uio" or None."""
    node: str
    """The node through which the driver offers the device, as "/dev/vfio/7"."""
    vectors: int | None
    memory_start: int
    memory_size: int
    """Bytes of the shared memory; 0 if there is none."""
    acrn_region: int | None
    iommu_group: int | None
    numa_node: int | None
    sections: Sections | None
    intx: bool
    """INTx instead of MSI-X: rings arrive as vector 0."""
    gone: bool
    """Its registers read as all ones."""
    enabled: bool
    noiommu: bool
    problems: tuple[str, ...] = ()
    """A line for each file of the device that was missing, unreadable or malformed."""
    diagnosis: Diagnosis | None = field(default=None, compare=False)


def info_from(raw: native.DeviceInfo, problems: tuple[str, ...] = (), diagnosis: Diagnosis | None = None) -> DeviceInfo:
    def if_set(flag: int, value: int) -> int | None:
        return value if raw.flags & flag else None

    sections = Sections(raw.state_table_size, raw.read_write_size, raw.output_section_size)
    return DeviceInfo(
        address=text(raw.address), vendor=raw.vendor, device=raw.device, subsystem_vendor=raw.subsystem_vendor,
        subsystem_device=raw.subsystem_device, class_code=raw.class_code,
        revision=if_set(_HAS_REVISION, raw.revision), generation=raw.generation, type=_TYPES.get(raw.type, "unknown"),
        driver=text(raw.driver), backend=backend_name(raw.backend), node=text(raw.node),
        vectors=if_set(_HAS_VECTORS, raw.vectors), memory_start=raw.memory_start, memory_size=raw.memory_size,
        acrn_region=if_set(_HAS_REGION, raw.acrn_region), iommu_group=if_set(_HAS_GROUP, raw.iommu_group),
        numa_node=if_set(_HAS_NUMA, raw.numa_node), sections=sections if raw.flags & _HAS_SECTIONS else None,
        intx=bool(raw.flags & _HAS_INTX), gone=bool(raw.flags & _IS_GONE), enabled=bool(raw.flags & _IS_ENABLED),
        noiommu=bool(raw.flags & _IS_NOIOMMU), problems=problems, diagnosis=diagnosis)


def _diagnosis(found: int | None, index: int) -> Diagnosis:
    raw = native.Diagnosis()
    check(c.discovery_get_diagnosis(found, index, raw))
    flags = {name: bool(getattr(raw, name)) for name in ("can_map", "can_ring", "can_interrupt")}
    texts = {name: text(getattr(raw, name)) for name, _ in raw._fields_[4:]}
    return Diagnosis(**flags, **texts)  # type: ignore[arg-type]


def discover(root: str | os.PathLike[str] = "/") -> list[DeviceInfo]:
    """Find every ivshmem device, by ascending PCI address, each with its diagnosis. Opens none.

    `root` is the directory that holds `sys` and `dev`.
    """
    handle = native.opened("discovery", c.discovery_open, named(os.fsencode(root)))
    found = handle.value
    count = c_size_t()
    check(c.discovery_get_count(found, byref(count)))
    devices = []
    for index in range(count.value):
        raw = native.DeviceInfo()
        check(c.discovery_get_device(found, index, raw))
        problems = []
        for number in range(raw.problem_count):
            line = c_char_p()
            check(c.discovery_get_problem(found, index, number, byref(line)))
            problems.append(text(line.value))
        devices.append(info_from(raw, tuple(problems), _diagnosis(found, index)))
    handle.close()
    return devices
