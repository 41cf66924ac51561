# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""The lab itself: guests boot, run commands, have devices, restart and end."""

from __future__ import annotations

import contextlib
import io
import os
import signal
import subprocess
import sys
import unittest
from pathlib import Path
from typing import ClassVar

from lab import CommandFailed, CommandTimeout, Doorbell, Guest, GuestGone, LabError, Plain, Server, Workdir, booted
from lab.case import LabCase
from lab.runner import long

SIZE = 1 << 20


class WithIommu(LabCase):
    """One guest with a vIOMMU, for many tests."""

    guest: ClassVar[Guest]
    memory: ClassVar[Path]

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.memory = cls.work / "memory"
        cls.memory.write_bytes(b"written by the host".ljust(SIZE, b"\0"))
        behind_bridge = Plain(cls.memory, SIZE, place="bridge")
        devices = [Plain(cls.memory, SIZE), behind_bridge, behind_bridge]
        cls.guest = cls.enterClassContext(
            Guest(cls.work, "iommu", devices=devices, extra_modules=["igb_uio"], programs=[Path("/usr/bin/env")])
        )

    def test_command_result(self) -> None:
        result = self.guest.run("echo out; echo err >&2; exit 3", check=False)
        self.assertEqual((result.rc, result.stdout, result.stderr), (3, "out\n", "err\n"))

    def test_failed_command_is_an_error(self) -> None:
        with self.assertRaisesRegex(CommandFailed, "status 1(.|\n)*no such thing"):
            self.guest.run("echo no such thing >&2; false")

    def test_command_with_any_text(self) -> None:
        text = "lab done 1 0 = =\nquote ' \" \\ $HOME é\n" * 500
        self.assertEqual(self.guest.run(f"cat <<'end'\n{text}end").stdout, text)

    def test_kernel_messages_stay_out_of_results(self) -> None:
        result = self.guest.run("echo noise >/dev/kmsg; echo '<0>emergency' >/dev/kmsg; echo fine")
        self.assertEqual(result.stdout, "fine\n")
        self.assertIn("emergency", self.guest.console.read_text())

    def test_timeout_kills_the_command(self) -> None:
        with self.assertRaisesRegex(CommandTimeout, "sleep 1234(.|\n)*so far(.|\n)*console"):
            self.guest.run("echo so far; sleep 1234; echo never", timeout=0.5)
        self.assertNotEqual(self.guest.run("pgrep -f 'sleep 123[4]' || ps | grep 'sleep 123[4]'", check=False).rc, 0)

    def test_commands_run_side_by_side(self) -> None:
        reader = self.guest.spawn("mkfifo /tmp/pipe && echo waiting && cat /tmp/pipe")
        reader.wait_output("waiting")
        self.assertFalse(reader.ended)
        self.guest.run("echo hello >/tmp/pipe")
        self.assertEqual(reader.wait().stdout, "waiting\nhello\n")

    def test_job_is_signalled(self) -> None:
        job = self.guest.spawn("trap 'echo told; exit 5' TERM; echo up; while :; do sleep 0.1; done")
        job.wait_output("up")
        job.signal("TERM")
        self.assertEqual(job.wait().rc, 5)

    def test_wait_output_of_a_job_that_ends_without_it(self) -> None:
        with self.assertRaisesRegex(CommandFailed, "ended with status 2"):
            self.guest.spawn("exit 2").wait_output("never")

    def test_files(self) -> None:
        data = os.urandom(100_000)
        self.guest.put("/tmp/folder/file", data, 0o700)
        self.assertEqual(self.guest.get("/tmp/folder/file"), data)
        self.assertEqual(self.guest.run("stat -c %a /tmp/folder/file").stdout, "700\n")

    def test_program_of_the_host(self) -> None:
        self.assertIn("coreutils", self.guest.run("/bin/env --version").stdout)

    def test_unprivileged_user(self) -> None:
        result = self.guest.run_as_nobody("id -u; cat /dev/mem", check=False)
        self.assertEqual(result.stdout, "65534\n")
        self.assertIn("Permission denied", result.stderr)

    def test_mounts(self) -> None:
        self.guest.run("test -e /sys/kernel/debug/x86/pat_memtype_list && test -c /dev/ptmx && echo 1 >/dev/shm/file")

    def test_memory_is_shared_with_the_host(self) -> None:
        device = f"/sys/bus/pci/devices/{self.guest.address(0)}"
        start = self.guest.run(f"sed -n 3p {device}/resource").stdout.split()[0]
        self.guest.run(f"echo 1 >{device}/enable")
        # "writ" as a 32-bit word.
        self.assertEqual(self.guest.run(f"devmem {start} 32").stdout, "0x74697277\n")
        self.assertEqual(self.guest.run(f"stat -c %s {device}/resource2").stdout, f"{SIZE}\n")
        self.assertEqual(self.guest.run(f"cat {device}/vendor {device}/device").stdout, "0x1af4\n0x1110\n")

    def test_vfio_behind_iommu(self) -> None:
        address = self.guest.address(0)
        self.guest.bind(address, "vfio-pci")
        group = self.guest.run(f"basename $(readlink /sys/bus/pci/devices/{address}/iommu_group)").stdout.strip()
        self.guest.run(f"test -c /dev/vfio/{group} && test -c /dev/vfio/vfio")
        self.assertEqual(self.guest.run(f"ls /sys/kernel/iommu_groups/{group}/devices").stdout, f"{address}\n")
        self.guest.unbind(address)
        self.assertIsNone(self.guest.driver(address))

    def test_bridge_shares_one_group(self) -> None:
        groups = {
            self.guest.run(f"readlink /sys/bus/pci/devices/{self.guest.address(index)}/iommu_group").stdout
            for index in (1, 2)
        }
        self.assertEqual(len(groups), 1)

    def test_uio_pci_generic(self) -> None:
        self._uio("uio_pci_generic")

    def test_igb_uio(self) -> None:
        self._uio("igb_uio")

    def _uio(self, driver: str) -> None:
        address = self.guest.address(0)
        self.guest.bind(address, driver)
        node = self.guest.run(f"ls /sys/bus/pci/devices/{address}/uio").stdout.strip()
        self.guest.run(f"test -c /dev/{node}")
        self.guest.unbind(address)

    def test_bind_to_no_driver_is_an_error(self) -> None:
        with self.assertRaisesRegex(LabError, "nonesuch"):
            self.guest.bind(self.guest.address(0), "nonesuch")


class Restarts(LabCase):
    """Guests that start and end, with their devices."""

    guest: ClassVar[Guest]
    memory: ClassVar[Path]

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.memory = cls.work / "memory"
        cls.memory.write_bytes(bytes(SIZE))
        cls.guest = cls.enterClassContext(
            Guest(cls.work, "noiommu", iommu=False, vfio_noiommu=True, devices=[Plain(cls.memory, SIZE, place="port")])
        )

    def test_1_vfio_without_iommu(self) -> None:
        self.guest.bind(self.guest.address(0), "vfio-pci")
        self.guest.run("test -c /dev/vfio/noiommu-0")
        self.guest.unbind(self.guest.address(0))

    def test_2_unplug_and_plug(self) -> None:
        address = self.guest.address(0)
        self.guest.unplug(0)
        self.guest.wait_for(f"! test -e /sys/bus/pci/devices/{address}")
        index = self.guest.plug(Plain(self.memory, SIZE, place="port"))
        self.guest.wait_for(f"test -e /sys/bus/pci/devices/{address}")
        self.assertEqual(self.guest.address(index), address)

    def test_3_reboot(self) -> None:
        boot = self.guest.get("/proc/sys/kernel/random/boot_id")
        lost = self.guest.spawn("sleep 1000")
        self.guest.reboot()
        self.assertNotEqual(self.guest.get("/proc/sys/kernel/random/boot_id"), boot)
        with self.assertRaisesRegex(GuestGone, "restarted"):
            lost.wait()
        self.guest.run(f"test -e /sys/bus/pci/devices/{self.guest.address(0 if self.guest.plugged(0) else 1)}")

    def test_4_panic_is_noticed(self) -> None:
        with self.assertRaisesRegex(GuestGone, "QEMU ended with status 0(.|\n)*Kernel panic"):
            self.guest.run("echo c >/proc/sysrq-trigger")
        self.assertFalse(self.guest.running)


class TwoGuests(LabCase):
    """Two guests on one server, and their devices without any of the project's programs in the guests."""

    server: ClassVar[Server]
    rung: ClassVar[Guest]
    ringer: ClassVar[Guest]

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.server = cls.enterClassContext(Server(cls.work, vectors=2))
        root, port = Doorbell(cls.server.socket, 2), Doorbell(cls.server.socket, 2, place="port")
        cls.rung, cls.ringer = cls.enterClassContext(
            booted(
                Guest(cls.work, "rung", devices=[root], iommu=False, extra_modules=["igb_uio"]),
                Guest(cls.work, "ringer", devices=[port], iommu=False),
            )
        )

    def _register(self, guest: Guest, offset: int) -> str:
        """Return the physical address of a register of the device."""
        resource = f"/sys/bus/pci/devices/{guest.address(0 if guest.plugged(0) else 1)}/resource"
        return hex(int(guest.run(f"head -n 1 {resource}").stdout.split()[0], 16) + offset)

    def test_1_doorbell_arrives(self) -> None:
        # A device without a driver ignores accesses until it is enabled.
        self.ringer.run(f"echo 1 >/sys/bus/pci/devices/{self.ringer.address()}/enable")
        self.rung.bind(self.rung.address(), "igb_uio")
        peer = int(self.rung.run(f"devmem {self._register(self.rung, 8)} 32").stdout, 16)
        waiting = self.rung.spawn("dd if=/dev/uio0 bs=4 count=1 | od -t d4 -A n")
        ring = f"devmem {self._register(self.ringer, 12)} 32 {peer << 16:#x}"
        # A ring before the reader starts may be lost.
        self.wait_for(lambda: waiting.ended or (self.ringer.run(ring) and False), "the ring")
        self.assertGreater(int(waiting.wait().stdout), 0)

    def test_2_unplug_and_plug(self) -> None:
        address = self.ringer.address()
        self.ringer.unplug(0)
        # The other side sees a closed socket as a peer that left. No peer has left before (QEMU
        # crashes on that).
        index = self.ringer.plug(Doorbell(self.server.socket, 2, place="port"))
        self.ringer.wait_for(f"test -e /sys/bus/pci/devices/{address}")
        self.assertEqual(self.ringer.address(index), address)

    def test_3_kill(self) -> None:
        self.ringer.kill()
        self.assertFalse(self.ringer.running)
        self.assertTrue(self.rung.running)
        self.rung.run("true")


class Servers(LabCase):
    def test_it_ends_when_asked(self) -> None:
        with Server(self.work) as server:
            self.assertTrue(server.socket.is_socket())
        self.assertEqual(server.stop(), 0)

    def test_one_that_fails_is_an_error_with_its_log(self) -> None:
        script = self.work / "failing"
        script.write_text("#!/bin/sh\necho cannot do that >&2\nexit 4\n")
        script.chmod(0o755)
        with self.assertRaisesRegex(LabError, "ended with status 4(.|\n)*cannot do that"):
            Server(self.work, "failing", program=script).start()

    def test_one_that_is_not_built(self) -> None:
        with self.assertRaisesRegex(LabError, "no such program; build it"):
            Server(self.work, program=Path("/nonexistent")).start()


class Ends(LabCase):
    """A guest leaves nothing behind, however it ends."""

    @long("it boots a guest for one question")
    def test_shutdown(self) -> None:
        with Guest(self.work, "shutdown", iommu=False) as guest:
            guest.shutdown()
            self.assertFalse(guest.running)

    def test_qemu_ends_with_the_process_that_started_it(self) -> None:
        program = (
            "import sys, time; from lab import Guest, Workdir\n"
            "guest = Guest(Workdir('orphan'), iommu=False); guest.start()\n"
            "print(guest.pid, flush=True); time.sleep(60)\n"
        )
        environment = dict(os.environ, PYTHONPATH=str(Path(__file__).parent), TMPDIR=str(self.work.path))
        with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, env=environment) as child:
            assert child.stdout is not None
            pid = int(child.stdout.readline())
            os.kill(pid, 0)
            child.send_signal(signal.SIGKILL)
            child.wait()
        self.wait_for(lambda: not Path(f"/proc/{pid}").exists() or _is_zombie(pid), "QEMU to end")


class Workdirs(unittest.TestCase):
    def test_deleted_on_success(self) -> None:
        with Workdir("test") as work:
            (work / "log").write_text("")
        self.assertFalse(work.path.exists())

    def test_kept_on_failure(self) -> None:
        work = Workdir("test")
        printed = io.StringIO()
        with self.assertRaises(LabError), contextlib.redirect_stderr(printed), work:
            raise LabError("failed")
        self.assertTrue(work.path.exists())
        self.assertIn(str(work.path), printed.getvalue())
        work.close()


def _is_zombie(pid: int) -> bool:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
