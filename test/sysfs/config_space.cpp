// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "tree.hpp"

namespace fake {
namespace {

constexpr std::size_t size = 256;
constexpr std::uint8_t msix_at = 0x40; // where QEMU puts it
constexpr std::uint8_t vendor_at = 0x60;

class bytes {
  public:
    template <typename T>
    void put(std::size_t at, T value) {
        for (std::size_t i = 0; i < sizeof(T); ++i)
            data_.at(at + i) = static_cast<char>(value >> (8 * i) & 0xffU);
    }
    void put(std::size_t at, const std::string& text) { data_.replace(at, text.size(), text); }
    [[nodiscard]] std::string take() && { return std::move(data_); }

  private:
    std::string data_ = std::string(size, '\0');
};

} // namespace

std::string config_space(const function& f) {
    const bool msix = f.vectors != 0;
    const bool vendor = !f.vendor_capability.empty();
    bytes config;
    config.put(0x00, f.vendor);
    config.put(0x02, f.device);
    config.put(0x04, std::uint16_t(f.driver == "vfio-pci" || f.driver == "igb_uio" ? 0x506 : 0x2));
    config.put(0x06, std::uint16_t(msix || vendor ? 0x10 : 0));
    config.put(0x08, std::uint32_t(f.class_code << 8U | f.revision));
    for (std::size_t i = 0; i < f.bars.size(); ++i) {
        const auto& bar = f.bars.at(i);
        if (bar.size == 0)
            continue;
        const bool wide = (bar.flags & 0x100000U) != 0;
        config.put(0x10 + 4 * i, std::uint32_t(bar.start | (bar.flags & 0xfU)));
        if (wide)
            config.put(0x14 + 4 * i, std::uint32_t(bar.start >> 32U));
    }
    config.put(0x2c, f.subsystem_vendor);
    config.put(0x2e, f.subsystem_device);
    config.put(0x34, msix ? msix_at : vendor ? vendor_at : std::uint8_t{0});
    config.put(0x3d, f.pin);
    if (msix) {
        config.put(msix_at, std::uint8_t{0x11});
        config.put(msix_at + 1U, vendor ? vendor_at : std::uint8_t{0});
        config.put(msix_at + 2U, std::uint16_t(f.vectors - 1));
        config.put(msix_at + 4U, std::uint32_t{0x001});
        config.put(msix_at + 8U, std::uint32_t{0x801});
    }
    if (vendor) {
        config.put(vendor_at, std::uint8_t{0x09});
        config.put(vendor_at + 2U, f.vendor_capability);
    }
    return std::move(config).take();
}

} // namespace fake
