# SPDX-License-Identifier: GPL-2.0-or-later
"""The receipt as a document: out/proof/receipt.json. Equal runs give equal bytes."""

from harness import devicetree, paths

from .frames import Frame
from .guestrun import Evidence, Outcome, lost_events
from .receipt import (
    FAILURE,
    MOVED,
    NOT_PROVEN,
    ZERO_COPY,
    Claim,
    Cpus,
    Entry,
    Judge,
    Move,
    verdict,
)

VERSION = 2
_COPIED = {FAILURE, MOVED}


def _ranges(ranges) -> list[dict]:
    return [{"address": f"{start:#x}", "bytes": size} for start, size in ranges]


def _pieces(ranges) -> list[str]:
    """Short, because a scattered picture has thousands."""
    return [f"{start:#x}+{size:#x}" for start, size in ranges]


def _frame(frame: Frame | None) -> dict | None:
    if frame is None:
        return None
    return {
        "master": frame.master,
        "frame": frame.number,
        "start_ns": frame.start_ns,
        "done_ns": frame.done_ns,
        "intervals": [frame.first_interval, frame.done_interval],
        "hash": None if frame.hash is None else f"{frame.hash:#018x}",
        "bytes": sum(size for _, size in frame.transfers),
        "addresses": _pieces(frame.ranges),
    }


def _move(move: Move) -> dict:
    return {
        "begin_ns": move.begin,
        "end_ns": move.end,
        "buffer": move.buffer,
        "from": f"{move.source:#x}",
        "to": f"{move.start:#x}",
        "bytes": move.bytes,
    }


def _cpus(cpus: Cpus) -> dict:
    return {"loaded": cpus.loaded, "stored": cpus.stored, "touches": cpus.touches}


def _entry(entry: Entry) -> dict:
    return {
        "sequence": entry.sequence,
        "verdict": entry.verdict,
        "reasons": entry.reasons,
        "camera": _frame(entry.camera),
        "display": _frame(entry.display),
        "cpu": _cpus(entry.cpus),
        "moves": [_move(move) for move in entry.moves],
        "movers": _cpus(entry.movers),
    }


# The harness talks through it, and is silent until the last pipeline has ended.
_IDLE = "virtio-serial"


def _unwatched(evidence: Evidence) -> list[str]:
    return [
        f"{name} (idle: it carries the results after the end)" if name == _IDLE else name
        for name in evidence.virtio
    ]


def _suspects(evidence: Evidence) -> list[str]:
    """Devices that may have reached memory during the run, for all that is known."""
    devices = [name for name in evidence.virtio if name != _IDLE]
    extra = evidence.virtio.count(_IDLE) - 1
    return devices + [f"another {_IDLE}"] * max(extra, 0)


def _judge(evidence: Evidence, outcome: Outcome, claims: list[Claim]) -> list[Entry]:
    pipeline = outcome.pipeline
    return Judge(
        evidence.tracker,
        evidence.touches,
        evidence.symbols,
        evidence.moves,
        camera=pipeline.camera,
        display=pipeline.display,
        plane=pipeline.plane,
    ).entries(claims, outcome.first_interval, outcome.end_interval)


def _pipeline(evidence: Evidence, outcome: Outcome) -> dict:
    claims = outcome.claims(evidence.tracker, evidence.clock_offset)
    entries = _judge(evidence, outcome, claims)
    doubts = outcome.doubts(len(claims))
    if suspects := _suspects(evidence):
        doubts.append(f"not watched: {', '.join(suspects)}")
    reasons = dict.fromkeys(reason for entry in entries for reason in entry.reasons)
    return {
        "name": outcome.pipeline.name,
        "options": list(outcome.pipeline.options),
        "claims_zero_copy": outcome.pipeline.claims_zero_copy,
        "verdict": verdict(entries, doubts),
        "reasons": [*reasons, *doubts],
        "frames": [_entry(entry) for entry in entries],
    }


def _is_caught(pipeline: dict) -> bool:
    """Was one that copies found out, and a CPU named?"""
    return any(frame["cpu"]["touches"] for frame in pipeline["frames"])


def _doubts(evidence: Evidence, pipelines: list[dict]) -> list[str]:
    """Why the instruments themselves cannot be trusted in this run."""
    doubts = [
        f"{p['name']}: it copies with a CPU and was not caught"
        for p in pipelines
        if not p["claims_zero_copy"] and not _is_caught(p)
    ]
    if not any(p["claims_zero_copy"] for p in pipelines):
        doubts.append("no pipeline claims to be zero-copy")
    if evidence.clock_offset is None:
        doubts.append("the clocks of guest and monitor have no frame in common")
    if lost := lost_events(evidence.trace):
        doubts.append(f"the guest's trace lost {lost} events, and moves with them")
    elif lost is None:
        doubts.append("the guest's trace is missing, and moves with it")
    return doubts


def statement(pipelines: list[dict], doubts: list[str]) -> str:
    """The verdict in one sentence."""
    claiming = [p for p in pipelines if p["claims_zero_copy"]]
    frames = [f for p in claiming for f in p["frames"]]
    bad = [p for p in claiming if p["verdict"] != ZERO_COPY]
    copied = any(p["verdict"] in _COPIED for p in bad)
    if doubts and not copied:
        return f"Not proven: {doubts[0]}."
    if not bad:
        return (
            f"No frame was copied: {len(frames)} scanouts of {len(claiming)} pipelines read the "
            "memory that the camera wrote, with equal hashes, and no CPU touched it in between."
        )
    names = ", ".join(p["name"] for p in bad)
    why = bad[0]["reasons"][0]
    if copied:
        return f"Not zero-copy: {names}: {why}."
    return f"Not proven: {names}: {why}."


def receipt(evidence: Evidence, dtb: str, icount: bool) -> dict:
    pipelines = [_pipeline(evidence, outcome) for outcome in evidence.outcomes]
    verdicts = {p["verdict"] for p in pipelines if p["claims_zero_copy"]}
    doubts = _doubts(evidence, pipelines)
    worst = FAILURE if verdicts & _COPIED else NOT_PROVEN
    return {
        "version": VERSION,
        "verdict": ZERO_COPY if verdicts == {ZERO_COPY} and not doubts else worst,
        "statement": statement(pipelines, doubts),
        "reasons": doubts,
        "machine": {
            "dtb": dtb,
            "icount": icount,
            "banks": _ranges(devicetree.memory_banks(paths.dtb(dtb))),
            "windows": {
                name: [
                    {"bus": f"{w.bus:#x}", "address": f"{w.address:#x}", "bytes": w.bytes}
                    for w in windows
                ]
                for name, windows in evidence.windows.items()
            },
            "not_watched": _unwatched(evidence),
        },
        "moves": [_move(move) for move in evidence.moves],
        "pipelines": pipelines,
    }
