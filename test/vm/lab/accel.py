# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""Chooses QEMU's accelerator: KVM if it demonstrably runs a stock kernel, otherwise TCG.

A /dev/kvm that opens is no proof: on some hosts the guest then hangs silently in its firmware.
"""

from __future__ import annotations

import functools
import os
import select
import subprocess
import sys
import time
from pathlib import Path

from . import cache, kernel, processes
from .arch import Arch
from .errors import LabError
from .initramfs import USER_SPACE, Initramfs

_PATIENCE = 8.0
"""Seconds that a guest under KVM has to reach user space; it needs less than two."""


@functools.cache
def choose(arch: Arch) -> str:
    """Returns "kvm" or "tcg". The environment variable IVSHMEM_ACCEL (kvm, tcg, auto) decides if it is set."""
    wanted = os.environ.get("IVSHMEM_ACCEL", "auto")
    if wanted in ("kvm", "tcg"):
        return wanted
    if wanted != "auto":
        raise LabError(f"IVSHMEM_ACCEL={wanted}: not an accelerator; use kvm, tcg or auto")
    if not arch.native or not os.access("/dev/kvm", os.R_OK | os.W_OK):
        return "tcg"
    # The result is valid until this machine boots again.
    boot = Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
    known = cache.root() / "kvm-works"
    if known.exists() and known.read_text("ascii").split()[:1] == [boot]:
        works = known.read_text("ascii").split()[1] == "yes"
    else:
        works = _kvm_boots(arch)
        known.write_text(f"{boot} {'yes' if works else 'no'}\n", "ascii")
    if not works:
        print("KVM exists but boots no guest on this machine: using TCG", file=sys.stderr)
    return "kvm" if works else "tcg"


def options(accel: str, cpu: str) -> list[str]:
    """Returns QEMU's arguments for an accelerator."""
    if accel == "kvm":
        # Interrupt remapping needs the split irqchip.
        return ["-accel", "kvm,kernel-irqchip=split", "-cpu", "host"]
    return ["-accel", "tcg,thread=multi", "-cpu", cpu]


def _kvm_boots(arch: Arch) -> bool:
    stock = kernel.stock(arch.name)
    with cache.scratch() as folder:
        Initramfs(stock).write(folder / "initramfs")
        command = [arch.qemu, *arch.machine, *options("kvm", arch.cpu), "-m", "256", "-nodefaults", "-display", "none"]
        command += ["-serial", "stdio", "-no-reboot", "-kernel", str(stock.image), "-initrd", str(folder / "initramfs")]
        command += ["-append", f"console={arch.console} quiet panic=-1"]
        child = processes.start(command, subprocess.PIPE)
        assert child.stdout is not None
        try:
            return _prints(child.stdout.fileno(), USER_SPACE.encode(), _PATIENCE)
        finally:
            processes.stop(child)
            child.stdout.close()


def _prints(descriptor: int, text: bytes, patience: float) -> bool:
    deadline = time.monotonic() + patience
    seen = b""
    while (left := deadline - time.monotonic()) > 0:
        if select.select([descriptor], [], [], left)[0]:
            data = os.read(descriptor, 4096)
            if not data:
                return False
            seen += data
            if text in seen:
                return True
    return False
