# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""ivshmemctl's ring, wait, peers, monitor, ping and serve between guests, and when a device goes away meanwhile."""

from __future__ import annotations

import json
import re
import subprocess
from typing import ClassVar

from channel_support import HostJob, kill
from lab import Doorbell, Guest, Job, Plain, Server, booted
from lab.devices import Device
from lab.runner import long
from support import DEVICES, IVSHMEMCTL, PATIENCE, DeviceCase

SIZE = 1 << 20
LINES = r"(?m)^56 bytes from (peer \d+ \()?slot \d\)?: seq=\d+ time="


class IvshmemctlPeers(DeviceCase):
    """Each guest has a doorbell device that can be unplugged, and a plain one."""

    server: ClassVar[Server]
    guests: ClassVar[tuple[Guest, ...]]
    doorbells: ClassVar[list[int]]
    """The index of each guest's present doorbell device."""

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        memory = cls.work / "memory"
        memory.write_bytes(bytes(SIZE))
        # QEMU crashes when a device is unplugged that has seen a peer leave.
        cls.server = cls.enterClassContext(
            Server(cls.work, vectors=2, size="1M", options=["--no-departures"])
        )
        devices: list[Device] = [Doorbell(cls.server.socket, 2, place="port"), Plain(memory, SIZE)]
        cls.guests = cls.enterClassContext(
            booted(
                *(
                    Guest(cls.work, name, devices=devices, programs=[IVSHMEMCTL], extra_modules=["igb_uio"])
                    for name in ("left", "right")
                )
            )
        )
        cls.doorbells = [0, 0]

    # -- the tool in a guest, or on the host ----------------------------------------------------------

    def use(self, guest: int, driver: str | None) -> str:
        """Bind a guest's doorbell to a driver, or to none; return its address."""
        chosen = self.guests[guest]
        address = chosen.address(self.doorbells[guest])
        if driver is None:
            chosen.unbind(address)
        elif chosen.driver(address) != driver:
            chosen.bind(address, driver)
        return address

    def start(self, guest: int, device: str, words: str) -> Job:
        """Start the tool; its output includes standard error."""
        job = self.guests[guest].spawn(f"exec {IVSHMEMCTL.name} -D {device} {words} 2>&1")
        self.addCleanup(kill, job, self.guests[guest])
        return job

    def run_tool(self, guest: int, device: str, words: str, status: int = 0) -> str:
        result = self.guests[guest].run(f"{IVSHMEMCTL.name} -D {device} {words} 2>&1", timeout=PATIENCE, check=False)
        self.assertEqual(result.rc, status, f"{result.command}\n{result.stdout}")
        return result.stdout

    def on_host(self, words: str, status: int = 0) -> str:
        command = [str(IVSHMEMCTL), "--socket", str(self.server.socket), *words.split()]
        ran = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
        self.assertEqual(ran.returncode, status, ran.stdout + ran.stderr)
        return ran.stdout

    def start_on_host(self, words: str) -> HostJob:
        job = HostJob(self.work, [str(IVSHMEMCTL), "--socket", str(self.server.socket), *words.split()])
        self.addCleanup(job.signal, "KILL")
        return job

    def end(self, job: Job, status: int = 0, signal: str | None = "INT") -> str:
        """Return its result, within a time limit."""
        if signal is not None:
            job.signal(signal)
        result = job.wait(PATIENCE)
        self.assertEqual(result.rc, status, result.stdout)
        return result.stdout

    def waiting(self, guest: int, device: str, words: str) -> tuple[Job, str]:
        """Return a 'wait' that is ready, and its id."""
        job = self.start(guest, device, f"wait {words}")
        return job, self.found(r"waiting for .* of peer (\d+)\n", job.wait_output("waiting for ", PATIENCE))

    def found(self, pattern: str, text: str) -> str:
        match = re.search(pattern, text)
        self.assertIsNotNone(match, text)
        assert match is not None
        return match[1]

    # -- between two ----------------------------------------------------------------------------------

    def test_rings(self) -> None:
        left, right = self.use(0, "vfio-pci"), self.use(1, "vfio-pci")
        job, peer = self.waiting(0, left, "-n 2 --timeout 100")
        # Rings in quick succession may become one.
        self.run_tool(1, right, f"ring {peer} 1 -n 20 -i 0.05")
        self.assertRegex(self.end(job, signal=None), r"(?m)^\d+\.\d{9} vector 1 count \d+$")
        job, peer = self.waiting(1, right, "-J -n 1 --vector 0 --timeout 100")
        self.on_host(f"ring {peer} 0")
        event = json.loads(self.end(job, signal=None).splitlines()[-1])
        self.assertEqual((event["event"], event["vector"], event["count"]), ("ring", 0, 1))
        waiter = self.start_on_host("wait -n 5 --timeout 100")
        peer = self.found(r"of peer (\d+)", waiter.wait_output("waiting for ", PATIENCE))
        self.run_tool(0, left, f"ring {peer} 1 -n 5")
        self.assertIn(" vector 1 count ", waiter.wait(PATIENCE).check().stdout)

    def test_ring_to_oneself(self) -> None:
        # One process may have a VFIO device open: the ring comes while it waits, from the host.
        for driver, last in (("vfio-pci", 1), ("igb_uio", 0)):
            with self.subTest(driver=driver):
                device = self.use(0, driver)
                job, peer = self.waiting(0, device, "-n 1 --timeout 100")
                self.on_host(f"ring {peer} {last}")
                self.assertRegex(self.end(job, signal=None), rf" vector {last} count 1\n")

    @long("it repeats with each driver what other tests do with one")
    def test_who_cannot_wait(self) -> None:
        for driver in ("uio_pci_generic", None):
            self.assertIn("vfio-pci", self.run_tool(0, self.use(0, driver), "wait --timeout 1", status=1))
        plain = self.guests[0].address(1)
        self.run_tool(0, plain, "wait --timeout 1", status=1)
        self.assertIn("doorbell", self.run_tool(0, plain, "ring 0 0", status=1))
        self.assertIn("no such ivshmem device", self.run_tool(0, "0000:00:1f.7", "ring 0 0", status=32))
        device = self.use(0, "vfio-pci")
        self.run_tool(0, device, "wait --timeout 0.1", status=124)
        for words in ("ring 0 0", "wait", "peers", "ping", "serve"):
            result = self.guests[0].run_as_nobody(f"{IVSHMEMCTL.name} -D {device} {words}", timeout=PATIENCE, check=False)
            self.assertEqual((result.rc, result.stdout), (1, ""), words)
            self.assertRegex(result.stderr, r"\Aivshmemctl: .*permission denied.*\n\Z")

    def pings(self, devices: tuple[str, str]) -> None:
        serving = self.start(0, devices[0], "serve -v")
        serving.wait_output("answering pings", PATIENCE)
        self.assertIn("slot 0\n", self.run_tool(1, devices[1], "peers -q"))
        printed = self.run_tool(1, devices[1], "ping -c 5 -i 0.05 -W 60")
        self.assertEqual(len(re.findall(LINES, printed)), 5, printed)
        self.assertIn("5 sent, 5 received, 0% lost", printed)
        printed = self.run_tool(1, devices[1], "ping -f -c 200 -s 4K -W 60")
        self.assertIn("200 sent, 200 received, 0% lost", printed)
        served = self.end(serving)
        self.assertIn("200 messages answered", served)

    def test_ping_vfio(self) -> None:
        self.pings((self.use(0, "vfio-pci"), self.use(1, "vfio-pci")))

    def test_ping_vfio_and_uio(self) -> None:
        self.pings((self.use(0, "vfio-pci"), self.use(1, None)))

    def test_ping_uio(self) -> None:
        self.pings((self.use(0, "uio_pci_generic"), self.use(1, "igb_uio")))

    def test_ping_plain(self) -> None:
        plain = self.guests[0].address(1), self.guests[1].address(1)
        self.pings(plain)
        # No peer holds a slot any more, and the device does not report its peers.
        self.run_tool(0, plain[0], "peers", status=1)

    def test_ping_between_host_and_guest(self) -> None:
        device = self.use(0, "vfio-pci")
        serving = self.start(0, device, "serve")
        peer = self.found(r"as peer (\d+)", serving.wait_output("answering pings", PATIENCE))
        printed = self.on_host(f"ping {peer} -c 3 -i 0.05 -W 60")
        self.assertIn(f"from peer {peer} (slot 0): seq=1 ", printed)
        self.end(serving)
        host = self.start_on_host("serve")
        host.wait_output("answering pings", PATIENCE)
        self.assertIn("3 sent, 3 received", self.run_tool(0, device, "ping -c 3 -i 0.05 -W 60"))
        host.signal("INT")
        host.wait(PATIENCE).check()

    # -- devices that are removed ----------------------------------------------------------------------

    def unplug(self) -> None:
        self.guests[0].request_unplug(self.doorbells[0])

    def replug(self, address: str) -> None:
        """Wait for the end of the unplugging, and plug another device there."""
        guest = self.guests[0]
        guest.wait_unplugged(self.doorbells[0], PATIENCE)
        self.doorbells[0] = guest.plug(Doorbell(self.server.socket, 2, place="port"))
        guest.wait_for(f"test -e {DEVICES}/{address}", PATIENCE)
        self.assertEqual(guest.address(self.doorbells[0]), address)

    def test_unplugged_while_waiting(self) -> None:
        for driver in ("vfio-pci", "igb_uio"):
            with self.subTest(driver=driver):
                device = self.use(0, driver)
                job, _ = self.waiting(0, device, "")
                self.unplug()
                self.assertIn(f"{device}: device removed", self.end(job, status=1, signal=None))
                self.replug(device)

    def test_unplugged_while_pinging(self) -> None:
        for driver, says in (("vfio-pci", "device removed"), (None, "the shared memory is gone")):
            with self.subTest(driver=driver):
                # The previous one was killed, so its slot must be named.
                host = self.start_on_host("serve --slot 0")
                host.wait_output("answering pings", PATIENCE)
                device = self.use(0, driver)
                job = self.start(0, device, "ping -i 0.05 -W 60 --slot 1")
                job.wait_output("seq=3 ", PATIENCE)
                self.unplug()
                # QEMU crashes when a device that was unplugged is rung, if the server did not
                # announce its departure.
                host.signal("KILL")
                printed = self.end(job, status=1, signal=None)
                self.replug(device)
                self.assertIn(says, printed)
                host.wait(PATIENCE)

    @long("it unplugs three times")
    def test_unplugged_while_no_peer_serves(self) -> None:
        device = self.use(0, "vfio-pci")
        for words in ("ping 99", "ping", "serve"):
            with self.subTest(words=words):
                job = self.start(0, device, f"{words} -v")
                job.wait_output("no peer serves" if "ping" in words else "answering", PATIENCE)
                self.unplug()
                self.assertIn(device, self.end(job, status=1, signal=None).splitlines()[-1])
                self.replug(device)
                device = self.use(0, "vfio-pci")

    def test_unplugged_while_monitored(self) -> None:
        device = self.use(0, "vfio-pci")
        job = self.start(0, device, "monitor")
        first = self.found(r"opened .* as peer (\d+)\n", job.wait_output(f" opened {device}", PATIENCE))
        self.on_host(f"ring {first} 1")
        job.wait_output(" ring vector 1 count 1\n", PATIENCE)
        self.unplug()
        job.wait_output(f" device {device} removed\n", PATIENCE)
        self.replug(device)
        job.wait_output("no interrupts arrive", PATIENCE)
        self.use(0, "vfio-pci")
        self.guests[0].wait_for(lambda: job.output().count(" opened ") == 2, PATIENCE)
        second = re.findall(r" opened .* as peer (\d+)\n", job.output())[1]
        self.on_host(f"ring {second} 0")
        job.wait_output(" ring vector 0 count 1\n", PATIENCE)
        printed = self.end(job)
        order = [" added, driver vfio-pci", " opened ", " ring vector 1 ", " removal requested", " closed ", " removed",
                 " added, no driver", " changed, driver vfio-pci", " opened ", " ring vector 0 "]  # fmt: skip
        place = 0
        for text in order:
            self.assertIn(text, printed[place:], printed)
            place = printed.index(text, place) + 1
