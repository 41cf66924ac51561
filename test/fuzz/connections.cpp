// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors

// A peer of the protocol of connections that sends any frames, at any time, to a service and to a
// client. Nothing may crash; no more connections are open, and no more bytes are kept, than were
// promised; each frame that is sent is one of the protocol; nothing follows a BYE.

#include "connections/session.hpp"
#include "must_hold.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <vector>

namespace {

using namespace connections;
using test::must_hold;

constexpr limits promised{.connections = 3, .window = 16, .longest = 12};

/// The bytes of an input, one after another.
class input {
  public:
    explicit input(std::span<const std::uint8_t> bytes) : bytes_{bytes} {}

    [[nodiscard]] bool empty() const { return bytes_.empty(); }
    std::uint8_t byte() {
        if (bytes_.empty())
            return 0;
        const std::uint8_t first = bytes_.front();
        bytes_ = bytes_.subspan(1);
        return first;
    }
    std::vector<std::byte> bytes(std::size_t size) {
        std::vector<std::byte> some(std::min(size, bytes_.size()));
        for (std::byte& b : some)
            b = std::byte{byte()};
        return some;
    }

  private:
    std::span<const std::uint8_t> bytes_;
};

/// The program that owns a session, and does what it asks for.
class owner {
  public:
    explicit owner(session::side side) : side_{side}, session_{side, promised} {}

    void receive(std::span<const std::byte> message) {
        using kind = session::event::kind;
        const auto e = session_.receive(message);
        must_hold(side_ == session::side::client || session_.size() <= promised.connections,
                  "a service has no more connections than it promised");
        if (e.what == kind::opened)
            session_.accept(e.connection);
        if (e.what == kind::data) {
            kept_[e.connection] += e.bytes.size();
            must_hold(e.bytes.size() <= promised.longest, "no data are longer than promised");
            must_hold(kept_[e.connection] <= promised.window, "no more is kept than promised");
        }
        if (e.what == kind::fault || e.what == kind::bye)
            must_hold(session_.ended(), "a fault ends the session");
    }
    void send() {
        std::array<std::byte, control_frame + 64> m{};
        const auto t = session_.next(m);
        if (t.what == session::turn::kind::none)
            return;
        must_hold(!bye_, "nothing follows a BYE");
        std::size_t size = t.size;
        if (t.what == session::turn::kind::data) {
            must_hold(t.size != 0, "there is credit for data");
            session_.put_data(t.connection, 1, m);
            size = frame_head + 1;
        }
        const auto f = decode(std::span{m}.first(size));
        must_hold(f.has_value(), "each message is a frame");
        bye_ = f->type == frame_type::bye;
    }
    void act(input& from) {
        const std::uint32_t id = from.byte() % 8U;
        switch (from.byte() % 7) {
        case 0:
            static_cast<void>(session_.open());
            break;
        case 1:
            session_.set_ready(id);
            break;
        case 2:
            session_.finish(id);
            break;
        case 3:
            session_.reset(id, reason::broken);
            break;
        case 4:
            session_.taken(id, kept_[id]);
            kept_[id] = 0;
            break;
        case 5:
            session_.ping();
            break;
        default:
            send();
        }
    }

  private:
    session::side side_;
    session session_;
    std::map<std::uint32_t, std::size_t> kept_;
    bool bye_ = false;
};

void greet(owner& of, session::side peer) {
    std::array<std::byte, control_frame> m{};
    limits l = promised;
    l.connections = peer == session::side::client ? 0 : 3;
    of.receive(std::span{m}.first(
        encode({.type = frame_type::hello, .value = protocol_version, .promised = l}, m)));
}

void run(input from, session::side side, session::side peer) {
    owner one{side};
    if (from.byte() % 4 != 0)
        greet(one, peer);
    while (!from.empty()) {
        const std::uint8_t next = from.byte();
        if (next % 3 == 0) {
            one.act(from);
        } else if (next % 3 == 1) { // a frame of small numbers
            std::vector<std::byte> m(frame_head, std::byte{0});
            m[0] = std::byte{static_cast<std::uint8_t>(from.byte() % 12)};
            m[4] = std::byte{static_cast<std::uint8_t>(from.byte() % 8)};
            const auto rest = from.bytes(from.byte() % 20);
            m.insert(m.end(), rest.begin(), rest.end());
            one.receive(m);
        } else {
            one.receive(from.bytes(from.byte() % 40));
        }
    }
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    run(input{{data, size}}, session::side::service, session::side::client);
    run(input{{data, size}}, session::side::client, session::side::service);
    return 0;
}
