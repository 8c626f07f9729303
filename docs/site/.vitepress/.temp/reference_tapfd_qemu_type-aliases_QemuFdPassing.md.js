import { ssrRenderAttrs } from "vue/server-renderer";
import { useSSRContext } from "vue";
import { _ as _export_sfc } from "./plugin-vue_export-helper.1tPrXgE0.js";
const __pageData = JSON.parse('{"title":"QemuFdPassing","description":"","frontmatter":{},"headers":[],"relativePath":"reference/tapfd/qemu/type-aliases/QemuFdPassing.md","filePath":"reference/tapfd/qemu/type-aliases/QemuFdPassing.md"}');
const _sfc_main = { name: "reference/tapfd/qemu/type-aliases/QemuFdPassing.md" };
function _sfc_ssrRender(_ctx, _push, _parent, _attrs, $props, $setup, $data, $options) {
  _push(`<div${ssrRenderAttrs(_attrs)}><h1 id="qemufdpassing" tabindex="-1">QemuFdPassing <a class="header-anchor" href="#qemufdpassing" aria-label="Permalink to &quot;QemuFdPassing&quot;">​</a></h1><div class="language-ts vp-adaptive-theme"><button title="Copy Code" class="copy"></button><span class="lang">ts</span><pre class="shiki shiki-themes github-light github-dark vp-code" tabindex="0"><code><span class="line"><span style="--shiki-light:#D73A49;--shiki-dark:#F97583;">type</span><span style="--shiki-light:#6F42C1;--shiki-dark:#B392F0;"> QemuFdPassing</span><span style="--shiki-light:#D73A49;--shiki-dark:#F97583;"> =</span><span style="--shiki-light:#032F62;--shiki-dark:#9ECBFF;"> &quot;getfd&quot;</span><span style="--shiki-light:#D73A49;--shiki-dark:#F97583;"> |</span><span style="--shiki-light:#032F62;--shiki-dark:#9ECBFF;"> &quot;add-fd&quot;</span><span style="--shiki-light:#24292E;--shiki-dark:#E1E4E8;">;</span></span></code></pre></div><p>How QEMU gets the descriptors.</p><ul><li><code>getfd</code>: under names, which <code>netdev_add</code> consumes. The backend owns the descriptors and closes them when it is deleted.</li><li><code>add-fd</code>: in descriptor sets, whose numbers the backend is given; for setups that allow only this command. The sets still list the descriptors that the backend uses, so QEMU before 9.1 <strong>closes them when its last monitor connection ends</strong>: keep the client as long as the card. The guest must be running, not paused.</li></ul></div>`);
}
const _sfc_setup = _sfc_main.setup;
_sfc_main.setup = (props, ctx) => {
  const ssrContext = useSSRContext();
  (ssrContext.modules || (ssrContext.modules = /* @__PURE__ */ new Set())).add("reference/tapfd/qemu/type-aliases/QemuFdPassing.md");
  return _sfc_setup ? _sfc_setup(props, ctx) : void 0;
};
const QemuFdPassing = /* @__PURE__ */ _export_sfc(_sfc_main, [["ssrRender", _sfc_ssrRender]]);
export {
  __pageData,
  QemuFdPassing as default
};
