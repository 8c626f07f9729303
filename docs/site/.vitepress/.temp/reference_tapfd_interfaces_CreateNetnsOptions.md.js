import { ssrRenderAttrs } from "vue/server-renderer";
import { useSSRContext } from "vue";
import { _ as _export_sfc } from "./plugin-vue_export-helper.1tPrXgE0.js";
const __pageData = JSON.parse('{"title":"CreateNetnsOptions","description":"","frontmatter":{},"headers":[],"relativePath":"reference/tapfd/interfaces/CreateNetnsOptions.md","filePath":"reference/tapfd/interfaces/CreateNetnsOptions.md"}');
const _sfc_main = { name: "reference/tapfd/interfaces/CreateNetnsOptions.md" };
function _sfc_ssrRender(_ctx, _push, _parent, _attrs, $props, $setup, $data, $options) {
  _push(`<div${ssrRenderAttrs(_attrs)}><h1 id="createnetnsoptions" tabindex="-1">CreateNetnsOptions <a class="header-anchor" href="#createnetnsoptions" aria-label="Permalink to &quot;CreateNetnsOptions&quot;">​</a></h1><p>Options of <a href="./../functions/createNetns.html">createNetns</a>.</p><h2 id="properties" tabindex="-1">Properties <a class="header-anchor" href="#properties" aria-label="Permalink to &quot;Properties&quot;">​</a></h2><h3 id="signal" tabindex="-1">signal? <a class="header-anchor" href="#signal" aria-label="Permalink to &quot;signal?&quot;">​</a></h3><div class="language-ts vp-adaptive-theme"><button title="Copy Code" class="copy"></button><span class="lang">ts</span><pre class="shiki shiki-themes github-light github-dark vp-code" tabindex="0"><code><span class="line"><span style="--shiki-light:#24292E;--shiki-dark:#E1E4E8;">signal</span><span style="--shiki-light:#D73A49;--shiki-dark:#F97583;">?:</span><span style="--shiki-light:#24292E;--shiki-dark:#E1E4E8;"> AbortSignal;</span></span></code></pre></div><p>Ends the namespace&#39;s life: an abort closes it, as <code>close()</code> does. Processes in it are not ended, and it remains as long as they do. An abort before it is made rejects with the signal&#39;s reason.</p></div>`);
}
const _sfc_setup = _sfc_main.setup;
_sfc_main.setup = (props, ctx) => {
  const ssrContext = useSSRContext();
  (ssrContext.modules || (ssrContext.modules = /* @__PURE__ */ new Set())).add("reference/tapfd/interfaces/CreateNetnsOptions.md");
  return _sfc_setup ? _sfc_setup(props, ctx) : void 0;
};
const CreateNetnsOptions = /* @__PURE__ */ _export_sfc(_sfc_main, [["ssrRender", _sfc_ssrRender]]);
export {
  __pageData,
  CreateNetnsOptions as default
};
