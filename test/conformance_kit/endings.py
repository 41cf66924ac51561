# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""Mutations as in mutations.py, of rules that end the peer: they are caught with --restarts."""

ENDINGS = [
    ("C3", "p->claim_end = now + (p->config.claim_time != 0 ? p->config.claim_time : CLAIM_TIME);", ""),
    ("C3", "    if (look(p->own, H_CLAIM) != p->incarnation) {\n        if (p->config.slot !=",
     "    if (p == NULL) {\n        if (p->config.slot !="),
    ("C3", "            ring_holder(p, p->slot);\n        }\n        return p->step;", "        }\n        return p->step;",
     "        ring_holder(p, p->slot); /* again: a ring may be lost */\n", ""),
    ("C3", "            store(block, B_EPOCH, 0);\n            store(block, B_ACK, 0);",
     "            store(block, B_EPOCH, 0);"),
    ("C3", "        store(mine, H_DIRECTORY + i * ENTRY, 0);", "        ;"),
    ("C4", "            end(p, IVSHMEM_PEER_SLOT_LOST);\n            return false;", "            return true;"),
    ("C4", "            end(p, IVSHMEM_PEER_SLOT_LOST);\n            return false;",
     "            publish(p->own, H_INCARNATION, p->incarnation);\n            return true;"),
    ("C5", "    return is_header_of(p, p->own, p->slot, &h) && h.version == VERSION;",
     "    return read_header(p, p->own, &h);"),
    ("C5", "p->services[i].key || !has_name(entry, name)", "p->services[i].key"),
    ("C5", "load(c->mine, B_EPOCH) == c->epoch && load(c->mine, B_ACK)", "load(c->mine, B_ACK)"),
    ("C5", "load(c->mine, B_EPOCH) == c->epoch && load(c->mine, B_ACK) == c->ack &&",
     "load(c->mine, B_EPOCH) == c->epoch &&"),
    ("C5", "        load(c->mine, B_FLAGS) == (c->finished ? FINISHED : 0) &&\n", ""),
    ("C5", "        load(c->mine, B_CURSOR) == c->cursor &&\n", ""),
    ("C6", "            ivshmem_peer_close(p->channels);", "            p->channels = p->channels->next;"),
    ("C6", "        publish(p->own, H_CLAIM, 0);\n        ring_everyone(p);", "        ring_everyone(p);"),
    ("D2", "p->next_key = random_of(p);", "p->next_key = 7;"),
    ("T2", "        store(p->own, bytes(a.rows) + i, 0);", "        ;"),
    ("T2", "        publish(p->own, bytes(a.table + i * ENTRY_GRAINS) + T_KEY, 0);\n    for", "        ;\n    for"),
    ("C7", "                 : h->beyond    ? IVSHMEM_PEER_TOO_SMALL\n"
     "                                : IVSHMEM_PEER_MISMATCH;",
     "                 : h->beyond    ? IVSHMEM_PEER_TOO_SMALL\n"
     "                                : IVSHMEM_PEER_OK;"),
    ("C8", "h->same_major = h->version >> 16 == VERSION >> 16;", "h->same_major = h->version != 0;"),
    ("C9", "(h->incarnation == 0 && !h->beyond)", "(h->incarnation == 0)"),
    ("C10", "p->slot >= d->slots ? IVSHMEM_PEER_NO_SLOT", "p == NULL ? IVSHMEM_PEER_NO_SLOT",
     "        if (p->slot >= p->division.slots)\n            return end(p, IVSHMEM_PEER_NO_SLOT);\n", ""),
]
