# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""manual_pages.py TOP LSIVSHMEM IVSHMEM_SERVER IVSHMEM_DEVICE IVSHMEM_SHARE IVSHMEM_FORWARD IVSHMEMCTL
[IVSHMEM_GATEWAY]: compares the manual pages with what the programs say of themselves, and formats the pages."""

import os
import pathlib
import re
import shutil
import subprocess
import sys

# The commands that check a page, and mandoc's remark about every page of scdoc's.
FORMAT = ["man", "--warnings", "-E", "UTF-8", "-l", "-Tutf8", "-Z", "-"]
LINT = ["mandoc", "-T", "lint", "-W", "warning"]
SCDOCS_OWN = "skipping paragraph macro: PP"


class Checks:
    def __init__(self):
        self.passed = 0
        self.failed = 0
        self.skipped = 0

    def same(self, what, page, program):
        """Compares two sets of names."""
        for name in sorted(program - page):
            print(f"{what}: {name} is not in the manual page", file=sys.stderr)
        for name in sorted(page - program):
            print(f"{what}: {name} is in the manual page only", file=sys.stderr)
        if not program:
            print(f"{what}: the program names none", file=sys.stderr)
        self.count(program and page == program)

    def silent(self, what, complaints):
        if complaints:
            print(f"{what}: {complaints}", file=sys.stderr)
        self.count(not complaints)

    def count(self, good):
        self.passed += bool(good)
        self.failed += not good


def said(*command):
    return subprocess.run(command, text=True, capture_output=True, check=True).stdout


def section(page, name):
    return re.search(rf"(?ms)^# {name}\n(.*?)(?=^# |\Z)", page)[1]


def terms(page, name):
    """The terms of a section: the lines of bold names that text is indented under."""
    return re.findall(r"(?m)^(\*.*)\n(?=\t)", section(page, name))


def documented_options(page, name="OPTIONS"):
    return {name for term in terms(page, name) for name in re.findall(r"\*(-[\w-]+)\*", term)}


def described_options(*program):
    """The options of --help: the beginnings of the lines of its list, in either layout of CLI11."""
    found = re.findall(r"(?m)^ {1,12}(-\w\b)?,? *(--[a-z][\w-]*)?", said(*program, "--help"))
    return {name for names in found for name in names if name}


def subcommands(page):
    """The sections of the commands, by their names, each as a page."""
    parts = re.split(r"(?m)^## (\w+)(.*)\n", section(page, "COMMANDS"))
    return {name: f"# OPTIONS\n{text}" for name, text in zip(parts[1::3], parts[3::3])}


def check_commands(checks, page, program):
    """Each command has a section, and that section its options."""
    documented = subcommands(page)
    listed = re.search(r"(?ms)^(?:Subcommands|SUBCOMMANDS):\n(.*?)(?=^\S|\Z)", said(program, "--help"))[1]
    described = set(re.findall(r"(?m)^ {1,4}([a-z]+)", listed))
    checks.same("ivshmemctl: COMMANDS", set(documented), described)
    for name in sorted(described & set(documented)):
        options = described_options(program, name) - {"-h", "--help"}
        if options | documented_options(documented[name]):
            checks.same(f"ivshmemctl {name}", documented_options(documented[name]), options)


def check_page(checks, top, source):
    page = source.read_text()
    made = subprocess.run([top / "tools/manual-page", "scdoc"], input=page, text=True, capture_output=True, check=False)
    checks.silent(source.name, made.stderr)
    environment = {**os.environ, "MANROFFSEQ": "", "MANWIDTH": "80", "LC_ALL": "C.UTF-8"}
    for command in (FORMAT, LINT):
        if not shutil.which(command[0]):
            print(f"{source.name}: {command[0]} is not installed")
            checks.skipped += command is FORMAT  # mandoc is a second opinion
            continue
        run = subprocess.run(command, input=made.stdout, text=True, env=environment, capture_output=True, check=False)
        # mandoc complains on its standard output, where man has the page.
        text = run.stdout if command is LINT else run.stderr
        wrong = [line for line in text.splitlines() if SCDOCS_OWN not in line]
        if run.returncode and command is FORMAT:
            wrong.append(f"exit status {run.returncode}")
        checks.silent(f"{source.name}: {command[0]}", "\n".join(wrong))
    return page


def main(top, lsivshmem, server, device, share, forward, ctl, gateway=None):
    checks = Checks()
    check_page(checks, top, top / "lib/ivshmem.3.scd")
    check_page(checks, top, top / "lib/ivshmem.7.scd")

    page = check_page(checks, top, top / "tools/lsivshmem/lsivshmem.8.scd")
    checks.same("lsivshmem", documented_options(page), described_options(lsivshmem))
    columns = {line.split()[0] for line in said(lsivshmem, "--list-columns").splitlines()}
    checks.same("lsivshmem: COLUMNS", {term.strip("*") for term in terms(page, "COLUMNS")}, columns)

    page = check_page(checks, top, top / "tools/ivshmem-server/ivshmem-server.8.scd")
    checks.same("ivshmem-server", documented_options(page), described_options(server))

    page = check_page(checks, top, top / "tools/ivshmem-device/ivshmem-device.8.scd")
    checks.same("ivshmem-device", documented_options(page), described_options(device))

    page = check_page(checks, top, top / "tools/ivshmem-share/ivshmem-share.8.scd")
    checks.same("ivshmem-share", documented_options(page), described_options(share))

    page = check_page(checks, top, top / "tools/ivshmem-forward/ivshmem-forward.8.scd")
    checks.same("ivshmem-forward", documented_options(page), described_options(forward))

    page = check_page(checks, top, top / "tools/ivshmem-gateway/ivshmem-gateway.8.scd")
    if gateway:
        checks.same("ivshmem-gateway", documented_options(page), described_options(gateway))

    page = check_page(checks, top, top / "tools/ivshmemctl/ivshmemctl.8.scd")
    checks.same("ivshmemctl", documented_options(page), described_options(ctl))
    check_commands(checks, page, ctl)

    skipped = f", {checks.skipped} skipped" if checks.skipped else ""
    print(f"{checks.passed} passed, {checks.failed} failed{skipped}")
    return 1 if checks.failed else 0


if __name__ == "__main__":
    sys.exit(main(*(pathlib.Path(argument).resolve() for argument in sys.argv[1:])))
