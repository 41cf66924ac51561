// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors

// The programs that share a device are in C what they are in C++.

#include "helpers/catch.hpp"
#include "helpers/deadline.hpp"
#include "share/running_share.hpp"

#include <ivshmem/ivshmem.h>
#include <ivshmem/ivshmem.hpp>

#include <array>
#include <cerrno>
#include <string>

namespace {

/// A device in C, closed at the end.
struct device_in_c {
    explicit device_in_c(const std::string& which) {
        REQUIRE(ivshmem_device_open(which.c_str(), nullptr, &handle) == 0);
    }
    device_in_c(const device_in_c&) = delete;
    device_in_c& operator=(const device_in_c&) = delete;
    ~device_in_c() { ivshmem_device_close(handle); }

    ivshmem_device* handle = nullptr;
};

} // namespace

TEST_CASE("the programs that share a device are the same in C and in C++") {
    const test::deadline limit;
    const host::running_server server{{"-n", "2"}};
    host::running_share share{"server:" + server.socket()};
    auto in_cpp = share.open();
    static_cast<void>(in_cpp.interrupt_fd(1));
    const device_in_c in_c{"share:" + share.socket()};
    const auto expected = in_cpp.users();
    REQUIRE(expected.size() == 2);

    std::array<ivshmem_device_user, 3> users{};
    users[2].process = 99;
    std::size_t count = 0;
    REQUIRE(ivshmem_device_get_users(in_c.handle, users.data(), users.size(), &count) == 0);
    REQUIRE(count == 2);
    for (std::size_t i = 0; i < count; ++i) {
        CHECK(users.at(i).process == expected[i].process);
        CHECK(users.at(i).user == expected[i].user);
        CHECK(users.at(i).use == expected[i].use);
        CHECK_FALSE(expected[i].use.empty());
    }
    CHECK(users[2].process == 99);

    users[1].process = 99;
    REQUIRE(ivshmem_device_get_users(in_c.handle, users.data(), 1, &count) == 0);
    CHECK((count == 2 && users[1].process == 99));
    REQUIRE(ivshmem_device_get_users(in_c.handle, nullptr, 0, &count) == 0);
    CHECK(count == 2);
    CHECK(ivshmem_device_get_users(in_c.handle, nullptr, 1, &count) == -EINVAL);
    CHECK(ivshmem_device_get_users(in_c.handle, users.data(), 3, nullptr) == -EINVAL);
    CHECK(ivshmem_device_get_users(nullptr, users.data(), 3, &count) == -EINVAL);

    const device_in_c alone{"server:" + server.socket()};
    REQUIRE(ivshmem_device_get_users(alone.handle, users.data(), users.size(), &count) == 0);
    CHECK(count == 0);

    share.program().signal(SIGTERM);
    CHECK(share.program().wait() == 0);
    CHECK(ivshmem_device_get_users(in_c.handle, users.data(), 3, &count) == IVSHMEM_SERVER_CLOSED);
}
