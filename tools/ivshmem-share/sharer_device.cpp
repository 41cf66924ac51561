// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "service/log.hpp"
#include "sharer.hpp"

#include <chrono>
#include <utility>

#include <fcntl.h>
#include <unistd.h>

// What the device does: interrupts that reach the service, and events.

namespace ivshmem_share {

using boost::system::error_code;
namespace asio = boost::asio;
namespace protocol = ivshmem::share_protocol;

namespace {

/// How long programs have to close a device that is being removed.
constexpr std::chrono::seconds time_to_close{5};

} // namespace

sharer::sharer(asio::io_context& io, ivshmem::unique_fd listening, held_device& device,
               descriptor_store& store, const limits& most)
    : io_{io}, listening_{io, listening.release()}, accept_pause_{io}, last_{io}, device_{device},
      store_{store}, most_{most}, vectors_{device.backend()} {
    listening_.native_non_blocking(true);
    watch_device();
    restore();
    accept();
}

void sharer::stop() {
    error_code ignored;
    listening_.close(ignored);
    accept_pause_.cancel();
    last_.cancel();
    for (descriptor& one : waits_)
        one.close(ignored);
    if (events_)
        events_->close(ignored);
    for (const program_ptr& p : std::exchange(programs_, {})) {
        p->gone = true;
        p->connection.close(ignored);
    }
    if (device_lost_) // systemd must not keep it from going away
        held_device::forget(store_);
    if (stopped_)
        stopped_();
}

void sharer::watch_device() {
    auto& backend = device_.backend();
    for (std::uint32_t vector = 0; vector < device_.facts().interrupts; ++vector) {
        waits_.emplace_back(io_, ::fcntl(backend.rings_fd(vector), F_DUPFD_CLOEXEC, 0));
        watch_vector(vector);
    }
    if (backend.event_fd() < 0)
        return;
    events_ = std::make_unique<descriptor>(io_, ::fcntl(backend.event_fd(), F_DUPFD_CLOEXEC, 0));
    read_events();
}

void sharer::watch_vector(std::uint32_t vector) {
    waits_[vector].async_wait(descriptor::wait_read, [this, vector](const error_code& ec) {
        if (ec == asio::error::operation_aborted || !waits_[vector].is_open())
            return;
        ivshmem::failure f;
        vectors_.pass_on(vector, f);
        if (f)
            lose_device(f.message());
        else
            watch_vector(vector);
    });
}

void sharer::read_events() {
    events_->async_wait(descriptor::wait_read, [this](const error_code& ec) {
        if (ec == asio::error::operation_aborted || !events_->is_open())
            return;
        ivshmem::failure f;
        while (const auto next = device_.backend().next_event(f)) {
            if (next->type == ivshmem::event::kind::removal_requested)
                return lose_device("its removal is requested");
            const protocol::packet packet{.what = protocol::packet_kind::event,
                                          .value = static_cast<std::uint32_t>(next->type),
                                          .other = next->peer};
            if (next->type == ivshmem::event::kind::device_error)
                for (const program_ptr& p : std::vector{programs_})
                    if (p->joined)
                        send(p, packet);
        }
        if (f)
            lose_device(f.message());
        else
            read_events();
    });
}

void sharer::lose_device(const std::string& why) {
    if (std::exchange(device_lost_, true))
        return;
    service::log::error("{}: the device goes away ({}): programs have {} s to close it",
                        device_.name(), why, time_to_close.count());
    const auto removal = static_cast<std::uint32_t>(ivshmem::event::kind::removal_requested);
    for (const program_ptr& p : std::vector{programs_})
        if (p->joined)
            send(p, {.what = protocol::packet_kind::event, .value = removal});
    if (programs_.empty())
        return stop();
    last_.expires_after(time_to_close);
    last_.async_wait([this](const error_code& cancelled) {
        if (!cancelled)
            stop();
    });
}

} // namespace ivshmem_share
