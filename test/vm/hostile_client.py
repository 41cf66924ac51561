# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""Clients of a device model that break the rules of the vfio-user protocol, each in one way."""

from __future__ import annotations

import array
import contextlib
import json
import os
import random
import socket
import struct
import time
from collections.abc import Callable
from pathlib import Path

VERSION, DMA_MAP, DMA_UNMAP, INFO, REGION, IO_FDS, IRQ_INFO, SET_IRQS, READ, WRITE, DMA_READ, DMA_WRITE, RESET = range(1, 14)
"""The commands."""
_OFFER = json.dumps({"capabilities": {"max_msg_fds": 16, "max_data_xfer_size": 1 << 20}}).encode() + b"\0"


class Client:
    """A connection to a device model that sends anything."""

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.settimeout(3)
        self._socket.connect(str(path))
        self._next = 0

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._socket.close()

    def raw(self, data: bytes, descriptors: int = 0) -> None:
        """Send bytes, with as many descriptors of an empty file."""
        try:
            if descriptors:
                file = os.memfd_create("hostile")
                try:
                    rights = array.array("i", [file] * descriptors)
                    self._socket.sendmsg([data], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)])
                finally:
                    os.close(file)
            else:
                self._socket.sendall(data)
        except (BrokenPipeError, ConnectionResetError, TimeoutError):
            pass  # The model has closed the connection, or reads no more before its replies are read.

    def message(self, command: int, payload: bytes = b"", *, size: int | None = None, flags: int = 0, descriptors: int = 0) -> None:
        self._next = (self._next + 1) & 0xFFFF
        length = 16 + len(payload) if size is None else size
        self.raw(struct.pack("<HHIII", self._next, command, length & 0xFFFFFFFF, flags, 0) + payload, descriptors)

    def reply(self) -> tuple[int, bytes] | None:
        """Return the error number and the payload of the next reply; nothing if the connection was closed."""
        header = self._exactly(16)
        if header is None:
            return None
        _, _, size, _, error = struct.unpack("<HHIII", header)
        payload = self._exactly(size - 16)
        return None if payload is None else (error, payload)

    def _exactly(self, count: int) -> bytes | None:
        data = b""
        while len(data) < count:
            try:
                part = self._socket.recv(count - len(data))
            except ConnectionResetError:
                return None
            if not part:
                return None
            data += part
        return data

    def greet(self) -> bool:
        """Negotiate the version; return whether the model answered."""
        self.message(VERSION, struct.pack("<HH", 0, 0) + _OFFER)
        return self.reply() is not None

    def read(self, region: int, offset: int, count: int) -> tuple[int, bytes] | None:
        """Return the error number and the bytes; nothing if the connection was closed."""
        self.message(READ, struct.pack("<QII", offset, region, count))
        answer = self.reply()
        return None if answer is None else (answer[0], answer[1][16:])

    def linger(self, patience: float) -> None:
        """Read what comes, until the connection is closed or nothing came for so many seconds."""
        self._socket.settimeout(patience)
        with contextlib.suppress(OSError):
            while self._socket.recv(1 << 16):
                pass


def honest(path: Path, patience: float = 10) -> Client:
    """Return a client that was greeted. A model may notice the end of the client before it a little later."""
    deadline = time.monotonic() + patience
    while True:
        client = Client(path)
        if client.greet():
            return client
        client.close()
        assert time.monotonic() < deadline, f"{path}: no client is greeted"
        time.sleep(0.01)


def _greeted(act: Callable[[Client], None]) -> Callable[[Client], None]:
    def both(client: Client) -> None:
        client.greet()
        act(client)

    return both


def _noise(client: Client) -> None:
    client.raw(random.Random(1).randbytes(4096))


def _commands(client: Client) -> None:
    """Send every command with an empty and with a random payload, and some that do not exist."""
    noise = random.Random(2)
    for command in (*range(0, 24), 255, 65535):
        for size in (0, 1, 16, 40, 200):
            client.message(command, noise.randbytes(size))


DEEDS: dict[str, Callable[[Client], None]] = {
    "random bytes": _noise,
    "a header alone": lambda client: client.raw(struct.pack("<HHIII", 1, VERSION, 400, 0, 0)),
    "half a header": lambda client: client.raw(b"\1\0\1"),
    "a size below the header's": lambda client: client.message(VERSION, size=3),
    "a size of 4 GiB": lambda client: client.message(VERSION, size=0xFFFFFFFF),
    "a version that is no JSON": lambda client: client.message(VERSION, struct.pack("<HH", 0, 0) + b"{{{{\0"),
    "another major version": lambda client: client.message(VERSION, struct.pack("<HH", 7, 0) + _OFFER),
    "a version without its end": lambda client: client.message(VERSION, struct.pack("<HH", 0, 0) + b'{"capabilities":'),
    "deep JSON": lambda client: client.message(VERSION, struct.pack("<HH", 0, 0) + b"[" * 60000 + b"\0"),
    "no version first": lambda client: client.message(INFO, struct.pack("<IIII", 16, 0, 0, 0)),
    "every command": _greeted(_commands),
    "a version twice": _greeted(lambda client: client.message(VERSION, struct.pack("<HH", 0, 0) + _OFFER)),
    "descriptors with a reset": _greeted(lambda client: client.message(RESET, descriptors=3)),
    "too many descriptors": _greeted(
        lambda client: client.message(SET_IRQS, struct.pack("<IIIII", 20, 0x24, 2, 0, 1), descriptors=200)
    ),
    "a map without a descriptor": _greeted(
        lambda client: client.message(DMA_MAP, struct.pack("<IIQQQ", 32, 3, 0, 1 << 63, 1 << 63))
    ),
    "a map with many descriptors": _greeted(
        lambda client: client.message(DMA_MAP, struct.pack("<IIQQQ", 32, 3, 0, 0, 1 << 30), descriptors=16)
    ),
    "an access beyond everything": _greeted(
        lambda client: client.message(READ, struct.pack("<QII", (1 << 64) - 8, 2, 16))
    ),
    "a read of 4 GiB": _greeted(lambda client: client.message(READ, struct.pack("<QII", 0, 2, 0xFFFFFFFF))),
    "a write that is longer than its data": _greeted(
        lambda client: client.message(WRITE, struct.pack("<QII", 0, 0, 4096) + b"1234")
    ),
    "a region that is not": _greeted(lambda client: client.message(READ, struct.pack("<QII", 0, 99, 4))),
    "interrupts from the middle of nowhere": _greeted(
        lambda client: client.message(SET_IRQS, struct.pack("<IIIII", 20, 0x24, 2, 0xFFFFFFFF, 2), descriptors=2)
    ),
    "a flood without reading": _greeted(
        lambda client: client.raw(b"".join(struct.pack("<HHIIIQII", i & 0xFFFF, READ, 32, 0, 0, 0, 7, 256) for i in range(4000)))
    ),
}
"""The deeds of hostile clients, by what they do. After each the client closes the connection."""
