"""A short film as one SVG file that plays by itself, and as one page with a slider: no library, no network."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from typing import Literal

Point = tuple[float, float]
Language = Literal["en", "zh"]

WIDTH, HEIGHT = 1280, 720  # 16 : 9
FONTS = "system-ui, 'Noto Sans', 'Noto Sans CJK SC', 'PingFang SC', 'Microsoft YaHei', sans-serif"
INK, GREY, PALE = "#212529", "#868e96", "#ced4da"
FADE = 0.6  # seconds

PAGE = """<!doctype html>
<html lang="{lang}">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>{title}</title>
<style>
  body {{ margin: 0; background: #fff; font: 16px {fonts}; color: {ink} }}
  svg {{ display: block; width: 100vw; height: auto; max-height: calc(100vh - 48px) }}
  form {{ display: flex; gap: 12px; align-items: center; height: 48px; padding: 0 16px }}
  input {{ flex: 1 }}
  button {{ font: inherit; min-width: 6em }}
</style>
{svg}
<form>
  <button type="button">{pause}</button>
  <input type="range" min="0" max="{seconds}" step="0.1" value="0" aria-label="{time}">
  <output>0 s</output>
</form>
<script>
  const film = document.querySelector("svg"), button = document.querySelector("button");
  const slider = document.querySelector("input"), output = document.querySelector("output");
  const start = Number((location.hash.match(/^#t=([\\d.]+)$/) || [])[1] || -1);  // #t=12 is a still
  let playing = true;
  function play(on) {{
    playing = on;
    if (on) film.unpauseAnimations(); else film.pauseAnimations();
    button.textContent = on ? "{pause}" : "{play}";
  }}
  button.onclick = () => {{
    if (!playing && film.getCurrentTime() >= {seconds}) film.setCurrentTime(0);
    play(!playing);
  }};
  slider.oninput = () => {{ play(false); film.setCurrentTime(Number(slider.value)); }};
  function tick() {{
    const now = Math.min(film.getCurrentTime(), {seconds});
    if (playing && now >= {seconds}) play(false);
    if (document.activeElement !== slider || playing) slider.value = now;
    output.textContent = now.toFixed(0) + " s";
    requestAnimationFrame(tick);
  }}
  if (start >= 0) {{ play(false); film.setCurrentTime(start); }}
  tick();
</script>
</html>
"""


class Film:
    """Drawings with the times at which they come and go, on a stage of 1280 × 720."""

    def __init__(self, title: str, lang: Language, seconds: int = 60) -> None:
        self.title, self.lang, self.seconds = title, lang, seconds
        self.parts: list[str] = []
        self.ends = [0.0]  # of everything that moves

    def add(self, svg: str, start: float = 0.0, end: float | None = None) -> None:
        """A piece of SVG that fades in at `start`, and out at `end`."""
        self.parts.append(svg if start == 0 and end is None else f"<g{self._visible(start, end)}{svg}</g>")

    def _visible(self, start: float, end: float | None) -> str:
        shown = f' opacity="{int(start == 0)}">'
        shown += self._animate("opacity", 0, 1, start, FADE) if start else ""
        return shown + (self._animate("opacity", 1, 0, end - FADE / 2, FADE / 2) if end is not None else "")

    def _animate(self, what: str, old: float, new: float, start: float, seconds: float) -> str:
        self.ends.append(start + seconds)
        values = f'from="{old:g}" to="{new:g}" begin="{start:g}s" dur="{seconds:g}s" fill="freeze"'
        return f'<animate attributeName="{what}" {values}/>'

    def line(self, points: Iterable[Point], colour: str, wide: float, start: float = 0.0, seconds: float = 0.0) -> None:
        """A line through points; with `seconds`, drawn from `start` on, behind a dot that runs ahead."""
        path = "M" + " L".join(f"{x:.1f},{y:.1f}" for x, y in points)
        look = f'd="{path}" fill="none" stroke="{colour}" stroke-width="{wide:g}" stroke-linejoin="round"'
        if not seconds:
            self.add(f"<path {look}/>", start)
            return
        drawn = self._animate("stroke-dashoffset", 1, 0, start, seconds)
        self.parts.append(f'<path {look} pathLength="1" stroke-dasharray="1 1" stroke-dashoffset="1">{drawn}</path>')
        moved = f'<animateMotion path="{path}" begin="{start:g}s" dur="{seconds:g}s" fill="freeze"/>'
        inside = f'<circle r="11" fill="{colour}" stroke="#fff" stroke-width="3">{moved}</circle>'
        self.add(inside, start, start + seconds + FADE)

    def bar(self, at: Point, size: Point, colour: str, start: float = 0.0, seconds: float = 0.0) -> None:
        """A bar from a corner on; with `seconds`, it grows to its width."""
        (x, y), (wide, high) = at, size
        grown = self._animate("width", 0, wide, start, seconds) if seconds else ""
        look = f'x="{x:.1f}" y="{y:.1f}" width="{0 if seconds else wide:.1f}" height="{high:.1f}" fill="{colour}"'
        self.add(f"<rect {look}>{grown}</rect>", 0.0 if seconds else start)

    def text(
        self, at: Point, text: str, size: float = 24, colour: str = INK, anchor: str = "start", start: float = 0.0,
        end: float | None = None, weight: int = 400,
    ) -> None:  # fmt: skip
        """A line of text at its baseline."""
        look = f'x="{at[0]:.1f}" y="{at[1]:.1f}" font-size="{size:g}" fill="{colour}" text-anchor="{anchor}"'
        self.add(f'<text {look} font-weight="{weight}">{escape(text)}</text>', start, end)

    def say(self, text: str, start: float, end: float | None = None) -> None:
        """What is said of it meanwhile, one or two lines at the bottom."""
        for k, line in enumerate(text.split("\n")):
            self.text((WIDTH / 2, 650 + 40 * k), line, 28, anchor="middle", start=start, end=end)

    def svg(self) -> str:
        """The film as a file of its own. Raises ValueError where something moves after its end."""
        if max(self.ends) > self.seconds:
            raise ValueError(f"film: something moves until {max(self.ends):g} s, after the end at {self.seconds} s.")
        head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="{FONTS}">'
        ground = f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>'
        return "\n".join([head, f"<title>{escape(self.title)}</title>", ground, *self.parts, "</svg>"]) + "\n"

    def html(self) -> str:
        """The film as a page with a slider; `#t=12` behind its address shows the still at 12 seconds."""
        words = {"en": ("Pause", "Play", "time"), "zh": ("暂停", "播放", "时间")}[self.lang]
        pause, play, time = words
        return PAGE.format(
            lang={"en": "en", "zh": "zh-CN"}[self.lang], title=escape(self.title), fonts=FONTS, ink=INK,
            svg=self.svg(), seconds=self.seconds, pause=pause, play=play, time=time,
        )  # fmt: skip
