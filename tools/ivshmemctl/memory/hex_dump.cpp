// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "memory/hex_dump.hpp"

#include "common/print.hpp"

#include <algorithm>
#include <iterator>

namespace ivshmemctl {

void hex_dump::add(std::span<const std::byte> bytes, std::string& text) {
    while (!bytes.empty()) {
        const auto part = bytes.first(std::min(bytes.size(), width - filled_));
        std::copy(part.begin(), part.end(), line_.begin() + static_cast<std::ptrdiff_t>(filled_));
        filled_ += part.size();
        bytes = bytes.subspan(part.size());
        if (filled_ == width)
            take_line(text);
    }
}

void hex_dump::finish(std::string& text) {
    if (filled_ == 0 && !any_)
        return;
    if (filled_ != 0)
        print_line(text);
    text += tools::format("{:08x}\n", offset_ + filled_);
}

void hex_dump::take_line(std::string& text) {
    if (every_line_ || !any_ || line_ != last_) {
        print_line(text);
        squeezed_ = false;
    } else if (!squeezed_) {
        text += "*\n";
        squeezed_ = true;
    }
    last_ = line_;
    any_ = true;
    offset_ += width;
    filled_ = 0;
}

void hex_dump::print_line(std::string& text) const {
    constexpr std::string_view digits = "0123456789abcdef";
    text += tools::format("{:08x} ", offset_);
    for (std::size_t i = 0; i < width; ++i) {
        const auto value = std::to_integer<unsigned>(line_.at(i));
        text += ' ';
        text += i < filled_ ? digits[value >> 4U] : ' ';
        text += i < filled_ ? digits[value & 0xfU] : ' ';
        if (i == width / 2 - 1)
            text += ' ';
    }
    text += "  |";
    for (std::size_t i = 0; i < filled_; ++i) {
        const auto value = std::to_integer<char>(line_.at(i));
        text += value >= ' ' && value <= '~' ? value : '.';
    }
    text += "|\n";
}

} // namespace ivshmemctl
