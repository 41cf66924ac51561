// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "filter.hpp"

#include "pci_access.hpp"

#include <stdexcept>

namespace lsivshmem {
namespace {

using parser = char* (*)(pci_filter*, char*);

void parse(pci_filter& filter, parser parse_into, const char* option, std::string text) {
    if (text.empty())
        return;
    const auto given = text; // libpci modifies the text that it parses
    if (const char* wrong = parse_into(&filter, text.data()))
        throw std::runtime_error{std::string{option} + " \"" + given + "\": " + wrong};
}

} // namespace

filter::filter(const std::string& slot, const std::string& id) {
    const access_ptr access{pci_alloc()};
    pci_filter_init(access.get(), &filter_);
    parse(filter_, pci_filter_parse_slot, "-s", slot);
    parse(filter_, pci_filter_parse_id, "-d", id);
}

bool filter::matches(const ivshmem::device_info& device) const {
    // pci_filter_match() would read the ids from the device again.
    const auto is = [](int wanted, std::uint32_t value) {
        return wanted < 0 || static_cast<std::uint32_t>(wanted) == value;
    };
    const auto mask = filter_.device_class_mask;
    const bool class_matches =
        filter_.device_class < 0 ||
        ((static_cast<std::uint32_t>(filter_.device_class) ^ device.class_code >> 8U) & mask) == 0;
    return is(filter_.domain, device.address.domain) && is(filter_.bus, device.address.bus) &&
           is(filter_.slot, device.address.device) && is(filter_.func, device.address.function) &&
           is(filter_.vendor, device.vendor) && is(filter_.device, device.device) &&
           is(filter_.prog_if, device.class_code & 0xffU) && class_matches;
}

} // namespace lsivshmem
