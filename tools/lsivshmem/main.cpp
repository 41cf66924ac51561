// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "columns.hpp"
#include "common/exit_status.hpp"
#include "common/print.hpp"
#include "common/process_start.hpp"
#include "details.hpp"
#include "filter.hpp"
#include "json.hpp"
#include "options.hpp"
#include "table.hpp"

#include <ivshmem/discovery.hpp>
#include <ivshmem/error.hpp>
#include <ivshmem/selector.hpp>

#include <algorithm>
#include <clocale>
#include <cstdio>
#include <exception>

namespace lsivshmem {
namespace {

void complain(const std::string& line) {
    tools::print_error("lsivshmem: {}\n", line);
}

/// Returns the devices that the selectors name, in the order of their addresses.
/// @param missed Set if a selector names no device.
std::vector<ivshmem::device_info> select(const std::vector<std::string>& texts,
                                         const ivshmem::discovery& found, bool& missed) {
    const auto& devices = found.devices;
    std::vector<bool> wanted(devices.size());
    for (const auto& text : texts) {
        try {
            const ivshmem::selector selector{text};
            const auto& device = selector.choose(found);
            wanted[static_cast<std::size_t>(&device - devices.data())] = true;
        } catch (const ivshmem::error& e) {
            if (e.code() != ivshmem::errc::device_not_found)
                throw;
            complain(e.what());
            missed = true;
        }
    }
    std::vector<ivshmem::device_info> result;
    for (std::size_t i = 0; i < devices.size(); ++i)
        if (wanted[i])
            result.push_back(devices[i]);
    return result;
}

void print(const options& o, const std::vector<listed_device>& devices) {
    if (o.json)
        print_json(o, devices);
    else if (o.verbosity > 0)
        print_details(o, devices);
    else if (o.kernel)
        print_kernel(devices);
    else
        print_table(o, devices);
}

/// Prints what the output lacks: the files that could not be read, and why a device cannot be used.
void print_remarks(const options& o, const std::vector<std::string>& problems,
                   const std::vector<listed_device>& devices) {
    for (const auto& problem : problems)
        complain(problem);
    for (const auto& device : devices)
        for (const auto& problem : device.info.problems)
            complain(problem);
    if (o.json || o.verbosity > 0 || !o.columns.empty())
        return;
    for (const auto& [info, verdict] : devices) {
        const bool said = std::find(info.problems.begin(), info.problems.end(), verdict.problem) !=
                          info.problems.end();
        if (verdict.problem.empty() || said)
            continue;
        complain(tools::format("{}: {}{}{}", to_string(info.address), verdict.problem,
                               verdict.remedy.empty() ? "" : "; try: ", verdict.remedy));
    }
}

int run(const options& o) {
    if (o.list_columns) {
        print_columns();
        return tools::exit_success;
    }
    const filter wanted{o.slot, o.id};
    auto found = ivshmem::discover(o.sysroot);
    bool incomplete = !found.problems.empty();
    std::erase_if(found.devices, [&](const auto& device) { return !wanted.matches(device); });
    if (!o.selectors.empty())
        found.devices = select(o.selectors, found, incomplete);

    std::vector<listed_device> devices;
    for (auto& info : found.devices) {
        incomplete = incomplete || !info.problems.empty();
        auto verdict = diagnose(info);
        devices.push_back({std::move(info), std::move(verdict)});
    }
    print(o, devices);
    std::fflush(stdout); // results come before messages
    print_remarks(o, found.problems, devices);
    if (std::ferror(stdout) != 0) {
        complain("the output could not be written");
        return tools::exit_failure;
    }
    if (devices.empty()) {
        if (found.problems.empty() && o.selectors.empty())
            complain("no ivshmem device found");
        return tools::exit_none_found;
    }
    return incomplete ? tools::exit_some_failed : tools::exit_success;
}

} // namespace
} // namespace lsivshmem

int main(int argc, char** argv) {
    tools::prepare_process();
    std::setlocale(LC_CTYPE, ""); // NOLINT(concurrency-mt-unsafe): for the lines of a tree
    try {
        int status = tools::exit_success;
        const auto options = lsivshmem::parse_options(argc, argv, status);
        return options ? lsivshmem::run(*options) : status;
    } catch (const std::exception& e) {
        lsivshmem::complain(e.what());
        return tools::exit_failure;
    }
}
