// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "device_source.hpp"

#include "link.hpp"
#include "server_peer.hpp"
#include "v1_function.hpp"
#include "v2_function.hpp"

#include <utility>

namespace ivshmem_device {

using ivshmem::failure;

namespace {

constexpr std::uint32_t ram = 0x050000; ///< class code: memory controller, RAM
constexpr std::uint64_t largest_low_bar = std::uint64_t{32} << 20;

/// Returns how the devices of a profile look, except for the ids.
v1_settings v1_of(const options& o) {
    v1_settings s{.who = {.vendor = 0x1af4, .device = 0x1110, .revision = 1, .class_code = ram}};
    s.vectors = o.vectors;
    s.express = o.express;
    switch (o.what) {
    case profile::qemu: // hw/misc/ivshmem-pci.c: ivshmem-doorbell; without vectors ivshmem-plain
        s.who.subsystem_vendor = 0x1af4;
        s.who.subsystem = 0x1100;
        s.doorbell = o.vectors != 0;
        break;
    case profile::acrn_hv: // hypervisor/dm/vpci/ivshmem.c
        s.who.subsystem_vendor = 0x8086;
        s.who.subsystem = o.region;
        s.only_dwords = true;
        s.latches = false;
        break;
    case profile::acrn_dm: // devicemodel/hw/pci/ivshmem.c
        s.doorbell = false;
        s.mask = false;
        s.reserved = ~std::uint32_t{0};
        s.empty_bar1 = true;
        s.prefetchable = o.size > largest_low_bar;
        break;
    case profile::cloud_hypervisor: // pci/src/ivshmem.rs
        s.doorbell = false;
        s.mask = false;
        break;
    case profile::revision_0: // hw/misc/ivshmem.c before QEMU 2.6
        s.who.revision = 0;
        s.who.subsystem_vendor = 0x1af4;
        s.who.subsystem = 0x1100;
        s.intx = o.intx;
        s.late = o.late;
        if (o.intx)
            s.vectors = 0;
        break;
    case profile::v2:
    case profile::axvisor:
        break;
    }
    return s;
}

/// Returns whether devices of a profile have an id in IVPosition.
bool has_position(const options& o) {
    return o.what == profile::acrn_hv || o.what == profile::revision_0 ||
           (o.what == profile::qemu && o.vectors != 0);
}

class v2_source final : public device_source {
  public:
    v2_source(boost::asio::io_context& io, const options& o, shared_memory memory)
        : io_{io}, settings_{o.v2}, link_{std::move(memory)} {}

    void make(std::uint16_t vm, const std::string&, made done) override {
        done(std::make_unique<v2_function>(io_, settings_, vm, link_), {});
    }
    [[nodiscard]] std::string description() const override {
        const v2_layout& l = settings_.layout;
        return ivshmem::formatted(
            "states {}, read/write {}, output {} for each of {} peers: {} bytes, {}", l.state_table,
            l.read_write, l.output, l.max_peers, l.size(),
            settings_.protect ? "protected"
                              : "sections of other VMs are writable for each VM (see --protect)");
    }

  private:
    boost::asio::io_context& io_;
    v2_settings settings_;
    link link_;
};

class v1_source final : public device_source {
  public:
    v1_source(boost::asio::io_context& io, const options& o, shared_memory memory)
        : io_{io}, settings_{v1_of(o)},
          has_position_{has_position(o)}, first_{o.first_id}, link_{std::move(memory)} {}

    void make(std::uint16_t vm, const std::string&, made done) override {
        v1_settings s = settings_;
        const auto id = static_cast<std::uint16_t>(first_ + vm);
        s.position = has_position_ ? id : 0;
        auto device = std::make_unique<v1_function>(io_, s, link_.memory());
        device->enter(link_.join(id, *device));
        done(std::move(device), {});
    }
    [[nodiscard]] std::string description() const override {
        return ivshmem::formatted("{} bytes, vectors: {}", link_.memory().size(),
                                  settings_.vectors);
    }

  private:
    boost::asio::io_context& io_;
    v1_settings settings_;
    bool has_position_;
    std::uint16_t first_;
    link link_;
};

class server_source final : public device_source {
  public:
    server_source(boost::asio::io_context& io, const options& o)
        : io_{io}, settings_{v1_of(o)}, path_{o.server} {}

    void make(std::uint16_t, const std::string& name, made done) override {
        auto at = std::make_shared<server_peer>(io_, path_, settings_.vectors, name);
        at->join([this, at, done = std::move(done)](const failure& f) {
            if (f) {
                at->close();
                done(nullptr, f.message());
                return;
            }
            v1_settings s = settings_;
            s.position = settings_.vectors != 0 ? at->id() : std::uint16_t{0};
            auto device = std::make_unique<v1_function>(io_, s, at->memory());
            device->enter(std::make_unique<server_membership>(at, *device));
            done(std::move(device), {});
        });
    }
    [[nodiscard]] std::string description() const override {
        return ivshmem::formatted("memory of the ivshmem server at {}, vectors: {}", path_,
                                  settings_.vectors);
    }

  private:
    boost::asio::io_context& io_;
    v1_settings settings_;
    std::string path_;
};

} // namespace

std::unique_ptr<device_source> device_source::open(boost::asio::io_context& io, const options& o,
                                                   failure& f) {
    if (!o.server.empty())
        return std::make_unique<server_source>(io, o);
    const bool is_v2 = o.what == profile::v2 || o.what == profile::axvisor;
    shared_memory memory = shared_memory::create(is_v2 ? o.v2.layout.size() : o.size, f);
    if (f)
        return nullptr;
    if (is_v2)
        return std::make_unique<v2_source>(io, o, std::move(memory));
    return std::make_unique<v1_source>(io, o, std::move(memory));
}

} // namespace ivshmem_device
