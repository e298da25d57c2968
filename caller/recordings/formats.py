"""Recognise audio formats by their first bytes, and give their media types."""

import codecs
from pathlib import PurePosixPath

# Signatures of audio formats: suffix, offset, bytes. The first match wins.
BEGINNINGS = [
    (".wav", 8, b"WAVE"),
    (".aiff", 8, b"AIFF"),
    (".aiff", 8, b"AIFC"),
    (".mp3", 0, b"ID3"),
    # MPEG 1, 2 and 2.5, layer III, each with and without a checksum.
    *((".mp3", 0, b"\xff" + bytes([byte])) for byte in b"\xfb\xfa\xf3\xf2\xe3\xe2"),
    # MPEG 1 and 2, layer II.
    *((".mp2", 0, b"\xff" + bytes([byte])) for byte in b"\xfd\xfc\xf5\xf4"),
    *((".aac", 0, b"\xff" + bytes([byte])) for byte in b"\xf1\xf0\xf9\xf8"),
    (".ogg", 0, b"OggS"),
    (".flac", 0, b"fLaC"),
    (".3gp", 4, b"ftyp3gp"),
    (".3g2", 4, b"ftyp3g2"),
    (".m4a", 4, b"ftyp"),
    (".awb", 0, b"#!AMR-WB"),
    (".amr", 0, b"#!AMR"),
    (".webm", 0, b"\x1a\x45\xdf\xa3"),
    (".wma", 0, bytes.fromhex("3026b2758e66cf11")),
    (".au", 0, b".snd"),
]
# First bytes of images, documents, archives and programs. Such files are not audio.
OTHER_FILES = (
    *(b"\xff\xd8\xff", b"\x89PNG\r\n", b"GIF8", b"%PDF", b"PK\x03\x04", b"\x1f\x8b"),
    *(b"\x7fELF", b"SQLite format 3\0"),
)
# Suffix for formats that we do not know. AssemblyAI may know them.
UNKNOWN = ".audio"
# `suffix` and `is_other_file` need this many bytes of a file.
HEAD_BYTES = 512
# Python's mimetypes depends on files of the machine, so we use our own table.
CONTENT_TYPES = {
    ".wav": "audio/wav",
    ".aiff": "audio/aiff",
    ".aif": "audio/aiff",
    ".mp3": "audio/mpeg",
    ".aac": "audio/aac",
    ".ogg": "audio/ogg",
    ".oga": "audio/ogg",
    ".opus": "audio/ogg",
    ".flac": "audio/flac",
    ".3gp": "audio/3gpp",
    ".3g2": "audio/3gpp2",
    ".m4a": "audio/mp4",
    ".mp4": "audio/mp4",
    ".amr": "audio/amr",
    ".awb": "audio/amr-wb",
    ".webm": "audio/webm",
    ".wma": "audio/x-ms-wma",
    ".mp2": "audio/mpeg",
    ".au": "audio/basic",
}


def suffix(head: bytes) -> str:
    """Recognise the format by the first HEAD_BYTES. Return `.wav` or another suffix.

    Return UNKNOWN for other formats.
    """
    for ending, offset, beginning in BEGINNINGS:
        if head[offset:].startswith(beginning):
            return ending
    return UNKNOWN


def is_other_file(head: bytes) -> bool:
    """Return whether a file is certainly not audio, but a text, a picture or the like.

    head: the first HEAD_BYTES of the file.
    Unknown formats are accepted, because AssemblyAI knows more formats than we do.
    """
    if suffix(head) != UNKNOWN:
        return False
    if head.startswith(OTHER_FILES):
        return True
    for mark in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
        if head.startswith(mark):
            return True
    try:
        # `head` may end within a character. An incremental decoder accepts that.
        text = codecs.getincrementaldecoder("utf-8-sig")().decode(head)
    except UnicodeDecodeError:
        return False
    return all(letter.isprintable() or letter in "\r\n\t\f" for letter in text)


def content_type(name: str) -> str:
    """Return the media type for the suffix of a file name."""
    ending = PurePosixPath(name).suffix.lower()
    return CONTENT_TYPES.get(ending, "application/octet-stream")
