"""One guest: a Linux program running alone in its own virtual machine."""

from __future__ import annotations

import os
import shutil
import socket
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from typing import IO, Union

from . import _osvm
from ._handle import Handle
from .errors import Errc, Error
from .images import AppImage
from .report import Event, ExitReport, HostFacts, InstanceStats, exit_report, instance_stats
from .runtime import Runtime

__all__ = ["Image", "Instance", "Template"]

Path = Union[str, "os.PathLike[str]"]
Mounts = Union[Mapping[Path, str], Iterable["tuple[Path, str]"]]
Port = Union[int, str]
Stream = Union[None, int, str, IO[bytes], IO[str]]

_PIPE_LIMIT = 1 << 20


class Image:
    """A program, read and checked once, shared by all instances that run it. Immutable."""

    def __init__(self, path: Path) -> None:
        self._raw = _osvm.Image.load(os.fspath(path))

    @classmethod
    def from_bytes(cls, data: bytes, name: str) -> Image:
        """The same for a file in memory; ``name`` is the default ``argv[0]``."""
        image = cls.__new__(cls)
        image._raw = _osvm.Image.parse(data, name)
        return image

    @property
    def name(self) -> str:
        return self._raw.name

    @property
    def memory_bytes(self) -> int:
        """Page-rounded span of the loadable segments."""
        return self._raw.memory_bytes


def _invalid(what: str) -> Error:
    return Error("osvm", Errc.INVALID_ARGUMENT, what)


def _port(port: Port) -> tuple[str, int]:
    """8080, "8080", "tcp:8080" or "vsock:52" as (kind, number)."""
    if isinstance(port, int):
        return "tcp", port
    kind, _, number = port.rpartition(":")
    if not number.isdecimal() or kind not in ("", "tcp", "vsock"):
        raise _invalid(f"a guest port is 8080, 'tcp:8080' or 'vsock:52', not {port!r}")
    return kind or "tcp", int(number)


def _mounts(mounts: Mounts, writable: bool) -> list[tuple[str, str, bool]]:
    pairs = mounts.items() if isinstance(mounts, Mapping) else mounts
    return [(os.fspath(host), guest, writable) for host, guest in pairs]


def _stream(stream: Stream, inherited: int) -> object:
    """As the extension takes it: None, a descriptor, or ("capture", limit)."""
    if stream is None or isinstance(stream, int):
        return stream
    if isinstance(stream, str):
        if stream == "capture":
            return ("capture", _PIPE_LIMIT)
        if stream == "inherit":
            return inherited
        if stream == "log" and inherited != 0:
            return "log"
        raise _invalid(f"a stream is None, 'inherit', 'capture', 'log', a descriptor or a file, not {stream!r}")
    stream.flush()
    return stream.fileno()


class Instance(Handle):
    """A guest with what it may do: everything that is not granted here is denied.

    ``args``: the program's path (unless ``image`` is given) and its arguments; of an ``AppImage`` only what
    follows its manifest's arguments. ``ro``, ``rw``: host path →
    guest path. ``env``: all of the guest's environment. ``listen``: guest ports it may listen on (``8080``,
    ``"vsock:52"``). ``publish``: host address → guest port, reachable from when it listens
    (``{"127.0.0.1:8080": 80}``). ``connect``: where it may connect to: ``"HOST:PORT"``,
    ``"HOST:PORT=NAME"``, ``"unix:/path=/guest/path"``, ``"unix:/path=NAME:PORT"`` (names are resolved by
    ``start()``), or the number of a host vsock port. ``publish_unix``: host path → path of a unix socket that
    the guest may bind. ``tmpfs``: folders in memory for the guest alone (``"/tmp"``, ``"/dev/shm:16MiB"``).
    ``memory`` and
    ``written`` in bytes, ``timeout`` (wall time) and ``cpu_time`` in seconds end the guest when they are
    used up. ``stdout`` and ``stderr``: None (discarded), ``"inherit"``, ``"capture"`` (see ``take_output``;
    the guest blocks while 1 MiB lies there), ``"log"`` (each line becomes an event), a descriptor or a file;
    ``stdin`` may also be bytes.
    ``libraries``: the guest may read the program, its loader and the libraries that its file names, as far as
    these lie in the loader's system directories or beside the program; what ``dlopen`` loads needs ``ro``.
    ``exitless``: a thread of the instance answers most system calls without an exit; it takes a core of the
    host while calls come fast. ``worker``: path of ``osvm-worker`` of the same build; the VM and its system calls
    live in that process then, and with ``jail`` it gives up what the guest does not need of the host before the
    guest's first instruction. ``limit_memory`` (bytes), ``limit_cpu_percent`` (of one core) and ``limit_tasks``
    are what the host's control groups hold that process to, below the group ``limit_parent`` (the caller's own);
    a host that has no such groups for this user is an error. ``orphan_after`` (seconds): that process outlives this
    one, and ends with its guest when no other has adopted it by then (``ticket``, ``adopt``); ``close()`` ends it all
    the same. It needs a ``socket_dir`` of mode 0700. ``cwd``: the guest's working directory.
    ``policy``: a policy file, whose grants are added and whose budgets take the place of those given here.
    ``events``: ``"denials"`` and ``"trace"`` (every system call), for ``take_events``; at most ``event_capacity``
    wait, the rest is dropped and counted. ``learn``: ``"denials"`` (grants nothing) or ``"allow-all"``
    (DANGEROUS: grants everything and notes what is used), for ``learned_policy``.
    ``allow``: named rights; ``"jit"`` is memory that becomes executable after load.

    Nothing runs before ``start()`` or the ``with`` statement; leaving it ends the guest. Thread-safe.
    """

    def __init__(
        self,
        args: Sequence[Path],
        *,
        image: Image | AppImage | None = None,
        ro: Mounts = (),
        rw: Mounts = (),
        env: Mapping[str, str] | None = None,
        listen: Iterable[Port] = (),
        publish: Mapping[str, Port] | None = None,
        connect: Iterable[int | str] = (),
        publish_unix: Mapping[Path, str] | None = None,
        tmpfs: Iterable[str] = (),
        memory: int = 256 << 20,
        threads: int = 64,
        processes: int = 64,
        descriptors: int = 256,
        written: int = 64 << 20,
        timeout: float | None = None,
        cpu_time: float | None = None,
        stdin: Stream | bytes = None,
        stdout: Stream = None,
        stderr: Stream = None,
        allow: Iterable[str] = (),
        isolation: str = "hardware",
        name: str = "guest",
        libraries: bool = False,
        exitless: bool = False,
        worker: Path | None = None,
        jail: bool = False,
        limit_memory: int = 0,
        limit_cpu_percent: int = 0,
        limit_tasks: int = 0,
        limit_parent: str = "",
        orphan_after: float = 0.0,
        cwd: str = "/",
        policy: Path | None = None,
        events: Iterable[str] = (),
        event_capacity: int = 1024,
        learn: str | None = None,
        socket_dir: Path | None = None,
        facts: HostFacts | None = None,
        runtime: Runtime | None = None,
    ) -> None:
        if not args and image is None:
            raise _invalid("args needs at least the program's path")
        rights = set(allow)
        if rights - {"jit"}:
            raise _invalid(f"allow knows 'jit', not {sorted(rights - {'jit'})}")
        kinds = list(events)
        if set(kinds) - {"denials", "trace"}:
            raise _invalid(f"events knows 'denials' and 'trace', not {kinds}")
        if learn not in (None, "denials", "allow-all"):
            raise _invalid(f"learn is 'denials' or 'allow-all', not {learn!r}")
        if isolation not in ("hardware", "process"):
            raise _invalid(f"isolation is 'hardware' or 'process', not {isolation!r}")
        if jail and worker is None:
            raise _invalid("jail needs worker, the path of osvm-worker")
        if (limit_memory or limit_cpu_percent or limit_tasks) and worker is None:
            raise _invalid("limits need worker, the path of osvm-worker")
        if orphan_after and (worker is None or socket_dir is None):
            raise _invalid("orphan_after needs worker, the path of osvm-worker, and socket_dir")
        self._image = image
        self._path = os.fspath(args[0]) if args else ""
        self._publish = [(where, *_port(port)) for where, port in (publish or {}).items()]
        granted = [_port(port) for port in listen]
        granted += [(kind, port) for _, kind, port in self._publish if (kind, port) not in granted]
        self._socket_dir = None if socket_dir is None else os.fspath(socket_dir)
        self._runtime = runtime
        self._own_runtime: Runtime | None = None
        self._own_dir: str | None = None
        self._raw: _osvm.Instance | None = None
        self._facts = facts
        connections = list(connect)
        self._options: dict[str, object] = {
            "arguments": [os.fspath(a) for a in args],
            "name": name,
            "process_isolation": isolation == "process",
            "mounts": _mounts(ro, False) + _mounts(rw, True),
            "listen": granted,
            "vsock_connect": [to for to in connections if isinstance(to, int)],
            "connect": [to for to in connections if isinstance(to, str)],
            "listen_unix": [f"{os.fspath(host)}=guest:{guest}" for host, guest in (publish_unix or {}).items()],
            "tmpfs": list(tmpfs),
            "environment": [f"{key}={value}" for key, value in (env or {}).items()],
            "jit": "jit" in rights,
            "memory": memory,
            "threads": threads,
            "processes": processes,
            "descriptors": descriptors,
            "written": written,
            "cpu_time": 0.0 if cpu_time is None else cpu_time,
            "wall_time": 0.0 if timeout is None else timeout,
            "libraries": libraries,
            "exitless": exitless,
            "worker": "" if worker is None else os.fspath(worker),
            "jail": jail,
            "limit_memory": limit_memory,
            "limit_cpu_percent": limit_cpu_percent,
            "limit_tasks": limit_tasks,
            "limit_parent": limit_parent,
            "orphan_after": orphan_after,
            "cwd": cwd,
            "policy": "" if policy is None else os.fspath(policy),
            "events": kinds,
            "event_capacity": event_capacity,
            "learn": (None, "denials", "allow-all").index(learn),
            "stdin": stdin if isinstance(stdin, bytes) else _stream(stdin, 0),
            "stdout": _stream(stdout, 1),
            "stderr": _stream(stderr, 2),
        }

    def start(self) -> Instance:
        """Creates the VM and starts the program."""
        if self._raw is not None:
            raise Error("osvm", Errc.BUSY, "the instance was started before")
        options = dict(self._options)
        try:
            used = self._runtime
            if used is None:
                used = self._own_runtime = Runtime()
            options["socket_dir"] = self._sockets()
            image = self._image if self._image is not None else Image(self._path)
            facts = None if self._facts is None else self._facts._raw
            if isinstance(image, AppImage):
                self._raw = _osvm.Instance.start_app(used._raw, image._raw, options, self._publish, facts)
            else:
                self._raw = _osvm.Instance.start(used._raw, image._raw, options, self._publish, facts)
        except BaseException:
            self.close()
            raise
        return self

    @classmethod
    def _blank(
        cls, publish: Mapping[str, Port] | None, socket_dir: Path | None, runtime: Runtime | None
    ) -> Instance:
        """One that something else than ``start()`` makes run."""
        made = cls.__new__(cls)
        made._image = None
        made._path = ""
        made._publish = [(where, *_port(port)) for where, port in (publish or {}).items()]
        made._socket_dir = None if socket_dir is None else os.fspath(socket_dir)
        made._runtime = runtime
        made._own_runtime = None
        made._own_dir = None
        made._raw = None
        made._facts = None
        made._options = {}
        return made

    @classmethod
    def adopt(
        cls, ticket: str, *, publish: Mapping[str, Port] | None = None, runtime: Runtime | None = None
    ) -> Instance:
        """Becomes the owner of an instance whose owner's process is gone, by the ``ticket`` that it had; its guest
        has gone on meanwhile. Raises ``osvm.Error``: ``NOT_FOUND`` when nobody waits there, ``BUSY`` while it has
        an owner, ``DENIED`` for a wrong ticket."""
        adopted = cls._blank(publish, None, runtime)
        try:
            used = runtime
            if used is None:
                used = adopted._own_runtime = Runtime()
            adopted._raw = _osvm.Instance.adopt(used._raw, ticket, adopted._publish)
        except BaseException:
            adopted.close()
            raise
        return adopted

    @property
    def ticket(self) -> str:
        """For the process that shall adopt the instance (``orphan_after``) once this one is gone. Keep it secret."""
        return self._instance().ticket()

    def _sockets(self) -> str:
        if self._socket_dir is not None:
            return self._socket_dir
        if not self._asks_for_sockets():
            return ""
        self._own_dir = tempfile.mkdtemp(prefix="osvm-")
        return self._own_dir

    def _asks_for_sockets(self) -> bool:
        asks = self._options.get("listen") or self._options.get("vsock_connect")
        return bool(asks) or isinstance(self._image, AppImage) or bool(self._options.get("sockets"))

    def _instance(self) -> _osvm.Instance:
        if self._raw is None:
            raise Error("osvm", Errc.CLOSED, "the instance was not started, or was closed")
        return self._raw

    def wait(self, timeout: float | None = None) -> ExitReport:
        """Blocks (without the GIL) until the guest has ended. Raises ``osvm.TimedOut`` when ``timeout``
        comes first."""
        return exit_report(self._instance().wait(timeout))

    def kill(self) -> None:
        """Ends the guest at any moment. Idempotent; returns at once."""
        self._instance().kill()

    def signal(self, number: int) -> None:
        """Sends the guest a signal, as ``kill`` from outside does: its handler runs, or the signal's default
        action is taken."""
        self._instance().signal(number)

    def endpoint(self, port: Port, timeout: float | None = 10.0) -> str:
        """Blocks until the guest listens on a granted port; where to connect to, in the form that a proxy
        takes."""
        kind, number = _port(port)
        return self._instance().wait_listening(kind, number, timeout)

    @property
    def published(self) -> list[str]:
        """Host endpoints of ``publish``, with real ports, in its order."""
        return self._instance().published()

    def snapshot(self, timeout: float = 10.0) -> Template:
        """A template of the guest as it is now; it goes on afterwards. Best taken at rest, for example when it
        listens. Raises ``osvm.UnikernelError`` (``CANNOT_SNAPSHOT``) naming what a template cannot hold."""
        return Template(self._instance().snapshot(timeout), self._asks_for_sockets())

    def reset(self, timeout: float = 10.0) -> None:
        """A clone becomes again what ``Template.spawn`` made of it: memory, threads, open files; its connections are
        closed. Raises ``osvm.UnikernelError`` (``CANNOT_SNAPSHOT``) naming what stands in the way."""
        self._instance().reset(timeout)

    def wait_ready(self, timeout: float = 10.0) -> None:
        """Returns when the guest waits for work: its first ``accept``, its first wait for events while it listens,
        or its first read of a call. The moment for ``snapshot()``."""
        self._instance().wait_ready(timeout)

    def call(
        self, function: str, request: bytes = b"", *, timeout: float = 10.0, cpu_time: float = 0.0
    ) -> tuple[int, bytes]:
        """Calls a function of a guest that serves calls (``osvm/guest.h``): its status (negative: ``-errno``) and its
        answer. ``cpu_time``: seconds of CPU that the guest may use for it, 0: no limit. After ``Errc.TIMED_OUT`` or
        ``Errc.LIMIT_EXCEEDED`` the guest still works on it, and its answer is dropped."""
        return self._instance().call(function, request, timeout, cpu_time)

    def dump_core(self, file: IO[bytes] | int, timeout: float = 10.0) -> None:
        """Writes a core dump of the guest as it is now into an empty file; it goes on afterwards."""
        self._instance().dump_core(file if isinstance(file, int) else file.fileno(), timeout)

    def debug(self, connection: socket.socket | int) -> None:
        """Serves a debugger (GDB remote protocol) on a connected stream socket, until it leaves or the guest ends.
        Blocks: for a thread of its own."""
        self._instance().debug(connection if isinstance(connection, int) else connection.fileno())

    def take_output(self, descriptor: int = 1) -> bytes:
        """What the guest has written to a captured descriptor (1 or 2) since the last call."""
        return self._instance().take_output(descriptor)

    def take_events(self, most: int = 1024) -> list[Event]:
        """Up to ``most`` events, oldest first; what ``events`` asked for. After the end: what is left."""
        return [Event(**e) for e in self._instance().take_events(most)]

    def learned_policy(self) -> str:
        """The policy file that this run would have needed; see ``learn``."""
        return self._instance().learned_policy()

    def stats(self) -> InstanceStats:
        return instance_stats(self._instance().stats())

    def metrics(self, name: str) -> str:
        """The counters of ``stats`` as Prometheus text, each series with the label ``instance`` = ``name``."""
        return self._instance().metrics(name)

    @property
    def isolation(self) -> str:
        """The boundary that it really has: "hardware, system calls served in the caller's process"."""
        return self._instance().isolation()

    def close(self) -> None:
        """Kills the guest if it runs, and releases everything. Idempotent."""
        super().close()
        if self._own_dir is not None:
            shutil.rmtree(self._own_dir, ignore_errors=True)
            self._own_dir = None

    def __enter__(self) -> Instance:
        return self if self._raw is not None else self.start()


class Template:
    """A warm guest, saved: instances are made from it that go on where it stood. Immutable; outlives the
    instance that it was made from.

    An instance that is spawned has a copy of the memory, threads in the same places, and open files of its
    own: files are opened anew by their names, listeners listen under the clone's own names, pipes and socket
    pairs are made anew with what was in them, other connections are reset. What the kernel gives as random is
    fresh in each; a generator that the program had seeded before is copied.
    """

    def __init__(self, raw: _osvm.Template, sockets: bool) -> None:
        self._raw = raw
        self._sockets = sockets

    @classmethod
    def load(cls, path: Path) -> Template:
        """Reads one that ``save`` wrote. All of it is checked and copied. Raises ``osvm.UnikernelError``
        (``BAD_TEMPLATE``) saying what is wrong with it. Whoever can write the file decides what its instances may
        do."""
        raw = _osvm.Template.load(os.fspath(path))
        return cls(raw, raw.asks_for_sockets())

    def save(self, path: Path) -> None:
        """Writes it to a file of mode 0600; one that is there is replaced as a whole, or stays."""
        self._raw.save(os.fspath(path))

    @property
    def memory_bytes(self) -> int:
        """Of pages with content, shared by all instances until they write to them."""
        return self._raw.info()["memory_bytes"]

    @property
    def threads(self) -> int:
        return self._raw.info()["threads"]

    @property
    def descriptors(self) -> int:
        return self._raw.info()["descriptors"]

    def spawn(
        self,
        *,
        publish: Mapping[str, Port] | None = None,
        stdin: Stream | bytes = None,
        stdout: Stream = None,
        stderr: Stream = None,
        events: Iterable[str] = (),
        name: str = "clone",
        socket_dir: Path | None = None,
        runtime: Runtime | None = None,
    ) -> Instance:
        """An instance that runs already. The parameters are those of ``osvm.Instance``; everything else is the
        template's. ``close()`` or the ``with`` statement ends it."""
        clone = Instance._blank(publish, socket_dir, runtime)
        clone._options = {
            "name": name,
            "events": list(events),
            "sockets": self._sockets,
            "stdin": stdin if isinstance(stdin, bytes) else _stream(stdin, 0),
            "stdout": _stream(stdout, 1),
            "stderr": _stream(stderr, 2),
        }
        try:
            used = runtime
            if used is None:
                used = clone._own_runtime = Runtime()
            options = {**clone._options, "socket_dir": clone._sockets()}
            clone._raw = _osvm.Instance.spawn(used._raw, self._raw, options, clone._publish)
        except BaseException:
            clone.close()
            raise
        return clone
