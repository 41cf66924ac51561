/* SPDX-License-Identifier: BSL-1.0
 * SPDX-FileCopyrightText: The libivshmem authors
 *
 * A preloaded library: getaddrinfo() waits until the other end of the FIFO in SILENT_RESOLVER was
 * opened and closed again, as if no server of names answered.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdlib.h>
#include <unistd.h>

typedef int lookup(const char* node, const char* service, const struct addrinfo* hints,
                   struct addrinfo** found);

int getaddrinfo(const char* node, const char* service, const struct addrinfo* hints,
                struct addrinfo** found) {
    const int gate = open(getenv("SILENT_RESOLVER"), O_RDONLY | O_CLOEXEC);
    char byte;
    while (read(gate, &byte, 1) > 0)
        ;
    close(gate);
    lookup* next;
    *(void**)&next = dlsym(RTLD_NEXT, "getaddrinfo"); /* as POSIX says */
    return next(node, service, hints, found);
}
