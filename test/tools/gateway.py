# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""gateway.py IVSHMEM_GATEWAY IVSHMEMCTL IVSHMEM_SERVER: a region and a real broker, with foreign clients."""

import os
import re
import signal
import subprocess
import time
import unittest

from gateway_session import MOSQUITTO, GatewayCase, Running
from ivshmemctl_session import PATIENCE, SERVER


@unittest.skipUnless(MOSQUITTO, "needs mosquitto")
class Gateway(GatewayCase):
    def test_each_qos_out_and_in(self):
        self.broker()
        rules = []
        for qos in (0, 1, 2):
            rules += ["--out", f"o{qos}", "--to", f"out/{qos}", "--qos", qos]
            rules += ["--in", f"in/{qos}", "--to", f"i{qos}", "--qos", qos]
        foreign = self.sub("-q", 2, "-t", "out/#", "-F", "%t q%q r%r %p %P")
        gateway = self.gateway(*rules)
        readers = [self.reader(f"i{qos}", "-c", 2) for qos in (0, 1, 2)]
        for qos in (0, 1, 2):
            self.good("pub", f"o{qos}", f"value{qos}")
            found = foreign.wait_for(rf"(?m)^out/{qos} q{qos} r0 value{qos} (.*)$")[1]
            self.assertRegex(found, r"ivshmem-origin:gateway1/\d+ ivshmem-sequence:1 ivshmem-time:\d{19}")
            self.pub("-q", qos, "-t", f"in/{qos}", "-m", f"first{qos}")
            self.pub("-q", qos, "-t", f"in/{qos}", "-m", f"second{qos}")
        for qos, reader in enumerate(readers):
            self.assertEqual(reader.end(), 0, reader.err)
            self.assertEqual(reader.out, f"first{qos}\nsecond{qos}\n")
        self.assertEqual(gateway.end(signal.SIGTERM), 0)
        self.assertNotIn("dropped", gateway.err)

    def test_retained(self):
        """The last value of a topic is retained at the broker, and a retained one is the first message here."""
        self.broker()
        self.pub("-r", "-q", 1, "-t", "in/a", "-m", "kept")
        writer = self.writer("o")
        reader = self.reader("i/a", "-c", 1)
        gateway = self.gateway("--out", "o", "--to", "out/o", "--retain", "true", "--in", "in/+", "--to", "i/")
        self.assertEqual(reader.end(), 0, reader.err)
        self.assertEqual(reader.out, "kept\n")
        witness = self.sub("-q", 1, "-t", "out/o", "-F", "%r %p")
        self.say(writer, "old", "new")
        witness.wait_for(r"(?m)^[01] new$")
        late = self.sub("-q", 1, "-t", "out/o", "-F", "%r %p")
        late.wait_for(r"(?m)^1 new$")
        self.assertNotIn("old", late.out)
        self.assertEqual(gateway.end(signal.SIGTERM), 0)

    def test_two_regions_behave_as_one(self):
        """They share the broker only, and nothing goes round in circles: each message arrives once."""
        self.broker()
        other = self.work / "other"
        server = Running(self, [str(SERVER), "-F", "-S", str(other), "-l", self.MEMORY, "-n", "3"])
        server.wait_for("listening on", where="err")
        both = ("--out", "*", "--to", "plant/", "--in", "plant/#", "--to", "far/")
        gateways = [self.gateway(*both), self.gateway(*both, server=other), self.gateway(*both)]
        here, self.socket = self.socket, other
        reader = self.reader("far/sensor", "-c", 200)
        self.socket = here
        foreign = self.sub("-q", 1, "-t", "#", "-F", "%t")
        writer = self.writer("sensor")
        self.say(writer, *range(100))
        self.assertEqual(reader.end(), 0, reader.err)
        # Two gateways of this region publish it, each in order.
        self.assertEqual(sorted(self.values(reader)), sorted(2 * list(range(100))))
        self.pub("-t", "end", "-m", "end")
        foreign.wait_for(r"(?m)^end$")
        self.assertEqual(len(re.findall(r"(?m)^plant/", foreign.out)), 200)
        self.assertNotIn("far", foreign.out)
        for gateway in gateways:
            self.assertEqual(gateway.end(signal.SIGTERM), 0)

    def test_a_broker_that_ends_under_load(self):
        """It saves at its end, so all that the gateway has read arrives."""
        self.assertEqual(self.missing_after(signal.SIGTERM), [0, 0])

    def test_a_broker_that_is_killed_under_load(self):
        """All that the gateway has read arrives at QoS 1."""
        once, exactly_once = self.missing_after(signal.SIGKILL)
        self.assertEqual(once, 0)
        # Mosquitto sends PUBREC before it has saved the message. Killed then, it answers the PUBREL of the next
        # connection with PUBCOMP, so no client can know. Only those on their way can be lost.
        self.assertIn(exactly_once, range(65))

    def missing_after(self, end):
        """The messages of QoS 1, and those of QoS 2, that are lost if this signal ends the broker under load."""
        more = (f"allow_anonymous true\npersistence true\npersistence_location {self.work}/\n"
                "autosave_on_changes true\nautosave_interval 1\nmax_inflight_messages 0\nmax_queued_messages 0\n")
        broker = self.broker(more)
        readers = [self.sub("-q", 1, "-c", "-i", f"reader{qos}", "-t", f"out/{qos}") for qos in (1, 2)]
        gateway = self.gateway("--out", "a", "--to", "out/1", "--qos", 1, "--out", "b", "--to", "out/2", "--qos", 2,
                               "--queue-messages", 50)
        writers = [self.writer(name, "-s", "64K") for name in "ab"]
        for value in range(2000):
            for writer in writers:
                self.say(writer, value)
            if value == 700:
                for reader in readers:
                    reader.wait_for(r"(?m)^500$")
                broker.end(end)
                gateway.wait_for("trying again", where="err")
            if value == 1000:
                broker = self.broker(more)
            if value % 100 == 0:
                time.sleep(0.01)
        for reader in readers:
            reader.wait_for(r"(?m)^1999$")
        self.assertEqual(gateway.end(signal.SIGTERM), 0)
        self.assertNotIn("dropped", gateway.err)
        missing = []
        for name, reader in zip("ab", readers):
            # The writers do not wait: what they overwrite while the broker is away is counted, and no more is missing.
            counts = re.findall(rf"{name}: messages skipped[^(\n]*(?:\((\d+) times\))?", gateway.err)
            skipped = sum(int(count or 1) for count in counts)
            values = set(self.values(reader))
            self.assertLessEqual(values, set(range(2000)))
            missing.append(2000 - len(values) - skipped)
        return missing

    def test_a_broker_that_comes_later_and_what_has_no_room(self):
        """QoS 0 is dropped and counted; QoS 1 waits in the ring. The end flushes."""
        gateway = self.run_gateway("--out", "a", "--to", "a", "--qos", 0, "--out", "b", "--to", "b", "--qos", 1,
                                   "--queue-messages", 10)
        gateway.wait_for(r"cannot connect: Connection refused; nothing listens there.*; trying again", where="err")
        a, b = self.writer("a"), self.writer("b")
        self.say(a, *range(20))
        gateway.wait_for(r"dropped.*queue", where="err")
        self.say(b, *range(50))
        self.broker()
        reader = self.sub("-q", 1, "-t", "b")
        reader.wait_for(r"(?m)^49$")
        self.assertEqual(gateway.end(signal.SIGTERM), 0)
        self.assertNotIn("lost with this program", gateway.err)

    def test_what_is_not_delivered_at_the_end(self):
        gateway = self.run_gateway("--out", "a", "--to", "a", "--qos", 0, "--queue-messages", 3)
        gateway.wait_for(r"cannot connect", where="err")
        self.say(self.writer("a"), *range(4))
        gateway.wait_for(r"dropped.*queue", where="err")
        self.assertEqual(gateway.end(signal.SIGTERM), 0)
        self.assertRegex(gateway.err, r"3 messages were not delivered, and are lost with this program")

    def test_a_message_over_the_limit_of_the_broker(self):
        self.broker("allow_anonymous true\nmax_packet_size 1000\n")
        reader = self.sub("-q", 1, "-t", "out", "-F", "%l")
        gateway = self.gateway("--out", "o", "--to", "out")
        writer = self.writer("o")
        self.say(writer, "x" * 2000, "y")
        reader.wait_for(r"(?m)^1$")
        gateway.wait_for(r"out: a message of 2000 bytes is dropped: it is over the broker's Maximum Packet Size of 1000",
                         where="err")
        self.assertEqual(len(re.findall("connected as", gateway.err)), 1)

    def test_credentials(self):
        passwords = self.work / "passwords"
        subprocess.run(["mosquitto_passwd", "-b", "-c", str(passwords), "user", "right"], check=True)
        self.broker(f"password_file {passwords}\n")
        password = self.work / "password"
        password.write_text("wrong\n")
        gateway = self.run_gateway("--out", "o", "--to", "out", "--user", "user", "--password-file", password)
        gateway.wait_for(r"it refuses the connection: Not authorized \(reason code 0x87\); check the files", where="err")
        password.write_text("right\n")
        gateway.wait_for("connected as", where="err")
        self.assertNotIn("right", gateway.err)

    def certificate(self, name, subject, *more):
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                        "-days", "2", "-keyout", self.work / f"{name}.key", "-out", self.work / f"{name}.crt",
                        "-subj", f"/CN={subject}", *more], check=True, capture_output=True)

    def test_tls(self):
        self.certificate("right", "127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1")
        self.certificate("other", "elsewhere", "-addext", "subjectAltName=DNS:elsewhere")
        for name, ca, says in (("right", "right", r"connected as"),
                               ("right", "other", r"TLS: its certificate is refused: self.signed certificate"),
                               ("other", "other", r"TLS: its certificate is not for the name 127\.0\.0\.1")):
            with self.subTest(name=name, ca=ca):
                broker = self.broker(f"allow_anonymous true\ncertfile {self.work}/{name}.crt\n"
                                     f"keyfile {self.work}/{name}.key\n")
                gateway = self.run_gateway("--ca", self.work / f"{ca}.crt", "--out", "o", "--to", "out")
                gateway.wait_for(says, where="err")
                self.assertEqual(gateway.end(signal.SIGTERM), 0)
                self.assertEqual("connected as" in gateway.err, ca == name == "right")
                broker.end(signal.SIGTERM)

    def test_client_certificate(self):
        """The broker wants one. The key comes from a file, or from the credentials of a service."""
        for name, subject in (("broker", "127.0.0.1"), ("known", "line1"), ("unknown", "line2")):
            self.certificate(name, subject, "-addext", "subjectAltName=IP:127.0.0.1")
        known, unknown = self.work / "known", self.work / "unknown"
        subprocess.run(["openssl", "ec", "-in", f"{known}.key", "-aes128", "-passout", "pass:secret", "-out",
                        self.work / "locked.key"], check=True, capture_output=True)
        self.broker(f"certfile {self.work}/broker.crt\nkeyfile {self.work}/broker.key\ncafile {known}.crt\n"
                    "require_certificate true\nuse_identity_as_username true\n")
        refused = "it refuses the TLS connection|that it accepts this certificate"
        of_service = {**os.environ, "CREDENTIALS_DIRECTORY": str(self.work)}
        for words, says in (
            (["--cert", f"{known}.crt", "--key", f"{known}.key"], "connected as"),
            (["--cert", f"{known}.crt", "--key", "credential:known.key"], "connected as"),
            ([], refused),
            (["--cert", f"{unknown}.crt", "--key", f"{unknown}.key"], refused),
            (["--cert", f"{known}.crt", "--key", f"{unknown}.key"], rf"TLS: key {unknown}\.key: .*mismatch.*belongs to the cert"),
            (["--cert", f"{known}.crt", "--key", f"{self.work}/none.key"], rf"TLS: key {self.work}/none\.key: No such file"),
            (["--cert", f"{known}.crt", "--key", f"{self.work}/locked.key"], rf"TLS: key {self.work}/locked\.key: .*without a pass"),
            (["--cert", f"{known}.key", "--key", f"{known}.key"], rf"TLS: cert {known}\.key: .*it is PEM"),
        ):
            with self.subTest(words=words):
                gateway = self.run_gateway("--ca", self.work / "broker.crt", *words, "--out", "o", "--to", "out",
                                           env=of_service)
                gateway.wait_for(says, where="err")
                self.assertEqual(gateway.end(signal.SIGTERM), 0)
                self.assertEqual("connected as" in gateway.err, says == "connected as")

    def test_a_region_whose_server_is_stopped(self):
        """Opening it blocks the event loop for two seconds at a time: what was read is still delivered, and SIGTERM ends
        the gateway."""
        self.broker()
        reader = self.sub("-q", 1, "-t", "out", "-F", "%p")
        gateway = self.gateway("--out", "o", "--to", "out", "--queue-messages", 1000)
        self.say(self.writer("o", "-s", "64K"), *range(500))
        reader.wait_for(r"(?m)^0$")
        self.stop_server()
        self.socket.unlink(missing_ok=True)
        self.server = subprocess.Popen([SERVER, "-F", "-S", self.socket, "-l", self.MEMORY, "-n", "3"],
                                       stderr=subprocess.PIPE, text=True)
        while "listening on" not in self.server.stderr.readline():
            self.assertIsNone(self.server.poll())
        self.server.send_signal(signal.SIGSTOP)
        gateway.wait_for("no whole greeting within 2000 ms.*; trying again", where="err")
        self.assertEqual(gateway.end(signal.SIGTERM), 0)
        self.assertNotIn("lost with this program", gateway.err)
        self.server.stderr.close()

    def test_a_region_that_comes_back(self):
        self.broker()
        gateway = self.gateway("--in", "in/#", "--to", "i/")
        self.stop_server()
        gateway.wait_for("trying again", where="err")
        self.pub("-q", 1, "-r", "-t", "in/a", "-m", "meanwhile")
        said = self.work / "again.log"
        self.socket.unlink(missing_ok=True)
        with said.open("wb") as log:
            self.server = subprocess.Popen([SERVER, "-F", "-S", self.socket, "-l", self.MEMORY, "-n", "3"], stdout=log,
                                           stderr=log)
        gateway.wait_for("ready:", 2, where="err")
        reader = self.start("sub", "--history", "1", "-c", "1", "i/a")
        self.assertEqual(reader.end(), 0, reader.err)
        self.assertEqual(reader.out, "meanwhile\n")


if __name__ == "__main__":
    unittest.main()
