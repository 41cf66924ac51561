/* SPDX-License-Identifier: BSL-1.0 */
/* SPDX-FileCopyrightText: The libivshmem authors */
#ifndef IVSHMEM_C_CHANNEL_H
#define IVSHMEM_C_CHANNEL_H

/** @file
 *  Messages between two slots, reliable and in order.
 *
 *  Functions whose names begin with `try` never block. An event loop goes like this:
 *
 *  1. Try. If nothing is to do now (-EAGAIN), ivshmem_channel_arm().
 *  2. If it returned that the caller can sleep, wait until the descriptor of the slot polls
 * readable (ivshmem_slot_get_fd()), at most 100 ms: a ring may get lost.
 *  3. ivshmem_channel_disarm(), ivshmem_slot_update(), ivshmem_channel_update(),
 *     ivshmem_channel_ring_again(); go on with 1.
 *
 *  Other functions with a `timeout_ms` do all of that, for programs without a loop.
 */

#include <ivshmem/c/slot.h>

#ifdef __cplusplus
extern "C" {
#endif

/** The state of a channel, as ivshmem::channel_state. */
enum ivshmem_state {
    IVSHMEM_STATE_CLOSED = 0,
    IVSHMEM_STATE_OPENING = 1,   /**< the other side has not opened the lane yet */
    IVSHMEM_STATE_CONNECTED = 2, /**< messages flow */
    IVSHMEM_STATE_RESET = 3,     /**< the other side started again */
    IVSHMEM_STATE_POISONED = 4,  /**< the other side broke the rules of the layout */
    IVSHMEM_STATE_REJECTED = 5,  /**< the other side reports that this side broke the rules */
    IVSHMEM_STATE_LOST = 6       /**< the other side ended without closing the lane */
};

/** What a side waits for, as ivshmem::channel_driver::wake; the values can be combined. */
enum ivshmem_wake {
    IVSHMEM_WAKE_DATA = 1,   /**< a message, or the end of them */
    IVSHMEM_WAKE_ROOM = 2,   /**< room for the message that did not fit */
    IVSHMEM_WAKE_DRAINED = 4 /**< the other side took all messages that were sent */
};

/** Chooses how a channel is opened. Every field but `size` may be 0, which chooses its default. */
struct ivshmem_channel_options {
    size_t size;          /**< of this struct in bytes, set by the caller */
    uint32_t max_message; /**< the longest message that this side receives, in bytes; 0: 16 MiB */
    int polling;          /**< 1: looks for messages without being rung */
};

/** The facts about a channel, as of its last update. */
struct ivshmem_channel_facts {
    size_t size;                /**< of this struct in bytes, set by the caller */
    int state;                  /**< ivshmem_state */
    uint32_t peer_slot;         /**< the slot of the other side */
    uint32_t lane;              /**< 0..lanes-1 */
    uint32_t peer_incarnation;  /**< of the slot of the other side; 0: never connected */
    uint32_t peer_max_message;  /**< the longest message that the other side receives, in bytes */
    uint32_t max_whole_message; /**< the longest message that is sent in one piece, in bytes */
    uint32_t unread;            /**< bytes of the ring that the other side had not taken */
    int violation;              /**< the rule that was broken: ivshmem::layout_violation; 0: none */
    int is_polling;             /**< 1: this side must not be rung */
    int peer_finished;          /**< 1: the other side sends nothing more */
    uint64_t rings;             /**< how often this side has rung the other one */
};

/** A channel; as ivshmem::channel. Close it with ivshmem_channel_close().
 *
 *  A channel that ended (#IVSHMEM_CHANNEL_RESET, #IVSHMEM_CHANNEL_CLOSED,
 * #IVSHMEM_CHANNEL_POISONED, #IVSHMEM_CHANNEL_REJECTED, #IVSHMEM_PEER_LOST) returns that code from
 * every function that sends or receives until ivshmem_channel_reopen(); what the other side sent
 * before it closed, or was lost, is received first. The functions also return
 * #IVSHMEM_NOT_CONNECTED, #IVSHMEM_SLOT_LOST, #IVSHMEM_FORKED, and #IVSHMEM_CLOSED if the slot was
 * closed.
 *
 *  @par Thread Safety
 *  @e Distinct @e objects: Safe. @e Shared @e objects: Unsafe. See ivshmem_slot for the channels of
 *  one slot. */
struct ivshmem_channel;

/** Opens this side of a lane by its number; the other side may open it before or after. Never
 *  blocks. ivshmem_service_connect() finds a lane by the name of a service.
 *  @param to The slot of the other side. @param lane 0..lanes-1, the same on both sides.
 *  @param options NULL: the defaults.
 *  @return #IVSHMEM_SLOT_OUT_OF_RANGE, #IVSHMEM_LANE_OUT_OF_RANGE, #IVSHMEM_LANE_IN_USE,
 *  #IVSHMEM_CLOSED, #IVSHMEM_SLOT_LOST, #IVSHMEM_FORKED; -E2BIG; -EINVAL. */
int ivshmem_channel_open(struct ivshmem_slot* slot, uint32_t to, uint32_t lane,
                         const struct ivshmem_channel_options* options,
                         struct ivshmem_channel** channel);
/** Closes the channel. Messages that the other side has not received are delivered only if it
 *  receives them before the lane or the slot is opened again: ivshmem_channel_drain() waits. */
int ivshmem_channel_close(struct ivshmem_channel* channel);
/** Sends nothing more; the other side receives the messages already sent, then sees
 *  #IVSHMEM_CHANNEL_CLOSED. */
int ivshmem_channel_finish(struct ivshmem_channel* channel);
/** Opens a channel again that ended. The new session has no message of the old one.
 *  @return #IVSHMEM_CLOSED, #IVSHMEM_SLOT_LOST, #IVSHMEM_FORKED. */
int ivshmem_channel_reopen(struct ivshmem_channel* channel);
/** Returns the facts. @param facts `size` is set by the caller. */
int ivshmem_channel_get_facts(struct ivshmem_channel* channel, struct ivshmem_channel_facts* facts);

/** Looks at the other side: connects, and notices its end. Call it at least every 100 ms while
 *  nothing is sent or received. Never blocks.
 *  @param state Gets an ivshmem_state, which is no failure. May be NULL.
 *  @return #IVSHMEM_SLOT_LOST, #IVSHMEM_CLOSED, #IVSHMEM_FORKED. */
int ivshmem_channel_update(struct ivshmem_channel* channel, int* state);
/** Asks the other side to ring, then looks once more. Never blocks.
 *  @param what A combination of ivshmem_wake.
 *  @param may_sleep Gets 1 if there is nothing to do, so that the caller can sleep; else 0: try
 * again at once. */
int ivshmem_channel_arm(struct ivshmem_channel* channel, uint32_t what, int* may_sleep);
/** Withdraws the request to be rung. */
int ivshmem_channel_disarm(struct ivshmem_channel* channel);
/** Rings again if the other side was rung and still sleeps: the doorbell may have been lost. */
int ivshmem_channel_ring_again(struct ivshmem_channel* channel);
/** Publishes how much was received. A loop that stops receiving while there is more must call it.
 */
int ivshmem_channel_settle(struct ivshmem_channel* channel);

/** Sends a message in one piece if there is room for it. Never blocks.
 *  @param message May be NULL if `size` is 0.
 *  @return -EAGAIN: there is no room now. #IVSHMEM_MESSAGE_TOO_LARGE: longer than max_whole_message
 *  or peer_max_message. See ivshmem_channel. */
int ivshmem_channel_try_send(struct ivshmem_channel* channel, const void* message, size_t size);
/** Receives a message if there is one. Never blocks.
 *  @param buffer May be NULL if `capacity` is 0.
 *  @param size Gets the length of the message; if the result is #IVSHMEM_BUFFER_TOO_SMALL, that of
 * the message that stays.
 *  @return -EAGAIN: there is none now. See ivshmem_channel. */
int ivshmem_channel_try_receive(struct ivshmem_channel* channel, void* buffer, size_t capacity,
                                size_t* size);
/** Returns the length of the next message. Never blocks.
 *  @return -EAGAIN: there is none now. See ivshmem_channel. */
int ivshmem_channel_next_size(struct ivshmem_channel* channel, size_t* size);
/** Asks whether the other side took all messages that were sent. Never blocks.
 *  @return 0: it did; -EAGAIN: not yet; else it never will. */
int ivshmem_channel_try_drain(struct ivshmem_channel* channel);

/** Reserves room for a message in the ring itself: write it there, then commit it. Never blocks.
 *  @param size The most that will be committed, up to max_whole_message.
 *  @param room Gets the address of the room, valid until the commit.
 *  @return As ivshmem_channel_try_send(). */
int ivshmem_channel_reserve(struct ivshmem_channel* channel, size_t size, void** room);
/** Completes a message, and makes it visible to the other side.
 *  @param size Up to the reserved size; else -EINVAL, as without ivshmem_channel_reserve(). */
int ivshmem_channel_commit(struct ivshmem_channel* channel, size_t size);
/** Returns a view of the next message in the ring itself, valid until ivshmem_channel_consume().
 * The other side can still change the bytes: read each of them once. Never blocks.
 *  @return As ivshmem_channel_try_receive(); #IVSHMEM_MESSAGE_TOO_LARGE: it was sent in parts. */
int ivshmem_channel_peek(struct ivshmem_channel* channel, const void** message, size_t* size);
/** Gives back the room of the message that ivshmem_channel_peek() returned. */
int ivshmem_channel_consume(struct ivshmem_channel* channel);

/** Sends as much of a message, of any length up to peer_max_message, as there is room for. Never
 *  blocks.
 *  @param message The same bytes in each call, until the message is complete.
 *  @param done How much of it was sent: 0 at first; written also if the result is -EAGAIN.
 *  @return 0: the message is complete. -EAGAIN: call again; until then send no other message, or
 *  ivshmem_channel_abandon(). As ivshmem_channel_try_send(). */
int ivshmem_channel_send_some(struct ivshmem_channel* channel, const void* message, size_t size,
                              size_t* done);
/** Withdraws a message of which parts were sent; the other side never sees it. */
int ivshmem_channel_abandon(struct ivshmem_channel* channel);
/** Receives as much of a message, of any length, as has arrived. Never blocks.
 *  @param buffer The same in each call, until the message is complete.
 *  @param done How much of it was received: 0 at first; written also if the result is -EAGAIN. It
 * is 0 again if the other side withdrew the message.
 *  @return 0: the message is complete, and `done` is its length. As ivshmem_channel_try_receive().
 */
int ivshmem_channel_receive_some(struct ivshmem_channel* channel, void* buffer, size_t capacity,
                                 size_t* done);
/** Drops a message of which ivshmem_channel_receive_some() returned a part. */
int ivshmem_channel_skip(struct ivshmem_channel* channel);
/** Takes the parts of a message that have arrived into memory that grows with them
 *  (ivshmem_slot_options::memory_for_parts). Never blocks.
 *  @param size Gets the length of the message, which ivshmem_channel_try_receive() now returns.
 *  @return -EAGAIN: not complete yet. As ivshmem_channel_try_receive(); -ENOMEM. */
int ivshmem_channel_gather(struct ivshmem_channel* channel, size_t* size);

/** @name Blocking
 *  Each blocks for `timeout_ms` at most (negative: no limit; 0: looks once), and returns
 *  #IVSHMEM_TIMED_OUT after that. They answer claims and beat while they wait. At most one thread
 * may block on behalf of a slot.
 *  @{ */

/** Waits until the other side has opened the lane.
 *  @return See ivshmem_channel; #IVSHMEM_TIMED_OUT. */
int ivshmem_channel_wait_connected(struct ivshmem_channel* channel, int timeout_ms);
/** Sends a message of any length up to peer_max_message; connects first if need be. After
 *  #IVSHMEM_TIMED_OUT the message was not sent.
 *  @return See ivshmem_channel; #IVSHMEM_MESSAGE_TOO_LARGE, #IVSHMEM_TIMED_OUT. */
int ivshmem_channel_send(struct ivshmem_channel* channel, const void* message, size_t size,
                         int timeout_ms);
/** Receives a message of any length; connects first if need be. After #IVSHMEM_TIMED_OUT nothing is
 *  lost.
 *  @param size As in ivshmem_channel_try_receive().
 *  @return See ivshmem_channel; #IVSHMEM_BUFFER_TOO_SMALL, #IVSHMEM_TIMED_OUT, -ENOMEM. */
int ivshmem_channel_receive(struct ivshmem_channel* channel, void* buffer, size_t capacity,
                            size_t* size, int timeout_ms);
/** Waits until the other side took all messages that were sent.
 *  @return See ivshmem_channel; #IVSHMEM_TIMED_OUT. */
int ivshmem_channel_drain(struct ivshmem_channel* channel, int timeout_ms);
/** @} */

#ifdef __cplusplus
}
#endif

#endif
