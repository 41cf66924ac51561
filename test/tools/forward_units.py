# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""forward_units.py TOP FORWARD BINDIR SYSCONFDIR SERVICE: what is packaged around ivshmem-forward, its unit, example
configuration and completion, compared with the program itself."""

import pathlib
import re
import sys
import tempfile

from server_units import check, completed, end_with_completion, lines, run, verify_service

SERVICES = """\
offers ssh from tcp:127.0.0.1:22, for slots 1,2
listens at tcp:127.0.0.1:8080 for web
listens at unix:/run/ivshmem-forward/database.sock for database@2
"""
NOT_KEYS = {"--check", "--config", "--help", "--reformat", "--version"}


def check_unit(service, bindir, sysconfdir):
    folder = f"{sysconfdir}/ivshmem/forward.d"
    check("the program", lines(service, "ExecStart") == [f"{bindir}/ivshmem-forward --config {folder}"])
    check("nothing is forwarded by default", lines(service, "ConditionPathExistsGlob") == [f"{folder}/*.conf"])
    check("it may use the devices", lines(service, "SupplementaryGroups") == ["ivshmem"])
    check("no path is left to configure", "@bindir@" not in service and "@sysconfdir@" not in service)
    allowed = " ".join(lines(service, "SystemCallFilter"))
    check("eventfds are rung without waiting", "@aio" not in allowed, allowed)
    check("a bad configuration is not tried again", lines(service, "RestartPreventExitStatus") == ["2"])


def check_example(forward, text, options):
    """The example has every key, and its lines without their # are a configuration."""
    keys = re.findall(r"(?m)^#([a-z][a-z-]*) = ", text)
    check("the keys of the example", {f"--{key}" for key in keys} == options - NOT_KEYS, keys)
    check("the example changes nothing", not re.search(r"(?m)^[^#\n]", text))
    text = re.sub(r"(?m)^#([a-z][a-z-]* = )", r"\1", text).replace("\nsocket = ", "\n#socket = ")
    with tempfile.NamedTemporaryFile("w", suffix=".conf") as file:
        file.write(text)
        file.flush()
        checked = run(forward, "--check", "-c", file.name)
        check("the lines of the example", (checked.returncode, checked.stdout, checked.stderr) == (0, "", ""), checked)
        shown = run(forward, "--check", "-v", "-c", file.name).stdout
        check("the services of the example", shown == SERVICES, shown)


def check_completion(script, options, prelude):
    def offers(*typed):
        return completed(script, ["ivshmem-forward", *typed], prelude, "_ivshmem_forward")

    offered = {o for o in offers("") if o.startswith("--")}
    check("the options offered", offered == options, offered ^ options)
    with tempfile.TemporaryDirectory() as folder:
        pathlib.Path(folder, "file").touch()
        for typed, wanted in (
            (["-c", f"{folder}/f"], {f"{folder}/file"}),
            (["--config", "=", f"{folder}/f"], {f"{folder}/file"}),
            (["--socket", f"{folder}/f"], {f"{folder}/file"}),
            (["--listen", ""], {"tcp:", "unix:"}),
            (["--listen", "x", "--to", ""], set()),
            (["--offer", "x", "--from", "u"], {"unix:"}),
            (["--slot", ""], set()),
            (["--offer", "x", "--re"], {"--reformat"}),
        ):
            reply = offers(*typed)
            check(f"completion of {typed}", reply == wanted, reply)


def main(top, forward, bindir, sysconfdir, service):
    forward = str(pathlib.Path(forward).resolve())
    options = set(re.findall(r"(?m)^ .{0,12}(--[a-z][a-z0-9-]*)", run(forward, "--help").stdout))
    check("--help names options", "--listen" in options, options)
    here = pathlib.Path(top, "tools/ivshmem-forward")
    unit = pathlib.Path(service).read_text()
    check_unit(unit, bindir, sysconfdir)
    verify_service("ivshmem-forward", unit, forward, exposure=25)  # it needs the network and a device
    check_example(forward, (here / "example.conf").read_text(), options)
    script = here / "ivshmem-forward.bash"
    return end_with_completion(lambda prelude: check_completion(script, options, prelude))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
