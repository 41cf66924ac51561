// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

/// @file
/// The whole library except the Asio layer, which is <ivshmem/asio.hpp>.
#include <ivshmem/channel.hpp>
#include <ivshmem/channel_driver.hpp>
#include <ivshmem/device.hpp>
#include <ivshmem/device_monitor.hpp>
#include <ivshmem/diagnosis.hpp>
#include <ivshmem/discovery.hpp>
#include <ivshmem/selector.hpp>
#include <ivshmem/service_directory.hpp>
#include <ivshmem/slot_claim.hpp>
#include <ivshmem/slot_section.hpp>
#include <ivshmem/topic_info.hpp>
#include <ivshmem/topic_pin.hpp>
#include <ivshmem/topic_reader.hpp>
#include <ivshmem/topic_writer.hpp>
#include <ivshmem/version.hpp>

/// The library. All public names are in this namespace or in ivshmem::asio.
namespace ivshmem {}
