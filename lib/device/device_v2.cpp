// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "device/device_impl.hpp"

// The states and output sections of ivshmem-v2.
namespace ivshmem {

const v2_facts* device::impl::v2(errc lacking, failure& f) const {
    check_owner(f);
    if (!f && !facts().v2)
        f.set(lacking, "{}: {}", facts().name, make_error_code(lacking).message());
    return f ? nullptr : &*facts().v2;
}

bool device::impl::is_peer(const v2_facts& of, std::uint32_t peer, failure& f) const {
    if (peer >= of.max_peers)
        f.set(errc::peer_out_of_range, "{}: peer {}: the ids of this device are 0 to {}",
              facts().name, peer, of.max_peers - 1);
    return !f;
}

std::uint32_t device::impl::state(failure& f) const {
    return v2(errc::states_unsupported, f) != nullptr ? backend_->state(f) : 0;
}

void device::impl::set_state(std::uint32_t value, failure& f) const {
    if (v2(errc::states_unsupported, f) != nullptr)
        backend_->set_state(value, f);
}

std::uint32_t device::impl::peer_state(std::uint32_t peer, failure& f) const {
    const auto* const facts = v2(errc::states_unsupported, f);
    return facts != nullptr && is_peer(*facts, peer, f) ? facts->state_of(peer) : 0;
}

std::span<std::byte> device::impl::output_section(failure& f) const {
    const auto* const facts = v2(errc::sections_unsupported, f);
    return facts != nullptr ? facts->output : std::span<std::byte>{};
}

std::span<const std::byte> device::impl::output_section(std::uint32_t peer, failure& f) const {
    const auto* const facts = v2(errc::sections_unsupported, f);
    return facts != nullptr && is_peer(*facts, peer, f) ? facts->output_of(peer)
                                                        : std::span<const std::byte>{};
}

std::span<const std::byte> device::impl::output_sections(failure& f) const {
    const auto* const facts = v2(errc::sections_unsupported, f);
    return facts != nullptr ? facts->outputs : std::span<const std::byte>{};
}

} // namespace ivshmem
