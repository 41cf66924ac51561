// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "backends/pci_command.hpp"

#include <cerrno>

#include <endian.h>
#include <fcntl.h>
#include <linux/pci_regs.h>
#include <unistd.h>

namespace ivshmem {

pci_command::pci_command(const std::string& config_file) {
    const auto open = [&](int flags) {
        fd_ =
            unique_fd{retry_eintr([&] { return ::open(config_file.c_str(), flags | O_CLOEXEC); })};
        return fd_ ? 0 : errno;
    };
    read_only_ = open(O_RDWR);
    if (read_only_ != 0)
        static_cast<void>(open(O_RDONLY));
}

int pci_command::change(std::uint16_t set, std::uint16_t clear) const {
    std::uint16_t raw = 0;
    const auto failed = [](ssize_t done) {
        return done == sizeof raw ? 0 : done < 0 ? errno : EIO;
    };
    if (const int number =
            failed(retry_eintr([&] { return ::pread(fd_.get(), &raw, sizeof raw, PCI_COMMAND); }));
        number != 0)
        return number;
    const std::uint16_t before = le16toh(raw);
    const auto after = static_cast<std::uint16_t>((before | set) & ~clear);
    if (after == before)
        return 0;
    if (read_only_ != 0)
        return read_only_;
    raw = htole16(after);
    return failed(retry_eintr([&] { return ::pwrite(fd_.get(), &raw, sizeof raw, PCI_COMMAND); }));
}

} // namespace ivshmem
