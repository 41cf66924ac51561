// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "peers/claim_slot.hpp"

#include "common/exit_status.hpp"
#include "common/print.hpp"
#include "number.hpp"
#include "open_device.hpp"
#include "peers/memory_use.hpp"
#include "progress.hpp"

#include <algorithm>
#include <chrono>
#include <csignal>
#include <stdexcept>
#include <string_view>
#include <thread>

#include <unistd.h>

namespace ivshmemctl {
namespace {

/// Between its first trace in a section and the header it takes a peer a tenth of this.
constexpr std::chrono::milliseconds while_slots_are_taken{250};
constexpr std::string_view gone =
    "the shared memory is gone: the device was removed, or its driver changed";

extern "C" void say_that_the_memory_is_gone(int) {
    for (const std::string_view text : {std::string_view{"ivshmemctl: "}, gone, {"\n"}})
        if (::write(STDERR_FILENO, text.data(), text.size()) < 0)
            break; // then nobody hears it
    ::_exit(tools::exit_failure);
}

ivshmem::asio::slot claim(boost::asio::io_context& io, const ivshmem::device& device,
                          std::uint32_t number, bool reformat) {
    ivshmem::slot_options options;
    options.number = number;
    options.reformat = reformat;
    return ivshmem::asio::slot{io, device, options};
}

} // namespace

void add_slot_choice(subcommand& sub, slot_choice& choice) {
    add_number(sub, {"--slot", "N", "the slot of channels to take (the first free one)"},
               choice.number);
    sub.add_flag("--reformat", choice.reformat,
                 "use the memory though it holds other data, or channels of another geometry");
}

ivshmem::asio::slot claim_slot(boost::asio::io_context& io, ivshmem::device& device,
                               const common_options& common, const slot_choice& choice) {
    // What is mapped through the node of a UIO driver the kernel takes away with the device.
    std::signal(SIGBUS, say_that_the_memory_is_gone);
    // A slot is to be given back also where nobody reads the output any more.
    std::signal(SIGPIPE, SIG_IGN);
    memory_use use = inspect_memory(device);
    // Where somebody holds a slot the memory is divided among channels, whatever it held before.
    if (use.held.empty() && !choice.reformat) {
        progress bar{common, "looking for other data", device.memory().size(), false};
        if (has_other_data(device.memory(), bar)) {
            // Or is that somebody who was taking a slot at the same time?
            std::this_thread::sleep_for(while_slots_are_taken);
            use = inspect_memory(device);
            if (use.held.empty())
                throw std::runtime_error{
                    name_of(device) +
                    ": the shared memory holds data outside of the slots of channels, which would "
                    "be overwritten; if nobody needs them, say --reformat, or clear the memory "
                    "with 'ivshmemctl fill'"};
        }
    }
    if (choice.number)
        return claim(io, device,
                     static_cast<std::uint32_t>(std::min<std::uint64_t>(*choice.number, ~0U)),
                     choice.reformat);
    for (std::uint32_t number = 0;; ++number) {
        if (std::any_of(use.held.begin(), use.held.end(),
                        [&](const memory_use::held_slot& h) { return h.slot == number; }))
            continue;
        try {
            return claim(io, device, number, choice.reformat);
        } catch (const ivshmem::error& e) {
            if (e.code() == ivshmem::errc::slot_out_of_range)
                throw std::runtime_error{tools::format(
                    "{}: all {} slots of channels are held, or were by processes that got killed; "
                    "--slot N takes one whose holder does not answer",
                    name_of(device), number)};
            if (e.code() != ivshmem::errc::slot_in_use)
                throw;
        }
    }
}

ivshmem::error explain_failure(ivshmem::device& device, const std::error_code& ec) {
    if (ec == ivshmem::errc::device_removed)
        return {ec, name_of(device) + ": device removed"};
    // Until the mapping goes, too, there is something to read, but not what was written.
    if ((ec == ivshmem::errc::slot_lost || ec == ivshmem::errc::slot_overwritten) &&
        !inspect_memory(device).channels)
        return {ivshmem::errc::device_gone, tools::format("{}: {}", name_of(device), gone)};
    return {ec, tools::format("{}: {}", name_of(device), ec.message())};
}

} // namespace ivshmemctl
