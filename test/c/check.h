/* SPDX-License-Identifier: BSL-1.0 */
/* SPDX-FileCopyrightText: The libivshmem authors */
#ifndef TEST_C_CHECK_H
#define TEST_C_CHECK_H

#include <ivshmem/ivshmem.h>

/* Checks for tests in C. One that fails prints its place and ends the program. */

#ifdef __cplusplus
extern "C" {
#endif

/* At most this long, in ms, does anything take that must happen. */
enum { PATIENCE = 30000 };

void check(int holds, const char* what, const char* file, int line);
void check_result(int result, int wanted, const char* what, const char* file, int line);
void check_text(const char* text, const char* wanted, const char* file, int line);

#define CHECK(condition) check((condition) ? 1 : 0, #condition, __FILE__, __LINE__)
/* A call that succeeds. */
#define OK(call) check_result((call), 0, #call, __FILE__, __LINE__)
/* A call that returns `wanted`. */
#define GIVES(wanted, call) check_result((call), (wanted), #call, __FILE__, __LINE__)
/* ... and whose message contains a text. */
#define SAYS(wanted, text, call)                                                                   \
    do {                                                                                           \
        GIVES(wanted, call);                                                                       \
        check_text(ivshmem_last_error(), text, __FILE__, __LINE__);                                \
    } while (0)

/* Two peers of one server in this process, in slots 0 and 1. Zeroed: not open. */
struct peers {
    struct ivshmem_device* device[2];
    struct ivshmem_slot* slot[2];
    struct ivshmem_channel* channel[2];
};

/* "server:PATH" of a server that ends with the program, started by the first call. */
const char* server(void);
/* Opens the devices. */
void open_devices(struct peers* p);
/* ... and claims the slots, with rings of `ring_size` bytes. */
void open_slots(struct peers* p, uint32_t ring_size);
/* ... and opens and connects lane 0. */
void open_channels(struct peers* p, uint32_t ring_size);
/* Closes what is open. */
void close_peers(struct peers* p);
/* Updates both slots and channels, as a loop does after each wake-up. */
void update_both(struct peers* p);

/* Starts a thread; ends the program if it cannot. */
void* start_thread(void (*body)(void*), void* argument);
void join_thread(void* thread);

/* The tests, each in a file of its name. */
void test_bad_input(void);
void test_blocking(void);
void test_device(void);
void test_handles(void);
void test_lifetime(void);
void test_messages(void);
void test_monitor(void);
void test_parts(void);
void test_services(void);
void test_sessions(void);
void test_slot(void);
void test_streams(void);
void test_topic_input(void);
void test_topics(void);

#ifdef __cplusplus
}
#endif

#endif
