"""What a page without scripts says: its tables, its tags, its words."""

from html.parser import HTMLParser


class Text(HTMLParser):
    """Each table as rows of cells, the tags, and the whole text."""

    def __init__(self, text):
        super().__init__()
        self.tables, self.tags, self.words, self.inside = [], [], "", False
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if self.inside:  # markup within a cell
            self.tables[-1][-1][-1] += " "
        self.inside = self.inside or tag in ("td", "th")
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        elif tag in ("td", "th"):
            self.tables[-1][-1].append("")

    def handle_endtag(self, tag):
        self.inside = self.inside and tag not in ("td", "th")

    def handle_data(self, text):
        self.words += text
        if self.inside:
            self.tables[-1][-1][-1] += text
