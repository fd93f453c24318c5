"""System-call numbers, as the C preprocessor finds them in the kernel's headers (Debian's linux-libc-dev 6.1).

`printf '#include <asm/unistd.h>\\n__NR_write\\n' | gcc -E -P -` prints one, with the headers of the processor.
"""

from __future__ import annotations

AUDIT_ARCH = {"x86_64": 62 | 0x80000000 | 0x40000000, "aarch64": 183 | 0x80000000 | 0x40000000, "i386": 3 | 0x40000000}

NUMBERS = {  # name: x86_64, arm64
    "brk": (12, 214),
    "clock_gettime": (228, 113),
    "clone": (56, 220),
    "clone3": (435, 435),
    "exit": (60, 93),
    "exit_group": (231, 94),
    "futex": (202, 98),
    "gettimeofday": (96, 169),
    "madvise": (28, 233),
    "mmap": (9, 222),
    "mprotect": (10, 226),
    "mremap": (25, 216),
    "munmap": (11, 215),
    "restart_syscall": (219, 128),
    "rseq": (334, 293),
    "rt_sigprocmask": (14, 135),
    "seccomp": (317, 277),
    "set_robust_list": (273, 99),
    "write": (1, 64),
}
MOST = 600  # no processor has a greater number yet
