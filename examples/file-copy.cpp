// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors

// Copy a file to another VM. A file gets its name only when it is complete.
//
//     file-copy DEVICE SLOT receive FILE
//     file-copy DEVICE SLOT send FILE
//
// On the host, with an ivshmem-server that listens at PATH, two processes:
//
//     ./file-copy server:PATH 0 receive copy.iso
//     ./file-copy server:PATH 1 send original.iso
//
// In two guests, or in a guest and on the host, with the address that lsivshmem prints:
//
//     ./file-copy 0000:00:04.0 0 receive copy.iso
//     ./file-copy 0000:00:04.0 1 send original.iso

#include "on_slot.hpp"
#include "progress.hpp"

#include <ivshmem/asio.hpp>

#include <boost/asio.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/crc.hpp>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <string>
#include <vector>

namespace net = boost::asio;
constexpr auto with_error = net::as_tuple(net::use_awaitable);

namespace {

constexpr std::chrono::seconds patience{20};
constexpr std::uint32_t piece = 64 * 1024;

/// The first message, and the answer at the end. The pieces of the file are between them.
struct summary {
    std::uint64_t size;
    std::uint32_t checksum;
    std::uint32_t unused;
};

/// Waits with a time limit: a peer that loses its power never closes the channel.
template <typename Result>
net::awaitable<Result> in_time(net::awaitable<Result> operation) {
    using namespace net::experimental::awaitable_operators;
    net::steady_timer timer{co_await net::this_coro::executor, patience};
    // operator|| waits for the first success, so errors must not be thrown.
    auto first = co_await (std::move(operation) || timer.async_wait(with_error));
    if (first.index() == 1)
        throw std::runtime_error{"the other side does not answer"};
    if (const boost::system::error_code ec = std::get<0>(std::get<0>(first)))
        throw boost::system::system_error{ec};
    co_return std::get<0>(first);
}

void print(const char* what, const std::string& name, const summary& s) {
    std::printf("%s %s: %llu bytes, CRC-32 %08x\n", what, name.c_str(),
                static_cast<unsigned long long>(s.size), s.checksum);
}

net::awaitable<void> send(ivshmem::asio::slot& slot, std::string name) {
    std::ifstream file{name, std::ios::binary};
    if (!file)
        throw std::runtime_error{name + ": cannot be read"};
    summary sent{std::filesystem::file_size(name), 0, 0};
    auto channel = co_await ivshmem::asio::async_connect(slot, "file-copy", net::use_awaitable);
    co_await channel.async_send(net::buffer(&sent, sizeof sent), net::use_awaitable);
    std::vector<char> bytes(piece);
    boost::crc_32_type crc;
    progress shown{sent.size};
    for (std::uint64_t left = sent.size; left != 0;) {
        file.read(bytes.data(), static_cast<std::streamsize>(std::min<std::uint64_t>(left, piece)));
        const auto size = static_cast<std::size_t>(file.gcount());
        if (size == 0)
            throw std::runtime_error{name + ": became shorter"};
        crc.process_bytes(bytes.data(), size);
        co_await in_time(channel.async_send(net::buffer(bytes, size), with_error));
        left -= size;
        shown.add(size);
    }
    sent.checksum = crc.checksum();
    summary received{};
    co_await in_time(channel.async_receive(net::buffer(&received, sizeof received), with_error));
    shown.end();
    if (received.size != sent.size || received.checksum != sent.checksum)
        throw std::runtime_error{"the other side received something else"};
    print("sent", name, sent);
}

/// A file that gets its name when it is complete.
struct new_file {
    explicit new_file(const std::string& name)
        : part{name + ".part"}, stream{part, std::ios::binary} {}
    ~new_file() { std::remove(part.c_str()); }
    void keep_as(const std::string& name) {
        stream.close();
        if (!stream)
            throw std::runtime_error{part + ": cannot be written"};
        std::filesystem::rename(part, name);
    }

    const std::string part;
    std::ofstream stream;
};

net::awaitable<void> receive(ivshmem::asio::slot& slot, std::string name) {
    new_file file{name};
    if (!file.stream)
        throw std::runtime_error{file.part + ": cannot be written"};
    ivshmem::asio::acceptor acceptor{slot, "file-copy", {.max_message = piece}};
    auto channel = co_await acceptor.async_accept(net::use_awaitable);
    summary announced{};
    co_await in_time(channel.async_receive(net::buffer(&announced, sizeof announced), with_error));
    std::vector<char> bytes(piece);
    boost::crc_32_type crc;
    progress shown{announced.size};
    for (std::uint64_t left = announced.size; left != 0;) {
        const std::size_t size =
            std::get<1>(co_await in_time(channel.async_receive(net::buffer(bytes), with_error)));
        if (size > left)
            throw std::runtime_error{"more bytes arrived than were announced"};
        crc.process_bytes(bytes.data(), size);
        file.stream.write(bytes.data(), static_cast<std::streamsize>(size));
        left -= size;
        shown.add(size);
    }
    shown.end();
    file.keep_as(name);
    const summary received{announced.size, crc.checksum(), 0};
    print("received", name, received);
    co_await channel.async_send(net::buffer(&received, sizeof received), net::use_awaitable);
    co_await in_time(channel.async_drain(with_error));
}

} // namespace

int main(int argc, char** argv) {
    const std::string_view what = argc == 5 ? argv[3] : "";
    if (what != "send" && what != "receive") {
        std::cerr << "usage: file-copy DEVICE SLOT send|receive FILE\n";
        return 2;
    }
    try {
        const auto copy = [&](ivshmem::asio::slot& slot) {
            return what == "send" ? send(slot, argv[4]) : receive(slot, argv[4]);
        };
        if (!run_on_slot(argv[1], argv[2], copy))
            throw std::runtime_error{"interrupted"};
    } catch (const std::exception& e) {
        std::cerr << "file-copy: " << e.what() << '\n';
        return 1;
    }
}
