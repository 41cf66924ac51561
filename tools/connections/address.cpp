// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "connections/address.hpp"

#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <memory>
#include <stdexcept>
#include <string_view>
#include <system_error>
#include <utility>

#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/un.h>
#include <unistd.h>

namespace connections {
namespace {

namespace net = boost::asio;

constexpr std::chrono::seconds patience{10};
/// After this time, which doubles, the queue of a UNIX socket may have room again.
constexpr std::chrono::milliseconds first_try{5};
constexpr std::chrono::milliseconds longest_try{500};

/// One connect(), which goes through the places.
class attempt : public std::enable_shared_from_this<attempt> {
  public:
    using on_done = std::function<void(int, std::error_code)>;

    attempt(const net::any_io_executor& on, std::vector<address::place> places, on_done done)
        : socket_{on}, timer_{on}, places_{std::move(places)}, done_{std::move(done)} {}

    void begin() {
        const auto& to = places_[next_];
        const int fd =
            ::socket(to.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd < 0)
            return fail(errno);
        if (to.storage.ss_family != AF_UNIX) {
            const int yes = 1; // a forwarder sends what it has, and a machine may be switched off
            ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
            ::setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &yes, sizeof yes);
        }
        socket_.assign(fd);
        deadline_ = clock::now() + patience;
        delay_ = first_try;
        connect();
    }

  private:
    using clock = std::chrono::steady_clock;

    void connect() {
        const auto& to = places_[next_];
        if (::connect(socket_.native_handle(), reinterpret_cast<const sockaddr*>(&to.storage),
                      to.size) == 0)
            return succeed();
        if (errno == EAGAIN)
            return wait_for_room();
        if (errno != EINPROGRESS)
            return fail(errno);
        timer_.expires_at(deadline_);
        timer_.async_wait([self = shared_from_this()](const boost::system::error_code& ec) {
            boost::system::error_code ignored; // it may have connected meanwhile
            if (!ec)
                self->socket_.cancel(ignored);
        });
        socket_.async_wait(
            net::posix::descriptor_base::wait_write,
            [self = shared_from_this()](const boost::system::error_code& ec) { self->end(ec); });
    }
    /// A UNIX socket whose queue is full lets no one wait for it.
    void wait_for_room() {
        if (clock::now() >= deadline_)
            return fail(ETIMEDOUT);
        timer_.expires_after(std::exchange(delay_, std::min(delay_ * 2, longest_try)));
        timer_.async_wait([self = shared_from_this()](const boost::system::error_code& ec) {
            if (!ec)
                self->connect();
        });
    }
    void end(const boost::system::error_code& cancelled) {
        timer_.cancel();
        int number = ETIMEDOUT;
        socklen_t size = sizeof number;
        if (!cancelled)
            ::getsockopt(socket_.native_handle(), SOL_SOCKET, SO_ERROR, &number, &size);
        if (number != 0)
            return fail(number);
        succeed();
    }
    void succeed() { std::exchange(done_, {})(socket_.release(), {}); }
    void fail(int number) {
        boost::system::error_code ignored;
        socket_.close(ignored);
        if (++next_ < places_.size())
            return begin();
        std::exchange(done_, {})(-1, {number, std::system_category()});
    }

    net::posix::stream_descriptor socket_;
    net::steady_timer timer_;
    clock::time_point deadline_{};
    std::chrono::milliseconds delay_{};
    std::vector<address::place> places_;
    std::size_t next_ = 0;
    on_done done_;
};

/// Checks a port that is a number: getaddrinfo() takes 65616 for 80.
void check_port(const std::string& text, std::string_view port) {
    constexpr std::uint32_t last_port = 65535;
    std::uint32_t number = 0;
    const char* const end = port.data() + port.size();
    const auto [rest, failed] = std::from_chars(port.data(), end, number);
    const bool is_number = rest == end && failed != std::errc::invalid_argument;
    if (port.empty() || (is_number && (failed != std::errc{} || number < 1 || number > last_port)))
        throw std::invalid_argument{text + ": a port is 1 to 65535, or a name of /etc/services"};
}

std::vector<address::place> look_up(const std::string& text, std::size_t colon) {
    check_port(text, std::string_view{text}.substr(colon + 1));
    std::string host = text.substr(4, colon - 4);
    if (host.starts_with('[') && host.ends_with(']'))
        host = host.substr(1, host.size() - 2);
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    addrinfo* found = nullptr;
    const int failed = ::getaddrinfo(host.c_str(), text.c_str() + colon + 1, &hints, &found);
    if (failed != 0)
        throw std::invalid_argument{text + ": " + ::gai_strerror(failed)};
    std::vector<address::place> all;
    for (const addrinfo* one = found; one != nullptr; one = one->ai_next) {
        auto& to = all.emplace_back();
        std::memcpy(&to.storage, one->ai_addr, one->ai_addrlen);
        to.size = one->ai_addrlen;
    }
    ::freeaddrinfo(found);
    return all;
}

} // namespace

address address::parse(const std::string& text) {
    address made;
    made.text_ = text;
    if (text.starts_with("unix:")) {
        sockaddr_un local{};
        const std::string path = text.substr(5);
        if (path.empty() || path.size() >= sizeof local.sun_path)
            throw std::invalid_argument{text + ": a path has 1 to 107 bytes"};
        local.sun_family = AF_UNIX;
        std::memcpy(local.sun_path, path.c_str(), path.size() + 1);
        auto& to = made.places_.emplace_back();
        std::memcpy(&to.storage, &local, sizeof local);
        to.size = sizeof local;
        return made;
    }
    const auto colon = text.rfind(':');
    if (!text.starts_with("tcp:") || colon < 5)
        throw std::invalid_argument{
            text + ": is no address; use tcp:HOST:PORT, tcp:[IPV6]:PORT or unix:PATH"};
    made.places_ = look_up(text, colon);
    return made;
}

void address::connect(const net::any_io_executor& on,
                      std::function<void(int, std::error_code)> done) const {
    std::make_shared<attempt>(on, places_, std::move(done))->begin();
}

std::string_view address::path() const {
    return text_.starts_with("unix:") ? std::string_view{text_}.substr(5) : std::string_view{};
}

std::string explain_connect_error(const std::error_code& ec) {
    const auto advice = [&]() -> const char* {
        switch (ec.value()) {
        case ECONNREFUSED:
        case ENOENT:
            return "start the program that listens there";
        case EACCES:
        case EPERM:
            return "let the user of this process connect there";
        case EAFNOSUPPORT:
            return "this kernel has no such addresses; use another one";
        case EADDRNOTAVAIL:
        case EHOSTUNREACH:
        case ENETUNREACH:
        case ETIMEDOUT:
            return "check the address, and the network to it";
        case EMFILE:
        case ENFILE:
            return "raise the limit of open files (LimitNOFILE=)";
        default:
            return nullptr;
        }
    }();
    return advice == nullptr ? ec.message() : ec.message() + "; " + advice;
}

} // namespace connections
