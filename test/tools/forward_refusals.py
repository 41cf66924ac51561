# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""forward_refusals.py IVSHMEM_FORWARD IVSHMEMCTL IVSHMEM_SERVER: what ivshmem-forward refuses, and what it says then."""

import ctypes
import errno
import os
import platform
import resource
import signal
import socket
import struct
import subprocess
import unittest

from forward_session import FORWARD, PATIENCE, ForwardCase, Running, chunks, free_port

UNUSABLE, BAD_CONFIGURATION = 1, 2
NOBODY = 65534
FEW = 60
"""Descriptors: fewer than clients."""


def forbid_family(family):
    """Lets socket() fail for a family, as on a kernel without it: a filter of system calls."""
    number, machine = {"x86_64": (41, 0xC000003E), "aarch64": (198, 0xC00000B7)}[platform.machine()]
    fail, allow = 0x00050000 | errno.EAFNOSUPPORT, 0x7FFF0000
    load, equal, give = 0x20, 0x15, 0x06
    steps = [(load, 0, 0, 4), (equal, 0, 5, machine), (load, 0, 0, 0), (equal, 0, 3, number), (load, 0, 0, 16),
             (equal, 0, 1, family), (give, 0, 0, fail), (give, 0, 0, allow)]
    program = b"".join(struct.pack("<HBBI", *step) for step in steps)
    kept = ctypes.create_string_buffer(program)
    header = struct.pack("<HxxxxxxQ", len(steps), ctypes.addressof(kept))
    libc = ctypes.CDLL(None, use_errno=True)
    no_new_privileges, set_filter, filter_mode = 38, 22, 2
    if libc.prctl(no_new_privileges, 1, 0, 0, 0) or libc.prctl(set_filter, filter_mode, header, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl")


class Configuration(ForwardCase):
    def file(self, text, name="web.conf"):
        path = self.work / "forward.d" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        return path

    def said(self, *words, status, **options):
        """Runs a forwarder that must end by itself, and returns its last message."""
        run = subprocess.run([FORWARD, *map(str, words)], capture_output=True, text=True, timeout=PATIENCE, check=False,
                             **options)
        self.assertEqual(run.returncode, status, run.stderr)
        return run.stderr

    def test_the_same_as_by_option(self):
        serving = self.serving()
        port = free_port()
        self.file(f"# here\nsocket = {self.socket}\nslot = 5\nverbose = true\n\noffer = echo\nfrom = {serving.address}\n"
                  "allow = 6,7\nconnections = 3\noffer = other\nfrom = unix:/nonexistent\n")
        self.file(f"socket = {self.socket}\n", "hidden.conf.old")
        folder = self.work / "forward.d"
        self.said("--check", "-c", folder, status=0)

        offering = Running(self, [FORWARD, "-c", folder])
        offering.wait_for("ready: .*, slot 5\n", where="err")
        offering.wait_for("echo: offered in slot 5", where="err")
        offering.wait_for("other: offered in slot 5", where="err")
        self.forward("--slot", 6, "--listen", f"tcp:127.0.0.1:{port}", "--to", "echo@5")
        self.assert_echoes(port)
        offering.wait_for("echo: connection 1 of slot 6: connecting", where="err")

    def test_the_command_line_overrides(self):
        path = self.file("device = 0000:00:1f.7\nslot = 5\nlisten = unix:/nonexistent/x\nto = a\n")
        said = self.said("-c", path, "--socket", self.socket, "--slot", 6, "--check", status=0)
        self.assertEqual(said, "")

    def test_errors_name_file_and_line(self):
        web = "listen = tcp:127.0.0.1:8080\n"
        for text, line, says in (
            ("listen = 8080\n", 1, "tcp:HOST:PORT"),
            ("listen = unix:relative\nto = x\n", 1, "absolute path"),
            ("listen = tcp:127.0.0.1:http-that-is-not\nto = x\n", 1, "tcp:127.0.0.1:http-that-is-not: "),
            (web, 1, "it needs to"),
            (web + "to = x\n" + web + "to = y\n", 3, "named already"),
            (web + "to = x\nto = y\n", 3, "already set"),
            (web + "to = " + "x" * 60 + "\n", 2, "59 bytes"),
            (web + "to = x\nwait = 0\n", 3, "1 to 3600"),
            (web + "to = x\nwait = soon\n", 3, "seconds"),
            (web + "to = x\nmode = 0600\n", 3, "only a UNIX socket"),
            ("listen = unix:/x\nto = x\nmode = 0888\n", 3, "octal"),
            (web + "to = x\nconnections = 0\n", 3, "1 to 65536"),
            (web + "to = x\nfrom = unix:/x\n", 3, "it follows offer"),
            ("to = x\n", 1, "it follows listen"),
            ("connections = 3\n", 1, "it follows listen or offer"),
            ("offer = x\n", 1, "it needs from"),
            ("offer = x\nfrom = unix:/x\nallow = 1,,2\n", 3, "list of slots"),
            ("offer = x\nfrom = unix:/x\nallow = 256\n", 3, "list of slots"),
            ("offer = x\nfrom = unix:/x\noffer = x\nfrom = unix:/y\n", 3, "offered already"),
            ("slot = 256\n", 1, "0 to 255"),
            ("slot = 1\nslot = 2\n", 2, "already set"),
            ("device = nonsense\n", 1, "nonsense"),
            ("socket = relative\n", 1, "absolute path"),
            ("device = any\nsocket = /x\n", 2, "device is already set"),
            ("verbose = yes\n", 1, "true or false"),
            ("reformat = true\n", 1, "command line"),
            ("config = /x\n", 1, "command line"),
            ("nothing = 3\n", 1, "unknown key"),
            ("[web]\n", 1, "KEY = VALUE"),
            ("listen = \0\n", 1, "not text"),
        ):
            with self.subTest(text=text):
                path = self.file(text)
                said = self.said("--check", "--config", path.parent, status=BAD_CONFIGURATION)
                self.assertTrue(said.startswith(f"ivshmem-forward: {path}:{line}: "), said)
                self.assertIn(says, said)
                self.assertEqual(said.count("\n"), 1, said)

    def test_errors_name_the_option(self):
        for words, says in (
            (("--listen", "8080"), ("--listen: ", "tcp:HOST:PORT")),
            (("--to", "web"), ("--to: ", "it follows listen")),
            (("--listen", "unix:x"), ("--listen: ", "it needs to")),
            (("--listen", "tcp:127.0.0.1:65616"), ("--listen: tcp:127.0.0.1:65616: ", "1 to 65535")),
            (("--listen", "tcp:127.0.0.1:99999999999"), ("--listen: ", "1 to 65535")),
            (("--offer", "x", "--from", "tcp:127.0.0.1:0"), ("--from: ", "1 to 65535")),
            (("--offer", "x", "--from", "tcp:127.0.0.1:"), ("--from: ", "1 to 65535")),
            (("--offer", "x@3", "--from", "unix:/x"), ("--offer: ", "would ask slot 3", "another name")),
            (("--offer", "x", "--allow", "y", "--from", "unix:/x"), ("--allow: ", "list of slots")),
            (("--socket", "/x", "-D", "any"), ("--device: ", "socket is set")),
            ((), ("nothing is forwarded", "--offer")),
            (("--config", "/nonexistent"), ("/nonexistent: ", "ivshmem-forward(8) describes it")),
            (("--config", "/dev"), ("nothing is forwarded",)),
            (("--unknown",), ("--unknown", "ivshmem-forward -h")),
            (("--listen", "unix:" + "x" * 108, "--to", "x"), ("--listen: ", "107 bytes")),
        ):
            with self.subTest(words=words):
                said = self.said(*words, status=BAD_CONFIGURATION)
                for text in says:
                    self.assertIn(text, said)

    def test_services_in_two_files(self):
        first = self.file("offer = x\nfrom = unix:/x\n", "1.conf")
        second = self.file("offer = x\nfrom = unix:/y\n", "2.conf")
        said = self.said("--check", "-c", first.parent, status=BAD_CONFIGURATION)
        self.assertIn(f"{second}:1: offer: x: it is offered already: {first}:1", said)
        self.file("slot = 3\n", "1.conf")
        self.file("slot = 3\n", "2.conf")
        said = self.said("--check", "-c", first.parent, status=BAD_CONFIGURATION)
        self.assertIn(f"{second}:1: slot: all services have one, which is already set: {first}:1", said)
        self.file("listen = unix:/x\n", "1.conf") # the next file does not go on with it
        self.file("to = x\n", "2.conf")
        said = self.said("--check", "-c", first.parent, status=BAD_CONFIGURATION)
        self.assertIn(f"{first}:1: listen: it needs to", said)

    @unittest.skipUnless(os.getuid() == 0, "only root can become another user")
    def test_a_file_that_cannot_be_read(self):
        path = self.file("offer = x\n")
        path.chmod(0o600)
        for folder in (self.work, path.parent):
            folder.chmod(0o755)
        said = self.said("--check", "-c", path, status=BAD_CONFIGURATION, user=NOBODY, group=NOBODY)
        self.assertIn(f"{path}: cannot read the configuration; make it readable", said)


class Start(ForwardCase):
    def refused(self, *words, **options):
        """Runs a forwarder that cannot start, and returns its messages."""
        run = subprocess.run(self.forward_command(*words), capture_output=True, text=True, timeout=PATIENCE, check=False,
                             **options)
        self.assertEqual(run.returncode, UNUSABLE, run.stderr)
        return run.stderr

    def test_a_port_in_use(self):
        serving = self.serving()
        self.assertRegex(self.refused("--listen", serving.address, "--to", "x"),
                         rf"--listen: {serving.address}: cannot listen at .*Address already in use; another program")

    def test_a_path_in_use(self):
        serving = self.serving_at_path()
        self.assertIn("another server listens there; end it or choose another path (--listen)",
                      self.refused("--listen", serving.address, "--to", "x"))
        left = serving.address
        serving.close() # its file stays, as that of a program that was killed
        self.forward("--listen", left, "--to", "x")
        path = self.work / "file"
        path.write_text("of somebody")
        self.assertIn("it exists and is not a socket", self.refused("--listen", f"unix:{path}", "--to", "x"))
        self.assertIn("No such file", self.refused("--listen", "unix:/nonexistent/socket", "--to", "x"))

    def test_an_address_of_no_interface(self):
        self.assertIn("no interface has that address",
                      self.refused("--listen", "tcp:192.0.2.1:8080", "--to", "x"))

    @unittest.skipUnless(platform.machine() in ("x86_64", "aarch64"), "the filter has no number for this processor")
    def test_an_address_family_that_the_kernel_lacks(self):
        without = {"preexec_fn": lambda: forbid_family(socket.AF_INET6)}
        self.assertIn("this kernel has no such addresses; use tcp:127.0.0.1",
                      self.refused("--listen", "tcp:[::1]:8080", "--to", "x", **without))
        offering = self.run_forward("--offer", "six", "--from", "tcp:[::1]:8080", **without)
        offering.wait_for("six: offered", where="err")
        run = self.run_tool("connect", "six")
        self.assertEqual(run.returncode, 1)
        offering.wait_for("six: tcp:\\[::1\\]:8080: Address family not supported by protocol; this kernel", where="err")

    @unittest.skipUnless(os.getuid() == 0, "only root can become another user")
    def test_no_permission(self):
        self.work.chmod(0o755)
        self.socket.chmod(0o666)
        other = {"user": NOBODY, "group": NOBODY}
        self.assertIn("Permission denied", self.refused("--listen", f"unix:{self.work}/new", "--to", "x", **other))
        serving = self.serving_at_path()
        os.chmod(serving.socket.getsockname(), 0o600)
        offering = self.run_forward("--offer", "closed", "--from", serving.address, **other)
        offering.wait_for("closed: offered", where="err")
        self.run_tool("connect", "closed")
        offering.wait_for("Permission denied; let the user of this process connect there", where="err")
        self.socket.chmod(0o600)
        self.assertIn("permission denied", self.refused("--offer", "x", "--from", "unix:/x", **other))

    def test_a_server_that_is_absent(self):
        run = subprocess.run([FORWARD, "--socket", "/nonexistent", "--offer", "x", "--from", "unix:/x"],
                             capture_output=True, text=True, timeout=PATIENCE, check=False)
        self.assertEqual(run.returncode, UNUSABLE)
        self.assertIn("/nonexistent", run.stderr)

    def test_a_slot_of_nobody(self):
        self.assertIn("slot 200 is not that of a peer",
                      self.refused("--listen", f"tcp:127.0.0.1:{free_port()}", "--to", "x@200"))
        self.assertIn("slot 2 is not that of a peer",
                      self.refused("--slot", 2, "--listen", f"tcp:127.0.0.1:{free_port()}", "--to", "x@2"))

    def test_a_slot_in_use(self):
        offering = self.offering()
        self.assertIn(f"slot {offering.slot}",
                      self.refused("--slot", offering.slot, "--offer", "x", "--from", "unix:/x"))


class Connections(ForwardCase):
    def test_an_absent_service(self):
        listening, port = self.listening("nothing", "--wait", 1)
        self.assert_refused(port)
        listening.wait_for(r"nothing: 127.0.0.1:\d+ is refused: no peer offers the service; on the other side run "
                           r'"ivshmem-forward --offer nothing', where="err")
        self.offering("nothing") # and when it is there, the next client gets it
        self.assert_echoes(port)

    def test_a_service_that_comes_while_a_client_waits(self):
        _, port = self.listening("late", "--wait", 60)
        made = self.client(port)
        made.sendall(b"before")
        self.offering("late")
        self.assertEqual(self.exchange(made, b" and after"), b"before and after")

    def test_a_peer_that_stands_still(self):
        offering = self.offering()
        listening, port = self.listening("echo", "--wait", 1)
        offering.signal(signal.SIGSTOP)
        self.assert_refused(port)
        listening.wait_for(f"slot {offering.slot} offers the service, but does not answer", where="err")
        offering.signal(signal.SIGCONT)
        self.assert_echoes(port)

    def test_a_program_that_serves_is_absent(self):
        with socket.socket() as bound: # it does not listen
            bound.bind(("127.0.0.1", 0))
            closed = bound.getsockname()[1]
            for name, at, why in (("tcp", f"tcp:127.0.0.1:{closed}", "Connection refused"),
                                  ("unix", "unix:/nonexistent/socket", "No such file or directory")):
                offering = self.forward("--offer", name, "--from", at)
                listening, port = self.listening(name)
                self.assert_refused(port)
                offering.wait_for(f"{name}: {at}: {why}; start the program that listens there", where="err")
                listening.wait_for("0 bytes sent, 0 received; the program that serves cannot be reached", where="err")

    def test_a_slot_that_is_not_allowed(self):
        offering = self.offering("echo", None, "--allow", "6,7")
        self.assertRegex(offering.err, "echo: allow is no protection on this device: .*ssh and TLS")
        listening, port = self.listening("echo", "--slot", 5)
        self.assert_refused(port)
        listening.wait_for("is refused: this slot is not on the list", where="err")
        offering.wait_for("echo: slot 5 is refused: it is not on the list of allowed slots", where="err")
        _, port = self.listening("echo", "--slot", 7)
        self.assert_echoes(port)

    def test_two_forwarders_offer_one_name(self):
        self.forward("--slot", 1, "--offer", "name", "--from", self.serving(lambda one: one.sendall(b"1")).address)
        other = self.serving(lambda one: one.sendall(b"2")).address
        second = self.forward("--slot", 2, "--offer", "name", "--from", other)
        self.assertIn("name: slot 1 offers it too; a peer that names no slot gets that of the lowest", second.err)
        for to, answer in (("name", b"1"), ("name@2", b"2")):
            _, port = self.listening(to)
            self.assertEqual(self.exchange(self.client(port), b""), answer)

    def test_a_peer_that_stands_still_beside_one_that_answers(self):
        still = self.forward("--slot", 1, "--offer", "name", "--from", self.serving(lambda one: one.sendall(b"1")).address)
        self.forward("--slot", 2, "--offer", "name", "--from", self.serving(lambda one: one.sendall(b"2")).address)
        _, port = self.listening("name", "--wait", 60)
        still.signal(signal.SIGSTOP)
        for _ in range(2):
            self.assertEqual(self.exchange(self.client(port), b""), b"2")
        still.signal(signal.SIGCONT)

    def test_the_limit_of_a_listener(self):
        self.offering()
        listening, port = self.listening("echo", "--connections", 2)
        kept = [self.client(port) for _ in range(2)]
        for one in kept:
            one.sendall(b"x")
            self.assertEqual(one.recv(1), b"x")
        self.assert_refused(port)
        listening.wait_for("is refused: the limit of connections is reached", where="err")
        self.assertEqual(self.exchange(kept.pop(), b"y"), b"y")
        listening.wait_for("2 bytes sent", where="err")
        self.assert_echoes(port)

    def test_the_limit_of_an_offer(self):
        self.offering("echo", None, "--connections", 2)
        listening, port = self.listening("echo")
        kept = [self.client(port) for _ in range(2)]
        for one in kept:
            one.sendall(b"x")
            self.assertEqual(one.recv(1), b"x")
        self.assert_refused(port)
        listening.wait_for("0 bytes sent, 0 received; the limit of connections is reached", where="err")
        _, other = self.listening("echo") # the limit is that of each peer
        self.assert_echoes(other)

    def test_the_limit_of_descriptors(self):
        self.offering()
        few = {"preexec_fn": lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (FEW, FEW))}
        port = free_port()
        listening = self.forward("--listen", f"tcp:127.0.0.1:{port}", "--to", "echo", **few)
        kept = [self.client(port) for _ in range(FEW)]
        listening.wait_for("cannot accept a client: Too many open files; others wait; raise the limit", where="err")
        for one in kept: # those that waited get their turn
            one.sendall(b"x")
            one.shutdown(socket.SHUT_WR)
        for one in kept:
            self.assertEqual(b"".join(chunks(one)), b"x")
            one.close()
        self.assert_echoes(port)

    def test_a_program_that_serves_ends_in_the_middle(self):
        def break_off(one):
            one.recv(1)
            one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            one.close()

        self.offering("broken", self.serving(break_off))
        listening, port = self.listening("broken")
        made = self.client(port)
        made.sendall(b"x")
        self.assert_reset(made)
        listening.wait_for("1 bytes sent, 0 received; the program at the other end broke", where="err")

    def test_another_protocol(self):
        self.start("serve").wait_for("answering pings", where="err")
        listening, port = self.listening("ivshmemctl ping")
        self.assert_refused(port)
        self.assertRegex(listening.wait_for("is refused: .*\n", where="err")[0], "rule of the protocol")


if __name__ == "__main__":
    unittest.main()
