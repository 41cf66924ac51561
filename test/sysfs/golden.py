# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""golden.py MAKE_TREES LSIVSHMEM: compares the output of lsivshmem with test/sysfs/expected.

Each case is a line of golden.txt: a name and the command line, run in a directory that has the machines of
trees.cpp by name. With IVSHMEM_REGENERATE=1 it rewrites the expected files
instead."""

import difflib
import json
import os
import pathlib
import re
import shlex
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
REGENERATE = os.environ.get("IVSHMEM_REGENERATE") == "1"


def environment():
    """The caller's environment, without variables that change the output."""
    kept = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "TERM", "COLUMNS")}
    return kept | {"LC_ALL": "C"}


def normal(arguments, text):
    """Return JSON in a fixed layout, and text without the names from pci.ids, which may be missing."""
    if "-J" in arguments and text:
        text = json.dumps(json.loads(text), indent=1) + "\n"
    if "-n" in arguments:
        # Newer libsmartcols reserves no space for headings that it does not print.
        text = re.sub(" {2,}", " ", text)
    return re.sub(r"(?m)^(\t(?:Device|Subsystem|Class): [^,\n]*), .*$", r"\1, NAME", text)


def output_of(lsivshmem, arguments, trees):
    variables = environment()
    while arguments and re.fullmatch(r"[A-Z_]+=.*", arguments[0]):
        name, value = arguments.pop(0).split("=", 1)
        variables[name] = value
    # Neither a FIFO nor a looping list may block it.
    run = subprocess.run([lsivshmem, *arguments], cwd=trees, env=variables, text=True,
                         capture_output=True, stdin=subprocess.DEVNULL, timeout=60, check=False)
    return (f"$ lsivshmem {shlex.join(arguments)}\n{normal(arguments, run.stdout)}"
            f"--- stderr\n{run.stderr}--- exit status {run.returncode}\n")


def check(name, arguments, lsivshmem, trees):
    got = output_of(lsivshmem, arguments, trees)
    file = HERE / "expected" / name
    if REGENERATE:
        file.write_text(got)
        return True
    expected = file.read_text() if file.exists() else ""
    diff = list(difflib.unified_diff(expected.splitlines(), got.splitlines(),
                                     f"expected/{name}", "lsivshmem", lineterm=""))
    if diff:
        print("\n".join(diff), file=sys.stderr)
    return not diff


def check_help(lsivshmem):
    """Check that --help has every option; its layout depends on the version of CLI11."""
    text = subprocess.run([lsivshmem, "--help"], text=True, capture_output=True, check=True).stdout
    options = ("-t,--tree -J,--json -k,--kernel -v,--verbose -o,--output --list-columns -b,--bytes "
               "-n,--noheadings -s,--slot -d,--id --sysroot --color -h,--help -V,--version DEVICE")
    missing = [option for option in options.split() if option not in text]
    if missing:
        print(f"--help does not mention {' '.join(missing)}", file=sys.stderr)
    return not missing


def main(make_trees, lsivshmem):
    lines = (HERE / "golden.txt").read_text().splitlines()
    cases = [shlex.split(line) for line in lines if line and not line.startswith("#")]
    with tempfile.TemporaryDirectory(prefix="ivshmem-golden-") as trees:
        subprocess.run([make_trees, trees], check=True)
        failed = [name for name, *arguments in cases if not check(name, arguments, lsivshmem, trees)]
    unused = {f.name for f in (HERE / "expected").iterdir()} - {case[0] for case in cases}
    for name in sorted(unused):
        print(f"expected/{name}: belongs to no case of golden.txt", file=sys.stderr)
    print(f"{len(cases) - len(failed)} of {len(cases)} outputs are as expected")
    if failed:
        print(f"different: {' '.join(failed)}; if the change is intended, run with IVSHMEM_REGENERATE=1",
              file=sys.stderr)
    return 0 if check_help(lsivshmem) and not failed and not unused else 1


if __name__ == "__main__":
    sys.exit(main(os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2])))
