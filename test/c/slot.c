/* SPDX-License-Identifier: BSL-1.0 */
/* SPDX-FileCopyrightText: The libivshmem authors */
#include "check.h"

#include <errno.h>
#include <poll.h>
#include <time.h>

static void facts_of(struct peers* p) {
    struct ivshmem_slot_facts facts = {.size = sizeof facts};
    OK(ivshmem_slot_get_facts(p->slot[1], &facts));
    CHECK(facts.number == 1 && facts.incarnation != 0);
    CHECK(facts.slots == 2 && facts.lanes == 4 && facts.ring_size == 4096);
    CHECK(facts.vector == 0 && facts.has_interrupts == 1 && facts.heartbeat_ms == 0);
    CHECK(facts.region_offset == 0 && facts.region_size == 4 * 1024 * 1024);
    CHECK(facts.channel_size > 2 * 4096 && facts.repairs == 0);
    void* address = NULL;
    size_t length = 7;
    OK(ivshmem_slot_get_application_memory(p->slot[1], &address, &length));
    CHECK(length == 0);

    struct ivshmem_slot_holder holders[2];
    size_t count = 0;
    OK(ivshmem_slot_get_holders(p->slot[0], holders, 2, &count));
    CHECK(count == 1 && holders[0].slot == 1 && holders[0].incarnation == facts.incarnation);
    struct ivshmem_device_facts device = {.size = sizeof device};
    OK(ivshmem_device_get_facts(p->device[1], &device));
    CHECK(holders[0].peer == device.id);
    count = 0;
    OK(ivshmem_slot_get_holders(p->slot[0], NULL, 0, &count));
    CHECK(count == 1);
}

static void rings_of(struct peers* p) {
    struct ivshmem_device_facts device = {.size = sizeof device};
    OK(ivshmem_device_get_facts(p->device[1], &device));
    int fd = -1;
    OK(ivshmem_slot_get_fd(p->slot[1], &fd));
    OK(ivshmem_slot_update(p->slot[1]));
    struct pollfd rung = {fd, POLLIN, 0};
    CHECK(poll(&rung, 1, 0) == 0);
    OK(ivshmem_device_ring(p->device[0], device.id, 0));
    CHECK(poll(&rung, 1, PATIENCE) == 1);
    OK(ivshmem_slot_update(p->slot[1]));
    CHECK(poll(&rung, 1, 0) == 0);
}

static void claims_of(struct peers* p) {
    struct ivshmem_slot* other = NULL;
    GIVES(IVSHMEM_SLOT_IN_USE, ivshmem_slot_claim(p->device[0], 1, NULL, &other));
    GIVES(IVSHMEM_SLOT_OUT_OF_RANGE, ivshmem_slot_claim(p->device[0], 2, NULL, &other));
    GIVES(IVSHMEM_NO_FREE_SLOT, ivshmem_slot_claim(p->device[0], -1, NULL, &other));
    OK(ivshmem_slot_close(p->slot[1]));
    p->slot[1] = NULL;
    OK(ivshmem_slot_claim(p->device[1], -1, NULL, &p->slot[1]));
    struct ivshmem_slot_facts facts = {.size = sizeof facts};
    OK(ivshmem_slot_get_facts(p->slot[1], &facts));
    CHECK(facts.number == 1 && facts.slots == 2);

    struct ivshmem_slot_options options = {.size = sizeof options};
    options.slots = 3;
    GIVES(-EINVAL, ivshmem_slot_claim(p->device[0], 0, &options, &other));
    options.lanes = 1;
    options.ring_size = 1000;
    GIVES(IVSHMEM_BAD_GEOMETRY, ivshmem_slot_claim(p->device[0], 0, &options, &other));
    options.ring_size = 1024;
    GIVES(IVSHMEM_GEOMETRY_MISMATCH, ivshmem_slot_claim(p->device[0], 0, &options, &other));
    struct ivshmem_slot_options vectors = {.size = sizeof vectors};
    vectors.vector = 2;
    GIVES(IVSHMEM_VECTOR_OUT_OF_RANGE, ivshmem_slot_claim(p->device[0], 0, &vectors, &other));
    vectors.vector = 65536;
    GIVES(-EINVAL, ivshmem_slot_claim(p->device[0], 0, &vectors, &other));
}

static void steps_of(struct peers* p) {
    OK(ivshmem_slot_close(p->slot[0]));
    p->slot[0] = NULL;
    struct ivshmem_claim* claim = NULL;
    OK(ivshmem_claim_open(p->device[0], -1, NULL, &claim));
    int pause = -1;
    int result = 0;
    int steps = 0;
    while ((result = ivshmem_claim_step(claim, &pause, &p->slot[0])) == -EAGAIN) {
        CHECK(pause > 0 && pause <= 20);
        const struct timespec time = {0, pause * 1000000L};
        nanosleep(&time, NULL);
        ++steps;
    }
    OK(result);
    CHECK(steps > 0);
    struct ivshmem_slot_facts facts = {.size = sizeof facts};
    OK(ivshmem_slot_get_facts(p->slot[0], &facts));
    CHECK(facts.number == 0);
    struct ivshmem_slot* other = NULL;
    SAYS(IVSHMEM_CLOSED, "over", ivshmem_claim_step(claim, &pause, &other));
    OK(ivshmem_claim_close(claim));
    OK(ivshmem_slot_update(p->slot[0]));

    /* One that fails, and one that is given up. */
    OK(ivshmem_claim_open(p->device[0], 1, NULL, &claim));
    while ((result = ivshmem_claim_step(claim, &pause, &other)) == -EAGAIN) {
        const struct timespec time = {0, pause * 1000000L};
        nanosleep(&time, NULL);
    }
    GIVES(IVSHMEM_SLOT_IN_USE, result);
    OK(ivshmem_claim_close(claim));
    OK(ivshmem_claim_open(p->device[0], 1, NULL, &claim));
    OK(ivshmem_claim_close(claim));
}

static void region_of(void) {
    struct peers p;
    open_devices(&p);
    struct ivshmem_slot_options options = {.size = sizeof options};
    options.region_size = 1024 * 1024;
    options.reformat = 1;
    options.heartbeat_ms = 200;
    options.vector = 1;
    options.memory_for_parts = 1024;
    options.claim_time_ms = 100;
    OK(ivshmem_slot_claim(p.device[0], 0, &options, &p.slot[0]));
    struct ivshmem_slot_facts facts = {.size = sizeof facts};
    OK(ivshmem_slot_get_facts(p.slot[0], &facts));
    CHECK(facts.region_size == 1024 * 1024 && facts.heartbeat_ms == 200 && facts.vector == 1);
    struct ivshmem_memory memory = {.size = sizeof memory};
    OK(ivshmem_device_get_memory(p.device[0], &memory));
    void* address = NULL;
    size_t length = 0;
    OK(ivshmem_slot_get_application_memory(p.slot[0], &address, &length));
    CHECK(address == (char*)memory.address + 1024 * 1024 && length == 3 * 1024 * 1024);
    close_peers(&p);
}

void test_slot(void) {
    struct peers p;
    open_slots(&p, 4096);
    facts_of(&p);
    rings_of(&p);
    claims_of(&p);
    steps_of(&p);
    close_peers(&p);
    region_of();
}
