import { ssrRenderAttrs } from "vue/server-renderer";
import { useSSRContext } from "vue";
import { _ as _export_sfc } from "./plugin-vue_export-helper.1tPrXgE0.js";
const __pageData = JSON.parse('{"title":"QemuHotPlugOptions","description":"","frontmatter":{},"headers":[],"relativePath":"reference/tapfd/qemu/interfaces/QemuHotPlugOptions.md","filePath":"reference/tapfd/qemu/interfaces/QemuHotPlugOptions.md"}');
const _sfc_main = { name: "reference/tapfd/qemu/interfaces/QemuHotPlugOptions.md" };
function _sfc_ssrRender(_ctx, _push, _parent, _attrs, $props, $setup, $data, $options) {
  _push(`<div${ssrRenderAttrs(_attrs)}><h1 id="qemuhotplugoptions" tabindex="-1">QemuHotPlugOptions <a class="header-anchor" href="#qemuhotplugoptions" aria-label="Permalink to &quot;QemuHotPlugOptions&quot;">​</a></h1><p>Options of <code>QmpClient.addNic</code>.</p><h2 id="extends" tabindex="-1">Extends <a class="header-anchor" href="#extends" aria-label="Permalink to &quot;Extends&quot;">​</a></h2><ul><li><a href="./../../interfaces/AbortOptions.html"><code>AbortOptions</code></a></li></ul><h2 id="properties" tabindex="-1">Properties <a class="header-anchor" href="#properties" aria-label="Permalink to &quot;Properties&quot;">​</a></h2><h3 id="signal" tabindex="-1">signal? <a class="header-anchor" href="#signal" aria-label="Permalink to &quot;signal?&quot;">​</a></h3><div class="language-ts vp-adaptive-theme"><button title="Copy Code" class="copy"></button><span class="lang">ts</span><pre class="shiki shiki-themes github-light github-dark vp-code" tabindex="0"><code><span class="line"><span style="--shiki-light:#24292E;--shiki-dark:#E1E4E8;">signal</span><span style="--shiki-light:#D73A49;--shiki-dark:#F97583;">?:</span><span style="--shiki-light:#24292E;--shiki-dark:#E1E4E8;"> AbortSignal;</span></span></code></pre></div><p>Aborts the wait: the promise rejects with the signal&#39;s reason. <code>AbortSignal.timeout(ms)</code> sets a time limit.</p><hr><h3 id="undotimeoutms" tabindex="-1">undoTimeoutMs? <a class="header-anchor" href="#undotimeoutms" aria-label="Permalink to &quot;undoTimeoutMs?&quot;">​</a></h3><div class="language-ts vp-adaptive-theme"><button title="Copy Code" class="copy"></button><span class="lang">ts</span><pre class="shiki shiki-themes github-light github-dark vp-code" tabindex="0"><code><span class="line"><span style="--shiki-light:#24292E;--shiki-dark:#E1E4E8;">undoTimeoutMs</span><span style="--shiki-light:#D73A49;--shiki-dark:#F97583;">?:</span><span style="--shiki-light:#24292E;--shiki-dark:#E1E4E8;"> number;</span></span></code></pre></div><p>Milliseconds in which QEMU must undo the steps of a call that has failed or was aborted. After an abort, up to half of them are spent waiting for its answer to the command under way. Default 10000.</p></div>`);
}
const _sfc_setup = _sfc_main.setup;
_sfc_main.setup = (props, ctx) => {
  const ssrContext = useSSRContext();
  (ssrContext.modules || (ssrContext.modules = /* @__PURE__ */ new Set())).add("reference/tapfd/qemu/interfaces/QemuHotPlugOptions.md");
  return _sfc_setup ? _sfc_setup(props, ctx) : void 0;
};
const QemuHotPlugOptions = /* @__PURE__ */ _export_sfc(_sfc_main, [["ssrRender", _sfc_ssrRender]]);
export {
  __pageData,
  QemuHotPlugOptions as default
};
