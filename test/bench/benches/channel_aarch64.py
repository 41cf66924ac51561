# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""Channels between an x86-64 and an aarch64 guest, beside those of two x86-64 guests."""

from __future__ import annotations

from collections.abc import Iterable

from comparison import Comparison
from lab import Doorbell, Guest, Server, Workdir, booted

from .channel_guests import PROGRAM, STREAMS, round_trip, stream
from .programs import built


def with_aarch64(rounds: int) -> Iterable[Comparison]:
    """messages between an x86-64 and an aarch64 guest, which runs under TCG, beside two x86-64 guests"""
    with Workdir("bench") as work, Server(work, size="8M") as server:
        devices, programs = [Doorbell(server.socket)], [built(PROGRAM)]
        guests = [
            Guest(work, name, devices=devices, programs=programs, memory=512, arch=arch)
            for name, arch in (("a", "x86_64"), ("b", "x86_64"), ("c", "aarch64"))
        ]
        with booted(*guests) as (first, second, arm):
            for guest in guests:
                guest.bind(guest.address(), "vfio-pci")
            mixed, alike = (first, arm), (first, second)
            round_trip(mixed), round_trip(alike)
            yield Comparison("aarch64-roundtrip-64", "aarch64", "x86-64", "us").play(
                rounds, lambda: round_trip(mixed), lambda: round_trip(alike))
            for size in STREAMS:
                yield Comparison(f"aarch64-throughput-{size}", "aarch64", "x86-64", "MB/s", at_most=False).play(
                    rounds, lambda size=size: stream(mixed, size), lambda size=size: stream(alike, size))
