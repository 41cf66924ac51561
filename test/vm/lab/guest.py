# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""A guest: a virtual machine under QEMU, on Debian's own kernel, that runs commands for the host."""

from __future__ import annotations

import base64
import contextlib
import shlex
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from . import accel, machine, processes
from .control import Control
from .devices import Device
from .errors import CommandTimeout, LabError
from .initramfs import NOBODY, boot_files
from .job import Job, Result
from .kernel import Kernel, stock
from .migration import Migration
from .pci import Pci
from .qmp import Qmp
from .workdir import Workdir

if TYPE_CHECKING:
    from .qemu import Qemu

BOOT_TIMEOUT = 300.0
"""Seconds. A guest needs two to three, alone on two cores under TCG."""

_TAIL = 25
"""Lines of the console that an error shows."""

_PUT_SIZE = 16 << 10
# Linux buffers 64 KiB of a serial port that is not read.


class Guest(Migration, Pci):
    """A guest that runs while this object is used in a `with` statement."""

    def __init__(
        self,
        work: Workdir,
        name: str = "guest",
        *,
        devices: Sequence[Device] = (),
        iommu: bool = True,
        vfio_noiommu: bool = False,
        extra_modules: Sequence[str] = (),
        programs: Sequence[Path] = (),
        files: Mapping[str, bytes | str | Path] | None = None,
        append: str = "",
        memory: int = 256,
        cpus: int = 1,
        spare_ports: int = 0,
        options: Sequence[str] = (),
        firmware: Path | None = None,
        qemu: Qemu | None = None,
        arch: str = "x86_64",
        kernel: Kernel | None = None,
        modules: Sequence[str] = machine.MODULES,
    ) -> None:
        """
        iommu: a vIOMMU with interrupt remapping, which VFIO needs on Debian's kernels.
        vfio_noiommu: a vfio module with CONFIG_VFIO_NOIOMMU instead of the kernel's own.
        kernel: a kernel other than that of this machine's Debian; arch is then ignored.
        modules: the modules that it can load. extra_modules: more of them, also of modules.BUILT.
        programs: programs of the host to copy to /bin, with their shared libraries.
        files: path in the guest to content, or to a path on the host.
        append: more arguments on the kernel's command line.
        memory: MiB. spare_ports: empty ports, for `plug`. options: more QEMU arguments.
        firmware: a UEFI firmware instead of QEMU's own; it boots the packed kernel only.
        qemu: another QEMU than the installed one, which VfioUser devices need.
        """
        self.name = name
        self._work = work
        self.kernel = kernel or stock(arch)
        self.arch = self.kernel.arch
        self.console = work / f"{name}.console"
        """The log of the guest's console."""
        self.log = work / f"{name}.qemu"
        """The output of QEMU itself."""
        self._noiommu = vfio_noiommu
        self._iommu_modules = self.arch.iommu_modules_of_models if qemu is not None and iommu else ()
        self._initramfs = work / f"{name}.initramfs"
        self._machine = machine.Machine(
            self.arch,
            name,
            devices,
            qemu=qemu.command if qemu is not None else [self.arch.qemu],
            vfio_user=qemu is not None,
            iommu=iommu,
            memory=memory,
            cpus=cpus,
            spare_ports=spare_ports,
        )
        self._append = append
        self._options = list(options)
        self._image = self.kernel.image if firmware is None else self.kernel.compressed_image
        if firmware is not None:
            self._options += ["-bios", str(firmware)]
        self._child: subprocess.Popen[bytes] | None = None
        self._control: Control | None = None
        self._qmp: Qmp | None = None
        modules = [*modules, *extra_modules, *self._iommu_modules]
        image = boot_files(self.kernel, modules, vfio_noiommu, programs, files or {})
        image.write(self._initramfs)

    # -- life cycle ------------------------------------------------------------------------------------

    def start(self, terminal: bool = False) -> None:
        """Start QEMU and return at once; `wait_ready` is the other half.

        With `terminal`, the guest's console is the terminal of this process (and is logged as well).
        """
        self._child, control, qmp = self._launch(terminal)
        self._control = Control(control, self.explain)
        self._qmp = Qmp(qmp, self.explain)

    def _launch(
        self, terminal: bool = False, incoming: Path | None = None
    ) -> tuple[subprocess.Popen[bytes], socket.socket, socket.socket]:
        """Start QEMU with the devices that are plugged now; with `incoming`, for a guest that migrates from another
        QEMU.

        Also return its control channel and its monitor.
        """
        control, control_there = socket.socketpair()
        qmp, qmp_there = socket.socketpair()
        command = [
            *self._machine.command(accel.choose(self.arch)),
            *_console(self.console, terminal, append=incoming is not None),
            *("-chardev", f"socket,id=control,fd={control_there.fileno()}", *self.arch.control_port),
            *("-chardev", f"socket,id=qmp,fd={qmp_there.fileno()}", "-mon", "chardev=qmp,mode=control"),
            # A kernel that panics reboots, which ends QEMU and so is noticed. reboot() allows
            # reboots temporarily.
            *("-action", "reboot=shutdown"),
            *("-kernel", str(self._image), "-initrd", str(self._initramfs)),
            *("-append", self._machine.kernel_command_line(f"quiet lab.control={self.arch.control} {self._append}")),
            *self._options,
            *(["-incoming", f"unix:{incoming}"] if incoming else []),
        ]
        with control_there, qmp_there, open(self.log, "ab" if incoming else "wb") as log:
            log.write((shlex.join(command) + "\n").encode())
            log.flush()
            child = processes.start(command, log, (control_there.fileno(), qmp_there.fileno()), terminal)
        return child, control, qmp

    def wait_ready(self, timeout: float = BOOT_TIMEOUT) -> None:
        """Wait until the guest can run commands."""
        if not self.control.wait_start(1, timeout):
            raise CommandTimeout(self.explain(f"not booted within {timeout:g} s"))
        self.qmp.open()

    def reboot(self, timeout: float = BOOT_TIMEOUT, hard: bool = False) -> None:
        """Reboot from inside the guest, or (`hard`) as with the reset button. Its devices stay plugged."""
        starts = self.control.starts
        self.qmp.execute("set-action", reboot="reset")
        if hard:
            self.qmp.execute("system_reset")
        else:
            self.control.request("run", _encoded("reboot -f"))
        if not self.control.wait_start(starts + 1, timeout):
            raise CommandTimeout(self.explain(f"not rebooted within {timeout:g} s"))
        self.qmp.execute("set-action", reboot="shutdown")

    def wait_end(self) -> int:
        """Wait until QEMU ends, and return its status."""
        assert self._child is not None
        return self._child.wait()

    def shutdown(self, timeout: float = 30) -> None:
        """Make the guest power itself off."""
        if self._child is None or self._child.poll() is not None:
            return
        self.control.request("run", _encoded("poweroff -f"))
        try:
            self._child.wait(timeout)
        except subprocess.TimeoutExpired:
            raise CommandTimeout(self.explain(f"not powered off within {timeout:g} s")) from None
        self.kill()

    def kill(self) -> None:
        """Kill QEMU at once, as if the machine lost power."""
        if self._child is not None:
            processes.stop(self._child)
        if self._qmp is not None:
            self._qmp.close()

    @property
    def running(self) -> bool:
        return self._child is not None and self._child.poll() is None

    @property
    def pid(self) -> int:
        """The process id of QEMU."""
        assert self._child is not None
        return self._child.pid

    @property
    def control(self) -> Control:
        if self._control is None:
            raise LabError(f"guest {self.name}: not started")
        return self._control

    @property
    def qmp(self) -> Qmp:
        if self._qmp is None:
            raise LabError(f"guest {self.name}: not started")
        return self._qmp

    def __enter__(self) -> Self:
        try:
            self.start()
            self.wait_ready()
        except BaseException:
            self.kill()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()

    # -- commands in the guest -------------------------------------------------------------------------

    def spawn(self, command: str, *, user: str | None = None) -> Job:
        """Start a shell command in the guest and return at once. Commands run in parallel."""
        if user is not None:
            command = f"exec su -s /bin/sh {user} -c {shlex.quote(command)}"
        return Job(self, self.control.request("run", _encoded(command)), command)

    def run(self, command: str, *, timeout: float = 30, check: bool = True, user: str | None = None) -> Result:
        """Run a shell command in the guest; with `check`, a status other than 0 is an error."""
        result = self.spawn(command, user=user).wait(timeout)
        return result.check() if check else result

    def run_as_nobody(self, command: str, *, timeout: float = 30, check: bool = True) -> Result:
        """Run a shell command as an unprivileged user."""
        return self.run(command, timeout=timeout, check=check, user=NOBODY)

    def put(self, path: str, data: bytes, mode: int = 0o644) -> None:
        """Write a file in the guest. For large files use the constructor's `files`."""
        self.run(f"rm -f {shlex.quote(path)}")
        for start in range(0, max(len(data), 1), _PUT_SIZE):
            part = data[start : start + _PUT_SIZE]
            number = self.control.request("put", str(len(part)), _encoded(path), data=part)
            reply = self.control.wait_reply(number, 30)
            if reply is None or reply.rc != 0:
                raise LabError(self.explain(f"{path}: writing failed at byte {start}"))
        self.run(f"chmod {mode:o} {shlex.quote(path)}")

    def get(self, path: str) -> bytes:
        """Read a file of the guest."""
        return base64.b64decode(self.run(f"base64 {shlex.quote(path)}").stdout)

    def wait_for(self, what: str | Callable[[], Any], timeout: float = 30) -> Any:
        """Wait until a shell command in the guest succeeds or a function returns a true value; return that
        value."""
        deadline = time.monotonic() + timeout
        while True:
            found = self.run(what, check=False).rc == 0 if isinstance(what, str) else what()
            if found:
                return found
            if time.monotonic() > deadline:
                raise CommandTimeout(self.explain(f"{what}: not so within {timeout:g} s"))
            time.sleep(0.05)

    def explain(self, message: str) -> str:
        """Return a message with facts about the guest: QEMU's exit status, the end of its console, the logs'
        paths."""
        lines = [f"guest {self.name}: {message}"]
        if self._child is not None:
            # A closed channel is noticed shortly before the end of the process that closed it.
            with contextlib.suppress(subprocess.TimeoutExpired):
                lines.append(f"QEMU {processes.describe(self._child.wait(0.5))}; see {self.log}")
        with contextlib.suppress(OSError):
            console = self.console.read_text("utf-8", "replace").splitlines()
            # The text after a panic is long and less useful.
            panics = [line for line in console[:-_TAIL] if "Kernel panic" in line]
            lines += [f"{self.console} ends with:", *(f"  {line}" for line in [*panics, *console[-_TAIL:]])]
        return "\n".join(lines)

    # -- devices ---------------------------------------------------------------------------------------

    @property
    def devices(self) -> int:
        """The number of ivshmem devices that it has or had."""
        return len(self._machine.slots)

    def plugged(self, index: int) -> bool:
        return self._machine.slot(index).plugged

    def plug(self, device: Device) -> int:
        """Plug a device into a free port; return its index, for `address` and `unplug`."""
        return self._machine.plug(self.qmp, device)

    def unplug(self, index: int, timeout: float = 30) -> None:
        """Unplug a device from a port, and wait until QEMU has removed it."""
        self._machine.unplug(self.qmp, index, timeout)

    def request_unplug(self, index: int) -> None:
        """Request the removal of a device and return at once; `wait_unplugged` is the other half."""
        self._machine.request_unplug(self.qmp, index)

    def wait_unplugged(self, index: int, timeout: float = 30) -> None:
        self._machine.wait_unplugged(self.qmp, index, timeout)

    def report_error(self, index: int) -> None:
        """Make the port above a device report an uncorrectable error of PCI Express, which is not fatal."""
        self._machine.report_error(self.qmp, index)


def _console(log: Path, terminal: bool, append: bool) -> list[str]:
    if not terminal:
        backend = f"file,id=console,path={log},append={'on' if append else 'off'}"
        return ["-chardev", backend, "-serial", "chardev:console"]
    # Ctrl-C is for the guest; Ctrl-A is QEMU's key.
    backend = f"stdio,id=console,mux=on,signal=off,logfile={log}"
    return ["-chardev", backend, "-serial", "chardev:console", "-mon", "chardev=console"]


def _encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


@contextlib.contextmanager
def booted(*guests: Guest) -> Iterator[tuple[Guest, ...]]:
    """Boot guests in parallel, and end them all at exit."""
    try:
        for guest in guests:
            guest.start()
        for guest in guests:
            guest.wait_ready()
        yield guests
    finally:
        for guest in guests:
            guest.kill()
