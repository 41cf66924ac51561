// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors

// uio-msix NODE VECTOR: disables an MSI-X vector by the ioctl of ACRN's kernel. Prints the errno.

#include <cerrno>
#include <cstdio>
#include <cstdlib>

#include <fcntl.h>
#include <sys/ioctl.h>

namespace {

struct binding {
    int fd;
    int vector;
};

} // namespace

int main(int argc, char** argv) {
    if (argc != 3)
        return 2;
    const int node = ::open(argv[1], O_RDWR | O_CLOEXEC);
    const binding none{-1, std::atoi(argv[2])};
    const int number = node >= 0 && ::ioctl(node, _IOW('u', 100, binding), &none) == 0 ? 0 : errno;
    std::printf("errno %d\n", number);
    return number == 0 ? 0 : 1;
}
