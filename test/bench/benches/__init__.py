# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""The benchmarks, by the names that test/bench/run takes."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from comparison import Comparison

from .c_api import both_languages, topics_in_both_languages
from .c_peer import both_kinds
from .channel_aarch64 import with_aarch64
from .channel_guests import between_guests as channels_between_guests
from .channel_scale import scale
from .device_model import channels, doorbells, mapped_memory, sockets, states
from .doorbell import between_guests, between_processes
from .forward import forwarded
from .frames import without_copies
from .gateway import joined
from .ivshmemctl_ping import pinging
from .ivshmemctl_setup import setup
from .lsivshmem import listing
from .memory import bandwidth
from .messages import messages
from .python import play, play_topics
from .queued import queued
from .ring import ring
from .server_join import joins
from .server_load import load
from .share import shared
from .topics import topics
from .topics_guests import topics_between_guests

BENCHES: dict[str, Callable[..., Iterable[Comparison]]] = {
    "doorbell-guests": between_guests,
    "doorbell-host": between_processes,
    "ring": ring,
    "share": shared,
    "forward": forwarded,
    "memory": bandwidth,
    "frames": without_copies,
    "topics": topics,
    "topics-guests": topics_between_guests,
    "topics-c-api": topics_in_both_languages,
    "topics-python": play_topics,
    "gateway": joined,
    "messages": messages,
    "channel-guests": channels_between_guests,
    "channel-aarch64": with_aarch64,
    "channel-c-api": both_languages,
    "channel-c-peer": both_kinds,
    "channel-scale": scale,
    "channel-queued": queued,
    "python": play,
    "server-join": joins,
    "server-load": load,
    "ivshmemctl-ping": pinging,
    "lsivshmem": listing,
    "ivshmemctl-setup": setup,
    "model-doorbell": doorbells,
    "model-memory": mapped_memory,
    "model-channel": channels,
    "model-state": states,
    "model-join": sockets,
}
