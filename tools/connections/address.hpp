// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include <boost/asio/any_io_executor.hpp>

#include <functional>
#include <string>
#include <system_error>

#include <sys/socket.h>

namespace connections {

/// The address of a stream socket: tcp:HOST:PORT, tcp:[IPV6]:PORT or unix:PATH.
class address {
  public:
    /// Looks the host up, which may wait.
    /// @throws std::invalid_argument with a message for the user.
    static address parse(const std::string& text);

    /// Connects without waiting; calls done(socket, no error) or done(-1, the error), perhaps at
    /// once. The socket belongs to `done`.
    void connect(const boost::asio::any_io_executor& on,
                 std::function<void(int, std::error_code)> done) const;

    [[nodiscard]] const std::string& text() const { return text_; }

  private:
    std::string text_;
    sockaddr_storage storage_{};
    socklen_t size_ = 0;
};

} // namespace connections
