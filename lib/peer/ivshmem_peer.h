/* SPDX-License-Identifier: BSL-1.0 */
/* SPDX-FileCopyrightText: The libivshmem authors */

/**
 * @file
 * The other end of libivshmem's channels, for an RTOS or bare metal: channel-layout.md,
 * version 1.1; with topics (IVSHMEM_PEER_TOPICS, ivshmem_peer_topics.h) 1.2.
 *
 * Freestanding C11 (C++ takes it too): copy ivshmem_peer.h, ivshmem_peer_private.h and
 * ivshmem_peer.c, fill in the four hooks of ivshmem_peer_hooks, and call from one task:
 *
 *     ivshmem_peer_begin(&peer, &config);
 *     key = ivshmem_peer_offer(&peer, "echo");
 *     for (;;) {
 *         ivshmem_peer_wait(&peer, IVSHMEM_PEER_NO_LIMIT);
 *         ivshmem_peer_accept(&peer, &channel, key, sizeof buffer);
 *         while (ivshmem_peer_receive(&channel, buffer, sizeof buffer, &size) == IVSHMEM_PEER_OK)
 *             ivshmem_peer_send(&channel, buffer, size);
 *     }
 *
 * Nothing here allocates, blocks (except ivshmem_peer_wait(), in the hook of the same name) or
 * keeps a global. One peer and its channels are one object: call the functions of it from one task
 * at a time, and none of them from an interrupt handler, which only ends the wait.
 *
 * The other side is not trusted: each of its words is read once, and checked before use. No call
 * takes longer than the geometry and its own arguments allow; "Time" names the exceptions from a
 * time that is constant but for the bytes copied.
 */
#ifndef IVSHMEM_PEER_H
#define IVSHMEM_PEER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Sizes, which a program may define before it includes this file, the same in each of its sources.
 */
#ifndef IVSHMEM_PEER_V2
#define IVSHMEM_PEER_V2 1 /**< 0: without the code for ivshmem-v2 */
#endif
#ifndef IVSHMEM_PEER_SERVICES
#define IVSHMEM_PEER_SERVICES 4 /**< services that a peer offers at a time; 32 at most */
#endif
#ifndef IVSHMEM_PEER_JUDGED
#define IVSHMEM_PEER_JUDGED 8 /**< slots, from 0 on, whose heartbeat is judged; 16 bytes each */
#endif
#ifndef IVSHMEM_PEER_GONE
#define IVSHMEM_PEER_GONE 4 /**< the latest ids that left, which are remembered */
#endif
#ifndef IVSHMEM_PEER_TOPICS
/** Topics that a peer writes at a time; 16 at most, of 16 bytes each. 0: without topics, also to
   read. Otherwise compile ivshmem_peer_topics.c, too. */
#define IVSHMEM_PEER_TOPICS 0
#endif

/** The result of a function, and the reason for the state of a peer or channel. */
enum ivshmem_peer_result {
    IVSHMEM_PEER_OK = 0,
    IVSHMEM_PEER_AGAIN,     /**< not yet: no message, no room, not connected, not claimed */
    IVSHMEM_PEER_CLOSED,    /**< the other side sends, or reads, no more; or this side closed */
    IVSHMEM_PEER_RESET,     /**< the other side has opened the lane again: reopen or close */
    IVSHMEM_PEER_LOST,      /**< the other side has ended, by its heartbeat or its server */
    IVSHMEM_PEER_FAULT,     /**< the other side broke the rules: ivshmem_peer_channel::fault */
    IVSHMEM_PEER_REJECTED,  /**< the other side reports a fault of this one */
    IVSHMEM_PEER_TOO_LARGE, /**< the message is over the peer's limit, or larger than the buffer */
    IVSHMEM_PEER_INVALID,   /**< an argument is out of its range */
    IVSHMEM_PEER_IN_USE,    /**< the slot is held, or the lane is open */
    IVSHMEM_PEER_NO_SLOT,   /**< there is no such slot, no free one, or it is not held now */
    IVSHMEM_PEER_MISMATCH,  /**< a peer that is there divides the memory in another way */
    IVSHMEM_PEER_VERSION,   /**< a peer that is there uses another major version */
    IVSHMEM_PEER_TOO_SMALL, /**< the region is smaller than the geometry */
    IVSHMEM_PEER_UNKNOWN,   /**< no peer offers this service */
    IVSHMEM_PEER_FULL,      /**< all entries or lanes are in use */
    IVSHMEM_PEER_SLOT_LOST, /**< another peer took the slot, because this one slept too long */
    IVSHMEM_PEER_OVERWRITTEN, /**< something else has written to this peer's section */
    IVSHMEM_PEER_NO_TOPICS    /**< the region has no room for topics */
};

/**
 * The hooks: what this code cannot know about its platform.
 *
 * A hook must not call the functions of this file.
 */
struct ivshmem_peer_hooks {
    /** Rings a peer: writes `peer` << 16 | `vector` to the doorbell. A null pointer: it cannot. */
    void (*ring)(void* context, uint16_t peer, uint16_t vector);
    /** Returns milliseconds since any moment, modulo 2^32. */
    uint32_t (*now)(void* context);
    /** Returns a random word. It is new after each start: peers tell incarnations apart by it. */
    uint32_t (*random)(void* context);
    /**
     * Waits until an interrupt, or for `milliseconds`. An interrupt since the last wait must end
     * it at once: a semaphore or a flag that the handler sets. It may return early. A null pointer:
     * ivshmem_peer_wait() does not wait.
     */
    void (*wait)(void* context, uint32_t milliseconds);
    /** ivshmem-v2 only: returns the entry of a peer in the state table. */
    uint32_t (*state)(void* context, uint32_t id);
    /** ivshmem-v2 only: sets this peer's own state. */
    void (*set_state)(void* context, uint32_t value);
    /**
     * ivshmem-v2, if the sections of the peers are not neighbours: returns the output section of
     * another peer, any id below config.max_peers. A null pointer: they follow each other, from
     * config.memory on.
     */
    const void* (*section)(void* context, uint32_t id);
};

#define IVSHMEM_PEER_ANY_SLOT 0xffffffffU /**< as config.slot: any that is free */

/** What a peer begins with. All that is 0 has a default. */
struct ivshmem_peer_config {
    struct ivshmem_peer_hooks hooks;
    void* context; /**< the first argument of each hook */

    /** The shared memory, from its start; the address is a multiple of 8. On ivshmem-v2: the output
        section of id 0, behind which the others follow; only read. With hooks.section: any. */
    void* memory;
    size_t memory_size;   /**< bytes; on ivshmem-v2 those of all sections together */
    void* own_section;    /**< ivshmem-v2: this peer's own output section. A null pointer: v1 */
    uint16_t id;          /**< this peer's id at the device (IVPosition) */
    uint16_t vector;      /**< the vector on which this peer is rung */
    bool polls;           /**< this peer has no interrupts: nobody rings it */
    uint32_t slot;        /**< the slot to claim, or IVSHMEM_PEER_ANY_SLOT. v2: ignored */
    uint32_t slots;       /**< 2 to 256. 0, as lanes and ring_size: the geometry of the others */
    uint32_t lanes;       /**< 1 to 1024 */
    uint32_t ring_size;   /**< 1024 to 268435456, a power of two */
    uint32_t heartbeat;   /**< the period of the own beats: 100 to 60000 ms. 0: none */
    size_t region_offset; /**< a multiple of 4096 */
    size_t region_size;   /**< a multiple of 4096. 0: the whole memory */
    uint32_t claim_time;  /**< ms that the holder of the slot has for an answer. 0: 250 */
    size_t section_size;  /**< ivshmem-v2: Output Section Size, in bytes */
    uint32_t max_peers;   /**< ivshmem-v2: Maximum Peers */
};

/** How a region is divided. */
struct ivshmem_peer_division {
    uint32_t offset, size; /**< the region, in pages of 4096 bytes from the start of the memory */
    uint32_t section;      /**< the size of each section, in pages */
    uint32_t slots, lanes, ring_size;
};

enum ivshmem_peer_phase {
    IVSHMEM_PEER_ENDED, /**< ivshmem_peer::why has the reason; OK: it left */
    IVSHMEM_PEER_CLAIMING,
    IVSHMEM_PEER_HELD
};

struct ivshmem_peer_channel;
struct ivshmem_peer_topic_reader;
struct ivshmem_peer_topic_writer;

/** Private: what the heartbeat of a slot was, and for how many milliseconds. */
struct ivshmem_peer_judgement {
    uint32_t incarnation, beating, heartbeat, silence;
};

/* Members that are used often come first, and bytes before words: processors like Cortex-M reach
   them with shorter instructions. */

/** A peer. Its members are read only; those without a comment are private. */
struct ivshmem_peer {
    enum ivshmem_peer_phase phase;
    enum ivshmem_peer_result why; /**< why the phase is IVSHMEM_PEER_ENDED */
    bool appeared;
    uint8_t gone_next;
    uint32_t slot;                         /**< the number of the slot, if it is held */
    struct ivshmem_peer_division division; /**< from IVSHMEM_PEER_CLAIMING on */
    unsigned char* own;
    uint32_t incarnation;
    struct ivshmem_peer_channel* channels;
    uint32_t recheck, recheck_at;
    struct ivshmem_peer_config config;
    uint32_t beat, beat_due, judged_at;
    uint32_t claim_end, step_at, step;
    uint32_t gone[IVSHMEM_PEER_GONE];
    uint32_t next_key, next_request;
    uint32_t repairs; /**< stray writes to the own incarnation, repaired */
    struct ivshmem_peer_division displaced;
    struct ivshmem_peer_judgement judged[IVSHMEM_PEER_JUDGED];
    struct {
        const char* name;
        uint32_t key;
    } services[IVSHMEM_PEER_SERVICES];
#if IVSHMEM_PEER_TOPICS
    struct ivshmem_peer_topic_reader* readers;
    uint32_t topics_asked;
    struct {
        struct ivshmem_peer_topic_writer* by; /* null: it has ended */
        uint32_t key;                         /* 0: the entry is unused */
        uint32_t begin, end;                  /* of its index and data, in grains */
    } topics[IVSHMEM_PEER_TOPICS];
#endif
};

/* Those that end a channel have the number of the result that says so. */
enum ivshmem_peer_channel_state {
    IVSHMEM_PEER_CHANNEL_CLOSED,
    IVSHMEM_PEER_CHANNEL_OPENING,
    IVSHMEM_PEER_CHANNEL_CONNECTED,
    IVSHMEM_PEER_CHANNEL_RESET = IVSHMEM_PEER_RESET,
    IVSHMEM_PEER_CHANNEL_LOST = IVSHMEM_PEER_LOST, /**< what is in the ring can still be received */
    IVSHMEM_PEER_CHANNEL_POISONED = IVSHMEM_PEER_FAULT, /**< by a fault of the other side */
    /** the other side reports a fault of this one */
    IVSHMEM_PEER_CHANNEL_REJECTED = IVSHMEM_PEER_REJECTED
};

/** One end of a channel. A new one must be zero. Its members are read only, as those of a peer, but
    for `holds_back`. */
struct ivshmem_peer_channel {
    enum ivshmem_peer_channel_state state;
    bool holds_back; /**< set by the program while it does not receive: messages that wait do not
                        end ivshmem_peer_wait() */
    uint16_t gone_id, asked;
    /* Zero when a session begins, up to `peer`. */
    bool fronted, skipping, finished, deaf, peer_finished, in_parts, abandons, sleeps, gone,
        wants_room;
    uint8_t kind, streak;
    uint16_t peer_id;
    uint32_t tail, seen, needed;
    uint32_t position, cursor, remaining, have;
    uint32_t length, total, taken;
    uint32_t ack, answered, wanted;
    uint32_t fault;            /**< the reason: see "Faults" in channel-layout.md. 0: none */
    uint32_t peer_limit;       /**< the longest message that the other side takes, in bytes */
    uint32_t peer_incarnation; /**< of the other side, since it is connected */
    struct ivshmem_peer* peer;
    unsigned char* mine;
    const unsigned char* theirs;
    uint32_t slot, lane; /**< of the other side */
    struct ivshmem_peer_channel* next;
    uint32_t ring_size, limit, service, accepted, epoch;
};

/** @name The slot
 * @{ */

/**
 * Begins to claim a slot; ivshmem_peer_poll() goes on with it, and takes 20 to about 300 ms.
 *
 * @param peer Any memory, if it is not in use. Channels of an earlier slot must be zero again.
 * @param config Copied.
 * @return IVSHMEM_PEER_OK, or the reason, which `peer->why` has too: IVSHMEM_PEER_INVALID,
 * _TOO_SMALL, _MISMATCH, _VERSION, _NO_SLOT, _IN_USE.
 * @par Time If the memory has no first header, up to 10000 words at 67 divisions each: about 5 ms
 * on a PC, 100 ms on a Cortex-M3 of 100 MHz. Otherwise as many words as the regions have slots.
 */
enum ivshmem_peer_result ivshmem_peer_begin(struct ivshmem_peer* peer,
                                            const struct ivshmem_peer_config* config);

/**
 * Does all that is due: claims, answers claims, beats, judges the others, connects channels,
 * notices what became of them, rings again.
 *
 * Call it after each interrupt, and when the result has passed. A peer that polls calls it at least
 * every 100 ms, and as often as its messages need.
 *
 * @return The milliseconds until it must be called again; 0: at once. If the phase is
 * IVSHMEM_PEER_ENDED, 1000.
 * @par Time The open channels and the judged slots; in the call that moves into the slot, four
 * stores for each lane of each slot, and a search as in ivshmem_peer_begin().
 */
uint32_t ivshmem_peer_poll(struct ivshmem_peer* peer);

/**
 * Asks the other sides to ring for messages, and for room if a send function returned
 * IVSHMEM_PEER_AGAIN. Then looks again.
 *
 * @return 0: there is something to do, and nobody was asked. Else the milliseconds to wait at most;
 * then call ivshmem_peer_poll(), which withdraws the request.
 */
uint32_t ivshmem_peer_arm(struct ivshmem_peer* peer);

/**
 * Arms, waits in the hook unless there is something to do, and polls.
 *
 * @param longest The milliseconds after which the program itself has something to do;
 * IVSHMEM_PEER_NO_LIMIT: nothing.
 */
void ivshmem_peer_wait(struct ivshmem_peer* peer, uint32_t longest);
#define IVSHMEM_PEER_NO_LIMIT 0xffffffffU /**< of ivshmem_peer_wait() */

/** Closes all channels, and gives the slot back. */
void ivshmem_peer_leave(struct ivshmem_peer* peer);

/** The server, or another authority, reports that the peer with this id has ended. */
void ivshmem_peer_gone(struct ivshmem_peer* peer, uint16_t id);
/** ... that a peer with this id has come. */
void ivshmem_peer_came(struct ivshmem_peer* peer, uint16_t id);
/** Returns whether the holder of a slot is known to have ended. */
bool ivshmem_peer_is_lost(struct ivshmem_peer* peer, uint32_t slot);
/** @} */

/** @name Services by name
 * @{ */

/**
 * Offers a service.
 *
 * @param name 1 to 59 bytes of UTF-8 without control characters. It must stay as it is until the
 * offer is withdrawn.
 * @return The key, or 0: the name is not valid or offered already, all entries are in use, or the
 * slot is not held yet.
 */
uint32_t ivshmem_peer_offer(struct ivshmem_peer* peer, const char* name);
/** Withdraws the offer. Channels that were opened for it stay. */
void ivshmem_peer_withdraw(struct ivshmem_peer* peer, uint32_t key);
/**
 * Finds a service that another peer offers. @return Its key, or 0: no peer offers it.
 * @param slot Becomes the number of the slot.
 * @par Time 32 names of each slot.
 */
uint32_t ivshmem_peer_find(struct ivshmem_peer* peer, const char* name, uint32_t* slot);
/**
 * Opens a lane to a peer that offers the service. If the other side opens the same lane for
 * something else, poll takes another lane.
 *
 * After IVSHMEM_PEER_RESET or IVSHMEM_PEER_LOST, close the channel and request again: the key may
 * be a new one.
 *
 * @param limit The longest message that this side takes, in bytes.
 * @return IVSHMEM_PEER_OK, or _UNKNOWN, _FULL, _IN_USE (this channel is open), _NO_SLOT.
 * @par Time As ivshmem_peer_find().
 */
enum ivshmem_peer_result ivshmem_peer_request(struct ivshmem_peer* peer,
                                              struct ivshmem_peer_channel* channel,
                                              const char* name, uint32_t limit);
/**
 * Opens a lane on which another peer requests the service.
 *
 * @return IVSHMEM_PEER_OK, or _AGAIN: there is no request; _IN_USE: this channel is open.
 * @par Time A look at each lane of each slot.
 */
enum ivshmem_peer_result ivshmem_peer_accept(struct ivshmem_peer* peer,
                                             struct ivshmem_peer_channel* channel, uint32_t key,
                                             uint32_t limit);
/** @} */

/** @name Channels
 * @{ */

/** Opens a lane by its number: both sides do. @return _OK, _INVALID, _IN_USE, _NO_SLOT. */
enum ivshmem_peer_result ivshmem_peer_open(struct ivshmem_peer* peer,
                                           struct ivshmem_peer_channel* channel, uint32_t slot,
                                           uint32_t lane, uint32_t limit);
/** Opens the same lane again, after a reset, a fault or a loss. @return _OK, _CLOSED, _NO_SLOT. */
enum ivshmem_peer_result ivshmem_peer_reopen(struct ivshmem_peer_channel* channel);
/** Ends sending. Messages of the other side can still be received. */
void ivshmem_peer_finish(struct ivshmem_peer_channel* channel);
/** Closes the channel: the other side can still receive what was sent. */
void ivshmem_peer_close(struct ivshmem_peer_channel* channel);

/**
 * Sends a message in one piece.
 *
 * @param size 0 to half of the ring, less 8 bytes.
 * @return IVSHMEM_PEER_OK, or the reason that nothing was sent: _AGAIN, _TOO_LARGE, _INVALID (parts
 * of another message were sent, but not all), _CLOSED, or the state of the channel.
 */
enum ivshmem_peer_result ivshmem_peer_send(struct ivshmem_peer_channel* channel, const void* data,
                                           uint32_t size);
/**
 * Sends a message of any size, in parts if it is large.
 *
 * @param done 0 at first; the bytes that are sent. Call again with it, and the same message, after
 * IVSHMEM_PEER_AGAIN.
 * @return As ivshmem_peer_send(). IVSHMEM_PEER_OK: all is sent.
 */
enum ivshmem_peer_result ivshmem_peer_send_some(struct ivshmem_peer_channel* channel,
                                                const void* data, uint32_t size, uint32_t* done);
/** Abandons a message of which parts were sent: the other side drops them. */
void ivshmem_peer_abandon(struct ivshmem_peer_channel* channel);
/** Returns whether the other side has read all that was sent. */
bool ivshmem_peer_drained(struct ivshmem_peer_channel* channel);

/**
 * Receives a message.
 *
 * @param into The same buffer again after IVSHMEM_PEER_AGAIN, because parts may be in it.
 * @param size Becomes the bytes of the message.
 * @return IVSHMEM_PEER_OK; _AGAIN; _TOO_LARGE: `size` bytes are needed (give more, or skip);
 * _CLOSED: the other side sends no more; or the state of the channel.
 * @par Time 32 records, of up to a ring together.
 */
enum ivshmem_peer_result ivshmem_peer_receive(struct ivshmem_peer_channel* channel, void* into,
                                              uint32_t capacity, uint32_t* size);
/** Drops the message at the front, also the parts of it that are still to come. */
void ivshmem_peer_skip(struct ivshmem_peer_channel* channel);

/**
 * Sends bytes of a stream, as many as there is room for. Do not mix it with messages.
 *
 * @param written Becomes the bytes that were sent: at least 1 if the result is IVSHMEM_PEER_OK.
 */
enum ivshmem_peer_result ivshmem_peer_write(struct ivshmem_peer_channel* channel, const void* data,
                                            uint32_t size, uint32_t* written);
/** Receives bytes of a stream. @param count Becomes the bytes: at least 1 if the result is _OK. */
enum ivshmem_peer_result ivshmem_peer_read(struct ivshmem_peer_channel* channel, void* into,
                                           uint32_t capacity, uint32_t* count);
/** @} */

/** Returns a result in words. It takes memory only in programs that call it. */
static inline const char* ivshmem_peer_in_words(enum ivshmem_peer_result result) {
    switch (result) {
    case IVSHMEM_PEER_OK:
        return "no error";
    case IVSHMEM_PEER_AGAIN:
        return "not yet";
    case IVSHMEM_PEER_CLOSED:
        return "closed";
    case IVSHMEM_PEER_RESET:
        return "the other side started again";
    case IVSHMEM_PEER_LOST:
        return "the other side has ended without closing";
    case IVSHMEM_PEER_FAULT:
        return "the other side broke the rules";
    case IVSHMEM_PEER_REJECTED:
        return "the other side reports a fault of this one";
    case IVSHMEM_PEER_TOO_LARGE:
        return "the message is too large";
    case IVSHMEM_PEER_INVALID:
        return "the geometry, or an argument, is out of range";
    case IVSHMEM_PEER_IN_USE:
        return "the slot is in use";
    case IVSHMEM_PEER_NO_SLOT:
        return "no such slot, or none is free";
    case IVSHMEM_PEER_MISMATCH:
        return "the peers there have another geometry";
    case IVSHMEM_PEER_VERSION:
        return "the peers there have another version";
    case IVSHMEM_PEER_TOO_SMALL:
        return "the memory is too small for the geometry";
    case IVSHMEM_PEER_UNKNOWN:
        return "no peer offers this service";
    case IVSHMEM_PEER_FULL:
        return "no lane is free";
    case IVSHMEM_PEER_SLOT_LOST:
        return "another peer took the slot";
    case IVSHMEM_PEER_OVERWRITTEN:
        return "something wrote to this peer's section";
    case IVSHMEM_PEER_NO_TOPICS:
        return "the region has no room for topics";
    }
    return "an unknown result";
}

#ifdef __cplusplus
}
#endif

#endif
