# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""Whole Debian systems: roots that are created once and cached, commands in them, and guests that boot them.

    from lab.debian import DebianRoot, DebianGuest, Inside

    root = DebianRoot("trixie")
    with Inside.throwaway(root.minbase()) as inside:
        print(inside.run("cat /etc/os-release").stdout)
    with Workdir("example") as work, DebianGuest(work, "trixie") as guest:
        print(guest.run("systemctl is-system-running").stdout)
"""

from ..step import step
from .guest import DebianGuest
from .inside import Inside, why_not
from .root import CROSS_PROFILES, SUITES, DebianRoot

__all__ = ["CROSS_PROFILES", "SUITES", "DebianGuest", "DebianRoot", "Inside", "step", "why_not"]
