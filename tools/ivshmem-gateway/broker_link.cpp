// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "broker_link.hpp"

#include "base/text.hpp"
#include "connections/with_error.hpp"
#include "service/log.hpp"

#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/ssl/host_name_verification.hpp>
#include <boost/asio/write.hpp>

#include <array>
#include <chrono>
#include <cstddef>
#include <exception>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include <openssl/ssl.h>

namespace ivshmem_gateway {
namespace {

namespace net = boost::asio;
namespace ssl = boost::asio::ssl;
using boost::system::error_code;
using connections::with_error;
using ivshmem::failure;

/// For each address of the broker, and for TLS.
constexpr std::chrono::seconds step_time{10};
/// For the broker to take note of the end, when all has been sent.
constexpr std::chrono::seconds end_time{2};
constexpr std::size_t chunk = 65536;

std::string advice(const error_code& ec) {
    if (ec == net::error::connection_refused)
        return "nothing listens there; start the broker, or set another host or port";
    if (ec == net::error::host_unreachable || ec == net::error::network_unreachable)
        return "there is no route; \"ip route\" lists those that are there";
    return "check the address, and the firewalls between";
}

/// Why the TLS connection ended, if the broker said so: after it has seen the certificate of this
/// side, which it does when this side believes that all is well.
std::string reason_for_end(const error_code& ec) {
    if (ec.category() == net::error::get_ssl_category())
        return ivshmem::formatted(
            "it refuses the TLS connection: {}; check cert and key, and which "
            "CA the broker trusts",
            ec.message());
    return "it ended the connection: " + ec.message();
}

bool is_address(const std::string& host) {
    error_code ec;
    net::ip::make_address(host, ec);
    return !ec;
}

} // namespace

broker_link::broker_link(const net::any_io_executor& on, const broker_settings& s)
    : settings_{s}, resolver_{on}, socket_{on}, context_{ssl::context::tls_client}, local_{on},
      deadline_{on}, filter_{s.longest_packet} {}

void broker_link::expire_after(std::chrono::seconds time) {
    expired_ = false;
    deadline_.expires_after(time);
    deadline_.async_wait([self = weak_from_this()](const error_code& ec) {
        const auto link = self.lock();
        if (ec || !link)
            return;
        link->expired_ = true;
        error_code ignored;
        link->socket_.close(ignored);
    });
}

net::awaitable<void> broker_link::connect(failure& f) {
    resolving_ = true;
    report_slow_resolver();
    const auto [unknown, found] = co_await resolver_.async_resolve(
        settings_.host, std::to_string(settings_.port), with_error);
    resolving_ = false;
    deadline_.cancel();
    if (unknown) {
        f.set(unknown, ivshmem::formatted("{}: the host is not found: {}; check its name, and "
                                          "/etc/resolv.conf",
                                          settings_.name(), unknown.message()));
        co_return;
    }
    error_code failed = net::error::host_not_found;
    for (const auto& each : found) {
        error_code ignored;
        socket_.close(ignored);
        expire_after(step_time);
        const auto [ec] = co_await socket_.async_connect(each.endpoint(), with_error);
        deadline_.cancel();
        failed = expired_ ? error_code{net::error::timed_out} : ec;
        if (!failed)
            break;
    }
    if (failed) {
        f.set(failed, ivshmem::formatted("{}: cannot connect: {}; {}", settings_.name(),
                                         failed.message(), advice(failed)));
        co_return;
    }
    error_code ignored;
    socket_.set_option(tcp::no_delay{true}, ignored); // several packets are sent at once
    if (settings_.tls)
        co_await negotiate(f);
}

/// The lookup cannot be ended, and goes on: a second one would wait behind it.
void broker_link::report_slow_resolver() {
    deadline_.expires_after(step_time);
    deadline_.async_wait([self = weak_from_this()](const error_code& ec) {
        const auto link = self.lock();
        if (!ec && link && link->resolving_)
            service::log::error("{}: its host is still being looked up; check its name, and "
                                "/etc/resolv.conf",
                                link->settings_.name());
    });
}

/// Reads the certificates and the key. An error names the file.
void broker_link::load_files(failure& f) {
    error_code ec;
    const auto check = [&](const char* key, const std::string& path, std::string_view advice) {
        if (ec && !f)
            f.set(ec, ivshmem::formatted("{}: TLS: {} {}: {}; {}", settings_.name(), key, path,
                                         ec.message(), advice));
    };
    constexpr std::string_view is_pem = "check that this user can read it, and that it is PEM";
    if (settings_.ca_file.empty())
        context_.set_default_verify_paths(ec);
    else
        context_.load_verify_file(settings_.ca_file, ec);
    check("ca", settings_.ca_file, is_pem);
    if (f || settings_.certificate_file.empty())
        return;
    // Else the library would ask for it at the terminal, and wait.
    const auto no_password = [](std::size_t, ssl::context::password_purpose) {
        return std::string{};
    };
    context_.set_password_callback(no_password, ec);
    context_.use_certificate_chain_file(settings_.certificate_file, ec);
    check("cert", settings_.certificate_file, is_pem);
    context_.use_private_key_file(settings_.key_file, ssl::context::pem, ec);
    check(
        "key", settings_.key_file,
        "check that this user can read it, that it is PEM without a password, and that it belongs "
        "to the certificate (cert)");
}

void broker_link::prepare_tls(failure& f) {
    context_.set_options(ssl::context::default_workarounds | ssl::context::no_sslv2 |
                         ssl::context::no_sslv3 | ssl::context::no_tlsv1 |
                         ssl::context::no_tlsv1_1);
    load_files(f);
    if (f)
        return;
    tls_ = std::make_unique<ssl::stream<tcp::socket&>>(socket_, context_);
    tls_->set_verify_mode(ssl::verify_peer);
    tls_->set_verify_callback([this](bool valid, ssl::verify_context& of) {
        const bool right = ssl::host_name_verification{settings_.host}(valid, of);
        other_name_ = valid && !right;
        return right;
    });
    if (!is_address(settings_.host))
        ::SSL_ctrl(tls_->native_handle(), SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name,
                   const_cast<char*>(settings_.host.c_str())); // SSL_set_tlsext_host_name()
}

net::awaitable<void> broker_link::negotiate(failure& f) {
    prepare_tls(f);
    if (f)
        co_return;
    expire_after(step_time);
    const auto [ec] = co_await tls_->async_handshake(ssl::stream_base::client, with_error);
    deadline_.cancel();
    if (!ec)
        co_return;
    const long verified = SSL_get_verify_result(tls_->native_handle());
    if (other_name_)
        f.set(ec, ivshmem::formatted("{}: TLS: its certificate is not for the name {}; set the "
                                     "host as it is in the certificate",
                                     settings_.name(), settings_.host));
    else if (verified != X509_V_OK)
        f.set(ec, ivshmem::formatted("{}: TLS: its certificate is refused: {}; set the CA that "
                                     "signed it (ca)",
                                     settings_.name(), X509_verify_cert_error_string(verified)));
    else
        f.set(expired_ ? error_code{net::error::timed_out} : ec,
              ivshmem::formatted("{}: TLS: {}; check that it speaks TLS on this port, and asks for "
                                 "no other certificate",
                                 settings_.name(), expired_ ? "no answer" : ec.message()));
}

void broker_link::carry(ivshmem::unique_fd local, std::function<void(const std::string&)> ended) {
    local_.assign({}, local.release());
    ended_ = std::move(ended);
    if (tls_)
        carry_by(*tls_);
    else
        carry_by(socket_);
}

template <typename Stream>
void broker_link::carry_by(Stream& stream) {
    // Each direction keeps the link alive.
    const auto finish = [self = shared_from_this()](const std::exception_ptr& thrown,
                                                    const std::string& why) {
        if (thrown)
            std::rethrow_exception(thrown);
        if (!why.empty())
            self->end(why);
    };
    net::co_spawn(socket_.get_executor(), send_all(stream), finish);
    net::co_spawn(socket_.get_executor(), receive_all(stream), finish);
}

template <typename Stream>
net::awaitable<std::string> broker_link::send_all(Stream& to) {
    std::vector<std::byte> bytes(chunk);
    for (;;) {
        const auto [ended, size] = co_await local_.async_read_some(net::buffer(bytes), with_error);
        if (ended)
            break;
        const auto [ec, sent] =
            co_await net::async_write(to, net::buffer(bytes.data(), size), with_error);
        if (ec)
            co_return "sending failed: " + ec.message();
    }
    // A socket that is closed before all was read loses what it sent.
    local_ended_ = true;
    error_code ignored;
    socket_.shutdown(tcp::socket::shutdown_send, ignored);
    expire_after(end_time);
    co_return std::string{};
}

template <typename Stream>
net::awaitable<std::string> broker_link::receive_all(Stream& from) {
    std::vector<std::byte> bytes(chunk);
    for (;;) {
        const auto [ended, size] = co_await from.async_read_some(net::buffer(bytes), with_error);
        if (ended)
            co_return reason_for_end(ended);
        if (local_ended_)
            continue;
        const std::size_t good = filter_.take(std::span{bytes}.first(size));
        [[maybe_unused]] const auto [ec, passed] =
            co_await net::async_write(local_, net::buffer(bytes.data(), good), with_error);
        if (good < size && filter_.announced() == 0)
            co_return "it broke the rules of MQTT: a packet with a malformed header";
        if (good < size)
            co_return ivshmem::formatted("it sent a packet of {} bytes, and the limit is {}",
                                         filter_.announced(), settings_.longest_packet);
    }
}

void broker_link::end(const std::string& why) {
    const auto ended = std::exchange(ended_, {});
    close();
    if (ended)
        ended(why);
}

void broker_link::close() {
    ended_ = {};
    error_code ignored;
    resolver_.cancel();
    deadline_.cancel();
    socket_.close(ignored);
    local_.close(ignored);
}

} // namespace ivshmem_gateway
