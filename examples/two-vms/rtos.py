# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""The conversation of a Linux guest with a guest without an operating system (examples/bare-metal)."""

from __future__ import annotations

from collections.abc import Callable

from lab import BareMetal, Guest, Workdir, booted
from lab.devices import Device
from lab.server import build_folder

ECHO = build_folder() / "examples/echo"
LSIVSHMEM = build_folder() / "tools/lsivshmem/lsivshmem"


def guests(work: Workdir, device: Device, rounds: int) -> tuple[Guest, BareMetal]:
    # The program is large, because it has debug information.
    linux = Guest(work, "vm-a", devices=[device], programs=[ECHO, LSIVSHMEM], memory=512)
    return linux, BareMetal(work, "rtos", device=device, append=f"slot=0 ask=echo count={rounds}")


def talk(
    step: Callable[[str], None],
    add: Callable[[str, str], None],
    linux: Guest,
    rtos: BareMetal,
    rounds: int,
    patience: float,
) -> None:
    """Boot both and let each ask the other; `add` reports lines of one of them."""
    step("booting vm-a and rtos")
    with booted(linux), rtos:
        linux.bind(linux.address(), "vfio-pci")
        add(linux.name, linux.run("lsivshmem").stdout)
        rtos.wait_output("offering echo", patience)
        step("vm-a asks rtos")
        linux.put("/tmp/lines", "".join(f"{number}\n" for number in range(rounds)).encode())
        linux.run(f"/bin/echo {linux.address()} 1 client < /tmp/lines > /tmp/answers", timeout=patience)
        linux.run("cmp /tmp/lines /tmp/answers")
        add(linux.name, f"asked: {rounds} lines came back from rtos")
        step("rtos asks vm-a")
        server = linux.spawn(f"exec /bin/echo {linux.address()} 1 server")
        printed = rtos.wait_output("; done", patience)
        server.signal("TERM")
        server.wait(patience).check()
        add(rtos.name, printed)
        step("shutting down")
