/* SPDX-License-Identifier: BSL-1.0 */
/* SPDX-FileCopyrightText: The libivshmem authors */
#define _GNU_SOURCE

#include "check.h"

#include <errno.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* Bad input for topics: handles that are NULL, closed, of another type or no handles; pointers that
   are NULL; sizes of structs that cannot be; handles that are closed in every order; and those of a
   child process. */

static struct ivshmem_topic_message message = {.size = sizeof message};
static struct ivshmem_topic_writer* no_writer;
static struct ivshmem_topic_reader* no_reader;
static char bytes[16];
static void* address;
static int value;

static void use_writer(void* handle, int wanted) {
    struct ivshmem_topic_writer* const w = (struct ivshmem_topic_writer*)handle;
    struct ivshmem_topic_writer_facts facts = {.size = sizeof facts};
    GIVES(wanted, ivshmem_topic_writer_get_facts(w, &facts));
    GIVES(wanted, ivshmem_topic_writer_publish(w, "a", 1));
    GIVES(wanted, ivshmem_topic_writer_loan(w, 1, &address));
    GIVES(wanted, ivshmem_topic_writer_publish_loan(w));
    GIVES(wanted, ivshmem_topic_writer_close(w));
}

static void use_reader(void* handle, int wanted) {
    struct ivshmem_topic_reader* const r = (struct ivshmem_topic_reader*)handle;
    struct ivshmem_topic_reader_facts facts = {.size = sizeof facts};
    GIVES(wanted, ivshmem_topic_reader_reopen(r));
    GIVES(wanted, ivshmem_topic_reader_get_facts(r, &facts));
    GIVES(wanted, ivshmem_topic_reader_update(r, &value));
    GIVES(wanted, ivshmem_topic_reader_arm(r, &value));
    GIVES(wanted, ivshmem_topic_reader_disarm(r));
    GIVES(wanted, ivshmem_topic_reader_try_read(r, bytes, 1, &message));
    GIVES(wanted, ivshmem_topic_reader_try_read_latest(r, bytes, 1, &message));
    GIVES(wanted, ivshmem_topic_reader_try_view(r, &message));
    GIVES(wanted, ivshmem_topic_reader_try_view_latest(r, &message));
    GIVES(wanted, ivshmem_topic_reader_still_valid(r, &message, &value));
    GIVES(wanted, ivshmem_topic_reader_copy_out(r, &message, bytes, 0, &value));
    GIVES(wanted, ivshmem_topic_reader_read(r, bytes, 1, &message, -1));
    GIVES(wanted, ivshmem_topic_reader_read_latest(r, bytes, 1, &message, -1));
    GIVES(wanted, ivshmem_topic_reader_view(r, &message, -1));
    GIVES(wanted, ivshmem_topic_reader_close(r));
}

static void use_both(void* handle, int wanted) {
    use_writer(handle, wanted);
    use_reader(handle, wanted);
}

static void no_handles(struct peers* p, struct ivshmem_topic_writer* writer,
                       struct ivshmem_topic_reader* reader) {
    int on_the_stack = 1;
    use_both(NULL, -EINVAL);
    use_both(&on_the_stack, -EINVAL);
    use_both((void*)(uintptr_t)-1, -EINVAL);
    use_both((void*)(uintptr_t)1, -EINVAL);
    use_both(p->device[0], -EINVAL);
    use_both(p->slot[0], -EINVAL);
    use_both(p->channel[0], -EINVAL);
    use_reader(writer, -EINVAL);
    CHECK(strstr(ivshmem_last_error(), "the handle of a topic's writer was passed") != NULL);
    use_writer(reader, -EINVAL);
    GIVES(-EINVAL, ivshmem_slot_update((struct ivshmem_slot*)reader));
    GIVES(-EINVAL, ivshmem_channel_try_send((struct ivshmem_channel*)writer, "a", 1));
    GIVES(-EINVAL, ivshmem_topic_writer_open((struct ivshmem_slot*)writer, "b", NULL, &no_writer));
    GIVES(-EINVAL, ivshmem_topic_reader_open(NULL, "b", NULL, &no_reader));
}

static void null_pointers(struct ivshmem_slot* s, struct ivshmem_topic_writer* w,
                          struct ivshmem_topic_reader* r) {
    size_t count = 0;
    GIVES(-EINVAL, ivshmem_slot_get_topics(s, NULL, 1, &count));
    GIVES(-EINVAL, ivshmem_slot_get_topics(s, NULL, 0, NULL));
    GIVES(-EINVAL, ivshmem_slot_get_topics(NULL, NULL, 0, &count));
    GIVES(-EINVAL, ivshmem_topic_writer_open(s, NULL, NULL, &no_writer));
    GIVES(-EINVAL, ivshmem_topic_writer_open(s, "b", NULL, NULL));
    GIVES(-EINVAL, ivshmem_topic_writer_get_facts(w, NULL));
    GIVES(-EINVAL, ivshmem_topic_writer_publish(w, NULL, 1));
    GIVES(-EINVAL, ivshmem_topic_writer_loan(w, 1, NULL));
    GIVES(-EINVAL, ivshmem_topic_reader_open(s, NULL, NULL, &no_reader));
    GIVES(-EINVAL, ivshmem_topic_reader_open(s, "b", NULL, NULL));
    GIVES(-EINVAL, ivshmem_topic_reader_get_facts(r, NULL));
    GIVES(-EINVAL, ivshmem_topic_reader_arm(r, NULL));
    GIVES(-EINVAL, ivshmem_topic_reader_try_read(r, NULL, 1, &message));
    GIVES(-EINVAL, ivshmem_topic_reader_try_read(r, bytes, 1, NULL));
    GIVES(-EINVAL, ivshmem_topic_reader_try_read_latest(r, NULL, 1, &message));
    GIVES(-EINVAL, ivshmem_topic_reader_try_read_latest(r, bytes, 1, NULL));
    GIVES(-EINVAL, ivshmem_topic_reader_try_view(r, NULL));
    GIVES(-EINVAL, ivshmem_topic_reader_try_view_latest(r, NULL));
    GIVES(-EINVAL, ivshmem_topic_reader_still_valid(r, NULL, &value));
    GIVES(-EINVAL, ivshmem_topic_reader_still_valid(r, &message, NULL));
    GIVES(-EINVAL, ivshmem_topic_reader_copy_out(r, NULL, bytes, 0, &value));
    GIVES(-EINVAL, ivshmem_topic_reader_copy_out(r, &message, NULL, 1, &value));
    GIVES(-EINVAL, ivshmem_topic_reader_copy_out(r, &message, bytes, 0, NULL));
    GIVES(-EINVAL, ivshmem_topic_reader_read(r, NULL, 1, &message, -1));
    GIVES(-EINVAL, ivshmem_topic_reader_read(r, bytes, 1, NULL, -1));
    GIVES(-EINVAL, ivshmem_topic_reader_read_latest(r, NULL, 1, &message, -1));
    GIVES(-EINVAL, ivshmem_topic_reader_read_latest(r, bytes, 1, NULL, -1));
    GIVES(-EINVAL, ivshmem_topic_reader_view(r, NULL, -1));
}

/* A struct of a later version: known fields, then others. */
struct later {
    struct ivshmem_topic_options known;
    uint64_t unknown;
};
struct later_message {
    struct ivshmem_topic_message known;
    uint64_t unknown;
};

static void sizes(struct ivshmem_slot* slot, struct ivshmem_topic_writer* writer,
                  struct ivshmem_topic_reader* reader) {
    struct later later;
    memset(&later, 0, sizeof later);
    GIVES(-EINVAL, ivshmem_topic_writer_open(slot, "b", &later.known, &no_writer));
    later.known.size = sizeof later;
    OK(ivshmem_topic_writer_open(slot, "b", &later.known, &no_writer));
    OK(ivshmem_topic_writer_close(no_writer));
    later.unknown = 1;
    SAYS(-E2BIG, "does not know", ivshmem_topic_writer_open(slot, "b", &later.known, &no_writer));
    struct ivshmem_topic_reader_options options = {.size = 5000};
    GIVES(-E2BIG, ivshmem_topic_reader_open(slot, "b", &options, &no_reader));

    /* No message is taken for a struct that cannot be. */
    struct later_message to;
    memset(&to, 0xff, sizeof to);
    OK(ivshmem_topic_writer_publish(writer, "a", 1));
    GIVES(-E2BIG, ivshmem_topic_reader_try_view(reader, &to.known));
    to.known.size = 7;
    GIVES(-EINVAL, ivshmem_topic_reader_try_read(reader, bytes, 1, &to.known));
    to.known.size = offsetof(struct ivshmem_topic_message, length);
    GIVES(IVSHMEM_BUFFER_TOO_SMALL, ivshmem_topic_reader_try_read(reader, bytes, 0, &to.known));
    CHECK(to.known.bytes == NULL && to.known.length == (size_t)-1);
    to.known.size = sizeof to;
    OK(ivshmem_topic_reader_try_read(reader, bytes, 1, &to.known));
    CHECK(to.known.length == 1 && to.unknown == 0 && bytes[0] == 'a');
}

enum { DEVICE, SLOT, WRITER, READER, KINDS };

/* Closes what is in slot 0 in one order, and uses what is left after each step. */
static void in_order(const int* order) {
    struct peers p;
    struct ivshmem_topic_writer* writer = NULL;
    struct ivshmem_topic_reader* reader = NULL;
    struct ivshmem_topic_reader* other = NULL;
    open_slots(&p, 4096);
    OK(ivshmem_topic_writer_open(p.slot[0], "out", NULL, &writer));
    OK(ivshmem_topic_reader_open(p.slot[0], "in", NULL, &reader));
    OK(ivshmem_topic_reader_open(p.slot[1], "out", NULL, &other));
    OK(ivshmem_topic_reader_update(other, &value));
    CHECK(value == IVSHMEM_TOPIC_STATE_ATTACHED);
    int closed[KINDS] = {0};
    for (int i = 0; i < KINDS; ++i) {
        closed[order[i]] = 1;
        switch (order[i]) {
        case DEVICE:
            OK(ivshmem_device_close(p.device[0]));
            p.device[0] = NULL;
            break;
        case SLOT:
            OK(ivshmem_slot_close(p.slot[0]));
            p.slot[0] = NULL;
            break;
        case WRITER:
            OK(ivshmem_topic_writer_close(writer));
            break;
        default:
            OK(ivshmem_topic_reader_close(reader));
            break;
        }
        const int gone = closed[SLOT] ? IVSHMEM_CLOSED : 0;
        if (!closed[WRITER]) {
            GIVES(gone, ivshmem_topic_writer_publish(writer, "a", 1));
            GIVES(gone, ivshmem_topic_writer_loan(writer, 1, &address));
        }
        if (!closed[READER]) {
            GIVES(closed[SLOT] ? IVSHMEM_CLOSED : -EAGAIN,
                  ivshmem_topic_reader_try_read(reader, bytes, 1, &message));
            GIVES(gone ? gone : IVSHMEM_TIMED_OUT,
                  ivshmem_topic_reader_read(reader, bytes, 1, &message, 0));
        }
    }
    while ((value = ivshmem_topic_reader_try_read(other, bytes, 1, &message)) == 0)
        continue;
    GIVES(IVSHMEM_TOPIC_CLOSED, value);
    OK(ivshmem_topic_reader_close(other));
    close_peers(&p);
}

static void every_order(void) {
    int order[KINDS];
    for (int n = 0; n < KINDS * KINDS * KINDS * KINDS; ++n) {
        int seen = 0;
        for (int i = 0, rest = n; i < KINDS; ++i, rest /= KINDS) {
            order[i] = rest % KINDS;
            seen |= 1 << order[i];
        }
        if (seen == (1 << KINDS) - 1)
            in_order(order);
    }
}

static void forked(struct peers* p, struct ivshmem_topic_writer* writer,
                   struct ivshmem_topic_reader* reader) {
    const pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        GIVES(IVSHMEM_FORKED, ivshmem_topic_writer_publish(writer, "a", 1));
        GIVES(IVSHMEM_FORKED, ivshmem_topic_writer_loan(writer, 1, &address));
        GIVES(IVSHMEM_FORKED, ivshmem_topic_writer_open(p->slot[0], "b", NULL, &no_writer));
        GIVES(IVSHMEM_FORKED, ivshmem_topic_reader_open(p->slot[0], "b", NULL, &no_reader));
        GIVES(IVSHMEM_FORKED, ivshmem_topic_reader_try_view(reader, &message));
        GIVES(IVSHMEM_FORKED, ivshmem_topic_reader_update(reader, NULL));
        GIVES(IVSHMEM_FORKED, ivshmem_topic_reader_reopen(reader));
        GIVES(IVSHMEM_FORKED, ivshmem_topic_reader_read(reader, bytes, 1, &message, -1));
        OK(ivshmem_topic_writer_close(writer)); /* the parent's goes on */
        OK(ivshmem_topic_reader_close(reader));
        close_peers(p);
        _exit(0);
    }
    int status = -1;
    CHECK(waitpid(child, &status, 0) == child);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    OK(ivshmem_topic_writer_publish(writer, "b", 1));
    OK(ivshmem_topic_reader_try_read(reader, bytes, 1, &message));
    CHECK(bytes[0] == 'b');
}

void test_topic_input(void) {
    struct peers p;
    struct ivshmem_topic_writer* writer = NULL;
    struct ivshmem_topic_reader* reader = NULL;
    open_channels(&p, 4096);
    OK(ivshmem_topic_writer_open(p.slot[0], "a", NULL, &writer));
    OK(ivshmem_topic_reader_open(p.slot[1], "a", NULL, &reader));
    GIVES(-EAGAIN, ivshmem_topic_reader_try_view(reader, &message));
    no_handles(&p, writer, reader);
    null_pointers(p.slot[0], writer, reader);
    sizes(p.slot[0], writer, reader);
    forked(&p, writer, reader);
    OK(ivshmem_topic_writer_close(writer));
    OK(ivshmem_topic_reader_close(reader));
    use_writer(writer, IVSHMEM_CLOSED);
    use_reader(reader, IVSHMEM_CLOSED);
    CHECK(strcmp(ivshmem_last_error(), "the topic's reader is closed: open it first") == 0);
    close_peers(&p);
    every_order();
}
