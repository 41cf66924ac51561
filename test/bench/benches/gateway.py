# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""From a program to a subscriber of a broker: by a topic and ivshmem-gateway, beside a broker with a bridge."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from statistics import median

from comparison import Comparison
from lab import Server, Workdir
from lab.server import build_folder

COUNT = 2000
"""Messages, which the ring and the queues have room for."""
TRIPS = 50
GATEWAY = build_folder() / "tools/ivshmem-gateway/ivshmem-gateway"
IVSHMEMCTL = build_folder() / "tools/ivshmemctl/ivshmemctl"
MOSQUITTO = shutil.which("mosquitto", path="/usr/sbin:/usr/bin")
TOPIC = "bench/values"


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Way:
    """A publisher and a subscriber, which are joined."""

    def __init__(self, publisher: subprocess.Popen[str], subscriber: subprocess.Popen[str]) -> None:
        self._publisher, self._subscriber = publisher, subscriber
        self._number = 0

    def say(self, count: int) -> None:
        assert self._publisher.stdin is not None
        self._publisher.stdin.write("".join(f"{self._number + i:063}\n" for i in range(count)))
        self._publisher.stdin.flush()
        self._number += count

    def hear(self, count: int) -> float:
        """Waits for the rest; returns the seconds from the first to the last of them, by the subscriber's clock."""
        assert self._subscriber.stdout is not None
        times = []
        while len(times) < count:
            line = self._subscriber.stdout.readline()
            if not line:
                raise RuntimeError("the subscriber has ended")
            if line[0].isdigit():  # not what it logs
                times.append(float(line.split()[0]))
        return times[-1] - times[0]

    def rate(self) -> float:
        """Messages a second."""
        self.say(COUNT)
        return (COUNT - 1) / self.hear(COUNT)

    def latency(self) -> float:
        """The median of the microseconds from the publisher's pipe to the subscriber's."""
        took = []
        for _ in range(TRIPS):
            start = time.perf_counter()
            self.say(1)
            self.hear(1)
            took.append((time.perf_counter() - start) * 1e6)
        return median(took)


class Players:
    """Programs that end with this."""

    def __init__(self, work: Workdir, stack: ExitStack) -> None:
        self._work, self._stack = work, stack

    def start(self, command: list[str], until: str = "") -> subprocess.Popen[str]:
        """Starts a program, and waits for words in what it logs."""
        log = subprocess.PIPE if until else subprocess.DEVNULL
        made = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True)
        self._stack.callback(self._end, made)
        if until:
            assert made.stderr is not None
            if not any(until in line for line in made.stderr):
                raise RuntimeError(f"{command[0]} has ended before \"{until}\"")
        return made

    @staticmethod
    def _end(made: subprocess.Popen[str]) -> None:
        made.terminate()
        made.communicate(timeout=30)

    def broker(self, more: str = "") -> int:
        """A broker; returns its port."""
        port = free_port()
        path = self._work / f"{port}.conf"
        path.write_text(f"user root\nlistener {port} 127.0.0.1\nallow_anonymous true\nmax_queued_messages 0\n{more}")
        self.start([str(MOSQUITTO), "-c", str(path)], "running")
        return port

    def subscriber(self, port: int) -> subprocess.Popen[str]:
        made = self.start(["stdbuf", "-oL", "mosquitto_sub", "-V", "5", "-d", "-p", str(port), "-q", "1", "-t", TOPIC,
                           "-F", "%U %p"])  # fmt: skip
        assert made.stdout is not None
        if not any("Subscribed" in line for line in made.stdout):
            raise RuntimeError("mosquitto_sub does not subscribe")
        return made


@contextmanager
def both(work: Workdir, server: Server) -> Iterator[tuple[Way, Way]]:
    with ExitStack() as stack:
        players = Players(work, stack)
        port = players.broker()
        heard = players.subscriber(port)
        players.start([str(GATEWAY), "--socket", str(server.socket), "--broker", "127.0.0.1", "--port", str(port),
                       "--out", "values", "--to", TOPIC, "--qos", "1", "--queue-messages", str(2 * COUNT)],
                      "connected as")  # fmt: skip
        said = players.start([str(IVSHMEMCTL), "-D", f"server:{server.socket}", "pub", "-s", "512K", "values"])
        gateway = Way(said, heard)

        far = players.broker()
        bridge = f"connection far\naddress 127.0.0.1:{far}\ntopic # out 1\nbridge_protocol_version mqttv50\n"
        near = players.broker(bridge)
        heard = players.subscriber(far)
        said = players.start(["mosquitto_pub", "-V", "5", "-p", str(near), "-q", "1", "-t", TOPIC, "-l"])
        bridged = Way(said, heard)
        for way in (gateway, bridged):
            way.say(1)
            way.hear(1)
        yield gateway, bridged


def joined(rounds: int) -> Iterable[Comparison]:
    """messages at QoS 1 to a subscriber: a topic and ivshmem-gateway beside Mosquitto with its bridge"""
    with Workdir("bench") as work, Server(work, size="128M") as server, both(work, server) as (ours, bridge):
        yield Comparison("gateway-messages", "gateway", "bridge", "messages/s", 1.0, at_most=False).play(
            rounds, ours.rate, bridge.rate)
        yield Comparison("gateway-latency", "gateway", "bridge", "us", 1.0).play(rounds, ours.latency, bridge.latency)
