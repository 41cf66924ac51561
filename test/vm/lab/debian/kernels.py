# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""The stock kernel of a suite, and its modules as an installed system has them."""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from .. import arch, cache, kernel, packages
from ..errors import LabError
from ..step import step
from .inside import Inside
from .root import DebianRoot


@dataclass(frozen=True)
class _Package(packages.Package):
    """A package of a suite that this machine's apt may not know."""

    suite: str

    def unpack(self, target: Path) -> None:
        with step(f"{self.suite}: {self.name}"):
            DebianRoot(self.suite).download([f"{self.name}={self.version}"], target)
            (archive,) = target.glob("*.deb")
            subprocess.run(["dpkg-deb", "-x", str(archive), str(target)], check=True)
            archive.unlink()


def stock(root: DebianRoot) -> kernel.Kernel:
    """Return the kernel that this suite installs."""
    machine = arch.X86_64
    if f"VERSION_CODENAME={root.suite}\n" in Path("/etc/os-release").read_text("utf-8"):
        return kernel.stock(machine.name)

    def fill(target: Path) -> None:
        with cache.scratch() as folder, root.online(folder / "root", root.minbase()) as run:
            shown = run(f"apt-cache show --no-all-versions {machine.kernel_package}").stdout
        match = re.search(rf"^Depends: .*?(linux-image-\d\S*-{machine.kernel_flavour}) \(= (\S+)\)", shown, re.MULTILINE)
        if match is None:
            raise LabError(f"package {machine.kernel_package} of {root.suite}: it depends on no kernel")
        (target / "package").write_text(" ".join(match.groups()), "ascii")

    # Looked up once, so that a cached kernel can be used without a network.
    name, version = (root.cached("kernel", fill) / "package").read_text("ascii").split()
    return kernel.Kernel(machine, _Package(name, version, root.suite))


def modules(root: DebianRoot, kern: kernel.Kernel) -> Path:
    """Return the content of /lib/modules/RELEASE when the kernel is installed."""
    found = [kern.package.tree() / parent / kern.release for parent in ("usr/lib/modules", "lib/modules")]
    source = next(folder for folder in found if folder.is_dir())

    def fill(target: Path) -> None:
        with step(f"{root.suite}: the modules of {kern.release}"):
            folder = target / "lib/modules" / kern.release
            folder.parent.mkdir(parents=True)
            # Hard links, because there are many identical files.
            subprocess.run(["cp", "-al", str(source), str(folder)], check=True)
            with Inside.throwaway(root.guest(), {"/mnt": target}) as inside:
                inside.run(f"depmod -b /mnt {kern.release}")

    return cache.entry(f"modules/{kern.release}_{kern.package.version}/installed", fill) / "lib/modules" / kern.release
