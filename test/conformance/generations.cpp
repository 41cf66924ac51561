// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "alone.hpp"
#include "helpers/store_faults.hpp"

#include <ivshmem/shared_memory.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <system_error>

// What only one generation of the device has.
namespace conformance {

namespace {

using ivshmem::errc;

void state_checks(ivshmem::device& dev, report& r) {
    r.check("state", [&] {
        expect(dev.state() == 0, "it is " + std::to_string(dev.state()) + " after opening");
        for (const std::uint32_t value : {1U, 0x80000000U, ~0U, 7U, 0U}) {
            dev.set_state(value);
            expect(dev.state() == value, "the register does not hold the written value");
            expect(dev.peer_state(dev.id()) == value, "the table does not hold the written value");
        }
    });
    r.check("state.of-peers", [&] {
        for (std::uint32_t peer = 0; peer < dev.max_peers(); ++peer)
            static_cast<void>(dev.peer_state(peer));
        expect_error(errc::peer_out_of_range, "a peer too many",
                     [&](auto& ec) { static_cast<void>(dev.peer_state(dev.max_peers(), ec)); });
    });
    r.check("state.no-event-of-ones-own", [&] {
        dev.set_state(3);
        std::error_code ec;
        const auto event = dev.next_event(ec);
        expect(!event, "an event");
        dev.set_state(0);
    });
}

void section_checks(ivshmem::device& dev, report& r) {
    r.check("sections", [&] {
        const auto own = dev.output_section();
        const auto all = dev.output_sections();
        expect(all.size() == own.size() * dev.max_peers(), "not all are of one size");
        if (!own.empty()) {
            own.back() = std::byte{42};
            ivshmem::shared_memory::publish();
            expect(dev.output_section(dev.id()).back() == std::byte{42},
                   "the own one is elsewhere");
        }
        expect(dev.output_section(0).data() == all.data(), "that of id 0 is not the first");
        expect_error(errc::peer_out_of_range, "a peer too many",
                     [&](auto& ec) { static_cast<void>(dev.output_section(dev.max_peers(), ec)); });
    });
    r.check("sections.of-peers-are-read-only", [&] {
        for (std::uint32_t peer = 0; peer < dev.max_peers(); ++peer) {
            const auto section = dev.output_section(peer);
            if (!section.empty())
                expect(test::store_faults(&section.back()), "that of peer " + std::to_string(peer));
        }
    });
}

} // namespace

void v1_checks(ivshmem::device& dev, report& r) {
    r.check("v1.lacks", [&] {
        expect(dev.max_peers() == 65536 && !dev.protocol(), "it has the facts of v2");
        const auto states = errc::states_unsupported;
        const auto sections = errc::sections_unsupported;
        expect_error(states, "state", [&](auto& ec) { (void)dev.state(ec); });
        expect_error(states, "set_state", [&](auto& ec) { dev.set_state(1, ec); });
        expect_error(states, "peer_state", [&](auto& ec) { (void)dev.peer_state(0, ec); });
        expect_error(sections, "own section", [&](auto& ec) { (void)dev.output_section(ec); });
        expect_error(sections, "a section", [&](auto& ec) { (void)dev.output_section(0, ec); });
        expect_error(sections, "sections", [&](auto& ec) { (void)dev.output_sections(ec); });
    });
}

void v2_checks(ivshmem::device& dev, report& r) {
    r.check("v2.facts", [&] {
        expect(dev.max_peers() >= 2 && dev.id() < dev.max_peers(), "an id beyond the peers");
        expect(dev.protocol().has_value(), "no protocol");
    });
    state_checks(dev, r);
    section_checks(dev, r);
}

} // namespace conformance
