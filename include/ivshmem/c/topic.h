/* SPDX-License-Identifier: BSL-1.0 */
/* SPDX-FileCopyrightText: The libivshmem authors */
#ifndef IVSHMEM_C_TOPIC_H
#define IVSHMEM_C_TOPIC_H

/** @file
 *  Messages from one writer to any number of readers, which find the topic by its name.
 *
 *  A writer never waits: a new message takes the room of the oldest ones. A reader that is too slow
 *  skips messages, and is told how many.
 *
 *  The event loop of a reader goes like this:
 *
 *  1. Try. If there is no message now (-EAGAIN), ivshmem_topic_reader_arm().
 *  2. If it returned that the caller can sleep, wait until the descriptor of the slot polls
 * readable (ivshmem_slot_get_fd()), at most 100 ms: a ring may get lost.
 *  3. ivshmem_topic_reader_disarm(), ivshmem_slot_update(), ivshmem_topic_reader_update(); go on
 * with 1.
 *
 *  Functions with a `timeout_ms` do all of that, for programs without a loop. A program that only
 *  publishes calls ivshmem_slot_update(), so that it keeps its slot.
 */

#include <ivshmem/c/slot.h>

#ifdef __cplusplus
extern "C" {
#endif

/** The state of a reader, as ivshmem::topic_state. */
enum ivshmem_topic_state {
    IVSHMEM_TOPIC_STATE_CLOSED = 0,
    IVSHMEM_TOPIC_STATE_SEARCHING = 1, /**< no peer writes a topic of that name yet */
    IVSHMEM_TOPIC_STATE_ATTACHED = 2,  /**< messages flow */
    IVSHMEM_TOPIC_STATE_ENDED = 3,     /**< the writer ended it, or its slot has another holder */
    IVSHMEM_TOPIC_STATE_POISONED = 4,  /**< the writer broke the rules of the layout */
    IVSHMEM_TOPIC_STATE_LOST =
        5 /**< the writer ended without closing it, or does not run any more */
};

/** Chooses the room of a topic. Every field but `size` may be 0, which chooses its default. */
struct ivshmem_topic_options {
    size_t size;        /**< of this struct in bytes, set by the caller */
    uint64_t ring_size; /**< bytes for messages, which is also the longest message; each message
                            takes a multiple of 64. 0: with the index, a quarter of the room for
                            topics in the section */
    uint32_t messages;  /**< how many messages there can be at once: the next power of two, up to
                             65536; 0: one for each 128 bytes */
    int relayed; /**< 1: the messages come from elsewhere, such as another region: a program that
                    passes topics on leaves out such a topic */
    uint64_t
        max_message; /**< the longest message, in bytes; 0: all of the ring, or what pins leave */
    uint32_t pinning_readers; /**< how many readers may pin messages, up to 8; each message has a
                                 cell of max_message bytes then */
    uint32_t pins_each;       /**< how many messages each of them may hold at once, up to 8; 0: 2 */
};

/** The facts about a writer. */
struct ivshmem_topic_writer_facts {
    size_t size;          /**< of this struct in bytes, set by the caller */
    uint64_t max_message; /**< the longest message, in bytes */
    uint64_t sequence;    /**< the number of the last message; 0: none yet */
    uint64_t rings;       /**< how often a reader was rung */
};

/** Chooses where a reader begins. Every field but `size` may be 0, which chooses its default. */
struct ivshmem_topic_reader_options {
    size_t size;          /**< of this struct in bytes, set by the caller */
    uint64_t history;     /**< how many of the messages that are there already to read first */
    uint64_t max_message; /**< the longest message that is copied, in bytes; 0: 64 MiB */
    int polling;          /**< 1: looks for messages without being rung */
    uint32_t pins; /**< how many messages to hold at once with ivshmem_topic_pin_open(), up to 8 */
};

/** The facts about a reader, as of its last call. */
struct ivshmem_topic_reader_facts {
    size_t size;         /**< of this struct in bytes, set by the caller */
    int state;           /**< ivshmem_topic_state */
    int32_t writer_slot; /**< the slot of the writer; -1: none was found */
    uint64_t skipped;    /**< messages that were skipped since the reader was opened */
    int relayed;         /**< 1: the topic was brought from elsewhere, as its writer says */
};

/** A topic in the list of those of all slots, as its writer describes it. The writer may have
 *  written false values, except for the slot and what is said of each. */
struct ivshmem_topic_info {
    char name[60];     /**< 1 to 59 bytes of UTF-8 without control characters, and a 0 byte */
    uint32_t slot;     /**< of the writer */
    uint32_t number;   /**< among the topics of that slot: 0..15 */
    uint32_t key;      /**< never 0; another one if a new topic has that number */
    uint64_t sequence; /**< the number of the last message; 0: none yet */
    uint64_t time_ns; /**< when that was published, by the clock of the writer, since 1970; 0: there
                         is none, or new ones came faster than it was read */
    uint64_t ring_size; /**< bytes for messages: the longest message */
    uint32_t messages;  /**< how many there can be at once: 2..65536 */
    int ended;          /**< 1: the writer ended it */
    int relayed;        /**< 1: it was brought from elsewhere */
    int lost;           /**< 1: the writer left without ending the topic */
};

/** A message of a topic. */
struct ivshmem_topic_message {
    size_t size;       /**< of this struct in bytes, set by the caller */
    const void* bytes; /**< in the section of the writer, or in the buffer of the caller */
    size_t length;     /**< in bytes */
    uint64_t sequence; /**< its number: the first one of a topic is 1 */
    uint64_t skipped;  /**< messages, since the one that was read before, that were overwritten or
                            passed over without being read */
    uint64_t time_ns;  /**< when it was published, by the clock of the writer, since 1970 */
    uint32_t session;  /**< the attachment of the reader that it was read in */
};

/** The writer of a topic; as ivshmem::topic_writer. Close it with ivshmem_topic_writer_close().
 *
 *  Functions return #IVSHMEM_CLOSED if the slot was closed, #IVSHMEM_SLOT_LOST,
 * #IVSHMEM_SLOT_OVERWRITTEN, #IVSHMEM_FORKED.
 *
 *  @par Thread Safety
 *  @e Distinct @e objects: Safe. @e Shared @e objects: Unsafe; it counts as one object with the
 *  slot. */
struct ivshmem_topic_writer;
/** A reader of a topic; as ivshmem::topic_reader. Close it with ivshmem_topic_reader_close().
 *
 *  After the writer has ended the topic, what is left is read, and then functions that read return
 *  #IVSHMEM_TOPIC_CLOSED. If it ended without that they return #IVSHMEM_PEER_LOST, and if it broke
 *  the rules of the layout #IVSHMEM_TOPIC_POISONED. ivshmem_topic_reader_reopen() waits for the
 *  next writer. They also return #IVSHMEM_SLOT_LOST, #IVSHMEM_FORKED, and #IVSHMEM_CLOSED if the
 *  slot was closed.
 *
 *  @par Thread Safety
 *  @e Distinct @e objects: Safe. @e Shared @e objects: Unsafe; it counts as one object with the
 *  slot. */
struct ivshmem_topic_reader;
/** Holds a message in the section of its writer, without a copy; as ivshmem::topic_pin. Close it
 *  with ivshmem_topic_pin_close(), in any order, also after the reader.
 *
 *  @par Thread Safety
 *  @e Distinct @e objects: Safe. @e Shared @e objects: Unsafe; it counts as one object with the
 *  slot. */
struct ivshmem_topic_pin;

/** @name Writing
 *  None of these blocks.
 *  @{ */

/** Makes a topic, and wakes readers that wait for it.
 *  @param name 1 to 59 bytes of UTF-8 without control characters.
 *  @param options NULL: the defaults.
 *  @return #IVSHMEM_TOPICS_UNSUPPORTED, #IVSHMEM_BAD_SERVICE_NAME, #IVSHMEM_TOPIC_EXISTS,
 *  #IVSHMEM_DIRECTORY_FULL (16 topics), #IVSHMEM_REGION_TOO_SMALL, #IVSHMEM_CLOSED,
 *  #IVSHMEM_SLOT_LOST, #IVSHMEM_FORKED; -E2BIG; -EINVAL; -ENOMEM. */
int ivshmem_topic_writer_open(struct ivshmem_slot* slot, const char* name,
                              const struct ivshmem_topic_options* options,
                              struct ivshmem_topic_writer** writer);
/** Ends the topic: readers receive the messages that are there, and then #IVSHMEM_TOPIC_CLOSED. */
int ivshmem_topic_writer_close(struct ivshmem_topic_writer* writer);
/** Returns the facts. @param facts `size` is set by the caller. */
int ivshmem_topic_writer_get_facts(struct ivshmem_topic_writer* writer,
                                   struct ivshmem_topic_writer_facts* facts);

/** Publishes a copy of a message.
 *  @param message May be NULL if `length` is 0.
 *  @return #IVSHMEM_MESSAGE_TOO_LARGE. See ivshmem_topic_writer. */
int ivshmem_topic_writer_publish(struct ivshmem_topic_writer* writer, const void* message,
                                 size_t length);
/** Lends memory in the section itself for the next message, so that it need not be copied. A second
 *  loan replaces the first one; ivshmem_topic_writer_publish() makes it void.
 *  @param memory Gets its address, valid until it is published. Its content is undefined.
 *  @return As ivshmem_topic_writer_publish(). */
int ivshmem_topic_writer_loan(struct ivshmem_topic_writer* writer, size_t length, void** memory);
/** Publishes the message in the memory of the last loan, which must not be written to any more.
 *  @return #IVSHMEM_NOT_CONNECTED: nothing is on loan. See ivshmem_topic_writer. */
int ivshmem_topic_writer_publish_loan(struct ivshmem_topic_writer* writer);
/** @} */

/** @name Reading
 *  @{ */

/** Lists the topics of all slots, this one included, ascending by slot and number; of each slot 16
 *  at most. A name that two slots write is there twice, as topics that have ended are. Reads a few
 *  words of each slot, so it can be called after each ring: a slot that makes a topic rings all
 *  others once. Never blocks.
 *  @param topics Gets up to `capacity` of them; may be NULL if that is 0.
 *  @param count Gets how many there are, which may be more than `capacity`.
 *  @return #IVSHMEM_TOPICS_UNSUPPORTED, #IVSHMEM_CLOSED, #IVSHMEM_SLOT_LOST, #IVSHMEM_FORKED;
 *  -EINVAL; -ENOMEM. */
int ivshmem_slot_get_topics(struct ivshmem_slot* slot, struct ivshmem_topic_info* topics,
                            size_t capacity, size_t* count);

/** Opens a topic of any other slot. It need not exist yet. Never blocks.
 *  @param name 1 to 59 bytes of UTF-8 without control characters.
 *  @param options NULL: the defaults.
 *  @return #IVSHMEM_TOPICS_UNSUPPORTED, #IVSHMEM_BAD_SERVICE_NAME, #IVSHMEM_CLOSED,
 *  #IVSHMEM_SLOT_LOST, #IVSHMEM_FORKED; -E2BIG; -EINVAL; -ENOMEM. */
int ivshmem_topic_reader_open(struct ivshmem_slot* slot, const char* name,
                              const struct ivshmem_topic_reader_options* options,
                              struct ivshmem_topic_reader** reader);
/** Closes the reader. Views of its messages must not be used any more. */
int ivshmem_topic_reader_close(struct ivshmem_topic_reader* reader);
/** Looks for a writer again, after the topic has ended, or was lost or poisoned. Does nothing
 *  before. A poisoned topic may still be broken: do not try again at once. Never blocks.
 *  @return #IVSHMEM_CLOSED, #IVSHMEM_SLOT_LOST, #IVSHMEM_FORKED. */
int ivshmem_topic_reader_reopen(struct ivshmem_topic_reader* reader);
/** Returns the facts. @param facts `size` is set by the caller. */
int ivshmem_topic_reader_get_facts(struct ivshmem_topic_reader* reader,
                                   struct ivshmem_topic_reader_facts* facts);

/** Looks for a writer. Never blocks.
 *  @param state Gets an ivshmem_topic_state, which is no failure. May be NULL.
 *  @return #IVSHMEM_SLOT_LOST, #IVSHMEM_SLOT_OVERWRITTEN, #IVSHMEM_CLOSED, #IVSHMEM_FORKED. */
int ivshmem_topic_reader_update(struct ivshmem_topic_reader* reader, int* state);
/** Asks the writer to ring, then looks once more. Never blocks.
 *  @param may_sleep Gets 1 if there is nothing to do, so that the caller can sleep; else 0: try
 * again at once. */
int ivshmem_topic_reader_arm(struct ivshmem_topic_reader* reader, int* may_sleep);
/** Withdraws the request to be rung. */
int ivshmem_topic_reader_disarm(struct ivshmem_topic_reader* reader);

/** Copies the next message, if there is one. Never blocks.
 *  @param buffer May be NULL if `capacity` is 0.
 *  @param message `size` is set by the caller. Gets the message; if the result is
 * #IVSHMEM_BUFFER_TOO_SMALL, the one that stays: the next call returns it, unless the writer needs
 * its room before; then it counts as skipped. Its `bytes` are NULL in this case.
 *  @return -EAGAIN: there is none now. #IVSHMEM_BUFFER_TOO_SMALL; #IVSHMEM_MESSAGE_TOO_LARGE:
 * longer than ivshmem_topic_reader_options::max_message; it counts as skipped. See
 * ivshmem_topic_reader. */
int ivshmem_topic_reader_try_read(struct ivshmem_topic_reader* reader, void* buffer,
                                  size_t capacity, struct ivshmem_topic_message* message);
/** As ivshmem_topic_reader_try_read(), but the newest message, unless it was read already. The
 *  first call also returns one that was there before the reader. */
int ivshmem_topic_reader_try_read_latest(struct ivshmem_topic_reader* reader, void* buffer,
                                         size_t capacity, struct ivshmem_topic_message* message);
/** Returns a view of the next message in the section of the writer. The writer may write over it at
 *  any time, so use only bytes that were read before ivshmem_topic_reader_still_valid() gave 1, or
 *  ivshmem_topic_reader_copy_out(). A hostile writer can change them between two reads: read each
 *  byte once. Never blocks.
 *  @param message `size` is set by the caller, and covers `session`.
 *  @return -EAGAIN: there is none now. See ivshmem_topic_reader. */
int ivshmem_topic_reader_try_view(struct ivshmem_topic_reader* reader,
                                  struct ivshmem_topic_message* message);
/** As ivshmem_topic_reader_try_view(), but of the newest message, unless it was read already. */
int ivshmem_topic_reader_try_view_latest(struct ivshmem_topic_reader* reader,
                                         struct ivshmem_topic_message* message);
/** Asks whether a message is still there, so that all that was read of it before this call is what
 *  the writer published.
 *  @param message That a function of this reader returned.
 *  @param valid Gets 1 or 0. */
int ivshmem_topic_reader_still_valid(struct ivshmem_topic_reader* reader,
                                     const struct ivshmem_topic_message* message, int* valid);
/** Copies the first bytes of a view. Reads each byte once.
 *  @param message A view of this reader. @param length Up to that of the message; else -EINVAL.
 *  @param valid Gets 1; or 0 if `buffer` may hold anything, because the message was overwritten. */
int ivshmem_topic_reader_copy_out(struct ivshmem_topic_reader* reader,
                                  const struct ivshmem_topic_message* message, void* buffer,
                                  size_t length, int* valid);
/** @} */

/** @name Holding messages
 *  None of these blocks.
 *  @{ */

/** Holds a message where it is, so that the writer does not write over it until the pin is closed.
 *  The writer must allow that (ivshmem_topic_options::pinning_readers); it hears of a reader with
 *  its next loan or message, so the messages that were there before cannot be held.
 *  @param message A view of this reader.
 *  @return #IVSHMEM_PIN_REFUSED (no grant, yet or at all), #IVSHMEM_PINS_IN_USE,
 *  #IVSHMEM_MESSAGE_OVERWRITTEN, #IVSHMEM_CLOSED, #IVSHMEM_SLOT_LOST, #IVSHMEM_FORKED; -EINVAL;
 *  -ENOMEM. */
int ivshmem_topic_pin_open(struct ivshmem_topic_reader* reader,
                           const struct ivshmem_topic_message* message,
                           struct ivshmem_topic_pin** pin);
/** Asks whether the message is still held, so that all that was read of it before this call is what
 *  the writer published. It is not any more if the writer took this side for lost, if the slot was
 *  lost or closed, or if the topic has ended and its room was used again.
 *  @param valid Gets 1 or 0. */
int ivshmem_topic_pin_still_valid(struct ivshmem_topic_pin* pin, int* valid);
/** Lets the writer use the room of the message again. */
int ivshmem_topic_pin_close(struct ivshmem_topic_pin* pin);
/** @} */

/** @name Blocking
 *  As the functions without a timeout, but each waits for a message for `timeout_ms` at most
 *  (negative: no limit; 0: looks once), and returns #IVSHMEM_TIMED_OUT after that. They answer
 *  claims and beat while they wait. At most one thread may block on behalf of a slot.
 *
 *  A wait costs nothing until a ring, except for the beats: because a ring may get lost, it looks
 *  again after 10 ms, then after twice that, and so on up to 1 s, or up to 60 s once rings have
 *  arrived.
 *  @{ */

/** Waits for the next message, and copies it: ivshmem_topic_reader_try_read(). */
int ivshmem_topic_reader_read(struct ivshmem_topic_reader* reader, void* buffer, size_t capacity,
                              struct ivshmem_topic_message* message, int timeout_ms);
/** Waits for a message that was not read, and copies the newest one:
 *  ivshmem_topic_reader_try_read_latest(). */
int ivshmem_topic_reader_read_latest(struct ivshmem_topic_reader* reader, void* buffer,
                                     size_t capacity, struct ivshmem_topic_message* message,
                                     int timeout_ms);
/** Waits for the next message, and returns a view of it: ivshmem_topic_reader_try_view(). */
int ivshmem_topic_reader_view(struct ivshmem_topic_reader* reader,
                              struct ivshmem_topic_message* message, int timeout_ms);
/** @} */

#ifdef __cplusplus
}
#endif

#endif
