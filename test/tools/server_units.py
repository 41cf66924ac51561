# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""server_units.py TOP SERVER BINDIR SYSCONFDIR SERVICE SOCKET: what is packaged around the server, its
units, example configuration and completion, compared with the server itself."""

import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

failed = passed = skipped = 0


def check(what, good, complaint=""):
    global failed, passed
    passed += bool(good)
    failed += not good
    if not good:
        print(f"not ok {what}: {complaint}", file=sys.stderr)


def run(*command, **options):
    return subprocess.run(command, text=True, capture_output=True, check=False, **options)


def lines(unit, key):
    return re.findall(rf"(?m)^{key}=(.*)$", unit)


def check_units(service, socket, bindir, sysconfdir, options):
    """The units of the server."""
    program, *arguments = lines(service, "ExecStart")[0].split()
    check("the program", program == f"{bindir}/ivshmem-server", program)
    config = f"{sysconfdir}/ivshmem/%i.conf"
    check("the configuration", arguments[-1] == config and lines(socket, "AssertPathExists") == [config], arguments)
    for option in arguments[:-1]:
        check("an option of the service", option in options, f"{option}: the server has no such option")
    check("the socket that the service belongs to", lines(service, "BindsTo") == ["ivshmem-server@%i.socket"])
    check("no path is left to configure", "@bindir@" not in service and "@sysconfdir@" not in service + socket)


def verify(units, exposure):
    """Asks systemd to verify units, the first of which is a service.

    exposure: the most that "systemd-analyze security" may find, of 100."""
    global skipped
    verified = run("systemd-analyze", "verify", "--man=no", *units)
    # It also has remarks about other units of the machine.
    wrong = [line for line in verified.stderr.splitlines() if "ivshmem" in line]
    check("systemd-analyze verify", not wrong, "\n".join(wrong))
    secure = run("systemd-analyze", "security", "--offline=yes", f"--threshold={exposure}", "--no-pager", units[0])
    if "unrecognized option" in secure.stderr:
        skipped += 1
    else:
        check("systemd-analyze security", secure.returncode == 0, (secure.stdout + secure.stderr)[-300:])


def has_systemd():
    global skipped
    if shutil.which("systemd-analyze"):
        return True
    print("skip: systemd-analyze is not installed")
    skipped += 1
    return False


def started_by(service, program):
    return re.sub("(?m)^ExecStart=\\S*", f"ExecStart={program}", service)


def verify_service(unit, service, program, exposure):
    """Verifies a service that is no template, with another path in place of one that is not installed yet."""
    if has_systemd():
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder, f"{unit}.service")
            path.write_text(started_by(service, program))
            verify([str(path)], exposure)


def verify_units(unit, service, socket, server, config, exposure=15):
    """Verifies the units of this name, with other paths in place of those that are not installed yet."""
    if not has_systemd():
        return
    with tempfile.TemporaryDirectory() as folder:
        units = []
        for name, text in (("service", started_by(service, server)), ("socket", socket)):
            template = pathlib.Path(folder, f"{unit}@.{name}")
            template.write_text(text.replace(config, "/dev/null"))
            instance = pathlib.Path(folder, f"{unit}@region.{name}")
            instance.symlink_to(template.name)
            units.append(str(instance))
        verify(units, exposure)


def check_example(server, text, options):
    """The example has every key, each with a value that the server takes."""
    keys = re.findall(r"(?m)^#([a-z][a-z-]*) = ", text)
    not_keys = {"--config", "--foreground", "--help", "--version"}
    check("the keys of the example", {f"--{key}" for key in keys} == options - not_keys, keys)
    check("the example changes nothing", not re.search(r"(?m)^[^#\n]", text))
    for line in re.findall(r"(?m)^#([a-z][a-z-]* = .*)$", text):
        with tempfile.NamedTemporaryFile("w", suffix=".conf") as file:
            file.write(line)
            file.flush()
            said = run(server, "-F", "-c", file.name, "-S", "/nonexistent/socket").stderr
            # The first error must be this one.
            check("a line of the example", said.startswith("ivshmem-server: /nonexistent/socket: "), said)


def completed(script, typed, prelude="", function="_ivshmem_server"):
    """Returns bash's completions of the last word; an unset variable is an error."""
    words = " ".join(f"'{word}'" for word in typed)
    line = " ".join(typed).replace(" = ", "=").replace(" =", "=")  # where bash breaks words
    shell = run("bash", "--norc", "-uc", f"""{prelude}
        . '{script}'
        COMP_WORDS=({words}) COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))
        COMP_LINE='{line}' COMP_POINT=${{#COMP_LINE}} COMP_TYPE=9 COMP_KEY=9
        {function} && printf '%s\\n' ${{COMPREPLY[@]+"${{COMPREPLY[@]}}"}}""")
    check(f"completion of {typed} is silent", not shell.stderr, shell.stderr)
    return set(shell.stdout.split())


def check_completion(script, options, prelude):
    offered = completed(script, ["ivshmem-server", ""], prelude)
    check("the options offered", {o for o in offered if o.startswith("--")} == options, offered ^ options)
    with tempfile.TemporaryDirectory() as folder, tempfile.NamedTemporaryFile(dir="/dev/shm") as shm:
        pathlib.Path(folder, "file").touch()
        pathlib.Path(folder, "folder").mkdir()
        file, directory, name = f"{folder}/file", f"{folder}/folder", pathlib.Path(shm.name).name
        for typed, offers in (
            (["--ver"], {"--verbose", "--version"}),
            (["-v", "--max"], {"--max-clients", "--max-clients-per-uid"}),
            (["-c", f"{folder}/f"], {file, directory}),
            (["--config", "=", f"{folder}/fi"], {file}),
            (["-S", f"{folder}/fi"], {file}),
            (["-p", f"{folder}/fi"], {file}),
            (["-m", f"{folder}/f"], {directory}),
            (["-M", name[:-1]], {name}),
            (["--size", ""], set()),
            (["-n", ""], set()),
            (["--max-clients", "="], set()),
            (["--stall-timeout", ""], set()),
        ):
            reply = completed(script, ["ivshmem-server", *typed], prelude)
            check(f"completion of {typed}", reply == offers, reply)


def end_with_completion(check_with):
    """Checks the completion without and with the functions of bash-completion; prints the totals, and returns the status."""
    global skipped
    check_with("")
    helpers = pathlib.Path("/usr/share/bash-completion/bash_completion")
    if helpers.exists():
        # It does not survive set -u itself.
        check_with(f"set +u; . {helpers}; set -u")
    else:
        print("skip: bash-completion is not installed")
        skipped += 1
    print(f"{passed} passed, {failed} failed" + (f", {skipped} skipped" if skipped else ""))
    return 1 if failed else 0


def main(top, server, bindir, sysconfdir, service, socket):
    server = str(pathlib.Path(server).resolve())
    options = set(re.findall(r"(?m)^ .{0,12}(--[a-z][a-z-]*)", run(server, "--help").stdout))
    check("--help names options", "--config" in options, options)
    here = pathlib.Path(top, "tools/ivshmem-server")
    units = pathlib.Path(service).read_text(), pathlib.Path(socket).read_text()
    check_units(*units, bindir, sysconfdir, options)
    verify_units("ivshmem-server", *units, server, f"{sysconfdir}/ivshmem/%i.conf")
    check_example(server, (here / "example.conf").read_text(), options)
    return end_with_completion(lambda prelude: check_completion(here / "ivshmem-server.bash", options, prelude))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
