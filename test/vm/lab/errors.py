# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""What can go wrong in the lab. Each message names the object, the step and what to try next."""

from __future__ import annotations


class LabError(Exception):
    """The lab itself could not do what was asked."""


class GuestGone(LabError):
    """QEMU ended, or the guest restarted, while something was still wanted from it."""


class CommandTimeout(LabError):
    """Nothing came from a guest in the time given."""


class CommandFailed(LabError):
    """A command in a guest ended with a status other than 0."""
