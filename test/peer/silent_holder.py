# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""A client of an ivshmem server that holds a slot, answers no claim, and counts its rings."""

import mmap
import os
import select
import socket
import struct

PAGE = 4096


class SilentHolder:
    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(str(path))
        self.fds = []
        self._next()  # the version of the protocol
        self.id = self._next()[0]
        memory = self._next()[1]
        self.memory = mmap.mmap(memory, os.fstat(memory).st_size)
        self.doorbell = next(fd for id, fd in iter(self._next, None) if id == self.id)  # vector 0

    def close(self):
        self.memory.close()
        for fd in self.fds:
            os.close(fd)
        self.socket.close()

    def _next(self):
        message, fds, _, _ = socket.recv_fds(self.socket, 8, 1)
        self.fds += fds
        return struct.unpack("<q", message)[0], fds[0] if fds else None

    def hold(self, slot, slots=4, lanes=4, ring_size=65536):
        """Write the header of a slot, and the first header: channel-layout.md, "The header"."""
        size = len(self.memory)
        section = size // slots // PAGE * PAGE
        for number, incarnation in {0: 0, slot: 0x12345679}.items():
            words = struct.pack("<6I3Q", 0x43535649, 0x10001, slots, lanes, ring_size, number, section, 0, size)
            words += bytes(0x40 - len(words)) + struct.pack("<4I", incarnation, incarnation, self.id, 1 << 31)
            self.memory[number * section:number * section + len(words)] = words

    def rings(self, timeout):
        """Return the count of the eventfd, 0: nobody rang in that time."""
        if not select.select([self.doorbell], [], [], timeout)[0]:
            return 0
        return struct.unpack("=Q", os.read(self.doorbell, 8))[0]
