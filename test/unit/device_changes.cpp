// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "discovery/device_changes.hpp"

#include "helpers/catch.hpp"

#include <string>
#include <string_view>
#include <utility>
#include <vector>

using namespace ivshmem;

namespace {

constexpr std::uint64_t unset = 0x20000000;

pci_address address(const char* text) {
    const auto parsed = parse_pci_address(text);
    REQUIRE(parsed.has_value());
    return *parsed;
}

/// Returns a device that the kernel has set up.
device_info whole(const char* where = "0000:01:00.0") {
    device_info info;
    info.address = address(where);
    info.bars[0] = {0xfebf1000, 256, 0x40200};
    info.bars[2] = {0xfe000000, 65536, 0x14220c};
    info.resource0 = device_node{"resource0", true, true, true, ""};
    info.resource2 = device_node{"resource2", true, true, true, ""};
    return info;
}

/// Passes the present devices, with the identities from when they were first seen.
void look(device_changes& changes, const std::vector<device_info>& devices, bool insist = false) {
    std::vector<device_sighting> seen;
    for (const auto& device : devices)
        seen.push_back({device, 1});
    changes.look(std::move(seen), insist);
}

/// Returns the changes as text, such as "added 0000:01:00.0, removed 0000:01:00.0".
std::string changes_of(device_changes& changes) {
    std::string text;
    while (const auto change = changes.next())
        text += (text.empty() ? "" : ", ") + std::string{to_string(change->type)} + " " +
                to_string(change->device.address);
    CHECK(changes.empty());
    return text;
}

} // namespace

TEST_CASE("a present device is added once, and removed when it is absent") {
    device_changes changes;
    CHECK(changes.empty());
    look(changes, {whole()});
    CHECK_FALSE(changes.empty());
    CHECK_FALSE(changes.unsettled());
    CHECK(changes_of(changes) == "added 0000:01:00.0");
    look(changes, {whole()});
    CHECK(changes_of(changes).empty());
    look(changes, {whole(), whole("0000:02:00.0")});
    CHECK(changes_of(changes) == "added 0000:02:00.0");
    look(changes, {whole("0000:02:00.0")});
    CHECK(changes_of(changes) == "removed 0000:01:00.0");
    look(changes, {});
    CHECK(changes_of(changes) == "removed 0000:02:00.0");
    look(changes, {});
    CHECK(changes_of(changes).empty());
}

TEST_CASE("a device that was removed and came back is a new device, even if it looks the same") {
    device_changes changes;
    look(changes, {whole()});
    changes_of(changes);
    changes.look({{whole(), 2}}, false);
    CHECK(changes_of(changes) == "removed 0000:01:00.0, added 0000:01:00.0");
    changes.look({{whole(), 2}}, false);
    CHECK(changes_of(changes).empty());
    SECTION("it comes back later") {
        auto coming = whole();
        coming.resource0.reset();
        changes.look({{coming, 3}}, false);
        CHECK(changes_of(changes) == "removed 0000:01:00.0");
        changes.look({{whole(), 3}}, false);
        CHECK(changes_of(changes) == "added 0000:01:00.0");
    }
}

TEST_CASE("facts that matter for opening a device are changes") {
    device_changes changes;
    auto now = whole();
    look(changes, {now});
    changes_of(changes);
    SECTION("its driver") {
        now.driver = "vfio-pci";
    }
    SECTION("its node") {
        now.vfio_node = device_node{"/dev/vfio/7", true, false, false, ""};
    }
    SECTION("the permissions of a node") {
        now.resource2->writable = false;
    }
    SECTION("the group that may use a node") {
        now.resource2->group = "ivshmem";
    }
    SECTION("another device of its IOMMU group") {
        now.group_members.push_back({address("0000:01:01.0"), "e1000e", false});
    }
    SECTION("whether it answers") {
        now.gone = true;
    }
    look(changes, {now});
    const auto change = changes.next();
    REQUIRE(change.has_value());
    CHECK(change->type == device_change::kind::changed);
    CHECK(change->device == now);
    look(changes, {now});
    CHECK(changes_of(changes).empty());
    look(changes, {whole()});
    CHECK(changes_of(changes) == "changed 0000:01:00.0");
}

TEST_CASE("fields that change when a device is opened are no change, but are updated") {
    device_changes changes;
    auto now = whole();
    look(changes, {now});
    changes_of(changes);
    now.enabled = true;
    now.problems.emplace_back("numa_node: no such file");
    look(changes, {now});
    CHECK(changes_of(changes).empty());
    look(changes, {});
    const auto change = changes.next();
    REQUIRE(change.has_value());
    CHECK(change->type == device_change::kind::removed);
    CHECK(change->device == now); // as it was last seen
}

TEST_CASE("a device is added when the kernel has set it up, or takes too long") {
    device_changes changes;
    auto coming = whole();
    const auto* const lack = GENERATE("files", "a file", "addresses", "BARs");
    CAPTURE(lack);
    if (lack == std::string_view{"addresses"})
        coming.bars[2] = {0, 65536, 0x14220c | unset};
    else
        coming.resource2.reset();
    if (lack == std::string_view{"files"} || lack == std::string_view{"BARs"})
        coming.resource0.reset();
    if (lack == std::string_view{"BARs"})
        coming.bars = {};
    look(changes, {coming, whole("0000:02:00.0")});
    CHECK(changes.unsettled());
    CHECK(changes_of(changes) == "added 0000:02:00.0");
    SECTION("done") {
        look(changes, {whole(), whole("0000:02:00.0")});
        CHECK_FALSE(changes.unsettled());
        CHECK(changes_of(changes) == "added 0000:01:00.0");
    }
    SECTION("accepted although incomplete") {
        look(changes, {coming, whole("0000:02:00.0")}, true);
        CHECK_FALSE(changes.unsettled());
        CHECK(changes_of(changes) == "added 0000:01:00.0");
        look(changes, {whole(), whole("0000:02:00.0")});
        CHECK(changes_of(changes) == "changed 0000:01:00.0");
    }
    SECTION("removed before it was added") {
        look(changes, {whole("0000:02:00.0")});
        CHECK_FALSE(changes.unsettled());
        CHECK(changes_of(changes).empty());
    }
}

TEST_CASE("a device that is being removed is removed, not changed first") {
    device_changes changes;
    look(changes, {whole()});
    changes_of(changes);
    auto going = whole();
    going.resource0.reset();
    going.resource2.reset();
    look(changes, {going});
    CHECK(changes.unsettled());
    CHECK(changes_of(changes).empty());
    SECTION("and is removed") {
        look(changes, {});
        CHECK(changes_of(changes) == "removed 0000:01:00.0");
    }
    SECTION("and stays incomplete") {
        look(changes, {going}, true);
        CHECK(changes_of(changes) == "changed 0000:01:00.0");
    }
    CHECK_FALSE(changes.unsettled());
}
