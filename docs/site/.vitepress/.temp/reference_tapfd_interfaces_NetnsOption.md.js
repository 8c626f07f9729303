import { ssrRenderAttrs } from "vue/server-renderer";
import { useSSRContext } from "vue";
import { _ as _export_sfc } from "./plugin-vue_export-helper.1tPrXgE0.js";
const __pageData = JSON.parse('{"title":"NetnsOption","description":"","frontmatter":{},"headers":[],"relativePath":"reference/tapfd/interfaces/NetnsOption.md","filePath":"reference/tapfd/interfaces/NetnsOption.md"}');
const _sfc_main = { name: "reference/tapfd/interfaces/NetnsOption.md" };
function _sfc_ssrRender(_ctx, _push, _parent, _attrs, $props, $setup, $data, $options) {
  _push(`<div${ssrRenderAttrs(_attrs)}><h1 id="netnsoption" tabindex="-1">NetnsOption <a class="header-anchor" href="#netnsoption" aria-label="Permalink to &quot;NetnsOption&quot;">​</a></h1><p>The namespace in which a function of <a href="./../namespaces/links/">links</a> works.</p><h2 id="extended-by" tabindex="-1">Extended by <a class="header-anchor" href="#extended-by" aria-label="Permalink to &quot;Extended by&quot;">​</a></h2><ul><li><a href="./ListOptions.html"><code>ListOptions</code></a></li><li><a href="./LinkChanges.html"><code>LinkChanges</code></a></li></ul><h2 id="properties" tabindex="-1">Properties <a class="header-anchor" href="#properties" aria-label="Permalink to &quot;Properties&quot;">​</a></h2><h3 id="netns" tabindex="-1">netns? <a class="header-anchor" href="#netns" aria-label="Permalink to &quot;netns?&quot;">​</a></h3><div class="language-ts vp-adaptive-theme"><button title="Copy Code" class="copy"></button><span class="lang">ts</span><pre class="shiki shiki-themes github-light github-dark vp-code" tabindex="0"><code><span class="line"><span style="--shiki-light:#24292E;--shiki-dark:#E1E4E8;">netns</span><span style="--shiki-light:#D73A49;--shiki-dark:#F97583;">?:</span><span style="--shiki-light:#24292E;--shiki-dark:#E1E4E8;"> NetnsLike;</span></span></code></pre></div><p>Default: the namespace of the calling thread. Entering another one needs CAP_SYS_ADMIN.</p></div>`);
}
const _sfc_setup = _sfc_main.setup;
_sfc_main.setup = (props, ctx) => {
  const ssrContext = useSSRContext();
  (ssrContext.modules || (ssrContext.modules = /* @__PURE__ */ new Set())).add("reference/tapfd/interfaces/NetnsOption.md");
  return _sfc_setup ? _sfc_setup(props, ctx) : void 0;
};
const NetnsOption = /* @__PURE__ */ _export_sfc(_sfc_main, [["ssrRender", _sfc_ssrRender]]);
export {
  __pageData,
  NetnsOption as default
};
