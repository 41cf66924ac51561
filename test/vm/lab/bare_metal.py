# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""A guest without an operating system: examples/bare-metal under QEMU. It prints lines, and takes no commands."""

from __future__ import annotations

import json
import shlex
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from . import accel, arch, processes
from .daemon import build_folder
from .devices import Device
from .errors import GuestGone, LabError
from .workdir import Workdir


@dataclass(frozen=True)
class _Port:
    arch: arch.Arch
    machine: tuple[str, ...]
    accelerated: bool
    """Whether KVM can run it."""


_PORTS = {
    "x86": _Port(arch.X86_64, arch.X86_64.machine, True),
    "aarch64": _Port(arch.AARCH64, ("-machine", "virt"), False),
}


def _options(device: Device) -> list[str]:
    return [*device.backend_options("shared"), "-device", json.dumps({"id": "ivshmem0", **device.properties("shared")})]


class BareMetal:
    """A bare-metal guest that runs while this object is used in a `with` statement."""

    def __init__(
        self,
        work: Workdir,
        name: str = "bare-metal",
        *,
        device: Device | None,
        append: str = "",
        port: str = "x86",
        options: Sequence[str] = (),
    ) -> None:
        """append: the program's options, see examples/bare-metal/main.c. options: more QEMU arguments."""
        self.name = name
        self.console = work / f"{name}.console"
        """The log of its serial port."""
        self.log = work / f"{name}.qemu"
        """The output of QEMU itself."""
        kernel = build_folder() / f"examples/bare-metal/bare-metal-{port}"
        if not kernel.exists():
            raise LabError(f"{kernel}: not built; try test/install-deps all cross, and configure again")
        known = _PORTS[port]
        self._command = [
            *(known.arch.qemu, "-name", name, *known.machine),
            *accel.options(accel.choose(known.arch) if known.accelerated else "tcg", "max"),
            *("-m", "64", "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"),
            *("-chardev", f"file,id=console,path={self.console},append=on", "-serial", "chardev:console"),
            *(_options(device) if device is not None else ()),
            *("-kernel", str(kernel), "-append", append),
            *options,
        ]
        self._child: subprocess.Popen[bytes] | None = None
        self._skip = 0
        """The length of what earlier starts printed."""

    def start(self) -> None:
        """Start it, again after `kill`; it is ready after a second, see `wait_output`."""
        self._skip = len(self._text())
        with open(self.log, "ab") as log:
            log.write((shlex.join(self._command) + "\n").encode())
            log.flush()
            self._child = processes.start(self._command, log)

    def kill(self) -> None:
        """Kill QEMU at once, as if the machine lost power."""
        if self._child is not None:
            processes.stop(self._child)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()

    def _text(self) -> str:
        return self.console.read_text("utf-8", "replace") if self.console.exists() else ""

    def output(self) -> str:
        """Return what it has printed since its latest start."""
        return self._text()[self._skip :]

    def wait_output(self, text: str, timeout: float = 30) -> str:
        """Wait until it has printed a line with this since its latest start; return all that it has printed since."""
        assert self._child is not None
        deadline = time.monotonic() + timeout
        while "\n" not in (printed := self.output()).partition(text)[2]:
            ended = self._child.poll()
            if ended is not None:
                raise GuestGone(f"guest {self.name}: QEMU {processes.describe(ended)}; see {self.log}\n{printed}")
            if time.monotonic() > deadline:
                raise LabError(f"guest {self.name}: no {text!r} within {timeout:g} s in\n{printed}")
            time.sleep(0.02)
        return printed
