# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""ivshmem-share: several programs of a guest on one device, through each driver."""

from __future__ import annotations

from typing import ClassVar

from lab import Doorbell, Guest, Job, Plain, Server, build_folder
from lab.runner import long
from support import IVSHMEMCTL, PATIENCE, PROBE, PROGRAMS, DeviceCase, Party, facts, probe

SHARE = build_folder() / "tools/ivshmem-share/ivshmem-share"
KEEPER = build_folder() / "test/vm/guest/share-keeper"
VECTORS = 2
PROGRAM_COUNT = 3


def listens(address: str) -> str:
    """Return the shell command that finds a service listening: the socket's file exists a moment earlier."""
    # Flag 10000 is __SO_ACCEPTCON.
    return f"grep -q ' 00010000 .* /run/ivshmem/share/{address}$' /proc/net/unix"


class ShareCase(DeviceCase):
    """A guest with a device in a port."""

    server: ClassVar[Server]
    guest: ClassVar[Guest]
    iommu = True
    noiommu = False

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        # QEMU crashes when a device is unplugged that has seen a peer leave.
        cls.server = cls.enterClassContext(Server(cls.work, vectors=VECTORS, size="1M", options=["--no-departures"]))
        cls.guest = cls.enterClassContext(
            Guest(
                cls.work, "guest", devices=[cls.device()], programs=[*PROGRAMS, SHARE, KEEPER, IVSHMEMCTL], iommu=cls.iommu, memory=512,
                vfio_noiommu=cls.noiommu, extra_modules=["igb_uio"],
            )
        )  # fmt: skip

    @classmethod
    def device(cls) -> Doorbell:
        return Doorbell(cls.server.socket, VECTORS, place="port")

    def share(self, address: str) -> Job:
        """Start the service, which ends with the test."""
        job = self.guest.spawn(f"exec ivshmem-share {address} --group nogroup")
        self.addCleanup(self.stop, job)
        self.wait_for(lambda: job.ended or self.guest.run(listens(address), check=False).rc == 0, "ivshmem-share", PATIENCE)
        self.assertFalse(job.ended, job.ended and job.wait())
        return job

    def stop(self, job: Job) -> None:
        if not job.ended:
            job.signal("TERM")
        job.wait(PATIENCE)

    def kill(self, job: Job) -> None:
        if not job.ended:
            job.signal("KILL")

    def ring(self, peer: str, vector: int) -> None:
        Party(None, "").start(PROBE, "ring", f"server:{self.server.socket}", peer, vector)(60).check()

    def three(self, address: str, *, vectors: int, backend: str, mode: str = "write-combining") -> None:
        """Three programs at once: each is rung, one is killed, the others are rung again."""
        found = facts(probe(self.guest, "info", address))
        self.assertEqual(found["backend"], "shared")
        self.assertTrue(found["description"].startswith(f"shared, {backend}"), found["description"])
        self.assertEqual((found["interrupts"], found["mode"]), (str(vectors), mode))
        jobs = [self.guest.spawn(f"exec probe wait {address} {n % vectors} 100 1000") for n in range(PROGRAM_COUNT)]
        for job in jobs:
            job.wait_output("waiting", PATIENCE)
        self.all_rung(found["id"], jobs, vectors)
        jobs[0].signal("KILL")
        jobs[0].wait(PATIENCE)
        self.all_rung(found["id"], jobs[1:], vectors)
        for job in jobs[1:]:
            job.signal("KILL")
            job.wait(PATIENCE)

    def all_rung(self, peer: str, jobs: list[Job], vectors: int) -> None:
        counts = [job.output().count("\nrung ") for job in jobs]
        for vector in range(vectors):
            self.ring(peer, vector)
        for job, count in zip(jobs, counts):
            self.more(job, "\nrung ", count)

    def more(self, job: Job, text: str, count: int) -> None:
        """Wait until a job has printed a text more than so many times."""
        self.wait_for(lambda: job.output().count(text) > count, f"{text} {count + 1} times", PATIENCE)

    def used_alone(self, address: str, vectors: int) -> None:
        """The program that tests backends, on a device that is shared."""
        self.alone(self.guest, address, *(f"self.wait.{v}" for v in range(vectors)), vectors=VECTORS)


class Share(ShareCase):
    def test_vfio(self) -> None:
        address = self.guest.address(0)
        self.guest.bind(address, "vfio-pci")
        self.share(address)
        self.three(address, vectors=VECTORS, backend="vfio, IOMMU group")
        self.used_alone(address, VECTORS)
        self.assertFails(probe(self.guest, "-b", "vfio", "info", address), "device_busy", "in use by another process")

    def test_restarted(self) -> None:
        """The device stays open, and programs stay connected, while the service is killed and starts again."""
        address = self.guest.address(0)
        self.guest.bind(address, "vfio-pci")
        self.guest.run("mkfifo /tmp/again")
        keeper = self.guest.spawn(f"exec share-keeper {address} </tmp/again")
        self.addCleanup(self.kill, keeper)
        hold = self.guest.spawn("exec sleep 1000 >/tmp/again")  # or the first line would be the last
        keeper.wait_output("ready", PATIENCE)
        found = facts(probe(self.guest, "info", address))
        jobs = [self.guest.spawn(f"exec probe wait {address} {vector} 100 1000") for vector in (0, 1, 1)]
        for job in jobs:
            job.wait_output("waiting", PATIENCE)
        self.all_rung(found["id"], jobs, VECTORS)
        for round in (1, 2):
            self.guest.run("echo >/tmp/again")
            self.more(keeper, "ready", round)
            self.all_rung(found["id"], jobs, VECTORS)
            self.assertEqual(facts(probe(self.guest, "info", address))["id"], found["id"])
        # The state, container, group and device; of each program the connection and two eventfds.
        self.assertIn(f"ready, {4 + 3 * (1 + VECTORS)} stored", keeper.output())
        for job in (*jobs, hold):
            job.signal("KILL")
            job.wait(PATIENCE)
        keeper.wait(PATIENCE).check()

    def test_programs_need_no_access_to_the_device(self) -> None:
        address = self.guest.address(0)
        self.guest.bind(address, "vfio-pci")
        self.share(address)
        self.guest.run("chown nobody /bin/probe")  # not the device's files
        found = facts(probe(self.guest, "info", address, user="nobody"))
        self.assertEqual((found["backend"], found["interrupts"], found["ring"]), ("shared", str(VECTORS), "1"))
        self.guest.run(f"chgrp 0 /run/ivshmem/share/{address}")
        result = probe(self.guest, "info", address, user="nobody")
        self.assertFails(result, "permission_denied", f"/run/ivshmem/share/{address}: permission denied")

    def test_igb_uio(self) -> None:
        address = self.guest.address(0)
        self.guest.bind(address, "igb_uio")
        self.share(address)
        # Without wc_activate=1 the driver has mapped the memory uncached, and the first one decides.
        self.three(address, vectors=1, backend="uio, igb_uio", mode="uncached")
        self.used_alone(address, 1)

    def test_without_interrupts(self) -> None:
        address = self.guest.address(0)
        for driver in (None, "uio_pci_generic"):
            with self.subTest(driver=driver):
                if driver is None:
                    self.guest.unbind(address)
                else:
                    self.guest.bind(address, driver)
                job = self.share(address)
                found = facts(probe(self.guest, "info", address))
                self.assertEqual((found["backend"], found["ring"], found["interrupts"]), ("shared", "1", "0"))
                host = Party(None, f"server:{self.server.socket}")
                self.together([Party(self.guest, address), host], [0, VECTORS], VECTORS)
                self.stop(job)

    def test_unplugged(self) -> None:
        address = self.guest.address(0)
        self.guest.bind(address, "vfio-pci")
        service = self.share(address)
        jobs = [self.guest.spawn(f"exec probe events {address}") for _ in range(PROGRAM_COUNT)]
        for job in jobs:
            job.wait_output("waiting", PATIENCE)
        self.guest.request_unplug(0)
        for job in jobs:
            self.assertIn("event: removal requested 0", job.wait(PATIENCE).stdout)
        self.guest.wait_unplugged(0, PATIENCE)
        self.assertIn("the device goes away", service.wait(PATIENCE).check().stderr)
        type(self).guest.plug(self.device())


class ShareNoIommu(ShareCase):
    iommu = False
    noiommu = True

    @long("it repeats in another guest what is tested behind a vIOMMU")
    def test_vfio(self) -> None:
        address = self.guest.address(0)
        self.guest.run(f"ivshmemctl bind -q --no-iommu {address}", timeout=PATIENCE)
        self.share(address)
        self.three(address, vectors=VECTORS, backend="vfio, no-IOMMU group")
        # A no-IOMMU group needs CAP_SYS_RAWIO, the service's programs need nothing.
        found = facts(probe(self.guest, "info", address, user="nobody"))
        self.assertEqual((found["backend"], found["interrupts"]), ("shared", str(VECTORS)))


class SharePlain(DeviceCase):
    @long("a device without a driver is tested as one with a doorbell, too")
    def test_plain(self) -> None:
        memory = Plain(self.work / "memory", 1 << 20)
        guest = self.enterContext(Guest(self.work, "plain", iommu=False, devices=[memory], programs=[*PROGRAMS, SHARE], memory=512))
        address = guest.address(0)
        job = guest.spawn(f"exec ivshmem-share {address}")
        guest.wait_for(listens(address), PATIENCE)
        found = facts(probe(guest, "info", address))
        self.assertEqual((found["backend"], found["ring"], found["interrupts"]), ("shared", "0", "0"))
        self.alone(guest, address)
        job.signal("TERM")
        job.wait(PATIENCE).check()
