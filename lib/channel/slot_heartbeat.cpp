// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "channel/slot_heartbeat.hpp"

#include <algorithm>

namespace ivshmem {

using std::chrono::milliseconds;

void beat_judge::look(const beat_words& now, milliseconds own, clock::time_point at) noexcept {
    if (now != last_) {
        last_ = now;
        silence_ = {};
    } else {
        const clock::duration most = std::max(own, now.period());
        silence_ += std::clamp(at - looked_at_, clock::duration{}, most);
    }
    looked_at_ = at;
}

bool beat_judge::is_silent(const beat_words& now, milliseconds own) const noexcept {
    return now.are_of_a_holder() && now == last_ &&
           silence_ >= layout::heartbeat_silence * std::max(own, now.period());
}

void slot_heartbeat::begin(const shared_words& own, std::uint32_t incarnation) {
    const std::lock_guard lock{mutex_};
    write(own);
    own.store(layout::header::beating, is_on() ? incarnation : 0);
    due_ = clock::now() + period_;
}

bool slot_heartbeat::beat(const shared_words& own, clock::time_point now) {
    const std::lock_guard lock{mutex_};
    // A little early is better than a whole period late, for a caller that comes once a period.
    if (now < due_ - period_ / 4)
        return false;
    write(own);
    due_ = std::max(due_, now) + period_;
    return true;
}

void slot_heartbeat::write(const shared_words& own) {
    own.publish(layout::header::heartbeat, is_on() ? ++count_ << layout::heartbeat_count_shift |
                                                         static_cast<std::uint32_t>(period_.count())
                                                   : 0);
}

void slot_heartbeat::look(std::uint32_t slot, const shared_words& theirs, clock::time_point now) {
    const std::lock_guard lock{mutex_};
    peers_[slot].look(beat_words{theirs}, period_, now);
}

bool slot_heartbeat::is_silent(std::uint32_t slot, const shared_words& theirs) const {
    if (!is_on())
        return false;
    const std::lock_guard lock{mutex_};
    return peers_[slot].is_silent(beat_words{theirs}, period_);
}

} // namespace ivshmem
