/* SPDX-License-Identifier: BSL-1.0 */
/* SPDX-FileCopyrightText: The libivshmem authors */
#include "check.h"

#include <errno.h>
#include <string.h>

/* Handles that are NULL, closed, of another type or no handles; pointers that are NULL; sizes of
   structs that cannot be. Each is an error by name. */

static size_t size;
static uint32_t number;
static uint64_t count;
static int value;
static char bytes[16];
static void* address;
static const void* view;
static const char* text;
static struct ivshmem_device* no_device;
static struct ivshmem_slot* no_slot;
static struct ivshmem_claim* no_claim;
static struct ivshmem_channel* no_channel;
static struct ivshmem_service* no_service;
static struct ivshmem_connector* no_connector;
static struct ivshmem_device_info info = {.size = sizeof info};
static struct ivshmem_diagnosis diagnosis = {.size = sizeof diagnosis};

static void use_discovery(struct ivshmem_discovery* d, int wanted) {
    GIVES(wanted, ivshmem_discovery_get_count(d, &size));
    GIVES(wanted, ivshmem_discovery_get_device(d, 0, &info));
    GIVES(wanted, ivshmem_discovery_get_diagnosis(d, 0, &diagnosis));
    GIVES(wanted, ivshmem_discovery_get_problem(d, 0, 0, &text));
    GIVES(wanted, ivshmem_discovery_close(d));
}

static void use_monitor(struct ivshmem_monitor* m, int wanted) {
    GIVES(wanted, ivshmem_monitor_get_fd(m, &value));
    GIVES(wanted, ivshmem_monitor_next(m, &value, &info));
    GIVES(wanted, ivshmem_monitor_close(m));
}

static void use_device(struct ivshmem_device* d, int wanted) {
    struct ivshmem_device_facts facts = {.size = sizeof facts};
    struct ivshmem_memory memory = {.size = sizeof memory};
    struct ivshmem_event event = {.size = sizeof event};
    uint16_t id = 0;
    GIVES(wanted, ivshmem_device_get_facts(d, &facts));
    GIVES(wanted, ivshmem_device_get_info(d, &info));
    GIVES(wanted, ivshmem_device_get_memory(d, &memory));
    GIVES(wanted, ivshmem_device_ring(d, 0, 0));
    GIVES(wanted, ivshmem_device_get_interrupt_fd(d, 0, &value));
    GIVES(wanted, ivshmem_device_take(d, 0, &count));
    GIVES(wanted, ivshmem_device_wait(d, 0, 0, &count));
    GIVES(wanted, ivshmem_device_get_any_interrupt_fd(d, &value));
    GIVES(wanted, ivshmem_device_take_any(d, &number, &count));
    GIVES(wanted, ivshmem_device_get_event_fd(d, &value));
    GIVES(wanted, ivshmem_device_next_event(d, &event));
    GIVES(wanted, ivshmem_device_get_peers(d, &id, 1, &size));
    GIVES(wanted, ivshmem_device_get_users(d, NULL, 0, &size));
    GIVES(wanted, ivshmem_device_get_state(d, &number));
    GIVES(wanted, ivshmem_device_set_state(d, 1));
    GIVES(wanted, ivshmem_device_get_peer_state(d, 0, &number));
    GIVES(wanted, ivshmem_device_get_output_section(d, &address, &size));
    GIVES(wanted, ivshmem_device_get_peer_section(d, 0, &view, &size));
    GIVES(wanted, ivshmem_slot_claim(d, 0, NULL, &no_slot));
    GIVES(wanted, ivshmem_claim_open(d, 0, NULL, &no_claim));
    GIVES(wanted, ivshmem_device_close(d));
}

static void use_slot(struct ivshmem_slot* s, int wanted) {
    struct ivshmem_slot_facts facts = {.size = sizeof facts};
    struct ivshmem_slot_holder holder;
    GIVES(wanted, ivshmem_slot_get_facts(s, &facts));
    GIVES(wanted, ivshmem_slot_get_application_memory(s, &address, &size));
    GIVES(wanted, ivshmem_slot_get_holders(s, &holder, 1, &size));
    GIVES(wanted, ivshmem_slot_get_fd(s, &value));
    GIVES(wanted, ivshmem_slot_update(s));
    GIVES(wanted, ivshmem_channel_open(s, 1, 0, NULL, &no_channel));
    GIVES(wanted, ivshmem_service_open(s, "a", NULL, &no_service));
    GIVES(wanted, ivshmem_service_find(s, "a", -1, &number));
    GIVES(wanted, ivshmem_service_connect(s, "a", -1, NULL, 0, &no_channel));
    GIVES(wanted, ivshmem_connector_open(s, "a", -1, NULL, &no_connector));
    GIVES(wanted, ivshmem_slot_close(s));
}

static void use_claim(struct ivshmem_claim* c, int wanted) {
    GIVES(wanted, ivshmem_claim_step(c, &value, &no_slot));
    GIVES(wanted, ivshmem_claim_close(c));
}

static void use_service(struct ivshmem_service* s, int wanted) {
    GIVES(wanted, ivshmem_service_try_accept(s, &no_channel));
    GIVES(wanted, ivshmem_service_accept(s, 0, &no_channel));
    GIVES(wanted, ivshmem_service_close(s));
}

static void use_connector(struct ivshmem_connector* c, int wanted) {
    GIVES(wanted, ivshmem_connector_try_connect(c, &no_channel));
    GIVES(wanted, ivshmem_connector_close(c));
}

static void use_channel(struct ivshmem_channel* c, int wanted) {
    struct ivshmem_channel_facts facts = {.size = sizeof facts};
    size_t done = 0;
    GIVES(wanted, ivshmem_channel_finish(c));
    GIVES(wanted, ivshmem_channel_reopen(c));
    GIVES(wanted, ivshmem_channel_get_facts(c, &facts));
    GIVES(wanted, ivshmem_channel_update(c, &value));
    GIVES(wanted, ivshmem_channel_arm(c, IVSHMEM_WAKE_DATA, &value));
    GIVES(wanted, ivshmem_channel_disarm(c));
    GIVES(wanted, ivshmem_channel_ring_again(c));
    GIVES(wanted, ivshmem_channel_settle(c));
    GIVES(wanted, ivshmem_channel_try_send(c, "a", 1));
    GIVES(wanted, ivshmem_channel_try_receive(c, bytes, sizeof bytes, &size));
    GIVES(wanted, ivshmem_channel_next_size(c, &size));
    GIVES(wanted, ivshmem_channel_try_drain(c));
    GIVES(wanted, ivshmem_channel_reserve(c, 1, &address));
    GIVES(wanted, ivshmem_channel_commit(c, 1));
    GIVES(wanted, ivshmem_channel_peek(c, &view, &size));
    GIVES(wanted, ivshmem_channel_consume(c));
    GIVES(wanted, ivshmem_channel_send_some(c, "a", 1, &done));
    GIVES(wanted, ivshmem_channel_abandon(c));
    GIVES(wanted, ivshmem_channel_receive_some(c, bytes, sizeof bytes, &done));
    GIVES(wanted, ivshmem_channel_skip(c));
    GIVES(wanted, ivshmem_channel_gather(c, &size));
    GIVES(wanted, ivshmem_channel_wait_connected(c, 0));
    GIVES(wanted, ivshmem_channel_send(c, "a", 1, 0));
    GIVES(wanted, ivshmem_channel_receive(c, bytes, sizeof bytes, &size, 0));
    GIVES(wanted, ivshmem_channel_drain(c, 0));
    GIVES(wanted, ivshmem_stream_try_read(c, bytes, sizeof bytes, &size));
    GIVES(wanted, ivshmem_stream_try_write(c, "a", 1, &size));
    GIVES(wanted, ivshmem_stream_read(c, bytes, sizeof bytes, &size, 0));
    GIVES(wanted, ivshmem_stream_write(c, "a", 1, &size, 0));
    GIVES(wanted, ivshmem_channel_close(c));
}

/* Uses one value as a handle of every type. `except`: the type that it has; 0: none. */
static void use_as_others(void* handle, char except, int wanted) {
    if (except != 'D')
        use_device((struct ivshmem_device*)handle, wanted);
    if (except != 'd')
        use_discovery((struct ivshmem_discovery*)handle, wanted);
    if (except != 'm')
        use_monitor((struct ivshmem_monitor*)handle, wanted);
    if (except != 's')
        use_slot((struct ivshmem_slot*)handle, wanted);
    if (except != 'c')
        use_claim((struct ivshmem_claim*)handle, wanted);
    if (except != 'C')
        use_channel((struct ivshmem_channel*)handle, wanted);
    if (except != 'S')
        use_service((struct ivshmem_service*)handle, wanted);
    if (except != 'k')
        use_connector((struct ivshmem_connector*)handle, wanted);
}

static void null_pointers(struct peers* p, struct ivshmem_service* service,
                          struct ivshmem_connector* connector, struct ivshmem_claim* claim) {
    struct ivshmem_device* const d = p->device[0];
    struct ivshmem_slot* const s = p->slot[0];
    struct ivshmem_channel* const c = p->channel[0];
    GIVES(-EINVAL, ivshmem_get_code_text(1, NULL, 1));
    GIVES(-EINVAL, ivshmem_get_code_text(1, bytes, 0));
    GIVES(-EINVAL, ivshmem_discovery_open("/", NULL));
    GIVES(-EINVAL, ivshmem_monitor_open(NULL));
    GIVES(-EINVAL, ivshmem_device_open(NULL, NULL, &no_device));
    SAYS(-EINVAL, "NULL", ivshmem_device_open("any", NULL, NULL));
    GIVES(-EINVAL, ivshmem_device_get_facts(d, NULL));
    GIVES(-EINVAL, ivshmem_device_get_info(d, NULL));
    GIVES(-EINVAL, ivshmem_device_get_memory(d, NULL));
    GIVES(-EINVAL, ivshmem_device_get_interrupt_fd(d, 0, NULL));
    GIVES(-EINVAL, ivshmem_device_get_any_interrupt_fd(d, NULL));
    GIVES(-EINVAL, ivshmem_device_take_any(d, NULL, &count));
    GIVES(-EINVAL, ivshmem_device_get_event_fd(d, NULL));
    GIVES(-EINVAL, ivshmem_device_next_event(d, NULL));
    GIVES(-EINVAL, ivshmem_device_get_peers(d, NULL, 1, &size));
    GIVES(-EINVAL, ivshmem_device_get_peers(d, NULL, 0, NULL));
    GIVES(-EINVAL, ivshmem_device_get_state(d, NULL));
    GIVES(-EINVAL, ivshmem_device_get_peer_state(d, 0, NULL));
    GIVES(-EINVAL, ivshmem_device_get_output_section(d, NULL, &size));
    GIVES(-EINVAL, ivshmem_device_get_output_section(d, &address, NULL));
    GIVES(-EINVAL, ivshmem_device_get_peer_section(d, 0, NULL, &size));
    GIVES(-EINVAL, ivshmem_device_get_peer_section(d, 0, &view, NULL));
    GIVES(-EINVAL, ivshmem_slot_claim(d, 0, NULL, NULL));
    GIVES(-EINVAL, ivshmem_claim_open(d, 0, NULL, NULL));
    GIVES(-EINVAL, ivshmem_claim_step(claim, NULL, &no_slot));
    GIVES(-EINVAL, ivshmem_claim_step(claim, &value, NULL));
    GIVES(-EINVAL, ivshmem_slot_get_facts(s, NULL));
    GIVES(-EINVAL, ivshmem_slot_get_application_memory(s, NULL, &size));
    GIVES(-EINVAL, ivshmem_slot_get_application_memory(s, &address, NULL));
    GIVES(-EINVAL, ivshmem_slot_get_holders(s, NULL, 1, &size));
    GIVES(-EINVAL, ivshmem_slot_get_holders(s, NULL, 0, NULL));
    GIVES(-EINVAL, ivshmem_slot_get_fd(s, NULL));
    GIVES(-EINVAL, ivshmem_service_open(s, NULL, NULL, &service));
    GIVES(-EINVAL, ivshmem_service_open(s, "a", NULL, NULL));
    GIVES(-EINVAL, ivshmem_service_find(s, NULL, -1, &number));
    GIVES(-EINVAL, ivshmem_service_connect(s, NULL, -1, NULL, 0, &no_channel));
    GIVES(-EINVAL, ivshmem_service_connect(s, "a", -1, NULL, 0, NULL));
    GIVES(-EINVAL, ivshmem_service_try_accept(service, NULL));
    GIVES(-EINVAL, ivshmem_service_accept(service, 0, NULL));
    GIVES(-EINVAL, ivshmem_connector_open(s, NULL, -1, NULL, &connector));
    GIVES(-EINVAL, ivshmem_connector_open(s, "a", -1, NULL, NULL));
    GIVES(-EINVAL, ivshmem_connector_try_connect(connector, NULL));
    GIVES(-EINVAL, ivshmem_channel_open(s, 1, 1, NULL, NULL));
    GIVES(-EINVAL, ivshmem_channel_get_facts(c, NULL));
    GIVES(-EINVAL, ivshmem_channel_arm(c, 1, NULL));
    GIVES(-EINVAL, ivshmem_channel_try_send(c, NULL, 1));
    GIVES(-EINVAL, ivshmem_channel_try_receive(c, NULL, 1, &size));
    GIVES(-EINVAL, ivshmem_channel_try_receive(c, bytes, 1, NULL));
    GIVES(-EINVAL, ivshmem_channel_next_size(c, NULL));
    GIVES(-EINVAL, ivshmem_channel_reserve(c, 1, NULL));
    GIVES(-EINVAL, ivshmem_channel_commit(c, 1)); /* nothing was reserved */
    GIVES(-EINVAL, ivshmem_channel_peek(c, NULL, &size));
    GIVES(-EINVAL, ivshmem_channel_peek(c, &view, NULL));
    GIVES(-EINVAL, ivshmem_channel_consume(c)); /* nothing was seen */
    GIVES(-EINVAL, ivshmem_channel_send_some(c, NULL, 1, &size));
    GIVES(-EINVAL, ivshmem_channel_send_some(c, bytes, 1, NULL));
    GIVES(-EINVAL, ivshmem_channel_receive_some(c, NULL, 1, &size));
    GIVES(-EINVAL, ivshmem_channel_receive_some(c, bytes, 1, NULL));
    GIVES(-EINVAL, ivshmem_channel_gather(c, NULL));
    GIVES(-EINVAL, ivshmem_channel_send(c, NULL, 1, 0));
    GIVES(-EINVAL, ivshmem_channel_receive(c, NULL, 1, &size, 0));
    GIVES(-EINVAL, ivshmem_channel_receive(c, bytes, 1, NULL, 0));
    GIVES(-EINVAL, ivshmem_stream_try_read(c, NULL, 1, &size));
    GIVES(-EINVAL, ivshmem_stream_try_read(c, bytes, 1, NULL));
    GIVES(-EINVAL, ivshmem_stream_try_write(c, NULL, 1, &size));
    GIVES(-EINVAL, ivshmem_stream_try_write(c, bytes, 1, NULL));
    GIVES(-EINVAL, ivshmem_stream_read(c, NULL, 1, &size, 0));
    GIVES(-EINVAL, ivshmem_stream_read(c, bytes, 1, NULL, 0));
    GIVES(-EINVAL, ivshmem_stream_write(c, NULL, 1, NULL, 0));
}

/* A struct of a later version: known fields, then others. */
struct later {
    struct ivshmem_channel_options known;
    uint64_t unknown;
};
struct later_facts {
    struct ivshmem_device_facts known;
    uint64_t unknown[2];
};

static void sizes(struct peers* p) {
    struct ivshmem_channel* channel = NULL;
    struct later later;
    memset(&later, 0, sizeof later);
    later.known.size = sizeof later;
    later.known.max_message = 99;
    OK(ivshmem_channel_open(p->slot[0], 1, 3, &later.known, &channel));
    OK(ivshmem_channel_close(channel));
    later.unknown = (uint64_t)1 << 63;
    SAYS(-E2BIG, "does not know",
         ivshmem_channel_open(p->slot[0], 1, 3, &later.known, &no_channel));
    later.known.size = 0;
    SAYS(-EINVAL, "size", ivshmem_channel_open(p->slot[0], 1, 3, &later.known, &no_channel));
    later.known.size = sizeof(size_t) - 1;
    GIVES(-EINVAL, ivshmem_channel_open(p->slot[0], 1, 3, &later.known, &no_channel));
    later.known.size = (size_t)-1;
    GIVES(-E2BIG, ivshmem_channel_open(p->slot[0], 1, 3, &later.known, &no_channel));
    GIVES(-E2BIG, ivshmem_service_open(p->slot[0], "z", &later.known, &no_service));
    GIVES(-E2BIG, ivshmem_connector_open(p->slot[0], "z", -1, &later.known, &no_connector));
    GIVES(-E2BIG, ivshmem_service_connect(p->slot[0], "z", -1, &later.known, 0, &no_channel));
    struct ivshmem_slot_options of_slot = {.size = 5000};
    GIVES(-E2BIG, ivshmem_slot_claim(p->device[0], 0, &of_slot, &no_slot));
    GIVES(-E2BIG, ivshmem_claim_open(p->device[0], 0, &of_slot, &no_claim));
    struct ivshmem_open_options of_device = {.size = 1};
    GIVES(-EINVAL, ivshmem_device_open(server(), &of_device, &no_device));
    of_device.size = sizeof of_device;
    of_device.backend = 5;
    GIVES(-EINVAL, ivshmem_device_open(server(), &of_device, &no_device));
    of_device.backend = 0;
    of_device.cache = -1;
    GIVES(-EINVAL, ivshmem_device_open(server(), &of_device, &no_device));
    of_device.cache = 0;
    of_device.part_offset = 4096;
    GIVES(-EINVAL, ivshmem_device_open(server(), &of_device, &no_device));

    /* An earlier version has the fields up to its size: the others keep their defaults. */
    later.known.size = offsetof(struct ivshmem_channel_options, polling);
    later.known.polling = 1;
    OK(ivshmem_channel_open(p->slot[0], 1, 3, &later.known, &channel));
    struct ivshmem_channel_facts of_channel = {.size = sizeof of_channel};
    OK(ivshmem_channel_get_facts(channel, &of_channel));
    CHECK(of_channel.is_polling == 0);
    OK(ivshmem_channel_close(channel));

    struct later_facts facts;
    memset(&facts, 0xff, sizeof facts);
    GIVES(-E2BIG, ivshmem_device_get_facts(p->device[0], &facts.known));
    facts.known.size = sizeof facts;
    OK(ivshmem_device_get_facts(p->device[0], &facts.known));
    CHECK(facts.known.vectors == 2 && facts.unknown[0] == 0 && facts.unknown[1] == 0);
    memset(&facts, 0xff, sizeof facts);
    facts.known.size = offsetof(struct ivshmem_device_facts, generation);
    OK(ivshmem_device_get_facts(p->device[0], &facts.known));
    CHECK(facts.known.backend == IVSHMEM_BACKEND_SERVER && facts.known.generation == -1);
    facts.known.size = 7;
    GIVES(-EINVAL, ivshmem_device_get_facts(p->device[0], &facts.known));
}

void test_bad_input(void) {
    CHECK(ivshmem_last_error()[0] == 0); /* nothing has failed yet */
    use_as_others(NULL, 0, -EINVAL);
    int on_the_stack = 1;
    use_as_others(&on_the_stack, 0, -EINVAL);
    use_as_others((void*)"text", 0, -EINVAL);
    use_as_others((void*)(uintptr_t)-1, 0, -EINVAL);
    use_as_others((void*)(uintptr_t)1, 0, -EINVAL);

    struct peers p;
    open_channels(&p, 4096);
    struct ivshmem_discovery* discovery = NULL;
    struct ivshmem_monitor* monitor = NULL;
    struct ivshmem_claim* claim = NULL;
    struct ivshmem_service* service = NULL;
    struct ivshmem_connector* connector = NULL;
    if (ivshmem_discovery_open(NULL, &discovery) != 0)
        discovery = NULL; /* a machine without PCI */
    OK(ivshmem_monitor_open(&monitor));
    OK(ivshmem_claim_open(p.device[0], 1, NULL, &claim));
    OK(ivshmem_service_open(p.slot[0], "offered", NULL, &service));
    OK(ivshmem_connector_open(p.slot[0], "wanted", -1, NULL, &connector));

    null_pointers(&p, service, connector, claim);
    sizes(&p);

    /* Of another type: nothing happens to the object. */
    use_as_others(p.device[0], 'D', -EINVAL);
    CHECK(strstr(ivshmem_last_error(), "the handle of a device was passed for that of a ") != NULL);
    use_as_others(p.slot[0], 's', -EINVAL);
    use_as_others(p.channel[0], 'C', -EINVAL);
    use_as_others(monitor, 'm', -EINVAL);
    use_as_others(claim, 'c', -EINVAL);
    use_as_others(service, 'S', -EINVAL);
    use_as_others(connector, 'k', -EINVAL);
    if (discovery != NULL)
        use_as_others(discovery, 'd', -EINVAL);
    OK(ivshmem_channel_try_send(p.channel[0], "a", 1));

    /* Closed. */
    const struct peers closed = p;
    if (discovery != NULL) {
        OK(ivshmem_discovery_close(discovery));
        use_discovery(discovery, IVSHMEM_CLOSED);
    }
    OK(ivshmem_monitor_close(monitor));
    OK(ivshmem_claim_close(claim));
    OK(ivshmem_service_close(service));
    OK(ivshmem_connector_close(connector));
    close_peers(&p);
    use_monitor(monitor, IVSHMEM_CLOSED);
    use_claim(claim, IVSHMEM_CLOSED);
    use_service(service, IVSHMEM_CLOSED);
    use_connector(connector, IVSHMEM_CLOSED);
    use_channel(closed.channel[0], IVSHMEM_CLOSED);
    use_slot(closed.slot[0], IVSHMEM_CLOSED);
    use_device(closed.device[0], IVSHMEM_CLOSED);
    CHECK(strcmp(ivshmem_last_error(), "the device is closed: open it first") == 0);
}
