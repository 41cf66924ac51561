// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "c/api.hpp"
#include "c/bytes.hpp"
#include "c/failures.hpp"
#include "c/handles.hpp"
#include "c/slot_object.hpp"

#include <ivshmem/channel.hpp>
#include <ivshmem/channel_driver.hpp>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <system_error>
#include <utility>

namespace ivshmem::capi {

/// A message of which a part was sent or received.
struct part_of_message {
    std::size_t size = 0; ///< of a message that is sent
    std::size_t done = 0; ///< 0: there is none
    std::uint32_t session = 0;

    /// Whether there is one in this session.
    [[nodiscard]] bool under_way(const channel_driver& in) const noexcept {
        return done != 0 && session == in.session();
    }
};

struct channel_object {
    using handle_type = ivshmem_channel;
    static constexpr handle_kind kind = handle_kind::channel;

    /// With a closed channel.
    explicit channel_object(std::shared_ptr<held_slot> from) : in{std::move(from)} {}

    std::shared_ptr<held_slot> in;
    ivshmem::channel channel;
    channel_driver driver{channel};
    /// No error between two calls: to make one costs a call into the C++ library.
    std::error_code ec{};

    bool entangled = false; ///< any of the four below is set
    std::optional<std::size_t> reserved{};
    bool peeked = false;
    part_of_message sending{};
    part_of_message receiving{};

    std::size_t bytes_read = 0; ///< as a stream: of the message at the front
    std::uint32_t read_session = 0;

    /// Ends what a whole message would be mixed with: a reservation, a view.
    /// @throws error EINVAL: a message is being sent, or received, in parts.
    void disentangle_sending();
    void disentangle_receiving();

    /// Throws the error of the last call, if there is one, with the message that the throwing twins
    /// of ivshmem::channel have.
    void raise() {
        if (ec) [[unlikely]]
            raise_error();
    }
    /// Clears the error of the last call. @return It.
    std::error_code take_error() noexcept { return std::exchange(ec, {}); }

  private:
    [[noreturn]] void raise_error();
    void find_entangled() noexcept;
};

/// Makes the handle of a channel, which is moved from only if nothing can fail any more.
ivshmem_channel* make_channel(std::shared_ptr<held_slot> from, channel&& opened);

/// @throws error EINVAL, E2BIG.
channel_options channel_options_from(const ivshmem_channel_options* given);

} // namespace ivshmem::capi
