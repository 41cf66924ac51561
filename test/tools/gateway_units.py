# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""gateway_units.py TOP GATEWAY BINDIR SYSCONFDIR SERVICE: what is packaged around ivshmem-gateway, its unit, example
configuration and completion, compared with the program itself."""

import pathlib
import re
import sys
import tempfile

from server_units import check, completed, end_with_completion, lines, run, verify_service

NOT_KEYS = {"--check", "--config", "--help", "--reformat", "--version"}


def check_unit(service, bindir, sysconfdir):
    folder = f"{sysconfdir}/ivshmem/gateway.d"
    check("the program", lines(service, "ExecStart") == [f"{bindir}/ivshmem-gateway --config {folder}"])
    check("nothing is mapped by default", lines(service, "ConditionPathExistsGlob") == [f"{folder}/*.conf"])
    check("it may use the devices", lines(service, "SupplementaryGroups") == ["ivshmem"])
    check("no path is left to configure", "@bindir@" not in service and "@sysconfdir@" not in service)
    allowed = " ".join(lines(service, "SystemCallFilter"))
    check("eventfds are rung without waiting", "@aio" not in allowed, allowed)
    check("secrets are shown, and not set", not lines(service, "LoadCredential") and "#LoadCredential=" in service)
    check("it has no privileges", lines(service, "CapabilityBoundingSet") == [""])
    check("a bad configuration is not tried again", lines(service, "RestartPreventExitStatus") == ["2"])


def check_example(gateway, text, options):
    """The example has every key, and its lines without their # are a configuration."""
    keys = re.findall(r"(?m)^#([a-z][a-z-]*) = ", text)
    check("the keys of the example", {f"--{key}" for key in keys} == options - NOT_KEYS, keys)
    check("the example changes nothing", not re.search(r"(?m)^[^#\n]", text))
    text = re.sub(r"(?m)^#([a-z][a-z-]* = )", r"\1", text).replace("\nsocket = ", "\n#socket = ")
    with tempfile.NamedTemporaryFile("w", suffix=".conf") as file:
        file.write(text)
        file.flush()
        checked = run(gateway, "--check", "-c", file.name)
        check("the lines of the example", checked.returncode == 0 and not checked.stderr, checked.stderr)


def check_completion(script, options, prelude):
    def offers(*typed):
        return completed(script, ["ivshmem-gateway", *typed], prelude, "_ivshmem_gateway")

    offered = {o for o in offers("") if o.startswith("--")}
    check("the options offered", offered == options, offered ^ options)
    with tempfile.TemporaryDirectory() as folder:
        pathlib.Path(folder, "file").touch()
        for typed, wanted in (
            (["-c", f"{folder}/f"], {f"{folder}/file"}),
            (["--config", "=", f"{folder}/f"], {f"{folder}/file"}),
            (["--socket", f"{folder}/f"], {f"{folder}/file"}),
            (["--ca", f"{folder}/f"], {f"{folder}/file"}),
            (["--password-file", "=", f"{folder}/f"], {f"{folder}/file"}),
            (["--out", "x", "--qos", ""], {"0", "1", "2"}),
            (["--retain", "t"], {"true"}),
            (["--broker", ""], set()),
            (["--out", "x", "--to", ""], set()),
            (["--slot", ""], set()),
            (["--in", "x", "--to"], {"--to", "--topics"}),
        ):
            reply = offers(*typed)
            check(f"completion of {typed}", reply == wanted, reply)


def main(top, gateway, bindir, sysconfdir, service):
    gateway = str(pathlib.Path(gateway).resolve())
    options = set(re.findall(r"(?m)^ .{0,12}(--[a-z][a-z0-9-]*)", run(gateway, "--help").stdout))
    check("--help names options", "--out" in options, options)
    here = pathlib.Path(top, "tools/ivshmem-gateway")
    unit = pathlib.Path(service).read_text()
    check_unit(unit, bindir, sysconfdir)
    verify_service("ivshmem-gateway", unit, gateway, exposure=25)  # it needs the network and a device
    check_example(gateway, (here / "example.conf").read_text(), options)
    script = here / "ivshmem-gateway.bash"
    return end_with_completion(lambda prelude: check_completion(script, options, prelude))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
