// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "setup/kernel_config.hpp"

#include "setup/kernel_module.hpp"
#include "text_file.hpp"

#include <boost/beast/zlib/inflate_stream.hpp>

#include <cstddef>
#include <cstdint>
#include <fstream>
#include <iterator>
#include <system_error>

namespace ivshmemctl {
namespace {

namespace zlib = boost::beast::zlib;

/// Decompresses a gzip file (RFC 1952) whose header has no optional fields, as the kernel writes
/// it. Returns an empty string for any other content.
std::string gunzip(const std::string& file) {
    constexpr std::size_t header = 10;
    constexpr std::size_t trailer = 8; // checksum and size
    constexpr std::uint32_t most = 16U << 20U;
    if (file.size() < header + trailer || !file.starts_with("\x1f\x8b\x08") || file[3] != 0)
        return {};
    std::uint32_t size = 0;
    for (std::size_t i = 0; i < 4; ++i)
        size |= std::uint32_t{static_cast<unsigned char>(file[file.size() - 4 + i])} << 8 * i;
    if (size > most)
        return {};
    std::string text(size, '\0');
    zlib::z_params step;
    step.next_in = file.data() + header;
    step.avail_in = file.size() - header - trailer;
    step.next_out = text.data();
    step.avail_out = text.size();
    zlib::inflate_stream stream;
    boost::system::error_code ec;
    stream.write(step, zlib::Flush::finish, ec);
    return step.avail_out == 0 ? text : std::string{};
}

std::string read_config_gz(const std::filesystem::path& path) {
    std::error_code ec;
    if (!std::filesystem::is_regular_file(path, ec))
        return {};
    std::ifstream file{path, std::ios::binary};
    return gunzip({std::istreambuf_iterator<char>{file}, {}});
}

} // namespace

kernel_config::kernel_config(const std::filesystem::path& root) {
    const auto beside_kernel = root / "boot" / ("config-" + kernel_release(root));
    source_ = beside_kernel.string();
    text_ = read_text(beside_kernel).value_or("");
    if (!text_.empty())
        return;
    source_ = (root / "proc/config.gz").string();
    text_ = read_config_gz(source_);
}

std::string kernel_config::value(std::string_view name) const {
    const auto key = "\nCONFIG_" + std::string{name} + "=";
    const auto at = text_.find(key);
    if (at == std::string::npos)
        return "n";
    const auto begin = at + key.size();
    return text_.substr(begin, text_.find('\n', begin) - begin);
}

} // namespace ivshmemctl
