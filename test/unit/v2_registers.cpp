// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "backends/v2_registers.hpp"

#include "helpers/catch.hpp"
#include "helpers/has.hpp"

#include <array>

using namespace ivshmem;
using test::has;

namespace {

struct made_up {
    std::array<std::uint32_t, 8> words{3, 4};
    v2_registers regs{words.data()};

    std::string refused(errc wanted) const {
        failure f;
        static_cast<void>(regs.identify("0000:00:0e.0", f));
        CHECK(f.code() == wanted);
        return f.message();
    }
};

} // namespace

TEST_CASE("registers of ivshmem-v2 are at the offsets of the specification") {
    made_up m;
    m.words[4] = 7;
    CHECK(m.regs.read(v2_registers::id) == 3);
    CHECK(m.regs.read(v2_registers::max_peers) == 4);
    CHECK(m.regs.read(v2_registers::state) == 7);
    CHECK(m.regs.write(v2_registers::int_control, 1));
    CHECK(m.words[2] == 1);
    CHECK(m.regs.mapped_doorbell() == &m.words[3]);
    failure f;
    const auto [id, max_peers] = m.regs.identify("0000:00:0e.0", f);
    CHECK_FALSE(f);
    CHECK(id == 3);
    CHECK(max_peers == 4);
    CHECK_FALSE(v2_registers{}.is_set());
}

TEST_CASE("an id or a number of peers that cannot be true") {
    made_up m;
    SECTION("the registers of v1: no peers") {
        m.words = {0, 0, 5};
        CHECK(has(m.refused(errc::sections_invalid), "Maximum Peers 0x0"));
    }
    SECTION("one peer") {
        m.words = {0, 1};
        m.refused(errc::sections_invalid);
    }
    SECTION("too many peers") {
        m.words = {0, 65537};
        m.refused(errc::sections_invalid);
    }
    SECTION("an id beyond the peers") {
        m.words = {4, 4};
        CHECK(has(m.refused(errc::sections_invalid), "ID reads 0x4"));
    }
    SECTION("as many as possible") {
        m.words = {65535, 65536};
        failure f;
        CHECK(m.regs.identify("", f).id == 65535);
        CHECK_FALSE(f);
    }
}
