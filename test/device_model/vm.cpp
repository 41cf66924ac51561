// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "vm.hpp"

#include "helpers/catch.hpp"

#include <algorithm>
#include <array>
#include <cstring>

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>

namespace host {

namespace wire = ivshmem_device::wire;
using ivshmem::unique_fd;

namespace {

bool wait_readable(int fd, std::chrono::milliseconds within = deadline) {
    pollfd ready{fd, POLLIN, 0};
    return ::poll(&ready, 1, static_cast<int>(within.count())) == 1;
}

/// Reads all of these bytes; false if the stream ends.
bool read_all(int socket, std::span<std::byte> to, unique_fd* fd) {
    while (!to.empty()) {
        if (!wait_readable(socket))
            return false;
        iovec piece{to.data(), to.size()};
        alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control{};
        msghdr message{};
        message.msg_iov = &piece;
        message.msg_iovlen = 1;
        message.msg_control = control.data();
        message.msg_controllen = control.size();
        const ssize_t got = ::recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
        if (got <= 0)
            return false;
        if (const cmsghdr* const part = CMSG_FIRSTHDR(&message)) {
            int number = -1;
            std::memcpy(&number, CMSG_DATA(part), sizeof number);
            if (fd != nullptr)
                fd->reset(number);
        }
        to = to.subspan(static_cast<std::size_t>(got));
    }
    return true;
}

/// What QEMU sends.
constexpr const char* qemus_version =
    R"({"capabilities":{"max_msg_fds":16,"max_data_xfer_size":1048576,"pgsizes":4096,)"
    R"("max_dma_maps":65535,"migration":{"pgsize":4096,"max_bitmap_size":268435456},)"
    R"("write_multiple":true}})";

} // namespace

vm::vm(const std::string& path, bool negotiate)
    : socket_{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)} {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    REQUIRE(path.size() < sizeof address.sun_path);
    std::copy(path.begin(), path.end(), std::begin(address.sun_path));
    REQUIRE(::connect(socket_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) ==
            0);
    if (!negotiate)
        return;
    std::vector<std::byte> body;
    wire::append(body, wire::version{});
    const auto text = std::as_bytes(std::span{qemus_version, std::strlen(qemus_version) + 1});
    body.insert(body.end(), text.begin(), text.end());
    const reply r = call(wire::command::version, body);
    REQUIRE(r.number == 0);
    REQUIRE(r.body.size() <= body.size()); // QEMU has no more room
}

bool vm::closed() {
    return eventually([&] {
        std::array<char, 4096> bytes{};
        const ssize_t got = ::recv(socket(), bytes.data(), bytes.size(), MSG_DONTWAIT);
        return got == 0 || (got < 0 && errno == ECONNRESET);
    });
}

void vm::send_raw(std::span<const std::byte> bytes, std::span<const int> fds) const {
    iovec piece{const_cast<std::byte*>(bytes.data()), bytes.size()};
    std::vector<char> control(CMSG_SPACE(fds.size_bytes()));
    msghdr message{};
    message.msg_iov = &piece;
    message.msg_iovlen = 1;
    if (!fds.empty()) {
        message.msg_control = control.data();
        message.msg_controllen = control.size();
        cmsghdr* const part = CMSG_FIRSTHDR(&message);
        part->cmsg_level = SOL_SOCKET;
        part->cmsg_type = SCM_RIGHTS;
        part->cmsg_len = CMSG_LEN(fds.size_bytes());
        std::memcpy(CMSG_DATA(part), fds.data(), fds.size_bytes());
    }
    REQUIRE(::sendmsg(socket(), &message, MSG_NOSIGNAL) == static_cast<ssize_t>(bytes.size()));
}

std::uint16_t vm::send(wire::command what, std::span<const std::byte> body,
                       std::span<const int> fds, std::uint32_t flags) {
    const wire::header h{.id = next_id_++,
                         .command = static_cast<std::uint16_t>(what),
                         .size = static_cast<std::uint32_t>(sizeof(wire::header) + body.size()),
                         .flags = flags};
    std::vector<std::byte> bytes;
    wire::append(bytes, h);
    bytes.insert(bytes.end(), body.begin(), body.end());
    send_raw(bytes, fds);
    return h.id;
}

vm::reply vm::receive(std::uint16_t id) {
    wire::header h;
    reply r;
    REQUIRE(read_all(socket(), std::as_writable_bytes(std::span{&h, 1}), &r.fd));
    REQUIRE(h.id == id);
    REQUIRE(h.size >= sizeof h);
    REQUIRE((h.flags & wire::type_mask) == wire::reply);
    r.body.resize(h.size - sizeof h);
    unique_fd none;
    REQUIRE(read_all(socket(), r.body, &none));
    REQUIRE_FALSE(none); // QEMU takes descriptors only with the header
    if ((h.flags & wire::error) != 0) {
        REQUIRE(h.error != 0); // QEMU takes 0 for success
        r.number = static_cast<int>(h.error);
    }
    return r;
}

vm::reply vm::call(wire::command what, std::span<const std::byte> body, std::span<const int> fds) {
    return receive(send(what, body, fds));
}

std::vector<std::byte> vm::read(std::uint32_t region, std::uint64_t offset, std::uint32_t count) {
    const wire::region_access what{offset, region, count};
    reply r = call(wire::command::region_read, std::as_bytes(std::span{&what, 1}));
    REQUIRE(r.number == 0);
    REQUIRE(r.body.size() == sizeof what + count);
    r.body.erase(r.body.begin(), r.body.begin() + sizeof what);
    return std::move(r.body);
}

void vm::write(std::uint32_t region, std::uint64_t offset, std::span<const std::byte> bytes) {
    const wire::region_access what{offset, region, static_cast<std::uint32_t>(bytes.size())};
    std::vector<std::byte> body;
    wire::append(body, what);
    body.insert(body.end(), bytes.begin(), bytes.end());
    const reply r = call(wire::command::region_write, body);
    REQUIRE(r.number == 0);
    REQUIRE(r.body.size() == sizeof what);
}

vm::region vm::region_at(std::uint32_t index) {
    region found;
    std::uint32_t room = sizeof(vfio_region_info);
    reply r;
    // As QEMU: again, with more room.
    for (int tries = 0; tries < 2; ++tries) {
        vfio_region_info ask{};
        ask.argsz = room;
        ask.index = index;
        r = call(wire::command::region_info, std::as_bytes(std::span{&ask, 1}));
        REQUIRE(r.number == 0);
        REQUIRE(r.body.size() <= room);
        found.info = wire::load<vfio_region_info>(r.body);
        if ((found.info.flags & VFIO_REGION_INFO_FLAG_CAPS) != 0) {
            REQUIRE(found.info.cap_offset >= sizeof found.info);
            REQUIRE(found.info.cap_offset <= found.info.argsz);
        }
        if (found.info.argsz <= room)
            break;
        room = found.info.argsz;
    }
    found.fd = std::move(r.fd);
    if ((found.info.flags & VFIO_REGION_INFO_FLAG_CAPS) == 0)
        return found;
    const auto rest = std::span{r.body}.subspan(found.info.cap_offset);
    const auto sparse = wire::load<wire::sparse_areas>(rest);
    REQUIRE(sparse.id == VFIO_REGION_INFO_CAP_SPARSE_MMAP);
    for (std::uint32_t i = 0; i < sparse.count; ++i)
        found.areas.push_back(wire::load<vfio_region_sparse_mmap_area>(
            rest.subspan(sizeof sparse + i * sizeof(vfio_region_sparse_mmap_area))));
    return found;
}

vfio_irq_info vm::irq_at(std::uint32_t index) {
    vfio_irq_info ask{};
    ask.argsz = sizeof ask;
    ask.index = index;
    const reply r = call(wire::command::irq_info, std::as_bytes(std::span{&ask, 1}));
    REQUIRE(r.number == 0);
    return wire::load<vfio_irq_info>(r.body);
}

std::vector<std::byte> irq_set(std::uint32_t index, std::uint32_t flags, std::uint32_t start,
                               std::uint32_t count) {
    vfio_irq_set what{};
    what.argsz = sizeof what;
    what.flags = flags;
    what.index = index;
    what.start = start;
    what.count = count;
    std::vector<std::byte> body(sizeof what);
    std::memcpy(body.data(), &what, sizeof what);
    return body;
}

void vm::take_interrupts(std::uint32_t index, std::uint32_t count) {
    eventfds_.clear();
    std::vector<int> fds;
    for (std::uint32_t i = 0; i < count; ++i) {
        eventfds_.emplace_back(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
        fds.push_back(eventfds_.back().get());
    }
    constexpr std::uint32_t flags = VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER;
    for (std::uint32_t start = 0; start < count;) {
        const std::uint32_t some = std::min<std::uint32_t>(count - start, 16);
        const reply r = call(wire::command::set_irqs, irq_set(index, flags, start, some),
                             std::span{fds}.subspan(start, some));
        REQUIRE(r.number == 0);
        start += some;
    }
}

void vm::start(std::uint8_t msix_capability) {
    set<std::uint16_t>(VFIO_PCI_CONFIG_REGION_INDEX, 0x04, 0x06);
    if (msix_capability != 0)
        set<std::uint16_t>(VFIO_PCI_CONFIG_REGION_INDEX, msix_capability + 2U, 0x8000);
}

std::uint64_t vm::taken(std::uint32_t vector) {
    std::uint64_t count = 0;
    return ::read(eventfds_.at(vector).get(), &count, sizeof count) == sizeof count ? count : 0;
}

bool vm::interrupted(std::uint32_t vector) {
    return wait_readable(eventfds_.at(vector).get()) && taken(vector) > 0;
}

running_device::running_device(const std::vector<std::string>& options, unsigned vms) {
    const std::string notify = folder / "notify";
    const notify_socket manager{notify};
    std::vector<std::string> command{IVSHMEM_DEVICE};
    command.insert(command.end(), options.begin(), options.end());
    for (unsigned i = 0; i < vms; ++i) {
        command.emplace_back("--socket");
        command.push_back(socket(i));
    }
    program_.emplace(command, folder / "log",
                     [&] { ::setenv("NOTIFY_SOCKET", notify.c_str(), 1); });
    const std::string ready = manager.next();
    INFO(program_->output());
    REQUIRE(ready == "READY=1\nMAINPID=" + std::to_string(program_->pid()));
}

std::string running_device::socket(unsigned number) const {
    return folder / ("vm" + std::to_string(number));
}

std::size_t running_device::open_descriptors() const {
    const std::filesystem::directory_iterator fds{"/proc/" + std::to_string(program_->pid()) +
                                                  "/fd"};
    return static_cast<std::size_t>(std::distance(begin(fds), end(fds)));
}

outcome run_device(const std::vector<std::string>& options) {
    const temporary_folder folder;
    std::vector<std::string> command{IVSHMEM_DEVICE};
    command.insert(command.end(), options.begin(), options.end());
    process program{command, folder / "log"};
    const auto code = program.wait();
    return {code, program.output()};
}

} // namespace host
