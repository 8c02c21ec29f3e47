"""What the tests of the tool share: processes whose output is collected, and a folder of its own for each test.

A test file is a program: FILE SLUICE STRANGER [TEST...]. STRANGER is the peer that says what it is told (stranger.cpp). It
ends with 77 if everything that was asked for was skipped.
"""
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import unittest
from pathlib import Path

SLUICE = STRANGER = ""
BUILT_IN = set()  # names of mechanisms
PATIENCE = 60  # seconds until a process that should have ended is a failure
DONE, FAILED, WRONG_USAGE, TIMED_OUT, PEER_DIED = range(5)


class Process:
    """A running program; its output is collected from the start, so that no pipe fills."""

    def __init__(self, arguments, **options):
        options.setdefault("stdin", subprocess.DEVNULL)
        options.setdefault("stdout", subprocess.PIPE)
        self.process = subprocess.Popen([str(argument) for argument in arguments], stderr=subprocess.PIPE, **options)
        self.lines = []
        self.changed = threading.Condition()
        streams = [stream for stream in (self.process.stdout, self.process.stderr) if stream]
        self.collected = {stream: b"" for stream in streams}
        self.streams_open = len(streams)
        self.readers = [threading.Thread(target=self.collect, args=(stream,), daemon=True) for stream in streams]
        for reader in self.readers:
            reader.start()

    def collect(self, stream):
        for line in stream:
            with self.changed:
                self.collected[stream] += line
                self.lines.append(line.decode(errors="replace"))
                self.changed.notify_all()
        with self.changed:
            self.streams_open -= 1
            self.changed.notify_all()

    def wait_for(self, text):
        """Waits until a line holds the text."""
        def is_there():
            return any(text in line for line in self.lines)

        with self.changed:
            self.changed.wait_for(lambda: is_there() or self.streams_open == 0, PATIENCE)
            if not is_there():
                raise AssertionError(f"no {text!r} from {self.process.args}: {self.lines}")

    def line_with(self, text):
        self.wait_for(text)
        return next(line for line in self.lines if text in line)

    def end(self, patience=PATIENCE):
        """Waits for the end: (exit status, standard output, standard error)."""
        try:
            status = self.process.wait(patience)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise AssertionError(f"{self.process.args} hangs: {self.lines}") from None
        for reader in self.readers:
            reader.join(PATIENCE)
        out = self.collected.get(self.process.stdout, b"")
        return status, out, self.collected[self.process.stderr].decode(errors="replace")


class ToolTest(unittest.TestCase):
    def setUp(self):
        self.folder = Path(tempfile.mkdtemp(prefix="sluice-tool-"))
        self.addCleanup(shutil.rmtree, self.folder)
        self.into = self.folder / "into"
        self.into.mkdir()
        runtime = self.folder / "runtime"
        runtime.mkdir(mode=0o700)
        os.environ["SLUICE_RUNTIME_DIR"] = str(runtime)
        # Names of message queues and shared memory are the machine's, not the folder's.
        self.name = "tool-" + self.folder.name.removeprefix("sluice-tool-")
        self.endpoints = {"local": f"local:{self.name}", "unix": f"unix:{self.folder}/meet", "shm": f"shm:{self.name}", "mq": f"mq:/{self.name}"}
        # What is not about a mechanism runs over the first that is built in.
        self.endpoint = next(endpoint for name, endpoint in self.endpoints.items() if name in BUILT_IN)
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

    def sluice_path(self):
        return SLUICE

    def sluice(self, *arguments, **options):
        return self.start(SLUICE, *arguments, **options)

    def receive(self, *arguments, endpoint=None, **options):
        process = self.sluice("receive", endpoint or self.endpoint, *arguments, **options)
        process.wait_for("listening on")
        return process

    def listen(self, *arguments, endpoint=None, **options):
        process = self.sluice("listen", endpoint or self.endpoint, *arguments, **options)
        # As it stands there, with the real port.
        process.endpoint = process.line_with("listening on").split("listening on ")[1].strip()
        return process

    def say(self, process, content):
        process.process.stdin.write(content)
        process.process.stdin.flush()

    def wait_for_output(self, process, content):
        """Waits until exactly this was printed."""
        def is_there():
            return process.collected[process.process.stdout] == content

        with process.changed:
            process.changed.wait_for(is_there, PATIENCE)
        self.assertEqual(process.collected[process.process.stdout], content)

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

    def switches_of(self, processes):
        """How often each thread of these has left its processor."""
        counted = {}
        for one in processes:
            for task in Path(f"/proc/{one.process.pid}/task").iterdir():
                lines = (task / "status").read_text().splitlines()
                counted[task.name] = [line.split()[1] for line in lines if "ctxt_switches" in line]
        return counted

    def assert_idle(self, *processes):
        """No thread of these wakes up any more: one that has a time-out of its own runs in every one of these moments."""
        moment, deadline = 0.5, time.monotonic() + PATIENCE
        while True:
            before = self.switches_of(processes)
            time.sleep(moment)
            now = self.switches_of(processes)
            if now == before:
                return
            self.assertLess(time.monotonic(), deadline, f"a thread wakes up: {before}, {now}")

    def carry(self, files, sender=(), receiver=(), endpoint=None, **options):
        """Sends files, and asserts that both sides are done: their standard outputs."""
        receiving = self.receive("--into", self.into, *receiver, endpoint=endpoint)
        sent = self.run_sluice("send", endpoint or self.endpoint, *sender, *files, **options)
        got = receiving.end()
        self.assert_status(sent, DONE)
        self.assert_status(got, DONE)
        return sent[1].decode(), got[1].decode()


def main(*cases):
    """Runs the tests of these classes that the command line names, or all."""
    global SLUICE, STRANGER, BUILT_IN
    SLUICE, STRANGER = sys.argv[1:3]
    rows = json.loads(subprocess.run([SLUICE, "mechanisms", "--json"], check=True, capture_output=True).stdout)
    BUILT_IN = {row["name"] for row in rows if row["built_in"]}
    chosen = set(sys.argv[3:])
    loader = unittest.TestLoader()
    suite = unittest.TestSuite()
    for case in cases:
        suite.addTests(test for test in loader.loadTestsFromTestCase(case) if not chosen or test.id().split(".")[-1] in chosen)
    result = unittest.TextTestRunner(verbosity=2).run(suite)
    if not result.wasSuccessful() or result.testsRun == 0:
        return 1
    return 77 if len(result.skipped) == result.testsRun else 0
