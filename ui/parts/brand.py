"""The mark and the name, as SVG in the code: nothing is fetched for them."""

from __future__ import annotations

_MARK = (
    '<rect width="24" height="24" rx="5" fill="#1f5fbf"/>'
    '<path d="M6 7h12M6 11h12M6 19h7" stroke="#fff" stroke-width="1.6" stroke-linecap="round"'
    ' opacity="0.75"/><rect x="5" y="13.4" width="14" height="3.2" rx="1" fill="#ffe240"/>'
)
ICON = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24">{_MARK}</svg>'
LOGO = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 112 24" width="112" height="24">'
    f'{_MARK}<text x="33" y="17.5" font-family="sans-serif" font-size="17" font-weight="600"'
    ' fill="#1f5fbf">longdoc</text></svg>'
)
