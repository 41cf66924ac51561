// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "common/print.hpp"
#include "doctor/checks.hpp"
#include "setup/holders.hpp"
#include "setup/mtrr.hpp"

#include <ivshmem/device.hpp>

#include <chrono>
#include <optional>
#include <string>
#include <utility>

namespace ivshmemctl {
namespace {

using namespace std::chrono_literals;
using ivshmem::cache_mode;
using ivshmem::errc;

constexpr auto interrupt_timeout = 5s; // for an interrupt that takes microseconds
constexpr cache_mode modes[] = {cache_mode::write_back, cache_mode::write_combining,
                                cache_mode::uncached};

ivshmem::open_options how_to_open(const examined_device& target) {
    ivshmem::open_options how;
    how.root = target.root;
    return how;
}

/// Opens the device and fills in the finding. Returns nothing on failure.
std::optional<ivshmem::device> open(const examined_device& target, finding& f) {
    f.check = "open";
    try {
        auto device = ivshmem::device::open(target.info.address, how_to_open(target));
        f.is = outcome::ok;
        f.text = tools::format("{}, id {}", device.description(), device.id());
        for (const auto& user : device.users())
            f.text += tools::format("; used by process {}: {}", user.process, user.use);
        return device;
    } catch (const ivshmem::error& e) {
        f.is = outcome::fail;
        f.text = e.what();
        if (const auto reason = why_in_use(target.info);
            e.code() == errc::device_busy && !reason.empty())
            f.text += "; " + reason;
        if (e.code() == errc::device_busy &&
            target.info.generation == ivshmem::device_generation::v1)
            f.next = tools::format("to use it in several programs at once, end that one, and: "
                                   "systemctl enable --now ivshmem-share@{}.socket",
                                   target.name());
        return std::nullopt;
    }
}

/// Rings a vector of the device's own id. Returns whether the interrupt came.
bool rings_back(ivshmem::device& device, std::uint32_t vector, std::error_code& ec) {
    device.take(vector);
    device.ring(device.id(), vector);
    return device.wait(vector, interrupt_timeout, ec) != 0;
}

finding self_ring(const examined_device& target, ivshmem::device& device) {
    constexpr const char* name = "self-ring";
    if (target.is_plain())
        return {name, outcome::skip, "a plain device cannot ring", ""};
    const auto count = device.capabilities().interrupts;
    try {
        if (count == 0)
            static_cast<void>(device.interrupt_fd(0)); // throws with the reason
        for (std::uint32_t vector = 0; vector < count; ++vector) {
            std::error_code ec;
            if (rings_back(device, vector, ec))
                continue;
            // The server gives each vector an eventfd; the vectors beyond those have none.
            if (vector != 0 && ec == errc::timed_out)
                return {name, outcome::fail,
                        tools::format("{} of {} vectors rang back, vector {} did not: the device "
                                      "has more vectors than the ivshmem server gives",
                                      vector, device.vectors(), vector),
                        tools::format("give the device vectors={} (QEMU: of ivshmem-doorbell), or "
                                      "start the server with -n {}",
                                      vector, device.vectors())};
            return {name, outcome::fail,
                    tools::format("rang vector {} of its own id {}: no interrupt came within {} s "
                                  "({})",
                                  vector, device.id(), interrupt_timeout.count(), ec.message()),
                    "dmesg | tail; then check that the ivshmem server and QEMU's chardev are "
                    "alive"};
        }
    } catch (const ivshmem::error& e) {
        const bool unsupported = e.code() == errc::interrupts_unsupported;
        return {name, unsupported ? outcome::skip : outcome::fail, e.what(), ""};
    }
    return {name, outcome::ok, tools::format("{} of {} vectors rang back", count, device.vectors()),
            ""};
}

/// Returns the command that allows a write-back mapping if only an MTRR prevents it.
std::string cached_command(const examined_device& target) {
    const auto& bar = target.info.bars[2];
    const auto ranges = uncachable_over(target.root, bar);
    if (!ranges || ranges->empty() || !why_not_cachable(target.root, bar).empty())
        return {};
    return "ivshmemctl bind --cached " + target.name() + " (changes the whole system, see --help)";
}

/// Maps the memory in each mode. Warns about an uncached mapping only if it is the best one.
std::vector<finding> map_in_each_mode(const examined_device& target, cache_mode best) {
    std::vector<finding> result;
    for (const auto mode : modes) {
        auto how = how_to_open(target);
        how.cache = mode;
        finding f{std::string{to_string(mode)}, outcome::warn, {}, {}};
        try {
            const auto device = ivshmem::device::open(target.info.address, how);
            f.text = device.memory().reason();
            f.is = mode == cache_mode::uncached && mode == best ? outcome::warn : outcome::ok;
        } catch (const ivshmem::error& e) {
            f.text = e.what();
            if (mode == cache_mode::write_back)
                f.next = cached_command(target);
        }
        result.push_back(std::move(f));
    }
    return result;
}

} // namespace

std::vector<finding> check_use(const examined_device& target) {
    std::vector<finding> result;
    const auto skip_all = [&](const std::string& why) {
        for (const auto mode : modes)
            result.push_back({std::string{to_string(mode)}, outcome::skip, why, ""});
        result.push_back({"self-ring", outcome::skip, why, ""});
    };
    if (target.is_captured()) {
        result.push_back({"open", outcome::skip, "a captured tree has no device to open", ""});
        skip_all("a captured tree has no device to open");
        return result;
    }
    finding opened;
    auto device = open(target, opened);
    result.push_back(opened);
    if (!device) {
        skip_all("the device cannot be opened");
        return result;
    }
    const auto best = device->memory().mode();
    const auto rung = self_ring(target, *device);
    device->close();
    for (auto& f : map_in_each_mode(target, best))
        result.push_back(std::move(f));
    result.push_back(rung);
    return result;
}

} // namespace ivshmemctl
