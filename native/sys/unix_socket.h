// Unix stream sockets that carry descriptors: the system calls. No N-API, no event loop, and no call here
// waits.

#ifndef TAPFD_SYS_UNIX_SOCKET_H_
#define TAPFD_SYS_UNIX_SOCKET_H_

#include <sys/socket.h>
#include <sys/types.h>
#include <sys/un.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "sys/fd.h"
#include "sys/result.h"

namespace tapfd {

// `net/scm.h` SCM_MAX_FD: more in one message is EINVAL.
constexpr size_t kMaxFds = 253;

// A path, or an abstract name: a NUL byte and the name, which no file stands for.
struct UnixAddress {
  struct sockaddr_un address;
  socklen_t length;

  // TypeScript has checked that it fits; what does not is cut to nothing here, and bind(2) refuses that.
  static UnixAddress From(const std::string& name);
};

// Who was at the other end when the connection was made, as this process's namespaces number them.
struct PeerCredentials {
  int64_t pid = 0;
  uint32_t uid = 0;
  uint32_t gid = 0;
};

struct ConnectedSocket {
  Fd fd;
  PeerCredentials peer;
};

// Owner of the socket file that a server has made: it goes with this, unless another one stands there by
// then. The descriptor (O_PATH) keeps the inode, so that no other file can have its number.
class SocketFile {
 public:
  SocketFile() = default;
  // `path` is absolute, for the process may change its directory.
  SocketFile(std::string path, Fd inode) : path_(std::move(path)), inode_(std::move(inode)) {}
  SocketFile(SocketFile&&) noexcept = default;
  SocketFile& operator=(SocketFile&& other) noexcept {
    if (this != &other) {
      Remove();
      path_ = std::move(other.path_);
      inode_ = std::move(other.inode_);
    }
    return *this;
  }
  ~SocketFile() { Remove(); }

 private:
  void Remove();

  std::string path_;
  Fd inode_;  // none: an abstract name
};

struct ListeningSocket {
  Fd fd;
  SocketFile file;  // goes first: whoever finds it shall find the server behind it
};

struct ListenSettings {
  UnixAddress address;
  std::string path;  // absolute; empty for an abstract name
  int backlog = 0;
  std::optional<mode_t> mode;  // of the socket file; none: all permissions but the umask's
};

// EAGAIN: as many wait to be accepted as the server allows.
Result<ConnectedSocket> ConnectUnix(const UnixAddress& address);

// A socket file that no socket is behind any more is replaced: connecting to its very inode was refused,
// twice.
Result<ListeningSocket> ListenUnix(const ListenSettings& settings);

// EAGAIN: nobody waits.
Result<ConnectedSocket> AcceptUnix(int fd);

Result<std::pair<ConnectedSocket, ConnectedSocket>> PairUnix();

// Makes sure that it is a connected unix stream socket, and makes it close-on-exec. It stays the caller's.
Result<PeerCredentials> CheckAdoptable(int fd);

struct Received {
  size_t bytes = 0;
  std::vector<Fd> fds;
  bool end = false;  // nothing will come any more
  bool truncated =
      false;      // not all descriptors of the message ahead could be received; those that could are closed
  int error = 0;  // errno
};

// The next bytes, as many as are there, up to `size`, and never past the end of a message that was sent with
// descriptors: those that are returned were sent with the last message of which the bytes have the beginning.
// The kernel may put bytes sent before in front of it (unix(7)).
Received ReceiveUnix(int fd, uint8_t* data, size_t size);

// Bytes taken, or a negative errno. The descriptors go with the first byte: once something was taken they are
// sent.
ssize_t SendUnix(int fd, const uint8_t* data, size_t size, const std::vector<int>& fds);

Status ShutdownWrite(int fd);

// Duplicates of descriptors, all or none.
Result<std::vector<Fd>> DuplicateFds(const std::vector<int>& fds);

}  // namespace tapfd

#endif  // TAPFD_SYS_UNIX_SOCKET_H_
