"""Write a transcript as a PDF file, in any script (Latin, Arabic, Thai, …)."""

from typing import Any
from unicodedata import bidirectional

from transcription.exports.fonts import fonts_for

TITLE = "Transcript"
MARGIN_MM = 20
# Line height in mm per point of the font size.
LINE_MM = 0.6


def pdf_file(summary: str, paragraphs: list[tuple[str, str]]) -> bytes:
    """Return the PDF file. Raises fonts.MissingFont if a letter is in no font.

    summary: the line below the title. paragraphs: (prefix, text). prefix may be "".
    The file embeds only the letters that it uses, not whole fonts. Arabic and Hebrew
    are set right to left.
    """
    from fpdf import FPDF
    from fpdf.enums import Align, XPos, YPos

    lines = [(18, TITLE), (10, summary)]
    for prefix, said in paragraphs:
        lines += [(9, prefix)] * bool(prefix) + [(11, said)]
    fonts = fonts_for("".join(text for _, text in lines))
    document = FPDF()
    document.set_title(TITLE)
    document.set_creator("djtranscribe")
    document.set_margin(MARGIN_MM)
    document.set_auto_page_break(auto=True, margin=MARGIN_MM)
    for font in fonts:
        document.add_font(font.name, fname=font.path)
    document.set_fallback_fonts([font.name for font in fonts[1:]], exact_match=False)
    document.set_text_shaping(True)
    document.add_page()
    for size, text in lines:
        document.set_font(fonts[0].name, size=size)
        place: Any = {"new_x": XPos.LMARGIN, "new_y": YPos.NEXT}
        align = Align.R if is_right_to_left(text) else Align.L
        document.multi_cell(0, size * LINE_MM, text, align=align, **place)
        # Keep a prefix close to its paragraph.
        if size != 9:
            document.ln(3)
    return bytes(document.output())


def is_right_to_left(text: str) -> bool:
    """Return whether the first letter that has a direction runs right to left."""
    for letter in text:
        if (direction := bidirectional(letter)) in ("L", "R", "AL"):
            return direction != "L"
    return False
