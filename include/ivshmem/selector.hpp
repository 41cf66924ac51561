// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include <ivshmem/device_info.hpp>
#include <ivshmem/discovery.hpp>
#include <ivshmem/export.hpp>
#include <ivshmem/pci_address.hpp>

#include <concepts>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <variant>

namespace ivshmem {

/// Selects a device. As text:
///
/// | text                   | means                                                        |
/// |------------------------|--------------------------------------------------------------|
/// | `0000:00:04.0`, `00:04.0` | the PCI device at this address                            |
/// | `index:N`              | the N-th device by address, from 0                           |
/// | `region:N`             | the ACRN device with this region id (decimal or 0x…)         |
/// | `size:N[K\|M\|G]`      | the device with this much shared memory (binary units)       |
/// | `any`                  | the only device there is                                     |
/// | `server:PATH`          | the ivshmem server that listens on this UNIX socket          |
/// | `share:PATH`           | the device of the ivshmem-share that listens on this socket  |
///
/// @par Thread Safety
/// @e Distinct @e objects: Safe. @e Shared @e objects: Unsafe, const members excepted.
class IVSHMEM_API selector {
  public:
    struct index_is {
        std::size_t value;
    };
    struct region_is {
        std::uint16_t value;
    };
    struct size_is {
        std::uint64_t bytes;
    };
    struct any_device {};
    struct server_at {
        std::string path;
    };
    struct share_at {
        std::string path;
    };
    using choice =
        std::variant<any_device, pci_address, index_is, region_is, size_is, server_at, share_at>;

    /// Selects the only device.
    selector() = default;
    selector(const pci_address& address) : choice_{address} {} // NOLINT: implicit by intent
    /// Parses text. @throws error errc::bad_selector
    template <std::convertible_to<std::string_view> Text>
    selector(const Text& text) : selector{parse(std::string_view{text})} {} // NOLINT: implicit

    [[nodiscard]] static selector index(std::size_t n) { return selector{choice{index_is{n}}}; }
    [[nodiscard]] static selector region(std::uint16_t id) {
        return selector{choice{region_is{id}}};
    }
    [[nodiscard]] static selector size(std::uint64_t bytes) {
        return selector{choice{size_is{bytes}}};
    }
    [[nodiscard]] static selector server(std::string path) {
        return selector{choice{server_at{std::move(path)}}};
    }
    /// The user trusts the service, also if it is not root's. A service of root is found by the
    /// address.
    [[nodiscard]] static selector share(std::string path) {
        return selector{choice{share_at{std::move(path)}}};
    }
    /// Parses text. @throws error errc::bad_selector
    [[nodiscard]] static selector parse(std::string_view text);
    [[nodiscard]] static selector parse(std::string_view text, std::error_code& ec);

    [[nodiscard]] const choice& what() const noexcept { return choice_; }
    /// The text form, as parse() takes it.
    [[nodiscard]] std::string text() const;

    /// Returns the one device of `devices` that matches.
    /// @throws error errc::device_not_found; errc::device_ambiguous, with the candidates listed;
    ///         errc::bad_selector for a server, which is no PCI device.
    [[nodiscard]] const device_info& choose(std::span<const device_info> devices) const;
    /// @return nullptr if ec is set.
    [[nodiscard]] const device_info* choose(std::span<const device_info> devices,
                                            std::error_code& ec) const;
    /// As above; the message for an address at which there is another PCI function names its ids.
    [[nodiscard]] const device_info& choose(const discovery& found) const;
    [[nodiscard]] const device_info* choose(const discovery& found, std::error_code& ec) const;

  private:
    explicit selector(choice c) : choice_{std::move(c)} {}

    choice choice_{any_device{}};
};

} // namespace ivshmem
