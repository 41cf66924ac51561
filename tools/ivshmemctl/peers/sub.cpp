// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "command.hpp"
#include "common/exit_status.hpp"
#include "common/print.hpp"
#include "number.hpp"
#include "open_device.hpp"
#include "peers/claim_slot.hpp"
#include "peers/memory_use.hpp"
#include "peers/seconds.hpp"
#include "peers/timestamp.hpp"
#include "result_line.hpp"
#include "subcommands.hpp"

#include <ivshmem/asio/topic_reader.hpp>

#include <boost/asio.hpp>
#include <boost/json.hpp>

#include <chrono>
#include <csignal>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace ivshmemctl {
namespace {

namespace net = boost::asio;
namespace json = boost::json;

struct sub_options {
    std::string topic{};
    std::optional<std::uint64_t> count{};
    std::optional<std::chrono::nanoseconds> timeout{};
    std::optional<std::uint64_t> history{};
    bool latest = false;
    slot_choice place{};
};

std::string in_hex(const std::vector<std::byte>& bytes) {
    std::string text;
    for (const std::byte each : bytes)
        text += tools::format("{:02x}", static_cast<unsigned>(each));
    return text;
}

/// Prints the messages of a topic, of one writer after the other.
class subscriber {
  public:
    subscriber(net::io_context& io, ivshmem::device& device, ivshmem::asio::slot& slot,
               const common_options& common, const sub_options& asked)
        : io_{io}, device_{device}, common_{common}, asked_{asked},
          reader_{slot, asked.topic, {.history = asked.history.value_or(0)}}, pause_{io} {}

    void read() {
        if (asked_.count && printed_ >= *asked_.count)
            return io_.stop();
        const auto then = [this](const boost::system::error_code& ec,
                                 const ivshmem::topic_message& message) {
            if (!ec)
                print(message);
            else if (ec == ivshmem::errc::topic_closed || ec == ivshmem::errc::peer_lost ||
                     ec == ivshmem::errc::topic_poisoned)
                return wait_for_next_writer(ec);
            else if (ec == ivshmem::errc::message_too_large)
                complain(
                    tools::format("{}: a message of more than 64 MiB is left out", asked_.topic));
            else
                throw explain_failure(device_, ec);
            read();
        };
        if (asked_.latest)
            reader_.async_latest(buffer_, then);
        else
            reader_.async_read(buffer_, then);
    }
    [[nodiscard]] std::string summary() const {
        return tools::format("{} messages, {} skipped", printed_, reader_.next_layer().skipped());
    }

  private:
    static constexpr std::chrono::seconds broken_pause{1};

    void print(const ivshmem::topic_message& message) {
        ++printed_;
        if (common_.json)
            return put_line(
                json::serialize(json::object{{"topic", asked_.topic},
                                             {"seq", message.sequence},
                                             {"skipped", message.skipped},
                                             {"time", in_seconds(message.time.time_since_epoch())},
                                             {"size", buffer_.size()},
                                             {"hex", in_hex(buffer_)}}));
        if (message.skipped != 0 && !common_.quiet && !asked_.latest)
            complain(tools::format("{}: {} messages skipped", asked_.topic, message.skipped));
        put_line({reinterpret_cast<const char*>(buffer_.data()), buffer_.size()});
    }
    void wait_for_next_writer(const boost::system::error_code& why) {
        if (common_.verbosity > 0) {
            const auto text = why.message(); // what a program could do follows a semicolon
            complain(tools::format("{}: {}; waiting for the next writer", asked_.topic,
                                   text.substr(0, text.find(';'))));
        }
        // A topic that is broken is found again at once, and still broken.
        pause_.expires_after(why == ivshmem::errc::topic_poisoned ? broken_pause
                                                                  : std::chrono::seconds{0});
        pause_.async_wait([this](const boost::system::error_code&) {
            reader_.reopen();
            read();
        });
    }

    net::io_context& io_;
    ivshmem::device& device_;
    const common_options& common_;
    const sub_options& asked_;
    ivshmem::asio::topic_reader reader_;
    net::steady_timer pause_;
    std::vector<std::byte> buffer_;
    std::uint64_t printed_ = 0;
};

int sub(const common_options& common, const sub_options& asked) {
    auto device = open_with_channels(common);
    net::io_context io{1};
    auto slot = claim_slot(io, device, common, asked.place);
    subscriber by{io, device, slot, common, asked};
    int status = tools::exit_success;
    const auto stop = [&](int with) {
        status = with;
        io.stop();
    };
    net::signal_set signals{io, SIGINT, SIGTERM, SIGHUP};
    signals.async_wait([&](const boost::system::error_code& ec, int) {
        if (!ec)
            stop(asked.count ? tools::exit_failure : tools::exit_success);
    });
    net::steady_timer end{io};
    if (asked.timeout) {
        end.expires_after(*asked.timeout);
        end.async_wait([&](const boost::system::error_code& ec) {
            if (!ec)
                stop(tools::exit_timed_out);
        });
    }
    if (!common.quiet)
        complain(tools::format("{}: waiting for {} in slot {}", name_of(device), asked.topic,
                               slot.number()));
    by.read();
    io.run();
    if (common.verbosity > 0)
        complain(by.summary());
    return status;
}

} // namespace

void add_sub(subcommands& line) {
    auto command = line.add("sub", "print the messages of a topic that a peer publishes");
    const auto asked = std::make_shared<sub_options>();
    command.add_option({"topic", "TOPIC", "the name of the topic", true}, asked->topic);
    add_number(command, {"-c,--count", "N", "exit after N messages (never)"}, asked->count);
    add_seconds(command, {"--timeout", "SECONDS", "exit after this time, with status 124 (never)"},
                asked->timeout);
    add_number(command, {"--history", "N", "first print the last N messages that are there (0)"},
               asked->history);
    command.add_flag("--latest", asked->latest,
                     "print the newest message only, also one that is there already; skip others");
    add_slot_choice(command, asked->place);
    command.set_action([asked](const common_options& common) { return sub(common, *asked); });
}

} // namespace ivshmemctl
