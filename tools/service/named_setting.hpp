// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "base/failure.hpp"
#include "service/config_file.hpp"

#include <cstdint>
#include <functional>
#include <map>
#include <string>

namespace service {

/// A setting of the command line or of a file, and its place for messages.
struct named_setting {
    std::string where; ///< "--allow", or "/etc/ivshmem/forward.d/web.conf:3: allow"
    std::string key;
    std::string value;
    bool in_file = false;
};

/// Reports that the setting is refused, and why.
void refuse(const named_setting& s, const std::string& why, ivshmem::failure& f);

/// Returns the value as a number in this range.
std::uint32_t number_of(const named_setting& s, std::uint32_t least, std::uint32_t most,
                        ivshmem::failure& f);
/// Returns the value as a number of bytes in this range; it may end with K, M or G.
std::uint64_t size_of(const named_setting& s, std::uint64_t least, std::uint64_t most,
                      ivshmem::failure& f);

/// The settings that a program has once: in one line of all its files, or on the command line,
/// which overrides them and whose last one counts.
class settings_once {
  public:
    /// Refuses one that is set already.
    void take(const named_setting& s, ivshmem::failure& f);
    /// Refuses it if another one, which means the same thing, was set before.
    void exclude(const named_setting& s, const std::string& other, ivshmem::failure& f) const;

  private:
    std::map<std::string, std::string> where_{}; ///< by key
};

/// Reads a file, or each *.conf of a directory in the order of their names. Calls take() for each
/// setting, and end() after each file, until one fails.
void read_files(const std::string& path, const config_format& format,
                const std::function<void(const named_setting&)>& take,
                const std::function<void()>& end, ivshmem::failure& f);

} // namespace service
