/* SPDX-License-Identifier: BSL-1.0 */
/* SPDX-FileCopyrightText: The libivshmem authors */
#ifndef IVSHMEM_C_MONITOR_H
#define IVSHMEM_C_MONITOR_H

/** @file
 *  Devices that come, change and go. */

#include <ivshmem/c/discovery.h>

#ifdef __cplusplus
extern "C" {
#endif

/** The kinds of ivshmem_device_change, as ivshmem::device_change::kind. */
enum ivshmem_change {
    IVSHMEM_CHANGE_ADDED = 0,   /**< the device is new, or was there at first */
    IVSHMEM_CHANGE_REMOVED = 1, /**< the device is gone */
    IVSHMEM_CHANGE_CHANGED = 2  /**< it has another driver, other nodes or other permissions */
};

/** Reports devices, as ivshmem::device_monitor. Close it with ivshmem_monitor_close().
 *  @par Thread Safety
 *  @e Distinct @e objects: Safe. @e Shared @e objects: Unsafe. */
struct ivshmem_monitor;

/** Starts watching. Needs no privilege.
 *  @return #IVSHMEM_DESCRIPTOR_LIMIT, or -errno of socket(2). */
int ivshmem_monitor_open(struct ivshmem_monitor** monitor);
/** Ends the watching. */
int ivshmem_monitor_close(struct ivshmem_monitor* monitor);
/** Returns a descriptor that polls readable when ivshmem_monitor_next() must be called; at first it
 *  does. It belongs to the monitor: do not read or close it. */
int ivshmem_monitor_get_fd(struct ivshmem_monitor* monitor, int* fd);
/** Takes the next change. Never blocks. Devices that are present are reported first.
 *  @param change Gets an ivshmem_change.
 *  @param info The device as it is now; if it was removed, as it was last seen. `size` is set by
 * the caller. The texts are valid until the next call with this monitor.
 *  @return -EAGAIN: there is none; #IVSHMEM_FORKED; as ivshmem_discovery_open(), after which
 * nothing is lost. */
int ivshmem_monitor_next(struct ivshmem_monitor* monitor, int* change,
                         struct ivshmem_device_info* info);

#ifdef __cplusplus
}
#endif

#endif
