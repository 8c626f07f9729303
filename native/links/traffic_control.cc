#include "links/traffic_control.h"

#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <limits>

namespace tapfd {

namespace {

tcmsg RootOf(int index) {
  tcmsg header{};
  header.tcm_family = AF_UNSPEC;
  header.tcm_ifindex = index;
  header.tcm_parent = TC_H_ROOT;
  return header;
}

}  // namespace

Status ShapeLink(RtnlSocket& socket, int index, const Shape& shape) {
  constexpr uint64_t kMaxRate32 = std::numeric_limits<uint32_t>::max();
  tc_tbf_qopt parameters{};
  // With a link layer the kernel computes times itself and needs no table of them (net/sched/sch_tbf.c).
  parameters.rate.linklayer = TC_LINKLAYER_ETHERNET;
  parameters.rate.rate =
      static_cast<uint32_t>(shape.bytes_per_second < kMaxRate32 ? shape.bytes_per_second : kMaxRate32);
  parameters.limit = shape.limit_bytes;
  RtnlMessage request(RTM_NEWQDISC, NLM_F_CREATE | NLM_F_REPLACE, RootOf(index));
  request.PutString(TCA_KIND, "tbf");
  request.PutNested(TCA_OPTIONS, [&] {
    request.PutBytes(TCA_TBF_PARMS, &parameters, sizeof parameters);
    request.PutU32(TCA_TBF_BURST, shape.burst_bytes);
    if (shape.bytes_per_second >= kMaxRate32) {
      request.PutBytes(TCA_TBF_RATE64, &shape.bytes_per_second, sizeof shape.bytes_per_second);
    }
  });
  return socket.Tell(request);
}

Status UnshapeLink(RtnlSocket& socket, int index) {
  RtnlMessage request(RTM_DELQDISC, 0, RootOf(index));
  return socket.Tell(request);
}

}  // namespace tapfd
