/* SPDX-License-Identifier: BSL-1.0 */
/* SPDX-FileCopyrightText: The libivshmem authors */
#include "check.h"

#include <errno.h>
#include <poll.h>
#include <string.h>

static int readable(int fd, int within) {
    struct pollfd p = {fd, POLLIN, 0};
    return poll(&p, 1, within) == 1;
}

static void facts_of(struct peers* p) {
    struct ivshmem_device_facts facts[2];
    for (int i = 0; i < 2; ++i) {
        facts[i].size = sizeof facts[i];
        OK(ivshmem_device_get_facts(p->device[i], &facts[i]));
        CHECK(facts[i].size == sizeof facts[i]);
        CHECK(facts[i].backend == IVSHMEM_BACKEND_SERVER);
        CHECK(strstr(facts[i].description, "server /") != NULL);
        CHECK(facts[i].generation == 1);
        CHECK(facts[i].interrupts == 2 && facts[i].vectors == 2);
        CHECK((facts[i].capabilities & IVSHMEM_CAN_RING) != 0);
        CHECK((facts[i].capabilities & IVSHMEM_CAN_REPORT_PEERS) != 0);
        CHECK((facts[i].capabilities & IVSHMEM_CAN_REPORT_STATES) == 0);
        CHECK(facts[i].max_peers == 65536);
        CHECK(facts[i].protocol == -1);
    }
    CHECK(facts[0].id != facts[1].id);
    struct ivshmem_device_info info = {.size = sizeof info};
    SAYS(-ENODATA, "no PCI device", ivshmem_device_get_info(p->device[0], &info));
}

static void memory_of(struct peers* p) {
    struct ivshmem_memory memory[2];
    for (int i = 0; i < 2; ++i) {
        memory[i].size = sizeof memory[i];
        OK(ivshmem_device_get_memory(p->device[i], &memory[i]));
        CHECK(memory[i].length == 4 * 1024 * 1024);
        CHECK(memory[i].cache == IVSHMEM_CACHE_WRITE_BACK);
        CHECK(memory[i].reason[0] != 0);
    }
    strcpy((char*)memory[0].address + 4000000, "seen by the other");
    ivshmem_publish();
    CHECK(strcmp((const char*)memory[1].address + 4000000, "seen by the other") == 0);
    ivshmem_store32((char*)memory[0].address + 4000, 0x12345678);
    CHECK(ivshmem_load32((const char*)memory[1].address + 4000) == 0x12345678);
}

static void interrupts_of(struct peers* p) {
    struct ivshmem_device_facts facts = {.size = sizeof facts};
    OK(ivshmem_device_get_facts(p->device[1], &facts));
    int fd = -1;
    int any = -1;
    OK(ivshmem_device_get_interrupt_fd(p->device[1], 1, &fd));
    OK(ivshmem_device_get_any_interrupt_fd(p->device[1], &any));
    uint64_t rings = 99;
    uint32_t vector = 99;
    OK(ivshmem_device_take(p->device[1], 1, &rings));
    CHECK(rings == 0);
    GIVES(-EAGAIN, ivshmem_device_take_any(p->device[1], &vector, &rings));
    CHECK(vector == 99 && rings == 0);

    OK(ivshmem_device_ring(p->device[0], facts.id, 1));
    CHECK(readable(fd, PATIENCE));
    OK(ivshmem_device_take(p->device[1], 1, &rings));
    CHECK(rings == 1);
    CHECK(!readable(fd, 0));

    OK(ivshmem_device_ring(p->device[0], facts.id, 1));
    CHECK(readable(any, PATIENCE));
    OK(ivshmem_device_take_any(p->device[1], &vector, &rings));
    CHECK(vector == 1 && rings == 1);

    OK(ivshmem_device_ring(p->device[0], facts.id, 0));
    OK(ivshmem_device_ring(p->device[0], facts.id, 0));
    OK(ivshmem_device_wait(p->device[1], 0, PATIENCE, &rings));
    CHECK(rings == 2);
    SAYS(IVSHMEM_TIMED_OUT, "was not rung within 1 ms",
         ivshmem_device_wait(p->device[1], 0, 1, &rings));
    CHECK(rings == 2);
    OK(ivshmem_device_ring(p->device[0], facts.id, 0));
    OK(ivshmem_device_take(p->device[1], 0, NULL));

    GIVES(IVSHMEM_PEER_OUT_OF_RANGE, ivshmem_device_ring(p->device[0], 65536, 0));
    GIVES(IVSHMEM_VECTOR_OUT_OF_RANGE, ivshmem_device_ring(p->device[0], 0, 65536));
    GIVES(IVSHMEM_VECTOR_OUT_OF_RANGE, ivshmem_device_take(p->device[1], 2, &rings));
    GIVES(IVSHMEM_VECTOR_OUT_OF_RANGE, ivshmem_device_get_interrupt_fd(p->device[1], 2, &fd));
}

static void events_of(struct peers* p) {
    int fd = -1;
    OK(ivshmem_device_get_event_fd(p->device[0], &fd));
    struct ivshmem_event event = {.size = sizeof event};
    while (ivshmem_device_next_event(p->device[0], &event) == 0)
        CHECK(event.type == IVSHMEM_EVENT_PEER_JOINED);
    struct ivshmem_device_facts facts = {.size = sizeof facts};
    OK(ivshmem_device_get_facts(p->device[1], &facts));
    uint16_t ids[4] = {0};
    size_t count = 0;
    OK(ivshmem_device_get_peers(p->device[0], ids, 4, &count));
    CHECK(count == 1 && ids[0] == facts.id);
    count = 0;
    OK(ivshmem_device_get_peers(p->device[0], NULL, 0, &count));
    CHECK(count == 1);

    const uint32_t id = facts.id; /* the texts of `facts` end with the device */
    OK(ivshmem_device_close(p->device[1]));
    p->device[1] = NULL;
    CHECK(readable(fd, PATIENCE));
    OK(ivshmem_device_next_event(p->device[0], &event));
    CHECK(event.type == IVSHMEM_EVENT_PEER_LEFT && event.peer == id);
    GIVES(-EAGAIN, ivshmem_device_next_event(p->device[0], &event));
}

static void not_v2(struct peers* p) {
    uint32_t state = 7;
    void* own = NULL;
    const void* other = NULL;
    size_t length = 7;
    GIVES(IVSHMEM_STATES_UNSUPPORTED, ivshmem_device_get_state(p->device[0], &state));
    GIVES(IVSHMEM_STATES_UNSUPPORTED, ivshmem_device_set_state(p->device[0], 1));
    GIVES(IVSHMEM_STATES_UNSUPPORTED, ivshmem_device_get_peer_state(p->device[0], 1, &state));
    GIVES(IVSHMEM_SECTIONS_UNSUPPORTED,
          ivshmem_device_get_output_section(p->device[0], &own, &length));
    GIVES(IVSHMEM_SECTIONS_UNSUPPORTED,
          ivshmem_device_get_peer_section(p->device[0], 1, &other, &length));
    CHECK(state == 7 && length == 7 && own == NULL && other == NULL);
}

static void options_of(void) {
    struct ivshmem_device* device = NULL;
    struct ivshmem_open_options options = {.size = sizeof options};
    options.vectors = 1;
    options.part_offset = 1024 * 1024;
    options.part_size = 64 * 1024;
    OK(ivshmem_device_open(server(), &options, &device));
    struct ivshmem_memory memory = {.size = sizeof memory};
    OK(ivshmem_device_get_memory(device, &memory));
    CHECK(memory.length == 64 * 1024);
    OK(ivshmem_device_close(device));

    struct ivshmem_open_options other = {.size = sizeof other};
    other.backend = IVSHMEM_BACKEND_VFIO;
    GIVES(IVSHMEM_BAD_SELECTOR, ivshmem_device_open(server(), &other, &device));
    other.backend = 0;
    other.cache = IVSHMEM_CACHE_UNCACHED;
    GIVES(IVSHMEM_CACHE_MODE_UNAVAILABLE, ivshmem_device_open(server(), &other, &device));
    GIVES(IVSHMEM_BAD_SELECTOR, ivshmem_device_open("nonsense", NULL, &device));
    GIVES(IVSHMEM_SERVER_UNREACHABLE,
          ivshmem_device_open("server:/nonexistent/socket", NULL, &device));
}

void test_device(void) {
    struct peers p;
    open_devices(&p);
    facts_of(&p);
    memory_of(&p);
    interrupts_of(&p);
    not_v2(&p);
    events_of(&p);
    close_peers(&p);
    options_of();
}
