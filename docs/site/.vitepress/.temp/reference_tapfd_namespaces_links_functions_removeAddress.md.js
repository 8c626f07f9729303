import { ssrRenderAttrs } from "vue/server-renderer";
import { useSSRContext } from "vue";
import { _ as _export_sfc } from "./plugin-vue_export-helper.1tPrXgE0.js";
const __pageData = JSON.parse('{"title":"removeAddress()","description":"","frontmatter":{},"headers":[],"relativePath":"reference/tapfd/namespaces/links/functions/removeAddress.md","filePath":"reference/tapfd/namespaces/links/functions/removeAddress.md"}');
const _sfc_main = { name: "reference/tapfd/namespaces/links/functions/removeAddress.md" };
function _sfc_ssrRender(_ctx, _push, _parent, _attrs, $props, $setup, $data, $options) {
  _push(`<div${ssrRenderAttrs(_attrs)}><h1 id="removeaddress" tabindex="-1">removeAddress() <a class="header-anchor" href="#removeaddress" aria-label="Permalink to &quot;removeAddress()&quot;">​</a></h1><div class="language-ts vp-adaptive-theme"><button title="Copy Code" class="copy"></button><span class="lang">ts</span><pre class="shiki shiki-themes github-light github-dark vp-code" tabindex="0"><code><span class="line"><span style="--shiki-light:#D73A49;--shiki-dark:#F97583;">function</span><span style="--shiki-light:#6F42C1;--shiki-dark:#B392F0;"> readonly</span><span style="--shiki-light:#6F42C1;--shiki-dark:#B392F0;"> removeAddress</span><span style="--shiki-light:#24292E;--shiki-dark:#E1E4E8;">(</span></span>
<span class="line"><span style="--shiki-light:#E36209;--shiki-dark:#FFAB70;">   link</span><span style="--shiki-light:#24292E;--shiki-dark:#E1E4E8;">, </span></span>
<span class="line"><span style="--shiki-light:#E36209;--shiki-dark:#FFAB70;">   address</span><span style="--shiki-light:#24292E;--shiki-dark:#E1E4E8;">, </span></span>
<span class="line"><span style="--shiki-light:#E36209;--shiki-dark:#FFAB70;">   options</span><span style="--shiki-light:#D73A49;--shiki-dark:#F97583;">?</span></span>
<span class="line"><span style="--shiki-light:#24292E;--shiki-dark:#E1E4E8;">)</span><span style="--shiki-light:#D73A49;--shiki-dark:#F97583;">:</span><span style="--shiki-light:#6F42C1;--shiki-dark:#B392F0;"> Promise</span><span style="--shiki-light:#24292E;--shiki-dark:#E1E4E8;">&lt;</span><span style="--shiki-light:#005CC5;--shiki-dark:#79B8FF;">void</span><span style="--shiki-light:#24292E;--shiki-dark:#E1E4E8;">&gt;;</span></span></code></pre></div><p>Removes an address from a link: what <a href="./addresses.html">addresses</a> lists can be given as it is. The kernel finds it by address and prefix length, and by the network of <code>peer</code>. With the first IPv4 address of a network the others of that network go, too, unless the sysctl <code>promote_secondaries</code> is set.</p><p>Needs CAP_NET_ADMIN over the namespace.</p><h2 id="parameters" tabindex="-1">Parameters <a class="header-anchor" href="#parameters" aria-label="Permalink to &quot;Parameters&quot;">​</a></h2><div class="wide-table" tabindex="0"><table tabindex="0"><thead><tr><th>Parameter</th><th>Type</th></tr></thead><tbody><tr><td><code>link</code></td><td><a href="./../../../type-aliases/LinkRef.html"><code>LinkRef</code></a></td></tr><tr><td><code>address</code></td><td>| <a href="./../../../type-aliases/IpPrefixLike.html"><code>IpPrefixLike</code></a> | <a href="./../../../interfaces/LinkAddress.html"><code>LinkAddress</code></a></td></tr><tr><td><code>options?</code></td><td><a href="./../../../interfaces/NetnsOption.html"><code>NetnsOption</code></a></td></tr></tbody></table></div><h2 id="returns" tabindex="-1">Returns <a class="header-anchor" href="#returns" aria-label="Permalink to &quot;Returns&quot;">​</a></h2><p><code>Promise</code>&lt;<code>void</code>&gt;</p><h2 id="throws" tabindex="-1">Throws <a class="header-anchor" href="#throws" aria-label="Permalink to &quot;Throws&quot;">​</a></h2><p>TapfdError <code>ERR_TAPFD_INVALID_ARGUMENT</code>; <code>EADDRNOTAVAIL</code>: it has no such address with that prefix length; <code>ENODEV</code>; <code>EPERM</code>.</p></div>`);
}
const _sfc_setup = _sfc_main.setup;
_sfc_main.setup = (props, ctx) => {
  const ssrContext = useSSRContext();
  (ssrContext.modules || (ssrContext.modules = /* @__PURE__ */ new Set())).add("reference/tapfd/namespaces/links/functions/removeAddress.md");
  return _sfc_setup ? _sfc_setup(props, ctx) : void 0;
};
const removeAddress = /* @__PURE__ */ _export_sfc(_sfc_main, [["ssrRender", _sfc_ssrRender]]);
export {
  __pageData,
  removeAddress as default
};
