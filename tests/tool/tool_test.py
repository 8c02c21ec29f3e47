#!/usr/bin/env python3
"""The tool as its users see it: runs the built `sluice` in real processes and looks at what it prints, leaves and returns.

    tool_test.py SLUICE STRANGER [TEST...]

STRANGER is the peer that says what it is told (stranger.cpp). Each test has a folder and a runtime folder of its own. Ends
with 77 if everything that was asked for was skipped.
"""
import json
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import unittest
from pathlib import Path

SLUICE = STRANGER = ""
PATIENCE = 60  # seconds until a process that should have ended is a failure
# XXH3-128 of nothing, as xxhsum -H2 prints them.
DIGEST_OF_NOTHING = "99aa06d3014798d86001c324468d497f"
DONE, FAILED, WRONG_USAGE, TIMED_OUT, PEER_DIED = range(5)


class Process:
    """A running program; its output is collected from the start, so that no pipe fills."""

    def __init__(self, arguments, **options):
        options.setdefault("stdin", subprocess.DEVNULL)
        options.setdefault("stdout", subprocess.PIPE)
        self.process = subprocess.Popen([str(argument) for argument in arguments], stderr=subprocess.PIPE, **options)
        self.lines = []
        self.changed = threading.Condition()
        self.readers = [threading.Thread(target=self.collect, args=(stream,), daemon=True)
                        for stream in (self.process.stdout, self.process.stderr) if stream]
        self.collected = {stream: b"" for stream in (self.process.stdout, self.process.stderr) if stream}
        for reader in self.readers:
            reader.start()

    def collect(self, stream):
        for line in stream:
            with self.changed:
                self.collected[stream] += line
                self.lines.append(line.decode(errors="replace"))
                self.changed.notify_all()
        with self.changed:
            self.lines.append("")
            self.changed.notify_all()

    def wait_for(self, text):
        """Waits until a line holds the text."""
        with self.changed:
            found = self.changed.wait_for(lambda: any(text in line for line in self.lines) or self.process.poll() is not None,
                                          PATIENCE)
        if not found:
            raise AssertionError(f"no {text!r} from {self.process.args}: {self.lines}")

    def end(self):
        """Waits for the end: (exit status, standard output, standard error)."""
        try:
            status = self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise AssertionError(f"{self.process.args} hangs: {self.lines}") from None
        for reader in self.readers:
            reader.join(PATIENCE)
        out = self.collected.get(self.process.stdout, b"")
        return status, out, self.collected[self.process.stderr].decode(errors="replace")


def random_bytes(size):
    return os.urandom(size)


class ToolTest(unittest.TestCase):
    def setUp(self):
        self.folder = Path(tempfile.mkdtemp(prefix="sluice-tool-"))
        self.addCleanup(shutil.rmtree, self.folder)
        self.into = self.folder / "into"
        self.into.mkdir()
        runtime = self.folder / "runtime"
        runtime.mkdir(mode=0o700)
        os.environ["SLUICE_RUNTIME_DIR"] = str(runtime)
        self.unix = f"unix:{self.folder}/meet"
        # Names of message queues and shared memory are the machine's, not the folder's.
        self.name = "tool-" + self.folder.name.removeprefix("sluice-tool-")
        self.running = []
        self.addCleanup(self.end_all)

    def end_all(self):
        for process in self.running:
            if process.process.poll() is None:
                process.process.kill()
            process.process.wait()
            for stream in (process.process.stdin, process.process.stdout, process.process.stderr):
                if stream:
                    stream.close()

    def start(self, *arguments, **options):
        process = Process(arguments, **options)
        self.running.append(process)
        return process

    def sluice(self, *arguments, **options):
        return self.start(SLUICE, *arguments, **options)

    def receive(self, *arguments, endpoint=None, **options):
        process = self.sluice("receive", endpoint or self.unix, *arguments, **options)
        process.wait_for("listening on")
        return process

    def run_sluice(self, *arguments, **options):
        return self.sluice(*arguments, **options).end()

    def stranger(self, *arguments, **options):
        return self.start(STRANGER, *arguments, stdin=subprocess.PIPE, **options)

    def file(self, name, content):
        path = self.folder / name
        path.write_bytes(content)
        return path

    def received(self):
        return sorted(path.name for path in self.into.iterdir())

    def assert_status(self, ended, status):
        self.assertEqual(ended[0], status, f"out: {ended[1][-2000:]!r}\nerr: {ended[2][-2000:]}")

    def carry(self, files, sender=(), receiver=(), endpoint=None, **options):
        """Sends files, and asserts that both sides are done: their standard outputs."""
        receiving = self.receive("--into", self.into, *receiver, endpoint=endpoint)
        sent = self.run_sluice("send", endpoint or self.unix, *sender, *files, **options)
        got = receiving.end()
        self.assert_status(sent, DONE)
        self.assert_status(got, DONE)
        return sent[1].decode(), got[1].decode()


class Carrying(ToolTest):
    """Files arrive whole, whatever carries them."""

    def carry_over(self, mechanism, endpoint, size):
        rows = {row["name"]: row for row in json.loads(self.run_sluice("mechanisms", "--json")[1])}
        if not rows[mechanism]["built_in"]:
            self.skipTest(f"{mechanism} is not built in")
        content = random_bytes(size)
        sent, got = self.carry([self.file("real", content)], endpoint=endpoint)
        self.assertEqual((self.into / "real").read_bytes(), content)
        self.assertEqual(sent, got)
        self.assertRegex(sent, r"^[0-9a-f]{32}  real\n$")

    def test_a_file_crosses_unix(self):
        self.carry_over("unix", self.unix, 20_000_001)

    def test_a_file_crosses_mq(self):
        self.carry_over("mq", f"mq:/{self.name}", 5_000_001)

    def test_a_file_crosses_shm(self):
        self.carry_over("shm", f"shm:{self.name}", 20_000_001)

    def test_digests_are_those_of_xxhsum(self):
        sent, _ = self.carry([self.file("empty", b"")])
        self.assertEqual(sent, f"{DIGEST_OF_NOTHING}  empty\n")
        if not shutil.which("xxhsum"):
            return
        content = self.file("content", random_bytes(3_000_000))
        sent, _ = self.carry([content])
        digests = self.folder / "digests"
        digests.write_text(sent)
        subprocess.run(["xxhsum", "-c", str(digests)], cwd=self.folder, check=True, capture_output=True)

    def test_many_files_arrive_in_one_go(self):
        contents = {f"file {i} größe.bin": random_bytes(i * 37 % 5000) for i in range(200)}
        sent, got = self.carry([self.file(name, content) for name, content in contents.items()])
        self.assertEqual({path.name: path.read_bytes() for path in self.into.iterdir()}, contents)
        self.assertEqual(sent, got)
        self.assertEqual(len(sent.splitlines()), len(contents))

    def test_the_sender_may_start_first(self):
        sender = self.sluice("send", self.unix, self.file("early", b"bird"))
        receiving = self.receive("--into", self.into)
        self.assert_status(sender.end(), DONE)
        self.assert_status(receiving.end(), DONE)
        self.assertEqual((self.into / "early").read_bytes(), b"bird")

    def test_the_endpoint_is_free_again_at_once(self):
        for round_number in range(3):
            self.carry([self.file(f"round-{round_number}", b"again")])

    def test_standard_input_of_unknown_length(self):
        content = random_bytes(700_000)
        receiving = self.receive("--into", self.into)
        sender = self.sluice("send", self.unix, "--as", "piped.bin", "-", stdin=subprocess.PIPE)
        for start in range(0, len(content), 100_000):
            sender.process.stdin.write(content[start:start + 100_000])
            sender.process.stdin.flush()
        sender.process.stdin.close()
        self.assert_status(sender.end(), DONE)
        self.assert_status(receiving.end(), DONE)
        self.assertEqual((self.into / "piped.bin").read_bytes(), content)

    def test_standard_input_without_a_name_is_called_stdin(self):
        with open(self.file("here", b"redirected"), "rb") as redirected:
            self.carry(["-"], stdin=redirected)
        self.assertEqual((self.into / "stdin").read_bytes(), b"redirected")

    def test_standard_output_gets_the_contents_in_order(self):
        files = [self.file(f"part-{i}", random_bytes(300_000)) for i in range(3)]
        receiving = self.receive("--stdout")
        self.assert_status(self.run_sluice("send", self.unix, *files), DONE)
        status, out, err = receiving.end()
        self.assertEqual(status, DONE)
        self.assertEqual(out, b"".join(file.read_bytes() for file in files))
        self.assertEqual(len(re.findall(r"^[0-9a-f]{32}  part-\d$", err, re.M)), 3)

    def test_chunks_may_have_any_size(self):
        content = random_bytes(3001)
        for chunk in ("1", "3k", "1M", "64M", "2G"):
            self.carry([self.file(f"by-{chunk}", content)], sender=["--chunk", chunk])
            self.assertEqual((self.into / f"by-{chunk}").read_bytes(), content)

    def test_files_beyond_four_gibibytes(self):
        if float(os.environ.get("SLUICE_SCALE", "1")) < 2:
            self.skipTest("takes long: SLUICE_SCALE=2 or more runs it")
        size = (4 << 30) + 5
        big = self.folder / "big"
        with open(big, "wb") as file:
            file.truncate(size)
        with open(os.devnull, "wb") as nowhere:
            receiving = self.receive("--stdout", stdout=nowhere)
            status, out, _ = self.run_sluice("send", self.unix, "--json", big)
        self.assertEqual((status, receiving.end()[0]), (DONE, DONE))
        self.assertEqual(json.loads(out)["files"][0]["size"], size)

    def test_received_files_have_the_mode_of_new_files(self):
        before = os.umask(0o027)
        self.addCleanup(os.umask, before)
        self.carry([self.file("private", b"")])
        self.assertEqual((self.into / "private").stat().st_mode & 0o777, 0o640)


class Refusing(ToolTest):
    """What must not happen to the receiver's files, and what the sender is told."""

    def test_an_existing_file_is_replaced_only_with_force(self):
        (self.into / "there").write_bytes(b"old")
        there, other = self.file("there", b"new"), self.file("other", b"fresh")
        receiving = self.receive("--into", self.into)
        sent = self.run_sluice("send", self.unix, there, other)
        got = receiving.end()
        self.assert_status(sent, FAILED)
        self.assert_status(got, FAILED)
        self.assertIn("--force", sent[2])
        self.assertIn("--force", got[2])
        self.assertEqual((self.into / "there").read_bytes(), b"old")
        self.assertEqual((self.into / "other").read_bytes(), b"fresh", "the other files go through")
        self.carry([there], receiver=["--force"])
        self.assertEqual((self.into / "there").read_bytes(), b"new")
        self.assertEqual(self.received(), ["other", "there"])

    def test_a_big_refused_file_is_not_sent_to_its_end(self):
        (self.into / "big").write_bytes(b"old")
        big = self.folder / "big"
        with open(big, "wb") as file:
            file.truncate(1 << 40)  # sparse; at 10 GB/s it would take minutes
        receiving = self.receive("--into", self.into)
        self.assert_status(self.run_sluice("send", self.unix, big), FAILED)
        self.assert_status(receiving.end(), FAILED)

    def test_a_file_that_appears_meanwhile_is_not_replaced(self):
        receiving = self.receive("--into", self.into)
        stranger = self.stranger("connect", self.unix, "hello", "receive", "open=raced", "data=mine", "pause", "end", "receive")
        stranger.wait_for("paused")
        (self.into / "raced").write_bytes(b"theirs")
        stranger.process.stdin.write(b"\n")
        stranger.process.stdin.close()
        self.assertIn(b"refuse 1 2 ", stranger.end()[1])
        self.assert_status(receiving.end(), FAILED)
        self.assertEqual((self.into / "raced").read_bytes(), b"theirs")
        self.assertEqual(self.received(), ["raced"])

    def test_names_with_a_path_are_refused(self):
        names = ["../up", "/tmp/up", "a/b", "a\\b", "..", ".", "", "two\nlines", "\x1b[2J", "x" * 256]
        harmless = self.file("harmless", b"harm")
        for name in names:
            with self.subTest(name=name):
                receiving = self.receive("--into", self.into)
                sent = self.run_sluice("send", self.unix, "--as", name, harmless)
                got = receiving.end()
                self.assert_status(sent, FAILED)
                self.assert_status(got, FAILED)
                self.assertIn("is not taken", sent[2])
                self.assertIn("is not taken", got[2])
                self.assertNotIn("\x1b", sent[2] + got[2])
        self.assertEqual(self.received(), [])
        self.assertFalse((self.folder / "up").exists())

    def test_the_temporary_file_is_private_and_goes(self):
        receiving = self.receive("--into", self.into)
        stranger = self.stranger("connect", self.unix, "hello", "receive", "open=slow", "data=begun", "zeros=100000", "receive")
        self.wait_for_temporary()
        temporary = self.received()
        self.assertEqual(len(temporary), 1)
        self.assertEqual((self.into / temporary[0]).stat().st_mode & 0o777, 0o600)
        stranger.process.kill()
        self.assert_status(receiving.end(), PEER_DIED)
        self.assertEqual(self.received(), [])

    def wait_for_temporary(self):
        event = threading.Event()
        for _ in range(PATIENCE * 100):
            if self.received():
                return
            event.wait(0.01)  # no way to be told: what is watched is what another process leaves in a folder
        self.fail("nothing was written")

    def test_interrupting_the_receiver_leaves_nothing(self):
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            with self.subTest(signal=number):
                receiving = self.receive("--into", self.into)
                stranger = self.stranger("connect", self.unix, "hello", "receive", "open=slow", "data=begun", "receive")
                self.wait_for_temporary()
                receiving.process.send_signal(number)
                self.assertEqual(receiving.end()[0], -number)
                self.assertEqual(self.received(), [])
                self.assertIn(b"ended peer_died", stranger.end()[1])

    def test_a_digest_that_differs_keeps_the_file_out(self):
        for lie in ("end=lie", "end=short"):
            with self.subTest(lie=lie):
                receiving = self.receive("--into", self.into)
                stranger = self.stranger("connect", self.unix, "hello", "receive", "open=false", "data=content", lie, "receive")
                self.assertIn(b"refuse 1 4 ", stranger.end()[1])
                self.assert_status(receiving.end(), FAILED)
                self.assertEqual(self.received(), [])

    def test_an_announced_size_is_not_believed(self):
        receiving = self.receive("--into", self.into)
        stranger = self.stranger("connect", self.unix, "hello", "receive", "huge=small", "data=abc", "end", "receive")
        self.assertIn(b"confirm 1 3 ", stranger.end()[1])
        self.assert_status(receiving.end(), DONE)
        self.assertEqual((self.into / "small").read_bytes(), b"abc")

    def test_a_sender_that_breaks_the_rules_is_told_and_left(self):
        conversations = {
            "no greeting": ["raw=good morning"],
            "too short": ["raw=x"],
            "file before greeting": ["open=x"],
            "greets twice": ["hello", "receive", "hello"],
            "file inside a file": ["hello", "receive", "open=x", "open=y"],
            "files out of order": ["hello", "receive", "file=2", "open=x"],
            "data of no file": ["hello", "receive", "data=x"],
            "end of no file": ["hello", "receive", "end"],
            "data of another file": ["hello", "receive", "open=x", "file=2", "data=x"],
            "speaks as receiver": ["hello", "receive", "welcome"],
            "confirms": ["hello", "receive", "open=x", "confirm=lie"],
            "unknown version": ["hello=2-9"],
        }
        for name, words in conversations.items():
            with self.subTest(name):
                receiving = self.receive("--into", self.into)
                out = self.stranger("connect", self.unix, *words, "receive", "receive").end()[1]
                self.assertRegex(out, rb"refuse 0 \d")
                self.assertIn(b"ended closed", out)
                self.assert_status(receiving.end(), FAILED)
                self.assertEqual(self.received(), [])

    def test_a_receiver_that_breaks_the_rules_is_left(self):
        file = self.file("file", b"content")
        conversations = {
            "no greeting": ["receive", "raw=good morning"],
            "unknown version": ["receive", "welcome=9"],
            "another digest": ["receive", "welcome", "receive", "receive", "receive", "confirm=lie", "receive"],
            "confirms too early": ["receive", "welcome", "confirm=lie", "receive", "receive", "receive"],
            "answers another file": ["receive", "welcome", "file=7", "confirm=lie", "receive", "receive", "receive"],
            "ends the conversation": ["receive", "welcome", "file=0", "refuse=no more", "receive", "receive", "receive"],
            "leaves": ["receive", "welcome"],
        }
        for name, words in conversations.items():
            with self.subTest(name):
                stranger = self.stranger("listen", self.unix, *words)
                sent = self.run_sluice("send", self.unix, file)
                stranger.end()
                self.assert_status(sent, FAILED)
                self.assertEqual(sent[1], b"", "nothing was confirmed")
                self.assertIn(self.unix, sent[2])

    def test_a_full_disk_is_told_to_the_sender(self):
        receiving = self.receive("--into", self.into, preexec_fn=limit_file_size)
        sent = self.run_sluice("send", self.unix, self.file("large", random_bytes(3_000_000)), self.file("small", b"fits"))
        self.assert_status(sent, FAILED)
        self.assert_status(receiving.end(), FAILED)
        self.assertIn("File too large", sent[2])
        self.assertEqual(self.received(), ["small"])

    def test_a_reader_of_standard_output_that_leaves_is_told_to_the_sender(self):
        read_end, write_end = os.pipe()
        receiving = self.receive("--stdout", stdout=write_end)
        os.close(write_end)
        os.close(read_end)
        sent = self.run_sluice("send", self.unix, self.file("unread", b"words"))
        self.assert_status(sent, FAILED)
        self.assertIn("standard output", sent[2])
        self.assert_status(receiving.end(), FAILED)


def limit_file_size():
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))


class Failing(ToolTest):
    """Exit status, and sentences that say what to do."""

    def test_a_sender_without_receiver_times_out(self):
        sent = self.run_sluice("send", self.unix, "--timeout", "200ms", self.file("lonely", b""))
        self.assert_status(sent, TIMED_OUT)
        self.assertIn(self.unix, sent[2])

    def test_a_receiver_without_sender_times_out(self):
        self.assert_status(self.receive("--timeout", "0.2").end(), TIMED_OUT)

    def test_a_killed_receiver_is_a_dead_peer(self):
        stranger = self.stranger("listen", self.unix, "receive", "welcome", "receive", "receive", "die")
        sent = self.run_sluice("send", self.unix, self.file("first", b"1"), self.file("second", b"2"))
        stranger.end()
        self.assert_status(sent, PEER_DIED)
        self.assertIn("0 of 2 files were confirmed", sent[2])

    def test_a_sender_killed_in_the_middle_is_a_dead_peer(self):
        receiving = self.receive("--into", self.into)
        words = ["hello", "receive", "open=first", "data=1", "end", "receive", "file=2", "open=second", "data=2", "die"]
        self.stranger("connect", self.unix, *words).end()
        got = receiving.end()
        self.assert_status(got, PEER_DIED)
        self.assertIn("1 file was confirmed", got[2])
        self.assertEqual(self.received(), ["first"], "what was confirmed stays, what was begun goes")

    def test_a_sender_that_leaves_in_the_middle_has_failed(self):
        receiving = self.receive("--into", self.into)
        self.stranger("connect", self.unix, "hello", "receive", "open=half", "data=1").end()
        self.assert_status(receiving.end(), FAILED)
        self.assertEqual(self.received(), [])

    def test_a_sender_without_files_has_failed(self):
        receiving = self.receive("--into", self.into)
        self.stranger("connect", self.unix, "hello", "receive").end()
        self.assert_status(receiving.end(), FAILED)

    def test_a_dropped_file_is_not_kept_and_others_are(self):
        receiving = self.receive("--into", self.into)
        words = ["hello", "receive", "open=half", "data=1", "drop=unreadable", "receive", "file=2", "open=whole", "end", "receive"]
        out = self.stranger("connect", self.unix, *words).end()[1]
        self.assertIn(b"refuse 1 5 ", out)
        self.assertIn(b"confirm 2 0 ", out)
        self.assert_status(receiving.end(), FAILED)
        self.assertEqual(self.received(), ["whole"])

    def test_files_that_can_not_be_read_do_not_stop_the_others(self):
        receiving = self.receive("--into", self.into)
        sent = self.run_sluice("send", self.unix, self.folder / "missing", self.into, self.file("good", b"1"))
        self.assert_status(sent, FAILED)
        self.assertIn("missing: can't open it: No such file", sent[2])
        self.assertIn("it is a folder", sent[2])
        self.assert_status(receiving.end(), DONE)
        self.assertEqual(self.received(), ["good"])

    def test_a_live_listener_keeps_its_name(self):
        self.receive("--into", self.into)
        second = self.run_sluice("receive", self.unix)
        self.assert_status(second, FAILED)
        self.assertIn(self.unix, second[2])

    def test_a_missing_folder_is_named(self):
        got = self.run_sluice("receive", self.unix, "--into", self.folder / "nowhere")
        self.assert_status(got, FAILED)
        self.assertIn("nowhere", got[2])

    def test_wrong_usage(self):
        file = self.file("file", b"")
        wrong = [[], ["fly"], ["send"], ["send", self.unix], ["send", self.unix, file, "--fast"],
                 ["send", self.unix, file, file, "--as", "both"], ["send", self.unix, "-", "-"],
                 ["send", self.unix, file, "--chunk", "0"], ["send", self.unix, file, "--chunk", "many"],
                 ["send", self.unix, file, "--timeout", "soon"], ["send", self.unix, file, "--timeout", "-1"],
                 ["send", "no endpoint", file], ["receive"], ["receive", self.unix, "--stdout", "--into", self.into],
                 ["receive", self.unix, "--stdout", "--json"], ["receive", "nonsense"], ["mechanisms", "unix"]]
        for arguments in wrong:
            with self.subTest(arguments=arguments):
                ended = self.run_sluice(*arguments)
                self.assert_status(ended, WRONG_USAGE)
                self.assertNotEqual(ended[2], "")
                self.assertEqual(ended[1], b"")

    def test_output_that_can_not_be_written_is_a_failure(self):
        with open("/dev/full", "wb") as full:
            self.assert_status(self.run_sluice("mechanisms", stdout=full), FAILED)


class Telling(ToolTest):
    """What is printed for people and for programs."""

    def test_json_tells_of_every_file(self):
        (self.into / "there").write_bytes(b"old")
        receiving = self.receive("--into", self.into, "--json")
        files = [self.file("there", b"new"), self.file("fresh", b"abc"), self.folder / "missing"]
        status, out, _ = self.run_sluice("send", self.unix, "--json", *files)
        self.assertEqual(status, FAILED)
        told = json.loads(out)
        self.assertEqual([file["name"] for file in told["files"]], ["there", "fresh", "missing"])
        self.assertEqual([file["confirmed"] for file in told["files"]], [False, True, False])
        self.assertEqual(told["confirmed"], 1)
        fresh = told["files"][1]
        self.assertEqual((fresh["size"], len(fresh["digest"]), fresh["error"]), (3, 32, None))
        received = json.loads(receiving.end()[1])
        self.assertEqual(received["files"][1]["digest"], fresh["digest"])
        self.assertEqual(received["endpoint"], self.unix)

    def test_json_tells_of_a_failure_too(self):
        status, out, _ = self.run_sluice("send", self.unix, "--json", "--timeout", "0.1", self.file("x", b""))
        self.assertEqual(status, TIMED_OUT)
        self.assertIn(self.unix, json.loads(out)["error"])

    def test_quiet_prints_nothing(self):
        receiving = self.sluice("receive", self.unix, "--quiet", "--into", self.into)
        self.assertEqual(self.run_sluice("send", self.unix, "--quiet", self.file("hush", b"1")), (DONE, b"", ""))
        self.assertEqual(receiving.end(), (DONE, b"", ""))

    def test_progress_is_shown_when_asked_for(self):
        receiving = self.receive("--into", self.into, "--progress")
        sent = self.run_sluice("send", self.unix, "--progress", self.file("watched", random_bytes(2_000_000)))
        self.assertRegex(sent[2], r"watched  100%  1.9 MiB of 1.9 MiB  .*/s")
        self.assertRegex(receiving.end()[2], r"watched  100%")

    def test_no_progress_is_shown_where_no_terminal_is(self):
        receiving = self.receive("--into", self.into)
        self.assertEqual(self.run_sluice("send", self.unix, self.file("unwatched", b"1"))[2], "")
        self.assertEqual(receiving.end()[2], f"listening on {self.unix}\n")

    def test_mechanisms_has_all_rows(self):
        rows = json.loads(self.run_sluice("mechanisms", "--json")[1])
        names = [row["name"] for row in rows]
        for name in ("local", "inproc", "unix", "tcp", "shm", "mq", "mach", "copydata", "npipe", "msrpc"):
            self.assertIn(name, names)
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

    def test_version_names_commit_and_mechanisms(self):
        status, out, _ = self.run_sluice("--version")
        self.assertEqual(status, DONE)
        self.assertRegex(out.decode(), r"^sluice \d+\.\d+\.\d+ \(commit \S+\)\nmechanisms built in:( [a-z]+)+\n$")

    def test_help_shows_examples(self):
        for command in ([], ["mechanisms"], ["send"], ["receive"]):
            status, out, err = self.run_sluice(*command, "--help")
            self.assertEqual((status, err), (DONE, ""))
            self.assertIn("Examples:", out.decode())
            self.assertLessEqual(max(len(line) for line in out.decode().splitlines()), 128)


def main():
    global SLUICE, STRANGER
    SLUICE, STRANGER = sys.argv[1:3]
    loader = unittest.TestLoader()
    suite = unittest.TestSuite()
    chosen = set(sys.argv[3:])
    for case in (Carrying, Refusing, Failing, Telling):
        suite.addTests(test for test in loader.loadTestsFromTestCase(case) if not chosen or test.id().split(".")[-1] in chosen)
    result = unittest.TextTestRunner(verbosity=2).run(suite)
    if not result.wasSuccessful() or result.testsRun == 0:
        return 1
    return 77 if len(result.skipped) == result.testsRun else 0


if __name__ == "__main__":
    sys.exit(main())
