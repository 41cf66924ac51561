// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "text_file.hpp"

#include <fstream>
#include <iterator>
#include <system_error>

namespace ivshmemctl {

std::optional<std::string> read_text(const std::filesystem::path& path) {
    std::error_code ec;
    // A captured tree may hold anything, and opening a FIFO would block.
    if (!std::filesystem::is_regular_file(path, ec))
        return std::nullopt;
    std::ifstream file{path, std::ios::binary};
    std::string text{std::istreambuf_iterator<char>{file}, {}};
    if (!file.is_open() || file.bad())
        return std::nullopt;
    text.erase(text.find_last_not_of('\n') + 1);
    return text;
}

bool exists(const std::filesystem::path& root, const std::string& path) {
    std::error_code ec;
    return std::filesystem::exists(root / path.substr(1), ec);
}

std::string link_name(const std::filesystem::path& path) {
    std::error_code ec;
    return std::filesystem::read_symlink(path, ec).filename().string();
}

std::string shell_word(const std::string& text) {
    constexpr const char* plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                  "_-./:=,+@";
    if (!text.empty() && text.find_first_not_of(plain) == std::string::npos)
        return text;
    std::string word = "'";
    for (const char c : text)
        word += c == '\'' ? std::string{"'\\''"} : std::string{c};
    return word + "'";
}

} // namespace ivshmemctl
