// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "holders.hpp"

#include "print.hpp"
#include "text_file.hpp"

#include <algorithm>
#include <filesystem>
#include <system_error>

namespace ivshmemctl {
namespace {

namespace fs = std::filesystem;

/// What the process has open of the device; empty for nothing.
std::string open_file(const fs::path& process, const std::vector<std::string>& files,
                      const std::string& folder) {
    std::error_code ec;
    for (fs::directory_iterator fd{process / "fd", ec}; !ec && fd != fs::directory_iterator{};
         fd.increment(ec)) {
        std::error_code gone;
        auto target = fs::read_symlink(fd->path(), gone).string();
        if (std::find(files.begin(), files.end(), target) != files.end() ||
            target.starts_with(folder))
            return target;
    }
    return {};
}

} // namespace

std::vector<std::string> holders(const ivshmem::device_info& device) {
    std::error_code ec;
    const auto folder =
        fs::canonical("/sys/bus/pci/devices/" + to_string(device.address), ec).string() + "/";
    if (ec)
        return {};
    std::vector<std::string> files;
    for (const auto* node : {&device.vfio_node, &device.uio_node})
        if (*node)
            files.push_back((*node)->path);
    std::vector<std::string> result;
    for (fs::directory_iterator entry{"/proc", ec}; !ec && entry != fs::directory_iterator{};
         entry.increment(ec)) {
        const auto id = entry->path().filename().string();
        if (id.find_first_not_of("0123456789") != std::string::npos)
            continue;
        if (const auto file = open_file(entry->path(), files, folder); !file.empty())
            result.push_back(tools::format("{} (pid {}, {})",
                                           read_text(entry->path() / "comm").value_or("a process"),
                                           id, file));
    }
    return result;
}

std::string why_in_use(const ivshmem::device_info& device) {
    std::string all;
    for (const auto& one : holders(device))
        all += (all.empty() ? "" : ", ") + one;
    return all.empty() ? "" : tools::format("in use by {}; end that first", all);
}

} // namespace ivshmemctl
