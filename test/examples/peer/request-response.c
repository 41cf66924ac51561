/* SPDX-License-Identifier: BSL-1.0 */
/* SPDX-FileCopyrightText: The libivshmem authors */

/* As examples/c/request-response.c, on ivshmem_peer at a server:

       request-response server:PATH SLOT server
       request-response server:PATH SLOT client */

#include "on_slot.h"

enum { ADD, MULTIPLY, WAIT_MILLISECONDS, CLIENTS = 8, PENDING = 64, REQUESTS = 5, PATIENCE = 2000 };

struct request {
    uint32_t id, what;
    int64_t a, b;
};
struct response {
    uint32_t id, understood;
    int64_t value;
};

static struct ivshmem_peer_channel channels[CLIENTS];

static uint32_t now(void) {
    return peer.config.hooks.now(NULL);
}

/* Answers that are due later. */
static struct {
    struct ivshmem_peer_channel* client; /* NULL: a free entry */
    uint32_t due;
    struct response answer;
} pending[PENDING];

static void end_client(struct ivshmem_peer_channel* client) {
    ivshmem_peer_close(client);
    for (int i = 0; i < PENDING; ++i)
        if (pending[i].client == client)
            pending[i].client = NULL;
}

/* A client that has no room for its answers loses them. */
static void send_answer(struct ivshmem_peer_channel* client, const struct response* answer) {
    ivshmem_peer_send(client, answer, sizeof *answer);
}

static void answer(struct ivshmem_peer_channel* client, const struct request* r) {
    struct response result = {r->id, 0, 0};
    bool later = false;
    switch (r->what) { /* a client may send any number */
    case ADD:
        result.understood = !__builtin_add_overflow(r->a, r->b, &result.value);
        break;
    case MULTIPLY:
        result.understood = !__builtin_mul_overflow(r->a, r->b, &result.value);
        break;
    case WAIT_MILLISECONDS:
        later = r->a >= 0 && r->a <= 3600000;
        result.understood = later;
        result.value = later ? r->a : 0;
        break;
    }
    for (int i = 0; later && i < PENDING; ++i)
        if (pending[i].client == NULL) {
            pending[i].client = client;
            pending[i].due = now() + (uint32_t)r->a;
            pending[i].answer = result;
            return;
        }
    send_answer(client, &result);
}

/* Sends the answers that are due. Returns how long to wait for the next, in ms. */
static uint32_t send_due(void) {
    uint32_t wait = IVSHMEM_PEER_NO_LIMIT;
    for (int i = 0; i < PENDING; ++i) {
        if (pending[i].client == NULL)
            continue;
        const uint32_t left = pending[i].due - now();
        if (left == 0 || left > 3600000) { /* it was due before */
            send_answer(pending[i].client, &pending[i].answer);
            pending[i].client = NULL;
        } else if (left < wait) {
            wait = left;
        }
    }
    return wait;
}

static void serve(void) {
    const uint32_t key = ivshmem_peer_offer(&peer, "request-response");
    printf("answering in slot %u\n", (unsigned)peer.slot);
    fflush(stdout);
    while (wait_for_peers(send_due()))
        for (struct ivshmem_peer_channel* c = channels; c != channels + CLIENTS; ++c) {
            struct request r;
            uint32_t size = 0;
            enum ivshmem_peer_result result = IVSHMEM_PEER_OK;
            ivshmem_peer_accept(&peer, c, key, sizeof r);
            while (c->state != IVSHMEM_PEER_CHANNEL_CLOSED && result != IVSHMEM_PEER_AGAIN) {
                result = ivshmem_peer_receive(c, &r, sizeof r, &size);
                if (result == IVSHMEM_PEER_OK && size == sizeof r)
                    answer(c, &r);
                else if (result != IVSHMEM_PEER_AGAIN) /* gone, or not a client of this service */
                    end_client(c);
            }
        }
}

static void ask(void) {
    static const struct {
        const char* name;
        struct request request;
    } all[REQUESTS] = {
        {"wait for an hour", {0, WAIT_MILLISECONDS, 3600000, 0}},
        {"wait for half a second", {1, WAIT_MILLISECONDS, 500, 0}},
        {"2 + 40", {2, ADD, 2, 40}},
        {"6 * 7", {3, MULTIPLY, 6, 7}},
        {"operation 99", {4, 99, 0, 0}},
    };
    struct ivshmem_peer_channel* const server = &channels[0];
    bool answered[REQUESTS] = {false};
    connect_to(server, "request-response", sizeof(struct response));
    for (int i = 0; i < REQUESTS; ++i)
        send_whole(server, &all[i].request, sizeof all[i].request);
    const uint32_t begin = now();
    for (uint32_t passed = 0; passed < PATIENCE; passed = now() - begin) {
        struct response r;
        uint32_t size = 0;
        const enum ivshmem_peer_result result = ivshmem_peer_receive(server, &r, sizeof r, &size);
        if (result == IVSHMEM_PEER_AGAIN) {
            if (!wait_for_peers(PATIENCE - passed))
                exit(0);
            continue;
        }
        must(result);
        if (size != sizeof r || r.id >= REQUESTS || answered[r.id])
            continue;
        answered[r.id] = true;
        if (r.understood)
            printf("%s: %lld\n", all[r.id].name, (long long)r.value);
        else
            printf("%s: not understood\n", all[r.id].name);
    }
    for (int i = 0; i < REQUESTS; ++i)
        if (!answered[i])
            printf("%s: no answer in time\n", all[i].name);
}

int main(int argc, char** argv) {
    program = "request-response";
    const char* const what = argc == 4 ? argv[3] : "";
    if (strcmp(what, "server") != 0 && strcmp(what, "client") != 0) {
        fputs("usage: request-response DEVICE SLOT server|client\n", stderr);
        return 2;
    }
    enter(argv[1], argv[2]);
    strcmp(what, "server") == 0 ? serve() : ask();
    return 0;
}
