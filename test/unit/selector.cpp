// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "helpers/catch.hpp"

#include <ivshmem/error.hpp>
#include <ivshmem/selector.hpp>

#include <vector>

using namespace ivshmem;

namespace {

device_info device(std::uint8_t slot, std::uint64_t size, const char* driver = "") {
    device_info info;
    info.address = {0, 0, slot, 0};
    info.bars[2].size = size;
    info.driver = driver;
    return info;
}

std::vector<device_info> three_devices() {
    constexpr std::uint64_t mib = 1U << 20U;
    std::vector devices{device(4, 4 * mib, "vfio-pci"), device(5, 4 * mib), device(6, 16 * mib)};
    devices[1].acrn_region = 1;
    devices[2].acrn_region = 2;
    return devices;
}

std::string message_of(const selector& which, const std::vector<device_info>& devices) {
    try {
        (void)which.choose(devices);
    } catch (const error& e) {
        return e.what();
    }
    return {};
}

} // namespace

TEST_CASE("each form parses to its meaning and converts back to its text") {
    for (const auto* text :
         {"0000:00:04.0", "index:0", "index:17", "region:65535", "size:1", "size:3K", "size:4M",
          "size:1G", "size:4097", "any", "server:/run/ivshmem.sock", "server:relative path"}) {
        INFO(text);
        CHECK(selector{text}.text() == text);
    }
    CHECK(selector{"00:04.0"}.text() == "0000:00:04.0");
    CHECK(selector{"region:0x10"}.text() == "region:16");
    CHECK(selector{"size:0x400"}.text() == "size:1K");
    CHECK(selector{"size:1024m"}.text() == "size:1G");
    CHECK(selector{}.text() == "any");
    CHECK(std::get<selector::size_is>(selector{"size:2G"}.what()).bytes == 1ULL << 31U);
}

TEST_CASE("any other text is refused, with a list of the forms") {
    for (const auto* text : {"",
                             " ",
                             "ANY",
                             "index",
                             "index:",
                             "index:-1",
                             "index:1x",
                             "region:65536",
                             "region:",
                             "size:",
                             "size:0",
                             "size:K",
                             "size:1T",
                             "size:1 M",
                             "size:-1",
                             "size:18446744073709551615K",
                             "size:18446744073709551616",
                             "server:",
                             "server",
                             "/run/ivshmem.sock",
                             "04.0"}) {
        INFO(text);
        std::error_code ec;
        CHECK(selector::parse(text, ec).text() == "any");
        CHECK(ec == errc::bad_selector);
        CHECK_THROWS_AS(selector{text}, error);
    }
    try {
        (void)selector::parse("size:many");
        FAIL("nothing was thrown");
    } catch (const error& e) {
        const std::string what = e.what();
        CHECK(what.starts_with("\"size:many\": "));
        CHECK(what.find("region:N") != std::string::npos);
    }
}

TEST_CASE("a parse that succeeds clears the error code") {
    std::error_code ec = make_error_code(errc::closed);
    CHECK(selector::parse("index:1", ec).text() == "index:1");
    CHECK_FALSE(ec);
}

TEST_CASE("devices are chosen by address, index, region and size") {
    const auto devices = three_devices();
    CHECK(&selector{"00:05.0"}.choose(devices) == &devices[1]);
    CHECK(&selector::index(2).choose(devices) == &devices[2]);
    CHECK(&selector::region(1).choose(devices) == &devices[1]);
    CHECK(&selector::size(16U << 20U).choose(devices) == &devices[2]);
    CHECK(&selector{}.choose(std::span{devices}.first(1)) == &devices[0]);
    std::error_code ec = make_error_code(errc::closed);
    CHECK(selector::index(0).choose(devices, ec) == &devices[0]);
    CHECK_FALSE(ec);
}

TEST_CASE("ambiguity lists the candidates") {
    const auto devices = three_devices();
    std::error_code ec;
    CHECK(selector{"any"}.choose(devices, ec) == nullptr);
    CHECK(ec == errc::device_ambiguous);
    CHECK(message_of("size:4M", devices) ==
          "size:4M: 2 devices match: 0000:00:04.0 (4 MiB, vfio-pci), 0000:00:05.0 (4 MiB, no "
          "driver); name one by its address");
}

TEST_CASE("no match lists the present devices") {
    const auto devices = three_devices();
    std::error_code ec;
    CHECK(selector::index(3).choose(devices, ec) == nullptr);
    CHECK(ec == errc::device_not_found);
    CHECK(message_of("00:07.0", devices).find("there is 0000:00:04.0") != std::string::npos);
    CHECK(message_of("any", {}).find("has no ivshmem device") != std::string::npos);
}

TEST_CASE("a server is not a PCI device") {
    std::error_code ec;
    CHECK(selector::server("/run/s").choose(three_devices(), ec) == nullptr);
    CHECK(ec == errc::bad_selector);
}

TEST_CASE("another function at the address is named by its ids") {
    discovery found;
    found.others.push_back({{0, 0, 5, 0}, 0x8086, 0x1110});
    std::error_code ec;
    CHECK(selector{"00:05.0"}.choose(found, ec) == nullptr);
    CHECK(ec == errc::device_not_found);
    try {
        static_cast<void>(selector{"00:05.0"}.choose(found));
        FAIL("nothing was thrown");
    } catch (const error& e) {
        CHECK(std::string{e.what()}.find("is the PCI device 8086:1110") != std::string::npos);
    }
    found.devices = three_devices();
    CHECK(&selector{"00:05.0"}.choose(found) == &found.devices[1]);
}
