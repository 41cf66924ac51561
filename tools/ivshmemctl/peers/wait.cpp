// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "command.hpp"
#include "common/exit_status.hpp"
#include "common/print.hpp"
#include "number.hpp"
#include "open_device.hpp"
#include "peers/ring_format.hpp"
#include "peers/seconds.hpp"
#include "result_line.hpp"
#include "subcommands.hpp"

#include <ivshmem/asio/any_interrupt.hpp>

#include <boost/asio.hpp>

#include <csignal>
#include <memory>
#include <optional>

namespace ivshmemctl {
namespace {

namespace net = boost::asio;

struct wait_options {
    std::string vector = "all";
    std::optional<std::uint64_t> count{};
    std::optional<std::chrono::nanoseconds> timeout{};
    std::string format = ring_format::usual;
};

class ring_waiter {
  public:
    ring_waiter(ivshmem::device& device, const common_options& common, const wait_options& asked)
        : device_{device}, common_{common}, asked_{asked}, format_{asked.format} {
        if (asked.vector == "all")
            return;
        const auto number = parse_number(asked.vector);
        if (!number || *number > 0xffffffffU)
            throw std::invalid_argument{tools::format(
                "--vector: '{}' is not a vector: use its number, or all", asked.vector)};
        vector_ = static_cast<std::uint32_t>(*number);
        static_cast<void>(device.interrupt_fd(*vector_)); // throws if there is no such vector
    }

    int run() {
        interrupts_.open(device_);
        timer_.expires_at(net::steady_timer::time_point::max());
        if (asked_.timeout)
            timer_.expires_after(*asked_.timeout);
        timer_.async_wait([this](const boost::system::error_code& ec) {
            if (!ec)
                stop(tools::exit_timed_out);
        });
        // Without --count, a signal is the normal end.
        signals_.async_wait([this](const boost::system::error_code& ec, int) {
            if (!ec)
                stop(asked_.count ? tools::exit_failure : tools::exit_success);
        });
        print_start();
        wait();
        io_.run();
        if (common_.verbosity > 0)
            complain(tools::format("{} rings in {} events", total_, events_));
        return status_;
    }

  private:
    void wait() {
        if (asked_.count && total_ >= *asked_.count)
            return io_.stop();
        interrupts_.async_wait([this](const boost::system::error_code& ec,
                                      const ivshmem::interrupt_count& rung) {
            if (ec == ivshmem::errc::device_removed)
                throw ivshmem::error{ec, name_of(device_) +
                                             ": device removed; wait again when it is back"};
            if (ec)
                throw ivshmem::error{ec, name_of(device_) + ": waiting for rings: " + ec.message()};
            put(rung);
            wait();
        });
    }
    void put(const ivshmem::interrupt_count& rung) {
        if (vector_ && rung.vector != *vector_)
            return;
        total_ += rung.count;
        ++events_;
        const ring_event event{timestamp::now(), rung.vector, rung.count, total_};
        put_line(common_.json ? to_json(event) : format_(event));
    }
    /// Stops the loop. Rings that have already arrived count too.
    void stop(int status) {
        status_ = status;
        for (std::uint32_t v = 0; v < device_.capabilities().interrupts; ++v)
            if (const auto count = device_.take(v))
                put({static_cast<std::uint16_t>(v), count});
        if (asked_.count && total_ >= *asked_.count)
            status_ = tools::exit_success;
        io_.stop();
    }
    void print_start() const {
        if (common_.quiet)
            return;
        const auto last = device_.capabilities().interrupts - 1;
        const std::string what = vector_     ? tools::format("vector {}", *vector_)
                                 : last == 0 ? std::string{"vector 0"}
                                             : tools::format("vectors 0 to {}", last);
        complain(
            tools::format("{}: waiting for {} of {}", name_of(device_), what, own_peer(device_)));
    }

    ivshmem::device& device_;
    const common_options& common_;
    const wait_options& asked_;
    const ring_format format_;
    std::optional<std::uint32_t> vector_;
    std::uint64_t total_ = 0;
    std::uint64_t events_ = 0;
    int status_ = tools::exit_success;
    net::io_context io_{1};
    net::steady_timer timer_{io_};
    net::signal_set signals_{io_, SIGINT, SIGTERM};
    ivshmem::asio::any_interrupt interrupts_{io_};
};

} // namespace

void add_wait(subcommands& line) {
    auto sub = line.add("wait", "wait for rings, and print a line for each");
    const auto asked = std::make_shared<wait_options>();
    sub.add_option({"--vector", "N|all", "wait for this vector only (all)"}, asked->vector);
    add_number(sub, {"-n,--count", "N", "exit after N rings (never)"}, asked->count);
    add_seconds(sub, {"--timeout", "SECONDS", "exit after this time, with status 124 (never)"},
                asked->timeout);
    sub.add_option(
        {"--format", "TEXT",
         tools::format("how to write a line ({}): {}", ring_format::usual, ring_format::letters)},
        asked->format);
    sub.set_action([asked](const common_options& common) {
        auto device = open_device(common, std::nullopt, no_memory(common));
        return ring_waiter{device, common, *asked}.run();
    });
}

} // namespace ivshmemctl
