#include "sys/inside/sysctl.h"

#include <fcntl.h>
#include <unistd.h>

#include "sys/fd.h"

namespace tapfd {

Status WriteSysctl(const std::string& name, const std::string& value) {
  std::string path = "/proc/sys/" + name;
  Fd file(open(path.c_str(), O_WRONLY | O_CLOEXEC));
  if (!file.valid()) return Failure::FromErrno("open").WithPath(path);
  if (write(file.get(), value.data(), value.size()) < 0) return Failure::FromErrno("write").WithPath(path);
  return Done{};
}

}  // namespace tapfd
