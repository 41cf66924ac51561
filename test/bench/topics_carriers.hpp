// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "transport.hpp"
#include "transports/server_process.hpp"

#include <ivshmem/ivshmem.hpp>

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#ifdef BENCH_ZMQ
#include <zmq.h>
#endif
#ifdef BENCH_ICEORYX
#include <iceoryx_posh/popo/untyped_publisher.hpp>
#include <iceoryx_posh/popo/untyped_subscriber.hpp>
#include <iceoryx_posh/runtime/posh_runtime.hpp>
#endif

/// Ways from one process to several, for bench-topics. send() and receive() return false if there
/// is no room, or no message.
namespace bench {

inline constexpr unsigned most_readers = 8;
/// Not the number of a message: the readers are not all there yet.
inline constexpr std::uint64_t hello = ~std::uint64_t{0};

struct meeting {
    std::string region;
    unsigned readers;
    std::size_t size;     ///< of a message
    std::uint64_t window; ///< how many messages the writer is ahead at most
};

/// Half of the messages that each way has room for, but at most half of iceoryx's longest queue.
inline std::uint64_t window_for(std::size_t size) {
    return std::clamp<std::uint64_t>(ring_messages(size) / 2, 2, 100);
}

/// The ring of a channel: each reader has one.
inline std::uint32_t channel_ring(std::size_t size) {
    return static_cast<std::uint32_t>(std::bit_ceil(std::max(ring_bytes, 4 * size)));
}
inline std::size_t topic_size(std::size_t size) {
    return std::max(ring_bytes, 4 * ((size + 63) & ~std::size_t{63}));
}
inline std::size_t region_size(unsigned readers, std::size_t size) {
    const std::size_t section = 8192 + readers * (channel_ring(size) + std::size_t{256}) +
                                2 * topic_size(size) + (1U << 20U);
    return std::bit_ceil(section * (readers + 1));
}

class member {
  public:
    member(const meeting& of, std::uint32_t number)
        : device_{ivshmem::device::open(of.region, {.vectors = 1})},
          slot_{ivshmem::slot::claim(device_, {.number = number,
                                               .geometry = ivshmem::region_geometry{
                                                   of.readers + 1, 1, channel_ring(of.size)}})} {}

  protected:
    ivshmem::device device_;
    ivshmem::slot slot_;
};

struct by_topic {
    class writer : member {
      public:
        explicit writer(const meeting& of)
            : member{of, 0}, out_{ivshmem::topic_writer::create(slot_, "bench",
                                                                {.size = topic_size(of.size)})} {}
        bool send(std::span<const std::byte> message) {
            out_.publish(message);
            return true;
        }

      private:
        ivshmem::topic_writer out_;
    };
    class reader : member {
      public:
        reader(const meeting& of, unsigned number)
            : member{of, number + 1}, in_{ivshmem::topic_reader::open(slot_, "bench",
                                                                      {.polling = true})} {}
        bool receive(std::span<std::byte> into) {
            std::error_code ec;
            const auto view = in_.try_view(ec);
            return view && view->bytes.size() == into.size() && in_.copy_out(*view, into);
        }

      private:
        ivshmem::topic_reader in_;
    };
};

struct by_channels {
    class writer : member {
      public:
        explicit writer(const meeting& of) : member{of, 0}, sent_(of.readers) {
            for (unsigned i = 0; i < of.readers; ++i)
                out_.push_back(ivshmem::channel::open(slot_, i + 1, 0, {.polling = true}));
        }
        bool send(std::span<const std::byte> message) {
            bool all = true;
            for (std::size_t i = 0; i < out_.size(); ++i)
                if (!sent_[i]) {
                    sent_[i] = send_to(out_[i], message);
                    all = all && sent_[i];
                }
            if (all)
                std::fill(sent_.begin(), sent_.end(), false);
            return all;
        }

      private:
        static bool send_to(ivshmem::channel& to, std::span<const std::byte> message) {
            std::error_code ec;
            const bool sent = to.try_send(message, ec);
            if (ec == ivshmem::errc::not_connected)
                to.update();
            else if (ec)
                throw ivshmem::error{ec, "channel: " + ec.message()};
            return sent;
        }

        std::vector<ivshmem::channel> out_;
        std::vector<bool> sent_;
    };
    class reader : member {
      public:
        reader(const meeting& of, unsigned number)
            : member{of, number + 1}, in_{ivshmem::channel::open(slot_, 0, 0, {.polling = true})} {}
        bool receive(std::span<std::byte> into) {
            std::error_code ec;
            const bool got = in_.try_receive(into, ec).has_value();
            if (ec == ivshmem::errc::not_connected)
                in_.update();
            return got;
        }

      private:
        ivshmem::channel in_;
    };
};

#ifdef BENCH_ZMQ
/// PUB and SUB over ipc.
struct by_zmq {
    class end {
      public:
        end(const meeting& of, int kind)
            : context_{::zmq_ctx_new()}, socket_{::zmq_socket(context_, kind)} {
            const int none =
                0; // no limit of the queues, as the window is one, and no delay at the end
            check(::zmq_setsockopt(socket_, ZMQ_SNDHWM, &none, sizeof none));
            check(::zmq_setsockopt(socket_, ZMQ_RCVHWM, &none, sizeof none));
            check(::zmq_setsockopt(socket_, ZMQ_LINGER, &none, sizeof none));
            const std::string address = "ipc://" + of.region.substr(sizeof "server:" - 1) + ".zmq";
            check(kind == ZMQ_PUB ? ::zmq_bind(socket_, address.c_str())
                                  : ::zmq_connect(socket_, address.c_str()));
            if (kind == ZMQ_SUB)
                check(::zmq_setsockopt(socket_, ZMQ_SUBSCRIBE, "", 0));
        }
        end(const end&) = delete;
        end& operator=(const end&) = delete;
        ~end() {
            ::zmq_close(socket_);
            ::zmq_ctx_term(context_);
        }

      protected:
        static bool check(int got) {
            if (got < 0 && ::zmq_errno() != EAGAIN)
                throw std::runtime_error{std::string{"ZeroMQ: "} + ::zmq_strerror(::zmq_errno())};
            return got >= 0;
        }
        void* context_;
        void* socket_;
    };
    class writer : end {
      public:
        explicit writer(const meeting& of) : end{of, ZMQ_PUB} {}
        bool send(std::span<const std::byte> message) {
            return check(::zmq_send(socket_, message.data(), message.size(), ZMQ_DONTWAIT));
        }
    };
    class reader : end {
      public:
        reader(const meeting& of, unsigned) : end{of, ZMQ_SUB} {}
        bool receive(std::span<std::byte> into) {
            return check(::zmq_recv(socket_, into.data(), into.size(), ZMQ_DONTWAIT));
        }
    };
};
#endif

#ifdef BENCH_ICEORYX
/// Needs iox-roudi, which test/bench/run starts. The reader copies, as the others do.
struct by_iceoryx {
    static iox::capro::ServiceDescription what() { return {"bench", "topics", "message"}; }
    static void join(const std::string& name) {
        iox::runtime::PoshRuntime::initRuntime(
            iox::RuntimeName_t{iox::cxx::TruncateToCapacity, name.c_str(), name.size()});
    }

    class writer {
      public:
        explicit writer(const meeting&) {
            join("bench-writer");
            out_.emplace(what());
        }
        bool send(std::span<const std::byte> message) {
            bool sent = false;
            out_->loan(static_cast<std::uint32_t>(message.size()))
                .and_then([&](void* at) {
                    std::memcpy(at, message.data(), message.size());
                    out_->publish(at);
                    sent = true;
                })
                .or_else([](auto&) {});
            return sent;
        }

      private:
        std::optional<iox::popo::UntypedPublisher> out_;
    };
    class reader {
      public:
        reader(const meeting&, unsigned number) {
            join("bench-reader-" + std::to_string(number));
            iox::popo::SubscriberOptions options;
            options.queueCapacity = 256;
            in_.emplace(what(), options);
        }
        bool receive(std::span<std::byte> into) {
            bool got = false;
            in_->take()
                .and_then([&](const void* at) {
                    std::memcpy(into.data(), at, into.size());
                    in_->release(at);
                    got = true;
                })
                .or_else([](auto&) {});
            return got;
        }

      private:
        std::optional<iox::popo::UntypedSubscriber> in_;
    };
};
#endif

} // namespace bench
