/* SPDX-License-Identifier: BSL-1.0 */
/* SPDX-FileCopyrightText: The libivshmem authors */

/* Copy a file to another VM. A file gets its name only when it is complete: as ../file-copy.cpp.

       file-copy DEVICE SLOT receive FILE
       file-copy DEVICE SLOT send FILE

   On the host, with an ivshmem-server that listens at PATH, two processes:

       ./file-copy server:PATH 0 receive copy.iso
       ./file-copy server:PATH 1 send original.iso */

#include "on_slot.h"

#include <inttypes.h>
#include <string.h>

enum {
    PIECE = 64 * 1024,
    PATIENCE = 20000 /* ms: a peer that loses its power never closes the channel */
};

/* The first message, and the answer at the end. The pieces of the file are between them. */
struct summary {
    uint64_t size;
    uint32_t checksum;
    uint32_t unused;
};

static unsigned char bytes[PIECE];

/* CRC-32, as zip and boost::crc_32_type. Begins with 0. */
static uint32_t checksum(uint32_t crc, size_t size) {
    static uint32_t table[256];
    for (uint32_t i = 0; table[255] == 0 && i < 256; ++i) {
        uint32_t c = i;
        for (int bit = 0; bit < 8; ++bit)
            c = (c & 1) != 0 ? 0xedb88320U ^ c >> 1 : c >> 1;
        table[i] = c;
    }
    crc = ~crc;
    for (size_t i = 0; i < size; ++i)
        crc = table[(crc ^ bytes[i]) & 0xff] ^ crc >> 8;
    return ~crc;
}

static void print(const char* what, const char* name, const struct summary* s) {
    printf("%s %s: %" PRIu64 " bytes, CRC-32 %08" PRIx32 "\n", what, name, s->size, s->checksum);
}

static void send_file(const char* name) {
    FILE* const file = fopen(name, "rb");
    if (file == NULL || fseek(file, 0, SEEK_END) != 0)
        fail("the file cannot be read");
    struct summary sent = {(uint64_t)ftell(file), 0, 0};
    rewind(file);
    struct ivshmem_channel* const to = connect_to("file-copy");
    must(ivshmem_channel_send(to, &sent, sizeof sent, PATIENCE));
    for (uint64_t left = sent.size; left != 0 && !stopped;) {
        const size_t size = fread(bytes, 1, left < PIECE ? (size_t)left : PIECE, file);
        if (size == 0)
            fail("the file became shorter");
        sent.checksum = checksum(sent.checksum, size);
        must(ivshmem_channel_send(to, bytes, size, PATIENCE));
        left -= size;
    }
    if (stopped)
        fail("interrupted");
    fclose(file);
    struct summary received = {0, 0, 0};
    size_t size = 0;
    must(ivshmem_channel_receive(to, &received, sizeof received, &size, PATIENCE));
    if (received.size != sent.size || received.checksum != sent.checksum)
        fail("the other side received something else");
    print("sent", name, &sent);
}

/* The file until it is complete; removed if the program ends before. */
static char part[4096];

static void remove_part(void) {
    if (part[0] != 0)
        remove(part);
}

static void receive_file(const char* name) {
    const struct ivshmem_channel_options options = {.size = sizeof options, .max_message = PIECE};
    struct ivshmem_service* service = NULL;
    if (snprintf(part, sizeof part, "%s.part", name) >= (int)sizeof part)
        fail("the name is too long");
    FILE* const file = fopen(part, "wb");
    if (file == NULL)
        fail("the file cannot be written");
    atexit(remove_part);
    must(ivshmem_service_open(slot, "file-copy", &options, &service));
    int result = IVSHMEM_TIMED_OUT;
    while (result == IVSHMEM_TIMED_OUT && !stopped)
        result = ivshmem_service_accept(service, LONGEST_WAIT, &channels[0]);
    if (stopped)
        fail("interrupted");
    must(result);
    struct ivshmem_channel* const from = channels[0];
    struct summary announced = {0, 0, 0};
    size_t size = 0;
    must(ivshmem_channel_receive(from, &announced, sizeof announced, &size, PATIENCE));
    struct summary received = {announced.size, 0, 0};
    for (uint64_t left = announced.size; left != 0 && !stopped;) {
        must(ivshmem_channel_receive(from, bytes, sizeof bytes, &size, PATIENCE));
        if (size > left)
            fail("more bytes arrived than were announced");
        received.checksum = checksum(received.checksum, size);
        if (fwrite(bytes, 1, size, file) != size)
            fail("the file cannot be written");
        left -= size;
    }
    if (stopped)
        fail("interrupted");
    if (fclose(file) != 0 || rename(part, name) != 0)
        fail("the file cannot be written");
    part[0] = 0;
    print("received", name, &received);
    must(ivshmem_channel_send(from, &received, sizeof received, PATIENCE));
    must(ivshmem_channel_drain(from, PATIENCE));
}

int main(int argc, char** argv) {
    program = "file-copy";
    const char* const what = argc == 5 ? argv[3] : "";
    if (strcmp(what, "send") != 0 && strcmp(what, "receive") != 0) {
        fputs("usage: file-copy DEVICE SLOT send|receive FILE\n", stderr);
        return 2;
    }
    enter(argv[1], argv[2]);
    strcmp(what, "send") == 0 ? send_file(argv[4]) : receive_file(argv[4]);
    return 0;
}
