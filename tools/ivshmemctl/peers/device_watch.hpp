// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "common_options.hpp"

#include <ivshmem/asio/any_interrupt.hpp>
#include <ivshmem/asio/device_events.hpp>
#include <ivshmem/asio/device_monitor.hpp>
#include <ivshmem/device.hpp>

#include <boost/asio/io_context.hpp>
#include <boost/json.hpp>

#include <cstdint>
#include <string>
#include <string_view>

namespace ivshmemctl {

/// Prints changes of devices, and the rings and peers of the selected device. Closes that device
/// when its removal is requested, and opens it again when it is back.
class device_watch {
  public:
    device_watch(boost::asio::io_context& io, const common_options& common);

    /// Starts watching. Events are printed while the event loop runs.
    /// @throws ivshmem::error if the server cannot be joined, or the devices cannot be watched.
    void start();

  private:
    using error_code = boost::system::error_code;

    [[nodiscard]] bool is_server() const;
    [[nodiscard]] bool is_selected(const ivshmem::device_info& info) const;
    void read_change();
    void read_ring();
    void read_event();
    void print(const ivshmem::device_change& change);
    void print(const ivshmem::event& event);
    void print_present(std::uint16_t peer, bool with_state);
    void print_state(std::uint16_t peer);
    void try_to_open();
    void watch_device(ivshmem::device device);
    void close_device();
    void remark(const std::string& line);
    void print_line(std::string_view event, const std::string& text,
                    const boost::json::object& members) const;

    const common_options& common_;
    ivshmem::device device_;
    std::string name_; ///< of device_
    std::uint64_t total_ = 0;
    std::string last_remark_;
    ivshmem::asio::device_monitor changes_;
    ivshmem::asio::any_interrupt interrupts_;
    ivshmem::asio::device_events events_;
};

} // namespace ivshmemctl
