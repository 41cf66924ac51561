// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include <boost/asio/any_io_executor.hpp>

#include <functional>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include <sys/socket.h>

namespace connections {

/// The address of a stream socket: tcp:HOST:PORT, tcp:[IPV6]:PORT or unix:PATH.
class address {
  public:
    /// The address of a socket; a name of a host may stand for several.
    struct place {
        sockaddr_storage storage{};
        socklen_t size = 0;
    };

    /// Looks the host up, which may wait.
    /// @throws std::invalid_argument with a message for the user.
    static address parse(const std::string& text);

    /// Connects without waiting, to each of the places in turn until one answers; calls
    /// done(socket, no error) or done(-1, the last error), perhaps at once. The socket belongs to
    /// `done`. Gives up after 10 s at each place.
    void connect(const boost::asio::any_io_executor& on,
                 std::function<void(int, std::error_code)> done) const;

    [[nodiscard]] const std::string& text() const { return text_; }
    [[nodiscard]] const std::vector<place>& places() const { return places_; }
    /// The path of a UNIX socket; empty if it is another one.
    [[nodiscard]] std::string_view path() const;

  private:
    std::string text_;
    std::vector<place> places_;
};

/// Returns the message of an error at connect(), with what the user can do.
[[nodiscard]] std::string explain_connect_error(const std::error_code& ec);

} // namespace connections
