#!/usr/bin/env python3
"""Listening to several clients, one after the other or at once, and programs for them."""
import os
import signal
import subprocess
import sys
import time

from harness import DONE, FAILED, PATIENCE, PEER_DIED, ToolTest, main


class Clients(ToolTest):
    """Several clients, and programs for them."""

    def converse(self, content, endpoint=None, *flags):
        connected = self.sluice("connect", endpoint or self.endpoint, *flags, stdin=subprocess.PIPE)
        connected.process.stdin.write(content)
        connected.process.stdin.close()
        ended = connected.end()
        self.assert_status(ended, DONE)
        return ended[1]

    def test_serial_clients_come_one_after_the_other(self):
        self.listen("--clients=serial", "--exec", "cat")
        for number in range(3):
            line = b"client %d\n" % number
            self.assertEqual(self.converse(line), line)

    def test_a_killed_client_does_not_end_a_serial_listener(self):
        listening = self.listen("--clients=serial", stdin=subprocess.PIPE)
        connected = self.sluice("connect", self.endpoint, stdin=subprocess.PIPE)
        self.say(connected, b"first\n")
        self.wait_for_output(listening, b"first\n")
        connected.process.kill()
        listening.wait_for("ended without a goodbye")
        connected = self.sluice("connect", self.endpoint, stdin=subprocess.PIPE)
        self.say(connected, b"second\n")
        self.wait_for_output(listening, b"first\nsecond\n")
        listening.process.stdin.close()
        connected.process.stdin.close()
        self.assert_status(connected.end(), DONE)

    def test_many_clients_are_served_at_once(self):
        listening = self.listen("--clients=all", stdin=subprocess.PIPE)
        clients = [self.sluice("connect", self.endpoint, stdin=subprocess.PIPE) for _ in range(5)]
        for number, client in enumerate(clients):
            self.say(client, b"%d\n" % number)
        for number in range(5):
            listening.wait_for(f"{number}\n")
        self.say(listening, b"to all\n")
        for client in clients:
            self.wait_for_output(client, b"to all\n")
        listening.process.stdin.close()
        for client in clients:
            client.process.stdin.close()
            self.assert_status(client.end(), DONE)
        self.assertIsNone(listening.process.poll(), "it goes on")

    def test_each_client_gets_a_program_of_its_own(self):
        self.listen("--clients=all", "--exec", "while read line; do echo \"$$ got $line\"; done")
        first = self.sluice("connect", self.endpoint, stdin=subprocess.PIPE)
        second = self.sluice("connect", self.endpoint, stdin=subprocess.PIPE)
        self.say(first, b"a\n")
        self.say(second, b"b\n")
        mine = first.line_with("got a").split()[0]
        others = second.line_with("got b").split()[0]
        self.assertNotEqual(mine, others)
        for client in (first, second):
            client.process.stdin.close()
            self.assert_status(client.end(), DONE)

    def test_a_stopped_client_delays_nobody(self):
        # Those that say "slow" are held back at a gate until they are stopped; their farewells then get no answer.
        self.listen("--clients=all", "--exec", 'read what; if [ -p "$what" ]; then cat; cat "$what"; touch "$what.over"; else exec cat; fi')
        quick = self.sluice("connect", self.endpoint, stdin=subprocess.PIPE)
        self.say(quick, b"quick\n")
        told, stopped, gates = b"", [], [str(self.folder / f"gate-{number}") for number in range(8)]
        for gate in gates:
            os.mkfifo(gate)
            stopped.append(self.sluice("connect", self.endpoint, stdin=subprocess.PIPE))
            self.say(stopped[-1], gate.encode() + b"\n")
            stopped[-1].process.stdin.close()
        opened = [open(gate, "wb") for gate in gates]  # each once its program is there: it has heard that its client has finished
        for one in stopped:
            self.stop(one)
        begun = time.monotonic()
        for gate in opened:
            gate.write(b"late\n")
            gate.close()
        while not all(os.path.exists(gate + ".over") for gate in gates) or len(told) < 400:
            told += b"%d\n" % (time.monotonic() - begun)
            self.say(quick, told.splitlines(True)[-1])
            self.wait_for_output(quick, told)
        # One after the other they would take two seconds each.
        self.assertLess(time.monotonic() - begun, 10)
        for one in stopped:
            one.process.send_signal(signal.SIGCONT)
            ended = one.end()
            self.assert_status(ended, DONE)
            self.assertEqual(ended[1], b"late\n")
        quick.process.stdin.close()
        self.assert_status(quick.end(), DONE)

    def stop(self, one):
        """SIGSTOP, and waits until it stands still."""
        one.process.send_signal(signal.SIGSTOP)
        deadline = time.monotonic() + PATIENCE
        while open(f"/proc/{one.process.pid}/stat").read().rsplit(")", 1)[1].split()[0] != "T":
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.001)

    def test_a_program_that_answers_at_its_end_does_answer(self):
        listening = self.listen("--exec", "tr a-z A-Z")
        self.assertEqual(self.converse(b"hello\nworld\n"), b"HELLO\nWORLD\n")
        self.assert_status(listening.end(), DONE)

    def test_more_passes_through_a_program_than_its_pipes_hold(self):
        listening = self.listen("--exec", "cat")
        content = b"".join(b"%d %s\n" % (number, b"x" * 1000) for number in range(3000))
        self.assertEqual(self.converse(content), content)
        self.assert_status(listening.end(), DONE)

    def test_a_program_that_fails_is_told(self):
        listening = self.listen("--exec", "cat > /dev/null; exit 3")
        self.assertEqual(self.converse(b"hello\n"), b"")
        ended = listening.end()
        self.assert_status(ended, FAILED)
        self.assertIn("exited with status 3", ended[2])

    def test_a_program_ends_with_its_killed_client(self):
        listening = self.listen("--exec", "echo here; exec sleep 1000")
        connected = self.sluice("connect", self.endpoint, stdin=subprocess.PIPE)
        connected.wait_for("here")
        connected.process.kill()
        self.assert_status(listening.end(), PEER_DIED)


if __name__ == "__main__":
    sys.exit(main(Clients))
