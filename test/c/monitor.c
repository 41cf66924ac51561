/* SPDX-License-Identifier: BSL-1.0 */
/* SPDX-FileCopyrightText: The libivshmem authors */
#include "check.h"

#include <errno.h>
#include <poll.h>

void test_monitor(void) {
    struct ivshmem_discovery* found = NULL;
    size_t count = 0;
    const int discovered = ivshmem_discovery_open(NULL, &found);
    if (discovered == 0)
        OK(ivshmem_discovery_get_count(found, &count));

    struct ivshmem_monitor* monitor = NULL;
    OK(ivshmem_monitor_open(&monitor));
    int fd = -1;
    OK(ivshmem_monitor_get_fd(monitor, &fd));
    struct pollfd readable = {fd, POLLIN, 0};
    CHECK(poll(&readable, 1, PATIENCE) == 1 && readable.revents == POLLIN);
    struct ivshmem_device_info info = {.size = sizeof info};
    int change = -1;
    for (size_t i = 0; i < count; ++i) {
        OK(ivshmem_monitor_next(monitor, &change, &info));
        CHECK(change == IVSHMEM_CHANGE_ADDED && info.address[0] != 0);
    }
    GIVES(discovered == 0 ? -EAGAIN : discovered, ivshmem_monitor_next(monitor, &change, &info));
    info.size = 0;
    GIVES(-EINVAL, ivshmem_monitor_next(monitor, &change, &info));
    OK(ivshmem_monitor_close(monitor));
    if (discovered == 0)
        OK(ivshmem_discovery_close(found));
}
