# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""The doorbell's round trip: between two guests, and between two processes of this machine."""

from __future__ import annotations

import itertools
import subprocess
from collections.abc import Iterable

from comparison import Comparison
from lab import Doorbell, Guest, Server, Workdir, booted

from .programs import built, median_microseconds, output

ROUND_TRIPS = 1000
_runs = itertools.count(1)


def between_guests(rounds: int) -> Iterable[Comparison]:
    """round trip between two guests: the library on Asio beside bare VFIO and a blocking read"""
    programs = [built("bench-doorbell-asio"), built("bench-doorbell-vfio")]
    with Workdir("bench") as work, Server(work) as server:
        guests = [Guest(work, name, devices=[Doorbell(server.socket)], programs=programs) for name in ("a", "b")]
        with booted(*guests):
            for guest in guests:
                guest.bind(guest.address(), "vfio-pci")

            def play(program: str, how: str = "") -> float:
                run = next(_runs)
                jobs = []
                for guest, role in zip(guests, ("first", "second")):
                    address = guest.address()
                    group = guest.run(f"basename $(readlink /sys/bus/pci/devices/{address}/iommu_group)").stdout.strip()
                    device = f"{address} {group}" if program == "bench-doorbell-vfio" else address
                    jobs.append(guest.spawn(f"{program} {device} {role} {run} {ROUND_TRIPS} {how}"))
                first, second = (job.wait(120).check() for job in jobs)
                return median_microseconds(first.stdout)

            def library() -> float:
                return play("bench-doorbell-asio")

            def bare() -> float:
                return play("bench-doorbell-vfio", "blocking")

            def bare_asio() -> float:
                return play("bench-doorbell-vfio", "asio")

            library(), bare()
            yield Comparison("doorbell-guests", "library", "bare VFIO", "us", 1.10).play(rounds, library, bare)
            yield Comparison("doorbell-guests-asio", "library", "bare VFIO on Asio", "us", 1.05).play(
                rounds, library, bare_asio
            )
            yield Comparison("asio-alone", "bare VFIO on Asio", "bare VFIO", "us").play(rounds, bare_asio, bare)


def between_processes(rounds: int) -> Iterable[Comparison]:
    """round trip between two processes: the server backend on Asio beside bare eventfds with epoll"""
    with Workdir("bench") as work, Server(work) as server:

        def library() -> float:
            run = str(next(_runs))
            program = built("bench-doorbell-asio")
            words = [str(program), f"server:{server.socket}"]
            second = subprocess.Popen(["taskset", "-c", "1", *words, "second", run, str(10 * ROUND_TRIPS)])
            try:
                first = output("taskset", "-c", "0", *words, "first", run, str(10 * ROUND_TRIPS))
                if second.wait(60) != 0:
                    raise RuntimeError(f"{program}: the second side failed")
            finally:
                if second.poll() is None:
                    second.kill()
                    second.wait()
            return median_microseconds(first)

        def bare() -> float:
            return median_microseconds(output(built("bench-doorbell-eventfd"), str(10 * ROUND_TRIPS)))

        library(), bare()
        yield Comparison("doorbell-host", "library", "bare eventfds", "us", 1.10).play(rounds, library, bare)
