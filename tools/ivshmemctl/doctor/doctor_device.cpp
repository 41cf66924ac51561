// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "common/print.hpp"
#include "doctor/checks.hpp"

namespace ivshmemctl {

using ivshmem::device_type;

finding check_device(const examined_device& target) {
    const auto& info = target.info;
    const auto what =
        tools::format("{}: ivshmem {}, {}, driver {}", target.name(), to_string(info.generation),
                      to_string(info.type), info.driver.empty() ? "none" : info.driver);
    if (info.gone)
        return {"device", outcome::fail, target.verdict.problem, target.verdict.remedy};
    if (info.problems.empty())
        return {"device", outcome::ok, what, ""};
    // A user without privileges reads less of the configuration space; nothing is wrong with it.
    const bool harmless = info.problems.size() == 1 &&
                          info.problems.front().find("CAP_SYS_ADMIN") != std::string::npos;
    return {"device", harmless ? outcome::warn : outcome::fail, what + ": " + info.problems.front(),
            info.problems.size() == 1 ? "" : "lsivshmem -vv lists everything that cannot be read"};
}

finding check_bars(const examined_device& target) {
    const auto& bars = target.info.bars;
    // The maps of a UIO node need no BAR2.
    const bool by_maps = target.info.generation == ivshmem::device_generation::v2 &&
                         backend_for(target.info) == ivshmem::backend_kind::uio;
    if (by_maps)
        return {"BARs", outcome::skip, "the UIO node has a map for each section", ""};
    if (bars[2].unplaced() || bars[0].unplaced() || !bars[2].present() ||
        (!bars[0].present() && !target.is_plain()))
        return {"BARs", outcome::fail, target.verdict.problem, target.verdict.remedy};
    std::string text;
    for (std::size_t i = 0; i < bars.size(); ++i)
        if (bars.at(i).present())
            text += tools::format("{}BAR{} {} bytes at {:#x}", text.empty() ? "" : ", ", i,
                                  bars.at(i).size, bars.at(i).start);
    constexpr std::uint64_t v1_registers = 256; // bytes; ivshmem-spec.rst
    if (bars[0].size > v1_registers && !target.info.acrn_region)
        return {"BARs", target.info.revision == 0 ? outcome::fail : outcome::warn,
                text + tools::format(": BAR0 of ivshmem v1 has {} bytes; if these registers are "
                                     "others, opening is refused",
                                     v1_registers),
                ""};
    return {"BARs", outcome::ok, text, ""};
}

finding check_msix(const examined_device& target) {
    switch (target.info.type) {
    case device_type::plain:
        return {"MSI-X", outcome::skip, "none: a plain device has memory and no interrupts", ""};
    case device_type::doorbell:
        if (!target.info.vectors && target.info.generation == ivshmem::device_generation::v2)
            return {"MSI-X", outcome::skip, "none: the device has INTx", ""};
        if (target.info.intx)
            return {"MSI-X", outcome::ok,
                    "none: INTx instead, with rings on all vectors as vector 0", ""};
        if (!target.info.vectors)
            return {"MSI-X", outcome::warn, "the number of vectors cannot be read", "sudo"};
        if (!target.verdict.msi_problem.empty())
            return {"MSI-X", outcome::fail, target.verdict.msi_problem, target.verdict.msi_remedy};
        return {"MSI-X", outcome::ok,
                tools::format("{} vector{}", *target.info.vectors,
                              *target.info.vectors == 1 ? "" : "s"),
                ""};
    case device_type::unknown:
        break;
    }
    return {"MSI-X", outcome::skip, "only root can read whether the device has it", "sudo"};
}

} // namespace ivshmemctl
