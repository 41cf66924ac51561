// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "channel/topic_grants.hpp"

#include "channel/topic_number.hpp"
#include "helpers/catch.hpp"

#include <array>
#include <cstddef>
#include <cstdint>

namespace {

namespace layout = ivshmem::layout;
using ivshmem::topic_grants;
using ivshmem::topic_number;

/// The row of a reader that has one pin.
class row_with_a_pin {
  public:
    row_with_a_pin(std::size_t pin, std::uint32_t tag) {
        row_.store(layout::topics::pins + pin * layout::topic_pin::size + layout::topic_pin::tag,
                   tag);
    }
    [[nodiscard]] bool asks(std::uint32_t key, std::uint64_t newest) const {
        return topic_grants::asks(row_, key, newest);
    }

  private:
    alignas(64) std::array<std::byte, layout::topics::row_size> bytes_{};
    ivshmem::shared_words row_{bytes_.data(), false};
};

} // namespace

TEST_CASE("a reader asks as long as it has a pin for the topic, whichever message that holds") {
    const std::uint32_t key = GENERATE(1U, 77U, 0x80000000U, 0xfffffff0U);
    const std::size_t pin = GENERATE(0U, 3U, 7U);
    const std::uint64_t newest =
        GENERATE(0ULL, 1ULL, 0x7fffffffULL, 0x80000000ULL, 0x100000005ULL, 0x180000000ULL);
    // A message of now; or one that is held since more than 2^31 messages, or none.
    CHECK(row_with_a_pin{pin, topic_number::tag(key, newest)}.asks(key, newest));
    CHECK(row_with_a_pin{pin, topic_number::tag(key, 1)}.asks(key, newest));
    CHECK_FALSE(row_with_a_pin{pin, 0}.asks(key, newest));
    CHECK_FALSE(row_with_a_pin{pin, key - 1}.asks(key, newest));
    CHECK_FALSE(
        row_with_a_pin{pin, topic_number::tag(key, newest + 0x80000000ULL)}.asks(key, newest));
}

TEST_CASE("a pin without a use asks for no topic, also if the tags of its messages pass 0") {
    CHECK_FALSE(row_with_a_pin{0, 0}.asks(0xffffffff, 0x80000000));
    CHECK(row_with_a_pin{0, 1}.asks(0xffffffff, 0x100000000));
}
