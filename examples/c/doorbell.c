/* SPDX-License-Identifier: BSL-1.0 */
/* SPDX-FileCopyrightText: The libivshmem authors */

/* Ring a peer, or wait for a ring, without an event loop: as ../doorbell.cpp.

       doorbell DEVICE ring PEER VECTOR
       doorbell DEVICE wait VECTOR [SECONDS]

   DEVICE is an address from lsivshmem (0000:00:04.0); on the host, server:/run/ivshmem/NAME.sock.
   The side that waits prints its id first, for the peer that rings. */

#include "common.h"

#include <string.h>

int main(int argc, char** argv) {
    program = "doorbell";
    const int rings = argc == 5 && strcmp(argv[2], "ring") == 0;
    const int waits = (argc == 4 || argc == 5) && strcmp(argv[2], "wait") == 0;
    if (!rings && !waits) {
        fputs("usage: doorbell DEVICE ring PEER VECTOR\n"
              "       doorbell DEVICE wait VECTOR [SECONDS]\n",
              stderr);
        return 2;
    }
    struct ivshmem_device* device = NULL;
    must(ivshmem_device_open(argv[1], NULL, &device));
    struct ivshmem_device_facts facts = {.size = sizeof facts};
    struct ivshmem_memory memory = {.size = sizeof memory};
    must(ivshmem_device_get_facts(device, &facts));
    must(ivshmem_device_get_memory(device, &memory));
    printf("peer %u, %zu bytes, %u vectors\n", facts.id, memory.length, facts.vectors);
    fflush(stdout);
    if (rings) {
        must(ivshmem_device_ring(device, number_of(argv[3]), number_of(argv[4])));
    } else {
        const int timeout = argc == 5 ? (int)number_of(argv[4]) * 1000 : -1;
        uint64_t count = 0;
        must(ivshmem_device_wait(device, number_of(argv[3]), timeout, &count));
        printf("rung %llu %s\n", (unsigned long long)count, count == 1 ? "time" : "times");
    }
    must(ivshmem_device_close(device));
    return 0;
}
