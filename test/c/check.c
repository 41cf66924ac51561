/* SPDX-License-Identifier: BSL-1.0 */
/* SPDX-FileCopyrightText: The libivshmem authors */
#define _GNU_SOURCE

#include "check.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

void check(int holds, const char* what, const char* file, int line) {
    if (holds)
        return;
    fprintf(stderr, "%s:%d: %s is false; the last error: %s\n", file, line, what,
            ivshmem_last_error());
    exit(1);
}

void check_result(int result, int wanted, const char* what, const char* file, int line) {
    if (result == wanted)
        return;
    fprintf(stderr, "%s:%d: %s is %d, not %d; the last error: %s\n", file, line, what, result,
            wanted, ivshmem_last_error());
    exit(1);
}

void check_text(const char* text, const char* wanted, const char* file, int line) {
    if (strstr(text, wanted) != NULL)
        return;
    fprintf(stderr, "%s:%d: '%s' does not contain '%s'\n", file, line, text, wanted);
    exit(1);
}

static char folder[] = "/tmp/ivshmem-c-XXXXXX";
static char socket_path[sizeof folder + 16];
static char selector[sizeof socket_path + 8];
static pid_t server_pid;

static void end_server(void) {
    kill(server_pid, SIGTERM);
    waitpid(server_pid, NULL, 0);
    unlink(socket_path);
    rmdir(folder);
}

/* Waits until the server says that it listens. */
static void wait_for_server(int output) {
    char said[256];
    size_t size = 0;
    do {
        const ssize_t more = read(output, said + size, sizeof said - 1 - size);
        CHECK(more > 0);
        size += (size_t)more;
        said[size] = 0;
    } while (strstr(said, "listening on") == NULL);
}

const char* server(void) {
    if (server_pid != 0)
        return selector;
    CHECK(mkdtemp(folder) != NULL);
    snprintf(socket_path, sizeof socket_path, "%s/socket", folder);
    snprintf(selector, sizeof selector, "server:%s", socket_path);
    int output[2];
    CHECK(pipe(output) == 0);
    server_pid = fork();
    CHECK(server_pid >= 0);
    if (server_pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        dup2(output[1], STDOUT_FILENO);
        dup2(output[1], STDERR_FILENO);
        execl(IVSHMEM_SERVER, IVSHMEM_SERVER, "-F", "-S", socket_path, "-l", "4M", "-n", "2",
              (const char*)NULL);
        _exit(127);
    }
    atexit(end_server);
    close(output[1]);
    wait_for_server(output[0]); /* it stays open: the server says more, but little */
    return selector;
}

void open_devices(struct peers* p) {
    memset(p, 0, sizeof *p);
    struct ivshmem_open_options options;
    memset(&options, 0, sizeof options);
    options.size = sizeof options;
    options.vectors = 2;
    options.timeout_ms = PATIENCE;
    for (int i = 0; i < 2; ++i)
        OK(ivshmem_device_open(server(), &options, &p->device[i]));
}

void open_slots(struct peers* p, uint32_t ring_size) {
    open_devices(p);
    struct ivshmem_slot_options options;
    memset(&options, 0, sizeof options);
    options.size = sizeof options;
    options.slots = 2;
    options.lanes = 4;
    options.ring_size = ring_size;
    options.reformat = 1;
    for (int i = 0; i < 2; ++i) {
        OK(ivshmem_slot_claim(p->device[i], i, &options, &p->slot[i]));
        options.reformat = 0;
    }
}

void open_channels(struct peers* p, uint32_t ring_size) {
    open_slots(p, ring_size);
    for (int i = 0; i < 2; ++i)
        OK(ivshmem_channel_open(p->slot[i], (uint32_t)(1 - i), 0, NULL, &p->channel[i]));
    int state = IVSHMEM_STATE_CLOSED;
    for (int i = 0; state != IVSHMEM_STATE_CONNECTED; ++i) {
        CHECK(i < 10);
        update_both(p);
        OK(ivshmem_channel_update(p->channel[i % 2], &state));
    }
    update_both(p);
}

void update_both(struct peers* p) {
    for (int i = 0; i < 2; ++i) {
        OK(ivshmem_slot_update(p->slot[i]));
        OK(ivshmem_channel_update(p->channel[i], NULL));
    }
}

void close_peers(struct peers* p) {
    for (int i = 0; i < 2; ++i) {
        if (p->channel[i] != NULL)
            OK(ivshmem_channel_close(p->channel[i]));
        if (p->slot[i] != NULL)
            OK(ivshmem_slot_close(p->slot[i]));
        if (p->device[i] != NULL)
            OK(ivshmem_device_close(p->device[i]));
    }
    memset(p, 0, sizeof *p);
}

struct thread {
    pthread_t id;
    void (*body)(void*);
    void* argument;
};

static void* run_thread(void* started) {
    struct thread* const t = (struct thread*)started;
    t->body(t->argument);
    return NULL;
}

void* start_thread(void (*body)(void*), void* argument) {
    struct thread* const t = (struct thread*)malloc(sizeof *t);
    CHECK(t != NULL);
    t->body = body;
    t->argument = argument;
    CHECK(pthread_create(&t->id, NULL, run_thread, t) == 0);
    return t;
}

void join_thread(void* thread) {
    struct thread* const t = (struct thread*)thread;
    CHECK(pthread_join(t->id, NULL) == 0);
    free(t);
}
