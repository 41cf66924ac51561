// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "common_options.hpp"
#include "peers/slot_choice.hpp"

#include <ivshmem/asio/slot.hpp>
#include <ivshmem/device.hpp>
#include <ivshmem/error.hpp>

#include <boost/asio/io_context.hpp>

#include <cstdint>
#include <system_error>

namespace ivshmemctl {

inline constexpr std::uint64_t slot_memory_for_parts = ivshmem::slot_options{}.memory_for_parts;

/// Claims a slot. Throws if the memory holds data other than channels, unless `choice.reformat`.
/// From then on, SIGBUS (the memory is gone) ends the program with a message.
ivshmem::asio::slot claim_slot(boost::asio::io_context& io, ivshmem::device& device,
                               const common_options& common, const slot_choice& choice,
                               std::uint64_t memory_for_parts = slot_memory_for_parts);

/// As claim_slot(), for connections: divides fresh memory so that several programs have room, and
/// does not beat, because connections have signs of life of their own.
ivshmem::asio::slot claim_slot_for_connections(boost::asio::io_context& io, ivshmem::device& device,
                                               const common_options& common,
                                               const slot_choice& choice);

/// Returns the cause of a failure on a claimed slot: a device that is being removed may look as if
/// another peer had taken the slot.
ivshmem::error explain_failure(ivshmem::device& device, const std::error_code& ec);

} // namespace ivshmemctl
