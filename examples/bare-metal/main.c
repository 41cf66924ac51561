/* SPDX-License-Identifier: BSL-1.0 */
/* SPDX-FileCopyrightText: The libivshmem authors */

/* The program: opens the device, claims a slot, serves "echo", and asks a service, or publishes a
   topic, if the command line has one:

       slot=N                       the slot (any that is free)
       geometry=SLOTS,LANES,RING    insists on it (that of the others, or a default)
       heartbeat=MS                 (1000)
       ask=SERVICE count=N pause=MS asks it N times (100; 0: no end), with a pause (0)
       publish=TOPIC period=MS      the time since the start, once in a period (1000) */

#include "device.h"
#include "echo.h"
#include "platform.h"
#include "publish.h"
#include "text.h"

enum { POLLS_EACH = 1, TRIES_EACH = 1000 }; /* milliseconds */

static struct device device;

static void ring(void* context, uint16_t peer, uint16_t vector) {
    (void)context;
    device_ring(&device, peer, vector);
}

static uint32_t now(void* context) {
    (void)context;
    return platform_now();
}

static uint32_t random_word(void* context) {
    (void)context;
    return platform_random();
}

static void wait(void* context, uint32_t milliseconds) {
    (void)context;
    if (!device.interrupts && milliseconds > POLLS_EACH)
        milliseconds = POLLS_EACH;
    platform_wait(milliseconds);
}

static void read_options(struct ivshmem_peer_config* config) {
    uint32_t numbers[3];
    config->hooks = (struct ivshmem_peer_hooks){
        .ring = device.rings ? ring : NULL, .now = now, .random = random_word, .wait = wait};
    config->memory = device.memory;
    config->memory_size = device.memory_size;
    config->id = device.id;
    config->polls = !device.interrupts;
    config->slot = option_numbers("slot", numbers, 1) == 1 ? numbers[0] : IVSHMEM_PEER_ANY_SLOT;
    config->heartbeat = option_numbers("heartbeat", numbers, 1) == 1 ? numbers[0] : 1000;
    if (option_numbers("geometry", numbers, 3) == 3) {
        config->slots = numbers[0];
        config->lanes = numbers[1];
        config->ring_size = numbers[2];
    }
}

/* From a claim to the end of the slot. @return Why it ended. */
static enum ivshmem_peer_result run(struct ivshmem_peer* peer,
                                    const struct ivshmem_peer_config* config) {
    static char service[60], topic[60];
    uint32_t count = 100, pause = 0, period = 1000;
    ivshmem_peer_begin(peer, config);
    while (peer->phase == IVSHMEM_PEER_CLAIMING)
        ivshmem_peer_wait(peer, IVSHMEM_PEER_NO_LIMIT);
    if (peer->phase == IVSHMEM_PEER_ENDED)
        return peer->why;
    serve_begin(peer);
    option_numbers("count", &count, 1);
    option_numbers("pause", &pause, 1);
    ask_begin(option_text("ask", service, sizeof service) ? service : NULL, count, pause);
    option_numbers("period", &period, 1);
    publish_begin(peer, option_text("publish", topic, sizeof topic) ? topic : NULL, period);
    while (peer->phase == IVSHMEM_PEER_HELD) {
        uint32_t asks, publishes;
        serve(peer);
        asks = ask(peer, platform_now());
        publishes = publish(platform_now());
        ivshmem_peer_wait(peer, asks < publishes ? asks : publishes);
    }
    return peer->why;
}

void bare_metal(void) {
    static struct ivshmem_peer peer;
    struct ivshmem_peer_config config = {0};
    enum ivshmem_peer_result before = IVSHMEM_PEER_OK;
    const char* const problem = device_open(&device);
    if (problem != NULL) {
        say("%s", problem);
        return;
    }
    say("id %u, %u KiB, %s", (uint32_t)device.id, (uint32_t)(device.memory_size >> 10),
        device.interrupts ? "interrupts" : "polling");
    read_options(&config);
    for (;;) {
        const enum ivshmem_peer_result why = run(&peer, &config);
        if (why != before)
            say("no slot: %s; trying again", ivshmem_peer_in_words(why));
        before = why;
        platform_wait(TRIES_EACH);
    }
}
