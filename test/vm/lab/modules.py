# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""Modules that Debian has only as source, and the project's own (test/vm/modules), built for Debian's own kernel
from Debian's own packages.

Nothing is installed: the headers are used from the cache.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path

from . import cache, packages
from .errors import LabError
from .kernel import Kernel, Module


_OWN = Path(__file__).resolve().parents[1] / "modules"


def igb_uio(kernel: Kernel) -> Module:
    """igb_uio, of the package dpdk-kmods-dkms: the UIO driver that delivers MSI-X vector 0."""
    package = packages.find("dpdk-kmods-dkms")

    def source(target: Path) -> str:
        found = list((package.tree() / "usr/src").glob("dpdk-kmods-*"))
        if len(found) != 1:
            raise LabError(f"package {package.name} {package.version}: no source of igb_uio under usr/src")
        shutil.copytree(found[0], target, dirs_exist_ok=True)
        return ""

    return _build(kernel, "igb_uio", package.version, source)


def vfio_noiommu(kernel: Kernel) -> Module:
    """The kernel's own vfio with CONFIG_VFIO_NOIOMMU, which Debian's configuration leaves out."""
    version = re.match(r"\d+\.\d+", kernel.release)
    if not version:
        raise LabError(f"kernel {kernel.release}: the release does not begin with a version")
    package = packages.find(f"linux-source-{version[0]}", kernel.package.version)

    def source(target: Path) -> str:
        folder = f"{package.name}/drivers/vfio"
        with cache.scratch() as unpacked:
            package.unpack(unpacked)
            archive = unpacked / "usr/src" / f"{package.name}.tar.xz"
            with tarfile.open(archive, "r|xz") as tree:
                seen = False
                for member in tree:
                    name = member.name.removeprefix("./")
                    inside = name.startswith(f"{folder}/")
                    if inside and member.isreg() and name.count("/") == folder.count("/") + 1:
                        file = tree.extractfile(member)
                        assert file is not None
                        (target / Path(name).name).write_bytes(file.read())
                    # The archive has the folder in one piece.
                    if seen and not inside:
                        break
                    seen = inside
        if not (target / "Makefile").exists():
            raise LabError(f"package {package.name} {package.version}: no {folder}/Makefile in its archive")
        _keep_only(target / "Makefile", "vfio.o")
        return "-DCONFIG_VFIO_NOIOMMU=1"

    return _build(kernel, "vfio", f"noiommu-{package.version}", source)


def acrn_uio(kernel: Kernel) -> Module:
    """A uio_pci_generic with the ioctl of ACRN's kernel, instead of the kernel's own."""
    return _own(kernel, "acrn_uio", "uio_pci_generic")


def uio_ivshmem(kernel: Kernel) -> Module:
    """A UIO driver for ivshmem-v2 with the maps of Jailhouse's."""
    return _own(kernel, "uio_ivshmem", "uio_ivshmem")


BUILT: dict[str, Callable[[Kernel], Module]] = {
    "igb_uio": igb_uio,
    "acrn_uio": acrn_uio,
    "uio_ivshmem": uio_ivshmem,
}
"""The modules that are built if a guest asks for them by these names."""


def _own(kernel: Kernel, folder: str, name: str) -> Module:
    """Build a module of the project's own: the one of this name, from this folder."""
    files = sorted((_OWN / folder).iterdir())
    digest = hashlib.sha256(b"".join(file.name.encode() + b"\0" + file.read_bytes() for file in files)).hexdigest()

    def source(target: Path) -> str:
        for file in files:
            shutil.copy(file, target)
        return "-Werror"

    return _build(kernel, name, f"{folder}-{digest[:12]}", source)


def _keep_only(makefile: Path, wanted: str) -> None:
    """Remove every object of this Makefile except one."""
    lines = makefile.read_text("utf-8").splitlines(keepends=True)
    kept = [line for line in lines if not line.startswith("obj-") or line.split("=", 1)[1].strip() == wanted]
    makefile.write_text("".join(kept), "utf-8")


def _build(kernel: Kernel, name: str, version: str, source: Callable[[Path], str]) -> Module:
    """Build the module of this name from the folder that `source` fills (it returns compiler flags)."""

    def fill(target: Path) -> None:
        headers = _headers(kernel)
        with cache.scratch() as folder:
            flags = source(folder)
            command = ["make", "-C", str(headers), f"M={folder}", f"KCFLAGS={flags}"]
            # Type information would be stripped anyway, and needs pahole.
            command += ["CONFIG_DEBUG_INFO_BTF_MODULES=", "modules"]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            built = folder / f"{name}.ko"
            if done.returncode != 0 or not built.exists():
                raise LabError(
                    f"module {name} for kernel {kernel.release}: build failed: "
                    f"{(done.stderr or done.stdout).strip()[-2000:]}; try test/install-deps vm"
                )
            subprocess.run(["strip", "--strip-debug", "-o", str(target / built.name), str(built)], check=True)

    path = cache.entry(f"modules/{kernel.release}_{kernel.package.version}/{name}_{version}", fill)
    return Module.read(path / f"{name}.ko")


def _headers(kernel: Kernel) -> Path:
    """The kernel's headers, ready for building modules: three packages in one tree."""
    headers = packages.find(f"linux-headers-{kernel.release}", kernel.package.version)
    final = cache.root() / f"headers/{kernel.release}_{kernel.package.version}"

    def fill(target: Path) -> None:
        common = packages.depends(headers, r"linux-headers-.*-common")
        kbuild = packages.depends(headers, r"linux-kbuild-.*")
        for package in (headers, common, kbuild):
            package.unpack(target)
        makefile = target / "usr/src" / headers.name / "Makefile"
        # It includes the common Makefile by its installed path.
        text = makefile.read_text("utf-8")
        makefile.write_text(re.sub(r"(?m)^include /usr/src/", f"include {final}/usr/src/", text), "utf-8")

    return cache.entry(str(final.relative_to(cache.root())), fill) / "usr/src" / headers.name
