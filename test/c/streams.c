/* SPDX-License-Identifier: BSL-1.0 */
/* SPDX-FileCopyrightText: The libivshmem authors */
#include "check.h"

#include <errno.h>
#include <string.h>

/* A channel as a stream of bytes. */

static void some(struct peers* p) {
    char buffer[16] = {0};
    size_t size = 9;
    GIVES(-EAGAIN, ivshmem_stream_try_read(p->channel[1], buffer, sizeof buffer, &size));
    CHECK(size == 9);
    OK(ivshmem_stream_try_read(p->channel[1], NULL, 0, &size));
    CHECK(size == 0);
    OK(ivshmem_stream_try_write(p->channel[0], "abc", 3, &size));
    CHECK(size == 3);
    OK(ivshmem_stream_try_write(p->channel[0], "defg", 4, &size));
    OK(ivshmem_stream_try_write(p->channel[0], NULL, 0, &size));
    CHECK(size == 0);
    OK(ivshmem_stream_try_read(p->channel[1], buffer, 2, &size));
    CHECK(size == 2 && memcmp(buffer, "ab", 2) == 0);
    OK(ivshmem_stream_try_read(p->channel[1], buffer, sizeof buffer, &size));
    CHECK(size == 5 && memcmp(buffer, "cdefg", 5) == 0);
    OK(ivshmem_stream_write(p->channel[0], "h", 1, NULL, PATIENCE));
    OK(ivshmem_stream_read(p->channel[1], buffer, sizeof buffer, &size, PATIENCE));
    CHECK(size == 1 && buffer[0] == 'h');
}

static void full(struct peers* p) {
    static char bytes[100000];
    size_t written = 0;
    SAYS(IVSHMEM_TIMED_OUT, "timeout",
         ivshmem_stream_write(p->channel[0], bytes, sizeof bytes, &written, 0));
    CHECK(written > 2000 && written < 4096);
    size_t more = 7;
    GIVES(-EAGAIN, ivshmem_stream_try_write(p->channel[0], bytes, sizeof bytes, &more));
    CHECK(more == 7);
    size_t read = 0;
    size_t size = 0;
    while (read < written) {
        OK(ivshmem_stream_try_read(p->channel[1], bytes, sizeof bytes, &size));
        read += size;
    }
    CHECK(read == written);
    GIVES(IVSHMEM_TIMED_OUT, ivshmem_stream_read(p->channel[1], bytes, 1, &size, 1));
}

enum { MANY = 3000000 };

static void write_many(void* argument) {
    struct ivshmem_channel* const channel = (struct ivshmem_channel*)argument;
    static unsigned char bytes[MANY];
    for (int i = 0; i < MANY; ++i)
        bytes[i] = (unsigned char)(i / 3);
    size_t written = 0;
    OK(ivshmem_stream_write(channel, bytes, MANY, &written, PATIENCE));
    CHECK(written == MANY);
    OK(ivshmem_channel_finish(channel));
    OK(ivshmem_channel_drain(channel, PATIENCE));
}

static void many(struct peers* p) {
    void* const writer = start_thread(write_many, p->channel[0]);
    unsigned char bytes[777];
    int at = 0;
    for (;;) {
        size_t size = 0;
        OK(ivshmem_stream_read(p->channel[1], bytes, sizeof bytes, &size, PATIENCE));
        if (size == 0)
            break;
        for (size_t i = 0; i < size; ++i, ++at)
            CHECK(bytes[i] == (unsigned char)(at / 3));
    }
    CHECK(at == MANY);
    join_thread(writer);
    size_t size = 1;
    OK(ivshmem_stream_try_read(p->channel[1], bytes, sizeof bytes, &size)); /* again the end */
    CHECK(size == 0);
}

void test_streams(void) {
    struct peers p;
    open_channels(&p, 4096);
    some(&p);
    full(&p);
    many(&p);
    close_peers(&p);
}
