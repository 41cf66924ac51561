// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "base/failure.hpp"
#include "options.hpp"
#include "service/named_setting.hpp"

#include <map>
#include <string>

namespace ivshmem_forward {

/// Makes options of settings, which come from the command line or a file, one after another.
///
/// `listen` and `offer` begin a service; the settings that follow belong to it.
class options_builder {
  public:
    using named = service::named_setting;

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
    service::settings_once of_program_{};
};

} // namespace ivshmem_forward
