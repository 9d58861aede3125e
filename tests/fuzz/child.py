"""Reads damaged files one after the other, in forks with bounds on time and memory.

    python -m tests.fuzz.child JOB     # a JSON file, see `runner`

A line of JSON for each case goes to a file that the runner reads.
"""

import ctypes
import faulthandler
import json
import math
import mmap
import os
import re
import resource
import shutil
import signal
import struct
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any
from zlib import crc32

import h5py
import numpy as np

from tests.fuzz.mutations import Draw, damaged
from wsgcn.base.errors import InputError

ADDRESS_SPACE = 3 * 2**30  # bytes more than before: torch with CUDA has taken 3 GiB by then, without it 0.6
MEMORY = 512 * 2**20  # bytes more than before; no sound file here comes near
LONGEST = 500  # characters of a message beyond the path
_CASES_A_FORK = 50
_DAMAGE_SECONDS = 60
_WAITING_SECONDS = 60  # of waiting; what computes is bounded by time on the processor
_NUMBER = struct.Struct("<q")
_IN_OPEN = 0x20
_NEVER = (
    "os.system",
    "os.exec",
    "os.posix_spawn",
    "os.fork",
    "subprocess.Popen",
    "socket.connect",
    "socket.getaddrinfo",
)
_OURS = re.compile(r"/(wsgcn|stages)/")


@dataclass
class Watch:
    """Notices what is opened that should not be, by whatever library: files of the canary, and programs.

    The canary is a folder beside the case: a file with a secret, one in HDF5, and a FIFO.
    """

    canary: Path
    inotify: int = -1
    is_on: bool = False
    seen: list[str] = field(default_factory=list)

    def start(self) -> None:
        self.canary.mkdir(parents=True)
        (self.canary / "secret").write_bytes(b"secret " * 10_000)
        with h5py.File(self.canary / "secret.h5", "w") as file:
            file["secret"] = [42.0] * 100
        os.mkfifo(self.canary / "fifo")
        fifo = os.open(self.canary / "fifo", os.O_RDWR | os.O_NONBLOCK)  # so that it opens at once, and is seen
        os.write(fifo, b"secret " * 1000)
        libc = ctypes.CDLL(None, use_errno=True)
        self.inotify = libc.inotify_init1(os.O_NONBLOCK)
        if libc.inotify_add_watch(self.inotify, os.fsencode(self.canary), _IN_OPEN) < 0:
            raise OSError(ctypes.get_errno(), "inotify")
        sys.addaudithook(self._audit)

    def _audit(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self.is_on:
            return
        if event in _NEVER or (event == "open" and self._is_foreign(*arguments)):
            self.seen.append(f"{event} {str(arguments)[:100]}")

    def _is_foreign(self, path: object, mode: object, flags: int) -> bool:
        """Whether a file is opened for writing that is not one of the case's."""
        is_written = flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
        return bool(is_written and isinstance(path, str | bytes | os.PathLike) and self._is_outside(path))

    def _is_outside(self, path: str | bytes | os.PathLike[Any]) -> bool:
        return not os.path.realpath(os.fsdecode(path)).startswith(str(self.canary.parent))

    @contextmanager
    def on(self) -> Iterator[None]:
        self.seen.clear()
        self.opened()
        self.is_on = True
        try:
            yield
        finally:
            self.is_on = False
            self.seen += self.opened()

    def opened(self) -> list[str]:
        """The files of the canary that were opened since this was asked last."""
        try:
            events = os.read(self.inotify, 65536)
        except BlockingIOError:
            return []
        return sorted({f"opened {name}" for name in ("secret.h5", "secret", "fifo") if name.encode() in events})


@dataclass(frozen=True)
class Outcome:
    """How a case ended: 'read', 'refused' or one of the failures, and what there is to say about it."""

    kind: str
    message: str = ""


class Child:
    """The targets' modules are imported and their sound files made once; damaged files are read in forks of that."""

    def __init__(self, job: dict[str, Any], targets: Mapping[str, Any], work: Path) -> None:
        self.job = job
        self.targets = targets
        self.work = work
        self.watch = Watch(work / "canary")
        self.progress = mmap.mmap(-1, 1 + _NUMBER.size)  # shared with the fork: whether it reads yet, and which case

    def run(self, units: list[tuple[str, int, int]]) -> None:
        tempfile.tempdir = str(self.work)
        self.watch.start()
        seeds: dict[str, list[dict[str, bytes]]] = {}
        for name, first, last in units:
            if name not in seeds:
                seeds[name] = self._sound_seeds(name)
            while first < last:
                first = self._fork(name, first, last, seeds[name])

    def _say(self, case: str, outcome: Outcome) -> None:
        line = json.dumps({"case": case, "kind": outcome.kind, "message": outcome.message})
        with (self.work / "results").open("a", encoding="utf-8") as results:
            results.write(f"{line}\n")
        if self.job["save"] and outcome.kind not in ("read", "refused"):
            place = Path(self.job["save"]) / case.replace(":", "-")
            shutil.rmtree(place, ignore_errors=True)
            shutil.copytree(self.work / "case", place)
            (place / "outcome.txt").write_text(f"{outcome.kind}: {outcome.message}\n", "utf-8", "backslashreplace")

    def _sound_seeds(self, name: str) -> list[dict[str, bytes]]:
        """The target's seeds. Reading them also imports what reading imports."""
        scratch = self.work / "seeds"
        scratch.mkdir(exist_ok=True)
        seeds = [dict(seed) for seed in self.targets[name].seeds(scratch)]
        for seed in seeds:
            outcome = self._outcome(name, seed)
            if outcome.kind != "read":
                self._say(f"{name}:sound", Outcome("unsound", f"{outcome.kind}: {outcome.message}"))
        return seeds

    def _fork(self, name: str, first: int, last: int, seeds: list[dict[str, bytes]]) -> int:
        """Read cases in a fork until all are done or one ends it; returns the number of the next one."""
        self.progress[:] = bytes(len(self.progress))
        with (self.work / "stderr").open("w+b") as log:
            fork = os.fork()
            if not fork:
                os.dup2(log.fileno(), sys.stderr.fileno())
                self._cases(name, first, last, seeds)
                os._exit(0)
            status = os.waitstatus_to_exitcode(os.waitpid(fork, 0)[1])
            log.seek(0)
            stderr = log.read().decode("utf-8", "replace")
        reached = _NUMBER.unpack(self.progress[1:])[0]
        if status:
            opened = self.watch.opened()
            outcome = _ended(status, stderr, is_reading=bool(self.progress[0]))
            self._say(f"{name}:{reached}", Outcome("opened", f"{opened}, then {outcome}") if opened else outcome)
        return reached + 1

    def _cases(self, name: str, first: int, last: int, seeds: list[dict[str, bytes]]) -> None:
        faulthandler.enable()
        faulthandler.register(signal.SIGXCPU, chain=True)
        address_space = _memory("VmSize") + ADDRESS_SPACE
        resource.setrlimit(resource.RLIMIT_AS, (address_space, address_space))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        try:
            for number in range(first, last):
                self.progress[:] = b"\x00" + _NUMBER.pack(number)
                files = self._damaged(name, number, seeds)
                self.progress[:1] = b"\x01"
                faulthandler.dump_traceback_later(_WAITING_SECONDS, exit=True)
                used = time.process_time()
                resource.setrlimit(resource.RLIMIT_CPU, (math.ceil(used + self.job["seconds"]), resource.RLIM_INFINITY))
                outcome = self._outcome(name, files)
                resource.setrlimit(resource.RLIMIT_CPU, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
                faulthandler.cancel_dump_traceback_later()
                self._say(f"{name}:{number}", outcome)
                if outcome.kind == "memory":
                    return  # the allocator keeps what it has; the next case is to begin without it
        except BaseException:  # of the fuzzer's own; what the readers raise is an outcome
            traceback.print_exc()
            os._exit(1)

    def _damaged(self, name: str, number: int, seeds: list[dict[str, bytes]]) -> dict[str, bytes]:
        faulthandler.dump_traceback_later(_DAMAGE_SECONDS, exit=True)
        pool = [content for seed in seeds for content in seed.values()]
        draw = Draw(np.random.default_rng([crc32(name.encode()), number]), pool, self.watch.canary)
        files = dict(draw.pick(seeds))
        for file in dict.fromkeys(draw.pick(list(files)) for _ in range(draw.few())):
            files[file] = damaged(draw, files[file])
        faulthandler.cancel_dump_traceback_later()
        return files

    def _outcome(self, name: str, files: dict[str, bytes]) -> Outcome:
        case, out = self.work / "case", self.work / "out"
        for folder in (case, out):
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
        for file, content in files.items():
            (case / file).parent.mkdir(parents=True, exist_ok=True)
            (case / file).write_bytes(content)
        target = self.targets[name]
        path = case if target.is_folder else case / next(iter(files))
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # the peak of memory begins anew
        before = _memory("VmRSS")
        with self.watch.on():
            try:
                target.read(path, out)
                outcome = Outcome("read")
            except InputError as error:
                outcome = _judged(error, path, case)
            except MemoryError as error:
                outcome = Outcome("memory", _last_place(error))
            except BaseException as error:
                outcome = Outcome("traceback", f"{_last_place(error)}\n{traceback.format_exc(limit=-12)}")
        if self.watch.seen:
            return Outcome("opened", "; ".join(self.watch.seen))
        grown = _memory("VmHWM") - before
        if grown > MEMORY and outcome.kind in ("read", "refused"):
            return Outcome("memory", f"{grown / 2**30:.1f} GiB: {name}, then {outcome.kind}: {outcome.message[:200]}")
        return outcome


def _ended(status: int, stderr: str, *, is_reading: bool) -> Outcome:
    """What a case was that ended its process."""
    stack = stderr[max(stderr.rfind("Timeout (0:"), stderr.rfind("Fatal Python error"), 0) :]
    frames = re.findall(r'File ".*?([^/"]+)", line (\d+) in (\S+)', stack)
    place = " < ".join(f"{file}:{line} {name}" for file, line, name in frames[:3])
    if not is_reading:
        return Outcome("unsound", f"the fuzzer itself ended with {status}: {stderr[-2000:]}")
    if "Timeout (0:" in stderr or status == -signal.SIGXCPU:
        return Outcome("hang", f"hang at {place}")
    name = signal.Signals(-status).name if status < 0 else f"status {status}"
    return Outcome("signal", f"{name} at {place}" if place else f"{name}: {stderr[-500:]}")


def _judged(error: Exception, path: Path, case: Path) -> Outcome:
    """Whether what was refused was refused in one good sentence, and not after running out of memory."""
    message = str(error)
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, MemoryError) or "allocate" in str(cause):
            return Outcome("memory", f"refused for want of it: {_last_place(error)}")
        cause = cause.__cause__ or cause.__context__
    rest = message.replace(str(path), "").replace(str(case), "")
    faults = {
        "not one line": "\n" in message or "\r" in message,
        "not printable": not message.isprintable(),
        f"{len(rest)} characters": len(rest) >= LONGEST,
        "does not name the file": str(case) not in message,
    }
    said = [fault for fault, is_so in faults.items() if is_so]
    if said:
        return Outcome("message", f"{_last_place(error, with_text=False)}: {', '.join(said)}: {message[:600]}")
    return Outcome("refused", message)


def _last_place(error: BaseException, *, with_text: bool = True) -> str:
    """The exception, and where it left the project's code and where it was raised."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if _OURS.search(frame.filename)]
    places = [f"{Path(frame.filename).name}:{frame.lineno} {frame.name}" for frame in (*frames[-1:], *ours[-1:])]
    listed = " < ".join(dict.fromkeys(places))
    text = " ".join(str(error).split())[-150:] if with_text else ""
    return f"{type(error).__name__} at {listed}{': ' if text else ''}{text}"


def _memory(key: str) -> int:
    status = Path("/proc/self/status").read_text(encoding="ascii")
    found = re.search(rf"{key}:\s*(\d+) kB", status)
    assert found is not None
    return int(found[1]) * 1024


def main(job: dict[str, Any]) -> int:
    """Fork once for each worker, which takes every so many-th unit; returns how many of the forks failed."""
    targets = import_module(job["module"]).TARGETS
    names = [name for name in targets if not job["only"] or any(name.startswith(start) for start in job["only"])]
    first, last = job["numbers"]
    starts = range(first, last, _CASES_A_FORK)
    units = [(name, start, min(start + _CASES_A_FORK, last)) for name in names for start in starts]
    forks = []
    for worker in range(job["workers"]):
        work = Path(job["work"], str(worker))
        work.mkdir()
        if not (fork := os.fork()):
            try:
                Child(job, targets, work).run(units[worker :: job["workers"]])
            except BaseException:
                traceback.print_exc()
                os._exit(1)
            os._exit(0)
        forks.append(fork)
    return sum(os.waitpid(fork, 0)[1] != 0 for fork in forks)


if __name__ == "__main__":
    sys.exit(main(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))))
