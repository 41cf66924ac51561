// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "common_options.hpp"
#include "subcommand.hpp"

#include <ivshmem/device.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>

namespace ivshmemctl {

/// The part of the memory that the command line names.
struct memory_options {
    std::optional<std::uint64_t> offset{}; ///< empty: from the beginning
    std::optional<std::uint64_t> length{}; ///< empty: up to the end
    std::optional<ivshmem::cache_mode> cache{};
};

/// Adds OFFSET and LENGTH, and --cache.
/// @param required Whether OFFSET is required, as for commands that change the memory.
void add_memory_options(subcommand& sub, memory_options& options, bool required);
/// Adds --cache.
void add_cache_option(subcommand& sub, std::optional<ivshmem::cache_mode>& cache);

/// A part of a device's shared memory. Holds the device open, with a window of the part mapped: the
/// page tables of all of a large memory may not fit a small VM.
class memory_part {
  public:
    /// The number of bytes that commands copy at once: small enough to stop soon if the memory is
    /// slow.
    static constexpr std::size_t piece = 65536;

    /// @throws std::runtime_error if the memory has no such part.
    memory_part(const common_options& common, const memory_options& options);

    /// Returns the offset of its first byte in the memory.
    [[nodiscard]] std::uint64_t offset() const noexcept { return offset_; }
    [[nodiscard]] std::uint64_t size() const noexcept { return size_; }
    /// Returns the beginning of `bytes` that is no longer than the part from `at` on.
    [[nodiscard]] std::span<std::byte> rest(std::uint64_t at,
                                            std::span<std::byte> bytes) const noexcept {
        return bytes.first(
            static_cast<std::size_t>(std::min<std::uint64_t>(size_ - at, bytes.size())));
    }
    [[nodiscard]] const std::string& name() const noexcept { return name_; } ///< of the device
    /// "64 bytes at 0x1000 of 0000:00:04.0"
    [[nodiscard]] std::string text() const;

    /// @name Copying; `at` counts from the beginning of the part
    /// @{
    void read(std::uint64_t at, std::span<std::byte> to);
    void write(std::uint64_t at, std::span<const std::byte> from);
    /// @}

  private:
    /// Returns these bytes of the part, and maps them if they are not mapped.
    std::span<std::byte> bytes(std::uint64_t at, std::size_t count);

    common_options common_;
    std::optional<ivshmem::cache_mode> cache_;
    ivshmem::device device_;
    std::string name_;
    std::uint64_t offset_ = 0;
    std::uint64_t size_ = 0;
    std::uint64_t end_ = 0;          ///< of the whole memory
    std::uint64_t window_begin_ = 0; ///< the offset of the mapped bytes in the memory
};

/// Rejects -J for commands that have no JSON output.
/// @throws std::runtime_error if -J was given.
void refuse_json(const common_options& common, const std::string& name);

} // namespace ivshmemctl
