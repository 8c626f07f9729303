import { ssrRenderAttrs } from "vue/server-renderer";
import { useSSRContext } from "vue";
import { _ as _export_sfc } from "./plugin-vue_export-helper.1tPrXgE0.js";
const __pageData = JSON.parse('{"title":"tapfd/capture","description":"","frontmatter":{},"headers":[],"relativePath":"reference/tapfd/capture/index.md","filePath":"reference/tapfd/capture/index.md"}');
const _sfc_main = { name: "reference/tapfd/capture/index.md" };
function _sfc_ssrRender(_ctx, _push, _parent, _attrs, $props, $setup, $data, $options) {
  _push(`<div${ssrRenderAttrs(_attrs)}><h1 id="tapfdcapture" tabindex="-1">tapfd/capture <a class="header-anchor" href="#tapfdcapture" aria-label="Permalink to &quot;tapfd/capture&quot;">​</a></h1><p>src/capture/: the entry tapfd/capture: frames in pcapng files. On top of devices.</p></div>`);
}
const _sfc_setup = _sfc_main.setup;
_sfc_main.setup = (props, ctx) => {
  const ssrContext = useSSRContext();
  (ssrContext.modules || (ssrContext.modules = /* @__PURE__ */ new Set())).add("reference/tapfd/capture/index.md");
  return _sfc_setup ? _sfc_setup(props, ctx) : void 0;
};
const index = /* @__PURE__ */ _export_sfc(_sfc_main, [["ssrRender", _sfc_ssrRender]]);
export {
  __pageData,
  index as default
};
