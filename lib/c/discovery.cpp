// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "c/api.hpp"
#include "c/described_device.hpp"
#include "c/failures.hpp"
#include "c/handles.hpp"
#include "c/structs.hpp"

#include <ivshmem/diagnosis.hpp>
#include <ivshmem/discovery.hpp>

#include <memory>
#include <utility>
#include <vector>

namespace ivshmem::capi {
namespace {

struct discovery_object {
    using handle_type = ivshmem_discovery;
    static constexpr handle_kind kind = handle_kind::discovery;

    struct found {
        described_device device;
        diagnosis verdict;
    };
    std::vector<found> devices;

    [[nodiscard]] const found& at(std::size_t index) const {
        require(index < devices.size(), "the discovery has not so many devices");
        return devices[index];
    }
};

} // namespace
} // namespace ivshmem::capi

using namespace ivshmem::capi;

extern "C" {

int ivshmem_discovery_open(const char* root, ivshmem_discovery** discovery) {
    return guarded([&] {
        require(discovery);
        auto made = std::make_unique<discovery_object>();
        for (auto& info : ivshmem::discover(root != nullptr ? root : "/").devices) {
            auto verdict = ivshmem::diagnose(info);
            made->devices.push_back({described_device{std::move(info)}, std::move(verdict)});
        }
        *discovery = make_handle(std::move(made));
    });
}

int ivshmem_discovery_close(ivshmem_discovery* discovery) {
    return guarded([&] { end_handle<discovery_object>(discovery); });
}

int ivshmem_discovery_get_count(ivshmem_discovery* discovery, size_t* count) {
    return guarded([&] {
        const auto& of = use<discovery_object>(discovery);
        require(count);
        *count = of.devices.size();
    });
}

int ivshmem_discovery_get_device(ivshmem_discovery* discovery, size_t index,
                                 ivshmem_device_info* info) {
    return guarded(
        [&] { give_facts(use<discovery_object>(discovery).at(index).device.in_c(), info); });
}

int ivshmem_discovery_get_diagnosis(ivshmem_discovery* discovery, size_t index,
                                    ivshmem_diagnosis* diagnosis) {
    return guarded([&] {
        const auto& of = use<discovery_object>(discovery).at(index).verdict;
        ivshmem_diagnosis result{};
        result.can_map = of.can_map ? 1 : 0;
        result.can_ring = of.can_ring ? 1 : 0;
        result.can_interrupt = of.can_interrupt ? 1 : 0;
        result.problem = of.problem.c_str();
        result.remedy = of.remedy.c_str();
        result.driver = of.driver.c_str();
        result.driver_remedy = of.driver_remedy.c_str();
        result.iommu_remedy = of.iommu_remedy.c_str();
        result.remapping_remedy = of.remapping_remedy.c_str();
        result.msi_problem = of.msi_problem.c_str();
        result.msi_remedy = of.msi_remedy.c_str();
        give_facts(result, diagnosis);
    });
}

int ivshmem_discovery_get_problem(ivshmem_discovery* discovery, size_t index, size_t problem,
                                  const char** text) {
    return guarded([&] {
        const auto& problems = use<discovery_object>(discovery).at(index).device.info().problems;
        require(text);
        require(problem < problems.size(), "the device has not so many problems");
        *text = problems[problem].c_str();
    });
}

} // extern "C"
