// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "backends/server_protocol.hpp"

#include "base/text.hpp"
#include "helpers/catch.hpp"
#include "raw_messages.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <vector>

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>

using namespace ivshmem;
using namespace raw;
namespace protocol = ivshmem::server_protocol;

namespace {

/// Returns the next message, which must have arrived.
protocol::message get(protocol::receiver& receiver, int socket) {
    failure f;
    auto message = receiver.next(socket, "/run/test.socket", f);
    INFO(f.message());
    REQUIRE_FALSE(f);
    REQUIRE(message.has_value());
    return std::move(*message);
}

bool nothing_yet(protocol::receiver& receiver, int socket) {
    failure f;
    const bool none = !receiver.next(socket, "/run/test.socket", f).has_value();
    INFO(f.message());
    REQUIRE_FALSE(f);
    return none;
}

failure fail(protocol::receiver& receiver, int socket) {
    failure f;
    REQUIRE_FALSE(receiver.next(socket, "/run/test.socket", f).has_value());
    REQUIRE(f);
    CHECK_THAT(f.message(), Catch::Matchers::StartsWith("/run/test.socket: "));
    return f;
}

bool same_file(int a, int b) {
    struct stat first {};
    struct stat second {};
    REQUIRE(::fstat(a, &first) == 0);
    REQUIRE(::fstat(b, &second) == 0);
    return first.st_dev == second.st_dev && first.st_ino == second.st_ino;
}

} // namespace

TEST_CASE("a message is a little-endian number of 8 bytes") {
    const no_leak check;
    const connection c;
    const std::int64_t value = GENERATE(INT64_C(0), INT64_C(-1), INT64_C(65535), INT64_C(70000),
                                        INT64_MIN, INT64_MAX, INT64_C(0x0102030405060708));
    std::error_code ec;
    REQUIRE(protocol::send(c.server.get(), value, -1, ec));
    REQUIRE_FALSE(ec);
    bytes seen{};
    std::array<unsigned char, 9> more{};
    REQUIRE(::recv(c.client.get(), more.data(), more.size(), MSG_DONTWAIT) == 8);
    std::copy_n(more.begin(), seen.size(), seen.begin());
    CHECK(seen == encode(value));

    send_raw(c.server.get(), seen.data(), seen.size());
    protocol::receiver receiver;
    const auto message = get(receiver, c.client.get());
    CHECK(message.value == value);
    CHECK_FALSE(message.fd);
    CHECK(nothing_yet(receiver, c.client.get()));
}

TEST_CASE("a descriptor arrives with its own message, close-on-exec") {
    const no_leak check;
    const connection c;
    const unique_fd seventh = eventfd(7);
    const unique_fd ninth = eventfd(9);
    std::error_code ec;
    REQUIRE(protocol::send(c.server.get(), 0, -1, ec));
    REQUIRE(protocol::send(c.server.get(), 3, seventh.get(), ec));
    REQUIRE(protocol::send(c.server.get(), 3, ninth.get(), ec));
    REQUIRE(protocol::send(c.server.get(), 4, -1, ec));

    protocol::receiver receiver;
    CHECK_FALSE(get(receiver, c.client.get()).fd);
    const auto first = get(receiver, c.client.get());
    const auto second = get(receiver, c.client.get());
    const auto last = get(receiver, c.client.get());
    CHECK(first.value == 3);
    CHECK(second.value == 3);
    CHECK(last.value == 4);
    CHECK_FALSE(last.fd);
    for (const auto* message : {&first, &second}) {
        REQUIRE(message->fd);
        CHECK((::fcntl(message->fd.get(), F_GETFD) & FD_CLOEXEC) != 0);
        std::uint64_t count = 0;
        REQUIRE(::read(message->fd.get(), &count, sizeof count) == sizeof count);
        CHECK(count == (message == &first ? 7 : 9));
    }
}

TEST_CASE("a message may come in any two pieces, its descriptor with either") {
    const no_leak check;
    const connection c;
    const unique_fd fd = eventfd(5);
    const auto split = GENERATE(range(std::size_t{1}, protocol::message_size));
    const bool first_has_it = GENERATE(true, false);
    const bytes data = encode(12345);

    protocol::receiver receiver;
    std::error_code ec;
    send_raw(c.server.get(), data.data(), split,
             first_has_it ? std::vector{fd.get()} : std::vector<int>{});
    CHECK(nothing_yet(receiver, c.client.get()));
    send_raw(c.server.get(), data.data() + split, data.size() - split,
             first_has_it ? std::vector<int>{} : std::vector{fd.get()});
    // A whole message right after it stays separate.
    REQUIRE(protocol::send(c.server.get(), -1, -1, ec));

    const auto message = get(receiver, c.client.get());
    CHECK(message.value == 12345);
    REQUIRE(message.fd);
    std::uint64_t count = 0;
    REQUIRE(::read(message.fd.get(), &count, sizeof count) == sizeof count);
    CHECK(count == 5);
    const auto next = get(receiver, c.client.get());
    CHECK(next.value == -1);
    CHECK_FALSE(next.fd);
}

TEST_CASE("a message may come byte by byte, read at once or one at a time") {
    const no_leak check;
    const connection c;
    const bool at_once = GENERATE(true, false);
    const bytes data = encode(-2);
    protocol::receiver receiver;
    for (std::size_t i = 0; i < data.size(); ++i) {
        if (i != 0 && !at_once)
            CHECK(nothing_yet(receiver, c.client.get()));
        send_raw(c.server.get(), &data[i], 1);
    }
    CHECK(get(receiver, c.client.get()).value == -2);
}

TEST_CASE("messages that arrive together are separated") {
    const no_leak check;
    const connection c;
    std::vector<unsigned char> all;
    for (std::int64_t value = 0; value < 20; ++value) {
        const bytes data = encode(value);
        all.insert(all.end(), data.begin(), data.end());
    }
    send_raw(c.server.get(), all.data(), all.size());
    protocol::receiver receiver;
    for (std::int64_t value = 0; value < 20; ++value)
        CHECK(get(receiver, c.client.get()).value == value);
    CHECK(nothing_yet(receiver, c.client.get()));
}

TEST_CASE("more than one descriptor with a message is an error, and all are closed") {
    const no_leak check;
    const connection c;
    const unique_fd fd = eventfd();
    const bytes data = encode(1);
    protocol::receiver receiver;
    SECTION("two") {
        send_raw(c.server.get(), data.data(), 8, {fd.get(), fd.get()});
    }
    SECTION("as many as Linux takes") {
        send_raw(c.server.get(), data.data(), 8, std::vector<int>(253, fd.get()));
    }
    SECTION("one with each piece") {
        send_raw(c.server.get(), data.data(), 3, {fd.get()});
        CHECK(nothing_yet(receiver, c.client.get()));
        send_raw(c.server.get(), data.data() + 3, 5, {fd.get()});
    }
    CHECK(fail(receiver, c.client.get()).code() == errc::server_protocol);
}

TEST_CASE("the end of the stream is one error between messages and another within") {
    const no_leak check;
    connection c;
    const unique_fd fd = eventfd();
    const bytes data = encode(1);
    protocol::receiver receiver;
    SECTION("between") {
        send_raw(c.server.get(), data.data(), 8);
        CHECK(get(receiver, c.client.get()).value == 1);
        c.server.reset();
        CHECK(fail(receiver, c.client.get()).code() == errc::server_closed);
    }
    SECTION("at once") {
        c.server.reset();
        CHECK(fail(receiver, c.client.get()).code() == errc::server_closed);
    }
    SECTION("reset, because the server did not read data that it was sent") {
        send_raw(c.client.get(), data.data(), 1);
        c.server.reset();
        CHECK(fail(receiver, c.client.get()).code() == errc::server_closed);
    }
    SECTION("within, with a descriptor") {
        const auto size = GENERATE(range(std::size_t{1}, protocol::message_size));
        send_raw(c.server.get(), data.data(), size, {fd.get()});
        c.server.reset();
        const failure f = fail(receiver, c.client.get());
        CHECK(f.code() == errc::server_protocol);
        CHECK(f.message().find(ivshmem::formatted("after {} of", size)) != std::string::npos);
    }
}

TEST_CASE("a socket that cannot be read gives the system's error") {
    const unique_fd file{::open("/dev/null", O_RDONLY | O_CLOEXEC)};
    REQUIRE(file);
    protocol::receiver receiver;
    CHECK(fail(receiver, file.get()).code() == std::errc::not_a_socket);
}

TEST_CASE("a descriptor lost to the limit is its own error, and the received ones are closed") {
    const no_leak check;
    const connection c;
    const unique_fd fd = eventfd();
    const auto sent = GENERATE(1, 2);
    const bytes data = encode(1);
    send_raw(c.server.get(), data.data(), 8,
             std::vector<int>(static_cast<std::size_t>(sent), fd.get()));

    rlimit old{};
    REQUIRE(::getrlimit(RLIMIT_NOFILE, &old) == 0);
    // dup() returns the lowest free number: the limit allows that many minus one.
    const unique_fd lowest{::dup(0)};
    rlimit low = old;
    low.rlim_cur = static_cast<rlim_t>(lowest.get()) + static_cast<rlim_t>(sent);
    REQUIRE(::setrlimit(RLIMIT_NOFILE, &low) == 0);
    protocol::receiver receiver;
    failure f;
    const bool none = !receiver.next(c.client.get(), "/run/test.socket", f).has_value();
    REQUIRE(::setrlimit(RLIMIT_NOFILE, &old) == 0);
    CHECK(none);
    CHECK(f.code() == errc::descriptor_limit);
    CHECK(f.code() == std::errc::too_many_files_open);
    CHECK(f.message().find("ulimit -n") != std::string::npos);
}

TEST_CASE("a receiver that stalls makes send() report a full socket, and no message is lost") {
    const no_leak check;
    const connection c;
    const unique_fd fd = eventfd();
    std::error_code ec;
    std::int64_t sent = 0;
    while (protocol::send(c.server.get(), sent, fd.get(), ec))
        ++sent;
    REQUIRE_FALSE(ec);
    REQUIRE(sent > 10);
    CHECK_FALSE(protocol::send(c.server.get(), sent, -1, ec));
    CHECK_FALSE(ec);

    protocol::receiver receiver;
    for (std::int64_t value = 0; value < sent; ++value) {
        const auto message = get(receiver, c.client.get());
        REQUIRE(message.value == value);
        REQUIRE(message.fd);
        REQUIRE(same_file(message.fd.get(), fd.get()));
    }
    CHECK(nothing_yet(receiver, c.client.get()));
    CHECK(protocol::send(c.server.get(), sent, fd.get(), ec));
    CHECK(get(receiver, c.client.get()).value == sent);
}

TEST_CASE("sending to a closed peer is an error and raises no signal") {
    const no_leak check;
    connection c;
    c.client.reset();
    std::error_code ec;
    CHECK_FALSE(protocol::send(c.server.get(), 0, -1, ec));
    CHECK(ec == std::errc::broken_pipe);
    SECTION("an invalid descriptor") {
        const connection other;
        CHECK_FALSE(protocol::send(other.server.get(), 0, 1 << 20, ec));
        CHECK(ec == std::errc::bad_file_descriptor);
    }
}
