/* SPDX-License-Identifier: BSL-1.0 */
/* SPDX-FileCopyrightText: The libivshmem authors */

/* A peer of ivshmem_peer at an ivshmem server's socket, on POSIX: offers the service "echo", which
   answers each message with the same. It prints its slot when it has claimed it, and one line at
   its end. */

#define _GNU_SOURCE

#include "ivshmem_peer.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { PEERS = 64, CHANNELS = 16, VECTORS = 16 };

/* A place at the server: the "device". */
static struct {
    int link;
    int interrupt; /* eventfd of the vector on which this peer is rung */
    uint16_t id;
    void* memory;
    size_t size;
    struct {
        int doorbells[VECTORS];
        int vectors; /* 0: not there */
        uint16_t id;
    } others[PEERS];
} device = {.link = -1, .interrupt = -1};

static volatile sig_atomic_t stopped;

static void stop(int number) {
    (void)number;
    stopped = 1;
}

static void fail(const char* what) {
    fprintf(stderr, "server_peer: %s: %s\n", what, strerror(errno));
    exit(1);
}

/* Receives one message of the server. @return false if there is none now. */
static bool receive(int64_t* value, int* fd, int flags) {
    static unsigned char bytes[8];
    static size_t have;
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control;
    struct iovec piece = {bytes + have, sizeof bytes - have};
    struct msghdr header;
    struct cmsghdr* part;
    ssize_t got;
    int i;
    static int carried = -1;
    memset(&header, 0, sizeof header);
    header.msg_iov = &piece;
    header.msg_iovlen = 1;
    header.msg_control = control.bytes;
    header.msg_controllen = sizeof control.bytes;
    got = recvmsg(device.link, &header, MSG_CMSG_CLOEXEC | flags);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return false;
    if (got <= 0) {
        stopped = 1; /* the server has ended */
        return false;
    }
    part = CMSG_FIRSTHDR(&header);
    if (part != NULL && part->cmsg_type == SCM_RIGHTS)
        memcpy(&carried, CMSG_DATA(part), sizeof carried);
    have += (size_t)got;
    if (have < sizeof bytes)
        return false;
    have = 0;
    *fd = carried;
    carried = -1;
    *value = 0;
    for (i = 0; i < 8; ++i)
        *value |= (int64_t)((uint64_t)bytes[i] << (8 * i));
    return true;
}

static int64_t next_number(int* fd) {
    int64_t value = 0;
    while (!receive(&value, fd, 0))
        if (stopped)
            fail("the server has ended the connection");
    return value;
}

static void learn(int64_t id, int fd, uint16_t vector, struct ivshmem_peer* peer) {
    int i, free_place = -1;
    if (id == device.id && fd >= 0) {
        static int vectors;
        if (vectors++ == vector)
            device.interrupt = fd;
        return;
    }
    for (i = 0; i < PEERS; ++i) {
        if (device.others[i].vectors != 0 && device.others[i].id == id)
            break;
        if (device.others[i].vectors == 0)
            free_place = i;
    }
    if (fd < 0) {
        if (i < PEERS)
            while (device.others[i].vectors > 0)
                close(device.others[i].doorbells[--device.others[i].vectors]);
        if (peer != NULL)
            ivshmem_peer_gone(peer, (uint16_t)id);
        return;
    }
    if (i == PEERS)
        i = free_place;
    if (i < 0 || device.others[i].vectors == VECTORS) {
        close(fd);
        return;
    }
    if (device.others[i].vectors == 0 && peer != NULL)
        ivshmem_peer_came(peer, (uint16_t)id);
    device.others[i].id = (uint16_t)id;
    device.others[i].doorbells[device.others[i].vectors++] = fd;
}

static void join_server(const char* path, uint16_t vector) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct stat facts;
    int fd = -1;
    if (strlen(path) >= sizeof address.sun_path)
        errno = ENAMETOOLONG, fail(path);
    strcpy(address.sun_path, path);
    device.link = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (device.link < 0 || connect(device.link, (struct sockaddr*)&address, sizeof address) != 0)
        fail(path);
    if (next_number(&fd) != 0)
        errno = EPROTO, fail("the server's version is not 0");
    device.id = (uint16_t)next_number(&fd);
    next_number(&fd);
    if (fd < 0 || fstat(fd, &facts) != 0)
        fail("the server's memory");
    device.size = (size_t)facts.st_size;
    device.memory = mmap(NULL, device.size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (device.memory == MAP_FAILED)
        fail("mmap");
    close(fd);
    while (device.interrupt < 0) { /* the own vectors come last */
        const int64_t id = next_number(&fd);
        learn(id, fd, vector, NULL);
    }
}

/* The hooks. */

/* The count of an eventfd is in the order of the kernel. qemu-user converts it only if its program
   has created the eventfd, and these come from the server. */
static bool little_endian_kernel;

static void ring_peer(void* context, uint16_t id, uint16_t vector) {
    static const unsigned char little[8] = {1};
    uint64_t one = 1;
    int i;
    if (little_endian_kernel)
        memcpy(&one, little, sizeof one);
    (void)context;
    for (i = 0; i < PEERS; ++i)
        if (device.others[i].id == id && vector < device.others[i].vectors &&
            write(device.others[i].doorbells[vector], &one, sizeof one) < 0 && errno != EAGAIN)
            fail("eventfd");
}

static uint32_t now(void* context) {
    struct timespec t;
    (void)context;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint32_t)((uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000);
}

static uint32_t random_word(void* context) {
    uint32_t word = 0;
    (void)context;
    if (getrandom(&word, sizeof word, 0) != sizeof word)
        fail("getrandom");
    return word;
}

static void wait_for_ring(void* context, uint32_t milliseconds) {
    struct pollfd all[2] = {{device.interrupt, POLLIN, 0}, {device.link, POLLIN, 0}};
    uint64_t count;
    (void)context;
    if (poll(all, 2, (int)milliseconds) > 0 && all[0].revents != 0 &&
        read(device.interrupt, &count, sizeof count) < 0 && errno != EAGAIN && errno != EINTR)
        fail("eventfd");
}

/* The echo. */

static struct server {
    struct ivshmem_peer_channel channel;
    bool by_number; /* opens again, instead of waiting for the next request */
    bool answers;
    uint32_t size, done;
    unsigned char* message;
} servers[CHANNELS];

static void serve(struct server* s, uint32_t limit) {
    for (;;) {
        enum ivshmem_peer_result result;
        if (!s->answers) {
            result = ivshmem_peer_receive(&s->channel, s->message, limit, &s->size);
            s->answers = result == IVSHMEM_PEER_OK;
            s->done = 0;
        } else {
            result = ivshmem_peer_send_some(&s->channel, s->message, s->size, &s->done);
            s->answers = result == IVSHMEM_PEER_AGAIN;
        }
        s->channel.holds_back = s->answers;
        if (result == IVSHMEM_PEER_AGAIN)
            return;
        if (result == IVSHMEM_PEER_OK || result == IVSHMEM_PEER_TOO_LARGE)
            continue;
        s->answers = s->channel.holds_back = false;
        if (!s->by_number) {
            ivshmem_peer_close(&s->channel);
        } else if (result != IVSHMEM_PEER_CLOSED) {
            if (ivshmem_peer_reopen(&s->channel) != IVSHMEM_PEER_OK)
                return;
            continue;
        } else {
            const uint32_t slot = s->channel.slot, lane = s->channel.lane;
            struct ivshmem_peer* peer = s->channel.peer;
            ivshmem_peer_close(&s->channel);
            ivshmem_peer_open(peer, &s->channel, slot, lane, limit);
        }
        return;
    }
}

static const char usage[] =
    "server_peer SOCKET [OPTIONS]: joins an ivshmem server, and offers the service \"echo\"\n"
    "  --slot N                    the slot (the id at the server); any: a free one\n"
    "  --geometry SLOTS,LANES,RING insists on it (that of the others)\n"
    "  --region OFFSET,SIZE        (the whole memory)\n"
    "  --heartbeat MS              (none)\n"
    "  --claim-time MS             (250)\n"
    "  --vector N                  is rung on it (0)\n"
    "  --polls                     is not rung\n"
    "  --little-endian-kernel      of an emulator that does not convert eventfds\n"
    "  --limit BYTES               the longest message (65536)\n"
    "  --name NAME                 of the service (echo)\n"
    "  --open SLOT,LANE            also echoes on this lane, opened by its number; repeatedly\n";

int main(int count, char** arguments) {
    static struct ivshmem_peer peer;
    struct ivshmem_peer_config config;
    const char *name = "echo", *slot = NULL;
    uint32_t key = 0, limit = 65536, opened = 0;
    unsigned long slots[CHANNELS], lanes[CHANNELS];
    int i;
    memset(&config, 0, sizeof config);
    for (i = 2; i < count; ++i) {
        const char *option = arguments[i], *value = i + 1 < count ? arguments[i + 1] : "";
        unsigned long a = 0, b = 0, c = 0;
        const int numbers = sscanf(value, "%li,%li,%li", (long*)&a, (long*)&b, (long*)&c);
        if (strcmp(option, "--polls") == 0) {
            config.polls = true;
            continue;
        }
        if (strcmp(option, "--little-endian-kernel") == 0) {
            little_endian_kernel = true;
            continue;
        }
        ++i;
        if (strcmp(option, "--slot") == 0 && (numbers == 1 || strcmp(value, "any") == 0))
            slot = value, config.slot = numbers == 1 ? (uint32_t)a : IVSHMEM_PEER_ANY_SLOT;
        else if (strcmp(option, "--geometry") == 0 && numbers == 3)
            config.slots = (uint32_t)a, config.lanes = (uint32_t)b, config.ring_size = (uint32_t)c;
        else if (strcmp(option, "--region") == 0 && numbers == 2)
            config.region_offset = a, config.region_size = b;
        else if (strcmp(option, "--heartbeat") == 0 && numbers == 1)
            config.heartbeat = (uint32_t)a;
        else if (strcmp(option, "--claim-time") == 0 && numbers == 1)
            config.claim_time = (uint32_t)a;
        else if (strcmp(option, "--vector") == 0 && numbers == 1 && a < VECTORS)
            config.vector = (uint16_t)a;
        else if (strcmp(option, "--limit") == 0 && numbers == 1 && a <= 0xffffffffUL)
            limit = (uint32_t)a;
        else if (strcmp(option, "--name") == 0 && *value != 0)
            name = value;
        else if (strcmp(option, "--open") == 0 && numbers == 2 && opened < CHANNELS / 2)
            slots[opened] = a, lanes[opened++] = b;
        else
            count = 0;
    }
    if (count < 2) {
        fputs(usage, stderr);
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    signal(SIGTERM, stop);
    signal(SIGINT, stop);
    join_server(arguments[1], config.vector);

    config.hooks.ring = ring_peer;
    config.hooks.now = now;
    config.hooks.random = random_word;
    config.hooks.wait = wait_for_ring;
    config.memory = device.memory;
    config.memory_size = device.size;
    config.id = device.id;
    if (slot == NULL)
        config.slot = device.id;
    for (i = 0; i < CHANNELS; ++i) {
        servers[i].message = malloc(limit != 0 ? limit : 1);
        if (servers[i].message == NULL)
            fail("malloc");
    }
    if (ivshmem_peer_begin(&peer, &config) == IVSHMEM_PEER_OK)
        while (!stopped && peer.phase == IVSHMEM_PEER_CLAIMING)
            ivshmem_peer_wait(&peer, IVSHMEM_PEER_NO_LIMIT);
    if (peer.phase == IVSHMEM_PEER_HELD) {
        printf("slot %u of %u, %u lanes, rings of %u bytes\n", (unsigned)peer.slot,
               (unsigned)peer.division.slots, (unsigned)peer.division.lanes,
               (unsigned)peer.division.ring_size);
        fflush(stdout);
        key = ivshmem_peer_offer(&peer, name);
        for (i = 0; i < (int)opened; ++i)
            if (ivshmem_peer_open(&peer, &servers[i].channel, (uint32_t)slots[i],
                                  (uint32_t)lanes[i], limit) == IVSHMEM_PEER_OK)
                servers[i].by_number = true;
    }
    while (!stopped && peer.phase == IVSHMEM_PEER_HELD) {
        int64_t id;
        int fd;
        ivshmem_peer_wait(&peer, IVSHMEM_PEER_NO_LIMIT);
        while (receive(&id, &fd, MSG_DONTWAIT))
            learn(id, fd, config.vector, &peer);
        for (i = 0; i < CHANNELS; ++i) {
            struct server* s = &servers[i];
            if (!s->by_number)
                ivshmem_peer_accept(&peer, &s->channel, key, limit);
            if (s->channel.state != IVSHMEM_PEER_CHANNEL_CLOSED)
                serve(s, limit);
        }
    }
    if (stopped)
        ivshmem_peer_leave(&peer);
    printf("ended: %d\n", (int)peer.why);
    return peer.why == IVSHMEM_PEER_OK ? 0 : 1;
}
