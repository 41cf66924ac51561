// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "base/unique_fd.hpp"
#include "helpers/server_process.hpp"
#include "messages.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <linux/vfio.h>

namespace host {

/// A vfio-user client: a VM, without its guest.
class vm {
  public:
    /// Connects, and negotiates the version unless told otherwise.
    explicit vm(const std::string& path, bool negotiate = true);

    [[nodiscard]] int socket() const { return socket_.get(); }
    void close() { socket_.reset(); }
    /// Returns whether the device closes the connection before the deadline, after any replies.
    bool closed();

    struct reply {
        int number = 0; ///< errno; 0: success
        std::vector<std::byte> body;
        ivshmem::unique_fd fd;
    };
    /// Sends a request without waiting for its reply, and returns its id.
    std::uint16_t send(ivshmem_device::wire::command what, std::span<const std::byte> body,
                       std::span<const int> fds = {}, std::uint32_t flags = 0);
    /// Returns the next reply, which must have this id.
    reply receive(std::uint16_t id);
    reply call(ivshmem_device::wire::command what, std::span<const std::byte> body = {},
               std::span<const int> fds = {});
    /// Sends bytes as they are.
    void send_raw(std::span<const std::byte> bytes, std::span<const int> fds = {}) const;

    // What a hypervisor does with them. Each fails the test if the device refuses.

    std::vector<std::byte> read(std::uint32_t region, std::uint64_t offset, std::uint32_t count);
    void write(std::uint32_t region, std::uint64_t offset, std::span<const std::byte> bytes);
    template <typename Integer = std::uint32_t>
    Integer get(std::uint32_t region, std::uint64_t offset) {
        return ivshmem_device::wire::load<Integer>(read(region, offset, sizeof(Integer)));
    }
    template <typename Integer = std::uint32_t>
    void set(std::uint32_t region, std::uint64_t offset, Integer value) {
        write(region, offset, std::as_bytes(std::span{&value, 1}));
    }
    std::uint32_t config(std::uint64_t offset) { return get(VFIO_PCI_CONFIG_REGION_INDEX, offset); }

    struct region {
        vfio_region_info info{};
        std::vector<vfio_region_sparse_mmap_area> areas;
        ivshmem::unique_fd fd;
    };
    region region_at(std::uint32_t index);
    vfio_irq_info irq_at(std::uint32_t index);
    /// Gives the device an eventfd for each vector of an index, and keeps them.
    void take_interrupts(std::uint32_t index, std::uint32_t count);
    /// Enables memory, bus mastering and, with its capability at this offset, MSI-X.
    void start(std::uint8_t msix_capability);
    /// Returns how often a vector was signalled since the last call.
    std::uint64_t taken(std::uint32_t vector);
    /// Returns whether a vector is signalled before the deadline.
    bool interrupted(std::uint32_t vector);

  private:
    ivshmem::unique_fd socket_;
    std::uint16_t next_id_ = 1;
    std::vector<ivshmem::unique_fd> eventfds_;
};

// What v1 and v2 have in common.
inline constexpr std::uint32_t registers = VFIO_PCI_BAR0_REGION_INDEX;
inline constexpr std::uint32_t memory = VFIO_PCI_BAR2_REGION_INDEX;
inline constexpr std::uint64_t doorbell = 0x0c;
/// Returns the value of the doorbell that rings a vector of a peer.
constexpr std::uint32_t rings(std::uint32_t peer, std::uint32_t vector) {
    return peer << 16 | vector;
}

/// SET_IRQS without its data.
std::vector<std::byte> irq_set(std::uint32_t index, std::uint32_t flags, std::uint32_t start,
                               std::uint32_t count);

/// An ivshmem-device that has reported READY=1.
class running_device {
  public:
    /// @param options The profile and its options.
    /// @param vms The number of its sockets.
    explicit running_device(const std::vector<std::string>& options, unsigned vms = 2);

    [[nodiscard]] std::string socket(unsigned number) const;
    [[nodiscard]] process& program() { return *program_; }
    [[nodiscard]] std::size_t open_descriptors() const;
    /// Returns whether the log has this text before the deadline.
    bool says(const std::string& text) { return program_->says(text); }
    const temporary_folder folder;

  private:
    std::optional<process> program_;
};

struct outcome {
    std::optional<int> code; ///< empty if it did not end
    std::string output;
};
/// Runs the program with only these options, to its end.
outcome run_device(const std::vector<std::string>& options);

} // namespace host
