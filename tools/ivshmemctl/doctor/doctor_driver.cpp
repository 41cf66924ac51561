// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "common/print.hpp"
#include "doctor/checks.hpp"

#include <filesystem>
#include <system_error>

namespace ivshmemctl {
namespace {

std::string mode_of(const ivshmem::device_node& node) {
    return tools::format("{}{}", node.readable ? 'r' : '-', node.writable ? 'w' : '-');
}

} // namespace

finding check_driver(const examined_device& target) {
    const auto& driver = target.info.driver;
    const auto& bind = target.verdict.driver_remedy;
    if (!backend_for(target.info))
        return {"driver", outcome::fail,
                driver.empty()
                    ? "none is bound, and an ivshmem-v2 device needs one"
                    : tools::format("bound to {}, through which the device cannot be used", driver),
                bind};
    if (target.info.generation == ivshmem::device_generation::v2)
        return {"driver", outcome::ok, driver, ""};
    if (target.is_plain())
        return {"driver", outcome::ok, driver.empty() ? "none; none is needed" : driver, ""};
    if (driver == "vfio-pci")
        return {"driver", outcome::ok, "vfio-pci", ""};
    if (driver == "igb_uio" && !bind.empty())
        return {"driver", outcome::fail,
                tools::format("igb_uio, loaded with intr_mode={}, delivers no interrupts of this "
                              "device",
                              target.info.machine.igb_uio_mode),
                bind};
    if (driver == "igb_uio") {
        if (target.info.vectors.value_or(1) == 1)
            return {"driver", outcome::ok, "igb_uio", ""};
        return {"driver", outcome::warn, "igb_uio delivers vector 0 only",
                target.info.iommu_group ? "ivshmemctl bind --driver vfio-pci " + target.name()
                                        : ""};
    }
    if (target.is_generic_with_interrupts())
        return {"driver", outcome::ok,
                target.info.intx ? "uio_pci_generic, with INTx"
                                 : "uio_pci_generic of ACRN's kernel, with MSI-X",
                ""};
    if (driver.empty())
        return {"driver", outcome::fail, "none is bound, so no interrupt can arrive", bind};
    return {"driver", outcome::fail, driver + " delivers no interrupts of this device", bind};
}

finding check_node(const examined_device& target) {
    const auto& info = target.info;
    const auto& node = target.is_vfio() ? info.vfio_node
                       : info.uio_node  ? info.uio_node
                                        : info.resource2;
    if (!node)
        return {"node", outcome::skip, "none for this driver", ""};
    // The programs that share the device need no node.
    const auto share = target.root / "run/ivshmem/share" / to_string(info.address);
    std::error_code none;
    if (std::filesystem::is_socket(share, none))
        return {"node", outcome::ok, "ivshmem-share gives the device at " + share.string(), ""};
    const auto text = tools::format(
        "{}: {}", node->path, node->exists ? mode_of(*node) + " for this process" : "missing");
    const bool may_unmask = !info.intx || !info.uio_node || target.verdict.can_interrupt;
    if (node->usable() && may_unmask)
        return {"node", outcome::ok, text, ""};
    if (node->usable())
        return {"node", outcome::fail, text + ", but only root may unmask INTx",
                target.verdict.remedy};
    return {"node", outcome::fail, text,
            target.verdict.problem.starts_with(node->path) ? target.verdict.remedy : "sudo"};
}

} // namespace ivshmemctl
