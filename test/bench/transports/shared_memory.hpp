// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "../transport.hpp"

#include <new>
#include <utility>

#include <sys/mman.h>

namespace bench {

/// Memory of both processes, at the same address in each, and with its pages present.
class shared_memory {
  public:
    explicit shared_memory(std::size_t size) : size_{size} {
        address_ = ::mmap(nullptr, size, PROT_READ | PROT_WRITE,
                          MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
        if (address_ == MAP_FAILED) // NOLINT: the macro is C's
            throw std::system_error{errno, std::system_category(), "mmap"};
    }
    shared_memory(const shared_memory&) = delete;
    shared_memory& operator=(const shared_memory&) = delete;
    ~shared_memory() { ::munmap(address_, size_); }

    [[nodiscard]] std::span<std::byte> bytes() const noexcept {
        return {static_cast<std::byte*>(address_), size_};
    }

  private:
    void* address_ = nullptr;
    std::size_t size_;
};

/// An object in such memory. It is never destroyed: it goes with the memory.
template <class T>
class shared_object {
  public:
    template <class... Arguments>
    explicit shared_object(Arguments&&... arguments)
        : memory_{sizeof(T)}, object_{::new (memory_.bytes().data())
                                          T(std::forward<Arguments>(arguments)...)} {}

    T& operator*() const noexcept { return *object_; }
    T* operator->() const noexcept { return object_; }

  private:
    shared_memory memory_;
    T* object_;
};

/// Far enough apart for two processors not to disturb each other: the adjacent cache line is
/// fetched too.
inline constexpr std::size_t apart = 128;

} // namespace bench
