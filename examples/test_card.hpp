// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

/// A picture of a generated film: bars of colour, a white bar that moves, and the number of the
/// frame. In memory, a header is followed by the pixels, 32 bits each: red, green, blue, unused.
namespace test_card {

struct header {
    std::uint32_t width = 0;
    std::uint32_t height = 0;
    std::uint64_t number = 0;
    std::uint64_t checksum = 0; ///< of the pixels
    std::array<std::uint64_t, 5> unused{};
};
static_assert(sizeof(header) == 64);

inline constexpr std::uint32_t largest_side = 8192;
inline constexpr std::uint32_t smallest_side = 64;

inline bool has_sides(const header& h) {
    return h.width >= smallest_side && h.width <= largest_side && h.width % 16 == 0 &&
           h.height >= smallest_side && h.height <= largest_side;
}
inline std::size_t size_of(const header& h) {
    return sizeof(header) + std::size_t{4} * h.width * h.height;
}

/// A checksum that depends on each byte and its place.
class running_sum {
  public:
    /// Adds bytes, a multiple of 64. Reads each byte once.
    void add(std::span<const std::byte> bytes) {
        for (std::size_t at = 0; at + sizeof lanes_ <= bytes.size(); at += sizeof lanes_) {
            std::array<std::uint64_t, 8> words;
            std::memcpy(words.data(), &bytes[at], sizeof words);
            for (std::size_t i = 0; i < lanes_.size(); ++i)
                lanes_[i] = std::rotl(lanes_[i], 1) ^ words[i];
        }
    }
    /// Adds bytes whose own sum is known, without reading them.
    void add(const running_sum& of, std::size_t bytes) {
        const int turns = static_cast<int>(bytes / sizeof lanes_ % 64);
        for (std::size_t i = 0; i < lanes_.size(); ++i)
            lanes_[i] = std::rotl(lanes_[i], turns) ^ of.lanes_[i];
    }
    [[nodiscard]] std::uint64_t value() const {
        std::uint64_t sum = 1;
        for (const std::uint64_t lane : lanes_)
            sum = sum * 0x9e3779b97f4a7c15U + lane;
        return sum;
    }

  private:
    std::array<std::uint64_t, 8> lanes_{};
};

inline std::uint64_t checksum(std::span<const std::byte> pixels) {
    running_sum sum;
    sum.add(pixels);
    return sum.value();
}

inline std::uint32_t colour(std::uint8_t red, std::uint8_t green, std::uint8_t blue) {
    return std::bit_cast<std::uint32_t>(std::array<std::uint8_t, 4>{red, green, blue, 0});
}

/// The bars, and the white one that moves.
inline std::vector<std::uint32_t> bars_of(const header& h) {
    std::vector<std::uint32_t> row(h.width);
    const std::uint32_t moving = static_cast<std::uint32_t>(h.number * 8 % h.width);
    for (std::uint32_t x = 0; x < h.width; ++x) {
        const std::uint32_t bar = 7 - x * 8 / h.width; // white, yellow, cyan, green, magenta, ...
        row[x] =
            colour((bar & 2U) != 0 ? 192 : 0, (bar & 4U) != 0 ? 192 : 0, (bar & 1U) != 0 ? 192 : 0);
        if (x - moving < h.width / 64)
            row[x] = colour(255, 255, 255);
    }
    return row;
}

/// Draws a part of the number over a row: digits of seven segments, 3 x 5 blocks each.
/// @param line The blocks above that row. The first and the last one, 6, are a margin.
inline void draw_digits(const std::string& text, std::size_t block, std::uint32_t line,
                        std::vector<std::uint32_t>& row) {
    constexpr std::array<std::uint16_t, 10> digits{075557, 026227, 071747, 071717, 055711,
                                                   074717, 074757, 071111, 075757, 075717};
    for (std::size_t x = 0; (x + 1) * block <= row.size() && x < 4 * text.size(); ++x) {
        const auto digit = digits[static_cast<std::size_t>(text[x / 4] - '0')];
        const std::uint32_t in_digit = line - 1;
        const bool on =
            in_digit < 5 && x % 4 < 3 && (digit >> (3 * (4 - in_digit) + 2 - x % 4) & 1U) != 0;
        std::fill_n(row.begin() + static_cast<std::ptrdiff_t>(x * block), block,
                    on ? colour(255, 255, 255) : colour(0, 0, 0));
    }
}

/// Draws a picture. Writes each byte once, in order, and reads none of them: a picture is larger
/// than the caches. @pre has_sides(h), and `into` has size_of(h) bytes.
inline void draw(header h, std::span<std::byte> into) {
    const auto pixels = into.subspan(sizeof h);
    const std::string text = std::to_string(h.number);
    const std::uint32_t block = std::max(
        1U, std::min(h.width / 80, h.width / (4 * static_cast<std::uint32_t>(text.size()))));
    const auto bars = bars_of(h);
    const std::size_t bytes = std::as_bytes(std::span{bars}).size();
    std::vector<std::uint32_t> row;
    running_sum of_row;
    running_sum all;
    for (std::uint32_t y = 0; y < h.height; ++y) {
        if (y <= 7 * block && y % block == 0) { // all rows until the next such one are the same
            row = bars;
            if (y < 7 * block)
                draw_digits(text, block, y / block, row);
            of_row = {};
            of_row.add(std::as_bytes(std::span{row}));
        }
        std::memcpy(&pixels[y * bytes], row.data(), bytes);
        all.add(of_row, bytes);
    }
    h.checksum = all.value();
    std::memcpy(into.data(), &h, sizeof h);
}

/// A file with a picture in the format PNG, without compression.
class png {
  public:
    explicit png(const std::string& path) : path_{path}, file_{path, std::ios::binary} {}

    /// Writes the picture, and closes the file.
    /// @param pixels As in memory. @throws std::runtime_error
    void write(const header& h, std::span<const std::byte> pixels) {
        file_.write("\x89PNG\r\n\x1a\n", 8);
        std::vector<std::uint8_t> part;
        append(part, h.width);
        append(part, h.height);
        part.insert(part.end(), {8, 2, 0, 0, 0}); // 8 bits each of red, green and blue
        chunk("IHDR", part);
        std::uint32_t low = 1; // Adler-32
        std::uint32_t high = 0;
        std::vector<std::uint8_t> line(1 + std::size_t{3} * h.width);
        for (std::uint32_t y = 0; y < h.height; ++y) {
            for (std::size_t x = 0; x < h.width; ++x)
                std::memcpy(&line[1 + 3 * x], &pixels[(std::size_t{y} * h.width + x) * 4], 3);
            for (const std::uint8_t each : line) {
                low = (low + each) % 65521;
                high = (high + low) % 65521;
            }
            const bool last = y + 1 == h.height;
            const auto length = static_cast<std::uint16_t>(line.size()); // largest_side allows it
            part.clear();
            if (y == 0)
                part.insert(part.end(), {0x78, 0x01});
            part.push_back(last ? 1 : 0); // a stored block
            for (const unsigned number : {unsigned{length}, ~unsigned{length}}) {
                part.push_back(static_cast<std::uint8_t>(number));
                part.push_back(static_cast<std::uint8_t>(number >> 8U));
            }
            part.insert(part.end(), line.begin(), line.end());
            if (last)
                append(part, high << 16U | low);
            chunk("IDAT", part);
        }
        chunk("IEND", {});
        file_.close();
        if (!file_)
            throw std::runtime_error{path_ + ": cannot be written"};
    }

  private:
    static void append(std::vector<std::uint8_t>& to, std::uint32_t number) {
        for (const unsigned shift : {24U, 16U, 8U, 0U})
            to.push_back(static_cast<std::uint8_t>(number >> shift));
    }
    void chunk(const char* type, std::span<const std::uint8_t> content) {
        std::vector<std::uint8_t> out;
        append(out, static_cast<std::uint32_t>(content.size()));
        out.insert(out.end(), type, type + 4);
        out.insert(out.end(), content.begin(), content.end());
        std::uint32_t crc = ~0U;
        for (std::size_t at = 4; at < out.size(); ++at) {
            crc ^= out[at];
            for (int bit = 0; bit < 8; ++bit)
                crc = crc >> 1U ^ ((crc & 1U) != 0 ? 0xedb88320U : 0);
        }
        append(out, ~crc);
        file_.write(reinterpret_cast<const char*>(out.data()),
                    static_cast<std::streamsize>(out.size()));
    }

    std::string path_;
    std::ofstream file_;
};

} // namespace test_card
