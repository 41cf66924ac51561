# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""Devices that ivshmem-device presents over vfio-user, beside QEMU's own on the same QEMU."""

from __future__ import annotations

import contextlib
import itertools
import re
import struct
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from comparison import Comparison
from hostile_client import INFO, IRQ_INFO, REGION, Client, honest
from lab import DeviceModel, Doorbell, Guest, Server, Workdir, booted
from lab.qemu import with_vfio_user

from .programs import built, median_microseconds

ROUND_TRIPS = 1000
STREAMS = {64: 20_000, 4096: 5_000, 65536: 1_000}
"""Messages of each size."""
SOCKETS = 64
_V2 = ("--max-peers", "2", "--vectors", "2", "--rw-size", "4M", "--output-size", "2M")
_OWN, _V1, _MAPPED, _TRAPPED = range(4)
"""The devices of each guest: QEMU's own, and those of models: v1, v2, v2 with --protect."""
_runs = itertools.count(1)


@contextlib.contextmanager
def _guests(*programs: Path) -> Iterator[tuple[Guest, ...]]:
    """Boot two guests with all devices, bound to vfio-pci."""
    with Workdir("bench") as work, contextlib.ExitStack() as stack:
        server = stack.enter_context(Server(work, size="8M"))
        v1, mapped, trapped = (
            stack.enter_context(DeviceModel(work, *words, guests=2, name=name))
            for name, words in {
                "v1": ("qemu", "--size", "8M", "--vectors", "1"),
                "mapped": ("v2", *_V2),
                "trapped": ("v2", *_V2, "--protect"),
            }.items()
        )
        guests = [
            Guest(
                work,
                f"vm{number}",
                devices=[Doorbell(server.socket), *(model.device(number) for model in (v1, mapped, trapped))],
                programs=programs,
                qemu=with_vfio_user(),
            )
            for number in range(2)
        ]
        with booted(*guests) as running:
            for guest in running:
                for index in range(guest.devices):
                    guest.bind(guest.address(index), "vfio-pci")
            yield running


def _both(guests: tuple[Guest, ...], index: int, command: str) -> str:
    """Run a program in both guests, the second first; return the output of the first."""
    jobs = []
    for number, role in ((1, "second"), (0, "first")):
        address = guests[number].address(index)
        jobs.append(guests[number].spawn(command.format(device=address, role=role, peer=1 - number)))
    return [job.wait(300).check().stdout for job in jobs][1]


def doorbells(rounds: int) -> Iterable[Comparison]:
    """round trip of two guests: devices of models, each ring a message, beside QEMU's own with ioeventfd"""
    program = built("bench-doorbell-asio")
    with _guests(program) as guests:

        def play(index: int) -> float:
            command = f"{program.name} {{device}} {{role}} {next(_runs)} {ROUND_TRIPS}"
            return median_microseconds(_both(guests, index, command))

        play(_OWN)
        for name, index in (("v1", _V1), ("v2", _MAPPED), ("v2-protected", _TRAPPED)):
            yield Comparison(f"model-doorbell-{name}", f"vfio-user, {name}", "QEMU's own", "us").play(
                rounds, lambda index=index: play(index), lambda: play(_OWN)
            )


def mapped_memory(rounds: int) -> Iterable[Comparison]:
    """bandwidth of the mapped memory of devices of models, beside that of QEMU's own"""
    program = built("bench-memory")
    with _guests(program) as guests:

        def play(index: int, at: int) -> float:
            line = guests[0].run(f"{program.name} {guests[0].address(index)} uncached 1", timeout=120).stdout
            return float(line.split()[at])

        play(_OWN, 0)
        for name, index in (("v1", _V1), ("v2", _MAPPED)):
            for what, at in (("read", 0), ("write", 2)):
                yield Comparison(f"model-memory-{name}-{what}", f"vfio-user, {name}", "QEMU's own", "GB/s", 0.95,
                                 at_most=False).play(
                    rounds, lambda index=index, at=at: play(index, at), lambda at=at: play(_OWN, at)
                )  # fmt: skip


def channels(rounds: int) -> Iterable[Comparison]:
    """channels of two guests: v2 with mapped and with protected sections, beside QEMU's own device"""
    program = built("bench-messages-peer")
    with _guests(program) as guests:

        def round_trip(index: int) -> float:
            return median_microseconds(_both(guests, index, f"{program.name} channel {{device}} {{role}} roundtrip 64 {ROUND_TRIPS}"))

        def stream(index: int, size: int) -> float:
            printed = _both(guests, index, f"{program.name} channel {{device}} {{role}} throughput {size} {STREAMS[size]}")
            found = re.search(r"messages (\d+) per second", printed)
            if found is None:
                raise RuntimeError(f"{program.name} printed no rate")
            return int(found[1]) * size / 1e6

        round_trip(_OWN)
        for name, index in (("v2", _MAPPED), ("v2-protected", _TRAPPED)):
            yield Comparison(f"model-channel-roundtrip-64-{name}", f"vfio-user, {name}", "QEMU's own", "us").play(
                rounds, lambda index=index: round_trip(index), lambda: round_trip(_OWN)
            )
            for size in STREAMS:
                yield Comparison(f"model-channel-throughput-{size}-{name}", f"vfio-user, {name}", "QEMU's own", "MB/s",
                                 at_most=False).play(
                    rounds, lambda index=index, size=size: stream(index, size), lambda size=size: stream(_OWN, size)
                )  # fmt: skip


def states(rounds: int) -> Iterable[Comparison]:
    """from a change of the state to the other's answering change, beside a doorbell's round trip on that device"""
    program, doorbell = built("bench-states"), built("bench-doorbell-asio")
    with _guests(program, doorbell) as guests:

        def state(index: int) -> float:
            return median_microseconds(_both(guests, index, f"{program.name} {{device}} {{peer}} {{role}} {ROUND_TRIPS}"))

        def ring(index: int) -> float:
            command = f"{doorbell.name} {{device}} {{role}} {next(_runs)} {ROUND_TRIPS}"
            return median_microseconds(_both(guests, index, command))

        for name, index in (("v2", _MAPPED), ("v2-protected", _TRAPPED)):
            yield Comparison(f"model-state-{name}", "states", "doorbells", "us").play(
                rounds, lambda index=index: state(index), lambda index=index: ring(index)
            )


def sockets(rounds: int) -> Iterable[Comparison]:
    """64 VMs' sockets of one model join, as QEMU asks, beside 64 times the first socket of one"""
    with Workdir("bench") as work:
        options = ("--max-peers", str(SOCKETS), "--rw-size", "64K", "--output-size", "64K")
        with DeviceModel(work, "v2", *options, guests=SOCKETS) as model:

            def all_of_them() -> float:
                with contextlib.ExitStack() as stack:
                    began = time.monotonic()
                    for path in model.sockets:
                        _join(stack.enter_context(honest(path)))
                    return (time.monotonic() - began) * 1e3

            def one_of_them() -> float:
                began = time.monotonic()
                for _ in model.sockets:
                    with honest(model.sockets[0]) as client:
                        _join(client)
                return (time.monotonic() - began) * 1e3

            yield Comparison("model-join-64", "64 sockets", "one socket", "ms").play(rounds, all_of_them, one_of_them)


def _join(client: Client) -> None:
    """Ask what QEMU asks when it starts, up to the whole configuration."""
    client.message(INFO, struct.pack("<IIII", 16, 0, 0, 0))
    client.reply()
    for region in (0, 1, 2, 3, 4, 5, 7):
        client.message(REGION, struct.pack("<IIIIQQ", 32, 0, region, 0, 0, 0))
        client.reply()
    for irq in (3, 2):
        client.message(IRQ_INFO, struct.pack("<IIII", 16, 0, irq, 0))
        client.reply()
    client.read(7, 0, 256)
