"""Departments for a log that has none: derived from the words of a product's title, the first match counts."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Department:
    """A category: its path from the root, the name of its last part, and the words that lead to it."""

    path: str
    name: str
    words: re.Pattern[str]


def _department(path: str, name: str, words: str) -> Department:
    return Department(path, name, re.compile(rf"\b(?:{words.replace(' ', '|')})(?:E?S)?\b"))


DEPARTMENTS: tuple[Department, ...] = (
    _department("seasonal/christmas", "Christmas", "CHRISTMAS XMAS ADVENT SANTA REINDEER SNOWFLAKE BAUBLE NATIVITY"),
    _department("seasonal/easter", "Easter", "EASTER CHICK BUNNY EGG"),
    _department(
        "fashion/jewellery", "Jewellery",
        "NECKLACE BRACELET EARRING RING BROOCH BANGLE CHARM DIAMANTE PENDANT ANKLET JEWEL BEAD HAIR LARIAT TIARA",
    ),
    _department("fashion/bags", "Bags and purses", "BAG PURSE SHOPPER TOTE SATCHEL HANDBAG SUITCASE WALLET RUCKSACK"),
    _department(
        "fashion/accessories", "Accessories",
        "SCARF UMBRELLA PARASOL FAN GLOVE SLIPPER SOCK HAT KEYRING KEY-RING SUNGLASSES PONCHO EARMUFF",
    ),
    _department("home/lighting", "Lighting", "T-LIGHT LIGHT LIGHTS LAMP LANTERN CANDLE CANDLESTICK CHANDELIER TEALIGHT"),
    _department(
        "home/kitchen", "Kitchen and dining",
        "MUG CUP TEACUP TEA COFFEE BOWL PLATE CAKE CAKESTAND CUTLERY KITCHEN BAKING LUNCH JUG TRAY TEAPOT APRON COASTER "
        "PLACEMAT GLASS JAR SPOON OVEN BREAD JAM PANTRY EGGCUP TUMBLER BOTTLE CHOPPING SPICE RECIPE POPCORN SALT MOULD",
    ),
    _department("home/textiles", "Cushions and textiles", "CUSHION QUILT THROW BLANKET TOWEL CURTAIN DOORMAT RUG BEDSPREAD"),
    _department("home/storage", "Storage", "BOX TIN BASKET DRAWER STORAGE CABINET HOOK HANGER RACK SHELF CRATE TRINKET BIN"),
    _department("garden", "Garden", "GARDEN PLANT POT PLANTER WATERING BIRDHOUSE SEED HERB FLOWERPOT TROWEL GNOME"),
    _department("party", "Party and wrapping", "PARTY BALLOON BUNTING WRAP GIFTWRAP RIBBON CONFETTI NAPKIN DOILY BIRTHDAY"),
    _department(
        "stationery", "Stationery and craft",
        "CARD NOTEBOOK JOURNAL PEN PENCIL PAPER ENVELOPE STICKER STATIONERY CRAYON CHALK RULER ERASER STAMP CRAFT SEWING "
        "FELTCRAFT KNITTING MAGNET CALENDAR POSTCARD TAPE NOTE TISSUE",
    ),
    _department(
        "toys", "Toys and games",
        "TOY GAME PUZZLE DOLL DOLLY PLAYHOUSE CHILD CHILDREN CHILDRENS BABY SPACEBOY TEDDY JIGSAW DOMINO SKITTLE YOYO "
        "HOPPER SOLDIER PLAY BINGO LUDO GIRL BOY",
    ),
    _department("home/bath", "Bath", "SOAP BATH INCENSE BATHROOM WASHBAG FLANNEL SPONGE FRAGRANCE"),
    _department(
        "home/decoration", "Decoration",
        "DECORATION FRAME SIGN CLOCK MIRROR HEART ORNAMENT GARLAND WREATH WALL PICTURE VASE ART DOORKNOB KNOB LETTER "
        "DOORSTOP CANVAS CHIME TREE FLOWER STAR ANGEL HANGING BLOCK PHOTO",
    ),
)  # fmt: skip
OTHER = Department("gifts", "Gifts", re.compile(""))
ROOTS = {"seasonal": "Seasonal", "fashion": "Fashion", "home": "Home"}


def department_of(title: str) -> Department:
    """The department that a title leads to."""
    words = title.upper()
    return next((department for department in DEPARTMENTS if department.words.search(words)), OTHER)


def categories() -> list[tuple[str, str]]:
    """Path and name of every category, parents first."""
    return sorted({**ROOTS, **{one.path: one.name for one in (*DEPARTMENTS, OTHER)}}.items())
