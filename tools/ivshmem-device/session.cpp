// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "session.hpp"

#include <boost/json.hpp>

#include <cerrno>
#include <cstring>
#include <string>
#include <utility>

namespace ivshmem_device {

namespace {

using ivshmem::failure;

constexpr std::uint32_t regions = VFIO_PCI_NUM_REGIONS;
constexpr std::uint32_t irqs = VFIO_PCI_NUM_IRQS;
static_assert(VFIO_PCI_NUM_IRQS == 5);

void refuse(failure& f, const std::string& what) {
    f.set(std::make_error_code(std::errc::protocol_error), what);
}

/// The version that this program speaks. Not with write_multiple, which makes QEMU send all
/// messages from one queue. QEMU aborts if pgsizes is 0, and the text must not be longer than its
/// own.
std::string capabilities() {
    return ivshmem::formatted(
        R"({{"capabilities":{{"max_msg_fds":{},"max_data_xfer_size":{},"pgsizes":4096}}}})",
        packet_limits::descriptors, packet_limits::data);
}

/// Returns what is wrong with the JSON text of a client; empty if nothing is.
std::string check_capabilities(std::span<const std::byte> bytes) {
    if (bytes.empty())
        return {};
    const std::string_view all{reinterpret_cast<const char*>(bytes.data()), bytes.size()};
    const auto end = all.find('\0');
    if (end == std::string_view::npos)
        return "the text of its version does not end with a zero byte";
    if (end == 0)
        return {};
    boost::system::error_code ec;
    const boost::json::value parsed = boost::json::parse(all.substr(0, end), ec);
    if (ec || !parsed.is_object())
        return "the text of its version is no JSON object";
    const auto* const inner = parsed.as_object().if_contains("capabilities");
    if (inner == nullptr)
        return {};
    if (!inner->is_object())
        return "the capabilities of its version are no JSON object";
    const auto* const fds = inner->as_object().if_contains("max_msg_fds");
    if (fds != nullptr && !(fds->is_int64() && fds->as_int64() > 0))
        return "its max_msg_fds is no number above 0, and the memory takes one descriptor";
    return {};
}

} // namespace

answer session::handle(packet request, failure& f) {
    const wire::header& h = request.header;
    const auto what = static_cast<wire::command>(h.command);
    if (open_ == (what == wire::command::version)) {
        refuse(f, open_ ? "it negotiated the version again"
                        : ivshmem::formatted("its first message is command {}, not its version; is "
                                             "it a vfio-user client?",
                                             h.command));
        return {};
    }
    if (!request.fds.empty() && what != wire::command::set_irqs && what != wire::command::dma_map) {
        refuse(f, ivshmem::formatted("it sent descriptors with command {}, which takes none",
                                     h.command));
        return {};
    }
    switch (what) {
    case wire::command::version:
        return negotiate(request, f);
    case wire::command::dma_map:
        // The memory of the VM is never mapped. Its descriptors close when the request ends.
        return request.body.size() < sizeof(wire::dma_map) || request.fds.size() > 1
                   ? answer::error(h, EINVAL)
                   : answer::reply(h, {});
    case wire::command::dma_unmap:
        return request.body.size() < sizeof(wire::dma_unmap)
                   ? answer::error(h, EINVAL)
                   : answer::reply(h, std::span{request.body}.first(sizeof(wire::dma_unmap)));
    case wire::command::device_info: {
        const wire::device_info info{.argsz = sizeof info,
                                     .flags = VFIO_DEVICE_FLAGS_PCI | VFIO_DEVICE_FLAGS_RESET,
                                     .regions = regions,
                                     .irqs = irqs};
        return answer::reply(h, std::as_bytes(std::span{&info, 1}));
    }
    case wire::command::region_info:
        return region_info(request);
    case wire::command::irq_info:
        return irq_info(request);
    case wire::command::set_irqs:
        return set_irqs(std::move(request));
    case wire::command::region_read:
        return read_region(request);
    case wire::command::region_write:
        return write_region(request);
    case wire::command::reset:
        device_.reset();
        return answer::reply(h, {});
    default:
        return answer::error(h, ENOTSUP);
    }
}

answer session::negotiate(const packet& request, failure& f) {
    if (request.body.size() < sizeof(wire::version)) {
        refuse(f, "its version is too short");
        return {};
    }
    const auto client = wire::load<wire::version>(request.body);
    if (client.major != 0) {
        refuse(f, ivshmem::formatted("it speaks version {}.{} of vfio-user, and this is 0.0",
                                     client.major, client.minor));
        return {};
    }
    const auto rest = std::span{request.body}.subspan(sizeof client);
    if (const std::string wrong = check_capabilities(rest); !wrong.empty()) {
        refuse(f, wrong);
        return {};
    }
    open_ = true;
    std::vector<std::byte> body;
    wire::append(body, wire::version{});
    const std::string text = capabilities();
    const auto bytes = std::as_bytes(std::span{text.c_str(), text.size() + 1});
    body.insert(body.end(), bytes.begin(), bytes.end());
    return answer::reply(request.header, body);
}

answer session::region_info(const packet& request) const {
    if (request.body.size() < sizeof(vfio_region_info))
        return answer::error(request.header, EINVAL);
    auto info = wire::load<vfio_region_info>(request.body);
    const std::uint32_t room = info.argsz;
    if (info.index >= regions || room < sizeof info)
        return answer::error(request.header, EINVAL);
    info.argsz = sizeof info;
    info.flags = 0;
    info.cap_offset = 0;
    info.offset = 0;
    info.size = device_.region_size(info.index);
    if (info.size != 0)
        info.flags = VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE;

    std::vector<std::byte> areas;
    int fd = -1;
    if (info.index <= VFIO_PCI_BAR5_REGION_INDEX && device_.bar_at(info.index).fd != -1) {
        const bar& b = device_.bar_at(info.index);
        wire::append(areas,
                     wire::sparse_areas{.count = static_cast<std::uint32_t>(b.mapped.size())});
        for (const area& a : b.mapped)
            wire::append(areas, vfio_region_sparse_mmap_area{.offset = a.offset, .size = a.size});
        info.flags |= VFIO_REGION_INFO_FLAG_MMAP | VFIO_REGION_INFO_FLAG_CAPS;
        info.cap_offset = sizeof info;
        info.argsz = static_cast<std::uint32_t>(sizeof info + areas.size());
        fd = b.fd;
    }
    // A client without room for the areas asks again, with room for argsz bytes.
    if (room < info.argsz)
        areas.clear();
    std::vector<std::byte> body;
    wire::append(body, info);
    body.insert(body.end(), areas.begin(), areas.end());
    answer a = answer::reply(request.header, body);
    a.fd = fd;
    return a;
}

answer session::irq_info(const packet& request) const {
    if (request.body.size() < sizeof(vfio_irq_info))
        return answer::error(request.header, EINVAL);
    auto info = wire::load<vfio_irq_info>(request.body);
    info.argsz = sizeof info;
    if (const int number = device_.describe_irqs(info))
        return answer::error(request.header, number);
    return answer::reply(request.header, std::as_bytes(std::span{&info, 1}));
}

answer session::set_irqs(packet request) {
    vfio_irq_set what{};
    if (request.body.size() < sizeof what)
        return answer::error(request.header, EINVAL);
    std::memcpy(&what, request.body.data(), sizeof what);
    const int number = device_.set_irqs(what, std::span{request.body}.subspan(sizeof what),
                                        std::move(request.fds));
    return number != 0 ? answer::error(request.header, number) : answer::reply(request.header, {});
}

bool session::is_within(const wire::region_access& a) const {
    if (a.region >= regions || a.count > packet_limits::data)
        return false;
    const std::uint64_t size = device_.region_size(a.region);
    return a.offset <= size && a.count <= size - a.offset;
}

answer session::read_region(const packet& request) {
    if (request.body.size() < sizeof(wire::region_access))
        return answer::error(request.header, EINVAL);
    const auto what = wire::load<wire::region_access>(request.body);
    if (!is_within(what))
        return answer::error(request.header, EINVAL);
    std::vector<std::byte> body(sizeof what + what.count);
    std::memcpy(body.data(), &what, sizeof what);
    device_.read(what.region, what.offset, std::span{body}.subspan(sizeof what));
    return answer::reply(request.header, body);
}

answer session::write_region(const packet& request) {
    if (request.body.size() < sizeof(wire::region_access))
        return answer::error(request.header, EINVAL);
    const auto what = wire::load<wire::region_access>(request.body);
    const auto data = std::span{request.body}.subspan(sizeof what);
    if (!is_within(what) || data.size() != what.count)
        return answer::error(request.header, EINVAL);
    device_.write(what.region, what.offset, data);
    return answer::reply(request.header, std::as_bytes(std::span{&what, 1}));
}

} // namespace ivshmem_device
