// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors

// The mapping of BAR2, through a device without a driver.

#include "fake_tree.hpp"
#include "helpers/has.hpp"

#include <ivshmem/error.hpp>
#include <ivshmem/slot.hpp>

using ivshmem::cache_mode;
using ivshmem::errc;
using test::fake_tree;
using test::has;

namespace {

constexpr std::uint64_t low = 0xfe000000;
constexpr std::uint64_t high = 0x800000000;

/// Creates a /dev/mem that reaches up to BAR2.
void add_dev_mem(const fake_tree& tree) {
    fake_tree::write(tree.root / "dev/mem", "");
    std::filesystem::resize_file(tree.root / "dev/mem", high + fake_tree::bar2_bytes);
}

void add_memtype(const fake_tree& tree, const std::string& type) {
    fake_tree::write(tree.root / "sys/kernel/debug/x86/pat_memtype_list",
                     "PAT memtype list:\n"
                     "PAT: [mem 0x00000000fe000000-0x00000000fe010000] " +
                         type + "\nPAT: [mem 0x0000000800000000-0x0000000800010000] " + type +
                         "\n");
}

fake_tree::shape at(std::uint64_t bar2) {
    fake_tree::shape how;
    how.bar2 = bar2;
    return how;
}

} // namespace

TEST_CASE("below 4 GiB the best mode is write-combining, with a reason") {
    const fake_tree tree{at(low)};
    add_dev_mem(tree);
    auto dev = tree.open();
    CHECK(dev.memory().mode() == cache_mode::write_combining);
    CHECK(dev.memory().size() == fake_tree::bar2_bytes);
    CHECK(has(dev.memory().reason(), "resource2_wc"));
    CHECK(has(dev.memory().reason(), "not verified"));
    CHECK(has(dev.memory().reason(), "not write-back"));
    dev.memory()[100] = std::byte{'x'};
    CHECK(fake_tree::read(tree.pci / "resource2_wc")[100] == 'x');
}

#if defined(__x86_64__)
TEST_CASE("above 4 GiB the best mode is write-back, through /dev/mem") {
    const fake_tree tree{at(high)};
    add_dev_mem(tree);
    SECTION("not verified") {
        auto dev = tree.open();
        CHECK(dev.memory().mode() == cache_mode::write_back);
        CHECK(has(dev.memory().reason(), "dev/mem"));
        CHECK(has(dev.memory().reason(), "not verified"));
        dev.memory()[1] = std::byte{'x'};
        std::ifstream mem{tree.root / "dev/mem", std::ios::binary};
        mem.seekg(high + 1);
        CHECK(mem.get() == 'x');
    }
    SECTION("verified") {
        add_memtype(tree, "write-back");
        const auto dev = tree.open();
        CHECK(dev.memory().mode() == cache_mode::write_back);
        CHECK_FALSE(has(dev.memory().reason(), "not verified"));
    }
    SECTION("the MTRRs allow it") {
        fake_tree::write(tree.root / "proc/mtrr",
                         "reg00: base=0x0c0000000 ( 3072MB), size= 1024MB, count=1: uncachable\n");
        CHECK(tree.open().memory().mode() == cache_mode::write_back);
    }
    SECTION("the MTRRs forbid it") {
        fake_tree::write(tree.root / "proc/mtrr",
                         "reg00: base=0x800000000 (32768MB), size=32768MB, count=1: uncachable\n");
        const auto dev = tree.open();
        CHECK(dev.memory().mode() == cache_mode::write_combining);
        CHECK(has(dev.memory().reason(), "/proc/mtrr"));
    }
    SECTION("the kernel chose another mode") {
        add_memtype(tree, "uncached-minus");
        const auto dev = tree.open();
        CHECK(dev.memory().mode() == cache_mode::uncached);
        CHECK(has(dev.memory().reason(), "not write-back"));
    }
}

TEST_CASE("requiring write-back above 4 GiB") {
    fake_tree tree{at(high)};
    tree.options.cache = cache_mode::write_back;
    SECTION("granted") {
        add_dev_mem(tree);
        CHECK(tree.open().memory().mode() == cache_mode::write_back);
    }
    SECTION("there is no /dev/mem") {
        CHECK(has(tree.fail(errc::cache_mode_unavailable), "dev/mem"));
    }
    SECTION("an MTRR forbids it") {
        add_dev_mem(tree);
        fake_tree::write(tree.root / "proc/mtrr",
                         "reg00: base=0x800000000 (32768MB), size=32768MB, count=1: uncachable\n");
        CHECK(has(tree.fail(errc::cache_mode_unavailable), "/proc/mtrr"));
    }
    SECTION("/dev/mem may not be opened") {
        add_dev_mem(tree);
        std::filesystem::permissions(tree.root / "dev/mem", std::filesystem::perms::none);
        for (const auto* file : {"enable", "resource0", "resource2", "resource2_wc"})
            std::filesystem::permissions(tree.pci / file, std::filesystem::perms::all);
        std::filesystem::permissions(tree.root, std::filesystem::perms::all);
        const test::as_nobody nobody;
        CHECK(has(tree.fail(errc::permission_denied), "dev/mem"));
        tree.options.cache.reset();
        const auto dev = tree.open();
        CHECK(dev.memory().mode() == cache_mode::write_combining);
        CHECK(has(dev.memory().reason(), "Permission denied"));
    }
}
#endif

TEST_CASE("requiring a mode") {
    fake_tree tree{at(low)};
    SECTION("write-back, refused below 4 GiB") {
        tree.options.cache = cache_mode::write_back;
        const auto what = tree.fail(errc::cache_mode_unavailable);
        CHECK(has(what, "0000:00:04.0"));
        CHECK(has(what, "write-back"));
    }
    SECTION("uncached, although a better mode is available") {
        tree.options.cache = cache_mode::uncached;
        CHECK(tree.open().memory().mode() == cache_mode::uncached);
    }
    SECTION("write-combining") {
        tree.options.cache = cache_mode::write_combining;
        CHECK(tree.open().memory().mode() == cache_mode::write_combining);
    }
    SECTION("write-combining of a BAR that is not prefetchable") {
        std::filesystem::remove(tree.pci / "resource2_wc");
        tree.options.cache = cache_mode::write_combining;
        CHECK(has(tree.fail(errc::cache_mode_unavailable), "write-combining"));
    }
    SECTION("write-combining after an uncached mapping") {
        add_memtype(tree, "uncached-minus");
        tree.options.cache = cache_mode::write_combining;
        CHECK(has(tree.fail(errc::cache_mode_unavailable), "made the range uncached first"));
        tree.options.cache.reset();
        CHECK(tree.open().memory().mode() == cache_mode::uncached);
    }
}

TEST_CASE("without resource2_wc the memory is uncached") {
    const fake_tree tree{at(low)};
    std::filesystem::remove(tree.pci / "resource2_wc");
    const auto dev = tree.open();
    CHECK(dev.memory().mode() == cache_mode::uncached);
    CHECK(has(dev.memory().reason(), "not write-combining"));
}

TEST_CASE("memory that cannot be mapped") {
    fake_tree tree{at(low)};
    std::filesystem::remove(tree.pci / "resource2_wc");
    SECTION("there is no file at all") {
        std::filesystem::remove(tree.pci / "resource2");
        const auto what = tree.fail(errc::bar_missing);
        CHECK(has(what, "0000:00:04.0"));
    }
    SECTION("mmap fails as for a BAR that is claimed") {
        std::filesystem::remove(tree.pci / "resource2");
        std::filesystem::create_symlink("/dev/null", tree.pci / "resource2");
        CHECK(has(tree.fail(std::errc::no_such_device), "resource2"));
    }
    SECTION("this user may not open it") {
        for (const auto* file : {"enable", "resource0"})
            std::filesystem::permissions(tree.pci / file, std::filesystem::perms::all);
        std::filesystem::permissions(tree.root, std::filesystem::perms::all);
        std::filesystem::permissions(tree.pci / "resource2", std::filesystem::perms::none);
        const test::as_nobody nobody;
        CHECK(has(tree.fail(errc::permission_denied), "resource2"));
    }
}

TEST_CASE("only a part is mapped") {
    fake_tree tree{at(low)};
    fake_tree::write(tree.pci / "resource2_wc", std::string(4096, 'a') + std::string(4096, 'b') +
                                                    std::string(fake_tree::bar2_bytes - 8192, 'c'));
    tree.options.part = {4096, 8192};
    const auto dev = tree.open();
    CHECK(dev.memory().size() == 8192);
    CHECK(static_cast<char>(dev.memory()[0]) == 'b');
    CHECK(static_cast<char>(dev.memory()[4096]) == 'c');
    CHECK(dev.info()->memory_size() == fake_tree::bar2_bytes);
    std::error_code ec;
    CHECK_FALSE(ivshmem::slot::claim(dev, {}, ec).is_open()); // it would write to a wrong place
    CHECK(ec == std::errc::invalid_argument);
    for (const ivshmem::memory_region bad :
         {ivshmem::memory_region{0, fake_tree::bar2_bytes + 1},
          ivshmem::memory_region{fake_tree::bar2_bytes, 4096}, ivshmem::memory_region{4096, 0}}) {
        tree.options.part = bad;
        CHECK(has(tree.fail(std::make_error_condition(std::errc::invalid_argument)),
                  "open_options::part"));
    }
}

TEST_CASE("files that are shorter than the memory are not mapped") {
    const fake_tree tree{at(low)};
    for (const char* name : {"resource2", "resource2_wc"})
        fake_tree::write(tree.pci / name, "");
    CHECK(has(tree.fail(errc::bar_missing), "a captured tree has no device to open"));
}
