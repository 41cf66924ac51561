# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""ivshmemctl_connect.py IVSHMEMCTL IVSHMEM_SERVER: connect and offer between processes."""

import functools
import http.server
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import threading
import unittest

from ivshmemctl_session import PATIENCE, Session

ECHO = ["cat"]


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


class ConnectCase(Session):
    MEMORY = "4M"

    def offer(self, name, *words):
        """Returns an 'offer' that is ready, and its slot."""
        offer = self.start("-v", "offer", name, *words)
        return offer, int(offer.wait_for(rf"offering {name} in slot (\d+)\n", where="err")[1])

    def connect(self, *words, data=b"", status=0):
        """Runs a 'connect', and returns its output and its messages."""
        run = subprocess.run(self.command("connect", *words), input=data, capture_output=True, timeout=PATIENCE,
                             check=False)
        self.assertEqual(run.returncode, status, run.stderr)
        return run.stdout, run.stderr.decode()

    def connected(self, *words):
        """Returns a 'connect' that goes on, with pipes."""
        process = subprocess.Popen(self.command("connect", *words), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE)
        self.addCleanup(lambda: (process.kill(), process.communicate()))
        return process


class Joined(ConnectCase):
    def test_bytes_both_ways(self):
        offer, _ = self.offer("echo", "--", *ECHO)
        data = random.Random(1).randbytes(5_000_001)
        for piece in (b"", b"x", data):
            self.assertEqual(self.connect("echo", data=piece)[0], piece)
        offer.wait_for(r"connection 1 of slot 1: 5000001 bytes sent, 5000001 received; closed\n", where="err")

    def test_each_direction_ends_by_itself(self):
        self.offer("sorted", "--", "sort") # it answers only after the end of its input
        self.assertEqual(self.connect("sorted", data=b"b\na\n")[0], b"a\nb\n")
        self.offer("date", "--", "echo", "now") # it reads nothing
        self.assertEqual(self.connect("date", data=b"")[0], b"now\n")

    def test_end_of_the_output_comes_before_that_of_the_input(self):
        self.offer("date", "--", "echo", "now")
        process = self.connected("date")
        self.assertEqual(process.stdout.read(), b"now\n") # up to the end
        self.assertIsNone(process.poll())
        self.assertEqual(process.communicate(timeout=PATIENCE), (b"", b""))
        self.assertEqual(process.returncode, 0)

    def test_one_socket_is_input_and_output(self):
        self.offer("date", "--", "echo", "now")
        ours, its = socket.socketpair()
        self.addCleanup(ours.close)
        ours.settimeout(PATIENCE)
        with subprocess.Popen(self.command("connect", "date"), stdin=its, stdout=its) as process:
            self.addCleanup(process.kill)
            its.close()
            self.assertEqual(b"".join(iter(lambda: ours.recv(100), b"")), b"now\n")
            ours.shutdown(socket.SHUT_WR)
            self.assertEqual(process.wait(PATIENCE), 0)

    def test_files(self):
        self.offer("echo", "--", *ECHO)
        source, copy = self.work / "source", self.work / "copy"
        source.write_bytes(b"text" * 100_000)
        with source.open("rb") as read, copy.open("wb") as write:
            subprocess.run(self.command("connect", "echo"), stdin=read, stdout=write, timeout=PATIENCE, check=True)
        self.assertEqual(copy.read_bytes(), source.read_bytes())

    def test_flags_of_the_streams_are_restored(self):
        self.offer("echo", "--", *ECHO)
        read, write = os.pipe()
        subprocess.run(self.command("connect", "echo"), stdin=subprocess.DEVNULL, stdout=write, timeout=PATIENCE,
                       check=True)
        self.assertTrue(os.get_blocking(write))
        os.close(read)
        os.close(write)

    def test_standard_streams_of_offer(self):
        with subprocess.Popen(self.command("offer", "once"), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE) as offer:
            self.addCleanup(offer.kill)
            offer.stderr.readline()
            offer.stdin.write(b"from the offer")
            offer.stdin.close()
            self.assertEqual(self.connect("once", data=b"to the offer")[0], b"from the offer")
            self.assertEqual(offer.stdout.read(), b"to the offer")
            self.assertEqual(offer.wait(PATIENCE), 0)

    def test_reader_that_is_slower_than_the_peer(self):
        """The other side has sent all and ended, but a pipe holds less."""
        data = random.Random(2).randbytes(100_000)
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        for sends in ("offer", "connect"):
            with self.subTest(sends=sends), subprocess.Popen(self.command("offer", "once"), **pipes) as offer:
                self.addCleanup(offer.kill)
                offer.stderr.readline()
                connect = subprocess.Popen(self.command("connect", "once"), **pipes)
                self.addCleanup(connect.kill)
                sender, receiver = (offer, connect) if sends == "offer" else (connect, offer)
                receiver.stdin.close()
                sender.stdin.write(data)
                sender.stdin.close()
                self.assertEqual(sender.wait(PATIENCE), 0)
                self.assertEqual(receiver.stdout.read(), data)
                self.assertEqual(receiver.wait(PATIENCE), 0)
                connect.stdout.close()
                connect.stderr.close()

    def test_several_at_once(self):
        self.offer("echo", "--", *ECHO)
        running = [self.connected("echo") for _ in range(5)]
        for number, process in enumerate(running):
            process.stdin.write(f"{number}\n".encode())
            process.stdin.flush()
        for number, process in reversed(list(enumerate(running))):
            self.assertEqual(process.stdout.readline(), f"{number}\n".encode())
        for process in running:
            self.assertEqual(process.communicate(timeout=PATIENCE), (b"", b""))
            self.assertEqual(process.returncode, 0)

    def test_environment(self):
        self.offer("who", "--", "sh", "-c", "echo $IVSHMEM_SERVICE $IVSHMEM_SLOT")
        self.assertEqual(self.connect("who", "--slot", "5")[0], b"who 5\n")

    def test_http_over_tcp(self):
        page = self.work / "page"
        page.write_bytes(b"page" * 50_000)
        handler = functools.partial(Quiet, directory=self.work)
        web = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        threading.Thread(target=web.serve_forever, daemon=True).start()
        self.addCleanup(web.server_close)
        self.addCleanup(web.shutdown)
        self.offer("web", "--to", f"tcp:127.0.0.1:{web.server_port}")
        got = self.connect("web", data=b"GET /page HTTP/1.0\r\n\r\n")[0]
        self.assertTrue(got.startswith(b"HTTP/1.0 200"), got[:100])
        self.assertTrue(got.endswith(b"\r\n\r\n" + page.read_bytes()))

    def test_unix_socket(self):
        path = self.work / "serving"
        listening = socket.socket(socket.AF_UNIX)
        self.addCleanup(listening.close)
        listening.bind(str(path))
        listening.listen()

        def answer():
            with listening.accept()[0] as one:
                text = b"".join(iter(lambda: one.recv(4096), b"")) # until the end of the input
                one.sendall(text.upper())

        threading.Thread(target=answer, daemon=True).start()
        self.offer("upper", "--to", f"unix:{path}")
        self.assertEqual(self.connect("upper", data=b"text")[0], b"TEXT")

    @unittest.skipUnless(shutil.which("rsync"), "rsync is not installed")
    def test_rsync(self):
        served, copied, config = (self.work / name for name in ("served", "copied", "rsyncd.conf"))
        served.mkdir()
        for number in range(20):
            (served / str(number)).write_bytes(random.Random(number).randbytes(number * 10_000))
        config.write_text(f"use chroot = false\n[files]\npath = {served}\n")
        self.offer("rsync", "--", "rsync", "--daemon", f"--config={config}")
        environment = {**os.environ, "RSYNC_CONNECT_PROG": " ".join(self.command("connect", "rsync"))}
        subprocess.run(["rsync", "-r", "rsync://peer/files/", copied], env=environment, timeout=PATIENCE, check=True)
        self.assertEqual({file.name: file.read_bytes() for file in copied.iterdir()},
                         {file.name: file.read_bytes() for file in served.iterdir()})


class Refused(ConnectCase):
    def test_absent(self):
        for name in ("nothing", "nothing@3"):
            _, said = self.connect(name, status=1)
            self.assertIn("ivshmemctl offer nothing", said)

    def test_slot_that_is_not_allowed(self):
        offer, _ = self.offer("echo", "--allow", "6,7", "--", *ECHO)
        self.assertIn("pose", offer.err)
        _, said = self.connect("echo", "--slot", "5", status=1)
        self.assertIn("this slot is not on the list", said)
        offer.wait_for("echo: slot 5 is refused", where="err")
        self.assertEqual(self.connect("echo", "--slot", "6", data=b"in")[0], b"in")

    def test_command_that_is_not_there(self):
        offer, _ = self.offer("broken", "--", "/nonexistent/command")
        _, said = self.connect("broken", status=1)
        self.assertIn("cannot be reached", said)
        offer.wait_for("/nonexistent/command: No such file", where="err")

    def test_socket_where_nothing_listens(self):
        with socket.socket() as bound: # it does not listen
            bound.bind(("127.0.0.1", 0))
            port = bound.getsockname()[1]
            for to, why in ((f"tcp:127.0.0.1:{port}", "Connection refused"), ("unix:/nonexistent", "No such file")):
                name = to[:4].strip(":")
                offer, _ = self.offer(name, "--to", to)
                _, said = self.connect(name, status=1)
                self.assertIn("cannot be reached", said)
                offer.wait_for(f"{name}: {to}: {why}", where="err")

    def test_processes_that_outlive_their_connections(self):
        """They count for the limit of the peer, which could start more and more of them."""
        offer, _ = self.offer("long", "--connections", 2, "--", "sleep", "1000")
        pids = []
        for number in (1, 2):
            process = self.connected("long", "--slot", 5)
            pids.append(int(offer.wait_for(r"of slot 5: process (\d+)", times=number, where="err")[1]))
            self.addCleanup(lambda pid=pids[-1]: os.path.exists(f"/proc/{pid}") and os.kill(pid, signal.SIGKILL))
            process.kill()
            offer.wait_for("of slot 5: 0 bytes sent", times=number, where="err")
        _, said = self.connect("long", "--slot", 5, status=1)
        self.assertIn("limit of connections", said)
        os.kill(pids[0], signal.SIGTERM)
        offer.wait_for(f"process {pids[0]} was ended by signal 15", where="err")
        self.connected("long", "--slot", 5)
        pids.append(int(offer.wait_for(r"of slot 5: process (\d+)", times=3, where="err")[1]))
        os.kill(pids[2], signal.SIGKILL)

    def test_second_connection_of_standard_streams(self):
        offer, _ = self.offer("once", "--connections", 3)
        first = self.connected("once")
        first.stdin.write(b"x")
        first.stdin.flush()
        offer.wait_for("x")
        _, said = self.connect("once", status=1)
        self.assertIn("limit of connections", said)

    def test_another_protocol(self):
        server = self.start("serve")
        server.wait_for("answering pings", where="err")
        _, said = self.connect("ivshmemctl ping", status=1)
        self.assertIn("a rule of the protocol was broken", said)

    def test_bad_options(self):
        self.bad("offer", "--allow", "1,", "echo", "--", "cat", says=["--allow", "slots"])
        self.bad("offer", "echo", "--allow", "x", "--", "cat", says=["--allow", "slot"])
        self.bad("offer", "echo", "--to", "unix:/x", "--", "cat", says=["--to", "command"])
        for address in ("80", "tcp:80", "tcp:127.0.0.1:x", "unix:", "unix:/" + "x" * 107):
            self.bad("offer", "echo", "--to", address, says=["--to", address])
        self.bad("offer", "echo", "--connections", 0, "--", "cat", says=["--connections"])
        self.bad("offer", "x" * 60, "--", "cat", says=["59 bytes"])
        self.bad("offer", "x@3", "--", "cat", says=["would ask slot 3"])
        self.bad("offer", "x", "--to", "tcp:127.0.0.1:65616", says=["1 to 65535"])

    def test_two_offers_of_one_name(self):
        self.offer("name", "--", "echo", "first")
        second, slot = self.offer("name", "--", "echo", "second")
        self.assertIn("name: slot 0 offers it too", second.err)
        self.assertEqual(self.connect("name")[0], b"first\n")
        self.assertEqual(self.connect(f"name@{slot}")[0], b"second\n")


class Ended(ConnectCase):
    def test_offer_is_killed(self):
        offer, slot = self.offer("echo", "--", *ECHO)
        process = self.connected("echo")
        process.stdin.write(b"x")
        process.stdin.flush()
        self.assertEqual(process.stdout.read(1), b"x")
        offer.kill()
        self.assertIn(b"echo: ", process.stderr.readline())
        self.assertEqual(process.wait(PATIENCE), 1)
        self.offer("echo", "--slot", slot, "--", *ECHO)
        self.assertEqual(self.connect("echo", data=b"again")[0], b"again")

    def test_connect_is_killed(self):
        offer, _ = self.offer("echo", "--", *ECHO)
        process = self.connected("echo")
        process.stdin.write(b"x")
        process.stdin.flush()
        self.assertEqual(process.stdout.read(1), b"x")
        process.kill()
        offer.wait_for("connection 1 of slot 1: 1 bytes sent, 1 received; ", where="err")
        self.assertEqual(self.connect("echo", data=b"again")[0], b"again")

    def test_command_ends_before_it_has_read_all(self):
        self.offer("short", "--", "head", "-c", "3")
        out, said = self.connect("short", data=b"y" * 3_000_000, status=1)
        self.assertEqual(out, b"yyy")
        self.assertIn("broke the connection", said)

    def test_offer_that_stands_still(self):
        offer, _ = self.offer("echo", "--", *ECHO)
        offer.signal(signal.SIGSTOP)
        _, said = self.connect("echo", "--timeout", "0.5", status=1)
        self.assertIn("does not answer", said)
        offer.signal(signal.SIGCONT)
        self.assertEqual(self.connect("echo", data=b"again")[0], b"again")

    def test_another_offer_answers_for_one_that_stands_still(self):
        first, _ = self.offer("name", "--", "echo", "first")
        self.offer("name", "--", "echo", "second")
        first.signal(signal.SIGSTOP)
        self.assertEqual(self.connect("name")[0], b"second\n")
        first.signal(signal.SIGCONT)
        self.assertEqual(self.connect("name")[0], b"first\n")

    def test_slot_of_a_program_that_stands_still(self):
        """Check that only --slot takes it: the program, or its VM, may be paused."""
        offers = [self.offer(f"name {number}", "--", *ECHO) for number in range(8)]
        self.assertEqual({slot for _, slot in offers}, set(range(8)), "all slots are held")
        still, slot = offers[2]
        still.signal(signal.SIGSTOP)
        _, said = self.connect("name 1", status=1)
        self.assertRegex(said, rf"all slots of channels are held: slot 0 by peer \d+, .*slot {slot} by peer \d+.*--slot N.*paused")
        still.signal(signal.SIGCONT)
        offers[1][0].end(signal.SIGTERM)
        self.assertEqual(self.connect("name 2", data=b"x")[0], b"x", "nothing was taken from it")
        still.signal(signal.SIGSTOP)
        self.assertEqual(self.connect("name 0", "--slot", slot, data=b"x")[0], b"x")
        still.signal(signal.SIGCONT)
        self.assertEqual(still.end(), 1)
        self.assertIn("slot", still.err)

    def test_reader_that_is_gone(self):
        self.offer("zero", "--", "cat", "/dev/zero")
        process = self.connected("zero")
        self.assertEqual(process.stdout.read(10), b"\0" * 10)
        process.stdout.close()
        self.assertRegex(process.stderr.read().decode(), r"zero: .*\n")
        self.assertEqual(process.wait(PATIENCE), 1)

    def test_signals(self):
        offer, _ = self.offer("echo", "--", *ECHO)
        process = self.connected("echo")
        process.stdin.write(b"x")
        process.stdin.flush()
        self.assertEqual(process.stdout.read(1), b"x")
        process.send_signal(signal.SIGTERM)
        self.assertEqual(process.wait(PATIENCE), 1)
        self.assertEqual(offer.end(signal.SIGTERM), 0)
        self.assertIsNone(re.search(r"slot \d", self.good("peers")), "both gave their slots back")


if __name__ == "__main__":
    unittest.main()
