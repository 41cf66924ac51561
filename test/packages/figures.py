# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""The packages' figures, a line each: `run --figures`."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from build import build
from lab.debian import why_not
from test_files import depends, field


def print_all(suites: Sequence[str]) -> int:
    if reason := why_not():
        print(reason, file=sys.stderr)
        return 1
    for suite in suites:
        for name, deb in build(suite).debs().items():
            print(f"figure {suite} {name} installed {field(deb, 'Installed-Size')} KiB, package {deb.stat().st_size >> 10} KiB")
            needed = depends(deb)
            print(f"figure {suite} {name} dependencies {len(needed)}: {' '.join(needed)}")
    return 0
