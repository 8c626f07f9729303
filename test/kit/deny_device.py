"""Runs a command in a cgroup that may not read or write the character devices of a major number.

    python3 deny_device.py MAJOR COMMAND...

It may make their nodes, as container runtimes allow by default. The cgroup is new, has no other process, and goes with
the command. Needs root, a cgroup2 that can be written to, and a kernel with CONFIG_CGROUP_BPF.
"""

import ctypes
import os
import struct
import subprocess
import sys

SYS_BPF = {"x86_64": 321, "aarch64": 280}[os.uname().machine]
# linux/bpf.h
BPF_PROG_LOAD, BPF_PROG_ATTACH = 5, 8
BPF_PROG_TYPE_CGROUP_DEVICE, BPF_CGROUP_DEVICE = 15, 6
READ_OR_WRITE = 2 | 4

libc = ctypes.CDLL(None, use_errno=True)


def instruction(op, dst=0, src=0, off=0, imm=0):
    return struct.pack("=BBhi", op, dst | src << 4, off, imm)


def program(major):
    """On struct bpf_cgroup_dev_ctx: access and type (access in the upper half), major, minor."""
    return b"".join(
        [
            instruction(0x61, dst=2, src=1, off=4),  # r2 = major
            instruction(0x55, dst=2, off=4, imm=major),  # another: allow
            instruction(0x61, dst=3, src=1, off=0),  # r3 = access << 16 | type
            instruction(0x77, dst=3, imm=16),  # r3 >>= 16
            instruction(0x57, dst=3, imm=READ_OR_WRITE),  # r3 &= read or write
            instruction(0x55, dst=3, off=2, imm=0),  # one of them: deny
            instruction(0xB7, dst=0, imm=1),
            instruction(0x95),
            instruction(0xB7, dst=0, imm=0),
            instruction(0x95),
        ]
    )


def bpf(command, attributes):
    buffer = ctypes.create_string_buffer(attributes, 128)
    result = libc.syscall(SYS_BPF, command, buffer, len(buffer))
    if result < 0:
        raise OSError(ctypes.get_errno(), "bpf: " + os.strerror(ctypes.get_errno()))
    return result


def load(code):
    text = ctypes.create_string_buffer(code)
    licence = ctypes.create_string_buffer(b"MIT")
    return bpf(
        BPF_PROG_LOAD,
        struct.pack(
            "=IIQQ",
            BPF_PROG_TYPE_CGROUP_DEVICE,
            len(code) // 8,
            ctypes.addressof(text),
            ctypes.addressof(licence),
        ),
    )


def cgroup2():
    with open("/proc/self/mountinfo") as mounts:
        for line in mounts:
            place, kind = line.split(" - ")
            if kind.startswith("cgroup2 "):
                return place.split()[4]
    raise OSError("no cgroup2 is mounted")


def main():
    major, command = int(sys.argv[1]), sys.argv[2:]
    cgroup = f"{cgroup2()}/tapfd-{os.getpid()}"
    loaded = load(program(major))
    os.mkdir(cgroup)
    try:
        directory = os.open(cgroup, os.O_RDONLY)
        bpf(BPF_PROG_ATTACH, struct.pack("=IIII", directory, loaded, BPF_CGROUP_DEVICE, 0))

        def join():
            with open(f"{cgroup}/cgroup.procs", "w") as processes:
                processes.write(str(os.getpid()))

        return subprocess.run(command, preexec_fn=join, check=False).returncode
    finally:
        os.rmdir(cgroup)


sys.exit(main())
