// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "backends/uio_maps.hpp"

#include "base/unique_fd.hpp"
#include "fake_tree.hpp"
#include "helpers/has.hpp"

#include <filesystem>

#include <sys/mman.h>
#include <unistd.h>

using namespace ivshmem;
using test::fake_tree;
using test::has;

namespace {

void add_map(const fake_tree& tree, unsigned number, const std::string& name, const char* size) {
    const auto map = tree.root / "uio0/maps" / ("map" + std::to_string(number));
    std::filesystem::create_directories(map);
    fake_tree::write(map / "name", name + "\n");
    fake_tree::write(map / "size", size);
    fake_tree::write(map / "offset", "0x0\n");
}

} // namespace

TEST_CASE("the maps of a UIO node are found by name, whatever their numbers are") {
    const fake_tree tree{{}};
    add_map(tree, 0, "registers", "0x1000\n");
    add_map(tree, 1, "state_table", "0x1000\n");
    const bool shared = GENERATE(false, true);
    if (shared)
        add_map(tree, 2, "rw_section", "0x2000\n");
    add_map(tree, shared ? 3 : 2, "input_sections", "0x4000\n");
    add_map(tree, 5, "beyond a gap", "0x1000\n");
    failure f;
    const uio_maps maps{sysfs_dir{(tree.root / "uio0").string()}, f};
    REQUIRE_FALSE(f);
    REQUIRE(maps.find("input_sections") != nullptr);
    CHECK(maps.find("input_sections")->number == (shared ? 3U : 2U));
    CHECK(maps.find("input_sections")->size == 0x4000);
    CHECK((maps.find("rw_section") != nullptr) == shared);
    CHECK(maps.find("beyond a gap") == nullptr);
    CHECK(has(maps.names(), "registers, state_table"));
}

TEST_CASE("maps that cannot be read, or are not there") {
    const fake_tree tree{{}};
    failure f;
    SECTION("none") {
        const uio_maps maps{sysfs_dir{(tree.root / "uio0").string()}, f};
        CHECK_FALSE(f);
        CHECK(maps.names() == "none");
    }
    SECTION("a size that is none") {
        add_map(tree, 0, "registers", "large\n");
        const uio_maps maps{sysfs_dir{(tree.root / "uio0").string()}, f};
        CHECK(f.code() == errc::sysfs_malformed);
    }
}

TEST_CASE("a map is at its number of pages") {
    const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
    const unique_fd node{::memfd_create("uio", MFD_CLOEXEC)};
    REQUIRE(::ftruncate(node.get(), static_cast<off_t>(3 * page)) == 0);
    const uio_maps::map second{"output_section", page, 0, 1};
    const mapping map = uio_maps::map_pages(second, node.get(), PROT_READ | PROT_WRITE);
    REQUIRE(map.bytes().size() == page);
    map.bytes()[0] = std::byte{42};
    std::byte seen{};
    CHECK(::pread(node.get(), &seen, 1, static_cast<off_t>(page)) == 1);
    CHECK(seen == std::byte{42});
}
