# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""ivshmemctl_rings.py IVSHMEMCTL IVSHMEM_SERVER: ring, wait, peers and monitor between processes."""

import json
import os
import re
import signal
import subprocess
import time
import unittest

from ivshmemctl_session import IVSHMEMCTL, PATIENCE, VECTORS, Session
from terminal import shown_on_terminal


def is_process_time(text, clock):
    """Whether a time in seconds is within the last minutes."""
    return 0 <= time.clock_gettime(clock) - float(text) < 600


class Waiting(Session):
    def waiter(self, *words):
        """Returns a 'wait' that is ready, and its id."""
        waiter = self.start("wait", *words)
        return waiter, int(waiter.wait_for(r"waiting for .* of peer (\d+)\n", where="err")[1])

    def test_a_ring_arrives(self):
        waiter, peer = self.waiter("-n", 1)
        self.assertEqual(self.good("ring", peer, 2), "")
        self.assertEqual(waiter.end(), 0)
        line = re.fullmatch(r"(\d+\.\d{9}) vector 2 count 1\n", waiter.out)
        self.assertTrue(line, waiter.out)
        self.assertTrue(is_process_time(line[1], time.CLOCK_REALTIME))

    def test_each_line_is_there_at_once(self):
        waiter, peer = self.waiter("--format", "%v")
        for vector, times in ((0, 1), (2, 1), (1, 1), (1, 2)):
            self.good("ring", peer, vector)
            waiter.wait_for(rf"(?m)^{vector}$", times)
        self.assertEqual(waiter.out.split(), ["0", "2", "1", "1"])
        self.assertEqual(waiter.end(signal.SIGINT), 0)

    def test_the_highest_rate_loses_no_count(self):
        each, ringers = 200_000, 2
        waiter, peer = self.waiter("-J", "-v")
        rings = [self.start("ring", "-J", peer, vector, "-n", each)
                 for vector in range(VECTORS) for _ in range(ringers)]
        for ring in rings:
            self.assertEqual(ring.end(), 0, ring.err)
            self.assertEqual(ring.lines()[0]["rings"], each)
        # SIGTERM comes while rings may still be on their way; they count, too.
        self.assertEqual(waiter.end(signal.SIGTERM), 0)
        events = waiter.lines()
        sums = [sum(e["count"] for e in events if e["vector"] == vector) for vector in range(VECTORS)]
        self.assertEqual(sums, [ringers * each] * VECTORS)
        self.assertEqual(events[-1]["total"], sum(sums))
        self.assertIn(f"{sum(sums)} rings in {len(events)} events\n", waiter.err)
        print(f"{sum(sums)} rings in {len(events)} events", flush=True)

    def test_count_is_of_rings(self):
        waiter, peer = self.waiter("-n", 5000, "--format", "%n %s")
        self.good("ring", peer, "all", "-n", 2000)
        self.assertEqual(waiter.end(), 0)
        counts = [tuple(map(int, line.split())) for line in waiter.out.splitlines()]
        total = 0
        for count, printed in counts:
            total += count
            self.assertEqual(printed, total)
        self.assertGreaterEqual(total, 5000)
        self.assertLess(counts[-1][1] - counts[-1][0], 5000)

    def test_one_vector(self):
        waiter, peer = self.waiter("--vector", 1, "-n", 3, "--format", "%v", "-v")
        self.good("ring", peer, 0, "-n", 10)
        self.good("ring", peer, 1, "-n", 3)
        self.assertEqual(waiter.end(), 0)
        self.assertEqual(set(waiter.out.split()), {"1"})
        self.assertIn("waiting for vector 1 of", waiter.err)
        self.assertIn("3 rings in", waiter.err)

    def test_format(self):
        waiter, peer = self.waiter("-n", 1, "--format", "%t|%T|%m|%v|%n|%s|%%|x")
        self.good("ring", peer, 1)
        self.assertEqual(waiter.end(), 0)
        real, local, monotonic, *rest = waiter.out.rstrip("\n").split("|")
        self.assertTrue(is_process_time(real, time.CLOCK_REALTIME))
        self.assertTrue(is_process_time(monotonic, time.CLOCK_MONOTONIC))
        self.assertRegex(local, r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}[+-]\d{4}$")
        self.assertEqual(rest, ["1", "1", "1", "%", "x"])
        for text in ("%", "%x", "a%%b%", "%n%Z"):
            self.bad("wait", "--format", text, says=["--format", "%v"])

    def test_json(self):
        waiter, peer = self.waiter("-J", "-n", 2, "--vector", 2)
        self.good("ring", peer, 2, "-n", 2)
        self.assertEqual(waiter.end(), 0)
        for event in waiter.lines():
            self.assertEqual(set(event), {"event", "time_ns", "vector", "count", "total"})
            self.assertEqual((event["event"], event["vector"]), ("ring", 2))
            self.assertTrue(is_process_time(event["time_ns"] / 1e9, time.CLOCK_REALTIME))
        self.assertEqual(waiter.lines()[-1]["total"], 2)

    def test_timeout(self):
        result = self.bad("wait", "--timeout", 0.2, status=124, says=["waiting for vectors 0 to 2"])
        self.assertEqual(result.stdout, "")
        waiter, peer = self.waiter("-n", 2, "--timeout", 3, "--format", "%v")
        self.good("ring", peer, 0)
        self.assertEqual(waiter.end(), 124)
        self.assertEqual(waiter.out, "0\n")
        self.assertEqual(self.good("wait", "-n", 0), "", "there is nothing to wait for")

    def test_interrupted(self):
        waiter, _ = self.waiter("-n", 1)
        self.assertEqual(waiter.end(signal.SIGINT), 1, "what was asked for did not happen")
        waiter, _ = self.waiter("-v")
        self.assertEqual(waiter.end(signal.SIGTERM), 0)
        self.assertIn("0 rings in 0 events", waiter.err)

    def test_quiet(self):
        waiter = self.start("wait", "-q", "--timeout", 0.2)
        self.assertEqual((waiter.end(), waiter.err, waiter.out), (124, "", ""))

    def test_outputs_that_fail(self):
        def ring(line):
            self.good("ring", re.search(r"of peer (\d+)", line)[1], 0)

        self.end_of_a_pipe(["wait"], ring, "waiting for")
        with open("/dev/full", "wb") as full:
            tool = subprocess.Popen(self.command("wait"), stdout=full, stderr=subprocess.PIPE, text=True)
            self.addCleanup(tool.kill)
            ring(tool.stderr.readline())
            said = tool.stderr.read()
            self.assertEqual(tool.wait(PATIENCE), 1)
            tool.stderr.close()
        self.assertRegex(said, r"\Aivshmemctl: the output could not be written: .*\n\Z")

    def test_bad_input(self):
        self.bad("wait", "--vector", VECTORS, says=["vector 3", "0 to 2"])
        self.bad("wait", "--vector", "some", says=["--vector", "some"])
        for words in (["-n", "-1"], ["-n", "x"], ["--timeout", "-1"], ["--timeout", "soon"], ["--timeout", "1e99"]):
            self.bad("wait", *words, says=["see ivshmemctl --help"])


class Ringing(Session):
    def test_peers_and_vectors(self):
        waiters = [self.start("wait", "--format", "%v", "-v") for _ in range(2)]
        ids = [int(w.wait_for(r"of peer (\d+)\n", where="err")[1]) for w in waiters]
        printed = json.loads(self.good("ring", "-J", "all", "all", "-n", 2))
        self.assertEqual(printed, {"peers": sorted(ids), "vectors": [0, 1, 2], "rings": 12})
        for waiter in waiters:
            waiter.wait_for(r"(?m)^2$")
            self.assertEqual(waiter.end(signal.SIGINT), 0)
            self.assertIn("6 rings in", waiter.err)

    def test_verbose(self):
        result = self.run_tool("ring", "self", 0, "-n", 3, "-i", 0.01, "-v")
        self.assertEqual((result.returncode, result.stdout), (0, ""))
        self.assertIn("rang 3 times; rings are best effort", result.stderr)

    def test_without_peers(self):
        result = self.run_tool("ring", "all", 0)
        self.assertEqual(result.returncode, 0)
        self.assertIn("no peer to ring", result.stderr)
        self.assertEqual(self.run_tool("ring", "-q", "all", 0).stderr, "")
        self.bad("ring", 77, 0, says=["no peer 77 is connected", "ivshmemctl peers"])

    def test_bad_input(self):
        self.bad("ring", 65536, 0, says=["65536", "65535"])
        self.bad("ring", "self", 65536, says=["65536"])
        for words in (["x", 0], ["", 0], ["self", "x"], ["self", ""], ["4294967296", 0], ["self", "4G"]):
            self.bad("ring", *words, says=["is not a "])
        for words in ([], ["self"], ["self", 0, 0], ["self", 0, "-n", "many"], ["self", 0, "-i", "-2"]):
            self.bad("ring", *words, says=["see ivshmemctl --help"])

    def test_no_device(self):
        empty = self.work / "machine"
        (empty / "sys/bus/pci/devices").mkdir(parents=True)
        for words in (["ring", "0", "0"], ["wait"], ["peers"], ["state"], ["ping"], ["serve"]):
            for status, device in ((1, f"server:{self.work}/none"), (32, "00:04.0"), (32, "any"), (1, "nonsense")):
                command = [IVSHMEMCTL, "--sysroot", empty, "-D", device, *words]
                result = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
                self.assertEqual((result.returncode, result.stdout), (status, ""), command)
                self.assertRegex(result.stderr, r"\Aivshmemctl: .*\n\Z")

    @unittest.skipIf(os.geteuid() == 0, "root may do everything")
    def test_no_permission(self):
        self.socket.chmod(0)
        for words in (["ring", "self", "0"], ["wait"], ["peers"], ["state"], ["monitor"], ["ping"], ["serve"]):
            self.bad(*words, says=[str(self.socket)])


    def test_progress(self):
        words = ("ring", "self", "all", "-n", 3, "-i", 0.7)
        shown = shown_on_terminal(self, self.command(*words))
        self.assertRegex(shown, r"ring \[#+ *\] +\d+% \d+ rings, \d+ rings/s")
        self.assertTrue(shown.endswith(" \r"), "the bar is taken away")
        self.assertEqual(shown_on_terminal(self, self.command("-q", *words)), "")


class Peers(Session):
    def test_peers(self):
        self.assertEqual(self.good("peers"), "")
        waiter = self.start("wait")
        waiting = int(waiter.wait_for(r"of peer (\d+)\n", where="err")[1])
        server = self.start("serve")
        serving = int(server.wait_for(r"as peer (\d+), in slot 0\n", where="err")[1])
        self.assertEqual(self.good("peers"), f"peer {waiting}\npeer {serving}, slot 0\n")
        printed = json.loads(self.good("peers", "-J"))
        self.assertEqual(printed["peers"], [{"id": waiting, "slot": None, "state": None, "absent": False},
                                            {"id": serving, "slot": 0, "state": None, "absent": False}])
        self.assertNotIn(printed["id"], (waiting, serving))
        # A killed peer leaves its slot as it was; one that another server knows looks the same.
        server.kill()
        waiter.end(signal.SIGINT)
        while self.good("peers") != f"peer {serving}, slot 0, not at this server\n":
            time.sleep(0.02)

    def test_verbose(self):
        self.assertRegex(self.run_tool("peers", "-v").stderr, r"this process is peer \d+\n")


class Monitor(Session):
    def monitor(self, *words):
        monitor = self.start("monitor", *words)
        return monitor, int(monitor.wait_for(r'opened.*peer\D+(\d+)')[1])

    def test_rings_and_peers(self):
        other = self.start("wait")
        present = int(other.wait_for(r"of peer (\d+)\n", where="err")[1])
        monitor, peer = self.monitor()
        monitor.wait_for(rf" peer {present} is there\n")
        # The peer that rings comes and goes at once, so a busy monitor may miss it.
        self.good("ring", peer, 1, "-n", 2)
        monitor.wait_for(r" ring vector 1 count \d\n")
        another = self.start("wait")
        joined = int(another.wait_for(r"of peer (\d+)\n", where="err")[1])
        monitor.wait_for(rf" peer {joined} joined\n")
        for waiter, left in ((another, joined), (other, present)):
            waiter.end(signal.SIGINT)
            monitor.wait_for(rf" peer {left} left\n")
        self.assertEqual(monitor.end(signal.SIGINT), 0)
        for line in monitor.out.splitlines():
            self.assertTrue(is_process_time(line.split()[0], time.CLOCK_REALTIME))
        self.assertEqual(monitor.err, "")

    def test_json_and_the_end_of_the_server(self):
        monitor, peer = self.monitor("-J")
        other = self.start("wait")
        joined = int(other.wait_for(r"of peer (\d+)\n", where="err")[1])
        monitor.wait_for("peer joined")
        self.good("ring", peer, 2)
        monitor.wait_for('"ring"')
        self.stop_server()
        monitor.wait_for("server gone")
        self.assertEqual(monitor.end(signal.SIGTERM), 0)
        events = {event["event"]: event for event in monitor.lines()}
        self.assertEqual(events["opened"]["peer"], peer)
        self.assertEqual(events["ring"] | {"time_ns": 0, "device": ""},
                         {"event": "ring", "time_ns": 0, "device": "", "vector": 2, "count": 1, "total": 1})
        first = next(event for event in monitor.lines() if event["event"] == "peer joined")
        self.assertEqual(first["peer"], joined)
        self.assertTrue(all(event["device"] == f"server {self.socket}" for event in monitor.lines()))

    def test_outputs_that_fail(self):
        # A peer that stays: a busy monitor may miss one that leaves at once.
        self.end_of_a_pipe(["monitor"], lambda _: self.start("wait"), None)

    def test_bad_input(self):
        result = subprocess.run([IVSHMEMCTL, "--sysroot", self.work, "monitor"], capture_output=True, text=True,
                                timeout=PATIENCE, check=False)
        self.assertEqual(result.returncode, 1)
        self.assertIn("--sysroot", result.stderr)


if __name__ == "__main__":
    unittest.main()
