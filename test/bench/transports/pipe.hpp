// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "byte_stream.hpp"

namespace bench {

/// A pipe each way.
class pipe_pair {
  public:
    static constexpr std::string_view name = "pipe";

    explicit pipe_pair(const request& asked) {
        for (auto* const pipe : {to_first_, to_second_}) {
            must(::pipe(pipe), "pipe");
            // Best effort: there is a limit of each user.
            ::fcntl(pipe[1], F_SETPIPE_SZ, int(ring_bytes));
            set_waiting(pipe[0], asked.wait);
            set_waiting(pipe[1], asked.wait);
        }
    }

    class end : public byte_stream_end {
      public:
        end(pipe_pair& made, side mine)
            : byte_stream_end{mine == side::first ? made.to_second_[1] : made.to_first_[1],
                              mine == side::first ? made.to_first_[0] : made.to_second_[0]} {}
    };

  private:
    int to_first_[2] = {-1, -1};
    int to_second_[2] = {-1, -1};
};

} // namespace bench
