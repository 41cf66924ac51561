// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "doctor/checks.hpp"
#include "forward_service.hpp"

namespace ivshmemctl {

std::optional<finding> check_forward(const examined_device& target) {
    const auto service = find_forward_service(target.root);
    if (!service)
        return std::nullopt;
    finding f{"ivshmem-forward", outcome::ok, service->text(), ""};
    if (!service->problem.empty()) {
        f.is = outcome::warn;
        f.next = "correct that file, and: systemctl restart ivshmem-forward";
    } else if (service->state == "failed") {
        f.is = outcome::warn;
        f.next = "journalctl -u ivshmem-forward says why";
    } else if (!service->works()) {
        f.is = outcome::warn;
        f.next = "systemctl enable --now ivshmem-forward";
    } else if (service->has_lists && target.info.generation == ivshmem::device_generation::v1) {
        f.is = outcome::warn;
        f.text += "; any VM of an ivshmem v1 device can pose as any slot, so the slots protect "
                  "nothing";
        f.next = "let the services ask for a key or a password, as ssh and TLS do";
    }
    return f;
}

} // namespace ivshmemctl
