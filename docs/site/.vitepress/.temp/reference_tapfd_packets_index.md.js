import { ssrRenderAttrs } from "vue/server-renderer";
import { useSSRContext } from "vue";
import { _ as _export_sfc } from "./plugin-vue_export-helper.1tPrXgE0.js";
const __pageData = JSON.parse('{"title":"tapfd/packets","description":"","frontmatter":{},"headers":[],"relativePath":"reference/tapfd/packets/index.md","filePath":"reference/tapfd/packets/index.md"}');
const _sfc_main = { name: "reference/tapfd/packets/index.md" };
function _sfc_ssrRender(_ctx, _push, _parent, _attrs, $props, $setup, $data, $options) {
  _push(`<div${ssrRenderAttrs(_attrs)}><h1 id="tapfdpackets" tabindex="-1">tapfd/packets <a class="header-anchor" href="#tapfdpackets" aria-label="Permalink to &quot;tapfd/packets&quot;">​</a></h1><p>src/packets/: the entry tapfd/packets: headers of frames, read and written. On top of base.</p></div>`);
}
const _sfc_setup = _sfc_main.setup;
_sfc_main.setup = (props, ctx) => {
  const ssrContext = useSSRContext();
  (ssrContext.modules || (ssrContext.modules = /* @__PURE__ */ new Set())).add("reference/tapfd/packets/index.md");
  return _sfc_setup ? _sfc_setup(props, ctx) : void 0;
};
const index = /* @__PURE__ */ _export_sfc(_sfc_main, [["ssrRender", _sfc_ssrRender]]);
export {
  __pageData,
  index as default
};
