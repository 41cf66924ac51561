// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "system_facts.hpp"

#include "common/print.hpp"
#include "lockdown.hpp"
#include "text_file.hpp"

#include <ivshmem/version.hpp>

#include <array>
#include <cstring>
#include <sstream>

#if defined(__x86_64__) || defined(__i386__)
#include <cpuid.h>
#endif
#include <unistd.h>

namespace ivshmemctl {
namespace {

/// PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"
std::string distribution(const std::filesystem::path& path) {
    const std::string key = "PRETTY_NAME=";
    std::istringstream lines{read_text(path).value_or("")};
    for (std::string line; std::getline(lines, line);)
        if (line.starts_with(key)) {
            std::erase(line, '"');
            return line.substr(key.size());
        }
    return {};
}

/// "QEMU Standard PC (Q35 + ICH9, 2009) pc-q35-7.2"
std::string machine(const std::filesystem::path& dmi) {
    std::string text;
    for (const char* name : {"sys_vendor", "product_name", "product_version"})
        if (const auto word = read_text(dmi / name); word && !word->empty())
            text += (text.empty() ? "" : " ") + *word;
    return text;
}

/// The signature of the hypervisor: "KVMKVMKVM", "TCGTCGTCGTCG", "ACRNACRNACRN".
std::string hypervisor() {
#if defined(__x86_64__) || defined(__i386__)
    std::array<unsigned, 4> registers{};
    auto& [a, b, c, d] = registers;
    constexpr unsigned hypervisor_present = 1U << 31U;
    if (__get_cpuid(1, &a, &b, &c, &d) == 0 || (c & hypervisor_present) == 0)
        return {};
    __cpuid(0x40000000U, a, b, c, d);
    std::array<char, 3 * sizeof(unsigned) + 1> text{};
    std::memcpy(text.data(), &b, text.size() - 1);
    return text.data();
#else
    return {};
#endif
}

} // namespace

std::vector<fact> system_facts(const std::filesystem::path& root) {
    std::vector<fact> facts;
    const auto add = [&](const char* name, std::string value) {
        if (!value.empty())
            facts.push_back({name, std::move(value)});
    };
    add("ivshmemctl", IVSHMEM_VERSION_STRING);
    add("libivshmem", std::string{ivshmem::version()});
    add("kernel", read_text(root / "proc/sys/kernel/osrelease").value_or(""));
    add("system", distribution(root / "etc/os-release"));
    add("machine", machine(root / "sys/class/dmi/id"));
    if (root == "/")
        add("hypervisor", hypervisor());
    add("lockdown", lockdown(root).value_or(""));
    add("user", tools::format("{}", ::geteuid()));
    return facts;
}

} // namespace ivshmemctl
