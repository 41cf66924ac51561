/* SPDX-License-Identifier: BSL-1.0 */
/* SPDX-FileCopyrightText: The libivshmem authors */
#ifndef IVSHMEM_C_CODE_H
#define IVSHMEM_C_CODE_H

/** @file
 *  The results of the functions in C, and their messages.
 *
 *  Every function returns an int: 0 (#IVSHMEM_OK) is success; a positive number is an
 * #ivshmem_code; a negative one is -errno, as for a failed system call. Values come back through
 * pointers, which are written only on success unless a function says otherwise.
 *
 *  Four negative numbers are the library's own:
 *  - -EAGAIN: a function that never blocks found nothing to do now; no failure.
 *  - -EINVAL: a NULL pointer, a number out of its range, or a handle that is none.
 *  - -E2BIG: a struct of options with fields that this library does not know.
 *  - -ENOMEM: no memory.
 */

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Success, and the failures that a user can act on. Other values may come with later versions. The
 *  numbers and names are those of ivshmem::errc. */
enum ivshmem_code {
    /** Success. */
    IVSHMEM_OK = 0,
    /** There is no PCI bus under the sysfs root. */
    IVSHMEM_SYSFS_UNAVAILABLE = 1,
    /** A sysfs file does not hold what the kernel would write there. */
    IVSHMEM_SYSFS_MALFORMED = 2,
    /** No device matches the selector. */
    IVSHMEM_DEVICE_NOT_FOUND = 3,
    /** More than one device matches; the message lists them. */
    IVSHMEM_DEVICE_AMBIGUOUS = 4,
    /** The text names no device in any known form. */
    IVSHMEM_BAD_SELECTOR = 5,
    /** The registers of the device are of a kind that the library does not know. */
    IVSHMEM_PROTOCOL_UNSUPPORTED = 6,
    /** The device lacks a BAR that it needs, or the BAR has an impossible size. */
    IVSHMEM_BAR_MISSING = 7,
    /** The driver bound to the device cannot be used by the requested backend. */
    IVSHMEM_DRIVER_UNSUITABLE = 8,
    /** vfio-pci is bound but the device has no IOMMU group to open. */
    IVSHMEM_IOMMU_MISSING = 9,
    /** Another device of the IOMMU group is bound to a driver of the kernel. */
    IVSHMEM_GROUP_NOT_VIABLE = 10,
    /** Another process (or this one) has the device open. */
    IVSHMEM_DEVICE_BUSY = 11,
    /** This process may not open a node or file of the device. */
    IVSHMEM_PERMISSION_DENIED = 12,
    /** Kernel lockdown or a strict /dev/mem forbids the mapping. */
    IVSHMEM_LOCKED_DOWN = 13,
    /** The memory cannot be mapped in the requested cache mode. */
    IVSHMEM_CACHE_MODE_UNAVAILABLE = 14,
    /** IVPosition stayed negative: the device never got its id from the server. */
    IVSHMEM_POSITION_TIMEOUT = 15,
    /** Registers read as all-ones: the device is gone. */
    IVSHMEM_DEVICE_GONE = 16,
    /** The removal of the device was requested; close it. */
    IVSHMEM_DEVICE_REMOVED = 17,
    /** A peer id beyond 65535. */
    IVSHMEM_PEER_OUT_OF_RANGE = 18,
    /** A vector that the device or the doorbell register does not have. */
    IVSHMEM_VECTOR_OUT_OF_RANGE = 19,
    /** The device has no doorbell: it is an ivshmem-plain device. */
    IVSHMEM_DOORBELL_UNSUPPORTED = 20,
    /** No interrupt can arrive through the present driver. */
    IVSHMEM_INTERRUPTS_UNSUPPORTED = 21,
    /** The backend has no events to report. */
    IVSHMEM_EVENTS_UNSUPPORTED = 22,
    /** The backend cannot list the peers. */
    IVSHMEM_PEERS_UNSUPPORTED = 23,
    /** No process listens on the server's socket. */
    IVSHMEM_SERVER_UNREACHABLE = 24,
    /** The server speaks another version of the protocol. */
    IVSHMEM_SERVER_VERSION = 25,
    /** The server sent a message that the protocol does not allow. */
    IVSHMEM_SERVER_PROTOCOL = 26,
    /** The server closed the connection. */
    IVSHMEM_SERVER_CLOSED = 27,
    /** The limit of open descriptors is reached. */
    IVSHMEM_DESCRIPTOR_LIMIT = 28,
    /** The device was opened by the parent process; a child must open its own. */
    IVSHMEM_FORKED = 29,
    /** The object, or the device or slot under it, is closed. */
    IVSHMEM_CLOSED = 30,
    /** The timeout expired. */
    IVSHMEM_TIMED_OUT = 31,
    /** The memory is too small for the geometry. */
    IVSHMEM_REGION_TOO_SMALL = 32,
    /** Numbers that no geometry may have. */
    IVSHMEM_BAD_GEOMETRY = 33,
    /** The present peers divide the memory differently. */
    IVSHMEM_GEOMETRY_MISMATCH = 34,
    /** A present peer uses another version of the layout. */
    IVSHMEM_LAYOUT_VERSION = 35,
    /** The geometry has no such slot. */
    IVSHMEM_SLOT_OUT_OF_RANGE = 36,
    /** Another process or VM, or this process, holds the slot. */
    IVSHMEM_SLOT_IN_USE = 37,
    /** Another process or VM took the slot, because this one did not answer its claim in time. */
    IVSHMEM_SLOT_LOST = 38,
    /** The geometry has no such lane. */
    IVSHMEM_LANE_OUT_OF_RANGE = 39,
    /** This process has already opened the lane, or no lane is free. */
    IVSHMEM_LANE_IN_USE = 40,
    /** The message is longer than the peer accepts, or than this function can send. */
    IVSHMEM_MESSAGE_TOO_LARGE = 41,
    /** The message is longer than the buffers; it can still be received. */
    IVSHMEM_BUFFER_TOO_SMALL = 42,
    /** The channel has never been connected, or no longer is. */
    IVSHMEM_NOT_CONNECTED = 43,
    /** The peer started again; messages that it had not read are lost. */
    IVSHMEM_CHANNEL_RESET = 44,
    /** The peer closed the channel, and all messages that it sent were received. */
    IVSHMEM_CHANNEL_CLOSED = 45,
    /** The peer broke the rules of the layout. */
    IVSHMEM_CHANNEL_POISONED = 46,
    /** The peer reports that this side broke the rules of the layout. */
    IVSHMEM_CHANNEL_REJECTED = 47,
    /** A service's or topic's name is 1 to 59 bytes of UTF-8 without control characters. */
    IVSHMEM_BAD_SERVICE_NAME = 48,
    /** This slot already offers a service of that name. */
    IVSHMEM_SERVICE_EXISTS = 49,
    /** No peer offers the service. */
    IVSHMEM_SERVICE_UNKNOWN = 50,
    /** The slot offers as many services as it can. */
    IVSHMEM_DIRECTORY_FULL = 51,
    /** All slots are held, or were held by processes that were killed. */
    IVSHMEM_NO_FREE_SLOT = 52,
    /** Something other than this library has written to the slot's section of the memory. */
    IVSHMEM_SLOT_OVERWRITTEN = 53,
    /** The peer ended without closing the channel, or does not run any more. */
    IVSHMEM_PEER_LOST = 54,
    /** The server's memory can be shrunk, which would end this process, and the caller does not
     *  trust the server. @see ivshmem_open_options::trust_server */
    IVSHMEM_MEMORY_UNSEALED = 55,
    /** The device has no states: it is not an ivshmem-v2 device. */
    IVSHMEM_STATES_UNSUPPORTED = 56,
    /** The device has no output sections: it is not an ivshmem-v2 device. */
    IVSHMEM_SECTIONS_UNSUPPORTED = 57,
    /** An ivshmem-v2 device divides its memory itself: another region, slot or number of slots
     *  cannot be chosen. */
    IVSHMEM_SECTIONS_FIXED = 58,
    /** The sizes, the id or the number of peers that an ivshmem-v2 device reports cannot be true.
     */
    IVSHMEM_SECTIONS_INVALID = 59,
    /** The region leaves no room for topics behind its channels. */
    IVSHMEM_TOPICS_UNSUPPORTED = 60,
    /** A peer, or this slot, writes a topic of that name already. */
    IVSHMEM_TOPIC_EXISTS = 61,
    /** The writer has ended the topic, and all messages that it left were read. */
    IVSHMEM_TOPIC_CLOSED = 62,
    /** The writer of the topic broke the rules of the layout. */
    IVSHMEM_TOPIC_POISONED = 63,
    /** The writer lets this reader pin no messages, or did not hear of it yet. */
    IVSHMEM_PIN_REFUSED = 64,
    /** The reader holds as many messages as it may. */
    IVSHMEM_PINS_IN_USE = 65,
    /** The writer has used the room of the message again. */
    IVSHMEM_MESSAGE_OVERWRITTEN = 66
};

/** Returns the message of the last call in this thread that returned neither 0 nor -EAGAIN: one
 * line that names the object, the step that failed and the next thing to try. It is the text of the
 *  exception that a program in C++ gets, cut after 1023 bytes.
 *
 *  @return Never NULL; empty if no call has failed. Valid until the next failure in this thread.
 *  @par Thread Safety
 *  Safe: each thread has a message of its own. */
const char* ivshmem_last_error(void);

/** Returns the general text for a result, like strerror_r(3), for results whose message is gone.
 *  @param code Any number that a function returned.
 *  @param text Gets the text, which is cut if it does not fit, and a 0 byte.
 *  @param capacity The size of `text` in bytes; 512 are enough for each code.
 *  @return 0, or -EINVAL: `text` is NULL, or `capacity` is 0. Thread safe. */
int ivshmem_get_code_text(int code, char* text, size_t capacity);

/** Returns the version of the library at run time, as "0.2.0". Valid for ever. Thread safe. */
const char* ivshmem_version(void);

/** Returns the same as one number: major * 1000000 + minor * 1000 + patch. Thread safe. */
uint32_t ivshmem_version_number(void);

#ifdef __cplusplus
}
#endif

#endif
