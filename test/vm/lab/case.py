# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""The base of the VM tests."""

from __future__ import annotations

import time
import unittest
from collections.abc import Callable
from typing import Any, ClassVar

from .workdir import Workdir


class LabCase(unittest.TestCase):
    """A class of tests with its own folder, which is kept if one of them failed.

    Create the objects that all its tests share in setUpClass with enterClassContext, so that they end with the
    tests.
    """

    work: ClassVar[Workdir]
    _failures: ClassVar[int]
    _ran: ClassVar[bool]

    @classmethod
    def setUpClass(cls) -> None:
        cls.work = Workdir(cls.__name__)
        cls._failures = 0
        cls._ran = False
        # If the first test was never reached, that is a failure too.
        cls.addClassCleanup(lambda: cls.work.close(failed=cls._failures > 0 or not cls._ran))

    def run(self, result: unittest.TestResult | None = None) -> unittest.TestResult | None:
        cls = type(self)
        cls._ran = True
        before = _failures(result)
        outcome = super().run(result)
        cls._failures += _failures(result) - before
        return outcome

    def wait_for(self, condition: Callable[[], Any], what: str, timeout: float = 30) -> Any:
        """Wait until a function on the host returns something true, and return that."""
        deadline = time.monotonic() + timeout
        while not (found := condition()):
            if time.monotonic() > deadline:
                self.fail(f"waited {timeout:g} s for {what}")
            time.sleep(0.02)
        return found


def _failures(result: unittest.TestResult | None) -> int:
    return len(result.failures) + len(result.errors) if result else 0
