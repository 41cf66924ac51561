# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""Runs the tests of a folder. Prints a line for each test, and the totals at the end."""

from __future__ import annotations

import argparse
import os
import sys
import time
import traceback
import unittest
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

from . import parallel
from .processes import end_on_signals


_Test = TypeVar("_Test")


def long(reason: str) -> Callable[[_Test], _Test]:
    """Marks a test, or all tests of a class, which a quick run leaves out for this reason."""

    def mark(test: _Test) -> _Test:
        setattr(test, "long", reason)
        return test

    return mark


def is_long(test: unittest.TestCase) -> bool:
    return hasattr(test, "long") or hasattr(getattr(test, test.id().rpartition(".")[2], None), "long")


class Ended(KeyboardInterrupt):
    """Raised by a signal to end the tests. unittest would treat any other exception as a failed test and run the
    next."""


class Progress(unittest.TestResult):
    """Prints a line for each test when it ends, and a failure at once."""

    def __init__(self) -> None:
        super().__init__()
        self.passed = 0
        self.failed = 0
        self.left_out = 0
        self._started = 0.0
        self._clean = True

    def _line(self, test: unittest.TestCase, outcome: str) -> None:
        seconds = time.monotonic() - self._started if self._started else 0.0
        print(f"{outcome:4} {seconds:6.1f} s  {short_name(test)}", flush=True)

    def startTest(self, test: unittest.TestCase) -> None:
        super().startTest(test)
        self._started = time.monotonic()
        self._clean = True

    def addSuccess(self, test: unittest.TestCase) -> None:
        # In some versions of unittest, a test with failed subtests also ends here.
        if self._clean:
            self.passed += 1
            self._line(test, "ok")

    def _fail(self, test: unittest.TestCase, error: Any) -> None:
        if self._clean:
            self.failed += 1
        self._clean = False
        self._line(test, "FAIL")
        print("".join(f"     {line}\n" for line in _explained(error).splitlines()), flush=True)

    def addFailure(self, test: unittest.TestCase, err: Any) -> None:
        super().addFailure(test, err)
        self._fail(test, err)

    def addError(self, test: unittest.TestCase, err: Any) -> None:
        super().addError(test, err)
        if not isinstance(test, unittest.TestCase) or not hasattr(test, "_testMethodName"):
            # A whole class or module could not be set up: none of its tests ran.
            self._clean = True
        self._fail(test, err)

    def addSubTest(self, test: unittest.TestCase, subtest: unittest.TestCase, err: Any) -> None:
        super().addSubTest(test, subtest, err)
        if err is not None:
            self._fail(subtest, err)

    def addSkip(self, test: unittest.TestCase, reason: str) -> None:
        super().addSkip(test, reason)
        self.left_out += 1
        self._line(test, "skip")
        print(f"     {reason}", flush=True)

    def addExpectedFailure(self, test: unittest.TestCase, err: Any) -> None:
        super().addExpectedFailure(test, err)
        self.addSuccess(test)

    def addUnexpectedSuccess(self, test: unittest.TestCase) -> None:
        super().addUnexpectedSuccess(test)
        try:
            raise AssertionError("it passes, but is marked as an expected failure")
        except AssertionError:
            self._fail(test, sys.exc_info())


def _explained(error: Any) -> str:
    return "".join(traceback.format_exception(*error))


def short_name(test: unittest.TestCase) -> str:
    """Return test_lab.Boot.test_reboot as lab.Boot.reboot; other names are unchanged."""
    return ".".join(part.removeprefix("test_") for part in test.id().split("."))


def _class_of(test: unittest.TestCase) -> str:
    return test.id().rpartition(".")[0]


def tests(suite: unittest.TestSuite | unittest.TestCase) -> Iterator[unittest.TestCase]:
    if isinstance(suite, unittest.TestCase):
        yield suite
    else:
        for part in suite:
            yield from tests(part)


def parser(description: str | None) -> argparse.ArgumentParser:
    """Add the options that every folder of tests has."""
    options = argparse.ArgumentParser(description=description)
    options.add_argument("filter", nargs="*", help="run only tests whose name contains one of these")
    options.add_argument("--list", action="store_true", help="print the names of the tests and run none")
    options.add_argument("--quick", action="store_true", help="leave out the tests that take long, and name them")
    options.add_argument("-x", "--stop", action="store_true", help="stop after the first failure")
    options.add_argument("-j", "--jobs", type=int, default=os.cpu_count() or 1, metavar="N",
                         help="classes of tests to run in parallel; the default is the number of processors")
    options.add_argument("--only", metavar="CLASS", help=argparse.SUPPRESS)
    return options


def run(
    folder: Path, options: argparse.Namespace, wanted: Callable[[unittest.TestCase], bool] = lambda test: True
) -> int:
    """Run the tests of this folder that match the options and the filter; return the exit status."""
    end_on_signals(Ended)
    chosen = [
        test
        for test in tests(unittest.TestLoader().discover(str(folder), "test_*.py", str(folder)))
        if wanted(test)
        and (options.only is None or options.only == _class_of(test))
        and (not options.filter or any(part in short_name(test) or part in test.id() for part in options.filter))
    ]
    left_out = [test for test in chosen if options.quick and is_long(test)]
    chosen = [test for test in chosen if test not in left_out]
    if options.list:
        print("\n".join(short_name(test) for test in chosen))
        return 0
    if not chosen and not left_out:
        print(f"no test's name contains {' or '.join(options.filter)}; see --list", file=sys.stderr)
        return 1

    if left_out:
        print(f"{parallel.LEFT_OUT}{', '.join(short_name(test) for test in left_out)}", flush=True)
    # Those with most tests go first, so that none of them is the last one alone.
    classes = Counter(_class_of(test) for test in chosen).most_common()
    if options.jobs > 1 and len(classes) > 1:
        commands = ([sys.executable, *sys.argv, "--jobs", "1", "--only", name] for name, _ in classes)
        return parallel.run(commands, min(options.jobs, len(classes)), options.stop)

    result = Progress()
    result.failfast = options.stop
    started = time.monotonic()
    # One suite, so that each class is set up once.
    unittest.TestSuite(chosen).run(result)
    print(f"{time.monotonic() - started:.0f} s")
    skipped = f", {result.left_out} skipped" if result.left_out else ""
    print(f"{result.passed} passed, {result.failed} failed{skipped}")
    return 1 if result.failed else 0


def exit_with(main: Callable[[], int]) -> None:
    """Exit with the status that this function returns."""
    try:
        sys.exit(main())
    except KeyboardInterrupt as interrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(interrupt.args[0] if interrupt.args else 130)
