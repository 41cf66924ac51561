// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "base/failure.hpp"
#include "options.hpp"

#include <cstdint>
#include <map>
#include <string>

namespace ivshmem_forward {

/// Makes options of settings, which come from the command line or a file, one after another.
///
/// `listen` and `offer` begin a service; the settings that follow belong to it.
class options_builder {
  public:
    /// A setting, and its place for messages.
    struct named {
        std::string where; ///< "--allow", or "/etc/ivshmem/forward.d/web.conf:3: allow"
        std::string key;
        std::string value;
        bool in_file = false;
    };

    void take(const named& s, ivshmem::failure& f);
    /// The file, or the command line, ends: its last service must be complete.
    void end_source(ivshmem::failure& f);

    [[nodiscard]] options& result() { return result_; }

  private:
    enum class part { none, listen, offer };

    void take_global(const named& s, ivshmem::failure& f);
    void begin_listen(const named& s, ivshmem::failure& f);
    void begin_offer(const named& s, ivshmem::failure& f);
    void take_of_listen(const named& s, ivshmem::failure& f);
    void take_of_offer(const named& s, ivshmem::failure& f);
    void begin(const named& s, part which, ivshmem::failure& f);

    options result_{};
    part open_ = part::none;
    std::map<std::string, std::string> of_service_{}; ///< the keys that are set, and where
    std::map<std::string, std::string> of_program_{};
};

} // namespace ivshmem_forward
