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
#include "peers/topic_format.hpp"
#include "result_line.hpp"
#include "subcommands.hpp"

#include <ivshmem/asio/topic_reader.hpp>

#include <boost/asio.hpp>

#include <chrono>
#include <csignal>
#include <deque>
#include <memory>
#include <numeric>
#include <string>
#include <vector>

namespace ivshmemctl {
namespace {

namespace net = boost::asio;

struct sub_options {
    std::vector<std::string> topics{};
    std::string format = topic_format::usual;
    bool no_newline = false;
    std::optional<std::uint64_t> count{};
    std::optional<std::chrono::nanoseconds> timeout{};
    std::optional<std::uint64_t> history{};
    bool latest = false;
    slot_choice place{};
};

std::string in_words(const std::vector<std::string>& topics) {
    std::string text;
    for (const auto& each : topics)
        text += (text.empty() ? "" : ", ") + each;
    return text;
}

/// Prints messages until there were as many as asked for.
class printer {
  public:
    printer(net::io_context& io, const common_options& common, const sub_options& asked)
        : io_{io}, common_{common}, asked_{asked}, format_{asked.format} {}

    void print(const topic_event& event) {
        ++printed_;
        if (common_.json) {
            put_line(to_json(event));
        } else {
            if (event.message.skipped != 0 && !common_.quiet && !asked_.latest)
                complain(
                    tools::format("{}: {} messages skipped", event.topic, event.message.skipped));
            put(format_(event), !asked_.no_newline);
        }
        stop_when_done();
    }
    [[nodiscard]] bool is_done() const { return asked_.count && printed_ >= *asked_.count; }
    [[nodiscard]] std::uint64_t printed() const { return printed_; }
    void stop_when_done() {
        if (is_done())
            io_.stop();
    }

  private:
    net::io_context& io_;
    const common_options& common_;
    const sub_options& asked_;
    const topic_format format_;
    std::uint64_t printed_ = 0;
};

/// Reads the messages of a topic, of one writer after the other.
class subscriber {
  public:
    subscriber(printer& to, ivshmem::device& device, ivshmem::asio::slot& slot,
               const common_options& common, const sub_options& asked, const std::string& topic)
        : to_{to}, device_{device}, common_{common}, asked_{asked}, topic_{topic},
          reader_{slot, topic, {.history = asked.history.value_or(0)}}, pause_{
                                                                            slot.get_executor()} {}

    void read() {
        if (to_.is_done())
            return;
        const auto then = [this](const boost::system::error_code& ec,
                                 const ivshmem::topic_message& message) {
            if (!ec)
                to_.print(
                    {topic_, reader_.next_layer().writer_slot().value_or(0), message, buffer_});
            else if (ec == ivshmem::errc::topic_closed || ec == ivshmem::errc::peer_lost ||
                     ec == ivshmem::errc::topic_poisoned)
                return wait_for_next_writer(ec);
            else if (ec == ivshmem::errc::message_too_large)
                complain(tools::format("{}: a message of more than 64 MiB is left out", topic_));
            else
                throw explain_failure(device_, ec);
            read();
        };
        if (asked_.latest)
            reader_.async_latest(buffer_, then);
        else
            reader_.async_read(buffer_, then);
    }
    [[nodiscard]] std::uint64_t skipped() const { return reader_.next_layer().skipped(); }

  private:
    static constexpr std::chrono::seconds broken_pause{1};

    void wait_for_next_writer(const boost::system::error_code& why) {
        if (common_.verbosity > 0) {
            const auto text = why.message(); // what a program could do follows a semicolon
            complain(tools::format("{}: {}; waiting for the next writer", topic_,
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

    printer& to_;
    ivshmem::device& device_;
    const common_options& common_;
    const sub_options& asked_;
    const std::string& topic_;
    ivshmem::asio::topic_reader reader_;
    net::steady_timer pause_;
    std::vector<std::byte> buffer_;
};

int sub(const common_options& common, const sub_options& asked) {
    net::io_context io{1};
    printer to{io, common, asked};
    auto device = open_with_channels(common);
    auto slot = claim_slot(io, device, common, asked.place);
    std::deque<subscriber> all;
    for (const auto& topic : asked.topics)
        all.emplace_back(to, device, slot, common, asked, topic);
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
        complain(tools::format("{}: waiting for {} in slot {}", name_of(device),
                               in_words(asked.topics), slot.number()));
    for (subscriber& each : all)
        each.read();
    to.stop_when_done();
    io.run();
    if (common.verbosity > 0) {
        const auto add = [](std::uint64_t sum, const subscriber& s) {
            return sum + s.skipped();
        };
        complain(tools::format("{} messages, {} skipped", to.printed(),
                               std::accumulate(all.begin(), all.end(), std::uint64_t{0}, add)));
    }
    return status;
}

} // namespace

void add_sub(subcommands& line) {
    auto command = line.add("sub", "print the messages of topics that peers publish");
    const auto asked = std::make_shared<sub_options>();
    command.add_option({"topic", "TOPIC", "the name of the topic, and of further ones", true},
                       asked->topics);
    add_number(command, {"-c,--count", "N", "exit after N messages (never)"}, asked->count);
    add_seconds(command, {"--timeout", "SECONDS", "exit after this time, with status 124 (never)"},
                asked->timeout);
    add_number(command, {"--history", "N", "first print the last N messages that are there (0)"},
               asked->history);
    command.add_flag("--latest", asked->latest,
                     "print the newest message only, also one that is there already; skip others");
    command.add_option({"-F,--format", "TEXT",
                        tools::format("how to write a message ({}): {}", topic_format::usual,
                                      topic_format::letters)},
                       asked->format);
    command.add_flag("-N,--no-newline", asked->no_newline, "write no newline after a message");
    add_slot_choice(command, asked->place);
    command.set_action([asked](const common_options& common) { return sub(common, *asked); });
}

} // namespace ivshmemctl
