import { ssrRenderAttrs } from "vue/server-renderer";
import { useSSRContext } from "vue";
import { _ as _export_sfc } from "./plugin-vue_export-helper.1tPrXgE0.js";
const __pageData = JSON.parse('{"title":"FramingOptions","description":"","frontmatter":{},"headers":[],"relativePath":"reference/tapfd/interfaces/FramingOptions.md","filePath":"reference/tapfd/interfaces/FramingOptions.md"}');
const _sfc_main = { name: "reference/tapfd/interfaces/FramingOptions.md" };
function _sfc_ssrRender(_ctx, _push, _parent, _attrs, $props, $setup, $data, $options) {
  _push(`<div${ssrRenderAttrs(_attrs)}><h1 id="framingoptions" tabindex="-1">FramingOptions <a class="header-anchor" href="#framingoptions" aria-label="Permalink to &quot;FramingOptions&quot;">​</a></h1><p>Options of <a href="./../classes/FrameEncoder.html">FrameEncoder</a> and <a href="./../classes/FrameDecoder.html">FrameDecoder</a>.</p><h2 id="properties" tabindex="-1">Properties <a class="header-anchor" href="#properties" aria-label="Permalink to &quot;Properties&quot;">​</a></h2><h3 id="maxframebytes" tabindex="-1">maxFrameBytes? <a class="header-anchor" href="#maxframebytes" aria-label="Permalink to &quot;maxFrameBytes?&quot;">​</a></h3><div class="language-ts vp-adaptive-theme"><button title="Copy Code" class="copy"></button><span class="lang">ts</span><pre class="shiki shiki-themes github-light github-dark vp-code" tabindex="0"><code><span class="line"><span style="--shiki-light:#24292E;--shiki-dark:#E1E4E8;">maxFrameBytes</span><span style="--shiki-light:#D73A49;--shiki-dark:#F97583;">?:</span><span style="--shiki-light:#24292E;--shiki-dark:#E1E4E8;"> number;</span></span></code></pre></div><p>Bytes of the longest frame. For a decoder this is the memory that the peer can make it hold. Default 67584, more than any frame of a device.</p></div>`);
}
const _sfc_setup = _sfc_main.setup;
_sfc_main.setup = (props, ctx) => {
  const ssrContext = useSSRContext();
  (ssrContext.modules || (ssrContext.modules = /* @__PURE__ */ new Set())).add("reference/tapfd/interfaces/FramingOptions.md");
  return _sfc_setup ? _sfc_setup(props, ctx) : void 0;
};
const FramingOptions = /* @__PURE__ */ _export_sfc(_sfc_main, [["ssrRender", _sfc_ssrRender]]);
export {
  __pageData,
  FramingOptions as default
};
