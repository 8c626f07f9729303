import { ssrRenderAttrs } from "vue/server-renderer";
import { useSSRContext } from "vue";
import { _ as _export_sfc } from "./plugin-vue_export-helper.1tPrXgE0.js";
const __pageData = JSON.parse('{"title":"RandomMacOptions","description":"","frontmatter":{},"headers":[],"relativePath":"reference/tapfd/interfaces/RandomMacOptions.md","filePath":"reference/tapfd/interfaces/RandomMacOptions.md"}');
const _sfc_main = { name: "reference/tapfd/interfaces/RandomMacOptions.md" };
function _sfc_ssrRender(_ctx, _push, _parent, _attrs, $props, $setup, $data, $options) {
  _push(`<div${ssrRenderAttrs(_attrs)}><h1 id="randommacoptions" tabindex="-1">RandomMacOptions <a class="header-anchor" href="#randommacoptions" aria-label="Permalink to &quot;RandomMacOptions&quot;">​</a></h1><p>Options of <a href="./../functions/randomMac.html">randomMac</a>.</p><h2 id="properties" tabindex="-1">Properties <a class="header-anchor" href="#properties" aria-label="Permalink to &quot;Properties&quot;">​</a></h2><h3 id="prefix" tabindex="-1">prefix? <a class="header-anchor" href="#prefix" aria-label="Permalink to &quot;prefix?&quot;">​</a></h3><div class="language-ts vp-adaptive-theme"><button title="Copy Code" class="copy"></button><span class="lang">ts</span><pre class="shiki shiki-themes github-light github-dark vp-code" tabindex="0"><code><span class="line"><span style="--shiki-light:#24292E;--shiki-dark:#E1E4E8;">prefix</span><span style="--shiki-light:#D73A49;--shiki-dark:#F97583;">?:</span><span style="--shiki-light:#24292E;--shiki-dark:#E1E4E8;"> string;</span></span></code></pre></div><p>The first 1 to 5 bytes, such as <code>&#39;52:54:00&#39;</code>, which QEMU and libvirt use; must not be multicast. Default: none, 46 random bits. With only the 24 random bits after <code>52:54:00</code>, two of 600 guests have the same MAC in one network of a hundred.</p></div>`);
}
const _sfc_setup = _sfc_main.setup;
_sfc_main.setup = (props, ctx) => {
  const ssrContext = useSSRContext();
  (ssrContext.modules || (ssrContext.modules = /* @__PURE__ */ new Set())).add("reference/tapfd/interfaces/RandomMacOptions.md");
  return _sfc_setup ? _sfc_setup(props, ctx) : void 0;
};
const RandomMacOptions = /* @__PURE__ */ _export_sfc(_sfc_main, [["ssrRender", _sfc_ssrRender]]);
export {
  __pageData,
  RandomMacOptions as default
};
