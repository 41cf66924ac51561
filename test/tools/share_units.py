# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""share_units.py TOP SHARE BINDIR UDEVDIR SERVICE SOCKET: what is packaged around ivshmem-share, its units and
completion, compared with the program itself."""

import pathlib
import re
import sys
import tempfile

from server_units import check, completed, end_with_completion, lines, run, verify_units


def check_units(service, socket, bindir, udevdir):
    check("the program", lines(service, "ExecStart") == [f"{bindir}/ivshmem-share %i"])
    check("the socket that the service belongs to", lines(service, "BindsTo") == ["ivshmem-share@%i.socket"])
    check("the path at which programs look", lines(socket, "ListenSequentialPacket") == ["/run/ivshmem/share/%i"])
    named = lines(socket, "FileDescriptorName")
    check("the descriptors' names have no colon between them", len(named) == 1 and ":" not in named[0], named)
    check("the socket's folder is open to all", lines(socket, "DirectoryMode") == ["0755"])
    check("the group", (lines(socket, "SocketGroup"), lines(socket, "SocketMode")) == (["ivshmem"], ["0660"]))
    update = [f"{udevdir}/ivshmem-access update"]
    check("the access is checked again", lines(socket, "ExecStartPost") == lines(socket, "ExecStopPost") == update)
    check("a restart keeps the descriptors", int(lines(service, "FileDescriptorStoreMax")[0]) >= 4096)
    check("no path is left to configure", not re.search("@[a-z]+@", (service + socket).replace("share@%i", "")))
    allowed = " ".join(lines(service, "SystemCallFilter"))
    check("eventfds are signalled without waiting", "@aio" not in allowed, allowed)


def check_completion(script, options, prelude):
    def offers(*typed):
        return completed(script, ["ivshmem-share", *typed], prelude, "_ivshmem_share")

    offered = {o for o in offers("") if o.startswith("--")}
    check("the options offered", offered == options, offered ^ options)
    with tempfile.TemporaryDirectory() as folder:
        pathlib.Path(folder, "file").touch()
        for typed, wanted in (
            (["-S", f"{folder}/f"], {f"{folder}/file"}),
            (["--socket", "=", f"{folder}/f"], {f"{folder}/file"}),
            (["--max-programs", ""], set()),
            (["0000:00:04.0", "--max"], {"--max-programs", "--max-programs-per-user"}),
            (["-g", "roo"], {"root"}),
        ):
            reply = offers(*typed)
            check(f"completion of {typed}", reply == wanted, reply)


def main(top, share, bindir, udevdir, service, socket):
    share = str(pathlib.Path(share).resolve())
    options = set(re.findall(r"(?m)^ .{0,12}(--[a-z][a-z0-9-]*)", run(share, "--help").stdout))
    check("--help names options", "--socket" in options, options)
    script = pathlib.Path(top, "tools/ivshmem-share/ivshmem-share.bash")
    units = pathlib.Path(service).read_text(), pathlib.Path(socket).read_text()
    check_units(*units, bindir, udevdir)
    runnable = units[0], re.sub("(?m)^(Exec\\w+)=.*", r"\1=/bin/true", units[1])
    verify_units("ivshmem-share", *runnable, share, "/sys/bus/pci/devices/%i", exposure=20)  # it needs root and its device
    return end_with_completion(lambda prelude: check_completion(script, options, prelude))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
