// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "forward_service.hpp"

#include "other_program.hpp"

#include <chrono>
#include <sstream>
#include <system_error>

namespace ivshmemctl {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

constexpr auto patience = 10s;

bool has_configuration(const fs::path& folder) {
    std::error_code ec;
    for (fs::directory_iterator at{folder, ec}; !ec && at != fs::directory_iterator{};
         at.increment(ec))
        if (at->path().extension() == ".conf")
            return true;
    return false;
}

std::vector<std::string> lines_of(const std::string& text) {
    std::vector<std::string> lines;
    std::istringstream all{text};
    for (std::string line; std::getline(all, line);)
        lines.push_back(line);
    return lines;
}

} // namespace

std::string forward_service::text() const {
    std::string all = state.empty() ? "configured" : state;
    for (const auto& service : services)
        all += "; " + service;
    return problem.empty() ? all : all + "; " + problem;
}

std::optional<forward_service> find_forward_service(const fs::path& root) {
    const auto folder = root / "etc/ivshmem/forward.d";
    if (!has_configuration(folder))
        return std::nullopt;
    forward_service found;
    const auto checked = read_command(
        {other_program("ivshmem-forward"), "--check", "--verbose", "--config", folder.string()},
        patience);
    if (!checked)
        found.problem = "ivshmem-forward cannot be run";
    else if (checked->status != 0)
        found.problem = checked->output.substr(0, checked->output.find('\n'));
    else
        found.services = lines_of(checked->output);
    for (const auto& service : found.services)
        found.has_lists = found.has_lists || service.find(", for slots ") != std::string::npos;
    if (root != "/") // a captured tree runs nothing
        return found;
    const auto shown = read_command(
        {"systemctl", "show", "--property=ActiveState", "--value", "ivshmem-forward.service"},
        patience);
    if (shown && shown->status == 0)
        found.state = shown->output.substr(0, shown->output.find('\n'));
    return found;
}

} // namespace ivshmemctl
