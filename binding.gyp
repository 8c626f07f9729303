{
  "targets": [
    {
      "target_name": "tapfd",
      "conditions": [
        ["OS=='linux'", {
          "sources": [
            "native/devices/adopt_fd.cc",
            "native/devices/link/offload.cc",
            "native/devices/link/settings.cc",
            "native/devices/living_device.cc",
            "native/devices/macvtap_node.cc",
            "native/devices/open_macvtap.cc",
            "native/devices/open_tap.cc",
            "native/devices/queue_holders.cc",
            "native/devices/tun_ioctl.cc",
            "native/frames/candidate.cc",
            "native/frames/checksum.cc",
            "native/frames/coalesce.cc",
            "native/frames/io.cc",
            "native/frames/segment.cc",
            "native/frames/segment_io.cc",
            "native/links/address.cc",
            "native/links/create_link.cc",
            "native/links/link.cc",
            "native/links/link_from_message.cc",
            "native/links/link_request.cc",
            "native/links/rtnl/message.cc",
            "native/links/rtnl/socket.cc",
            "native/links/watch.cc",
            "native/node/addon.cc",
            "native/node/async.cc",
            "native/node/fd_socket/bundle.cc",
            "native/node/fd_socket/open.cc",
            "native/node/fd_socket/socket.cc",
            "native/node/link_watch.cc",
            "native/node/links.cc",
            "native/node/namespace.cc",
            "native/node/open.cc",
            "native/node/poll_handle.cc",
            "native/node/queue/frames.cc",
            "native/node/queue/holders.cc",
            "native/node/queue/ioctl.cc",
            "native/node/queue/queue.cc",
            "native/sys/child_namespace.cc",
            "native/sys/freed_memory.cc",
            "native/sys/looked_at.cc",
            "native/sys/namespace_file.cc",
            "native/sys/net_namespace.cc",
            "native/sys/unix_socket.cc"
          ],
          "include_dirs": ["native", "<!(node -p \"require('node-addon-api').include_dir\")"],
          "defines": [
            "NAPI_VERSION=9",
            "NAPI_DISABLE_CPP_EXCEPTIONS",
            "NODE_ADDON_API_DISABLE_DEPRECATED",
            "NODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS"
          ],
          # Node would unload the addon with the last worker that uses it, and load it again for the next: it stays loaded.
          "ldflags": ["-Wl,-z,nodelete"],
          "cflags_cc": ["-std=c++17", "-fno-exceptions", "-fno-rtti", "-O2", "-Wall", "-Wextra", "-Wno-unused-parameter", "-fvisibility=hidden"],
          "cflags_cc!": ["-std=gnu++17", "-std=gnu++20", "-fexceptions", "-O3"]
        }]
      ]
    }
  ]
}
