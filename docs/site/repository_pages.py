"""Documents of the repository that are outside ``docs``, and links to its files, in the site.

The same Markdown is read in the repository and on the site: a link is relative to the file that
holds it, and this hook of MkDocs finds what it means there.
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path
from typing import Final

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

DOCS: Final = "docs"
#: Documents outside ``docs`` that are pages of the site.
PAGES: Final = ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "config/README.md")
_LINK: Final = re.compile(r"(?<=\]\()(?!https?://|mailto:|#)([^)#\s]+)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the documents outside ``docs``, and the files that pages link to."""
    root = Path(config.config_file_path).parent
    sources = [*PAGES, *(f"{DOCS}/{page.src_uri}" for page in files.documentation_pages())]
    linked = {
        target
        for source in sources
        for link in _LINK.findall((root / source).read_text(encoding="utf-8"))
        if not (target := _in_repository(source, link)).startswith(f"{DOCS}/")
    }
    for name in sorted({*PAGES, *linked}):
        # A link that leads nowhere stays as it is, for the strict build to report.
        if (root / name).is_file():
            files.append(File.generated(config, name, abs_src_path=str(root / name)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Turn links between files of the repository into links between pages of the site."""
    here = page.file.src_uri
    source = here if here in PAGES else f"{DOCS}/{here}"

    def on_site(match: re.Match[str]) -> str:
        target = _in_repository(source, match[1]).removeprefix(f"{DOCS}/")
        return posixpath.relpath(target, posixpath.dirname(here) or ".")

    return _LINK.sub(on_site, markdown)


def _in_repository(source: str, link: str) -> str:
    return posixpath.normpath(posixpath.join(posixpath.dirname(source), link))
