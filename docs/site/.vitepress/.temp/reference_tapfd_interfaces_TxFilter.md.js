import { ssrRenderAttrs } from "vue/server-renderer";
import { useSSRContext } from "vue";
import { _ as _export_sfc } from "./plugin-vue_export-helper.1tPrXgE0.js";
const __pageData = JSON.parse('{"title":"TxFilter","description":"","frontmatter":{},"headers":[],"relativePath":"reference/tapfd/interfaces/TxFilter.md","filePath":"reference/tapfd/interfaces/TxFilter.md"}');
const _sfc_main = { name: "reference/tapfd/interfaces/TxFilter.md" };
function _sfc_ssrRender(_ctx, _push, _parent, _attrs, $props, $setup, $data, $options) {
  _push(`<div${ssrRenderAttrs(_attrs)}><h1 id="txfilter" tabindex="-1">TxFilter <a class="header-anchor" href="#txfilter" aria-label="Permalink to &quot;TxFilter&quot;">​</a></h1><p>Which destinations reach the reader of a TAP.</p><h2 id="properties" tabindex="-1">Properties <a class="header-anchor" href="#properties" aria-label="Permalink to &quot;Properties&quot;">​</a></h2><h3 id="addresses" tabindex="-1">addresses <a class="header-anchor" href="#addresses" aria-label="Permalink to &quot;addresses&quot;">​</a></h3><div class="language-ts vp-adaptive-theme"><button title="Copy Code" class="copy"></button><span class="lang">ts</span><pre class="shiki shiki-themes github-light github-dark vp-code" tabindex="0"><code><span class="line"><span style="--shiki-light:#6F42C1;--shiki-dark:#B392F0;">addresses</span><span style="--shiki-light:#24292E;--shiki-dark:#E1E4E8;">: string[];</span></span></code></pre></div><p>Unicast and multicast MACs that pass; broadcast (<code>ff:ff:ff:ff:ff:ff</code>) only passes if it is listed. At most 8 unicast MACs. After the first 8 addresses, multicast MACs are kept as a hash of 64 bits, so that some unlisted ones pass, too. With an empty list everything passes.</p><hr><h3 id="allmulticast" tabindex="-1">allMulticast? <a class="header-anchor" href="#allmulticast" aria-label="Permalink to &quot;allMulticast?&quot;">​</a></h3><div class="language-ts vp-adaptive-theme"><button title="Copy Code" class="copy"></button><span class="lang">ts</span><pre class="shiki shiki-themes github-light github-dark vp-code" tabindex="0"><code><span class="line"><span style="--shiki-light:#24292E;--shiki-dark:#E1E4E8;">allMulticast</span><span style="--shiki-light:#D73A49;--shiki-dark:#F97583;">?:</span><span style="--shiki-light:#24292E;--shiki-dark:#E1E4E8;"> boolean;</span></span></code></pre></div><p>Let every multicast frame pass. Default false.</p></div>`);
}
const _sfc_setup = _sfc_main.setup;
_sfc_main.setup = (props, ctx) => {
  const ssrContext = useSSRContext();
  (ssrContext.modules || (ssrContext.modules = /* @__PURE__ */ new Set())).add("reference/tapfd/interfaces/TxFilter.md");
  return _sfc_setup ? _sfc_setup(props, ctx) : void 0;
};
const TxFilter = /* @__PURE__ */ _export_sfc(_sfc_main, [["ssrRender", _sfc_ssrRender]]);
export {
  __pageData,
  TxFilter as default
};
