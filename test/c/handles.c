/* SPDX-License-Identifier: BSL-1.0 */
/* SPDX-FileCopyrightText: The libivshmem authors */
#include "check.h"

#include <errno.h>
#include <stdlib.h>

/* The table of handles: its limit, its generations, and threads. A claim that takes no step is the
   handle that costs least. */

enum { LIMIT = 65536, THREADS = 4, TURNS = 5000 };

static struct ivshmem_claim* claims[LIMIT + 1];

static void limit(struct ivshmem_device* device) {
    size_t open = 0;
    int result = 0;
    while (open <= LIMIT && (result = ivshmem_claim_open(device, 0, NULL, &claims[open])) == 0)
        ++open;
    GIVES(-ENFILE, result);
    CHECK(open == LIMIT - 1); /* one is the device */
    CHECK(claims[open] == NULL);
    struct ivshmem_claim* const first = claims[0];
    OK(ivshmem_claim_close(first));
    OK(ivshmem_claim_open(device, 0, NULL, &claims[0]));
    CHECK(claims[0] != first); /* the same entry, and another generation */
    GIVES(IVSHMEM_CLOSED, ivshmem_claim_close(first));
    GIVES(-ENFILE, ivshmem_claim_open(device, 0, NULL, &claims[open]));
    for (size_t i = 0; i < open; ++i)
        OK(ivshmem_claim_close(claims[i]));
    for (size_t i = 0; i < open; ++i)
        GIVES(IVSHMEM_CLOSED, ivshmem_claim_close(claims[i]));
}

static void open_and_close(void* argument) {
    struct ivshmem_device* const device = (struct ivshmem_device*)argument;
    struct ivshmem_claim* held[16] = {NULL};
    for (int i = 0; i < TURNS; ++i) {
        struct ivshmem_claim** const at = &held[i % 16];
        struct ivshmem_claim* const before = *at;
        if (before != NULL) {
            OK(ivshmem_claim_close(before));
            GIVES(IVSHMEM_CLOSED, ivshmem_claim_close(before));
        }
        OK(ivshmem_claim_open(device, 0, NULL, at));
    }
    for (int i = 0; i < 16; ++i)
        OK(ivshmem_claim_close(held[i]));
}

/* Several threads close one handle: one of them does. */
struct race {
    struct ivshmem_claim* claim;
    int results[THREADS];
    int next;
};

static void close_first(void* argument) {
    struct race* const r = (struct race*)argument;
    const int own = __atomic_fetch_add(&r->next, 1, __ATOMIC_RELAXED);
    r->results[own] = ivshmem_claim_close(r->claim);
}

static void races(struct ivshmem_device* device) {
    for (int i = 0; i < 50; ++i) {
        struct race r = {.claim = NULL};
        OK(ivshmem_claim_open(device, 0, NULL, &r.claim));
        void* threads[THREADS];
        for (int t = 0; t < THREADS; ++t)
            threads[t] = start_thread(close_first, &r);
        for (int t = 0; t < THREADS; ++t)
            join_thread(threads[t]);
        int closed = 0;
        for (int t = 0; t < THREADS; ++t) {
            closed += r.results[t] == 0;
            CHECK(r.results[t] == 0 || r.results[t] == IVSHMEM_CLOSED);
        }
        CHECK(closed == 1);
    }
}

void test_handles(void) {
    struct ivshmem_device* device = NULL;
    struct ivshmem_open_options options = {.size = sizeof options};
    options.vectors = 2;
    OK(ivshmem_device_open(server(), &options, &device));
    limit(device);
    void* threads[THREADS];
    for (int i = 0; i < THREADS; ++i)
        threads[i] = start_thread(open_and_close, device);
    for (int i = 0; i < THREADS; ++i)
        join_thread(threads[i]);
    races(device);
    OK(ivshmem_device_close(device));
}
