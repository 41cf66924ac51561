# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""A copy of the peer in C that breaks one rule is caught by the check of this rule."""

import concurrent.futures
import os
import pathlib
import subprocess
import tempfile
import unittest

import kit
from endings import ENDINGS
from mutations import MUTATIONS

ALL = [*MUTATIONS, *ENDINGS]
CC = os.environ.get("CC", "cc").split()
SOURCE = kit.TOP / "lib/peer/ivshmem_peer.c"
TOPICS = kit.TOP / "lib/peer/ivshmem_peer_topics.c"
WITH_TOPICS = "-DIVSHMEM_PEER_TOPICS=4"


def changed(mutation):
    """The sources of the peer; each text, which must be there once in the one that follows the rule, is replaced."""
    texts = {source: source.read_text() for source in (SOURCE, TOPICS)}
    source = TOPICS if mutation[0].startswith("T") else SOURCE
    for old, new in zip(mutation[1::2], mutation[2::2]):
        if texts[source].count(old) != 1:
            raise AssertionError(f"{mutation[0]}: {texts[source].count(old)} times in {source.name}: {old}")
        texts[source] = texts[source].replace(old, new)
    return texts.values()


def compiled(work, number, texts, server):
    sources, program = [work / f"{number}.c", work / f"{number}-topics.c"], work / f"{number}"
    for source, text in zip(sources, texts):
        source.write_text(text)
    subprocess.run([*CC, "-std=c11", "-w", WITH_TOPICS, "-I", SOURCE.parent, *sources, *server, "-o", program], check=True,
                   env={**os.environ, "CCACHE_DISABLE": "1"})
    return program


def verdict(work, number, mutation, server):
    """Returns the entry of the rule."""
    program = compiled(work, number, changed(mutation), server)
    with kit.Table() as table:
        more = ["--restarts"] if mutation in ENDINGS else []
        (table.c_peer_again if more else table.c_peer)(program)
        # A slot whose holder seems to be gone must be named.
        slot = ["--slot", "2"] if mutation[0] == "H4" else []
        return table.verdicts("--rule", mutation[0], "--time-limit", "2", *slot, *more)[1].get(mutation[0])


class Mutations(unittest.TestCase):
    def test_each_is_caught(self):
        with tempfile.TemporaryDirectory(prefix="ivshmem-mutants-") as work, \
                concurrent.futures.ThreadPoolExecutor(4) as pool:
            work = pathlib.Path(work)
            server = [work / "server_peer.o", work / "server_place.o"]
            subprocess.run([*CC, "-std=gnu11", "-w", WITH_TOPICS, "-c", "-I", SOURCE.parent,
                            *(kit.TOP / "test/peer" / f"{part.stem}.c" for part in server)], check=True, cwd=work)
            runs = [pool.submit(verdict, work, number, mutation, server) for number, mutation in enumerate(ALL)]
            for mutation, run in zip(ALL, runs):
                with self.subTest(rule=mutation[0], to=mutation[2]):
                    said = run.result()
                    print(mutation[0], said)
                    self.assertEqual(said and said["verdict"], "broken", said)

    def test_each_rule_has_one(self):
        with kit.Table() as table:
            table.c_peer_again()
            rules = table.verdicts("--restarts", *kit.PATIENT)[1]
        checked = {number for number, rule in rules.items() if rule["verdict"] == "holds"}
        self.assertEqual({mutation[0] for mutation in ALL}, checked)


if __name__ == "__main__":
    unittest.main()
