import { ssrRenderAttrs } from "vue/server-renderer";
import { useSSRContext } from "vue";
import { _ as _export_sfc } from "./plugin-vue_export-helper.1tPrXgE0.js";
const __pageData = JSON.parse('{"title":"GuestMacFollowerEvents","description":"","frontmatter":{},"headers":[],"relativePath":"reference/tapfd/qemu/interfaces/GuestMacFollowerEvents.md","filePath":"reference/tapfd/qemu/interfaces/GuestMacFollowerEvents.md"}');
const _sfc_main = { name: "reference/tapfd/qemu/interfaces/GuestMacFollowerEvents.md" };
function _sfc_ssrRender(_ctx, _push, _parent, _attrs, $props, $setup, $data, $options) {
  _push(`<div${ssrRenderAttrs(_attrs)}><h1 id="guestmacfollowerevents" tabindex="-1">GuestMacFollowerEvents <a class="header-anchor" href="#guestmacfollowerevents" aria-label="Permalink to &quot;GuestMacFollowerEvents&quot;">​</a></h1><p>What a <a href="./GuestMacFollower.html">GuestMacFollower</a> emits.</p><h2 id="properties" tabindex="-1">Properties <a class="header-anchor" href="#properties" aria-label="Permalink to &quot;Properties&quot;">​</a></h2><h3 id="close" tabindex="-1">close <a class="header-anchor" href="#close" aria-label="Permalink to &quot;close&quot;">​</a></h3><div class="language-ts vp-adaptive-theme"><button title="Copy Code" class="copy"></button><span class="lang">ts</span><pre class="shiki shiki-themes github-light github-dark vp-code" tabindex="0"><code><span class="line"><span style="--shiki-light:#6F42C1;--shiki-dark:#B392F0;">close</span><span style="--shiki-light:#24292E;--shiki-dark:#E1E4E8;">: [];</span></span></code></pre></div><p>The follower was closed, the card removed, or the connection to the monitor closed.</p><hr><h3 id="failed" tabindex="-1">failed <a class="header-anchor" href="#failed" aria-label="Permalink to &quot;failed&quot;">​</a></h3><div class="language-ts vp-adaptive-theme"><button title="Copy Code" class="copy"></button><span class="lang">ts</span><pre class="shiki shiki-themes github-light github-dark vp-code" tabindex="0"><code><span class="line"><span style="--shiki-light:#6F42C1;--shiki-dark:#B392F0;">failed</span><span style="--shiki-light:#24292E;--shiki-dark:#E1E4E8;">: [error: Error];</span></span></code></pre></div><p>A change could not be followed. It is tried again at the next change of the guest&#39;s card.</p><hr><h3 id="followed" tabindex="-1">followed <a class="header-anchor" href="#followed" aria-label="Permalink to &quot;followed&quot;">​</a></h3><div class="language-ts vp-adaptive-theme"><button title="Copy Code" class="copy"></button><span class="lang">ts</span><pre class="shiki shiki-themes github-light github-dark vp-code" tabindex="0"><code><span class="line"><span style="--shiki-light:#6F42C1;--shiki-dark:#B392F0;">followed</span><span style="--shiki-light:#24292E;--shiki-dark:#E1E4E8;">: [mac: string];</span></span></code></pre></div><p>The link now has the guest&#39;s new MAC.</p></div>`);
}
const _sfc_setup = _sfc_main.setup;
_sfc_main.setup = (props, ctx) => {
  const ssrContext = useSSRContext();
  (ssrContext.modules || (ssrContext.modules = /* @__PURE__ */ new Set())).add("reference/tapfd/qemu/interfaces/GuestMacFollowerEvents.md");
  return _sfc_setup ? _sfc_setup(props, ctx) : void 0;
};
const GuestMacFollowerEvents = /* @__PURE__ */ _export_sfc(_sfc_main, [["ssrRender", _sfc_ssrRender]]);
export {
  __pageData,
  GuestMacFollowerEvents as default
};
