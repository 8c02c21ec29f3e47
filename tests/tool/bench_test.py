#!/usr/bin/env python3
"""sluice bench: what it measures it has checked, and it says so; a wrong byte is seen."""
import json
import os
import re
import sys
from pathlib import Path

import harness
from harness import DONE, FAILED, WRONG_USAGE, ToolTest, main

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "bench.md"
ROUNDS = 200


class Benchmarks(ToolTest):
    """sluice bench, with a few messages: not how fast they are, but what is said of them."""

    def setUp(self):
        super().setUp()
        os.environ["TMPDIR"] = str(self.folder)  # nothing may be left in it
        self.addCleanup(os.environ.pop, "TMPDIR")

    def bench(self, *arguments):
        return self.run_sluice("bench", "--rounds", ROUNDS, "--seconds", 5, "--json", *arguments)

    def rows(self, *arguments):
        ended = self.bench(*arguments)
        self.assert_status(ended, DONE)
        self.assertEqual(ended[2], "")
        return json.loads(ended[1])

    def first_mechanism(self):
        return self.endpoint.split(":")[0]

    def test_bench_measures_every_mechanism_between_two_processes(self):
        rows = json.loads(self.run_sluice("mechanisms", "--json")[1])
        wanted = [row["name"] for row in rows if row["available"] and not row["one_process"]]
        measured = self.rows("--size", "64,20K", "--mode", "sleep")
        self.assertEqual([row["mechanism"] for row in measured], [name for name in wanted for _ in range(2)])
        for row in measured:
            with self.subTest(mechanism=row["mechanism"], size=row["size"]):
                self.assertEqual(row["errors"], 0)
                self.assertNotEqual(row["pids"][0], row["pids"][1])
                self.assertGreater(row["pids"][1], 0)
                self.assertGreater(row["round_trips"], 0)
                self.assertGreater(row["messages"], 0)
                self.assertGreater(row["rtt_median_ns"], 0)
                self.assertLessEqual(row["rtt_min_ns"], row["rtt_median_ns"])
                self.assertLessEqual(row["rtt_median_ns"], row["rtt_p99_ns"])
                self.assertLessEqual(row["rtt_p99_ns"], row["rtt_p999_ns"])
                self.assertAlmostEqual(row["bytes_per_s"], row["messages_per_s"] * row["size"], delta=1)
                # Each message of the measurement, one way and both, and of the warm-ups.
                self.assertGreaterEqual(row["checked"], row["messages"] + 2 * row["round_trips"])
                self.assertGreater(row["checked_whole"], 0)
                self.assertEqual(row["checked_whole"] == row["checked"], row["size"] == 64)
                self.assertEqual(row["deaths"], 5)
                self.assertGreater(row["death_noticed_median_ns"], 0)
                self.assertLessEqual(row["death_noticed_median_ns"], row["death_noticed_worst_ns"])
                self.assertLess(row["death_noticed_worst_ns"], 10_000_000_000)
        self.assertEqual(sorted(path.name for path in self.folder.iterdir()), ["into", "runtime"])

    def test_bench_prints_the_fields_that_are_documented(self):
        rows = self.rows(self.first_mechanism(), "--size", "64,20K", "--mode", "sleep,spin")
        table = DOCUMENT.read_text().split("| field | unit |", 1)[1].split("\n\n", 1)[0]
        documented = re.findall(r"^\| `(\w+)` \| [^|]+ \| [^|]+ \|$", table, re.MULTILINE)
        self.assertEqual(len(documented), len(table.splitlines()) - 2, "a row of the table is not like the others")
        for row in rows:
            self.assertCountEqual(row.keys(), documented)

    def test_bench_sleeps_and_spins_copied_and_in_place(self):
        for options in ([], ["--in-place"], ["--whole"], ["--in-place", "--whole"]):
            rows = self.rows("unix" if "unix" in harness.BUILT_IN else self.first_mechanism(), "--mode", "sleep,spin", "--size", "1000",
                             *options)
            self.assertEqual([row["mode"] for row in rows], ["sleep", "spin"])
            for row in rows:
                self.assertEqual(row["errors"], 0)
                self.assertEqual(row["in_place"], "--in-place" in options)
                if "--whole" in options:
                    self.assertEqual(row["checked"], row["checked_whole"])
                    self.assertEqual(row["round_trips"], row["messages"])

    def test_bench_kills_as_often_as_it_is_told(self):
        for mode in ("sleep", "spin"):
            row = self.rows(self.first_mechanism(), "--mode", mode, "--size", "64", "--deaths", "1")[0]
            self.assertEqual(row["deaths"], 1)
            self.assertGreater(row["death_noticed_median_ns"], 0)
            self.assertEqual(row["death_noticed_median_ns"], row["death_noticed_worst_ns"])
            row = self.rows(self.first_mechanism(), "--mode", mode, "--size", "64", "--deaths", "0")[0]
            self.assertEqual(row["deaths"], 0)
            self.assertIsNone(row["death_noticed_median_ns"])
            self.assertIsNone(row["death_noticed_worst_ns"])

    def test_bench_over_shared_memory_in_place(self):
        if "shm" not in harness.BUILT_IN:
            self.skipTest("shm is not built in")
        for row in self.rows("shm", "--in-place", "--size", "8,64,1M", "--mode", "sleep,spin"):
            self.assertEqual(row["errors"], 0)

    def test_bench_keeps_to_the_processors(self):
        if len(os.sched_getaffinity(0)) < 2:
            self.skipTest("there is one processor")
        one, other = sorted(os.sched_getaffinity(0))[:2]
        mechanism = self.first_mechanism()
        self.assertEqual(self.rows(mechanism, "--mode", "sleep", "--size", "64")[0]["cpus"], [one, other])
        self.assertEqual(self.rows(mechanism, "--mode", "sleep", "--size", "64", "--cpus", f"{other},{other}")[0]["cpus"], [other, other])
        ended = self.bench(mechanism, "--cpus", f"{one},100000")
        self.assert_status(ended, FAILED)

    def test_bench_counts_a_wrong_byte(self):
        mechanism = self.first_mechanism()
        # It is in the middle: of a small message, of one whose window is there (10000 = 16 + 156 * 64), of one that is compared whole.
        for mode, size, number in (("sleep", 64, 7), ("spin", 64, 7), ("sleep", 256, 7), ("sleep", 20000, 156), ("sleep", 20000, 128)):
            ended = self.bench(mechanism, "--size", size, "--mode", mode, "--corrupt", number)
            self.assert_status(ended, FAILED)
            self.assertGreater(json.loads(ended[1])[0]["errors"], 0)
            self.assertIn("wrong", ended[2])

    def test_bench_prints_a_table(self):
        mechanism = self.first_mechanism()
        status, out, _ = self.run_sluice("bench", mechanism, "--rounds", ROUNDS, "--mode", "sleep")
        self.assertEqual(status, DONE)
        lines = out.decode().splitlines()
        self.assertEqual([line.split()[0] for line in lines[-2:]], [mechanism, mechanism])
        self.assertIn("rtt p50", lines[-3])
        self.assertLessEqual(max(map(len, lines)), 128)

    def test_bench_goes_on_after_a_mechanism_that_is_not_there(self):
        mechanism = self.first_mechanism()
        ended = self.bench("mach", mechanism, "--mode", "sleep", "--size", "64")
        self.assert_status(ended, FAILED)
        self.assertEqual([row["mechanism"] for row in json.loads(ended[1])], [mechanism])
        self.assertIn("mach", ended[2])

    def test_bench_refuses_wrong_usage(self):
        for arguments in (["--size", "7"], ["--size", "many"], ["--mode", "fast"], ["--rounds", "0"], ["--seconds", "0"],
                          ["--cpus", "1"], ["nonsense"]):
            with self.subTest(arguments=arguments):
                ended = self.run_sluice("bench", *arguments)
                self.assert_status(ended, WRONG_USAGE)
                self.assertNotEqual(ended[2], "")


if __name__ == "__main__":
    sys.exit(main(Benchmarks))
