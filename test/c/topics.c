/* SPDX-License-Identifier: BSL-1.0 */
/* SPDX-FileCopyrightText: The libivshmem authors */
#include "check.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Topics: messages from a writer in slot 0 to readers in slot 1. */

static struct ivshmem_topic_message message = {.size = sizeof message};
static char buffer[256];

static struct ivshmem_topic_reader_facts facts_of(struct ivshmem_topic_reader* reader) {
    struct ivshmem_topic_reader_facts facts = {.size = sizeof facts};
    OK(ivshmem_topic_reader_get_facts(reader, &facts));
    return facts;
}

static void publish(struct ivshmem_topic_writer* writer, const char* text) {
    OK(ivshmem_topic_writer_publish(writer, text, strlen(text)));
}

static int has(const char* text) {
    return message.length == strlen(text) && memcmp(message.bytes, text, message.length) == 0;
}

/* Writes over all messages that are there. */
static void overwrite(struct ivshmem_topic_writer* writer, int times) {
    for (int i = 0; i < times; ++i)
        OK(ivshmem_topic_writer_publish(writer, buffer, 64));
}

static void any_order(struct peers* p) {
    struct ivshmem_topic_writer* writer = NULL;
    struct ivshmem_topic_writer* second = NULL;
    struct ivshmem_topic_reader* reader = NULL;
    int state = -1;
    OK(ivshmem_topic_reader_open(p->slot[1], "clock", NULL, &reader));
    GIVES(-EAGAIN, ivshmem_topic_reader_try_read(reader, buffer, sizeof buffer, &message));
    OK(ivshmem_topic_reader_update(reader, &state));
    CHECK(state == IVSHMEM_TOPIC_STATE_SEARCHING && facts_of(reader).writer_slot == -1);
    OK(ivshmem_topic_writer_open(p->slot[0], "clock", NULL, &writer));
    GIVES(IVSHMEM_TOPIC_EXISTS, ivshmem_topic_writer_open(p->slot[0], "clock", NULL, &second));
    GIVES(IVSHMEM_TOPIC_EXISTS, ivshmem_topic_writer_open(p->slot[1], "clock", NULL, &second));
    GIVES(IVSHMEM_BAD_SERVICE_NAME, ivshmem_topic_writer_open(p->slot[0], "", NULL, &second));
    CHECK(second == NULL);
    publish(writer, "one");
    OK(ivshmem_topic_writer_publish(writer, NULL, 0));
    OK(ivshmem_topic_reader_try_read(reader, buffer, 3, &message));
    CHECK(has("one") && message.bytes == buffer && message.sequence == 1 && message.skipped == 0);
    CHECK(message.time_ns > UINT64_C(1000000000000000000)); /* this century */
    OK(ivshmem_topic_reader_try_read(reader, NULL, 0, &message));
    CHECK(message.length == 0 && message.sequence == 2);
    CHECK(facts_of(reader).state == IVSHMEM_TOPIC_STATE_ATTACHED);
    CHECK(facts_of(reader).writer_slot == 0 && facts_of(reader).skipped == 0);
    CHECK(facts_of(reader).relayed == 0);

    /* A late one reads what it asks for; the newest is there for each. */
    struct ivshmem_topic_reader* late = NULL;
    struct ivshmem_topic_reader_options options = {.size = sizeof options};
    options.history = 1;
    publish(writer, "three");
    OK(ivshmem_topic_reader_open(p->slot[1], "clock", &options, &late));
    OK(ivshmem_topic_reader_try_read(late, buffer, sizeof buffer, &message));
    CHECK(has("three"));
    publish(writer, "four");
    publish(writer, "five");
    OK(ivshmem_topic_reader_try_read_latest(late, buffer, sizeof buffer, &message));
    CHECK(has("five") && message.skipped == 1);
    OK(ivshmem_topic_reader_try_view_latest(reader, &message));
    CHECK(has("five") && message.skipped == 2 && message.sequence == 5);
    GIVES(-EAGAIN, ivshmem_topic_reader_try_view_latest(reader, &message));
    CHECK(facts_of(reader).skipped == 2 && facts_of(late).skipped == 1);
    OK(ivshmem_topic_reader_close(late));

    /* What is left is read after the end. */
    publish(writer, "last");
    OK(ivshmem_topic_writer_close(writer));
    OK(ivshmem_topic_reader_try_read(reader, buffer, sizeof buffer, &message));
    CHECK(has("last"));
    SAYS(IVSHMEM_TOPIC_CLOSED, "topic of slot 0",
         ivshmem_topic_reader_try_read(reader, buffer, sizeof buffer, &message));
    CHECK(facts_of(reader).state == IVSHMEM_TOPIC_STATE_ENDED);
    OK(ivshmem_topic_reader_reopen(reader));
    GIVES(-EAGAIN, ivshmem_topic_reader_try_view(reader, &message));
    OK(ivshmem_topic_reader_close(reader));
}

/* A message that is longer than the buffer stays, or counts as skipped. */
static void too_small(struct peers* p) {
    struct ivshmem_topic_writer* writer = NULL;
    struct ivshmem_topic_reader* reader = NULL;
    struct ivshmem_topic_options room = {.size = sizeof room};
    room.ring_size = 1024;
    room.messages = 16;
    int may_sleep = -1;
    OK(ivshmem_topic_reader_open(p->slot[1], "small", NULL, &reader));
    OK(ivshmem_topic_writer_open(p->slot[0], "small", &room, &writer));
    publish(writer, "123456789");
    for (int i = 0; i < 2; ++i) {
        memset(buffer, 'b', sizeof buffer);
        SAYS(IVSHMEM_BUFFER_TOO_SMALL, "9 bytes",
             ivshmem_topic_reader_try_read(reader, buffer, 8, &message));
        CHECK(message.length == 9 && message.sequence == 1 && message.bytes == NULL);
        CHECK(buffer[0] == 'b');
        OK(ivshmem_topic_reader_arm(reader, &may_sleep));
        CHECK(may_sleep == 0); /* it is there */
    }
    GIVES(IVSHMEM_BUFFER_TOO_SMALL, ivshmem_topic_reader_read(reader, NULL, 0, &message, 0));
    OK(ivshmem_topic_reader_try_read(reader, buffer, 9, &message));
    CHECK(has("123456789") && message.sequence == 1 && message.skipped == 0);

    publish(writer, "overwritten");
    GIVES(IVSHMEM_BUFFER_TOO_SMALL, ivshmem_topic_reader_try_read(reader, buffer, 1, &message));
    overwrite(writer, 16);
    OK(ivshmem_topic_reader_try_read(reader, buffer, sizeof buffer, &message));
    CHECK(message.skipped >= 1 && message.sequence == message.skipped + 2);
    CHECK(facts_of(reader).skipped == message.skipped);

    /* A newer one is read in place of it, and a view is a view of it. */
    OK(ivshmem_topic_reader_try_read_latest(reader, buffer, sizeof buffer, &message));
    publish(writer, "passed over");
    GIVES(IVSHMEM_BUFFER_TOO_SMALL,
          ivshmem_topic_reader_try_read_latest(reader, buffer, 1, &message));
    publish(writer, "viewed");
    OK(ivshmem_topic_reader_try_view_latest(reader, &message));
    CHECK(has("viewed") && message.skipped == 1);
    publish(writer, "kept");
    GIVES(IVSHMEM_BUFFER_TOO_SMALL, ivshmem_topic_reader_try_read(reader, buffer, 1, &message));
    OK(ivshmem_topic_reader_try_view_latest(reader, &message));
    CHECK(has("kept") && message.skipped == 0 && message.bytes != buffer);
    publish(writer, "kept at the end");
    GIVES(IVSHMEM_BUFFER_TOO_SMALL, ivshmem_topic_reader_try_read(reader, buffer, 1, &message));
    OK(ivshmem_topic_writer_close(writer));
    OK(ivshmem_topic_reader_try_read_latest(reader, buffer, sizeof buffer, &message));
    CHECK(has("kept at the end"));
    GIVES(IVSHMEM_TOPIC_CLOSED, ivshmem_topic_reader_try_view(reader, &message));
    OK(ivshmem_topic_reader_close(reader));
}

static void limits(struct peers* p) {
    struct ivshmem_topic_writer* writer = NULL;
    struct ivshmem_topic_reader* reader = NULL;
    struct ivshmem_topic_writer_facts facts = {.size = sizeof facts};
    struct ivshmem_topic_options room = {.size = sizeof room};
    struct ivshmem_topic_reader_options options = {.size = sizeof options};
    static const char large[193] = {0};
    void* memory = NULL;
    room.messages = 65537;
    GIVES(-EINVAL, ivshmem_topic_writer_open(p->slot[0], "limits", &room, &writer));
    room.messages = 0;
    room.ring_size = 1U << 30U;
    SAYS(IVSHMEM_REGION_TOO_SMALL, "limits",
         ivshmem_topic_writer_open(p->slot[0], "limits", &room, &writer));
    room.ring_size = 130;
    OK(ivshmem_topic_writer_open(p->slot[0], "limits", &room, &writer));
    OK(ivshmem_topic_writer_get_facts(writer, &facts));
    CHECK(facts.max_message == 192 && facts.sequence == 0 && facts.rings == 0);
    SAYS(IVSHMEM_MESSAGE_TOO_LARGE, "193", ivshmem_topic_writer_publish(writer, large, 193));
    GIVES(IVSHMEM_MESSAGE_TOO_LARGE, ivshmem_topic_writer_loan(writer, 193, &memory));
    CHECK(memory == NULL);
    options.max_message = 8;
    OK(ivshmem_topic_reader_open(p->slot[1], "limits", &options, &reader));
    GIVES(-EAGAIN, ivshmem_topic_reader_try_view(reader, &message));
    publish(writer, "123456789");
    publish(writer, "next");
    SAYS(IVSHMEM_MESSAGE_TOO_LARGE, "max_message is 8",
         ivshmem_topic_reader_try_read(reader, buffer, sizeof buffer, &message));
    OK(ivshmem_topic_reader_try_read(reader, buffer, sizeof buffer, &message));
    CHECK(has("next") && message.skipped == 1 && facts_of(reader).skipped == 1);
    publish(writer, "123456789");
    OK(ivshmem_topic_reader_try_view(reader, &message));
    CHECK(has("123456789"));
    OK(ivshmem_topic_writer_close(writer));
    OK(ivshmem_topic_reader_close(reader));
}

static void without_a_copy(struct peers* p) {
    struct ivshmem_topic_writer* writer = NULL;
    struct ivshmem_topic_reader* reader = NULL;
    struct ivshmem_topic_options room = {.size = sizeof room};
    struct ivshmem_topic_message old = {.size = sizeof old};
    room.ring_size = 1024;
    room.messages = 16;
    void* memory = NULL;
    int valid = -1;
    OK(ivshmem_topic_writer_open(p->slot[0], "frames", &room, &writer));
    OK(ivshmem_topic_reader_open(p->slot[1], "frames", NULL, &reader));
    GIVES(-EAGAIN, ivshmem_topic_reader_try_view(reader, &message));
    SAYS(IVSHMEM_NOT_CONNECTED, "loan", ivshmem_topic_writer_publish_loan(writer));
    OK(ivshmem_topic_writer_loan(writer, 5, &memory));
    memcpy(memory, "frame", 5);
    GIVES(-EAGAIN, ivshmem_topic_reader_try_view(reader, &message));
    OK(ivshmem_topic_writer_publish_loan(writer));
    GIVES(IVSHMEM_NOT_CONNECTED, ivshmem_topic_writer_publish_loan(writer));
    OK(ivshmem_topic_reader_try_view(reader, &message));
    CHECK(has("frame"));
    OK(ivshmem_topic_reader_still_valid(reader, &message, &valid));
    CHECK(valid == 1);
    OK(ivshmem_topic_reader_copy_out(reader, &message, buffer, 4, &valid));
    CHECK(valid == 1 && memcmp(buffer, "fram", 4) == 0);
    SAYS(-EINVAL, "more bytes", ivshmem_topic_reader_copy_out(reader, &message, buffer, 6, &valid));
    old = message;
    old.size = offsetof(struct ivshmem_topic_message, session);
    GIVES(-EINVAL, ivshmem_topic_reader_still_valid(reader, &old, &valid));
    old.size = sizeof old;
    OK(ivshmem_topic_writer_loan(writer, 1024, &memory)); /* takes the room of all */
    OK(ivshmem_topic_reader_still_valid(reader, &old, &valid));
    CHECK(valid == 0);
    valid = 1;
    OK(ivshmem_topic_reader_copy_out(reader, &old, buffer, 4, &valid));
    CHECK(valid == 0);
    publish(writer, "the loan is void");
    GIVES(IVSHMEM_NOT_CONNECTED, ivshmem_topic_writer_publish_loan(writer));
    OK(ivshmem_topic_writer_close(writer));
    OK(ivshmem_topic_reader_close(reader));
}

/* A message that is held stays, whatever is published; the writer must grant it. */
static void pins(struct peers* p) {
    struct ivshmem_topic_writer* writer = NULL;
    struct ivshmem_topic_reader* reader = NULL;
    struct ivshmem_topic_pin* pin[3] = {NULL};
    struct ivshmem_topic_message view = {.size = sizeof view};
    struct ivshmem_topic_options room = {.size = sizeof room};
    struct ivshmem_topic_reader_options options = {.size = sizeof options};
    int valid = -1;
    room.max_message = 64;
    room.messages = 8;
    room.pinning_readers = 1;
    options.pins = 2;
    OK(ivshmem_topic_reader_open(p->slot[1], "pins", &options, &reader));
    OK(ivshmem_topic_writer_open(p->slot[0], "pins", &room, &writer));
    GIVES(-EAGAIN, ivshmem_topic_reader_try_view(reader, &view));
    for (int i = 0; i < 2; ++i) {
        OK(ivshmem_topic_writer_publish(writer, i == 0 ? "first" : "other", 5));
        OK(ivshmem_topic_reader_try_view(reader, &view));
        OK(ivshmem_topic_pin_open(reader, &view, &pin[i]));
        message = i == 0 ? view : message;
    }
    publish(writer, "third");
    OK(ivshmem_topic_reader_try_view(reader, &view));
    SAYS(IVSHMEM_PINS_IN_USE, "message 3", ivshmem_topic_pin_open(reader, &view, &pin[2]));
    for (int i = 0; i < 100; ++i)
        OK(ivshmem_topic_writer_publish(writer, buffer, 64));
    CHECK(has("first"));
    OK(ivshmem_topic_pin_still_valid(pin[0], &valid));
    CHECK(valid == 1);
    GIVES(IVSHMEM_MESSAGE_OVERWRITTEN, ivshmem_topic_pin_open(reader, &view, &pin[2]));
    OK(ivshmem_topic_pin_close(pin[1]));
    OK(ivshmem_topic_reader_close(reader));
    OK(ivshmem_topic_pin_still_valid(pin[0], &valid));
    CHECK(valid == 1);
    OK(ivshmem_topic_pin_close(pin[0]));
    GIVES(IVSHMEM_CLOSED, ivshmem_topic_pin_still_valid(pin[0], &valid));
    GIVES(IVSHMEM_CLOSED, ivshmem_topic_pin_close(pin[0]));
    GIVES(-EINVAL, ivshmem_topic_pin_close(NULL));
    GIVES(-EINVAL, ivshmem_topic_pin_still_valid((struct ivshmem_topic_pin*)writer, &valid));

    /* A reader that did not ask gets no pin. */
    OK(ivshmem_topic_reader_open(p->slot[1], "pins", NULL, &reader));
    OK(ivshmem_topic_reader_try_view_latest(reader, &view));
    GIVES(IVSHMEM_PIN_REFUSED, ivshmem_topic_pin_open(reader, &view, &pin[2]));
    GIVES(-EINVAL, ivshmem_topic_pin_open(reader, NULL, &pin[2]));
    GIVES(-EINVAL, ivshmem_topic_pin_open(reader, &view, NULL));
    GIVES(-EINVAL, ivshmem_topic_pin_open(NULL, &view, &pin[2]));
    CHECK(pin[2] == NULL);
    OK(ivshmem_topic_reader_close(reader));
    OK(ivshmem_topic_writer_close(writer));
}

static void list(struct peers* p) {
    struct ivshmem_topic_writer* writers[2] = {NULL};
    struct ivshmem_topic_info topics[2];
    struct ivshmem_topic_info only;
    struct ivshmem_topic_options options = {.size = sizeof options};
    size_t count = 9;
    size_t before = 0;
    OK(ivshmem_slot_get_topics(p->slot[1], NULL, 0, &before)); /* those that have ended */
    OK(ivshmem_slot_close(p->slot[0]));
    OK(ivshmem_slot_claim(p->device[0], 0, NULL, &p->slot[0]));
    OK(ivshmem_slot_get_topics(p->slot[1], topics, 2, &count));
    CHECK(before > 0 && count == 0);
    options.relayed = 1;
    options.ring_size = 100;
    options.messages = 5;
    OK(ivshmem_topic_writer_open(p->slot[0], "plain", NULL, &writers[0]));
    OK(ivshmem_topic_writer_open(p->slot[1], "relayed", &options, &writers[1]));
    publish(writers[1], "one");
    struct ivshmem_topic_reader* reader = NULL;
    OK(ivshmem_topic_reader_open(p->slot[0], "relayed", NULL, &reader));
    OK(ivshmem_topic_reader_update(reader, NULL));
    CHECK(facts_of(reader).relayed == 1);
    OK(ivshmem_topic_reader_close(reader));
    OK(ivshmem_topic_writer_close(writers[1]));
    OK(ivshmem_slot_get_topics(p->slot[0], topics, 2, &count));
    CHECK(count == 2 && strcmp(topics[0].name, "plain") == 0 && topics[0].slot == 0);
    CHECK(topics[0].relayed == 0 && topics[0].ended == 0 && topics[0].lost == 0);
    CHECK(topics[0].sequence == 0 && topics[0].time_ns == 0 && topics[0].key != 0);
    CHECK(strcmp(topics[1].name, "relayed") == 0 && topics[1].slot == 1);
    CHECK(topics[1].relayed == 1 && topics[1].ended == 1 && topics[1].lost == 0);
    CHECK(topics[1].sequence == 1 && topics[1].time_ns != 0 && topics[1].number == 0);
    CHECK(topics[1].ring_size == 128 && topics[1].messages == 8);
    OK(ivshmem_slot_get_topics(p->slot[0], &only, 1, &count));
    CHECK(count == 2 && memcmp(&only, topics, sizeof only) == 0);
    OK(ivshmem_topic_writer_close(writers[0]));
}

enum { MESSAGES = 2000 };

static void write_all(void* argument) {
    struct ivshmem_topic_writer* writer = NULL;
    struct ivshmem_slot* const slot = (struct ivshmem_slot*)argument;
    OK(ivshmem_topic_writer_open(slot, "thread", NULL, &writer));
    for (int i = 0; i < MESSAGES; ++i) {
        OK(ivshmem_topic_writer_publish(writer, &i, sizeof i));
        OK(ivshmem_slot_update(slot));
    }
    OK(ivshmem_topic_writer_close(writer));
}

/* Each number is read or skipped, also while the writer is fast. */
static void waits(struct peers* p) {
    struct ivshmem_topic_reader* reader = NULL;
    uint64_t read = 0;
    int may_sleep = -1;
    int result = 0;
    OK(ivshmem_topic_reader_open(p->slot[1], "thread", NULL, &reader));
    GIVES(IVSHMEM_TIMED_OUT, ivshmem_topic_reader_read(reader, buffer, 4, &message, 0));
    GIVES(IVSHMEM_TIMED_OUT, ivshmem_topic_reader_read_latest(reader, buffer, 4, &message, 1));
    GIVES(IVSHMEM_TIMED_OUT, ivshmem_topic_reader_view(reader, &message, 1));
    OK(ivshmem_topic_reader_arm(reader, &may_sleep));
    CHECK(may_sleep == 1);
    OK(ivshmem_topic_reader_disarm(reader));
    void* const thread = start_thread(write_all, p->slot[0]);
    for (;;) {
        int number = -1;
        result = ivshmem_topic_reader_read(reader, &number, sizeof number, &message, PATIENCE);
        if (result != 0)
            break;
        ++read;
        CHECK((uint64_t)number + 1 == message.sequence);
    }
    GIVES(IVSHMEM_TOPIC_CLOSED, result);
    join_thread(thread);
    CHECK(message.sequence == MESSAGES && read + facts_of(reader).skipped == MESSAGES);
    OK(ivshmem_topic_reader_close(reader));
}

void test_topics(void) {
    struct peers p;
    open_slots(&p, 4096);
    any_order(&p);
    too_small(&p);
    limits(&p);
    without_a_copy(&p);
    waits(&p);
    pins(&p);
    list(&p);
    close_peers(&p);
}
