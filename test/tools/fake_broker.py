# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""A broker of MQTT 5 whose answers a test chooses."""

import socket
import threading


def connack(properties=b""):
    """Accepts a connection, without a session."""
    return bytes([0x20, 3 + len(properties), 0, 0, len(properties)]) + properties


ACCEPTED = connack()


def publish(topic, payload=b""):
    body = len(topic).to_bytes(2, "big") + topic + b"\0" + payload
    assert len(body) < 128
    return bytes([0x30, len(body)]) + body


def exactly(one, size):
    data = b""
    while len(data) < size:
        more = one.recv(size - len(data))
        if not more:
            raise EOFError
        data += more
    return data


def packets(one):
    """The packets that a client sends: the first byte, and what follows the length."""
    try:
        while True:
            first, length, shift = exactly(one, 1)[0], 0, 0
            while True:
                byte = exactly(one, 1)[0]
                length |= (byte & 0x7F) << shift
                shift += 7
                if byte < 0x80:
                    break
            yield first, exactly(one, length)
    except EOFError:
        pass


class FakeBroker:
    """Answers each connection in turn by a function; the last one answers all others."""

    def __init__(self, case, *answers, port=None):
        self.socket = socket.create_server(("127.0.0.1", case.port if port is None else port))
        self.port = self.socket.getsockname()[1]
        self.answers = list(answers)
        case.addCleanup(self.close)
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                one = self.socket.accept()[0]
            except OSError:
                return
            answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
            with one:
                try:
                    next(packets(one)) # CONNECT
                    answer(one)
                except (OSError, StopIteration):
                    pass

    def close(self):
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()
