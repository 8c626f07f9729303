import { ssrRenderAttrs } from "vue/server-renderer";
import { useSSRContext } from "vue";
import { _ as _export_sfc } from "./plugin-vue_export-helper.1tPrXgE0.js";
const __pageData = JSON.parse('{"title":"ForwardResult","description":"","frontmatter":{},"headers":[],"relativePath":"reference/tapfd/interfaces/ForwardResult.md","filePath":"reference/tapfd/interfaces/ForwardResult.md"}');
const _sfc_main = { name: "reference/tapfd/interfaces/ForwardResult.md" };
function _sfc_ssrRender(_ctx, _push, _parent, _attrs, $props, $setup, $data, $options) {
  _push(`<div${ssrRenderAttrs(_attrs)}><h1 id="forwardresult" tabindex="-1">ForwardResult <a class="header-anchor" href="#forwardresult" aria-label="Permalink to &quot;ForwardResult&quot;">​</a></h1><p>The result of <a href="./../functions/forward.html">forward</a>.</p><h2 id="properties" tabindex="-1">Properties <a class="header-anchor" href="#properties" aria-label="Permalink to &quot;Properties&quot;">​</a></h2><h3 id="frames" tabindex="-1">frames <a class="header-anchor" href="#frames" aria-label="Permalink to &quot;frames&quot;">​</a></h3><div class="language-ts vp-adaptive-theme"><button title="Copy Code" class="copy"></button><span class="lang">ts</span><pre class="shiki shiki-themes github-light github-dark vp-code" tabindex="0"><code><span class="line"><span style="--shiki-light:#6F42C1;--shiki-dark:#B392F0;">frames</span><span style="--shiki-light:#24292E;--shiki-dark:#E1E4E8;">: number;</span></span></code></pre></div><p>Frames the other device took.</p><hr><h3 id="lost" tabindex="-1">lost <a class="header-anchor" href="#lost" aria-label="Permalink to &quot;lost&quot;">​</a></h3><div class="language-ts vp-adaptive-theme"><button title="Copy Code" class="copy"></button><span class="lang">ts</span><pre class="shiki shiki-themes github-light github-dark vp-code" tabindex="0"><code><span class="line"><span style="--shiki-light:#6F42C1;--shiki-dark:#B392F0;">lost</span><span style="--shiki-light:#24292E;--shiki-dark:#E1E4E8;">: number;</span></span></code></pre></div><p>Frames that were not taken: refused, lost, or under way when the signal was aborted. The other device&#39;s <code>stats.sent.drops</code> says why, except for frames in a transform.</p></div>`);
}
const _sfc_setup = _sfc_main.setup;
_sfc_main.setup = (props, ctx) => {
  const ssrContext = useSSRContext();
  (ssrContext.modules || (ssrContext.modules = /* @__PURE__ */ new Set())).add("reference/tapfd/interfaces/ForwardResult.md");
  return _sfc_setup ? _sfc_setup(props, ctx) : void 0;
};
const ForwardResult = /* @__PURE__ */ _export_sfc(_sfc_main, [["ssrRender", _sfc_ssrRender]]);
export {
  __pageData,
  ForwardResult as default
};
