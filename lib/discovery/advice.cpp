// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "discovery/advice.hpp"

#include "base/text.hpp"
#include "discovery/diagnosis.hpp"
#include "discovery/kernel_parameters.hpp"

namespace ivshmem {
namespace {

bool has_group(const device_info& info) {
    return info.iommu_group && !info.noiommu;
}

bool is_arm(const machine_info& machine) {
    return machine.architecture.starts_with("aarch64") || machine.architecture.starts_with("arm");
}

/// An architecture that could not be read counts as x86, which nearly all machines are.
bool is_x86(const machine_info& machine) {
    const auto& name = machine.architecture;
    return name.empty() || name == "x86_64" || name == "i386" || name == "i686";
}

bool is_installed(module_state state) {
    return state == module_state::installed || state == module_state::present;
}

/// Returns how to start the VM with an IOMMU, if it has none.
std::string new_iommu(const machine_info& machine) {
    if (is_arm(machine))
        return "start the VM with an SMMU (QEMU: -machine virt,iommu=smmuv3)";
    if (!is_x86(machine))
        return "start the VM with a vIOMMU";
    const kernel_parameters line{machine.kernel_parameters};
    const auto off = line.find({{"intel_iommu", "off"}, {"iommu", "off"}});
    const bool on = !line.find("intel_iommu", "on").empty();
    std::string text = "start the VM with a vIOMMU (QEMU: -device intel-iommu,intremap=on";
    if (machine.model.find("440FX") != std::string::npos)
        text = "start the VM as machine type q35 with a vIOMMU, which i440fx cannot have (QEMU: "
               "-machine q35 -device intel-iommu,intremap=on";
    text += on ? ")" : "; Linux: intel_iommu=on)";
    return off.empty() ? text : text + ", and " + change_parameters(off, "");
}

/// Returns how to make the kernel use the IOMMU that the VM has.
std::string unused_iommu(const machine_info& machine) {
    const kernel_parameters line{machine.kernel_parameters};
    if (machine.iommu == iommu_kind::intel) {
        const auto off = line.find({{"intel_iommu", "off"}, {"iommu", "off"}});
        const bool on = !line.find("intel_iommu", "on").empty();
        return off.empty() && on ? "dmesg | grep -e DMAR -e IOMMU (intel_iommu=on is set already)"
                                 : change_parameters(off, on ? "" : "intel_iommu=on");
    }
    if (machine.iommu == iommu_kind::amd) {
        const auto off = line.find({{"amd_iommu", "off"}, {"iommu", "off"}});
        return off.empty() ? "dmesg | grep -e AMD-Vi -e IOMMU" : change_parameters(off, "");
    }
    if (machine.iommu == iommu_kind::virtio && machine.virtio_iommu == module_state::missing)
        return is_x86(machine)
                   ? "boot a kernel with CONFIG_VIRTIO_IOMMU (Debian 13's has it), or start the VM "
                     "with another vIOMMU (QEMU: -device intel-iommu,intremap=on)"
                   : "boot a kernel with CONFIG_VIRTIO_IOMMU";
    if (machine.iommu == iommu_kind::virtio && machine.virtio_iommu != module_state::present)
        return "modprobe virtio_iommu";
    return "dmesg | grep -i iommu";
}

std::string get_igb_uio(const device_info& info) {
    auto bind = bind_command("igb_uio", to_string(info.address));
    if (is_installed(info.machine.igb_uio))
        return bind;
    if (!info.machine.has_apt)
        return "install the module igb_uio (DPDK's dpdk-kmods) && " + bind;
    return "apt install dpdk-kmods-dkms linux-headers-$(uname -r) && " + bind;
}

std::string suitable_v2_driver(const device_info& info) {
    if (backend_for(info) == backend_kind::uio)
        return info.driver;
    const bool groups = info.iommu_group || info.machine.groups_when_bound();
    return info.bars[2].present() && (groups || info.machine.noiommu_allowed) ? "vfio-pci" : "";
}

/// Returns the parameters that keep message-signalled interrupts away.
std::string parameters_without_msi(const device_info& info) {
    return kernel_parameters{info.machine.kernel_parameters}.find(
        {{"pci", "nomsi"}, {"pci", "off"}, {"", "nolapic"}, {"", "disableapic"}});
}

/// A command that writes to sysfs fails in a container that may only read it.
std::string in_the_right_place(const device_info& info, const std::string& command) {
    return info.machine.read_only_sysfs
               ? "outside of this container, whose /sys is read-only: " + command
               : command;
}

} // namespace

std::string bind_command(std::string_view driver, std::string_view device) {
    return formatted("ivshmemctl bind --driver {} {}", driver, device);
}

std::string suitable_driver(const device_info& info) {
    if (info.gone)
        return {};
    if (info.generation == device_generation::v2)
        return suitable_v2_driver(info);
    const auto& machine = info.machine;
    if (info.type == device_type::plain) {
        if (!info.driver.empty() && backend_for(info))
            return info.driver;
        const bool locked = !machine.lockdown.empty() && machine.lockdown != "none";
        return locked && info.iommu_group ? "vfio-pci" : "none";
    }
    if (info.iommu_group || info.machine.groups_when_bound())
        return "vfio-pci";
    if (is_installed(machine.igb_uio))
        return "igb_uio";
    if (machine.noiommu_allowed)
        return "vfio-pci";
    return info.intx || generic_delivers(info) ? "uio_pci_generic" : "";
}

std::string get_uio_ivshmem() {
    return "modprobe uio_ivshmem (a module of Jailhouse's Linux, drivers/uio/uio_ivshmem.c)";
}

std::string iommu_remedy(const device_info& info) {
    const auto& machine = info.machine;
    if (has_group(info) || info.machine.groups_when_bound())
        return in_the_right_place(info, bind_command("vfio-pci", to_string(info.address)));
    if (machine.iommu == iommu_kind::none)
        return new_iommu(machine);
    if (!machine.iommu_in_use)
        return unused_iommu(machine);
    return "put the device on a bus that the vIOMMU covers (QEMU: bus=pcie.0, and no "
           "bypass_iommu=on)";
}

std::string driver_remedy(const device_info& info) {
    const auto name = to_string(info.address);
    const auto driver = suitable_driver(info);
    if (!driver.empty()) {
        std::string command;
        if (info.driver == driver) // bound already, before something that it needs was there
            command = "ivshmemctl unbind " + name + " && ";
        if (driver == "igb_uio" && !wrong_igb_uio_mode(info).empty())
            command += "rmmod igb_uio && "; // loading it again would not change its parameters
        return in_the_right_place(info, command + bind_command(driver, name));
    }
    if (info.generation == device_generation::v2)
        return info.bars[2].present()
                   ? iommu_remedy(info) +
                         "; or, for one interrupt for all vectors: " + get_uio_ivshmem()
                   : get_uio_ivshmem();
    const auto first = info.acrn_region && info.driver != "uio_pci_generic"
                           ? in_the_right_place(info, bind_command("uio_pci_generic", name)) +
                                 ", if the kernel is ACRN's"
                           : iommu_remedy(info);
    return first + "; or, for interrupts on vector 0 only: " + get_igb_uio(info);
}

std::string msi_problem(const device_info& info) {
    if (info.type == device_type::plain || info.intx)
        return {};
    const auto words = parameters_without_msi(info);
    if (!words.empty())
        return formatted("the kernel's command line has {}, which switches MSI-X off, so no "
                         "interrupt can arrive",
                         words);
    if (!info.msi_allowed)
        return "the kernel allows no MSI-X on the device's bus (msi_bus is 0), so no interrupt can "
               "arrive";
    return {};
}

std::string msi_remedy(const device_info& info) {
    const auto words = parameters_without_msi(info);
    return words.empty() ? "dmesg | grep -i msi" : change_parameters(words, "");
}

std::string wrong_igb_uio_mode(const device_info& info) {
    // DPDK, dpdk-kmods: linux/igb_uio/igb_uio.c
    const auto& mode = info.machine.igb_uio_mode;
    return !info.intx && (mode == "legacy" || mode == "msi") ? mode : std::string{};
}

std::string remapping_remedy(const machine_info& machine) {
    const kernel_parameters line{machine.kernel_parameters};
    const auto off = line.find({{"intremap", "off"}, {"", "nointremap"}});
    const auto* const device = machine.iommu == iommu_kind::amd ? "amd-iommu" : "intel-iommu";
    // A virtio-iommu remaps no interrupts of x86 (virtio 1.2, 5.13).
    return (off.empty() ? formatted("start the VM with -device {},intremap=on", device)
                        : change_parameters(off, "")) +
           ", or, unsafe: modprobe vfio_iommu_type1 && echo 1 "
           ">/sys/module/vfio_iommu_type1/parameters/allow_unsafe_interrupts";
}

std::string access_remedy(const device_info& info, const device_node& node) {
    if (!node.exists)
        return "udevadm trigger (in a container: docker run --device " + node.path + ")";
    if (info.machine.read_only_sysfs && node.path.starts_with("/sys/"))
        return "give the container a writable /sys (docker run -v /sys:/sys)";
    if (!node.group.empty())
        return formatted("sudo adduser \"$USER\" {}, and log in again", node.group);
    return formatted("sudo chown \"$USER\" {}", node.path);
}

} // namespace ivshmem
