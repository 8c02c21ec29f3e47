#!/usr/bin/env python3
"""What must not happen to the receiver's files, and what the sender is told."""
import os
import resource
import signal
import sys
import threading

from harness import DONE, FAILED, PATIENCE, PEER_DIED, ToolTest, main


def limit_file_size():
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))


class Refusing(ToolTest):
    """What must not happen to the receiver's files, and what the sender is told."""

    def test_an_existing_file_is_replaced_only_with_force(self):
        (self.into / "there").write_bytes(b"old")
        there, other = self.file("there", b"new"), self.file("other", b"fresh")
        receiving = self.receive("--into", self.into)
        sent = self.run_sluice("send", self.endpoint, there, other)
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
        self.assert_status(self.run_sluice("send", self.endpoint, big), FAILED)
        self.assert_status(receiving.end(), FAILED)

    def test_a_file_that_appears_meanwhile_is_not_replaced(self):
        receiving = self.receive("--into", self.into)
        stranger = self.stranger("connect", self.endpoint, "hello", "receive", "open=raced", "data=mine", "pause", "end", "receive")
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
                sent = self.run_sluice("send", self.endpoint, "--as", name, harmless)
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
        stranger = self.stranger("connect", self.endpoint, "hello", "receive", "open=slow", "data=begun", "zeros=100000", "receive")
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
                stranger = self.stranger("connect", self.endpoint, "hello", "receive", "open=slow", "data=begun", "receive")
                self.wait_for_temporary()
                receiving.process.send_signal(number)
                self.assertEqual(receiving.end()[0], -number)
                self.assertEqual(self.received(), [])
                self.assertIn(b"ended peer_died", stranger.end()[1])

    def test_a_digest_that_differs_keeps_the_file_out(self):
        for lie in ("end=lie", "end=short"):
            with self.subTest(lie=lie):
                receiving = self.receive("--into", self.into)
                stranger = self.stranger("connect", self.endpoint, "hello", "receive", "open=false", "data=content", lie, "receive")
                self.assertIn(b"refuse 1 4 ", stranger.end()[1])
                self.assert_status(receiving.end(), FAILED)
                self.assertEqual(self.received(), [])

    def test_an_announced_size_is_not_believed(self):
        receiving = self.receive("--into", self.into)
        stranger = self.stranger("connect", self.endpoint, "hello", "receive", "huge=small", "data=abc", "end", "receive")
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
                out = self.stranger("connect", self.endpoint, *words, "receive", "receive").end()[1]
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
                stranger = self.stranger("listen", self.endpoint, *words)
                sent = self.run_sluice("send", self.endpoint, file)
                stranger.end()
                self.assert_status(sent, FAILED)
                self.assertEqual(sent[1], b"", "nothing was confirmed")
                self.assertIn(self.endpoint, sent[2])

    def test_a_full_disk_is_told_to_the_sender(self):
        # A shared region is a file as well, and has to fit.
        endpoint = self.endpoint + "?capacity=64K"
        receiving = self.receive("--into", self.into, endpoint=endpoint, preexec_fn=limit_file_size)
        sent = self.run_sluice("send", endpoint, self.file("large", os.urandom(3_000_000)), self.file("small", b"fits"))
        self.assert_status(sent, FAILED)
        self.assert_status(receiving.end(), FAILED)
        self.assertIn("File too large", sent[2])
        self.assertEqual(self.received(), ["small"])

    def test_a_reader_of_standard_output_that_leaves_is_told_to_the_sender(self):
        read_end, write_end = os.pipe()
        receiving = self.receive("--stdout", stdout=write_end)
        os.close(write_end)
        os.close(read_end)
        sent = self.run_sluice("send", self.endpoint, self.file("unread", b"words"))
        self.assert_status(sent, FAILED)
        self.assertIn("standard output", sent[2])
        self.assert_status(receiving.end(), FAILED)


if __name__ == "__main__":
    sys.exit(main(Refusing))
