# SPDX-License-Identifier: GPL-3.0-or-later
"""A written page as tests look at it."""

from html.parser import HTMLParser


class Page(HTMLParser):
    """What a page refers to, and whether its elements close."""

    def __init__(self, text):
        super().__init__()
        self.sources, self.open, self.counts = [], [], {}
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.counts[tag] = self.counts.get(tag, 0) + 1
        self.sources += [value for name, value in attributes if name in ("src", "href", "poster")]
        if tag not in ("meta", "img", "br", "link", "path"):
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.counts[tag] = self.counts.get(tag, 0) + 1

    def handle_endtag(self, tag):
        assert self.open.pop() == tag
