// Unix stream sockets that carry descriptors: the system calls. None of these functions waits.

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

// A path, or an abstract name: a NUL byte and the name, without a file.
struct UnixAddress {
  struct sockaddr_un address;
  socklen_t length;

  // TypeScript has checked that it fits. A name that does not becomes an empty one here, which bind(2)
  // refuses.
  static UnixAddress From(const std::string& name);
};

// The process at the other end when the connection was made, as numbered in this process's namespaces.
struct PeerCredentials {
  int64_t pid = 0;
  uint32_t uid = 0;
  uint32_t gid = 0;
};

struct ConnectedSocket {
  Fd fd;
  PeerCredentials peer;
};

// Owner of the socket file that a server has made: its destructor removes the file unless another one has
// replaced it. The descriptor (O_PATH) holds the inode, so that no other file can get its number.
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
  Fd inode_;  // invalid: an abstract name
};

struct ListeningSocket {
  Fd fd;
  SocketFile file;  // removed first: while it exists, the server is behind it
};

struct ListenSettings {
  UnixAddress address;
  std::string path;  // absolute; empty for an abstract name
  int backlog = 0;
  std::optional<mode_t> mode;  // of the socket file; unset: 0777 less the umask
};

// EAGAIN: the server's backlog is full.
Result<ConnectedSocket> ConnectUnix(const UnixAddress& address);

// Replaces a socket file that no socket is behind any more.
Result<ListeningSocket> ListenUnix(const ListenSettings& settings);

// EAGAIN: no connection is waiting.
Result<ConnectedSocket> AcceptUnix(int fd);

Result<std::pair<ConnectedSocket, ConnectedSocket>> PairUnix();

// Checks that it is a connected unix stream socket, and makes it close-on-exec. The caller still owns it.
Result<PeerCredentials> CheckAdoptable(int fd);

struct Received {
  size_t bytes = 0;
  std::vector<Fd> fds;
  bool end = false;  // nothing more will come
  // Not all descriptors of the next message could be received; those that could are closed.
  bool truncated = false;
  // The bytes came with descriptors, which are lost: another process that shares the socket had read what was
  // expected.
  bool lost_fds = false;
  int error = 0;  // errno
};

// The next bytes, as many as are available, up to `size`, and never past the end of a message that was sent
// with descriptors. The descriptors returned were sent with the last message that begins within the bytes;
// the kernel may put earlier bytes in front of it (unix(7)).
Received ReceiveUnix(int fd, uint8_t* data, size_t size);

// Bytes sent, or a negative errno. The descriptors go with the first byte, so they are sent once any byte is.
ssize_t SendUnix(int fd, const uint8_t* data, size_t size, const std::vector<int>& fds);

Status ShutdownWrite(int fd);

// Duplicates of descriptors, all or none, with numbers from `least` on.
Result<std::vector<Fd>> DuplicateFds(const std::vector<int>& fds, int least = 0);

}  // namespace tapfd

#endif  // TAPFD_SYS_UNIX_SOCKET_H_
