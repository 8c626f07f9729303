import { ssrRenderAttrs } from "vue/server-renderer";
import { useSSRContext } from "vue";
import { _ as _export_sfc } from "./plugin-vue_export-helper.1tPrXgE0.js";
const __pageData = JSON.parse('{"title":"ReceiveDropReason","description":"","frontmatter":{},"headers":[],"relativePath":"reference/tapfd/type-aliases/ReceiveDropReason.md","filePath":"reference/tapfd/type-aliases/ReceiveDropReason.md"}');
const _sfc_main = { name: "reference/tapfd/type-aliases/ReceiveDropReason.md" };
function _sfc_ssrRender(_ctx, _push, _parent, _attrs, $props, $setup, $data, $options) {
  _push(`<div${ssrRenderAttrs(_attrs)}><h1 id="receivedropreason" tabindex="-1">ReceiveDropReason <a class="header-anchor" href="#receivedropreason" aria-label="Permalink to &quot;ReceiveDropReason&quot;">​</a></h1><div class="language-ts vp-adaptive-theme"><button title="Copy Code" class="copy"></button><span class="lang">ts</span><pre class="shiki shiki-themes github-light github-dark vp-code" tabindex="0"><code><span class="line"><span style="--shiki-light:#D73A49;--shiki-dark:#F97583;">type</span><span style="--shiki-light:#6F42C1;--shiki-dark:#B392F0;"> ReceiveDropReason</span><span style="--shiki-light:#D73A49;--shiki-dark:#F97583;"> =</span><span style="--shiki-light:#032F62;--shiki-dark:#9ECBFF;"> &quot;kernel&quot;</span><span style="--shiki-light:#D73A49;--shiki-dark:#F97583;"> |</span><span style="--shiki-light:#032F62;--shiki-dark:#9ECBFF;"> &quot;malformed&quot;</span><span style="--shiki-light:#D73A49;--shiki-dark:#F97583;"> |</span><span style="--shiki-light:#032F62;--shiki-dark:#9ECBFF;"> &quot;unreadable&quot;</span><span style="--shiki-light:#24292E;--shiki-dark:#E1E4E8;">;</span></span></code></pre></div><p>Why a received frame was lost.</p><ul><li><code>kernel</code>: the kernel dropped it before it reached the descriptor, because the queue was full or a filter program refused it. Counted for all queues of the device together. A super-frame counts once, however many frames it would have become.</li><li><code>malformed</code>: with <code>segment</code>, a super-frame with wrong headers or a wrong vnet header. It counts once.</li><li><code>unreadable</code>: the kernel took it from the queue and then failed to pass it on, as it does (EINVAL) with a super-frame that no vnet header can describe.</li></ul></div>`);
}
const _sfc_setup = _sfc_main.setup;
_sfc_main.setup = (props, ctx) => {
  const ssrContext = useSSRContext();
  (ssrContext.modules || (ssrContext.modules = /* @__PURE__ */ new Set())).add("reference/tapfd/type-aliases/ReceiveDropReason.md");
  return _sfc_setup ? _sfc_setup(props, ctx) : void 0;
};
const ReceiveDropReason = /* @__PURE__ */ _export_sfc(_sfc_main, [["ssrRender", _sfc_ssrRender]]);
export {
  __pageData,
  ReceiveDropReason as default
};
