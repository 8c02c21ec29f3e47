#!/usr/bin/env python3
"""Files arrive whole, whatever carries them."""
import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import harness
from harness import DONE, FAILED, PATIENCE, PEER_DIED, ToolTest, main

# XXH3-128 of nothing, as xxhsum -H2 prints it.
DIGEST_OF_NOTHING = "99aa06d3014798d86001c324468d497f"
AT_ONCE = 63  # that --clients=all takes: kMostStores (tools/sluice/store.hpp), but one
LONG_PATIENCE = 600  # seconds, for gigabytes on a busy machine


class Carrying(ToolTest):
    """Files arrive whole, whatever carries them."""

    def send_slowly(self, name):
        """A sender whose file has begun to arrive, and ends with its standard input."""
        before = len(self.received())
        sender = self.sluice("send", self.endpoint, "--as", name, "-", stdin=subprocess.PIPE)
        sender.process.stdin.write(b"begun")
        sender.process.stdin.flush()
        deadline = time.monotonic() + PATIENCE
        while len(self.received()) == before:  # it has another name until it is whole
            self.assertLess(time.monotonic(), deadline, f"{name} doesn't begin: {sender.lines}")
            time.sleep(0.01)
        return sender

    def carry_over(self, mechanism, size):
        if mechanism not in harness.BUILT_IN:
            self.skipTest(f"{mechanism} is not built in")
        content = os.urandom(size)
        sent, got = self.carry([self.file("real", content)], endpoint=self.endpoints[mechanism])
        self.assertEqual((self.into / "real").read_bytes(), content)
        self.assertEqual(sent, got)
        self.assertRegex(sent, r"^[0-9a-f]{32}  real\n$")

    def test_a_file_crosses_unix(self):
        self.carry_over("unix", 20_000_001)

    def test_a_file_crosses_mq(self):
        self.carry_over("mq", 5_000_001)

    def test_a_file_crosses_local(self):
        self.carry_over("local", 20_000_001)

    def test_a_file_crosses_shm(self):
        self.carry_over("shm", 20_000_001)

    def test_a_file_crosses_tcp(self):
        if "tcp" not in harness.BUILT_IN:
            self.skipTest("tcp is not built in")
        content = os.urandom(20_000_001)
        for host in ("127.0.0.1", "[::1]"):
            receiving = self.receive("--into", self.into, "--force", endpoint=f"tcp:{host}:0")
            # The system picks the port, and the receiver tells it.
            endpoint = receiving.line_with("listening on").split()[-1]
            self.assertRegex(endpoint, rf"^tcp:{re.escape(host)}:[1-9][0-9]*$")
            sent = self.run_sluice("send", endpoint, self.file("real", content))
            got = receiving.end()
            self.assert_status(sent, DONE)
            self.assert_status(got, DONE)
            self.assertEqual((self.into / "real").read_bytes(), content)
            self.assertEqual(sent[1], got[1])

    def test_a_file_crosses_pipe(self):
        if "pipe" not in harness.BUILT_IN:
            self.skipTest("pipe is not built in")
        content = os.urandom(20_000_001)
        path = self.file("real", content)
        receive = f"exec {self.sluice_path()} receive pipe: --into {self.into} >{self.folder}/got"
        sent = self.run_sluice("send", "pipe:", path, "--exec", receive)
        self.assert_status(sent, DONE)
        self.assertEqual((self.into / "real").read_bytes(), content)
        self.assertEqual((self.folder / "got").read_bytes(), sent[1])
        # A receiver that refuses the file, or is none.
        self.assert_status(self.run_sluice("send", "pipe:", path, "--exec", receive), FAILED)
        self.assert_status(self.run_sluice("send", "pipe:", path, "--exec", "exit 3"), PEER_DIED)

    def test_serial_senders_are_served_one_after_the_other(self):
        receiving = self.receive("--into", self.into, "--clients=serial")
        for number in range(3):
            self.assert_status(self.run_sluice("send", self.endpoint, self.file(f"file-{number}", b"%d" % number)), DONE)
        # One that fails ends nothing.
        self.assert_status(self.run_sluice("send", self.endpoint, self.file("file-0", b"again")), harness.FAILED)
        self.assert_status(self.run_sluice("send", self.endpoint, self.file("last", b"last")), DONE)
        self.assertIsNone(receiving.process.poll())
        self.assertEqual(self.received(), ["file-0", "file-1", "file-2", "last"])

    def test_many_senders_are_served_at_once(self):
        receiving = self.receive("--into", self.into, "--clients=all")
        contents = {f"file-{number}": os.urandom(1_000_000 + number) for number in range(5)}
        # The first one sends nothing yet, and keeps nobody waiting.
        slow = self.send_slowly("slow")
        senders = [self.sluice("send", self.endpoint, self.file(name, content)) for name, content in contents.items()]
        for sender in senders:
            self.assert_status(sender.end(), DONE)
        slow.process.stdin.close()
        self.assert_status(slow.end(), DONE)
        self.assertIsNone(receiving.process.poll())
        contents["slow"] = b"begun"
        self.assertEqual({path.name: path.read_bytes() for path in self.into.iterdir()}, contents)

    def test_a_receiver_of_many_waits_without_waking_up(self):
        receiving = self.receive("--into", self.into, "--clients=all")
        self.assert_idle(receiving)
        idle = self.send_slowly("idle")
        self.assert_idle(receiving, idle)
        # One that ends is let go of, while another one stays.
        self.assert_status(self.run_sluice("send", self.endpoint, self.file("short", b"short")), DONE)
        self.assert_idle(receiving, idle)
        self.assertEqual(len(list(Path(f"/proc/{receiving.process.pid}/task").iterdir())), 2)
        idle.process.stdin.close()
        self.assert_status(idle.end(), DONE)
        self.assertEqual(self.received(), ["idle", "short"])

    def test_a_receiver_that_is_full_waits_for_one_to_leave(self):
        receiving = self.receive("--into", self.into, "--clients=all")
        there = [self.send_slowly(f"file-{number}") for number in range(AT_ONCE)]
        waiting = self.sluice("send", self.endpoint, "--timeout", "1m", self.file("waiting", b"waited"))
        self.assert_idle(receiving, waiting)
        self.assertNotIn("waiting", self.received())
        for one in there:
            one.process.stdin.close()
        for one in (waiting, *there):
            self.assert_status(one.end(), DONE)
        self.assertEqual(len(self.received()), AT_ONCE + 1)

    def test_digests_are_those_of_xxhsum(self):
        sent, _ = self.carry([self.file("empty", b"")])
        self.assertEqual(sent, f"{DIGEST_OF_NOTHING}  empty\n")
        if not shutil.which("xxhsum"):
            return
        content = self.file("content", os.urandom(3_000_000))
        sent, _ = self.carry([content])
        digests = self.folder / "digests"
        digests.write_text(sent)
        subprocess.run(["xxhsum", "-c", str(digests)], cwd=self.folder, check=True, capture_output=True)

    def test_many_files_arrive_in_one_go(self):
        contents = {f"file {i} größe.bin": os.urandom(i * 37 % 5000) for i in range(60)}
        sent, got = self.carry([self.file(name, content) for name, content in contents.items()])
        self.assertEqual({path.name: path.read_bytes() for path in self.into.iterdir()}, contents)
        self.assertEqual(sent, got)
        self.assertEqual(len(sent.splitlines()), len(contents))

    def test_the_sender_may_start_first(self):
        sender = self.sluice("send", self.endpoint, self.file("early", b"bird"))
        receiving = self.receive("--into", self.into)
        self.assert_status(sender.end(), DONE)
        self.assert_status(receiving.end(), DONE)
        self.assertEqual((self.into / "early").read_bytes(), b"bird")

    def test_the_endpoint_is_free_again_at_once(self):
        for round_number in range(3):
            self.carry([self.file(f"round-{round_number}", b"again")])

    def test_standard_input_of_unknown_length(self):
        content = os.urandom(700_000)
        receiving = self.receive("--into", self.into)
        sender = self.sluice("send", self.endpoint, "--as", "piped.bin", "-", stdin=subprocess.PIPE)
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
        files = [self.file(f"part-{i}", os.urandom(300_000)) for i in range(3)]
        receiving = self.receive("--stdout")
        self.assert_status(self.run_sluice("send", self.endpoint, *files), DONE)
        status, out, err = receiving.end()
        self.assertEqual(status, DONE)
        self.assertEqual(out, b"".join(file.read_bytes() for file in files))
        self.assertEqual(len(re.findall(r"^[0-9a-f]{32}  part-\d$", err, re.M)), 3)

    def test_chunks_may_have_any_size(self):
        content = os.urandom(3001)
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
            status, out, _ = self.sluice("send", self.endpoint, "--json", big).end(LONG_PATIENCE)
        self.assertEqual((status, receiving.end()[0]), (DONE, DONE))
        self.assertEqual(json.loads(out)["files"][0]["size"], size)

    def test_received_files_have_the_mode_of_new_files(self):
        before = os.umask(0o027)
        self.addCleanup(os.umask, before)
        self.carry([self.file("private", b"")])
        self.assertEqual((self.into / "private").stat().st_mode & 0o777, 0o640)


if __name__ == "__main__":
    sys.exit(main(Carrying))
