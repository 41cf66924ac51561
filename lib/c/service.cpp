// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "c/blocking.hpp"
#include "c/channel_object.hpp"
#include "c/failures.hpp"
#include "c/slot_object.hpp"

#include <ivshmem/detail/half_open_channels.hpp>
#include <ivshmem/detail/service_connection.hpp>
#include <ivshmem/service_directory.hpp>

#include <memory>
#include <optional>
#include <utility>

namespace ivshmem::capi {
namespace {

struct service_object {
    using handle_type = ivshmem_service;
    static constexpr handle_kind kind = handle_kind::service;

    service_object(std::shared_ptr<held_slot> from, const char* name,
                   const channel_options& of_channels)
        : in{std::move(from)}, half_open{in->slot}, options{of_channels} {
        options.offered = half_open.directory().offer(name);
    }
    service_object(const service_object&) = delete;
    service_object& operator=(const service_object&) = delete;
    ~service_object() {
        half_open.clear();
        half_open.directory().withdraw(options.offered);
    }

    int try_accept(ivshmem_channel*& accepted) {
        in->check_open();
        half_open.find_requests(options.offered, options);
        if (!half_open.find_connected(options.offered)) {
            in->slot.answer_claims(); // fails if nobody can come any more
            return -EAGAIN;
        }
        accepted = make_channel(in, std::move(half_open.connected()));
        static_cast<void>(half_open.take());
        return 0;
    }

    std::shared_ptr<held_slot> in;
    detail::half_open_channels half_open;
    channel_options options; ///< `offered` is the key of the service
};

struct connector_object {
    using handle_type = ivshmem_connector;
    static constexpr handle_kind kind = handle_kind::connector;

    /// @param at Negative: any slot.
    connector_object(std::shared_ptr<held_slot> from, const char* name, std::int32_t at,
                     const channel_options& options)
        : in{std::move(from)}, connection{in->slot, name, slot_at(at), options} {}

    static std::optional<std::uint32_t> slot_at(std::int32_t at) {
        return at < 0 ? std::nullopt : std::optional{static_cast<std::uint32_t>(at)};
    }
    int try_connect(ivshmem_channel*& made) {
        in->check_open();
        if (over)
            throw error{errc::closed, "the connector has connected: close it"};
        std::error_code ec;
        const bool connected = connection.connected(ec);
        raise_if(ec);
        if (!connected)
            return -EAGAIN;
        made = make_channel(in, std::move(connection.channel));
        over = true;
        return 0;
    }

    std::shared_ptr<held_slot> in;
    detail::service_connection connection;
    bool over = false;
};

} // namespace
} // namespace ivshmem::capi

using namespace ivshmem::capi;

extern "C" {

int ivshmem_service_open(ivshmem_slot* slot, const char* name,
                         const ivshmem_channel_options* options, ivshmem_service** service) {
    return guarded([&] {
        const auto& held = use<slot_object>(slot).held;
        require(name);
        require(service);
        *service = make_handle(
            std::make_unique<service_object>(held, name, channel_options_from(options)));
    });
}

int ivshmem_service_close(ivshmem_service* service) {
    return guarded([&] { end_handle<service_object>(service); });
}

int ivshmem_service_try_accept(ivshmem_service* service, ivshmem_channel** channel) {
    return guarded([&] {
        auto& of = use<service_object>(service);
        require(channel);
        return of.try_accept(*channel);
    });
}

int ivshmem_service_accept(ivshmem_service* service, int timeout_ms, ivshmem_channel** channel) {
    return guarded([&] {
        auto& of = use<service_object>(service);
        require(channel);
        return until_done(*of.in, timeout_ms, [&] { return of.try_accept(*channel); });
    });
}

int ivshmem_service_find(ivshmem_slot* slot, const char* name, int32_t in, uint32_t* found) {
    return guarded([&] {
        const auto& held = use<slot_object>(slot).held;
        require(name);
        const auto service = ivshmem::service_directory{held->slot}.find_service(
            name, connector_object::slot_at(in));
        if (found != nullptr)
            *found = service.slot;
    });
}

int ivshmem_service_connect(ivshmem_slot* slot, const char* name, int32_t in,
                            const ivshmem_channel_options* options, int timeout_ms,
                            ivshmem_channel** channel) {
    return guarded([&] {
        const auto& held = use<slot_object>(slot).held;
        require(name);
        require(channel);
        connector_object of{held, name, in, channel_options_from(options)};
        return until_done(*held, timeout_ms, [&] { return of.try_connect(*channel); });
    });
}

int ivshmem_connector_open(ivshmem_slot* slot, const char* name, int32_t in,
                           const ivshmem_channel_options* options, ivshmem_connector** connector) {
    return guarded([&] {
        const auto& held = use<slot_object>(slot).held;
        require(name);
        require(connector);
        *connector = make_handle(
            std::make_unique<connector_object>(held, name, in, channel_options_from(options)));
    });
}

int ivshmem_connector_try_connect(ivshmem_connector* connector, ivshmem_channel** channel) {
    return guarded([&] {
        auto& of = use<connector_object>(connector);
        require(channel);
        return of.try_connect(*channel);
    });
}

int ivshmem_connector_close(ivshmem_connector* connector) {
    return guarded([&] { end_handle<connector_object>(connector); });
}

} // extern "C"
