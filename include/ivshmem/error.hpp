// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include <ivshmem/export.hpp>

#include <string>
#include <system_error>

namespace ivshmem {

/// Failures that a user can act on, one enumerator each; a failure that the kernel
/// names better (ENOMEM, EIO, ...) is reported with std::system_category() instead.
///
/// Each compares equal to the std::errc in parentheses, if one is given.
enum class errc {
    /// There is no PCI bus under the sysfs root (no_such_file_or_directory).
    sysfs_unavailable = 1,
    /// A sysfs file does not hold what the kernel would write there.
    sysfs_malformed,
    /// No device matches the selector (no_such_device).
    device_not_found,
    /// More than one device matches; the message lists them.
    device_ambiguous,
    /// The text names no device in any known form (invalid_argument).
    bad_selector,
    /// The registers of the device are of a kind that the library does not know (not_supported).
    protocol_unsupported,
    /// The device lacks a BAR that it needs, or the BAR has an impossible size.
    bar_missing,
    /// The driver bound to the device cannot be used by the requested backend.
    driver_unsuitable,
    /// vfio-pci is bound but the device has no IOMMU group to open.
    iommu_missing,
    /// Another device of the IOMMU group is bound to a driver of the kernel.
    group_not_viable,
    /// Another process (or this one) has the device open (device_or_resource_busy).
    device_busy,
    /// This process may not open a node or file of the device (permission_denied).
    permission_denied,
    /// Kernel lockdown or a strict /dev/mem forbids the mapping (operation_not_permitted).
    locked_down,
    /// The memory cannot be mapped in the requested cache mode (not_supported).
    cache_mode_unavailable,
    /// IVPosition stayed negative: the device never got its id from the server (timed_out).
    position_timeout,
    /// Registers read as all-ones: the device is gone (no_such_device).
    device_gone,
    /// The removal of the device was requested; close it (no_such_device).
    device_removed,
    /// A peer id beyond 65535 (invalid_argument).
    peer_out_of_range,
    /// A vector that the device or the doorbell register does not have (invalid_argument).
    vector_out_of_range,
    /// The device has no doorbell: it is an ivshmem-plain device (not_supported).
    doorbell_unsupported,
    /// No interrupt can arrive through the present driver (not_supported).
    interrupts_unsupported,
    /// The backend has no events to report (not_supported).
    events_unsupported,
    /// The backend cannot list the peers (not_supported).
    peers_unsupported,
    /// No process listens on the server's socket.
    server_unreachable,
    /// The server speaks another version of the protocol (protocol_not_supported).
    server_version,
    /// The server sent a message that the protocol does not allow (protocol_error).
    server_protocol,
    /// The server closed the connection (connection_reset).
    server_closed,
    /// The limit of open descriptors is reached (too_many_files_open).
    descriptor_limit,
    /// The device was opened by the parent process; a child must open its own.
    forked,
    /// The object, or the device or slot under it, is closed (bad_file_descriptor).
    closed,
    /// The timeout expired (timed_out).
    timed_out,
    /// The memory is too small for the geometry (no_buffer_space).
    region_too_small,
    /// Numbers that no geometry may have (invalid_argument).
    bad_geometry,
    /// The present peers divide the memory differently.
    geometry_mismatch,
    /// A present peer uses another version of the layout (protocol_not_supported).
    layout_version,
    /// The geometry has no such slot (invalid_argument).
    slot_out_of_range,
    /// Another process or VM, or this process, holds the slot (address_in_use).
    slot_in_use,
    /// Another process or VM took the slot, because this one did not answer its claim in time.
    slot_lost,
    /// The geometry has no such lane (invalid_argument).
    lane_out_of_range,
    /// This process has already opened the lane, or no lane is free (address_in_use).
    lane_in_use,
    /// The message is longer than the peer accepts, or than this function can send (message_size).
    message_too_large,
    /// The message is longer than the buffers; it can still be received (message_size).
    buffer_too_small,
    /// The channel has never been connected, or no longer is (not_connected).
    not_connected,
    /// The peer started again; messages that it had not read are lost (connection_reset).
    channel_reset,
    /// The peer closed the channel, and all messages that it sent were received (broken_pipe).
    channel_closed,
    /// The peer broke the rules of the layout (protocol_error).
    channel_poisoned,
    /// The peer reports that this side broke the rules of the layout (protocol_error).
    channel_rejected,
    /// A service's or topic's name is 1 to 59 bytes, no control characters (invalid_argument).
    bad_service_name,
    /// This slot already offers a service of that name (address_in_use).
    service_exists,
    /// No peer offers the service.
    service_unknown,
    /// The slot offers as many services as it can (no_buffer_space).
    directory_full,
    /// All slots are held, or were held by processes that were killed (address_in_use).
    no_free_slot,
    /// Something other than this library has written to the slot's section of the memory.
    slot_overwritten,
    /// The peer ended without closing the channel, or does not run any more (connection_reset).
    peer_lost,
    /// The server's memory can be shrunk, which would end this process, and the caller does not
    /// trust the server (operation_not_permitted). @see open_options::trust_server
    memory_unsealed,
    /// The device has no states: it is not an ivshmem-v2 device (not_supported).
    states_unsupported,
    /// The device has no output sections: it is not an ivshmem-v2 device (not_supported).
    sections_unsupported,
    /// An ivshmem-v2 device divides its memory itself: another region, slot or number of slots
    /// cannot
    /// be chosen (not_supported).
    sections_fixed,
    /// The sizes, the id or the number of peers that an ivshmem-v2 device reports cannot be true.
    sections_invalid,
    /// The region leaves no room for topics behind its channels (not_supported).
    topics_unsupported,
    /// A peer, or this slot, writes a topic of that name already (address_in_use).
    topic_exists,
    /// The writer has ended the topic, and all messages that it left were read (broken_pipe).
    topic_closed,
    /// The writer of the topic broke the rules of the layout (protocol_error).
    topic_poisoned,
    /// The writer lets this reader pin no messages, or did not hear of it yet
    /// (operation_not_permitted).
    pin_refused,
    /// The reader holds as many messages as it may (no_buffer_space).
    pins_in_use,
    /// The writer has used the room of the message again.
    message_overwritten,
};

/// The category of errc, named "ivshmem". Thread safe.
IVSHMEM_API const std::error_category& error_category() noexcept;

/// For std::error_code's own use. Thread safe.
IVSHMEM_API std::error_code make_error_code(errc e) noexcept;

/// The exception of every throwing function of the library.
///
/// what() is one line that names the object, the step that failed and the next thing to try;
/// code() is the same error_code that the non-throwing twin reports.
class IVSHMEM_API error : public std::system_error {
  public:
    error(std::error_code code, std::string message);
    [[nodiscard]] const char* what() const noexcept override { return message_.c_str(); }

  private:
    std::string message_;
};

} // namespace ivshmem

/// @cond Doxygen does not know this class.
template <>
struct std::is_error_code_enum<ivshmem::errc> : std::true_type {};
/// @endcond
