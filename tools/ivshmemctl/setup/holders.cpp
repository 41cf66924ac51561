// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "setup/holders.hpp"

#include "common/print.hpp"
#include "text_file.hpp"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <system_error>

namespace ivshmemctl {
namespace {

namespace fs = std::filesystem;

/// Returns whether a process that has this file open holds the device whose sysfs folder is
/// `folder`. Any process may read the other files.
bool holds(const std::string& file, const std::string& folder) {
    return file.starts_with(folder + "resource") || file == folder + "enable";
}

/// Returns a file of the device that the process has open or mapped; empty if there is none.
std::string open_file(const fs::path& process, const std::vector<std::string>& files,
                      const std::string& folder) {
    std::error_code ec;
    for (fs::directory_iterator fd{process / "fd", ec}; !ec && fd != fs::directory_iterator{};
         fd.increment(ec)) {
        std::error_code gone;
        auto target = fs::read_symlink(fd->path(), gone).string();
        if (std::find(files.begin(), files.end(), target) != files.end() || holds(target, folder))
            return target;
    }
    std::ifstream maps{process / "maps"}; // a mapped file may be closed already
    for (std::string line; std::getline(maps, line);)
        if (const auto at = line.find('/');
            at != std::string::npos && holds(line.substr(at), folder))
            return line.substr(at);
    return {};
}

/// Returns the process's own name, safe to print on a terminal.
std::string name_of(const fs::path& process) {
    auto name = read_text(process / "comm").value_or("a process");
    std::replace_if(
        name.begin(), name.end(), [](char c) { return c < ' ' || c > '~'; }, '?');
    return name;
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
            result.push_back(tools::format("{} (pid {}, {})", name_of(entry->path()), id, file));
    }
    return result;
}

std::string why_in_use(const ivshmem::device_info& device) {
    std::string all;
    for (const auto& one : holders(device))
        all += (all.empty() ? "" : ", ") + one;
    return all.empty() ? "" : tools::format("in use by {}; end it first", all);
}

} // namespace ivshmemctl
