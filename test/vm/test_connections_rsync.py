# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""rsync of a large tree over ivshmemctl connect, while both ends are killed at random: between guests, and on the host.

IVSHMEM_RSYNC_MIB is the size of the tree (512 between guests, where 10240 takes hours under TCG; 10240 on the host, which
must have room for it twice), IVSHMEM_RSYNC_SEED repeats a run.
"""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import subprocess
from pathlib import Path
from typing import ClassVar

from channel_support import HostJob, kill
from connection_support import ConnectionCase, guest_for_programs, command_of_debian
from lab import Guest, Job, Server, booted
from lab.runner import long
from support import PATIENCE

MIB = int(os.environ.get("IVSHMEM_RSYNC_MIB", "512"))
MIB_OF_HOST = int(os.environ.get("IVSHMEM_RSYNC_MIB", "10240"))
KILLS = 12
HOURS = 4 * 3600.0
"""The time limit of a step that takes as long as the tree is large."""

CONFIG = "use chroot = false\nuid = 0\ngid = 0\n[files]\npath = {}\n"
SUM = "find . -type f | sort | xargs md5sum | md5sum"


def seeded(mib: int) -> random.Random:
    """Return what decides a run, and print how to repeat it."""
    seed = int(os.environ.get("IVSHMEM_RSYNC_SEED") or random.randrange(1 << 32))
    print(f"     IVSHMEM_RSYNC_SEED={seed} IVSHMEM_RSYNC_MIB={mib}", flush=True)
    return random.Random(seed)


def growing(chance: random.Random, mib: int) -> str:
    """Return the shell's commands that create a tree in the present folder."""
    left = mib << 20
    lines = ["mkdir 0 1 2 3 4 5 6 7"]
    number = 0
    while left != 0:
        size = min(left, int(2 ** chance.uniform(0, 25)))
        lines.append(f"head -c {size} /dev/urandom >{number % 8}/{number}")
        left -= size
        number += 1
    return "\n".join(lines)


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
        cls.source.put("/etc/rsyncd.conf", CONFIG.format("/data").encode())

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

    def grow(self, chance: random.Random) -> None:
        self.source.put("/tmp/grow", f"cd /data\n{growing(chance, MIB)}".encode())
        self.source.run("sh -e /tmp/grow", timeout=HOURS)

    def serve(self) -> Job:
        return self.offer(self.source, "files", "-- rsync --daemon --config=/etc/rsyncd.conf")

    def fetch(self) -> Job:
        # Without temporary files, which would stay if it was killed.
        return self.start(self.target, "RSYNC_CONNECT_PROG='ivshmemctl connect files' exec rsync -rt --inplace rsync://peer/files/ /data")

    def received(self) -> int:
        return int(self.target.run("du -sk /data", timeout=PATIENCE).stdout.split()[0]) << 10

    def test_both_ends_are_killed(self) -> None:
        chance = seeded(MIB)
        self.grow(chance)
        offer, ends = self.serve(), 0
        for _ in range(KILLS):
            fetching, before = self.fetch(), self.received()
            more = int(chance.uniform(0.1, 1.5) * (MIB << 20) / KILLS)
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
            if ended.rc == 0: # it had fetched all just then
                self.assertGreaterEqual(self.received(), MIB << 20)
            ends += ended.rc != 0
        self.assertGreater(ends, 0)
        self.fetch().wait(HOURS).check()
        sums = [guest.run(f"cd /data && {SUM}", timeout=HOURS).stdout for guest in (self.source, self.target)]
        self.assertEqual(sums[0], sums[1])
        self.assertFalse(offer.ended)


@long("it copies 10 GB")
class RsyncOfHost(ConnectionCase):
    """The same between programs of the host, which copy what would take guests hours."""

    server: ClassVar[Server]
    source: ClassVar[Path]
    target: ClassVar[Path]
    rsync: ClassVar[list[str]]

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.server = cls.enterClassContext(Server(cls.work, vectors=2, size="64M"))
        cls.source, cls.target = cls.work / "source", cls.work / "target"
        for folder in (cls.source, cls.target):
            folder.mkdir()
            cls.addClassCleanup(shutil.rmtree, folder)
        (cls.work / "rsyncd.conf").write_text(CONFIG.format(cls.source), "utf-8")
        cls.rsync = command_of_debian("rsync")

    def run_in(self, folder: Path, script: str) -> str:
        ran = subprocess.run(["sh", "-e"], cwd=folder, input=script, stdout=subprocess.PIPE, text=True, check=True, timeout=HOURS)
        return ran.stdout

    def job(self, *words: str) -> HostJob:
        """Start a program that ends with the test at the latest."""
        job = HostJob(self.work, list(words))
        self.addCleanup(kill, job, None)
        return job

    def serve(self) -> HostJob:
        command = self.host_command("offer", "files", "--", *self.rsync, "--daemon", f"--config={self.work / 'rsyncd.conf'}")
        return self.offering(self.job(*command), "files")

    def fetch(self) -> HostJob:
        connect = " ".join(self.host_command("connect", "files"))
        return self.job("env", f"RSYNC_CONNECT_PROG=exec {connect}", *self.rsync, "-rt", "--inplace", "rsync://peer/files/", str(self.target))

    def kill_child(self, pid: int, name: str) -> bool:
        """Kill the programs with this name that a process or its children have started; return whether there was one."""
        killed = False
        with contextlib.suppress(FileNotFoundError, ProcessLookupError): # it ended
            for child in map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii").split()):
                if Path(f"/proc/{child}/comm").read_text("utf-8").strip() == name:
                    os.kill(child, signal.SIGKILL)
                    killed = True
                else:
                    killed |= self.kill_child(child, name)
        return killed

    def received(self) -> int:
        return int(self.run_in(self.target, "du -sk .").split()[0]) << 10

    def test_both_ends_are_killed(self) -> None:
        room = shutil.disk_usage(self.source).free >> 20
        self.assertGreater(room, 2 * MIB_OF_HOST, "MiB of room: set TMPDIR or IVSHMEM_RSYNC_MIB")
        chance = seeded(MIB_OF_HOST)
        self.run_in(self.source, growing(chance, MIB_OF_HOST))
        offer, ends = self.serve(), 0
        for _ in range(KILLS):
            fetching, before = self.fetch(), self.received()
            more = int(chance.uniform(0.1, 1.5) * (MIB_OF_HOST << 20) / KILLS)
            self.wait_for(lambda: fetching.ended or self.received() >= before + more, f"{more} bytes more", HOURS)
            if fetching.ended: # it had less to fetch
                break
            victim = chance.choice(("offer", "its rsync", "connect", "rsync"))
            if victim == "offer":
                offer.signal("KILL")
                offer.wait(PATIENCE)
            elif victim == "its rsync":
                self.wait_for(lambda: self.kill_child(offer.pid, "rsync") or fetching.ended, victim, PATIENCE)
            elif victim == "connect":
                self.wait_for(lambda: self.kill_child(fetching.pid, "ivshmemctl") or fetching.ended, victim, PATIENCE)
            else:
                fetching.signal("KILL")
            ended = fetching.wait(PATIENCE)
            print(f"     {self.received() >> 20} MiB: {victim} is killed: {ended.stdout.splitlines()[:1]}", flush=True)
            if ended.rc == 0: # it had fetched all just then
                self.assertGreaterEqual(self.received(), MIB_OF_HOST << 20)
            ends += ended.rc != 0
            if victim == "offer":
                offer = self.serve()
        self.assertGreater(ends, 0)
        self.fetch().wait(HOURS).check()
        self.assertEqual(self.run_in(self.source, SUM), self.run_in(self.target, SUM))
        self.assertFalse(offer.ended)
