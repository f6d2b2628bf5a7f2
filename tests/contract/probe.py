# SPDX-License-Identifier: GPL-2.0-or-later
"""Kernel importers and exporters made by tests: /dev/baton-probe (linux/baton-probe.h).

    probe = Probe(dmabuf)
    device = probe.device(windows=[(0x8000_0000, 0, 1 << 30)], max_segments=1)
    attachment = probe.buffer(fd).attach(device, dynamic=True)
    mapping = attachment.map(TO_DEVICE)
    assert mapping.read(0, 4) == b"..."
    mapping.unmap()

A call that may block is started in a thread: task = attachment.start_map().
"""

import ctypes
import errno
import re
from collections.abc import Sequence
from functools import cached_property

from harness.paths import ROOT
from harness.polling import until
from harness.program import Refused

from .dmabuf import O_CLOEXEC, O_RDWR, PAGE, PROT_RW, Dmabuf, Task, iowr

_HEADER = ROOT / "kernel-drivers" / "include" / "uapi" / "linux" / "baton-probe.h"
_TYPES = {"__u64": ctypes.c_uint64, "__u32": ctypes.c_uint32, "__s32": ctypes.c_int32,
          "char": ctypes.c_char}
_PRIVATE_ANONYMOUS = 0x22
_SCRATCH = 1 << 20

_text = _HEADER.read_text()
_constants = {m[1]: int(m[2], 0) for m in
              re.finditer(r"^#define BATON_PROBE_(\w+)\s+(0x\w+|\d+)\b", _text, re.MULTILINE)}
_structs: dict[str, type[ctypes.Structure]] = {}


def _field(kind: str, name: str, count: str | None) -> tuple[str, type]:
    element = _TYPES.get(kind) or _structs[kind.removeprefix("struct baton_probe_")]
    if not count:
        return name, element
    return name, element * int(_constants.get(count.removeprefix("BATON_PROBE_"), count))


for _match in re.finditer(r"^struct baton_probe_(\w+) \{\n(.*?)^\};", _text, re.M | re.S):
    _fields = re.findall(r"^\t([\w ]+?) (\w+)(?:\[(\w+)\])?;", _match[2], re.MULTILINE)
    _structs[_match[1]] = type(_match[1], (ctypes.Structure,),
                               {"_fields_": [_field(*field) for field in _fields]})

_VERBS = {m[1]: (int(m[2]), _structs[m[3]]) for m in
          re.finditer(r"_IOC_(\w+)\s+BATON_PROBE_IOC\((\d+), (\w+)\)", _text)}

AUTO, HELD, MISSING = 0, 1, 2  # BATON_PROBE_LOCK_*
BIDIRECTIONAL, TO_DEVICE, FROM_DEVICE, NONE = range(4)
KERNEL, WRITE, READ, BOOKKEEP = range(4)  # enum dma_resv_usage
OPS = tuple(name.removeprefix("OP_") for name in _constants
            if name.startswith("OP_") and name != "OP_NOTIFY")
_OP_NAMES = (*OPS, "NOTIFY")


def flag(name: str) -> int:
    """BATON_PROBE_<NAME>."""
    return _constants[name]


class Event:
    """An operation was entered."""

    def __init__(self, raw: ctypes.Structure):
        self.op = _OP_NAMES[raw.op]
        self.object = raw.object
        self.direction = raw.direction
        self.locked = bool(raw.flags & flag("EVENT_LOCKED"))
        self.listed = bool(raw.flags & flag("EVENT_LISTED"))
        self.attachment = raw.attachment
        self.table = raw.table

    def __repr__(self) -> str:
        words = [self.op, *(["locked"] * self.locked), *(["listed"] * self.listed)]
        return f"<{' '.join(words)}>"


class ProbeTask:
    """A call in a thread."""

    def __init__(self, task: Task, verb: str):
        self._task = task
        self._struct = _VERBS[verb][1]

    @property
    def done(self) -> bool:
        return self._task.done

    def interrupt(self) -> None:
        self._task.interrupt()

    def finish(self) -> ctypes.Structure:
        """Its results, when it has ended."""
        return self._struct.from_buffer_copy(bytes.fromhex(self._task.finish()[1]))

    def outcome(self) -> str:
        """ "0", or the errno's name."""
        try:
            self._task.finish()
        except Refused as refusal:
            return errno.errorcode.get(refusal.code, f"E{refusal.code}")
        return "0"


class Probe:
    """An open file of the probe's in the program DMABUF."""

    def __init__(self, dmabuf: Dmabuf):
        self.dmabuf = dmabuf
        dmabuf.guest.run("modprobe baton-probe")
        self.fd = dmabuf.number("open", "/dev/baton-probe", O_RDWR | O_CLOEXEC)

    def words(self, verb: str, fields: dict) -> tuple[str, int, int, str]:
        number, struct = _VERBS[verb]
        request = iowr("\xba", number, ctypes.sizeof(struct))
        return "ioctl", self.fd, request, bytes(struct(**fields)).hex()

    def call(self, verb: str, **fields) -> ctypes.Structure:
        """The structure of BATON_PROBE_IOC_<VERB> after the call."""
        return self.result(verb, self.dmabuf(*self.words(verb, fields)))

    def result(self, verb: str, answer: Sequence[str]) -> ctypes.Structure:
        return _VERBS[verb][1].from_buffer_copy(bytes.fromhex(answer[1]))

    def drop(self, verb: str, answer: Sequence[str]) -> None:
        """What the call has made."""
        self.call("DROP", id=self.result(verb, answer).id)

    def outcome(self, verb: str, **fields) -> str:
        """ "0", or the errno's name."""
        try:
            self.call(verb, **fields)
        except Refused as refusal:
            return errno.errorcode.get(refusal.code, f"E{refusal.code}")
        return "0"

    def start(self, verb: str, **fields) -> ProbeTask:
        return ProbeTask(self.dmabuf.start(*self.words(verb, fields)), verb)

    @cached_property
    def scratch(self) -> int:
        """Memory of the program for what a structure points to."""
        return self.dmabuf.map(-1, _SCRATCH, PROT_RW, 0, _PRIVATE_ANONYMOUS)

    def close(self) -> None:
        """Drops all objects."""
        self.dmabuf("close", self.fd)

    def device(self, mask: int = (1 << 40) - 1, windows: Sequence[tuple[int, int, int]] = (),
               max_segments: int | None = 0, align: int = 0, flags: int = 0, **limits) -> "Device":
        """WINDOWS: CPU address, bus address, size. MAX_SEGMENTS None: nothing is declared."""
        window = _structs["window"]
        table = (window * flag("MAX_WINDOWS"))(*(window(*w) for w in windows))
        if max_segments is not None:
            flags |= flag("DEVICE_DECLARE")
        return Device(self, self.call(
            "DEVICE", dma_mask=mask, windows=table, window_count=len(windows), flags=flags,
            max_segments=max_segments or 0, align=align, **limits).id)

    def buffer(self, fd: int) -> "Buffer":
        return Buffer(self, self.call("GET", fd=fd).id)

    def fence(self) -> "Fence":
        return Fence(self, self.call("FENCE_NEW").id)

    def export(self, size: int = 4 * PAGE, without: Sequence[str] = ("PIN", "UNPIN"),
               flags: int = 0, file_flags: int = O_RDWR | O_CLOEXEC) -> "Stub":
        """An exporter with all operations but WITHOUT."""
        return Stub(self, self.call("EXPORT", **export_fields(size, without, flags, file_flags)))

    def events(self) -> list[Event]:
        """What has been entered since the last call."""
        struct = _structs["event"]
        size = 256 * ctypes.sizeof(struct)
        data = b""
        while words := self.dmabuf("read", self.fd, size):
            data += bytes.fromhex(words[0])
        return [Event(struct.from_buffer_copy(data, at))
                for at in range(0, len(data), ctypes.sizeof(struct))]

    def ops(self) -> list[str]:
        """Only the names."""
        return [event.op for event in self.events()]

    def unpinned_ops(self) -> list[str]:
        """Without pins: whether the core pins what dynamic importers map, is its affair."""
        return [op for op in self.ops() if op not in ("PIN", "UNPIN")]

    def wait_for(self, op: str, task: "ProbeTask | Task") -> None:
        """Until TASK has entered the operation; takes the events."""

        def read() -> tuple[bool, list[str]]:
            return task.done, self.ops()  # in this order: an ended task has left all its events

        _, ops = until(read, lambda seen: op in seen[1] or seen[0], op)
        if op not in ops:
            raise AssertionError(f"ended without {op}: {task.finish()}")

    def blocked(self, task: "ProbeTask | Task") -> bool:
        """Whether it has not ended, after the time in which it would have."""
        self.dmabuf.guest.run("sleep 0.2")
        return not task.done


def export_fields(size: int, without: Sequence[str], flags: int = 0,
                  file_flags: int = O_RDWR | O_CLOEXEC) -> dict:
    ops = sum(1 << at for at, op in enumerate(OPS) if op not in without)
    return {"size": size, "ops": ops, "flags": flags, "file_flags": file_flags}


class _Object:
    def __init__(self, probe: Probe, id_: int):
        self.probe = probe
        self.id = id_

    def drop(self, lock: int = AUTO, force: bool = False) -> None:
        self.probe.call("DROP", id=self.id, lock=lock,
                        flags=flag("DROP_FORCE") if force else 0)

    def info(self) -> ctypes.Structure:
        return self.probe.call("INFO", id=self.id)


class Device(_Object):
    pass


class Fence(_Object):
    def add(self, buffer: "Buffer", usage: int) -> None:
        self.probe.call("FENCE_ADD", fence=self.id, buffer=buffer.id, usage=usage)

    def signal(self, error: int = 0) -> None:
        self.probe.call("FENCE_SIGNAL", fence=self.id, error=error)


class Buffer(_Object):
    """A reference to a dma_buf."""

    put = _Object.drop

    def _attach_fields(self, device: Device, dynamic: bool, flags: int) -> dict:
        flags |= flag("ATTACH_DYNAMIC") if dynamic else 0
        return {"buffer": self.id, "device": device.id, "flags": flags}

    def attach(self, device: Device, dynamic: bool = False, flags: int = 0) -> "Attachment":
        fields = self._attach_fields(device, dynamic, flags)
        return Attachment(self.probe, self.probe.call("ATTACH", **fields).id)

    def attach_outcome(self, device: Device, dynamic: bool = False, flags: int = 0) -> str:
        return self.probe.outcome("ATTACH", **self._attach_fields(device, dynamic, flags))

    def start_attach(self, device: Device, dynamic: bool = False) -> ProbeTask:
        return self.probe.start("ATTACH", **self._attach_fields(device, dynamic, 0))

    def vmap(self, lock: int = AUTO) -> "Vmap":
        return Vmap(self.probe, self.probe.call("VMAP", buffer=self.id, lock=lock))

    def vmap_outcome(self, lock: int = AUTO) -> str:
        return self.probe.outcome("VMAP", buffer=self.id, lock=lock)

    def begin(self, direction: int) -> None:
        self.probe.call("BEGIN", buffer=self.id, direction=direction)

    def end(self, direction: int) -> None:
        self.probe.call("END", buffer=self.id, direction=direction)

    def start_begin(self, direction: int) -> ProbeTask:
        return self.probe.start("BEGIN", buffer=self.id, direction=direction)

    def notify(self, lock: int = AUTO) -> None:
        self.probe.call("NOTIFY", buffer=self.id, lock=lock)

    def window(self, pgoff: int = 0) -> int:
        """Offset at which the probe's own file maps the buffer."""
        return self.probe.call("WINDOW", buffer=self.id, pgoff=pgoff).offset


class Attachment(_Object):
    detach = _Object.drop

    def _map_fields(self, direction: int, lock: int) -> dict:
        return {"attachment": self.id, "direction": direction, "lock": lock}

    def map(self, direction: int = BIDIRECTIONAL, lock: int = AUTO) -> "Mapping":
        return Mapping(self.probe, self.probe.call("MAP", **self._map_fields(direction, lock)))

    def map_outcome(self, direction: int = BIDIRECTIONAL) -> str:
        return self.probe.outcome("MAP", **self._map_fields(direction, AUTO))

    def start_map(self, direction: int = BIDIRECTIONAL) -> ProbeTask:
        return self.probe.start("MAP", **self._map_fields(direction, AUTO))

    def pin(self, lock: int = AUTO) -> None:
        self.probe.call("PIN", attachment=self.id, lock=lock)

    def pin_outcome(self) -> str:
        return self.probe.outcome("PIN", attachment=self.id)

    def unpin(self, lock: int = AUTO) -> None:
        self.probe.call("UNPIN", attachment=self.id, lock=lock)

    @property
    def notified(self) -> int:
        return self.info().notified


class _Memory(_Object):
    """Something whose bytes can be read and written."""

    def _access(self, offset: int, size: int, write: bool, address: int | None = None) -> dict:
        return {"id": self.id, "offset": offset, "len": size, "data": address or self.probe.scratch,
                "flags": flag("ACCESS_WRITE") if write else 0}

    def read(self, offset: int, size: int) -> bytes:
        self.probe.call("ACCESS", **self._access(offset, size, False))
        return self.probe.dmabuf.fetch(self.probe.scratch, size)

    def write(self, offset: int, data: bytes) -> None:
        self.probe.dmabuf.store(self.probe.scratch, data)
        self.probe.call("ACCESS", **self._access(offset, len(data), True))

    def fill(self, seed: int, size: int) -> None:
        """With words that follow from SEED, as the program's "fill" does."""
        self.probe.dmabuf("fill", self.probe.scratch, size, seed)
        self.probe.call("ACCESS", **self._access(0, size, True))

    def wrong(self, seed: int, size: int) -> int:
        """How many words are not those that `fill` wrote."""
        self.probe.call("ACCESS", **self._access(0, size, False))
        return self.probe.dmabuf.number("check", self.probe.scratch, size, seed)

    def nonzero(self, size: int) -> int:
        """How many words are not 0."""
        self.probe.call("ACCESS", **self._access(0, size, False))
        return self.probe.dmabuf.number("zeros", self.probe.scratch, size)

    def outcome(self, offset: int, size: int, write: bool = False) -> str:
        return self.probe.outcome("ACCESS", **self._access(offset, size, write))


class Mapping(_Memory):
    """What the device sees."""

    unmap = _Object.drop

    def __init__(self, probe: Probe, result: ctypes.Structure):
        super().__init__(probe, result.id)
        self.table = result.table
        self.count = result.segments

    @property
    def segments(self) -> list[ctypes.Structure]:
        struct = _structs["segment"]
        size = ctypes.sizeof(struct)
        self.probe.call("TABLE", mapping=self.id, count=_SCRATCH // size,
                        segments=self.probe.scratch)
        data = self.probe.dmabuf.fetch(self.probe.scratch, self.count * size)
        return [struct.from_buffer_copy(data, at) for at in range(0, len(data), size)]

    @property
    def runs(self) -> list[tuple[int, int]]:
        """CPU address and size of what is contiguous."""
        runs: list[tuple[int, int]] = []
        for segment in self.segments:
            if runs and sum(runs[-1]) == segment.cpu:
                runs[-1] = runs[-1][0], runs[-1][1] + segment.len
            else:
                runs.append((segment.cpu, segment.len))
        return runs


class Vmap(_Memory):
    """What the kernel sees."""

    vunmap = _Object.drop

    def __init__(self, probe: Probe, result: ctypes.Structure):
        super().__init__(probe, result.id)
        self.address = result.address
        self.iomem = bool(result.flags & flag("VMAP_IOMEM"))


class Stub(_Object):
    """An exporter of the probe's."""

    def __init__(self, probe: Probe, result: ctypes.Structure):
        super().__init__(probe, result.id)
        self.fd = result.fd

    def behave(self, op: str, error: int = 0, block: bool = False, null: bool = False) -> None:
        """How OP behaves from now on; ERROR is an errno."""
        flags = flag("BEHAVE_BLOCK") * block | flag("BEHAVE_NULL") * null
        self.probe.call("BEHAVE", exporter=self.id, op=OPS.index(op), error=-error, flags=flags)
