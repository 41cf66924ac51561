# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""ivshmemctl_topics.py IVSHMEMCTL IVSHMEM_SERVER: pub and sub between processes."""

import json
import os
import pathlib
import signal
import struct
import subprocess
import time
import unittest

from ivshmemctl_session import PATIENCE, Session


class TopicCase(Session):
    def subscribe(self, *words):
        """Returns a 'sub' that waits."""
        tool = self.start("sub", *words)
        tool.wait_for("waiting for", where="err")
        return tool

    def publish(self, text, *words):
        """Publishes lines; returns when all are published."""
        return subprocess.run(self.command("pub", *words), input=text, capture_output=True, timeout=PATIENCE,
                              check=False)


    def writer(self, *words):
        """Returns a 'pub' that waits for lines, and holds its slot."""
        writer = subprocess.Popen(self.command("pub", *words), stdin=subprocess.PIPE, stderr=subprocess.PIPE)
        self.addCleanup(writer.stderr.close)
        self.addCleanup(writer.stdin.close)
        self.addCleanup(writer.wait)
        self.addCleanup(writer.kill)
        self.assertIn(b"publishing", writer.stderr.readline())
        return writer


class Messages(TopicCase):
    def test_a_message_of_the_command_line(self):
        readers = [self.subscribe("-c", 2, "clock") for _ in range(2)]
        other = self.subscribe("other")
        self.assertEqual(self.good("pub", "clock", "12:00", ""), "")
        for reader in readers:
            self.assertEqual(reader.end(), 0, reader.err)
            self.assertEqual(reader.out, "12:00\n\n")
        self.assertEqual(other.end(signal.SIGTERM), 0)
        self.assertEqual(other.out, "")

    def test_lines(self):
        reader = self.subscribe("-c", 50, "clock")
        text = "".join(f"line {number}\n" for number in range(49)) + "without an end"
        done = self.publish(text.encode(), "clock")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(reader.end(), 0, reader.err)
        self.assertEqual(reader.out, text + "\n")

    def test_a_file_as_one_message(self):
        reader = self.subscribe("-J", "-c", 1, "clock")
        content = bytes(range(256)) * 20
        done = self.publish(content, "--whole", "clock")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(reader.end(), 0, reader.err)
        message, = map(json.loads, reader.out.splitlines())
        self.assertEqual(bytes.fromhex(message["hex"]), content)
        self.assertEqual((message["topic"], message["seq"], message["skipped"], message["size"]),
                         ("clock", 1, 0, len(content)))
        self.assertGreater(float(message["time"]), 1.6e9)

    def test_history_and_latest(self):
        writer = subprocess.Popen(self.command("-v", "pub", "clock"), stdin=subprocess.PIPE, stderr=subprocess.PIPE)
        self.addCleanup(writer.stderr.close)
        self.addCleanup(writer.kill)
        writer.stdin.write(b"one\ntwo\nthree\n")
        writer.stdin.flush()
        self.assertIn(b"publishing clock", writer.stderr.readline())
        watcher = self.subscribe("--history", 10, "-c", 3, "clock")
        self.assertEqual(watcher.end(), 0, watcher.err)
        self.assertEqual(watcher.out, "one\ntwo\nthree\n")
        self.assertEqual(self.good("sub", "--latest", "-c", 1, "clock"), "three\n")
        self.assertEqual(self.good("sub", "--history", 2, "-c", 2, "clock"), "two\nthree\n")
        self.bad("pub", "clock", "x", says=["clock", "a writer already"])
        writer.stdin.close()
        self.assertEqual(writer.wait(PATIENCE), 0)
        self.assertIn(b"3 messages published", writer.stderr.read())

    def test_formats(self):
        text = "%t %p %x %X %l %n %s %S 100%%|"
        reader = self.subscribe("-c", 2, "-N", "-F", text, "clock", "größe")
        times = self.subscribe("-c", 1, "-F", "%U %I", "clock")
        objects = self.subscribe("-J", "-c", 3, "größe")
        self.good("pub", "--slot", 3, "clock", "Zoë")
        reader.wait_for("clock")
        self.good("pub", "--slot", 3, "größe", "", "\tx\"", "z")
        self.assertEqual(reader.end(), 0, reader.err)
        self.assertEqual(reader.out, "clock Zoë 5a6fc3ab 5A6FC3AB 4 1 0 3 100%|größe    0 1 0 3 100%|")
        self.assertEqual(times.end(), 0, times.err)
        self.assertRegex(times.out, r"^\d{10}\.\d{9} \d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}[+-]\d{4}\n$")
        self.assertEqual(objects.end(), 0, objects.err)
        self.assertEqual([(each["text"], each["hex"], each["slot"]) for each in objects.lines()],
                         [("", "", 3), ("\tx\"", "097822", 3), ("z", "7a", 3)])
        self.bad("sub", "-F", "%q", "clock", says=["'%q'", "%p the bytes"])
        self.bad("sub", "-F", "%", "clock", says=["'%'"])

    def test_several_topics_are_counted_together(self):
        reader = self.subscribe("-v", "-c", 3, "-F", "%t", "a", "b")
        for name in "aba":
            self.good("pub", name, "x")
        self.assertEqual(reader.end(), 0, reader.err)
        self.assertEqual(sorted(reader.out), sorted("a\nb\na\n"))
        self.assertIn("waiting for a, b in", reader.err)
        self.assertIn("3 messages, 0 skipped", reader.err)

    def test_a_file_and_what_stays(self):
        """Bytes that are no text have no text in JSON; a late reader gets what is left."""
        file = self.work / "payload"
        file.write_bytes(b"\xff\n\0")
        writer = self.start("pub", "--stay", "--relayed", "-f", file, "clock")
        writer.wait_for("publishing clock", where="err")
        message = json.loads(self.good("-J", "sub", "--latest", "-c", 1, "clock"))
        self.assertEqual(message["hex"], "ff0a00")
        self.assertNotIn("text", message)
        self.assertTrue(json.loads(self.good("-J", "topics"))["topics"][0]["relayed"])
        self.assertIn("open, relayed   clock", self.good("topics"))
        self.assertEqual(writer.end(signal.SIGTERM), 0)
        self.bad("pub", "-f", self.work / "none", "clock", says=["none", "No such file"])
        self.bad("pub", "--whole", "clock", "x", says=["--whole"])

    def test_a_rate(self):
        """Between two messages it sleeps. Without a rate it would not, before all are published: they are there at once."""
        count = 20_000
        for words, text in ((["x"] * count, b""), ([], b"x\n" * count)):
            end, start = os.pipe()
            self.assertEqual(os.write(start, text), len(text))
            os.close(start)
            reader = self.subscribe("-c", 1, "clock")
            writer = subprocess.Popen(self.command("pub", "--rate", 1, "clock", *words), stdin=end,
                                      stderr=subprocess.DEVNULL)
            os.close(end)
            self.addCleanup(writer.wait)
            self.addCleanup(writer.kill)
            self.assertEqual(reader.end(), 0, reader.err)
            while (state := self.state_of(writer)) not in "SZ":
                time.sleep(0.01)
            self.assertEqual(state, "S")
            topic, = (each for each in json.loads(self.good("-J", "topics"))["topics"] if not each["ended"])
            self.assertLess(topic["seq"], count)
            self.assertEqual(self.end_of(writer), 0)
        self.bad("pub", "--rate", 0, "clock", "x", says=["--rate"])

    def state_of(self, process):
        """Returns "R" while it runs, "S" while it sleeps, "Z" after its end."""
        stat = pathlib.Path(f"/proc/{process.pid}/stat").read_text(encoding="ascii")
        return stat.rpartition(")")[2].split()[0]

    def end_of(self, process):
        process.send_signal(signal.SIGTERM)
        return process.wait(PATIENCE)

    def test_the_next_writer(self):
        reader = self.subscribe("-v", "clock")
        for number in range(1, 4):
            self.good("pub", "clock", f"from writer {number}")
            reader.wait_for(f"from writer {number}\n")
            reader.wait_for("the writer ended the topic; waiting for the next writer\n", number, where="err")
        self.assertEqual(reader.end(signal.SIGINT), 0)
        self.assertIn("3 messages, 0 skipped", reader.err)


class List(TopicCase):
    def test_without_topics(self):
        listed = self.run_tool("topics")
        self.assertEqual((listed.returncode, listed.stdout), (0, ""))
        self.assertIn("no peer has made a topic", listed.stderr)
        self.assertEqual(json.loads(self.good("-J", "topics")), {"topics": []})

    def test_topics_of_all_slots(self):
        """All four slots are held, so the list needs none; and what it lists goes on."""
        self.good("pub", "--slot", 0, "-s", 1000, "old", "x", "y")
        writers = [self.writer("--slot", slot, name) for slot, name in ((1, "größe"), (2, "clock"))]
        readers = [self.subscribe("--slot", slot, "-c", 3, "größe") for slot in (3, 0)]
        before = self.good("topics")
        for number in range(3):
            writers[0].stdin.write(f"{number}\n".encode())
        writers[0].stdin.flush()
        for reader in readers:
            self.assertEqual(reader.end(), 0, reader.err)
        self.assertEqual(before, """\
SLOT        LAST        SIZE  MESSAGES  STATE           TOPIC
   1           0       11392        64  open            größe
   2           0       11392        64  open            clock
""")
        self.assertEqual(self.good("topics"), before.replace(" 0 ", " 3 ", 1))
        listed = json.loads(self.good("-J", "topics"))["topics"]
        self.assertGreater(float(listed[0].pop("time")), 1.6e9)
        self.assertEqual(listed[0], {"topic": "größe", "slot": 1, "number": 0, "seq": 3, "size": 11392, "messages": 64,
                                     "ended": False, "relayed": False, "lost": False})
        self.assertEqual(listed[1]["time"], "0.000000000")
        writers[1].kill()
        writers[1].wait()
        self.assertIn("open            clock", self.good("topics"))  # the slot is held until it is claimed
        writers[0].stdin.close()
        self.assertEqual(writers[0].wait(PATIENCE), 0)
        self.assertIn("ended           größe", self.good("topics"))

    def test_what_a_hostile_peer_wrote(self):
        self.writer("--slot", 0, "clock")
        self.writer("--slot", 1, "honest")
        memory = subprocess.run(self.command("read"), capture_output=True, check=True, timeout=PATIENCE).stdout
        entry = memory.index(b"clock\0") - 0x40
        for at, value in ((0x40, 0x1b), (0x40, 0xff), (0x08, 0xff), (0x0c, 3), (0x14, 0)):
            self.good("fill", value, entry + at, 4)
            self.assertEqual([each["topic"] for each in json.loads(self.good("-J", "topics"))["topics"]], ["honest"])
            subprocess.run(self.command("write", entry), input=memory[entry:entry + 256], check=True, timeout=PATIENCE,
                           capture_output=True)
        self.good("fill", 0xff, entry + 0x100, 15 * 256)
        self.assertIn("clock", self.good("topics"))
        for value in (0, 0x5a, 0xff):
            self.good("fill", value, 0, len(memory))
            self.good("topics")


class Ends(TopicCase):
    def test_a_time_limit(self):
        self.assertEqual(self.run_tool("sub", "--timeout", 0.1, "clock").returncode, 124)

    def test_a_signal_before_the_count(self):
        reader = self.subscribe("-c", 1, "clock")
        self.assertEqual(reader.end(signal.SIGTERM), 1)

    def test_a_message_that_is_too_long(self):
        for words in (["--whole"], []):
            done = self.publish(b"x" * 500_000, *words, "clock")
            self.assertEqual(done.returncode, 1)
            self.assertIn(b"--size", done.stderr)
        self.bad("pub", "-s", "64", "clock", "x" * 65, says=["65 bytes", "64", "--size"])
        self.bad("pub", "-s", "1G", "clock", "x", says=["topic_options::size"])

    def test_a_writer_that_breaks_the_rules(self):
        """A topic that stays broken does not keep the reader busy."""
        writer = self.writer("--slot", 0, "clock")
        watcher = self.subscribe("-c", 1, "clock")
        writer.stdin.write(b"one\n")
        writer.stdin.flush()
        self.assertEqual(watcher.end(), 0, watcher.err)
        memory = subprocess.run(self.command("read"), capture_output=True, check=True, timeout=PATIENCE).stdout
        entry = memory.index(b"clock\0") - 0x40
        index, = struct.unpack_from("<I", memory, entry + 0x08)
        message = index * 64 + 32  # the entry of message 1
        self.good("fill", "0xff", message + 0x10, 8)  # its time
        said = self.good("-J", "sub", "-c", 1, "--history", 1, "clock")
        self.assertEqual(json.loads(said)["time"], "-0.000000001")
        self.good("fill", "0xff", message + 0x0c, 4)  # its length
        reader = self.run_tool("-v", "sub", "--timeout", 1.5, "--history", 1, "clock")
        self.assertEqual(reader.returncode, 124, reader.stderr)
        self.assertEqual(reader.stdout, "")
        self.assertIn(reader.stderr.count("broke the rules"), (1, 2, 3), reader.stderr[:2000])
        writer.stdin.close()
        self.assertEqual(writer.wait(PATIENCE), 0)

    def test_wrong_names(self):
        self.bad("pub", "", "x", says=["1 to 59 bytes"])
        self.bad("sub", "n" * 60, says=["1 to 59 bytes"])


if __name__ == "__main__":
    unittest.main()
