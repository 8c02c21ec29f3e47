#!/usr/bin/env python3
"""bench/run, over a sluice and floors that only say figures: what it takes for a success, and what not."""
import json
import os
import sys
from pathlib import Path

from harness import ToolTest, main

ROOT = Path(__file__).resolve().parents[2]
KEPT, NOT_KEPT, WRONG_USAGE, INVALID = range(4)
ACCEPTED = {"unix": 2, "tcp": 2, "pipe": 2, "shm": 1, "local": 1}  # how many rows of each have an accepted ratio

# Their round trips have the ratios that floors have on a quiet machine (EXPECTED in bench/run).
FLOOR = """#!/bin/sh
case "${0##*/} $*" in
  cacheline*) echo 100 1000 0 ;;
  "eventfd 8 spin"*) echo 650 1000 0 ;;
  "pipe 64 spin"*) echo 880 1000 0 ;;
  "mq 64 spin"*) echo 2000 1000 0 ;;
  "unix 64 spin"*) echo 2600 1000 0 ;;
  "tcp 64 spin"*) echo 6300 1000 0 ;;
  "unix 65536 spin"*) echo 12000 1000 0 ;;
  "eventfd 8 sleep"*) echo 5000 1000 0 ;;
  "tcp "*" sleep"*) echo 7800 1000 0 ;;
  *) echo 6000 1000 0 ;;
esac
"""
# Ten percent above the floor, or SLOW times: what is named so.
SLUICE = """#!/bin/sh
[ "$1" = bench ] || { echo "$MECHANISMS"; exit 0; }
shift
case "$1 $3 $5" in
  shm* | local*) ns=110 ;;
  "pipe 64 spin") ns=960 ;;
  "unix 64 spin") ns=2800 ;;
  "tcp 64 spin") ns=6900 ;;
  tcp*) ns=8500 ;;
  *) ns=6500 ;;
esac
[ "$1" != "$SLOW" ] || ns=$((ns * 9))
echo "[{\\"rtt_median_ns\\": $ns, \\"clock_ns\\": 0, \\"errors\\": 0, \\"messages_per_s\\": 1}]"
"""


class BenchRuns(ToolTest):
    def setUp(self):
        super().setUp()
        if len(os.sched_getaffinity(0)) < 2:
            self.skipTest("there is one processor")
        for path, text in [("tools/sluice/sluice", SLUICE),
                           *((f"bench/floors/{name}", FLOOR) for name in ("cacheline", "eventfd", "mq", "pipe", "tcp", "unix"))]:
            program = self.folder / "build" / path
            program.parent.mkdir(parents=True, exist_ok=True)
            program.write_text(text)
            program.chmod(0o700)
        self.record = self.folder / "bench.json"

    def bench(self, *names, missing=(), slow=""):
        """(exit status, standard output, what is in the record)"""
        told = [{"name": name, "available": name not in missing, "why_not": "no such socket" if name in missing else ""}
                for name in (*ACCEPTED, "mq")]
        env = {**os.environ, "MECHANISMS": json.dumps(told), "SLOW": slow}
        status, out, err = self.start(sys.executable, "-B", ROOT / "bench/run", "--build", self.folder / "build", "--rounds", 3, "--json",
                                      self.record, *names, env=env).end()
        self.assertNotIn("Traceback", err)
        return status, out.decode(), json.loads(self.record.read_text()) if self.record.exists() else None

    def test_bench_run_succeeds_when_every_row_is_measured_and_kept(self):
        status, out, record = self.bench()
        self.assertEqual(status, KEPT, out)
        self.assertIn(f"Every accepted ratio is kept ({sum(ACCEPTED.values())}).", out)
        self.assertEqual((record["valid"], record["kept"]), (True, True))
        self.assertEqual({row["mechanism"] for row in record["rows"]}, {*ACCEPTED, "mq"})

    def test_bench_run_fails_when_a_ratio_is_not_kept(self):
        status, out, record = self.bench("tcp", "shm", slow="tcp")
        self.assertEqual(status, NOT_KEPT, out)
        self.assertEqual((record["valid"], record["kept"]), (True, False))
        self.assertEqual({row["mechanism"] for row in record["rows"] if row["verdict"] == "NOT KEPT"}, {"tcp"})

    def test_bench_run_is_invalid_when_a_row_is_missing(self):
        for names in ((), ("tcp",), ("unix", "tcp")):
            with self.subTest(names=names):
                status, out, record = self.bench(*names, missing=["tcp"])
                self.assertEqual(status, INVALID, out)
                self.assertIn("tcp: no such socket", out)
                self.assertNotIn("is kept", out)
                self.assertEqual((record["valid"], record["kept"]), (False, False))
                self.assertIn(("tcp", "MISSING"), [(row["mechanism"], row["verdict"]) for row in record["rows"]])
        # Without names all rows are asked for, those for information, too.
        self.assertEqual(self.bench(missing=["mq"])[0], INVALID)
        self.assertEqual(self.bench("shm", missing=["mq", "tcp"])[0], KEPT)

    def test_bench_run_claims_nothing_of_rows_without_accepted_ratio(self):
        status, out, record = self.bench("mq")
        self.assertEqual(status, KEPT, out)
        self.assertNotIn("is kept", out)
        self.assertEqual((record["valid"], record["kept"]), (True, None))

    def test_bench_run_knows_the_names_of_its_rows(self):
        for names in (["nonsense"], ["unix", "nonsense"], ["unix, one processor"]):
            status, out, record = self.bench(*names)
            self.assertEqual((status, out, record), (WRONG_USAGE, "", None))

    def test_bench_floors_are_short_and_without_sluice(self):
        floors = sorted((ROOT / "bench/floors").glob("*.cpp"))
        self.assertGreater(len(floors), 5)
        for floor in floors:
            text = floor.read_text()
            self.assertLessEqual(len(text.splitlines()), 80, floor.name)
            self.assertNotRegex(text, r'#include\s*(<sluice|")', floor.name)


if __name__ == "__main__":
    sys.exit(main(BenchRuns))
