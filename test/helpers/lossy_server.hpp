// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "helpers/fake_server.hpp"

#include <array>
#include <atomic>
#include <cstdint>
#include <future>
#include <random>
#include <thread>

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

namespace test {

/// Two peers, 0 and 1, whose rings pass through a thread of this server, which loses some of them.
class lossy_server {
  public:
    lossy_server()
        : forwarder_{[this] {
              forward();
          }} {}
    lossy_server(const lossy_server&) = delete;
    lossy_server& operator=(const lossy_server&) = delete;
    ~lossy_server() {
        ::eventfd_write(stop_.get(), 1);
        forwarder_.join();
    }

    ivshmem::device open(std::uint16_t id) {
        auto served = std::async(std::launch::async, [&, id] {
            connection link = server_.accept();
            link.send(0);
            link.send(id);
            link.send(-1, memory_);
            link.send(1 - id, doorbells_.at(1U - id));
            link.send(id, interrupts_.at(id));
            return link;
        });
        ivshmem::open_options options;
        options.vectors = 1;
        auto device = ivshmem::device::open(server_.selector(), options);
        links_.at(id) = served.get();
        return device;
    }
    /// Loses this percentage of rings.
    void lose(unsigned percent) { percent_ = percent; }
    void lose_next(int rings) { lose_next_ = rings; }
    [[nodiscard]] std::uint64_t forwarded() const { return forwarded_; }
    [[nodiscard]] std::uint64_t lost() const { return lost_; }
    /// Rings a peer without a reason.
    void forge(std::uint16_t id) const { ::eventfd_write(interrupts_.at(id).get(), 1); }

  private:
    void forward() {
        std::mt19937 random{1};
        for (;;) {
            std::array<pollfd, 3> all{{{doorbells_[0].get(), POLLIN, 0},
                                       {doorbells_[1].get(), POLLIN, 0},
                                       {stop_.get(), POLLIN, 0}}};
            if (::poll(all.data(), all.size(), -1) < 0)
                continue;
            if (all[2].revents != 0)
                return;
            for (std::uint16_t id = 0; id < 2; ++id) {
                if (all.at(id).revents == 0 || counter(doorbells_.at(id)) == 0)
                    continue;
                if (random() % 100 < percent_ || (lose_next_ > 0 && lose_next_-- > 0)) {
                    ++lost_;
                } else {
                    ++forwarded_;
                    forge(id);
                }
            }
        }
    }

    fake_server server_;
    const unique_fd memory_ = make_memfd(std::size_t{4} * 1024 * 1024);
    const unique_fd stop_ = make_eventfd(EFD_NONBLOCK);
    const std::vector<unique_fd> interrupts_ = make_eventfds(2); ///< the peers wait for these
    const std::vector<unique_fd> doorbells_ = make_eventfds(2);  ///< the peers write to these
    std::array<connection, 2> links_;
    std::atomic<unsigned> percent_{0};
    std::atomic<int> lose_next_{0};
    std::atomic<std::uint64_t> forwarded_{0};
    std::atomic<std::uint64_t> lost_{0};
    std::thread forwarder_;
};

} // namespace test
