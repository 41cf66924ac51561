/* SPDX-License-Identifier: BSL-1.0 */
/* SPDX-FileCopyrightText: The libivshmem authors */

/* Print every ring and every event of a device until Ctrl-C, in a loop around poll(2): as
   ../monitor.cpp.

       monitor DEVICE */

#include "common.h"

#include <poll.h>

static void print_rings(struct ivshmem_device* device) {
    uint32_t vector = 0;
    uint64_t count = 0;
    int result = 0;
    while ((result = ivshmem_device_take_any(device, &vector, &count)) == 0)
        printf("vector %u rung %llux\n", vector, (unsigned long long)count);
    if (result != -EAGAIN)
        must(result);
}

static void print_events(struct ivshmem_device* device) {
    static const char* const names[] = {"peer joined",       "peer left",    "server gone",
                                        "removal requested", "device error", "state changed"};
    struct ivshmem_event event = {.size = sizeof event};
    int result = 0;
    while ((result = ivshmem_device_next_event(device, &event)) == 0) {
        printf("%s, peer %u\n", names[event.type], event.peer);
        if (event.type == IVSHMEM_EVENT_REMOVAL_REQUESTED)
            fail("the device is going away");
    }
    if (result != -EAGAIN)
        must(result);
}

int main(int argc, char** argv) {
    program = "monitor";
    if (argc != 2) {
        fputs("usage: monitor DEVICE\n", stderr);
        return 2;
    }
    stop_on_signals();
    struct ivshmem_device* device = NULL;
    must(ivshmem_device_open(argv[1], NULL, &device));
    struct ivshmem_device_facts facts = {.size = sizeof facts};
    must(ivshmem_device_get_facts(device, &facts));
    struct pollfd fds[2] = {{-1, POLLIN, 0}, {-1, POLLIN, 0}}; /* -1: poll(2) ignores it */
    if (facts.interrupts > 0)
        must(ivshmem_device_get_any_interrupt_fd(device, &fds[0].fd));
    if ((facts.capabilities & ~(uint32_t)IVSHMEM_CAN_RING) != 0)
        must(ivshmem_device_get_event_fd(device, &fds[1].fd));
    printf("peer %u, %s\n", facts.id, facts.description);
    while (!stopped) {
        fflush(stdout);
        if (poll(fds, 2, 1000) <= 0) /* not for ever: a signal may come just before */
            continue;
        if (fds[0].revents != 0)
            print_rings(device);
        if (fds[1].revents != 0)
            print_events(device);
    }
    must(ivshmem_device_close(device));
    return 0;
}
