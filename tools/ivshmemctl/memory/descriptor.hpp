// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

namespace ivshmemctl {

/// A file, or a standard stream, that bytes come from or go to. Failures are std::runtime_error
/// that name it.
class descriptor {
  public:
    /// @param path Empty: the standard input.
    static descriptor for_reading(const std::string& path);
    /// Makes the file, or empties it. @param path Empty: the standard output.
    static descriptor for_writing(const std::string& path);
    descriptor(descriptor&& other) noexcept;
    descriptor(const descriptor&) = delete;
    descriptor& operator=(const descriptor&) = delete;
    descriptor& operator=(descriptor&&) = delete;
    ~descriptor();

    [[nodiscard]] const std::string& name() const noexcept { return name_; }
    [[nodiscard]] bool is_terminal() const;
    /// How many bytes are still to be read, where that is known before they are.
    [[nodiscard]] std::optional<std::uint64_t> size() const;

    /// Reads until `into` is full, the end has come or caught_signals::arrived().
    /// @return How much was read.
    std::size_t read(std::span<std::byte> into) const;
    /// Writes all, or until caught_signals::arrived(). @return How much was written.
    std::size_t write(std::span<const std::byte> bytes) const;
    /// What a file system finds out late is an error here.
    void close();

  private:
    descriptor(int fd, std::string name, bool owned)
        : fd_{fd}, name_{std::move(name)}, owned_{owned} {}
    [[noreturn]] void fail(const char* step) const;

    int fd_;
    std::string name_;
    bool owned_;
};

} // namespace ivshmemctl
