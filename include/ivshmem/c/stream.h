/* SPDX-License-Identifier: BSL-1.0 */
/* SPDX-FileCopyrightText: The libivshmem authors */
#ifndef IVSHMEM_C_STREAM_H
#define IVSHMEM_C_STREAM_H

/** @file
 *  A channel as a stream of bytes, like a connected TCP socket.
 *
 *  Both sides must use it as a stream (in C++, ivshmem::asio::stream), and from the beginning: how
 *  bytes are split into messages is an implementation detail. ivshmem_channel_finish() ends the
 *  stream of this side; waiting and closing are those of the channel, too.
 */

#include <ivshmem/c/channel.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Reads the bytes that are available. Never blocks.
 *  @param buffer May be NULL if `capacity` is 0.
 *  @param size Gets how many were read; 0 at the end of the stream, or if `capacity` is 0.
 *  @return -EAGAIN: there are none now. See ivshmem_channel, except #IVSHMEM_CHANNEL_CLOSED. */
int ivshmem_stream_try_read(struct ivshmem_channel* channel, void* buffer, size_t capacity,
                            size_t* size);
/** Writes as much as there is room for. Never blocks.
 *  @param bytes May be NULL if `size` is 0.
 *  @param written Gets how many bytes were written, 1 at least unless `size` is 0.
 *  @return -EAGAIN: there is no room now. See ivshmem_channel; #IVSHMEM_CHANNEL_CLOSED: the other
 * side reads no more. */
int ivshmem_stream_try_write(struct ivshmem_channel* channel, const void* bytes, size_t size,
                             size_t* written);
/** As ivshmem_stream_try_read(), but waits for the first byte.
 *  @param timeout_ms Negative: no limit; then #IVSHMEM_TIMED_OUT. */
int ivshmem_stream_read(struct ivshmem_channel* channel, void* buffer, size_t capacity,
                        size_t* size, int timeout_ms);
/** Writes all bytes.
 *  @param written Gets how many bytes were written, also if the result is a failure. May be NULL.
 *  @param timeout_ms Negative: no limit; then #IVSHMEM_TIMED_OUT. */
int ivshmem_stream_write(struct ivshmem_channel* channel, const void* bytes, size_t size,
                         size_t* written, int timeout_ms);

#ifdef __cplusplus
}
#endif

#endif
