# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""Debian's own kernel: the image, its modules and their dependencies."""

from __future__ import annotations

import functools
import lzma
import re
import struct
from dataclasses import dataclass, field
from pathlib import Path

from . import apt, archive, cache, packages
from . import arch as architectures
from .errors import LabError
from .step import step


@dataclass(frozen=True)
class Module:
    """A kernel module, decompressed."""

    name: str
    data: bytes = field(repr=False)

    @classmethod
    def read(cls, path: Path) -> Module:
        data = path.read_bytes()
        if path.suffix == ".xz":
            data = lzma.decompress(data)
        return cls(_name(path), data)

    @property
    def depends(self) -> list[str]:
        """The modules that must be loaded before this one."""
        # modinfo's key=value strings; depmod's files are not part of the package.
        match = re.search(rb"(?:^|\0)depends=([^\0]*)\0", self.data)
        return [name.replace("-", "_") for name in match[1].decode().split(",") if name] if match else []


def _name(path: Path) -> str:
    return path.name.split(".", 1)[0].replace("-", "_")


@dataclass(frozen=True)
class Kernel:
    arch: architectures.Arch
    package: packages.Package

    @property
    def release(self) -> str:
        return self.package.name.removeprefix("linux-image-")

    @property
    def compressed_image(self) -> Path:
        return self.package.tree() / "boot" / f"vmlinuz-{self.release}"

    @functools.cached_property
    def image(self) -> Path:
        """The kernel, unpacked: QEMU boots that fastest, because a guest under TCG takes 3 s to unpack it
        itself."""
        payload = _payload(self.compressed_image.read_bytes())
        if not payload.startswith(b"\xfd7zXZ\0"):
            return self.compressed_image

        def fill(target: Path) -> None:
            # The size of the kernel follows the compressed data.
            (target / "vmlinux").write_bytes(lzma.LZMADecompressor().decompress(payload))

        return cache.entry(f"kernels/{self.release}_{self.package.version}", fill) / "vmlinux"

    @functools.cached_property
    def _files(self) -> dict[str, Path]:
        for parent in ("usr/lib/modules", "lib/modules"):
            folder = self.package.tree() / parent / self.release / "kernel"
            if folder.is_dir():
                return {_name(path): path for path in folder.rglob("*.ko*")}
        raise LabError(f"package {self.package.name}: it has no modules of {self.release}")

    @functools.cached_property
    def _builtin(self) -> frozenset[str]:
        folder = next(iter(self._files.values())).parents
        listing = next(parent / "modules.builtin" for parent in folder if (parent / "modules.builtin").exists())
        return frozenset(_name(Path(line)) for line in listing.read_text("utf-8").splitlines())

    def closure(self, names: list[str], replaced: dict[str, Module] | None = None) -> list[Module]:
        """Return these modules and all their dependencies, in an order in which they can be loaded.

        `replaced`: modules from elsewhere that take precedence over the kernel's own of the same name.
        """
        ordered: dict[str, Module] = {}

        def add(name: str) -> None:
            if name in ordered or name in self._builtin:
                return
            if replaced and name in replaced:
                module = replaced[name]
            elif name in self._files:
                module = Module.read(self._files[name])
            else:
                raise LabError(f"module {name}: kernel {self.release} has none of this name")
            for dependency in module.depends:
                add(dependency)
            ordered[name] = module

        for name in names:
            add(name.replace("-", "_"))
        return list(ordered.values())


def _payload(image: bytes) -> bytes:
    """Return the compressed kernel in an x86 image (Linux: Documentation/arch/x86/boot.rst), or nothing."""
    if image[0x202:0x206] != b"HdrS":
        return b""
    start = ((image[0x1F1] or 4) + 1) * 512
    offset, length = struct.unpack_from("<II", image, 0x248)
    return image[start + offset :][:length]


@dataclass(frozen=True)
class _Fetched(packages.Package):
    """A package that is in the cache already."""

    folder: Path

    def tree(self) -> Path:
        return self.folder


def of_suite(arch: architectures.Arch, suite: str) -> Kernel:
    """Return the kernel of another architecture and suite, which is fetched once and kept in the cache."""

    def fill(target: Path) -> None:
        with step(f"{suite}: the kernel for {arch.debian}"), apt.opened(arch.debian, suite) as fetcher:
            depends = fetcher.depends(arch.kernel_package)
            match = re.search(rf"(linux-image-\d\S*-{arch.kernel_flavour}) \(= (\S+)\)", depends)
            if match is None:
                raise LabError(f"package {arch.kernel_package} of {suite}: it depends on no kernel")
            fetcher.unpack(target, ["=".join(match.groups())], alone=True)
            (target / "package").write_text(" ".join(match.groups()), "ascii")

    folder = cache.entry(f"kernels/{arch.debian}-{suite}-1", fill)
    name, version = (folder / "package").read_text("ascii").split()
    return Kernel(arch, _Fetched(name, version, folder))


@functools.cache
def stock(arch: str = "x86_64") -> Kernel:
    """Return the kernel that Debian installs on this architecture: this machine's own according to apt now, another's
    as it was when it was fetched."""
    wanted = architectures.get(arch)
    if wanted is not architectures.X86_64:
        return of_suite(wanted, archive.codename())
    meta = packages.find(wanted.kernel_package)
    image = packages.depends(meta, rf"linux-image-\d.*-{wanted.kernel_flavour}")
    return Kernel(wanted, image)
