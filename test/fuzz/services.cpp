// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors

// The directory, an acceptor, connectors and streams on an event loop, and a peer that takes the
// steps of the other side in any order, or writes anything. Nothing may crash or hang; each
// operation completes at most once, with a documented error, and all of them have completed when
// their objects are gone.

#include "fixed_random.hpp"
#include "fixed_time.hpp"
#include "helpers/channel_meeting.hpp"
#include "liar.hpp"
#include "must_hold.hpp"
#include "raw_peer.hpp"

#include <ivshmem/asio.hpp>

#include <boost/asio/buffer.hpp>
#include <boost/asio/io_context.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <utility>

namespace {

namespace net = boost::asio;
using boost::system::error_code;
using ivshmem::errc;
using test::must_hold;

constexpr std::size_t most_streams = 6;
constexpr unsigned most_operations = 12;

void expect(const error_code& ec) {
    constexpr std::array documented{errc::closed,           errc::slot_lost,
                                    errc::slot_overwritten, errc::lane_in_use,
                                    errc::not_connected,    errc::channel_reset,
                                    errc::channel_closed,   errc::channel_poisoned,
                                    errc::channel_rejected, errc::message_too_large,
                                    errc::service_unknown,  errc::peer_lost};
    must_hold(!ec || ec == net::error::operation_aborted || ec == net::error::eof ||
                  ec == net::error::broken_pipe ||
                  std::any_of(documented.begin(), documented.end(),
                              [&](errc e) { return ec == make_error_code(e); }),
              "every error is a documented one");
}

/// One side: a slot with its services.
class side {
  public:
    side(net::io_context& io, const ivshmem::device& device, std::chrono::milliseconds heartbeat)
        : io_{io}, slot_{claim(io, device, heartbeat)} {
        if (slot_.is_open())
            acceptor_.emplace(slot_, "clock");
    }
    side(const side&) = delete;
    side& operator=(const side&) = delete;
    ~side() {
        streams_.clear();
        acceptor_.reset();
        slot_.close();
        io_.restart();
        io_.poll();
        must_hold(pending_ == 0, "all operations complete");
    }

    void play(test::schedule& what) {
        const std::uint8_t choice = what.byte();
        if (pending_ >= most_operations && choice % 8 < 4)
            return;
        switch (choice % 8) {
        case 0:
            return accept();
        case 1:
            return connect(what.below(2) == 0 ? "store" : "other");
        case 2:
            return read(what);
        case 3:
            return write(what);
        default:
            return end(what);
        }
    }

  private:
    static ivshmem::asio::slot claim(net::io_context& io, const ivshmem::device& device,
                                     std::chrono::milliseconds heartbeat) {
        ivshmem::slot_options options;
        options.number = 0;
        options.geometry = test::raw_peer::geometry;
        options.claim_time = std::chrono::milliseconds{1};
        options.heartbeat = heartbeat;
        std::error_code ec;
        auto claimed = ivshmem::slot::claim(device, options, ec);
        if (!claimed.is_open())
            return ivshmem::asio::slot{io.get_executor()};
        return {io, device, std::move(claimed)};
    }
    void take(const error_code& ec, ivshmem::asio::channel channel) {
        --pending_;
        expect(ec);
        must_hold(!ec == channel.is_open(), "a channel, or an error");
        if (!ec && streams_.size() < most_streams)
            streams_.emplace_back(std::move(channel));
    }
    void accept() {
        if (!acceptor_)
            return;
        ++pending_;
        acceptor_->async_accept(
            [this](const error_code& ec, ivshmem::asio::channel c) { take(ec, std::move(c)); });
    }
    void connect(const std::string& name) {
        ++pending_;
        ivshmem::asio::async_connect(
            slot_, name,
            [this](const error_code& ec, ivshmem::asio::channel c) { take(ec, std::move(c)); });
    }
    ivshmem::asio::stream* chosen(test::schedule& what) {
        const std::uint8_t choice = what.byte();
        if (streams_.empty())
            return nullptr;
        return &*std::next(streams_.begin(), static_cast<long>(choice % streams_.size()));
    }
    void read(test::schedule& what) {
        auto* const stream = chosen(what);
        const std::size_t size = what.below(300);
        if (stream == nullptr)
            return;
        ++pending_;
        auto into = std::make_shared<std::string>(size, '\0');
        stream->async_read_some(net::buffer(*into),
                                [this, into](const error_code& ec, std::size_t got) {
                                    --pending_;
                                    expect(ec);
                                    must_hold(got <= into->size(), "no more than the buffer holds");
                                    must_hold(ec || got != 0 || into->empty(),
                                              "a read without an error has read something");
                                });
    }
    void write(test::schedule& what) {
        auto* const stream = chosen(what);
        const std::size_t size = what.below(2000);
        if (stream == nullptr)
            return;
        ++pending_;
        auto from = std::make_shared<std::string>(size, 'x');
        stream->async_write_some(
            net::buffer(*from), [this, from](const error_code& ec, std::size_t done) {
                --pending_;
                expect(ec);
                must_hold(done <= from->size(), "no more is written than there is");
                must_hold(ec || done != 0 || from->empty(),
                          "a write without an error has written something");
            });
    }
    void end(test::schedule& what) {
        switch (what.below(32)) {
        case 0:
            if (acceptor_)
                acceptor_->cancel();
            break;
        case 1:
            acceptor_.reset();
            break;
        case 2:
            slot_.close();
            break;
        case 3:
        case 4:
            if (!acceptor_ && slot_.is_open())
                try {
                    acceptor_.emplace(slot_, "clock");
                } catch (const ivshmem::error& e) {
                    must_hold(e.code() == errc::slot_lost || e.code() == errc::slot_overwritten ||
                                  e.code() == errc::service_exists,
                              "an offer fails for a documented reason");
                }
            break;
        case 5:
        case 6:
            if (auto* const stream = chosen(what))
                stream->cancel();
            break;
        case 7:
        case 8:
            if (auto* const stream = chosen(what))
                stream->shutdown();
            break;
        case 9:
        case 10:
            if (!streams_.empty())
                streams_.pop_front();
            break;
        default:
            break;
        }
    }

    net::io_context& io_;
    unsigned pending_ = 0;
    ivshmem::asio::slot slot_;
    std::optional<ivshmem::asio::acceptor> acceptor_;
    std::list<ivshmem::asio::stream> streams_;
};

void act(test::raw_peer& peer, test::schedule& what) {
    constexpr std::array names{"store", "other", "clock"};
    const std::uint32_t lane = what.below(4);
    switch (what.below(11)) {
    case 0:
        return peer.hold(1 + what.below(3));
    case 1:
        return peer.offer(what.below(32), names.at(what.below(3)), what.below(4));
    case 2: // asks for what this side offers, or answers its request
        return peer.open(lane, peer.key(), 0, 1U + what.byte());
    case 3:
        return peer.open(lane, 0, 1 + what.below(3), 1U + what.byte());
    case 4:
    case 5:
        return peer.acknowledge(lane);
    case 6:
        return peer.read(lane, what.byte());
    case 7:
        return peer.end(lane, what.below(4));
    case 8:
        return peer.wake(lane, what.word());
    case 9:
        return peer.beat(100U +
                         (std::uint32_t{what.byte()} << test::layout::heartbeat_count_shift));
    default: {
        const std::uint32_t length = what.byte();
        const auto kind = static_cast<test::layout::kind>(what.below(4));
        return peer.send(lane, kind, length, length + what.below(3) * 100);
    }
    }
}

struct world {
    test::meeting meeting{test::small_region};
    ivshmem::device ours = meeting.join(1);
    ivshmem::device theirs = meeting.join(2);
};

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static world all;
    test::restart_random();
    test::restart_time();
    all.meeting.clear();
    test::schedule what{std::span{data, size}};
    test::raw_peer peer{all.meeting.memory()};
    const std::uint8_t mode = what.byte();
    test::liar liar{all.meeting.memory(), 1, (mode & 1U) != 0};
    const std::chrono::milliseconds heartbeat{(mode & 2U) != 0 ? 100 : 0};
    peer.hold(1);
    net::io_context io;
    std::optional<side> us;
    us.emplace(io, all.ours, heartbeat);
    while (!what.empty()) {
        const std::uint8_t choice = what.byte();
        if (choice < 100)
            us->play(what);
        else if (choice < 220)
            act(peer, what);
        else if (choice < 235)
            liar.lie(what);
        else if (choice < 254)
            test::pass(std::chrono::milliseconds{what.byte()});
        else
            us.emplace(io, all.ours, heartbeat);
        all.theirs.ring(1, 0);
        io.restart();
        io.poll();
    }
    return 0;
}
