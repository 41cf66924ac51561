# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""The known pitfalls of this device, and the tests that show that the library avoids them.

Not all of them need a VM: names with dots are tests of this folder; all others are test cases, or checks of the
conformance program, anywhere below test/. If a test is renamed, it must be renamed here too.
"""

from __future__ import annotations

import unittest
from pathlib import Path

TOP = Path(__file__).resolve().parents[1]

PITFALLS: dict[str, tuple[str, ...]] = {
    "uncached memory: choose, verify and report the mode; the first mapping wins": (
        "test_memory.Modes.test_below_4_gib_write_combining_is_the_best",
        "test_memory.Modes.test_above_4_gib_write_back_is_to_be_had",
        "test_memory.Modes.test_insisting_on_a_mode",
        "test_memory.Modes.test_igb_uio_maps_first",
        "test_memory.Modes.test_what_cannot_be_verified_is_said",
    ),
    "BAR0 may begin inside a page that others share": (
        "test_registers.Places.test_registers_inside_a_page_of_others",
    ),
    "memory decoding and bus mastering may be disabled behind the library's back": (
        "test_registers.Places.test_memory_decoding_switched_off",
        "test_sharing.Sharing.test_signals",
        "a device that does not decode memory is an error",
    ),
    "stores to the memory must be visible before the ring": (
        "test_peers.Peers.test_two_guests_with_4_vectors",
        "test_without_iommu.WithoutIommu.test_two_of_igb_uio",
    ),
    "a ring may be lost, come early, or merge with others": (
        "test_registers.Rings.test_before_the_peer_listens",
        "test_registers.Rings.test_absent_peers",
        "test_registers.Rings.test_storm",
        "test_lifecycle.Restarts.test_3_guest_killed",
        "test_device_pitfalls.Pitfalls.test_rings_at_masked_vectors_are_dropped",
        "test_device_states.States.test_4_no_interrupt_is_lost",
    ),
    "ivshmem-v2: one-shot interrupts, read-only sections, no BAR2": (
        "Jailhouse: v2 is recognised, with the protocol in its class and sections",
        "an ivshmem-v2 device whose memory has a fixed address is not for vfio-pci",
        "test_device_states.States.test_3_sections_are_their_owners",
        "test_device_protection.Protected.test_1_stores_into_foreign_sections_do_not_arrive",
        "test_device_uio.NamedMaps.test_memory_at_a_fixed_address",
    ),
    "an id of 0 means nothing; revision 0 gets its id late; all-ones is no device; ids change": (
        "an id is 0 to 65535, on every revision",
        "registers that cannot be read: the device is gone, with any timeout",
        "test_device_pitfalls.Pitfalls.test_id_that_never_comes",
        "test_device_pitfalls.Pitfalls.test_id_that_comes_late",
        "test_device_pitfalls.Pitfalls.test_registers_of_all_ones",
        "test_device_uio.NamedMaps.test_v2",
        "test_peers.Peers.test_alone_with_4_vectors",
        "test_lifecycle.Unplug.test_while_waiting_and_again",
    ),
    "a peer may have more vectors or fewer; 256 becomes 0": (
        "test_peers.Peers.test_vfio_and_igb_uio",
        "test_registers.Rings.test_vectors_that_the_device_lacks_itself",
        "a vector above 255 may be rung if the device has that many",
    ),
    "devices without BAR1, BAR1 without MSI-X, BAR2 that is not prefetchable": (
        "Cloud Hypervisor has no BAR1, and BAR0 may begin within a page",
        "ACRN's device model: BAR1 without MSI-X is plain, and BAR2 may lack resource2_wc",
        "without resource2_wc the memory is uncached",
        "a device without its registers or without its memory",
        "test_device_profiles.Profiles.test_acrn_of_the_device_model",
        "test_device_profiles.Profiles.test_cloud_hypervisor",
    ),
    "VFIO: vectors that are unavailable, a group that is not free, descriptors that must stay open": (
        "test_registers.Scarcity.test_vectors_that_the_kernel_cannot_give",
        "test_sharing.Sharing.test_group_that_is_not_viable",
        "test_sharing.Sharing.test_two_devices_of_one_group_in_one_process",
        "test_sharing.NoRemapping.test_it_is_said",
    ),
    "UIO: a node without an interrupt is always ready; files that cannot be mapped": (
        "test_without_iommu.WithoutIommu.test_uio_pci_generic_alone",
        "test_lifecycle.Unplug.test_igb_uio_unbound_while_waiting",
        "test_memory.LockedDown.test_without_vfio_it_is_refused",
    ),
    "sizes have 64 bits and come from sysfs": (
        "test_memory.Modes.test_above_4_gib_write_back_is_to_be_had",
        "test_tools.Lsivshmem.test_drivers",
        "QEMU's ivshmem-plain, 2 GiB",
    ),
    "peers and servers are not trusted": (
        "a server may die after any byte of the greeting",
        "a greeting that breaks the protocol is an error that names the socket",
        "by default the memory is 4 MiB that no client can resize",
    ),
    "the content of the memory may be older than this boot": (
        "test_lifecycle.Restarts.test_1_reboot",
        ".every-page",
    ),
    "registers are little-endian": (
        "registers are little-endian and end where the bytes end",
        "mapped registers are at the offsets of the specification",
    ),
    "modes differ between peers, on the same page": (
        "test_peers.Peers.test_host_and_two_guests",
        "test_without_iommu.WithoutIommu.test_guest_and_host",
    ),
    "a device may report an error, or be unplugged; a reset keeps its id": (
        "test_device_pitfalls.Pitfalls.test_device_error",
        "test_lifecycle.Unplug.test_while_waiting_and_again",
        "test_lifecycle.Unplug.test_device_that_is_not_closed",
        "test_lifecycle.Restarts.test_1_reboot",
    ),
}


class Pitfalls(unittest.TestCase):
    def test_each_has_tests(self) -> None:
        cases = "".join(path.read_text("utf-8") for path in TOP.rglob("*.cpp"))
        loader = unittest.TestLoader()
        for pitfall, names in PITFALLS.items():
            for name in names:
                with self.subTest(pitfall=pitfall, name=name):
                    if name.startswith("test_"):
                        loader.errors.clear()
                        self.assertGreater(loader.loadTestsFromName(name).countTestCases(), 0)
                        self.assertEqual(loader.errors, [])
                    else:
                        self.assertTrue(f'"{name}"' in cases, "no such test")
