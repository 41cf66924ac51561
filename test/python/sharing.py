# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""sharing.py SHARE SERVER: a device that ivshmem-share has open for several programs."""

from __future__ import annotations

import os
import pathlib
import shutil
import socket
import subprocess
import sys
import tempfile
import unittest

from ivshmem import Code, Device
from support import PATIENCE, Peers

SHARE = sys.argv.pop()


class Sharing(Peers):
    def share(self) -> tuple[subprocess.Popen[bytes], str]:
        """Start ivshmem-share for a place at the server; return it, and its name as a device."""
        folder = tempfile.mkdtemp(prefix="ivshmem-python-")
        self.addCleanup(shutil.rmtree, folder)
        path = pathlib.Path(folder)
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
            manager.bind(str(path / "notify"))
            manager.settimeout(PATIENCE)
            service = subprocess.Popen([SHARE, self.server, "-S", path / "share"], stderr=subprocess.DEVNULL,
                                       env={**os.environ, "NOTIFY_SOCKET": str(path / "notify")})
            self.addCleanup(service.wait)
            self.addCleanup(service.kill)
            while not manager.recv(4096).startswith(b"READY=1"):
                continue
        return service, f"share:{path / 'share'}"

    def test_users(self) -> None:
        service, name = self.share()
        with Device(name) as one, Device(name) as two:
            self.assertEqual((one.backend, one.info), ("shared", None))
            two.interrupt_fd(1)
            users = one.users()
            self.assertEqual([(user.process, user.user) for user in users], [(os.getpid(), os.getuid())] * 2)
            self.assertIn(", vectors 1", users[1].use)
            self.assertNotIn("vectors", users[0].use)
            self.assertEqual(self.device().users(), [])
            service.terminate()
            service.wait(PATIENCE)
            with self.fails_with(Code.SERVER_CLOSED):
                one.users()
        with self.fails_with(Code.CLOSED):
            one.users()


if __name__ == "__main__":
    unittest.main()
