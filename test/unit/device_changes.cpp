// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "device_changes.hpp"

#include "../catch.hpp"

#include <string>

using namespace ivshmem;

namespace {

constexpr std::uint64_t unset = 0x20000000;

pci_address address(const char* text) {
    const auto parsed = parse_pci_address(text);
    REQUIRE(parsed.has_value());
    return *parsed;
}

/// One that the kernel has done with.
device_info whole(const char* where = "0000:01:00.0") {
    device_info info;
    info.address = address(where);
    info.bars[0] = {0xfebf1000, 256, 0x40200};
    info.bars[2] = {0xfe000000, 65536, 0x14220c};
    info.resource0 = device_node{"resource0", true, true, true, ""};
    info.resource2 = device_node{"resource2", true, true, true, ""};
    return info;
}

/// "added 0000:01:00.0, removed 0000:01:00.0"
std::string told(device_changes& changes) {
    std::string text;
    while (const auto change = changes.next())
        text += (text.empty() ? "" : ", ") + std::string{to_string(change->type)} + " " +
                to_string(change->device.address);
    CHECK(changes.empty());
    return text;
}

} // namespace

TEST_CASE("a device that is there is added, once, and removed when it is not there any more") {
    device_changes changes;
    CHECK(changes.empty());
    changes.look({whole()}, 10, false);
    CHECK_FALSE(changes.empty());
    CHECK_FALSE(changes.unsettled());
    CHECK(told(changes) == "added 0000:01:00.0");
    changes.look({whole()}, 11, false);
    CHECK(told(changes).empty());
    changes.look({whole(), whole("0000:02:00.0")}, 12, false);
    CHECK(told(changes) == "added 0000:02:00.0");
    changes.look({whole("0000:02:00.0")}, 13, false);
    CHECK(told(changes) == "removed 0000:01:00.0");
    changes.look({}, 14, false);
    CHECK(told(changes) == "removed 0000:02:00.0");
    changes.look({}, 15, false);
    CHECK(told(changes).empty());
}

TEST_CASE("one that was removed and came back is another one, though it looks the same") {
    device_changes changes;
    changes.look({whole()}, 10, false);
    told(changes);
    changes.removed(address("0000:01:00.0"), 11);
    changes.look({whole()}, 14, false);
    CHECK(told(changes) == "removed 0000:01:00.0, added 0000:01:00.0");
}

TEST_CASE("a removal of which is heard after a look has shown it is not reported again") {
    device_changes changes;
    changes.look({whole()}, 10, false);
    changes.look({}, 12, false);
    CHECK(told(changes) == "added 0000:01:00.0, removed 0000:01:00.0");
    SECTION("while it is away") {
        changes.removed(address("0000:01:00.0"), 11);
        CHECK(told(changes).empty());
    }
    SECTION("when it is back") {
        changes.look({whole()}, 15, false);
        CHECK(told(changes) == "added 0000:01:00.0");
        changes.removed(address("0000:01:00.0"), 11);
        changes.removed(address("0000:01:00.0"), 15);
        CHECK(told(changes).empty());
        changes.removed(address("0000:01:00.0"), 16);
        CHECK(told(changes) == "removed 0000:01:00.0");
    }
    SECTION("of a device that is none of ours") {
        changes.removed(address("0000:00:1f.3"), 20);
        CHECK(told(changes).empty());
    }
}

TEST_CASE("what matters to who wants to open a device is a change") {
    device_changes changes;
    auto now = whole();
    changes.look({now}, 1, false);
    told(changes);
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
    SECTION("that it does not answer") {
        now.gone = true;
    }
    changes.look({now}, 2, false);
    const auto change = changes.next();
    REQUIRE(change.has_value());
    CHECK(change->type == device_change::kind::changed);
    CHECK(change->device == now);
    changes.look({now}, 3, false);
    CHECK(told(changes).empty());
    changes.look({whole()}, 4, false);
    CHECK(told(changes) == "changed 0000:01:00.0");
}

TEST_CASE("what its use switches is no change, but is not forgotten") {
    device_changes changes;
    auto now = whole();
    changes.look({now}, 1, false);
    told(changes);
    now.enabled = true;
    now.problems.emplace_back("numa_node: no such file");
    changes.look({now}, 2, false);
    CHECK(told(changes).empty());
    changes.look({}, 3, false);
    const auto change = changes.next();
    REQUIRE(change.has_value());
    CHECK(change->type == device_change::kind::removed);
    CHECK(change->device == now); // as it was last seen
}

TEST_CASE("a device is added when the kernel has done with it, or takes too long") {
    device_changes changes;
    auto coming = whole();
    SECTION("the files of its BARs are not there yet") {
        coming.resource0.reset();
        coming.resource2.reset();
    }
    SECTION("one is not") {
        coming.resource2.reset();
    }
    SECTION("its BARs have no address yet") {
        coming.bars[2] = {0, 65536, 0x14220c | unset};
    }
    SECTION("it has no BARs") {
        coming.bars = {};
        coming.resource0.reset();
        coming.resource2.reset();
    }
    changes.look({coming, whole("0000:02:00.0")}, 1, false);
    CHECK(changes.unsettled());
    CHECK(told(changes) == "added 0000:02:00.0");
    SECTION("done") {
        changes.look({whole(), whole("0000:02:00.0")}, 2, false);
        CHECK_FALSE(changes.unsettled());
        CHECK(told(changes) == "added 0000:01:00.0");
    }
    SECTION("taken as it is") {
        changes.look({coming, whole("0000:02:00.0")}, 2, true);
        CHECK_FALSE(changes.unsettled());
        CHECK(told(changes) == "added 0000:01:00.0");
        changes.look({whole(), whole("0000:02:00.0")}, 3, false);
        CHECK(told(changes) == "changed 0000:01:00.0");
    }
    SECTION("gone before it was there") {
        changes.removed(address("0000:01:00.0"), 2);
        changes.look({whole("0000:02:00.0")}, 3, false);
        CHECK_FALSE(changes.unsettled());
        CHECK(told(changes).empty());
    }
}

TEST_CASE("a device that is going is removed, not changed first") {
    device_changes changes;
    changes.look({whole()}, 1, false);
    told(changes);
    auto going = whole();
    going.resource0.reset();
    going.resource2.reset();
    changes.look({going}, 2, false);
    CHECK(changes.unsettled());
    CHECK(told(changes).empty());
    SECTION("and goes") {
        changes.look({}, 3, false);
        CHECK(told(changes) == "removed 0000:01:00.0");
    }
    SECTION("and stays so") {
        changes.look({going}, 3, true);
        CHECK(told(changes) == "changed 0000:01:00.0");
    }
    CHECK_FALSE(changes.unsettled());
}
