// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "backends/memtype.hpp"

#include "fake_tree.hpp"

using namespace ivshmem;

namespace {

constexpr std::uint64_t start = 0x800000000;
constexpr std::uint64_t size = 0x400000;

/// The output of Linux 6.1 (arch/x86/mm/pat/memtype.c, memtype_seq_show()).
constexpr const char* pat_head =
    "PAT memtype list:\n"
    "PAT: [mem 0x00000000000f0000-0x0000000000100000] write-back\n"
    "PAT: [mem 0x00000000fed00000-0x00000000fed01000] uncached-minus\n";

std::optional<cache_mode> with_pat(const std::string& text, std::uint64_t at = start) {
    const test::fake_tree tree{{}};
    test::fake_tree::write(tree.root / "sys/kernel/debug/x86/pat_memtype_list", text);
    return mapped_memtype(tree.root, at);
}

std::optional<bool> with_mtrr(const std::string& text) {
    const test::fake_tree tree{{}};
    test::fake_tree::write(tree.root / "proc/mtrr", text);
    return mtrr_forbids_write_back(tree.root, start, size);
}

} // namespace

TEST_CASE("pat_memtype_list: every type the kernel names") {
    const auto typed = [](const std::string& type) {
        return with_pat(pat_head +
                        ("PAT: [mem 0x0000000800000000-0x0000000800400000] " + type + "\n"));
    };
    CHECK(typed("write-back") == cache_mode::write_back);
    CHECK(typed("write-combining") == cache_mode::write_combining);
    CHECK(typed("uncached-minus") == cache_mode::uncached);
    CHECK(typed("uncached") == cache_mode::uncached);
    CHECK(typed("write-through") == cache_mode::uncached);
}

TEST_CASE("pat_memtype_list: the range and no other") {
    const std::string line = "PAT: [mem 0x0000000800000000-0x0000000800400000] write-back\n";
    CHECK(with_pat(pat_head + line, start + size - 1) == cache_mode::write_back);
    CHECK_FALSE(with_pat(pat_head + line, start + size).has_value());
    CHECK_FALSE(with_pat(pat_head + line, start - 1).has_value());
    CHECK_FALSE(with_pat("").has_value());
    CHECK_FALSE(with_pat("garbage\nPAT: [mem 0x-\nPAT: [mem 0x1-0x2]\n\n").has_value());
    const test::fake_tree tree{{}};
    CHECK_FALSE(mapped_memtype(tree.root, start).has_value());
}

TEST_CASE("/proc/mtrr: SeaBIOS covers 3 to 4 GiB only") {
    CHECK(with_mtrr("reg00: base=0x0c0000000 ( 3072MB), size= 1024MB, count=1: uncachable\n") ==
          false);
}

TEST_CASE("/proc/mtrr: OVMF covers the 64-bit window") {
    const std::string low =
        "reg00: base=0x080000000 ( 2048MB), size= 2048MB, count=1: uncachable\n";
    CHECK(
        with_mtrr(low + "reg01: base=0x800000000 (32768MB), size=32768MB, count=1: uncachable\n") ==
        true);
    // The end of another range, and the beginning.
    CHECK(with_mtrr("reg01: base=0x7c0000000 (31744MB), size= 1024MB, count=1: uncachable\n") ==
          false);
    CHECK(with_mtrr("reg01: base=0x800400000 (32772MB), size=    4MB, count=1: uncachable\n") ==
          false);
    CHECK(with_mtrr("reg01: base=0x8003ff000 (32771MB), size=    4KB, count=1: uncachable\n") ==
          true);
    CHECK(with_mtrr("reg01: base=0x800000000 (32768MB), size=32768MB, count=1: write-back\n") ==
          false);
    CHECK(with_mtrr("reg01: base=0x800000000 (32768MB), size=32768MB, count=1: "
                    "write-combining\n") == true);
}

TEST_CASE("/proc/mtrr: nothing to read, or nonsense") {
    const test::fake_tree tree{{}};
    CHECK_FALSE(mtrr_forbids_write_back(tree.root, start, size).has_value());
    CHECK(with_mtrr("") == false);
    CHECK(with_mtrr("reg\nreg00: base=0x\nreg01: base=0x800000000\n") == false);
}
