// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "setup/kernel_module.hpp"

#include "text_file.hpp"

#include <algorithm>
#include <fstream>
#include <system_error>

namespace ivshmemctl {
namespace {

std::string normal(std::string_view name) {
    std::string result{name};
    std::replace(result.begin(), result.end(), '-', '_');
    return result;
}

/// Whether a line "kernel/drivers/vfio/pci/vfio-pci.ko.xz: ..." of a list is about this module.
bool is_about(const std::string& line, const std::string& name) {
    const auto file = line.substr(0, line.find(':'));
    const auto base = file.substr(file.rfind('/') + 1);
    return normal(base.substr(0, base.find('.'))) == name;
}

} // namespace

module_state find_module(const std::filesystem::path& root, std::string_view name) {
    const auto wanted = normal(name);
    std::error_code ec;
    if (std::filesystem::exists(root / "sys/module" / wanted, ec))
        return module_state::present;
    const auto folder = root / "lib/modules" / kernel_release(root);
    bool readable = false;
    for (const auto& [list, found] : {std::pair{"modules.builtin", module_state::present},
                                      std::pair{"modules.dep", module_state::installed}}) {
        const auto path = folder / list;
        if (!std::filesystem::is_regular_file(path, ec))
            continue;
        std::ifstream lines{path};
        readable = readable || lines.is_open();
        for (std::string line; std::getline(lines, line);)
            if (is_about(line, wanted))
                return found;
    }
    return readable ? module_state::missing : module_state::unknown;
}

std::string kernel_release(const std::filesystem::path& root) {
    return read_text(root / "proc/sys/kernel/osrelease").value_or("");
}

std::string how_to_get_module(std::string_view name, const ivshmem::machine_info& machine) {
    if (!machine.has_apt)
        return name == "igb_uio" ? "install the module igb_uio (DPDK's dpdk-kmods)"
                                 : "install the package with the other modules of this kernel";
    if (name == "igb_uio")
        return "apt install dpdk-kmods-dkms linux-headers-$(uname -r)";
    return "apt install linux-image-$(dpkg --print-architecture), and boot that kernel";
}

} // namespace ivshmemctl
