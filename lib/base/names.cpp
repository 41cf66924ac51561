// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include <ivshmem/backend_kind.hpp>
#include <ivshmem/cache_mode.hpp>
#include <ivshmem/channel_state.hpp>
#include <ivshmem/device_change.hpp>
#include <ivshmem/device_info.hpp>
#include <ivshmem/event.hpp>
#include <ivshmem/layout_violation.hpp>
#include <ivshmem/topic_state.hpp>

// The names of the enumerators in messages and JSON.
namespace ivshmem {

std::string_view to_string(backend_kind kind) noexcept {
    switch (kind) {
    case backend_kind::vfio:
        return "vfio";
    case backend_kind::uio:
        return "uio";
    case backend_kind::server:
        return "server";
    case backend_kind::shared:
        return "shared";
    }
    return "unknown";
}

std::optional<backend_kind> parse_backend(std::string_view name) noexcept {
    for (const auto kind :
         {backend_kind::vfio, backend_kind::uio, backend_kind::server, backend_kind::shared})
        if (name == to_string(kind))
            return kind;
    return std::nullopt;
}

std::string_view to_string(cache_mode mode) noexcept {
    switch (mode) {
    case cache_mode::write_back:
        return "write-back";
    case cache_mode::write_combining:
        return "write-combining";
    case cache_mode::uncached:
        return "uncached";
    }
    return "unknown";
}

std::string_view to_string(device_change::kind kind) noexcept {
    switch (kind) {
    case device_change::kind::added:
        return "added";
    case device_change::kind::removed:
        return "removed";
    case device_change::kind::changed:
        return "changed";
    }
    return "unknown";
}

std::string_view to_string(event::kind kind) noexcept {
    switch (kind) {
    case event::kind::peer_joined:
        return "peer joined";
    case event::kind::peer_left:
        return "peer left";
    case event::kind::server_gone:
        return "server gone";
    case event::kind::removal_requested:
        return "removal requested";
    case event::kind::device_error:
        return "device error";
    case event::kind::state_changed:
        return "state changed";
    }
    return "unknown";
}

std::string_view to_string(topic_state s) noexcept {
    switch (s) {
    case topic_state::searching:
        return "searching";
    case topic_state::attached:
        return "attached";
    case topic_state::ended:
        return "ended";
    case topic_state::poisoned:
        return "poisoned";
    case topic_state::lost:
        return "lost";
    case topic_state::closed:
        return "closed";
    }
    return "unknown";
}

std::string_view to_string(layout_violation v) noexcept {
    switch (v) {
    case layout_violation::none:
        return "none";
    case layout_violation::record:
        return "record";
    case layout_violation::total:
        return "total";
    case layout_violation::limit:
        return "limit";
    case layout_violation::sequence:
        return "sequence";
    case layout_violation::cursor:
        return "cursor";
    }
    return "unknown";
}

std::string_view to_string(device_generation g) noexcept {
    switch (g) {
    case device_generation::v1:
        return "v1";
    case device_generation::v2:
        return "v2";
    }
    return "unknown";
}

std::string_view to_string(device_type t) noexcept {
    switch (t) {
    case device_type::unknown:
        return "unknown";
    case device_type::plain:
        return "plain";
    case device_type::doorbell:
        return "doorbell";
    }
    return "unknown";
}

std::string_view to_string(channel_state s) noexcept {
    switch (s) {
    case channel_state::closed:
        return "closed";
    case channel_state::opening:
        return "opening";
    case channel_state::connected:
        return "connected";
    case channel_state::reset:
        return "reset";
    case channel_state::poisoned:
        return "poisoned";
    case channel_state::rejected:
        return "rejected";
    case channel_state::lost:
        return "lost";
    }
    return "unknown";
}

} // namespace ivshmem
