# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""forward.py IVSHMEM_FORWARD IVSHMEMCTL IVSHMEM_SERVER: sockets joined by ivshmem-forward, and their ends."""

import contextlib
import functools
import http.server
import os
import pathlib
import queue
import random
import re
import signal
import socket
import stat
import subprocess
import threading
import time
import unittest
import urllib.request

from forward_session import PATIENCE, ForwardCase, Running, Serving, chunks, echo, free_port, has_ipv6


FEW = 60
"""Descriptors of a process that lacks them."""


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


def more_than_a_socket_takes():
    """So many bytes that a forwarder must hold a part of them while nobody reads a UNIX socket."""
    writes, reads = socket.socketpair()
    with writes, reads:
        writes.setblocking(False)
        total = 0
        with contextlib.suppress(BlockingIOError):
            while True:
                total += writes.send(bytes(4096)) # a part of a ring
    return total + 16384 # less than half a window


class Joined(ForwardCase):
    def never_read(self, one):
        """Serves a client whose bytes it does not read until the test ends."""
        over = threading.Event()
        self.addCleanup(over.set)
        one.shutdown(socket.SHUT_WR)
        over.wait(PATIENCE)

    def test_tcp(self):
        offering = self.offering()
        listening, port = self.listening()
        for data in (b"", b"x", self.DATA):
            self.assert_echoes(port, data)
        ended = r"echo: 127\.0\.0\.1:\d+ to slot {}: 3000001 bytes sent, 3000001 received; closed\n"
        listening.wait_for(ended.format(offering.slot), where="err")
        offering.wait_for(rf"echo: connection 3 of slot {listening.slot}: 3000001 bytes sent, 3000001 received; closed\n",
                          where="err")

    def test_unix(self):
        path = self.work / "listening"
        self.offering(at=self.serving_at_path())
        listening = self.forward("--listen", f"unix:{path}", "--mode", "0622", "--to", "echo")
        self.assertEqual(stat.S_IMODE(path.stat().st_mode), 0o622)
        self.assert_echoes(path, self.DATA)
        listening.wait_for(rf"echo: pid {os.getpid()} uid {os.getuid()} to slot", where="err")
        self.assertEqual(listening.end(signal.SIGTERM), 0)
        self.assertFalse(path.exists())

    @unittest.skipUnless(has_ipv6(), "this machine has no IPv6")
    def test_ipv6(self):
        serving = Serving(self, socket.AF_INET6, ("::1", 0))
        port = free_port(socket.AF_INET6, "::1")
        self.offering(at=serving)
        listening = self.forward("--listen", f"tcp:[::1]:{port}", "--to", "echo")
        made = socket.create_connection(("::1", port), PATIENCE)
        self.addCleanup(made.close)
        self.assertEqual(self.exchange(made, b"six"), b"six")
        listening.wait_for(r"echo: \[::1\]:\d+ to slot", where="err")
        port = free_port()
        self.forward("--listen", f"tcp:0.0.0.0:{port}", "--to", "echo", "--listen", f"tcp:[::]:{port}", "--to", "echo")
        self.assert_echoes(port)

    def with_both_test(self):
        """The beginning of a command for which the host both.test has two addresses."""
        hosts = self.work / "hosts"
        hosts.write_text("127.0.0.1 both.test\n::1 both.test\n")
        other_hosts = ["unshare", "-rm", "sh", "-ec", f'mount --bind {hosts} /etc/hosts; exec "$@"', "sh"]
        try:
            run = subprocess.run([*other_hosts, "getent", "ahosts", "both.test"], capture_output=True, text=True, check=False)
        except FileNotFoundError as e:
            self.skipTest(str(e))
        if not {"127.0.0.1", "::1"} <= set(run.stdout.split()):
            self.skipTest(f"no file of hosts for a test: {run.stderr}{run.stdout}")
        return other_hosts

    @unittest.skipUnless(has_ipv6(), "this machine has no IPv6")
    def test_every_address_after_a_lack_of_descriptors(self):
        self.offering()
        port = free_port()
        few = [*self.with_both_test(), "prlimit", f"--nofile={FEW}"]
        listening = Running(self, [*few, *self.forward_command("--listen", f"tcp:both.test:{port}", "--to", "echo")])
        listening.wait_for("ready: ", where="err")

        def client(host):
            made = socket.create_connection((host, port), PATIENCE)
            self.addCleanup(made.close)
            return made

        kept = [client(host) for _ in range(FEW) for host in ("127.0.0.1", "::1")]
        listening.wait_for("cannot accept a client", times=2, where="err")
        for one in kept:
            one.close()
        for host in ("127.0.0.1", "::1"):
            self.assertEqual(self.exchange(client(host), b"again"), b"again")

    @unittest.skipUnless(has_ipv6(), "this machine has no IPv6")
    def test_every_address_of_a_name(self):
        other_hosts = self.with_both_test()

        def forward(*words):
            started = Running(self, [*other_hosts, *self.forward_command(*words)])
            started.wait_for("ready: ", where="err")

        for family, host in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
            with self.subTest(host=host): # where the program that serves listens
                port = Serving(self, family, (host, 0)).socket.getsockname()[1]
                forward("--offer", host, "--from", f"tcp:both.test:{port}")
                listening = free_port()
                forward("--listen", f"tcp:both.test:{listening}", "--to", host)
                for where in ("127.0.0.1", "::1"):
                    made = socket.create_connection((where, listening), PATIENCE)
                    self.addCleanup(made.close)
                    self.assertEqual(self.exchange(made, b"any"), b"any")

    def test_many_services_of_one_process(self):
        one, other = self.serving(), self.serving_at_path(lambda c: c.sendall(b"other"))
        there = self.serving(lambda c: c.sendall(b"there"))
        ports = [free_port(), free_port(), free_port()]
        path = self.work / "there"
        near = self.forward("--offer", "one", "--from", one.address, "--offer", "other", "--from", other.address,
                            "--listen", f"unix:{path}", "--to", "there")
        self.forward("--offer", "there", "--from", there.address, "--listen", f"tcp:127.0.0.1:{ports[0]}", "--to",
                     "one", "--listen", f"tcp:127.0.0.1:{ports[1]}", "--to", f"other@{near.slot}")
        self.assert_echoes(ports[0])
        self.assertEqual(self.exchange(self.client(ports[1]), b""), b"other")
        self.assertEqual(self.exchange(self.client(path), b""), b"there")
        self.assertEqual(len(re.findall(r"slot \d+", self.good("peers"))), 2, "one slot for each process")

    def test_more_services_than_lanes(self):
        serving, words, ports = self.serving(), [], []
        for number in range(6):
            words += ["--offer", f"service {number}", "--from", serving.address]
        self.forward(*words)
        words = []
        for number in range(6):
            ports.append(free_port())
            words += ["--listen", f"tcp:127.0.0.1:{ports[-1]}", "--to", f"service {number}", "--wait", 60]
        self.forward(*words)
        for port in ports: # a lane is free again once a service had no connection for a while
            self.assert_echoes(port)

    def test_each_direction_ends_by_itself(self):
        def answer_at_the_end(one):
            one.sendall(b"".join(chunks(one)).upper())

        self.offering("upper", self.serving(answer_at_the_end))
        self.offering("first", self.serving(lambda one: one.sendall(b"I begin")))
        _, port = self.listening("upper")
        self.assertEqual(self.exchange(self.client(port), b"text"), b"TEXT")
        _, port = self.listening("first")
        made = self.client(port)
        self.assertEqual(b"".join(chunks(made)), b"I begin")
        made.sendall(b"after the end of the other direction")

    def test_bytes_that_outlive_their_sender(self):
        """A program that serves reads them when it likes; they count for the limit of the peer."""
        go_on, got = threading.Event(), queue.Queue()
        self.addCleanup(go_on.set)

        def answer_first(one):
            one.shutdown(socket.SHUT_WR)
            go_on.wait(PATIENCE)
            got.put(b"".join(chunks(one)))

        offering = self.offering("slow", self.serving_at_path(answer_first), "--connections", 2)
        data = random.Random(2).randbytes(more_than_a_socket_takes())

        def connect(slot, given):
            return subprocess.run(self.command("connect", "slow", "--slot", slot), input=given, capture_output=True,
                                  timeout=PATIENCE, check=False)

        for _ in range(2):
            run = connect(5, data)
            self.assertEqual(run.returncode, 0, run.stderr)
        self.assertIn(b"limit of connections", connect(5, data).stderr)
        self.assertEqual(connect(6, b"").returncode, 0, "the limit is that of each peer")
        go_on.set()
        self.assertEqual(sorted(len(got.get(timeout=PATIENCE)) for _ in range(3)), [0, len(data), len(data)])
        offering.wait_for(f"of slot 5: 0 bytes sent, {len(data)} received; closed", times=2, where="err")
        self.assertEqual(connect(5, data).returncode, 0)
        self.assertEqual(got.get(timeout=PATIENCE), data)

    def test_bytes_that_outlive_their_sender_end_with_the_forwarder(self):
        offering = self.offering("slow", self.serving_at_path(self.never_read), "--connections", 2)
        subprocess.run(self.command("connect", "slow"), input=bytes(more_than_a_socket_takes()),
                       timeout=PATIENCE, check=True)
        self.assertEqual(offering.end(signal.SIGTERM), 0)
        self.assertRegex(offering.err, "slow: connection 1 of slot .*; this side ends")

    def test_http(self):
        page = self.work / "page"
        page.write_bytes(self.DATA)
        web = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=self.work))
        threading.Thread(target=web.serve_forever, daemon=True).start()
        self.addCleanup(web.server_close)
        self.addCleanup(web.shutdown)
        self.forward("--offer", "web", "--from", f"tcp:127.0.0.1:{web.server_port}")
        _, port = self.listening("web")
        for _ in range(3):
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/page", timeout=PATIENCE) as got:
                self.assertEqual(got.read(), self.DATA)

    def test_with_ivshmemctl_at_either_side(self):
        self.offering()
        run = subprocess.run(self.command("connect", "echo"), input=b"in", capture_output=True, timeout=PATIENCE,
                             check=True)
        self.assertEqual(run.stdout, b"in")
        self.start("offer", "cat", "--", "cat").wait_for("offering cat", where="err")
        _, port = self.listening("cat")
        self.assert_echoes(port)


class Pressure(ForwardCase):
    MORE_THAN_BUFFERS = 64 << 20

    def test_a_reader_that_reads_nothing_stops_the_writer(self):
        go_on = threading.Event()
        self.addCleanup(go_on.set)
        counted = []

        def late(one):
            go_on.wait()
            counted.append(sum(map(len, chunks(one))))

        self.offering("late", self.serving(late))
        self.offering()
        _, other = self.listening()
        _, port = self.listening("late")
        made = self.client(port)
        made.setblocking(False)
        sent, piece = 0, bytes(1 << 20)

        def fill():
            nonlocal sent
            try:
                while sent < self.MORE_THAN_BUFFERS:
                    sent += made.send(piece)
            except BlockingIOError:
                pass

        before = None
        while sent < self.MORE_THAN_BUFFERS and sent != before:
            before = sent
            fill()
            for _ in range(20): # time for the buffers to fill, and others are not held up
                self.assert_echoes(other)
        self.assertLess(sent, self.MORE_THAN_BUFFERS, "all was taken, although nobody read")
        go_on.set()
        made.setblocking(True)
        made.settimeout(PATIENCE)
        made.shutdown(socket.SHUT_WR)
        self.assertEqual(made.recv(1), b"")
        self.assertEqual(counted, [sent], "nothing that was taken is lost")


class Idle(ForwardCase):
    def switches(self, running):
        status = pathlib.Path(f"/proc/{running.process.pid}/status").read_text()
        return sum(map(int, re.findall(r"ctxt_switches:\s+(\d+)", status)))

    def test_no_wake_up_without_connections(self):
        offering = self.offering()
        listening, port = self.listening()
        self.assert_echoes(port)
        # An idle channel is closed after 10 s, and what follows that ends soon.
        deadline = time.monotonic() + PATIENCE
        watched = offering, listening
        while True:
            before = [self.switches(one) for one in watched]
            time.sleep(5)
            after = [self.switches(one) for one in watched]
            if before == after:
                break
            self.assertLess(time.monotonic(), deadline, f"wake-ups go on: {before} {after}")
        self.assert_echoes(port)


class Ended(ForwardCase):
    def test_the_peer_is_killed_and_starts_again(self):
        serving = self.serving()
        offering = self.offering(at=serving)
        listening, port = self.listening("echo", "--wait", 60)
        made = self.client(port)
        made.sendall(b"x")
        self.assertEqual(made.recv(1), b"x")
        offering.kill()
        self.assert_reset(made)
        listening.wait_for(rf"echo: the channel to slot {offering.slot} has ended", where="err")
        made = self.client(port) # waits for the service
        self.forward("--offer", "echo", "--from", serving.address, "--slot", offering.slot)
        self.assertEqual(self.exchange(made, self.DATA), self.DATA)

    def test_the_listener_is_killed(self):
        ended = threading.Event()

        def watched(one):
            try:
                echo(one)
            finally:
                ended.set()

        offering = self.offering(at=self.serving(watched))
        listening, port = self.listening()
        made = self.client(port)
        made.sendall(b"x")
        self.assertEqual(made.recv(1), b"x")
        self.assertFalse(ended.is_set())
        listening.kill()
        offering.wait_for(rf"connection 1 of slot {listening.slot}: 1 bytes sent, 1 received; ", where="err")
        self.assertTrue(ended.wait(PATIENCE), "the program that serves sees the end")
        _, port = self.listening()
        self.assert_echoes(port)

    def test_signals(self):
        offering = self.offering()
        listening, port = self.listening()
        made = self.client(port)
        made.sendall(b"x")
        self.assertEqual(made.recv(1), b"x")
        self.assertEqual(offering.end(signal.SIGTERM), 0)
        self.assert_reset(made)
        listening.wait_for("1 bytes sent, 1 received; the other side ends", where="err")
        self.assertEqual(listening.end(signal.SIGINT), 0)
        self.assertIsNone(re.search(r"slot \d", self.good("peers")), "both gave their slots back")

    def test_a_client_that_breaks_its_connection(self):
        seen = threading.Event()

        def watch(one):
            try:
                while one.recv(100):
                    pass
            except ConnectionResetError:
                seen.set()

        self.offering("watched", self.serving(watch))
        _, port = self.listening("watched")
        made = self.client(port)
        made.sendall(b"x")
        made.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        made.close()
        self.assertTrue(seen.wait(PATIENCE), "the program that serves sees the break")


class Notified(ForwardCase):
    def test_readiness(self):
        path = str(self.work / "notify")
        manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.addCleanup(manager.close)
        manager.settimeout(PATIENCE)
        manager.bind(path)
        port = free_port()
        command = ["env", f"NOTIFY_SOCKET={path}", *self.forward_command("--listen", f"tcp:127.0.0.1:{port}", "--to", "x")]
        process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        self.assertEqual(manager.recv(100), f"READY=1\nMAINPID={process.pid}".encode())
        self.client(port).close()
        process.send_signal(signal.SIGTERM)
        self.assertEqual(manager.recv(100), b"STOPPING=1")
        self.assertEqual(process.wait(PATIENCE), 0)


if __name__ == "__main__":
    unittest.main()
