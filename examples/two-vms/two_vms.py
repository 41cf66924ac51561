# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""Two VMs on Debian's own kernel find their ivshmem device, write into the shared memory and
interrupt each other. With --v2 they also have states and sections, and send messages through a channel; that
needs QEMU 10.1, which is fetched into the cache if this machine's is older. With --rtos one of the two
has no operating system, and with --arch aarch64 one has another processor. Started by `run`, which builds the programs."""

from __future__ import annotations

import argparse
import contextlib
import secrets
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1] / "test" / "vm"))
sys.dont_write_bytecode = True

import rtos  # noqa: E402
from lab import DeviceModel, Doorbell, Guest, LabError, Plain, Server, Workdir, booted, processes  # noqa: E402
from lab import arch as architectures  # noqa: E402
from lab.devices import Device  # noqa: E402
from lab.qemu import with_vfio_user  # noqa: E402
from lab.server import build_folder  # noqa: E402

PEER = "examples/two-vms/two-vms-peer"
V2_PEER = "examples/two-vms/two-vms-v2-peer"
LSIVSHMEM = "tools/lsivshmem/lsivshmem"
PATIENCE = 180.0
"""The time limit of the conversation in seconds."""


@dataclass
class Report:
    """The lines that are printed at the end."""

    lines: list[str] = field(default_factory=list)

    def add(self, name: str, text: str) -> None:
        for line in text.strip().splitlines():
            print(f"  {name}: {line}", flush=True)
            if line.startswith(("processor ", "peer ", "vector ", "no doorbells", "state ", "channel: ", "asked")):
                self.lines.append(f"{name}: {line}")

    def summary(self) -> int:
        """Print the lines; return the exit status of a success."""
        print("\ntwo-vms: summary")
        for line in self.lines:
            print(f"  {line}")
        return 0


class Steps:
    """Prints the current step, and keeps it for the message of a failure."""

    def __init__(self) -> None:
        self.current = "starting"
        self._began = time.monotonic()

    def __call__(self, what: str) -> None:
        self.current = what
        print(f"two-vms: [{time.monotonic() - self._began:5.1f} s] {what}", flush=True)


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="examples/two-vms/run", description=__doc__)
    kind = parser.add_mutually_exclusive_group()
    kind.add_argument("--plain", action="store_true", help="ivshmem-plain: memory only, no interrupts")
    kind.add_argument("--v2", action="store_true", help="ivshmem-v2, which ivshmem-device presents to both guests")
    kind.add_argument("--host", action="store_true", help="one guest and one process on the host")
    kind.add_argument("--rtos", action="store_true", help="one guest on Debian's kernel, one without an operating system")
    parser.add_argument(
        "--arch", choices=architectures.names(), default="x86_64",
        help="the processor of vm-b, of vm-a with --host (x86_64); aarch64: its kernel is fetched, and its programs are"
        " built by Debian's cross compiler",
    )
    parser.add_argument("--vectors", type=int, default=4, metavar="N", help="vectors of each peer (4)")
    parser.add_argument("--rounds", type=int, default=200, metavar="N", help="round trips per vector (200)")
    parser.add_argument("--keep", action="store_true", help="keep the logs also on success")
    chosen = parser.parse_args()
    if chosen.arch != "x86_64" and (chosen.v2 or chosen.rtos):
        parser.error(f"--arch {chosen.arch}: not with --v2 or --rtos")
    if not 1 <= chosen.vectors <= 64:
        parser.error(f"--vectors {chosen.vectors}: 1 to 64")
    if not 1 <= chosen.rounds <= 100_000:
        parser.error(f"--rounds {chosen.rounds}: 1 to 100000")
    return chosen


def guest(work: Workdir, name: str, device: Device, v2: bool, arch: str) -> Guest:
    build = build_folder()
    programs = [build / PEER, build / LSIVSHMEM, *([build / V2_PEER] if v2 else [])]
    return Guest(work, name, devices=[device], programs=programs, qemu=with_vfio_user() if v2 else None, arch=arch)


def prepare(vm: Guest, plain: bool) -> str:
    """Bind the device, and return its address. A plain device is used without a driver."""
    address = vm.address()
    if not plain:
        vm.bind(address, "vfio-pci")
    return address


def talk(step: Callable[[str], None], report: Report, guests: tuple[Guest, ...], chosen: argparse.Namespace,
         server: Server | None) -> None:
    run, rounds = secrets.randbelow(1 << 62) + 1, chosen.rounds
    jobs = []
    step("binding the devices" if not chosen.plain else "finding the devices")
    addresses = [prepare(vm, chosen.plain) for vm in guests]
    step("lsivshmem in each guest")
    for vm in guests:
        report.add(vm.name, "processor " + vm.run("uname -m").stdout)
        report.add(vm.name, vm.run("lsivshmem").stdout)
    step("messages and doorbells")
    for vm, address, role in zip(guests, addresses, ("first", "second")):
        jobs.append((vm, vm.spawn(f"two-vms-peer {address} {role} {run} {rounds}")))
    if server is not None and chosen.host:
        command = [str(build_folder() / PEER), f"server:{server.socket}", "second", str(run), str(rounds)]
        try:
            ended = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
        except subprocess.TimeoutExpired as error:
            raise LabError(f"the host's process did not end within {PATIENCE:g} s") from error
        if ended.returncode != 0:
            raise LabError(f"the host's process failed: {ended.stderr.strip()}")
        report.add("host", ended.stdout)
    for vm, job in jobs:
        report.add(vm.name, job.wait(PATIENCE).check().stdout)
    if not chosen.v2:
        return
    step("states, sections and a channel")
    jobs = [
        (vm, vm.spawn(f"two-vms-v2-peer {address} {1 - number} {rounds}"))
        for number, (vm, address) in enumerate(zip(guests, addresses))
    ]
    for vm, job in jobs:
        report.add(vm.name, job.wait(PATIENCE).check().stdout)


@contextlib.contextmanager
def memory(
    step: Callable[[str], None], work: Workdir, chosen: argparse.Namespace
) -> Iterator[tuple[list[Device], Server | None]]:
    """The devices of the two peers, which share memory: a file, that of a server, or that of a device model."""
    if chosen.plain:
        shared = work / "memory"
        shared.write_bytes(bytes(4 << 20))
        yield [Plain(shared)] * 2, None
    elif chosen.v2:
        step("starting ivshmem-device")
        sizes = ["--max-peers", "2", "--vectors", str(chosen.vectors), "--rw-size", "1M", "--output-size", "1M"]
        with DeviceModel(work, "v2", *sizes, guests=2) as model:
            yield [model.device(0), model.device(1)], None
    else:
        step("starting ivshmem-server")
        with Server(work, vectors=chosen.vectors) as server:
            yield [Doorbell(server.socket, chosen.vectors)] * 2, server


def main() -> int:
    chosen = options()
    processes.end_on_signals()
    step, report = Steps(), Report()
    logs: list[Path] = []
    try:
        with Workdir("two-vms", keep=chosen.keep) as work:
            with memory(step, work, chosen) as (devices, server):
                if chosen.rtos:
                    step("fetching Debian's kernel, unless it is cached")
                    linux, other = rtos.guests(work, devices[0], chosen.rounds)
                    logs = [linux.console, other.console]
                    rtos.talk(step, report.add, linux, other, chosen.rounds, PATIENCE)
                    return report.summary()
                names = ["vm-a"] if chosen.host else ["vm-a", "vm-b"]
                step(f"fetching Debian's kernel{' and a newer QEMU' if chosen.v2 else ''}, unless it is cached")
                if chosen.arch != "x86_64":
                    step(f"building the programs of {names[-1]}, which has the processor {chosen.arch}")
                archs = ["x86_64"] * (len(names) - 1) + [chosen.arch]
                guests = [guest(work, *of_one, chosen.v2, arch) for *of_one, arch in zip(names, devices, archs)]
                logs = [vm.console for vm in guests]
                step(f"booting {' and '.join(names)}")
                with booted(*guests) as running:
                    talk(step, report, running, chosen, server)
                    step("shutting down")
    except (LabError, OSError) as error:
        print(f"two-vms: failed: {step.current}: {error}", file=sys.stderr)
        for log in logs:
            print(f"two-vms: the guest's console log is {log}", file=sys.stderr)
        return 1
    return report.summary()


if __name__ == "__main__":
    sys.exit(main())
