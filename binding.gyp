{
  "targets": [
    {
      "target_name": "tapfd",
      "conditions": [
        ["OS=='linux'", {
          "sources": [
            "native/addon.cc",
            "native/adopt_fd.cc",
            "native/bind_async.cc",
            "native/bind_fd_socket.cc",
            "native/bind_link_watch.cc",
            "native/bind_links.cc",
            "native/bind_namespace.cc",
            "native/bind_open.cc",
            "native/bind_queue.cc",
            "native/bind_queue_frames.cc",
            "native/bind_queue_ioctl.cc",
            "native/bind_queue_holders.cc",
            "native/frame_io.cc",
            "native/freed_memory.cc",
            "native/macvtap_node.cc",
            "native/namespace_file.cc",
            "native/net_namespace.cc",
            "native/open_macvtap.cc",
            "native/open_tap.cc",
            "native/queue_holders.cc",
            "native/rtnl_address.cc",
            "native/rtnl_create_link.cc",
            "native/rtnl_link.cc",
            "native/rtnl_link_from_message.cc",
            "native/rtnl_link_request.cc",
            "native/rtnl_message.cc",
            "native/rtnl_socket.cc",
            "native/rtnl_watch.cc",
            "native/checksum.cc",
            "native/coalesce.cc",
            "native/segment.cc",
            "native/segment_io.cc",
            "native/tun_ioctl.cc",
            "native/unix_socket.cc"
          ],
          "include_dirs": ["<!(node -p \"require('node-addon-api').include_dir\")"],
          "defines": [
            "NAPI_VERSION=9",
            "NAPI_DISABLE_CPP_EXCEPTIONS",
            "NODE_ADDON_API_DISABLE_DEPRECATED",
            "NODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS"
          ],
          # Node unloads an addon with the last worker that has it; threads that close forgotten descriptors may still run.
          "ldflags": ["-Wl,-z,nodelete"],
          "cflags_cc": ["-std=c++17", "-fno-exceptions", "-fno-rtti", "-O2", "-Wall", "-Wextra", "-Wno-unused-parameter", "-fvisibility=hidden"],
          "cflags_cc!": ["-std=gnu++17", "-std=gnu++20", "-fexceptions", "-O3"]
        }]
      ]
    }
  ]
}
