import { ssrRenderAttrs } from "vue/server-renderer";
import { useSSRContext } from "vue";
import { _ as _export_sfc } from "./plugin-vue_export-helper.1tPrXgE0.js";
const __pageData = JSON.parse('{"title":"GuestMacOptions","description":"","frontmatter":{},"headers":[],"relativePath":"reference/tapfd/interfaces/GuestMacOptions.md","filePath":"reference/tapfd/interfaces/GuestMacOptions.md"}');
const _sfc_main = { name: "reference/tapfd/interfaces/GuestMacOptions.md" };
function _sfc_ssrRender(_ctx, _push, _parent, _attrs, $props, $setup, $data, $options) {
  _push(`<div${ssrRenderAttrs(_attrs)}><h1 id="guestmacoptions" tabindex="-1">GuestMacOptions <a class="header-anchor" href="#guestmacoptions" aria-label="Permalink to &quot;GuestMacOptions&quot;">​</a></h1><p>Options about the MACs of a macvtap.</p><h2 id="extended-by" tabindex="-1">Extended by <a class="header-anchor" href="#extended-by" aria-label="Permalink to &quot;Extended by&quot;">​</a></h2><ul><li><a href="./AdoptOptions.html"><code>AdoptOptions</code></a></li><li><a href="./MacvtapOptions.html"><code>MacvtapOptions</code></a></li></ul><h2 id="properties" tabindex="-1">Properties <a class="header-anchor" href="#properties" aria-label="Permalink to &quot;Properties&quot;">​</a></h2><h3 id="guestmac" tabindex="-1">guestMac? <a class="header-anchor" href="#guestmac" aria-label="Permalink to &quot;guestMac?&quot;">​</a></h3><div class="language-ts vp-adaptive-theme"><button title="Copy Code" class="copy"></button><span class="lang">ts</span><pre class="shiki shiki-themes github-light github-dark vp-code" tabindex="0"><code><span class="line"><span style="--shiki-light:#24292E;--shiki-dark:#E1E4E8;">guestMac</span><span style="--shiki-light:#D73A49;--shiki-dark:#F97583;">?:</span><span style="--shiki-light:#24292E;--shiki-dark:#E1E4E8;"> string;</span></span></code></pre></div><p>MAC of the guest behind the descriptor. It must be the link&#39;s, or the open fails with <code>ERR_TAPFD_MAC_MISMATCH</code>. With <code>lower</code> and without <code>mac</code>, the link gets it.</p><hr><h3 id="maccheck" tabindex="-1">macCheck? <a class="header-anchor" href="#maccheck" aria-label="Permalink to &quot;macCheck?&quot;">​</a></h3><div class="language-ts vp-adaptive-theme"><button title="Copy Code" class="copy"></button><span class="lang">ts</span><pre class="shiki shiki-themes github-light github-dark vp-code" tabindex="0"><code><span class="line"><span style="--shiki-light:#24292E;--shiki-dark:#E1E4E8;">macCheck</span><span style="--shiki-light:#D73A49;--shiki-dark:#F97583;">?:</span><span style="--shiki-light:#24292E;--shiki-dark:#E1E4E8;"> MacCheck;</span></span></code></pre></div><p>What happens to written frames with another source MAC: refuse, drop and count, or send them. Default <code>&#39;error&#39;</code>.</p></div>`);
}
const _sfc_setup = _sfc_main.setup;
_sfc_main.setup = (props, ctx) => {
  const ssrContext = useSSRContext();
  (ssrContext.modules || (ssrContext.modules = /* @__PURE__ */ new Set())).add("reference/tapfd/interfaces/GuestMacOptions.md");
  return _sfc_setup ? _sfc_setup(props, ctx) : void 0;
};
const GuestMacOptions = /* @__PURE__ */ _export_sfc(_sfc_main, [["ssrRender", _sfc_ssrRender]]);
export {
  __pageData,
  GuestMacOptions as default
};
