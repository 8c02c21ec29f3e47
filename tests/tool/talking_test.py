#!/usr/bin/env python3
"""Listening and connecting: standard streams as the messages of a channel, with a sluice or a stranger at the other end."""
import json
import os
import re
import socket
import subprocess
import sys

import harness
from harness import DONE, FAILED, PATIENCE, PEER_DIED, TIMED_OUT, WRONG_USAGE, ToolTest, main


class Talking(ToolTest):
    """Standard streams as the messages of a channel."""

    def talk(self, listener_says, connector_says, flags=(), endpoint=None, options=""):
        """Both sides say what they have: what (listener, connector) have printed."""
        listening = self.listen(*flags, endpoint=(endpoint or self.endpoint) + options, stdin=subprocess.PIPE)
        connected = self.sluice("connect", listening.endpoint + options, *flags, stdin=subprocess.PIPE)
        for process, content in ((listening, listener_says), (connected, connector_says)):
            process.process.stdin.write(content)
            process.process.stdin.close()
        ended = listening.end(), connected.end()
        for one in ended:
            self.assert_status(one, DONE)
        return ended[0][1], ended[1][1]

    def lines_over(self, mechanism):
        if mechanism not in harness.BUILT_IN:
            self.skipTest(f"{mechanism} is not built in")
        endpoint = self.endpoints.get(mechanism, "tcp:127.0.0.1:0")
        ours = b"".join(b"line %d\n" % number for number in range(3000)) + b"\n" + b"x" * 100_000 + b"\nno end"
        theirs = b"one\n\ntwo\n"
        self.assertEqual(self.talk(theirs, ours, endpoint=endpoint), (ours + b"\n", theirs))

    def test_lines_cross_local(self):
        self.lines_over("local")

    def test_lines_cross_unix(self):
        self.lines_over("unix")

    def test_lines_cross_tcp(self):
        self.lines_over("tcp")

    def test_lines_cross_mq(self):
        self.lines_over("mq")

    def test_lines_cross_shm(self):
        self.lines_over("shm")

    def test_lines_go_to_a_program_that_is_started(self):
        if "pipe" not in harness.BUILT_IN:
            self.skipTest("pipe is not built in")
        # Its input is ours, too, unless it has another.
        program = f"{self.sluice_path()} connect pipe: <{self.file('said', b'from the child')}"
        talked = self.sluice("connect", "pipe:", "--", "sh", "-c", program, stdin=subprocess.PIPE)
        self.say(talked, b"from the parent\n")
        talked.process.stdin.close()
        ended = talked.end()
        self.assert_status(ended, DONE)
        self.assertEqual(sorted(ended[1].splitlines()), [b"from the child", b"from the parent"])
        ended = self.run_sluice("connect", "pipe:", "--", "sh", "-c", program + "; exit 5", stdin=subprocess.DEVNULL)
        self.assert_status(ended, FAILED)
        self.assertIn("ended with 5", ended[2])
        self.assert_status(self.run_sluice("connect", "pipe:", "--", "false"), PEER_DIED)
        self.assert_status(self.run_sluice("connect", "pipe:", "--", "there-is-no-such-program"), FAILED)

    def test_lines_are_answered_one_by_one(self):
        listening = self.listen(stdin=subprocess.PIPE)
        connected = self.sluice("connect", self.endpoint, stdin=subprocess.PIPE)
        told = b""
        for number in range(20):
            line = b"%d\n" % number
            told += line
            self.say(connected, line)
            self.wait_for_output(listening, told)
            self.say(listening, line)
            self.wait_for_output(connected, told)
        connected.process.stdin.close()
        # One direction has ended, the other goes on.
        self.say(listening, b"last\n")
        self.wait_for_output(connected, told + b"last\n")
        listening.process.stdin.close()
        self.assert_status(connected.end(), DONE)
        self.assert_status(listening.end(), DONE)

    def test_messages_end_with_nul(self):
        ours = b"two\nlines\0\0last"
        self.assertEqual(self.talk(b"", ours, ["--null"]), (ours + b"\0", b""))

    def test_all_of_the_input_is_one_blob(self):
        content = os.urandom(3_000_000)
        self.assertEqual(self.talk(b"", content, ["--blob"])[0][:len(content)], content)

    def test_blobs_of_a_file_are_one_message(self):
        listening = self.listen("--json")
        content = self.file("content", b"a\nb\n")
        with open(content, "rb") as redirected:
            self.assert_status(self.sluice("connect", self.endpoint, "--blob", stdin=redirected).end(), DONE)
        told = listening.end()
        self.assert_status(told, DONE)
        self.assertEqual([json.loads(line)["text"] for line in told[1].splitlines()], ["a\nb\n"])

    def test_json_is_one_object_a_message(self):
        said = [{"text": "two\nlines"}, {"base64": "/wD/"}, {"text": ""}, {"base64": "Zg=="}]
        heard = self.talk(b"", b"".join(json.dumps(one).encode() + b"\n" for one in said), ["--json"])[0]
        objects = [json.loads(line) for line in heard.splitlines()]
        self.assertEqual([one.get("text") for one in objects], ["two\nlines", None, "", "f"])
        self.assertEqual(objects[1]["base64"], "/wD/")
        self.assertEqual([one["size"] for one in objects], [9, 3, 0, 1])
        for one in objects:
            self.assertEqual(one["from"]["uid"], os.getuid())
            self.assertIsInstance(one["from"]["pid"], int)

    def test_json_that_is_none_is_a_failure_that_names_the_line(self):
        for line, why in ((b"[1]", "no JSON object"), (b"{\"text\": 1}", "needs either"), (b"{", "no JSON object"),
                          (b"{\"base64\": \"a\"}", "is none")):
            listening = self.listen("--json")
            connected = self.sluice("connect", self.endpoint, "--json", stdin=subprocess.PIPE)
            connected.process.stdin.write(b"{\"text\": \"good\"}\n" + line + b"\n")
            connected.process.stdin.close()
            ended = connected.end()
            self.assert_status(ended, FAILED)
            self.assertIn("line 2 of the input", ended[2])
            self.assertIn(why, ended[2])
            listening.end()

    def test_standard_input_may_be_a_file_or_closed(self):
        listening = self.listen()
        content = self.file("lines", b"one\ntwo\n" * 20_000)
        with open(content, "rb") as redirected:
            self.assert_status(self.sluice("connect", self.endpoint, stdin=redirected).end(), DONE)
        told = listening.end()
        self.assert_status(told, DONE)
        self.assertEqual(told[1], content.read_bytes())

    def test_a_sluice_waits_without_using_its_processor(self):
        listening = self.listen(stdin=subprocess.PIPE)
        connected = self.sluice("connect", self.endpoint, stdin=subprocess.PIPE)
        self.say(connected, b"hello\n")
        self.wait_for_output(listening, b"hello\n")
        connected.process.stdin.close()  # half-closed: nothing is left to do but wait
        self.assert_idle(listening, connected)
        listening.process.stdin.close()
        self.assert_status(listening.end(), DONE)

    def test_a_killed_peer_is_a_dead_peer(self):
        listening = self.listen(stdin=subprocess.PIPE)
        connected = self.sluice("connect", self.endpoint, stdin=subprocess.PIPE)
        self.say(connected, b"before\n")
        self.wait_for_output(listening, b"before\n")
        connected.process.kill()
        ended = listening.end()
        self.assert_status(ended, PEER_DIED)
        self.assertIn(self.endpoint, ended[2])

    def test_nobody_comes_in_time(self):
        ended = self.listen("--timeout", "200ms").end()
        self.assert_status(ended, TIMED_OUT)
        self.assertIn(self.endpoint, ended[2])
        ended = self.run_sluice("connect", self.endpoint, "--timeout", "0.2")
        self.assert_status(ended, TIMED_OUT)
        self.assertIn(self.endpoint, ended[2])

    def test_a_message_beyond_the_limit_is_a_failure(self):
        listening = self.listen(endpoint=self.endpoint + "?max_message=1K")
        connected = self.sluice("connect", self.endpoint, stdin=subprocess.PIPE)
        connected.process.stdin.write(b"fits\n" + b"x" * 2000 + b"\n")
        connected.process.stdin.close()
        ended = connected.end()
        self.assert_status(ended, FAILED)
        self.assertIn("1024 bytes", ended[2])
        self.assertIn(listening.end()[0], (DONE, PEER_DIED))

    def test_wrong_usage_of_listen_and_connect(self):
        wrong = [["listen"], ["connect"], ["listen", "nonsense"], ["connect", self.endpoint, "--null", "--json"],
                 ["listen", self.endpoint, "--clients=some"], ["listen", "unix:/tmp/x?framing=lines"],
                 ["connect", self.endpoint, "--exec", "cat"], ["listen", self.endpoint, "--timeout", "soon"]]
        for arguments in wrong:
            with self.subTest(arguments=arguments):
                ended = self.run_sluice(*arguments)
                self.assert_status(ended, WRONG_USAGE)
                self.assertNotEqual(ended[2], "")
                self.assertEqual(ended[1], b"")

    def test_quiet_says_nothing_but_the_messages(self):
        listening = self.sluice("listen", self.endpoint, "--quiet")
        connected = self.sluice("connect", self.endpoint, "--quiet", stdin=subprocess.PIPE)
        connected.process.stdin.write(b"hush\n")
        connected.process.stdin.close()
        self.assertEqual(connected.end(), (DONE, b"", ""))
        self.assertEqual(listening.end(), (DONE, b"hush\n", ""))

    # ---- strangers ----

    def plain(self, endpoint):
        """A bare socket, connected there."""
        mechanism, where = endpoint.split("?")[0].split(":", 1)
        if mechanism == "unix":
            connection = socket.socket(socket.AF_UNIX)
            connection.connect(where)
        else:
            host, port = where.rsplit(":", 1)
            connection = socket.create_connection((host, int(port)))
        self.addCleanup(connection.close)
        connection.settimeout(PATIENCE)
        return connection

    def hear_all(self, connection):
        heard = b""
        while piece := connection.recv(65536):
            heard += piece
        return heard

    def strangers_over(self, endpoint):
        for framing, ours, theirs in (("line", b"hello\n", b"ho\nno end"), ("nul", b"hello\0", b"ho\0no end"),
                                      ("raw", b"hello", b"ho\nno end"),  # a read is a message: so many bytes come with one
                                      ("u16be", b"\0\5hello", b"\0\2ho\0\6no end"),
                                      ("u32le", b"\5\0\0\0hello", b"\2\0\0\0ho\6\0\0\0no end")):
            with self.subTest(framing=framing):
                options = f"?framing={framing}"
                listening = self.listen(endpoint=endpoint + options, stdin=subprocess.PIPE)
                stranger = self.plain(listening.endpoint)
                stranger.sendall(theirs)
                stranger.shutdown(socket.SHUT_WR)
                listening.process.stdin.write(b"hello\n")
                listening.process.stdin.close()
                self.assertEqual(self.hear_all(stranger), ours)
                ended = listening.end()
                self.assert_status(ended, DONE)
                self.assertEqual(ended[1], b"ho\nno end\n")

    def test_strangers_talk_over_unix(self):
        if "unix" not in harness.BUILT_IN:
            self.skipTest("unix is not built in")
        self.strangers_over(self.endpoints["unix"])

    def test_strangers_talk_over_tcp(self):
        if "tcp" not in harness.BUILT_IN:
            self.skipTest("tcp is not built in")
        self.strangers_over("tcp:127.0.0.1:0")

    def test_a_strange_server_is_connected_to(self):
        if "tcp" not in harness.BUILT_IN:
            self.skipTest("tcp is not built in")
        with socket.create_server(("127.0.0.1", 0)) as server:
            server.settimeout(PATIENCE)
            connected = self.sluice("connect", f"tcp:127.0.0.1:{server.getsockname()[1]}?framing=line", stdin=subprocess.PIPE)
            stranger, _ = server.accept()
            with stranger:
                connected.process.stdin.write(b"GET /\n")
                connected.process.stdin.close()
                self.assertEqual(self.hear_all(stranger), b"GET /\n")
                stranger.sendall(b"found\n")
            ended = connected.end()
        self.assert_status(ended, DONE)
        self.assertEqual(ended[1], b"found\n")

    def test_a_stranger_that_ends_inside_a_message_has_died(self):
        if "unix" not in harness.BUILT_IN:
            self.skipTest("unix is not built in")
        listening = self.listen(endpoint=self.endpoints["unix"] + "?framing=u32be", stdin=subprocess.PIPE)
        stranger = self.plain(self.endpoints["unix"])
        stranger.sendall(b"\0\0\0\5hel")
        stranger.close()
        self.assert_status(listening.end(), PEER_DIED)

    def test_a_framing_and_both_ends_ours(self):
        if "unix" not in harness.BUILT_IN:
            self.skipTest("unix is not built in")
        self.assertEqual(self.talk(b"a\nb\n", b"c\n", endpoint=self.endpoints["unix"], options="?framing=u16le"), (b"c\n", b"a\nb\n"))

    # ---- the trace ----

    def test_the_trace_goes_to_standard_error_or_a_file(self):
        file = self.folder / "trace"
        environment = {**os.environ, "SLUICE_TRACE": str(file)}
        self.listen(env={**os.environ, "SLUICE_TRACE": "stderr"})
        connected = self.sluice("connect", self.endpoint, env=environment).end()
        self.assert_status(connected, DONE)
        self.assertEqual(connected[2], "")
        traced = file.read_text().splitlines()
        for line in traced:
            self.assertRegex(line, rf"^sluice \d+ \d+\.\d{{3}} [a-z-]+ {re.escape(self.endpoint)}: .+$")
        self.assertEqual([line.split()[3] for line in traced], ["connecting", "connected", "ended", "closed"])
        self.assert_status(self.running[0].end(), DONE)
        told = self.running[0].collected[self.running[0].process.stderr].decode()
        for event in (" listening ", " connected ", f"user {os.getuid()}", " closed "):
            self.assertIn(event, told)

    def test_a_trace_that_can_not_be_written_stops_nobody(self):
        for destination in (str(self.folder / "nowhere" / "trace"), "/dev/full"):
            environment = {**os.environ, "SLUICE_TRACE": destination}
            listening = self.listen(env=environment)
            self.assert_status(self.sluice("connect", self.endpoint, env=environment).end(), DONE)
            self.assert_status(listening.end(), DONE)

    def test_a_broken_pipe_of_the_output_is_a_failure(self):
        listening = self.start("sh", "-c", '"$@" | head -c 1 > /dev/null', "sh", self.sluice_path(), "listen", self.endpoint)
        listening.wait_for("listening on")
        connected = self.sluice("connect", self.endpoint, stdin=subprocess.PIPE)
        try:
            for _ in range(1000):
                os.write(connected.process.stdin.fileno(), b"line\n" * 1000)
        except BrokenPipeError:
            pass
        self.assertIn(connected.end()[0], (DONE, PEER_DIED))


if __name__ == "__main__":
    sys.exit(main(Talking))
