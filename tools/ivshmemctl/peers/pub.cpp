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

#include <array>
#include <cerrno>
#include <csignal>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include <unistd.h>

namespace ivshmemctl {
namespace {

namespace net = boost::asio;

struct pub_options {
    std::string topic{};
    std::vector<std::string> messages{};
    std::optional<std::uint64_t> size{};
    bool whole = false;
    slot_choice place{};
};

/// Publishes the messages of the command line or, if there are none, those that come on the
/// standard input, until its end.
class publisher {
  public:
    publisher(net::io_context& io, ivshmem::device& device, ivshmem::asio::slot& slot,
              const pub_options& asked)
        : io_{io}, device_{device}, asked_{asked}, writer_{ivshmem::topic_writer::create(
                                                       slot.next_layer(), asked.topic,
                                                       {.size = asked.size.value_or(0)})} {}

    void start() {
        for (const auto& message : asked_.messages)
            publish(message);
        if (!asked_.messages.empty())
            return io_.stop();
        input_ = std::make_unique<connections::end_point>(
            connections::end_point::of_streams(io_.get_executor(), STDIN_FILENO, STDOUT_FILENO));
        wait();
    }
    [[nodiscard]] std::uint64_t count() const { return writer_.sequence(); }

  private:
    void wait() {
        input_->async_wait_input([this](const boost::system::error_code& ec) {
            if (ec)
                throw std::system_error{ec, "the standard input"};
            read();
        });
    }
    void read() {
        std::array<char, 65536> piece{};
        const auto got = input_->read(std::as_writable_bytes(std::span{piece}));
        if (got < 0 && errno == EAGAIN)
            return wait();
        if (got < 0)
            throw std::system_error{errno, std::system_category(), "the standard input"};
        if (got == 0) {
            if (asked_.whole || !text_.empty()) // the last line may lack its end
                publish(text_);
            return io_.stop();
        }
        text_.append(piece.data(), static_cast<std::size_t>(got));
        std::size_t begin = 0;
        for (std::size_t end = 0; !asked_.whole; begin = end + 1) {
            end = text_.find('\n', begin);
            if (end == std::string::npos)
                break;
            publish(std::string_view{text_}.substr(begin, end - begin));
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
    std::string text_; ///< read, but not published yet
};

int pub(const common_options& common, const pub_options& asked) {
    auto device = open_with_channels(common);
    net::io_context io{1};
    auto slot = claim_slot(io, device, common, asked.place);
    publisher by{io, device, slot, asked};
    net::signal_set signals{io, SIGINT, SIGTERM, SIGHUP};
    signals.async_wait([&](const boost::system::error_code&, int) { io.stop(); });
    if (!common.quiet && asked.messages.empty())
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
    add_number(sub,
               {"-s,--size", "BYTES",
                "the memory for messages, and the longest one (a quarter of the room)"},
               asked->size);
    add_slot_choice(sub, asked->place);
    sub.set_action([asked](const common_options& common) { return pub(common, *asked); });
}

} // namespace ivshmemctl
