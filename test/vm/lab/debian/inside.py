# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""Commands in a root, each in its own mount and process namespaces."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO

from .. import cache
from ..errors import CommandFailed, CommandTimeout
from ..job import Result

_ENTER = Path(__file__).with_name("enter")
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def why_not() -> str | None:
    """Return why this machine cannot create roots; nothing if it can."""
    if os.geteuid() != 0:
        return "Debian roots need root: run it as root, or with a sudo that asks for no password"
    if shutil.which("debootstrap") is None:
        return "debootstrap: not found; try test/install-deps packages"
    tried = subprocess.run(["unshare", "--mount", "--pid", "--fork", "true"], capture_output=True, text=True, check=False)
    if tried.returncode != 0:
        return f"Debian roots need their own namespaces: {tried.stderr.strip()}"
    return None


class Inside:
    """A root to run commands in: a lower folder that never changes, and an upper one for the changes.

    Runs one command at a time: each mounts the two folders for itself.
    """

    def __init__(self, lower: Path, upper: Path, binds: Mapping[str, Path] | None = None) -> None:
        """`binds`: path in the root to a folder or file of the host."""
        self._lower = lower
        self.upper = upper
        self.binds = dict(binds or {})

    @classmethod
    @contextlib.contextmanager
    def throwaway(cls, lower: Path, binds: Mapping[str, Path] | None = None) -> Iterator[Inside]:
        """Return a root whose changes are discarded."""
        with cache.scratch() as folder:
            (folder / "upper").mkdir()
            yield cls(lower, folder / "upper", binds)

    def path(self, path: str) -> Path:
        """Return the path on the host of a file in the root, whether it was changed or not."""
        changed = self.upper / path.lstrip("/")
        return changed if changed.exists() else self._lower / path.lstrip("/")

    def run(
        self,
        command: str,
        *,
        user: str = "root",
        check: bool = True,
        network: bool = False,
        timeout: float = 1800,
        env: Mapping[str, str] | None = None,
        log: Path | None = None,
    ) -> Result:
        """Run a shell command in the root; with `check`, a status other than 0 is an error.

        network: whether the command has network access. log: a file for the command's output.
        """
        words = ["sh", "-c", command]
        if user != "root":
            words = ["setpriv", f"--reuid={user}", f"--regid={user}", "--init-groups", "--", *words]
        home = "/root" if user == "root" else f"/home/{user}"
        variables = {"PATH": _PATH, "HOME": home, "USER": user, "LOGNAME": user, "LC_ALL": "C.UTF-8", "TERM": "dumb"}
        variables |= {"DEBIAN_FRONTEND": "noninteractive", **(env or {})}
        # Next to the upper folder: an overlay's working folder must be on the same file system.
        with tempfile.TemporaryDirectory(prefix=".mount.", dir=self.upper.parent) as folder:
            for name in ("point", "work"):
                Path(folder, name).mkdir()
            # Nothing here must survive a power loss, and waiting for the disk would take half of
            # the time.
            options = f"volatile,lowerdir={self._lower},upperdir={self.upper},workdir={folder}/work"
            namespaces = ["--mount", "--propagation=private", "--pid", "--fork", "--kill-child"]
            started = [
                *("setpriv", "--pdeathsig", "KILL", "--"),
                *("unshare", *namespaces, *([] if network else ["--net"]), "--"),
                *(str(_ENTER), f"{folder}/point", options),
                *(f"{source}:{target}" for target, source in self.binds.items()),
                *("--", "env", "-i", *(f"{name}={value}" for name, value in variables.items()), *words),
            ]
            return self._finish(command, started, timeout, check, log)

    def _finish(self, command: str, started: list[str], timeout: float, check: bool, log: Path | None) -> Result:
        with contextlib.ExitStack() as ends:
            out: IO[bytes] | int = ends.enter_context(open(log, "ab")) if log else subprocess.PIPE
            err = subprocess.STDOUT if log else subprocess.PIPE
            try:
                done = subprocess.run(
                    started, stdin=subprocess.DEVNULL, stdout=out, stderr=err, timeout=timeout, check=False
                )
            except subprocess.TimeoutExpired as late:
                raise CommandTimeout(f"{command!r} in a root: no end within {timeout:g} s, killed") from late
        # A command that a signal ended has a negative status here, and 128 + the signal's number in
        # a guest.
        status = done.returncode if done.returncode >= 0 else 128 - done.returncode
        texts = [(text or b"").decode("utf-8", "replace") for text in (done.stdout, done.stderr)]
        if log and check and status != 0:
            tail = "\n".join(log.read_text("utf-8", "replace").splitlines()[-40:])
            raise CommandFailed(f"{command!r}: status {status}; {log} ends with:\n{tail}")
        result = Result(command, status, *texts)
        return result.check() if check else result
