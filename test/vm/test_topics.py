# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""Topics of one writer and seven readers, on the host and in guests: some read, one is frozen, one is killed, one comes
late, and one is hostile."""

from __future__ import annotations

from typing import ClassVar

from channel_support import fact
from device_support import POKER
from lab import Doorbell, Guest, Server, booted, build_folder
from lab.runner import long
from state_support import StatesCase
from support import PATIENCE, Party, errc
from topic_support import TOPIC_PEER, TopicCase

COUNT = 8192
"""The messages of a topic whose ring has 1024: the writer is at most 512 before the slowest reader that it waits
for. So what is read does not depend on the speed of guests."""
MANY = 60_000
"""The messages of a writer that waits for nobody."""


class Topics(TopicCase):
    """Slot 0 writes. Five readers are on the host, and one in each of two guests."""

    PEER_OPTIONS = "-g 8,1,1024"
    server: ClassVar[Server]
    left: ClassVar[Guest]
    right: ClassVar[Guest]

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.server = cls.enterClassContext(Server(cls.work, vectors=1, size="16M"))
        devices = [Doorbell(cls.server.socket, 1)]
        cls.left, cls.right = cls.enterClassContext(
            booted(*(Guest(cls.work, name, devices=devices, programs=[TOPIC_PEER]) for name in ("left", "right")))
        )
        for guest in (cls.left, cls.right):
            guest.bind(guest.address(), "vfio-pci")

    @property
    def host(self) -> Party:
        return Party(None, f"server:{self.server.socket}")

    @staticmethod
    def party(guest: Guest) -> Party:
        return Party(guest, guest.address())

    def play(self, writer_at: Party, late_at: Party, count: int, pacers: str) -> list[int]:
        """Write a topic to seven readers; return how many messages the two that always run skipped."""
        host = self.host
        honest = [self.read(host, 1, "plant"), self.read(self.party(self.right), 2, "plant")]
        frozen = self.read(host, 3, "plant", "stop")
        killed = self.read(host, 4, "plant")
        hostile = self.topic_peer(host, "scribble", 5)
        hostile.wait_output("scribbling\n")
        paced = bool(pacers)
        # Without a pace of its own, the writer still waits for those that read its first message.
        writer = self.write(writer_at, 0, "plant", count, pacers or "-", 10, count // 2)
        for reader in (frozen, killed, *honest):
            reader.wait_output("began\n", PATIENCE)
        self.go_on(writer, 10)
        writer.wait_output(f"before: {count // 2}\n", PATIENCE)
        killed.signal("KILL")
        self.assertEqual(killed.wait().rc, -9)
        late = [self.read(late_at, 6, "plant"), self.read(host, 7, "plant")]
        self.go_on(writer, count // 2)
        printed = writer.wait_output("seconds: ", PATIENCE)
        # What an ended topic leaves is there.
        frozen.signal("CONT")
        skipped = [self.assertExact(reader, count, skips=False if paced else None) for reader in honest]
        self.assertExact(frozen, count, skips=True)
        for reader in late:
            self.assertExact(reader, count, from_first=False)
        hostile.signal("TERM")
        hostile.wait(PATIENCE).check()
        writer.signal("USR1")
        printed = writer.wait(PATIENCE).check().stdout
        rate = count / float(fact(printed, "seconds"))
        print(f"     {rate:.0f} messages a second; the two readers that ran skipped {skipped}")
        return skipped

    def test_readers_that_keep_up_skip_nothing(self) -> None:
        self.assertEqual(self.play(self.host, self.party(self.left), COUNT, "1,2"), [0, 0])

    def test_counts_of_a_writer_that_overtakes_everybody_are_exact(self) -> None:
        self.play(self.host, self.party(self.left), MANY, "")

    @long("test_readers_that_keep_up_skip_nothing shows the same on the host")
    def test_writer_in_a_guest(self) -> None:
        self.assertEqual(self.play(self.party(self.left), self.host, COUNT, "1,2"), [0, 0])

    def test_peer_that_writes_into_another_section_ends_at_most_the_topics_there(self) -> None:
        """A device of version 1 protects no section: a foreign topic may end, with its error, and no other one does."""
        host = self.host
        victims = [self.read(self.party(self.left), 1, "foreign"), self.read(host, 2, "foreign")]
        honest = [self.read(self.party(self.right), 3, "plant"), self.read(host, 4, "plant")]
        foreign = self.write(host, 5, "foreign", 1 << 30, "-")
        for reader in victims:
            reader.wait_output("began\n", PATIENCE)
        hostile = self.topic_peer(host, "scribble", 6, 5)
        hostile.wait_output("scribbling\n")
        writer = self.write(host, 0, "plant", COUNT, "3,4")
        writer.wait_output("seconds: ", PATIENCE)
        for reader in honest:
            self.assertExact(reader, COUNT, skips=False)
        for reader in victims:
            printed = reader.wait(PATIENCE).check().stdout
            ends = [errc(name) for name in ("topic_closed", "topic_poisoned", "peer_lost")]
            self.assertIn(int(fact(printed, "end")), ends, printed)


@long("an emulated guest draws a few frames of this size a second")
class Frames(TopicCase):
    """The example frames, between two guests, in the size of its manual."""

    def test_frames_between_guests(self) -> None:
        frames = build_folder() / "examples/frames"
        server = self.enterContext(Server(self.work, vectors=1, size="512M"))
        guests = [
            Guest(self.work, name, devices=[Doorbell(server.socket, 1)], programs=[frames], memory=512)
            for name in ("sends", "receives")
        ]
        sends, receives = self.enterContext(booted(*guests))
        for guest in guests:
            guest.bind(guest.address(), "vfio-pci")
        sending = sends.spawn(f"exec frames {sends.address()} send")
        sending.wait_output("sending 3840x2160\n", PATIENCE)
        result = receives.spawn(f"exec frames {receives.address()} receive /tmp/frame.png 20").wait(PATIENCE).check()
        *_, rate, picture = result.stdout.splitlines()
        self.assertRegex(picture, r"^/tmp/frame.png: frame \d+$")
        print(f"     {rate}")
        sending.signal("TERM")
        sending.wait(PATIENCE).check()


@long("it boots three guests, and each load of a foreign section is an exchange with the model")
class TopicsProtected(TopicCase, StatesCase):
    """On ivshmem-v2, the device protects the section of the writer."""

    PEER_OPTIONS = "-b 16384 -m 128"
    OPTIONS = ("--protect",)
    GUESTS = 3
    OUTPUT = 256 << 10
    PROGRAMS = (TOPIC_PEER, POKER)
    COUNT = 320

    def test_1_two_readers(self) -> None:
        readers = [self.read(self.party(peer), peer, "plant") for peer in (1, 2)]
        writer = self.write(self.party(0), 0, "plant", self.COUNT, "1,2")
        writer.wait_output("seconds: ", PATIENCE)
        for reader in readers:
            self.assertExact(reader, self.COUNT, skips=False)

    def test_2_stores_of_a_reader_do_not_arrive(self) -> None:
        reader = self.read(self.party(1), 1, "again")
        guest = self.guests[2]
        guest.unbind(guest.address())
        guest.run(f"echo 1 >/sys/bus/pci/devices/{guest.address()}/enable")
        poking = guest.spawn(
            f"{POKER.name} {guest.address()} 1 {1 << 30} memory {self.output_section(0)} {self.OUTPUT}"
        )
        writer = self.write(self.party(0), 0, "again", self.COUNT, "1")
        writer.wait_output("seconds: ", PATIENCE)
        self.assertExact(reader, self.COUNT, skips=False)
        self.assertFalse(poking.ended)
        poking.signal("KILL")
        poking.wait()
