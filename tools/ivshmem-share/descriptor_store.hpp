// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "base/failure.hpp"
#include "base/unique_fd.hpp"
#include "service/systemd.hpp"

#include <map>
#include <optional>
#include <string>
#include <vector>

namespace ivshmem_share {

/// What the service needs to go on after a restart, in systemd's descriptor store: descriptors by
/// name, and a text in a memfd that is stored once and rewritten. Without systemd nothing is kept.
class descriptor_store {
  public:
    /// Takes what systemd passed.
    /// @param listening Set to the socket of the socket unit, if there is one.
    descriptor_store(std::vector<service::systemd::passed_descriptor>&& passed,
                     std::optional<ivshmem::unique_fd>& listening, ivshmem::failure& f);

    /// Returns a descriptor that an earlier process has stored; empty if there is none.
    [[nodiscard]] ivshmem::unique_fd take(const std::string& name);
    /// Lets systemd forget all that was passed and not taken.
    void drop_rest();

    void keep(const std::string& name, int fd);
    void forget(const std::string& name);

    /// Returns the text that the last process has left; empty if there is none.
    [[nodiscard]] const std::string& text() const { return text_; }
    /// Replaces the text at once: a process that is killed leaves the old or the new one.
    void write(const std::string& text);

  private:
    void make_memory(ivshmem::failure& f);
    void read();

    std::map<std::string, ivshmem::unique_fd> passed_;
    ivshmem::unique_fd memory_;
    std::string text_;
    bool second_half_ = false; ///< holds the present text
};

} // namespace ivshmem_share
