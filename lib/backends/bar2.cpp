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
    attempts(const device_info& info, const open_options& options)
        : info_{info}, options_{options},
          part_{options.part.value_or(memory_region{0, info.bars[2].size})}, name_{to_string(
                                                                                 info.address)} {}

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
        mapping map =
            open_and_map(path, static_cast<off_t>(bar.start + part_.offset), "write-back");
        if (!map)
            return;
        const auto actual = mapped_memtype(options_.root, bar.start + part_.offset);
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
        mapping map = open_and_map(node->path, static_cast<off_t>(part_.offset), name);
        if (!map)
            return;
        const auto actual = mapped_memtype(options_.root, info_.bars[2].start + part_.offset);
        if (actual && *actual != mode && !wanted(*actual))
            return note(
                formatted("{}: another mapping made the range {} first", name, to_string(*actual)));
        accept(result, std::move(map), actual.value_or(mode), node->path, actual.has_value());
    }

    void through_vfio(mapped_bar2& result, const vfio_bar2& vfio) {
        if (!vfio.can_mmap)
            return note("uncached: VFIO does not let BAR2 be mapped");
        mapping map{vfio.fd, length(), static_cast<off_t>(vfio.offset + part_.offset)};
        if (!map)
            return note(formatted("uncached: VFIO: mmap: {}", std::strerror(errno)));
        accept(result, std::move(map), cache_mode::uncached, "VFIO", false);
    }

    [[nodiscard]] std::size_t length() const { return static_cast<std::size_t>(part_.size); }

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

    mapping open_and_map(const std::string& path, off_t offset, std::string_view mode) {
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
        mapping map{fd.get(), length(), offset};
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
    memory_region part_;
    std::string name_;
    std::vector<std::string> notes_;
    int last_errno_ = 0;
};

} // namespace

mapped_bar2 map_bar2(const device_info& info, const open_options& options,
                     const std::optional<vfio_bar2>& vfio, failure& f) {
    mapped_bar2 result;
    const std::uint64_t all = info.bars[2].size;
    const auto part = options.part.value_or(memory_region{0, all});
    if (part.offset > all || part.size > all - part.offset || part.size == 0)
        f.set(
            std::make_error_code(std::errc::invalid_argument),
            formatted("{}: open_options::part: {} bytes from {:#x} on are no part of the {} bytes "
                      "of BAR2",
                      to_string(info.address), part.size, part.offset, all));
    else if (part.size > std::numeric_limits<std::size_t>::max() / 2)
        f.set(errc::bar_missing, "{}: BAR2 has {} bytes, more than this process can map",
              to_string(info.address), part.size);
    if (f)
        return result;
    attempts attempt{info, options};
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
