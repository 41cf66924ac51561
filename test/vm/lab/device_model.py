# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""A device model on the host: ivshmem-device, which is the device of one or more guests over vfio-user."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from .daemon import Daemon, build_folder
from .devices import Place, VfioUser
from .workdir import Workdir

PROGRAM = "tools/ivshmem-device/ivshmem-device"


class DeviceModel(Daemon):
    """An ivshmem-device that runs while this object is used in a `with` statement; it has a socket for each guest."""

    def __init__(
        self,
        work: Workdir,
        profile: str,
        *options: str,
        guests: int = 1,
        name: str | None = None,
        program: Path | None = None,
    ) -> None:
        """`options`: further command line arguments. The n-th socket is the guest with the id n."""
        self.profile = profile
        name = name or profile
        self.sockets = [work.socket(f"{name}-{number}.sock") for number in range(guests)]
        command = [str(program or build_folder() / PROGRAM), profile]
        for path in self.sockets:
            command += ["--socket", str(path)]
        super().__init__("device model", [*command, *options], self.sockets, work / f"{name}.log")

    def device(self, guest: int = 0, place: Place = "root") -> VfioUser:
        """Return the device of a guest."""
        return VfioUser(self.sockets[guest], place)

    def kill(self) -> None:
        """Kill it at once: its guests lose their device."""
        self.stop(patience=0)

    def mappings(self) -> list[str]:
        """Return the files that it has mapped, as /proc shows them."""
        lines = Path(f"/proc/{self.pid}/maps").read_text("ascii", "replace").splitlines()
        return [fields[5] for line in lines if len(fields := line.split(maxsplit=5)) == 6]
