# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""A peer that writes what it likes: a client of a server, without the library, and the words of channel-layout.md."""

import itertools
import mmap
import os
import select
import socket
import struct
import time

MAGIC = 0x43535649
VERSION = 0x10000
PAGE = 4096

# In a header
SLOTS, LANES, RING_SIZE, SLOT, SECTION_SIZE, INCARNATION, CLAIM, PEER, ATTENTION, DIRECTORY = (
    0x08, 0x0C, 0x10, 0x14, 0x18, 0x40, 0x44, 0x48, 0x4C, 0x800)  # fmt: skip
# In a block
EPOCH, ACK, FLAGS, LIMIT, SERVICE, WAKE, CURSOR, RING = 0x00, 0x04, 0x08, 0x10, 0x14, 0x40, 0x80, 0x100
BLOCK = RING

WANTED = VALID = 1 << 31
PART, PAD = 1 << 29, 2 << 29


class HostilePeer:
    """Divides the memory as it was told, and holds a slot, without any of the steps of a claim."""

    def __init__(self, path, slots, lanes, ring_size, slot=1):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(str(path))
        self.bells = {}
        self.greet()
        self.slots, self.lanes, self.ring_size, self.slot = slots, lanes, ring_size, slot
        self.section = len(self.memory) // slots // PAGE * PAGE

    def receive(self):
        data, fds, _, _ = socket.recv_fds(self.socket, 8, 1)
        if len(data) != 8:
            raise EOFError("the server has closed the connection")
        return struct.unpack("<q", data)[0], fds[0] if fds else None

    def greet(self):
        version, _ = self.receive()
        assert version == 0, version
        self.id, _ = self.receive()
        _, fd = self.receive()
        self.memory = mmap.mmap(fd, os.fstat(fd).st_size)
        os.close(fd)
        self.read_messages(0.1)

    def read_messages(self, seconds=0.0):
        while select.select([self.socket], [], [], seconds)[0]:
            peer, fd = self.receive()
            if fd is None:
                for bell in self.bells.pop(peer, []):
                    os.close(bell)
            else:
                os.set_blocking(fd, False)
                self.bells.setdefault(peer, []).append(fd)

    def close(self):
        self.socket.close()
        for fd in itertools.chain(*self.bells.values()):
            os.close(fd)
        self.bells.clear()
        self.memory.close()

    def load(self, at):
        return struct.unpack_from("<I", self.memory, at)[0]

    def store(self, at, value):
        struct.pack_into("<I", self.memory, at, value & 0xFFFFFFFF)

    def header(self, slot):
        return self.section * slot

    def block(self, owner, other, lane):
        number = (other if other < owner else other - 1) * self.lanes + lane
        return self.header(owner) + PAGE + number * (BLOCK + self.ring_size)

    def plant(self, at, slot, section, version=VERSION, incarnation=0x1234567):
        """Writes the header of a held slot."""
        words = {0: MAGIC, 4: version, SLOTS: self.slots, LANES: self.lanes, RING_SIZE: self.ring_size, SLOT: slot,
                 SECTION_SIZE: section, SECTION_SIZE + 4: section >> 32, CLAIM: incarnation, PEER: self.id,
                 ATTENTION: WANTED, INCARNATION: incarnation}  # fmt: skip
        for offset, value in words.items():
            self.store(at + offset, value)

    def hold(self):
        self.plant(self.header(self.slot), self.slot, self.section)

    def ring(self, slot):
        self.read_messages()
        for bell in self.bells.get(self.load(self.header(slot) + PEER), [])[:1]:
            try:
                os.eventfd_write(bell, 1)
            except BlockingIOError:
                pass

    def wait_for(self, condition, seconds=30):
        deadline = time.monotonic() + seconds
        while not (found := condition()):
            if time.monotonic() > deadline:
                raise TimeoutError("the victim does not do what the hostile peer waits for")
            time.sleep(0.001)
        return found

    def key_of(self, slot, name):
        """Waits for the key of a service."""

        def find():
            for entry in range(self.header(slot) + DIRECTORY, self.header(slot) + PAGE, 64):
                if self.load(entry) and self.memory[entry + 4:entry + 64].split(b"\0")[0] == name.encode():
                    return self.load(entry)
            return None

        return self.wait_for(find)

    def ask(self, to, lane, key, epoch, limit=1 << 24):
        """Opens a lane, and requests a service on it."""
        at = self.block(self.slot, to, lane)
        for word in (EPOCH, RING, CURSOR, WAKE, ACK, FLAGS):
            self.store(at + word, 0)
        self.store(at + LIMIT, limit)
        self.store(at + SERVICE, key)
        self.store(at + EPOCH, epoch)

    def connect(self, to, lane, key, epoch):
        """Asks, and acknowledges the other side."""
        mine, theirs = self.block(self.slot, to, lane), self.block(to, self.slot, lane)
        self.ask(to, lane, key, epoch)
        self.ring(to)
        self.store(mine + ACK, self.wait_for(lambda: self.load(theirs + EPOCH)))
        self.ring(to)
        self.wait_for(lambda: self.load(theirs + ACK) == epoch)

    def begin_message(self, to, lane, total, length=8):
        """Publishes the first part of a message, which is never completed."""
        ring = self.block(self.slot, to, lane) + RING
        self.store(ring + 8 + (length + 7) // 8 * 8, 0)
        self.store(ring + 4, total)
        self.store(ring, VALID | PART | length)
        self.ring(to)
