// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors

// Joining a server that violates the protocol.

#include "helpers/catch.hpp"
#include "helpers/deadline.hpp"
#include "helpers/fake_server.hpp"
#include "helpers/resources.hpp"

#include <array>
#include <chrono>
#include <string_view>

#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

using namespace test;
using ivshmem::errc;
using namespace std::chrono_literals;

namespace {

void check(const outcome& got, const fake_server& server, errc wanted) {
    INFO(got.what);
    CHECK(got.code == wanted);
    CHECK(got.what.find(server.path()) != std::string::npos);
}

/// Greets up to the shared memory.
void greet_to_memory(const connection& link, std::int64_t id = 7) {
    link.send(0);
    link.send(id);
    link.send(-1, make_memfd());
}

/// Serves one client by `steps`, then keeps the connection open.
template <typename Steps>
outcome serve(const fake_server& server, Steps steps, const ivshmem::open_options& options = {}) {
    return open_with(
        server,
        [&server, steps] {
            auto link = server.accept();
            steps(link);
            return link;
        },
        options);
}

} // namespace

TEST_CASE("a greeting that breaks the protocol is an error that names the socket") {
    const deadline limit;
    const fake_server server;
    SECTION("another version") {
        check(serve(server, [](auto& to) { to.send(1); }), server, errc::server_version);
    }
    SECTION("a negative version") {
        check(serve(server, [](auto& to) { to.send(-1); }), server, errc::server_version);
    }
    SECTION("a version with a descriptor") {
        check(serve(server, [](auto& to) { to.send(0, make_eventfd()); }), server,
              errc::server_version);
    }
    SECTION("an id beyond 65535, or negative") {
        const std::int64_t id = GENERATE(std::int64_t{65536}, -1, -2, std::int64_t{1} << 40);
        check(serve(server,
                    [id](auto& to) {
                        to.send(0);
                        to.send(id);
                    }),
              server, errc::server_protocol);
    }
    SECTION("an id with a descriptor") {
        check(serve(server,
                    [](auto& to) {
                        to.send(0);
                        to.send(7, make_eventfd());
                    }),
              server, errc::server_protocol);
    }
    SECTION("shared memory without a descriptor") {
        check(serve(server,
                    [](auto& to) {
                        to.send(0);
                        to.send(7);
                        to.send(-1);
                    }),
              server, errc::server_protocol);
    }
    SECTION("a vector in place of the shared memory") {
        check(serve(server,
                    [](auto& to) {
                        to.send(0);
                        to.send(7);
                        to.send(7, make_eventfd());
                    }),
              server, errc::server_protocol);
    }
    SECTION("shared memory that is no file, or empty") {
        const int which = GENERATE(0, 1, 2);
        check(serve(server,
                    [which](auto& to) {
                        to.send(0);
                        to.send(7);
                        to.send(-1, which == 0   ? make_eventfd()
                                    : which == 1 ? make_memfd(0)
                                                 : unique_fd{::open("/dev/zero", O_RDWR)});
                    }),
              server, errc::server_protocol);
    }
    SECTION("two descriptors in one message") {
        check(serve(server,
                    [](auto& to) {
                        to.send(0);
                        to.send(7);
                        const auto memory = make_memfd();
                        const auto more = make_eventfd();
                        to.send(-1, std::array{memory.get(), more.get()});
                    }),
              server, errc::server_protocol);
    }
    SECTION("a vector that is no eventfd") {
        check(serve(server,
                    [](auto& to) {
                        greet_to_memory(to);
                        to.send(7, make_memfd());
                    }),
              server, errc::server_protocol);
    }
    SECTION("a garbage id among the vectors") {
        const std::int64_t id = GENERATE(std::int64_t{-1}, 65536, std::int64_t{1} << 62);
        check(serve(server,
                    [id](auto& to) {
                        greet_to_memory(to);
                        to.send(id, make_eventfd());
                    }),
              server, errc::server_protocol);
    }
    SECTION("the departure of an unknown peer") {
        check(serve(server,
                    [](auto& to) {
                        greet_to_memory(to);
                        to.send(9);
                    }),
              server, errc::server_protocol);
    }
}

TEST_CASE("another protocol is named if it can be told") {
    const deadline limit;
    const fake_server server;
    const auto said = [&](const auto& steps) {
        const auto got = serve(server, steps);
        check(got, server, errc::server_version);
        CHECK(got.what.find("no ivshmem server of protocol 0: ") != std::string::npos);
        return got.what;
    };
    const auto expect = [](const std::string& all, std::string_view part) {
        INFO(all);
        CHECK(all.find(part) != all.npos);
    };
    const auto text = [&](std::string_view sent) {
        return said([sent](auto& to) {
            to.send_bytes(
                std::span{reinterpret_cast<const unsigned char*>(sent.data()), sent.size()});
        });
    };
    SECTION("text") {
        expect(text("HTTP/1.1 400 Bad Request\r\n\r\n"),
               "it sent the text \"HTTP/1.1\", as an HTTP server does");
        expect(text("{\"QMP\": {\"version\": {}}}\r\n"), "a QMP monitor");
        expect(text("220 mail\r\n"), "\"220 mail\", as a server of a text");
    }
    SECTION("before QEMU 2.5: an id, then the memory") {
        const int id = GENERATE(0, 1, 65535);
        expect(said([id](auto& to) {
                   to.send(id);
                   to.send(-1, make_memfd());
               }),
               "it sends no version, as servers before QEMU 2.5 do");
    }
    SECTION("ivshmem2") {
        expect(said([](auto& to) {
                   to.send(std::int64_t{40} << 32);
                   to.send(2);
               }),
               "it speaks the protocol of ivshmem2");
    }
    SECTION("a later version") {
        const int messages = GENERATE(0, 1, 2);
        expect(said([messages](auto& to) {
                   to.send(1);
                   for (int i = 0; i < messages; ++i)
                       to.send(7);
               }),
               "it speaks version 1");
    }
}

TEST_CASE("memory that cannot be mapped for writing is a system error that names the socket") {
    const fake_server server;
    ivshmem::open_options trusting;
    trusting.trust_server = true;
    const auto got = serve(
        server,
        [](auto& to) {
            to.send(0);
            to.send(7);
            to.send(-1, unique_fd{::open("/proc/self/exe", O_RDONLY)});
        },
        trusting);
    CHECK(got.code == std::errc::permission_denied);
    CHECK(got.what.find(server.path()) != std::string::npos);
}

TEST_CASE("memory that is not sealed is mapped only for a caller that trusts the server") {
    const fake_server server;
    ivshmem::open_options options;
    options.vectors = 1;
    const unique_fd memory{::memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING)};
    REQUIRE(::ftruncate(memory.get(), static_cast<off_t>(memory_bytes)) == 0);
    const auto unsealed = [&memory](auto& to) {
        to.send(0);
        to.send(7);
        to.send(-1, memory);
        to.send(7, make_eventfd());
    };
    const auto refused = serve(server, unsealed, options);
    CHECK(refused.code == errc::memory_unsealed);
    CHECK(refused.code == std::errc::operation_not_permitted);
    for (const auto* const part : {"SIGBUS", "open_options::trust_server", "--trust-server"})
        CHECK(refused.what.find(part) != std::string::npos);
    CHECK(refused.what.find(server.path()) != std::string::npos);

    options.trust_server = true;
    {
        const auto got = serve(server, unsealed, options);
        REQUIRE(got.dev.is_open());
        CHECK(got.dev.memory().size() == memory_bytes);
        CHECK(got.dev.memory().reason().find("could shrink it") != std::string::npos);
    }
    options.part = ivshmem::memory_region{0, memory_bytes + 1};
    CHECK(serve(server, unsealed, options).code == std::errc::invalid_argument);
    options.part.reset();

    options.trust_server = false;
    REQUIRE(::fcntl(memory.get(), F_ADD_SEALS, F_SEAL_GROW) == 0); // of no help
    CHECK(serve(server, unsealed, options).code == errc::memory_unsealed);
    REQUIRE(::fcntl(memory.get(), F_ADD_SEALS, F_SEAL_SHRINK) == 0);
    CHECK_FALSE(serve(server, unsealed, options).code);
}

TEST_CASE("a server may die after any byte of the greeting") {
    const deadline limit;
    const fake_server server;
    ivshmem::open_options two;
    two.vectors = 2;
    // The version, the id, the memory and two vectors, without the last byte.
    const auto cut = static_cast<std::size_t>(GENERATE(range(0, 40)));
    const auto got = serve(
        server,
        [cut](auto& to) {
            const std::array<std::int64_t, 5> values{0, 7, -1, 7, 7};
            for (std::size_t i = 0; i * 8 < cut; ++i) {
                std::array<unsigned char, 8> bytes{};
                for (std::size_t b = 0; b < 8; ++b)
                    bytes.at(b) = static_cast<unsigned char>(values.at(i) >> (8 * b));
                const auto fd = i == 2 ? make_memfd() : make_eventfd();
                const int number = fd.get();
                const auto length = std::min(std::size_t{8}, cut - i * 8);
                to.send_bytes(std::span{bytes}.first(length),
                              i < 2 ? std::span<const int>{} : std::span{&number, 1});
            }
            to.close();
        },
        two);
    check(got, server, cut % 8 == 0 ? errc::server_closed : errc::server_protocol);
}

TEST_CASE("a server that falls silent at any step times out") {
    const deadline limit;
    const fake_server server;
    ivshmem::open_options brief;
    brief.timeout = 20ms;
    brief.vectors = 2;
    const int messages = GENERATE(range(0, 5));
    const auto got = serve(
        server,
        [messages](auto& to) {
            if (messages > 0)
                to.send(0);
            if (messages > 1)
                to.send(7);
            if (messages > 2)
                to.send(-1, make_memfd());
            if (messages > 3)
                to.send(7, make_eventfd());
        },
        brief);
    check(got, server, errc::timed_out);
}

TEST_CASE("a server that never stops sending times out") {
    const deadline limit;
    const fake_server server;
    ivshmem::open_options brief;
    brief.timeout = 100ms;
    const auto got = serve(
        server,
        [](auto& to) {
            greet_to_memory(to);
            const auto vector = make_eventfd();
            const int number = vector.get();
            while (to.try_send(9, std::span{&number, 1}) && to.try_send(9))
                ;
        },
        brief);
    check(got, server, errc::timed_out);
}

TEST_CASE("the number of vectors") {
    const deadline limit;
    const fake_server server;
    ivshmem::open_options options;
    options.settle = 50ms;
    greeting how;
    const auto open = [&] {
        return open_with(
            server, [&] { return server.greet(how).link; }, options);
    };
    SECTION("as many as the other peers have") {
        options.settle = 1h;
        how.vectors = 3;
        how.others = {2, 5};
        const auto got = open();
        REQUIRE(got.what.empty());
        CHECK(got.dev.vectors() == 3);
        CHECK(got.dev.capabilities().interrupts == 3);
    }
    SECTION("as many as arrive before the server is silent") {
        how.vectors = 4;
        CHECK(open().dev.vectors() == 4);
    }
    SECTION("as many as requested, and no more") {
        options.settle = 1h;
        options.vectors = 2;
        how.vectors = 4;
        CHECK(open().dev.vectors() == 2);
    }
    SECTION("fewer than requested is an error") {
        // On a busy machine the time can be over before the fourth vector has come.
        options.timeout = 50ms;
        options.vectors = 5;
        how.vectors = 4;
        std::string what;
        do {
            const auto got = open();
            check(got, server, errc::timed_out);
            what = got.what;
            options.timeout *= 2;
        } while (what.find("4 vectors so far") == std::string::npos && options.timeout < 20s);
        CHECK(what.find("4 vectors so far") != std::string::npos);
    }
}

TEST_CASE("a vector that the server made blocking does not block") {
    const deadline limit;
    const fake_server server;
    const auto vector = make_eventfd();
    const auto got = serve(server, [&](auto& to) {
        greet_to_memory(to);
        to.send(7, vector);
    });
    REQUIRE(got.dev.is_open());
    CHECK((::fcntl(vector.get(), F_GETFL) & O_NONBLOCK) != 0);
    auto dev = ivshmem::device{std::move(const_cast<ivshmem::device&>(got.dev))};
    CHECK(dev.take(0) == 0);
    // Any process that shares it can switch it back at any time.
    REQUIRE(::fcntl(vector.get(), F_SETFL, 0) == 0);
    CHECK(dev.take(0) == 0);
    CHECK_FALSE(dev.take_any().has_value());
}
