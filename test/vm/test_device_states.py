# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""Guests of an ivshmem-v2 device: states, sections and rings, guests that reboot or are killed, a killed model."""

from __future__ import annotations

import json

from device_support import bind
from lab import GuestGone, LabError
from lab.arch import AARCH64
from lab.kernel import Kernel, of_suite
from lab.processes import open_files
from lab.runner import long
from state_support import READ_WRITE, StatesCase
from support import PATIENCE, facts, probe


class States(StatesCase):
    """The tests run in the order of their numbers, because the last ones end a guest and the model."""

    def test_1_facts(self) -> None:
        for peer in (0, 1):
            found = dict(line.split(": ") for line in self.run_on(peer, "info").splitlines())
            wanted = {"id": peer, "max peers": 3, "protocol": 0, "read/write": READ_WRITE, "output": self.OUTPUT}
            self.assertEqual({name: int(found[name]) for name in wanted}, wanted)

    def test_1_facts_by_ivshmemctl(self) -> None:
        text = self.run_tool(0, "info")
        sections = f"state table 4K, read/write {READ_WRITE >> 10}K, output {self.OUTPUT >> 10}K a peer"
        for line in ("max peers      3", "protocol       0x0000, undefined", f"sections       {sections}",
                     f"memory         {READ_WRITE >> 10}K ({READ_WRITE} bytes), write-"):  # fmt: skip
            self.assertIn(f"\n{line}", text)
        self.assertRegex(text, r"(?m)^events .*states that change$")
        found = json.loads(self.run_tool(0, "info -J"))
        wanted = {"max_peers": 3, "protocol": 0, "size": READ_WRITE, "state_events": True}
        self.assertEqual({name: found[name] for name in wanted}, wanted)

    def test_1_memory_by_ivshmemctl(self) -> None:
        """The memory is the read/write section, not the whole BAR."""
        self.run_tool(0, f"fill 0x5a {READ_WRITE - 1}")
        self.assertEqual(self.run_tool(1, "read | wc -c").strip(), str(READ_WRITE))
        self.assertIn(" 5a ", self.run_tool(1, f"dump {READ_WRITE - 1}"))
        self.assertIn("past the end", self.run_tool(0, f"dump {READ_WRITE} 1", status=1))

    def test_1_the_conformance_kit_refuses(self) -> None:
        text = self.run_tool(0, "conformance --time-limit 1", status=1)
        self.assertRegex(text, r"checked on ivshmem v1 only, and this device is ivshmem-v2; use --socket PATH .*\n\Z")

    def test_1_together(self) -> None:
        self.together([self.party(0), self.party(1)], [3, 3], vectors=3)

    def test_2_states_are_seen_and_reported(self) -> None:
        first = self.hold(0, 7)
        second = self.hold(1, 0x80000001)
        first.wait_output("state 1 2147483649\n", PATIENCE)
        second.wait_output("state 0 7\n", PATIENCE)
        # An end of the program is a state of 0.
        second.signal("TERM")
        second.wait(PATIENCE).check()
        first.wait_output("state 1 0\n", PATIENCE)
        second = self.hold(1, 5)
        first.wait_output("state 1 5\n", PATIENCE)
        # So is the death of the program: the kernel resets a device behind a port when it is closed.
        second.signal("KILL")
        second.wait()
        first.wait_output("state 1 5\nstate 1 0\n", PATIENCE)
        # A device that cannot be reset keeps its state until it is opened again.
        second = self.hold(1, 6)
        first.signal("KILL")
        first.wait()
        second.signal("USR1")
        second.wait_output("checked: 0=7 ", PATIENCE)
        self.assertIn("own state: 0\n", self.run_on(0, "info"))
        second.wait_output("state 0 0\n", PATIENCE)

    def test_2_states_by_ivshmemctl(self) -> None:
        self.assertEqual(
            self.run_tool(0, "state"), "peer 0 has state 0 (own)\npeer 1 has state 0\npeer 2 has state 0\n"
        )
        self.assertEqual(self.run_tool(0, "peers"), "")
        holding = self.spawn_tool(1, "state 7")
        holding.wait_output("peer 1 has state 7 until Ctrl-C", PATIENCE)
        # Other commands of the same guest do not get the device meanwhile.
        self.assertIn("in use by another process", self.run_tool(1, "state", status=1))
        self.assertEqual(self.run_tool(0, "peers"), "peer 1, state 7\n")
        peers = json.loads(self.run_tool(0, "peers -J"))
        self.assertEqual(peers, {"id": 0, "peers": [{"id": 1, "slot": None, "state": 7, "absent": False}]})
        states = json.loads(self.run_tool(0, "state -J"))
        self.assertEqual(states, {"id": 0, "state": 0, "peers": [{"id": 1, "state": 7}, {"id": 2, "state": 0}]})
        watching = self.spawn_tool(0, "monitor")
        watching.wait_output(" peer 1 is there, with state 7\n", PATIENCE)
        holding.signal("TERM")
        self.assertEqual(holding.wait(PATIENCE).check().stdout.count("state 7"), 2)
        watching.wait_output(" peer 1 has state 0\n", PATIENCE)
        watching.signal("INT")
        watching.wait(PATIENCE).check()
        # As JSON, with the highest state; both hold one now.
        holding = self.spawn_tool(0, "state -q -J 0xffffffff")
        holding.wait_output('"state":4294967295', PATIENCE)
        other = self.spawn_tool(1, "state -q 5")
        other.wait_output("peer 0 has state 4294967295\npeer 1 has state 5 (own)\npeer 2 has state 0\n", PATIENCE)
        holding.wait_output('"state":5}', PATIENCE)
        other.signal("HUP")
        other.wait(PATIENCE).check()
        holding.wait_output('"state":0}\n', PATIENCE)
        holding.signal("INT")
        first, *changes = map(json.loads, holding.wait(PATIENCE).check().stdout.splitlines())
        self.assertEqual((first["id"], first["state"]), (0, 0xFFFFFFFF))
        self.assertEqual({change["event"] for change in changes}, {"state changed"})
        self.assertEqual([(change["peer"], change["state"]) for change in changes][-2:], [(1, 5), (1, 0)])

    def test_3_sections_are_their_owners(self) -> None:
        for peer in (0, 1):
            self.run_on(peer, "write", f"by-{peer}")
        for peer in (0, 1):
            for other in (0, 1):
                self.assertEqual(self.run_on(peer, "read", other), f"by-{other}\n")

    def test_3_sections_with_other_data_are_left_alone(self) -> None:
        """Only the peer's own section counts: no claim writes into the read/write section."""
        self.run_tool(0, f"fill 0x5a 0 {READ_WRITE}")
        for peer in (0, 1):
            self.run_on(peer, "write", f"by-{peer}")
            text = self.run_tool(peer, "serve", status=1)
            self.assertRegex(text, "the output section of this peer holds data that are not channels.* --reformat")
            self.assertEqual(self.run_on(peer, "read", peer), f"by-{peer}\n")
        for reformat in (" --reformat", ""):
            serving = self.spawn_tool(0, "serve" + reformat)
            serving.wait_output("in slot 0\n", PATIENCE)
            self.assertIn("3 sent, 3 received", self.run_tool(1, f"ping -c 3 -i 0.1{reformat}"))
            serving.signal("TERM")
            serving.wait(PATIENCE).check()

    def test_4_no_interrupt_is_lost(self) -> None:
        self.bounce(1000)

    @long("a hundred thousand rings take minutes")
    def test_4_no_interrupt_is_lost_of_100000(self) -> None:
        self.bounce(100_000)

    def bounce(self, rings: int) -> None:
        """Ring back and forth; each side waits for the interrupt alone, so a lost one is an error."""
        jobs = [self.spawn(peer, "bounce", 1 - peer, rings) for peer in (0, 1)]
        for job in jobs:
            self.assertIn(f"bounced {rings}\n", job.wait(600).check().stdout)

    def test_5_memory_of_guests_is_not_kept(self) -> None:
        for guest in self.guests:
            memory = {file for file, name in open_files(guest.pid).items() if "memory-backend-memfd" in name}
            self.assertEqual(len(memory), 1, f"the memory of {guest.name} is a descriptor of QEMU")
            self.assertFalse(memory & open_files(self.model_of_all.pid).keys())
        self.assertFalse([line for line in self.model_of_all.mappings() if "memory-backend" in line])

    @long("it boots a guest twice more")
    def test_6_reboot(self) -> None:
        watching = self.hold(0, 1)
        for round, hard in enumerate((False, True)):
            with self.subTest(hard=hard):
                state = 10 + round
                held = self.hold(1, state)
                watching.wait_output(f"state 1 {state}\n", PATIENCE)
                self.guests[1].reboot(hard=hard)
                with self.assertRaises(GuestGone):
                    held.wait()
                watching.wait_output(f"state 1 {state}\nstate 1 0\n", PATIENCE)
                bind(self.guests[1])
                self.assertIn("id: 1\n", self.run_on(1, "info"))

    def test_7_guest_killed(self) -> None:
        watching = self.hold(0, 1)
        self.hold(1, 9)
        watching.wait_output("state 1 9\n", PATIENCE)
        self.guests[1].kill()
        watching.wait_output("state 1 9\nstate 1 0\n", PATIENCE)
        # Its place is free for the next, and nobody else noticed.
        self.guests[1] = self.enterContext(self.guest_with_id(1))
        bind(self.guests[1])
        self.hold(1, 11)
        watching.wait_output("state 1 11\n", PATIENCE)
        self.assertFalse(watching.ended)

    def test_8_model_killed(self) -> None:
        held = self.hold(0, 1)
        self.model_of_all.kill()
        # The program uses the registers again when it is asked to. It does not close the device: the guest would change
        # its IOMMU's mappings, and QEMU aborts if a device model misses that.
        held.signal("USR1")
        held.wait_output(f"set: ivshmem {self.errc('device_gone')}\n", PATIENCE)
        self.assertEqual(self.guests[0].run("echo alive").stdout, "alive\n")
        for guest in self.guests:
            guest.kill()
        # QEMU does not connect again, but a guest that starts does.
        self.model_of_all.start()
        with self.guest_with_id(2) as guest:
            bind(guest)
            self.assertEqual(facts(probe(guest, "info", guest.address()))["id"], "2")


@long("it boots three guests")
class Three(StatesCase):
    GUESTS = 3

    def test_together(self) -> None:
        self.together([self.party(peer) for peer in range(3)], [3, 3, 3], vectors=3)

    def test_states(self) -> None:
        jobs = [self.hold(peer, 20 + peer) for peer in range(3)]
        for me, job in enumerate(jobs):
            for other in range(3):
                if other != me:
                    job.wait_output(f"state {other} {20 + other}\n", PATIENCE)

    def test_a_second_guest_with_the_same_id(self) -> None:
        with self.assertRaises(LabError):
            self.enterContext(self.new_guest("twin", [self.model_of_all.device(1)]))
        self.assertTrue(self.model_of_all.running)
        self.assertIn("give each VM a socket of its own", self.model_of_all.log.read_text("utf-8"))
        self.together([self.party(0), self.party(1)], [3, 3], vectors=3)


@long("it boots two guests, and builds the programs of one with a cross compiler")
class Aarch64(States):
    """The first guest is an aarch64 one. Debian 12's kernel has no vIOMMU for it under which a device model works."""

    MEMORY = 512

    @classmethod
    def kernel(cls, peer: int) -> Kernel | None:
        return of_suite(AARCH64, "trixie") if peer == 0 else None
