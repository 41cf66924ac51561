# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""A guest whose kernel has no modules: a device is not fully usable there and reports it; a server runs normally.

All tests use one guest and follow each other.
"""

from __future__ import annotations

import json
import time
from typing import ClassVar

import repository
import snapshot
from first_ring import DOORBELL, EXAMPLE, PATIENCE, STRANGER, USER, apt, as_user, prepare, running
from lab import Doorbell, Job, Result, Server
from lab.debian import DebianGuest
from lab.runner import long
from suites import SuiteCase, for_each_suite

_GOOD = "server:/run/ivshmem/good.sock"

_BAD = {
    "nosize": ("size = 0", 0o644, "size"),
    "toomany": ("vectors = 65537", 0o644, "vectors"),
    "nokey": ("sizes = 1M", 0o644, "sizes"),
    "secret": ("size = 1M", 0o600, "cannot read"),
}
"""Instances that cannot start: their configuration, its permissions, and the expected text in the journal."""


class WithoutModules(SuiteCase):
    guest: ClassVar[DebianGuest]
    before: ClassVar[str]
    client: ClassVar[Job]

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        server = cls.enterClassContext(Server(cls.work, vectors=2))
        shares = {repository.PLACE: cls.repository()}
        cls.guest = cls.enterClassContext(
            DebianGuest(cls.work, cls.suite, devices=[Doorbell(server.socket, vectors=2)], shares=shares, modules=False)
        )
        prepare(cls.guest)
        # The folder for the links of enabled units; a system in use has it.
        cls.guest.run(f"adduser {USER} kvm && mkdir -p /etc/systemd/system/sockets.target.wants")
        apt(cls.guest, "install libivshmem0=$(dpkg-deb -f /srv/packages/previous/libivshmem0_*.deb Version)")
        cls.guest.put(DOORBELL, repository.compiled(cls.built, {"doorbell": EXAMPLE})["doorbell"], 0o755)
        cls.before = cls.guest.run(snapshot.command(snapshot.SYSTEM), timeout=PATIENCE).stdout

    def journal(self, instance: str) -> str:
        return self.guest.run(f"journalctl -b -o cat --no-pager -u 'ivshmem-server@{instance}.*'").stdout

    def joined(self) -> Job:
        """Start a client that waits for a ring on vector 1."""
        # A client waits 2 s for the server, which systemd starts for the first client: under TCG
        # that may be too short.
        self.guest.wait_for(lambda: self.guest.run(as_user(USER, f"{DOORBELL} {_GOOD} ring 0 0"), check=False).rc == 0)
        client = self.guest.spawn(as_user(USER, f"{DOORBELL} {_GOOD} wait 1 120"))
        client.wait_output("vectors")
        return client

    def rung(self, client: Job) -> Result:
        mine = client.output().split()[1].rstrip(",")
        self.guest.run(as_user(USER, f"{DOORBELL} {_GOOD} ring {mine} 1"))
        result = client.wait(30)
        self.assertIn("rung 1 time", result.stdout, result.stderr)
        return result

    # -- the tests ------------------------------------------------------------------------------------

    @long("apt works for half a minute; the guests of the VM layer have devices without drivers, too")
    def test_1_a_device_without_modules(self) -> None:
        apt(self.guest, "install ivshmem-tools")
        result = self.guest.run("lsivshmem -J", check=False)
        self.assertEqual(result.rc, 0, result.stderr)
        (printed,) = json.loads(result.stdout)["devices"]
        self.assertEqual((printed["map"], printed["interrupt"]), (True, False))
        self.assertIn("no driver is bound", printed["problem"])
        apt(self.guest, "purge ivshmem-tools")

    def test_2_an_instance(self) -> None:
        previous = f"{self.built.version()}~previous"
        apt(self.guest, f"install ivshmem-server={previous}")
        self.guest.put("/etc/ivshmem/good.conf", b"size = 1M\nvectors = 2\n")
        self.guest.run("systemctl enable --now ivshmem-server@good.socket")
        shown = self.guest.run("stat -c '%F %a %U:%G' /run/ivshmem/good.sock").stdout.strip()
        self.assertEqual(shown, "socket 660 root:kvm")
        self.assertEqual(self.guest.run("systemctl is-active ivshmem-server@good.service", check=False).stdout, "inactive\n")
        result = self.rung(self.joined())
        self.assertIn("1048576 bytes, 2 vectors", result.stdout)
        refused = self.guest.run(as_user(STRANGER, f"{DOORBELL} {_GOOD} wait 0 1"), check=False)
        self.assertEqual(refused.rc, 1)
        self.assertIn("/run/ivshmem/good.sock", refused.stderr)

    @long("clients wait for four servers until their time limit")
    def test_3_instances_that_cannot_start(self) -> None:
        neighbour = self.joined()
        for name, (text, mode, _) in _BAD.items():
            self.guest.put(f"/etc/ivshmem/{name}.conf", f"{text}\n".encode(), mode)
            self.guest.run(f"systemctl start ivshmem-server@{name}.socket")
        for name, (_, _, key) in _BAD.items():
            with self.subTest(instance=name):
                began = time.monotonic()
                socket = f"server:/run/ivshmem/{name}.sock"
                refused = self.guest.run(f"timeout 60 {DOORBELL} {socket} wait 0 1", timeout=90, check=False)
                self.assertEqual(refused.rc, 1, refused.stdout + refused.stderr)
                self.assertLess(time.monotonic() - began, 45)
                said = self.journal(name)
                self.assertIn(f"/etc/ivshmem/{name}.conf", said)
                self.assertIn(key, said)
        with self.subTest("nothing goes on by itself"):
            before = [self.journal(name) for name in _BAD]
            time.sleep(5)
            self.assertEqual([self.journal(name) for name in _BAD], before)
        self.rung(neighbour)

    @long("it insists forty times")
    def test_4_a_client_that_insists(self) -> None:
        """Check that systemd finally gives up and refuses the client."""
        tries = f"for i in $(seq 40); do timeout 60 {DOORBELL} server:/run/ivshmem/nosize.sock wait 0 1; done; true"
        self.guest.run(tries, timeout=PATIENCE)
        starts = self.journal("nosize").count('size = "0"')
        self.assertLessEqual(starts, 12)
        self.assertEqual(self.guest.run("systemctl is-failed ivshmem-server@nosize.socket", check=False).stdout, "failed\n")
        refused = self.guest.run(f"{DOORBELL} server:/run/ivshmem/nosize.sock wait 0 1", check=False)
        self.assertEqual(refused.rc, 1)

    def test_5_an_instance_without_configuration(self) -> None:
        result = self.guest.run("systemctl start ivshmem-server@nobody.socket", check=False)
        self.assertNotEqual(result.rc, 0)
        self.assertIn("ivshmem-server@nobody.socket", result.stderr)
        self.assertEqual(self.guest.run("ls /run/ivshmem/nobody.sock", check=False).rc, 2)

    @long("apt works for half a minute, and that nothing is started again is one option of debhelper")
    def test_6_an_upgrade_keeps_the_clients(self) -> None:
        client = self.joined()
        show = "systemctl show -P MainPID ivshmem-server@good.service"
        pid = self.guest.run(show).stdout
        apt(self.guest, "upgrade")
        self.assertEqual(self.guest.run("dpkg-query -W -f '${Version}' ivshmem-server").stdout, self.built.version())
        self.assertEqual(self.guest.run(show).stdout, pid)
        self.rung(client)

    @long("apt works for half a minute")
    def test_6b_a_forwarder(self) -> None:
        """Check that ivshmem-forward works in its confinement: here at the server, as a peer of ivshmemctl."""
        apt(self.guest, "install ivshmem-tools")
        self.guest.run("systemctl start ivshmem-forward")
        show = "systemctl is-active ivshmem-forward"
        self.assertEqual(self.guest.run(show, check=False).stdout, "inactive\n", "nothing is forwarded by default")
        offer = self.guest.spawn("exec ivshmemctl --socket /run/ivshmem/good.sock offer echo -- cat 2>&1")
        offer.wait_output("offering echo")
        drop_in = "/run/systemd/system/ivshmem-forward.service.d"
        self.guest.run(f"mkdir -p {drop_in}")
        self.guest.put(f"{drop_in}/socket.conf", b"[Service]\nSupplementaryGroups=kvm\n")
        self.guest.run("systemctl daemon-reload")
        path = "/run/ivshmem-forward/echo"
        self.guest.put("/etc/ivshmem/forward.d/echo.conf", f"""socket = /run/ivshmem/good.sock
            listen = tcp:127.0.0.1:80
            to = echo
            listen = unix:{path}
            mode = 0666
            to = echo
            offer = again
            from = tcp:127.0.0.1:80
            """.encode())
        self.guest.run("systemctl start ivshmem-forward", timeout=PATIENCE)
        again = "echo text | timeout 60 ivshmemctl --socket /run/ivshmem/good.sock connect again"
        self.assertEqual(self.guest.run(again, timeout=PATIENCE).stdout, "text\n")
        self.assertEqual(self.guest.run(f"stat -c '%F %a' {path}").stdout, "socket 666\n")
        user = self.guest.run("stat -c %u /proc/$(systemctl show -P MainPID ivshmem-forward)").stdout
        self.assertNotEqual(user, "0\n")
        self.guest.run("systemctl stop ivshmem-forward")
        self.assertIn("5 bytes sent, 5 received; closed", self.guest.run("journalctl -b -o cat -u ivshmem-forward").stdout)
        self.guest.run(f"kill -TERM {' '.join(running(self.guest, 'ivshmemctl'))}")
        self.assertEqual(offer.wait().rc, 0)
        apt(self.guest, "purge ivshmem-tools")
        self.assertEqual(self.guest.run("ls -d /etc/ivshmem/forward.d", check=False).rc, 2)
        self.assertEqual(self.guest.run("ls /etc/ivshmem/good.conf").rc, 0)
        self.guest.run(f"rm -r {drop_in}; systemctl daemon-reload")

    @long("apt works for half a minute; test_container.py purges, too")
    def test_7_removal_ends_the_instances(self) -> None:
        self.joined()
        self.assertNotEqual(running(self.guest, "ivshmem-server"), [])
        apt(self.guest, "remove ivshmem-server")
        self.assertEqual(running(self.guest, "ivshmem-server"), [])
        self.assertEqual(self.guest.run("ls -A /run/ivshmem", check=False).stdout, "")
        # The administrator's files stay until the purge.
        self.assertEqual(self.guest.run("ls /etc/ivshmem/good.conf").rc, 0)

    @long("apt works for half a minute; test_container.py purges, too")
    def test_8_purge_leaves_nothing(self) -> None:
        apt(self.guest, "purge ivshmem-server")
        units = "systemctl list-units --all --no-legend --plain 'ivshmem*'; systemctl list-unit-files --no-legend 'ivshmem*'"
        self.guest.run("systemctl daemon-reload; systemctl reset-failed")
        self.assertEqual(self.guest.run(units, check=False).stdout, "")
        apt(self.guest, "autoremove --purge")
        after = self.guest.run(snapshot.command(snapshot.SYSTEM), timeout=PATIENCE).stdout
        self.assertEqual(snapshot.difference(self.before, after), [])


load_tests = for_each_suite(WithoutModules)
