// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "base/failure.hpp"
#include "base/unique_fd.hpp"
#include "broker_settings.hpp"
#include "packet_filter.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/steady_timer.hpp>

#include <functional>
#include <memory>
#include <string>

namespace ivshmem_gateway {

/// The connection to the broker, whose bytes it carries to and from a local socket, at which
/// libmosquitto is.
///
/// libmosquitto would look up names and connect while the event loop waits, and takes memory for
/// any packet; this class does neither. It carries TLS too, and checks the broker's certificate and
/// name.
class broker_link : public std::enable_shared_from_this<broker_link> {
  public:
    /// @param s Must outlive the link.
    broker_link(const boost::asio::any_io_executor& on, const broker_settings& s);

    /// Looks the host up, connects, and negotiates TLS. @pre The caller keeps the link alive.
    boost::asio::awaitable<void> connect(ivshmem::failure& f);
    /// Carries bytes until one side ends, then calls ended(reason), unless the link was closed.
    /// After the end of the local side, what it sent is delivered first.
    void carry(ivshmem::unique_fd local, std::function<void(const std::string& why)> ended);
    /// Ends it at once.
    void close();
    /// Whether a name is being looked up, which nothing can stop.
    [[nodiscard]] bool is_resolving() const { return resolving_; }

  private:
    using tcp = boost::asio::ip::tcp;

    boost::asio::awaitable<void> negotiate(ivshmem::failure& f);
    void prepare_tls(ivshmem::failure& f);
    void load_files(ivshmem::failure& f);
    void report_slow_resolver();
    template <typename Stream>
    boost::asio::awaitable<std::string> send_all(Stream& to);
    template <typename Stream>
    boost::asio::awaitable<std::string> receive_all(Stream& from);
    template <typename Stream>
    void carry_by(Stream& stream);
    void expire_after(std::chrono::seconds time);
    void end(const std::string& why);

    const broker_settings& settings_;
    tcp::resolver resolver_;
    tcp::socket socket_;
    boost::asio::ssl::context context_;
    std::unique_ptr<boost::asio::ssl::stream<tcp::socket&>> tls_{};
    boost::asio::local::stream_protocol::socket local_;
    boost::asio::steady_timer deadline_;
    packet_filter filter_;
    std::function<void(const std::string& why)> ended_{};
    bool resolving_ = false;
    bool expired_ = false;
    bool local_ended_ = false;
    bool other_name_ = false; ///< the certificate is valid, but for another host
};

} // namespace ivshmem_gateway
