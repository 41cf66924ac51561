// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include <ivshmem/error.hpp>

#include <cstddef>
#include <iterator>
#include <utility>

namespace ivshmem {
namespace {

struct description { // NOLINT(clang-analyzer-optin.performance.Padding): in reading order
    errc value;
    const char* text;      ///< with advice that applies to every device
    std::errc condition{}; ///< 0 if the standard has no equivalent
};

/// In the order of errc, which begins at 1.
constexpr description descriptions[] = {
    {errc::sysfs_unavailable, "no PCI bus under the sysfs root; mount sysfs, or check the root",
     std::errc::no_such_file_or_directory},
    {errc::sysfs_malformed, "a sysfs file does not hold what the kernel would write there"},
    {errc::device_not_found, "no ivshmem device matches; lsivshmem lists the devices",
     std::errc::no_such_device},
    {errc::device_ambiguous, "more than one ivshmem device matches; name one by its PCI address"},
    {errc::bad_selector,
     "the text names no device; give a PCI address (0000:00:04.0), index:N, "
     "region:N, size:N[K|M|G], any, server:PATH or "
     "share:PATH",
     std::errc::invalid_argument},
    {errc::protocol_unsupported, "the registers of the device are of a kind that is not known",
     std::errc::not_supported},
    {errc::bar_missing, "the device lacks a BAR that it needs, or the BAR has an impossible size"},
    {errc::driver_unsuitable, "the bound driver cannot be used by this backend; bind the device to "
                              "vfio-pci (with a vIOMMU) or igb_uio, or unbind it"},
    {errc::iommu_missing, "the device has no IOMMU group; give the VM a vIOMMU, or bind the device "
                          "to igb_uio"},
    {errc::group_not_viable, "another device of the IOMMU group is bound to a driver of the "
                             "kernel; bind it to vfio-pci or unbind it"},
    {errc::device_busy, "the device is already open; close it in the other process first",
     std::errc::device_or_resource_busy},
    {errc::permission_denied,
     "this process may not open a node or file of the device; run lsivshmem for the command that "
     "fixes it",
     std::errc::permission_denied},
    {errc::locked_down,
     "kernel lockdown or a strict /dev/mem forbids the mapping; bind the device "
     "to vfio-pci",
     std::errc::operation_not_permitted},
    {errc::cache_mode_unavailable,
     "the memory cannot be mapped in the requested cache mode; let the library choose",
     std::errc::not_supported},
    {errc::position_timeout,
     "the device never got its id from the server; check that the ivshmem "
     "server runs",
     std::errc::timed_out},
    {errc::device_gone, "the registers read as all-ones: the device is not there any more",
     std::errc::no_such_device},
    {errc::device_removed, "the removal of the device was requested; close it",
     std::errc::no_such_device},
    {errc::peer_out_of_range, "a peer id is 0 to 65535", std::errc::invalid_argument},
    {errc::vector_out_of_range,
     "the vector is beyond those of the device or the range of the doorbell",
     std::errc::invalid_argument},
    {errc::doorbell_unsupported,
     "the device has no doorbell; use an ivshmem-doorbell device, or "
     "poll the memory",
     std::errc::not_supported},
    {errc::interrupts_unsupported,
     "no interrupt can arrive through this driver; bind the device to vfio-pci (with a vIOMMU) or "
     "igb_uio, or poll the memory",
     std::errc::not_supported},
    {errc::events_unsupported, "the backend has no events to report", std::errc::not_supported},
    {errc::peers_unsupported, "the backend does not know the peers; agree on the ids",
     std::errc::not_supported},
    {errc::server_unreachable, "no server listens on the socket; start ivshmem-server"},
    {errc::server_version, "the server speaks another version of the protocol",
     std::errc::protocol_not_supported},
    {errc::server_protocol, "the server sent a message that the protocol does not allow",
     std::errc::protocol_error},
    {errc::server_closed, "the server closed the connection", std::errc::connection_reset},
    {errc::descriptor_limit, "the limit of open descriptors is reached; raise it (ulimit -n)",
     std::errc::too_many_files_open},
    {errc::forked, "the device was opened by the parent process; open it again in the child"},
    {errc::closed, "closed: open it first", std::errc::bad_file_descriptor},
    {errc::timed_out, "the timeout expired", std::errc::timed_out},
    {errc::region_too_small,
     "the shared memory is too small for the geometry; use fewer slots or lanes, smaller rings, "
     "or give the VMs more memory",
     std::errc::no_buffer_space},
    {errc::bad_geometry,
     "a geometry has 2 to 256 slots, 1 to 1024 lanes, and rings of a power of two from 1024 to "
     "268435456 bytes",
     std::errc::invalid_argument},
    {errc::geometry_mismatch,
     "a present peer divides the memory in another way; use its geometry, or reformat the memory "
     "if that peer is gone"},
    {errc::layout_version,
     "a present peer uses another version of the layout; use the same version on both sides, or "
     "reformat the memory if that peer is gone",
     std::errc::protocol_not_supported},
    {errc::slot_out_of_range, "the geometry has no such slot; name one below its number of slots",
     std::errc::invalid_argument},
    {errc::slot_in_use,
     "the slot is held, by another process or VM or by this one; name another one",
     std::errc::address_in_use},
    {errc::slot_lost, "another process or VM took the slot, because this one did not answer its "
                      "claim in time; claim a slot again"},
    {errc::lane_out_of_range, "the geometry has no such lane; name one below its number of lanes",
     std::errc::invalid_argument},
    {errc::lane_in_use,
     "the lane is open already, or no lane is free; close a channel, or use a "
     "geometry with more lanes",
     std::errc::address_in_use},
    {errc::message_too_large,
     "the message is longer than the peer accepts, or than this call can send",
     std::errc::message_size},
    {errc::buffer_too_small, "the message is longer than the buffers; receive it with larger ones",
     std::errc::message_size},
    {errc::not_connected, "the channel is not connected", std::errc::not_connected},
    {errc::channel_reset, "the peer restarted; open the channel again",
     std::errc::connection_reset},
    {errc::channel_closed, "the peer closed the channel", std::errc::broken_pipe},
    {errc::channel_poisoned,
     "the peer broke the rules of the layout; open the channel again if you trust the peer",
     std::errc::protocol_error},
    {errc::channel_rejected, "the peer says that this side broke the rules of the layout",
     std::errc::protocol_error},
    {errc::bad_service_name,
     "the name of a service or topic is 1 to 59 bytes of UTF-8 without control characters",
     std::errc::invalid_argument},
    {errc::service_exists, "this slot already offers a service of that name",
     std::errc::address_in_use},
    {errc::service_unknown, "no peer offers the service"},
    {errc::directory_full, "a slot offers at most 32 services", std::errc::no_buffer_space},
    {errc::no_free_slot,
     "all slots are held, or were by processes that were killed; claim one by its number",
     std::errc::address_in_use},
    {errc::slot_overwritten,
     "something other than the library has written to the slot's part of the shared memory; give "
     "channels a region of their own (slot_options::region)"},
    {errc::peer_lost,
     "the peer ended without closing the channel, or does not run any more; open the channel "
     "again, and it connects when the peer returns",
     std::errc::connection_reset},
    {errc::memory_unsealed,
     "the server's memory can be shrunk, which would end this process; seal it, or trust the "
     "server (open_options::trust_server)",
     std::errc::operation_not_permitted},
    {errc::states_unsupported, "the device has no states: it is not an ivshmem-v2 device",
     std::errc::not_supported},
    {errc::sections_unsupported,
     "the device has no output sections: it is not an ivshmem-v2 device; use its memory",
     std::errc::not_supported},
    {errc::sections_fixed,
     "an ivshmem-v2 device divides its memory itself: name no region, no other slot than the "
     "device's id and no other number of slots",
     std::errc::not_supported},
    {errc::sections_invalid,
     "the sizes, the id or the number of peers that the ivshmem-v2 device reports cannot be true; "
     "look at the hypervisor's configuration"},
    {errc::topics_unsupported,
     "the region leaves no room for topics behind its channels; use smaller rings, or fewer slots "
     "or lanes",
     std::errc::not_supported},
    {errc::topic_exists,
     "a topic of that name has a writer already; name another one, or end that writer",
     std::errc::address_in_use},
    {errc::topic_closed, "the writer ended the topic; open it again to wait for the next writer",
     std::errc::broken_pipe},
    {errc::topic_poisoned,
     "the writer of the topic broke the rules of the layout; open the topic again if you trust it",
     std::errc::protocol_error},
    {errc::pin_refused,
     "the writer lets this reader pin no messages, or did not hear of it yet; ask for pins when "
     "opening the topic, try a later message, or let the writer allow more readers",
     std::errc::operation_not_permitted},
    {errc::pins_in_use, "all pins of the reader are in use; release one first",
     std::errc::no_buffer_space},
    {errc::message_overwritten,
     "the writer has used the room of the message again; take a later message"},
};

constexpr bool in_order() {
    int expected = 1;
    for (const auto& entry : descriptions)
        if (static_cast<int>(entry.value) != expected++)
            return false;
    return expected == static_cast<int>(errc::message_overwritten) + 1;
}
static_assert(in_order(), "descriptions[] must list every errc, in its order");

const description* find(int value) noexcept {
    if (value < 1 || value > static_cast<int>(std::size(descriptions)))
        return nullptr;
    return &descriptions[static_cast<std::size_t>(value) - 1];
}

class category final : public std::error_category {
  public:
    const char* name() const noexcept override { return "ivshmem"; }
    std::string message(int value) const override {
        const auto* entry = find(value);
        return entry != nullptr ? entry->text : "unknown ivshmem error " + std::to_string(value);
    }
    std::error_condition default_error_condition(int value) const noexcept override {
        const auto* entry = find(value);
        if (entry == nullptr || entry->condition == std::errc{})
            return {value, *this};
        return std::make_error_condition(entry->condition);
    }
};

} // namespace

const std::error_category& error_category() noexcept {
    static const category instance;
    return instance;
}

std::error_code make_error_code(errc e) noexcept {
    return {static_cast<int>(e), error_category()};
}

error::error(std::error_code code, std::string message)
    : std::system_error{code}, message_{std::move(message)} {}

} // namespace ivshmem
