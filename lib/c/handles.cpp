// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "c/handles.hpp"

#include "c/failures.hpp"

#include <string>

namespace ivshmem::capi {

// Of zeros, so that the table takes no room in the file, and memory only for what was used.
constinit std::array<handle_entry, handle_limit> handle_entries{};

namespace {

constinit std::atomic<std::size_t> next_entry{};

/// An entry between two states, which no handle names.
constexpr std::uintptr_t changing = 1;
constexpr std::uintptr_t one_generation = std::uintptr_t{1} << handle_generation_shift;

constexpr const char* kind_names[] = {"none",      "device",         "discovery",      "monitor",
                                      "slot",      "claim",          "channel",        "service",
                                      "connector", "topic's writer", "topic's reader", "pin"};

std::uintptr_t generation_of(std::uintptr_t value) noexcept {
    return value & ~(one_generation - 1);
}
handle_kind kind_of(std::uintptr_t value) noexcept {
    return static_cast<handle_kind>((value & handle_tag_mask) >> handle_kind_shift);
}

} // namespace

// Without a lock, which a child could inherit from a thread of its parent.
std::uintptr_t add_handle(void* object, handle_kind kind) {
    for (std::size_t tries = 0; tries != handle_limit; ++tries) {
        const std::size_t index =
            next_entry.fetch_add(1, std::memory_order_relaxed) & (handle_limit - 1);
        handle_entry& entry = handle_entries[index]; // NOLINT: masked
        std::uintptr_t before = entry.handle.load(std::memory_order_relaxed);
        if ((before & 1U) != 0 ||
            !entry.handle.compare_exchange_strong(before, changing, std::memory_order_acquire))
            continue;
        const std::uintptr_t made =
            (before + one_generation) | index << handle_index_shift | handle_tag(kind);
        entry.object = object;
        entry.handle.store(made, std::memory_order_release);
        return made;
    }
    refuse(ENFILE, "65536 handles are open; close those that are not needed");
}

void* remove_handle(std::uintptr_t handle, handle_kind kind) {
    handle_entry& entry = handle_entries[handle_index(handle)]; // NOLINT: masked
    std::uintptr_t expected = handle;
    if ((handle & handle_tag_mask) != handle_tag(kind) ||
        !entry.handle.compare_exchange_strong(expected, changing, std::memory_order_acq_rel))
        refuse_handle(handle, kind);
    void* const object = entry.object;
    entry.object = nullptr;
    entry.handle.store(generation_of(handle), std::memory_order_release);
    return object;
}

void refuse_handle(std::uintptr_t handle, handle_kind kind) {
    const auto name = [](handle_kind of) {
        return std::string{kind_names[static_cast<std::size_t>(of)]}; // NOLINT: in range
    };
    const auto refuse_as = [](std::error_code code, const std::string& message) {
        throw error{code, message};
    };
    const std::error_code invalid{EINVAL, std::generic_category()};
    if (handle == 0)
        refuse_as(invalid, "the handle of the " + name(kind) + " is NULL");
    const auto given = static_cast<std::size_t>(kind_of(handle));
    const std::uintptr_t now = handle_entries[handle_index(handle)] // NOLINT: masked
                                   .handle.load(std::memory_order_acquire);
    // Only a number that the table once returned has a generation up to the present one.
    const bool known = (handle & 1U) != 0 && given != 0 && given < std::size(kind_names) &&
                       generation_of(handle) != 0 && generation_of(handle) <= generation_of(now);
    if (!known)
        refuse_as(invalid, "not a handle of the library, but of a " + name(kind) + " is needed");
    if (kind_of(handle) != kind)
        refuse_as(invalid, "the handle of a " + name(kind_of(handle)) +
                               " was passed for that of a " + name(kind));
    refuse_as(make_error_code(errc::closed), "the " + name(kind) + " is closed: open it first");
    __builtin_unreachable();
}

} // namespace ivshmem::capi
