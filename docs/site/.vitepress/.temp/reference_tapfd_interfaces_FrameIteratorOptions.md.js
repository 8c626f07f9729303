import { ssrRenderAttrs } from "vue/server-renderer";
import { useSSRContext } from "vue";
import { _ as _export_sfc } from "./plugin-vue_export-helper.1tPrXgE0.js";
const __pageData = JSON.parse('{"title":"FrameIteratorOptions","description":"","frontmatter":{},"headers":[],"relativePath":"reference/tapfd/interfaces/FrameIteratorOptions.md","filePath":"reference/tapfd/interfaces/FrameIteratorOptions.md"}');
const _sfc_main = { name: "reference/tapfd/interfaces/FrameIteratorOptions.md" };
function _sfc_ssrRender(_ctx, _push, _parent, _attrs, $props, $setup, $data, $options) {
  _push(`<div${ssrRenderAttrs(_attrs)}><h1 id="frameiteratoroptions" tabindex="-1">FrameIteratorOptions <a class="header-anchor" href="#frameiteratoroptions" aria-label="Permalink to &quot;FrameIteratorOptions&quot;">​</a></h1><p>As <code>Readable.iterator()</code> has them.</p><h2 id="properties" tabindex="-1">Properties <a class="header-anchor" href="#properties" aria-label="Permalink to &quot;Properties&quot;">​</a></h2><h3 id="destroyonreturn" tabindex="-1">destroyOnReturn? <a class="header-anchor" href="#destroyonreturn" aria-label="Permalink to &quot;destroyOnReturn?&quot;">​</a></h3><div class="language-ts vp-adaptive-theme"><button title="Copy Code" class="copy"></button><span class="lang">ts</span><pre class="shiki shiki-themes github-light github-dark vp-code" tabindex="0"><code><span class="line"><span style="--shiki-light:#24292E;--shiki-dark:#E1E4E8;">destroyOnReturn</span><span style="--shiki-light:#D73A49;--shiki-dark:#F97583;">?:</span><span style="--shiki-light:#24292E;--shiki-dark:#E1E4E8;"> boolean;</span></span></code></pre></div><p>False: leaving the loop does not destroy the stream, and its reading resumes. Default true.</p></div>`);
}
const _sfc_setup = _sfc_main.setup;
_sfc_main.setup = (props, ctx) => {
  const ssrContext = useSSRContext();
  (ssrContext.modules || (ssrContext.modules = /* @__PURE__ */ new Set())).add("reference/tapfd/interfaces/FrameIteratorOptions.md");
  return _sfc_setup ? _sfc_setup(props, ctx) : void 0;
};
const FrameIteratorOptions = /* @__PURE__ */ _export_sfc(_sfc_main, [["ssrRender", _sfc_ssrRender]]);
export {
  __pageData,
  FrameIteratorOptions as default
};
