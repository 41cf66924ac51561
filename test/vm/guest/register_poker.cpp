// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors

// A guest that is a fuzzer: loads and stores of every size, at every offset, of any value.

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <fstream>
#include <random>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

namespace {

constexpr const char* usage = R"(Usage: register-poker ADDRESS SEED COUNT WHERE
Makes COUNT random accesses to a PCI device that has no driver. WHERE:

  registers            BAR0
  memory OFFSET SIZE   a part of BAR2
  config               the configuration, except the BARs and the command word
  bars                 moves the BARs about, and puts them back at the end

Exit codes: 0 done, 1 an error, 2 bad options.
)";

/// A descriptor that is closed at the end.
class file {
  public:
    file(const std::string& path, int flags) : fd_{::open(path.c_str(), flags | O_CLOEXEC)} {
        if (fd_ < 0)
            throw std::system_error{errno, std::system_category(), path};
    }
    ~file() { ::close(fd_); }
    file(const file&) = delete;
    file& operator=(const file&) = delete;
    [[nodiscard]] int get() const { return fd_; }

  private:
    int fd_;
};

class poker {
  public:
    poker(std::string folder, std::uint32_t seed, unsigned long count)
        : folder_{std::move(folder)}, random_{seed}, count_{count} {}

    /// A part of a BAR; `size` 0 is all of it.
    void bar(unsigned number, std::size_t offset, std::size_t size) {
        const auto [start, length] = resource(number);
        if (size == 0)
            size = length;
        if (offset + size > length)
            throw std::runtime_error{"the BAR has only " + std::to_string(length) + " bytes"};
        const file opened{folder_ + "/resource" + std::to_string(number), O_RDWR};
        const std::size_t page = 4096;
        // A small BAR may begin inside a page.
        const std::size_t into = start % page;
        const std::size_t mapped = (into + length + page - 1) / page * page;
        void* const at =
            ::mmap(nullptr, mapped, PROT_READ | PROT_WRITE, MAP_SHARED, opened.get(), 0);
        if (at == MAP_FAILED)
            throw std::system_error{errno, std::system_category(), "mmap"};
        auto* const bytes = static_cast<std::byte*>(at) + into + offset;
        for (unsigned long i = 0; i < count_; ++i)
            access(bytes, size);
        ::munmap(at, mapped);
    }

    void config() {
        const file opened{folder_ + "/config", O_RDWR};
        for (unsigned long i = 0; i < count_; ++i) {
            const unsigned size = 1U << (draw() % 3);
            const auto offset = static_cast<off_t>(draw() % 256 / size * size);
            std::uint32_t word = value();
            // The command word, and the six BARs and the ROM.
            const bool kept = offset < 6 || (offset >= 0x10 && offset < 0x34);
            if (kept || draw() % 2 == 0)
                require(::pread(opened.get(), &word, size, offset) >= 0, "pread");
            else
                require(::pwrite(opened.get(), &word, size, offset) >= 0, "pwrite");
        }
    }

    void bars() {
        const file opened{folder_ + "/config", O_RDWR};
        std::array<std::uint32_t, 6> before{};
        require(::pread(opened.get(), before.data(), sizeof before, 0x10) == sizeof before,
                "pread");
        for (unsigned long i = 0; i < count_; ++i) {
            // The upper half of a BAR of 64 bits stays small: the bus has 40 bits or so.
            const std::uint32_t word = draw() % 3 == 0 ? ~0U : value();
            require(::pwrite(opened.get(), &word, 4, 0x10 + 4 * static_cast<off_t>(draw() % 6)) ==
                        4,
                    "pwrite");
        }
        require(::pwrite(opened.get(), before.data(), sizeof before, 0x10) == sizeof before,
                "pwrite");
    }

  private:
    static void require(bool well, const char* what) {
        if (!well)
            throw std::system_error{errno, std::system_category(), what};
    }

    [[nodiscard]] std::pair<std::size_t, std::size_t> resource(unsigned number) const {
        std::ifstream lines{folder_ + "/resource"};
        std::string first;
        std::string last;
        std::string flags;
        for (unsigned i = 0; i <= number; ++i)
            lines >> first >> last >> flags;
        const auto start = std::stoull(first, nullptr, 16);
        const auto end = std::stoull(last, nullptr, 16);
        if (end == 0)
            throw std::runtime_error{"there is no BAR" + std::to_string(number)};
        return {start, end - start + 1};
    }

    std::uint32_t draw() { return static_cast<std::uint32_t>(random_()); }

    /// Numbers that have a meaning somewhere get further than others.
    std::uint32_t value() {
        switch (draw() % 6) {
        case 0:
            return 0;
        case 1:
            return ~0U;
        case 2:
            return 1U << (draw() % 32);
        case 3:
            return (draw() % 4 << 16U) | draw() % 4;
        default:
            return draw();
        }
    }

    template <typename Word>
    void access_as(std::byte* at) {
        // Not aligned at times: the processor can do that on x86.
        auto* const word = reinterpret_cast<volatile Word*>(at);
        if (draw() % 2 == 0)
            seen_ += static_cast<std::uint64_t>(*word);
        else
            *word = static_cast<Word>(value() | static_cast<std::uint64_t>(value()) << 32U);
    }

    void access(std::byte* bytes, std::size_t size) {
        const std::size_t width = std::min<std::size_t>(std::size_t{1} << (draw() % 4), size);
        std::size_t offset = draw() % (size - width + 1);
        // The registers are the first words, and an aligned access is what hardware has.
        if (draw() % 2 == 0)
            offset %= 0x40;
        if (draw() % 4 != 0)
            offset = offset / width * width;
        offset = std::min(offset, size - width);
        switch (width) {
        case 1:
            return access_as<std::uint8_t>(bytes + offset);
        case 2:
            return access_as<std::uint16_t>(bytes + offset);
        case 4:
            return access_as<std::uint32_t>(bytes + offset);
        default:
            return access_as<std::uint64_t>(bytes + offset);
        }
    }

    std::string folder_;
    std::mt19937 random_;
    unsigned long count_;
    std::uint64_t seen_ = 0;
};

int run(int argc, char** argv) {
    if (argc < 5) {
        std::fputs(usage, stderr);
        return 2;
    }
    poker poke{std::string{"/sys/bus/pci/devices/"} + argv[1],
               static_cast<std::uint32_t>(std::stoul(argv[2])), std::stoul(argv[3])};
    const std::string_view where = argv[4];
    if (where == "registers")
        poke.bar(0, 0, 0);
    else if (where == "memory" && argc == 7)
        poke.bar(2, std::stoull(argv[5]), std::stoull(argv[6]));
    else if (where == "config")
        poke.config();
    else if (where == "bars")
        poke.bars();
    else {
        std::fputs(usage, stderr);
        return 2;
    }
    std::printf("poked: %s\n", argv[3]);
    return 0;
}

} // namespace

int main(int argc, char** argv) {
    try {
        return run(argc, argv);
    } catch (const std::exception& e) {
        std::fprintf(stderr, "register-poker: %s\n", e.what());
        return 1;
    }
}
