"""Dead links: what a page refers to, on the site, must be there, and so must the place in it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

LOADED = {"src", "srcset", "poster", "data"}  # what a browser gets by itself, as it does a <link>'s href


class Page(HTMLParser):
    """What one page refers to, and the places in it that can be referred to."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.places: set[str] = set()
        self.refers: list[tuple[str, bool]] = []  # an address, and whether it is loaded unasked
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for key, value in attrs:
            if key in ("id", "name") and value:
                self.places.add(value)
            elif key == "href" or key in LOADED:
                self.refers.append((value or "", key != "href" or tag == "link"))


def dead(site: Path) -> list[str]:
    """Each dead link of a site as a sentence, and each thing that a page would load from elsewhere."""
    pages = {path.resolve(): Page(path.read_text(encoding="utf-8")) for path in sorted(site.rglob("*.html"))}
    return [
        f"{path.relative_to(site.resolve())}: {said}"
        for path, page in pages.items()
        for said in _dead(path, page, pages)
    ]


def _dead(path: Path, page: Page, pages: dict[Path, Page]) -> Iterator[str]:
    for address, loaded in dict.fromkeys(page.refers):
        parts = urlsplit(address)
        if parts.scheme in ("data", "mailto", "blob"):
            continue
        if parts.scheme or parts.netloc:
            if loaded or parts.scheme != "https":
                yield f"{address} is " + ("loaded from another place" if loaded else "not https")
            continue
        target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
        target = target / "index.html" if target.is_dir() else target
        if parts.path.startswith("/"):
            yield f"{address} would not be found where the site lies in a folder: write it relative to the page"
        elif not target.exists():
            yield f"{address} is dead"
        elif (place := unquote(parts.fragment)) and target in pages and not _has(pages[target], place):
            yield f"{address} is dead: there is no {place!r} on that page"


def _has(page: Page, place: str) -> bool:
    """Whether a page has a place. One like "lang=zh" is a state of the page of pictures, see its alive.js."""
    return place in page.places or "=" in place


if __name__ == "__main__":
    found = dead(Path(sys.argv[1]))
    print("\n".join(found) or "no dead links")
    sys.exit(bool(found))
