// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "backends/registers.hpp"

#include "base/unique_fd.hpp"
#include "helpers/catch.hpp"

#include <array>
#include <chrono>

#include <sys/mman.h>

using namespace ivshmem;
using namespace std::chrono_literals;

namespace {

constexpr std::uint32_t all_ones = 0xffffffff;

struct mapped {
    alignas(4096) std::array<std::uint32_t, 64> words{};
    registers regs{words.data()};
};

/// BAR0 at an offset in a descriptor, as with VFIO.
struct through_file {
    static constexpr std::uint64_t region = 0x10000;
    through_file() : fd{::memfd_create("bar0", MFD_CLOEXEC)} {
        REQUIRE(::ftruncate(fd.get(), region + 256) == 0);
        regs = registers{fd.get(), region};
    }
    void set(std::size_t at, std::uint32_t value) const {
        REQUIRE(::pwrite(fd.get(), &value, 4, static_cast<off_t>(region + at)) == 4);
    }
    [[nodiscard]] std::uint32_t get(std::size_t at) const {
        std::uint32_t value = 0;
        REQUIRE(::pread(fd.get(), &value, 4, static_cast<off_t>(region + at)) == 4);
        return value;
    }
    unique_fd fd;
    registers regs;
};

std::uint16_t id_of(const registers& regs, unsigned revision, failure& f,
                    std::chrono::milliseconds timeout = 20ms) {
    return regs.wait_for_id("0000:00:04.0", revision, timeout, f);
}

} // namespace

TEST_CASE("mapped registers are at the offsets of the specification") {
    mapped m;
    m.words[0] = 10;
    m.words[1] = 11;
    m.words[2] = 12;
    CHECK(m.regs.read(registers::intr_mask) == 10);
    CHECK(m.regs.read(registers::intr_status) == 11);
    CHECK(m.regs.read(registers::iv_position) == 12);
    CHECK(m.regs.write(registers::doorbell, 0x00050003));
    CHECK(m.words[3] == 0x00050003);
    CHECK(m.regs.mapped_doorbell() == &m.words[3]);
    for (std::size_t i = 4; i < m.words.size(); ++i)
        CHECK(m.words.at(i) == 0);
}

TEST_CASE("registers behind a descriptor") {
    const through_file file;
    file.set(8, 77);
    CHECK(file.regs.read(registers::iv_position) == 77);
    CHECK(file.regs.write(registers::doorbell, 0x00050003));
    CHECK(file.get(12) == 0x00050003);
    CHECK(file.get(16) == 0);
    CHECK(file.regs.mapped_doorbell() == nullptr);
    const registers broken{-1, 0};
    CHECK(broken.read(registers::iv_position) == all_ones);
    CHECK_FALSE(broken.write(registers::doorbell, 1));
    const registers beyond{file.fd.get(), through_file::region + 256};
    CHECK(beyond.read(registers::iv_position) == all_ones);
}

TEST_CASE("an id is 0 to 65535, on every revision") {
    mapped m;
    const auto revision = GENERATE(0U, 1U);
    for (const std::uint32_t id : {0U, 1U, 65535U}) {
        m.words[2] = id;
        failure f;
        CHECK(id_of(m.regs, revision, f) == id);
        CHECK_FALSE(f);
    }
    for (const std::uint32_t id : {65536U, 0x80000000U, 0xfffffffeU}) {
        m.words[2] = id;
        failure f;
        CHECK(id_of(m.regs, revision, f) == 0);
        CHECK(f.code() == errc::device_gone);
        CHECK(f.message().find("0000:00:04.0") == 0);
    }
}

TEST_CASE("registers that cannot be read: the device is gone, with any timeout") {
    failure f;
    id_of(registers{-1, 0}, GENERATE(0U, 1U), f, std::chrono::milliseconds::max());
    CHECK(f.code() == errc::device_gone);
}

TEST_CASE("revision 0: INTx is enabled, acknowledged and disabled") {
    const through_file file;
    file.set(4, 1);
    file.regs.enable_intx();
    CHECK(file.get(0) == 1);
    file.regs.acknowledge_intx(); // reads: a device clears IntrStatus
    CHECK(file.get(4) == 1);
    file.regs.disable_intx();
    CHECK(file.get(0) == 0);
    CHECK(file.get(8) == 0);
    CHECK(file.get(12) == 0);
}
