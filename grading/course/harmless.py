"""Text cells of a student's, as HTML that can do nothing in the instructor's browser."""

from html import escape

import bleach  # type: ignore[import-untyped]
from mistune import HTMLRenderer
from mistune.plugins import import_plugin
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath

# No class and no id: formgrader finds its fields and buttons by them, and a student's link would be one of them.
_TEXT = ("p", "br", "hr", "pre", "div", "span", "del", "sub", "sup", "h1", "h2", "h3", "h4", "h5", "h6")
_LISTS = ("dl", "dt", "dd", "table", "thead", "tbody", "tr", "th", "td")
_TAGS = {*bleach.ALLOWED_TAGS, *_TEXT, *_LISTS}
_ATTRIBUTES = {"a": ["href", "title"]}
_PLUGINS = ("strikethrough", "table", "url", "def_list")
_MOST = 10_000  # characters of a text cell: longer ones can be made so that they take seconds


class _Renderer(IPythonRenderer):
    def block_code(self, code: str, info: str | None = None) -> str:
        """Without colours, which would be classes."""
        return HTMLRenderer.block_code(self, code)

    def image(self, text: str, url: str, title: str | None = None) -> str:
        """In words: a picture that is fetched tells its owner that it is looked at; over a missing one nbconvert fails."""
        return f"<em>[picture: {text or escape(url)}]</em>"


def harmless(source: str) -> str:
    """A text cell or a comment as HTML, for nbconvert. What isn't harmless is shown as it was typed."""
    if len(source) <= _MOST:
        try:
            renderer = _Renderer(escape=False, exclude_anchor_links=True)
            markdown = MarkdownWithMath(renderer, plugins=[import_plugin(name) for name in _PLUGINS])
            return str(bleach.clean(markdown.render(source), tags=_TAGS, attributes=_ATTRIBUTES))
        except Exception:  # nested too deep, say: one text must not cost the whole page
            pass
    return f"<pre>{escape(source)}</pre>"
