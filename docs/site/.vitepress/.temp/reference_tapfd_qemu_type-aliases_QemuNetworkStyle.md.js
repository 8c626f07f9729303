import { ssrRenderAttrs } from "vue/server-renderer";
import { useSSRContext } from "vue";
import { _ as _export_sfc } from "./plugin-vue_export-helper.1tPrXgE0.js";
const __pageData = JSON.parse('{"title":"QemuNetworkStyle","description":"","frontmatter":{},"headers":[],"relativePath":"reference/tapfd/qemu/type-aliases/QemuNetworkStyle.md","filePath":"reference/tapfd/qemu/type-aliases/QemuNetworkStyle.md"}');
const _sfc_main = { name: "reference/tapfd/qemu/type-aliases/QemuNetworkStyle.md" };
function _sfc_ssrRender(_ctx, _push, _parent, _attrs, $props, $setup, $data, $options) {
  _push(`<div${ssrRenderAttrs(_attrs)}><h1 id="qemunetworkstyle" tabindex="-1">QemuNetworkStyle <a class="header-anchor" href="#qemunetworkstyle" aria-label="Permalink to &quot;QemuNetworkStyle&quot;">​</a></h1><div class="language-ts vp-adaptive-theme"><button title="Copy Code" class="copy"></button><span class="lang">ts</span><pre class="shiki shiki-themes github-light github-dark vp-code" tabindex="0"><code><span class="line"><span style="--shiki-light:#D73A49;--shiki-dark:#F97583;">type</span><span style="--shiki-light:#6F42C1;--shiki-dark:#B392F0;"> QemuNetworkStyle</span><span style="--shiki-light:#D73A49;--shiki-dark:#F97583;"> =</span><span style="--shiki-light:#032F62;--shiki-dark:#9ECBFF;"> &quot;netdev&quot;</span><span style="--shiki-light:#D73A49;--shiki-dark:#F97583;"> |</span><span style="--shiki-light:#032F62;--shiki-dark:#9ECBFF;"> &quot;classic&quot;</span><span style="--shiki-light:#24292E;--shiki-dark:#E1E4E8;">;</span></span></code></pre></div><p>How the cards are written on the command line.</p><ul><li><code>netdev</code>: <code>-netdev tap,id=…,fd=… -device MODEL,netdev=…,mac=…</code>, the current syntax, which can express everything.</li><li><code>classic</code>: <code>-net nic,model=…,macaddr=… -net tap,fd=…</code>, the syntax of old texts. QEMU connects all <code>-net</code> of a guest to one hub, so this is for a single card with one queue, without vhost and without properties.</li></ul></div>`);
}
const _sfc_setup = _sfc_main.setup;
_sfc_main.setup = (props, ctx) => {
  const ssrContext = useSSRContext();
  (ssrContext.modules || (ssrContext.modules = /* @__PURE__ */ new Set())).add("reference/tapfd/qemu/type-aliases/QemuNetworkStyle.md");
  return _sfc_setup ? _sfc_setup(props, ctx) : void 0;
};
const QemuNetworkStyle = /* @__PURE__ */ _export_sfc(_sfc_main, [["ssrRender", _sfc_ssrRender]]);
export {
  __pageData,
  QemuNetworkStyle as default
};
