# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""Run the tests, layer by layer; the last line has the totals. Started by `run`.

Catch2 programs count by their test cases, other programs of meson's as one test each, the VM layer and
the packages by their tests, and the style layer by its checks.
"""

from __future__ import annotations

import argparse
import collections
import concurrent.futures
import json
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TOP = Path(__file__).resolve().parents[1]
BUILD = Path(os.environ.get("IVSHMEM_BUILD") or TOP / "build")


@dataclass
class Totals:
    passed: int = 0
    failed: int = 0
    skipped: int = 0

    def __add__(self, other: Totals) -> Totals:
        return Totals(self.passed + other.passed, self.failed + other.failed, self.skipped + other.skipped)

    def __str__(self) -> str:
        skipped = f", {self.skipped} skipped" if self.skipped else ""
        return f"{self.passed} passed, {self.failed} failed{skipped}"


FAILED = Totals(failed=1)
PASSED = Totals(passed=1)
GIVE_WAY = ("nice", "-n", "19")
"""Before commands that run beside the tests of another layer."""


def run(*command: str | Path, env: dict[str, str] | None = None) -> bool:
    return subprocess.run(command, cwd=TOP, env={**os.environ, **(env or {})}, check=False).returncode == 0


def check(what: str, complaints: str) -> Totals:
    """One check of the style layer, which passes when there is nothing to complain of."""
    print(f"{'FAIL' if complaints else 'ok':4} {what}", flush=True)
    if complaints:
        print("".join(f"     {line}\n" for line in complaints.splitlines()[:60]), flush=True)
    return FAILED if complaints else PASSED


def tracked(*patterns: str) -> list[str]:
    listed = subprocess.run(["git", "-c", "safe.directory=*", "ls-files", "-z", "--", *patterns], cwd=TOP, capture_output=True, check=True)
    return [name for name in listed.stdout.decode().split("\0") if name and (TOP / name).is_file()]


# -- meson's layers -----------------------------------------------------------------------------------


_locks: dict[Path, threading.Lock] = collections.defaultdict(threading.Lock)


def build(
    folder: Path, options: Sequence[str], env: dict[str, str], targets: Sequence[str] = (), prefix: Sequence[str] = ()
) -> bool:
    """Configure and compile, all or the targets that are named; nothing is built twice."""
    log = folder.with_suffix(".log")
    with _locks[folder], open(log, "wb") as out:
        known = (folder / "build.ninja").exists()
        verb = ["meson", "configure", folder] if known else ["meson", "setup", folder, TOP]
        began = time.monotonic()
        print(f"building {folder.name}", flush=True)
        for command in ([*verb, "-Dwerror=true", *options], [*prefix, "ninja", "-C", folder, *targets]):
            if subprocess.run(command, cwd=TOP, env={**os.environ, **env}, stdout=out, stderr=out, check=False).returncode:
                print("\n".join(log.read_text("utf-8", "replace").splitlines()[-60:]))
                print(f"FAIL building {folder.name}", flush=True)
                return False
        log.unlink()
        print(f"built {folder.name} in {time.monotonic() - began:.0f} s", flush=True)
    return True


def cases(result: str, output: str) -> Totals:
    """How many tests a program ran."""
    if match := re.search(r"All tests passed \(\d+ assertions? in (\d+) test cases?\)", output):
        return Totals(passed=int(match[1])) if result == "OK" else FAILED
    if match := re.search(r"^test cases:\s*(\d+)(.*)$", output, re.MULTILINE):
        counted = dict((word, int(number)) for number, word in re.findall(r"(\d+) (passed|failed|skipped)", match[2]))
        return Totals(counted.get("passed", 0), max(1, counted.get("failed", 0)), counted.get("skipped", 0))
    if match := re.search(r"^(\d+) passed, (\d+) failed(?:, (\d+) skipped)?$", output, re.MULTILINE):
        failed = int(match[2]) if result == "OK" else max(1, int(match[2]))
        return Totals(int(match[1]), failed, int(match[3] or 0))
    return PASSED if result in ("OK", "EXPECTEDFAIL") else Totals(skipped=1) if result == "SKIP" else FAILED


def needed(folder: Path, suite: str) -> list[str]:
    """The files that the tests of a suite need."""

    def told(what: str) -> list[dict[str, Any]]:
        listed = subprocess.run(["meson", "introspect", what, folder], capture_output=True, text=True, check=True)
        return json.loads(listed.stdout)

    files = {target["id"]: target["filename"] for target in told("--targets")}
    tests = [test for test in told("--tests") if any(one.partition(":")[2] == suite for one in test["suite"])]
    names = {name for test in tests for one in test["depends"] for name in files[one]}
    return sorted(os.path.relpath(name, folder) for name in names)


def meson_tests(folder: Path, env: dict[str, str], suite: str | None = None) -> Totals:
    chosen = ["--suite", suite] if suite else []
    log = folder / "meson-logs" / "testlog.json"
    log.unlink(missing_ok=True)
    ran = run("meson", "test", "-C", folder, "--no-rebuild", "--print-errorlogs", *chosen, env=env)
    totals = Totals()
    if log.exists():
        for line in log.read_text("utf-8").splitlines():
            entry = json.loads(line)
            counted = cases(entry["result"], entry.get("stdout", ""))
            totals += counted
            if counted.skipped:
                print(f"skip {entry['name']}: {counted.skipped}", flush=True)
    if not ran and totals.failed == 0:
        totals += FAILED
    return totals


def host() -> Totals:
    return meson_tests(BUILD, {}) if build(BUILD, [], {"CXX": "g++"}) else FAILED


@dataclass(frozen=True)
class Sanitized:
    """The tests of the host layer, compiled by clang with a sanitizer."""

    folder: Path
    options: Sequence[str]
    env: dict[str, str]
    suite: str | None = None
    """None: all tests."""

    def build(self) -> bool:
        options = ["-Db_lundef=false", "-Dunity=on", "-Doptimization=0", "-Ddebug=false", "-Dexamples=disabled", "-Dbenchmarks=disabled"]
        env = {"CXX": "clang++"}
        if self.suite is None:
            return build(self.folder, [*self.options, *options], env, [], GIVE_WAY)
        if not build(self.folder, [*self.options, *options], env, ["build.ninja"]):
            return False
        return build(self.folder, [], env, needed(self.folder, self.suite), GIVE_WAY)

    def run(self, built: bool) -> Totals:
        return meson_tests(self.folder, self.env, self.suite) if built else FAILED


# clang 14 cannot compile coroutines with the check of functions, and that of virtual tables needs
# a free descriptor, which some tests leave it without.
ASAN = Sanitized(
    TOP / "build-asan",
    ["-Db_sanitize=address,undefined", "-Dcpp_args=-gline-tables-only -fno-sanitize=function,vptr"],
    {"ASAN_OPTIONS": "detect_stack_use_after_return=1", "UBSAN_OPTIONS": "halt_on_error=1"},
)
TSAN = Sanitized(
    TOP / "build-tsan",
    ["-Db_sanitize=thread", "-Dcpp_args=-gline-tables-only"],
    {"TSAN_OPTIONS": "halt_on_error=1"},
    "threads",
)


# -- style --------------------------------------------------------------------------------------------


def untagged() -> str:
    """Files without their SPDX tags. The licence's own text, and what cannot hold a comment, is left out."""
    exempt = re.compile(r"^LICENSE$|^debian/(changelog|source/format|.*\.doc-base)$|\.(json|expected|golden|svg|png)$|/(expected|golden|corpus)/")
    missing = []
    for name in tracked():
        text = (TOP / name).read_bytes()[:2000]
        if not exempt.search(name) and not (b"SPDX-License-Identifier:" in text and b"SPDX-FileCopyrightText:" in text):
            missing.append(f"{name}: no SPDX tags")
    return "\n".join(missing)


def unformatted(sources: list[str]) -> str:
    ran = subprocess.run(["clang-format", "--dry-run", "-Werror", *sources], cwd=TOP, capture_output=True, text=True, check=False)
    return ran.stderr


def untidy() -> str:
    """What clang-tidy says, a file at a time on each processor.

    Without the static analyser, which takes longer than all other checks together: see CONTRIBUTING.md.
    """
    folder = BUILD
    if not build(folder, [], {"CXX": "g++"}, ["build.ninja"]):
        return "not built"
    compiled = {os.path.normpath(os.path.join(entry["directory"], entry["file"])) for entry in
                json.loads((folder / "compile_commands.json").read_text())}
    units = [name for name in tracked("lib/*.cpp", "tools/*.cpp", "examples/*.cpp") if str(TOP / name) in compiled]
    tidy = [*GIVE_WAY, "xargs", "-0", "-n", "1", "-P", str(os.cpu_count() or 1)]
    tidy += ["clang-tidy", "--quiet", "--checks=-clang-analyzer-*", "-p", str(folder)]
    ran = subprocess.run(tidy, cwd=TOP, input="\0".join(units), capture_output=True, text=True, check=False)
    return ran.stdout if ran.returncode else ""


def style(complaints: str) -> Totals:
    totals = check("every file has SPDX tags", untagged())
    totals += check("clang-format", unformatted(tracked("*.cpp", "*.hpp")))
    return totals + check("clang-tidy", complaints)


# -- virtual machines ---------------------------------------------------------------------------------


def with_runner(script: str) -> Totals:
    """A layer of its own runner, whose last line has its totals."""
    if not build(BUILD, [], {"CXX": "g++"}):
        return FAILED
    child = subprocess.Popen([sys.executable, TOP / script], cwd=TOP, stdout=subprocess.PIPE, text=True,
                             env={**os.environ, "IVSHMEM_BUILD": str(BUILD)})
    assert child.stdout is not None
    totals = Totals()
    for line in child.stdout:
        print(line, end="", flush=True)
        if match := re.fullmatch(r"(\d+) passed, (\d+) failed(?:, (\d+) skipped)?", line.strip()):
            totals = Totals(int(match[1]), int(match[2]), int(match[3] or 0))
    if child.wait() != 0 and totals.failed == 0:
        totals += FAILED
    return totals


def vm() -> Totals:
    return with_runner("test/vm/run")


def packages() -> Totals:
    return with_runner("test/packages/run")


@dataclass(frozen=True)
class Layer:
    what: str
    run: Callable[..., Totals]
    ahead: Callable[[], Any] | None = None
    """What only computes, and so can go on beside the tests of other layers; `run` is given what it returns."""


LAYERS = {
    "host": Layer("pure tests, captured sysfs trees, whole programs on this machine (GCC)", host),
    "vm": Layer("real devices in real guests", vm),
    "packages": Layer("the Debian packages, built and installed in clean Debian 12 and 13", packages),
    "style": Layer("SPDX tags, clang-format, clang-tidy", style, untidy),
    "asan": Layer("the host layer under AddressSanitizer and UndefinedBehaviorSanitizer (clang)", ASAN.run, ASAN.build),
    "tsan": Layer("the tests of the host layer that have threads, under ThreadSanitizer (clang)", TSAN.run, TSAN.build),
}


def play(chosen: Sequence[str]) -> list[tuple[str, float, Totals]]:
    """Run layers, and say how long each took and how it went."""
    played = []
    ahead: dict[str, concurrent.futures.Future[Any]] = {}
    with concurrent.futures.ThreadPoolExecutor(max_workers=1) as beside:
        for name in chosen:
            # The first has all processors to itself; guests, which come after it, wait more than they compute.
            if not ahead and (name != chosen[0] or LAYERS[name].ahead):
                ahead = {one: beside.submit(prepare) for one in chosen if (prepare := LAYERS[one].ahead)}
            print(f"== {name}: {LAYERS[name].what}", flush=True)
            began = time.monotonic()
            counted = LAYERS[name].run(*([ahead[name].result()] if name in ahead else []))
            played.append((name, time.monotonic() - began, counted))
    return played


def main() -> int:
    names = "\n".join(f"  {name:8} {layer.what}" for name, layer in LAYERS.items())
    parser = argparse.ArgumentParser(prog="test/run", description=__doc__, epilog=f"layers:\n{names}",
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("layer", nargs="*", help="run only these; all without one")
    chosen = parser.parse_args().layer or list(LAYERS)
    for name in chosen:
        if name not in LAYERS:
            parser.error(f"{name}: no such layer; there are {', '.join(LAYERS)}")
    for tool in ("meson", "ninja", "git"):
        if shutil.which(tool) is None:
            parser.error(f"{tool}: not found; test/install-deps installs it")

    played = play(chosen)
    print("==")
    for name, seconds, counted in played:
        print(f"{name:8} {seconds:5.0f} s  {counted}")
    totals = sum((counted for _, _, counted in played), Totals())
    print(totals)
    return 1 if totals.failed or totals.passed == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
