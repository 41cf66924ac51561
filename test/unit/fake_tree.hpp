// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "base/text.hpp"
#include "helpers/catch.hpp"

#include <ivshmem/device.hpp>

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace test {

/// A machine with one ivshmem device, as files: sys, dev and proc under a temporary folder. The
/// BARs are plain files, so registers keep their values.
class fake_tree {
  public:
    static constexpr std::uint64_t bar2_bytes = 65536;

    struct shape {
        std::uint64_t bar0 = 0xfebf1000;
        std::uint64_t bar2 = 0xfe000000;
        std::string driver{}; ///< empty: none
        unsigned vectors = 4; ///< 0: a plain device
        bool group = false;
        std::size_t config_bytes = 256;
        unsigned revision = 1;
        bool decodes = true; ///< memory accesses: the command register
        bool of_qemu = true; ///< has the subsystem ids that QEMU gives its devices
        unsigned pin = 0;    ///< of INTx
        std::uint64_t bar0_bytes = 256;
        std::uint16_t subsystem_vendor = 0x1af4;
    };

    explicit fake_tree(const shape& how) {
        std::string pattern = "/tmp/ivshmem-tree-XXXXXX";
        REQUIRE(::mkdtemp(pattern.data()) != nullptr);
        root = pattern;
        pci = root / "sys/bus/pci/devices/0000:00:04.0";
        for (const auto& folder : {pci, root / "dev/vfio", root / "proc",
                                   root / "sys/kernel/debug/x86", root / "sys/drivers"})
            std::filesystem::create_directories(folder);
        write(pci / "vendor", "0x1af4\n");
        write(pci / "device", "0x1110\n");
        write(pci / "class", "0x050000\n");
        write(pci / "revision", "0x0" + std::to_string(how.revision) + "\n");
        write(pci / "subsystem_vendor", ivshmem::formatted("{:#06x}\n", how.subsystem_vendor));
        write(pci / "subsystem_device", how.of_qemu ? "0x1100\n" : "0x0001\n");
        write(pci / "enable", "0\n");
        write(pci / "resource", resource(how));
        write(pci / "config", config(how).substr(0, how.config_bytes));
        write(pci / "resource0", std::string(4096, '\0'));
        write(pci / "resource2", std::string(bar2_bytes, '\0'));
        write(pci / "resource2_wc", std::string(bar2_bytes, '\0'));
        if (!how.driver.empty()) {
            std::filesystem::create_directory(root / "sys/drivers" / how.driver);
            std::filesystem::create_symlink(root / "sys/drivers" / how.driver, pci / "driver");
        }
        if (how.group) {
            std::filesystem::create_directories(root / "sys/kernel/iommu_groups/7/devices");
            std::filesystem::create_symlink(root / "sys/kernel/iommu_groups/7",
                                            pci / "iommu_group");
        }
        offset_ = how.bar0 % 4096;
        set_register(8, 5);
        options.root = root;
    }
    fake_tree(const fake_tree&) = delete;
    fake_tree& operator=(const fake_tree&) = delete;
    ~fake_tree() {
        std::error_code ignored;
        std::filesystem::remove_all(root, ignored);
    }

    static void write(const std::filesystem::path& file, const std::string& text) {
        std::ofstream out{file, std::ios::binary};
        out << text;
        REQUIRE(out.flush());
    }
    [[nodiscard]] static std::string read(const std::filesystem::path& file) {
        std::ifstream in{file, std::ios::binary};
        return {std::istreambuf_iterator<char>{in}, {}};
    }

    /// Returns the path of BAR0's file. It has whole pages; BAR0 may begin inside one.
    void set_register(std::size_t at, std::uint32_t value) const {
        const int fd = ::open((pci / "resource0").c_str(), O_WRONLY | O_CLOEXEC);
        const auto offset = static_cast<off_t>(offset_ + at);
        REQUIRE(::pwrite(fd, &value, sizeof value, offset) == sizeof value);
        ::close(fd);
    }
    [[nodiscard]] std::uint32_t get_register(std::size_t at) const {
        std::uint32_t value = 0;
        const std::string bytes = read(pci / "resource0");
        std::memcpy(&value, bytes.data() + offset_ + at, sizeof value);
        return value;
    }

    /// Adds /dev/uio0 to sysfs; the test creates the node itself.
    [[nodiscard]] std::filesystem::path add_uio(std::uint32_t events = 0) const {
        std::filesystem::create_directories(pci / "uio/uio0/maps");
        write(pci / "uio/uio0/event", std::to_string(events) + "\n");
        return root / "dev/uio0";
    }

    [[nodiscard]] ivshmem::device open() const {
        return ivshmem::device::open("0000:00:04.0", options);
    }
    /// Opens a device that must fail.
    /// @return The message.
    std::string fail(const std::error_condition& wanted) const {
        std::string what;
        std::error_code code;
        try {
            static_cast<void>(open());
        } catch (const ivshmem::error& e) {
            what = e.what();
            code = e.code();
        }
        INFO(what);
        CHECK(code == wanted);
        return what;
    }
    std::string fail(ivshmem::errc wanted) const {
        return fail(std::error_condition{static_cast<int>(wanted), ivshmem::error_category()});
    }

    std::filesystem::path root;
    std::filesystem::path pci;
    ivshmem::open_options options;

  private:
    static std::string resource(const shape& how) {
        std::string lines =
            ivshmem::formatted("{:#018x} {:#018x} {:#018x}\n{:#018x} {:#018x} {:#018x}\n"
                               "{:#018x} {:#018x} {:#018x}\n",
                               how.bar0, how.bar0 + how.bar0_bytes - 1, 0x40200, 0xfebf2000U,
                               0xfebf2fffU, 0x40200, how.bar2, how.bar2 + bar2_bytes - 1, 0x14220c);
        for (int i = 3; i < 7; ++i)
            lines += "0x0000000000000000 0x0000000000000000 0x0000000000000000\n";
        return lines;
    }
    static std::string config(const shape& how) {
        std::string bytes(256, '\0');
        const auto put = [&](std::size_t at, unsigned value) {
            bytes[at] = static_cast<char>(value & 0xffU);
            bytes[at + 1] = static_cast<char>(value >> 8U);
        };
        put(0, 0x1af4);
        put(2, 0x1110);
        put(4, how.decodes ? 2 : 0); // the command register
        put(0x3c, how.pin << 8U);
        if (how.vectors != 0) {
            put(6, 0x10);                // it has capabilities
            put(0x34, 0x40);             // the first
            put(0x40, 0x11);             // MSI-X, the last
            put(0x42, how.vectors - 1U); // table size - 1
        }
        return bytes;
    }

    std::uint64_t offset_ = 0;
};

/// Drops root privileges while it lives, so that permissions matter.
class as_nobody {
  public:
    as_nobody() {
        if (::geteuid() == 0)
            REQUIRE(::seteuid(65534) == 0);
    }
    as_nobody(const as_nobody&) = delete;
    as_nobody& operator=(const as_nobody&) = delete;
    ~as_nobody() {
        if (::getuid() == 0)
            static_cast<void>(!::seteuid(0));
    }
};

} // namespace test
