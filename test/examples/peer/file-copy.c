/* SPDX-License-Identifier: BSL-1.0 */
/* SPDX-FileCopyrightText: The libivshmem authors */

/* As examples/c/file-copy.c, on ivshmem_peer at a server, but the file has its name from the
   beginning:

       file-copy server:PATH SLOT receive FILE
       file-copy server:PATH SLOT send FILE */

#include "on_slot.h"

#include <inttypes.h>

enum { PIECE = 64 * 1024 };

/* The first message, and the answer at the end. The pieces of the file are between them. */
struct summary {
    uint64_t size;
    uint32_t checksum;
    uint32_t unused;
};

static unsigned char bytes[PIECE];
static struct ivshmem_peer_channel channel;

/* CRC-32 by bits. Begins with 0. */
static uint32_t checksum(uint32_t crc, size_t size) {
    crc = ~crc;
    for (size_t i = 0; i < size; ++i) {
        crc ^= bytes[i];
        for (int bit = 0; bit < 8; ++bit)
            crc = (crc & 1) != 0 ? 0xedb88320U ^ crc >> 1 : crc >> 1;
    }
    return ~crc;
}

static FILE* file_of(const char* name, const char* mode) {
    FILE* const file = fopen(name, mode);
    if (file == NULL)
        server_place_fail(name);
    return file;
}

static void print(const char* what, const char* name, const struct summary* s) {
    printf("%s %s: %" PRIu64 " bytes, CRC-32 %08" PRIx32 "\n", what, name, s->size, s->checksum);
}

static struct summary receive_summary(void) {
    struct summary s;
    if (receive_whole(&channel, &s, sizeof s) != sizeof s)
        fail("the other side does not copy files");
    return s;
}

static void send_file(const char* name) {
    FILE* const file = file_of(name, "rb");
    struct summary sent = {0, 0, 0}, received;
    if (fseek(file, 0, SEEK_END) != 0)
        server_place_fail(name);
    sent.size = (uint64_t)ftell(file);
    rewind(file);
    connect_to(&channel, "file-copy", sizeof sent);
    send_whole(&channel, &sent, sizeof sent);
    for (uint64_t left = sent.size; left != 0;) {
        const size_t size = fread(bytes, 1, left < PIECE ? (size_t)left : PIECE, file);
        if (size == 0)
            fail("the file became shorter");
        sent.checksum = checksum(sent.checksum, size);
        send_whole(&channel, bytes, (uint32_t)size);
        left -= size;
    }
    fclose(file);
    received = receive_summary();
    if (received.size != sent.size || received.checksum != sent.checksum)
        fail("the other side received something else");
    print("sent", name, &sent);
}

static void receive_file(const char* name) {
    FILE* const file = file_of(name, "wb");
    const uint32_t key = ivshmem_peer_offer(&peer, "file-copy");
    struct summary received;
    while (ivshmem_peer_accept(&peer, &channel, key, PIECE) != IVSHMEM_PEER_OK)
        wait_or_end();
    received = receive_summary();
    received.checksum = 0;
    for (uint64_t left = received.size; left != 0;) {
        const uint32_t size = receive_whole(&channel, bytes, sizeof bytes);
        if (size > left)
            fail("more bytes arrived than were announced");
        received.checksum = checksum(received.checksum, size);
        if (fwrite(bytes, 1, size, file) != size)
            server_place_fail(name);
        left -= size;
    }
    if (fclose(file) != 0)
        server_place_fail(name);
    print("received", name, &received);
    send_whole(&channel, &received, sizeof received);
    while (channel.state == IVSHMEM_PEER_CHANNEL_CONNECTED && !ivshmem_peer_drained(&channel))
        wait_or_end();
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
