// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "lockdown.hpp"

#include "text_file.hpp"

namespace ivshmemctl {

std::optional<std::string> lockdown(const std::filesystem::path& root) {
    // none [integrity] confidentiality
    const auto text = read_text(root / "sys/kernel/security/lockdown");
    if (!text)
        return std::nullopt;
    const auto begin = text->find('[');
    const auto end = text->find(']');
    if (begin == std::string::npos || end == std::string::npos || end < begin)
        return std::nullopt;
    return text->substr(begin + 1, end - begin - 1);
}

} // namespace ivshmemctl
