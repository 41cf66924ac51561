/* SPDX-License-Identifier: BSL-1.0 */
/* SPDX-FileCopyrightText: The libivshmem authors */
#ifndef IVSHMEM_IVSHMEM_H
#define IVSHMEM_IVSHMEM_H

/** @file
 *  The library in C: C11, and C++ of any version. The same shared library; link with `-livshmem`.
 *
 *  @par Results
 *  Every function returns an int: 0, an #ivshmem_code (positive) or -errno; see code.h.
 *  ivshmem_last_error() has the message.
 *
 *  @par Handles
 *  `struct ivshmem_device *` and the other handles are numbers in the type of a pointer: they point
 *  to nothing. NULL, a handle of another type and any other number are -EINVAL; a handle that was
 *  closed is #IVSHMEM_CLOSED. On 64-bit systems a number never returns; on 32-bit ones it does
 * after 134 million handles. A process can have 65536 open: then functions that open return
 * -ENFILE. Handles may be closed in any order: what needs another object keeps it.
 *
 *  @par Structs
 *  Structs of options and facts begin with their size, which the caller sets:
 *  `struct ivshmem_open_options options = {.size = sizeof options};`. The other fields are 0 then,
 * which is the default of each. A program that was compiled with an older header passes a smaller
 * struct; one with a newer header a larger one, whose unknown fields must be 0 (else -E2BIG). Facts
 * that the library does not know are 0.
 *
 *  @par Ownership
 *  `open`, `claim`, `connect` and `accept` make a handle, which the caller closes. `get` lends:
 * texts and addresses stay valid until the handle is closed.
 *
 *  @par Threads, signals, fork
 *  Each type says which functions threads may share. No handle may be closed while another thread
 * uses it. No function is safe in a signal handler, and no thread may be cancelled
 * (pthread_cancel()) in one. After fork() objects belong to the parent: functions of the child
 * return #IVSHMEM_FORKED.
 */

#include <ivshmem/c/channel.h>
#include <ivshmem/c/code.h>
#include <ivshmem/c/device.h>
#include <ivshmem/c/discovery.h>
#include <ivshmem/c/monitor.h>
#include <ivshmem/c/service.h>
#include <ivshmem/c/slot.h>
#include <ivshmem/c/stream.h>
#include <ivshmem/c/topic.h>

#endif
