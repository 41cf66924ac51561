# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""What lib/peer/ivshmem_peer.c becomes, to break one rule each: (rule, text, its replacement, ...)."""

# Without this, the peer would notice that its header is wrong, and leave.
BLIND = ("    return is_header_of(p, p->own, p->slot, &h) && h.version == VERSION;",
         "    return read_header(p, p->own, &h);")
# ... that its ring, or what it believes of it, is wrong.
BLIND_BLOCK = ("        load(c->mine, B_CURSOR) == c->cursor &&\n"
               "        (c->tail == c->seen ||\n"
               "         (load(c->mine, B_RING + (c->seen & (c->ring_size - 1))) & VALID) != 0))",
               "        load(c->mine, B_CURSOR) == c->cursor)")
HEADER = "    store(mine, H_PEER, p->config.id);\n"
RESET = ("    if (look(c->theirs, B_EPOCH) != c->ack) { /* then the flags may be of the next session */\n"
         "        c->state = IVSHMEM_PEER_CHANNEL_RESET;\n")

MUTATIONS = [
    ("H1", "#define VERSION 0x00010001U", "#define VERSION 0x00020001U"),
    ("H2", *BLIND, HEADER, HEADER + "store(mine, H_RING_SIZE, 1000);"),
    ("H2", *BLIND, HEADER, HEADER + "store(mine, H_SECTION, d->section << 12 | 8);"),
    ("H3", *BLIND, HEADER, HEADER + "store(mine, H_SLOT, p->slot ^ 1);"),
    ("H4", HEADER, "    store(mine, H_PEER, p->config.id + 40);\n"),
    ("H5", "if (c->ack == 0 || look(c->theirs, B_ACK)",
     "if (load(c->theirs, 0x1c) != 0 || c->ack == 0 || look(c->theirs, B_ACK)"),
    ("H6", "h->same_major = h->version >> 16 == VERSION >> 16;", "h->same_major = h->version == VERSION;"),
    ("H7", "        publish(c->mine, B_ACK, epoch);",
     "        publish(c->mine, B_ACK, epoch);\n"
     "        store((unsigned char*)header_of(c->peer, c->slot), 0x7f8, epoch);"),
    ("H8", "    p->phase = IVSHMEM_PEER_HELD;",
     "    p->phase = IVSHMEM_PEER_HELD;\n    store(page_of(p, d->offset), H_MAGIC, 0);"),
    ("D1", "store(entry, i, next_word(&rest));",
     "store(entry, i, next_word(&rest) | (i == 60 ? 0xff000000U : 0));",
     "if (load(entry, at) != next_word(&name))", "if (load(entry, at) != next_word(&name) && at < 60)"),
    ("D3", "load(theirs, B_SERVICE) != key ||", "load(theirs, B_SERVICE) == 0 ||"),
    ("D4", "c->accepted = key;", "c->accepted = key + 1;"),
    ("D5", "load(own_block(p, slot, lane), B_ACK) == epoch ||", ""),
    ("B1", "p->own + block_offset(p, p->slot, other, lane);",
     "p->own + block_offset(p, p->slot, other, p->division.lanes - 1 - lane);"),
    ("O1", "c->epoch = random_of(p);", "c->epoch = 7;",
     "    while (c->epoch == 0 || c->epoch == before || c->epoch == met)\n        ++c->epoch;\n", ""),
    ("O2", "    store(mine, B_RING, 0);\n", ""),
    ("O3", "    if (epoch != c->ack) {\n        c->ack = epoch;",
     "    if (epoch != c->ack && c->ack == 0) {\n        c->ack = epoch;"),
    ("O4", "if (c->ack == 0 || look(c->theirs, B_ACK) != c->epoch ||", "if (c->ack == 0 ||"),
    ("O5", "    if (c->finished || c->deaf)\n        return IVSHMEM_PEER_CLOSED;\n    if (size",
     "    if (c->finished || c->deaf)\n        return IVSHMEM_PEER_CLOSED;\n"
     "    c->peer_limit = load(c->theirs, B_LIMIT);\n    if (size"),
    ("O6", "    c->peer_limit = load(c->theirs, B_LIMIT);\n",
     "    if ((look(c->theirs, B_FLAGS) & DEAF) != 0)\n        return;\n    c->peer_limit = load(c->theirs, B_LIMIT);\n"),
    ("O7", RESET, "    if (look(c->theirs, B_EPOCH) != c->ack) {\n        c->ack = load(c->theirs, B_EPOCH);\n"
     "        publish(c->mine, B_ACK, c->ack);\n"),
    ("O8", "may_receive(c) && front(c)", "may_receive(c) && !c->peer_finished && front(c)"),
    ("O9", "    if (c->finished || c->deaf)\n        return IVSHMEM_PEER_CLOSED;\n    if (size",
     "    if (c->finished)\n        return IVSHMEM_PEER_CLOSED;\n    if (size"),
    ("O10", "            if (c->state == IVSHMEM_PEER_CHANNEL_CONNECTED)\n                return IVSHMEM_PEER_CLOSED;",
     "            if (c->remaining != 0)\n                poison(c, FAULT_TOTAL);\n"
     "            if (c->state == IVSHMEM_PEER_CHANNEL_CONNECTED)\n                return IVSHMEM_PEER_CLOSED;"),
    ("O11", "    publish(mine, B_EPOCH, c->epoch);\n    ring_holder(p, c->slot);",
     "    publish(mine, B_EPOCH, c->epoch);",
     "        if (epoch != 0)\n            ring_holder(c->peer, c->slot);", ""),
    ("O11", "if (look(theirs, H_INCARNATION) != 0 && (attention & RING_ME) != 0)",
     "if (look(theirs, H_INCARNATION) != 0)"),
    ("R1", "store(ring_base, at + 4, total);", "store(ring_base, at + 4, total + 1);"),
    ("R2", "IVSHMEM_PEER_COPY_OUT(ring_base + at + HEAD, data, length);",
     "IVSHMEM_PEER_COPY_OUT(ring_base + at + HEAD, data, length & ~7U);"),
    ("R3", "return c->ring_size / 2 - HEAD;", "return c->ring_size - 2 * HEAD;"),
    ("R4", "VALID | (uint32_t)PAD << 29 | (pad - HEAD)", "VALID | (uint32_t)PAD << 29 | (pad - HEAD) | 1U"),
    ("R5", "            pop(c);\n            c->have = 0;\n", "            pop(c);\n"),
    ("R6", "            if (get_behind(c))\n                continue;\n            return false;\n",
     "            if (look(c->theirs, B_RING + ((place + 16) & (ring - 1))) == 0)\n"
     "                return false;\n            c->position += 16;\n            continue;\n"),
    ("R7", "    store(ring_base, (at + record) & (size - 1), 0);\n", ""),
    ("R8", "(head & VALID) == 0 || size > ring - place",
     "(head & VALID) == 0 || size > ring / 2 || size > ring - place"),
    ("R9", "    if (c->position != c->cursor)\n        release(c);",
     "    if (c->position - c->cursor > c->ring_size / 8)\n        release(c);"),
    ("R12", "c->position - c->cursor >= c->ring_size / 8 &&",
     "c->position - c->cursor >= c->ring_size &&",
     "        settle(c);\n        if (p->config.polls)", "        if (p->config.polls)"),
    ("R10", *BLIND_BLOCK, "return c->ring_size - (c->tail - c->seen) >= c->needed;",
     "return c->needed != 0;"),
    ("R11", "    if (size > c->peer_limit)\n        return IVSHMEM_PEER_TOO_LARGE;\n    if (c->abandons)",
     "    if (c->abandons)"),
    ("S1", "c->asked = (uint16_t)(c->asked + 4);", "c->asked = 4;"),
    ("S2", "(wake & what) == 0 ||", "(wake & what) == 0 || (what == FOR_DATA && wake != 0) ||"),
    ("S3", "            (load(c->theirs, B_ATTENTION) & RING_ME) != 0 && c->peer->config.hooks.ring != NULL;",
     "            true;"),
    ("S4", "(wake & what) == 0 ||", "(wake & what) == 0 || (what == FOR_ROOM && wake != 0) ||"),
    ("S5", "    return time_left(p);\n}\n\nvoid ivshmem_peer_wait", "    return 60000;\n}\n\nvoid ivshmem_peer_wait"),
    ("S6", "c->sleeps && c->answered != 0 &&", "c->sleeps && false &&"),
    ("S7", "    if (p->config.hooks.ring != NULL)\n        p->config.hooks.ring(",
     "    if (vector > 255)\n        __builtin_trap();\n    if (p->config.hooks.ring != NULL)\n"
     "        p->config.hooks.ring("),
    ("L1", "++p->beat << 16", "1U << 16"),
    ("L1", "p->config.heartbeat != 0 ? p->incarnation : 0", "0"),
    ("L2", ">= SILENT_PERIODS * longer_period(p, heartbeat);", ">= 1U << 31;"),
    ("L3", "(c->gone || is_absent", "(is_absent"),
    ("F1", "(head & VALID) == 0 || size > ring - place", "size > ring - place"),
    ("F1", "(head & VALID) == 0 || size > ring - place", "(head & VALID) == 0"),
    ("F2", "    if (c->kind == PART ? c->length == 0 || c->length >= c->total : c->length != c->total)\n"
     "        return FAULT_TOTAL;\n", ""),
    ("F2", "    if (c->remaining != 0 && c->total != c->remaining)\n        return FAULT_TOTAL;\n", ""),
    ("F3", "return c->total > c->limit ? FAULT_LIMIT : 0;", "return 0;"),
    ("F4", "(place == 0 || size != ring - place)", "(place != 0 && size != ring - place)"),
    ("F4", "(place == 0 || size != ring - place)", "place == 0"),
    ("F4", "c->length == 0 && c->remaining != 0 ? 0 : FAULT_SEQUENCE", "c->length == 0 ? 0 : FAULT_SEQUENCE"),
    ("F4", "c->length == 0 && c->remaining != 0 ? 0 : FAULT_SEQUENCE", "c->remaining != 0 ? 0 : FAULT_SEQUENCE"),
    ("F5", *BLIND_BLOCK, "seen - c->seen > c->tail - c->seen || seen % 8 != 0", "seen - c->seen > c->tail - c->seen"),
    ("F5", *BLIND_BLOCK, "seen - c->seen > c->tail - c->seen || seen % 8 != 0", "seen % 8 != 0"),
    ("F6", "    c->fault = reason;\n",
     "    c->fault = reason;\n    for (channel* o = c->peer->channels; o != NULL; o = o->next)\n"
     "        o->state = IVSHMEM_PEER_CHANNEL_POISONED;\n"),
    ("F7", "    c->state = IVSHMEM_PEER_CHANNEL_POISONED;\n    c->fault = reason;\n", "    c->fault = reason;\n",
     "load(c->mine, B_FLAGS) == (c->finished ? FINISHED : 0) &&", ""),
    ("F8", RESET, "    if (look(c->theirs, B_EPOCH) != c->ack) {\n        c->state = IVSHMEM_PEER_CHANNEL_POISONED;\n"
     "        c->fault = FAULT_RECORD;\n        publish(c->mine, B_FLAGS, FINISHED | DEAF | FAULT_RECORD << 8);\n"),
    ("F9", "    if (c->state == IVSHMEM_PEER_CHANNEL_CLOSED)\n        return;\n    if (usable(c))\n        quit(c);",
     "    if (c->state == IVSHMEM_PEER_CHANNEL_CLOSED || c->state == IVSHMEM_PEER_CHANNEL_POISONED)\n        return;\n"
     "    if (usable(c))\n        quit(c);"),
    ("C1", "        publish(p->own, H_CLAIM, p->incarnation);\n}", "        return;\n}"),
    ("C2", "if (intact && load(p->own, H_CLAIM) == p->incarnation)", "if (false)"),
]
