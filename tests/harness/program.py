# SPDX-License-Identifier: GPL-2.0-or-later
"""A program of tests/guest/ that answers commands line by line (tests/guest/commands.h)."""

import errno
import itertools
import signal

from . import paths
from .guest import Guest

_SERIAL = itertools.count(1)


class Refused(AssertionError):
    """The kernel refused a command; `code` is the errno."""

    def __init__(self, command: str, code: int, text: str):
        super().__init__(f"'{command}': {text}")
        self.code = code


class Program:
    def __init__(self, guest: Guest, name: str, *args: str):
        self.guest = guest
        self._path = f"/tmp/{name}"
        self._data = f"{self._path}.{next(_SERIAL)}"
        if guest.run(["test", "-e", self._path], check=False).status:
            guest.put(paths.built(paths.BUILD / "tests" / "guest" / name, "test-programs"),
                      self._path, 0o755)
        self._command = guest.spawn([self._path, *args], stdin=True)
        self._answers = 0
        self._answer(f"{name} {' '.join(args)}")

    def _answer(self, command: str) -> list[str]:
        program = self._command

        def answered() -> bool:
            return program.stdout.count("\n") > self._answers or program.done

        self.guest.agent.wait(answered, f"the answer to '{command}'")
        lines = program.stdout.splitlines()
        if len(lines) <= self._answers:
            raise AssertionError(f"{self._path} ended at '{command}': {program.stderr}")
        status, *words = lines[self._answers].split()
        self._answers += 1
        if status == "error":
            raise Refused(command, int(words[0]), " ".join(words[1:]))
        return words

    def send(self, *words: object) -> str:
        """Send a command without waiting for its answer. A space in a word becomes "_"."""
        command = " ".join(str(word).replace(" ", "_") for word in words)
        self._command.send(f"{command}\n".encode())
        return command

    def __call__(self, *words: object) -> list[str]:
        return self._answer(self.send(*words))

    def answer(self) -> list[str]:
        """The answer to what `send` sent."""
        return self._answer("what was sent")

    def together(self, *commands: tuple) -> list[list[str]]:
        """The answers to commands of which none waits for the host to have the one before."""
        for command in commands:
            self.send(*command)
        return [self.answer() for _ in commands]

    def number(self, *words: object) -> int:
        return int(self(*words)[0])

    def refused(self, *words: object) -> str:
        """Send a command that must fail; the errno's name."""
        try:
            self(*words)
        except Refused as error:
            return errno.errorcode[error.code]
        raise AssertionError(f"{words} was not refused")

    @property
    def ended(self) -> bool:
        return self._command.done

    def close(self) -> None:
        """End the program, closing all that it opened."""
        self._command.send(b"")
        self._command.wait()

    def kill(self) -> None:
        """End it the hard way."""
        self._command.kill(signal.SIGKILL)
        self._command.wait()

    def store(self, data: bytes) -> str:
        """A file in the guest."""
        self.guest.put(data, self._data)
        return self._data
