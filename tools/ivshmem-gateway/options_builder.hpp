// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "base/failure.hpp"
#include "options.hpp"
#include "service/named_setting.hpp"

#include <cstdint>
#include <map>
#include <optional>
#include <string>

namespace ivshmem_gateway {

/// Makes options of settings, which come from the command line or a file, one after another.
///
/// `out` and `in` begin a rule; the settings that follow belong to it.
class options_builder {
  public:
    using named = service::named_setting;

    void take(const named& s, ivshmem::failure& f);
    /// The file, or the command line, ends: its last rule must be complete.
    void end_source(ivshmem::failure& f);
    /// Checks what depends on several settings.
    void finish(ivshmem::failure& f);

    [[nodiscard]] options& result() { return result_; }

  private:
    void take_global(const named& s, ivshmem::failure& f);
    void take_broker(const named& s, ivshmem::failure& f);
    void take_limit(const named& s, ivshmem::failure& f);
    void begin_rule(const named& s, ivshmem::failure& f);
    void take_of_rule(const named& s, ivshmem::failure& f);

    options result_{};
    bool open_ = false;                            ///< a rule was begun
    std::map<std::string, std::string> of_rule_{}; ///< the keys that are set, and where
    service::settings_once of_program_{};
    std::optional<std::uint16_t> port_{};
};

} // namespace ivshmem_gateway
