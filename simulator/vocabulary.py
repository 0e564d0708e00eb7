"""Words of the built-in catalogue: what is sold in each category, by which brands, in which styles, for how much."""

from __future__ import annotations

from dataclasses import dataclass

STYLES: dict[str, str] = {
    "Nordic": "pale wood, quiet lines and nothing that is not needed",
    "Industrial": "raw steel, visible joints and a workshop's honesty",
    "Retro": "the colours and curves of the sixties",
    "Boho": "warm patterns that look collected rather than bought",
    "Minimal": "one shape, one colour, no ornament",
    "Heritage": "the way it has been made for generations",
    "Alpine": "made for wind, rain and long days out",
    "Playful": "bright, round and impossible to be serious about",
}

COLOURS = ("black", "white", "sand", "forest green", "navy", "terracotta", "mustard", "slate", "rose", "sky blue")


SIZES = ("small", "regular", "large", "travel size", "refill", "gift box")

CONSUMABLES = ("beauty/skincare", "food/coffee-and-tea", "food/pantry")
"""Categories whose products come in sizes, not colours, and whose materials are ingredients or ways of making."""
NOT_FOR_CONSUMABLES = ("Industrial", "Playful")


@dataclass(frozen=True)
class Leaf:
    """A category at the end of the tree: its path, what is sold there as (noun, usual price), materials and brands."""

    path: str
    things: tuple[tuple[str, float], ...]
    materials: tuple[str, ...]
    brands: tuple[str, ...]
    purpose: str

    @property
    def is_consumable(self) -> bool:
        return self.path in CONSUMABLES

    @property
    def styles(self) -> tuple[str, ...]:
        return tuple(style for style in STYLES if not (self.is_consumable and style in NOT_FOR_CONSUMABLES))


LEAVES: tuple[Leaf, ...] = (
    Leaf("home/kitchen",
         (("Pour-Over Kettle", 58), ("Chef's Knife", 74), ("Cast Iron Pan", 49), ("Salad Bowl", 32),
          ("Espresso Cup Set", 28),
          ("Spice Rack", 36), ("Bread Bin", 41), ("Cutting Board", 34), ("Storage Jar Set", 39), ("French Press", 44)),
         ("stainless steel", "oak", "enamel", "borosilicate glass", "stoneware"),
         ("Harrow & Pine", "Nordkant", "Casa Lume", "Brasserie Nine"), "everyday cooking"),
    Leaf("home/bedding",
         (("Duvet Cover", 79), ("Linen Sheet Set", 119), ("Wool Throw", 88), ("Feather Pillow", 54), ("Quilt", 135),
          ("Pillowcase Pair", 31), ("Mattress Topper", 149), ("Weighted Blanket", 128)),
         ("washed linen", "organic cotton", "merino wool", "percale"),
         ("Nordkant", "Casa Lume", "Slow Sunday", "Fjellvik"), "better sleep"),
    Leaf("home/lighting",
         (("Pendant Lamp", 112), ("Desk Lamp", 67), ("Floor Lamp", 148), ("Wall Sconce", 83), ("Lantern", 38),
          ("Clip Light", 27), ("Paper Shade", 24), ("String Lights", 19)),
         ("brass", "spun aluminium", "opal glass", "rice paper", "ash"),
         ("Lumen Works", "Nordkant", "Foundry 48", "Casa Lume"), "evenings at home"),
    Leaf("garden/tools",
         (("Hand Trowel", 19), ("Pruning Shears", 37), ("Watering Can", 33), ("Garden Fork", 52), ("Hose Reel", 84),
          ("Leaf Rake", 29), ("Plant Mister", 17), ("Raised Bed Kit", 126)),
         ("forged steel", "galvanised steel", "cedar", "copper"),
         ("Thornfield", "Foundry 48", "Greenwell", "Harrow & Pine"), "a garden that is used"),
    Leaf("garden/outdoor-living",
         (("Fire Bowl", 165), ("Deck Chair", 94), ("Hammock", 76), ("Picnic Rug", 45), ("Parasol", 138),
          ("Planter", 49),
          ("Bird Feeder", 26), ("Folding Table", 118)),
         ("acacia", "weathering steel", "canvas", "rattan"),
         ("Greenwell", "Casa Lume", "Thornfield", "Fjellvik"), "long summer evenings"),
    Leaf("fashion/women",
         (("Trench Coat", 189), ("Knit Jumper", 94), ("Wrap Dress", 109), ("Wide Trousers", 88), ("Silk Scarf", 49),
          ("Ankle Boots", 158), ("Tote Bag", 72), ("Cardigan", 84), ("Linen Shirt", 69)),
         ("merino wool", "organic cotton", "linen", "recycled polyester", "leather"),
         ("Maison Orle", "Studio Vey", "Fjellvik", "Slow Sunday"), "a wardrobe that lasts"),
    Leaf("fashion/men",
         (("Chore Jacket", 139), ("Oxford Shirt", 68), ("Selvedge Jeans", 118), ("Lambswool Sweater", 98),
          ("Derby Shoes", 172),
          ("Leather Belt", 46), ("Beanie", 27), ("Rain Parka", 196), ("Chinos", 79)),
         ("selvedge denim", "lambswool", "waxed cotton", "leather", "oxford cloth"),
         ("Dock Street", "Studio Vey", "Fjellvik", "Harrow & Pine"), "every day of the week"),
    Leaf("sports/running",
         (("Trail Shoes", 128), ("Running Vest", 86), ("Wind Shell", 98), ("Split Shorts", 46), ("Head Torch", 57),
          ("Merino Tee", 62), ("Compression Socks", 21), ("Soft Flask", 18)),
         ("ripstop nylon", "merino blend", "recycled mesh"),
         ("Kestrel", "Strideworks", "Fjellvik", "Velo Norte"), "the next ten kilometres"),
    Leaf("sports/camping",
         (("Two-Person Tent", 248), ("Down Sleeping Bag", 219), ("Camp Stove", 74), ("Insulated Bottle", 32),
          ("Dry Bag", 28),
          ("Trekking Poles", 89), ("Enamel Mug", 14), ("Sleeping Mat", 96), ("Head Net", 12)),
         ("ripstop nylon", "titanium", "recycled polyester", "aluminium"),
         ("Kestrel", "Fjellvik", "Thornfield", "Basecamp Supply"), "nights under the sky"),
    Leaf("sports/cycling",
         (("Commuter Helmet", 79), ("Pannier Bag", 86), ("Cycling Jersey", 74), ("Bike Lights", 44), ("Floor Pump", 52),
          ("Multi-Tool", 34), ("Handlebar Tape", 22), ("Frame Lock", 63)),
         ("recycled polyester", "aluminium", "waxed canvas", "steel"),
         ("Velo Norte", "Kestrel", "Dock Street", "Strideworks"), "the ride to work and the long way home"),
    Leaf("electronics/audio",
         (("Wireless Headphones", 189), ("Bookshelf Speaker", 214), ("Turntable", 268), ("Portable Speaker", 98),
          ("Earbuds", 118),
          ("Radio", 89), ("Phono Preamp", 134), ("Headphone Stand", 36)),
         ("walnut", "anodised aluminium", "vegan leather", "bamboo"),
         ("Octave", "Lumen Works", "Foundry 48", "Tonhalle"), "listening properly"),
    Leaf("electronics/desk",
         (("Mechanical Keyboard", 138), ("Wireless Mouse", 64), ("Monitor Stand", 78), ("Webcam", 92),
          ("USB-C Dock", 149),
          ("Desk Mat", 38), ("Laptop Sleeve", 44), ("Cable Organiser", 16), ("Charging Station", 58)),
         ("anodised aluminium", "walnut", "wool felt", "recycled ABS"),
         ("Octave", "Keywright", "Nordkant", "Foundry 48"), "a desk that is pleasant to sit at"),
    Leaf("kids/toys",
         (("Building Blocks", 42), ("Train Set", 68), ("Plush Bear", 29), ("Puzzle", 19), ("Balance Bike", 109),
          ("Play Kitchen", 138), ("Stacking Rings", 17), ("Kite", 24)),
         ("beech", "organic cotton", "maple", "recycled plastic"),
         ("Little Heron", "Holzkind", "Pip & Plum", "Slow Sunday"), "an afternoon without a screen"),
    Leaf("kids/clothing",
         (("Rain Suit", 58), ("Striped Pyjamas", 34), ("Dungarees", 44), ("Sun Hat", 19), ("Wool Socks", 13),
          ("Winter Boots", 66),
          ("Knitted Vest", 38)),
         ("organic cotton", "merino wool", "recycled polyester"),
         ("Little Heron", "Pip & Plum", "Fjellvik", "Maison Orle"), "puddles and playgrounds"),
    Leaf("beauty/skincare",
         (("Face Serum", 46), ("Day Cream", 38), ("Cleansing Balm", 32), ("Clay Mask", 27), ("Hand Cream", 18),
          ("Sun Lotion", 24),
          ("Body Oil", 34), ("Lip Balm", 9)),
         ("oat extract", "rosehip", "sea buckthorn", "hyaluronic acid"),
         ("Apothek Nord", "Rosewater Lane", "Maison Orle", "Greenwell"), "skin that asks for little"),
    Leaf("beauty/bath",
         (("Bath Towel Set", 64), ("Soap Dish", 17), ("Soap Bar Trio", 21), ("Scented Candle", 36), ("Bath Salts", 23),
          ("Bathrobe", 98), ("Shower Caddy", 42)),
         ("organic cotton", "stoneware", "beeswax", "olive oil"),
         ("Apothek Nord", "Rosewater Lane", "Casa Lume", "Slow Sunday"), "a slow hour"),
    Leaf("food/coffee-and-tea",
         (("Espresso Beans", 17), ("Filter Coffee", 15), ("Green Tea", 13), ("Chai Blend", 12), ("Decaf Beans", 16),
          ("Tea Sampler", 26), ("Cold Brew Kit", 34), ("Hand Grinder", 88)),
         ("single origin", "organic", "small batch"),
         ("Brasserie Nine", "Harbour Roast", "Leaf Ledger", "Greenwell"), "the first quarter of an hour of the day"),
    Leaf("food/pantry",
         (("Olive Oil", 22), ("Wildflower Honey", 14), ("Dark Chocolate", 7), ("Sea Salt", 9), ("Pasta Trio", 13),
          ("Chilli Crisp", 11), ("Granola", 10), ("Gift Hamper", 78)),
         ("organic", "small batch", "stone ground", "cold pressed"),
         ("Brasserie Nine", "Mercato Blu", "Greenwell", "Harbour Roast"), "a shelf worth opening"),
    Leaf("pets/dogs-and-cats",
         (("Dog Bed", 89), ("Cat Tree", 118), ("Lead", 32), ("Collar", 24), ("Food Bowl", 21), ("Chew Toy", 12),
          ("Travel Carrier", 96), ("Scratching Post", 48)),
         ("waxed canvas", "sisal", "stoneware", "wool felt", "leather"),
         ("Wag & Whisker", "Thornfield", "Nordkant", "Pip & Plum"), "the other members of the household"),
    Leaf("books/stationery",
         (("Notebook", 16), ("Fountain Pen", 58), ("Desk Planner", 27), ("Washi Tape Set", 12), ("Sketchbook", 21),
          ("Letter Set", 18), ("Pencil Case", 24), ("Ink Bottle", 15)),
         ("recycled paper", "brass", "linen", "leather", "cherry wood"),
         ("Leaf Ledger", "Keywright", "Paperhaus", "Maison Orle"), "thinking on paper"),
)  # fmt: skip
