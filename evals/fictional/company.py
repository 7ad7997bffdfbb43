"""The company that does not exist: its names, its facts, and figures that never hit a fact."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field

NAME = "Norvane Industries plc"
YEAR = 2025
SEGMENTS = (
    "Marine Systems",
    "Cold Chain Logistics",
    "Water Treatment",
    "Specialty Coatings",
    "Grid Services",
)
COUNTRIES = {
    "Belgium": ("Antwerp", "Ghent", "Liège", "Bruges"),
    "Canada": ("Halifax", "Hamilton", "Winnipeg", "Moncton"),
    "Denmark": ("Aarhus", "Odense", "Esbjerg", "Aalborg"),
    "Finland": ("Turku", "Oulu", "Vaasa", "Kotka"),
    "France": ("Brest", "Nantes", "Dunkirk", "Lyon"),
    "Germany": ("Bremen", "Kassel", "Rostock", "Mannheim"),
    "Ireland": ("Cork", "Limerick", "Galway", "Dundalk"),
    "Italy": ("Trieste", "Genoa", "Parma", "Ancona"),
    "Netherlands": ("Breda", "Groningen", "Vlissingen", "Almere"),
    "Norway": ("Bergen", "Stavanger", "Drammen", "Molde"),
    "Portugal": ("Porto", "Aveiro", "Sines", "Braga"),
    "Spain": ("Vigo", "Bilbao", "Valencia", "Huelva"),
    "Sweden": ("Gothenburg", "Malmö", "Gävle", "Norrköping"),
    "United Kingdom": ("Hull", "Sunderland", "Swansea", "Leith"),
}
SITE_KINDS = ("depot", "cold store 1", "cold store 2", "office", "workshop")
DIRECTORS = (
    "Ingrid Solheim",
    "Marcus Attwell",
    "Priya Ramanathan",
    "Tomás Figueira",
    "Eleanor Whitcombe",
    "Jonas Lindqvist",
    "Beatriz Calado",
    "Desmond Okafor",
    "Hannah Vreeland",
)
REGIONS = ("northern", "coastal", "midland", "southern")


@dataclass(frozen=True, slots=True)
class Facts:
    """What the questions ask, and the figures that look like it. All strings differ."""

    rent: str
    rent_before: str
    rents_nearby: tuple[str, str]
    leverage: str
    leverages: tuple[str, str, str, str]
    seasonal: str
    seasonal_others: tuple[str, str, str]
    restored: str
    restored_others: tuple[str, str, str]
    restated: str
    as_reported: str
    profit_now: str

    def reserved(self) -> frozenset[str]:
        """Every figure that no other sentence or row may show by chance."""
        single = {self.rent, self.rent_before, self.leverage, self.seasonal, self.restored}
        single |= {self.restated, self.as_reported, self.profit_now}
        return frozenset(
            single.union(
                self.rents_nearby, self.leverages, self.seasonal_others, self.restored_others
            )
        )


def draw_facts(rng: random.Random) -> Facts:
    """The facts of one seed."""
    rents = [f"{number:,}" for number in rng.sample(range(1105, 4890), 4)]
    ratios = [f"{number / 100:.2f}" for number in sorted(rng.sample(range(235, 395, 5), 5))]
    seasonal = [f"{number:,}" for number in rng.sample(range(1010, 1990), 4)]
    minutes = [f"{number / 10:.1f}" for number in rng.sample(range(411, 698), 4)]
    profits = [f"{number / 10:.1f}" for number in rng.sample(range(2011, 2489), 3)]
    if len({*rents, *seasonal}) < 8:
        return draw_facts(rng)
    return Facts(
        rent=rents[0],
        rent_before=rents[1],
        rents_nearby=(rents[2], rents[3]),
        leverage=ratios[2],
        leverages=(ratios[4], ratios[3], ratios[1], ratios[0]),
        seasonal=seasonal[0],
        seasonal_others=(seasonal[1], seasonal[2], seasonal[3]),
        restored=minutes[0],
        restored_others=(minutes[1], minutes[2], minutes[3]),
        restated=profits[0],
        as_reported=profits[1],
        profit_now=profits[2],
    )


@dataclass(slots=True)
class Figures:
    """Draws figures for prose and tables, and never one that is reserved."""

    rng: random.Random
    reserved: frozenset[str] = field(default_factory=frozenset)

    def whole(self, low: int, high: int) -> str:
        """``1,234``."""
        return self._free(lambda: f"{self.rng.randint(low, high):,}")

    def tenths(self, low: float, high: float) -> str:
        """``12.3``: millions, percentages, minutes."""
        return self._free(lambda: f"{self.rng.uniform(low, high):.1f}")

    def ratio(self, low: float, high: float) -> str:
        """``1.23``."""
        return self._free(lambda: f"{self.rng.uniform(low, high):.2f}")

    def _free(self, draw: Callable[[], str]) -> str:
        while (figure := draw()) in self.reserved:
            pass
        return figure
