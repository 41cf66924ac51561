# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""A guest that is a whole Debian: systemd, udev and apt, on the stock kernel of its suite."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..devices import Device
from ..errors import LabError
from ..guest import Guest
from ..initramfs import FILES
from ..workdir import Workdir
from . import kernels
from .root import DebianRoot

BOOT_TIMEOUT = 180.0
"""Seconds. A guest needs twenty, alone on two cores under TCG."""

_MODULES = ("virtio_pci", "9pnet_virtio", "9p", "overlay")

# Units that only take time here, or would start work in the middle of a test.
_MASKED = (
    "getty@tty1.service serial-getty@ttyS0.service getty-static.service "
    "systemd-random-seed.service systemd-update-utmp.service systemd-firstboot.service ldconfig.service "
    "modprobe@configfs.service modprobe@dm_mod.service modprobe@drm.service modprobe@efi_pstore.service "
    "modprobe@fuse.service modprobe@loop.service dev-hugepages.mount dev-mqueue.mount sys-kernel-debug.mount "
    "sys-kernel-tracing.mount sys-kernel-config.mount sys-fs-fuse-connections.mount systemd-pstore.service "
    "apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer fstrim.timer systemd-tmpfiles-clean.timer "
    "e2scrub_all.timer e2scrub_reap.service"
).split()


class DebianGuest(Guest):
    """A guest that runs the suite's own programs. All changes in it are discarded when it ends."""

    def __init__(
        self,
        work: Workdir,
        suite: str,
        name: str = "debian",
        *,
        devices: Sequence[Device] = (),
        shares: Mapping[str, Path] | None = None,
        modules: bool = True,
        memory: int = 1024,
        cpus: int = 1,
        append: str = "",
        options: Sequence[str] = (),
        **more: Any,
    ) -> None:
        """
        shares: path in the guest to a folder of the host, which is read-only there.
        modules: whether /lib/modules has the kernel's modules.
        """
        root = DebianRoot(suite)
        kernel = kernels.stock(root)
        folders: dict[str, Path] = dict(shares or {})
        if modules:
            folders[f"/usr/lib/modules/{kernel.release}"] = kernels.modules(root, kernel)
        tags = {f"share{number}": path for number, path in enumerate(folders)}
        shared = _share(0, "rootfs", root.guest())
        for number, (tag, path) in enumerate(tags.items(), 1):
            shared += _share(number, tag, folders[path])
        words = [f"systemd.mask={unit}" for unit in _MASKED]
        words.append("lab.shares=" + ",".join(f"{tag}:{path}" for tag, path in tags.items()))
        super().__init__(
            work,
            name,
            devices=devices,
            kernel=kernel,
            modules=_MODULES,
            files={"/init": FILES / "debian-init", "/lab/agent.service": FILES / "agent.service"},
            memory=memory,
            cpus=cpus,
            append=" ".join([*words, append]),
            options=[*shared, *options],
            **more,
        )
        self.suite = suite

    def wait_ready(self, timeout: float = BOOT_TIMEOUT) -> None:
        """Wait until systemd has started all units."""
        super().wait_ready(timeout)
        state = self.run("systemctl is-system-running --wait", timeout=timeout, check=False).stdout.strip()
        if state != "running":
            failed = self.run("systemctl --failed --no-legend --plain; journalctl -b -p warning --no-pager | tail -n 40")
            raise LabError(self.explain(f"systemd is {state}, not running:\n{failed.stdout}"))


def _share(number: int, tag: str, folder: Path) -> list[str]:
    path = str(folder).replace(",", ",,")
    backend = f"local,id=fs-{tag},path={path},security_model=passthrough,readonly=on,multidevs=remap"
    # The slots below those of the ivshmem devices.
    place = f"bus=pcie.0,addr={1 + number // 8:#x}.{number % 8},multifunction={'on' if number == 0 else 'off'}"
    return ["-fsdev", backend, "-device", f"virtio-9p-pci,fsdev=fs-{tag},mount_tag={tag},{place}"]
