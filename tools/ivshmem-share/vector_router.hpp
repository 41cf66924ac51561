// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "backends/backend.hpp"
#include "base/doorbell_writer.hpp"
#include "base/failure.hpp"
#include "program.hpp"

#include <cstdint>
#include <memory>
#include <vector>

namespace ivshmem_share {

/// Brings each interrupt to the programs that wait for it.
///
/// An eventfd that one program reads is cleared for all others, so each program has its own for
/// each vector. If one program alone waits for a vector, the kernel signals its eventfd directly.
/// Otherwise the service receives the interrupt and signals all.
class vector_router {
  public:
    explicit vector_router(ivshmem::backend& device);

    /// Gives a program its eventfds.
    void add(const std::shared_ptr<program>& p, ivshmem::failure& f);
    /// Takes the eventfds that a program has from an earlier process. Signals all: interrupts may
    /// have been lost in between.
    void add(const std::shared_ptr<program>& p, std::vector<ivshmem::unique_fd> eventfds);
    void remove(const std::shared_ptr<program>& p);
    /// The program waits for a vector from now on. @pre the vector exists
    void watch(program& p, std::uint32_t vector);
    /// Passes on the interrupts that have reached the service.
    void pass_on(std::uint32_t vector, ivshmem::failure& f);

    /// Returns the program that receives the vector directly; null if none does.
    [[nodiscard]] const program* direct(std::uint32_t vector) const { return direct_[vector]; }

  private:
    /// Decides again how the vector arrives.
    /// @param begins The program that begins to wait for it, if one does.
    void route(std::uint32_t vector, const program* begins = nullptr);
    void signal(program& p, std::uint32_t vector);

    ivshmem::backend& device_;
    ivshmem::doorbell_writer doorbells_; ///< programs can make their eventfds blocking
    std::vector<std::shared_ptr<program>> programs_;
    std::vector<const program*> direct_;
};

} // namespace ivshmem_share
