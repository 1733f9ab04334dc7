#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""An agent of ask.c without fltlib: sockets, and the protocol of docs/protocol.md.

    agent.py DENIED [SLOW MILLISECONDS]

It asks for several messages at once, and answers them in any order. To think for a while is the time-out of the
wait: nothing in the loop may block.
"""
import heapq
import os
import select
import signal
import socket
import stat
import struct
import sys
import time

PORT = "\\AskPort"
MAGIC, VERSION = 0x50544C46, 1
FRAME_MAX = 73728
HELLO, CONNECT, GET, REPLY = 1, 2, 7, 8
WELCOME, CONNECTED, DOORBELL, MESSAGE, RESULT, GOODBYE = 0x8001, 0x8002, 0x8005, 0x8007, 0x8008, 0x8009
STATUS_FLT_NO_WAITER_FOR_REPLY = 0xC01C0020
ERROR_INVALID_HANDLE = 6

QUESTION = struct.Struct("<II")  # ASK_QUESTION: process, length of the name that follows
HEADER_SIZE = 16                 # of a message: GET counts it, MESSAGE's payload is without it
MESSAGE_SIZE = HEADER_SIZE + QUESTION.size + 2 * 256
RECEIVES = 16                    # outstanding at once


class Ended(Exception):
    """The manager has gone, or has ended the connection."""


def say(*words):
    print(*words, flush=True)


class Agent:
    def __init__(self, denied, slow=None, milliseconds=0):
        self.denied, self.slow, self.delay = denied, slow, int(milliseconds) / 1000
        self.thoughts = []  # heap of (when, message id, name)
        self.replies = {}   # by tag: what is said of it
        self.tag = 0
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.connect()

    def connect(self):
        last = None
        for directory in runtime_directories():
            try:
                check_owner(directory)
                self.socket.connect(os.path.join(directory, "fltmgr.sock"))
                break
            except (FileNotFoundError, ConnectionRefusedError) as error:
                last = error
        else:
            raise last
        self.send(HELLO, struct.pack("<IHH", MAGIC, VERSION, VERSION))
        name = PORT.encode("utf-16-le")
        self.send(CONNECT, struct.pack("<III", 0, 0, len(name)) + name + struct.pack("<I", 0))
        self.receive(WELCOME)
        _, fields = self.receive(CONNECTED)
        status, = struct.unpack_from("<I", fields)
        if status != 0:
            raise OSError(f"no connection to the filter: status 0x{status:08x}")
        say("connected")

    def send(self, kind, fields):
        self.tag += 1
        try:
            self.socket.send(struct.pack("<IHHQ", 16 + len(fields), kind, 0, self.tag) + fields)
        except (BrokenPipeError, ConnectionResetError):
            raise Ended from None
        return self.tag

    def receive(self, *wanted):
        """One frame: its type and fields; with wanted, it has to be one of these."""
        try:
            frame = self.socket.recv(FRAME_MAX)
        except ConnectionResetError:
            raise Ended from None
        if not frame:
            raise Ended
        _, kind, _, self.answered = struct.unpack_from("<IHHQ", frame)
        if kind == GOODBYE:
            raise Ended
        if wanted and kind not in wanted:
            raise OSError(f"unexpected frame 0x{kind:04x}")
        return kind, frame[16:]

    def get(self):
        self.send(GET, struct.pack("<I", MESSAGE_SIZE))

    def on_message(self, fields):
        status, _, _, message_id, length = struct.unpack_from("<IIIQI", fields)
        self.get()  # the next one
        if status != 0:
            raise OSError(f"a receive failed: status 0x{status:08x}")
        payload = fields[24:24 + length]
        _, length = QUESTION.unpack_from(payload)
        name = payload[QUESTION.size:QUESTION.size + length].decode("utf-16-le", "replace")
        say("asked", name)
        if self.slow is not None and self.slow in name:
            heapq.heappush(self.thoughts, (time.monotonic() + self.delay, message_id, name))
        else:
            self.reply(message_id, name)

    def reply(self, message_id, name):
        allow = self.denied not in name
        answer = struct.pack("<I", allow)
        tag = self.send(REPLY, struct.pack("<QII", message_id, 0, len(answer)) + answer)
        self.replies[tag] = "allowed" if allow else "refused", name

    def on_result(self, fields):
        status, = struct.unpack("<I", fields)
        verdict, name = self.replies.pop(self.answered)
        if status == 0:
            say(verdict, name)
        else:
            # FltLib calls this one ERROR_FLT_NO_WAITER_FOR_REPLY.
            say("unanswered", name,
                "0x801f0020" if status == STATUS_FLT_NO_WAITER_FOR_REPLY else f"0x{status:08x}")

    def run(self, stop):
        """Serves until the descriptor stop is readable."""
        for _ in range(RECEIVES):
            self.get()
        poll = select.poll()
        poll.register(self.socket, select.POLLIN)
        poll.register(stop, select.POLLIN)
        while True:
            wait = None
            if self.thoughts:
                wait = max(0, (self.thoughts[0][0] - time.monotonic()) * 1000)
            ready = [fd for fd, _ in poll.poll(wait)]
            if stop in ready:
                return
            while self.thoughts and self.thoughts[0][0] <= time.monotonic():
                _, message_id, name = heapq.heappop(self.thoughts)
                self.reply(message_id, name)
            if self.socket.fileno() in ready:
                kind, fields = self.receive(MESSAGE, RESULT, DOORBELL)
                if kind == MESSAGE:
                    self.on_message(fields)
                elif kind == RESULT:
                    self.on_result(fields)


def check_owner(directory):
    info = os.lstat(directory)
    if not stat.S_ISDIR(info.st_mode) or info.st_mode & 0o022 or info.st_uid not in (0, os.geteuid()):
        raise PermissionError(f"{directory} may be anybody's")


def runtime_directories():
    chosen = os.environ.get("FLTSIM_RUNTIME_DIR")
    if chosen:
        return [chosen]
    if os.geteuid() == 0:
        return ["/run/fltsim"]
    xdg = os.environ.get("XDG_RUNTIME_DIR")
    return [xdg + "/fltsim" if xdg else f"/tmp/fltsim-{os.geteuid()}", "/run/fltsim"]


def main(arguments):
    if len(arguments) not in (1, 3):
        print("usage: agent.py DENIED [SLOW MILLISECONDS]", file=sys.stderr)
        return 1
    stop, wakeup = os.pipe()
    os.set_blocking(wakeup, False)
    signal.set_wakeup_fd(wakeup)
    for number in signal.SIGINT, signal.SIGTERM:
        signal.signal(number, lambda number, frame: None)
    try:
        Agent(*arguments).run(stop)
    except Ended:
        say("ended", ERROR_INVALID_HANDLE)
    except OSError as error:
        print(f"agent.py: {error}", file=sys.stderr)
        return 1
    else:
        say("stopped")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
