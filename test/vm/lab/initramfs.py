# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""The initramfs of a guest: busybox, modules, programs with their shared libraries, and other files."""

from __future__ import annotations

import functools
import os
import shutil
import stat
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path

from . import cross, modules
from .errors import LabError
from .kernel import Kernel, Module
from .libraries import libraries

USER_SPACE = "lab: user space"
"""The line that every guest prints on its console when it reaches user space."""

NOBODY = "nobody"
"""The guest's unprivileged user."""

FILES = Path(__file__).parent / "guest_files"
"""The programs of every guest."""


@functools.cache
def _busybox() -> tuple[bytes, tuple[str, ...]]:
    """Return busybox and the names of its applets."""
    path = shutil.which("busybox")
    if path is None:
        raise LabError("busybox: not found; try test/install-deps vm")
    names = subprocess.run([path, "--list"], capture_output=True, text=True, check=True).stdout.split()
    return Path(path).read_bytes(), tuple(names)


class Initramfs:
    """The initramfs that a guest boots from: add files, then `write` it. A file that is added again is replaced."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._entries: dict[str, tuple[int, bytes]] = {}
        busybox, applets = _busybox()
        if not kernel.arch.native:
            # It has the same applets, because both are this Debian's.
            busybox = (cross.sysroot(kernel.arch) / "bin/busybox").read_bytes()
        for folder in ("dev", "proc", "sys", "run", "tmp", "root", "lab"):
            self._folder(f"/{folder}")
        for link, target in (("/sbin", "bin"), ("/usr/bin", "../bin"), ("/usr/sbin", "../bin"), ("/usr/lib", "../lib")):
            self.link(link, target)
        self.add("/bin/busybox", busybox, 0o755)
        for applet in applets:
            if applet != "busybox":
                self.link(f"/bin/{applet}", "busybox")
        self.add("/init", (FILES / "init").read_bytes(), 0o755)
        self.add("/lab/agent", (FILES / "agent").read_bytes(), 0o755)
        self.add("/etc/passwd", f"root::0:0:root:/root:/bin/sh\n{NOBODY}::65534:65534:{NOBODY}:/:/bin/sh\n")
        self.add("/etc/group", "root:x:0:\nnogroup:x:65534:\n")

    def _folder(self, path: str) -> None:
        if path != "/" and path not in self._entries:
            self._folder(os.path.dirname(path))
            self._entries[path] = (stat.S_IFDIR | 0o755, b"")

    def add(self, path: str, content: bytes | str, mode: int = 0o644) -> None:
        self._folder(os.path.dirname(path))
        data = content.encode() if isinstance(content, str) else content
        self._entries[path] = (stat.S_IFREG | mode, data)

    def link(self, path: str, target: str) -> None:
        self._folder(os.path.dirname(path))
        self._entries[path] = (stat.S_IFLNK | 0o777, target.encode())

    def add_file(self, path: str, source: Path) -> None:
        """Copy a file of the host, with its permissions."""
        self.add(path, source.read_bytes(), stat.S_IMODE(source.stat().st_mode))

    def add_program(self, program: Path) -> None:
        """Copy a program to /bin, with the shared libraries it needs; those of earlier programs are kept."""
        program = cross.counterpart(program, self._kernel.arch)
        if not program.exists():
            raise LabError(f"{program}: no such program; build it first")
        self.add_file(f"/bin/{program.name}", program)
        for path, source in libraries(program, self._kernel.arch).items():
            if path not in self._entries:
                self.add_file(path, source)

    def add_modules(self, modules: Iterable[Module]) -> None:
        """Add modules, in an order in which they can be loaded, so that modprobe finds them."""
        folder = f"/lib/modules/{self._kernel.release}"
        listed: dict[str, list[str]] = {}
        for module in modules:
            self.add(f"{folder}/{module.name}.ko", module.data)
            needed: dict[str, None] = {}
            for name in module.depends:
                # modprobe loads from the right to the left.
                for dependency in [name, *listed.get(name, [])] if name in listed else []:
                    needed.pop(dependency, None)
                    needed[dependency] = None
            listed[module.name] = list(needed)
        lines = [f"{name}.ko:" + "".join(f" {n}.ko" for n in needed) for name, needed in listed.items()]
        self.add(f"{folder}/modules.dep", "\n".join(lines) + "\n")

    def write(self, target: Path) -> None:
        """Write the archive (newc, not compressed: reading it costs a guest less than unpacking it)."""
        with open(target, "wb") as file:
            # Folders precede their files, because adding a file adds its folder first.
            for number, (path, (mode, data)) in enumerate(self._entries.items(), 1):
                file.write(_record(number, path[1:], mode, data))
            # The kernel opens its console before anything can be mounted.
            file.write(_record(0, "dev/console", stat.S_IFCHR | 0o600, b"", device=(5, 1)))
            file.write(_record(0, "TRAILER!!!", 0, b""))


def boot_files(
    kernel: Kernel,
    names: Iterable[str],
    vfio_noiommu: bool,
    programs: Iterable[Path],
    files: Mapping[str, bytes | str | Path],
) -> Initramfs:
    """Return an initramfs with modules (built if Debian has no binary), programs and files."""
    image = Initramfs(kernel)
    replaced = {}
    wanted = []
    for name in names:
        if name in modules.BUILT:
            module = modules.BUILT[name](kernel)
            replaced[module.name] = module
            name = module.name
        wanted.append(name)
    if vfio_noiommu:
        replaced["vfio"] = modules.vfio_noiommu(kernel)
    image.add_modules(kernel.closure(wanted, replaced))
    for program in programs:
        image.add_program(program)
    for path, content in files.items():
        if isinstance(content, Path):
            image.add_file(path, content)
        else:
            image.add(path, content)
    return image


def _record(number: int, name: str, mode: int, data: bytes, device: tuple[int, int] = (0, 0)) -> bytes:
    raw = name.encode() + b"\0"
    fields = (number, mode, 0, 0, 1, 0, len(data), 0, 0, *device, len(raw), 0)
    header = b"070701" + b"".join(b"%08X" % value for value in fields) + raw
    return header + bytes(-len(header) % 4) + data + bytes(-len(data) % 4)
