"""Audio in many formats: silence (its bytes are listed here) and sound from ffmpeg.

The formats and their specifications: AIFF (Apple's AIFF 1.3), MP3 (ISO 11172-3), AAC in
ADTS (ISO 13818-7), AMR (RFC 4867), FLAC (RFC 9639), Opus in Ogg (RFC 3533, RFC 7845),
MP4 (ISO 14496-12), WebM (EBML, RFC 8794), WMA (ASF). WAV is in tests.data.
"""

import io
import struct
from array import array

import av

from tests.data import wav


def encoded(
    samples: "array[int]",
    codec: str,
    container: str,
    rate: int,
    from_rate: int,
    channels: int = 1,
) -> bytes:
    """Encode 16-bit samples. The samples of two channels are interleaved."""
    file = io.BytesIO()
    with av.open(file, "w", format=container) as out:
        stream = out.add_stream(codec, rate=rate)
        stream.bit_rate = 64_000 * channels
        stream.layout = {1: "mono", 2: "stereo"}[channels]
        resampler = av.AudioResampler(
            format=stream.codec_context.format,
            layout=stream.layout,
            rate=rate,
            frame_size=stream.codec_context.frame_size or 1024,
        )
        frame = av.AudioFrame("s16", stream.layout, len(samples) // channels)
        frame.planes[0].update(samples.tobytes())
        frame.sample_rate, frame.pts = from_rate, 0
        for part in [*resampler.resample(frame), *resampler.resample(None)]:
            out.mux(stream.encode(part))
        out.mux(stream.encode(None))
    return file.getvalue()


def _crc(data: bytes, bits: int, polynomial: int) -> int:
    value, top = 0, 1 << (bits - 1)
    for byte in data:
        value ^= byte << (bits - 8)
        for _ in range(8):
            value = (value << 1) ^ (polynomial if value & top else 0)
        value &= (1 << bits) - 1
    return value


def aiff() -> bytes:
    frames = bytes(2 * 800)
    # The last ten bytes are the sample rate: 8000 as an 80-bit float.
    common = struct.pack(">hLh", 1, 800, 16) + bytes.fromhex("400bfa00000000000000")
    chunks = b"COMM" + struct.pack(">L", len(common)) + common
    chunks += b"SSND" + struct.pack(">LLL", len(frames) + 8, 0, 0) + frames
    return b"FORM" + struct.pack(">L", len(chunks) + 4) + b"AIFF" + chunks


def mp3(header: str, size: int) -> bytes:
    """Return ten silent frames: all bytes after the header are zeros."""
    frame = bytes.fromhex(header)
    return (frame + bytes(size - len(frame))) * 10


def aac() -> bytes:
    silence = bytes.fromhex("210049900219002380")
    size = len(silence) + 7
    # The header says: low complexity, 8 kHz, one channel.
    header = 0xFFF << 44 | 0x1 << 40 | 1 << 38 | 11 << 34 | 1 << 30
    header |= size << 13 | 0x7FF << 2
    return (header.to_bytes(7, "big") + silence) * 10


def amr(wide: bool = False) -> bytes:
    # Add frames of type 15, which have no data.
    return (b"#!AMR-WB\n" if wide else b"#!AMR\n") + b"\x7c" * 50


def flac() -> bytes:
    block = 4096
    info = struct.pack(">HH", block, block) + bytes(6)
    # These bits say: 8 kHz, one channel, 16 bits.
    info += (8000 << 44 | 0 << 41 | 15 << 36 | block).to_bytes(8, "big") + bytes(16)
    # Add one frame of 4096 samples, all of them 0.
    head = bytes.fromhex("fff8c40800")
    frame = head + bytes([_crc(head, 8, 0x07)]) + bytes(3)
    frame += _crc(frame, 16, 0x8005).to_bytes(2, "big")
    return b"fLaC\x80" + len(info).to_bytes(3, "big") + info + frame


def opus() -> bytes:
    head = b"OpusHead" + struct.pack("<BBHLhB", 1, 1, 312, 8000, 0, 0)
    tags = b"OpusTags" + struct.pack("<L", 4) + b"test" + struct.pack("<L", 0)
    silence = b"\xf8\xff\xfe"
    pages = []
    for number, (kind, at, packet) in enumerate(
        [(2, 0, head), (0, 0, tags), (4, 960, silence)]
    ):
        lacing = struct.pack("<BBqLLLBB", 0, kind, at, 1, number, 0, 1, len(packet))
        page = bytearray(b"OggS" + lacing + packet)
        page[22:26] = _crc(bytes(page), 32, 0x04C11DB7).to_bytes(4, "little")
        pages.append(bytes(page))
    return b"".join(pages)


def boxes(brand: bytes) -> bytes:
    """Return the beginning of an MP4 file: its brand, then AAC."""
    kind = b"ftyp" + brand + bytes(4) + brand + b"isom"
    data = b"mdat" + bytes.fromhex("210049900219002380") * 10
    return b"".join(struct.pack(">L", len(box) + 4) + box for box in (kind, data))


def webm() -> bytes:
    fields = bytes.fromhex("4286810142f7810142f2810442f38108")
    fields += bytes.fromhex("428284") + b"webm" + bytes.fromhex("4287810442858102")
    segment = bytes.fromhex("1853806701ffffffffffffff")
    return bytes.fromhex("1a45dfa3") + bytes([0x80 | len(fields)]) + fields + segment


def wma() -> bytes:
    header = bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c")
    return header + struct.pack("<QLBB", 30, 0, 1, 2) + bytes(100)


# (name of the format, audio, media type that the response to a browser must have)
SILENCES = [
    ("wav", wav(0.1), "audio/wav"),
    ("aiff", aiff(), "audio/aiff"),
    ("mp3, MPEG 1", mp3("fffb9064", 417), "audio/mpeg"),
    ("mp3, MPEG 1 with a checksum", mp3("fffa9064", 417), "audio/mpeg"),
    ("mp3, MPEG 2", mp3("fff34064", 144), "audio/mpeg"),
    ("mp3, MPEG 2.5", mp3("ffe340c4", 288), "audio/mpeg"),
    (
        "mp3 with a title",
        b"ID3\4\0\0\0\0\0\n" + bytes(10) + mp3("fffb9064", 417),
        "audio/mpeg",
    ),
    ("aac", aac(), "audio/aac"),
    ("amr", amr(), "audio/amr"),
    ("amr, wide band", amr(wide=True), "audio/amr-wb"),
    ("flac", flac(), "audio/flac"),
    ("opus in ogg", opus(), "audio/ogg"),
    ("m4a", boxes(b"M4A "), "audio/mp4"),
    ("mp4", boxes(b"isom"), "audio/mp4"),
    ("3gp", boxes(b"3gp4"), "audio/3gpp"),
    ("3g2", boxes(b"3g2a"), "audio/3gpp2"),
    ("webm", webm(), "audio/webm"),
    ("wma", wma(), "audio/x-ms-wma"),
]
