// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/execution.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/prefer.hpp>
#include <boost/asio/query.hpp>
#include <boost/asio/require.hpp>
#include <boost/system/error_code.hpp>

#include <cstddef>
#include <memory>
#include <new>
#include <ostream>
#include <stdexcept>
#include <string>
#include <utility>

/// Operations that fail at their Nth step. A test over all N covers each way in which an operation
/// can end before it is complete.
namespace test {

namespace net = boost::asio;
using boost::system::error_code;

/// The way in which the Nth step fails.
enum class failing {
    dropped,       ///< the executor destroys the function object, as after the end of its context
    thrown,        ///< the executor throws
    out_of_memory, ///< the allocator throws
    cancelled,     ///< the operation is cancelled
    called,        ///< the completion handler throws, at any step
};
inline constexpr failing every_way[] = {failing::dropped, failing::thrown, failing::out_of_memory,
                                        failing::cancelled, failing::called};

inline std::ostream& operator<<(std::ostream& to, failing how) {
    constexpr const char* names[] = {"dropped", "thrown", "out of memory", "cancelled", "called"};
    return to << names[static_cast<int>(how)];
}

struct failure : std::runtime_error {
    failure() : std::runtime_error{"failed as planned"} {}
};

/// Counts the steps of an operation through its executor, allocator and handler.
struct countdown {
    failing how;
    int left; ///< steps that succeed before one fails; negative: none fails
    bool fired = false;
    net::cancellation_signal cancel{};

    countdown(failing way, int steps) : how{way}, left{steps} {}

    [[nodiscard]] bool fires() {
        fired = fired || left == 0;
        return left-- == 0;
    }
};

template <typename Inner = net::io_context::executor_type>
class failing_executor {
  public:
    failing_executor(Inner inner, countdown& steps) noexcept
        : inner_{std::move(inner)}, steps_{&steps} {}

    template <typename F>
    void execute(F f) const {
        if (steps_->how == failing::dropped && steps_->fires())
            return;
        if (steps_->how == failing::thrown && steps_->fires())
            throw failure{};
        if (steps_->how == failing::cancelled && steps_->fires())
            steps_->cancel.emit(net::cancellation_type::total);
        inner_.execute(std::move(f));
    }
    template <typename Property>
    auto query(const Property& p) const noexcept
        -> decltype(net::query(std::declval<const Inner&>(), p)) {
        return net::query(inner_, p);
    }
    template <typename Property, typename Other = std::decay_t<decltype(net::require(
                                     std::declval<const Inner&>(), std::declval<Property>()))>>
    failing_executor<Other> require(const Property& p) const {
        return {net::require(inner_, p), *steps_};
    }
    template <typename Property, typename Other = std::decay_t<decltype(net::prefer(
                                     std::declval<const Inner&>(), std::declval<Property>()))>>
    failing_executor<Other> prefer(const Property& p) const {
        return {net::prefer(inner_, p), *steps_};
    }
    bool operator==(const failing_executor&) const noexcept = default;

  private:
    Inner inner_;
    countdown* steps_;
};

template <typename T>
class failing_allocator {
  public:
    using value_type = T;

    explicit failing_allocator(countdown& of) noexcept : steps{&of} {}
    template <typename U>
    failing_allocator(const failing_allocator<U>& other) noexcept : steps{other.steps} {} // NOLINT

    T* allocate(std::size_t n) {
        if (steps->how == failing::out_of_memory && steps->fires())
            throw std::bad_alloc{};
        return std::allocator<T>{}.allocate(n);
    }
    void deallocate(T* p, std::size_t n) { std::allocator<T>{}.deallocate(p, n); }
    bool operator==(const failing_allocator&) const noexcept = default;

    countdown* steps;
};

/// The result of an operation.
struct ending {
    bool called = false;
    error_code ec{};
    std::string received{}; ///< into the buffer of the handler
    std::weak_ptr<std::string> alive{};
};

/// A completion handler that owns the buffer of its operation, and fails as planned.
class failing_handler {
  public:
    using executor_type = failing_executor<>;
    using allocator_type = failing_allocator<void>;
    using cancellation_slot_type = net::cancellation_slot;

    failing_handler(net::io_context& io, countdown& steps, ending& end, const std::string& content)
        : io_{&io}, steps_{&steps}, ending_{&end}, buffer_{std::make_shared<std::string>(content)} {
        end.alive = buffer_;
    }

    [[nodiscard]] executor_type get_executor() const noexcept {
        return {io_->get_executor(), *steps_};
    }
    [[nodiscard]] allocator_type get_allocator() const noexcept { return allocator_type{*steps_}; }
    [[nodiscard]] cancellation_slot_type get_cancellation_slot() const noexcept {
        return steps_->cancel.slot();
    }
    [[nodiscard]] std::string& buffer() const noexcept { return *buffer_; }

    template <typename... Values>
    void operator()(error_code ec, Values&&... values) {
        ending_->called = true;
        ending_->ec = ec;
        if constexpr (sizeof...(Values) == 1 &&
                      (std::is_same_v<std::decay_t<Values>, std::size_t> && ...))
            ending_->received = buffer_->substr(0, (values, ...));
        if (steps_->how == failing::called && !std::exchange(steps_->fired, true))
            throw failure{};
    }

  private:
    net::io_context* io_;
    countdown* steps_;
    ending* ending_;
    std::shared_ptr<std::string> buffer_;
};

/// Runs handlers until a condition holds; ignores planned exceptions.
/// @return Whether it held within a limit on handlers that a spinning loop exceeds.
template <typename Condition>
bool run_through_failures(net::io_context& io, Condition&& condition) {
    io.restart();
    for (int handlers = 0; !condition(); ++handlers) {
        if (handlers == 5000)
            return false;
        try {
            if (io.run_one_for(std::chrono::seconds{5}) == 0)
                return false;
        } catch (const failure&) {
        } catch (const std::bad_alloc&) {
        }
    }
    return true;
}

/// Starts an operation; ignores planned exceptions.
template <typename Start>
void start_failing(Start&& start) {
    try {
        start();
    } catch (const failure&) {
    } catch (const std::bad_alloc&) {
    }
}

} // namespace test
