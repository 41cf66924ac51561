// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "helpers/two_peers.hpp"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>

#include <deque>

namespace test {

/// The result of an accept or a connect by name.
using meeting = completion_of<channel>;

/// Any number of peers on one event loop.
class crowd {
  public:
    crowd(std::uint32_t slots, std::uint32_t lanes, std::uint32_t present)
        : geometry{slots, lanes, 1024} {
        for (std::uint32_t i = 0; i < present; ++i)
            join(i);
    }
    peer& join(std::uint32_t number) {
        peers.emplace_back(io, open_device(server_.socket()), number, geometry);
        return peers.back();
    }
    [[nodiscard]] ivshmem::asio::slot& slot(std::size_t number) { return *peers[number].slot; }
    template <typename Condition>
    bool until(Condition&& condition) {
        return run_until(io, condition);
    }
    void settle() {
        io.restart();
        io.run_for(std::chrono::milliseconds{40});
    }
    void pass(channel& from, channel& to, const std::string& text) {
        completion sent;
        completion got;
        std::string into(100, '\0');
        from.async_send(net::buffer(text), sent.handler());
        to.async_receive(net::buffer(into), got.handler());
        CHECK(until([&] { return sent.done() && got.done(); }));
        CHECK(into.substr(0, got.value) == text);
    }

  private:
    deadline limit_{100};
    host::running_server server_{{"-l", "16M", "-n", "1"}};

  public:
    const ivshmem::region_geometry geometry;
    net::io_context io;
    std::deque<peer> peers;
};

/// Asks for a service; `m` receives the result.
inline void ask(ivshmem::asio::slot& from, const std::string& name, meeting& m,
                const ivshmem::asio::connect_options& options = {}) {
    ivshmem::asio::async_connect(from, name, options, m.handler());
}

} // namespace test
