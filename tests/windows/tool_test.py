"""sluice.exe as its users see it, under an emulator: the mechanisms it has, files and lines over tcp, also with a tool of Linux.

tool_test.py EMULATOR SLUICE.EXE test_NAME; exit status 77: what the test needs is not here.
"""

import hashlib
import json
import os
import pathlib
import subprocess
import sys
import tempfile

PATIENCE = 60
MEGABYTE = 1 << 20
ROOT = pathlib.Path(__file__).resolve().parents[2]


class Missing(Exception):
    """Something that the test needs isn't on this machine."""


class Tool:
    """Starts the tool of one system; what is still running is killed at the end."""

    def __init__(self, command):
        self.command = command
        self.running = []

    def run(self, *words, **options):
        return subprocess.run([*self.command, *words], capture_output=True, timeout=PATIENCE, check=False, **options)

    def start(self, *words):
        process = subprocess.Popen([*self.command, *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.running.append(process)
        return process

    def end(self):
        for process in self.running:
            process.kill()
            process.communicate()


def endpoint_of(process):
    """Where it listens, as it says on standard error."""
    for line in process.stderr:
        words = line.decode().split()
        if words[:2] == ["listening", "on"]:
            return words[2]
    raise AssertionError("it never listened")


def ok(process, timeout=PATIENCE):
    out, err = process.communicate(timeout=timeout)
    assert process.returncode == 0, (process.returncode, out, err)
    return out


def linux_tool():
    for preset in ("dev", "release"):
        path = ROOT / "build" / preset / "tools" / "sluice" / "sluice"
        if path.exists():
            return Tool([str(path)])
    raise Missing("no tool for Linux is built")


def carry(sender, receiver, folder, size):
    """A file of that size goes from one tool to the other: both print the same digest, and its bytes arrive."""
    content = os.urandom(size)
    sent = folder / "sent file.bin"
    sent.write_bytes(content)
    into = folder / "into"
    into.mkdir()
    receiving = receiver.start("receive", "tcp:127.0.0.1:0", "--into", str(into))
    where = endpoint_of(receiving)
    sending = sender.start("send", where, str(sent))
    confirmed = ok(sending)
    received = ok(receiving)
    arrived = (into / "sent file.bin").read_bytes()
    assert hashlib.sha256(arrived).digest() == hashlib.sha256(content).digest(), "the bytes differ"
    assert [path.name for path in into.iterdir()] == ["sent file.bin"], "something was left"
    return confirmed, received


def talk(listener, connector):
    """Lines both ways, in UTF-8; the end of standard input half-closes."""
    listening = listener.start("listen", "tcp:[::1]:0")
    where = endpoint_of(listening)
    connecting = connector.start("connect", where)
    connecting.stdin.write("grüße\nzwei\n".encode())
    connecting.stdin.close()
    connecting.stdin = None
    listening.stdin.write("zurück\n".encode())
    listening.stdin.close()
    listening.stdin = None
    assert ok(connecting).decode() == "zurück\n"
    assert ok(listening).decode() == "grüße\nzwei\n"


def test_mechanisms_says_what_is_there_and_why_the_rest_is_not(tool, _):
    told = tool.run("mechanisms", "--json")
    assert told.returncode == 0, told
    rows = {row["name"]: row for row in json.loads(told.stdout)}
    available = sorted(name for name, row in rows.items() if row["available"])
    assert available == ["inproc", "tcp"], (available, rows)
    assert "not written yet" in rows["npipe"]["why_not"], rows["npipe"]
    assert "linux" in rows["mq"]["why_not"], rows["mq"]


def test_a_file_goes_over_tcp(tool, folder):
    carry(tool, tool, folder, 20 * MEGABYTE)


def test_lines_go_both_ways_over_tcp(tool, _):
    talk(tool, tool)


def test_files_go_from_linux_and_to_it(tool, folder):
    other = linux_tool()
    for number, (sender, receiver) in enumerate([(tool, other), (other, tool)]):
        part = folder / str(number)
        part.mkdir()
        carry(sender, receiver, part, 3 * MEGABYTE)
    other.end()


def test_lines_go_both_ways_with_linux(tool, _):
    other = linux_tool()
    talk(tool, other)
    talk(other, tool)
    other.end()


def test_a_name_that_windows_keeps_for_itself_is_refused(tool, folder):
    receiving = tool.start("receive", "tcp:127.0.0.1:0", "--into", str(folder))
    where = endpoint_of(receiving)
    sending = tool.start("send", where, str(ROOT / "LICENSE"), "--as", "NUL.txt")
    _, err = sending.communicate(timeout=PATIENCE)
    assert sending.returncode == 1, (sending.returncode, err)
    assert b"on Windows" in err, err
    assert not list(folder.iterdir()), "something was left"


def test_nobody_listens_is_said_at_once(tool, _):
    told = tool.run("connect", "tcp:127.0.0.1:1", "--timeout", "0.1")
    assert told.returncode in (1, 3), told


def main():
    emulator, program, name = sys.argv[1:4]
    tool = Tool([emulator, program])
    with tempfile.TemporaryDirectory(prefix="sluice-windows-") as folder:
        try:
            globals()[name](tool, pathlib.Path(folder))
        except Missing as missing:
            print(missing)
            sys.exit(77)
        finally:
            tool.end()


main()
