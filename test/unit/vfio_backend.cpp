// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors

// Failures of VFIO before the device is open.

#include "fake_tree.hpp"
#include "helpers/has.hpp"

using namespace ivshmem;
using test::fake_tree;
using test::has;

namespace {

fake_tree::shape bound(bool group) {
    fake_tree::shape how;
    how.driver = "vfio-pci";
    how.group = group;
    return how;
}

} // namespace

TEST_CASE("vfio-pci without an IOMMU group") {
    const fake_tree tree{bound(false)};
    const auto what = tree.fail(errc::iommu_missing);
    CHECK(has(what, "0000:00:04.0"));
    CHECK(has(what, "intel-iommu"));
}

TEST_CASE("a group without a node") {
    const fake_tree tree{bound(true)};
    const auto what = tree.fail(errc::iommu_missing);
    CHECK(has(what, (tree.root / "dev/vfio/7").string()));
    CHECK(has(what, "modprobe vfio-pci"));
}

TEST_CASE("a no-IOMMU group has another node") {
    const fake_tree tree{bound(true)};
    fake_tree::write(tree.root / "sys/kernel/iommu_groups/7/name", "vfio-noiommu\n");
    CHECK(has(tree.fail(errc::iommu_missing), "dev/vfio/noiommu-7"));
}

TEST_CASE("a node that this user may not open") {
    const fake_tree tree{bound(true)};
    fake_tree::write(tree.root / "dev/vfio/7", "");
    std::filesystem::permissions(tree.root / "dev/vfio/7", std::filesystem::perms::none);
    std::filesystem::permissions(tree.root, std::filesystem::perms::all);
    const test::as_nobody nobody;
    const auto what = tree.fail(errc::permission_denied);
    CHECK(has(what, (tree.root / "dev/vfio/7").string()));
    CHECK(has(what, "chgrp"));
}

TEST_CASE("a node that is not VFIO's, twice") {
    const fake_tree tree{bound(true)};
    fake_tree::write(tree.root / "dev/vfio/7", "");
    for (int i = 0; i < 2; ++i) { // the failure leaves no state
        const auto what = tree.fail(std::errc::inappropriate_io_control_operation);
        CHECK(has(what, (tree.root / "dev/vfio/7").string()));
        CHECK(has(what, "VFIO_GROUP_GET_STATUS"));
    }
}

TEST_CASE("the UIO backend does not take a device from vfio-pci") {
    fake_tree tree{bound(true)};
    tree.options.backend = backend_kind::uio;
    CHECK(has(tree.fail(errc::driver_unsuitable), "vfio-pci"));
}
