// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "bench/bench_channel.hpp"
#include "bench/bench_memory.hpp"
#include "bench/bench_rings.hpp"
#include "caught_signals.hpp"
#include "command.hpp"
#include "common/exit_status.hpp"
#include "common/print.hpp"
#include "memory/memory_part.hpp"
#include "number.hpp"
#include "open_device.hpp"
#include "subcommands.hpp"

#include <ivshmem/error.hpp>

#include <boost/json.hpp>

#include <algorithm>
#include <cstdio>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string_view>
#include <vector>

namespace ivshmemctl {
namespace {

namespace json = boost::json;
using ivshmem::cache_mode;

constexpr std::uint64_t default_length = 1U << 20U;

struct bench_options {
    memory_options memory{};
    bool write = false;
    bool channel = false;
};

/// Prints each figure as soon as it is measured, or all figures as JSON at the end.
class bench_report {
  public:
    explicit bench_report(bool json) : json_{json} {}

    void memory(std::string_view name, const bandwidth& b) {
        memory_.push_back({{"cache_mode", name},
                           {"read", b.read},
                           {"write", or_null(b.write)},
                           {"copy", or_null(b.copy)}});
        line(name, tools::format("read {:.0f} MiB/s{}{}", b.read, figure("write", b.write),
                                 figure("copy", b.copy)));
    }
    void no_memory(std::string_view name, const std::string& why) {
        memory_.push_back({{"cache_mode", name}, {"error", why}});
        line(name, "not available: " + why);
    }
    void ring(double ns) {
        all_["ring_ns"] = ns;
        line("ring", tools::format("{:.0f} ns", ns));
    }
    void round_trip(const char* member, std::string_view name, const round_times& times) {
        all_[member] = {{"median", median(times)},
                        {"min", times.front()},
                        {"max", times.back()},
                        {"count", times.size()}};
        line(name, tools::format("{:.2f} us ({:.2f} to {:.2f}, {} times)", median(times) / 1e3,
                                 times.front() / 1e3, times.back() / 1e3, times.size()));
    }
    void messages(const channel_speed& speed) {
        all_["small_messages"] = speed.small_per_second;
        all_["large_messages"] = {{"size", speed.large_size}, {"mib", speed.large_mib}};
        line("messages", tools::format("{:.0f} a second of 64 bytes; {:.0f} MiB/s in {} bytes",
                                       speed.small_per_second, speed.large_mib, speed.large_size));
    }
    void remark(std::string_view name, const std::string& text) { line(name, text); }
    void failure(const std::string& text) { all_["error"] = text; }
    void end() {
        if (!json_)
            return;
        all_["memory"] = memory_;
        tools::print("{}\n", json::serialize(all_));
    }

  private:
    static json::value or_null(const std::optional<double>& value) {
        return value ? json::value(*value) : json::value(nullptr);
    }
    static std::string figure(const char* name, const std::optional<double>& value) {
        return value ? tools::format(", {} {:.0f} MiB/s", name, *value) : "";
    }
    void line(std::string_view name, const std::string& text) const {
        if (json_)
            return;
        tools::print("{:<20} {}\n", name, text);
        std::fflush(stdout);
    }

    bool json_;
    json::object all_{};
    json::array memory_{};
};

void exit_if_interrupted() {
    if (caught_signals::arrived())
        caught_signals::exit("the memory that bench overwrote was restored");
}

/// Returns the requested part; without LENGTH, at most default_length bytes.
memory_options part_of(std::uint64_t size, const bench_options& options) {
    memory_options part = options.memory;
    if (!part.length)
        part.length = std::min(default_length, size - part.offset.value_or(0));
    return part;
}

/// Returns the whole pages around the part, of which the memory of a PCI device consists.
std::optional<ivshmem::memory_region> pages_of(const memory_options& part,
                                               const common_options& common) {
    const auto smallest = no_memory(common);
    if (!smallest)
        return std::nullopt;
    const auto offset = part.offset.value_or(0);
    const auto begin = offset - offset % smallest->size;
    const auto end = offset + *part.length + smallest->size - 1;
    return ivshmem::memory_region{begin, end - end % smallest->size - begin};
}

void bench_mode(const common_options& common, const bench_options& options,
                const memory_options& part, cache_mode mode, bench_report& report) {
    ivshmem::device device;
    const auto pages = pages_of(part, common);
    try {
        device = open_device(common, mode, pages);
    } catch (const ivshmem::error& e) {
        return report.no_memory(to_string(mode), e.what());
    }
    const auto bytes = device.memory().bytes().subspan(
        part.offset.value_or(0) - (pages ? pages->offset : 0), *part.length);
    const auto measured = [&] {
        std::optional<saved_bytes> kept; // restored before the output can fail or block
        if (options.write)
            kept.emplace(mode, bytes);
        return measure_bandwidth(mode, bytes, options.write);
    }();
    report.memory(to_string(mode), measured);
}

void bench_memory(const common_options& common, const bench_options& options,
                  const memory_options& part, bench_report& report) {
    std::vector<std::byte> own(*part.length);
    report.memory("private memory", measure_bandwidth(cache_mode::write_back, own, options.write));
    exit_if_interrupted();
    for (const auto mode :
         {cache_mode::write_back, cache_mode::write_combining, cache_mode::uncached}) {
        if (options.memory.cache.value_or(mode) != mode)
            continue;
        bench_mode(common, options, part, mode, report);
        exit_if_interrupted();
    }
}

void bench_rings(ivshmem::device& device, bench_report& report) {
    const auto& can = device.capabilities();
    if (!can.ring)
        return report.remark("ring", "the device has no doorbell");
    report.ring(measure_ring(device));
    exit_if_interrupted();
    if (can.interrupts == 0)
        return report.remark("ring to oneself", "no interrupt can be waited for");
    report.round_trip("self_ring_ns", "ring to oneself", measure_self_rings(device));
    exit_if_interrupted();
}

int bench(const common_options& common, const bench_options& options) {
    const caught_signals signals;
    bench_report report{common.json};
    memory_options part;
    {
        const memory_part best{common, options.memory};
        part = part_of(best.offset() + best.size(), options);
        if (*part.length == 0)
            throw std::runtime_error{
                best.name() + ": cannot measure 0 bytes; use a smaller OFFSET or a larger LENGTH"};
    }
    bench_memory(common, options, part, report);
    auto device = open_device(common, options.memory.cache,
                              options.channel ? std::nullopt : no_memory(common));
    try {
        bench_rings(device, report);
        if (options.channel) {
            const auto speed = measure_channel(device);
            exit_if_interrupted();
            report.round_trip("message_ns", "message and answer", speed.round_trips);
            report.messages(speed);
        }
    } catch (const ivshmem::error& e) { // the figures so far are still useful
        report.failure(e.what());
        report.end();
        throw;
    }
    report.end();
    return tools::exit_success;
}

} // namespace

void add_bench(subcommands& line) {
    auto sub = line.add("bench", "measure the memory and the doorbell");
    sub.footer("\nWithout LENGTH, 1M of the memory is used, or all of it if it is smaller. Only "
               "--write and\n--channel change the memory. They restore it, which discards changes "
               "by peers meanwhile." +
               std::string{number_help});
    auto options = std::make_shared<bench_options>();
    sub.add_flag("--write", options->write,
                 "also measure writing and copying: overwrites the part temporarily");
    sub.add_flag("--channel", options->channel,
                 "also measure messages: overwrites the memory temporarily");
    add_memory_options(sub, options->memory, false);
    sub.set_action([options](const common_options& common) { return bench(common, *options); });
}

} // namespace ivshmemctl
