// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "channel/topic_pin_place.hpp"

#include <ivshmem/topic_pin.hpp>

#include <utility>

namespace ivshmem {

topic_pin::topic_pin() noexcept = default;
topic_pin::topic_pin(topic_pin&& other) noexcept
    : place_{std::move(other.place_)}, message_{std::exchange(other.message_, {})} {}
topic_pin& topic_pin::operator=(topic_pin&& other) noexcept {
    if (this != &other) {
        release();
        place_ = std::move(other.place_);
        message_ = std::exchange(other.message_, {});
    }
    return *this;
}
topic_pin::~topic_pin() {
    release();
}

bool topic_pin::still_valid() const {
    return place_ && place_->stands();
}

void topic_pin::release() noexcept {
    if (const auto place = std::move(place_))
        place->release();
    message_ = {};
}

} // namespace ivshmem
