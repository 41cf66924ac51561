// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "memory/aligned_copy.hpp"

#include "helpers/catch.hpp"

#include <algorithm>
#include <array>

using ivshmem::cache_mode;

namespace {

constexpr std::size_t room = 64;
constexpr std::size_t longest = 35; ///< head, several words, tail
using bytes = std::array<std::byte, room>;

constexpr std::array modes{cache_mode::write_back, cache_mode::write_combining,
                           cache_mode::uncached};

/// Another value for each byte.
bytes numbered(unsigned first) {
    bytes result{};
    for (std::size_t i = 0; i < room; ++i)
        result.at(i) = static_cast<std::byte>(first + i);
    return result;
}

/// Returns the expected bytes after copying `size` bytes from the beginning of `from` to `at`.
bytes after(bytes to, std::size_t at, const bytes& from, std::size_t size) {
    std::copy_n(from.begin(), size, to.begin() + static_cast<std::ptrdiff_t>(at));
    return to;
}

/// Calls f(mode, begin, size) for each alignment and length.
template <typename F>
void for_all(F f) {
    for (const auto mode : modes)
        for (std::size_t begin = 0; begin < 17; ++begin)
            for (std::size_t size = 0; size <= longest; ++size)
                f(mode, begin, size);
}

} // namespace

TEST_CASE("copying from shared memory yields its bytes, and writes no others") {
    alignas(16) const bytes shared = numbered(100);
    for_all([&](cache_mode mode, std::size_t begin, std::size_t size) {
        bytes to = numbered(0);
        bytes source{};
        std::copy(shared.begin() + static_cast<std::ptrdiff_t>(begin), shared.end(),
                  source.begin());
        const auto wanted = after(to, 3, source, size);
        ivshmemctl::copy_from(mode, std::span{shared}.subspan(begin, size), to.data() + 3);
        CHECK(to == wanted);
    });
}

TEST_CASE("copying to shared memory writes the bytes, and touches no others") {
    const bytes from = numbered(100);
    for_all([&](cache_mode mode, std::size_t begin, std::size_t size) {
        alignas(16) bytes shared = numbered(0);
        const auto wanted = after(shared, begin, from, size);
        ivshmemctl::copy_to(mode, std::span{shared}.subspan(begin, size), from.data());
        CHECK(shared == wanted);
    });
}
