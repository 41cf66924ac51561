// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors

// VMs of ivshmem-device that send anything: requests with any fields and descriptors, or bytes that
// are no requests. Nothing may crash or block; each answer belongs to its request and has room in
// QEMU's; the configuration space keeps what the guest must not change; no descriptor is left.

#include "base/unique_fd.hpp"
#include "messages.hpp"
#include "must_hold.hpp"
#include "packet.hpp"
#include "schedule.hpp"
#include "session.hpp"
#include "v1_function.hpp"
#include "v2_function.hpp"

#include <boost/asio/io_context.hpp>

#include <algorithm>
#include <array>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <vector>

#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

namespace {

using namespace ivshmem_device;
using ivshmem::unique_fd;
using test::must_hold;

std::size_t descriptors() {
    std::size_t count = 0;
    for (const auto& entry : std::filesystem::directory_iterator{"/proc/self/fd"})
        count += entry.path().empty() ? 0 : 1;
    return count;
}

/// A number that is often at a limit.
std::uint64_t number(test::schedule& what) {
    constexpr std::array<std::uint64_t, 12> limits{
        0, 1, 4, 0x40, 256, 4096, 65536, 0x10000000, 0xffffffff, ~std::uint64_t{0}, 0x80000000, 12};
    switch (what.below(4)) {
    case 0:
        return limits.at(what.below(limits.size()));
    case 1:
        return limits.at(what.below(limits.size())) - what.below(9);
    case 2:
        return what.byte();
    default:
        return what.word();
    }
}

/// A VM, its device, and the two ends of their connection.
class machine {
  public:
    machine(std::unique_ptr<function> device) : device_{std::move(device)}, session_{*device_} {
        std::array<int, 2> ends{};
        must_hold(
            ::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends.data()) == 0,
            "there are sockets");
        client_.reset(ends[0]);
        server_.reset(ends[1]);
    }

    /// Sends a request, or a part of one.
    void send(test::schedule& what) {
        wire::header h{.id = ++id_,
                       .command = static_cast<std::uint16_t>(
                           what.below(16) == 0 ? what.word() : 1 + what.below(14))};
        std::vector<std::byte> body;
        for (std::uint32_t fields = what.below(8); fields > 0; --fields) {
            if (what.below(2) == 0)
                wire::append(body, static_cast<std::uint32_t>(number(what)));
            else
                wire::append(body, number(what));
        }
        if (h.command == 1 && what.below(8) != 0) {
            body.clear();
            wire::append(body, wire::version{});
        }
        h.size = static_cast<std::uint32_t>(sizeof h + body.size());
        if (what.below(32) == 0)
            h.size = static_cast<std::uint32_t>(number(what));
        if (what.below(16) == 0)
            h.flags = what.below(2) == 0 ? wire::no_reply : what.word();
        std::vector<std::byte> bytes;
        wire::append(bytes, h);
        bytes.insert(bytes.end(), body.begin(), body.end());
        std::vector<unique_fd> kept;
        for (std::uint32_t fds = what.below(8) == 0 ? what.below(20) : 0; fds > 0; --fds)
            kept.emplace_back(what.below(8) != 0 ? ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)
                                                 : ::open("/dev/null", O_RDWR | O_CLOEXEC));
        put(bytes, kept);
    }
    void put(std::span<const std::byte> bytes, const std::vector<unique_fd>& fds) {
        std::array<char, CMSG_SPACE(32 * sizeof(int))> control{};
        iovec piece{const_cast<std::byte*>(bytes.data()), bytes.size()};
        msghdr message{};
        message.msg_iov = &piece;
        message.msg_iovlen = 1;
        if (!fds.empty()) {
            message.msg_control = control.data();
            message.msg_controllen = CMSG_SPACE(fds.size() * sizeof(int));
            cmsghdr* const part = CMSG_FIRSTHDR(&message);
            part->cmsg_level = SOL_SOCKET;
            part->cmsg_type = SCM_RIGHTS;
            part->cmsg_len = CMSG_LEN(fds.size() * sizeof(int));
            for (std::size_t i = 0; i < fds.size(); ++i) {
                const int fd = fds[i].get();
                std::memcpy(CMSG_DATA(part) + i * sizeof fd, &fd, sizeof fd);
            }
        }
        // What has no room is lost.
        [[maybe_unused]] const auto sent = ::sendmsg(client_.get(), &message, MSG_NOSIGNAL);
    }
    void answer_all() {
        while (!ended_) {
            ivshmem::failure f;
            auto request = reader_.next(server_.get(), f);
            if (!request && !f)
                return;
            if (request) {
                const wire::header asked = request->header;
                const auto room = std::max<std::size_t>(65536, request->body.size()) + 32;
                const answer a = session_.handle(std::move(*request), f);
                check(asked, room, a, static_cast<bool>(f));
            }
            ended_ = static_cast<bool>(f);
            must_hold(!f || !f.message().empty(), "a failure has a message");
        }
    }
    void check_config(std::uint32_t ids) {
        std::array<std::byte, 4> bytes{};
        device_->read(VFIO_PCI_CONFIG_REGION_INDEX, 0, bytes);
        must_hold(wire::load<std::uint32_t>(bytes) == ids, "the ids stay");
    }

  private:
    static void check(const wire::header& asked, std::size_t room, const answer& a, bool failed) {
        must_hold(!failed || a.bytes.empty(), "a client that is disconnected gets no answer");
        must_hold(failed || a.bytes.empty() == ((asked.flags & wire::no_reply) != 0),
                  "each request has an answer, unless it wants none");
        if (a.bytes.empty())
            return;
        const auto h = wire::load<wire::header>(a.bytes);
        must_hold(h.id == asked.id && h.command == asked.command, "the answer is to the request");
        must_hold(h.size == a.bytes.size() && a.bytes.size() <= room, "the answer has its size");
        must_hold((h.flags & wire::type_mask) == wire::reply, "the answer is a reply");
        must_hold(((h.flags & wire::error) != 0) == (h.error != 0), "an error has its number");
    }

    std::unique_ptr<function> device_;
    session session_;
    packet_reader reader_;
    unique_fd client_;
    unique_fd server_;
    std::uint16_t id_ = 0;
    bool ended_ = false;
};

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::size_t before = descriptors();
    {
        test::schedule what{std::span{data, size}};
        boost::asio::io_context io;
        const v2_layout layout{.state_table = 4096, .read_write = 4096, .output = 4096};
        ivshmem::failure f;
        ivshmem_device::link shared{shared_memory::create(layout.size(), f)};
        must_hold(!f, "there is memory");
        const std::uint8_t kind = what.byte();
        const bool v2 = kind % 2 == 0;
        std::vector<machine> machines;
        machines.reserve(2);
        for (std::uint16_t id = 0; id < 2; ++id) {
            if (v2) {
                const v2_settings s{.layout = layout,
                                    .intx = (kind & 2) != 0,
                                    .protect = (kind & 4) != 0,
                                    .express = (kind & 16) != 0,
                                    .bar2 = (kind & 8) != 0};
                machines.emplace_back(std::make_unique<v2_function>(io, s, id, shared));
                continue;
            }
            const v1_settings s{.who = {.vendor = 0x1af4, .device = 0x1110},
                                .position = id,
                                .vectors = (kind & 2) != 0 ? 0U : 9U,
                                .intx = (kind & 2) != 0,
                                .only_dwords = (kind & 4) != 0,
                                .latches = (kind & 8) != 0,
                                .express = (kind & 16) != 0};
            auto device = std::make_unique<v1_function>(io, s, shared.memory());
            device->enter(shared.join(id, *device));
            machines.emplace_back(std::move(device));
        }
        while (!what.empty()) {
            const std::uint8_t choice = what.byte();
            machine& m = machines.at(choice % 2U);
            if (choice < 240) {
                m.send(what);
            } else {
                std::array<std::byte, 8> bytes{};
                for (std::byte& b : bytes)
                    b = static_cast<std::byte>(what.byte());
                m.put(std::span{bytes}.first(1 + choice % bytes.size()), {});
            }
            m.answer_all();
            m.check_config(v2 ? 0x4106110a : 0x11101af4);
            io.poll();
        }
    }
    must_hold(descriptors() == before, "a device that ended leaves no descriptor");
    return 0;
}
