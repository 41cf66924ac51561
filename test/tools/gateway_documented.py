# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""gateway_documented.py TOP IVSHMEM_GATEWAY IVSHMEMCTL IVSHMEM_SERVER: what README and manual say of ivshmem-gateway,
typed: the README's commands, the manual's rules and its configuration of a broker for outages."""

import pathlib
import re
import shlex
import shutil
import socket
import subprocess
import sys
import unittest

GATEWAY = pathlib.Path(sys.argv.pop(-3)).resolve()
TOP = pathlib.Path(sys.argv.pop(-3)).resolve()

# pylint: disable=wrong-import-position
from ivshmemctl_session import IVSHMEMCTL, PATIENCE, Running, Session  # noqa: E402 - it takes the other arguments

MOSQUITTO = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin")
SUBSCRIBE = shutil.which("mosquitto_sub")
MANUAL = (TOP / "tools/ivshmem-gateway/ivshmem-gateway.8.scd").read_text()


def free_port():
    """A port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def blocks():
    return re.findall(r"(?ms)^```\n(.*?)^```$", MANUAL)


@unittest.skipUnless(MOSQUITTO and SUBSCRIBE, "needs mosquitto and mosquitto_sub")
class Documented(Session):
    MEMORY = "4M"

    def broker(self, port, more=""):
        """A broker at this port, which listens."""
        path = self.work / f"{port}.mosquitto.conf"
        path.write_text(more or f"listener {port} 127.0.0.1\nallow_anonymous true\n")
        started = Running(self, [MOSQUITTO, "-c", str(path)])
        started.wait_for(r"mosquitto version .* running", where="err")
        return started

    def subscriber(self, *words):
        """A mosquitto_sub that has subscribed."""
        started = Running(self, [shutil.which("stdbuf"), "-oL", SUBSCRIBE, "-d", *words])
        started.wait_for(r"Subscribed \(mid")
        return started

    def gateway(self, *words):
        started = Running(self, [str(GATEWAY), "--socket", str(self.socket), *words])
        started.wait_for(r"connected", where="err")
        return started

    def test_the_commands_of_the_readme(self):
        self.type_commands((TOP / "README.md").read_text())

    def test_the_commands_of_the_manual(self):
        self.type_commands(re.sub(r"(?m)^\t?\*(.*?)\*(\+\+)?$", r"    \1", MANUAL))

    def type_commands(self, text):
        typed = {}
        for program in ("ivshmem-gateway", "mosquitto_sub", "echo"):
            (line,) = re.findall(rf"(?m)^    ({program} [^#\n]*(?:broker\.example|pub temperature)[^#\n]*)", text)
            typed[program] = line
        port = free_port()
        self.broker(port)
        host = ["127.0.0.1", "--port", str(port)]
        words = shlex.split(typed["ivshmem-gateway"])[1:]
        at = words.index("broker.example")
        self.gateway(*words[:at], *host, *words[at + 1:])
        words = shlex.split(typed["mosquitto_sub"])[1:]
        at = words.index("broker.example")
        subscriber = self.subscriber(*words[:at], "127.0.0.1", "-p", str(port), *words[at + 1:])
        publish = typed["echo"].replace("ivshmemctl", f"{IVSHMEMCTL} --socket {self.socket}")
        subprocess.run(publish, shell=True, check=True, timeout=PATIENCE)
        value = re.search(r"echo (\S+)", typed["echo"])[1]
        subscriber.wait_for(rf"(?m)^{re.escape(value)}$")

    def test_the_rules_of_the_manual(self):
        """Each row of the table maps as it says; by what arrives at the broker, or in the region."""
        rows = re.findall(r"\|  \*(--\w+) (\S+) --to (\S+)\*\n:  (\S+)\n:  (\S+)\n", MANUAL.replace("\\", ""))
        self.assertEqual(len(rows), 5)
        port = free_port()
        self.broker(port)
        rules = [word for way, pattern, to, *_ in rows for word in (way, pattern.strip("'"), "--to", to)]
        # plant/# would match all, and the first rule applies: it is the last one here.
        everything = rules.index("plant/#") - 1
        rules += [rules.pop(everything) for _ in range(4)]
        subscriber = self.subscriber("-h", "127.0.0.1", "-p", str(port), "-v", "-t", "#")
        self.gateway("--port", str(port), *rules)
        for way, _, _, name, other in rows:
            if way == "--out":
                # The topic lasts, as that of a sensor does.
                with subprocess.Popen(self.command("pub", name), stdin=subprocess.PIPE, text=True) as writer:
                    writer.stdin.write(f"value of {name}\n")
                    writer.stdin.flush()
                    subscriber.wait_for(rf"(?m)^{other} value of {name}$")
            else:
                reader = self.start("sub", "-c", "1", "--timeout", str(PATIENCE), "--history", "1", other)
                publish = [shutil.which("mosquitto_pub"), "-h", "127.0.0.1", "-p", str(port), "-q", "1", "-t", name,
                           "-m", "value of " + name]
                subprocess.run(publish, check=True, timeout=PATIENCE)
                self.assertEqual(reader.end(), 0, reader.err)
                self.assertEqual(reader.out, f"value of {name}\n")

    def test_a_broker_for_outages(self):
        """The manual's broker keeps what the gateway publishes until the other broker is there."""
        (text,) = (block for block in blocks() if "connection plant" in block)
        port, other = free_port(), free_port()
        (self.work / "persistent").mkdir(mode=0o777)
        (self.work / "persistent").chmod(0o777)
        self.work.chmod(0o755)
        text = text.replace("listener 1883", f"listener {port}").replace("broker.example:1883", f"127.0.0.1:{other}")
        text = text.replace("/var/lib/mosquitto/", f"{self.work}/persistent/") + "restart_timeout 1\n"
        near = self.broker(port, text)
        self.gateway("--port", str(port), "--out", "t", "--to", "plant/t", "--retain", "true")
        local = self.subscriber("-h", "127.0.0.1", "-p", str(port), "-t", "plant/t")
        self.good("pub", "t", "kept")
        local.wait_for(r"(?m)^kept$")
        self.assertIsNone(near.process.poll())
        self.broker(other)
        self.subscriber("-h", "127.0.0.1", "-p", str(other), "-t", "plant/#").wait_for(r"(?m)^kept$")

    def test_the_configuration_of_the_manual(self):
        (text,) = (block for block in blocks() if "credential:password" in block and "out =" in block)
        path = self.work / "plant.conf"
        path.write_text(text)
        checked = subprocess.run([GATEWAY, "--check", "-c", path], capture_output=True, text=True, check=False)
        self.assertEqual((checked.returncode, checked.stderr), (0, ""))


if __name__ == "__main__":
    unittest.main()
