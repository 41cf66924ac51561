/* SPDX-License-Identifier: BSL-1.0 */
/* SPDX-FileCopyrightText: The libivshmem authors */

/* Count the rings of a device while it exists: close it when its removal is requested, and open it
   again when it is back, as after the migration of a VM: as ../hotplug.cpp.

       hotplug DEVICE */

#include "common.h"

#include <poll.h>

/* Waits until a descriptor polls readable; returns whether to go on. */
static int wait_for(int fd) {
    struct pollfd readable = {.fd = fd, .events = POLLIN};
    fflush(stdout);
    poll(&readable, 1, 1000); /* not for ever: a signal may come just before */
    return !stopped;
}

/* Returns when the device is being removed, or after a signal. */
static void count_rings(struct ivshmem_device* device, unsigned long long* rings) {
    int fd = -1;
    must(ivshmem_device_get_any_interrupt_fd(device, &fd));
    while (wait_for(fd)) {
        uint32_t vector = 0;
        uint64_t count = 0;
        const int result = ivshmem_device_take_any(device, &vector, &count);
        if (result == IVSHMEM_DEVICE_REMOVED)
            return;
        if (result == -EAGAIN)
            continue;
        must(result);
        *rings += count;
        printf("vector %u, rings so far: %llu\n", vector, *rings);
    }
}

static void serve(const char* which, unsigned long long* rings) {
    struct ivshmem_device* device = NULL;
    const int result = ivshmem_device_open(which, NULL, &device);
    if (result != 0) {
        char text[512];
        must(ivshmem_get_code_text(result, text, sizeof text));
        printf("cannot be opened yet: %s\n", text);
        return;
    }
    struct ivshmem_device_facts facts = {.size = sizeof facts};
    must(ivshmem_device_get_facts(device, &facts));
    if (facts.interrupts == 0) {
        printf("cannot be rung: bind it to vfio-pci\n");
        must(ivshmem_device_close(device));
        return;
    }
    printf("open, peer %u\n", facts.id);
    count_rings(device, rings);
    must(ivshmem_device_close(device)); /* the device cannot be removed before this */
    if (!stopped)
        printf("let go, rings so far: %llu\n", *rings);
}

int main(int argc, char** argv) {
    static const char* const names[] = {"added", "removed", "changed"};
    program = "hotplug";
    if (argc != 2) {
        fputs("usage: hotplug DEVICE\n", stderr);
        return 2;
    }
    stop_on_signals();
    unsigned long long rings = 0;
    struct ivshmem_monitor* monitor = NULL;
    int fd = -1;
    must(ivshmem_monitor_open(&monitor));
    must(ivshmem_monitor_get_fd(monitor, &fd));
    while (!stopped) {
        int change = 0;
        struct ivshmem_device_info info = {.size = sizeof info};
        /* The first changes report the devices that are already present. */
        const int result = ivshmem_monitor_next(monitor, &change, &info);
        if (result == -EAGAIN) {
            wait_for(fd);
            continue;
        }
        must(result);
        printf("%s %s\n", names[change], info.address);
        if (change != IVSHMEM_CHANGE_REMOVED && info.driver[0] != 0)
            serve(argv[1], &rings); /* a later change reports a driver that comes later */
    }
    must(ivshmem_monitor_close(monitor));
    return 0;
}
