// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "options.hpp"
#include "report.hpp"

#include <ivshmem/device.hpp>

namespace conformance {

/// Runs all checks that need no other party: overwrites the memory, rings itself, closes the
/// device.
void alone(ivshmem::device& dev, const options& o, report& r);

/// Runs those of them that wait with Asio.
void alone_with_asio(ivshmem::device& dev, const options& o, report& r);

/// Runs the checks of what only one generation has, or lacks.
void v1_checks(ivshmem::device& dev, report& r);
void v2_checks(ivshmem::device& dev, report& r);

/// Takes all pending rings.
void drain(ivshmem::device& dev);

/// Fails unless `call(ec)` reports `wanted`.
template <typename Call>
void expect_error(ivshmem::errc wanted, const std::string& what, Call&& call) {
    std::error_code ec;
    call(ec);
    expect(ec == wanted, what + ": " + (ec ? ec.message() : "no error"));
}

} // namespace conformance
