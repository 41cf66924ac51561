// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

/// @file
/// The library on a Boost.Asio event loop, header-only (Boost 1.81 or newer).
#include <ivshmem/asio/acceptor.hpp>
#include <ivshmem/asio/any_interrupt.hpp>
#include <ivshmem/asio/channel.hpp>
#include <ivshmem/asio/claim.hpp>
#include <ivshmem/asio/connect.hpp>
#include <ivshmem/asio/device_events.hpp>
#include <ivshmem/asio/device_monitor.hpp>
#include <ivshmem/asio/interrupt.hpp>
#include <ivshmem/asio/open.hpp>
#include <ivshmem/asio/slot.hpp>
#include <ivshmem/asio/stream.hpp>
#include <ivshmem/asio/topic_reader.hpp>
#include <ivshmem/topic_writer.hpp>

/// The layer for Boost.Asio: header-only, for any executor and completion token.
namespace ivshmem::asio {}
