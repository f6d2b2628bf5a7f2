# SPDX-License-Identifier: GPL-2.0-or-later
"""Names for addresses: functions of the kernel and its modules, processes."""

from bisect import bisect_right
from functools import cache

from harness.witness import KERNEL, Code


class Symbols:
    """KALLSYMS: /proc/kallsyms of the guest; PROCESSES: names by process id."""

    def __init__(self, kallsyms: str = "", processes: dict[int, str] | None = None):
        symbols = []
        for line in kallsyms.splitlines():
            address, kind, name, *module = line.split()
            if kind in "tTwW" and not name.startswith(("$", "__pi_$")):
                symbols.append((int(address, 16), " ".join([name, *module])))
        symbols.sort()
        self._addresses = [address for address, _ in symbols]
        self._names = [name for _, name in symbols]
        self._processes = processes or {}
        # The same code touches many pages.
        self.function = cache(self._function)
        self.describe = cache(self._describe)

    def _function(self, address: int) -> str:
        at = bisect_right(self._addresses, address) - 1
        if address < KERNEL or at < 0:
            return f"{address:#x}"
        return self._names[at]

    def process(self, context: int) -> str:
        name = self._processes.get(context)
        return f"{name} (process {context})" if name else f"process {context}"

    def _describe(self, code: Code) -> str:
        if not code.is_kernel:
            return f"{self.process(code.context)} at {code.pc:#x}"
        text = f"kernel, {self.function(code.pc)}"
        if code.lr >= KERNEL:
            text += f" called by {self.function(code.lr)}"
        return f"{text}, in {self.process(code.context)}" if code.context else text
