import { ssrRenderAttrs } from "vue/server-renderer";
import { useSSRContext } from "vue";
import { _ as _export_sfc } from "./plugin-vue_export-helper.1tPrXgE0.js";
const __pageData = JSON.parse('{"title":"QemuHotPluggedNic","description":"","frontmatter":{},"headers":[],"relativePath":"reference/tapfd/qemu/interfaces/QemuHotPluggedNic.md","filePath":"reference/tapfd/qemu/interfaces/QemuHotPluggedNic.md"}');
const _sfc_main = { name: "reference/tapfd/qemu/interfaces/QemuHotPluggedNic.md" };
function _sfc_ssrRender(_ctx, _push, _parent, _attrs, $props, $setup, $data, $options) {
  _push(`<div${ssrRenderAttrs(_attrs)}><h1 id="qemuhotpluggednic" tabindex="-1">QemuHotPluggedNic <a class="header-anchor" href="#qemuhotpluggednic" aria-label="Permalink to &quot;QemuHotPluggedNic&quot;">​</a></h1><p>A card that was plugged into a running guest.</p><h2 id="properties" tabindex="-1">Properties <a class="header-anchor" href="#properties" aria-label="Permalink to &quot;Properties&quot;">​</a></h2><h3 id="deviceid" tabindex="-1">deviceId <a class="header-anchor" href="#deviceid" aria-label="Permalink to &quot;deviceId&quot;">​</a></h3><div class="language-ts vp-adaptive-theme"><button title="Copy Code" class="copy"></button><span class="lang">ts</span><pre class="shiki shiki-themes github-light github-dark vp-code" tabindex="0"><code><span class="line"><span style="--shiki-light:#6F42C1;--shiki-dark:#B392F0;">deviceId</span><span style="--shiki-light:#24292E;--shiki-dark:#E1E4E8;">: string;</span></span></code></pre></div><p>For <code>device_del</code>; also the name in <code>NIC_RX_FILTER_CHANGED</code>.</p><hr><h3 id="mac" tabindex="-1">mac <a class="header-anchor" href="#mac" aria-label="Permalink to &quot;mac&quot;">​</a></h3><div class="language-ts vp-adaptive-theme"><button title="Copy Code" class="copy"></button><span class="lang">ts</span><pre class="shiki shiki-themes github-light github-dark vp-code" tabindex="0"><code><span class="line"><span style="--shiki-light:#6F42C1;--shiki-dark:#B392F0;">mac</span><span style="--shiki-light:#24292E;--shiki-dark:#E1E4E8;">: string;</span></span></code></pre></div><p>The guest&#39;s MAC.</p><hr><h3 id="netdevid" tabindex="-1">netdevId <a class="header-anchor" href="#netdevid" aria-label="Permalink to &quot;netdevId&quot;">​</a></h3><div class="language-ts vp-adaptive-theme"><button title="Copy Code" class="copy"></button><span class="lang">ts</span><pre class="shiki shiki-themes github-light github-dark vp-code" tabindex="0"><code><span class="line"><span style="--shiki-light:#6F42C1;--shiki-dark:#B392F0;">netdevId</span><span style="--shiki-light:#24292E;--shiki-dark:#E1E4E8;">: string;</span></span></code></pre></div><p>For <code>removeNic</code> and <code>set_link</code>.</p></div>`);
}
const _sfc_setup = _sfc_main.setup;
_sfc_main.setup = (props, ctx) => {
  const ssrContext = useSSRContext();
  (ssrContext.modules || (ssrContext.modules = /* @__PURE__ */ new Set())).add("reference/tapfd/qemu/interfaces/QemuHotPluggedNic.md");
  return _sfc_setup ? _sfc_setup(props, ctx) : void 0;
};
const QemuHotPluggedNic = /* @__PURE__ */ _export_sfc(_sfc_main, [["ssrRender", _sfc_ssrRender]]);
export {
  __pageData,
  QemuHotPluggedNic as default
};
