# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""Guests without a network device, with Debian's programs for one, which `ivshmemctl offer` and `connect` join."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from channel_support import AnyJob, HostJob, kill
from lab import Doorbell, Guest, Job, Server, Workdir, build_folder
from lab.arch import get
from lab.debian_programs import debian_programs, library_folders, programs_of
from support import IVSHMEMCTL, PATIENCE, DeviceCase

SHARE = build_folder() / "tools/ivshmem-share/ivshmem-share"
FORWARD = build_folder() / "tools/ivshmem-forward/ivshmem-forward"
_README = Path(__file__).resolve().parents[2] / "README.md"

_PACKAGES = ("openssh-server", "openssh-client", "redis-server", "rsync")
SSH = ("sshd", "sftp-server", "ssh", "scp", "ssh-keygen")
# Newer versions divide sshd into several programs.
_PARTS = ("sshd-session", "sshd-auth")

USER = "user"
"""The user of both guests who is not root, as README names one."""

_FILES = {
    "/etc/passwd": (
        "root::0:0:root:/root:/bin/sh\n"
        "nobody::65534:65534:nobody:/:/bin/sh\n"
        "sshd::100:65534::/run/sshd:/bin/false\n"
        f"{USER}::1000:1000::/home/{USER}:/bin/sh\n"
    ),
    "/etc/group": f"root:x:0:\nnogroup:x:65534:\n{USER}:x:1000:\n",
}
_SUDO = '#!/bin/sh\nexec "$@"\n'


_Job = TypeVar("_Job", Job, HostJob)


def _lines_with(text: str) -> list[str]:
    """Return README's blocks of commands with this text."""
    blocks: list[str] = re.findall(r"(?m)^(?:    .*\n)+", _README.read_text("utf-8"))
    return [block for block in blocks if text in block]


def lines_for_forward() -> tuple[str, str]:
    """Return README's commands for the VM of a web server, and for another one."""
    server, client = _lines_with("forward.d/web.conf")
    return server, client


def lines_for_ssh() -> dict[str, str]:
    """Return README's commands for ssh between two VMs: the place where each is typed, and the command."""
    (found,) = _lines_with("ProxyCommand")
    lines = (line.split("  # ") for line in found.splitlines())
    return {where.strip(): command.strip() for command, where in lines}


def command_of_debian(name: str) -> list[str]:
    """Return the words that run a program of Debian on the host, with the libraries that it has in the guests."""
    arch = get("x86_64")
    (program,) = programs_of(debian_programs(arch, *_PACKAGES), [name])
    return ["env", "LD_LIBRARY_PATH=" + ":".join(map(str, library_folders(program, arch))), str(program)]


def guest_for_programs(work: Workdir, server: Server, name: str, *wanted: str, own: Sequence[Path] = (IVSHMEMCTL,), **more: Any) -> Guest:
    """Return a guest that has no network device, and programs of Debian that need one elsewhere."""
    root = debian_programs(get("x86_64"), *_PACKAGES)
    names = [*wanted, *(part for part in _PARTS if (root / "usr/lib/openssh" / part).exists())]
    config = (root / "usr/share/openssh/sshd_config").read_text("utf-8")
    files = {
        **_FILES,
        # There is no PAM in the guest.
        "/etc/ssh/sshd_config": re.sub(r"(?m)^UsePAM.*\n", "", config),
    }
    return Guest(
        work, name, devices=[Doorbell(server.socket, server.vectors)],
        programs=[*own, *programs_of(root, names)], files=files, memory=512, extra_modules=["igb_uio"], **more,
    )  # fmt: skip


def prepare(guest: Guest) -> None:
    """Do what the installation of the packages does: folders, keys, the loopback device."""
    guest.put("/bin/sudo", _SUDO.encode(), 0o755)
    moved = " ".join(("sftp-server", *_PARTS))
    guest.run(
        f"mkdir -p /run/sshd /usr/lib/openssh /root/.ssh /home/{USER}/.ssh && chown {USER} /home/{USER} && "
        f"for part in {moved}; do [ ! -e /bin/$part ] || ln -s /bin/$part /usr/lib/openssh/; done && "
        "ssh-keygen -q -t ed25519 -N '' -f /etc/ssh/ssh_host_ed25519_key && "
        "ssh-keygen -q -t ed25519 -N '' -f /root/.ssh/id_ed25519 && ip link set lo up",
        timeout=PATIENCE,
    )


def trust(client: Guest, server: Guest, name: str) -> None:
    """Let root of a guest log in to another guest, by a name that no resolver knows."""
    server.put(f"/home/{USER}/.ssh/authorized_keys", client.get("/root/.ssh/id_ed25519.pub"))
    kind, key = server.get("/etc/ssh/ssh_host_ed25519_key.pub").decode().split()[:2]
    client.put("/root/.ssh/known_hosts", f"{name} {kind} {key}\n".encode())


class ConnectionCase(DeviceCase):
    """Programs of guests and of the host that are joined."""

    server: ClassVar[Server]

    def start(self, guest: Guest, command: str) -> Job:
        """Start a command that ends with the test at the latest; its output includes standard error."""
        job = guest.spawn(f"exec 2>&1; {command}")
        self.addCleanup(kill, job, guest)
        return job

    def offer(self, guest: Guest, name: str, how: str, device: str = "any") -> Job:
        """Start an 'offer', and wait until it is there."""
        return self.offering(self.start(guest, f"ivshmemctl -v -D {device} offer {name} {how}"), name)

    @staticmethod
    def offering(job: _Job, name: str) -> _Job:
        job.wait_output(f"offering {name} in slot ", PATIENCE)
        return job

    def host_command(self, *words: str) -> list[str]:
        return [str(IVSHMEMCTL), "-v", "--socket", str(self.server.socket), *words]

    def start_on_host(self, *words: str) -> HostJob:
        """Start ivshmemctl as a peer on the host."""
        job = HostJob(self.work, self.host_command(*words))
        self.addCleanup(kill, job, None)
        return job

    def end(self, job: AnyJob) -> str:
        """End a program, and return its output."""
        job.signal("TERM")
        return job.wait(PATIENCE).stdout

    def listens(self, guest: Guest, port: int) -> None:
        """Wait until a program of the guest listens on a port of TCP."""
        # 0A is TCP_LISTEN.
        guest.wait_for(f"grep -q ':{port:04X} 0*:0000 0A' /proc/net/tcp /proc/net/tcp6", PATIENCE)

    def sum_of(self, guest: Guest, path: str) -> str:
        return guest.run(f"sha256sum {shlex.quote(path)}", timeout=PATIENCE).stdout.split()[0]
