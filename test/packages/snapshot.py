# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""The files of a system, so that two moments can be compared."""

from __future__ import annotations

# Files that packages may change permanently, or that belong to no package: the databases and logs
# of dpkg and apt, caches, and backup copies by the tools for users and groups.
_LEFT_OUT = (
    "/proc /sys /dev /run /tmp /lab /srv/packages /var/lib/dpkg /var/lib/apt /var/cache /var/log /var/tmp "
    "/etc/passwd- /etc/group- /etc/shadow- /etc/gshadow- /etc/subuid- /etc/subgid-"
).split()


def command(folders: str = "/") -> str:
    """Return a shell command that prints type, permissions, owner, size and path of all files below these folders,
    and checksums."""
    pruned = " -o ".join(f"-path {path}" for path in _LEFT_OUT)
    # The size of a folder depends on its former content.
    return (
        f"find {folders} -xdev \\( {pruned} \\) -prune -o -type d -printf '%y %m %U:%G - %p\\n' "
        f"-o -printf '%y %m %U:%G %s %p %l\\n' | sort; "
        f"find {folders} -xdev \\( {pruned} \\) -prune -o -type f -print0 | xargs -0 sha256sum | sort"
    )


SYSTEM = "/etc /var /root /opt /usr/local"
"""The folders that maintainer scripts and services write to. Reading a whole system takes a guest half a minute."""


def difference(before: str, after: str) -> list[str]:
    """Return the lines that only one side has."""
    old, new = set(before.splitlines()), set(after.splitlines())
    return [f"- {line}" for line in sorted(old - new)] + [f"+ {line}" for line in sorted(new - old)]
