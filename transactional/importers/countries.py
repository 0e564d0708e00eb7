"""Countries as order logs name them, to ISO 3166 codes."""

from __future__ import annotations

_CODES = {
    "Australia": "AU", "Austria": "AT", "Bahrain": "BH", "Belgium": "BE", "Brazil": "BR", "Canada": "CA", "Cyprus": "CY",
    "Czech Republic": "CZ", "Denmark": "DK", "EIRE": "IE", "Finland": "FI", "France": "FR", "Germany": "DE",
    "Greece": "GR", "Hong Kong": "HK", "Iceland": "IS", "Israel": "IL", "Italy": "IT", "Japan": "JP", "Korea": "KR",
    "Lebanon": "LB", "Lithuania": "LT", "Malta": "MT", "Netherlands": "NL", "Nigeria": "NG", "Norway": "NO",
    "Poland": "PL", "Portugal": "PT", "RSA": "ZA", "Saudi Arabia": "SA", "Singapore": "SG", "Spain": "ES",
    "Sweden": "SE", "Switzerland": "CH", "Thailand": "TH", "United Arab Emirates": "AE", "United Kingdom": "GB",
    "USA": "US", "Bermuda": "BM",
    # these the logs write where they name no country
    "Channel Islands": None, "European Community": None, "Unspecified": None, "West Indies": None,
}  # fmt: skip


def country_code(name: str | None) -> str | None:
    """The code of a country; None for what names none (Channel Islands, European Community, Unspecified)."""
    return _CODES.get(name or "")


def is_known(name: str | None) -> bool:
    """Whether this is how order logs write a country, or that they name none."""
    return not name or name in _CODES
