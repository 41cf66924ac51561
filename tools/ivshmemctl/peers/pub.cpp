// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "command.hpp"
#include "common/exit_status.hpp"
#include "common/print.hpp"
#include "connections/end_point.hpp"
#include "number.hpp"
#include "open_device.hpp"
#include "peers/claim_slot.hpp"
#include "peers/memory_use.hpp"
#include "subcommands.hpp"

#include <ivshmem/topic_writer.hpp>

#include <boost/asio.hpp>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <memory>
#include <ratio>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include <fcntl.h>
#include <unistd.h>

namespace ivshmemctl {
namespace {

namespace net = boost::asio;

struct pub_options {
    std::string topic{};
    std::vector<std::string> messages{};
    std::optional<std::uint64_t> size{};
    bool whole = false;
    std::string file{};
    std::optional<std::uint64_t> rate{};
    bool stay = false;
    bool relayed = false;
    slot_choice place{};
};

/// Publishes the messages of the command line or, if there are none, those of a file or of the
/// standard input, until its end.
class publisher {
  public:
    publisher(net::io_context& io, ivshmem::device& device, ivshmem::asio::slot& slot,
              const pub_options& asked)
        : io_{io}, device_{device}, asked_{asked}, writer_{ivshmem::topic_writer::create(
                                                       slot.next_layer(), asked.topic,
                                                       {.size = asked.size.value_or(0),
                                                        .relayed = asked.relayed})},
          pause_{io} {}

    void start() {
        if (!asked_.messages.empty())
            return publish_words();
        int input = STDIN_FILENO;
        if (!asked_.file.empty()) {
            input = ::open(asked_.file.c_str(), O_RDONLY | O_CLOEXEC);
            if (input < 0)
                throw std::system_error{errno, std::system_category(), source()};
        }
        input_ = std::make_unique<connections::end_point>(
            connections::end_point::of_streams(io_.get_executor(), input, STDOUT_FILENO));
        if (input != STDIN_FILENO)
            ::close(input); // it was duplicated
        wait();
    }
    [[nodiscard]] std::uint64_t count() const { return writer_.sequence(); }

  private:
    [[nodiscard]] std::string source() const {
        return asked_.file.empty() ? "the standard input" : asked_.file;
    }
    /// Whether the whole input is one message.
    [[nodiscard]] bool is_whole() const { return asked_.whole || !asked_.file.empty(); }
    void finish() {
        if (!asked_.stay)
            io_.stop();
    }
    /// Calls `next`, at once or as long after the last message as the rate says.
    template <typename Next>
    void after_pause(Next next) {
        if (!asked_.rate)
            return next();
        pause_.expires_at(due_);
        pause_.async_wait([next](const boost::system::error_code&) { next(); });
    }
    void publish_words() {
        while (word_ < asked_.messages.size()) {
            publish(asked_.messages[word_++]);
            if (asked_.rate && word_ < asked_.messages.size())
                return after_pause([this] { publish_words(); });
        }
        finish();
    }
    void wait() {
        input_->async_wait_input([this](const boost::system::error_code& ec) {
            if (ec)
                throw std::system_error{ec, source()};
            read();
        });
    }
    void read() {
        std::array<char, 65536> piece{};
        const auto got = input_->read(std::as_writable_bytes(std::span{piece}));
        if (got < 0 && errno == EAGAIN)
            return wait();
        if (got < 0)
            throw std::system_error{errno, std::system_category(), source()};
        if (got == 0) {
            if (is_whole() || !text_.empty()) // the last line may lack its end
                publish(text_);
            return finish();
        }
        text_.append(piece.data(), static_cast<std::size_t>(got));
        publish_lines(0);
    }
    /// @param begin Of the first line in the text that was not published.
    void publish_lines(std::size_t begin) {
        while (!is_whole()) {
            const std::size_t end = text_.find('\n', begin);
            if (end == std::string::npos)
                break;
            publish(std::string_view{text_}.substr(begin, end - begin));
            begin = end + 1;
            if (asked_.rate)
                return after_pause([this, begin] { publish_lines(begin); });
        }
        text_.erase(0, begin);
        if (text_.size() > writer_.max_message())
            refuse(text_.size());
        wait();
    }
    void publish(std::string_view text) {
        if (text.size() > writer_.max_message())
            refuse(text.size());
        std::error_code ec;
        writer_.publish(std::as_bytes(std::span{text}), ec);
        if (ec)
            throw explain_failure(device_, ec);
        if (asked_.rate) // no debt is made good, so that no burst follows a stop
            due_ = std::max(due_, std::chrono::steady_clock::now()) +
                   std::chrono::nanoseconds{std::nano::den / *asked_.rate};
    }
    [[noreturn]] void refuse(std::size_t size) const {
        throw std::runtime_error{
            tools::format("{}: a message of {} bytes or more: the topic takes {} at most; choose "
                          "more with --size",
                          asked_.topic, size, writer_.max_message())};
    }

    net::io_context& io_;
    ivshmem::device& device_;
    const pub_options& asked_;
    ivshmem::topic_writer writer_;
    std::unique_ptr<connections::end_point> input_;
    std::string text_;     ///< read, but not published yet
    std::size_t word_ = 0; ///< the next message of the command line
    net::steady_timer pause_;
    std::chrono::steady_clock::time_point due_{}; ///< when the next message may be published
};

void check(const pub_options& asked) {
    if (asked.rate && (*asked.rate == 0 || *asked.rate > std::nano::den))
        throw usage_error{"--rate: takes 1 to 1000000000 messages a second"};
    if (!asked.messages.empty() && (asked.whole || !asked.file.empty()))
        throw usage_error{"pub: a MESSAGE excludes --whole and --file"};
}

int pub(const common_options& common, const pub_options& asked) {
    check(asked);
    auto device = open_with_channels(common);
    net::io_context io{1};
    auto slot = claim_slot(io, device, common, asked.place);
    publisher by{io, device, slot, asked};
    net::signal_set signals{io, SIGINT, SIGTERM, SIGHUP};
    signals.async_wait([&](const boost::system::error_code&, int) { io.stop(); });
    if (!common.quiet && (asked.messages.empty() || asked.stay))
        complain(tools::format("{}: publishing {} in slot {}", name_of(device), asked.topic,
                               slot.number()));
    by.start();
    io.run();
    if (common.verbosity > 0)
        complain(tools::format("{} messages published", by.count()));
    return tools::exit_success;
}

} // namespace

void add_pub(subcommands& line) {
    auto sub = line.add("pub", "publish messages of a topic, which peers read with 'sub'");
    const auto asked = std::make_shared<pub_options>();
    sub.add_option({"topic", "TOPIC", "the name of the topic", true}, asked->topic);
    sub.add_option({"message", "MESSAGE",
                    "the text of a message, and of further ones (each line of standard input)"},
                   asked->messages);
    sub.add_flag("--whole", asked->whole, "publish all of the standard input as one message");
    sub.add_option({"-f,--file", "FILE", "publish the content of a file as one message"},
                   asked->file);
    add_number(sub, {"--rate", "N", "publish at most N messages a second"}, asked->rate);
    sub.add_flag("--stay", asked->stay,
                 "do not end after the last message, so that later readers can read what is left");
    sub.add_flag(
        "--relayed", asked->relayed,
        "say that the messages come from elsewhere, so that no gateway takes them further");
    add_number(sub,
               {"-s,--size", "BYTES",
                "the memory for messages, and the longest one (a quarter of the room)"},
               asked->size);
    add_slot_choice(sub, asked->place);
    sub.set_action([asked](const common_options& common) { return pub(common, *asked); });
}

} // namespace ivshmemctl
