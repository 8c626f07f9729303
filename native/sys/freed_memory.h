// What the C library does with memory that was freed.

#ifndef TAPFD_SYS_FREED_MEMORY_H_
#define TAPFD_SYS_FREED_MEMORY_H_

namespace tapfd {

// Makes glibc keep up to 32 MiB of freed memory instead of a few hundred KiB. Meant for a process under load:
// slabs that the garbage collector frees are needed again at once, and fresh memory from the system costs a
// page fault and 4 KiB of zeroing per page, a fifth of the time it takes to pipe super-frames. Acts once per
// process; has no effect with other C libraries.
void KeepFreedMemory();

}  // namespace tapfd

#endif  // TAPFD_SYS_FREED_MEMORY_H_
