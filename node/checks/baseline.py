"""What one account usually sends: counts of the last hour and day, decaying averages, familiar hours and networks.

Pure arithmetic and one packed form. The value is changed in place, inside the transaction that read it and will write
it; whatever is fed in, every figure stays finite and within bounds.

Learning goes by whole active days (UTC). A burst of an hour is one observation, and the ceiling that follows from the
averages rises by `GROWTH` a day at the most, so that whoever has stolen an app password cannot teach it much.
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass, field

HOUR, DAY = 3600, 86400
MOST = 1e9  # no count is taken to be larger
GROWTH = 1.2  # how much a ceiling may rise by a day's learning
LEARNING = 0.2  # weight of a day, once there are five
FAMILIAR_DECAY = 0.98  # a day: hours and networks fade within months
IDLE_HALF_SECONDS = 90 * DAY  # after so long without sending, half of what was learnt is gone
DEVIATIONS, MULTIPLE = 4.0, 2.0  # a ceiling lies so far above the average
NETWORKS = 8  # remembered, and as many countries
DEFERRED = 256  # fingerprints of deferred messages, so that a queue which tries again is no new evidence
_VERSION = 1
_LATEST = 1 << 40  # unix seconds
_BOUND = 1e19  # a variance, and some room for rounding


@dataclass(slots=True)
class Counts:
    """What happened in a stretch of time.

    Attributes:
        messages, recipients: of accepted messages.
        deferred: recipients of messages that were told to wait, each message once.
        fresh: accepted recipients never written to before; one half where the domain is known.
        refused: recipients that do not exist, here or by the word of the server that has their mail.
    """

    messages: float = 0.0
    recipients: float = 0.0
    deferred: float = 0.0
    fresh: float = 0.0
    refused: float = 0.0


@dataclass(slots=True)
class Window:
    """Counts of the current hour or day and of the one before, from which those of the last 3,600 or 86,400 seconds
    are estimated: the older part counts as much as still lies within."""

    seconds: int
    index: int = 0
    now: Counts = field(default_factory=Counts)
    before: Counts = field(default_factory=Counts)

    def advance(self, time: float) -> None:
        """Go to the stretch `time` lies in. A clock that was wrong and goes back starts the counts anew."""
        index = int(time // self.seconds)
        if index != self.index:
            self.before = self.now if index == self.index + 1 else Counts()
            self.now, self.index = Counts(), index

    def sliding(self, time: float) -> Counts:
        """The estimate for the time up to `time`, after `advance`."""
        rest = 1.0 - min(1.0, max(0.0, time / self.seconds - self.index))
        now, before = self.now, self.before
        return Counts(
            now.messages + rest * before.messages,
            now.recipients + rest * before.recipients,
            now.deferred + rest * before.deferred,
            now.fresh + rest * before.fresh,
            now.refused + rest * before.refused,
        )

    def volume(self, time: float) -> tuple[float, float]:
        """Messages and recipients of that estimate."""
        rest = 1.0 - min(1.0, max(0.0, time / self.seconds - self.index))
        now, before = self.now, self.before
        return now.messages + rest * before.messages, now.recipients + rest * before.recipients

    def clear(self) -> None:
        """Forget the counts."""
        self.now, self.before = Counts(), Counts()


@dataclass(slots=True)
class Series:
    """Decaying average and variance of one figure a day, and the ceiling that follows; 0 before the first day."""

    mean: float = 0.0
    variance: float = 0.0
    ceiling: float = 0.0

    def learn(self, value: float, weight: float) -> None:
        """Take a day's figure in (exponentially weighted, West 1979)."""
        distance = min(value, MOST) - self.mean
        self.mean += weight * distance
        self.variance = min(MOST * MOST, (1.0 - weight) * (self.variance + weight * distance * distance))

    def fade(self, kept: float) -> None:
        """Forget a part, for days without mail."""
        self.mean *= kept
        self.variance *= kept * kept

    def settle(self, least: float, most: float, start: float) -> None:
        """Move the ceiling to where the averages want it, upwards slowly; it begins at `start`."""
        wanted = max(self.mean + DEVIATIONS * math.sqrt(self.variance), MULTIPLE * self.mean)
        self.ceiling = min(most, max(least, min(wanted, GROWTH * (self.ceiling or start))))


@dataclass(slots=True)
class Familiar:
    """A network or country the account sends from: how many days, decayed, and the last of them (days since 1970)."""

    digest: int
    weight: float
    day: int


@dataclass(slots=True)
class Baseline:
    """Everything that is remembered of one account's sending. Times are unix seconds, days are counted from 1970.

    Attributes:
        hour, day: recent counts.
        peak: the busiest hour of the current day.
        series: average, variance and ceiling of messages in the busiest hour, recipients in it, messages a day,
            recipients a day; one observation for each day with mail.
        days: days with mail, decayed: how well the account is known; 50 at the most.
        hours: for each hour of the day, on how many days mail was sent in it, decayed.
        hours_today: the hours of the current day, as bits.
        networks, countries: where it was sent from.
        usual_fresh, usual_refused, usual_spam: decaying averages of the shares of new and of dead recipients, and of
            the classifier's score of outgoing mail.
        spam: that score lately.
        accepted: when a message was last taken.
        anomaly: when something was last unusual; 0 for never.
        told: the highest step of this event that was reported.
        strikes: different messages deferred in this event.
        deferred: their fingerprints.
        trusted: until then the ceilings are higher, after an unlock.
    """

    hour: Window = field(default_factory=lambda: Window(HOUR))
    day: Window = field(default_factory=lambda: Window(DAY))
    peak: Counts = field(default_factory=Counts)
    series: tuple[Series, ...] = field(default_factory=lambda: tuple(Series() for _ in range(4)))
    days: float = 0.0
    hours: list[float] = field(default_factory=lambda: [0.0] * 24)
    hours_today: int = 0
    networks: list[Familiar] = field(default_factory=list)
    countries: list[Familiar] = field(default_factory=list)
    usual_fresh: float = 0.5
    usual_refused: float = 0.0
    usual_spam: float = 0.0
    spam: float = 0.0
    accepted: float = 0.0
    anomaly: float = 0.0
    told: int = 0
    strikes: int = 0
    deferred: list[int] = field(default_factory=list)
    trusted: float = 0.0

    @property
    def confidence(self) -> float:
        """0 for a stranger, 0.5 after a week of active days, towards 1."""
        return self.days / (self.days + 7.0)

    def advance(self, time: float, allowance: tuple[float, float], most: tuple[float, float]) -> None:
        """Come to `time`: learn from the day that is over, if one is, and roll the counts on.

        Args:
            time: unix seconds.
            allowance: recipients an hour and a day for an account that is not known yet.
            most: recipients an hour and a day that no ceiling exceeds.
        """
        today = int(time // DAY)
        if today > self.day.index:
            if self.day.now.messages > 0:
                self._learn()
            self._fade(time)
            self._settle(allowance, most)
            self.peak, self.hours_today = Counts(), 0
        self.hour.advance(time)
        self.day.advance(time)

    def _learn(self) -> None:
        day, counts = self.day.index, self.day.now
        self.days += 1.0
        weight = max(LEARNING, 1.0 / self.days)
        observed = (self.peak.messages, self.peak.recipients, counts.messages, counts.recipients)
        for series, value in zip(self.series, observed, strict=True):
            series.learn(value, weight)
        share = 1.0 / max(counts.recipients, 1.0)
        self.usual_fresh += LEARNING * (min(1.0, counts.fresh * share) - self.usual_fresh)
        self.usual_refused += LEARNING * (min(1.0, counts.refused * share) - self.usual_refused)
        self.usual_spam += LEARNING * (self.spam - self.usual_spam)
        if self.anomaly // DAY == day:
            return  # a thief's hours and network must not become familiar
        for hour in range(24):
            if self.hours_today >> hour & 1:
                self.hours[hour] += 1.0
        for known in (*self.networks, *self.countries):
            if known.day == day:
                known.weight += 1.0

    def _fade(self, time: float) -> None:
        kept = 0.5 ** min(1000.0, abs(time - self.accepted) / IDLE_HALF_SECONDS)
        for series in self.series:
            series.fade(kept)
        faded = FAMILIAR_DECAY ** min(10_000, int(time // DAY) - self.day.index)
        self.days *= faded
        self.hours = [weight * faded for weight in self.hours]
        for known in (*self.networks, *self.countries):
            known.weight *= faded

    def _settle(self, allowance: tuple[float, float], most: tuple[float, float]) -> None:
        for place, series in enumerate(self.series):
            start = allowance[place // 2]
            series.settle(start * (1.0 - self.confidence / 2.0), most[place // 2], start)

    def strangeness(self, time: float, network: int, country: int | None) -> tuple[float, float]:
        """How unusual hour and network are, each 0 to 1: familiar is what a tenth of the active days had."""
        enough = max(0.1 * self.days, 1e-6)
        hour = int(time % DAY // HOUR)
        near = sum(self.hours[(hour + step) % 24] for step in (-1, 0, 1))
        place = 1.0 - min(1.0, _weight(self.networks, network) / enough)
        if country is not None:  # a new network at home is half as strange
            place *= 0.5 + 0.5 * (1.0 - min(1.0, _weight(self.countries, country) / enough))
        return 1.0 - min(1.0, near / enough), place

    def meet(self, time: float, network: int, country: int | None) -> None:
        """Note hour, network and country of a message; they grow familiar when the day is over."""
        day = self.day.index
        self.hours_today |= 1 << int(time % DAY // HOUR)
        _meet(self.networks, network, day)
        if country is not None:
            _meet(self.countries, country, day)


def _weight(known: list[Familiar], digest: int) -> float:
    return next((each.weight for each in known if each.digest == digest), 0.0)


def _meet(known: list[Familiar], digest: int, day: int) -> None:
    for each in known:
        if each.digest == digest:
            each.day = day
            return
    if len(known) >= NETWORKS:
        known.remove(min(known, key=lambda each: (each.weight, each.day)))
    known.append(Familiar(digest, 0.0, day))


_HEAD = struct.Struct("<B5f3dIHBBBH")
_WINDOW = struct.Struct("<I10f")
_FIGURES = struct.Struct(f"<{5 + 3 * 4 + 24}f")
_FAMILIAR = struct.Struct("<QfI")


def pack(baseline: Baseline) -> bytes:
    """The baseline as it is kept: some 600 octets; figures lose what a 32-bit float cannot hold."""
    b = baseline
    known = (*b.networks, *b.countries)
    figures = [*_flat(b.peak), *(v for s in b.series for v in (s.mean, s.variance, s.ceiling)), *b.hours]
    return b"".join(
        (
            _HEAD.pack(
                _VERSION,
                *(b.days, b.usual_fresh, b.usual_refused, b.usual_spam, b.spam),
                *(b.accepted, b.anomaly, b.trusted),
                *(b.hours_today, b.strikes, b.told, len(b.networks), len(b.countries), len(b.deferred)),
            ),
            *(_WINDOW.pack(w.index, *_flat(w.now), *_flat(w.before)) for w in (b.hour, b.day)),
            _FIGURES.pack(*figures),
            *(_FAMILIAR.pack(each.digest, each.weight, each.day) for each in known),
            struct.pack(f"<{len(b.deferred)}I", *b.deferred),
        )
    )


def _flat(counts: Counts) -> tuple[float, ...]:
    return counts.messages, counts.recipients, counts.deferred, counts.fresh, counts.refused


def unpack(content: bytes) -> Baseline | None:
    """Read what `pack` made; None for anything else, which the caller takes for an account not known yet."""
    try:
        return _unpack(content)
    except (struct.error, ValueError):
        return None


def _unpack(content: bytes) -> Baseline:
    version, *head = _HEAD.unpack_from(content)
    shares, times, (today, strikes, told, *sizes) = head[:5], head[5:8], head[8:]
    networks, countries, deferred = sizes
    at = _HEAD.size
    hour, day = (_WINDOW.unpack_from(content, at + place * _WINDOW.size) for place in (0, 1))
    at += 2 * _WINDOW.size
    figures = _FIGURES.unpack_from(content, at)
    at += _FIGURES.size
    places = range(at, at + _FAMILIAR.size * (networks + countries), _FAMILIAR.size)
    known = [Familiar(*_FAMILIAR.unpack_from(content, place)) for place in places]
    at += _FAMILIAR.size * len(known)
    if version != _VERSION or len(content) != at + 4 * deferred or max(networks, countries) > NETWORKS:
        raise ValueError("another form")
    numbers = (*shares, *times, *hour, *day, *figures, *(each.weight for each in known))
    # One that is not a number, or infinite, makes the sum so; it is looked at first, since `min` would not see it.
    if not sum(numbers) <= _BOUND or min(numbers) < 0.0 or max(shares[1:]) > 1.0 or max(times) > _LATEST:
        raise ValueError("a figure out of bounds")
    days, usual_fresh, usual_refused, usual_spam, spam = shares
    return Baseline(
        hour=Window(HOUR, hour[0], Counts(*hour[1:6]), Counts(*hour[6:])),
        day=Window(DAY, day[0], Counts(*day[1:6]), Counts(*day[6:])),
        peak=Counts(*figures[:5]),
        series=tuple(Series(*figures[5 + 3 * place : 8 + 3 * place]) for place in range(4)),
        days=days,
        hours=list(figures[17:]),
        hours_today=today & 0xFFFFFF,
        networks=known[:networks],
        countries=known[networks:],
        usual_fresh=usual_fresh,
        usual_refused=usual_refused,
        usual_spam=usual_spam,
        spam=spam,
        accepted=times[0],
        anomaly=times[1],
        told=told,
        strikes=strikes,
        deferred=list(struct.unpack_from(f"<{deferred}I", content, at))[-DEFERRED:],
        trusted=times[2],
    )
