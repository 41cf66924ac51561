/* SPDX-License-Identifier: BSL-1.0 */
/* SPDX-FileCopyrightText: The libivshmem authors */

#define _GNU_SOURCE

#include "server_place.h"

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

enum { PEERS = 64, VECTORS = SERVER_PLACE_VECTORS };

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
static uint16_t own_vector;

static void stop(int number) {
    (void)number;
    stopped = 1;
}

bool server_place_stopped(void) {
    return stopped != 0;
}

void server_place_fail(const char* what) {
    fprintf(stderr, "%s: %s: %s\n", program_invocation_short_name, what, strerror(errno));
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
            server_place_fail("the server has ended the connection");
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

/* The hooks. */

static bool little_endian_kernel;

void server_place_ring_little_endian(void) {
    little_endian_kernel = true;
}

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
            server_place_fail("eventfd");
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
        server_place_fail("getrandom");
    return word;
}

static void wait_for_ring(void* context, uint32_t milliseconds) {
    struct pollfd all[2] = {{device.interrupt, POLLIN, 0}, {device.link, POLLIN, 0}};
    uint64_t count;
    (void)context;
    if (poll(all, 2, (int)milliseconds) > 0 && all[0].revents != 0 &&
        read(device.interrupt, &count, sizeof count) < 0 && errno != EAGAIN && errno != EINTR)
        server_place_fail("eventfd");
}

static void connect_to(const char* path, uint16_t vector) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct stat facts;
    int fd = -1;
    if (strlen(path) >= sizeof address.sun_path)
        errno = ENAMETOOLONG, server_place_fail(path);
    strcpy(address.sun_path, path);
    device.link = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (device.link < 0 || connect(device.link, (struct sockaddr*)&address, sizeof address) != 0)
        server_place_fail(path);
    if (next_number(&fd) != 0)
        errno = EPROTO, server_place_fail("the server's version is not 0");
    device.id = (uint16_t)next_number(&fd);
    next_number(&fd);
    if (fd < 0 || fstat(fd, &facts) != 0)
        server_place_fail("the server's memory");
    device.size = (size_t)facts.st_size;
    device.memory = mmap(NULL, device.size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (device.memory == MAP_FAILED)
        server_place_fail("mmap");
    close(fd);
    while (device.interrupt < 0) { /* the own vectors come last */
        const int64_t id = next_number(&fd);
        learn(id, fd, vector, NULL);
    }
}

void server_place_join(const char* path, struct ivshmem_peer_config* config) {
    signal(SIGPIPE, SIG_IGN);
    signal(SIGTERM, stop);
    signal(SIGINT, stop);
    connect_to(path, config->vector);
    own_vector = config->vector;
    config->hooks.ring = ring_peer;
    config->hooks.now = now;
    config->hooks.random = random_word;
    config->hooks.wait = wait_for_ring;
    config->memory = device.memory;
    config->memory_size = device.size;
    config->id = device.id;
}

void server_place_wait(struct ivshmem_peer* peer, uint32_t longest) {
    int64_t id;
    int fd;
    ivshmem_peer_wait(peer, longest);
    while (receive(&id, &fd, MSG_DONTWAIT))
        learn(id, fd, own_vector, peer);
}
