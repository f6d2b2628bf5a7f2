# SPDX-License-Identifier: GPL-2.0-or-later
"""One thread that reads all channels of a guest; waiting is for progress, not for time."""

import os
import selectors
import socket
import threading
import time
from collections.abc import Callable

from .errors import GuestError

# Seconds without a byte from the guest after which it counts as stuck.
STALL = float(os.environ.get("BATON_STALL", "120"))


class EventLoop:
    def __init__(self):
        self._selector = selectors.DefaultSelector()
        self._wakeup, waker = socket.socketpair()
        self._waker = waker
        self._selector.register(self._wakeup, selectors.EVENT_READ, None)
        self._changed = threading.Condition()
        self._progress = time.monotonic()
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._run, name="guest-io", daemon=True)

    def add(self, sock: socket.socket, received: Callable[[bytes], None]) -> None:
        """Call RECEIVED with what arrives, and with b"" at the end."""
        self._selector.register(sock, selectors.EVENT_READ, received)

    def start(self) -> None:
        self._thread.start()

    def _run(self) -> None:
        while True:
            for key, _ in self._selector.select():
                if key.data is None:
                    return
                self._receive(key.fileobj, key.data)

    def _receive(self, sock: socket.socket, received: Callable[[bytes], None]) -> None:
        try:
            data = sock.recv(1 << 18)
        except OSError:
            data = b""
        if not data:
            self._selector.unregister(sock)
        with self._changed:
            self._progress = time.monotonic()
            try:
                received(data)
            except Exception as err:
                self._error = self._error or err
            self._changed.notify_all()

    def fail(self, error: Exception) -> None:
        """Make all waits, now and later, raise ERROR. For use by `received`."""
        self._error = self._error or error

    def wait(self, done: Callable[[], bool], what: str, stall: float | None = STALL) -> None:
        """Wait until DONE, as long as the guest says something every STALL seconds.

        None: it may be silent for ever.
        """
        with self._changed:
            self._progress = time.monotonic()
            while not done():
                if self._error:
                    raise self._error
                left = None if stall is None else self._progress + stall - time.monotonic()
                if left is not None and left <= 0:
                    raise GuestError(f"nothing heard for {stall:g} s while waiting for {what}")
                self._changed.wait(left)

    def close(self) -> None:
        self._waker.send(b"x")
        if self._thread.is_alive():
            self._thread.join()
        self._selector.close()
        self._waker.close()
        self._wakeup.close()
