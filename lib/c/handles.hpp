// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>

/// The handles of the C API: numbers in the type of a pointer, which name an entry of a table.
///
/// From the lowest bit: 1, so that no handle is the address of an object; the kind of the object;
/// the index of the entry; and a generation, which grows each time the entry is used. So a number
/// names one object for ever, or until the generation has run through its bits, which takes 2^43
/// uses of an entry with 64 bits, and 2^11 with 32. Entries are used in turn, all before one again.
namespace ivshmem::capi {

enum class handle_kind : std::uintptr_t {
    none, ///< an entry that is not in use, or is about to change
    device,
    discovery,
    monitor,
    slot,
    claim,
    channel,
    service,
    connector,
    topic_writer,
    topic_reader,
    topic_pin,
};

inline constexpr unsigned handle_kind_shift = 1;
inline constexpr unsigned handle_index_shift = 5;
inline constexpr unsigned handle_generation_shift = 21;
inline constexpr std::size_t handle_limit = 65536;
/// The live bit and the kind.
inline constexpr std::uintptr_t handle_tag_mask = (std::uintptr_t{1} << handle_index_shift) - 1;

struct handle_entry {
    /// The handle while it is open; then its generation alone.
    std::atomic<std::uintptr_t> handle;
    void* object;
};
/// Never destroyed: objects that the program does not close live on at its end.
extern std::array<handle_entry, handle_limit> handle_entries;

constexpr std::uintptr_t handle_tag(handle_kind kind) noexcept {
    return static_cast<std::uintptr_t>(kind) << handle_kind_shift | 1U;
}
constexpr std::size_t handle_index(std::uintptr_t handle) noexcept {
    return handle >> handle_index_shift & (handle_limit - 1);
}

/// Stores an object. @throws error ENFILE: the table is full.
std::uintptr_t add_handle(void* object, handle_kind kind);
/// Takes an object out of the table. Of several threads that take one object, one gets it.
/// @throws error as refuse_handle().
void* remove_handle(std::uintptr_t handle, handle_kind kind);
/// Throws the reason for which there is no such handle: EINVAL or errc::closed.
[[noreturn, gnu::cold]] void refuse_handle(std::uintptr_t handle, handle_kind kind);

/// Returns the object of a handle. T::kind is its kind, and T::handle_type the type in C.
/// @throws error as refuse_handle().
template <typename T>
[[gnu::always_inline]] inline T& use(const typename T::handle_type* handle) {
    const auto value = reinterpret_cast<std::uintptr_t>(handle);
    const handle_entry& entry = handle_entries[handle_index(value)]; // NOLINT: masked
    if (entry.handle.load(std::memory_order_acquire) != value ||
        (value & handle_tag_mask) != handle_tag(T::kind)) [[unlikely]]
        refuse_handle(value, T::kind);
    return *static_cast<T*>(entry.object);
}

/// Makes a handle that owns an object.
template <typename T>
typename T::handle_type* make_handle(std::unique_ptr<T> object) {
    const std::uintptr_t value = add_handle(object.get(), T::kind);
    static_cast<void>(object.release());
    return reinterpret_cast<typename T::handle_type*>(value); // NOLINT: no address
}

/// Ends a handle, and returns its object to destroy.
template <typename T>
std::unique_ptr<T> end_handle(const typename T::handle_type* handle) {
    return std::unique_ptr<T>{
        static_cast<T*>(remove_handle(reinterpret_cast<std::uintptr_t>(handle), T::kind))};
}

} // namespace ivshmem::capi
