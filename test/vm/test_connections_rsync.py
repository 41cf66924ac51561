# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""rsync of a large tree between guests over ivshmemctl connect, while both ends are killed at random.

IVSHMEM_RSYNC_MIB is the size of the tree (512; 10240 takes hours under TCG), IVSHMEM_RSYNC_SEED repeats a run.
"""

from __future__ import annotations

import os
import random
from pathlib import Path
from typing import ClassVar

from connection_support import ConnectionCase, guest_for_programs
from lab import Guest, Job, Server, booted
from lab.runner import long
from support import PATIENCE

MIB = int(os.environ.get("IVSHMEM_RSYNC_MIB", "512"))
KILLS = 12
HOURS = 4 * 3600.0
"""The time limit of a step that takes as long as the tree is large."""

CONFIG = "use chroot = false\nuid = 0\ngid = 0\n[files]\npath = /data\n"
SUM = "cd /data && find . -type f | sort | xargs md5sum | md5sum"


@long("it copies a tree for minutes")
class Rsync(ConnectionCase):
    server: ClassVar[Server]
    source: ClassVar[Guest]
    target: ClassVar[Guest]

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.server = cls.enterClassContext(Server(cls.work, vectors=2, size="64M"))
        guests = [cls.guest_with_disk(name) for name in ("source", "target")]
        cls.source, cls.target = cls.enterClassContext(booted(*guests))
        for guest in guests:
            guest.bind(guest.address(), "vfio-pci")
            guest.run("ip link set lo up && modprobe virtio_pci && modprobe virtio_blk && modprobe crc32c_generic && modprobe ext4 && mke2fs /dev/vda && mkdir /data && "
                      "mount -t ext4 /dev/vda /data", timeout=PATIENCE)  # fmt: skip
        cls.source.put("/etc/rsyncd.conf", CONFIG.encode())

    @classmethod
    def guest_with_disk(cls, name: str) -> Guest:
        """The tree may be larger than this machine's memory."""
        disk: Path = cls.work / f"{name}.disk"
        with open(disk, "wb") as file:
            file.truncate((MIB + MIB // 8 + 64) << 20)
        drive = f"if=none,id=disk,format=raw,cache=unsafe,file={disk}"
        return guest_for_programs(
            cls.work, cls.server, name, "rsync", modules=("vfio-pci", "vfio_iommu_type1", "virtio_pci", "virtio_blk", "crc32c_generic", "ext4"),
            options=["-drive", drive, "-device", "virtio-blk-pci,drive=disk,bus=pcie.0,addr=0x3"],
        )  # fmt: skip

    def grow(self, chance: random.Random) -> int:
        """Create the tree, and return its size in bytes."""
        left = MIB << 20
        lines = ["cd /data && mkdir 0 1 2 3 4 5 6 7"]
        for number in range(1_000_000):
            size = min(left, int(2 ** chance.uniform(0, 25)))
            lines.append(f"head -c {size} /dev/urandom >{number % 8}/{number}")
            left -= size
            if left == 0:
                break
        self.source.put("/tmp/grow", "\n".join(lines).encode())
        self.source.run("sh -e /tmp/grow", timeout=HOURS)
        return MIB << 20

    def serve(self) -> Job:
        return self.offer(self.source, "files", "-- rsync --daemon --config=/etc/rsyncd.conf")

    def fetch(self) -> Job:
        # Without temporary files, which would stay if it was killed.
        return self.start(self.target, "RSYNC_CONNECT_PROG='ivshmemctl connect files' exec rsync -rt --inplace rsync://peer/files/ /data")

    def received(self) -> int:
        return int(self.target.run("du -sk /data", timeout=PATIENCE).stdout.split()[0]) << 10

    def test_both_ends_are_killed(self) -> None:
        seed = int(os.environ.get("IVSHMEM_RSYNC_SEED") or random.randrange(1 << 32))
        print(f"     IVSHMEM_RSYNC_SEED={seed} IVSHMEM_RSYNC_MIB={MIB}", flush=True)
        chance = random.Random(seed)
        size = self.grow(chance)
        offer, ends = self.serve(), 0
        for _ in range(KILLS):
            fetching, before = self.fetch(), self.received()
            more = int(chance.uniform(0.1, 1.5) * size / KILLS)
            self.wait_for(lambda: fetching.ended or self.received() >= before + more, f"{more} bytes more", HOURS)
            if fetching.ended: # it had less to fetch
                break
            victim = chance.choice(("offer", "its rsync", "connect", "rsync"))
            if victim == "offer":
                offer.signal("KILL") # and its children
                offer.wait(PATIENCE)
                offer = self.serve()
            else:
                guest = self.source if victim == "its rsync" else self.target
                kill = f"killall -KILL {'ivshmemctl' if victim == 'connect' else 'rsync'}"
                # It may have to start first.
                self.wait_for(lambda: guest.run(kill, check=False).rc == 0 or fetching.ended, victim, PATIENCE)
            ended = fetching.wait(PATIENCE)
            print(f"     {self.received() >> 20} MiB: {victim} is killed: {ended.stdout.splitlines()[:1]}", flush=True)
            self.assertNotEqual(ended.rc, 0, ended.stdout)
            ends += 1
        self.assertGreater(ends, 0)
        self.fetch().wait(HOURS).check()
        sums = [guest.run(SUM, timeout=HOURS).stdout for guest in (self.source, self.target)]
        self.assertEqual(sums[0], sums[1])
        self.assertFalse(offer.ended)
