// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "backends/v2_sections.hpp"

#include "base/unique_fd.hpp"
#include "helpers/catch.hpp"
#include "helpers/has.hpp"
#include "helpers/store_faults.hpp"

#include <limits>
#include <memory>
#include <vector>

#include <sys/mman.h>
#include <unistd.h>

using namespace ivshmem;
using test::has;
using test::store_faults;

namespace {

std::string refused_sizes(const v2_layout& layout, std::uint32_t peers) {
    failure f;
    CHECK(check_v2_sizes("0000:00:0e.0", layout, peers, f) == 0);
    CHECK(f.code() == errc::sections_invalid);
    CHECK(has(f.message(), "0000:00:0e.0"));
    return f.message();
}

} // namespace

TEST_CASE("sizes of sections that are possible") {
    failure f;
    CHECK(check_v2_sizes("", {4096, 0, 0, {}}, 1024, f) == 4096);
    CHECK(check_v2_sizes("", {4096, 8192, 65536, {}}, 3, f) == 4096 + 8192 + 3 * 65536);
    CHECK_FALSE(f);
}

TEST_CASE("sizes of sections that are not") {
    CHECK(has(refused_sizes({4100, 0, 4096, {}}, 2), "0x1004 is no multiple of a page"));
    CHECK(has(refused_sizes({4096, 1, 4096, {}}, 2), "no multiple"));
    CHECK(has(refused_sizes({4096, 0, 100, {}}, 2), "no multiple"));
    CHECK(has(refused_sizes({0, 0, 4096, {}}, 2), "too small"));
    CHECK(has(refused_sizes({4096, 0, 4096, {}}, 1025), "too small"));
    constexpr std::uint64_t huge = std::numeric_limits<std::uint64_t>::max() - 4095;
    CHECK(has(refused_sizes({4096, huge, 4096, {}}, 2), "more than this process can map"));
    CHECK(has(refused_sizes({4096, 0, huge, {}}, 2), "more than this process can map"));
    CHECK(
        has(refused_sizes({4096, 0, 0x7ffffffffffff000, {}}, 2), "more than this process can map"));
}

TEST_CASE("a process can write to the read/write section and its own section only") {
    const bool shared = GENERATE(true, false);
    const v2_layout layout{4096, shared ? 4096U : 0U, 8192, {}};
    const unique_fd memory{::memfd_create("v2", MFD_CLOEXEC)};
    const std::uint64_t outputs = 4096 + layout.read_write;
    REQUIRE(::ftruncate(memory.get(), static_cast<off_t>(outputs + 3 * 8192)) == 0);
    const std::uint16_t own = GENERATE(std::uint16_t{0}, std::uint16_t{1}, std::uint16_t{2});
    std::vector<std::unique_ptr<mapping>> owned;
    std::vector<const mapping*> maps;
    for (const auto& [part, protection] : v2_parts(layout, 3, own)) {
        owned.push_back(std::make_unique<mapping>(memory.get(), static_cast<std::size_t>(part.size),
                                                  static_cast<off_t>(part.offset), protection));
        maps.push_back(owned.back().get());
    }
    const auto sections = v2_sections_in(layout, maps);
    CHECK(sections.states.size() == 4096);
    CHECK(sections.read_write.size() == layout.read_write);
    CHECK(sections.outputs.size() == 3 * 8192);
    CHECK(sections.output.size() == 8192);
    CHECK(store_faults(&sections.states.front()));
    CHECK(store_faults(&sections.outputs.front()));
    CHECK(store_faults(&sections.outputs.back()));
    CHECK_FALSE(store_faults(&sections.output.front()));
    CHECK_FALSE(store_faults(&sections.output.back()));
    if (shared)
        CHECK_FALSE(store_faults(&sections.read_write.back()));
    sections.output.front() = std::byte{1};
    std::byte seen{};
    CHECK(::pread(memory.get(), &seen, 1, static_cast<off_t>(outputs + own * 8192U)) == 1);
    CHECK(seen == std::byte{1});
    CHECK(sections.outputs[own * 8192U] == std::byte{1});
}
