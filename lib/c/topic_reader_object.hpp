// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "c/api.hpp"
#include "c/handles.hpp"
#include "c/slot_object.hpp"

#include <ivshmem/topic_reader.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>

namespace ivshmem::capi {

/// A reader of a topic. A message that was too long for a buffer is kept for the next call, and
/// counts as skipped if it is overwritten, or passed over, before that.
class topic_reader_object {
  public:
    using handle_type = ivshmem_topic_reader;
    static constexpr handle_kind kind = handle_kind::topic_reader;

    enum class which { next, newest };

    /// @throws error as topic_reader::open().
    topic_reader_object(std::shared_ptr<held_slot> from, std::string_view name,
                        const topic_reader_options& options)
        : in{std::move(from)}, reader{topic_reader::open(in->slot, name, options)}, options_{
                                                                                        options} {}

    /// Returns a view of a message; nothing: there is none now. @throws error as
    /// topic_reader::try_view().
    std::optional<topic_message> view(which of);
    /// Copies a message into a buffer.
    /// @return A message whose bytes are those of the buffer; or one that is longer, and stays.
    /// @throws error as view(), and errc::message_too_large.
    std::optional<topic_message> read(which of, std::span<std::byte> into);

    /// As topic_reader::arm(). @return Also false if a message is kept.
    [[nodiscard]] bool arm() { return !kept_ && reader.arm(); }
    void disarm() noexcept { reader.disarm(); }

    [[nodiscard]] bool is_polling() const noexcept { return options_.polling; }
    [[nodiscard]] std::uint64_t skipped() const noexcept { return reader.skipped() + lost_; }

    const std::shared_ptr<held_slot> in;
    topic_reader reader;

  private:
    std::optional<topic_message> take(which of);
    /// Counts a message that was found, but cannot be read any more.
    void lose(const topic_message& message);

    const topic_reader_options options_;
    std::optional<topic_message> kept_; ///< was too long for a buffer
    std::uint64_t lost_ = 0;            ///< in all
    std::uint64_t unreported_ = 0; ///< of them, and those skipped before them: for the next message
    std::uint32_t session_ = 0;    ///< in which they are
};

/// Returns a message that a program passes. @throws error EINVAL.
topic_message message_from(const ivshmem_topic_message* given);

} // namespace ivshmem::capi
