// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "program.hpp"

#include "base/text.hpp"

#include <fstream>
#include <utility>

namespace ivshmem_share {

namespace {

/// Returns the name of a process with all but plain characters replaced: it chooses it itself.
std::string name_of(pid_t process) {
    std::ifstream file{ivshmem::formatted("/proc/{}/comm", process)};
    std::string name;
    std::getline(file, name);
    for (char& c : name)
        if (c < ' ' || c > '~')
            c = '?';
    return name.empty() ? "?" : name;
}

} // namespace

program::program(boost::asio::posix::stream_descriptor of, service::peer_process from)
    : connection{std::move(of)}, process{std::move(from)}, name{name_of(process.pid)} {}

std::string program::label() const {
    return ivshmem::formatted("{} ({})", process.pid, name);
}

std::string program::use() const {
    std::string waits;
    for (std::size_t number = 0; number < vectors.size(); ++number)
        if (vectors[number].watched)
            waits += ivshmem::formatted("{}{}", waits.empty() ? ", vectors " : " ", number);
    std::string holds;
    for (const auto& [slot, times] : slots)
        holds += ivshmem::formatted("{}{}", holds.empty() ? ", slots " : " ", slot);
    return name + waits + holds;
}

} // namespace ivshmem_share
