# The addon, for the binding.gyp that includes it: that of the repository, and that of the package, which must not have one at
# its top, as npm compiles such packages. Paths are relative to this file.
{
  "targets": [
    {
      "target_name": "tapfd",
      "conditions": [
        ["OS=='linux'", {
          "sources": [
            "devices/adopt_fd.cc",
            "devices/link/offload.cc",
            "devices/link/settings.cc",
            "devices/living_device.cc",
            "devices/macvtap_node.cc",
            "devices/open_macvtap.cc",
            "devices/open_tap.cc",
            "devices/queue_holders.cc",
            "devices/tun_ioctl.cc",
            "frames/candidate.cc",
            "frames/checksum.cc",
            "frames/coalesce.cc",
            "frames/io.cc",
            "frames/segment.cc",
            "frames/segment_io.cc",
            "links/address.cc",
            "links/create_link.cc",
            "links/link.cc",
            "links/link_from_message.cc",
            "links/link_request.cc",
            "links/rtnl/message.cc",
            "links/rtnl/socket.cc",
            "links/traffic_control.cc",
            "links/watch.cc",
            "node/addon.cc",
            "node/async.cc",
            "node/fd_socket/bundle.cc",
            "node/fd_socket/open.cc",
            "node/fd_socket/socket.cc",
            "node/link_watch.cc",
            "node/links.cc",
            "node/namespace.cc",
            "node/open.cc",
            "node/poll/callback.cc",
            "node/poll/handle.cc",
            "node/poll/thread_loop.cc",
            "node/poll/uv_source.cc",
            "node/queue/frames.cc",
            "node/queue/holders.cc",
            "node/queue/ioctl.cc",
            "node/queue/queue.cc",
            "node/network/shaping.cc",
            "node/prebuilt.cc",
            "sys/child_namespace.cc",
            "sys/epoll/poll_thread.cc",
            "sys/freed_memory.cc",
            "sys/looked_at.cc",
            "sys/namespace_file.cc",
            "sys/net_namespace.cc",
            "sys/inside/sysctl.cc",
            "sys/unix_socket.cc",
            "sys/inside/user_namespace.cc"
          ],
          "include_dirs": [".", "<!(node -p \"require('node-addon-api').include_dir\")"],
          "defines": [
            "NAPI_VERSION=9",
            "NAPI_DISABLE_CPP_EXCEPTIONS",
            "NODE_ADDON_API_DISABLE_DEPRECATED",
            "NODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS"
          ],
          # Node would unload the addon with the last worker that uses it, and load it again for the next: it stays loaded.
          # Addresses of functions are found when it is loaded, and can then no longer be written over.
          "ldflags": ["-Wl,-z,nodelete", "-Wl,-z,relro,-z,now"],
          # The C library's checked functions: level 3 where it has that.
          "cflags_cc": [
            "-fstack-protector-strong",
            "-U_FORTIFY_SOURCE",
            "-D_FORTIFY_SOURCE=<!(${CXX:-c++} -x c++ -O2 -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3 -include features.h -E -dM /dev/null 2>/dev/null | grep -q '__USE_FORTIFY_LEVEL 3' && echo 3 || echo 2)",
            "-std=c++17", "-fno-exceptions", "-fno-rtti", "-O2", "-Wall", "-Wextra", "-Wno-unused-parameter", "-fvisibility=hidden"
          ],
          "cflags_cc!": ["-std=gnu++17", "-std=gnu++20", "-fexceptions", "-O3"]
        }]
      ]
    }
  ]
}
