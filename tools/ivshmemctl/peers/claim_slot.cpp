// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "peers/claim_slot.hpp"

#include "common/exit_status.hpp"
#include "common/print.hpp"
#include "connections/geometry.hpp"
#include "open_device.hpp"
#include "peers/memory_use.hpp"
#include "progress.hpp"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <stdexcept>
#include <string_view>
#include <thread>

#include <unistd.h>

namespace ivshmemctl {
namespace {

/// A peer that takes a slot needs a tenth of this from its first byte in the section to the header.
constexpr std::chrono::milliseconds while_slots_are_taken{250};
constexpr std::string_view gone =
    "the shared memory is gone: the device was removed, or its driver changed";

extern "C" void report_lost_memory(int) {
    for (const std::string_view text :
         {std::string_view{program_invocation_short_name}, {": "}, gone, {"\n"}})
        if (::write(STDERR_FILENO, text.data(), text.size()) < 0)
            break; // there is no other way to report it
    ::_exit(tools::exit_failure);
}

void refuse_other_data(const ivshmem::device& device, const common_options& common) {
    if (device.generation() == ivshmem::device_generation::v2) {
        const auto own = device.output_section(device.id());
        progress bar{common, "looking for other data", own.size(), false};
        if (has_other_data(device, bar))
            throw std::runtime_error{name_of(device) +
                                     ": the output section of this peer holds data that are not "
                                     "channels, which would be overwritten; if the data is not "
                                     "needed, use --reformat"};
        return;
    }
    // If a peer holds a slot, the memory is divided among channels, whatever it held before.
    const auto is_divided = [&] {
        return !inspect_memory(device).held.empty();
    };
    if (is_divided())
        return;
    progress bar{common, "looking for other data", device.memory().size(), false};
    if (!has_other_data(device, bar))
        return;
    // The data may come from a peer that is taking a slot at the same time.
    std::this_thread::sleep_for(while_slots_are_taken);
    if (!is_divided())
        throw std::runtime_error{
            name_of(device) +
            ": the shared memory holds data outside the slots of channels, which would be "
            "overwritten; if the data is not needed, use --reformat, or clear the memory with "
            "'ivshmemctl fill'"};
}

void prepare(const ivshmem::device& device, const common_options& common,
             const slot_choice& choice) {
    // When the device is removed, the kernel unmaps what was mapped through a UIO node.
    std::signal(SIGBUS, report_lost_memory);
    // The slot must be released even if the output is a closed pipe.
    std::signal(SIGPIPE, SIG_IGN);
    if (!choice.reformat)
        refuse_other_data(device, common);
}

ivshmem::slot_options options_for(const slot_choice& choice) {
    ivshmem::slot_options options;
    options.reformat = choice.reformat;
    if (choice.number)
        options.number =
            static_cast<std::uint32_t>(std::min<std::uint64_t>(*choice.number, ~std::uint32_t{0}));
    return options;
}

/// Calls `claim`. If it fails because all slots are held, names the holders, and what to do.
template <typename Claim>
ivshmem::asio::slot naming_held_slots(const ivshmem::device& device, Claim claim) {
    try {
        return claim();
    } catch (const ivshmem::error& e) {
        if (e.code() != ivshmem::errc::no_free_slot)
            throw;
    }
    std::string holders;
    for (const auto& [slot, peer] : inspect_memory(device).held)
        holders += tools::format("{}slot {} by peer {}", holders.empty() ? "" : ", ", slot, peer);
    throw std::runtime_error{tools::format("{}: all slots of channels are held: {}; end a program "
                                           "there or, if its VM was killed, take "
                                           "its slot with --slot N, which a holder that does not "
                                           "answer loses, also one that is paused",
                                           name_of(device), holders)};
}

} // namespace

ivshmem::asio::slot claim_slot(boost::asio::io_context& io, ivshmem::device& device,
                               const common_options& common, const slot_choice& choice,
                               std::uint64_t memory_for_parts) {
    prepare(device, common, choice);
    auto options = options_for(choice);
    options.memory_for_parts = memory_for_parts;
    options.heartbeat = std::chrono::seconds{1};
    return naming_held_slots(device, [&] {
        return choice.number
                   ? ivshmem::asio::slot{io, device, options}
                   : ivshmem::asio::slot{io, device, ivshmem::slot::claim_free(device, options)};
    });
}

ivshmem::asio::slot claim_slot_for_connections(boost::asio::io_context& io, ivshmem::device& device,
                                               const common_options& common,
                                               const slot_choice& choice) {
    prepare(device, common, choice);
    auto options = options_for(choice);
    options.memory_for_parts = 0;
    return naming_held_slots(device, [&] {
        return ivshmem::asio::slot{io, device, connections::claim(device, options)};
    });
}

ivshmem::error explain_failure(ivshmem::device& device, const std::error_code& ec) {
    if (ec == ivshmem::errc::device_removed)
        return {ec, name_of(device) + ": device removed"};
    // Until the mapping goes too, reads succeed, but do not return what was written.
    if ((ec == ivshmem::errc::slot_lost || ec == ivshmem::errc::slot_overwritten) &&
        !inspect_memory(device).channels)
        return {ivshmem::errc::device_gone, tools::format("{}: {}", name_of(device), gone)};
    return {ec, tools::format("{}: {}", name_of(device), ec.message())};
}

} // namespace ivshmemctl
