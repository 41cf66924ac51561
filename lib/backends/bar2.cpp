// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "backends/bar2.hpp"

#include "backends/memtype.hpp"
#include "base/unique_fd.hpp"

#include <cstring>
#include <limits>
#include <vector>

#include <fcntl.h>

namespace ivshmem {

namespace {

constexpr std::uint64_t four_gib = std::uint64_t{1} << 32U;
#if defined(__x86_64__) || defined(__i386__)
constexpr bool x86 = true;
#else
constexpr bool x86 = false;
#endif

/// Tries one way after the other and keeps the reason of each failure.
class attempts {
  public:
    attempts(const device_info& info, const open_options& options, std::span<const bar2_part> parts)
        : info_{info}, options_{options}, parts_{parts}, name_{to_string(info.address)} {}

    /// Returns whether a result in this mode is acceptable.
    [[nodiscard]] bool wanted(cache_mode mode) const {
        return !options_.cache || *options_.cache == mode;
    }

    void through_dev_mem(mapped_bar2& result) {
        const bar_info& bar = info_.bars[2];
        if (!x86)
            return note("write-back: /dev/mem maps device memory uncached on this architecture");
        if (bar.start < four_gib)
            return note(formatted("write-back: BAR2 lies at {:#x}, below 4 GiB, where the "
                                  "firmware allows no caching",
                                  bar.start));
        const std::string path = (options_.root / "dev/mem").string();
        mapping map = open_and_map(result, path, bar.start, "write-back");
        if (!map)
            return;
        const auto actual = mapped_memtype(options_.root, bar.start + first().offset);
        if (actual && *actual != cache_mode::write_back)
            return note("write-back: the kernel maps the range otherwise (an MTRR covers it, or "
                        "another mapping came first)");
        const auto forbidden = mtrr_forbids_write_back(options_.root, bar.start, bar.size);
        if (!actual && forbidden.value_or(false))
            return note("write-back: an MTRR makes the range uncachable (see /proc/mtrr)");
        accept(result, std::move(map), cache_mode::write_back, path, actual.has_value());
    }

    void through_sysfs(mapped_bar2& result, const std::optional<device_node>& node,
                       cache_mode mode) {
        const std::string_view name = to_string(mode);
        if (!node || !node->exists)
            return note(
                formatted("{}: {}", name,
                          mode == cache_mode::write_combining && !info_.bars[2].prefetchable()
                              ? "BAR2 is not prefetchable"
                              : "sysfs has no file for it"));
        mapping map = open_and_map(result, node->path, 0, name);
        if (!map)
            return;
        const auto actual = mapped_memtype(options_.root, info_.bars[2].start + first().offset);
        if (actual && *actual != mode && !wanted(*actual))
            return note(
                formatted("{}: another mapping made the range {} first", name, to_string(*actual)));
        accept(result, std::move(map), actual.value_or(mode), node->path, actual.has_value());
    }

    void through_vfio(mapped_bar2& result, const vfio_bar2& vfio) {
        if (!vfio.can_mmap)
            return note("uncached: VFIO does not let BAR2 be mapped");
        mapping map = map_all(result, vfio.fd, vfio.offset);
        if (!map)
            return note(formatted("uncached: VFIO: mmap: {}", std::strerror(errno)));
        accept(result, std::move(map), cache_mode::uncached, "VFIO", false);
    }

    /// Reports why nothing was mapped.
    void report(failure& f) const {
        std::string tried;
        for (const auto& line : notes_)
            tried += (tried.empty() ? "" : "; ") + line;
        const std::error_code code = last_errno_ == EACCES  ? errc::permission_denied
                                     : last_errno_ == EPERM ? errc::locked_down
                                     : errno_code(last_errno_) == errc::descriptor_limit
                                         ? errc::descriptor_limit
                                     : options_.cache   ? errc::cache_mode_unavailable
                                     : last_errno_ == 0 ? errc::bar_missing
                                                        : errno_code(last_errno_);
        f.set(code,
              formatted("{}: BAR2 cannot be mapped{}{}: {}", name_, options_.cache ? " " : "",
                        options_.cache ? to_string(*options_.cache) : std::string_view{}, tried));
    }

  private:
    void note(std::string line) { notes_.push_back(std::move(line)); }

    [[nodiscard]] const memory_region& first() const { return parts_.front().region; }

    /// Maps all parts; those after the first go into the result.
    /// @param base The place of BAR2 in the file. @return The first; empty on failure.
    mapping map_all(mapped_bar2& result, int fd, std::uint64_t base) const {
        mapping map;
        result.more.clear();
        for (const bar2_part& part : parts_) {
            mapping one{fd, static_cast<std::size_t>(part.region.size),
                        static_cast<off_t>(base + part.region.offset), part.protection};
            if (!one)
                return {};
            if (&part == &parts_.front())
                map = std::move(one);
            else
                result.more.push_back(std::move(one));
        }
        return map;
    }

    mapping open_and_map(mapped_bar2& result, const std::string& path, std::uint64_t base,
                         std::string_view mode) {
        const unique_fd fd{retry_eintr([&] { return ::open(path.c_str(), O_RDWR | O_CLOEXEC); })};
        if (!fd) {
            last_errno_ = errno;
            note(formatted("{}: {}: open: {}", mode, path, std::strerror(errno)));
            return {};
        }
        if (is_shorter(fd.get(), static_cast<std::size_t>(info_.bars[2].size))) {
            note(formatted("{}: {}: is shorter than BAR2: a captured tree has no device to open",
                           mode, path));
            return {};
        }
        mapping map = map_all(result, fd.get(), base);
        if (!map) {
            const int number = errno;
            last_errno_ = number;
            note(formatted("{}: {}: mmap: {}{}", mode, path, std::strerror(number),
                           number == EINVAL  ? " (another driver or program claims BAR2)"
                           : number == EPERM ? " (kernel lockdown, or the range is claimed)"
                                             : ""));
        }
        return map;
    }

    void accept(mapped_bar2& result, mapping map, cache_mode mode, const std::string& path,
                bool verified) {
        result.reason = formatted("{} through {}{}", to_string(mode), path,
                                  verified ? ""
                                           : " (not verified: pat_memtype_list is not "
                                             "readable)");
        for (const auto& line : notes_)
            result.reason += "; not " + line;
        result.map = std::move(map);
        result.mode = mode;
    }

    const device_info& info_;
    const open_options& options_;
    std::span<const bar2_part> parts_;
    std::string name_;
    std::vector<std::string> notes_;
    int last_errno_ = 0;
};

} // namespace

mapped_bar2 map_bar2(const device_info& info, const open_options& options,
                     const std::optional<vfio_bar2>& vfio, failure& f) {
    const bar2_part all{options.part.value_or(memory_region{0, info.bars[2].size})};
    return map_bar2_parts(info, options, {&all, 1}, vfio, f);
}

mapped_bar2 map_bar2_parts(const device_info& info, const open_options& options,
                           std::span<const bar2_part> parts, const std::optional<vfio_bar2>& vfio,
                           failure& f) {
    mapped_bar2 result;
    const std::uint64_t all = info.bars[2].size;
    for (const auto& [part, protection] : parts) {
        if (part.offset > all || part.size > all - part.offset || part.size == 0)
            f.set(std::make_error_code(std::errc::invalid_argument),
                  formatted("{}: open_options::part: {} bytes from {:#x} on are no part of the {} "
                            "bytes of BAR2",
                            to_string(info.address), part.size, part.offset, all));
        else if (part.size > std::numeric_limits<std::size_t>::max() / 2)
            f.set(errc::bar_missing, "{}: BAR2 has {} bytes, more than this process can map",
                  to_string(info.address), part.size);
    }
    if (f)
        return result;
    attempts attempt{info, options, parts};
    if (attempt.wanted(cache_mode::write_back))
        attempt.through_dev_mem(result);
    if (!result.map && attempt.wanted(cache_mode::write_combining))
        attempt.through_sysfs(result, info.resource2_wc, cache_mode::write_combining);
    if (!result.map && attempt.wanted(cache_mode::uncached))
        attempt.through_sysfs(result, info.resource2, cache_mode::uncached);
    if (!result.map && attempt.wanted(cache_mode::uncached) && vfio)
        attempt.through_vfio(result, *vfio);
    if (!result.map)
        attempt.report(f);
    return result;
}

} // namespace ivshmem
