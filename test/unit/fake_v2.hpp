// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

// Devices of ivshmem-v2 in this process: the memory is real and protected as by the backends, the
// registers are made up, and the link does what a hypervisor does (Jailhouse,
// hypervisor/ivshmem.c).

#include "backends/v2_backend.hpp"
#include "base/wait_fds.hpp"
#include "device/device_impl.hpp"
#include "helpers/catch.hpp"

#include <array>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include <sys/mman.h>
#include <unistd.h>

namespace test {

class fake_v2_device;

/// The link between the devices of some peers.
class v2_link {
  public:
    explicit v2_link(std::uint32_t peers, std::uint64_t output = 64 * 1024,
                     std::uint64_t read_write = 4096)
        : layout{4096, read_write, output, {}}, max_peers{peers}, memory{::memfd_create(
                                                                      "v2", MFD_CLOEXEC)} {
        ivshmem::failure f;
        size = ivshmem::check_v2_sizes("link", layout, peers, f);
        REQUIRE_FALSE(f);
        REQUIRE(::ftruncate(memory.get(), static_cast<off_t>(size)) == 0);
        all = ivshmem::mapping{memory.get(), static_cast<std::size_t>(size), 0};
        REQUIRE(all);
    }

    [[nodiscard]] std::uint32_t& state_of(std::uint32_t peer) const {
        void* const table = all.bytes().data();
        return static_cast<std::uint32_t*>(table)[peer];
    }
    void set_state(std::uint32_t peer, std::uint32_t value) const;
    void interrupt(std::uint32_t peer, std::uint32_t vector) const;
    /// Opens the device of a peer.
    ivshmem::device open(std::uint16_t id, bool one_shot = false);

    ivshmem::v2_layout layout;
    std::uint32_t max_peers;
    std::uint64_t size = 0;
    ivshmem::unique_fd memory;
    ivshmem::mapping all; ///< as the hypervisor sees it
    std::map<std::uint32_t, fake_v2_device*> devices;
};

class fake_v2_device final : public ivshmem::v2_backend {
  public:
    static constexpr std::uint32_t vectors = 3;

    fake_v2_device(v2_link& link, std::uint16_t id, bool one_shot)
        : v2_backend{ivshmem::backend_kind::vfio, info()}, one_shot{one_shot}, link_{link} {
        words[0] = id;
        words[1] = link.max_peers;
        words[2] = words[4] = 1; // left by a process that was killed
        link.state_of(id) = 9;
        link.devices[id] = this;
        ivshmem::failure f;
        take_registers(ivshmem::v2_registers{words.data()}, f);
        REQUIRE_FALSE(f);
        facts_.doorbell = nullptr; // ring() is called
        facts_.vectors = vectors;
        std::vector<const ivshmem::mapping*> maps;
        for (const auto& [part, protection] : ivshmem::v2_parts(link.layout, link.max_peers, id))
            maps_.push_back(std::make_unique<ivshmem::mapping>(
                link.memory.get(), static_cast<std::size_t>(part.size),
                static_cast<off_t>(part.offset), protection));
        for (const auto& map : maps_)
            maps.push_back(map.get());
        take_sections(ivshmem::v2_sections_in(link.layout, maps), {},
                      ivshmem::cache_mode::write_back, "made up", f);
        std::vector<int> fds;
        for (std::uint32_t vector = 0; vector < (one_shot ? 1 : vectors); ++vector) {
            eventfds.push_back(ivshmem::make_eventfd("fake", f));
            fds.push_back(eventfds.back().get());
        }
        start(fds, -1, {}, f);
        REQUIRE_FALSE(f);
    }
    ~fake_v2_device() override {
        if (::getpid() == made_by_)
            link_.set_state(facts_.id, 0);
        leave();
        link_.devices.erase(facts_.id);
    }

    void ring(std::uint16_t peer, std::uint16_t vector, ivshmem::failure& /*f*/) override {
        link_.interrupt(peer, vector);
    }
    [[nodiscard]] std::uint32_t state(ivshmem::failure& /*f*/) const override {
        return link_.state_of(facts_.id);
    }
    void set_state(std::uint32_t value, ivshmem::failure& /*f*/) override {
        link_.set_state(facts_.id, value);
    }

    const bool one_shot;
    std::array<std::uint32_t, 5> words{};
    std::vector<ivshmem::unique_fd> eventfds;

  private:
    static ivshmem::device_info info() {
        ivshmem::device_info made;
        made.generation = ivshmem::device_generation::v2;
        made.type = ivshmem::device_type::doorbell;
        made.class_code = 0xff4001;
        return made;
    }
    std::uint64_t drain(ivshmem::failure& /*f*/) override {
        const std::uint64_t count = ivshmem::take_eventfd(eventfds.front().get());
        if (one_shot)
            registers_.write(ivshmem::v2_registers::int_control, 1);
        return count;
    }

    v2_link& link_;
    const pid_t made_by_ = ::getpid();
    std::vector<std::unique_ptr<ivshmem::mapping>> maps_;
};

inline void v2_link::interrupt(std::uint32_t peer, std::uint32_t vector) const {
    const auto found = devices.find(peer);
    if (found == devices.end() || vector >= fake_v2_device::vectors)
        return;
    fake_v2_device& target = *found->second;
    if (target.words[2] == 0)
        return;
    if (target.one_shot)
        target.words[2] = 0;
    ivshmem::signal_eventfd(target.eventfds[target.one_shot ? 0 : vector].get());
}

inline void v2_link::set_state(std::uint32_t peer, std::uint32_t value) const {
    if (std::exchange(state_of(peer), value) == value)
        return;
    for (const auto& [other, unused] : devices)
        if (other != peer)
            interrupt(other, 0);
}

inline ivshmem::device v2_link::open(std::uint16_t id, bool one_shot) {
    ivshmem::failure f;
    auto made = ivshmem::detail::device_maker::make(
        std::make_unique<fake_v2_device>(*this, id, one_shot), f);
    REQUIRE_FALSE(f);
    return made;
}

} // namespace test
