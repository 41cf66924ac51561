# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""completion.py MAKE_TREES LSIVSHMEM COMPLETION IVSHMEMCTL COMPLETION: types at a bash on a terminal, and
looks at what Tab makes of it.

bash-completion is not loaded; the shell fails on unset variables. All is done twice: in a bash whose
readline breaks words at colons and equals signs, as it does by default, and in one whose does not."""

import os
import pathlib
import pty
import re
import select
import subprocess
import sys
import tempfile
import time

TAB = "\t"  # completes as far as it is unambiguous
INSIDE = "\002\t"  # the same, one character to the left
ALL = "\033*"  # inserts all completions
COPY = "\024"  # writes the line to a file, and empties it

OPTIONS = ("-h --help -V --version -t --tree -J --json -k --kernel -v --verbose -o --output --list-columns "
           "-b --bytes -n --noheadings -s --slot -d --id --sysroot --color=always --color=auto --color=never")

# The typed line, the key, and the resulting line, all after "lsivshmem ".
CASES = [
    # Devices, with colons in them.
    ("--sysroot vfio ", TAB, "--sysroot vfio 0000:00:04.0 "),
    ("--sysroot=vfio ", TAB, "--sysroot=vfio 0000:00:04.0 "),
    ("--sysroot 'vfio' ", TAB, "--sysroot 'vfio' 0000:00:04.0 "),
    ("--sysroot vfio 0000", TAB, "--sysroot vfio 0000:00:04.0 "),
    ("--sysroot vfio 0000:", TAB, "--sysroot vfio 0000:00:04.0 "),
    ("--sysroot vfio 0000:00:0", TAB, "--sysroot vfio 0000:00:04.0 "),
    ("--sysroot vfio 00:", TAB, "--sysroot vfio 00:04.0 "),
    ("--sysroot vfio 00:04.", TAB, "--sysroot vfio 00:04.0 "),
    ("--sysroot vfio \"0000:0", TAB, "--sysroot vfio \"0000:00:04.0\" "),
    ("--sysroot vfio 00+", INSIDE, "--sysroot vfio 0000:00:04.0+"),
    ("--sysroot ~/vfio ", TAB, "--sysroot ~/vfio 0000:00:04.0 "),
    ("--sysroot vfio 0000:01", TAB, "--sysroot vfio 0000:01"),
    ("--sysroot vfio-pair ", ALL, "--sysroot vfio-pair 0000:00:04.0 0000:00:05.0 "),
    ("--sysroot vfio-pair 0000:00:0", TAB, "--sysroot vfio-pair 0000:00:0"),
    ("--sysroot vfio-pair -t 00:04.0 0000:00:05", TAB, "--sysroot vfio-pair -t 00:04.0 0000:00:05.0 "),
    ("--sysroot vfio -o size -- ", TAB, "--sysroot vfio -o size -- 0000:00:04.0 "),
    ("--sysroot vfio --color=never ", TAB, "--sysroot vfio --color=never 0000:00:04.0 "),
    ("--sysroot vfio-pair i", TAB, "--sysroot vfio-pair index:"),
    ("--sysroot vfio-pair index:1", TAB, "--sysroot vfio-pair index:1 "),
    ("--sysroot acrn-hv r", TAB, "--sysroot acrn-hv region:"),
    ("--sysroot acrn-hv region:2", TAB, "--sysroot acrn-hv region:2 "),
    ("--sysroot vfio s", TAB, "--sysroot vfio size:4M "),
    ("--sysroot vfio an", TAB, "--sysroot vfio any "),
    # Machines without a device, without a PCI bus, and none at all.
    ("--sysroot empty ", TAB, "--sysroot empty "),
    ("--sysroot no-pci ", TAB, "--sysroot no-pci "),
    ("--sysroot nowhere 00:", TAB, "--sysroot nowhere 00:"),
    # Slots and ids.
    ("--sysroot vfio -s ", TAB, "--sysroot vfio -s 0000:00:04.0 "),
    ("--sysroot vfio -s 00:", TAB, "--sysroot vfio -s 00:04.0 "),
    ("--sysroot vfio --slot=00:0", TAB, "--sysroot vfio --slot=00:04.0 "),
    ("-d ", ALL, "-d 110a:4106 1af4:1110 "),
    ("--id 1af4:", TAB, "--id 1af4:1110 "),
    ("--id=11", TAB, "--id=110a:4106 "),
    ("-d11", TAB, "-d110a:4106 "),
    # Columns, in comma lists.
    ("-o addr", TAB, "-o address"),
    ("-o ADDR", TAB, "-o ADDRESS"),
    ("-o address,si", TAB, "-o address,size"),
    ("-o address,ADD", TAB, "-o address,ADD"),
    ("-o size,NU", TAB, "-o size,NUMA"),
    ("--output=address,vec", TAB, "--output=address,vectors"),
    ("-oaddress,vec", TAB, "-oaddress,vectors"),
    ("-n -o numa,rem", TAB, "-n -o numa,remedy"),
    # Options.
    ("--c", TAB, "--color="),
    ("--color=", TAB, "--color="),
    ("--color=a", TAB, "--color=a"),
    ("--color=n", TAB, "--color=never "),
    ("--list", TAB, "--list-columns "),
    ("-t --nohe", TAB, "-t --noheadings "),
    ("--sysroot vfi", TAB, "--sysroot vfio"),
    ("--sysroot jail", TAB, "--sysroot jailhouse/"),
    ("--frob", TAB, "--frob"),
]
BROKEN_ONLY = [("--sysroot=jail", TAB, "--sysroot=jailhouse/")]

# The same after "ivshmemctl ".
CTL_CASES = [
    ("du", TAB, "dump "),
    ("-q du", TAB, "-q dump "),
    ("st", TAB, "state "),
    ("state --js", TAB, "state --json "),
    ("state ", TAB, "state "),
    ("--sysroot vfio -D ", TAB, "--sysroot vfio -D 0000:00:04.0 "),
    ("--sysroot vfio -D0000:", TAB, "--sysroot vfio -D0000:00:04.0 "),
    ("--sysroot vfio --device=00:0", TAB, "--sysroot vfio --device=00:04.0 "),
    ("--sysroot vfio dump -D 00:", TAB, "--sysroot vfio dump -D 00:04.0 "),
    ("info --sysroot acrn-hv -D r", TAB, "info --sysroot acrn-hv -D region:"),
    ("--sysroot vfio-pair info -D ", ALL, "--sysroot vfio-pair info -D 0000:00:04.0 0000:00:05.0 "),
    ("dump --ca", TAB, "dump --cache "),
    ("dump --cache u", TAB, "dump --cache uncached "),
    ("dump --cache w", TAB, "dump --cache write-"),
    ("dump --cache=un", TAB, "dump --cache=uncached "),
    ("dump ", TAB, "dump "),
    ("dump 0 ", TAB, "dump 0 "),
    ("read -o jail", TAB, "read -o jailhouse/"),
    ("--socket jail", TAB, "--socket jailhouse/"),
    ("info --js", TAB, "info --json "),
    ("info --color=n", TAB, "info --color=never "),
    ("--socket dump rea", TAB, "--socket dump read "),
    ("--sysroot vfio bind ", TAB, "--sysroot vfio bind 0000:00:04.0 "),
    ("--sysroot vfio-pair unbind 00:04.0 ", ALL, "--sysroot vfio-pair unbind 00:04.0 0000:00:04.0 0000:00:05.0 "),
    ("--sysroot vfio doctor 00:", TAB, "--sysroot vfio doctor 00:04.0 "),
    ("bind --driver v", TAB, "bind --driver vfio-pci "),
    ("bind --driver=n", TAB, "bind --driver=none "),
    ("bind --no", TAB, "bind --no-iommu "),
    ("sha", TAB, "share "),
    ("--sysroot vfio share 00:", TAB, "--sysroot vfio share 00:04.0 "),
    ("share --max-programs-", TAB, "share --max-programs-per-user "),
    ("nonsense", TAB, "nonsense"),
]


class Shell:
    """An interactive bash on its own terminal."""

    def __init__(self, folder, trees, programs, completions, setting):
        self.errors, lines, rc = folder / "errors", folder / "lines", folder / "rc"
        self.errors.touch()
        os.mkfifo(lines)
        sources = "; ".join(f"source '{completion}'" for completion in completions)
        path = ":".join([*(str(program.parent) for program in programs), os.environ["PATH"]])
        rc.write_text(f"""
            set -u
            {setting}
            {sources}
            observed() {{ "_$1" "$@" 2>>'{self.errors}'; }}
            complete -F observed lsivshmem ivshmemctl
            copy() {{ printf '%s\\n' "$READLINE_LINE" >'{lines}'; READLINE_LINE=; }}
            bind -x '"\\C-t": copy'
            bind 'set bell-style none'
            bind 'set page-completions off'
        """)
        environment = {"PATH": path, "HOME": str(trees), "TERM": "dumb", "INPUTRC": "/dev/null",
                       "LC_ALL": "C"}
        self.lines = os.open(lines, os.O_RDWR)  # opened for writing too, so that reading never ends
        self.terminal, inside = pty.openpty()
        self.process = subprocess.Popen(["bash", "--noprofile", "--rcfile", str(rc), "-i"], cwd=trees, env=environment,
                                        stdin=inside, stdout=inside, stderr=inside, start_new_session=True)
        os.close(inside)

    def type(self, program, typed, key):
        os.write(self.terminal, f"{program} {typed}{key}{COPY}".encode())
        line, deadline = b"", time.monotonic() + 20
        while not line.endswith(b"\n"):
            ready, _, _ = select.select([self.lines, self.terminal], [], [], max(0.0, deadline - time.monotonic()))
            if not ready:
                raise TimeoutError(f"bash says nothing after {program} {typed}")
            for fd in ready:
                text = os.read(fd, 65536)
                line += text if fd == self.lines else b""
        return line.decode().removesuffix("\n").removeprefix(f"{program} ")

    def close(self):
        self.process.kill()
        self.process.wait()
        os.close(self.terminal)
        os.close(self.lines)


def check(shell, program, wanted):
    """Types each case, and compares the resulting line."""
    failed = []
    for typed, key, line in wanted:
        got = shell.type(program, typed, key)
        if key == ALL:  # in any order
            got, line = sorted(got.split()), sorted(line.split())
        if got != line:
            failed.append(f"{program} {typed!r}: {got!r} instead of {line!r}")
    return failed


def options_of(*command):
    """The options of --help, in the form in which they are completed."""
    described = subprocess.run([*command, "--help"], text=True, capture_output=True, check=True).stdout
    found = re.findall(r"(?m)^ {1,12}(-\w\b)?,? *(--[a-z][\w-]*)?", described)
    options = {name for names in found for name in names if name}
    if "--color" in options:
        options = options - {"--color"} | {f"--color={when}" for when in ("always", "auto", "never")}
    return options


def lists_of_ctl(ivshmemctl):
    """Cases of all commands, and of all options of each."""
    described = subprocess.run([ivshmemctl, "--help"], text=True, capture_output=True, check=True).stdout
    listed = re.search(r"(?ms)^(?:Subcommands|SUBCOMMANDS):\n(.*?)(?=^\S|\Z)", described)[1]
    commands = re.findall(r"(?m)^ {1,4}([a-z]+)", listed)
    common = options_of(ivshmemctl)
    cases = [("", ALL, " ".join(commands)), ("-", ALL, " ".join(common))]
    for command in commands:
        options = options_of(ivshmemctl, command) | common
        cases.append((f"{command} -", ALL, " ".join([command, *options])))
    return cases


def main(make_trees, lsivshmem, completion, ivshmemctl, ctl_completion):
    try:
        for fd in pty.openpty():
            os.close(fd)
    except OSError as e:
        print(f"skip: there are no terminals: {e}")
        return 77
    listed = subprocess.run([lsivshmem, "--list-columns"], text=True, capture_output=True, check=True).stdout
    columns = [line.split()[0].lower() for line in listed.splitlines()]
    differing = options_of(lsivshmem) ^ set(OPTIONS.split())
    failed = [f"--help and this test differ in {option}" for option in differing]
    total = 1
    lists = [("-", ALL, OPTIONS), ("-o ", ALL, f"-o {' '.join(columns)} "),
             ("-o driver,", ALL, "-o " + " ".join(f"driver,{name}" for name in columns if name != "driver") + " ")]
    with tempfile.TemporaryDirectory(prefix="ivshmem-completion-") as name:
        trees = pathlib.Path(name) / "trees"
        subprocess.run([make_trees, trees], check=True)
        for word, setting, more in (("default", "", BROKEN_ONLY), ("whole", "COMP_WORDBREAKS=$' \\t\\n'", [])):
            folder = pathlib.Path(name) / word
            folder.mkdir()
            shell = Shell(folder, trees, (lsivshmem, ivshmemctl), (completion, ctl_completion), setting)
            try:
                for program, cases in (("lsivshmem", [*CASES, *more, *lists]),
                                       ("ivshmemctl", [*CTL_CASES, *lists_of_ctl(ivshmemctl)])):
                    failed += [f"{word}: {complaint}" for complaint in check(shell, program, cases)]
                    total += len(cases)
            finally:
                shell.close()
            if errors := shell.errors.read_text():
                failed.append(f"{word}: on standard error: {errors}")
    for complaint in failed:
        print(complaint, file=sys.stderr)
    print(f"{total - len(failed)} passed, {len(failed)} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(*(pathlib.Path(argument).resolve() for argument in sys.argv[1:])))
