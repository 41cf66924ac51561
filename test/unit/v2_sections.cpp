// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "backends/v2_sections.hpp"

#include "base/unique_fd.hpp"
#include "helpers/catch.hpp"
#include "helpers/has.hpp"

#include <csetjmp>
#include <csignal>
#include <limits>

#include <sys/mman.h>
#include <unistd.h>

using namespace ivshmem;
using test::has;

namespace {

std::string refused_sizes(const v2_layout& layout, std::uint32_t peers) {
    failure f;
    CHECK(check_v2_sizes("0000:00:0e.0", layout, peers, f) == 0);
    CHECK(f.code() == errc::sections_invalid);
    CHECK(has(f.message(), "0000:00:0e.0"));
    return f.message();
}

std::jmp_buf faulted; // NOLINT

/// Whether a store raises SIGSEGV.
bool faults(std::byte& at) {
    struct sigaction before {};
    struct sigaction caught {};
    caught.sa_handler = [](int) {
        std::longjmp(faulted, 1);
    };
    caught.sa_flags = SA_NODEFER;
    ::sigaction(SIGSEGV, &caught, &before);
    volatile bool result = true;
    if (setjmp(faulted) == 0) {
        static_cast<volatile std::byte&>(at) = std::byte{1};
        result = false;
    }
    ::sigaction(SIGSEGV, &before, nullptr);
    return result;
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
    const v2_layout layout{4096, 4096, 8192, {}};
    const unique_fd memory{::memfd_create("v2", MFD_CLOEXEC)};
    constexpr std::size_t size = 8192 + 3 * 8192;
    REQUIRE(::ftruncate(memory.get(), size) == 0);
    const mapping all{memory.get(), size, 0};
    failure f;
    const std::uint16_t own = GENERATE(std::uint16_t{0}, std::uint16_t{1}, std::uint16_t{2});
    const auto sections = divide_v2_memory("0000:00:0e.0", all, layout, 3, own, f);
    REQUIRE_FALSE(f);
    CHECK(sections.states.size() == 4096);
    CHECK(sections.read_write.size() == 4096);
    CHECK(sections.outputs.size() == 3 * 8192);
    CHECK(sections.read_write.data() == all.bytes().data() + 4096);
    CHECK(sections.outputs.data() == all.bytes().data() + 8192);
    CHECK(faults(all.bytes()[0]));
    CHECK_FALSE(faults(sections.read_write.front()));
    CHECK_FALSE(faults(sections.read_write.back()));
    for (std::uint16_t peer = 0; peer < 3; ++peer) {
        CHECK(faults(sections.outputs[peer * 8192U]) == (peer != own));
        CHECK(faults(sections.outputs[peer * 8192U + 8191]) == (peer != own));
    }
}
