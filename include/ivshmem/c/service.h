/* SPDX-License-Identifier: BSL-1.0 */
/* SPDX-FileCopyrightText: The libivshmem authors */
#ifndef IVSHMEM_C_SERVICE_H
#define IVSHMEM_C_SERVICE_H

/** @file
 *  Services by name: one slot offers, and others connect. */

#include <ivshmem/c/channel.h>

#ifdef __cplusplus
extern "C" {
#endif

/** A service that a slot offers; as ivshmem::asio::acceptor. Close it with ivshmem_service_close().
 *  @par Thread Safety
 *  It counts as one object with its slot. */
struct ivshmem_service;
/** A connection by name that is being made; as ivshmem::asio::async_connect(). Close it with
 *  ivshmem_connector_close().
 *  @par Thread Safety
 *  It counts as one object with its slot. */
struct ivshmem_connector;

/** Offers a service, so that other peers find it.
 *  @param name 1 to 59 bytes of UTF-8 without control characters.
 *  @param options Of the channels that are accepted; NULL: the defaults.
 *  @return #IVSHMEM_BAD_SERVICE_NAME, #IVSHMEM_SERVICE_EXISTS, #IVSHMEM_DIRECTORY_FULL,
 *  #IVSHMEM_CLOSED, #IVSHMEM_SLOT_LOST, #IVSHMEM_FORKED; -E2BIG; -EINVAL. */
int ivshmem_service_open(struct ivshmem_slot* slot, const char* name,
                         const struct ivshmem_channel_options* options,
                         struct ivshmem_service** service);
/** Takes the offer back. Accepted channels go on. */
int ivshmem_service_close(struct ivshmem_service* service);
/** Accepts a peer that has asked for the service and connected. Never blocks. Call it after each
 *  ring of the slot, and at least every 100 ms while peers may ask.
 *  @param channel Gets a connected channel, which the caller closes.
 *  @return -EAGAIN: there is none now; #IVSHMEM_CLOSED: the slot was closed; #IVSHMEM_SLOT_LOST,
 *  #IVSHMEM_SLOT_OVERWRITTEN, #IVSHMEM_FORKED. */
int ivshmem_service_try_accept(struct ivshmem_service* service, struct ivshmem_channel** channel);
/** Waits until a peer has asked for the service and connected, and accepts it.
 *  @param timeout_ms Negative: no limit.
 *  @return #IVSHMEM_TIMED_OUT, #IVSHMEM_CLOSED, #IVSHMEM_SLOT_LOST, #IVSHMEM_SLOT_OVERWRITTEN,
 *  #IVSHMEM_DEVICE_REMOVED. */
int ivshmem_service_accept(struct ivshmem_service* service, int timeout_ms,
                           struct ivshmem_channel** channel);

/** Looks for a service that a peer offers.
 *  @param in The slot that must offer it; negative: any other.
 *  @param found Gets the slot that offers it. May be NULL.
 *  @return #IVSHMEM_SERVICE_UNKNOWN, #IVSHMEM_BAD_SERVICE_NAME, #IVSHMEM_SLOT_OUT_OF_RANGE,
 *  #IVSHMEM_CLOSED, #IVSHMEM_SLOT_LOST, #IVSHMEM_FORKED. */
int ivshmem_service_find(struct ivshmem_slot* slot, const char* name, int32_t in, uint32_t* found);
/** Connects to a service on a lane that both sides have free. Waits for the service to be offered,
 *  and to be accepted.
 *  @param in The slot that must offer it; negative: any other.
 *  @param options NULL: the defaults. @param timeout_ms Negative: no limit.
 *  @param channel Gets a connected channel, which the caller closes.
 *  @return #IVSHMEM_TIMED_OUT, #IVSHMEM_BAD_SERVICE_NAME, #IVSHMEM_SLOT_OUT_OF_RANGE,
 *  #IVSHMEM_LANE_IN_USE, #IVSHMEM_CLOSED, #IVSHMEM_SLOT_LOST, #IVSHMEM_SLOT_OVERWRITTEN,
 *  #IVSHMEM_DEVICE_REMOVED; -E2BIG; -EINVAL. */
int ivshmem_service_connect(struct ivshmem_slot* slot, const char* name, int32_t in,
                            const struct ivshmem_channel_options* options, int timeout_ms,
                            struct ivshmem_channel** channel);
/** Begins to connect without blocking. Parameters and errors as ivshmem_service_connect(). */
int ivshmem_connector_open(struct ivshmem_slot* slot, const char* name, int32_t in,
                           const struct ivshmem_channel_options* options,
                           struct ivshmem_connector** connector);
/** Takes the steps of a connection that are possible now. Never blocks. Call it after each ring of
 *  the slot, and at least every 100 ms.
 *  @param channel Gets a connected channel if the result is 0. The connector is used up then, and
 *  must still be closed.
 *  @return -EAGAIN: not yet; as ivshmem_service_connect(). */
int ivshmem_connector_try_connect(struct ivshmem_connector* connector,
                                  struct ivshmem_channel** channel);
/** Closes a connector; withdraws its request if it is not connected. */
int ivshmem_connector_close(struct ivshmem_connector* connector);

#ifdef __cplusplus
}
#endif

#endif
