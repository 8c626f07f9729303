// The privileges of the user who owns a namespace.
//
// Who made a user namespace has every capability in it, but only a process of one thread may enter it. So the
// work is done by a process that stands in for the calling thread: it shares its memory and its descriptors,
// runs while the thread waits (CLONE_VM, CLONE_FILES, CLONE_VFORK, as posix_spawn(3) does), and is gone when
// the work is done. What it opens remains, and nothing else.

#ifndef TAPFD_SYS_INSIDE_USER_NAMESPACE_H_
#define TAPFD_SYS_INSIDE_USER_NAMESPACE_H_

#include "sys/fd.h"
#include "sys/result.h"

namespace tapfd {

// Runs `function(argument)` inside the network namespace, and inside the user namespace that owns it. In it
// the calling thread's user is root. Fails with EPERM if that user does not own it.
Status RunAsOwner(int namespace_fd, void (*function)(void*), void* argument);

// Makes a network namespace, in the user namespace that owns `beside`, or if that is -1 in a new one in which
// the caller's user and group are root. Needs no privilege.
Result<Fd> CreateOwnedNamespace(int beside);

// Enters both in a process of one thread: a child between fork and exec. Only system calls. Returns 0 or
// errno.
int EnterAsOwner(int namespace_fd);

}  // namespace tapfd

#endif  // TAPFD_SYS_INSIDE_USER_NAMESPACE_H_
