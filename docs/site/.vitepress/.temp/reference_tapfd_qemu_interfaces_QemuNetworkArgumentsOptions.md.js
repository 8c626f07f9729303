import { ssrRenderAttrs } from "vue/server-renderer";
import { useSSRContext } from "vue";
import { _ as _export_sfc } from "./plugin-vue_export-helper.1tPrXgE0.js";
const __pageData = JSON.parse('{"title":"QemuNetworkArgumentsOptions","description":"","frontmatter":{},"headers":[],"relativePath":"reference/tapfd/qemu/interfaces/QemuNetworkArgumentsOptions.md","filePath":"reference/tapfd/qemu/interfaces/QemuNetworkArgumentsOptions.md"}');
const _sfc_main = { name: "reference/tapfd/qemu/interfaces/QemuNetworkArgumentsOptions.md" };
function _sfc_ssrRender(_ctx, _push, _parent, _attrs, $props, $setup, $data, $options) {
  _push(`<div${ssrRenderAttrs(_attrs)}><h1 id="qemunetworkargumentsoptions" tabindex="-1">QemuNetworkArgumentsOptions <a class="header-anchor" href="#qemunetworkargumentsoptions" aria-label="Permalink to &quot;QemuNetworkArgumentsOptions&quot;">​</a></h1><p>Options of <a href="./../functions/qemuNetworkArguments.html">qemuNetworkArguments</a>.</p><h2 id="properties" tabindex="-1">Properties <a class="header-anchor" href="#properties" aria-label="Permalink to &quot;Properties&quot;">​</a></h2><h3 id="firstfd" tabindex="-1">firstFd? <a class="header-anchor" href="#firstfd" aria-label="Permalink to &quot;firstFd?&quot;">​</a></h3><div class="language-ts vp-adaptive-theme"><button title="Copy Code" class="copy"></button><span class="lang">ts</span><pre class="shiki shiki-themes github-light github-dark vp-code" tabindex="0"><code><span class="line"><span style="--shiki-light:#24292E;--shiki-dark:#E1E4E8;">firstFd</span><span style="--shiki-light:#D73A49;--shiki-dark:#F97583;">?:</span><span style="--shiki-light:#24292E;--shiki-dark:#E1E4E8;"> number;</span></span></code></pre></div><p>The number of the first descriptor in QEMU; the others follow. 3 to 1048575. Default 3.</p><hr><h3 id="style" tabindex="-1">style? <a class="header-anchor" href="#style" aria-label="Permalink to &quot;style?&quot;">​</a></h3><div class="language-ts vp-adaptive-theme"><button title="Copy Code" class="copy"></button><span class="lang">ts</span><pre class="shiki shiki-themes github-light github-dark vp-code" tabindex="0"><code><span class="line"><span style="--shiki-light:#24292E;--shiki-dark:#E1E4E8;">style</span><span style="--shiki-light:#D73A49;--shiki-dark:#F97583;">?:</span><span style="--shiki-light:#24292E;--shiki-dark:#E1E4E8;"> QemuNetworkStyle;</span></span></code></pre></div><p>Default <code>netdev</code>.</p></div>`);
}
const _sfc_setup = _sfc_main.setup;
_sfc_main.setup = (props, ctx) => {
  const ssrContext = useSSRContext();
  (ssrContext.modules || (ssrContext.modules = /* @__PURE__ */ new Set())).add("reference/tapfd/qemu/interfaces/QemuNetworkArgumentsOptions.md");
  return _sfc_setup ? _sfc_setup(props, ctx) : void 0;
};
const QemuNetworkArgumentsOptions = /* @__PURE__ */ _export_sfc(_sfc_main, [["ssrRender", _sfc_ssrRender]]);
export {
  __pageData,
  QemuNetworkArgumentsOptions as default
};
