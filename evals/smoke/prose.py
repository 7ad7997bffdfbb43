"""Harbour towns that do not exist, in English and Chinese, with questions about them."""

from __future__ import annotations

from dataclasses import dataclass

_TOWNS = "Quillhaven Osterby Marrowick Tolvane Brackness Pellmouth Innisgarth Dunmarle".split()
_SHIPS = "Merrow Sandpiper Halcyon Tamarind Corncrake Isolde Petrel Wanderer".split()
_ISLES = "Tarn Skell Ulver Ronsay Morvane Hethra Calder Ostrey".split()
_FIRST = "Odile Matthis Ingrid Caspar Renata Joachim Sunniva Bartel".split()
_LAST = "Brannock Vesper Aldous Kettering Lund Osmund Farrow Quist".split()


@dataclass(frozen=True, slots=True)
class Asked:
    """A question, its answer, and the sentence that gives it."""

    question: str
    answer: str
    sentence: str


@dataclass(frozen=True, slots=True)
class Place:
    """A town; no two numbers have the same figures."""

    number: int

    @property
    def town(self) -> str:
        """Its name."""
        return _TOWNS[self.number % len(_TOWNS)]

    @property
    def ship(self) -> str:
        """Its ferry."""
        return _SHIPS[self.number % len(_SHIPS)]

    @property
    def captain(self) -> str:
        """Two words: the ferry's captain."""
        return f"{_FIRST[self.number % len(_FIRST)]} {_LAST[(self.number // 2) % len(_LAST)]}"

    @property
    def isle(self) -> str:
        """Where the ferry goes and the captain was born."""
        return _ISLES[self.number % len(_ISLES)]

    @property
    def minutes(self) -> int:
        """How long the ferry takes."""
        return 31 + 2 * self.number

    @property
    def fee(self) -> int:
        """Crowns for a berth, a night."""
        return 210 + 7 * self.number

    def paragraphs(self) -> list[str]:
        """Three, of two or three sentences each."""
        captain, crossing, berth = (asked.sentence for asked in self.questions())
        return [
            f"{self.town} is a harbour town at the mouth of a river. Its two piers are of larch.",
            f"{crossing} {captain} The captain was born on {self.isle}.",
            f"The harbour office opens at eight. {berth} A week costs less than seven nights.",
        ]

    def questions(self) -> tuple[Asked, Asked, Asked]:
        """Who the captain is, how long the ferry takes, what a berth costs."""
        return (
            Asked(
                f"Who is the captain of the {self.ship}?",
                self.captain,
                f"The captain of the {self.ship} is {self.captain}.",
            ),
            Asked(
                f"How many minutes does the {self.ship} take to the isle of {self.isle}?",
                str(self.minutes),
                f"The ferry {self.ship} crosses to the isle of {self.isle} in {self.minutes} "
                "minutes.",
            ),
            Asked(
                f"How many crowns a night is a berth at {self.town}?",
                str(self.fee),
                f"A berth at {self.town} costs {self.fee} crowns a night.",
            ),
        )


CHINESE = (
    "白鹭港是河口的一座小镇，有两座木码头。",
    "渡轮“海燕号”四十分钟到达松岛，船长是林若水。",
    "泊位每晚二十六元，港务所八点开门。",
)
CHINESE_ASKED = Asked("海燕号的船长是谁？", "林若水", CHINESE[1])
