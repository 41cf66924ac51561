# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""device_units.py TOP DEVICE BINDIR SYSCONFDIR SERVICE SOCKET: what is packaged around ivshmem-device, its units,
example configuration and completion, compared with the program itself."""

import pathlib
import re
import shlex
import sys
import tempfile

from server_units import check, completed, end_with_completion, lines, run, verify_units

PROFILES = ("v2", "qemu", "acrn-hv", "acrn-dm", "cloud-hypervisor", "revision-0", "axvisor")
FLAGS = ("--express", "--intx", "--protect", "--no-bar2")


def check_units(service, socket, bindir, sysconfdir):
    check("the program", lines(service, "ExecStart") == [f"{bindir}/ivshmem-device $OPTIONS"])
    config = f"{sysconfdir}/ivshmem/devices/%i.conf"
    check("the configuration", lines(service, "EnvironmentFile") == lines(socket, "AssertPathExists") == [config])
    check("the socket that the service belongs to", lines(service, "BindsTo") == ["ivshmem-device@%i.socket"])
    check("a socket for each of two VMs", len(set(lines(socket, "ListenStream"))) == 2)
    check("no path is left to configure", "@bindir@" not in service and "@sysconfdir@" not in service + socket)
    allowed = " ".join(lines(service, "SystemCallFilter"))
    check("eventfds are signalled without waiting", "@aio" not in allowed, allowed)


def check_example(device, text):
    """The program takes the options of the example: the first error must be the socket's."""
    (options,) = re.findall(r'(?m)^OPTIONS="(.*)"$', text)
    said = run(device, *shlex.split(options), "-S", "/nonexistent/socket").stderr
    check("the example", said.startswith("ivshmem-device: /nonexistent/socket: "), said)


def check_completion(device, script, options, prelude):
    def offers(*typed):
        return completed(script, ["ivshmem-device", *typed], prelude, "_ivshmem_device")

    offered = offers("")
    check("the profiles offered", {o for o in offered if not o.startswith("-")} == set(PROFILES), offered)
    of_profiles = set()
    for profile in PROFILES:
        offered = {o for o in offers(profile, "") if o.startswith("--")}
        of_profiles |= offered
        for option in options - {"--help", "--version", "--socket", "--verbose"}:
            # With a value that all options take the message says whether the profile has the option.
            said = run(device, profile, "-S", "/nonexistent/socket", f"{option}={1 if option in FLAGS else 256}").stderr
            has = "has no such option" not in said
            check(f"{option} of {profile}", has == (option in offered), said)
    check("the options offered", of_profiles == options, of_profiles ^ options)
    with tempfile.TemporaryDirectory() as folder:
        pathlib.Path(folder, "file").touch()
        file = f"{folder}/file"
        for typed, wanted in (
            (["v"], {"v2"}),
            (["v2", "--pro"], {"--protect", "--protocol"}),
            (["qemu", "--s"], {"--size", "--server", "--socket"}),
            (["-S", f"{folder}/f"], {file}),
            (["qemu", "--server", "=", f"{folder}/f"], {file}),
            (["v2", "--rw-size", ""], set()),
            (["v2", "-n", ""], set()),
        ):
            reply = offers(*typed)
            check(f"completion of {typed}", reply == wanted, reply)


def main(top, device, bindir, sysconfdir, service, socket):
    device = str(pathlib.Path(device).resolve())
    options = set(re.findall(r"(?m)^ .{0,12}(--[a-z][a-z0-9-]*)", run(device, "--help").stdout))
    check("--help names options", "--socket" in options, options)
    here = pathlib.Path(top, "tools/ivshmem-device")
    units = pathlib.Path(service).read_text(), pathlib.Path(socket).read_text()
    check_units(*units, bindir, sysconfdir)
    verify_units("ivshmem-device", *units, device, f"{sysconfdir}/ivshmem/devices/%i.conf")
    check_example(device, (here / "example.conf").read_text())
    return end_with_completion(lambda prelude: check_completion(device, here / "ivshmem-device.bash", options, prelude))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
