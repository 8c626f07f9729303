// Kernel settings below /proc/sys.

#ifndef TAPFD_SYS_INSIDE_SYSCTL_H_
#define TAPFD_SYS_INSIDE_SYSCTL_H_

#include <string>

#include "sys/result.h"

namespace tapfd {

// Sets `net/ipv4/ip_forward`, for example, in the calling thread's namespace.
Status WriteSysctl(const std::string& name, const std::string& value);

}  // namespace tapfd

#endif  // TAPFD_SYS_INSIDE_SYSCTL_H_
