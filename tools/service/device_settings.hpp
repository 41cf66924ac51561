// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "ivshmemctl/common_options.hpp"
#include "ivshmemctl/peers/slot_choice.hpp"
#include "service/named_setting.hpp"

namespace service {

/// Takes the settings of a program about its device and its slot: device, socket, trust-server,
/// slot, reformat and verbose, each once.
/// @return Whether it was one of them.
inline bool take_device_setting(const named_setting& s, const settings_once& once,
                                ivshmemctl::common_options& common, ivshmemctl::slot_choice& place,
                                ivshmem::failure& f) {
    const bool is_set = s.value == "true";
    if (s.key == "socket") {
        once.exclude(s, "device", f);
        common.device = ivshmem::selector::server(s.value);
    } else if (s.key == "device") {
        once.exclude(s, "socket", f);
        std::error_code ec;
        common.device = ivshmem::selector::parse(s.value, ec);
        if (ec)
            refuse(s, s.value + ": " + ec.message(), f);
    } else if (s.key == "slot") {
        place.number = number_of(s, 0, 255, f);
    } else if (s.key == "reformat") {
        place.reformat = is_set;
    } else if (s.key == "trust-server") {
        common.trust_server = is_set;
    } else if (s.key == "verbose") {
        common.verbosity = is_set ? 1 : 0;
    } else {
        return false;
    }
    return true;
}

} // namespace service
