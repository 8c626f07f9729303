import { ssrRenderAttrs } from "vue/server-renderer";
import { useSSRContext } from "vue";
import { _ as _export_sfc } from "./plugin-vue_export-helper.1tPrXgE0.js";
const __pageData = JSON.parse('{"title":"DeviceFeatures","description":"","frontmatter":{},"headers":[],"relativePath":"reference/tapfd/interfaces/DeviceFeatures.md","filePath":"reference/tapfd/interfaces/DeviceFeatures.md"}');
const _sfc_main = { name: "reference/tapfd/interfaces/DeviceFeatures.md" };
function _sfc_ssrRender(_ctx, _push, _parent, _attrs, $props, $setup, $data, $options) {
  _push(`<div${ssrRenderAttrs(_attrs)}><h1 id="devicefeatures" tabindex="-1">DeviceFeatures <a class="header-anchor" href="#devicefeatures" aria-label="Permalink to &quot;DeviceFeatures&quot;">​</a></h1><p>What the kernel&#39;s driver supports and what it granted.</p><h2 id="properties" tabindex="-1">Properties <a class="header-anchor" href="#properties" aria-label="Permalink to &quot;Properties&quot;">​</a></h2><h3 id="joins" tabindex="-1">joins <a class="header-anchor" href="#joins" aria-label="Permalink to &quot;joins&quot;">​</a></h3><div class="language-ts vp-adaptive-theme"><button title="Copy Code" class="copy"></button><span class="lang">ts</span><pre class="shiki shiki-themes github-light github-dark vp-code" tabindex="0"><code><span class="line"><span style="--shiki-light:#6F42C1;--shiki-dark:#B392F0;">joins</span><span style="--shiki-light:#24292E;--shiki-dark:#E1E4E8;">: boolean;</span></span></code></pre></div><p>Whether the frames of a batch are joined for the kernel: with <code>segment</code>, until the kernel refuses joined ones for the first time (EINVAL, or EMSGSIZE with <code>napi: &#39;frags&#39;</code>). Their pieces are sent then, and from then on each frame singly.</p><hr><h3 id="offload" tabindex="-1">offload <a class="header-anchor" href="#offload" aria-label="Permalink to &quot;offload&quot;">​</a></h3><div class="language-ts vp-adaptive-theme"><button title="Copy Code" class="copy"></button><span class="lang">ts</span><pre class="shiki shiki-themes github-light github-dark vp-code" tabindex="0"><code><span class="line"><span style="--shiki-light:#6F42C1;--shiki-dark:#B392F0;">offload</span><span style="--shiki-light:#24292E;--shiki-dark:#E1E4E8;">: Offload[];</span></span></code></pre></div><p>Offloads granted.</p><hr><h3 id="supported" tabindex="-1">supported <a class="header-anchor" href="#supported" aria-label="Permalink to &quot;supported&quot;">​</a></h3><div class="language-ts vp-adaptive-theme"><button title="Copy Code" class="copy"></button><span class="lang">ts</span><pre class="shiki shiki-themes github-light github-dark vp-code" tabindex="0"><code><span class="line"><span style="--shiki-light:#6F42C1;--shiki-dark:#B392F0;">supported</span><span style="--shiki-light:#24292E;--shiki-dark:#E1E4E8;">: string[];</span></span></code></pre></div><p>Flags of the driver by name (TUNGETFEATURES): <code>vnetHeader</code>, <code>napi</code>, … A TUN or TAP always has <code>packetInfo</code>.</p></div>`);
}
const _sfc_setup = _sfc_main.setup;
_sfc_main.setup = (props, ctx) => {
  const ssrContext = useSSRContext();
  (ssrContext.modules || (ssrContext.modules = /* @__PURE__ */ new Set())).add("reference/tapfd/interfaces/DeviceFeatures.md");
  return _sfc_setup ? _sfc_setup(props, ctx) : void 0;
};
const DeviceFeatures = /* @__PURE__ */ _export_sfc(_sfc_main, [["ssrRender", _sfc_ssrRender]]);
export {
  __pageData,
  DeviceFeatures as default
};
