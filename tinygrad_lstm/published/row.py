"""What a row of the table is: what a paper printed, how it is run again, and what is said of the two."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

Language = Literal["en", "zh"]
LANGUAGES = "en", "zh"
Result = Mapping[str, Any]


class Told(NamedTuple):
    """A sentence in both languages."""

    en: str
    zh: str

    def said(self, lang: Language) -> str:
        return self.en if lang == "en" else self.zh


def said(text: str | Told, lang: Language) -> str:
    """A text in a language, or one that is the same in both."""
    return text if isinstance(text, str) else text.said(lang)


@dataclass(frozen=True)
class Claim:
    """One line of a row: a kind of net, and what is claimed of it.

    Attributes:
        name: what it is called.
        settings: of the row's function, for this net.
        printed: what the paper has; "–" where it has no such net.
        count: the published mean number of sequences, where it is one: ours should be within a factor of two.
        solved: from which to which share of the nets should have learned.
        mean: from which to which number the mean of all nets should lie.
        long: whether it needs the full size, and is left out of the quick one.
    """

    name: str | Told
    settings: Mapping[str, Any]
    printed: str | Told = "–"
    count: float | None = None
    solved: tuple[float, float] | None = None
    mean: tuple[float, float] | None = None
    long: bool = False

    def verdict(self, results: Sequence[Result], value: str) -> Told:
        """In plain words, whether what was published was found again."""
        if not results:
            return Told("not run yet", "尚未运行")
        if self.solved is None and self.mean is None:
            return Told("nothing to compare with", "没有可比较的发表结果")
        share = sum(bool(result["solved"]) for result in results) / len(results)
        if self.solved is not None and not self.solved[0] <= share <= self.solved[1]:
            return Told("not reproduced", "未能复现")
        numbers = [result[value] for result in results]
        if self.mean is not None and not self.mean[0] <= sum(numbers) / len(numbers) <= self.mean[1]:
            return Told("not reproduced", "未能复现")
        if self.count is None:
            return Told("reproduced", "已复现")
        counts = [result[value] for result in results if result["solved"]]
        if counts and self.count / 2 <= sum(counts) / len(counts) <= self.count * 2:
            return Told("within a factor of two", "相差不超过两倍")
        return Told("not reproduced: off by more than a factor of two", "未能复现：相差超过两倍")


class Budget(NamedTuple):
    """How large a run is: settings for all nets of a row, and how many seeds."""

    settings: Mapping[str, Any]
    seeds: int


@dataclass(frozen=True)
class Published:
    """One published result.

    Attributes:
        name: by which one asks for it.
        title, source: what it is about, and where it stands.
        criterion: when a net has learned, and what the number is.
        differs: what is not as in the paper.
        run: `run(seeds, **settings)` trains one net a seed, side by side, and returns a result of each, with "solved".
        value: which number of a result is shown, as `percent` or as it is; None in a result that has none.
        claims: its lines.
        quick, full: the two sizes; what is not given for one is the run's own default.
        also: which other number of a result, a share, is told of each line, and what it says.
        curve: which list of a result is drawn as a curve over the training, where there is one.
        needs: the module of an extra without which it cannot run.
        version: raised when `run` changes, so that what is kept of the old one is not taken for the new one's.
    """

    name: str
    title: Told
    source: str | Told
    criterion: Told
    differs: Told
    run: Callable[..., list[dict[str, Any]]]
    value: str
    claims: Sequence[Claim]
    quick: Budget
    full: Budget
    percent: bool = False
    also: tuple[str, Told] | None = None
    curve: str | None = None
    needs: str | None = None
    version: int = 1

    def budget(self, quick: bool) -> Budget:
        return self.quick if quick else self.full

    def lines(self, quick: bool) -> list[Claim]:
        """The claims at one size."""
        return [claim for claim in self.claims if not (quick and claim.long)]

    def settings(self, claim: Claim, quick: bool) -> dict[str, Any]:
        """All settings of one line."""
        return {**self.budget(quick).settings, **claim.settings}
