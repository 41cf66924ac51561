# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""Setting a device up: with the tool, and by hand."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterable

from comparison import Comparison
from lab import Doorbell, Guest, LabError, Server, Workdir
from lab.server import build_folder

from .programs import output

MODULES = "vfio_iommu_type1 vfio_pci vfio_pci_core vfio_virqfd vfio"
_TIMEOUT = 120


def setup(rounds: int) -> Iterable[Comparison]:
    """from a device without a driver to the first ring at the host: ivshmemctl beside the commands of the manuals"""
    tool = build_folder() / "tools/ivshmemctl/ivshmemctl"
    with Workdir("bench") as work, Server(work, vectors=2) as server:
        with Guest(work, "guest", devices=[Doorbell(server.socket, 2)], programs=[tool]) as guest:
            device = f"/sys/bus/pci/devices/{guest.address()}"
            ours = ("ivshmemctl bind", "ivshmemctl ring {peer} 0")
            by_hand = (
                "grep -l 0x1110 /sys/bus/pci/devices/*/device",
                "modprobe vfio-pci",
                "modprobe vfio_iommu_type1",
                f"echo vfio-pci >{device}/driver_override",
                f"echo {guest.address()} >/sys/bus/pci/drivers_probe",
                "ivshmemctl ring {peer} 0",
            )
            print(f"  {len(ours)} commands beside {len(by_hand)}", flush=True)

            def milliseconds(commands: tuple[str, ...]) -> float:
                guest.run("ivshmemctl unbind -q")
                guest.run(f"for module in {MODULES}; do rmmod $module; done", check=False)
                waiting = subprocess.Popen(
                    [str(tool), "--socket", str(server.socket), "wait", "-q", "-n", "1", "--timeout", str(_TIMEOUT)],
                    stdout=subprocess.DEVNULL,
                )  # fmt: skip
                try:
                    peer = newest_peer()
                    began = time.perf_counter()
                    for command in commands:
                        guest.run(command.format(peer=peer), timeout=_TIMEOUT)
                    status = waiting.wait(_TIMEOUT)
                    took = time.perf_counter() - began
                finally:
                    waiting.kill()
                    waiting.wait()
                if status != 0:
                    raise LabError(guest.explain(f"the host was not rung: status {status}"))
                return took * 1000

            def newest_peer() -> int:
                """The last peer that joined is the one that waits; the guest joined first."""
                deadline = time.monotonic() + _TIMEOUT
                while time.monotonic() < deadline:
                    listed = json.loads(output(tool, "--socket", server.socket, "peers", "-J"))
                    if len(ids := [peer["id"] for peer in listed["peers"]]) > 1:
                        return max(ids)
                raise LabError("the host's peer did not join")

            yield Comparison("ivshmemctl-setup", "ivshmemctl", "by hand", "ms").play(
                rounds, lambda: milliseconds(ours), lambda: milliseconds(by_hand)
            )
