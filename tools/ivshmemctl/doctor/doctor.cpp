// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "chosen_devices.hpp"
#include "command.hpp"
#include "exit_status.hpp"
#include "patient.hpp"
#include "print.hpp"
#include "subcommands.hpp"

#include <ivshmem/error.hpp>

#include <algorithm>
#include <memory>

namespace ivshmemctl {
namespace {

constexpr const char* doctor_footer = R"(
Each line is a check: ok; warn (works, but not as well as it could); FAIL (keeps the device from
working); skip (does not apply, or cannot be seen). Below it stands what to do next. The last line
is the verdict.

The last check proves interrupts with this one VM: the device rings each vector of its own id, and
waits for the interrupt. For this the device is opened; nothing stays changed. What this process may
not see or open is said: as root it sees more. With --sysroot nothing is opened.

Exit status: 0 the device works: interrupts arrive or, for a plain device, the memory can be mapped;
64 it does not; 32 there is no device.)";

std::vector<finding> examine(const patient& p) {
    auto findings =
        std::vector{check_device(p),    check_bars(p),    check_msix(p),   check_kernel_config(p),
                    check_lockdown(p),  check_modules(p), check_iommu(p),  check_group(p),
                    check_remapping(p), check_noiommu(p), check_driver(p), check_node(p)};
    for (auto& f : check_use(p))
        findings.push_back(std::move(f));
    return findings;
}

bool is_ok(const std::vector<finding>& findings, std::string_view check) {
    return std::any_of(findings.begin(), findings.end(),
                       [&](const auto& f) { return f.check == check && f.is == outcome::ok; });
}

verdict conclude(const patient& p, const std::vector<finding>& findings) {
    const auto failed = [](const auto& f) {
        return f.is == outcome::fail;
    };
    const auto count = std::count_if(findings.begin(), findings.end(), failed);
    if (count != 0) {
        const auto first = std::find_if(findings.begin(), findings.end(), failed);
        return {false, tools::format("{}: {} check{} failed; begin with {}", p.name(), count,
                                     count == 1 ? "" : "s", first->check)};
    }
    if (p.is_captured()) {
        const bool works = p.is_plain() ? p.verdict.can_map : p.verdict.can_interrupt;
        return {works,
                tools::format("{}: {}", p.name(),
                              works ? "nothing is seen in this tree that keeps it from working"
                                    : p.verdict.problem)};
    }
    if (is_ok(findings, "self-ring"))
        return {true, p.name() + ": it works: interrupts arrive and the memory can be mapped"};
    if (p.is_plain() && is_ok(findings, "open"))
        return {true, p.name() + ": it works: the memory can be mapped"};
    return {false, p.name() + ": whether interrupts arrive could not be tried"};
}

int doctor_without_device(const std::string& why, const common_options& common) {
    const std::vector<finding> findings{
        {"device", outcome::fail, why,
         "lsivshmem; and give the VM one (QEMU: -device ivshmem-doorbell,chardev=... or "
         "ivshmem-plain,memdev=...)"}};
    const verdict end{false, "there is no device to look at"};
    common.json ? print_json(findings, end, "") : print_text(findings, end, common.color);
    return tools::exit_none_found;
}

int doctor(const std::string& name, const common_options& common) {
    std::vector<ivshmem::device_info> devices;
    try {
        devices =
            chosen_devices(name.empty() ? std::vector<std::string>{} : std::vector{name}, common);
    } catch (const ivshmem::error& e) {
        if (e.code() != ivshmem::errc::device_not_found)
            throw;
        return doctor_without_device(e.what(), common);
    }
    auto& info = devices.front();
    auto diagnosed = diagnose(info);
    const patient p{std::move(info), std::move(diagnosed), common.sysroot};
    const auto findings = examine(p);
    const auto end = conclude(p, findings);
    common.json ? print_json(findings, end, p.name()) : print_text(findings, end, common.color);
    return end.works ? tools::exit_success : tools::exit_some_failed;
}

} // namespace

void add_doctor(subcommands& line) {
    auto name = std::make_shared<std::string>();
    auto sub = line.add("doctor", "find out what keeps a device from working");
    sub.footer(doctor_footer);
    sub.add_option({"DEVICE", "", "the device (default: the only one)"}, *name);
    sub.runs([name](const common_options& common) { return doctor(*name, common); });
}

} // namespace ivshmemctl
