// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "command.hpp"
#include "common/exit_status.hpp"
#include "common/print.hpp"
#include "doctor/checks.hpp"
#include "setup/select_devices.hpp"
#include "subcommands.hpp"

#include <ivshmem/discovery.hpp>
#include <ivshmem/error.hpp>

#include <algorithm>
#include <memory>

namespace ivshmemctl {
namespace {

constexpr const char* doctor_footer = R"(
Each line is a check: ok; warn (works, but not as well as it could); FAIL (keeps the device from
working); skip (does not apply, or cannot be checked). The next step is on the line below it. The
last line is the verdict.

The last check needs only this VM: the device rings each vector of its own id and waits for the
interrupt. The check opens the device and leaves nothing changed. A check that lacks permission says
so; root can check more. With --sysroot nothing is opened.

Exit status: 0 the device works: interrupts arrive or, for a plain device, the memory can be mapped;
64 it does not; 32 there is no device.)";

std::vector<finding> examine(const examined_device& target) {
    // The other checks would advise to prepare what cannot be used anyway.
    if (target.info.gone)
        return {check_device(target)};
    auto findings =
        std::vector{check_device(target),        check_bars(target),     check_msix(target),
                    check_kernel_config(target), check_lockdown(target), check_modules(target),
                    check_iommu(target),         check_group(target),    check_remapping(target),
                    check_noiommu(target),       check_driver(target),   check_node(target)};
    for (auto& f : check_use(target))
        findings.push_back(std::move(f));
    if (auto forward = check_forward(target))
        findings.push_back(std::move(*forward));
    return findings;
}

bool is_ok(const std::vector<finding>& findings, std::string_view check) {
    return std::any_of(findings.begin(), findings.end(),
                       [&](const auto& f) { return f.check == check && f.is == outcome::ok; });
}

verdict conclude(const examined_device& target, const std::vector<finding>& findings) {
    const auto failed = [](const auto& f) {
        return f.is == outcome::fail;
    };
    const auto count = std::count_if(findings.begin(), findings.end(), failed);
    if (count != 0) {
        const auto first = std::find_if(findings.begin(), findings.end(), failed);
        return {false, tools::format("{}: {} check{} failed; begin with {}", target.name(), count,
                                     count == 1 ? "" : "s", first->check)};
    }
    if (target.is_captured()) {
        const bool works =
            target.is_plain() ? target.verdict.can_map : target.verdict.can_interrupt;
        return {works, tools::format("{}: {}", target.name(),
                                     works ? "nothing in this tree keeps it from working"
                                           : target.verdict.problem)};
    }
    if (is_ok(findings, "self-ring"))
        return {true, target.name() + ": it works: interrupts arrive and the memory can be mapped"};
    if (target.is_plain() && is_ok(findings, "open"))
        return {true, target.name() + ": it works: the memory can be mapped"};
    return {false, target.name() + ": interrupts could not be tested"};
}

/// Reports the PCI devices that could not be examined: one of them may be the one that is sought.
void add_unexamined(std::vector<finding>& findings, const ivshmem::discovery& found) {
    if (!found.problems.empty())
        findings.push_back({"other devices", outcome::warn, found.problems.front(),
                            found.problems.size() == 1 ? "" : "lsivshmem lists all of these"});
}

int doctor_without_device(const std::string& why, const ivshmem::discovery& found,
                          const common_options& common) {
    std::vector<finding> findings{
        {"device", outcome::fail, why,
         "lsivshmem; then add a device to the VM (QEMU: -device ivshmem-doorbell,chardev=... or "
         "ivshmem-plain,memdev=...; for a device of ivshmem-device, vfio-user-pci, which QEMU has "
         "since 10.1)"}};
    add_unexamined(findings, found);
    const verdict end{false, "there is no device to examine"};
    common.json ? print_json(findings, end, "") : print_text(findings, end, common.color);
    return tools::exit_none_found;
}

int doctor(const std::string& name, const common_options& common) {
    const auto found = ivshmem::discover(common.sysroot);
    std::vector<ivshmem::device_info> devices;
    try {
        devices = select_devices(
            found, name.empty() ? std::vector<std::string>{} : std::vector{name}, common);
    } catch (const ivshmem::error& e) {
        if (e.code() != ivshmem::errc::device_not_found)
            throw;
        return doctor_without_device(e.what(), found, common);
    }
    auto& info = devices.front();
    auto diagnosed = diagnose(info);
    const examined_device target{std::move(info), std::move(diagnosed), common.sysroot};
    auto findings = examine(target);
    add_unexamined(findings, found);
    const auto end = conclude(target, findings);
    common.json ? print_json(findings, end, target.name())
                : print_text(findings, end, common.color);
    return end.works ? tools::exit_success : tools::exit_some_failed;
}

} // namespace

void add_doctor(subcommands& line) {
    auto name = std::make_shared<std::string>();
    auto sub = line.add("doctor", "find out what keeps a device from working");
    sub.footer(doctor_footer);
    sub.add_option({"DEVICE", "", "the device (default: the only one)"}, *name);
    sub.set_action([name](const common_options& common) { return doctor(*name, common); });
}

} // namespace ivshmemctl
