import { ssrRenderAttrs } from "vue/server-renderer";
import { useSSRContext } from "vue";
import { _ as _export_sfc } from "./plugin-vue_export-helper.1tPrXgE0.js";
const __pageData = JSON.parse('{"title":"QmpBytes","description":"","frontmatter":{},"headers":[],"relativePath":"reference/tapfd/qemu/interfaces/QmpBytes.md","filePath":"reference/tapfd/qemu/interfaces/QmpBytes.md"}');
const _sfc_main = { name: "reference/tapfd/qemu/interfaces/QmpBytes.md" };
function _sfc_ssrRender(_ctx, _push, _parent, _attrs, $props, $setup, $data, $options) {
  _push(`<div${ssrRenderAttrs(_attrs)}><h1 id="qmpbytes" tabindex="-1">QmpBytes <a class="header-anchor" href="#qmpbytes" aria-label="Permalink to &quot;QmpBytes&quot;">​</a></h1><p>What arrives together.</p><h2 id="properties" tabindex="-1">Properties <a class="header-anchor" href="#properties" aria-label="Permalink to &quot;Properties&quot;">​</a></h2><h3 id="data" tabindex="-1">data <a class="header-anchor" href="#data" aria-label="Permalink to &quot;data&quot;">​</a></h3><div class="language-ts vp-adaptive-theme"><button title="Copy Code" class="copy"></button><span class="lang">ts</span><pre class="shiki shiki-themes github-light github-dark vp-code" tabindex="0"><code><span class="line"><span style="--shiki-light:#24292E;--shiki-dark:#E1E4E8;">readonly </span><span style="--shiki-light:#6F42C1;--shiki-dark:#B392F0;">data</span><span style="--shiki-light:#24292E;--shiki-dark:#E1E4E8;">: Uint8Array;</span></span></code></pre></div><p>Some bytes, cut anywhere.</p></div>`);
}
const _sfc_setup = _sfc_main.setup;
_sfc_main.setup = (props, ctx) => {
  const ssrContext = useSSRContext();
  (ssrContext.modules || (ssrContext.modules = /* @__PURE__ */ new Set())).add("reference/tapfd/qemu/interfaces/QmpBytes.md");
  return _sfc_setup ? _sfc_setup(props, ctx) : void 0;
};
const QmpBytes = /* @__PURE__ */ _export_sfc(_sfc_main, [["ssrRender", _sfc_ssrRender]]);
export {
  __pageData,
  QmpBytes as default
};
