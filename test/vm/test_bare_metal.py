# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""Guests without an operating system (examples/bare-metal), beside processes on the host and a Linux guest."""

from __future__ import annotations

import re
import subprocess
from typing import ClassVar

from channel_support import CHANNEL_PEER, HostJob
from lab import BareMetal, Doorbell, Guest, Job, Plain, Server, build_folder
from lab.case import LabCase
from lab.runner import long
from support import PATIENCE

IVSHMEMCTL = build_folder() / "tools/ivshmemctl/ivshmemctl"
ECHO = build_folder() / "examples/echo"
SERVES = "offering echo in slot 0"
LINES = "".join(f"{number} {'x' * (number * 37 % 3000)}\n" for number in range(200)) + "y" * 60000 + "\n"
"""Messages of many lengths, up to almost the longest."""
SOME_LINES = "".join(f"{number} {'z' * number * 100}\n" for number in range(20))


def interrupts(printed: str) -> int:
    """Return the number of interrupts that a bare-metal guest counted last."""
    return int(re.findall(r"(\d+) interrupts so far", printed)[-1])


class BareMetalCase(LabCase):
    """Tests of a bare-metal guest; each boots its own, which takes less than a second."""

    port = "x86"
    server: Server

    def boot(self, append: str = "slot=0", port: str | None = None, device: Doorbell | Plain | None = None) -> BareMetal:
        guest = BareMetal(
            self.work, self.id().rpartition(".")[2], append=append, port=port or self.port,
            device=device or Doorbell(self.server.socket, 1),
        )
        return self.enterContext(guest)

    def host(self, program: str, *words: object) -> HostJob:
        """Start a program on the host, which ends with the test."""
        job = HostJob(self.work, [program, *map(str, words)])

        def end() -> None:
            job.signal("KILL")
            job.wait()

        self.addCleanup(end)
        return job

    def echo_server(self) -> HostJob:
        return self.host(str(ECHO), f"server:{self.server.socket}", 1, "server")

    def assertEchoed(self) -> None:
        """Assert that a process of the host gets its messages back."""
        command = [str(ECHO), f"server:{self.server.socket}", "1", "client"]
        ran = subprocess.run(command, input=LINES, capture_output=True, text=True, timeout=PATIENCE, check=False)
        self.assertEqual((ran.returncode, ran.stdout), (0, LINES), ran.stderr)

    def assertAsked(self, printed: str, answers: int = 100) -> None:
        self.assertIn(f"asked echo of slot 1: {answers} answers; done", printed)
        self.assertNotIn("is wrong", printed)


class BareMetalAndHost(BareMetalCase):
    def setUp(self) -> None:
        # Each test begins with memory that was never used.
        self.server = self.enterContext(Server(self.work, self.id().rpartition("_")[2]))

    def test_serves_a_process(self) -> None:
        guest = self.boot()
        guest.wait_output(SERVES, PATIENCE)
        for _ in range(2):
            self.assertEchoed()
        printed = guest.wait_output("slot 1: 201 answers; closed", PATIENCE)
        self.assertIn(", interrupts\n", printed)
        self.assertGreater(interrupts(printed), 0)

    def test_serves_a_process_that_waits_for_it(self) -> None:
        (self.work / "early").write_text("early\n")
        words = f"exec {ECHO} server:{self.server.socket} 1 client < {self.work / 'early'}"
        client = self.host("sh", "-c", words)
        self.wait_for(lambda: "client 0 joined" in self.server.log.read_text("utf-8"), "the client", PATIENCE)
        self.boot()
        self.assertEqual(client.wait(PATIENCE).check().stdout, "early\n")

    def test_publishes_a_topic(self) -> None:
        guest = self.boot("slot=0 publish=uptime period=20")
        guest.wait_output("publishing uptime: no error", PATIENCE)
        command = [str(IVSHMEMCTL), "--socket", str(self.server.socket), "sub", "-c", "5", "uptime"]
        ran = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
        self.assertEqual(ran.returncode, 0, ran.stderr)
        times = [int(line) for line in ran.stdout.split()]
        self.assertEqual(len(times), 5)
        self.assertEqual(times, sorted(times))

    def test_asks_a_process_that_is_there(self) -> None:
        job = self.echo_server()
        job.wait_output("offering echo", PATIENCE)
        guest = self.boot("slot=0 ask=echo count=300")
        printed = guest.wait_output("; done", PATIENCE)
        self.assertAsked(printed, 300)
        self.assertGreater(interrupts(printed), 0)

    def test_asks_a_process_that_comes_later(self) -> None:
        guest = self.boot("slot=0 ask=echo")
        guest.wait_output(SERVES, PATIENCE)
        self.echo_server()
        self.assertAsked(guest.wait_output("; done", PATIENCE))

    def test_a_killed_guest_is_noticed_and_starts_again(self) -> None:
        guest = self.boot()
        guest.wait_output(SERVES, PATIENCE)
        client = subprocess.Popen(
            [str(ECHO), f"server:{self.server.socket}", "1", "client"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        self.addCleanup(client.kill)
        assert client.stdin is not None and client.stdout is not None
        client.stdin.write("hello\n")
        client.stdin.flush()
        self.assertEqual(client.stdout.readline(), "hello\n")
        guest.kill()
        self.assertIn("the peer ended without closing", client.communicate("again\n", timeout=PATIENCE)[1])
        guest.start()
        guest.wait_output(SERVES, PATIENCE)
        self.assertEchoed()

    def test_notices_a_killed_process_and_asks_the_next(self) -> None:
        job = self.echo_server()
        guest = self.boot("slot=0 ask=echo count=0 pause=5")
        guest.wait_output("asking echo of slot 1", PATIENCE)
        job.signal("KILL")
        job.wait()
        printed = guest.wait_output("asked echo", PATIENCE)
        self.assertIn("the other side has ended without closing", printed)
        self.echo_server()
        self.wait_for(lambda: guest.output().count("asking echo of slot 1") == 2, "the next", PATIENCE)
        self.assertNotIn("is wrong", guest.output())

    def test_another_geometry_is_named(self) -> None:
        holder = self.host(str(CHANNEL_PEER), "-g", "4,2,16384", "hold", f"server:{self.server.socket}", 1)
        holder.wait_output("slot: 1\n", PATIENCE)
        guest = self.boot("slot=0 geometry=8,2,16384")
        guest.wait_output("no slot: the peers there have another geometry; trying again", PATIENCE)
        holder.signal("TERM")
        holder.wait()
        guest.wait_output(SERVES, PATIENCE)
        late = self.host(str(CHANNEL_PEER), "-g", "4,2,16384", "claim", f"server:{self.server.socket}", 1)
        self.assertIn("the peer in slot 0 divides the memory into 8 slots", late.wait_output("error ivshmem", PATIENCE))
        self.assertEchoed()

    def test_a_geometry_that_does_not_fit_is_named(self) -> None:
        guest = self.boot("slot=0 geometry=256,1024,1048576")
        guest.wait_output("no slot: the memory is too small for the geometry", PATIENCE)

    def test_plain_memory_is_polled(self) -> None:
        """Two bare-metal guests without interrupts; the first asks the second."""
        memory = self.work / "plain"
        memory.write_bytes(bytes(1 << 20))
        device = Plain(memory, 1 << 20)
        asking = self.boot("slot=0 ask=echo", device=device)
        with BareMetal(self.work, "other", append="slot=1", device=device, port=self.port) as other:
            self.assertAsked(asking.wait_output("; done", PATIENCE))
            printed = other.wait_output("slot 0: 100 answers; closed", PATIENCE)
        self.assertEqual(interrupts(printed), 0)
        self.assertIn("polling", printed)

    def test_no_device_is_named(self) -> None:
        guest = BareMetal(self.work, "none", device=None, port=self.port)
        self.enterContext(guest).wait_output("there is no ivshmem device on bus 0", PATIENCE)


class BareMetalAndLinux(BareMetalCase):
    linux: ClassVar[Guest]

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.server = cls.enterClassContext(Server(cls.work))
        # The program is large, because it has debug information.
        guest = Guest(cls.work, "linux", devices=[Doorbell(cls.server.socket, 1)], programs=[ECHO], memory=512)
        cls.linux = cls.enterClassContext(guest)
        cls.linux.bind(cls.linux.address(), "vfio-pci")

    def assertAnswersLinux(self) -> None:
        self.linux.put("/tmp/lines", SOME_LINES.encode())
        answers = self.linux.run(f"/bin/echo {self.linux.address()} 1 client < /tmp/lines", timeout=PATIENCE)
        self.assertEqual(answers.stdout, SOME_LINES)

    def test_serves_a_guest_also_after_it_was_killed(self) -> None:
        guest = self.boot("slot=0 heartbeat=200")
        guest.wait_output(SERVES, PATIENCE)
        self.assertAnswersLinux()
        held = self.linux.spawn(
            # Its input stays open.
            f"mkfifo /tmp/in; exec 3<>/tmp/in; echo hello >&3; exec /bin/echo {self.linux.address()} 1 client <&3"
        )
        guest.wait_output("slot 1 is here\nslot 1: 20 answers", PATIENCE)
        self.wait_for(lambda: guest.output().count("slot 1 is here") == 2, "the second client", PATIENCE)
        guest.kill()
        # Only by the heartbeat: the server reports to QEMU, and its device to nobody.
        self.assertIn("the peer ended without closing", held.wait(PATIENCE).stderr)
        guest.start()
        guest.wait_output(SERVES, PATIENCE)
        self.assertAnswersLinux()

    def echo_in_linux(self) -> Job:
        job = self.linux.spawn(f"exec /bin/echo {self.linux.address()} 1 server")
        job.wait_output("offering echo", PATIENCE)
        return job

    @long("it boots Linux once more")
    def test_notices_a_killed_guest_and_asks_the_next(self) -> None:
        self.echo_in_linux()
        guest = self.boot("slot=0 ask=echo count=0 pause=5")
        guest.wait_output("asking echo of slot 1", PATIENCE)
        self.linux.kill()
        printed = guest.wait_output("asked echo", PATIENCE)
        self.assertIn("the other side has ended without closing", printed)
        self.linux.start()
        self.linux.wait_ready()
        self.linux.bind(self.linux.address(), "vfio-pci")
        job = self.echo_in_linux()
        self.wait_for(lambda: guest.output().count("asking echo of slot 1") == 2, "the next", PATIENCE)
        job.signal("TERM")
        job.wait(PATIENCE).check()
        self.assertNotIn("is wrong", guest.output())

    def test_asks_a_guest(self) -> None:
        job = self.echo_in_linux()
        printed = self.boot("slot=0 ask=echo").wait_output("; done", PATIENCE)
        job.signal("TERM")
        job.wait(PATIENCE).check()
        self.assertAsked(printed)
        self.assertGreater(interrupts(printed), 0)


@long("the quick run has the same on x86")
class BareMetalAarch64AndHost(BareMetalAndHost):
    port = "aarch64"

    def test_asks_another_processor(self) -> None:
        with BareMetal(self.work, "x86", append="slot=1", device=Doorbell(self.server.socket, 1)) as other:
            other.wait_output("offering echo in slot 1", PATIENCE)
            self.assertAsked(self.boot("slot=0 ask=echo count=1000").wait_output("; done", PATIENCE), 1000)
            self.assertGreater(interrupts(other.wait_output("slot 0: 1000 answers; closed", PATIENCE)), 0)


@long("the quick run has the same on x86")
class BareMetalAarch64AndLinux(BareMetalAndLinux):
    port = "aarch64"
