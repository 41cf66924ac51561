// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
//
// Prints the version of the headers that it was compiled with and of the library that it runs with.
#include <ivshmem/ivshmem.hpp>

#include <iostream>

int main() {
    std::cout << IVSHMEM_VERSION_MAJOR << '.' << IVSHMEM_VERSION_MINOR << '.'
              << IVSHMEM_VERSION_PATCH << '\n'
              << IVSHMEM_VERSION_STRING << '\n'
              << IVSHMEM_VERSION << '\n'
              << ivshmem::version() << '\n'
              << ivshmem::version_number() << '\n';
}
