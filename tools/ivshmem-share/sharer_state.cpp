// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "base/text.hpp"
#include "base/wait_fds.hpp"
#include "service/log.hpp"
#include "sharer.hpp"

#include <algorithm>
#include <sstream>
#include <utility>

// What a restart keeps: systemd holds the descriptors of each program, and the state says what the
// program does with them. A line of it: NUMBER, the vectors that it waits for, "/", and each slot
// with the number of times that it was taken.

namespace ivshmem_share {

namespace {

std::string socket_name(std::uint64_t number) {
    return ivshmem::formatted("program-{}", number);
}

std::string vector_name(std::uint64_t number, std::size_t vector) {
    return ivshmem::formatted("program-{}-{}", number, vector);
}

} // namespace

void sharer::keep(const program& p) {
    auto& connection = const_cast<program&>(p).connection; // NOLINT: native_handle() is not const
    store_.keep(socket_name(p.number), connection.native_handle());
    for (std::size_t vector = 0; vector < p.vectors.size(); ++vector)
        store_.keep(vector_name(p.number, vector), p.vectors[vector].eventfd.get());
}

void sharer::forget(const program& p) {
    store_.forget(socket_name(p.number));
    for (std::size_t vector = 0; vector < p.vectors.size(); ++vector)
        store_.forget(vector_name(p.number, vector));
}

void sharer::write_state() {
    std::string text;
    for (const program_ptr& p : programs_) {
        if (!p->joined)
            continue;
        text += std::to_string(p->number);
        for (std::size_t vector = 0; vector < p->vectors.size(); ++vector)
            if (p->vectors[vector].watched)
                text += ivshmem::formatted(" {}", vector);
        text += " /";
        for (const auto& [slot, times] : p->slots)
            text += ivshmem::formatted(" {} {}", slot, times);
        text += '\n';
    }
    store_.write(text);
}

void sharer::restore() {
    std::istringstream lines{store_.text()};
    for (std::string line; std::getline(lines, line);) {
        std::istringstream words{line};
        std::uint64_t number = 0;
        words >> number;
        next_number_ = std::max(next_number_, number + 1);
        if (const program_ptr p = restored(number, words)) {
            service::log::info("program {} stays: uid {}", p->label(), p->process.uid);
            read(p);
        } else {
            service::log::error("a program that was connected before could not be kept");
            store_.forget(socket_name(number)); // which ends its connection
            for (std::size_t vector = 0; vector < device_.facts().interrupts; ++vector)
                store_.forget(vector_name(number, vector));
        }
    }
    store_.drop_rest();
    write_state();
}

sharer::program_ptr sharer::restored(std::uint64_t number, std::istream& words) {
    ivshmem::unique_fd socket = store_.take(socket_name(number));
    std::vector<ivshmem::unique_fd> eventfds;
    for (std::size_t vector = 0; vector < device_.facts().interrupts; ++vector)
        if (auto fd = store_.take(vector_name(number, vector)); fd && ivshmem::is_eventfd(fd.get()))
            eventfds.push_back(std::move(fd));
    if (!socket || eventfds.size() != device_.facts().interrupts)
        return nullptr;
    auto from = service::peer_process::of(socket.get());
    auto p = std::make_shared<program>(descriptor{io_, socket.release()}, std::move(from));
    p->number = number;
    p->joined = true;
    vectors_.add(p, std::move(eventfds));
    programs_.push_back(p);
    std::string word;
    while (words >> word && word != "/") {
        const auto vector = static_cast<std::size_t>(std::stoul(word));
        if (vector < p->vectors.size())
            vectors_.watch(*p, static_cast<std::uint32_t>(vector));
    }
    std::uint32_t slot = 0;
    unsigned times = 0;
    while (words >> slot >> times) {
        p->slots[slot] = times;
        holders_.insert_or_assign(slot, p);
    }
    return p;
}

} // namespace ivshmem_share
