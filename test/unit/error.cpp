// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "base/failure.hpp"
#include "helpers/catch.hpp"

#include <ivshmem/error.hpp>

#include <cctype>
#include <set>

using ivshmem::errc;

namespace {
constexpr int first = static_cast<int>(errc::sysfs_unavailable);
constexpr int last = static_cast<int>(errc::message_overwritten);
} // namespace

TEST_CASE("every error has its own message, short and in lower case") {
    std::set<std::string> seen;
    for (int value = first; value <= last; ++value) {
        const auto message = make_error_code(static_cast<errc>(value)).message();
        INFO(message);
        CHECK(message.size() > 10);
        CHECK(message.find('\n') == std::string::npos);
        CHECK(message.back() != '.');
        CHECK((std::isupper(static_cast<unsigned char>(message[0])) == 0 ||
               message.starts_with("IV")));
        CHECK(seen.insert(message).second);
    }
}

TEST_CASE("a value that is no errc still has a message") {
    for (const int value : {0, -1, last + 1, 10000}) {
        const std::error_code code{value, ivshmem::error_category()};
        CHECK(code.message() == "unknown ivshmem error " + std::to_string(value));
        CHECK(code.default_error_condition().value() == value);
    }
}

TEST_CASE("errors compare equal to the conditions of the standard that they document") {
    CHECK(make_error_code(errc::sysfs_unavailable) == std::errc::no_such_file_or_directory);
    CHECK(make_error_code(errc::device_not_found) == std::errc::no_such_device);
    CHECK(make_error_code(errc::bad_selector) == std::errc::invalid_argument);
    CHECK(make_error_code(errc::protocol_unsupported) == std::errc::not_supported);
    CHECK(make_error_code(errc::device_busy) == std::errc::device_or_resource_busy);
    CHECK(make_error_code(errc::permission_denied) == std::errc::permission_denied);
    CHECK(make_error_code(errc::locked_down) == std::errc::operation_not_permitted);
    CHECK(make_error_code(errc::cache_mode_unavailable) == std::errc::not_supported);
    CHECK(make_error_code(errc::position_timeout) == std::errc::timed_out);
    CHECK(make_error_code(errc::device_gone) == std::errc::no_such_device);
    CHECK(make_error_code(errc::device_removed) == std::errc::no_such_device);
    CHECK(make_error_code(errc::peer_out_of_range) == std::errc::invalid_argument);
    CHECK(make_error_code(errc::vector_out_of_range) == std::errc::invalid_argument);
    CHECK(make_error_code(errc::doorbell_unsupported) == std::errc::not_supported);
    CHECK(make_error_code(errc::interrupts_unsupported) == std::errc::not_supported);
    CHECK(make_error_code(errc::events_unsupported) == std::errc::not_supported);
    CHECK(make_error_code(errc::peers_unsupported) == std::errc::not_supported);
    CHECK(make_error_code(errc::server_version) == std::errc::protocol_not_supported);
    CHECK(make_error_code(errc::server_protocol) == std::errc::protocol_error);
    CHECK(make_error_code(errc::server_closed) == std::errc::connection_reset);
    CHECK(make_error_code(errc::descriptor_limit) == std::errc::too_many_files_open);
    CHECK(make_error_code(errc::closed) == std::errc::bad_file_descriptor);
    CHECK(make_error_code(errc::timed_out) == std::errc::timed_out);
    CHECK(make_error_code(errc::states_unsupported) == std::errc::not_supported);
    CHECK(make_error_code(errc::sections_unsupported) == std::errc::not_supported);
    CHECK(make_error_code(errc::sections_fixed) == std::errc::not_supported);
    CHECK(make_error_code(errc::group_not_viable) == errc::group_not_viable);
    CHECK_FALSE(make_error_code(errc::forked) == std::errc::timed_out);
}

TEST_CASE("the advice for a driver without interrupts names the drivers to bind") {
    const auto message = make_error_code(errc::interrupts_unsupported).message();
    CHECK(message.find("vfio-pci") != std::string::npos);
    CHECK(message.find("igb_uio") != std::string::npos);
}

TEST_CASE("an exception carries the message of the failure and its code") {
    ivshmem::failure f;
    f.raise(); // nothing failed
    f.set(errc::device_busy, "/dev/vfio/{}: is open in process {}", 7, 4711);
    REQUIRE(f);
    try {
        f.raise();
        FAIL("nothing was thrown");
    } catch (const ivshmem::error& e) {
        CHECK(std::string{e.what()} == "/dev/vfio/7: is open in process 4711");
        CHECK(e.code() == errc::device_busy);
    }
}
