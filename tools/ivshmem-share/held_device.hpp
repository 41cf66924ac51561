// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "backends/backend.hpp"
#include "backends/share_protocol.hpp"
#include "base/failure.hpp"
#include "base/unique_fd.hpp"
#include "descriptor_store.hpp"

#include <ivshmem/selector.hpp>

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

namespace ivshmem_share {

/// The device that the service holds, and what it hands out of it.
class held_device {
  public:
    /// Opens a PCI device without mapping a BAR through VFIO, or joins a server.
    /// @param store May have the device as an earlier process left it. Keeps it from then on.
    static held_device open(const ivshmem::selector& which, const std::filesystem::path& root,
                            descriptor_store& store, ivshmem::failure& f);
    /// Lets systemd close the device too.
    static void forget(descriptor_store& store);

    [[nodiscard]] ivshmem::backend& backend() { return *backend_; }
    [[nodiscard]] const ivshmem::share_protocol::facts& facts() const { return facts_; }
    /// Returns the descriptors for the programs: the memory and, if it can be mapped, the page of
    /// the registers.
    [[nodiscard]] const std::vector<int>& parts() const { return parts_; }
    [[nodiscard]] std::string name() const;

  private:
    void open_pci(const ivshmem::device_info& info, const std::filesystem::path& root,
                  descriptor_store& store, ivshmem::failure& f);
    void open_vfio(const ivshmem::device_info& info, const ivshmem::open_options& options,
                   descriptor_store& store, ivshmem::failure& f);
    void open_server(const std::string& path, ivshmem::failure& f);
    void describe();

    std::unique_ptr<ivshmem::backend> backend_;
    ivshmem::unique_fd memory_;
    ivshmem::unique_fd registers_;
    std::vector<int> parts_;
    ivshmem::share_protocol::facts facts_;
};

} // namespace ivshmem_share
