/* SPDX-License-Identifier: BSL-1.0 */
/* SPDX-FileCopyrightText: The libivshmem authors */
#ifndef IVSHMEM_C_DEVICE_H
#define IVSHMEM_C_DEVICE_H

/** @file
 *  An open device: its memory, its doorbell, its interrupts and its events. */

#include <ivshmem/c/discovery.h>

#ifdef __cplusplus
extern "C" {
#endif

/** How the processor accesses the shared memory, best first; as ivshmem::cache_mode. */
enum ivshmem_cache {
    IVSHMEM_CACHE_ANY = 0, /**< in options: the best that can be mapped */
    IVSHMEM_CACHE_WRITE_BACK = 1,
    IVSHMEM_CACHE_WRITE_COMBINING = 2,
    IVSHMEM_CACHE_UNCACHED = 3
};

/** Chooses how a device is opened; as ivshmem::open_options. Every field but `size` may be 0, which
 *  chooses its default: `struct ivshmem_open_options options = {.size = sizeof options};` */
struct ivshmem_open_options {
    size_t size;          /**< of this struct in bytes, set by the caller */
    int backend;          /**< ivshmem_backend to insist on; 0: the bound driver decides */
    int cache;            /**< ivshmem_cache to insist on; 0: the best */
    uint64_t part_offset; /**< bytes; with `part_size`: maps this part of the memory only */
    uint64_t part_size;   /**< bytes; 0: maps all */
    uint32_t timeout_ms;  /**< how long to wait for an id or for a server; 0: 2000 */
    uint32_t settle_ms;   /**< server: how long it must be silent if `vectors` is 0; 0: 100 */
    uint32_t vectors;     /**< server: the number of vectors of this process; 0: as its peers */
    int trust_server;     /**< 1: takes memory of a server that can be shrunk (SIGBUS) */
    const char* root;     /**< the directory that holds `sys`, `dev` and `proc`; NULL: "/" */
};

/** The flags of an open device: ivshmem::device_capabilities. */
enum ivshmem_capability {
    IVSHMEM_CAN_RING = 1,           /**< ivshmem_device_ring() reaches other peers */
    IVSHMEM_CAN_REPORT_REMOVAL = 2, /**< #IVSHMEM_EVENT_REMOVAL_REQUESTED is reported */
    IVSHMEM_CAN_REPORT_PEERS = 4,   /**< peers that join and leave are reported */
    IVSHMEM_CAN_REPORT_STATES = 8   /**< #IVSHMEM_EVENT_STATE_CHANGED is reported */
};

/** The facts about an open device, which do not change. */
struct ivshmem_device_facts {
    size_t size;             /**< of this struct in bytes, set by the caller */
    const char* description; /**< "vfio, IOMMU group 7"; valid until the device is closed */
    int backend;             /**< ivshmem_backend */
    int generation;          /**< of the registers: 1 or 2 */
    uint32_t capabilities;   /**< a combination of ivshmem_capability */
    uint32_t interrupts;     /**< the vectors that can be waited for: 0..interrupts-1 */
    uint32_t vectors;        /**< how many vectors the device has */
    uint32_t max_peers;      /**< one more than the highest id that a peer can have */
    uint32_t id;             /**< this peer's id, 0..65535; of no meaning on a plain device */
    int32_t protocol;        /**< ivshmem-v2: the number of the protocol, 0..65535; else -1 */
};

/** The shared memory of an open device; as ivshmem::shared_memory. */
struct ivshmem_memory {
    size_t size;        /**< of this struct in bytes, set by the caller */
    void* address;      /**< the first byte; valid until the device is closed */
    size_t length;      /**< bytes of the memory */
    int cache;          /**< ivshmem_cache that is in effect */
    const char* reason; /**< one line: why no better mode was possible; valid as `address` */
};

/** The kinds of ivshmem_event, as ivshmem::event::kind. */
enum ivshmem_event_type {
    IVSHMEM_EVENT_PEER_JOINED = 0,       /**< server: a peer connected */
    IVSHMEM_EVENT_PEER_LEFT = 1,         /**< server: a peer disconnected */
    IVSHMEM_EVENT_SERVER_GONE = 2,       /**< server: no peer joins or leaves any more */
    IVSHMEM_EVENT_REMOVAL_REQUESTED = 3, /**< vfio: close the device, so that it can go away */
    IVSHMEM_EVENT_DEVICE_ERROR = 4,      /**< vfio: an unrecoverable error */
    IVSHMEM_EVENT_STATE_CHANGED = 5      /**< ivshmem-v2: the state of `peer` has changed */
};

/** Something that happened to the device or its peers. */
struct ivshmem_event {
    size_t size;   /**< of this struct in bytes, set by the caller */
    int type;      /**< ivshmem_event_type */
    uint32_t peer; /**< the id of the peer; 0 if the event is not about one */
};

/** A program that shares a device through ivshmem-share; as ivshmem::device_user. */
struct ivshmem_device_user {
    uint32_t process; /**< its id */
    uint32_t user;    /**< its user's id */
    char use[512];    /**< its name, and the vectors and slots that it has; one line */
};

/** An open device. Close it with ivshmem_device_close().
 *
 *  @par Thread Safety
 *  As ivshmem::device: any number of threads may ring, take, wait, ask for events and peers, and
 *  get facts, as long as none closes the device. After fork() the device belongs to the parent: in
 *  the child the functions return #IVSHMEM_FORKED. */
struct ivshmem_device;

/** Opens a device. Blocks for `timeout_ms` of the options at most.
 *  @param which "0000:00:04.0", "index:N", "region:N", "size:N[K|M|G]", "any", "server:PATH" or
 *  "share:PATH".
 *  @param options NULL: the defaults.
 *  @return The errors of ivshmem::device::open(); -E2BIG; -EINVAL. */
int ivshmem_device_open(const char* which, const struct ivshmem_open_options* options,
                        struct ivshmem_device** device);
/** Closes the device. Its mapping and its descriptors go away with the last slot, claim, service or
 *  channel that was made from it. */
int ivshmem_device_close(struct ivshmem_device* device);

/** Returns the facts. @param facts `size` is set by the caller. */
int ivshmem_device_get_facts(struct ivshmem_device* device, struct ivshmem_device_facts* facts);
/** Returns what sysfs reported about the PCI device when it was opened; the texts are valid until
 *  the device is closed.
 *  @return -ENODATA: a server is no PCI device. */
int ivshmem_device_get_info(struct ivshmem_device* device, struct ivshmem_device_info* info);
/** Returns the shared memory; of ivshmem-v2, the read/write section. @param memory `size` is set by
 *  the caller. */
int ivshmem_device_get_memory(struct ivshmem_device* device, struct ivshmem_memory* memory);

/** Makes this thread's earlier stores to the shared memory visible to peers before its later ones.
 *  ivshmem_device_ring() and channels do this themselves. Thread safe. */
void ivshmem_publish(void);
/** Reads a word at once, before all later reads, for languages that lack such a read.
 *  @param word An address in the shared memory, divisible by 4. Thread safe. */
uint32_t ivshmem_load32(const void* word);
/** Writes a word at once, after all earlier writes, as ivshmem_publish() orders them.
 *  @param word An address in the shared memory, divisible by 4. Thread safe. */
void ivshmem_store32(void* word, uint32_t value);

/** Interrupts a peer, after a fence. Best effort, as in the hardware: a ring to a peer that is
 * absent vanishes without an error. Makes no system call if the register could be mapped.
 *  @param peer 0..65535. @param vector See ivshmem::device::ring().
 *  @return #IVSHMEM_PEER_OUT_OF_RANGE, #IVSHMEM_VECTOR_OUT_OF_RANGE, #IVSHMEM_DOORBELL_UNSUPPORTED,
 *  #IVSHMEM_FORKED. */
int ivshmem_device_ring(struct ivshmem_device* device, uint32_t peer, uint32_t vector);

/** Returns a descriptor that polls readable while rings of a vector wait to be taken. It belongs to
 *  the device: do not read, write or close it.
 *  @param vector 0..interrupts-1.
 *  @return #IVSHMEM_INTERRUPTS_UNSUPPORTED, #IVSHMEM_VECTOR_OUT_OF_RANGE, #IVSHMEM_FORKED,
 *  #IVSHMEM_DESCRIPTOR_LIMIT. */
int ivshmem_device_get_interrupt_fd(struct ivshmem_device* device, uint32_t vector, int* fd);
/** Takes the rings of a vector. Never blocks.
 *  @param rings Gets their number, 0 if there were none; several may have become one. May be NULL.
 *  @return As ivshmem_device_get_interrupt_fd(); #IVSHMEM_DEVICE_REMOVED. */
int ivshmem_device_take(struct ivshmem_device* device, uint32_t vector, uint64_t* rings);
/** Blocks until a vector is rung, and takes its rings.
 *  @param timeout_ms Negative: no limit.
 *  @param rings Gets their number. May be NULL.
 *  @return As ivshmem_device_take(); #IVSHMEM_TIMED_OUT. */
int ivshmem_device_wait(struct ivshmem_device* device, uint32_t vector, int timeout_ms,
                        uint64_t* rings);
/** As ivshmem_device_get_interrupt_fd(), for all vectors at once. */
int ivshmem_device_get_any_interrupt_fd(struct ivshmem_device* device, int* fd);
/** Takes the rings of one vector that has some; in turn if several have. Never blocks.
 *  @param vector Gets the vector. @param rings Gets the number of rings. May be NULL.
 *  @return As ivshmem_device_take(); -EAGAIN: no vector was rung. */
int ivshmem_device_take_any(struct ivshmem_device* device, uint32_t* vector, uint64_t* rings);

/** Returns a descriptor that polls readable while events wait to be taken. It belongs to the
 * device.
 *  @return #IVSHMEM_EVENTS_UNSUPPORTED, #IVSHMEM_FORKED. */
int ivshmem_device_get_event_fd(struct ivshmem_device* device, int* fd);
/** Takes the next event. Never blocks. @param event `size` is set by the caller.
 *  @return -EAGAIN: there is none; as ivshmem_device_get_event_fd(); after the last possible event
 *  its cause: #IVSHMEM_DEVICE_REMOVED, #IVSHMEM_SERVER_CLOSED, #IVSHMEM_SERVER_PROTOCOL,
 *  #IVSHMEM_DESCRIPTOR_LIMIT. */
int ivshmem_device_next_event(struct ivshmem_device* device, struct ivshmem_event* event);
/** Returns the ids of the other peers that are connected now, ascending.
 *  @param ids Gets up to `capacity` of them; may be NULL if that is 0.
 *  @param count Gets how many there are, which may be more than `capacity`.
 *  @return #IVSHMEM_PEERS_UNSUPPORTED, #IVSHMEM_FORKED. */
int ivshmem_device_get_peers(struct ivshmem_device* device, uint16_t* ids, size_t capacity,
                             size_t* count);

/** Returns the programs of this machine that share the device through ivshmem-share, with this one;
 *  none if this program has the device alone. Blocks for `timeout_ms` of the options at most.
 *  @param users Gets up to `capacity` of them; may be NULL if that is 0.
 *  @param count Gets how many there are, which may be more than `capacity`.
 *  @return #IVSHMEM_SERVER_CLOSED, #IVSHMEM_TIMED_OUT, #IVSHMEM_FORKED. */
int ivshmem_device_get_users(struct ivshmem_device* device, struct ivshmem_device_user* users,
                             size_t capacity, size_t* count);

/** ivshmem-v2: reads this peer's own state.
 *  @return #IVSHMEM_STATES_UNSUPPORTED, #IVSHMEM_DEVICE_GONE, #IVSHMEM_FORKED. */
int ivshmem_device_get_state(struct ivshmem_device* device, uint32_t* state);
/** ivshmem-v2: sets this peer's own state after a fence; the device then rings vector 0 of the
 * other peers. @param state 0: this peer is not there.
 *  @return As ivshmem_device_get_state(), or -errno. */
int ivshmem_device_set_state(struct ivshmem_device* device, uint32_t state);
/** ivshmem-v2: reads the state of any peer from the memory. @param peer 0..max_peers-1
 *  @return As ivshmem_device_get_state(), or #IVSHMEM_PEER_OUT_OF_RANGE. */
int ivshmem_device_get_peer_state(struct ivshmem_device* device, uint32_t peer, uint32_t* state);
/** ivshmem-v2: returns this peer's own output section, which it alone may write. Valid until the
 *  device is closed.
 *  @param length Gets its bytes; may be 0.
 *  @return #IVSHMEM_SECTIONS_UNSUPPORTED, #IVSHMEM_FORKED. */
int ivshmem_device_get_output_section(struct ivshmem_device* device, void** address,
                                      size_t* length);
/** ivshmem-v2: returns the output section of any peer. A store there raises SIGSEGV, also if it is
 *  this peer's own. @param peer 0..max_peers-1
 *  @return As ivshmem_device_get_output_section(), or #IVSHMEM_PEER_OUT_OF_RANGE. */
int ivshmem_device_get_peer_section(struct ivshmem_device* device, uint32_t peer,
                                    const void** address, size_t* length);

#ifdef __cplusplus
}
#endif

#endif
