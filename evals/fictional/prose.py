"""Paragraphs of an annual report, put together from sentences with changing parts."""

from __future__ import annotations

import re
import string

from evals.fictional.company import COUNTRIES, DIRECTORS, NAME, SEGMENTS, YEAR, Figures

_TOPICS = {
    "trading": """
Revenue in {segment} {rose} by {pct} per cent to £{m} million, with {country} and {country2}
accounting for most of the change.

The order book stood at £{m} million at the year end, compared with £{m2} million twelve months
earlier.

Volumes in {country} {rose} in the {quarter} quarter after two {adjective} customers changed
their purchasing patterns.

Adjusted operating margin in {segment} was {pct} per cent ({prior}: {pct2} per cent), reflecting
{driver}.

We completed the commissioning of a second production line at {city}, which added capacity of
some {n} tonnes a year.

Pricing actions taken in the {quarter} quarter recovered about {pct} per cent of the increase in
input costs.

In {country}, competition from regional suppliers intensified, and we chose to give up contracts
that did not meet our return thresholds.

Service and aftermarket revenue, which is less exposed to the investment cycle, {rose} to £{m}
million.

Management expects demand in {country} to remain {adjective} through the first half of the
coming year.

A framework agreement signed with a utility in {country2} is worth up to £{m} million over {k}
years.

Excluding currency effects and disposals, {segment} grew by {pct} per cent, ahead of the markets
it serves.

The {city} site delivered its best safety and delivery record since it joined the Group in
{past}.

Inventory fell by {n} units as lead times for imported components returned to normal.
""",
    "strategy": """
The Board reviewed the Group's strategy in {month} and concluded that its three priorities
remain the right ones.

We will continue to invest where {driver} gives us an advantage that is hard to copy.

Capital allocation follows a settled order: maintain the assets, invest in growth, pay a
progressive dividend, and return what is left.

Over the past {k} years we have invested £{m} million in {segment}, of which about a third went
to {country}.

Our customers ask for fewer suppliers, longer contracts and clearer evidence of environmental
performance.

The acquisition pipeline is {adjective}, but valuations in {country} remain above what we are
prepared to pay.

We exited two small activities in {country2} that no longer fitted the portfolio, realising £{m}
million.

The programme announced in {past} to simplify the operating model has now delivered annual
savings of £{m} million.

{segment} and {segment2} now share a procurement team, a laboratory in {city} and a common
planning system.

Return on invested capital was {pct} per cent, against a cost of capital that we estimate at
{pct2} per cent.

None of this would be possible without the {n} colleagues who serve our customers every day.

We said at the time of the capital markets event in {month} that progress would not be even, and
it has not been.
""",
    "risk": """
The likelihood of this risk is judged to have {rose} since the previous year because of
{driver}.

Mitigation includes dual sourcing of critical parts, a buffer stock held at {city} and quarterly
reviews by the executive committee.

A severe but plausible scenario, in which revenue in {segment} falls by {pct} per cent for {k}
quarters, was included in the viability assessment.

Responsibility rests with {director}, who reports to the Audit and Risk Committee twice a year.

The Group carries insurance with limits of £{m} million for property damage and business
interruption.

An internal audit of controls in {country} made {k} recommendations, all of which had been
implemented by the year end.

Cyber incidents reported to the security operations centre numbered {n}, none of which led to a
loss of data.

Regulation in {country2} may require additional investment at the {city} site before the end of
the decade.

The residual risk is within the appetite set by the Board, although the trend is {adjective}.

Early warning indicators are tracked monthly and include customer payment days, tender success
rates and staff turnover.

Our hedging policy covers between {k}0 and 90 per cent of forecast currency exposure over the
next twelve months.
""",
    "governance": """
The committee met {k} times during the year, and attendance was full except as set out in the
table.

{director} chaired the review of the external auditor's effectiveness, which drew on {n}
responses from management.

The committee challenged management's assumptions about growth in {segment} and asked for
further sensitivity analysis.

Following the externally facilitated evaluation, the Board agreed {k} actions for the coming
year.

Non-executive directors visited operations in {country} and {country2} and met employee
representatives at {city}.

The Board considers that all non-executive directors, including {director}, are independent in
character and judgement.

Shareholders representing {pct} per cent of the issued share capital were consulted before the
policy was finalised.

The succession plan for the executive committee was reviewed in {month}, with particular
attention to {segment}.

Significant matters considered by the committee included revenue recognition on long-term
contracts and {driver}.

There were no material weaknesses in internal control, but improvements were requested at the
{city} shared service centre.

The Board received training on artificial intelligence, sanctions and the new requirements of
the corporate governance code.

{director} has decided not to stand for re-election at the annual general meeting after {k}
years of service.
""",
    "environment": """
Scope 1 and 2 emissions from {segment} {rose} to {n} tonnes of carbon dioxide equivalent.

A heat recovery unit installed at {city} saves about {n} megawatt-hours of gas a year.

Water withdrawal in {country} was {n} cubic metres, and {pct} per cent of it was returned after
treatment.

Renewable sources supplied {pct} per cent of the electricity we used ({prior}: {pct2} per cent).

Volunteers from the {city} site worked with local schools on {k} projects during the year.

The lost time injury rate was {ratio} per million hours worked, a further improvement.

Suppliers representing {pct} per cent of spend have now signed the responsible sourcing charter.

We aim to send no waste to landfill from {country2} by the end of the decade.

Biodiversity assessments were completed at {k} sites, among them {city}.

Training hours per employee {rose} to {ratio2}, helped by a new apprenticeship scheme in
{country}.

Engagement scores in {segment} were {pct} per cent, with {adjective} participation.
""",
    "accounting": """
Revenue is recognised when control of the goods or services passes to the customer, which for
{segment} is generally on delivery.

Property, plant and equipment is stated at cost less accumulated depreciation and any recognised
impairment loss.

The recoverable amount of the {city} cash-generating unit was determined from value in use, with
a pre-tax discount rate of {pct} per cent.

A reduction of one percentage point in the long-term growth rate would reduce headroom by £{m}
million but would not lead to an impairment.

Lease liabilities are measured at the present value of remaining payments, discounted at the
incremental borrowing rate of the lessee.

Deferred tax assets of £{m} million have not been recognised in respect of losses in {country},
because future profits are not sufficiently certain.

Amounts recognised in the income statement in respect of defined contribution schemes were £{m}
million ({prior}: £{m2} million).

The carrying amount of trade receivables approximates to their fair value because of their short
maturity.

Provisions for restoration relate mainly to sites in {country} and {country2} and are expected
to be used within {k} years.

The Group applies the simplified approach to expected credit losses, using a matrix based on {k}
years of experience.

Borrowing costs directly attributable to qualifying assets at {city} amounted to £{m} million.

Foreign exchange differences on the retranslation of subsidiaries in {country} are taken to the
translation reserve.

Judgement is required in estimating the stage of completion of contracts in {segment}, of which
{k} were individually significant.

Share-based payment expense of £{m} million was recognised in the year, of which {pct} per cent
related to the performance share plan.

The effective rate of tax was {pct} per cent, compared with {pct2} per cent in the previous
year.
""",
}
_SENTENCES = {
    topic: [" ".join(sentence.split()) for sentence in text.strip().split("\n\n")]
    for topic, text in _TOPICS.items()
}
_CHOICES = {
    "adjective": "subdued|encouraging|resilient|mixed|stable|uneven|promising",
    "driver": (
        "higher energy costs|a richer mix of services|the timing of large projects|lower freight "
        "rates|the integration of recent acquisitions|delays in public procurement|tighter "
        "environmental standards|wage settlements above inflation|improved plant utilisation"
    ),
    "rose": "increased|declined|moved|edged up|slipped",
    "quarter": "first|second|third|fourth",
    "month": "February|March|May|June|September|October|November",
}
_LONG_WORD = re.compile(r"[A-Za-z]{9,}")
_BREAK = re.compile(r"(?<=[a-z]{2}[aeiou])(?=[bcdfglmnprtv][aeiou][a-z]{2})")


class Writer:
    """Writes paragraphs on a topic, using every sentence of it before any comes again."""

    def __init__(self, figures: Figures) -> None:
        self._figures = figures
        self._left: dict[str, list[str]] = {}

    def paragraph(self, topic: str, sentences: int, segment: str | None = None) -> str:
        """A paragraph; of one ``segment``, or of any."""
        return " ".join(self._sentence(topic, segment) for _ in range(sentences))

    def _sentence(self, topic: str, segment: str | None) -> str:
        left = self._left.setdefault(topic, [])
        if not left:
            left.extend(self._figures.rng.sample(_SENTENCES[topic], len(_SENTENCES[topic])))
        sentence = left.pop()
        wanted = {name for _, name, _, _ in string.Formatter().parse(sentence) if name}
        sentence = sentence.format(**self._parts(wanted, segment))
        return sentence[0].upper() + sentence[1:]

    def _parts(self, wanted: set[str], segment: str | None) -> dict[str, str]:
        rng, figures = self._figures.rng, self._figures
        first, second = rng.sample(sorted(COUNTRIES), 2)
        one, other = rng.sample(SEGMENTS, 2)
        parts = {
            "country": first,
            "country2": second,
            "city": rng.choice(COUNTRIES[first]),
            "segment": segment or one,
            "segment2": other if other != segment else one,
            "director": rng.choice(DIRECTORS),
            "m": figures.tenths(2, 390),
            "m2": figures.tenths(2, 390),
            "pct": figures.tenths(1.1, 38),
            "pct2": figures.tenths(1.1, 38),
            "ratio": figures.ratio(0.2, 1.9),
            "ratio2": figures.ratio(11, 29),
            "n": figures.whole(120, 18500),
            "k": str(rng.randint(3, 9)),
            "prior": str(YEAR - 1),
            "past": str(rng.randint(2014, 2022)),
            "name": NAME,
        }
        for name, options in _CHOICES.items():
            parts[name] = rng.choice(options.split("|"))
        return {name: parts[name] for name in wanted}


def with_breaks(text: str) -> str:
    """The text with soft hyphens where its long words may be broken."""
    return _LONG_WORD.sub(lambda word: _BREAK.sub("\u00ad", word[0]), text)
