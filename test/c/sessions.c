/* SPDX-License-Identifier: BSL-1.0 */
/* SPDX-FileCopyrightText: The libivshmem authors */
#include "check.h"

#include <errno.h>

/* The states of a channel, from its opening to its end. */

static int state_of(struct ivshmem_channel* channel) {
    struct ivshmem_channel_facts facts = {.size = sizeof facts};
    OK(ivshmem_channel_get_facts(channel, &facts));
    return facts.state;
}

static void opening(struct peers* p) {
    char buffer[8];
    size_t size = 0;
    int may_sleep = 0;
    struct ivshmem_channel* wrong = NULL;
    GIVES(IVSHMEM_SLOT_OUT_OF_RANGE, ivshmem_channel_open(p->slot[0], 2, 0, NULL, &wrong));
    GIVES(IVSHMEM_SLOT_OUT_OF_RANGE, ivshmem_channel_open(p->slot[0], 0, 0, NULL, &wrong));
    GIVES(IVSHMEM_LANE_OUT_OF_RANGE, ivshmem_channel_open(p->slot[0], 1, 4, NULL, &wrong));
    struct ivshmem_channel_options options = {.size = sizeof options};
    options.max_message = 500;
    options.polling = 1;
    OK(ivshmem_channel_open(p->slot[0], 1, 3, &options, &p->channel[0]));
    SAYS(IVSHMEM_LANE_IN_USE, "channel to slot 1, lane 3",
         ivshmem_channel_open(p->slot[0], 1, 3, NULL, &wrong));
    CHECK(wrong == NULL);
    int state = -1;
    OK(ivshmem_channel_update(p->channel[0], &state));
    CHECK(state == IVSHMEM_STATE_OPENING);
    GIVES(IVSHMEM_NOT_CONNECTED, ivshmem_channel_try_send(p->channel[0], "a", 1));
    GIVES(IVSHMEM_NOT_CONNECTED, ivshmem_channel_try_receive(p->channel[0], buffer, 8, &size));
    GIVES(IVSHMEM_NOT_CONNECTED, ivshmem_channel_try_drain(p->channel[0]));
    OK(ivshmem_channel_arm(p->channel[0], IVSHMEM_WAKE_DATA, &may_sleep));
    CHECK(may_sleep == 1);
    OK(ivshmem_channel_open(p->slot[1], 0, 3, NULL, &p->channel[1]));
    for (int i = 0; i < 3; ++i)
        update_both(p);
    struct ivshmem_channel_facts facts = {.size = sizeof facts};
    OK(ivshmem_channel_get_facts(p->channel[1], &facts));
    CHECK(facts.state == IVSHMEM_STATE_CONNECTED && facts.peer_slot == 0 && facts.lane == 3);
    CHECK(facts.peer_max_message == 500 && facts.peer_incarnation != 0 && facts.violation == 0);
    CHECK(facts.is_polling == 0 && facts.peer_finished == 0);
    OK(ivshmem_channel_get_facts(p->channel[0], &facts));
    CHECK(facts.peer_max_message == 16 * 1024 * 1024 && facts.is_polling == 1);
    static const char large[501] = {0};
    GIVES(IVSHMEM_MESSAGE_TOO_LARGE, ivshmem_channel_try_send(p->channel[1], large, 501));
    OK(ivshmem_channel_try_send(p->channel[1], large, 5));
    OK(ivshmem_channel_try_receive(p->channel[0], buffer, 8, &size));
}

static void finished(struct peers* p) {
    char buffer[8];
    size_t size = 0;
    OK(ivshmem_channel_try_send(p->channel[0], "last", 4));
    OK(ivshmem_channel_finish(p->channel[0]));
    GIVES(IVSHMEM_CLOSED, ivshmem_channel_try_send(p->channel[0], "more", 4));
    OK(ivshmem_channel_update(p->channel[1], NULL));
    struct ivshmem_channel_facts facts = {.size = sizeof facts};
    OK(ivshmem_channel_get_facts(p->channel[1], &facts));
    CHECK(facts.peer_finished == 1);
    OK(ivshmem_channel_try_receive(p->channel[1], buffer, 8, &size));
    SAYS(IVSHMEM_CHANNEL_CLOSED, "the peer closed the channel",
         ivshmem_channel_try_receive(p->channel[1], buffer, 8, &size));
    OK(ivshmem_channel_try_send(p->channel[1], "back", 4)); /* the other way is open */
    OK(ivshmem_channel_try_receive(p->channel[0], buffer, 8, &size));
}

static void again(struct peers* p) {
    size_t done = 0;
    static char large[9000];
    OK(ivshmem_channel_reopen(p->channel[0]));
    OK(ivshmem_channel_reopen(p->channel[1]));
    for (int i = 0; i < 3; ++i)
        update_both(p);
    CHECK(state_of(p->channel[1]) == IVSHMEM_STATE_CONNECTED);
    /* A part, and a reservation, end with the session. */
    GIVES(-EAGAIN, ivshmem_channel_send_some(p->channel[0], large, sizeof large, &done));
    OK(ivshmem_channel_reopen(p->channel[0]));
    GIVES(IVSHMEM_CHANNEL_RESET,
          ivshmem_channel_send_some(p->channel[0], large, sizeof large, &done));
    OK(ivshmem_channel_update(p->channel[1], NULL));
    CHECK(state_of(p->channel[1]) == IVSHMEM_STATE_RESET);
    GIVES(IVSHMEM_CHANNEL_RESET, ivshmem_channel_try_send(p->channel[1], "a", 1));
    OK(ivshmem_channel_reopen(p->channel[1]));
    for (int i = 0; i < 3; ++i)
        update_both(p);
    void* room = NULL;
    OK(ivshmem_channel_reserve(p->channel[0], 10, &room));
    OK(ivshmem_channel_reopen(p->channel[0]));
    GIVES(-EINVAL, ivshmem_channel_commit(p->channel[0], 1));
}

static void lost(struct peers* p) {
    OK(ivshmem_channel_reopen(p->channel[1]));
    for (int i = 0; i < 3; ++i)
        update_both(p);
    /* The other side goes away with its slot. */
    OK(ivshmem_slot_close(p->slot[0]));
    p->slot[0] = NULL;
    char buffer[8];
    size_t size = 0;
    GIVES(IVSHMEM_CHANNEL_CLOSED, ivshmem_channel_try_receive(p->channel[1], buffer, 8, &size));
    GIVES(IVSHMEM_CLOSED, ivshmem_channel_try_send(p->channel[0], "a", 1));
    GIVES(IVSHMEM_CLOSED, ivshmem_channel_update(p->channel[0], NULL));
    GIVES(IVSHMEM_CLOSED, ivshmem_channel_reopen(p->channel[0]));
}

void test_sessions(void) {
    struct peers p;
    open_slots(&p, 4096);
    opening(&p);
    finished(&p);
    again(&p);
    lost(&p);
    close_peers(&p);
}
