/* SPDX-License-Identifier: BSL-1.0 */
/* SPDX-FileCopyrightText: The libivshmem authors */

/**
 * @file
 * Topics of a peer ("Topics" of channel-layout.md): one writer, any number of readers, found by
 * name.
 *
 * Compile ivshmem_peer.c and ivshmem_peer_topics.c with IVSHMEM_PEER_TOPICS of 1 or more, and all
 * that includes their headers with the same. Then, with a slot that is held:
 *
 *     ivshmem_peer_topic_create(&peer, &writer, "temperature", 4096, memory, 64);
 *     ivshmem_peer_topic_send(&writer, &value, sizeof value, time);
 *
 *     ivshmem_peer_topic_open(&peer, &reader, "temperature", 0, known, 8);
 *     for (;;) {
 *         ivshmem_peer_wait(&peer, IVSHMEM_PEER_NO_LIMIT);
 *         while (ivshmem_peer_topic_read(&reader, &value, sizeof value, &message) ==
 * IVSHMEM_PEER_OK) use(value, message.skipped);
 *     }
 *
 * The writer never waits: a new message takes the room of the oldest ones. A reader that is too
 * slow skips messages, and learns how many. Neither trusts the other: what a reader reads is
 * checked, and a writer reads nothing of its own section.
 *
 * ivshmem_peer_arm() and ivshmem_peer_wait() do not sleep while a reader has something to read,
 * unless `holds_back` is set.
 */
#ifndef IVSHMEM_PEER_TOPICS_H
#define IVSHMEM_PEER_TOPICS_H

#include "ivshmem_peer.h"

#if IVSHMEM_PEER_TOPICS < 1 || IVSHMEM_PEER_TOPICS > 16
#error "define IVSHMEM_PEER_TOPICS as 1 to 16, the same for ivshmem_peer.c"
#endif

#ifdef __cplusplus
extern "C" {
#endif

/** @name Writing
 * @{ */

/** The writer of a topic. A new one must be zero. Its members are private. */
struct ivshmem_peer_topic_writer {
    struct ivshmem_peer* peer; /* null: closed */
    const char* name;
    uint32_t *begins, *answered;
    uint64_t newest, oldest;
    uint32_t entry, index, data; /* in grains from the start of the section */
    uint32_t size, messages;
    uint32_t tail, place, begin, at, length;
    bool lent;
};

/**
 * Begins a topic, and rings the peers that may wait for its name.
 *
 * @param name UTF-8 of 1 to 59 bytes, without control characters. It must stay until the end.
 * @param size The bytes of the messages that are kept, which is also the longest message; each one
 * takes a multiple of 64. 0: a quarter of the room that the region has.
 * @param memory Stays the writer's until the end: a word for each message that is kept, and one for
 * each slot of the region. So 20 words of a region with 4 slots keep 16 messages.
 * @param words Of `memory`. The messages are the largest power of two for which they suffice.
 * @return IVSHMEM_PEER_OK; _IN_USE: a peer writes a topic of this name, or this writer is open;
 * _INVALID; _NO_SLOT; _NO_TOPICS; _TOO_SMALL: there is no room for its size; _FULL: this peer
 * writes as many topics as it can.
 * @par Time 16 names of each slot, twice, and a store for each message.
 */
enum ivshmem_peer_result ivshmem_peer_topic_create(struct ivshmem_peer* peer,
                                                   struct ivshmem_peer_topic_writer* writer,
                                                   const char* name, uint32_t size,
                                                   uint32_t* memory, uint32_t words);
/**
 * Lends memory of the section for the next message, which takes it from the oldest ones. Its
 * address is a multiple of 64. Another loan replaces it.
 *
 * @return A null pointer: the topic or the slot has ended, or `length` is over the topic's size.
 * @par Time A store for each message that is given up.
 */
unsigned char* ivshmem_peer_topic_loan(struct ivshmem_peer_topic_writer* writer, uint32_t length);
/**
 * Publishes what is on loan.
 *
 * @param time Nanoseconds since 1970; 0 if the system has no such clock.
 * @return IVSHMEM_PEER_OK; _INVALID: nothing is on loan; _CLOSED; _NO_SLOT.
 * @par Time A word of each slot, and a ring for each reader that sleeps.
 */
enum ivshmem_peer_result ivshmem_peer_topic_publish(struct ivshmem_peer_topic_writer* writer,
                                                    uint64_t time);
/** Publishes a copy of `data`. @return As ivshmem_peer_topic_publish(), or _TOO_LARGE. */
enum ivshmem_peer_result ivshmem_peer_topic_send(struct ivshmem_peer_topic_writer* writer,
                                                 const void* data, uint32_t length, uint64_t time);
/** Ends the topic. Its messages can be read until another topic needs the room. */
void ivshmem_peer_topic_end(struct ivshmem_peer_topic_writer* writer);
/** @} */

/** @name Reading
 * @{ */

/* Those that end a topic have the number of the result that says so. */
enum ivshmem_peer_topic_state {
    IVSHMEM_PEER_TOPIC_CLOSED,
    IVSHMEM_PEER_TOPIC_SEARCHING, /**< no peer writes a topic of that name yet */
    IVSHMEM_PEER_TOPIC_ENDED = IVSHMEM_PEER_CLOSED,
    IVSHMEM_PEER_TOPIC_LOST = IVSHMEM_PEER_LOST,
    IVSHMEM_PEER_TOPIC_POISONED = IVSHMEM_PEER_FAULT,
    IVSHMEM_PEER_TOPIC_ATTACHED = 64
};

/** A message. */
struct ivshmem_peer_topic_message {
    uint64_t number;           /**< from 1 */
    uint64_t time;             /**< of the writer: nanoseconds since 1970 */
    uint64_t skipped;          /**< messages before it that were not read */
    const unsigned char* data; /**< of a view: in the shared memory */
    uint32_t length;
    uint32_t session;
};

/** Private: a topic in the section of its writer, checked. */
struct ivshmem_peer_topic_place {
    const unsigned char *entry, *index, *data;
    uint32_t slot, number, key, incarnation, size, messages;
};

/** The reader of a topic. A new one must be zero. Its members are read only, but for `holds_back`.
 */
struct ivshmem_peer_topic_reader {
    enum ivshmem_peer_topic_state state;
    bool holds_back; /**< set by the program while it does not read: messages that wait do not end
                        ivshmem_peer_wait() */
    bool looked, armed;
    /* Zero when the reader attaches, up to `place`. */
    bool started, drained, broken;
    uint32_t first_seen, seen;
    uint64_t next, present, lost;
    struct ivshmem_peer_topic_place place;
    uint64_t skipped; /**< messages that were not read, in all */
    uint32_t session, history;
    uint32_t* known;
    const char* name;
    struct ivshmem_peer* peer;
    struct ivshmem_peer_topic_reader* next_reader;
};

/**
 * Opens a reader, which waits for a topic if there is none of that name.
 *
 * @param name As of a service. It must stay until the reader is closed.
 * @param history How many of the messages that are there the reader begins with.
 * @param memory Stays the reader's until it is closed: two words for each slot of the region.
 * @return IVSHMEM_PEER_OK, or _IN_USE (this reader is open), _INVALID, _NO_SLOT, _NO_TOPICS.
 * @par Time 16 names of each slot; so in each call for a topic that is not there, also of
 * ivshmem_peer_poll().
 */
enum ivshmem_peer_result ivshmem_peer_topic_open(struct ivshmem_peer* peer,
                                                 struct ivshmem_peer_topic_reader* reader,
                                                 const char* name, uint32_t history,
                                                 uint32_t* memory, uint32_t words);
/**
 * Looks for the topic again, after it has ended. One whose writer was only away goes on where it
 * was. @return IVSHMEM_PEER_OK, or _CLOSED, _NO_SLOT.
 */
enum ivshmem_peer_result ivshmem_peer_topic_reopen(struct ivshmem_peer_topic_reader* reader);
/** Closes the reader. */
void ivshmem_peer_topic_close(struct ivshmem_peer_topic_reader* reader);

/**
 * Returns the next message where it is, in the shared memory. It may be overwritten at any time:
 * use nothing of it before ivshmem_peer_topic_is_valid() has returned true after it was read.
 *
 * @return IVSHMEM_PEER_OK; _AGAIN: there is none yet; _CLOSED: the topic has ended; _LOST: so has
 * its writer; _FAULT: the writer broke the rules; _NO_SLOT. After the last four, reopen or close.
 */
enum ivshmem_peer_result ivshmem_peer_topic_view(struct ivshmem_peer_topic_reader* reader,
                                                 struct ivshmem_peer_topic_message* message);
/** Returns the newest message where it is, unless it was read already. The ones before are skipped.
 */
enum ivshmem_peer_result ivshmem_peer_topic_view_latest(struct ivshmem_peer_topic_reader* reader,
                                                        struct ivshmem_peer_topic_message* message);
/** Returns whether nothing has written over a message since it was viewed. */
bool ivshmem_peer_topic_is_valid(const struct ivshmem_peer_topic_reader* reader,
                                 const struct ivshmem_peer_topic_message* message);
/**
 * Copies the next message.
 *
 * @return As ivshmem_peer_topic_view(), or _TOO_LARGE: the message has `message->length` bytes, and
 * counts as skipped.
 * @par Time Up to four copies, if the writer overwrites the first ones.
 */
enum ivshmem_peer_result ivshmem_peer_topic_read(struct ivshmem_peer_topic_reader* reader,
                                                 void* into, uint32_t capacity,
                                                 struct ivshmem_peer_topic_message* message);
/** Copies the newest message, unless it was read already. */
enum ivshmem_peer_result ivshmem_peer_topic_read_latest(struct ivshmem_peer_topic_reader* reader,
                                                        void* into, uint32_t capacity,
                                                        struct ivshmem_peer_topic_message* message);
/** @} */

#ifdef __cplusplus
}
#endif

#endif
