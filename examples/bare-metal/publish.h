/* SPDX-License-Identifier: BSL-1.0 */
/* SPDX-FileCopyrightText: The libivshmem authors */

/* A topic. */
#ifndef PUBLISH_H
#define PUBLISH_H

#include "ivshmem_peer.h"

/** Begins the topic `name`, unless it is a null pointer: the milliseconds since the start, in
    digits, once in a period. */
void publish_begin(struct ivshmem_peer* peer, const char* name, uint32_t milliseconds);
/** Publishes, if it is time. @return The milliseconds until the next call, at most. */
uint32_t publish(uint32_t now);

#endif
