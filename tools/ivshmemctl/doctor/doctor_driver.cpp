// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "common/print.hpp"
#include "doctor/checks.hpp"
#include "setup/bindable.hpp"

namespace ivshmemctl {
namespace {

std::string mode_of(const ivshmem::device_node& node) {
    return tools::format("{}{}", node.readable ? 'r' : '-', node.writable ? 'w' : '-');
}

} // namespace

finding check_driver(const examined_device& target) {
    const auto& driver = target.info.driver;
    const auto best = default_driver(target.info, target.root);
    const auto bind = best.empty() ? how_to_get_driver() : "ivshmemctl bind " + target.name();
    if (!backend_for(target.info))
        return {"driver", outcome::fail, target.verdict.problem, bind};
    if (target.is_plain())
        return {"driver", outcome::ok, driver.empty() ? "none; none is needed" : driver, ""};
    if (driver == "vfio-pci")
        return {"driver", outcome::ok, "vfio-pci", ""};
    if (driver == "igb_uio") {
        if (target.info.vectors.value_or(1) == 1)
            return {"driver", outcome::ok, "igb_uio", ""};
        return {"driver", outcome::warn, "igb_uio delivers vector 0 only",
                best == "vfio-pci" ? "ivshmemctl bind --driver vfio-pci " + target.name() : ""};
    }
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
    const auto text = tools::format(
        "{}: {}", node->path, node->exists ? mode_of(*node) + " for this process" : "missing");
    if (node->usable())
        return {"node", outcome::ok, text, ""};
    return {"node", outcome::fail, text,
            target.verdict.problem.starts_with(node->path) ? target.verdict.remedy : "sudo"};
}

} // namespace ivshmemctl
