// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "link.hpp"

namespace ivshmem_device {

class link::member final : public membership {
  public:
    member(link& of, std::uint16_t id, peer& device) : link_{of}, id_{id} {
        link_.peers_[id] = &device;
    }
    member(const member&) = delete;
    member& operator=(const member&) = delete;
    ~member() override { link_.peers_.erase(id_); }

    void ring(std::uint16_t target, std::uint16_t vector) override {
        const auto found = link_.peers_.find(target);
        if (found != link_.peers_.end())
            found->second->interrupt(vector);
    }
    void notify_others() override {
        for (const auto& [id, other] : link_.peers_) {
            if (id != id_)
                other->interrupt(0);
        }
    }

  private:
    link& link_;
    std::uint16_t id_;
};

std::unique_ptr<membership> link::join(std::uint16_t id, peer& device) {
    return std::make_unique<member>(*this, id, device);
}

} // namespace ivshmem_device
