/* SPDX-License-Identifier: BSL-1.0 */
/* SPDX-FileCopyrightText: The libivshmem authors */

/* The names of sections below ("Claiming a slot") are those of channel-layout.md, which this file
   follows; the comments say only what the page leaves open. */

#include "ivshmem_peer_private.h"

/* "The header". */
enum {
    PAGE = 4096,
    H_MAGIC = 0x000,
    H_VERSION = 0x004,
    H_SLOTS = 0x008,
    H_LANES = 0x00c,
    H_RING_SIZE = 0x010,
    H_SLOT = 0x014,
    H_SECTION = 0x018,
    H_OFFSET = 0x020,
    H_SIZE = 0x028,
    H_INCARNATION = 0x040,
    H_CLAIM = 0x044,
    H_PEER = 0x048,
    H_ATTENTION = 0x04c,
    H_HEARTBEAT = 0x050,
    H_BEATING = 0x054,
    H_DIRECTORY = 0x800,
    ENTRIES = 32,
    ENTRY = 64,
    NAME = 60
};
#define MAGIC 0x43535649U
#if IVSHMEM_PEER_TOPICS
#define VERSION 0x00010002U
#else
#define VERSION 0x00010001U
#endif
#define RING_ME 0x80000000U

/* "A block". */
enum {
    B_EPOCH = 0x000,
    B_ACK = 0x004,
    B_FLAGS = 0x008,
    B_ATTENTION = 0x00c,
    B_LIMIT = 0x010,
    B_SERVICE = 0x014,
    B_ACCEPTED = 0x018,
    B_WAKE = 0x040,
    B_ROOM = 0x044,
    B_CURSOR = 0x080,
    B_RING = 0x100
};
#define FINISHED 1U
#define DEAF 2U
#define FOR_DATA 1U
#define FOR_ROOM 2U

/* "A ring". */
enum { HEAD = 8, LAST = 0, PART = 1, PAD = 2, ABANDON = 3 };
#define VALID 0x80000000U
#define LENGTH 0x1fffffffU

/* "Faults". */
enum { FAULT_RECORD = 1, FAULT_TOTAL, FAULT_LIMIT, FAULT_SEQUENCE, FAULT_CURSOR };

/* Milliseconds. */
#define FREE_TIME 20U
#define CLAIM_TIME 250U
#define POLLING 100U
#define RUNG 1000U

#define LINE 64U
#define AHEAD 768U
#define STREAM 4U /* as many records one after the other are a stream */
#define RECORDS_A_CALL 32U
#define SILENT_PERIODS 4U
#define STATE_OF_HOLDER 1U /* on ivshmem-v2 */
#define NO_PAGE 0xffffffffU
#define MOST_PAGES 0x7fffffffU /* 8 TiB: no memory has so many, and sums of two do not overflow */

typedef struct ivshmem_peer peer;
typedef struct ivshmem_peer_channel channel;
typedef struct ivshmem_peer_division division;
typedef enum ivshmem_peer_result result;

static uint32_t now_of(const peer* p) {
    return p->config.hooks.now(p->config.context);
}

static uint32_t random_of(const peer* p) {
    const uint32_t n = p->config.hooks.random(p->config.context);
    return n != 0 ? n : 1;
}

static bool is_v2(const peer* p) {
    return IVSHMEM_PEER_V2 && p->config.own_section != NULL;
}

static NOINLINE void clear(void* from, size_t bytes) {
    unsigned char* at = (unsigned char*)from;
    while (bytes-- != 0)
        *at++ = 0;
}

static uint32_t least(uint32_t a, uint32_t b) {
    return a < b ? a : b;
}
static uint32_t most(uint32_t a, uint32_t b) {
    return a > b ? a : b;
}

/* ---- The region ---- */

static bool is_valid(const division* d) {
    return d->slots >= 2 && d->slots <= 256 && d->lanes >= 1 && d->lanes <= 1024 &&
           d->ring_size >= 1024 && d->ring_size <= 0x10000000U &&
           (d->ring_size & (d->ring_size - 1)) == 0;
}

/* The pages that a section must have. */
static uint32_t needed(const division* d) {
    const uint64_t bytes = (uint64_t)((d->slots - 1) * d->lanes) * (B_RING + d->ring_size);
    const uint64_t pages = (bytes + 2 * PAGE - 1) / PAGE;
    return pages < MOST_PAGES ? (uint32_t)pages : MOST_PAGES;
}

/* Whether the numbers are in their ranges and fit each other. */
static bool is_consistent(const division* d) {
    return is_valid(d) && d->size < MOST_PAGES && d->offset < MOST_PAGES &&
           d->section == d->size / d->slots && needed(d) <= d->section;
}

static bool same_division(const division* a, const division* b) {
    const unsigned char *x = (const unsigned char*)a, *y = (const unsigned char*)b;
    size_t i;
    for (i = 0; i < sizeof *a; ++i) /* it has no padding */
        if (x[i] != y[i])
            return false;
    return true;
}

static uint32_t memory_pages(const peer* p) {
    return (uint32_t)(p->config.memory_size / PAGE);
}

static bool fits_memory(const peer* p, const division* d) {
    return d->offset <= memory_pages(p) && d->size <= memory_pages(p) - d->offset;
}

static bool overlap(const division* a, const division* b) {
    return a->offset < b->offset + b->size && b->offset < a->offset + a->size;
}

static unsigned char* page_of(const peer* p, uint32_t page) {
    return (unsigned char*)p->config.memory + (size_t)page * PAGE;
}

static const unsigned char* header_of(const peer* p, uint32_t slot) {
    if (is_v2(p) && slot == p->slot)
        return p->own;
    if (is_v2(p) && p->config.hooks.section != NULL)
        return (const unsigned char*)p->config.hooks.section(p->config.context, slot);
    return page_of(p, p->division.offset + p->division.section * slot);
}

static size_t block_offset(const peer* p, uint32_t owner, uint32_t other, uint32_t lane) {
    const size_t number = (size_t)(other < owner ? other : other - 1) * p->division.lanes + lane;
    return PAGE + number * (B_RING + (size_t)p->division.ring_size);
}

static unsigned char* own_block(const peer* p, uint32_t other, uint32_t lane) {
    return p->own + block_offset(p, p->slot, other, lane);
}

static const unsigned char* their_block(const peer* p, uint32_t other, uint32_t lane) {
    return header_of(p, other) + block_offset(p, other, p->slot, lane);
}

static uint16_t id_of(const peer* p, uint32_t slot) {
    return (uint16_t)(is_v2(p) ? slot : load(header_of(p, slot), H_PEER));
}

static bool is_known_gone(const peer* p, uint32_t id) {
    unsigned i;
    id &= 0xffffU;
    for (i = 0; i < IVSHMEM_PEER_GONE; ++i)
        if (p->gone[i] == id + 1)
            return true;
    return false;
}

static bool is_absent(const peer* p, uint32_t slot) {
    return is_v2(p) && p->config.hooks.state(p->config.context, slot) == 0;
}

static void ring(const peer* p, uint16_t id, uint16_t vector) {
    IVSHMEM_PEER_FENCE(); /* memory before the doorbell */
    if (p->config.hooks.ring != NULL)
        p->config.hooks.ring(p->config.context, id, vector);
}

static void ring_holder(const peer* p, uint32_t slot) {
    const unsigned char* theirs = header_of(p, slot);
    const uint32_t attention = load(theirs, H_ATTENTION);
    if (look(theirs, H_INCARNATION) != 0 && (attention & RING_ME) != 0)
        ring(p, id_of(p, slot), (uint16_t)attention);
}

static void ring_everyone(const peer* p) {
    uint32_t slot;
    for (slot = 0; slot < p->division.slots; ++slot)
        if (slot != p->slot)
            ring_holder(p, slot);
}

/* ---- "The first header" ---- */

struct header {
    bool same_major, beyond;
    const unsigned char* at;
    uint32_t version, slot, incarnation;
    division d;
};

/* Two words that count bytes. @return The pages, or NO_PAGE if that is not a number of them. */
static uint32_t load_pages(const unsigned char* at, size_t offset) {
    const uint32_t low = load(at, offset), high = load(at, offset + 4);
    return low % PAGE == 0 && high < PAGE ? high << 20 | low / PAGE : NO_PAGE;
}

/* The words of a header, unchecked. @return Whether magic is right. */
static bool read_header(const peer* p, const unsigned char* at, struct header* h) {
    const uint32_t magic = load(at, H_MAGIC);
    h->at = at;
    h->incarnation = look(at, H_INCARNATION);
    h->version = load(at, H_VERSION);
    h->same_major = h->version >> 16 == VERSION >> 16;
    h->slot = load(at, H_SLOT);
    h->d.slots = load(at, H_SLOTS);
    h->d.lanes = load(at, H_LANES);
    h->d.ring_size = load(at, H_RING_SIZE);
    h->d.section = load_pages(at, H_SECTION);
    h->d.offset = 0;
    h->d.size = memory_pages(p);
    if (h->same_major && (h->version & 0xffffU) >= 1) { /* 1.0 had no words for the region */
        h->d.offset = load_pages(at, H_OFFSET);
        h->d.size = load_pages(at, H_SIZE);
    }
    h->beyond = !fits_memory(p, &h->d);
    return magic == MAGIC;
}

/* Reads the header at a page. @return Whether its own words put it there. */
static bool header_at(const peer* p, uint32_t page, struct header* h) {
    if (page >= memory_pages(p) || !read_header(p, page_of(p, page), h))
        return false;
    if (!h->same_major) {
        h->beyond = false;
        return h->d.section != 0 && h->d.section <= memory_pages(p) &&
               (uint64_t)h->d.section * h->slot == page;
    }
    return is_consistent(&h->d) && h->slot < h->d.slots &&
           h->d.offset + h->d.section * h->slot == page;
}

/* Reads the header at `at`. @return Whether it is that of a slot of this division. */
static bool is_header_of(const peer* p, const unsigned char* at, uint32_t slot, struct header* h) {
    return read_header(p, at, h) && h->same_major && h->slot == slot &&
           same_division(&h->d, &p->division);
}

static bool holder_insists(const peer* p, const struct header* h) {
    return !is_known_gone(p, load(h->at, H_PEER));
}

/* One look at all headers. */
struct search {
    peer* p;
    bool adopt;
    bool clears; /* takes the magic from first headers that nobody uses, instead of comparing */
    result why;
    division wanted; /* as p->division was at the beginning */
};

static void meet(struct search* s, const struct header* h) {
    const struct ivshmem_peer_config* c = &s->p->config;
    bool adoptable;
    if (s->clears) {
        if (h->same_major && h->slot == 0 && h->d.offset < s->wanted.offset &&
            s->wanted.offset - h->d.offset < h->d.size)
            publish(page_of(s->p, h->d.offset), H_MAGIC, 0);
        return;
    }
    if (s->why != IVSHMEM_PEER_OK || (h->incarnation == 0 && !h->beyond))
        return;
    if (h->same_major && same_division(&h->d, &s->p->division)) {
        s->adopt = false;
        return;
    }
    adoptable =
        s->adopt && h->same_major && !h->beyond &&
        (c->region_size == 0 || (h->d.offset == s->wanted.offset && h->d.size == s->wanted.size)) &&
        (c->slots == 0 ||
         (h->d.slots == c->slots && h->d.lanes == c->lanes && h->d.ring_size == c->ring_size));
    if (h->same_major && !adoptable && !overlap(&h->d, &s->p->division))
        return;
    if (!h->beyond && !holder_insists(s->p, h))
        return;
    if (adoptable) {
        s->p->division = h->d;
        s->adopt = false;
    } else {
        s->why = !h->same_major ? IVSHMEM_PEER_VERSION
                 : h->beyond    ? IVSHMEM_PEER_TOO_SMALL
                                : IVSHMEM_PEER_MISMATCH;
    }
}

/* The next page, from `from` on, at which a region may start. */
static uint32_t next_start(const struct search* s, uint32_t from) {
    const uint32_t all = memory_pages(s->p);
    uint32_t next = s->wanted.offset >= from ? s->wanted.offset : NO_PAGE, part, page;
    if (from == 0)
        return 0;
    for (page = 1; page < all; page *= 2)
        if (page >= from)
            next = least(next, page);
    for (part = 1; part < 16; ++part) {
        page = all / 16 * part + all % 16 * part / 16;
        if (page >= from)
            next = least(next, page);
    }
    return next;
}

/* ... the next at which `slots` sections of a region have a header. */
static uint32_t next_section(uint32_t from, uint32_t first, uint32_t pages, uint32_t slots) {
    const division smallest = {first, pages, pages / slots, slots, 1, 1024};
    uint32_t number;
    if (!is_consistent(&smallest))
        return NO_PAGE;
    number = from <= first ? 0 : (from - first + smallest.section - 1) / smallest.section;
    return number < slots ? first + number * smallest.section : NO_PAGE;
}

/* ... at which a header may be in a region whose start says nothing. */
static uint32_t next_place(const struct search* s, uint32_t from) {
    const division* own = &s->wanted;
    uint32_t next = next_section(from, own->offset, own->size, own->slots), slots;
    for (slots = 2; slots <= 256; slots = slots < 64 ? slots + 1 : slots * 2) {
        next = least(next, next_section(from, 0, memory_pages(s->p), slots));
        if (own->size != memory_pages(s->p))
            next = least(next, next_section(from, own->offset, own->size, slots));
    }
    return next;
}

/* Meets all headers, in the order of their offsets. */
static void meet_all(struct search* s) {
    uint32_t regions_end = 0, sections_end = 0; /* all before that is known, or is data */
    uint32_t start = next_start(s, 0), place = next_place(s, 0);
    struct header h;
    while (start != NO_PAGE || place != NO_PAGE) {
        if (start <= place) {
            if (start >= regions_end && header_at(s->p, start, &h) && h.same_major && h.slot == 0) {
                const division d = h.d;
                uint32_t slot;
                meet(s, &h);
                regions_end = d.offset + d.size;
                for (slot = 1; slot < d.slots; ++slot)
                    if (header_at(s->p, d.offset + d.section * slot, &h))
                        meet(s, &h);
            }
            start = next_start(s, start + 1);
        } else {
            const uint32_t end = most(regions_end, sections_end);
            if (place >= end && header_at(s->p, place, &h) && !h.beyond) {
                meet(s, &h);
                if (h.incarnation != 0)
                    sections_end = place + h.d.section;
            }
            place = next_place(s, most(place + 1, end));
        }
    }
}

/* ... of the peers of an ivshmem-v2 device. */
static NOINLINE void meet_all_v2(struct search* s) {
    const peer* p = s->p;
    uint32_t id;
    for (id = 0; id < s->wanted.slots; ++id) {
        struct header h;
        if (id == p->slot || is_absent(p, id) || !read_header(p, header_of(p, id), &h))
            continue;
        if (h.same_major && (h.slot != id || h.d.offset != 0 || h.d.size != s->wanted.size ||
                             h.d.section != s->wanted.section || h.d.slots != s->wanted.slots))
            continue; /* no header of this device */
        s->adopt = s->adopt && is_consistent(&h.d);
        meet(s, &h);
    }
}

/* Compares the headers with p->division, or adopts theirs. */
static result compare_headers(peer* p, bool adopt) {
    struct search s = {p, adopt, false, IVSHMEM_PEER_OK, p->division};
    if (is_v2(p))
        meet_all_v2(&s);
    else
        meet_all(&s);
    return s.why;
}

/* Where the region is. @return Its slots, or 0: the configuration is not valid. */
static uint32_t place_region(peer* p) {
    const struct ivshmem_peer_config* c = &p->config;
    division* d = &p->division;
    if (is_v2(p)) {
        const uint32_t slots = least(c->max_peers, 256);
        d->size = (uint32_t)(c->section_size / PAGE) * slots;
        return c->region_size == 0 && c->section_size % PAGE == 0 && slots >= 2 &&
                       c->section_size / PAGE <= memory_pages(p) / slots &&
                       c->hooks.state != NULL && c->hooks.set_state != NULL &&
                       (c->slots == 0 || c->slots == slots)
                   ? slots
                   : 0;
    }
    d->offset = (uint32_t)(c->region_offset / PAGE);
    d->size = c->region_size != 0 ? (uint32_t)(c->region_size / PAGE) : memory_pages(p);
    if (c->region_offset % PAGE != 0 || c->region_size % PAGE != 0 || !fits_memory(p, d))
        return 0;
    return c->slots != 0 ? c->slots : 4;
}

static result choose_division(peer* p) {
    const struct ivshmem_peer_config* c = &p->config;
    division* d = &p->division;
    result why;
    d->slots = place_region(p);
    if (d->slots == 0)
        return IVSHMEM_PEER_INVALID;
    d->section = d->size / d->slots;
    /* The geometry of peers that were told none. */
    d->lanes = 4;
    d->ring_size = 1U << 20;
    while (d->ring_size > 1024 && needed(d) > (d->size - d->size / 8) / d->slots)
        d->ring_size /= 2;
    if (c->slots != 0) {
        d->lanes = c->lanes;
        d->ring_size = c->ring_size;
        if (!is_valid(d))
            return IVSHMEM_PEER_INVALID;
        if (needed(d) > d->section)
            return IVSHMEM_PEER_TOO_SMALL;
    }
    why = compare_headers(p, c->slots == 0 || c->region_size == 0);
    if (why == IVSHMEM_PEER_OK && needed(d) > d->section)
        why = IVSHMEM_PEER_TOO_SMALL;
    return why == IVSHMEM_PEER_OK && p->slot >= d->slots ? IVSHMEM_PEER_NO_SLOT : why;
}

static void store_pages(unsigned char* to, size_t offset, uint32_t pages) {
    store(to, offset, pages << 12);
    store(to, offset + 4, pages >> 20);
}

static void write_fixed_words(const division* d, unsigned char* to, uint32_t slot) {
    store(to, H_VERSION, VERSION);
    store(to, H_SLOTS, d->slots);
    store(to, H_LANES, d->lanes);
    store(to, H_RING_SIZE, d->ring_size);
    store(to, H_SLOT, slot);
    store_pages(to, H_SECTION, d->section);
    store_pages(to, H_OFFSET, d->offset);
    store_pages(to, H_SIZE, d->size);
    publish(to, H_MAGIC, MAGIC);
}

/* Writes the first header, if it differs and no peer holds slot 0. */
static NOINLINE void announce(peer* p) {
    struct search clearing = {p, false, true, IVSHMEM_PEER_OK, p->division};
    unsigned char* first = page_of(p, p->division.offset);
    struct header h;
    meet_all(&clearing);
    if (header_at(p, p->division.offset, &h) && h.same_major && !h.beyond) {
        if (h.slot == 0 &&
            (same_division(&h.d, &p->division) || (h.incarnation != 0 && holder_insists(p, &h))))
            return; /* if it came in the meantime, confirm() fails */
        p->displaced = h.d;
    }
    store(first, H_MAGIC, 0);
    store(first, H_INCARNATION, 0);
    IVSHMEM_PEER_FENCE();
    write_fixed_words(&p->division, first, 0);
}

/* Whether the header at a page is one of another geometry of this memory. */
static bool contradicts(const peer* p, uint32_t page, bool also_free) {
    struct header h;
    return header_at(p, page, &h) && h.same_major && !h.beyond &&
           !same_division(&h.d, &p->division) &&
           (also_free || (h.incarnation != 0 && holder_insists(p, &h)));
}

/* Looks for a peer of another geometry that has come since the claim began. */
static result confirm(peer* p) {
    const result why = compare_headers(p, false);
    uint32_t slot;
    if (why != IVSHMEM_PEER_OK || is_v2(p))
        return why;
    if (contradicts(p, p->division.offset, true))
        return IVSHMEM_PEER_MISMATCH;
    for (slot = 0; slot < p->displaced.slots; ++slot)
        if (contradicts(p, p->displaced.offset + p->displaced.section * slot, false))
            return IVSHMEM_PEER_MISMATCH;
    return IVSHMEM_PEER_OK;
}

/* ---- "Claiming a slot" ---- */

static uint32_t end(peer* p, result why) {
    channel* c;
    for (c = p->channels; c != NULL; c = c->next)
        c->state = IVSHMEM_PEER_CHANNEL_CLOSED;
    p->channels = NULL;
#if IVSHMEM_PEER_TOPICS
    ivshmem_peer_topics_end(p, false);
#endif
    p->phase = IVSHMEM_PEER_ENDED;
    p->why = why;
    return RUNG;
}

static NOINLINE void write_beat(peer* p) {
    publish(p->own, H_HEARTBEAT,
            p->config.heartbeat != 0 ? ++p->beat << 16 | p->config.heartbeat : 0);
}

static void keep_claim(peer* p) {
    if (load(p->own, H_CLAIM) != p->incarnation)
        publish(p->own, H_CLAIM, p->incarnation);
}

static void move_in(peer* p) {
    const division* d = &p->division;
    unsigned char* mine = p->own;
    uint32_t other, lane, now;
    unsigned i;
    store(mine, H_INCARNATION, 0);
    IVSHMEM_PEER_FENCE();
    for (i = 0; i < ENTRIES; ++i)
        store(mine, H_DIRECTORY + i * ENTRY, 0);
    for (other = 0; other < d->slots; ++other) {
        keep_claim(p); /* clearing may take longer than another waits */
        for (lane = 0; other != p->slot && lane < d->lanes; ++lane) {
            unsigned char* block = own_block(p, other, lane);
            store(block, B_EPOCH, 0);
            store(block, B_ACK, 0);
            store(block, B_FLAGS, 0);
            store(block, B_WAKE, 0);
        }
    }
#if IVSHMEM_PEER_TOPICS
    ivshmem_peer_topics_clear(p);
    keep_claim(p);
#endif
    write_fixed_words(d, mine, p->slot);
    store(mine, H_PEER, p->config.id);
    store(mine, H_ATTENTION, p->config.polls ? 0 : RING_ME | p->config.vector);
    write_beat(p);
    store(mine, H_BEATING, p->config.heartbeat != 0 ? p->incarnation : 0);
    publish(mine, H_INCARNATION, p->incarnation);
    IVSHMEM_PEER_FENCE();
    keep_claim(p);
    now = now_of(p);
    p->next_key = random_of(p);
    p->beat_due = now + p->config.heartbeat;
    p->judged_at = p->recheck_at = now;
    p->recheck = FIRST_RECHECK;
    p->phase = IVSHMEM_PEER_HELD;
    if (is_v2(p) && is_absent(p, p->slot)) {
        p->config.hooks.set_state(p->config.context, STATE_OF_HOLDER);
        p->appeared = true;
    }
    ring_everyone(p);
}

/* Whether a peer holds the slot, as far as this side knows. */
static bool has_holder(const peer* p) {
    return look(p->own, H_INCARNATION) != 0 && load(p->own, H_MAGIC) == MAGIC &&
           !is_known_gone(p, load(p->own, H_PEER));
}

/* Writes the claim. @return The milliseconds to wait. */
static uint32_t compete(peer* p) {
    const bool any = p->config.slot == IVSHMEM_PEER_ANY_SLOT;
    for (;; ++p->slot) {
        const uint32_t now = now_of(p);
        bool holder;
        if (p->slot >= p->division.slots)
            return end(p, IVSHMEM_PEER_NO_SLOT);
        p->own = page_of(p, p->division.offset + p->division.section * p->slot);
        p->incarnation = random_of(p);
        if (any && has_holder(p))
            continue;
        publish(p->own, H_CLAIM, p->incarnation);
        IVSHMEM_PEER_FENCE();
        holder = has_holder(p);
        if (any && holder) { /* it came in the meantime */
            publish(p->own, H_CLAIM, load(p->own, H_INCARNATION));
            continue;
        }
        p->step_at = p->claim_end = now;
        p->step = FREE_TIME;
        if (holder) {
            p->claim_end = now + (p->config.claim_time != 0 ? p->config.claim_time : CLAIM_TIME);
            ring_holder(p, p->slot);
        }
        return p->step;
    }
}

/* Ends the claim. @return The milliseconds to wait. */
static uint32_t take(peer* p) {
    result why = confirm(p);
    if (why != IVSHMEM_PEER_OK)
        return end(p, why);
    move_in(p);
    why = confirm(p);
    if (why == IVSHMEM_PEER_OK)
        return 0;
    ivshmem_peer_leave(p);
    return end(p, why);
}

static uint32_t go_on_claiming(peer* p) {
    const uint32_t now = now_of(p);
    if (now - p->step_at < p->step)
        return p->step - (now - p->step_at);
    if (look(p->own, H_CLAIM) != p->incarnation) {
        if (p->config.slot != IVSHMEM_PEER_ANY_SLOT)
            return end(p, IVSHMEM_PEER_IN_USE);
        ++p->slot;
        return compete(p);
    }
    if ((int32_t)(now - p->claim_end) < 0 && !is_known_gone(p, load(p->own, H_PEER))) {
        ring_holder(p, p->slot); /* again: a ring may be lost */
        p->step_at = now;
        p->step = least(FREE_TIME, p->claim_end - now);
        return p->step;
    }
    return take(p);
}

static bool is_possible(const struct ivshmem_peer_config* c) {
    return c->memory != NULL && ((uintptr_t)c->memory | (uintptr_t)c->own_section) % 8 == 0 &&
           c->memory_size >= PAGE && c->memory_size / PAGE < MOST_PAGES && c->hooks.now != NULL &&
           c->hooks.random != NULL &&
           (c->heartbeat == 0 || (c->heartbeat >= 100 && c->heartbeat <= 60000));
}

result ivshmem_peer_begin(peer* p, const struct ivshmem_peer_config* config) {
    result why = IVSHMEM_PEER_INVALID;
    clear(p, sizeof *p);
    p->config = *config;
    p->phase = IVSHMEM_PEER_CLAIMING;
    p->own = (unsigned char*)config->own_section;
    p->slot = is_v2(p) ? config->id : config->slot != IVSHMEM_PEER_ANY_SLOT ? config->slot : 0;
    if (is_possible(config))
        why = choose_division(p);
    if (why != IVSHMEM_PEER_OK) {
        end(p, why);
    } else if (is_v2(p)) {
        p->incarnation = random_of(p);
        publish(p->own, H_CLAIM, p->incarnation);
        take(p);
    } else {
        announce(p);
        compete(p);
    }
    return p->why;
}

static bool is_name(const char* name) {
    uint32_t length = 0;
    for (; name[length] != 0; ++length)
        if (length == NAME - 1 || (unsigned char)name[length] < 0x20 || name[length] == 0x7f)
            return false;
    return length != 0;
}

static bool same_name(const char* a, const char* b) {
    while (*a != 0 && *a == *b)
        ++a, ++b;
    return *a == *b;
}

/* The next word of a name, of which a directory has 15: zero behind its end. */
static uint32_t next_word(const char** name) {
    uint32_t value = 0, shift;
    for (shift = 0; shift < 32 && **name != 0; shift += 8)
        value |= (uint32_t)(unsigned char)*(*name)++ << shift;
    return value;
}

static NOINLINE bool has_name(const unsigned char* entry, const char* name) {
    unsigned at;
    for (at = 4; at < ENTRY; at += 4)
        if (load(entry, at) != next_word(&name))
            return false;
    return true;
}

static bool has_intact_header(const peer* p) {
    struct header h;
    return is_header_of(p, p->own, p->slot, &h) && h.version == VERSION;
}

static bool has_intact_directory(const peer* p) {
    unsigned i;
    for (i = 0; i < IVSHMEM_PEER_SERVICES; ++i) {
        const unsigned char* entry = p->own + H_DIRECTORY + i * ENTRY;
        const char* name = p->services[i].name;
        if (name != NULL && (load(entry, 0) != p->services[i].key || !has_name(entry, name)))
            return false;
    }
    return true;
}

static void leave_overwritten(peer* p) {
    ivshmem_peer_leave(p);
    p->why = IVSHMEM_PEER_OVERWRITTEN;
}

/* Keeps the slot against claims and stray writes. @return Whether it could. */
static bool defend(peer* p) {
    const bool intact = has_intact_header(p) && has_intact_directory(p);
    IVSHMEM_PEER_FENCE(); /* a new holder writes the incarnation before it writes the rest */
    if (look(p->own, H_INCARNATION) != p->incarnation) {
        if (intact && load(p->own, H_CLAIM) == p->incarnation) {
            publish(p->own, H_INCARNATION, p->incarnation);
            ++p->repairs;
        } else if (load(p->own, H_MAGIC) == MAGIC) {
            end(p, IVSHMEM_PEER_SLOT_LOST);
            return false;
        }
    }
    if (!intact) {
        leave_overwritten(p);
        return false;
    }
    keep_claim(p);
    return true;
}

void ivshmem_peer_leave(peer* p) {
    if (p->phase == IVSHMEM_PEER_HELD && load(p->own, H_INCARNATION) == p->incarnation &&
        load(p->own, H_CLAIM) == p->incarnation) {
#if IVSHMEM_PEER_TOPICS
        ivshmem_peer_topics_end(p, true);
#endif
        while (p->channels != NULL)
            ivshmem_peer_close(p->channels);
        publish(p->own, H_INCARNATION, 0);
        publish(p->own, H_CLAIM, 0);
        ring_everyone(p);
    }
    if (p->appeared && p->config.hooks.state(p->config.context, p->slot) == STATE_OF_HOLDER)
        p->config.hooks.set_state(p->config.context, 0);
    p->appeared = false;
    end(p, IVSHMEM_PEER_OK);
}

/* ---- "Losing a peer" ---- */

void ivshmem_peer_gone(peer* p, uint16_t id) {
    channel* c;
    for (c = p->channels; c != NULL; c = c->next)
        if (c->state == IVSHMEM_PEER_CHANNEL_OPENING
                ? id_of(p, c->slot) == id /* it counts if this is the peer that it meets */
                : c->state == IVSHMEM_PEER_CHANNEL_CONNECTED && c->peer_id == id) {
            c->gone = true;
            c->gone_id = id;
        }
    if (!is_known_gone(p, id))
        p->gone[p->gone_next++ % IVSHMEM_PEER_GONE] = id + 1U;
}

void ivshmem_peer_came(peer* p, uint16_t id) {
    channel* c;
    unsigned i;
    for (c = p->channels; c != NULL; c = c->next)
        if (c->state == IVSHMEM_PEER_CHANNEL_OPENING && c->gone_id == id)
            c->gone = false;
    for (i = 0; i < IVSHMEM_PEER_GONE; ++i)
        if (p->gone[i] == id + 1U)
            p->gone[i] = 0;
}

static uint32_t longer_period(const peer* p, uint32_t heartbeat) {
    return most(p->config.heartbeat, heartbeat & 0xffffU);
}

static void judge(peer* p, uint32_t passed) {
    struct ivshmem_peer_judgement* j = p->judged;
    uint32_t slot;
    for (slot = 0; slot < least(p->division.slots, IVSHMEM_PEER_JUDGED); ++slot, ++j) {
        const unsigned char* theirs = header_of(p, slot);
        const uint32_t incarnation = look(theirs, H_INCARNATION);
        const uint32_t beating = load(theirs, H_BEATING);
        const uint32_t heartbeat = load(theirs, H_HEARTBEAT);
        if (incarnation != j->incarnation || beating != j->beating || heartbeat != j->heartbeat)
            j->silence = 0;
        else /* The limit is enough for any period; more would wrap around. */
            j->silence = least(j->silence + least(passed, longer_period(p, heartbeat)), 1U << 30);
        j->incarnation = incarnation;
        j->beating = beating;
        j->heartbeat = heartbeat;
    }
}

static bool is_silent(const peer* p, uint32_t slot) {
    const unsigned char* theirs = header_of(p, slot);
    const struct ivshmem_peer_judgement* j;
    uint32_t incarnation, heartbeat;
    if (p->config.heartbeat == 0 || slot >= IVSHMEM_PEER_JUDGED)
        return false;
    j = &p->judged[slot];
    incarnation = look(theirs, H_INCARNATION);
    heartbeat = load(theirs, H_HEARTBEAT);
    return incarnation != 0 && incarnation == j->incarnation &&
           load(theirs, H_BEATING) == incarnation && j->beating == incarnation &&
           heartbeat == j->heartbeat && (heartbeat & 0xffffU) != 0 &&
           j->silence >= SILENT_PERIODS * longer_period(p, heartbeat);
}

bool ivshmem_peer_is_lost(peer* p, uint32_t slot) {
    return p->phase == IVSHMEM_PEER_HELD && slot < p->division.slots && slot != p->slot &&
           (is_silent(p, slot) || is_absent(p, slot) || is_known_gone(p, id_of(p, slot)));
}

/* ---- "Opening, resetting, closing" ---- */

static bool usable(const channel* c) {
    return c->state != IVSHMEM_PEER_CHANNEL_CLOSED && c->peer->phase == IVSHMEM_PEER_HELD;
}

static bool is_connected(const channel* c) {
    return c->state == IVSHMEM_PEER_CHANNEL_CONNECTED && c->peer->phase == IVSHMEM_PEER_HELD;
}

static void hurry(const channel* c) {
    c->peer->recheck = FIRST_RECHECK;
}

static result why_not(const channel* c) {
    if (c->state == IVSHMEM_PEER_CHANNEL_CLOSED)
        return IVSHMEM_PEER_CLOSED;
    if (c->peer->phase != IVSHMEM_PEER_HELD)
        return IVSHMEM_PEER_NO_SLOT;
    return c->state <= IVSHMEM_PEER_CHANNEL_CONNECTED ? IVSHMEM_PEER_AGAIN : (result)c->state;
}

static void withdraw_wake(channel* c) {
    if (c->wanted == 0)
        return;
    c->wanted = 0;
    store(c->mine, B_WAKE, 0);
}

static void release(channel* c);

static void set_flags(const channel* c, uint32_t flags) {
    publish(c->mine, B_FLAGS, flags);
    ring_holder(c->peer, c->slot);
}

static void start_session(channel* c) {
    peer* p = c->peer;
    unsigned char* mine = c->mine;
    const uint32_t before = load(mine, B_EPOCH);
    const uint32_t met = load(c->theirs, B_ACK);
    store(mine, B_EPOCH, 0);
    IVSHMEM_PEER_FENCE();
    store(mine, B_RING, 0);
    store(mine, B_CURSOR, 0);
    store(mine, B_WAKE, 0);
    store(mine, B_ROOM, 0);
    store(mine, B_ACK, 0);
    store(mine, B_FLAGS, 0);
    store(mine, B_ATTENTION, p->config.polls ? 0 : RING_ME);
    store(mine, B_LIMIT, c->limit);
    store(mine, B_SERVICE, c->service);
    store(mine, B_ACCEPTED, c->accepted);
    c->epoch = random_of(p);
    while (c->epoch == 0 || c->epoch == before || c->epoch == met)
        ++c->epoch;
    c->state = IVSHMEM_PEER_CHANNEL_OPENING;
    clear((unsigned char*)c + offsetof(channel, fronted),
          offsetof(channel, peer) - offsetof(channel, fronted));
    publish(mine, B_EPOCH, c->epoch);
    ring_holder(p, c->slot);
    hurry(c);
}

static bool lane_taken(const peer* p, uint32_t slot, uint32_t lane) {
    const channel* c;
    for (c = p->channels; c != NULL; c = c->next)
        if (c->slot == slot && c->lane == lane)
            return true;
    return false;
}

static void place_channel(channel* c, uint32_t slot, uint32_t lane) {
    c->slot = slot;
    c->lane = lane;
    c->mine = own_block(c->peer, slot, lane);
    c->theirs = their_block(c->peer, slot, lane);
    start_session(c);
}

/* Prepares a channel that is closed. */
static NOINLINE result prepare(peer* p, channel* c, uint32_t limit) {
    if (p->phase != IVSHMEM_PEER_HELD)
        return IVSHMEM_PEER_NO_SLOT;
    if (c->state != IVSHMEM_PEER_CHANNEL_CLOSED)
        return IVSHMEM_PEER_IN_USE;
    c->peer = p;
    c->ring_size = p->division.ring_size;
    c->limit = limit;
    c->service = c->accepted = 0;
    return IVSHMEM_PEER_OK;
}

/* Opens a lane with a channel that is prepared. */
static result open_lane(channel* c, uint32_t slot, uint32_t lane) {
    peer* p = c->peer;
    if (lane_taken(p, slot, lane))
        return IVSHMEM_PEER_IN_USE;
    c->next = p->channels;
    p->channels = c;
    place_channel(c, slot, lane);
    return IVSHMEM_PEER_OK;
}

result ivshmem_peer_open(peer* p, channel* c, uint32_t slot, uint32_t lane, uint32_t limit) {
    const result why = prepare(p, c, limit);
    if (why != IVSHMEM_PEER_OK)
        return why;
    if (slot >= p->division.slots || slot == p->slot || lane >= p->division.lanes)
        return IVSHMEM_PEER_INVALID;
    return open_lane(c, slot, lane);
}

result ivshmem_peer_reopen(channel* c) {
    if (!usable(c))
        return why_not(c);
    start_session(c);
    return IVSHMEM_PEER_OK;
}

void ivshmem_peer_finish(channel* c) {
    if (!usable(c) || c->finished)
        return;
    c->finished = true;
    if (c->state == IVSHMEM_PEER_CHANNEL_POISONED || c->state == IVSHMEM_PEER_CHANNEL_LOST)
        return; /* it has set the flag already */
    set_flags(c, FINISHED);
}

/* Leaves the lane to the other side. */
static void quit(channel* c) {
    withdraw_wake(c);
    if (c->state == IVSHMEM_PEER_CHANNEL_OPENING) {
        /* Nothing was sent: the other side may go on waiting, also for a service. */
        publish(c->mine, B_EPOCH, 0);
        store(c->mine, B_ACK, 0);
    }
    release(c); /* what was received is drained */
    set_flags(c, FINISHED | DEAF | (c->state == IVSHMEM_PEER_CHANNEL_POISONED ? c->fault << 8 : 0));
}

void ivshmem_peer_close(channel* c) {
    channel** at;
    if (c->state == IVSHMEM_PEER_CHANNEL_CLOSED)
        return;
    if (usable(c))
        quit(c);
    for (at = &c->peer->channels; *at != c;) /* it is there: end() closes all others */
        at = &(*at)->next;
    *at = c->next;
    c->state = IVSHMEM_PEER_CHANNEL_CLOSED;
}

static void poison(channel* c, uint32_t reason) {
    if (load(c->theirs, B_EPOCH) != c->ack) {
        c->state = IVSHMEM_PEER_CHANNEL_RESET;
        return;
    }
    c->state = IVSHMEM_PEER_CHANNEL_POISONED;
    c->fault = reason;
    set_flags(c, FINISHED | DEAF | reason << 8);
}

static void look_at_session(channel* c) {
    const uint32_t flags = look(c->theirs, B_FLAGS);
    if (look(c->theirs, B_EPOCH) != c->ack) { /* then the flags may be of the next session */
        c->state = IVSHMEM_PEER_CHANNEL_RESET;
        return;
    }
    c->fault = flags >> 8 & 0xffU;
    if (c->fault != 0)
        c->state = IVSHMEM_PEER_CHANNEL_REJECTED;
    c->deaf = c->deaf || (flags & DEAF) != 0;
    c->peer_finished = c->peer_finished || (flags & FINISHED) != 0;
}

/* Whether each side offers the service that the other requests, or neither requests any. */
static bool met_for_the_same(const channel* c) {
    return load(c->theirs, B_SERVICE) == c->accepted && load(c->theirs, B_ACCEPTED) == c->service;
}

/* Whether a slot is held by a peer of this division. @return Its incarnation, or 0. */
static uint32_t holder_of(const peer* p, uint32_t slot) {
    struct header h;
    return !is_absent(p, slot) && is_header_of(p, header_of(p, slot), slot, &h) ? h.incarnation : 0;
}

static NOINLINE void connect(channel* c) {
    const uint32_t epoch = load(c->theirs, B_EPOCH);
    if (epoch != c->ack) {
        c->ack = epoch;
        store(c->mine, B_CURSOR, 0);
        publish(c->mine, B_ACK, epoch);
        if (epoch != 0)
            ring_holder(c->peer, c->slot);
        hurry(c);
    }
    /* If the other side opens again meanwhile, it rings, and the next poll sees that. */
    if (c->ack == 0 || look(c->theirs, B_ACK) != c->epoch || look(c->theirs, B_EPOCH) != c->ack ||
        !met_for_the_same(c))
        return;
    c->peer_limit = load(c->theirs, B_LIMIT);
    c->peer_incarnation = holder_of(c->peer, c->slot);
    if (c->peer_incarnation != 0) {
        c->sleeps =
            (load(c->theirs, B_ATTENTION) & RING_ME) != 0 && c->peer->config.hooks.ring != NULL;
        c->peer_id = id_of(c->peer, c->slot);
    }
    c->gone = c->gone && c->peer_incarnation != 0 && c->gone_id == c->peer_id;
    c->state = IVSHMEM_PEER_CHANNEL_CONNECTED;
    hurry(c);
}

/* Whether the peer has another use for the lane, and this side must take another one. */
static bool is_contested(const channel* c) {
    return c->service != 0 && c->ack != 0 && !met_for_the_same(c) &&
           (look(c->theirs, B_FLAGS) & DEAF) == 0 &&
           (load(c->theirs, B_SERVICE) == 0 || c->peer->slot > c->slot);
}

/* Leaves the slot if something else has written to this side's block. */
static bool check_block(channel* c) {
    if (c->state != IVSHMEM_PEER_CHANNEL_OPENING && c->state != IVSHMEM_PEER_CHANNEL_CONNECTED)
        return true;
    if (load(c->mine, B_EPOCH) == c->epoch && load(c->mine, B_ACK) == c->ack &&
        load(c->mine, B_FLAGS) == (c->finished ? FINISHED : 0) &&
        load(c->mine, B_CURSOR) == c->cursor &&
        (c->tail == c->seen ||
         (load(c->mine, B_RING + (c->seen & (c->ring_size - 1))) & VALID) != 0))
        return true;
    IVSHMEM_PEER_FENCE(); /* a new holder writes the incarnation before it writes the rest */
    if (defend(c->peer))
        leave_overwritten(c->peer);
    return false;
}

static void lose(channel* c) {
    c->state = IVSHMEM_PEER_CHANNEL_LOST;
    c->sleeps = false; /* its id may be another peer's */
    set_flags(c, FINISHED | DEAF);
}

static void look_at_peer(channel* c) {
    const unsigned char* theirs = header_of(c->peer, c->slot);
    look_at_session(c);
    if (c->state == IVSHMEM_PEER_CHANNEL_CONNECTED && c->peer_incarnation != 0 &&
        look(theirs, H_INCARNATION) != c->peer_incarnation &&
        load(theirs, H_CLAIM) != c->peer_incarnation && (look(c->theirs, B_FLAGS) & DEAF) == 0)
        c->state = IVSHMEM_PEER_CHANNEL_RESET;
    if (c->state == IVSHMEM_PEER_CHANNEL_CONNECTED && !c->deaf &&
        (c->gone || is_absent(c->peer, c->slot) ||
         (c->peer_incarnation != 0 && is_silent(c->peer, c->slot)))) {
        look_at_session(c); /* it may have closed or opened again just before it ended */
        if (c->state == IVSHMEM_PEER_CHANNEL_CONNECTED && !c->deaf)
            lose(c);
    }
}

/* ---- "A ring": sending ---- */

static uint32_t record_size(uint32_t length) {
    return HEAD + ((length + 7U) & ~7U);
}
static uint32_t longest_record(const channel* c) {
    return c->ring_size / 2 - HEAD;
}

static void ring_again(const channel* c) {
    ring(c->peer, c->peer_id, (uint16_t)(c->answered >> 16));
}

/* Rings if the other side sleeps and asked for it. */
static NOINLINE void answer(channel* c, uint32_t what) {
    uint32_t wake;
    if (!c->sleeps)
        return;
    IVSHMEM_PEER_FENCE();
    wake = look(c->theirs, B_WAKE);
    if ((wake & what) == 0 || wake == c->answered ||
        (what == FOR_ROOM && c->cursor - load(c->theirs, B_ROOM) >= 1U << 31))
        return;
    c->answered = wake;
    ring_again(c);
}

/* @return false after a fault. */
static bool look_at_cursor(channel* c) {
    const uint32_t seen = look(c->theirs, B_CURSOR);
    if (seen - c->seen > c->tail - c->seen || seen % 8 != 0) {
        poison(c, FAULT_CURSOR);
        return false;
    }
    c->seen = seen;
    return true;
}

static bool fits(const channel* c) {
    return c->ring_size - (c->tail - c->seen) >= c->needed;
}

/* The other side had the next lines of the ring last. Fetching them some records ahead hides most
   of that; the distance is that of the library. */
static void fetch_ahead(const channel* c, uint32_t record) {
#ifdef IVSHMEM_PEER_PREFETCH
    uint32_t behind;
    for (behind = least(record, AHEAD); behind > 0; behind -= least(behind, LINE))
        IVSHMEM_PEER_PREFETCH(c->mine + B_RING + ((c->tail + AHEAD - behind) & (c->ring_size - 1)));
#else
    (void)c, (void)record;
#endif
}

/* Sends one record, if there is room. */
static result send_record(channel* c, const unsigned char* data, uint32_t length, uint32_t kind,
                          uint32_t total) {
    const uint32_t size = c->ring_size, record = record_size(length);
    const uint32_t place = c->tail & (size - 1);
    const uint32_t pad = record > size - place ? size - place : 0;
    const uint32_t at = pad != 0 ? 0 : place;
    unsigned char* ring_base = c->mine + B_RING;
    uint32_t head;
    c->needed = pad + record + HEAD; /* the head after it is cleared */
    if (!fits(c) && !(look_at_cursor(c) && fits(c))) {
        if (c->state == IVSHMEM_PEER_CHANNEL_CONNECTED)
            look_at_session(c);
        c->wants_room = true;
        return c->state == IVSHMEM_PEER_CHANNEL_CONNECTED && c->deaf ? IVSHMEM_PEER_CLOSED
                                                                     : why_not(c);
    }
    c->wants_room = false;
    store(ring_base, at + 4, total);
    if (length != 0)
        IVSHMEM_PEER_COPY_OUT(ring_base + at + HEAD, data, length);
    store(ring_base, (at + record) & (size - 1), 0);
    IVSHMEM_PEER_CLEAN(ring_base + at, record);
    head = VALID | kind << 29 | length;
    if (pad != 0) {
        store(ring_base, 0, head);
        head = VALID | (uint32_t)PAD << 29 | (pad - HEAD);
    }
    publish(ring_base, place, head);
    c->tail += pad + record;
    fetch_ahead(c, record);
    hurry(c);
    answer(c, FOR_DATA);
    return IVSHMEM_PEER_OK;
}

/* Why a message of that size cannot be sent, or OK. */
static result may_send(channel* c, uint32_t size) {
    if (is_connected(c) && (c->deaf || size > c->peer_limit))
        look_at_session(c);
    if (!is_connected(c))
        return why_not(c);
    if (c->finished || c->deaf)
        return IVSHMEM_PEER_CLOSED;
    if (size > c->peer_limit)
        return IVSHMEM_PEER_TOO_LARGE;
    if (c->abandons) {
        const result done = send_record(c, NULL, 0, ABANDON, 0);
        if (done != IVSHMEM_PEER_OK)
            return done;
        c->abandons = false;
    }
    return IVSHMEM_PEER_OK;
}

FLATTEN result ivshmem_peer_send(channel* c, const void* data, uint32_t size) {
    const result why = may_send(c, size);
    if (why != IVSHMEM_PEER_OK)
        return why;
    if (c->in_parts)
        return IVSHMEM_PEER_INVALID;
    if (size > longest_record(c))
        return IVSHMEM_PEER_TOO_LARGE;
    return send_record(c, (const unsigned char*)data, size, LAST, size);
}

result ivshmem_peer_send_some(channel* c, const void* data, uint32_t size, uint32_t* done) {
    const unsigned char* bytes = (const unsigned char*)data; /* null, if there are none */
    for (;;) {
        result why = may_send(c, size);
        uint32_t longest, part;
        if (why != IVSHMEM_PEER_OK)
            return why;
        longest = longest_record(c);
        if ((*done != 0) != c->in_parts || *done > size)
            return *done != 0 ? IVSHMEM_PEER_RESET : IVSHMEM_PEER_INVALID;
        /* Parts are small enough for the other side to read one while the next is written. */
        part =
            *done == 0 && size <= longest ? size : least(size - *done, (longest + HEAD) / 4 - HEAD);
        why = send_record(c, *done != 0 ? bytes + *done : bytes, part,
                          part == size - *done ? LAST : PART, size - *done);
        if (why != IVSHMEM_PEER_OK)
            return why;
        *done += part;
        c->in_parts = *done != size;
        if (!c->in_parts)
            return IVSHMEM_PEER_OK;
    }
}

void ivshmem_peer_abandon(channel* c) {
    c->abandons = c->abandons || c->in_parts;
    c->in_parts = false;
}

bool ivshmem_peer_drained(channel* c) {
    return is_connected(c) && look_at_cursor(c) && c->seen == c->tail;
}

result ivshmem_peer_write(channel* c, const void* data, uint32_t size, uint32_t* written) {
    result why;
    *written = 0;
    if (!is_connected(c))
        return why_not(c);
    if (size == 0)
        return IVSHMEM_PEER_OK;
    size = least(size, (longest_record(c) + HEAD) / 4 - HEAD);
    if (c->peer_limit != 0)
        size = least(size, c->peer_limit);
    why = ivshmem_peer_send(c, data, size);
    if (why == IVSHMEM_PEER_OK)
        *written = size;
    return why;
}

/* ---- "A ring": receiving ---- */

static void release(channel* c) {
    c->cursor = c->position;
    publish(c->mine, B_CURSOR, c->cursor);
    answer(c, FOR_ROOM);
}

static void settle(channel* c) {
    if (c->position != c->cursor)
        release(c);
}

static bool is_empty(const channel* c) {
    return look(c->theirs, B_RING + (c->position & (c->ring_size - 1))) == 0;
}

/* The fault of the record at the front, or 0. */
static uint32_t fault_of(const channel* c) {
    if (c->kind == ABANDON)
        return c->length == 0 && c->remaining != 0 ? 0 : FAULT_SEQUENCE;
    if (c->kind == PART ? c->length == 0 || c->length >= c->total : c->length != c->total)
        return FAULT_TOTAL;
    if (c->remaining != 0 && c->total != c->remaining)
        return FAULT_TOTAL;
    return c->total > c->limit ? FAULT_LIMIT : 0;
}

/* A reader that is always close behind a stream takes each line from the writer while it writes. So
   it lets the writer get ahead. @return Whether to look again. */
static bool get_behind(channel* c) {
#ifdef IVSHMEM_PEER_PAUSE
    const bool streams = c->streak >= STREAM;
    c->streak = 0;
    if (streams)
        IVSHMEM_PEER_PAUSE();
    return streams;
#else
    return (void)c, false;
#endif
}

static void pop(channel* c) {
#ifdef IVSHMEM_PEER_PAUSE
    c->streak = (uint8_t)least(c->streak + 1U, STREAM);
#endif
    c->remaining = c->kind == PART ? c->total - c->length : 0;
    c->position += record_size(c->length);
    c->fronted = false;
    c->taken = 0;
    if (c->position - c->cursor >= c->ring_size / 8 && c->state == IVSHMEM_PEER_CHANNEL_CONNECTED)
        release(c);
    hurry(c);
}

/* Reads the head of the record at the front, once. @return Whether there is a record. */
static NOINLINE bool front(channel* c) {
    const uint32_t ring = c->ring_size;
    uint32_t fault;
    if (c->fronted)
        return true;
    for (;;) {
        const uint32_t place = c->position & (ring - 1);
        const uint32_t head = look(c->theirs, B_RING + place);
        uint32_t size;
        if (head == 0) {
            if (get_behind(c))
                continue;
            return false;
        }
        c->kind = (uint8_t)(head >> 29 & 3);
        c->length = head & LENGTH;
        size = record_size(c->length);
        fault = (head & VALID) == 0 || size > ring - place               ? FAULT_RECORD
                : c->kind == PAD && (place == 0 || size != ring - place) ? FAULT_SEQUENCE
                                                                         : 0;
        if (fault != 0)
            break;
        if (c->kind == PAD) { /* to the start of the ring, where a pad is not allowed */
            c->position += size;
            continue;
        }
        c->total = load(c->theirs, B_RING + place + 4);
        fault = fault_of(c);
        if (fault != 0)
            break;
        c->taken = 0;
        c->fronted = true;
        return true;
    }
    if (c->state == IVSHMEM_PEER_CHANNEL_CONNECTED)
        poison(c, fault);
    return false;
}

static bool may_receive(const channel* c) {
    return usable(c) &&
           (c->state == IVSHMEM_PEER_CHANNEL_CONNECTED || c->state == IVSHMEM_PEER_CHANNEL_LOST);
}

/* The record at the front, after the rest of a message that is skipped. */
static bool next_record(channel* c) {
    unsigned records;
    for (records = 0; records < RECORDS_A_CALL && may_receive(c) && front(c); ++records) {
        if (!c->skipping)
            return true;
        c->skipping = c->kind == PART;
        pop(c);
    }
    return false;
}

/* Why there is no message. */
static result nothing(channel* c) {
    if (is_connected(c)) {
        settle(c);
        look_at_session(c);
        /* Messages that were published before the flag come first. */
        if (c->peer_finished && c->state == IVSHMEM_PEER_CHANNEL_CONNECTED && is_empty(c)) {
            look_at_session(c);
            if (c->state == IVSHMEM_PEER_CHANNEL_CONNECTED)
                return IVSHMEM_PEER_CLOSED;
        }
    }
    return why_not(c);
}

/* Copies `bytes` of the record at the front, from c->taken on. */
static void copy_front(channel* c, unsigned char* to, uint32_t bytes) {
    const uint32_t place = c->position & (c->ring_size - 1);
    const unsigned char* from = c->theirs + B_RING + place + HEAD + c->taken;
    c->taken += bytes;
    IVSHMEM_PEER_INVALIDATE(from, bytes);
    IVSHMEM_PEER_COPY_IN(to, from, bytes);
}

FLATTEN result ivshmem_peer_receive(channel* c, void* into, uint32_t capacity, uint32_t* size) {
    unsigned records;
    for (records = 0; records < RECORDS_A_CALL && next_record(c); ++records) {
        uint32_t kind;
        if (c->kind == ABANDON) {
            pop(c);
            c->have = 0;
            continue;
        }
        if (c->have > capacity || c->total > capacity - c->have) {
            *size = c->have + c->total;
            return IVSHMEM_PEER_TOO_LARGE;
        }
        if (c->length != 0) /* else the buffer may be null */
            copy_front(c, (unsigned char*)into + c->have, c->length);
        c->have += c->length;
        kind = c->kind;
        pop(c);
        if (kind == LAST) {
            *size = c->have;
            c->have = 0;
            return IVSHMEM_PEER_OK;
        }
    }
    return nothing(c);
}

void ivshmem_peer_skip(channel* c) {
    c->have = 0;
    c->skipping = c->remaining != 0;
    if (!c->skipping && next_record(c)) {
        c->skipping = c->kind == PART;
        pop(c);
    }
}

result ivshmem_peer_read(channel* c, void* into, uint32_t capacity, uint32_t* count) {
    unsigned records;
    *count = 0;
    for (records = 0; records < RECORDS_A_CALL && *count < capacity && next_record(c); ++records) {
        uint32_t piece;
        if (c->kind != ABANDON && c->length == 0) {
            poison(c, FAULT_SEQUENCE); /* an empty message is none of a stream */
            break;
        }
        piece = least(capacity - *count, c->length - c->taken);
        copy_front(c, (unsigned char*)into + *count, piece);
        *count += piece;
        if (c->taken == c->length)
            pop(c);
    }
    return *count != 0 ? IVSHMEM_PEER_OK : nothing(c);
}

/* ---- "Services by name" ---- */

uint32_t ivshmem_peer_offer(peer* p, const char* name) {
    const char* rest = name;
    unsigned char* entry;
    uint32_t key;
    unsigned i, at = IVSHMEM_PEER_SERVICES;
    if (!is_name(name) || p->phase != IVSHMEM_PEER_HELD)
        return 0;
    for (i = IVSHMEM_PEER_SERVICES; i-- > 0;) {
        if (p->services[i].name == NULL)
            at = i;
        else if (same_name(p->services[i].name, name))
            return 0;
    }
    if (at == IVSHMEM_PEER_SERVICES)
        return 0;
    entry = p->own + H_DIRECTORY + at * ENTRY;
    for (i = 4; i < ENTRY; i += 4)
        store(entry, i, next_word(&rest));
    key = p->next_key++;
    if (p->next_key == 0)
        ++p->next_key;
    p->services[at].name = name;
    p->services[at].key = key;
    publish(entry, 0, key);
    ring_everyone(p);
    return key;
}

void ivshmem_peer_withdraw(peer* p, uint32_t key) {
    unsigned i;
    for (i = 0; key != 0 && i < IVSHMEM_PEER_SERVICES; ++i)
        if (p->phase == IVSHMEM_PEER_HELD && p->services[i].key == key) {
            store(p->own, H_DIRECTORY + i * ENTRY, 0);
            IVSHMEM_PEER_FENCE(); /* before another name is written there */
            p->services[i].key = 0;
            p->services[i].name = NULL;
        }
}

static uint32_t key_in(const unsigned char* entry, const char* name) {
    const uint32_t key = look(entry, 0);
    if (key == 0 || !has_name(entry, name))
        return 0;
    IVSHMEM_PEER_FENCE();
    return load(entry, 0) == key ? key : 0;
}

uint32_t ivshmem_peer_find(peer* p, const char* name, uint32_t* slot) {
    uint32_t other, key;
    unsigned i;
    if (!is_name(name) || p->phase != IVSHMEM_PEER_HELD)
        return 0;
    for (other = 0; other < p->division.slots; ++other) {
        if (other == p->slot || holder_of(p, other) == 0 || ivshmem_peer_is_lost(p, other))
            continue;
        for (i = 0; i < ENTRIES; ++i) {
            key = key_in(header_of(p, other) + H_DIRECTORY + i * ENTRY, name);
            if (key != 0) {
                *slot = other;
                return key;
            }
        }
    }
    return 0;
}

/* A lane that is closed on both sides; one whose other side reported a fault comes last. */
static uint32_t free_lane(const peer* p, uint32_t slot) {
    uint32_t lane, second = NO_PAGE;
    for (lane = p->division.lanes; lane-- > 0;) {
        const unsigned char* theirs = their_block(p, slot, lane);
        const uint32_t flags = load(theirs, B_FLAGS);
        if (lane_taken(p, slot, lane) || (load(theirs, B_EPOCH) != 0 && (flags & DEAF) == 0))
            continue;
        if (flags >> 8 == 0)
            return lane;
        if (second == NO_PAGE)
            second = lane;
    }
    return second;
}

result ivshmem_peer_request(peer* p, channel* c, const char* name, uint32_t limit) {
    const result why = prepare(p, c, limit);
    uint32_t slot = 0, lane;
    if (why != IVSHMEM_PEER_OK)
        return why;
    c->service = ivshmem_peer_find(p, name, &slot);
    if (c->service == 0)
        return IVSHMEM_PEER_UNKNOWN;
    lane = free_lane(p, slot);
    return lane != NO_PAGE ? open_lane(c, slot, lane) : IVSHMEM_PEER_FULL;
}

result ivshmem_peer_accept(peer* p, channel* c, uint32_t key, uint32_t limit) {
    const uint32_t all = p->division.slots * p->division.lanes;
    const result why = prepare(p, c, limit);
    uint32_t looked;
    if (why != IVSHMEM_PEER_OK || key == 0)
        return why != IVSHMEM_PEER_OK ? why : IVSHMEM_PEER_NO_SLOT;
    for (looked = 0; looked < all; ++looked) {
        const uint32_t slot = p->next_request / p->division.lanes;
        const uint32_t lane = p->next_request % p->division.lanes;
        const unsigned char* theirs;
        uint32_t epoch;
        p->next_request = p->next_request + 1 < all ? p->next_request + 1 : 0;
        if (slot == p->slot)
            continue;
        theirs = their_block(p, slot, lane);
        epoch = look(theirs, B_EPOCH);
        /* The acknowledgement stays after a close: that request was served. */
        if (epoch == 0 || load(theirs, B_SERVICE) != key || (load(theirs, B_FLAGS) & DEAF) != 0 ||
            lane_taken(p, slot, lane) || load(own_block(p, slot, lane), B_ACK) == epoch ||
            ivshmem_peer_is_lost(p, slot))
            continue;
        c->accepted = key;
        return open_lane(c, slot, lane);
    }
    return IVSHMEM_PEER_AGAIN;
}

/* ---- Poll, and "Sleeping" ---- */

static void update(channel* c) {
    if (c->state == IVSHMEM_PEER_CHANNEL_CONNECTED) {
        look_at_peer(c);
        return;
    }
    if (c->state != IVSHMEM_PEER_CHANNEL_OPENING)
        return;
    connect(c);
    if (c->state == IVSHMEM_PEER_CHANNEL_OPENING && is_contested(c)) {
        const uint32_t lane = free_lane(c->peer, c->slot);
        if (lane == NO_PAGE)
            return; /* the peer may close the lane yet */
        quit(c);
        place_channel(c, c->slot, lane);
    }
}

static uint32_t time_left(const peer* p) {
    const uint32_t now = now_of(p);
    const uint32_t passed = now - p->recheck_at;
    uint32_t left = passed < p->recheck ? p->recheck - passed : 0;
    if (p->config.heartbeat != 0) {
        const int32_t beat = (int32_t)(p->beat_due - now);
        left = least(left, beat > 0 ? (uint32_t)beat : 0);
    }
    return left;
}

uint32_t ivshmem_peer_poll(peer* p) {
    channel* c;
    uint32_t now;
    if (p->phase == IVSHMEM_PEER_CLAIMING)
        return go_on_claiming(p);
    if (p->phase != IVSHMEM_PEER_HELD || !defend(p))
        return RUNG;
    now = now_of(p);
    if (p->config.heartbeat != 0 && (int32_t)(now - (p->beat_due - p->config.heartbeat / 4)) >= 0) {
        write_beat(p);
        p->beat_due = ((int32_t)(p->beat_due - now) > 0 ? p->beat_due : now) + p->config.heartbeat;
        judge(p, now - p->judged_at);
        p->judged_at = now;
    }
    for (c = p->channels; c != NULL; c = c->next) {
        if (!check_block(c))
            return RUNG;
        withdraw_wake(c);
        update(c);
    }
#if IVSHMEM_PEER_TOPICS
    ivshmem_peer_topics_poll(p);
#endif
    if (now - p->recheck_at >= p->recheck) {
        for (c = p->channels; c != NULL; c = c->next)
            if (c->state == IVSHMEM_PEER_CHANNEL_CONNECTED && c->sleeps && c->answered != 0 &&
                load(c->theirs, B_WAKE) == c->answered)
                ring_again(c);
        p->recheck_at = now;
        p->recheck = least(p->recheck * 2, p->config.polls ? POLLING : RUNG);
    }
    return time_left(p);
}

/* Whether there is something to do for a channel that waits. */
static bool is_ready(channel* c) {
    if (c->state == IVSHMEM_PEER_CHANNEL_OPENING)
        return false;
    if (c->state == IVSHMEM_PEER_CHANNEL_CONNECTED) {
        const int known = c->deaf + c->peer_finished;
        look_at_session(c);
        return c->state != IVSHMEM_PEER_CHANNEL_CONNECTED || c->deaf + c->peer_finished != known ||
               (!c->holds_back && (c->fronted || !is_empty(c))) ||
               (c->wants_room && (!look_at_cursor(c) || fits(c)));
    }
    return false;
}

uint32_t ivshmem_peer_arm(peer* p) {
    channel* c;
    if (p->phase != IVSHMEM_PEER_HELD)
        return ivshmem_peer_poll(p);
    for (c = p->channels; c != NULL; c = c->next) {
        if (c->state != IVSHMEM_PEER_CHANNEL_CONNECTED)
            continue;
        settle(c);
        if (p->config.polls)
            continue;
        c->asked = (uint16_t)(c->asked + 4); /* beside the two bits of `wanted` */
        c->wanted = (c->holds_back ? 0 : FOR_DATA) | (c->wants_room ? FOR_ROOM : 0);
        if (c->wants_room)
            store(c->mine, B_ROOM, c->tail - least(c->ring_size / 2, c->ring_size - c->needed));
        publish(c->mine, B_WAKE, c->wanted | c->asked | (uint32_t)p->config.vector << 16);
    }
    IVSHMEM_PEER_FENCE();
    for (c = p->channels; c != NULL; c = c->next)
        if (is_ready(c)) {
            for (c = p->channels; c != NULL; c = c->next)
                withdraw_wake(c);
            return 0;
        }
#if IVSHMEM_PEER_TOPICS
    if (ivshmem_peer_topics_arm(p)) {
        for (c = p->channels; c != NULL; c = c->next)
            withdraw_wake(c);
        return 0;
    }
#endif
    return time_left(p);
}

void ivshmem_peer_wait(peer* p, uint32_t longest) {
    const uint32_t time = least(ivshmem_peer_arm(p), longest);
    if (time != 0 && p->config.hooks.wait != NULL)
        p->config.hooks.wait(p->config.context, time);
    ivshmem_peer_poll(p);
}

#if IVSHMEM_PEER_TOPICS

/* ---- For ivshmem_peer_topics.c ---- */

const unsigned char* ivshmem_peer_header_of(const peer* p, uint32_t slot) {
    return header_of(p, slot);
}

void ivshmem_peer_ring_everyone(const peer* p) {
    ring_everyone(p);
}

bool ivshmem_peer_is_name(const char* name) {
    return is_name(name);
}

bool ivshmem_peer_same_name(const char* a, const char* b) {
    return same_name(a, b);
}

uint32_t ivshmem_peer_next_word(const char** name) {
    return next_word(name);
}

bool ivshmem_peer_has_name(const unsigned char* entry, const char* name) {
    return has_name(entry, name);
}

void ivshmem_peer_ring_slot(const peer* p, uint32_t slot, uint16_t vector) {
    ring(p, id_of(p, slot), vector);
}

bool ivshmem_peer_has_topics(const peer* p, uint32_t slot, uint32_t* incarnation) {
    struct header h;
    if (is_absent(p, slot) || !is_header_of(p, header_of(p, slot), slot, &h))
        return false;
    *incarnation = h.incarnation;
    return (h.version & 0xffffU) >= (VERSION & 0xffffU);
}

bool ivshmem_peer_has_changed_hands(const peer* p, uint32_t slot, uint32_t incarnation) {
    const unsigned char* theirs = header_of(p, slot);
    return look(theirs, H_INCARNATION) != incarnation && load(theirs, H_CLAIM) != incarnation;
}

#endif
