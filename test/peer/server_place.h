/* SPDX-License-Identifier: BSL-1.0 */
/* SPDX-FileCopyrightText: The libivshmem authors */

/* A place at an ivshmem server's socket, on POSIX: the "device" of a peer of ivshmem_peer. A
   process has one. */
#ifndef SERVER_PLACE_H
#define SERVER_PLACE_H

#include "ivshmem_peer.h"

enum { SERVER_PLACE_VECTORS = 16 };

/* Set by SIGTERM and SIGINT, and by the end of the server. */
bool server_place_stopped(void);

/* Ends the program with the reason. */
_Noreturn void server_place_fail(const char* what);

/* Joins the server, and fills in the hooks, the memory and the id; config->vector is the vector on
   which the peer is rung. Ends the program if that fails. */
void server_place_join(const char* path, struct ivshmem_peer_config* config);

/* Rings peers in the order of bytes of a little-endian kernel. The count of an eventfd is in the
   order of the kernel; qemu-user converts it only if its program has created the eventfd, and these
   come from the server. */
void server_place_ring_little_endian(void);

/* As ivshmem_peer_wait(); then reports to the peer who joined the server and who left it. */
void server_place_wait(struct ivshmem_peer* peer, uint32_t longest);

#endif
