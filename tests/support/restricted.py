"""Run a command with less than a process usually has; as a script: restricted.py RESTRICTION ... -- COMMAND ARG ...

    no-flock          flock(2) fails with ENOLCK, as on a file system without locks
    file-size=N       no file can grow past N bytes: the write that would is cut short, the next one fails
    modes             file modes hold for root too
    failing-fsync     fdatasync(2) fails with EIO, as on a disk that fails
    no-fork           clone(2), by which a process forks, fails with EAGAIN, as when a user has no process left; threads start
    no-inotify        inotify_init1(2) fails with EMFILE, as when a user has no instance left
    ignore-interrupt  SIGINT is ignored, as under nohup and in a shell's background jobs
    closed=FD         that descriptor is closed

Restrictions survive exec, so the command itself is the real one, unchanged.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import resource
import signal
import struct
import sys

_PR_SET_NO_NEW_PRIVS, _PR_SET_SECCOMP, _PR_CAPBSET_DROP = 38, 22, 24
_SECCOMP_MODE_FILTER = 2
_CAP_DAC_OVERRIDE, _CAP_DAC_READ_SEARCH, _CAP_FOWNER = 1, 2, 3
_FLOCK = {"x86_64": 73, "aarch64": 32}
_FDATASYNC = {"x86_64": 75, "aarch64": 83}
_CLONE = {"x86_64": 56, "aarch64": 220}
_INOTIFY_INIT1 = {"x86_64": 294, "aarch64": 26}


def restricted(*restrictions: str) -> list[str]:
    """The command line to put in front of a command."""
    return [sys.executable, __file__, *restrictions, "--"]


class _FilterProgram(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_void_p))


def _prctl(option: int, *arguments: object) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    padded = [*arguments, *[0] * (4 - len(arguments))]
    if libc.prctl(option, *padded) != 0:
        raise OSError(ctypes.get_errno(), f"prctl({option})")


def _fail_system_call(number: int, error: int) -> None:
    """From now on the system call fails with `error`: a filter of seccomp(2), in classic BPF."""
    load_number = (0x20, 0, 0, 0)  # BPF_LD | BPF_W | BPF_ABS, seccomp_data.nr
    skip_unless_equal = (0x15, 0, 1, number)  # BPF_JMP | BPF_JEQ | BPF_K
    give_error = (0x06, 0, 0, 0x0005_0000 | error)  # BPF_RET, SECCOMP_RET_ERRNO
    allow = (0x06, 0, 0, 0x7FFF_0000)  # BPF_RET, SECCOMP_RET_ALLOW
    program = (load_number, skip_unless_equal, give_error, allow)
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *instruction) for instruction in program))
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)
    filters = _FilterProgram(len(program), ctypes.addressof(code))
    _prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.byref(filters))


def _obey_file_modes() -> None:
    """Root gets its powers at exec, within the bounding set: without these it is the owner of its files and no more."""
    if os.geteuid() == 0:
        for capability in (_CAP_DAC_OVERRIDE, _CAP_DAC_READ_SEARCH, _CAP_FOWNER):
            _prctl(_PR_CAPBSET_DROP, capability)


def _restrict(restriction: str) -> None:
    name, _, value = restriction.partition("=")
    if name == "no-flock":
        _fail_system_call(_FLOCK[platform.machine()], errno.ENOLCK)
    elif name == "failing-fsync":
        _fail_system_call(_FDATASYNC[platform.machine()], errno.EIO)
    elif name == "no-fork":
        _fail_system_call(_CLONE[platform.machine()], errno.EAGAIN)
    elif name == "no-inotify":
        _fail_system_call(_INOTIFY_INIT1[platform.machine()], errno.EMFILE)
    elif name == "file-size":
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(value), int(value)))
    elif name == "modes":
        _obey_file_modes()
    elif name == "ignore-interrupt":
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    elif name == "closed":
        os.close(int(value))
    else:
        raise ValueError(restriction)


def main() -> None:
    end = sys.argv.index("--")
    command = sys.argv[end + 1 :]
    for restriction in sys.argv[1:end]:
        _restrict(restriction)
    # Python ignores these two, and a shell would not: the command is to start as from a shell.
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
    os.execvp(command[0], command)


if __name__ == "__main__":
    main()
