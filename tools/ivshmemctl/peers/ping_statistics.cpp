// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "peers/ping_statistics.hpp"

#include "common/print.hpp"

#include <boost/json.hpp>

#include <algorithm>
#include <bit>
#include <cmath>

namespace ivshmemctl {
namespace {

constexpr double per_millisecond = 1e6;

} // namespace

void ping_statistics::received(duration round_trip) noexcept {
    const auto time = static_cast<std::uint64_t>(std::max<std::int64_t>(round_trip.count(), 0));
    const auto exact = static_cast<double>(time);
    ++received_;
    min_ = std::min(min_, time);
    max_ = std::max(max_, time);
    sum_ += exact;
    squares_ += exact * exact;
    ++buckets_.at(bucket_of(time));
}

std::size_t ping_statistics::bucket_of(std::uint64_t nanoseconds) noexcept {
    const auto width = static_cast<unsigned>(std::bit_width(nanoseconds));
    if (width <= parts_shift) // a bucket for each value
        return nanoseconds;
    const unsigned shift = width - 1 - parts_shift;
    return (std::size_t{shift + 1} << parts_shift) + (nanoseconds >> shift) - (1U << parts_shift);
}

double ping_statistics::middle_of(std::size_t bucket) noexcept {
    const std::size_t group = bucket >> parts_shift;
    const auto part = static_cast<double>(bucket - (group << parts_shift));
    if (group == 0)
        return part;
    return std::ldexp((1U << parts_shift) + part + 0.5, static_cast<int>(group) - 1);
}

ping_statistics::duration ping_statistics::median() const noexcept {
    if (received_ == 0)
        return {};
    std::uint64_t seen = 0;
    std::size_t bucket = 0;
    while ((seen += buckets_.at(bucket)) * 2 < received_)
        ++bucket;
    const auto middle = static_cast<std::uint64_t>(middle_of(bucket));
    return duration{static_cast<std::int64_t>(std::clamp(middle, min_, max_))};
}

double ping_statistics::mean() const noexcept {
    return sum_ / static_cast<double>(received_);
}

double ping_statistics::deviation() const noexcept {
    const double average = mean();
    return std::sqrt(std::max(0.0, squares_ / static_cast<double>(received_) - average * average));
}

double ping_statistics::lost_percent() const noexcept {
    if (sent_ == 0)
        return 0;
    return 100.0 * static_cast<double>(sent_ - received_) / static_cast<double>(sent_);
}

std::string ping_statistics::text() const {
    auto text =
        tools::format("{} sent, {} received, {:.3g}% lost", sent_, received_, lost_percent());
    if (received_ != 0)
        text += tools::format(
            "\nrtt min/avg/max/mdev = {:.4f}/{:.4f}/{:.4f}/{:.4f} ms, median {:.4f} "
            "ms",
            static_cast<double>(min_) / per_millisecond, mean() / per_millisecond,
            static_cast<double>(max_) / per_millisecond, deviation() / per_millisecond,
            static_cast<double>(median().count()) / per_millisecond);
    return text;
}

std::string ping_statistics::json() const {
    boost::json::object said{
        {"sent", sent_}, {"received", received_}, {"lost_percent", lost_percent()}};
    if (received_ != 0)
        said["rtt_ns"] = boost::json::object{{"min", min_},
                                             {"avg", std::llround(mean())},
                                             {"max", max_},
                                             {"mdev", std::llround(deviation())},
                                             {"median", median().count()}};
    return boost::json::serialize(said);
}

} // namespace ivshmemctl
