// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "trees.hpp"

#include <cstdio>
#include <exception>

// make-trees DIR: writes every machine of the tests to DIR/NAME, for lsivshmem --sysroot and lspci
// -O sysfs.path=DIR/NAME/sys/bus/pci.
int main(int argc, char** argv) {
    if (argc != 2) {
        std::fputs("usage: make-trees DIR\n", stderr);
        return 1;
    }
    try {
        for (const auto machines : {fake::sound_machines(), fake::odd_machines()})
            for (const auto& machine : machines)
                fake::build_machine(machine.name, std::filesystem::path{argv[1]} / machine.name);
    } catch (const std::exception& e) {
        std::fprintf(stderr, "make-trees: %s\n", e.what());
        return 1;
    }
}
