// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors

// The errors that completion handlers get, besides Boost's own.

#include "fixture.hpp"

#include <ivshmem/asio/basic_wait_object.hpp>
#include <ivshmem/asio/detail/error_conversion.hpp>

#include <cerrno>
#include <optional>

#include <sys/eventfd.h>
#include <unistd.h>

using namespace test;
using ivshmem::errc;
using ivshmem::asio::detail::to_boost;

namespace {

/// A readable descriptor without anything to take.
struct broken_source {
    using value_type = int;

    [[nodiscard]] int fd() const { return readable; }
    int fd(std::error_code& ec) const {
        ec = opening;
        return readable;
    }
    std::optional<value_type> take(std::error_code& ec) const {
        ec = taking;
        return std::nullopt;
    }

    int readable = -1;
    std::error_code opening{};
    std::error_code taking{};
};

class broken_object
    : public ivshmem::asio::basic_wait_object<broken_source, boost::asio::any_io_executor,
                                              const broken_source&> {
  public:
    using basic_wait_object::basic_wait_object;
    template <typename Token>
    auto async_wait(Token&& token) {
        return this->async_take(std::forward<Token>(token));
    }
};

error_code waited(const broken_source& source) {
    boost::asio::io_context io;
    broken_object object{io};
    std::error_code ec;
    object.open(source, ec);
    CHECK(ec == source.opening);
    completion_of<int> got;
    object.async_wait(got.handler());
    io.run();
    CHECK(got.calls == 1);
    return got.ec;
}

} // namespace

TEST_CASE("system errors are Boost's own") {
    namespace net = boost::asio::error;
    namespace sys = boost::system::errc;
    CHECK_FALSE(to_boost({}));
    CHECK(to_boost({0, std::generic_category()}) == error_code{});
    for (const int number : {EBADF, ECONNRESET, ECANCELED, EMFILE, ENOMEM, 9999}) {
        const error_code system = to_boost({number, std::system_category()});
        CHECK(system == error_code{number, boost::system::system_category()});
        const error_code generic = to_boost({number, std::generic_category()});
        CHECK(generic == error_code{number, boost::system::generic_category()});
    }
    CHECK(to_boost({EBADF, std::system_category()}) == net::bad_descriptor);
    CHECK(to_boost({ECONNRESET, std::system_category()}) == net::connection_reset);
    CHECK(to_boost({ECANCELED, std::system_category()}) == net::operation_aborted);
    CHECK(to_boost({EMFILE, std::system_category()}) == net::no_descriptors);
    CHECK(to_boost({EMFILE, std::system_category()}) == sys::too_many_files_open);
    CHECK(to_boost({EMFILE, std::generic_category()}) == sys::too_many_files_open);
    CHECK(to_boost({EMFILE, std::system_category()}) == std::errc::too_many_files_open);
    CHECK(to_boost(std::error_code{error_code{net::eof}}) == net::eof);
}

TEST_CASE("errors of the library keep their category, and match Boost's conditions") {
    namespace sys = boost::system::errc;
    CHECK(to_boost(errc::closed) == errc::closed);
    CHECK(to_boost(errc::closed) != errc::forked);
    CHECK(to_boost(errc::closed) == sys::bad_file_descriptor);
    CHECK(to_boost(errc::descriptor_limit) == sys::too_many_files_open);
    CHECK(to_boost(errc::channel_reset) == sys::connection_reset);
    CHECK(to_boost(errc::channel_closed) == sys::broken_pipe);
    CHECK(to_boost(errc::device_removed) == std::errc::no_such_device);
    CHECK(to_boost(errc::device_removed).message() ==
          make_error_code(errc::device_removed).message());
}

TEST_CASE("a wait completes with Boost's own codes") {
    const int fd = ::eventfd(1, EFD_CLOEXEC);
    const std::error_code reset{ECONNRESET, std::system_category()};
    CHECK(waited({fd, {}, reset}) == boost::asio::error::connection_reset);
    CHECK(waited({fd, reset, {}}) == boost::asio::error::connection_reset);
    CHECK(waited({fd, {}, make_error_code(errc::forked)}) == errc::forked);
    CHECK(waited({fd, make_error_code(errc::forked), {}}) == errc::forked);
    ::close(fd);
}
