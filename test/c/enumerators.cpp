// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors

// The enumerators in C are those of the library in C++, and the texts too.

#include "helpers/catch.hpp"

#include <ivshmem/ivshmem.h>
#include <ivshmem/ivshmem.hpp>

#include <array>
#include <cerrno>
#include <limits>
#include <string>
#include <string_view>
#include <utility>

namespace {

using ivshmem::errc;

constexpr std::pair<int, errc> codes[] = {
    {IVSHMEM_SYSFS_UNAVAILABLE, errc::sysfs_unavailable},
    {IVSHMEM_SYSFS_MALFORMED, errc::sysfs_malformed},
    {IVSHMEM_DEVICE_NOT_FOUND, errc::device_not_found},
    {IVSHMEM_DEVICE_AMBIGUOUS, errc::device_ambiguous},
    {IVSHMEM_BAD_SELECTOR, errc::bad_selector},
    {IVSHMEM_PROTOCOL_UNSUPPORTED, errc::protocol_unsupported},
    {IVSHMEM_BAR_MISSING, errc::bar_missing},
    {IVSHMEM_DRIVER_UNSUITABLE, errc::driver_unsuitable},
    {IVSHMEM_IOMMU_MISSING, errc::iommu_missing},
    {IVSHMEM_GROUP_NOT_VIABLE, errc::group_not_viable},
    {IVSHMEM_DEVICE_BUSY, errc::device_busy},
    {IVSHMEM_PERMISSION_DENIED, errc::permission_denied},
    {IVSHMEM_LOCKED_DOWN, errc::locked_down},
    {IVSHMEM_CACHE_MODE_UNAVAILABLE, errc::cache_mode_unavailable},
    {IVSHMEM_POSITION_TIMEOUT, errc::position_timeout},
    {IVSHMEM_DEVICE_GONE, errc::device_gone},
    {IVSHMEM_DEVICE_REMOVED, errc::device_removed},
    {IVSHMEM_PEER_OUT_OF_RANGE, errc::peer_out_of_range},
    {IVSHMEM_VECTOR_OUT_OF_RANGE, errc::vector_out_of_range},
    {IVSHMEM_DOORBELL_UNSUPPORTED, errc::doorbell_unsupported},
    {IVSHMEM_INTERRUPTS_UNSUPPORTED, errc::interrupts_unsupported},
    {IVSHMEM_EVENTS_UNSUPPORTED, errc::events_unsupported},
    {IVSHMEM_PEERS_UNSUPPORTED, errc::peers_unsupported},
    {IVSHMEM_SERVER_UNREACHABLE, errc::server_unreachable},
    {IVSHMEM_SERVER_VERSION, errc::server_version},
    {IVSHMEM_SERVER_PROTOCOL, errc::server_protocol},
    {IVSHMEM_SERVER_CLOSED, errc::server_closed},
    {IVSHMEM_DESCRIPTOR_LIMIT, errc::descriptor_limit},
    {IVSHMEM_FORKED, errc::forked},
    {IVSHMEM_CLOSED, errc::closed},
    {IVSHMEM_TIMED_OUT, errc::timed_out},
    {IVSHMEM_REGION_TOO_SMALL, errc::region_too_small},
    {IVSHMEM_BAD_GEOMETRY, errc::bad_geometry},
    {IVSHMEM_GEOMETRY_MISMATCH, errc::geometry_mismatch},
    {IVSHMEM_LAYOUT_VERSION, errc::layout_version},
    {IVSHMEM_SLOT_OUT_OF_RANGE, errc::slot_out_of_range},
    {IVSHMEM_SLOT_IN_USE, errc::slot_in_use},
    {IVSHMEM_SLOT_LOST, errc::slot_lost},
    {IVSHMEM_LANE_OUT_OF_RANGE, errc::lane_out_of_range},
    {IVSHMEM_LANE_IN_USE, errc::lane_in_use},
    {IVSHMEM_MESSAGE_TOO_LARGE, errc::message_too_large},
    {IVSHMEM_BUFFER_TOO_SMALL, errc::buffer_too_small},
    {IVSHMEM_NOT_CONNECTED, errc::not_connected},
    {IVSHMEM_CHANNEL_RESET, errc::channel_reset},
    {IVSHMEM_CHANNEL_CLOSED, errc::channel_closed},
    {IVSHMEM_CHANNEL_POISONED, errc::channel_poisoned},
    {IVSHMEM_CHANNEL_REJECTED, errc::channel_rejected},
    {IVSHMEM_BAD_SERVICE_NAME, errc::bad_service_name},
    {IVSHMEM_SERVICE_EXISTS, errc::service_exists},
    {IVSHMEM_SERVICE_UNKNOWN, errc::service_unknown},
    {IVSHMEM_DIRECTORY_FULL, errc::directory_full},
    {IVSHMEM_NO_FREE_SLOT, errc::no_free_slot},
    {IVSHMEM_SLOT_OVERWRITTEN, errc::slot_overwritten},
    {IVSHMEM_PEER_LOST, errc::peer_lost},
    {IVSHMEM_MEMORY_UNSEALED, errc::memory_unsealed},
    {IVSHMEM_STATES_UNSUPPORTED, errc::states_unsupported},
    {IVSHMEM_SECTIONS_UNSUPPORTED, errc::sections_unsupported},
    {IVSHMEM_SECTIONS_FIXED, errc::sections_fixed},
    {IVSHMEM_SECTIONS_INVALID, errc::sections_invalid},
    {IVSHMEM_TOPICS_UNSUPPORTED, errc::topics_unsupported},
    {IVSHMEM_TOPIC_EXISTS, errc::topic_exists},
    {IVSHMEM_TOPIC_CLOSED, errc::topic_closed},
    {IVSHMEM_TOPIC_POISONED, errc::topic_poisoned},
    {IVSHMEM_PIN_REFUSED, errc::pin_refused},
    {IVSHMEM_PINS_IN_USE, errc::pins_in_use},
    {IVSHMEM_MESSAGE_OVERWRITTEN, errc::message_overwritten},
};

template <typename C, typename Cpp>
constexpr bool same(C in_c, Cpp in_cpp, int difference = 0) {
    return static_cast<int>(in_c) == static_cast<int>(in_cpp) + difference;
}

using ivshmem::backend_kind;
static_assert(same(IVSHMEM_BACKEND_VFIO, backend_kind::vfio, 1));
static_assert(same(IVSHMEM_BACKEND_UIO, backend_kind::uio, 1));
static_assert(same(IVSHMEM_BACKEND_SERVER, backend_kind::server, 1));
static_assert(same(IVSHMEM_BACKEND_SHARED, backend_kind::shared, 1));

using ivshmem::cache_mode;
static_assert(same(IVSHMEM_CACHE_WRITE_BACK, cache_mode::write_back, 1));
static_assert(same(IVSHMEM_CACHE_WRITE_COMBINING, cache_mode::write_combining, 1));
static_assert(same(IVSHMEM_CACHE_UNCACHED, cache_mode::uncached, 1));

using ivshmem::device_type;
static_assert(same(IVSHMEM_TYPE_UNKNOWN, device_type::unknown));
static_assert(same(IVSHMEM_TYPE_PLAIN, device_type::plain));
static_assert(same(IVSHMEM_TYPE_DOORBELL, device_type::doorbell));

using event = ivshmem::event::kind;
static_assert(same(IVSHMEM_EVENT_PEER_JOINED, event::peer_joined));
static_assert(same(IVSHMEM_EVENT_PEER_LEFT, event::peer_left));
static_assert(same(IVSHMEM_EVENT_SERVER_GONE, event::server_gone));
static_assert(same(IVSHMEM_EVENT_REMOVAL_REQUESTED, event::removal_requested));
static_assert(same(IVSHMEM_EVENT_DEVICE_ERROR, event::device_error));
static_assert(same(IVSHMEM_EVENT_STATE_CHANGED, event::state_changed));

using change = ivshmem::device_change::kind;
static_assert(same(IVSHMEM_CHANGE_ADDED, change::added));
static_assert(same(IVSHMEM_CHANGE_REMOVED, change::removed));
static_assert(same(IVSHMEM_CHANGE_CHANGED, change::changed));

using state = ivshmem::channel_state;
static_assert(same(IVSHMEM_STATE_CLOSED, state::closed));
static_assert(same(IVSHMEM_STATE_OPENING, state::opening));
static_assert(same(IVSHMEM_STATE_CONNECTED, state::connected));
static_assert(same(IVSHMEM_STATE_RESET, state::reset));
static_assert(same(IVSHMEM_STATE_POISONED, state::poisoned));
static_assert(same(IVSHMEM_STATE_REJECTED, state::rejected));
static_assert(same(IVSHMEM_STATE_LOST, state::lost));

using driver = ivshmem::channel_driver;
static_assert(same(IVSHMEM_WAKE_DATA, driver::for_data));
static_assert(same(IVSHMEM_WAKE_ROOM, driver::for_room));
static_assert(same(IVSHMEM_WAKE_DRAINED, driver::for_drained));

using topic = ivshmem::topic_state;
static_assert(same(IVSHMEM_TOPIC_STATE_CLOSED, topic::closed));
static_assert(same(IVSHMEM_TOPIC_STATE_SEARCHING, topic::searching));
static_assert(same(IVSHMEM_TOPIC_STATE_ATTACHED, topic::attached));
static_assert(same(IVSHMEM_TOPIC_STATE_ENDED, topic::ended));
static_assert(same(IVSHMEM_TOPIC_STATE_POISONED, topic::poisoned));
static_assert(same(IVSHMEM_TOPIC_STATE_LOST, topic::lost));

std::string text_of(int code) {
    std::array<char, 512> text{};
    REQUIRE(ivshmem_get_code_text(code, text.data(), text.size()) == 0);
    return text.data();
}

} // namespace

TEST_CASE("the codes are those of errc, all of them") {
    int expected = 0;
    for (const auto& [in_c, in_cpp] : codes) {
        CHECK(in_c == ++expected);
        CHECK(same(in_c, in_cpp));
        CHECK(text_of(in_c) == make_error_code(in_cpp).message());
    }
    CHECK(text_of(expected + 1) == "unknown ivshmem error " + std::to_string(expected + 1));
    CHECK(text_of(0) == "success");
    CHECK(text_of(-EAGAIN) == std::generic_category().message(EAGAIN));
    CHECK_FALSE(text_of(std::numeric_limits<int>::min()).empty());
    std::array<char, 4> four{};
    REQUIRE(ivshmem_get_code_text(0, four.data(), four.size()) == 0);
    CHECK(four.data() == std::string_view{"suc"});
}

TEST_CASE("the version in C") {
    CHECK(ivshmem_version() == ivshmem::version());
    CHECK(ivshmem_version_number() == ivshmem::version_number());
}
