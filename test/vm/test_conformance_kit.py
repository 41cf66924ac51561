# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""`ivshmemctl conformance` over a PCI device of a Linux guest, against a guest without an operating system and a host."""

from __future__ import annotations

import json
from typing import ClassVar

from channel_support import HostJob
from lab import BareMetal, Doorbell, Guest, Server, build_folder
from lab.case import LabCase
from lab.runner import long
from support import IVSHMEMCTL, PATIENCE

ECHO = build_folder() / "examples/echo"
HIDDEN = {"H4", "L3"}
"""Rules that are seen only by a client of the server: a device does not list its peers."""
ENDS = {"D2", "C3", "C4", "C5", "C6", "C7", "C8", "C9", "C10"}
"""Rules that are seen of a peer that comes again when it ends."""
ALWAYS = {"H1", "H2", "H3", "H8", "D1", "D3", "D4", "O1", "O11", "R1", "R2", "R4", "S2", "S4", "S5", "S7", "R12", "F1", "F5", "C1", "C2"}
"""Rules that are seen of each of these peers."""


@long("it boots Linux")
class ConformanceKit(LabCase):
    server: ClassVar[Server]
    linux: ClassVar[Guest]

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.server = cls.enterClassContext(Server(cls.work))
        guest = Guest(cls.work, "linux", devices=[Doorbell(cls.server.socket, 1)], programs=[IVSHMEMCTL], memory=512)
        cls.linux = cls.enterClassContext(guest)
        cls.linux.bind(cls.linux.address(), "vfio-pci")

    def assertFollows(self, slot: int, rules: set[str], *words: str) -> None:
        """Assert that the peer in a slot breaks no rule, and that these are seen."""
        # A peer on a busy machine must not be taken for a wrong one.
        command = f"{IVSHMEMCTL.name} -J -D {self.linux.address()} conformance --slot {slot} --claim-time 60000"
        ran = self.linux.run(" ".join([command, *words]), timeout=PATIENCE * 5, check=False)
        self.assertIn(ran.rc, (0, 64), ran.stderr)
        said = json.loads(ran.stdout)
        found = {rule["number"]: rule for rule in said["rules"]}
        broken = [rule for rule in found.values() if rule["verdict"] == "broken"]
        self.assertEqual(broken, [])
        self.assertTrue(said["complete"])
        self.assertEqual(ran.rc, 0, ran.stderr)
        self.assertEqual(said["slot"], slot)
        held = {number for number, rule in found.items() if rule["verdict"] == "holds"}
        self.assertLessEqual(rules, held, [rule for rule in found.values() if rule["verdict"] != "holds"])
        for number in HIDDEN:
            self.assertEqual(found[number]["verdict"], "not shown", found[number])

    def test_a_guest_without_an_operating_system(self) -> None:
        guest = BareMetal(self.work, "bare", append="slot=2 heartbeat=200", device=Doorbell(self.server.socket, 1))
        self.enterContext(guest).wait_output("offering echo in slot 2", PATIENCE)
        self.assertFollows(2, ALWAYS | ENDS, "--restarts --time-limit 20")  # it claims a slot again

    def test_a_process_of_the_host(self) -> None:
        job = HostJob(self.work, [str(ECHO), f"server:{self.server.socket}", "1", "server"])

        def end() -> None:
            job.signal("KILL")
            job.wait()

        self.addCleanup(end)
        job.wait_output("offering echo", PATIENCE)
        self.assertFollows(1, ALWAYS, "--time-limit 60")
