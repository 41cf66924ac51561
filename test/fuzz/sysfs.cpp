// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors

// Machines whose sysfs, configuration space and command line say anything. Nothing may crash or
// hang; what is wrong is reported in lines of text; the judgement of a device is consistent.

#include "must_hold.hpp"
#include "schedule.hpp"
#include "sysfs/tree.hpp"
#include "sysfs/trees.hpp"

#include <ivshmem/diagnosis.hpp>
#include <ivshmem/discovery.hpp>
#include <ivshmem/selector.hpp>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace fs = std::filesystem;

namespace {

using test::must_hold;

/// A machine with a device of each kind. The files that an input changes are restored after it.
class machine {
  public:
    machine() {
        std::string pattern = "/dev/shm/ivshmem-fuzz-XXXXXX"; // no disk
        must_hold(::mkdtemp(pattern.data()) != nullptr, "there is room for a folder");
        root_ = pattern;
        fake::tree tree{root_};
        auto bound = fake::doorbell("0000:00:04.0");
        bound.driver = "vfio-pci";
        bound.group = 3;
        auto other = fake::doorbell("0000:00:05.0");
        other.vendor_capability = std::string(14, '\x20');
        other.vendor = 0x110a; // ivshmem-v2
        other.device = 0x4106;
        tree.add(bound).add(other).add(fake::plain("0000:00:06.0")).node("vfio/3");
        for (const auto* const name :
             {"proc/cmdline", "proc/interrupts", "proc/sys/kernel/arch",
              "proc/sys/kernel/osrelease", "sys/class/dmi/id/product_name",
              "sys/firmware/acpi/tables/DMAR", "sys/kernel/security/lockdown",
              "sys/module/igb_uio/parameters/intr_mode", "etc/os-release"}) {
            fs::create_directories((root_ / name).parent_path());
            fake::write_file(root_ / name, "quiet intel_iommu=on\n");
        }
        for (const auto& entry : fs::recursive_directory_iterator{root_})
            if (entry.is_regular_file() && !entry.is_symlink())
                sound_.emplace(entry.path(), fake::read_file(entry.path()));
        for (const auto& [path, content] : sound_)
            names_.push_back(path);
    }
    machine(const machine&) = delete;
    machine& operator=(const machine&) = delete;
    ~machine() { fs::remove_all(root_); }

    void spoil(test::schedule& what) {
        const fs::path& path = names_[what.byte() % names_.size()];
        changed_.push_back(path);
        std::string content = fake::read_file(path);
        switch (what.below(6)) {
        case 0:
            fs::remove(path);
            return;
        case 1:
            content.resize(what.below(100));
            break;
        case 2:
            content = text(what);
            break;
        case 3:
            content += text(what);
            break;
        default:
            for (unsigned i = what.below(8); i < 8 && !content.empty(); ++i) {
                const auto at = what.byte() % content.size();
                content[at] = static_cast<char>(what.byte());
            }
        }
        fake::write_file(path, content);
    }
    void restore() {
        for (const auto& path : changed_)
            fake::write_file(path, sound_.at(path));
        changed_.clear();
    }
    [[nodiscard]] const fs::path& root() const { return root_; }

  private:
    static std::string text(test::schedule& what) {
        constexpr std::array words{"0x1af4\n",
                                   "0x1110\n",
                                   "0x050000\n",
                                   "0\n",
                                   "-1\n",
                                   "(null)\n",
                                   "pci=",
                                   "nomsi",
                                   ",",
                                   " ",
                                   "0xffffffffffffffff ",
                                   "intel_iommu=off",
                                   "iommu=",
                                   "nolapic",
                                   "\"",
                                   "[none]"};
        std::string made;
        for (unsigned i = what.below(5); i < 5; ++i) {
            const std::uint8_t choice = what.byte();
            if (choice < 160)
                made += words.at(choice % words.size());
            else
                made += static_cast<char>(what.byte());
        }
        return made;
    }

    fs::path root_;
    std::map<fs::path, std::string> sound_;
    std::vector<fs::path> names_;
    std::vector<fs::path> changed_;
};

bool is_text(const std::string& line) {
    return std::none_of(line.begin(), line.end(),
                        [](char c) { return static_cast<unsigned char>(c) < ' ' || c == 0x7f; });
}

void judge(const ivshmem::device_info& device) {
    for (const std::string& problem : device.problems)
        must_hold(!problem.empty() && is_text(problem), "a problem is one line of text");
    must_hold(is_text(device.driver), "a driver's name is text");
    must_hold(!device.vectors || (*device.vectors >= 1 && *device.vectors <= 2048),
              "MSI-X has 1 to 2048 vectors");
    const auto found = ivshmem::diagnose(device);
    for (const auto* const line :
         {&found.problem, &found.remedy, &found.driver, &found.driver_remedy, &found.iommu_remedy,
          &found.remapping_remedy, &found.msi_problem, &found.msi_remedy})
        must_hold(is_text(*line), "advice is one line of text");
    must_hold(found.remedy.empty() || !found.problem.empty(), "a remedy is for a problem");
    must_hold(!found.can_interrupt || found.can_map, "interrupts need a device that can be used");
    must_hold(found.msi_remedy.empty() || !found.msi_problem.empty(), "advice has a reason");
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static machine all;
    test::schedule what{std::span{data, size}};
    while (!what.empty())
        all.spoil(what);
    std::error_code ec;
    const auto found = ivshmem::discover(all.root(), ec);
    must_hold(!ec, "what is wrong with a device is no error of discovery");
    must_hold(std::is_sorted(found.devices.begin(), found.devices.end(),
                             [](const auto& a, const auto& b) { return a.address < b.address; }),
              "devices are ascending");
    for (const std::string& problem : found.problems)
        must_hold(!problem.empty() && is_text(problem), "a problem is one line of text");
    for (const auto& device : found.devices)
        judge(device);
    static_cast<void>(ivshmem::selector{}.choose(found, ec));
    all.restore();
    return 0;
}
