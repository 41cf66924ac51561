# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""The base of the packages' tests: each class runs once for each suite."""

from __future__ import annotations

import functools
import unittest
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

import build
import repository
from lab import CommandFailed, LabError
from lab.case import LabCase
from lab.debian import SUITES, DebianRoot, why_not

PACKAGES = (
    "libivshmem0",
    "libivshmem-dev",
    "libivshmem-doc",
    "python3-ivshmem",
    "ivshmem-tools",
    "ivshmem-gateway",
    "ivshmem-server",
)
ALL = " ".join(PACKAGES)


@functools.cache
def _built(suite: str) -> build.Built | None:
    """Return the packages; None if the build failed, which is reported once."""
    try:
        return build.build(suite)
    except CommandFailed as error:
        print(error, flush=True)
        return None


class SuiteCase(LabCase):
    suite: ClassVar[str]
    root: ClassVar[DebianRoot]
    built: ClassVar[build.Built]

    @classmethod
    def setUpClass(cls) -> None:
        if reason := why_not():
            raise unittest.SkipTest(reason)
        super().setUpClass()
        cls.root = DebianRoot(cls.suite)
        built = _built(cls.suite)
        if built is None:
            raise LabError(f"{cls.suite}: the packages were not built; see above")
        cls.built = built

    @classmethod
    def repository(cls) -> Path:
        return repository.repository(cls.built)


def for_each_suite(*cases: type[SuiteCase]) -> Callable[..., unittest.TestSuite]:
    """Return a module's load_tests: its classes, once for each suite."""

    def load_tests(loader: unittest.TestLoader, _found: unittest.TestSuite, _pattern: str | None) -> unittest.TestSuite:
        chosen = unittest.TestSuite()
        for suite in SUITES:
            for case in cases:
                named = type(f"{case.__name__}_{suite}", (case,), {"suite": suite, "__module__": case.__module__})
                chosen.addTest(loader.loadTestsFromTestCase(named))
        return chosen

    return load_tests
