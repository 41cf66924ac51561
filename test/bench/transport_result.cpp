// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors

#include "transport_result.hpp"

#include <algorithm>
#include <cstdio>

namespace bench {

roundtrip_result::roundtrip_result(std::vector<std::uint32_t> times) : count{times.size()} {
    if (times.empty())
        throw std::runtime_error{"not one round trip was made in the time"};
    std::sort(times.begin(), times.end());
    const auto at = [&](double part) {
        return times[std::min(times.size() - 1, std::size_t(part * double(times.size())))];
    };
    min = times.front();
    median = at(0.5);
    p99 = at(0.99);
    p999 = at(0.999);
}

namespace {

struct printer {
    std::size_t size;

    void operator()(const throughput_result& got) const {
        const double rate = got.seconds > 0 ? double(got.messages) / got.seconds : 0;
        std::printf("\"messages\": %llu, \"seconds\": %.6f, \"messages_per_second\": %.6g, "
                    "\"bytes_per_second\": %.6g}\n",
                    static_cast<unsigned long long>(got.messages), got.seconds, rate,
                    rate * double(size));
    }
    void operator()(const roundtrip_result& got) const {
        std::printf("\"round_trips\": %zu, \"min_ns\": %u, \"median_ns\": %u, \"p99_ns\": %u, "
                    "\"p999_ns\": %u}\n",
                    got.count, got.min, got.median, got.p99, got.p999);
    }
    void operator()(const skipped_result& got) const {
        std::printf("\"skipped\": \"%s\"}\n", got.why.c_str());
    }
};

} // namespace

void print(std::string_view transport, const request& asked, const std::array<int, 2>& processors,
           const result& got) {
    std::printf("{\"transport\": \"%.*s\", \"what\": \"%s\", \"wait\": \"%s\", \"size\": %zu, "
                "\"processors\": [%d, %d], ",
                int(transport.size()), transport.data(),
                asked.what == measured::throughput ? "throughput" : "roundtrip",
                asked.wait == waiting::spin ? "spin" : "sleep", asked.size, processors[0],
                processors[1]);
    std::visit(printer{asked.size}, got);
}

} // namespace bench
