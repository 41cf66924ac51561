# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""Programs that use topics, in guests and on the host."""

from __future__ import annotations

from channel_support import AnyJob, ChannelCase, fact, start
from lab import build_folder
from support import PATIENCE, Party, errc

TOPIC_PEER = build_folder() / "test/vm/guest/topic-peer"


class TopicCase(ChannelCase):
    """Tests of topics."""

    PEER_OPTIONS: str = ""
    """Of each topic-peer."""

    def topic_peer(self, party: Party, command: str, *words: object) -> AnyJob:
        """Start a topic-peer that ends with the test at the latest."""
        return self.peer(party, command, *words, options=self.PEER_OPTIONS, program=TOPIC_PEER)

    def write(self, party: Party, slot: int, topic: str, count: int, pacers: str, *pauses: int) -> AnyJob:
        job = self.topic_peer(party, "write", slot, topic, count, pacers, *pauses)
        job.wait_output("writing\n", PATIENCE)
        return job

    def read(self, party: Party, slot: int, topic: str, *options: str) -> AnyJob:
        job = self.topic_peer(party, "read", slot, topic, *options)
        job.wait_output("reading\n", PATIENCE)
        return job

    def go_on(self, writer: AnyJob, before: int) -> None:
        """End the pause of a writer before a message."""
        writer.wait_output(f"before: {before}\n", PATIENCE)
        writer.signal("USR1")

    def assertExact(self, reader: AnyJob, count: int, *, skips: bool | None = None, from_first: bool = True) -> int:
        """Assert that a reader has ended with the topic, that each message was whole, and that the numbers of those
        read and skipped add up to the last number of the topic; return how many it skipped."""
        printed = reader.wait(PATIENCE).check().stdout
        self.assertEqual(int(fact(printed, "end")), errc("topic_closed"), printed)
        self.assertEqual((fact(printed, "bytes"), fact(printed, "counts")), ("whole", "exact"), printed)
        first, read, skipped = (int(fact(printed, name)) for name in ("first", "read", "skipped"))
        self.assertEqual(first - 1 + read + skipped, count, printed)
        self.assertEqual(int(fact(printed, "last")), count, printed)
        self.assertEqual(first == 1, from_first, printed)
        self.assertGreater(read, 0, printed)
        if skips is not None:
            self.assertEqual(skipped > 0, skips, printed)
        return skipped
