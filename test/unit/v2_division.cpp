// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors

// Slots and channels on ivshmem-v2: "On ivshmem-v2" of channel-layout.md. The sections of others
// are mapped read-only, so a store into one ends the test.

#include "channel/v2_division.hpp"

#include "channel/layout.hpp"
#include "fake_v2.hpp"
#include "helpers/has.hpp"

#include <ivshmem/channel.hpp>
#include <ivshmem/service_directory.hpp>
#include <ivshmem/slot.hpp>
#include <ivshmem/slot_claim.hpp>
#include <ivshmem/slot_section.hpp>

#include <cstring>
#include <string>

using namespace ivshmem;
using test::has;

namespace {

std::string refused(errc wanted, const ivshmem::device& at, const slot_options& options) {
    try {
        static_cast<void>(slot::claim(at, options));
        FAIL("nothing was thrown");
    } catch (const error& e) {
        INFO(e.what());
        CHECK(e.code() == wanted);
        return e.what();
    }
    return {};
}

/// Two peers with a channel.
struct pair_of_peers {
    explicit pair_of_peers(test::v2_link& link)
        : first_device{link.open(0)}, second_device{link.open(1)}, first{slot::claim(first_device)},
          second{slot::claim(second_device)}, to_second{channel::open(first, 1, 0)},
          to_first{channel::open(second, 0, 0)} {
        meet();
    }
    void meet() {
        for (int i = 0; i < 3; ++i) {
            to_second.update();
            to_first.update();
        }
    }

    ivshmem::device first_device;
    ivshmem::device second_device;
    slot first;
    slot second;
    channel to_second;
    channel to_first;
};

bool send(channel& over, std::string_view text) {
    return over.try_send(std::as_bytes(std::span{text}));
}

std::string receive(channel& over) {
    std::string text(100, ' ');
    const auto size = over.try_receive(std::as_writable_bytes(std::span{text}));
    return size ? text.substr(0, *size) : "nothing";
}

} // namespace

TEST_CASE("on ivshmem-v2 the slot is the id, and claiming takes no time") {
    test::v2_link link{3};
    auto device = link.open(2);
    slot_claim claim{device, {}, GENERATE(slot_claim::of::one_slot, slot_claim::of::free_slot)};
    std::error_code ec;
    CHECK(claim.step(ec).count() == 0);
    REQUIRE_FALSE(ec);
    auto held = claim.take();
    CHECK(held.number() == 2);
    CHECK(held.geometry().slots == 3);
    CHECK(held.region() == memory_region{0, 3 * 65536});
    CHECK(region_needed(held.geometry()) <= held.region().size / 8 * 7);
    CHECK(held.application_memory().data() == device.memory().data());
    CHECK(link.state_of(2) == 1);
    std::uint32_t magic = 0;
    std::memcpy(&magic, device.output_section().data(), sizeof magic);
    CHECK(magic == layout::magic);
    CHECK(has(refused(errc::slot_in_use, device, {}), "this process holds slot 2"));
    CHECK(find_slot_sections(device.output_sections()) ==
          std::vector{slot_section{2, 3, 2 * 65536, 65536, true, 2}});
    held.close();
    CHECK(link.state_of(2) == 0);
    CHECK(slot::claim(device, {.number = 2}).is_open());
}

TEST_CASE("a state that the program has set stays") {
    test::v2_link link{2};
    auto device = link.open(0);
    device.set_state(7);
    auto held = slot::claim(device);
    CHECK(link.state_of(0) == 7);
    held.close();
    CHECK(link.state_of(0) == 7);
}

TEST_CASE("what the device decides cannot be chosen") {
    test::v2_link link{3};
    const auto device = link.open(1);
    CHECK(has(refused(errc::sections_fixed, device, {.number = 0}), "the device's id, 1"));
    CHECK(
        has(refused(errc::sections_fixed, device, {.region = memory_region{0, 65536}}), "region"));
    CHECK(has(refused(errc::sections_fixed, device, {.geometry = region_geometry{4, 1, 1024}}),
              "has 3"));
    CHECK(has(refused(errc::region_too_small, device, {.geometry = region_geometry{3, 4, 65536}}),
              "the device has 65536"));
    refused(errc::bad_geometry, device, {.geometry = region_geometry{3, 0, 1024}});
    CHECK(link.state_of(1) == 0);
    test::v2_link none{2, 0};
    refused(errc::region_too_small, none.open(0), {});
}

TEST_CASE("a device with more peers than a geometry has slots") {
    test::v2_link link{300, 2 << 20};
    const auto last = link.open(255);
    CHECK(slot::claim(last).geometry().slots == 256);
    CHECK(has(refused(errc::slot_out_of_range, link.open(256), {}), "0 to 255"));
}

TEST_CASE("peers agree on lanes and rings") {
    test::v2_link link{3};
    const auto first = link.open(0);
    const auto second = link.open(1);
    const region_geometry small{3, 2, 2048};
    const region_geometry other{3, 1, 1024};
    const auto held = slot::claim(first, {.geometry = small});
    SECTION("a newcomer takes those of a peer that is there") {
        CHECK(slot::claim(second).geometry() == small);
    }
    SECTION("or fails, if it insists on others") {
        CHECK(has(refused(errc::geometry_mismatch, second, {.geometry = other}),
                  "the peer 0 has 2 lanes and rings of 2048 bytes"));
        CHECK(link.state_of(1) == 0);
        const auto alone = slot::claim(second, {.geometry = other, .reformat = true});
        CHECK(alone.holders().empty());
    }
    SECTION("what a peer left behind does not count once its state is 0") {
        link.set_state(0, 0);
        CHECK(slot::claim(second).geometry().ring_size > 2048);
    }
    SECTION("a header that the device contradicts does not count") {
        link.all.bytes()[8192 + layout::header::slot] = std::byte{1};
        CHECK(slot::claim(second).geometry().ring_size > 2048);
    }
}

TEST_CASE("messages on ivshmem-v2") {
    test::v2_link link{3};
    pair_of_peers peers{link};
    CHECK(peers.to_second.state() == channel_state::connected);
    CHECK(peers.to_first.state() == channel_state::connected);
    CHECK(send(peers.to_second, "there"));
    CHECK(receive(peers.to_first) == "there");
    CHECK(send(peers.to_first, "and back"));
    CHECK(receive(peers.to_second) == "and back");
    CHECK(peers.first.find_holder(1)->peer == 1);
    CHECK_FALSE(peers.first.find_holder(2));
}

TEST_CASE("a peer whose state becomes 0 is lost, and what it sent before can be received") {
    test::v2_link link{2};
    pair_of_peers peers{link};
    CHECK(send(peers.to_first, "last words"));
    link.set_state(1, 0); // as the hypervisor does when the VM ends
    CHECK(peers.to_second.update() == channel_state::lost);
    CHECK(receive(peers.to_second) == "last words");
    CHECK_FALSE(peers.first.find_holder(1));
    std::error_code ec;
    CHECK_FALSE(peers.to_second.try_send({}, ec));
    CHECK(ec == errc::peer_lost);
    peers.to_second.reopen();
    CHECK(peers.to_second.update() == channel_state::opening);

    // The peer comes back.
    peers.to_first.close();
    peers.second.close();
    peers.second = slot::claim(peers.second_device);
    peers.to_first = channel::open(peers.second, 0, 0);
    peers.meet();
    CHECK(send(peers.to_first, "again"));
    CHECK(receive(peers.to_second) == "again");
}

TEST_CASE("a peer that leaves in order is not lost") {
    test::v2_link link{2};
    pair_of_peers peers{link};
    CHECK(send(peers.to_first, "bye"));
    peers.to_first.close();
    peers.second.close();
    CHECK(link.state_of(1) == 0);
    CHECK(peers.to_second.update() == channel_state::connected);
    CHECK(receive(peers.to_second) == "bye");
    std::error_code ec;
    CHECK_FALSE(peers.to_second.try_receive({}, ec));
    CHECK(ec == errc::channel_closed);
}

TEST_CASE("services on ivshmem-v2 are those of peers that are there") {
    test::v2_link link{2};
    auto first = link.open(0);
    auto second = link.open(1);
    const auto offering = slot::claim(first);
    const auto asking = slot::claim(second);
    service_directory offers{offering};
    const auto key = offers.offer("echo");
    const service_directory finds{asking};
    CHECK(finds.find_service("echo").key == key);
    link.set_state(0, 0);
    std::error_code ec;
    static_cast<void>(finds.find_service("echo", {}, ec));
    CHECK(ec == errc::service_unknown);
}
