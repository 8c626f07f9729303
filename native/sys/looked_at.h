// A file that a caller's path names, looked at before it is opened.
//
// Opening may itself do something: the writer that waits at a FIFO goes on, /dev/tapN joins the queues of a
// device, a watchdog starts to count.

#ifndef TAPFD_SYS_LOOKED_AT_H_
#define TAPFD_SYS_LOOKED_AT_H_

#include <sys/stat.h>

#include <string>
#include <utility>

#include "sys/fd.h"
#include "sys/result.h"

namespace tapfd {

class LookedAt {
 public:
  // `flags`: O_NOFOLLOW to look at a symbolic link itself.
  static Result<LookedAt> At(const std::string& path, int flags = 0);

  const std::string& path() const { return path_; }
  const struct stat& status() const { return status_; }
  // Whether it is a namespace of any type.
  bool IsNamespace() const { return is_namespace_; }
  // Opens what was looked at, whatever the path names by now.
  Result<Fd> Open(int flags) const;

 private:
  LookedAt(Fd fd, std::string path, const struct stat& status, bool is_namespace)
      : fd_(std::move(fd)), path_(std::move(path)), status_(status), is_namespace_(is_namespace) {}

  Fd fd_;  // O_PATH
  std::string path_;
  struct stat status_;
  bool is_namespace_;
};

}  // namespace tapfd

#endif  // TAPFD_SYS_LOOKED_AT_H_
