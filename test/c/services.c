/* SPDX-License-Identifier: BSL-1.0 */
/* SPDX-FileCopyrightText: The libivshmem authors */
#include "check.h"

#include <errno.h>

/* Services by name, by the functions that never block. */

static void offers(struct peers* p) {
    struct ivshmem_service* service = NULL;
    struct ivshmem_service* second = NULL;
    uint32_t found = 9;
    GIVES(IVSHMEM_SERVICE_UNKNOWN, ivshmem_service_find(p->slot[1], "echo", -1, &found));
    OK(ivshmem_service_open(p->slot[0], "echo", NULL, &service));
    GIVES(IVSHMEM_SERVICE_EXISTS, ivshmem_service_open(p->slot[0], "echo", NULL, &second));
    GIVES(IVSHMEM_BAD_SERVICE_NAME, ivshmem_service_open(p->slot[0], "", NULL, &second));
    CHECK(found == 9);
    OK(ivshmem_service_find(p->slot[1], "echo", -1, &found));
    CHECK(found == 0);
    OK(ivshmem_service_find(p->slot[1], "echo", 0, NULL));
    GIVES(IVSHMEM_SLOT_OUT_OF_RANGE, ivshmem_service_find(p->slot[1], "echo", 2, NULL));
    OK(ivshmem_service_close(service));
    GIVES(IVSHMEM_SERVICE_UNKNOWN, ivshmem_service_find(p->slot[1], "echo", 0, NULL));
}

static void connects(struct peers* p) {
    struct ivshmem_service* service = NULL;
    struct ivshmem_connector* connector = NULL;
    OK(ivshmem_connector_open(p->slot[1], "echo", -1, NULL, &connector));
    GIVES(-EAGAIN, ivshmem_connector_try_connect(connector, &p->channel[1]));
    struct ivshmem_channel_options options = {.size = sizeof options};
    options.max_message = 77;
    OK(ivshmem_service_open(p->slot[0], "echo", &options, &service));
    GIVES(-EAGAIN, ivshmem_service_try_accept(service, &p->channel[0]));
    int accepted = -EAGAIN;
    int connected = -EAGAIN;
    for (int i = 0; accepted != 0 || connected != 0; ++i) {
        CHECK(i < 10);
        if (connected != 0)
            connected = ivshmem_connector_try_connect(connector, &p->channel[1]);
        if (accepted != 0)
            accepted = ivshmem_service_try_accept(service, &p->channel[0]);
        CHECK(connected == 0 || connected == -EAGAIN);
        CHECK(accepted == 0 || accepted == -EAGAIN);
    }
    struct ivshmem_channel* none = NULL;
    SAYS(IVSHMEM_CLOSED, "connected", ivshmem_connector_try_connect(connector, &none));
    OK(ivshmem_connector_close(connector));
    GIVES(-EAGAIN, ivshmem_service_try_accept(service, &none));

    struct ivshmem_channel_facts facts = {.size = sizeof facts};
    OK(ivshmem_channel_get_facts(p->channel[1], &facts));
    CHECK(facts.state == IVSHMEM_STATE_CONNECTED && facts.peer_max_message == 77);
    OK(ivshmem_service_close(service)); /* the channel goes on */
    char buffer[8];
    size_t size = 0;
    OK(ivshmem_channel_try_send(p->channel[1], "hello", 5));
    OK(ivshmem_channel_try_receive(p->channel[0], buffer, sizeof buffer, &size));
    CHECK(size == 5);
}

static void gives_up(struct peers* p) {
    struct ivshmem_service* service = NULL;
    struct ivshmem_connector* connector = NULL;
    struct ivshmem_channel* none = NULL;
    OK(ivshmem_service_open(p->slot[0], "other", NULL, &service));
    OK(ivshmem_connector_open(p->slot[1], "other", 0, NULL, &connector));
    GIVES(-EAGAIN, ivshmem_connector_try_connect(connector, &none));
    OK(ivshmem_connector_close(connector)); /* its request is withdrawn */
    GIVES(-EAGAIN, ivshmem_service_try_accept(service, &none));
    OK(ivshmem_connector_open(p->slot[1], "bad\nname", -1, NULL, &connector));
    GIVES(IVSHMEM_BAD_SERVICE_NAME, ivshmem_connector_try_connect(connector, &none));
    OK(ivshmem_connector_close(connector));
    GIVES(IVSHMEM_TIMED_OUT, ivshmem_service_connect(p->slot[1], "nobody", -1, NULL, 1, &none));
    GIVES(IVSHMEM_TIMED_OUT, ivshmem_service_accept(service, 1, &none));

    /* The slot goes first. */
    OK(ivshmem_connector_open(p->slot[0], "other", -1, NULL, &connector));
    OK(ivshmem_slot_close(p->slot[0]));
    p->slot[0] = NULL;
    GIVES(IVSHMEM_CLOSED, ivshmem_service_try_accept(service, &none));
    GIVES(IVSHMEM_CLOSED, ivshmem_service_accept(service, 1, &none));
    GIVES(IVSHMEM_CLOSED, ivshmem_connector_try_connect(connector, &none));
    CHECK(none == NULL);
    OK(ivshmem_service_close(service));
    OK(ivshmem_connector_close(connector));
}

void test_services(void) {
    struct peers p;
    open_slots(&p, 4096);
    offers(&p);
    connects(&p);
    gives_up(&p);
    close_peers(&p);
}
