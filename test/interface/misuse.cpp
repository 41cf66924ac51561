// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors

// Calls that must not compile. misuse.py compiles this file, and expects exactly one error in each
// line with a comment "error: NAME: WHY", and no other error. NAME must be in the error, and WHY in
// the notes of the compiler.

#include <ivshmem/asio.hpp>

#include <boost/asio/buffer.hpp>
#include <boost/asio/io_context.hpp>

#include <cstddef>
#include <string>

namespace net = boost::asio;
using boost::system::error_code;

void misuse(ivshmem::asio::channel& channel, ivshmem::asio::stream& stream,
            ivshmem::asio::acceptor& acceptor, ivshmem::asio::slot& slot, std::string& text,
            ivshmem::asio::interrupt& interrupt, ivshmem::asio::any_interrupt& any,
            ivshmem::asio::device_events& events, ivshmem::asio::device_monitor& monitor) {
    const auto token = [](error_code, std::size_t) {
    };
    const auto wrong = [](std::string&) {
    };

    // clang-format off
    channel.async_send("text", token);                   // error: async_send: const_buffer_sequence
    channel.async_send(text, token);                     // error: async_send: const_buffer_sequence
    channel.async_receive(net::const_buffer{}, token);   // error: async_receive: mutable_buffer_sequence
    stream.async_read_some(net::const_buffer{}, token);  // error: async_read_some: mutable_buffer_sequence
    stream.async_write_some("text", token);              // error: async_write_some: const_buffer_sequence

    channel.async_connect();                             // error: async_connect: Token = void
    channel.async_send(net::buffer(text));               // error: async_send: Token = void
    channel.async_receive(net::buffer(text));            // error: async_receive: Token = void
    channel.async_wait();                                // error: async_wait: Token = void
    channel.async_drain();                               // error: async_drain: Token = void
    channel.async_next_event();                          // error: async_next_event: Token = void
    stream.async_connect();                              // error: async_connect: Token = void
    stream.async_read_some(net::buffer(text));           // error: async_read_some: Token = void
    stream.async_write_some(net::buffer(text));          // error: async_write_some: Token = void
    acceptor.async_accept();                             // error: async_accept: Token = void
    ivshmem::asio::async_connect(slot, "name");          // error: async_connect: Token = void
    interrupt.async_wait();                              // error: async_wait: Token = void
    any.async_wait();                                    // error: async_wait: Token = void
    events.async_next();                                 // error: async_next: Token = void
    monitor.async_next();                                // error: async_next: Token = void

    channel.async_connect(wrong);                        // error: async_connect: completion_token
    channel.async_send(net::buffer(text), wrong);        // error: async_send: completion_token
    channel.async_receive(net::buffer(text), wrong);     // error: async_receive: completion_token
    channel.async_wait(wrong);                           // error: async_wait: completion_token
    channel.async_drain(wrong);                          // error: async_drain: completion_token
    channel.async_next_event(token);                     // error: async_next_event: completion_token
    stream.async_connect(wrong);                         // error: async_connect: completion_token
    stream.async_read_some(net::buffer(text), wrong);    // error: async_read_some: completion_token
    stream.async_write_some(net::buffer(text), wrong);   // error: async_write_some: completion_token
    acceptor.async_accept(token);                        // error: async_accept: completion_token
    ivshmem::asio::async_connect(slot, "name", wrong);   // error: async_connect: completion_token
    interrupt.async_wait(wrong);                         // error: async_wait: completion_token
    any.async_wait(token);                               // error: async_wait: completion_token
    events.async_next(token);                            // error: async_next: completion_token
    monitor.async_next(token);                           // error: async_next: completion_token
    // clang-format on
}
