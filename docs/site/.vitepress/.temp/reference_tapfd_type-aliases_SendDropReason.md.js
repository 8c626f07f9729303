import { ssrRenderAttrs } from "vue/server-renderer";
import { useSSRContext } from "vue";
import { _ as _export_sfc } from "./plugin-vue_export-helper.1tPrXgE0.js";
const __pageData = JSON.parse('{"title":"SendDropReason","description":"","frontmatter":{},"headers":[],"relativePath":"reference/tapfd/type-aliases/SendDropReason.md","filePath":"reference/tapfd/type-aliases/SendDropReason.md"}');
const _sfc_main = { name: "reference/tapfd/type-aliases/SendDropReason.md" };
function _sfc_ssrRender(_ctx, _push, _parent, _attrs, $props, $setup, $data, $options) {
  _push(`<div${ssrRenderAttrs(_attrs)}><h1 id="senddropreason" tabindex="-1">SendDropReason <a class="header-anchor" href="#senddropreason" aria-label="Permalink to &quot;SendDropReason&quot;">​</a></h1><div class="language-ts vp-adaptive-theme"><button title="Copy Code" class="copy"></button><span class="lang">ts</span><pre class="shiki shiki-themes github-light github-dark vp-code" tabindex="0"><code><span class="line"><span style="--shiki-light:#D73A49;--shiki-dark:#F97583;">type</span><span style="--shiki-light:#6F42C1;--shiki-dark:#B392F0;"> SendDropReason</span><span style="--shiki-light:#D73A49;--shiki-dark:#F97583;"> =</span><span style="--shiki-light:#24292E;--shiki-dark:#E1E4E8;"> </span></span>
<span class="line"><span style="--shiki-light:#D73A49;--shiki-dark:#F97583;">  |</span><span style="--shiki-light:#032F62;--shiki-dark:#9ECBFF;"> &quot;too-short&quot;</span></span>
<span class="line"><span style="--shiki-light:#D73A49;--shiki-dark:#F97583;">  |</span><span style="--shiki-light:#032F62;--shiki-dark:#9ECBFF;"> &quot;too-long&quot;</span></span>
<span class="line"><span style="--shiki-light:#D73A49;--shiki-dark:#F97583;">  |</span><span style="--shiki-light:#032F62;--shiki-dark:#9ECBFF;"> &quot;invalid&quot;</span></span>
<span class="line"><span style="--shiki-light:#D73A49;--shiki-dark:#F97583;">  |</span><span style="--shiki-light:#032F62;--shiki-dark:#9ECBFF;"> &quot;source-mac&quot;</span></span>
<span class="line"><span style="--shiki-light:#D73A49;--shiki-dark:#F97583;">  |</span><span style="--shiki-light:#032F62;--shiki-dark:#9ECBFF;"> &quot;link-down&quot;</span></span>
<span class="line"><span style="--shiki-light:#D73A49;--shiki-dark:#F97583;">  |</span><span style="--shiki-light:#032F62;--shiki-dark:#9ECBFF;"> &quot;no-buffer&quot;</span></span>
<span class="line"><span style="--shiki-light:#D73A49;--shiki-dark:#F97583;">  |</span><span style="--shiki-light:#032F62;--shiki-dark:#9ECBFF;"> &quot;detached&quot;</span></span>
<span class="line"><span style="--shiki-light:#D73A49;--shiki-dark:#F97583;">  |</span><span style="--shiki-light:#032F62;--shiki-dark:#9ECBFF;"> &quot;ended&quot;</span></span>
<span class="line"><span style="--shiki-light:#D73A49;--shiki-dark:#F97583;">  |</span><span style="--shiki-light:#032F62;--shiki-dark:#9ECBFF;"> &quot;kernel&quot;</span><span style="--shiki-light:#24292E;--shiki-dark:#E1E4E8;">;</span></span></code></pre></div><p>Why a written frame was not sent.</p><ul><li><code>too-short</code>: shorter than its headers (14 bytes for Ethernet).</li><li><code>too-long</code>: over the MTU plus headers, or more than the driver takes (with <code>napi: &#39;frags&#39;</code>, 65471 bytes).</li><li><code>invalid</code>: a TUN packet of a version other than 4 and 6 or of another length than its own header says, or a vnet header that the kernel refuses.</li><li><code>source-mac</code>: a macvtap frame whose source MAC is not the link&#39;s.</li><li><code>link-down</code>: the interface is not up, so frames are dropped, as a network card does.</li><li><code>no-buffer</code>: the kernel had no memory for it.</li><li><code>detached</code>: the queue is detached and the device works with NAPI.</li><li><code>ended</code>: written after <code>end()</code>, or not sent before a hand-off, the end of the device, or the end of the <code>forward()</code> that wrote it.</li><li><code>kernel</code>: the kernel refused it for another reason, which is the <code>code</code> of the error.</li></ul></div>`);
}
const _sfc_setup = _sfc_main.setup;
_sfc_main.setup = (props, ctx) => {
  const ssrContext = useSSRContext();
  (ssrContext.modules || (ssrContext.modules = /* @__PURE__ */ new Set())).add("reference/tapfd/type-aliases/SendDropReason.md");
  return _sfc_setup ? _sfc_setup(props, ctx) : void 0;
};
const SendDropReason = /* @__PURE__ */ _export_sfc(_sfc_main, [["ssrRender", _sfc_ssrRender]]);
export {
  __pageData,
  SendDropReason as default
};
