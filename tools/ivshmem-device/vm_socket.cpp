// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "vm_socket.hpp"

#include "service/log.hpp"
#include "service/peer_process.hpp"

#include <chrono>
#include <utility>

namespace ivshmem_device {

using boost::system::error_code;
namespace asio = boost::asio;

namespace {

constexpr std::chrono::seconds accept_again{1};

} // namespace

vm_socket::vm_socket(asio::io_context& io, acceptor_type acceptor, std::uint16_t number,
                     const std::string& path, device_source& source)
    : acceptor_{std::move(acceptor)}, accept_pause_{io}, number_{number},
      name_{ivshmem::formatted("VM {} ({})", number, path)}, source_{source} {
    accept();
}

void vm_socket::stop() {
    error_code ignored;
    acceptor_.close(ignored);
    accept_pause_.cancel();
    if (const auto current = std::exchange(connection_, nullptr))
        current->close();
}

void vm_socket::accept() {
    acceptor_.async_accept([this](const error_code& ec, connection::socket_type socket) {
        if (ec == asio::error::operation_aborted || !acceptor_.is_open())
            return;
        if (!ec) {
            accept_paused_ = false;
            accepted(std::move(socket));
            accept();
            return;
        }
        // EMFILE, ENFILE or ENOMEM: the connection stays pending, so an immediate retry would fail
        // too.
        if (!std::exchange(accept_paused_, true))
            service::log::error("{}: cannot accept a connection: {}; trying again every second",
                                name_, ec.message());
        accept_pause_.expires_after(accept_again);
        accept_pause_.async_wait([this](const error_code& cancelled) {
            if (!cancelled)
                accept();
        });
    });
}

void vm_socket::accepted(connection::socket_type socket) {
    const std::string process = service::peer_process::of(socket.native_handle()).name;
    // A VM that was killed and started again may be seen before its end is.
    if (connection_ && connection_->is_hung_up()) {
        connection_->close();
        ended("its last process", "it closed the connection");
    }
    if (connection_) {
        service::log::error("{}: refused {}: a client is connected, and a VM has one device; give "
                            "each VM a socket of its own",
                            name_, process);
        return;
    }
    const auto made = std::make_shared<connection>(
        std::move(socket), [this, process](const std::string& why) { ended(process, why); });
    connection_ = made;
    source_.make(number_, name_,
                 [this, made, process](std::unique_ptr<function> device, const std::string& why) {
                     if (connection_ != made)
                         return; // it was stopped meanwhile
                     if (!device) {
                         made->close();
                         connection_.reset();
                         service::log::error("{}: refused {}: {}", name_, process, why);
                         return;
                     }
                     service::log::info("{}: connected: {}", name_, process);
                     made->start(std::move(device));
                 });
}

void vm_socket::ended(const std::string& process, const std::string& why) {
    connection_.reset();
    service::log::info("{}: disconnected: {}, {}", name_, process, why);
}

} // namespace ivshmem_device
