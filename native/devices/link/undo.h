// What an open has changed on a device that was there before. If the open fails, or is aborted before its
// caller has the device, all of it is taken back.

#ifndef TAPFD_DEVICES_LINK_UNDO_H_
#define TAPFD_DEVICES_LINK_UNDO_H_

#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "links/rtnl/socket.h"

namespace tapfd {

class OpenUndo {
 public:
  // Gets the queue's descriptor, and a socket in the link's namespace that has been open since the changes
  // were made: taking back needs no new descriptor.
  using Step = std::function<void(int fd, RtnlSocket& socket)>;

  OpenUndo() = default;
  explicit OpenUndo(std::shared_ptr<RtnlSocket> socket) : socket_(std::move(socket)) {}
  OpenUndo(OpenUndo&& other) noexcept
      : socket_(std::move(other.socket_)), steps_(std::exchange(other.steps_, {})) {}
  OpenUndo& operator=(OpenUndo&& other) noexcept {
    socket_ = std::move(other.socket_);
    steps_ = std::exchange(other.steps_, {});
    return *this;
  }

  // How to take back the change that is about to be made. Without effect for a device that this open made,
  // which goes as a whole.
  void Add(Step step) {
    if (socket_) steps_.push_back(std::move(step));
  }
  // Takes everything back, the latest change first. Only the first call has an effect.
  void Run(int fd) {
    for (auto step = steps_.rbegin(); step != steps_.rend(); ++step) (*step)(fd, *socket_);
    steps_.clear();
  }

 private:
  std::shared_ptr<RtnlSocket> socket_;
  std::vector<Step> steps_;
};

}  // namespace tapfd

#endif  // TAPFD_DEVICES_LINK_UNDO_H_
