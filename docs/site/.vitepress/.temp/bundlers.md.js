import { ssrRenderAttrs } from "vue/server-renderer";
import { useSSRContext } from "vue";
import { _ as _export_sfc } from "./plugin-vue_export-helper.1tPrXgE0.js";
const __pageData = JSON.parse('{"title":"Bundlers","description":"","frontmatter":{},"headers":[],"relativePath":"bundlers.md","filePath":"bundlers.md"}');
const _sfc_main = { name: "bundlers.md" };
function _sfc_ssrRender(_ctx, _push, _parent, _attrs, $props, $setup, $data, $options) {
  _push(`<div${ssrRenderAttrs(_attrs)}><h1 id="bundlers" tabindex="-1">Bundlers <a class="header-anchor" href="#bundlers" aria-label="Permalink to &quot;Bundlers&quot;">​</a></h1><p>tapfd has a compiled part, the addon, which lies beside its JavaScript in the package. A bundler that copies the JavaScript into a file of its own leaves the addon behind. <strong>Mark tapfd as external</strong>, and install it where the bundle runs: the bundle then imports the package as it is.</p><div class="wide-table" tabindex="0"><table tabindex="0"><thead><tr><th>Bundler</th><th>How</th></tr></thead><tbody><tr><td>esbuild</td><td><code>esbuild program.ts --bundle --platform=node --external:tapfd --external:tapfd/*</code></td></tr><tr><td>Rollup</td><td><code>external: [&#39;tapfd&#39;, /^tapfd\\//]</code> in its configuration</td></tr><tr><td>webpack</td><td><code>externalsPresets: { node: true }</code> and <code>externals: { tapfd: &#39;node-commonjs tapfd&#39;, &#39;tapfd/qemu&#39;: &#39;node-commonjs tapfd/qemu&#39; }</code></td></tr><tr><td>Vite (SSR)</td><td><code>ssr: { external: [&#39;tapfd&#39;] }</code></td></tr><tr><td>Next.js</td><td><code>serverExternalPackages: [&#39;tapfd&#39;]</code></td></tr></tbody></table></div><p>In a container, <code>npm ci --omit=dev</code> beside the bundle installs it, with the addon in its tarball: nothing is compiled.</p><p>A bundle that has tapfd inside loads, and what needs no device works (MACs, vnet headers). The first call that needs the addon fails with <code>ERR_TAPFD_ADDON_NOT_FOUND</code>, whose message lists where it was looked for.</p><p>The addon works in Node.js only. In Bun and Deno the first such call fails with <code>ERR_TAPFD_UNSUPPORTED_RUNTIME</code>, because their Node-API would crash.</p></div>`);
}
const _sfc_setup = _sfc_main.setup;
_sfc_main.setup = (props, ctx) => {
  const ssrContext = useSSRContext();
  (ssrContext.modules || (ssrContext.modules = /* @__PURE__ */ new Set())).add("bundlers.md");
  return _sfc_setup ? _sfc_setup(props, ctx) : void 0;
};
const bundlers = /* @__PURE__ */ _export_sfc(_sfc_main, [["ssrRender", _sfc_ssrRender]]);
export {
  __pageData,
  bundlers as default
};
