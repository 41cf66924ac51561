/* SPDX-License-Identifier: BSL-1.0 */
/* SPDX-FileCopyrightText: The libivshmem authors */

/* The service and the client. */
#ifndef ECHO_H
#define ECHO_H

#include "ivshmem_peer.h"

enum { LONGEST_MESSAGE = 65536 };

/** Offers the service "echo" from now on: each message is answered with the same. */
void serve_begin(struct ivshmem_peer* peer);
/** Accepts, receives and sends as much as possible now. */
void serve(struct ivshmem_peer* peer);

/** Begins to ask the service `name` of another peer: `count` messages (0: no end), one each
    `period` ms, each checked against its answer. */
void ask_begin(const char* name, uint32_t count, uint32_t period);
/** Goes on with it. @return The milliseconds until the next call, at most. */
uint32_t ask(struct ivshmem_peer* peer, uint32_t now);

#endif
