# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""Prints the packages' figures, a line each: `run --figures`."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from build import build
from first_ring import measure
from lab.debian import why_not
from repository import repository
from test_files import depends, field


def print_all(suites: Sequence[str]) -> int:
    if reason := why_not():
        print(reason, file=sys.stderr)
        return 1
    for suite in suites:
        built = build(suite)
        for name, deb in built.debs().items():
            print(f"figure {suite} {name} installed {field(deb, 'Installed-Size')} KiB, package {deb.stat().st_size >> 10} KiB")
            needed = depends(deb)
            print(f"figure {suite} {name} dependencies {len(needed)}: {' '.join(needed)}")
        print(f"figure {suite} {measure(suite, repository(built))}", flush=True)
    return 0
