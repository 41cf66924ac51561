# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""ivshmem-gateway as a service, in a guest with the packages and Debian's Mosquitto: a host program's topics reach its
clients, with secrets from LoadCredential=; also after a restart, a crash and an upgrade.

All tests use one guest and follow each other.
"""

from __future__ import annotations

import re
from typing import ClassVar

import repository
from channel_support import HostJob, kill
from first_ring import PATIENCE, apt, prepare, running
from lab import Doorbell, Server
from lab.debian import DebianGuest
from lab.runner import long
from suites import SuiteCase, for_each_suite
from support import IVSHMEMCTL

_UNIT = "ivshmem-gateway"
_PASSWORD = "known to the broker"
_CERTIFICATE = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2"
_BROKER = """listener 8883 127.0.0.1
cafile /etc/ivshmem/gateway.crt
certfile /etc/mosquitto/broker.crt
keyfile /etc/mosquitto/broker.key
require_certificate true
password_file /etc/mosquitto/passwords
"""
_RULES = """broker = localhost
ca = /etc/mosquitto/broker.crt
cert = /etc/ivshmem/gateway.crt
key = credential:key
user = line1
password-file = credential:password

out = sensors/*
to = plant/

in = plant/commands/#
to = commands/
"""
_SECRETS = """[Service]
LoadCredential=password:/etc/ivshmem/gateway.password
LoadCredential=key:/etc/ivshmem/gateway.key
"""
_TLS = "--cafile /etc/mosquitto/broker.crt --cert /etc/ivshmem/gateway.crt --key /etc/ivshmem/gateway.key"


@long("a guest with systemd boots, and apt works for a minute")
class GatewayUnit(SuiteCase):
    server: ClassVar[Server]
    guest: ClassVar[DebianGuest]

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.server = cls.enterClassContext(Server(cls.work, vectors=2, size="4M"))
        shares = {repository.PLACE: cls.repository()}
        devices = [Doorbell(cls.server.socket, vectors=2)]
        cls.guest = guest = cls.enterClassContext(DebianGuest(cls.work, cls.suite, devices=devices, shares=shares))
        prepare(guest)
        # The previous version, for the upgrade.
        previous = f"{cls.built.version()}~previous"
        ours = " ".join(f"{name}={previous}" for name in ("ivshmem-gateway", "ivshmem-tools", "libivshmem0"))
        apt(guest, f"install mosquitto mosquitto-clients openssl {ours}")

    def journal(self) -> str:
        return self.guest.run(f"journalctl -b -o cat --no-pager -u {_UNIT}").stdout

    def show(self, of: str) -> str:
        return self.guest.run(f"systemctl show -P {of} {_UNIT}").stdout.strip()

    def connected(self, times: int) -> None:
        """Wait until the gateway has connected so often."""
        count = f'"$(journalctl -b -o cat -u {_UNIT} | grep -c "connected as")" -ge {times}'
        self.guest.run(f"timeout 120 sh -c 'until [ {count} ]; do sleep 0.5; done'", timeout=PATIENCE, check=False)
        self.assertEqual(self.journal().count("connected as"), times, self.journal())

    def on_host(self, *words: str) -> HostJob:
        """Start ivshmemctl as a peer of the guest; it ends with the test at the latest."""
        job = HostJob(self.work, [str(IVSHMEMCTL), "-v", "--socket", str(self.server.socket), *words])
        self.addCleanup(kill, job, None)
        return job

    def client(self, program: str, words: str) -> str:
        return f"{program} -V 5 -h localhost -p 8883 {_TLS} -u line1 -P '{_PASSWORD}' -q 1 {words}"

    def values_pass(self, value: str) -> None:
        """A value of the host reaches a client of the broker, and one of the client the host."""
        foreign = self.guest.spawn(f"exec stdbuf -oL {self.client('mosquitto_sub', '-d -C 1 -t plant/temperature')} 2>&1")
        foreign.wait_output("Subscribed (mid", PATIENCE)
        writer = self.on_host("pub", "--stay", "sensors/temperature", value)
        self.assertIn(f"\n{value}\n", foreign.wait(PATIENCE).check().stdout)
        writer.signal("TERM")
        writer.wait(PATIENCE)
        self.guest.run(self.client("mosquitto_pub", f"-t plant/commands/valve -m {value}"), timeout=PATIENCE)
        reader = self.on_host("sub", "-c", "1", "--latest", "commands/valve")
        self.assertIn(f"{value}\n", reader.wait(PATIENCE).check().stdout)

    # -- the tests ------------------------------------------------------------------------------------

    def test_1_nothing_is_mapped_by_default(self) -> None:
        self.guest.run(f"systemctl start {_UNIT}")
        self.assertEqual(self.guest.run(f"systemctl is-active {_UNIT}", check=False).stdout, "inactive\n")
        self.assertEqual(self.guest.run("stat -c '%a %U' /etc/ivshmem/gateway.d").stdout, "755 root\n")

    def test_2_a_bad_configuration_stays_down(self) -> None:
        self.guest.put("/etc/ivshmem/gateway.d/plant.conf", b"out = sensors/*\nto = plant\n")
        self.assertNotEqual(self.guest.run(f"systemctl start {_UNIT}", check=False, timeout=PATIENCE).rc, 0)
        self.assertIn("/etc/ivshmem/gateway.d/plant.conf:1", self.journal())
        self.assertEqual((self.show("ExecMainStatus"), self.show("SubState"), self.show("NRestarts")), ("2", "failed", "0"))

    def test_3_values_pass_in_its_confinement(self) -> None:
        guest = self.guest
        guest.run("ivshmemctl bind any", timeout=PATIENCE)
        guest.run("grep -q localhost /etc/hosts || echo 127.0.0.1 localhost >>/etc/hosts")
        for name, subject in (("mosquitto/broker", "localhost"), ("ivshmem/gateway", "line1")):
            guest.run(f"{_CERTIFICATE} -keyout /etc/{name}.key -out /etc/{name}.crt -subj /CN={subject} "
                      f"-addext subjectAltName=DNS:{subject} 2>&1", timeout=PATIENCE)  # fmt: skip
        guest.run("chmod 640 /etc/mosquitto/broker.key && chgrp mosquitto /etc/mosquitto/broker.key")
        guest.run(f"mosquitto_passwd -b -c /etc/mosquitto/passwords line1 '{_PASSWORD}'", timeout=PATIENCE)
        guest.run("chmod 640 /etc/mosquitto/passwords && chgrp mosquitto /etc/mosquitto/passwords")
        guest.put("/etc/mosquitto/conf.d/tls.conf", _BROKER.encode())
        guest.run("systemctl restart mosquitto", timeout=PATIENCE)
        # Secrets that only root may read.
        guest.put("/etc/ivshmem/gateway.password", f"{_PASSWORD}\n".encode(), 0o600)
        guest.put("/etc/ivshmem/gateway.d/plant.conf", _RULES.encode())
        drop_in = f"/etc/systemd/system/{_UNIT}.service.d"
        guest.run(f"mkdir -p {drop_in}")
        guest.put(f"{drop_in}/override.conf", _SECRETS.encode())
        guest.run(f"systemctl daemon-reload && systemctl enable --now {_UNIT}", timeout=PATIENCE)
        self.connected(1)
        self.values_pass("21.5")
        status = guest.run(f"cat /proc/{self.show('MainPID')}/status").stdout
        self.assertNotIn("Uid:\t0", status)
        for fact in (r"CapEff:\t0+", r"CapBnd:\t0+", r"NoNewPrivs:\t1", r"Seccomp:\t2"):
            self.assertRegex(status, rf"(?m)^{fact}$")
        self.assertEqual(guest.run("stat -c '%a %U' /etc/ivshmem/gateway.key").stdout, "600 root\n")
        self.assertNotIn(_PASSWORD, self.journal())

    def test_4_a_restart_and_a_crash(self) -> None:
        for times, end in enumerate((f"systemctl restart {_UNIT}", f"systemctl kill -s KILL {_UNIT}"), 2):
            with self.subTest(end):
                before = self.show("MainPID")
                self.guest.run(end, timeout=PATIENCE)
                self.guest.wait_for(lambda: self.show("MainPID") not in (before, "0"), PATIENCE)
                self.connected(times)
                self.values_pass(f"{times}")

    def test_5_an_upgrade(self) -> None:
        before = self.show("MainPID")
        apt(self.guest, "upgrade")
        self.assertEqual(self.guest.run(f"dpkg-query -W -f '${{Version}}' {_UNIT}").stdout, self.built.version())
        self.assertNotIn(self.show("MainPID"), (before, "0"))
        self.assertEqual(self.guest.run(f"systemctl is-enabled {_UNIT}").stdout, "enabled\n")
        self.connected(4)
        self.values_pass("5")

    def test_6_removal_and_purge(self) -> None:
        self.assertNotEqual(running(self.guest, _UNIT), [])
        apt(self.guest, f"remove {_UNIT}")
        self.assertEqual(running(self.guest, _UNIT), [])
        # The administrator's files stay until the purge.
        self.guest.run("ls /etc/ivshmem/gateway.d/plant.conf")
        apt(self.guest, f"purge {_UNIT}")
        self.assertEqual(self.guest.run("ls -d /etc/ivshmem/gateway.d", check=False).rc, 2)
        left = self.guest.run(f"find /etc/systemd /lib/systemd -name '{_UNIT}.service'").stdout
        self.assertEqual(re.findall(r"\S+", left), [])


load_tests = for_each_suite(GatewayUnit)
