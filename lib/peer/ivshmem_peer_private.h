/* SPDX-License-Identifier: BSL-1.0 */
/* SPDX-FileCopyrightText: The libivshmem authors */

/* What the sources of the peer share; no program includes it. Memory and its order, and the
   functions of ivshmem_peer.c that the topics need. */
#ifndef IVSHMEM_PEER_PRIVATE_H
#define IVSHMEM_PEER_PRIVATE_H

#include "ivshmem_peer.h"

/* Memory and its order. Each macro may be defined by the program: with -D, or in a file that it
   includes before this one. */

#if defined(__GNUC__)
#define COMPILER_BARRIER() __asm__ volatile("" ::: "memory")
#define MAY_ALIAS __attribute__((__may_alias__))
#define MAYBE_UNUSED __attribute__((__unused__))
#else
#define COMPILER_BARRIER() ((void)0)
#define MAY_ALIAS
#define MAYBE_UNUSED
#endif

/* NOINLINE: functions that GCC inlines although that makes the code larger. FLATTEN: those into
   which the compiler must inline all that they call, which makes short messages faster. */
#if defined(__OPTIMIZE_SIZE__)
#define NOINLINE __attribute__((__noinline__))
#else
#define NOINLINE
#endif
#if defined(__GNUC__) && !defined(__OPTIMIZE_SIZE__)
#define FLATTEN __attribute__((__flatten__))
#else
#define FLATTEN
#endif

/* FENCE orders all before it and all after it, also a store before a load, and memory before the
   doorbell; ACQUIRE follows a load, RELEASE precedes a store, and CONCLUDE follows one that must
   leave a buffer of write-combining memory. */
#ifndef IVSHMEM_PEER_FENCE
#if defined(__x86_64__) || defined(__i386__)
#define IVSHMEM_PEER_FENCE() __sync_synchronize()
#define IVSHMEM_PEER_ACQUIRE() COMPILER_BARRIER()
#ifdef IVSHMEM_PEER_WRITE_COMBINING
#define IVSHMEM_PEER_RELEASE() __asm__ volatile("sfence" ::: "memory")
#define IVSHMEM_PEER_CONCLUDE() __asm__ volatile("sfence" ::: "memory")
#else
#define IVSHMEM_PEER_RELEASE() COMPILER_BARRIER()
#endif
#elif defined(__aarch64__) || (defined(__ARM_ARCH) && __ARM_ARCH >= 7)
#define IVSHMEM_PEER_FENCE() __asm__ volatile("dmb sy" ::: "memory")
#elif defined(__riscv)
#define IVSHMEM_PEER_FENCE() __asm__ volatile("fence iorw, iorw" ::: "memory")
#define IVSHMEM_PEER_ACQUIRE() __asm__ volatile("fence ir, iorw" ::: "memory")
#define IVSHMEM_PEER_RELEASE() __asm__ volatile("fence iorw, ow" ::: "memory")
#elif defined(__GNUC__)
#define IVSHMEM_PEER_FENCE() __sync_synchronize()
#else
#error "define IVSHMEM_PEER_FENCE(): a full barrier of this compiler and processor"
#endif
#endif
#ifndef IVSHMEM_PEER_ACQUIRE
#define IVSHMEM_PEER_ACQUIRE() IVSHMEM_PEER_FENCE()
#endif
#ifndef IVSHMEM_PEER_RELEASE
#define IVSHMEM_PEER_RELEASE() IVSHMEM_PEER_FENCE()
#endif
#ifndef IVSHMEM_PEER_CONCLUDE
#define IVSHMEM_PEER_CONCLUDE() ((void)0)
#endif

/* For a cache that the platform does not keep coherent with the other peers. */
#ifndef IVSHMEM_PEER_CLEAN
#define IVSHMEM_PEER_CLEAN(address, bytes) ((void)(address), (void)(bytes))
#endif
#ifndef IVSHMEM_PEER_INVALIDATE
#define IVSHMEM_PEER_INVALIDATE(address, bytes) ((void)(address), (void)(bytes))
#endif

/* Between processors with caches: PREFETCH fetches a line of 64 bytes that will be written, and
   PAUSE looks away from the memory for about a microsecond. Without them nothing is done. */
#if defined(__x86_64__) && !defined(IVSHMEM_PEER_PREFETCH)
#define IVSHMEM_PEER_PREFETCH(address) __asm__ volatile("prefetchw %0" : : "m"(*(address)))
#define IVSHMEM_PEER_PAUSE() pause_x86()
MAYBE_UNUSED static void pause_x86(void) {
    int i;
    for (i = 0; i < 32; ++i)
        __builtin_ia32_pause();
}
#endif

/* Copies private memory of any alignment. */
#ifndef IVSHMEM_PEER_MEMCPY
#define IVSHMEM_PEER_MEMCPY(to, from, bytes) __builtin_memcpy(to, from, bytes)
#endif

#ifndef IVSHMEM_PEER_BIG_ENDIAN
#if defined(__BYTE_ORDER__) && defined(__ORDER_BIG_ENDIAN__) &&                                    \
    __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
#define IVSHMEM_PEER_BIG_ENDIAN 1
#else
#define IVSHMEM_PEER_BIG_ENDIAN 0
#endif
#endif

typedef uint32_t MAY_ALIAS word;
#if UINTPTR_MAX > 0xffffffffU
typedef uint64_t MAY_ALIAS wide; /* the largest piece of a copy that one access moves */
#else
typedef uint32_t MAY_ALIAS wide;
#endif

MAYBE_UNUSED static uint32_t swapped(uint32_t value) {
#if IVSHMEM_PEER_BIG_ENDIAN
    return value << 24 | (value & 0xff00U) << 8 | (value >> 8 & 0xff00U) | value >> 24;
#else
    return value;
#endif
}

MAYBE_UNUSED static uint32_t load(const unsigned char* base, size_t offset) {
    const volatile word* at = (const volatile word*)(const void*)(base + offset);
    IVSHMEM_PEER_INVALIDATE(base + offset, sizeof *at);
    return swapped(*at);
}

MAYBE_UNUSED static uint32_t look(const unsigned char* base, size_t offset) {
    const uint32_t value = load(base, offset);
    IVSHMEM_PEER_ACQUIRE();
    return value;
}

MAYBE_UNUSED static void store(unsigned char* base, size_t offset, uint32_t value) {
    volatile word* at = (volatile word*)(void*)(base + offset);
    *at = swapped(value);
    IVSHMEM_PEER_CLEAN(base + offset, sizeof *at);
}

MAYBE_UNUSED static void publish(unsigned char* base, size_t offset, uint32_t value) {
    IVSHMEM_PEER_RELEASE();
    store(base, offset, value);
    IVSHMEM_PEER_CONCLUDE();
}

/* The payload of a record, of which nothing is checked. The place in shared memory is a multiple of
   8 for COPY_OUT, and any for COPY_IN. Device memory refuses accesses that are not aligned, which
   memcpy() makes: x86 has none, elsewhere the program knows. Without IVSHMEM_PEER_NORMAL_MEMORY
   only whole words are accessed, each once. */
#ifndef IVSHMEM_PEER_NORMAL_MEMORY
#if defined(__x86_64__) || defined(__i386__)
#define IVSHMEM_PEER_NORMAL_MEMORY 1
#else
#define IVSHMEM_PEER_NORMAL_MEMORY 0
#endif
#endif
#ifndef IVSHMEM_PEER_COPY_IN
#if IVSHMEM_PEER_NORMAL_MEMORY
#define IVSHMEM_PEER_COPY_IN(to, from, bytes) copy(to, from, bytes)
#define IVSHMEM_PEER_COPY_OUT(to, from, bytes) copy(to, from, bytes)

MAYBE_UNUSED static void copy(unsigned char* to, const unsigned char* from, size_t bytes) {
#if !defined(__OPTIMIZE_SIZE__)
    if (bytes - 16 <= 48) { /* 16 to 64: both ends, without a call that takes longer */
        const size_t half = bytes > 32 ? 16 : 0;
        IVSHMEM_PEER_MEMCPY(to, from, 16);
        IVSHMEM_PEER_MEMCPY(to + half, from + half, 16);
        IVSHMEM_PEER_MEMCPY(to + bytes - 16 - half, from + bytes - 16 - half, 16);
        IVSHMEM_PEER_MEMCPY(to + bytes - 16, from + bytes - 16, 16);
        return;
    }
#endif
    IVSHMEM_PEER_MEMCPY(to, from, bytes);
}
#else
#define IVSHMEM_PEER_COPY_IN(to, from, bytes) copy_in(to, from, bytes)
#define IVSHMEM_PEER_COPY_OUT(to, from, bytes) copy_out(to, from, bytes)

MAYBE_UNUSED static void copy_in(unsigned char* to, const unsigned char* from, size_t bytes) {
    while (bytes != 0) {
        const size_t odd = (uintptr_t)from % sizeof(wide);
        size_t some = sizeof(wide) - odd, i;
        const wide piece = *(const volatile wide*)(const void*)(from - odd);
        if (some > bytes)
            some = bytes;
        if (some == sizeof piece)
            IVSHMEM_PEER_MEMCPY(to, &piece, sizeof piece);
        else
            for (i = 0; i < some; ++i)
                to[i] = ((const unsigned char*)&piece)[odd + i];
        from += some;
        to += some;
        bytes -= some;
    }
}

/* Writes whole words: a record has room for them. */
MAYBE_UNUSED static void copy_out(unsigned char* to, const unsigned char* from, size_t bytes) {
    wide piece;
    for (; bytes >= sizeof piece; bytes -= sizeof piece) {
        IVSHMEM_PEER_MEMCPY(&piece, from, sizeof piece);
        *(volatile wide*)(void*)to = piece;
        from += sizeof piece;
        to += sizeof piece;
    }
    if (bytes != 0) {
        unsigned char* first = (unsigned char*)&piece;
        piece = 0;
        while (bytes-- != 0)
            *first++ = *from++;
        *(volatile wide*)(void*)to = piece;
    }
}
#endif
#endif

#define FIRST_RECHECK 10U /* milliseconds */

#if IVSHMEM_PEER_TOPICS

/* Of ivshmem_peer.c: see the functions there that have these names without the prefix. */
const unsigned char* ivshmem_peer_header_of(const struct ivshmem_peer* p, uint32_t slot);
void ivshmem_peer_ring_everyone(const struct ivshmem_peer* p);
bool ivshmem_peer_is_name(const char* name);
bool ivshmem_peer_same_name(const char* a, const char* b);
uint32_t ivshmem_peer_next_word(const char** name);
bool ivshmem_peer_has_name(const unsigned char* entry, const char* name);
/* Rings the holder of a slot. */
void ivshmem_peer_ring_slot(const struct ivshmem_peer* p, uint32_t slot, uint16_t vector);
/* Whether a slot is, or was, held by a peer of this division that has topics.
   @param incarnation Becomes that of the holder; 0: it left. */
bool ivshmem_peer_has_topics(const struct ivshmem_peer* p, uint32_t slot, uint32_t* incarnation);
/* Whether the holder with an incarnation has lost or left its slot. */
bool ivshmem_peer_has_changed_hands(const struct ivshmem_peer* p, uint32_t slot,
                                    uint32_t incarnation);

/* Of ivshmem_peer_topics.c. */
/* A step of moving in. */
void ivshmem_peer_topics_clear(struct ivshmem_peer* p);
/* Withdraws the requests to be rung, and looks for topics that are not there yet. */
void ivshmem_peer_topics_poll(struct ivshmem_peer* p);
/* Asks to be rung, then looks. @return Whether there is something to do. */
bool ivshmem_peer_topics_arm(struct ivshmem_peer* p);
/* The slot is lost, or left. @param shows Whether the readers must see that the topics end. */
void ivshmem_peer_topics_end(struct ivshmem_peer* p, bool shows);

#endif

#endif
