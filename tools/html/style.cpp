#include "tools/html/page.h"

namespace tally::tools {

// Colours keep a contrast of 4.5:1 at least between words and what lies beneath them, discs and bars of 3:1 against the
// page; tests/tools/page_test.py computes both from this text. No '<' and no '&': the page is XML as well.
std::string_view page_style() {
  return R"css(
:root{color-scheme:light dark;--page:#ffffff;--panel:#f5f7f9;--ink:#1b1f24;--soft:#535c66;--grid:#d4dae0;
  --rule:#7d8791;
--link:#0a53a8;--focus:#b3261e;--warn-page:#fff3cd;--warn-ink:#5c4400;--on:#ffffff;
--c0:#626c76;--c1:#1f5fbf;--c2:#a8480a;--c3:#15753a;--c4:#7a3bb2;--c5:#b42323;--c6:#0d6b64;--c7:#a01c9e;--c8:#6b5a00;
--ideal:#1f5fbf;--weights:#7a3bb2;--written:#0d6b64;--executed:#a8480a;--extra:#b42323;--measured:#15753a;
  --saved:#0d6b64;--host:#626c76}
@media (prefers-color-scheme:dark){:root{--page:#10151b;--panel:#1a2129;--ink:#e8edf2;--soft:#a9b4bf;--grid:#323c47;
  --rule:#7f8b97;
--link:#8fc1ff;--focus:#ffb4ab;--warn-page:#3b2f00;--warn-ink:#ffe08a;--on:#0b0f14;
--c0:#9aa6b2;--c1:#7fb5ff;--c2:#ffb37a;--c3:#7fdc9f;--c4:#d1b0ff;--c5:#ff9d94;--c6:#66d9cc;--c7:#f3a6ee;--c8:#e3cf5f;
--ideal:#7fb5ff;--weights:#d1b0ff;--written:#66d9cc;--executed:#ffb37a;--extra:#ff9d94;--measured:#7fdc9f;
  --saved:#66d9cc;--host:#9aa6b2}}
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%}
body{margin:0 auto;max-width:72rem;padding:1rem;background:var(--page);color:var(--ink);
  font:1rem/1.5 system-ui,sans-serif;overflow-wrap:anywhere}
h1{font-size:1.6rem;line-height:1.25;margin:.5rem 0}
h2{font-size:1.3rem;margin:2rem 0 .25rem;border-bottom:2px solid var(--rule);padding-bottom:.25rem}
h3{font-size:1.1rem;margin:0 0 .25rem}
h4{font-size:.95rem;margin:.5rem 0 .25rem}
a{color:var(--link)}
:focus-visible{outline:3px solid var(--focus);outline-offset:2px}
.skip{position:absolute;left:-100vw}
.skip:focus{position:static}
nav ul{display:flex;flex-wrap:wrap;gap:.25rem 1.25rem;list-style:none;margin:.5rem 0;padding:0}
nav a{display:inline-block;padding:.35rem 0}
.where,figcaption,.note,.aside{color:var(--soft)}
.where{margin:.25rem 0}
.warning{background:var(--warn-page);color:var(--warn-ink);border-left:4px solid var(--warn-ink);padding:.5rem .75rem;
  margin:.5rem 0}
.facts{display:grid;grid-template-columns:repeat(auto-fill,minmax(9.5rem,1fr));gap:.5rem;margin:1rem 0}
.facts div{background:var(--panel);border-radius:.4rem;padding:.5rem .75rem}
.facts dt{color:var(--soft);font-size:.85rem}
.facts dd{margin:0;font-weight:600;font-variant-numeric:tabular-nums}
figure{margin:1.75rem 0}
figcaption{font-size:.9rem;margin-bottom:.5rem;max-width:60rem}
.note{font-size:.9rem}
.aside{font-weight:400;font-size:.85rem}
svg{display:block}
.area{width:calc(100% - 68px);margin:26px 12px 50px 56px;overflow:visible}
.area text{font-size:12px;fill:var(--soft);font-variant-numeric:tabular-nums}
.axis-title{font-weight:600}
.grid{stroke:var(--grid)}
.faint{stroke:var(--grid);stroke-opacity:.45}
.frame{stroke:var(--rule)}
.roof{stroke:var(--ink);stroke-width:2}
.percentile{stroke:var(--ink);stroke-width:1.5;stroke-dasharray:5 3}
.area .roof-name{fill:var(--ink);paint-order:stroke;stroke:var(--page);stroke-width:4px;stroke-linejoin:round}
.stretched{overflow:visible}
.curve{fill:none;stroke-width:2;vector-effect:non-scaling-stroke}
.band{fill-opacity:.22;stroke:none;fill:var(--c1)}
.mark{outline:none;cursor:default}
.area .mark text,.bar text{fill:var(--on);font-size:11px;font-weight:600;pointer-events:none}
.mark circle{stroke:var(--page);stroke-width:1.5}
.mark rect{stroke:var(--page);stroke-width:1}
.mark:hover circle,.mark:hover rect{stroke:var(--ink);stroke-width:2}
.mark:focus circle,.mark:focus rect{stroke:var(--focus);stroke-width:4;paint-order:normal}
.bar{width:100%;height:22px;overflow:visible;background:var(--panel)}
.c0{fill:var(--c0);stroke:var(--c0)}.c1{fill:var(--c1);stroke:var(--c1)}.c2{fill:var(--c2);stroke:var(--c2)}
.c3{fill:var(--c3);stroke:var(--c3)}.c4{fill:var(--c4);stroke:var(--c4)}.c5{fill:var(--c5);stroke:var(--c5)}
.c6{fill:var(--c6);stroke:var(--c6)}.c7{fill:var(--c7);stroke:var(--c7)}.c8{fill:var(--c8);stroke:var(--c8)}
.curve.c1{fill:none}
.mark text{stroke:none}
.bin{fill:var(--c1)}
.ideal{fill:var(--ideal)}.weights{fill:var(--weights)}.written{fill:var(--written)}.executed{fill:var(--executed)}
.extra{fill:var(--extra)}.measured{fill:var(--measured)}.saved{fill:var(--saved)}.host{fill:var(--host)}
.stack{display:grid;grid-template-columns:1fr auto;gap:.1rem .75rem;margin:.6rem 0;font-size:.9rem}
.stack .bar{grid-column:1/-1}
.figure{text-align:right;font-variant-numeric:tabular-nums;font-size:.9rem}
.legend{display:flex;flex-wrap:wrap;gap:.25rem 1.25rem;list-style:none;padding:0;margin:.25rem 0 .75rem;
  font-size:.85rem}
.legend li{display:flex;align-items:center;gap:.4rem}
.swatch{width:.9rem;height:.9rem;flex:none}
.layer{border-top:1px solid var(--grid);padding:.35rem 0 .6rem;break-inside:avoid}
.panels{display:grid;gap:.35rem 1.5rem}
.panel{display:grid;grid-template-columns:4.75rem 1fr minmax(4.75rem,auto);gap:.15rem .5rem;
  align-items:center;align-content:start;font-size:.85rem}
.panel.sides{grid-template-columns:1.5rem 1fr 8.5rem}
.panel .head{grid-column:1/-1;color:var(--soft)}
.panel .bar{height:14px}
.panel .what{color:var(--soft)}
.scroll{overflow:auto;max-height:28rem;margin:.75rem 0;border:1px solid var(--grid);border-radius:.4rem}
table{border-collapse:collapse;width:100%;font-size:.875rem;font-variant-numeric:tabular-nums;overflow-wrap:normal}
caption{text-align:left;padding:.4rem .6rem;color:var(--soft)}
th,td{padding:.3rem .6rem;border-top:1px solid var(--grid);text-align:left;vertical-align:top;white-space:nowrap}
td.words{white-space:normal;min-width:7rem}
tbody th{font-weight:500}
th.number,td.number{text-align:right}
thead th{background:var(--panel);position:sticky;top:0;white-space:normal;vertical-align:bottom}
thead button{all:unset;cursor:pointer;text-decoration:underline dotted;text-underline-offset:3px}
thead button:focus-visible{outline:3px solid var(--focus)}
tfoot th,tfoot td{font-weight:600;border-top:2px solid var(--rule)}
#tip{position:fixed;z-index:9;display:none;max-width:min(22rem,92vw);padding:.45rem .65rem;border-radius:.4rem;
  background:var(--ink);color:var(--page);font-size:.85rem;pointer-events:none;top:0;left:0}
footer{margin:2.5rem 0 1rem;color:var(--soft);font-size:.85rem;border-top:1px solid var(--grid)}
@media (min-width:44rem){.stack{grid-template-columns:11rem 1fr 6.5rem;align-items:center}.stack .bar{grid-column:2;
  grid-row:1}.stack .figure{grid-column:3}
.stack.term{grid-template-columns:24rem 1fr 7.5rem}}
@media (min-width:48rem){.panels{grid-auto-flow:column;grid-auto-columns:1fr}}
@media (prefers-reduced-motion:no-preference){html{scroll-behavior:smooth}
.mark circle,.mark rect{transition:stroke-width .12s}}
@media (forced-colors:active){.mark circle,.mark rect,.swatch rect{stroke:CanvasText}
.area text,.bar text{fill:CanvasText}.bar text{paint-order:stroke;stroke:Canvas;stroke-width:3px}}
@media print{:root{--page:#ffffff;--panel:#f5f7f9;--ink:#000000;--soft:#444444;--grid:#c8c8c8;--rule:#777777;
  --on:#ffffff;
--c0:#626c76;--c1:#1f5fbf;--c2:#a8480a;--c3:#15753a;--c4:#7a3bb2;--c5:#b42323;--c6:#0d6b64;--c7:#a01c9e;--c8:#6b5a00;
--ideal:#1f5fbf;--weights:#7a3bb2;--written:#0d6b64;--executed:#a8480a;--extra:#b42323;--measured:#15753a;
  --saved:#0d6b64;--host:#626c76}
body{max-width:none;padding:0;font-size:10pt}nav,.skip,#tip{display:none}
.scroll{max-height:none;overflow:visible;border:0}.panels{grid-auto-flow:column;grid-auto-columns:1fr;gap:.35rem 1rem}
table{font-size:6.5pt}th,td{white-space:normal;padding:.15rem .25rem}td.words{min-width:0;overflow-wrap:anywhere}
td.number{white-space:nowrap}tbody th{overflow-wrap:anywhere}thead th{position:static}
thead{display:table-header-group}tr,.plot,.stack,.layer,figcaption{break-inside:avoid}
h2,h3,h4,figcaption{break-after:avoid}
*{-webkit-print-color-adjust:exact;print-color-adjust:exact}}
)css";
}

}  // namespace tally::tools
