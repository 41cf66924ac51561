// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "backends/uio_maps.hpp"

#include <algorithm>
#include <limits>
#include <optional>

#include <unistd.h>

namespace ivshmem {

namespace {

std::size_t page_bytes() {
    return static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
}

std::size_t pages_of(const uio_maps::map& of) {
    const std::size_t page = page_bytes();
    return (static_cast<std::size_t>(of.offset + of.size) + page - 1) / page * page;
}

} // namespace

uio_maps::uio_maps(const sysfs_dir& node, failure& f) {
    constexpr auto most = std::uint64_t{std::numeric_limits<std::size_t>::max() / 4};
    const sysfs_dir all = node.dir("maps");
    for (unsigned number = 0; !f && all.has(formatted("map{}", number)); ++number) {
        const sysfs_dir one = all.dir(formatted("map{}", number));
        failure nameless; // a driver need not give a map a name
        const auto name = one.text("name", nameless);
        const auto size = one.number("size", most, f);
        failure at_start; // kernels before 2.6.36 have no such file
        const auto offset = one.number("offset", most, at_start);
        if (size)
            maps_.push_back({name.value_or(""), *size, offset.value_or(0), number});
    }
}

const uio_maps::map* uio_maps::find(std::string_view name) const noexcept {
    const auto found =
        std::find_if(maps_.begin(), maps_.end(), [&](const map& of) { return of.name == name; });
    return found == maps_.end() ? nullptr : &*found;
}

std::string uio_maps::names() const {
    std::string all;
    for (const map& of : maps_)
        all += (all.empty() ? "" : ", ") + (of.name.empty() ? "a nameless one" : of.name);
    return all.empty() ? "none" : all;
}

mapping uio_maps::map_pages(const map& of, int node, int protection) noexcept {
    return {node, pages_of(of), static_cast<off_t>(of.number * page_bytes()), protection};
}

} // namespace ivshmem
