import { ssrRenderAttrs } from "vue/server-renderer";
import { useSSRContext } from "vue";
import { _ as _export_sfc } from "./plugin-vue_export-helper.1tPrXgE0.js";
const __pageData = JSON.parse('{"title":"FrameStats","description":"","frontmatter":{},"headers":[],"relativePath":"reference/tapfd/interfaces/FrameStats.md","filePath":"reference/tapfd/interfaces/FrameStats.md"}');
const _sfc_main = { name: "reference/tapfd/interfaces/FrameStats.md" };
function _sfc_ssrRender(_ctx, _push, _parent, _attrs, $props, $setup, $data, $options) {
  _push(`<div${ssrRenderAttrs(_attrs)}><h1 id="framestats" tabindex="-1">FrameStats <a class="header-anchor" href="#framestats" aria-label="Permalink to &quot;FrameStats&quot;">​</a></h1><p>What has passed through a descriptor since it was opened.</p><h2 id="properties" tabindex="-1">Properties <a class="header-anchor" href="#properties" aria-label="Permalink to &quot;Properties&quot;">​</a></h2><h3 id="received" tabindex="-1">received <a class="header-anchor" href="#received" aria-label="Permalink to &quot;received&quot;">​</a></h3><div class="language-ts vp-adaptive-theme"><button title="Copy Code" class="copy"></button><span class="lang">ts</span><pre class="shiki shiki-themes github-light github-dark vp-code" tabindex="0"><code><span class="line"><span style="--shiki-light:#6F42C1;--shiki-dark:#B392F0;">received</span><span style="--shiki-light:#24292E;--shiki-dark:#E1E4E8;">: DirectionStats</span><span style="--shiki-light:#D73A49;--shiki-dark:#F97583;">&lt;</span><span style="--shiki-light:#24292E;--shiki-dark:#E1E4E8;">ReceiveDropReason</span><span style="--shiki-light:#D73A49;--shiki-dark:#F97583;">&gt;</span><span style="--shiki-light:#24292E;--shiki-dark:#E1E4E8;">;</span></span></code></pre></div><p>Frames that the kernel sent out of the interface and the stream read.</p><hr><h3 id="sent" tabindex="-1">sent <a class="header-anchor" href="#sent" aria-label="Permalink to &quot;sent&quot;">​</a></h3><div class="language-ts vp-adaptive-theme"><button title="Copy Code" class="copy"></button><span class="lang">ts</span><pre class="shiki shiki-themes github-light github-dark vp-code" tabindex="0"><code><span class="line"><span style="--shiki-light:#6F42C1;--shiki-dark:#B392F0;">sent</span><span style="--shiki-light:#24292E;--shiki-dark:#E1E4E8;">: DirectionStats</span><span style="--shiki-light:#D73A49;--shiki-dark:#F97583;">&lt;</span><span style="--shiki-light:#24292E;--shiki-dark:#E1E4E8;">SendDropReason</span><span style="--shiki-light:#D73A49;--shiki-dark:#F97583;">&gt;</span><span style="--shiki-light:#24292E;--shiki-dark:#E1E4E8;">;</span></span></code></pre></div><p>Frames that were written and that the interface received.</p></div>`);
}
const _sfc_setup = _sfc_main.setup;
_sfc_main.setup = (props, ctx) => {
  const ssrContext = useSSRContext();
  (ssrContext.modules || (ssrContext.modules = /* @__PURE__ */ new Set())).add("reference/tapfd/interfaces/FrameStats.md");
  return _sfc_setup ? _sfc_setup(props, ctx) : void 0;
};
const FrameStats = /* @__PURE__ */ _export_sfc(_sfc_main, [["ssrRender", _sfc_ssrRender]]);
export {
  __pageData,
  FrameStats as default
};
