// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "base/random_word.hpp"
#include "channel/channel_impl.hpp"

#include <utility>

// Opening, connecting, resetting and closing: the states of a channel.
namespace ivshmem {

std::unique_ptr<channel::impl> channel::impl::open(std::shared_ptr<slot::impl> in, std::uint32_t to,
                                                   std::uint32_t lane,
                                                   const channel_options& options,
                                                   std::error_code& ec) {
    ec.clear();
    auto opened = std::make_unique<impl>();
    opened->slot_ = std::move(in);
    if (!opened->usable(ec))
        return nullptr;
    slot::impl& own = *opened->slot_;
    if (to >= own.geometry().slots || to == own.number())
        ec = errc::slot_out_of_range;
    else if (lane >= own.geometry().lanes)
        ec = errc::lane_out_of_range;
    else if (own.interrupts() != 0 && options.vector.value_or(0) >= own.interrupts())
        ec = errc::vector_out_of_range;
    else if (!own.take_lane(to, lane))
        ec = errc::lane_in_use;
    if (ec)
        return nullptr;
    opened->peer_slot_ = to;
    opened->lane_ = lane;
    opened->options_ = options;
    opened->polling_ = options.polling || own.interrupts() == 0;
    opened->mine_ = own.block(own.number(), to, lane);
    opened->theirs_ = own.block(to, own.number(), lane);
    opened->sleep_ = {opened->mine_, opened->theirs_};
    opened->held_ = own.held();
    opened->alive_ = own.alive();
    opened->start_session();
    return opened;
}

void channel::impl::reopen(std::error_code& ec) {
    ec.clear();
    if (state_ == channel_state::closed)
        ec = errc::closed;
    else if (usable(ec))
        start_session();
}

/// "Open" of the layout.
void channel::impl::start_session() {
    const std::uint32_t size = slot_->geometry().ring_size;
    const std::uint32_t before = mine_.load(layout::block::epoch);
    mine_.publish(layout::block::epoch, 0);
    words::fence(); // before the stores below
    for (const auto word : {layout::block::ring, layout::block::cursor, layout::block::wake,
                            layout::block::room, layout::block::ack, layout::block::flags})
        mine_.store(word, 0);
    mine_.store(layout::block::attention, polling_ ? 0 : layout::attention_wanted);
    mine_.store(layout::block::limit, options_.max_message);
    mine_.store(layout::block::service, options_.service);
    mine_.store(layout::block::accepted, options_.offered);
    const std::uint32_t met = theirs_.load(layout::block::ack);
    do
        epoch_ = random_word();
    while (epoch_ == before || epoch_ == met);
    producer_ = {mine_, theirs_, size};
    consumer_ = {mine_, theirs_, size, options_.max_message};
    state_ = channel_state::opening;
    violation_ = layout_violation::none;
    peer_sleeps_ = skipping_ = fronted_ = finished_ = deaf_ = peer_finished_ = in_parts_ =
        abandon_ = false;
    ack_ = 0;
    sleep_.restart();
    drop_kept();
    slot_->attend();
    departures_opened_ = departures_seen_ = slot_->departures();
    mine_.publish(layout::block::epoch, epoch_);
    slot_->ring_holder(peer_slot_);
}

void channel::impl::finish() noexcept {
    if (state_ == channel_state::closed || finished_)
        return;
    finished_ = true;
    // The last two have set the flag already.
    if (!slot_->usable() || state_ == channel_state::poisoned || state_ == channel_state::lost)
        return;
    mine_.publish(layout::block::flags, layout::finished);
    slot_->ring_holder(peer_slot_);
}

void channel::impl::reject(ivshmem::layout_violation what) noexcept {
    if (state_ == channel_state::connected && slot_->usable())
        poison(what);
}

void channel::impl::withdraw() noexcept {
    // A peer that connected at this moment sees a reset.
    if (state_ == channel_state::opening && slot_->usable())
        mine_.publish(layout::block::epoch, 0);
    close();
}

void channel::impl::close() noexcept {
    if (state_ == channel_state::closed)
        return;
    if (slot_->usable()) {
        disarm();
        // Before the flags: what was received counts as drained.
        if (state_ == channel_state::connected)
            consumer_.release();
        if (state_ != channel_state::poisoned) { // poisoned has set the flags already
            mine_.publish(layout::block::flags, layout::finished | layout::deaf);
            slot_->ring_holder(peer_slot_);
        }
        slot_->free_lane(peer_slot_, lane_, state_ == channel_state::opening ? 0 : ack_);
    }
    state_ = channel_state::closed;
    // The memory may go away with the slot, and another channel may open the lane.
    mine_ = theirs_ = {};
    producer_ = {};
    consumer_ = {};
    sleep_ = {};
    peer_sleeps_ = skipping_ = fronted_ = false;
    drop_kept();
    slot_.reset();
}

void channel::impl::update(std::error_code& ec) {
    ec.clear();
    if (state_ == channel_state::closed)
        ec = errc::closed;
    else if (!usable(ec) || !slot_->answer_claims() || !check_block())
        static_cast<void>(usable(ec));
    else if (state_ == channel_state::opening)
        connect();
    else if (state_ == channel_state::connected)
        look_at_peer();
}

/// Leaves the slot if something else has written to its own block.
bool channel::impl::check_block() {
    if (state_ != channel_state::opening && state_ != channel_state::connected)
        return true;
    const bool intact = mine_.load(layout::block::epoch) == epoch_ &&
                        mine_.load(layout::block::ack) == ack_ &&
                        mine_.load(layout::block::flags) == (finished_ ? layout::finished : 0) &&
                        mine_.load(layout::block::cursor) == consumer_.cursor() &&
                        (producer_.unread() == 0 || producer_.has_unread_record());
    if (intact)
        return true;
    words::fence(); // a new holder writes the incarnation before it writes the rest
    if (slot_->answer_claims())
        slot_->leave_overwritten();
    return false;
}

void channel::impl::look_at_peer() {
    look_at_session();
    // A peer sets its deaf flag before it leaves its slot. If the flag is clear, the peer's header
    // was overwritten, or another peer takes its slot.
    if (state_ == channel_state::connected && peer_incarnation_ != 0 &&
        slot_->has_changed_hands(peer_slot_, peer_incarnation_) &&
        (theirs_.look(layout::block::flags) & layout::deaf) == 0)
        state_ = channel_state::reset;
    // A peer that closed the channel has not left anything open.
    if (state_ == channel_state::connected && !deaf_ && peer_is_lost()) {
        look_at_session(); // it may have closed or opened again just before it left
        if (state_ == channel_state::connected && !deaf_)
            lose();
    }
}

bool channel::impl::peer_is_lost() {
    if (slot_->is_absent(peer_slot_))
        return true;
    if (peer_incarnation_ == 0)
        return false;
    if (slot_->is_silent(peer_slot_))
        return true;
    const std::uint64_t departures = slot_->departures();
    if (departures == departures_seen_)
        return false;
    departures_seen_ = departures;
    // The id may be another peer's since. A peer that acknowledged this session although it had
    // left the server before lives on without it.
    const departure last = slot_->last_departure(peer_id_);
    return last.number > departures_connected_ ||
           (!last.came_again && last.number > departures_opened_);
}

void channel::impl::lose() {
    state_ = channel_state::lost;
    peer_sleeps_ = false; // its id may be another peer's
    // For a peer that only did not run: this side has given up the session.
    mine_.publish(layout::block::flags, layout::finished | layout::deaf);
    slot_->ring_holder(peer_slot_);
}

/// "Connect" of the layout. Acknowledges a peer that keeps changing its epoch twice at most.
void channel::impl::connect() {
    for (int attempt = 0; attempt < 2; ++attempt) {
        const std::uint32_t epoch = theirs_.look(layout::block::epoch);
        if (epoch != ack_) {
            ack_ = epoch;
            mine_.store(layout::block::cursor, 0);
            mine_.publish(layout::block::ack, ack_);
            if (epoch != 0)
                slot_->ring_holder(peer_slot_);
        }
        if (ack_ == 0 || theirs_.look(layout::block::ack) != epoch_)
            return;
        if (theirs_.look(layout::block::epoch) != ack_)
            continue;
        if (!met_for_the_same())
            return;
        peer_sleeps_ = (theirs_.load(layout::block::attention) & layout::attention_wanted) != 0;
        peer_limit_ = theirs_.load(layout::block::limit);
        whole_limit_ = std::min(peer_limit_, producer_.longest_record());
        const auto holder = slot_->find_holder(peer_slot_);
        peer_id_ = holder ? holder->peer : 0;
        peer_incarnation_ = holder ? holder->incarnation : 0;
        peer_sleeps_ = peer_sleeps_ && holder && slot_->can_ring();
        departures_connected_ = slot_->departures();
        departures_seen_ = departures_opened_; // not looked at yet for this peer
        state_ = channel_state::connected;
        return;
    }
}

/// Whether each side offers the service that the other requests, or neither requests any.
bool channel::impl::met_for_the_same() const {
    return theirs_.load(layout::block::service) == options_.offered &&
           theirs_.load(layout::block::accepted) == options_.service;
}

bool channel::impl::is_contested() const {
    if (state_ != channel_state::opening || options_.service == 0 || ack_ == 0 ||
        met_for_the_same() || (theirs_.look(layout::block::flags) & layout::deaf) != 0)
        return false;
    return theirs_.load(layout::block::service) == 0 || slot_->number() > peer_slot_;
}

void channel::impl::look_at_session() {
    if (theirs_.look(layout::block::epoch) != ack_) {
        state_ = channel_state::reset;
        return;
    }
    const std::uint32_t flags = theirs_.look(layout::block::flags);
    if (theirs_.look(layout::block::epoch) != ack_) { // the flags may be of the next session
        state_ = channel_state::reset;
        return;
    }
    const std::uint32_t reason = flags >> layout::reason_shift & layout::reason_mask;
    if (reason != 0) {
        state_ = channel_state::rejected;
        violation_ = static_cast<ivshmem::layout_violation>(reason);
    }
    deaf_ = deaf_ || (flags & layout::deaf) != 0;
    peer_finished_ = peer_finished_ || (flags & layout::finished) != 0;
}

void channel::impl::poison(ivshmem::layout_violation what) {
    if (theirs_.look(layout::block::epoch) != ack_) { // the peer has reset, so this is no fault
        state_ = channel_state::reset;
        return;
    }
    state_ = channel_state::poisoned;
    violation_ = what;
    mine_.publish(layout::block::flags, layout::finished | layout::deaf |
                                            static_cast<std::uint32_t>(what)
                                                << layout::reason_shift);
    slot_->ring_holder(peer_slot_);
}

bool channel::impl::usable(std::error_code& ec) const {
    if (slot_ != nullptr && slot_->usable())
        return true;
    ec = slot_ == nullptr ? errc::closed : slot_->why_not();
    return false;
}

void channel::impl::why_not(std::error_code& ec) const {
    switch (state_) {
    case channel_state::closed:
        ec = errc::closed;
        break;
    case channel_state::opening:
        ec = errc::not_connected;
        break;
    case channel_state::connected:
        ec.clear();
        break;
    case channel_state::reset:
        ec = errc::channel_reset;
        break;
    case channel_state::poisoned:
        ec = errc::channel_poisoned;
        break;
    case channel_state::rejected:
        ec = errc::channel_rejected;
        break;
    case channel_state::lost:
        ec = errc::peer_lost;
        break;
    }
}

} // namespace ivshmem
