// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

namespace ivshmemctl {

/// A file or standard stream to read bytes from or write bytes to. Its functions throw
/// std::runtime_error with its name.
class descriptor {
  public:
    /// @param path Empty: the standard input.
    static descriptor for_reading(const std::string& path);
    /// Creates or truncates the file.
    /// @param path Empty: the standard output.
    static descriptor for_writing(const std::string& path);
    descriptor(descriptor&& other) noexcept;
    descriptor(const descriptor&) = delete;
    descriptor& operator=(const descriptor&) = delete;
    descriptor& operator=(descriptor&&) = delete;
    ~descriptor();

    [[nodiscard]] const std::string& name() const noexcept { return name_; }
    [[nodiscard]] bool is_terminal() const;
    /// Returns the number of bytes left to read, if it is known in advance.
    [[nodiscard]] std::optional<std::uint64_t> size() const;

    /// Reads until `into` is full, the input ends or caught_signals::arrived().
    /// @return The number of bytes read.
    std::size_t read(std::span<std::byte> into) const;
    /// Writes all bytes, or stops at caught_signals::arrived().
    /// @return The number of bytes written.
    std::size_t write(std::span<const std::byte> bytes) const;
    /// Closes the file. Throws on errors that the file system reports late.
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
