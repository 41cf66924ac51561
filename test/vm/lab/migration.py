# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""A guest that moves to another QEMU."""

from __future__ import annotations

import abc
import socket
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from . import processes
from .errors import CommandTimeout, LabError
from .qmp import Qmp

if TYPE_CHECKING:
    from .control import Control
    from .devices import Device
    from .machine import Machine
    from .workdir import Workdir


class Migration(abc.ABC):
    """A part of `Guest`."""

    name: str
    _work: Workdir
    _machine: Machine
    _child: subprocess.Popen[bytes] | None
    _qmp: Qmp | None

    @property
    @abc.abstractmethod
    def control(self) -> Control: ...

    @property
    @abc.abstractmethod
    def qmp(self) -> Qmp: ...

    @abc.abstractmethod
    def explain(self, message: str) -> str: ...

    @abc.abstractmethod
    def _launch(
        self, terminal: bool = False, incoming: Path | None = None
    ) -> tuple[subprocess.Popen[bytes], socket.socket, socket.socket]: ...

    def migrate(self, replaced: Mapping[int, Device] | None = None, timeout: float = 120) -> None:
        """Move to another QEMU on this host while the guest runs on.

        replaced: devices (by index) that have another backend there. A device that forbids the migration is an
        error, and the guest stays here.
        """
        place = self._work.socket(f"{self.name}.migration")
        before = self._machine.replace(replaced or {})
        child, control, connection = self._launch(incoming=place)
        try:
            there = Qmp(connection, self.explain)
            there.open()
            self.qmp.execute("migrate", uri=f"unix:{place}")
            self._wait_migrated(timeout)
            there.wait_event("RESUME", timeout)
        except BaseException:
            processes.stop(child)
            control.close()
            self._machine.replace(before)
            raise
        self.control.succeed(control)
        assert self._child is not None
        processes.stop(self._child)
        self.control.wait_succeeded(timeout)
        self.qmp.close()
        self._child, self._qmp = child, there

    def _wait_migrated(self, timeout: float) -> None:
        deadline = time.monotonic() + timeout
        while (state := self.qmp.execute("query-migrate"))["status"] != "completed":
            if state["status"] in ("failed", "cancelled"):
                reason = state.get("error-desc", "no reason given")
                raise LabError(self.explain(f"migration {state['status']}: {reason}"))
            if time.monotonic() > deadline:
                raise CommandTimeout(self.explain(f"not migrated within {timeout:g} s: {state}"))
            time.sleep(0.1)
