# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""What a system holds, file by file, so that two moments can be compared."""

from __future__ import annotations

# What packages may change for good, or is nobody's: the databases and logs of dpkg and apt, caches, and the
# copies that the tools for users and groups make of what they replace.
_LEFT_OUT = (
    "/proc /sys /dev /run /tmp /lab /srv/packages /var/lib/dpkg /var/lib/apt /var/cache /var/log /var/tmp "
    "/etc/passwd- /etc/group- /etc/shadow- /etc/gshadow- /etc/subuid- /etc/subgid-"
).split()


def command(folders: str = "/") -> str:
    """A shell command that prints, of all that is below these folders, type, permissions, owner, size, path; and sums."""
    pruned = " -o ".join(f"-path {path}" for path in _LEFT_OUT)
    # The size of a folder depends on what it held once.
    return (
        f"find {folders} -xdev \\( {pruned} \\) -prune -o -type d -printf '%y %m %U:%G - %p\\n' "
        f"-o -printf '%y %m %U:%G %s %p %l\\n' | sort; "
        f"find {folders} -xdev \\( {pruned} \\) -prune -o -type f -print0 | xargs -0 sha256sum | sort"
    )


SYSTEM = "/etc /var /root /opt /usr/local"
"""What maintainer scripts and services write to; all of a system takes a guest half a minute to read."""


def difference(before: str, after: str) -> list[str]:
    """What is there on one side only."""
    old, new = set(before.splitlines()), set(after.splitlines())
    return [f"- {line}" for line in sorted(old - new)] + [f"+ {line}" for line in sorted(new - old)]
