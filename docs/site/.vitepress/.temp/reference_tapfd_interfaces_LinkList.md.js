import { ssrRenderAttrs } from "vue/server-renderer";
import { useSSRContext } from "vue";
import { _ as _export_sfc } from "./plugin-vue_export-helper.1tPrXgE0.js";
const __pageData = JSON.parse('{"title":"LinkList","description":"","frontmatter":{},"headers":[],"relativePath":"reference/tapfd/interfaces/LinkList.md","filePath":"reference/tapfd/interfaces/LinkList.md"}');
const _sfc_main = { name: "reference/tapfd/interfaces/LinkList.md" };
function _sfc_ssrRender(_ctx, _push, _parent, _attrs, $props, $setup, $data, $options) {
  _push(`<div${ssrRenderAttrs(_attrs)}><h1 id="linklist" tabindex="-1">LinkList <a class="header-anchor" href="#linklist" aria-label="Permalink to &quot;LinkList&quot;">​</a></h1><p>What <code>links.list</code> returns: an array with a property of its own, which is not enumerable.</p><h2 id="extends" tabindex="-1">Extends <a class="header-anchor" href="#extends" aria-label="Permalink to &quot;Extends&quot;">​</a></h2><ul><li><code>Array</code>&lt;<a href="./Link.html"><code>Link</code></a>&gt;</li></ul><h2 id="indexable" tabindex="-1">Indexable <a class="header-anchor" href="#indexable" aria-label="Permalink to &quot;Indexable&quot;">​</a></h2><div class="language-ts vp-adaptive-theme"><button title="Copy Code" class="copy"></button><span class="lang">ts</span><pre class="shiki shiki-themes github-light github-dark vp-code" tabindex="0"><code><span class="line"><span style="--shiki-light:#24292E;--shiki-dark:#E1E4E8;">[n: number]: Link</span></span></code></pre></div><h2 id="properties" tabindex="-1">Properties <a class="header-anchor" href="#properties" aria-label="Permalink to &quot;Properties&quot;">​</a></h2><h3 id="consistent" tabindex="-1">consistent <a class="header-anchor" href="#consistent" aria-label="Permalink to &quot;consistent&quot;">​</a></h3><div class="language-ts vp-adaptive-theme"><button title="Copy Code" class="copy"></button><span class="lang">ts</span><pre class="shiki shiki-themes github-light github-dark vp-code" tabindex="0"><code><span class="line"><span style="--shiki-light:#24292E;--shiki-dark:#E1E4E8;">readonly </span><span style="--shiki-light:#6F42C1;--shiki-dark:#B392F0;">consistent</span><span style="--shiki-light:#24292E;--shiki-dark:#E1E4E8;">: boolean;</span></span></code></pre></div><p>False if links came or went while the kernel wrote the list, at each attempt: one that did so may be in it or not, and on kernels before 6.10 another may be missing. To be sure of one link, ask for it: <code>links.get</code>.</p></div>`);
}
const _sfc_setup = _sfc_main.setup;
_sfc_main.setup = (props, ctx) => {
  const ssrContext = useSSRContext();
  (ssrContext.modules || (ssrContext.modules = /* @__PURE__ */ new Set())).add("reference/tapfd/interfaces/LinkList.md");
  return _sfc_setup ? _sfc_setup(props, ctx) : void 0;
};
const LinkList = /* @__PURE__ */ _export_sfc(_sfc_main, [["ssrRender", _sfc_ssrRender]]);
export {
  __pageData,
  LinkList as default
};
