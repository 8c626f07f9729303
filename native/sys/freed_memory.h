// What the C library does with memory that was freed.

#ifndef TAPFD_SYS_FREED_MEMORY_H_
#define TAPFD_SYS_FREED_MEMORY_H_

namespace tapfd {

// Has glibc keep up to 32 MiB of freed memory for the next who wants some, in place of a few hundred KiB. For
// a process under load: slabs that the garbage collector frees are wanted again at once, and memory that
// comes from the system anew costs a fault and 4 KiB of zeroes a page, a fifth of all that a pipe of
// super-frames takes. Once in a process; other C libraries make nothing of it.
void KeepFreedMemory();

}  // namespace tapfd

#endif  // TAPFD_SYS_FREED_MEMORY_H_
