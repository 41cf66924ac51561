// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "helpers/catch.hpp"

#include <ivshmem/backend_kind.hpp>
#include <ivshmem/cache_mode.hpp>
#include <ivshmem/device_change.hpp>
#include <ivshmem/device_info.hpp>
#include <ivshmem/event.hpp>

using namespace ivshmem;

TEST_CASE("backends have names, which convert both ways") {
    CHECK(to_string(backend_kind::vfio) == "vfio");
    CHECK(to_string(backend_kind::uio) == "uio");
    CHECK(to_string(backend_kind::server) == "server");
    CHECK(to_string(backend_kind::shared) == "shared");
    for (const auto kind :
         {backend_kind::vfio, backend_kind::uio, backend_kind::server, backend_kind::shared})
        CHECK(parse_backend(to_string(kind)) == kind);
    for (const auto* wrong : {"", "VFIO", "vfio ", "vfio-pci", "unknown"})
        CHECK_FALSE(parse_backend(wrong).has_value());
}

TEST_CASE("cache modes, protocols, types and events have names") {
    CHECK(to_string(cache_mode::write_back) == "write-back");
    CHECK(to_string(cache_mode::write_combining) == "write-combining");
    CHECK(to_string(cache_mode::uncached) == "uncached");
    CHECK(to_string(device_generation::v1) == "v1");
    CHECK(to_string(device_generation::v2) == "v2");
    CHECK(to_string(device_type::unknown) == "unknown");
    CHECK(to_string(device_type::plain) == "plain");
    CHECK(to_string(device_type::doorbell) == "doorbell");
    CHECK(to_string(device_change::kind::added) == "added");
    CHECK(to_string(device_change::kind::removed) == "removed");
    CHECK(to_string(device_change::kind::changed) == "changed");
    CHECK(to_string(event::kind::peer_joined) == "peer joined");
    CHECK(to_string(event::kind::peer_left) == "peer left");
    CHECK(to_string(event::kind::server_gone) == "server gone");
    CHECK(to_string(event::kind::removal_requested) == "removal requested");
    CHECK(to_string(event::kind::device_error) == "device error");
    CHECK(to_string(event::kind::state_changed) == "state changed");
}

TEST_CASE("the bound driver decides on the backend") {
    device_info info;
    CHECK(backend_for(info) == backend_kind::uio);
    info.driver = "vfio-pci";
    CHECK(backend_for(info) == backend_kind::vfio);
    info.driver = "igb_uio";
    CHECK(backend_for(info) == backend_kind::uio);
    info.driver = "uio_pci_generic";
    CHECK(backend_for(info) == backend_kind::uio);
    info.driver = "e1000e";
    CHECK_FALSE(backend_for(info).has_value());
    info.driver.clear();
    info.generation = device_generation::v2;
    CHECK_FALSE(backend_for(info).has_value());
}

TEST_CASE("the flags of a BAR are those of linux/ioport.h") {
    const bar_info registers{0xfebd1000, 256, 0x40200};
    CHECK(registers.present());
    CHECK(registers.is_memory());
    CHECK_FALSE(registers.prefetchable());
    CHECK_FALSE(registers.is_64bit());
    const bar_info memory{0x100000000, 1U << 22U, 0x14220c};
    CHECK(memory.prefetchable());
    CHECK(memory.is_64bit());
    CHECK_FALSE(bar_info{}.present());
}
