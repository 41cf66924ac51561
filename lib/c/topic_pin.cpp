// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "c/api.hpp"
#include "c/failures.hpp"
#include "c/handles.hpp"
#include "c/slot_object.hpp"
#include "c/topic_reader_object.hpp"

#include <ivshmem/topic_pin.hpp>

#include <memory>

namespace ivshmem::capi {
namespace {

struct topic_pin_object {
    using handle_type = ivshmem_topic_pin;
    static constexpr handle_kind kind = handle_kind::topic_pin;

    std::shared_ptr<held_slot> in;
    topic_pin pin;
};

} // namespace
} // namespace ivshmem::capi

using namespace ivshmem::capi;

extern "C" {

int ivshmem_topic_pin_open(ivshmem_topic_reader* reader, const ivshmem_topic_message* message,
                           ivshmem_topic_pin** pin) {
    return guarded([&] {
        auto& from = use<topic_reader_object>(reader);
        const auto held = message_from(message);
        require(pin);
        *pin = make_handle(std::unique_ptr<topic_pin_object>{
            new topic_pin_object{from.in, from.reader.pin(held)}});
    });
}

int ivshmem_topic_pin_still_valid(ivshmem_topic_pin* pin, int* valid) {
    return guarded([&] {
        const auto& of = use<topic_pin_object>(pin);
        require(valid);
        *valid = of.pin.still_valid() ? 1 : 0;
    });
}

int ivshmem_topic_pin_close(ivshmem_topic_pin* pin) {
    return guarded([&] { end_handle<topic_pin_object>(pin); });
}

} // extern "C"
