// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "c/channel_object.hpp"

#include "c/structs.hpp"

#include <string>
#include <utility>

namespace ivshmem::capi {

void channel_object::raise_error() {
    const std::error_code why = take_error();
    throw error{why, "channel to slot " + std::to_string(channel.peer_slot()) + ", lane " +
                         std::to_string(channel.lane()) + ": " + why.message()};
}

void channel_object::find_entangled() noexcept {
    entangled = reserved || peeked || sending.done != 0 || receiving.done != 0;
}

void channel_object::disentangle_sending() {
    if (!entangled)
        return;
    require(
        !sending.under_way(driver),
        "a message is being sent in parts: go on with ivshmem_channel_send_some(), or abandon it");
    reserved.reset();
    sending = {};
    find_entangled();
}

void channel_object::disentangle_receiving() {
    if (!entangled)
        return;
    require(!receiving.under_way(driver), "a message is being received in parts: go on with "
                                          "ivshmem_channel_receive_some(), or skip it");
    peeked = false;
    receiving = {};
    find_entangled();
}

ivshmem_channel* make_channel(std::shared_ptr<held_slot> from, channel&& opened) {
    auto made = std::make_unique<channel_object>(std::move(from));
    channel_object& object = *made;
    ivshmem_channel* const handle = make_handle(std::move(made));
    object.channel = std::move(opened);
    object.driver = channel_driver{object.channel};
    return handle;
}

channel_options channel_options_from(const ivshmem_channel_options* given) {
    const auto options = options_from(given);
    channel_options result;
    if (options.max_message != 0)
        result.max_message = options.max_message;
    result.polling = options.polling != 0;
    return result;
}

} // namespace ivshmem::capi
