// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "c/api.hpp"
#include "c/described_device.hpp"
#include "c/failures.hpp"
#include "c/handles.hpp"
#include "c/structs.hpp"

#include <ivshmem/device_monitor.hpp>

#include <memory>
#include <optional>
#include <utility>

namespace ivshmem::capi {
namespace {

struct monitor_object {
    using handle_type = ivshmem_monitor;
    static constexpr handle_kind kind = handle_kind::monitor;

    device_monitor monitor;
    std::optional<described_device> last{}; ///< lends its texts
};

} // namespace
} // namespace ivshmem::capi

using namespace ivshmem::capi;

extern "C" {

int ivshmem_monitor_open(ivshmem_monitor** monitor) {
    return guarded([&] {
        require(monitor);
        *monitor = make_handle(
            std::make_unique<monitor_object>(monitor_object{ivshmem::device_monitor::open()}));
    });
}

int ivshmem_monitor_close(ivshmem_monitor* monitor) {
    return guarded([&] { end_handle<monitor_object>(monitor); });
}

int ivshmem_monitor_get_fd(ivshmem_monitor* monitor, int* fd) {
    return guarded([&] {
        const auto& of = use<monitor_object>(monitor);
        require(fd);
        *fd = of.monitor.fd();
    });
}

int ivshmem_monitor_next(ivshmem_monitor* monitor, int* change, ivshmem_device_info* info) {
    return guarded([&] {
        auto& of = use<monitor_object>(monitor);
        require(change);
        check_facts(info);
        auto next = of.monitor.next();
        if (!next)
            return -EAGAIN;
        of.last.emplace(std::move(next->device));
        *change = static_cast<int>(next->type);
        give_facts(of.last->in_c(), info);
        return 0;
    });
}

} // extern "C"
