# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""The errors of the lab. Each message names the object, the step and a remedy."""

from __future__ import annotations


class LabError(Exception):
    """The lab itself failed."""


class GuestGone(LabError):
    """QEMU ended or the guest restarted while the test still needed it."""


class CommandTimeout(LabError):
    """A guest did not respond before the timeout."""


class CommandFailed(LabError):
    """A command in a guest ended with a status other than 0."""
