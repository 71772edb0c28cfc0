"""The answer key of a language: predictions with what was measured, exercises with a right answer, as Markdown."""

from __future__ import annotations

from pathlib import Path

from .book import AskedGuess, Exercise, contents, read, title
from .film import Language
from .solutions import solutions

HEAD = {
    "en": "# Answer key\n\nFor teachers: predictions with their answers, exercises with one right answer each.",
    "zh": "# 参考答案\n\n供教师使用：各处预测及其答案，各道练习及其一个正确解答。",
}
PARTS = {"en": ("Prediction", "Exercise"), "zh": ("预测", "练习")}


def answer_key(books: dict[int, Path], lang: Language) -> str:
    """The key to all tutorials of a language."""
    lines = [HEAD[lang]]
    for path in books.values():
        book = read(path)
        lines.append(f"## {title(book)}")
        predictions = 0
        for part in contents(book):
            if isinstance(part, AskedGuess):
                predictions += 1
                quoted = part.text.replace("\n", "\n> ")
                lines += [f"### {PARTS[lang][0]} {predictions}", f"> {quoted}", part.answer]
            elif isinstance(part, Exercise):
                found = solutions()[part.key]
                why = found.en if lang == "en" else found.zh
                quoted = part.text.replace("\n", "\n> ")
                lines += [f"### {PARTS[lang][1]} {part.key}", f"> {quoted}", why, f"```python\n{found.code}\n```"]
    return "\n\n".join(filter(None, lines)) + "\n"
