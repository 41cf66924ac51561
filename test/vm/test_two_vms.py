# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""The demonstration, run as a user would."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

from lab.case import LabCase
from lab.runner import long
from lab.server import REPOSITORY, build_folder


class TwoVms(LabCase):
    def demonstrate(self, *options: str, script: str = "run", build: Path | None = None) -> tuple[int, str, str]:
        """Run it; return the status and the output."""
        program = REPOSITORY / "examples/two-vms" / script
        command = ["python3", str(program)] if script.endswith(".py") else [str(program)]
        environment = dict(os.environ, TMPDIR=str(self.work.path), IVSHMEM_BUILD=str(build or build_folder()))
        ran = subprocess.run(
            [*command, *options], env=environment, capture_output=True, text=True, timeout=400, check=False
        )
        return ran.returncode, ran.stdout, ran.stderr

    def summary(self, *options: str) -> str:
        status, out, err = self.demonstrate(*options)
        self.assertEqual(status, 0, out + err)
        self.assertIn("\ntwo-vms: summary\n", out)
        self.assertEqual(self.left_over(), [])
        return out.partition("\ntwo-vms: summary\n")[2]

    def left_over(self) -> list[str]:
        """Return processes that name this test's folder; each run creates its own folder in it."""
        found = []
        for entry in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                words = entry.read_bytes().decode("utf-8", "replace").replace("\0", " ")
            except OSError:
                continue
            if str(self.work.path) in words:
                found.append(words)
        return found

    def test_doorbell(self) -> None:
        summary = self.summary("--rounds", "20", "--vectors", "2")
        for name in ("vm-a", "vm-b"):
            self.assertRegex(summary, rf"(?m)^  {name}: peer ")
        self.assertRegex(summary, r"(?m)^  vm-a: vector 0.*\n(.*\n)*  vm-a: vector 1")

    @long("it boots two more guests")
    def test_plain(self) -> None:
        summary = self.summary("--plain", "--rounds", "20")
        self.assertRegex(summary, r"(?m)^  vm-b: no doorbells")

    @long("it boots two more guests")
    def test_v2(self) -> None:
        summary = self.summary("--v2", "--rounds", "20", "--vectors", "2")
        for peer, name in enumerate(("vm-a", "vm-b")):
            self.assertRegex(summary, rf"(?m)^  {name}: peer {1 - peer} says: hello from {1 - peer}, in its own section$")
            self.assertRegex(summary, rf"(?m)^  {name}: state of peer {1 - peer}: [12], greet")
        self.assertRegex(summary, r"(?m)^  vm-b: channel: 20 messages there and back: ")

    @long("it boots two more guests")
    def test_rtos(self) -> None:
        summary = self.summary("--rtos", "--rounds", "20")
        self.assertRegex(summary, r"(?m)^  vm-a: asked: 20 lines came back from rtos$")
        self.assertRegex(summary, r"(?m)^  rtos: asked echo of slot 1: 20 answers; done; [1-9]\d* interrupts so far$")

    @long("it boots two more guests, one of them of another processor")
    def test_aarch64(self) -> None:
        summary = self.summary("--arch", "aarch64", "--rounds", "20", "--vectors", "2")
        for name, processor in (("vm-a", "x86_64"), ("vm-b", "aarch64")):
            self.assertRegex(summary, rf"(?m)^  {name}: processor {processor}$")
            self.assertRegex(summary, rf"(?m)^  {name}: peer ")
        self.assertRegex(summary, r"(?m)^  vm-a: vector 1: 20 round trips")
        status, _, err = self.demonstrate("--arch", "aarch64", "--rtos", script="two_vms.py")
        self.assertEqual((status, "not with --v2 or --rtos" in err), (2, True), err)

    @long("it boots another guest")
    def test_host(self) -> None:
        summary = self.summary("--host", "--rounds", "20", "--vectors", "2")
        self.assertRegex(summary, r"(?m)^  host: peer ")
        self.assertNotIn("vm-b", summary)

    @long("it boots two more guests")
    def test_a_failure_names_its_step_and_the_log(self) -> None:
        build = self.work / "build"
        peer = build / "examples/two-vms/two-vms-peer"
        for name in ("tools/lsivshmem/lsivshmem", "tools/ivshmem-server/ivshmem-server"):
            (build / name).parent.mkdir(parents=True, exist_ok=True)
            (build / name).symlink_to(build_folder() / name)
        (build / "lib").symlink_to(build_folder() / "lib")
        peer.parent.mkdir(parents=True)
        peer.write_text("#!/bin/sh\necho it cannot be done >&2\nexit 9\n")
        peer.chmod(0o755)
        status, out, err = self.demonstrate(script="two_vms.py", build=build)
        self.assertEqual(status, 1, out + err)
        self.assertIn("two-vms: failed: messages and doorbells: ", err)
        self.assertIn("it cannot be done", err)
        logs = re.findall(r"^two-vms: the guest's console log is (\S+)$", err, re.MULTILINE)
        self.assertEqual(len(logs), 2, err)
        for log in logs:
            self.assertTrue(Path(log).is_file(), log)
        self.assertNotIn("summary", out)
        self.assertEqual(self.left_over(), [])
