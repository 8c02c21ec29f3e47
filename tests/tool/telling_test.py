#!/usr/bin/env python3
"""Exit status and sentences when something fails, and what is printed for people and for programs."""
import json
import os
import pathlib
import re
import sys

from harness import DONE, FAILED, PEER_DIED, TIMED_OUT, WRONG_USAGE, ToolTest, main


class Failing(ToolTest):
    """Exit status, and sentences that say what to do."""

    def test_a_sender_without_receiver_times_out(self):
        sent = self.run_sluice("send", self.endpoint, "--timeout", "200ms", self.file("lonely", b""))
        self.assert_status(sent, TIMED_OUT)
        self.assertIn(self.endpoint, sent[2])

    def test_a_receiver_without_sender_times_out(self):
        self.assert_status(self.receive("--timeout", "0.2").end(), TIMED_OUT)

    def test_a_killed_receiver_is_a_dead_peer(self):
        stranger = self.stranger("listen", self.endpoint, "receive", "welcome", "receive", "receive", "die")
        sent = self.run_sluice("send", self.endpoint, self.file("first", b"1"), self.file("second", b"2"))
        stranger.end()
        self.assert_status(sent, PEER_DIED)
        self.assertIn("0 of 2 files were confirmed", sent[2])

    def test_a_sender_killed_in_the_middle_is_a_dead_peer(self):
        receiving = self.receive("--into", self.into)
        words = ["hello", "receive", "open=first", "data=1", "end", "receive", "file=2", "open=second", "data=2", "die"]
        self.stranger("connect", self.endpoint, *words).end()
        got = receiving.end()
        self.assert_status(got, PEER_DIED)
        self.assertIn("1 file was confirmed", got[2])
        self.assertEqual(self.received(), ["first"], "what was confirmed stays, what was begun goes")

    def test_a_sender_that_leaves_in_the_middle_has_failed(self):
        receiving = self.receive("--into", self.into)
        self.stranger("connect", self.endpoint, "hello", "receive", "open=half", "data=1").end()
        self.assert_status(receiving.end(), FAILED)
        self.assertEqual(self.received(), [])

    def test_a_sender_without_files_has_failed(self):
        receiving = self.receive("--into", self.into)
        self.stranger("connect", self.endpoint, "hello", "receive").end()
        self.assert_status(receiving.end(), FAILED)

    def test_a_dropped_file_is_not_kept_and_others_are(self):
        receiving = self.receive("--into", self.into)
        words = ["hello", "receive", "open=half", "data=1", "drop=unreadable", "receive", "file=2", "open=whole", "end", "receive"]
        out = self.stranger("connect", self.endpoint, *words).end()[1]
        self.assertIn(b"refuse 1 5 ", out)
        self.assertIn(b"confirm 2 0 ", out)
        self.assert_status(receiving.end(), FAILED)
        self.assertEqual(self.received(), ["whole"])

    def test_files_that_can_not_be_read_do_not_stop_the_others(self):
        receiving = self.receive("--into", self.into)
        sent = self.run_sluice("send", self.endpoint, self.folder / "missing", self.into, self.file("good", b"1"))
        self.assert_status(sent, FAILED)
        self.assertIn("missing: can't open it: No such file", sent[2])
        self.assertIn("it is a folder", sent[2])
        self.assert_status(receiving.end(), DONE)
        self.assertEqual(self.received(), ["good"])

    def test_a_live_listener_keeps_its_name(self):
        self.receive("--into", self.into)
        second = self.run_sluice("receive", self.endpoint)
        self.assert_status(second, FAILED)
        self.assertIn(self.endpoint, second[2])

    def test_a_missing_folder_is_named(self):
        got = self.run_sluice("receive", self.endpoint, "--into", self.folder / "nowhere")
        self.assert_status(got, FAILED)
        self.assertIn("nowhere", got[2])

    def test_wrong_usage(self):
        file = self.file("file", b"")
        wrong = [[], ["fly"], ["send"], ["send", self.endpoint], ["send", self.endpoint, file, "--fast"],
                 ["send", self.endpoint, file, file, "--as", "both"], ["send", self.endpoint, "-", "-"],
                 ["send", self.endpoint, file, "--chunk", "0"], ["send", self.endpoint, file, "--chunk", "many"],
                 ["send", self.endpoint, file, "--timeout", "soon"], ["send", self.endpoint, file, "--timeout", "-1"],
                 ["send", "no endpoint", file], ["receive"], ["receive", self.endpoint, "--stdout", "--into", self.into],
                 ["receive", self.endpoint, "--stdout", "--json"], ["receive", "nonsense"], ["mechanisms", "unix"]]
        for arguments in wrong:
            with self.subTest(arguments=arguments):
                ended = self.run_sluice(*arguments)
                self.assert_status(ended, WRONG_USAGE)
                self.assertNotEqual(ended[2], "")
                self.assertEqual(ended[1], b"")

    def test_output_that_can_not_be_written_is_a_failure(self):
        with open("/dev/full", "wb") as full:
            self.assert_status(self.run_sluice("mechanisms", stdout=full), FAILED)
            self.assert_status(self.run_sluice("mechanisms", "--json", stdout=full), FAILED)

    def test_closed_standard_streams_do_no_harm(self):
        file = self.file("file", b"content")
        receiving = self.start("sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", self.sluice_path(), "receive", self.endpoint, "--into",
                               self.into)
        sent = self.start("sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", self.sluice_path(), "send", self.endpoint, file).end()
        # Whole, but its line could not be printed.
        self.assert_status(sent, FAILED)
        self.assert_status(receiving.end(), FAILED)
        self.assertEqual((self.into / "file").read_bytes(), b"content")


class Telling(ToolTest):
    """What is printed for people and for programs."""

    def test_json_tells_of_every_file(self):
        (self.into / "there").write_bytes(b"old")
        receiving = self.receive("--into", self.into, "--json")
        files = [self.file("there", b"new"), self.file("fresh", b"abc"), self.folder / "missing"]
        status, out, _ = self.run_sluice("send", self.endpoint, "--json", *files)
        self.assertEqual(status, FAILED)
        told = json.loads(out)
        self.assertEqual([file["name"] for file in told["files"]], ["there", "fresh", "missing"])
        self.assertEqual([file["confirmed"] for file in told["files"]], [False, True, False])
        self.assertEqual(told["confirmed"], 1)
        fresh = told["files"][1]
        self.assertEqual((fresh["size"], len(fresh["digest"]), fresh["error"]), (3, 32, None))
        received = json.loads(receiving.end()[1])
        self.assertEqual(received["files"][1]["digest"], fresh["digest"])
        self.assertEqual(received["endpoint"], self.endpoint)

    def test_json_tells_of_a_failure_too(self):
        status, out, _ = self.run_sluice("send", self.endpoint, "--json", "--timeout", "0.1", self.file("x", b""))
        self.assertEqual(status, TIMED_OUT)
        self.assertIn(self.endpoint, json.loads(out)["error"])

    def test_quiet_prints_nothing(self):
        receiving = self.sluice("receive", self.endpoint, "--quiet", "--into", self.into)
        self.assertEqual(self.run_sluice("send", self.endpoint, "--quiet", self.file("hush", b"1")), (DONE, b"", ""))
        self.assertEqual(receiving.end(), (DONE, b"", ""))

    def test_progress_is_shown_when_asked_for(self):
        receiving = self.receive("--into", self.into, "--progress")
        sent = self.run_sluice("send", self.endpoint, "--progress", self.file("watched", os.urandom(2_000_000)))
        self.assertRegex(sent[2], r"watched  100%  1.9 MiB of 1.9 MiB  .*/s")
        self.assertRegex(receiving.end()[2], r"watched  100%")

    def test_no_progress_is_shown_where_no_terminal_is(self):
        receiving = self.receive("--into", self.into)
        self.assertEqual(self.run_sluice("send", self.endpoint, self.file("unwatched", b"1"))[2], "")
        self.assertEqual(receiving.end()[2], f"listening on {self.endpoint}\n")

    def test_mechanisms_has_all_rows(self):
        rows = json.loads(self.run_sluice("mechanisms", "--json")[1])
        names = [row["name"] for row in rows]
        table = pathlib.Path(__file__).parents[2] / "src" / "mechanisms" / "table.cpp"
        self.assertEqual(names, re.findall(r'^ *\{"([a-z]+)", "', table.read_text(), re.MULTILINE))
        self.assertIn("mach", names)  # of another system
        for row in rows:
            for key in ("name", "os", "link", "reach", "available", "why_not", "max_message", "handles", "identity", "threads"):
                self.assertIn(key, row)
            self.assertEqual(row["available"], row["why_not"] == "", row)
        status, out, err = self.run_sluice("mechanisms")
        self.assertEqual((status, err), (DONE, ""))
        lines = out.decode().splitlines()
        self.assertEqual([line.split()[0] for line in lines[1:]], names)
        column = lines[0].index("available")
        for line, row in zip(lines[1:], rows):
            self.assertEqual(line[column:], "yes" if row["available"] else "no: " + row["why_not"])

    def test_the_readme_has_the_same_programs(self):
        def without_heading(program):
            return program[program.index("#include"):]

        root = pathlib.Path(__file__).parents[2]
        shown = re.findall(r"^```cpp\n(.*?)^```$", (root / "README.md").read_text(), re.MULTILINE | re.DOTALL)
        self.assertEqual([without_heading(block) for block in shown],
                         [without_heading((root / "examples" / f"{name}.cpp").read_text()) for name in ("hello", "frames")])

    def test_the_readme_has_the_same_table(self):
        told = {row["name"]: row for row in json.loads(self.run_sluice("mechanisms", "--json")[1])}
        readme = (pathlib.Path(__file__).parents[2] / "README.md").read_text()
        section = readme.split("## Mechanisms and systems", 1)[1].split("\n## ", 1)[0]
        rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in section.splitlines() if line.startswith("| `")]
        names = {row[0].strip("`") for row in rows}
        if not names <= told.keys():
            self.skipTest("a mechanism was left out")
        self.assertEqual(names, {name for name in told if told[name]["built_in"]})
        for name, link, handles, here, *_ in rows:
            row = told[name.strip("`")]
            self.assertEqual(link, row["link"], name)
            self.assertEqual(handles == "yes", row["handles"], name)
            self.assertEqual(here, "run", name)
        # When it was run, and of what, stands below: once for the whole column, for one run is of all mechanisms.
        self.assertRegex(" ".join(section.split()), r"\*Run\*:[^.]* last on 20\d\d-[01]\d-[0-3]\d at commit [0-9a-f]{7,40}\.")
        not_written = section.split("Not written yet", 1)[1].split("\n\n", 1)[0]
        self.assertEqual(set(re.findall(r"`([a-z]+)`", not_written)), {name for name in told if not told[name]["built_in"]})

    def test_version_names_commit_and_mechanisms(self):
        status, out, _ = self.run_sluice("--version")
        self.assertEqual(status, DONE)
        self.assertRegex(out.decode(), r"^sluice \d+\.\d+\.\d+ \(commit \S+\)\nmechanisms built in:( [a-z]+)+\n$")

    def test_help_shows_examples(self):
        for command in ([], ["mechanisms"], ["listen"], ["connect"], ["send"], ["receive"], ["bench"]):
            status, out, err = self.run_sluice(*command, "--help")
            self.assertEqual((status, err), (DONE, ""))
            self.assertIn("Examples:", out.decode())
            self.assertLessEqual(max(len(line) for line in out.decode().splitlines()), 128)


if __name__ == "__main__":
    sys.exit(main(Failing, Telling))
