/* SPDX-License-Identifier: BSL-1.0 */
/* SPDX-FileCopyrightText: The libivshmem authors */
#ifndef IVSHMEM_C_SLOT_H
#define IVSHMEM_C_SLOT_H

/** @file
 *  The place of a process in the shared memory, from which channels go to other places. */

#include <ivshmem/c/device.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Chooses how a slot is claimed; as ivshmem::slot_options. Every field but `size` may be 0, which
 *  chooses its default. */
struct ivshmem_slot_options {
    size_t size;            /**< of this struct in bytes, set by the caller */
    uint64_t region_offset; /**< bytes, a multiple of 4096; with `region_size` */
    uint64_t region_size;   /**< bytes, a multiple of 4096: the part of the memory for channels;
                                 0: that of the present peers, or else all */
    uint32_t slots;     /**< 2..256; 0 with the two below: as the present peers, or else 4 slots,
                             4 lanes and the largest rings */
    uint32_t lanes;     /**< 1..1024: channels between each two slots */
    uint32_t ring_size; /**< bytes, a power of two, 1024..268435456 */
    uint32_t claim_time_ms;    /**< how long a holder of the slot has to object; 0: 250 */
    uint32_t heartbeat_ms;     /**< the period of a heartbeat, 100..60000; 0: none */
    uint32_t vector;           /**< the vector that peers ring, below `interrupts` */
    int reformat;              /**< 1: forgets peers with another geometry, which must be gone */
    uint64_t memory_for_parts; /**< bytes for messages of which parts are missing; 0: 256 MiB */
};

/** The facts about a slot. */
struct ivshmem_slot_facts {
    size_t size;            /**< of this struct in bytes, set by the caller */
    uint32_t number;        /**< 0..slots-1 */
    uint32_t incarnation;   /**< never 0; another one with each claim */
    uint32_t slots;         /**< the geometry that is in effect */
    uint32_t lanes;         /**< channels between each two slots */
    uint32_t ring_size;     /**< bytes of the ring of each direction of a channel */
    uint32_t vector;        /**< the vector that peers ring */
    int has_interrupts;     /**< 1: peers can ring this side */
    uint32_t heartbeat_ms;  /**< 0: none */
    uint64_t region_offset; /**< the part of the memory that channels use, in bytes */
    uint64_t region_size;
    uint64_t channel_size; /**< bytes of memory that one channel takes */
    uint32_t repairs;      /**< how often another peer wrote to this slot's header */
};

/** The peer that holds a slot, as the memory says; a peer may have written false values. */
struct ivshmem_slot_holder {
    uint32_t slot;
    uint32_t incarnation; /**< never 0; another one after each restart */
    uint32_t peer;        /**< its id at the device, for ivshmem_device_ring() */
};

/** A slot that this process holds; as ivshmem::slot. Close it with ivshmem_slot_close().
 *
 *  @par Thread Safety
 *  @e Distinct @e objects: Safe. @e Shared @e objects: Unsafe. A slot, its services and its
 * channels count as one object, except that channels which are connected may use the functions that
 * never block in a thread each. */
struct ivshmem_slot;
/** A claim of a slot in steps; as ivshmem::slot_claim. Close it with ivshmem_claim_close(). */
struct ivshmem_claim;

/** Claims a slot. Blocks for `claim_time_ms` at most, and as a rule for 20 ms.
 *  @param number 0..slots-1; on ivshmem-v2, the device's id. Negative: the lowest free slot.
 *  @param options NULL: the defaults.
 *  @return The errors of ivshmem::slot::claim() and claim_free(); -E2BIG; -EINVAL. */
int ivshmem_slot_claim(struct ivshmem_device* device, int32_t number,
                       const struct ivshmem_slot_options* options, struct ivshmem_slot** slot);
/** Gives the slot back. Its services and channels stay handles to close, and fail with
 *  #IVSHMEM_CLOSED until then. */
int ivshmem_slot_close(struct ivshmem_slot* slot);

/** Begins to claim a slot without blocking. Parameters as ivshmem_slot_claim(). */
int ivshmem_claim_open(struct ivshmem_device* device, int32_t number,
                       const struct ivshmem_slot_options* options, struct ivshmem_claim** claim);
/** Takes the next step of a claim. Never blocks.
 *  @param pause_ms Gets the time to wait before the next step, 1..20, if the result is -EAGAIN.
 *  @param slot Gets the slot if the result is 0; the claim is over then, and must still be closed.
 *  @return -EAGAIN: wait, and call again; as ivshmem_slot_claim(). */
int ivshmem_claim_step(struct ivshmem_claim* claim, int* pause_ms, struct ivshmem_slot** slot);
/** Closes a claim; gives it up if it is not over. */
int ivshmem_claim_close(struct ivshmem_claim* claim);

/** Returns the facts. @param facts `size` is set by the caller.
 *  @return #IVSHMEM_CLOSED. */
int ivshmem_slot_get_facts(struct ivshmem_slot* slot, struct ivshmem_slot_facts* facts);
/** Returns the part of the memory that no channel uses as long as all peers have this region; of
 *  ivshmem-v2, the read/write section. Valid until the slot and its channels are closed.
 *  @param length Gets its bytes; 0 if channels use all of the memory. */
int ivshmem_slot_get_application_memory(struct ivshmem_slot* slot, void** address, size_t* length);
/** Returns the holders of the other slots, by ascending slot.
 *  @param holders Gets up to `capacity` of them; may be NULL if that is 0.
 *  @param count Gets how many there are, which may be more than `capacity`. */
int ivshmem_slot_get_holders(struct ivshmem_slot* slot, struct ivshmem_slot_holder* holders,
                             size_t capacity, size_t* count);

/** Returns a descriptor that polls readable when peers have rung this slot: for a new request, a
 *  message, or room. It belongs to the device: do not read, write or close it.
 *  @return #IVSHMEM_INTERRUPTS_UNSUPPORTED: look every millisecond instead; #IVSHMEM_FORKED. */
int ivshmem_slot_get_fd(struct ivshmem_slot* slot, int* fd);
/** Takes the rings of the slot, answers peers that claim it, and beats if a beat is due. An event
 *  loop calls it after the descriptor polled readable, and at least every 100 ms (or once per
 *  heartbeat, if that is less); then it calls ivshmem_channel_update() for each channel.
 *  @return #IVSHMEM_SLOT_LOST, #IVSHMEM_SLOT_OVERWRITTEN, #IVSHMEM_DEVICE_REMOVED, #IVSHMEM_FORKED,
 *  #IVSHMEM_CLOSED. */
int ivshmem_slot_update(struct ivshmem_slot* slot);

#ifdef __cplusplus
}
#endif

#endif
