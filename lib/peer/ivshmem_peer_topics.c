/* SPDX-License-Identifier: BSL-1.0 */
/* SPDX-FileCopyrightText: The libivshmem authors */

/* The names and numbers of the rules below (T4) are those of "Topics" in channel-layout.md. */

#include "ivshmem_peer_topics.h"

#include "ivshmem_peer_private.h"

/* "Topics". Sizes in bytes, or in grains of 64 if their name says so. */
enum {
    GRAIN = 64,
    SECTION_GRAINS_A_PAGE = 64,
    ROW = 128,
    TOPICS = 16,
    ENTRY_GRAINS = 4,
    SMALLEST_ROOM_GRAINS = 16,
    RECORD = 32,
    ATTEMPTS = 3, /* of a step that a writer undoes */
    COPIES = 4
};
#define MOST_GRAINS 67108863U /* of data */
#define MOST_MESSAGES 65536U

/* An entry of the table; its name is that of a directory's entry at T_NAME_ENTRY. */
enum {
    T_KEY = 0x00,
    T_FLAGS = 0x04,
    T_INDEX = 0x08,
    T_MESSAGES = 0x0c,
    T_DATA = 0x10,
    T_SIZE = 0x14,
    T_PINS = 0x18,
    T_NAME = 0x40,
    T_NAME_ENTRY = 0x3c,
    T_NEWEST = 0x80,
    T_OLDEST = 0x84,
    T_GRANTS = 0xc0,
    T_END = 0x100
};
/* A record of the index. */
enum { R_MARK = 0x00, R_HIGH = 0x04, R_PLACE = 0x08, R_LENGTH = 0x0c, R_TIME = 0x10 };
#define T_ENDED 1U
#define MARKED 0x80000000U
#define MARK_NUMBER 0x7fffffffU
#define MARK_BITS 31
#define WANTED 1U

typedef struct ivshmem_peer_topic_writer writer;
typedef struct ivshmem_peer_topic_reader reader;
typedef struct ivshmem_peer_topic_place topic_place;
typedef struct ivshmem_peer_topic_message topic_message;

/* The part for topics of each section of a region, in grains from the start of the section. */
struct area {
    uint32_t rows, table, room, end;
};

/* @return false: the region has no topics. */
static bool area_of(const struct ivshmem_peer* p, struct area* a) {
    const struct ivshmem_peer_division* d = &p->division;
    const uint64_t all = (uint64_t)d->section * SECTION_GRAINS_A_PAGE;
    const uint64_t rows = SECTION_GRAINS_A_PAGE +
                          (uint64_t)((d->slots - 1) * d->lanes) * (256 + d->ring_size) / GRAIN;
    const uint64_t room = rows + d->slots * (ROW / GRAIN) + TOPICS * ENTRY_GRAINS;
    a->end = all < 0xffffffffU ? (uint32_t)all : 0xffffffffU; /* words count them */
    a->rows = (uint32_t)rows;
    a->table = (uint32_t)room - TOPICS * ENTRY_GRAINS;
    a->room = (uint32_t)room;
    return room + SMALLEST_ROOM_GRAINS <= a->end;
}

static size_t bytes(uint32_t grains) {
    return (size_t)grains * GRAIN;
}

static uint32_t mark_of(uint64_t number) {
    return MARKED | ((uint32_t)number & MARK_NUMBER);
}

static uint32_t high_of(uint64_t number) {
    return (uint32_t)(number >> MARK_BITS);
}

static uint64_t lesser(uint64_t a, uint64_t b) {
    return a < b ? a : b;
}

static size_t wanted_at(const struct area* a, uint32_t slot, uint32_t number) {
    return bytes(a->rows) + (size_t)slot * ROW + number * 4;
}

void ivshmem_peer_topics_clear(struct ivshmem_peer* p) {
    struct area a;
    uint32_t i;
    p->topics_asked = p->config.hooks.random(p->config.context);
    if (!area_of(p, &a))
        return;
    for (i = 0; i < TOPICS; ++i)
        publish(p->own, bytes(a.table + i * ENTRY_GRAINS) + T_KEY, 0);
    for (i = 0; i < p->division.slots * ROW; i += 4)
        store(p->own, bytes(a.rows) + i, 0);
    IVSHMEM_PEER_FENCE();
}

/* ---- Finding a topic ---- */

struct found {
    topic_place place;
    bool ended, fits;
};

/* Reads where a topic is. @return Whether it can be there. */
static bool read_place(const unsigned char* section, const struct area* a, topic_place* t) {
    const uint32_t index = load(t->entry, T_INDEX), data = load(t->entry, T_DATA);
    uint32_t index_size;
    t->messages = load(t->entry, T_MESSAGES);
    t->size = load(t->entry, T_SIZE);
    index_size = t->messages * RECORD / GRAIN;
    t->index = section + bytes(index);
    t->data = section + bytes(data);
    return t->messages >= 2 && t->messages <= MOST_MESSAGES &&
           (t->messages & (t->messages - 1)) == 0 && t->size != 0 && t->size <= MOST_GRAINS &&
           index >= a->room && index <= a->end && index_size <= a->end - index && data >= a->room &&
           data <= a->end && t->size <= a->end - data;
}

/* Looks for a topic in the section of a slot; finds one that has ended only if there is no other.
 */
static bool find(const struct ivshmem_peer* p, uint32_t slot, const char* name,
                 struct found* best) {
    struct area a;
    const unsigned char* section;
    struct found f;
    bool any = false;
    if (slot == p->slot || !area_of(p, &a) ||
        !ivshmem_peer_has_topics(p, slot, &f.place.incarnation))
        return false;
    section = ivshmem_peer_header_of(p, slot);
    f.place.slot = slot;
    for (f.place.number = 0; f.place.number < TOPICS; ++f.place.number) {
        f.place.entry = section + bytes(a.table + f.place.number * ENTRY_GRAINS);
        f.place.key = look(f.place.entry, T_KEY);
        if (f.place.key == 0 || !ivshmem_peer_has_name(f.place.entry + T_NAME_ENTRY, name))
            continue;
        f.ended = (load(f.place.entry, T_FLAGS) & T_ENDED) != 0;
        f.fits = read_place(section, &a, &f.place);
        IVSHMEM_PEER_FENCE(); /* the key is cleared before the rest is written again */
        if (load(f.place.entry, T_KEY) != f.place.key || (any && f.ended))
            continue;
        any = true;
        *best = f;
        if (!f.ended)
            break;
    }
    return any;
}

/* Whether the writer of an open topic is there. */
static bool is_written(struct ivshmem_peer* p, const struct found* f) {
    return f->place.incarnation != 0 && !ivshmem_peer_is_lost(p, f->place.slot);
}

/* ---- Writing ---- */

static enum ivshmem_peer_result may_write(const writer* w) {
    if (w->peer == NULL)
        return IVSHMEM_PEER_CLOSED;
    return w->peer->phase == IVSHMEM_PEER_HELD ? IVSHMEM_PEER_OK : IVSHMEM_PEER_NO_SLOT;
}

static bool is_taken(struct ivshmem_peer* p, const char* name) {
    struct found f;
    uint32_t slot;
    for (slot = 0; slot < p->division.slots; ++slot)
        if (find(p, slot, name, &f) && !f.ended && is_written(p, &f))
            return true;
    return false;
}

/* The first gap between the topics that has so many grains; 0: none.
   @param keep Whether those that have ended keep their room. */
static uint32_t gap(const struct ivshmem_peer* p, const struct area* a, uint32_t grains,
                    bool keep) {
    uint32_t at = a->room, i;
    for (i = 0; i < IVSHMEM_PEER_TOPICS;) {
        if (grains > a->end - at)
            return 0;
        if (p->topics[i].key != 0 && (keep || p->topics[i].by != NULL) &&
            p->topics[i].begin < at + grains && at < p->topics[i].end) {
            at = p->topics[i].end;
            i = 0;
        } else {
            ++i;
        }
    }
    return at;
}

/* Gives up what is left of a topic that has ended (T12). */
static void drop(struct ivshmem_peer* p, const struct area* a, uint32_t number) {
    publish(p->own, bytes(a->table + number * ENTRY_GRAINS) + T_KEY, 0);
    IVSHMEM_PEER_FENCE();
    p->topics[number].key = 0;
}

/* Finds room, and drops topics that have ended until there is some. @return OK, _TOO_SMALL, _FULL.
 */
static enum ivshmem_peer_result find_room(struct ivshmem_peer* p, const struct area* a,
                                          uint32_t grains, uint32_t* number, uint32_t* at) {
    uint32_t i, ended;
    if (gap(p, a, grains, false) == 0)
        return IVSHMEM_PEER_TOO_SMALL;
    for (;;) {
        *number = ended = IVSHMEM_PEER_TOPICS;
        for (i = IVSHMEM_PEER_TOPICS; i-- > 0;)
            if (p->topics[i].key == 0)
                *number = i;
            else if (p->topics[i].by == NULL)
                ended = i;
        *at = gap(p, a, grains, true);
        if (*number != IVSHMEM_PEER_TOPICS && *at != 0)
            return IVSHMEM_PEER_OK;
        if (ended == IVSHMEM_PEER_TOPICS)
            return IVSHMEM_PEER_FULL;
        drop(p, a, ended);
    }
}

/* The writer of a name, or an ended topic of this peer that has it, which is dropped. */
static bool is_own(struct ivshmem_peer* p, const struct area* a, const char* name) {
    uint32_t i;
    for (i = 0; i < IVSHMEM_PEER_TOPICS; ++i) {
        const unsigned char* entry = p->own + bytes(a->table + i * ENTRY_GRAINS);
        if (p->topics[i].key == 0)
            continue;
        if (p->topics[i].by != NULL) {
            if (ivshmem_peer_same_name(p->topics[i].by->name, name))
                return true;
        } else if (ivshmem_peer_has_name(entry + T_NAME_ENTRY, name)) {
            drop(p, a, i);
        }
    }
    return false;
}

static void write_entry(const writer* w, uint32_t key) {
    unsigned char* entry = w->peer->own + bytes(w->entry);
    const char* rest = w->name;
    uint32_t i;
    for (i = 0; i < w->messages; ++i)
        store(w->peer->own, bytes(w->index) + (size_t)i * RECORD + R_MARK, 0);
    store(entry, T_FLAGS, 0);
    store(entry, T_INDEX, w->index);
    store(entry, T_MESSAGES, w->messages);
    store(entry, T_DATA, w->data);
    store(entry, T_SIZE, w->size);
    for (i = T_GRANTS; i < T_END; i += 4) /* no reader may pin messages */
        store(entry, i, 0);
    store(entry, T_PINS, 0);
    store(entry, T_NEWEST, 0);
    store(entry, T_OLDEST, MARKED | 1U);
    for (i = 0; i < GRAIN - 4; i += 4)
        store(entry, T_NAME + i, ivshmem_peer_next_word(&rest));
    publish(entry, T_KEY, key);
    IVSHMEM_PEER_FENCE();
}

enum ivshmem_peer_result ivshmem_peer_topic_create(struct ivshmem_peer* p, writer* w,
                                                   const char* name, uint32_t size,
                                                   uint32_t* memory, uint32_t words) {
    struct area a;
    uint32_t i, number = 0, key, share, index_size;
    enum ivshmem_peer_result why;
    if (p->phase != IVSHMEM_PEER_HELD)
        return IVSHMEM_PEER_NO_SLOT;
    if (!area_of(p, &a))
        return IVSHMEM_PEER_NO_TOPICS;
    if (w->peer != NULL)
        return IVSHMEM_PEER_IN_USE;
    if (!ivshmem_peer_is_name(name) || words < p->division.slots + 2 || size > MOST_GRAINS * GRAIN)
        return IVSHMEM_PEER_INVALID;
    w->messages = MOST_MESSAGES;
    while (w->messages > words - p->division.slots)
        w->messages /= 2;
    index_size = w->messages * RECORD / GRAIN;
    share = (a.end - a.room) / 4;
    w->size = size != 0 ? (size - 1) / GRAIN + 1 : share > index_size ? share - index_size : 1;
    if (w->size > MOST_GRAINS)
        w->size = MOST_GRAINS;
    if (is_taken(p, name))
        return IVSHMEM_PEER_IN_USE;
    if (is_own(p, &a, name))
        return IVSHMEM_PEER_IN_USE;
    why = find_room(p, &a, index_size + w->size, &number, &w->index);
    if (why != IVSHMEM_PEER_OK)
        return why;
    key = p->config.hooks.random(p->config.context);
    key = key != 0 ? key : 1;
    w->peer = p;
    w->name = name;
    w->begins = memory;
    w->answered = memory + w->messages;
    w->newest = 0;
    w->oldest = 1;
    w->entry = a.table + number * ENTRY_GRAINS;
    w->data = w->index + index_size;
    w->tail = w->place = 0;
    w->lent = false;
    for (i = 0; i < p->division.slots; ++i)
        w->answered[i] = 0;
    p->topics[number].by = w;
    p->topics[number].key = key;
    p->topics[number].begin = w->index;
    p->topics[number].end = w->data + w->size;
    write_entry(w, key);
    if (is_taken(p, name)) { /* of two that come at the same time, at least one sees the other */
        drop(p, &a, number);
        w->peer = NULL;
        return IVSHMEM_PEER_IN_USE;
    }
    ivshmem_peer_ring_everyone(p);
    return IVSHMEM_PEER_OK;
}

static unsigned char* record_of(const writer* w, uint64_t number) {
    return w->peer->own + bytes(w->index) + (size_t)((uint32_t)number & (w->messages - 1)) * RECORD;
}

static uint32_t grains_of(uint32_t length) {
    return length / GRAIN + (length % GRAIN != 0);
}

unsigned char* ivshmem_peer_topic_loan(writer* w, uint32_t length) {
    const uint32_t grains = grains_of(length);
    const uint64_t before = w->oldest;
    w->lent = false;
    if (may_write(w) != IVSHMEM_PEER_OK || grains > w->size)
        return NULL;
    /* Positions count grains, modulo 2^32, with those at the end that a message did not fit into.
     */
    w->begin = w->tail;
    w->at = w->place;
    if (grains > w->size - w->at) {
        w->begin += w->size - w->at;
        w->at = 0;
    }
    while (w->oldest <= w->newest &&
           (w->begin + grains - w->begins[(uint32_t)w->oldest & (w->messages - 1)] > w->size ||
            w->newest - w->oldest + 1 >= w->messages))
        store(record_of(w, w->oldest++), R_MARK, 0);
    if (before != w->oldest) {
        store(w->peer->own, bytes(w->entry) + T_OLDEST, mark_of(w->oldest));
        IVSHMEM_PEER_FENCE();
    }
    w->length = length;
    w->lent = true;
    return w->peer->own + bytes(w->data) + bytes(w->at);
}

/* Rings each reader that asks for it, once for each time that it asks. */
static void wake_readers(const writer* w) {
    const struct ivshmem_peer* p = w->peer;
    const uint32_t number = p->division.slots; /* of the words `answered` */
    uint32_t slot, incarnation;
    struct area a;
    area_of(p, &a);
    IVSHMEM_PEER_FENCE();
    for (slot = 0; slot < number; ++slot) {
        uint32_t request;
        if (slot == p->slot)
            continue;
        request = look(ivshmem_peer_header_of(p, slot),
                       wanted_at(&a, p->slot, (w->entry - a.table) / ENTRY_GRAINS));
        if ((request & WANTED) == 0 || request == w->answered[slot] ||
            !ivshmem_peer_has_topics(p, slot, &incarnation) || incarnation == 0)
            continue;
        ivshmem_peer_ring_slot(p, slot, (uint16_t)(request >> 16));
        w->answered[slot] = request;
    }
}

enum ivshmem_peer_result ivshmem_peer_topic_publish(writer* w, uint64_t time) {
    const enum ivshmem_peer_result why = may_write(w);
    unsigned char* record;
    if (why != IVSHMEM_PEER_OK)
        return why;
    if (!w->lent)
        return IVSHMEM_PEER_INVALID;
    w->lent = false;
    ++w->newest;
    w->begins[(uint32_t)w->newest & (w->messages - 1)] = w->begin;
    w->tail = w->begin + grains_of(w->length);
    w->place = w->at + grains_of(w->length);
    if (w->place == w->size)
        w->place = 0;
    IVSHMEM_PEER_CLEAN(w->peer->own + bytes(w->data) + bytes(w->at), w->length);
    record = record_of(w, w->newest);
    store(record, R_HIGH, high_of(w->newest));
    store(record, R_PLACE, w->at);
    store(record, R_LENGTH, w->length);
    store(record, R_TIME, (uint32_t)time);
    store(record, R_TIME + 4, (uint32_t)(time >> 32));
    publish(record, R_MARK, mark_of(w->newest));
    publish(w->peer->own, bytes(w->entry) + T_NEWEST, mark_of(w->newest));
    wake_readers(w);
    return IVSHMEM_PEER_OK;
}

enum ivshmem_peer_result ivshmem_peer_topic_send(writer* w, const void* data, uint32_t length,
                                                 uint64_t time) {
    unsigned char* to = ivshmem_peer_topic_loan(w, length);
    if (to == NULL)
        return may_write(w) != IVSHMEM_PEER_OK ? may_write(w) : IVSHMEM_PEER_TOO_LARGE;
    if (length != 0)
        IVSHMEM_PEER_COPY_OUT(to, (const unsigned char*)data, length);
    return ivshmem_peer_topic_publish(w, time);
}

/* Shows that nothing more will be published. */
static void show_end(const writer* w) {
    publish(w->peer->own, bytes(w->entry) + T_FLAGS, T_ENDED);
}

void ivshmem_peer_topic_end(writer* w) {
    struct ivshmem_peer* p = w->peer;
    uint32_t i;
    if (may_write(w) != IVSHMEM_PEER_OK)
        return;
    show_end(w);
    wake_readers(w);
    for (i = 0; i < IVSHMEM_PEER_TOPICS; ++i)
        if (p->topics[i].by == w)
            p->topics[i].by = NULL;
    w->peer = NULL;
}

/* ---- Reading ---- */

struct record {
    uint64_t number, time;
    uint64_t skipped;
    uint32_t place, length;
    bool early; /* older than where this side began */
};

static void withdraw(reader* r) {
    struct area a;
    if (!r->armed)
        return;
    r->armed = false;
    area_of(r->peer, &a);
    store(r->peer->own, wanted_at(&a, r->place.slot, r->place.number), 0);
}

static void stay_awake(const reader* r) {
    r->peer->recheck = FIRST_RECHECK;
}

static bool is_there(const reader* r) {
    return look(r->place.entry, T_KEY) == r->place.key;
}

static const unsigned char* index_of(const reader* r, uint64_t number) {
    return r->place.index + (size_t)((uint32_t)number & (r->place.messages - 1)) * RECORD;
}

/* Reads the record that a message has in the index, whichever message is there (T5, T6).
   @return Whether one is there, and it was whole while it was read. */
static bool read_record(reader* r, uint64_t number, struct record* m) {
    const unsigned char* at = index_of(r, number);
    const uint32_t high = look(at, R_HIGH);
    const uint32_t mark = look(at, R_MARK);
    uint32_t low;
    if ((mark & MARKED) == 0)
        return false;
    m->place = look(at, R_PLACE);
    m->length = look(at, R_LENGTH);
    low = look(at, R_TIME);
    m->time = (uint64_t)look(at, R_TIME + 4) << 32 | low;
    if (look(at, R_MARK) != mark || look(at, R_HIGH) != high)
        return false;
    m->number = (uint64_t)high << MARK_BITS | (mark & MARK_NUMBER);
    m->skipped = 0;
    m->early = false;
    if (m->number == 0 || index_of(r, m->number) != at || m->place > r->place.size ||
        grains_of(m->length) > r->place.size - m->place)
        r->broken = true;
    return !r->broken;
}

static uint32_t look_at_newest(reader* r) {
    r->drained = true;
    r->seen = look(r->place.entry, T_NEWEST);
    return r->seen;
}

/* The record of the message that has the mark. */
static bool read_newest(reader* r, uint32_t newest, struct record* m) {
    return read_record(r, newest, m) && mark_of(m->number) == newest;
}

/* How many messages the writer still had at most, the newest one included. */
static uint64_t kept(const reader* r, uint32_t newest) {
    const uint32_t oldest = look(r->place.entry, T_OLDEST);
    const uint32_t between = (newest - (oldest == 0 ? 1 : oldest)) & MARK_NUMBER;
    return lesser(between, r->place.messages - 1) + 1;
}

/* Begins behind the messages that are there, except for some (T9). @return false: call it again. */
static bool start(reader* r) {
    int attempt;
    for (attempt = 0; !r->started && attempt < ATTEMPTS; ++attempt) {
        const uint32_t newest = look_at_newest(r);
        uint64_t keep, came;
        struct record last;
        if (r->first_seen == 0)
            r->first_seen = newest;
        last.number = 0;
        if (newest != 0 && !read_newest(r, newest, &last))
            continue;
        keep = newest == 0 ? 0 : lesser(lesser(r->history, last.number), kept(r, newest));
        /* No message that came after the first look is left out. */
        came = lesser(last.number, (newest - r->first_seen) & MARK_NUMBER);
        r->next = last.number + 1 - (keep > came ? keep : came);
        r->present = last.number;
        r->started = true;
        r->drained = false;
    }
    return r->started;
}

static void attach(reader* r, const topic_place* t, bool is_new) {
    const topic_place* was = &r->place;
    const bool again = r->session != 0 && !r->broken && was->slot == t->slot &&
                       was->key == t->key && was->number == t->number && was->index == t->index &&
                       was->data == t->data && was->size == t->size && was->messages == t->messages;
    r->state = IVSHMEM_PEER_TOPIC_ATTACHED;
    stay_awake(r);
    if (again) { /* its writer only did not run: go on */
        r->place.incarnation = t->incarnation;
        return;
    }
    r->place = *t;
    ++r->session;
    r->started = is_new;
    r->drained = r->broken = false;
    r->first_seen = 0;
    r->next = 1;
    r->present = r->lost = 0;
    start(r); /* behind what is there now, also if the first read comes later */
}

/* Looks for the topic (T9). The words known of each slot are the key at the first look, and that of
   the last one which has ended. */
static void search(reader* r) {
    struct ivshmem_peer* p = r->peer;
    const bool first = !r->looked;
    struct found f, left;
    bool any_left = false, left_is_new = false;
    uint32_t slot;
    if (r->state != IVSHMEM_PEER_TOPIC_SEARCHING)
        return;
    r->looked = true;
    for (slot = 0; slot < p->division.slots; ++slot) {
        uint32_t* known = r->known + (size_t)slot * 2;
        bool is_new;
        if (!find(p, slot, r->name, &f))
            continue;
        if (first)
            known[0] = f.place.key;
        if (first && f.ended)
            known[1] = f.place.key;
        is_new = f.place.key != known[0];
        if (!f.fits || (f.ended ? any_left || f.place.key == known[1] : !is_written(p, &f)))
            continue;
        if (!f.ended) {
            attach(r, &f.place, is_new);
            return;
        }
        left = f;
        any_left = true;
        left_is_new = is_new;
    }
    if (any_left)
        attach(r, &left.place, left_is_new);
}

static bool taken(reader* r, struct record* m) {
    m->skipped = m->number - r->next + r->lost;
    r->lost = r->present = 0;
    r->next = m->number + 1;
    r->drained = false;
    return true;
}

static bool holds_next(reader* r, struct record* m) {
    return read_record(r, r->next, m) && m->number == r->next;
}

/* The next message. If it was overwritten: one in the middle of those that are left (T8). */
static bool take_next(reader* r, struct record* m) {
    int attempt;
    for (attempt = 0; attempt < ATTEMPTS; ++attempt) {
        uint32_t newest;
        uint64_t middle;
        struct record last;
        if (holds_next(r, m))
            return taken(r, m);
        newest = look_at_newest(r);
        if (r->broken || newest == 0 || newest == (r->next == 1 ? 0 : mark_of(r->next - 1)))
            return false;
        if (holds_next(r, m)) /* it came in the meantime */
            return taken(r, m);
        if (!read_newest(r, newest, &last) || last.number < r->next)
            continue;
        middle = last.number - lesser(last.number, kept(r, newest) / 2);
        if (middle < r->next)
            middle = r->next;
        if (!read_record(r, middle, m) || m->number != middle)
            *m = last;
        return taken(r, m);
    }
    return false;
}

static bool take_latest(reader* r, struct record* m) {
    int attempt;
    for (attempt = 0; attempt < ATTEMPTS; ++attempt) {
        const uint32_t newest = look_at_newest(r);
        if (r->broken || newest == 0)
            return false;
        if (!read_newest(r, newest, m))
            continue;
        if (m->number >= r->next)
            return taken(r, m);
        if (m->number != r->present)
            return false;
        r->present = 0;
        r->drained = false;
        m->early = true;
        return true;
    }
    return false;
}

static bool take_message(reader* r, bool latest, struct record* m) {
    return start(r) && (latest ? take_latest(r, m) : take_next(r, m));
}

static bool is_intact(const reader* r, uint64_t number) {
    const unsigned char* at = index_of(r, number);
    IVSHMEM_PEER_FENCE(); /* after what was read of the message (T7) */
    return look(at, R_MARK) == mark_of(number) && look(at, R_HIGH) == high_of(number) &&
           is_there(r);
}

/* Counts a message that was read, but not delivered. */
static void count_lost(reader* r, const struct record* m) {
    r->lost += m->skipped + (m->early ? 0 : 1);
}

/* The state that follows from the words of the writer, except that it broke a rule (T11). */
static enum ivshmem_peer_topic_state why_over(const reader* r) {
    const topic_place* t = &r->place;
    if ((look(t->entry, T_FLAGS) & T_ENDED) != 0 || !is_there(r) ||
        ivshmem_peer_has_changed_hands(r->peer, t->slot, t->incarnation))
        return IVSHMEM_PEER_TOPIC_ENDED;
    return ivshmem_peer_is_lost(r->peer, t->slot) ? IVSHMEM_PEER_TOPIC_LOST
                                                  : IVSHMEM_PEER_TOPIC_ATTACHED;
}

static void finish(reader* r, enum ivshmem_peer_topic_state how) {
    withdraw(r);
    r->state = how;
    if (how == IVSHMEM_PEER_TOPIC_ENDED)
        r->known[(size_t)r->place.slot * 2 + 1] = r->place.key;
}

static enum ivshmem_peer_result fetch(reader* r, bool latest, struct record* m) {
    if (r->state == IVSHMEM_PEER_TOPIC_CLOSED)
        return IVSHMEM_PEER_CLOSED;
    search(r);
    if (r->state == IVSHMEM_PEER_TOPIC_ATTACHED) {
        enum ivshmem_peer_topic_state over;
        if (take_message(r, latest, m))
            return IVSHMEM_PEER_OK;
        over = why_over(r);
        /* What was published before that is still read. */
        if (over != IVSHMEM_PEER_TOPIC_ATTACHED && take_message(r, latest, m) && is_there(r))
            return IVSHMEM_PEER_OK;
        if (r->broken)
            over = is_there(r) ? IVSHMEM_PEER_TOPIC_POISONED : IVSHMEM_PEER_TOPIC_ENDED;
        if (over != IVSHMEM_PEER_TOPIC_ATTACHED)
            finish(r, over);
    }
    return r->state == IVSHMEM_PEER_TOPIC_ATTACHED || r->state == IVSHMEM_PEER_TOPIC_SEARCHING
               ? IVSHMEM_PEER_AGAIN
               : (enum ivshmem_peer_result)r->state;
}

static enum ivshmem_peer_result delivered(reader* r, const struct record* m, topic_message* to) {
    r->skipped += m->skipped;
    stay_awake(r);
    to->number = m->number;
    to->time = m->time;
    to->skipped = m->skipped;
    to->data = r->place.data + bytes(m->place);
    to->length = m->length;
    to->session = r->session;
    return IVSHMEM_PEER_OK;
}

static enum ivshmem_peer_result view(reader* r, bool latest, topic_message* message) {
    struct record m;
    const enum ivshmem_peer_result why = fetch(r, latest, &m);
    if (why != IVSHMEM_PEER_OK)
        return why;
    delivered(r, &m, message);
    IVSHMEM_PEER_INVALIDATE(message->data, message->length);
    return why;
}

static enum ivshmem_peer_result read_copy(reader* r, bool latest, void* into, uint32_t capacity,
                                          topic_message* message) {
    int copies;
    for (copies = 0; copies < COPIES; ++copies) {
        struct record m;
        const enum ivshmem_peer_result why = fetch(r, latest, &m);
        const unsigned char* from;
        if (why != IVSHMEM_PEER_OK)
            return why;
        if (m.length > capacity) {
            count_lost(r, &m);
            message->length = m.length;
            return IVSHMEM_PEER_TOO_LARGE;
        }
        from = r->place.data + bytes(m.place);
        IVSHMEM_PEER_INVALIDATE(from, m.length);
        if (m.length != 0)
            IVSHMEM_PEER_COPY_IN((unsigned char*)into, from, m.length);
        if (is_intact(r, m.number))
            return delivered(r, &m, message);
        count_lost(r, &m);
    }
    return IVSHMEM_PEER_AGAIN;
}

enum ivshmem_peer_result ivshmem_peer_topic_open(struct ivshmem_peer* p, reader* r,
                                                 const char* name, uint32_t history,
                                                 uint32_t* memory, uint32_t words) {
    struct area a;
    uint32_t i;
    if (p->phase != IVSHMEM_PEER_HELD)
        return IVSHMEM_PEER_NO_SLOT;
    if (!area_of(p, &a))
        return IVSHMEM_PEER_NO_TOPICS;
    if (r->state != IVSHMEM_PEER_TOPIC_CLOSED)
        return IVSHMEM_PEER_IN_USE;
    if (!ivshmem_peer_is_name(name) || words / 2 < p->division.slots)
        return IVSHMEM_PEER_INVALID;
    for (i = 0; i < p->division.slots * 2; ++i)
        memory[i] = 0;
    r->looked = r->armed = r->broken = false;
    r->session = 0;
    r->skipped = 0;
    r->history = history;
    r->known = memory;
    r->name = name;
    r->peer = p;
    r->next_reader = p->readers;
    p->readers = r;
    r->state = IVSHMEM_PEER_TOPIC_SEARCHING;
    search(r);
    return IVSHMEM_PEER_OK;
}

enum ivshmem_peer_result ivshmem_peer_topic_reopen(reader* r) {
    if (r->state == IVSHMEM_PEER_TOPIC_CLOSED)
        return IVSHMEM_PEER_CLOSED;
    if (r->state != IVSHMEM_PEER_TOPIC_ATTACHED)
        r->state = IVSHMEM_PEER_TOPIC_SEARCHING;
    search(r);
    return IVSHMEM_PEER_OK;
}

void ivshmem_peer_topic_close(reader* r) {
    reader** at;
    if (r->state == IVSHMEM_PEER_TOPIC_CLOSED)
        return;
    withdraw(r);
    for (at = &r->peer->readers; *at != r;) /* it is there: ivshmem_peer_topics_end() closes all */
        at = &(*at)->next_reader;
    *at = r->next_reader;
    r->state = IVSHMEM_PEER_TOPIC_CLOSED;
}

enum ivshmem_peer_result ivshmem_peer_topic_view(reader* r, topic_message* message) {
    return view(r, false, message);
}

enum ivshmem_peer_result ivshmem_peer_topic_view_latest(reader* r, topic_message* message) {
    return view(r, true, message);
}

bool ivshmem_peer_topic_is_valid(const reader* r, const topic_message* message) {
    return r->state != IVSHMEM_PEER_TOPIC_CLOSED && r->session != 0 &&
           message->session == r->session && is_intact(r, message->number);
}

enum ivshmem_peer_result ivshmem_peer_topic_read(reader* r, void* into, uint32_t capacity,
                                                 topic_message* message) {
    return read_copy(r, false, into, capacity, message);
}

enum ivshmem_peer_result ivshmem_peer_topic_read_latest(reader* r, void* into, uint32_t capacity,
                                                        topic_message* message) {
    return read_copy(r, true, into, capacity, message);
}

/* ---- Poll, and "Sleeping" (T10) ---- */

void ivshmem_peer_topics_poll(struct ivshmem_peer* p) {
    reader* r;
    for (r = p->readers; r != NULL; r = r->next_reader) {
        withdraw(r);
        search(r);
    }
}

bool ivshmem_peer_topics_arm(struct ivshmem_peer* p) {
    struct area a;
    reader* r;
    bool ready = false;
    area_of(p, &a);
    for (r = p->readers; r != NULL; r = r->next_reader)
        if (r->state == IVSHMEM_PEER_TOPIC_ATTACHED && !r->holds_back && !p->config.polls) {
            ++p->topics_asked;
            publish(p->own, wanted_at(&a, r->place.slot, r->place.number),
                    WANTED | (p->topics_asked & 0x3fffU) << 2 | (uint32_t)p->config.vector << 16);
            r->armed = true;
        }
    IVSHMEM_PEER_FENCE();
    for (r = p->readers; r != NULL; r = r->next_reader)
        if (r->state == IVSHMEM_PEER_TOPIC_ATTACHED && !r->holds_back &&
            (!r->drained || look(r->place.entry, T_NEWEST) != r->seen ||
             why_over(r) != IVSHMEM_PEER_TOPIC_ATTACHED))
            ready = true;
    for (r = p->readers; ready && r != NULL; r = r->next_reader)
        withdraw(r);
    return ready;
}

void ivshmem_peer_topics_end(struct ivshmem_peer* p, bool shows) {
    reader* r;
    uint32_t i;
    for (i = 0; i < IVSHMEM_PEER_TOPICS; ++i) {
        if (p->topics[i].by == NULL)
            continue;
        if (shows)
            show_end(p->topics[i].by);
        p->topics[i].by->peer = NULL;
        p->topics[i].by = NULL;
    }
    for (r = p->readers; r != NULL; r = r->next_reader)
        r->state = IVSHMEM_PEER_TOPIC_CLOSED;
    p->readers = NULL;
}
