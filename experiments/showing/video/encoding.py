"""Frames to a video file: mp4 by ffmpeg (the extra `video`), gif by Pillow; whole or not there."""

from __future__ import annotations

import importlib.util
import subprocess
import tempfile
from collections.abc import Iterable
from contextlib import suppress
from itertools import chain
from pathlib import Path

import numpy as np
from PIL import Image

from ....core.errors import HeadstartError
from ....core.files import replaced

SUFFIXES = (".mp4", ".gif")
# About the same at any size: constant quality, and a ceiling that a busy picture cannot pass.
QUALITY = ["-crf", "26", "-preset", "medium", "-maxrate", "1500k", "-bufsize", "1500k"]
# Players can begin while they load, and nothing in the file tells of the encoder's machine.
PLAIN = ["-movflags", "+faststart", "-fflags", "+bitexact", "-flags:v", "+bitexact"]


class VideoError(HeadstartError):
    """A video that cannot be recorded."""


def require_encoder(path: Path) -> None:
    """Raise VideoError unless a file of this name can be written with what is installed."""
    if path.suffix not in SUFFIXES:
        raise VideoError(f"'{path}': a video is {' or '.join(SUFFIXES)}, by the end of its name")
    if path.suffix == ".mp4" and importlib.util.find_spec("imageio_ffmpeg") is None:
        raise VideoError(
            "recording mp4 needs imageio-ffmpeg: pip install headstart[video] (a .gif needs "
            "nothing more)"
        )


def write_video(path: Path, frames: Iterable[np.ndarray], fps: float) -> None:
    """Write frames, uint8 `(height, width, 3)` of one even size, as a video of `fps` per second.

    Raises:
        VideoError: see `require_encoder`, or ffmpeg failed.
        OSError: the file cannot be written; one that was there stays.
    """
    require_encoder(path)
    with replaced(path) as temporary:
        (_write_mp4 if path.suffix == ".mp4" else _write_gif)(temporary, frames, fps)


def as_gif(mp4: bytes, fps: float, width: int) -> bytes | None:
    """Return an mp4 of `write_video` as a gif of `fps` per second, at most `width` pixels wide.

    None without imageio-ffmpeg, or where the video cannot be read.
    """
    if importlib.util.find_spec("imageio_ffmpeg") is None:
        return None
    import imageio_ffmpeg

    filters = f"fps={fps},scale='min({width},iw)':-2,split[a][b];[a]palettegen[p];[b][p]paletteuse"
    words = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-i", "-", "-vf", filters]
    words += ["-f", "gif", "-fflags", "+bitexact", "-"]
    done = subprocess.run(words, input=mp4, capture_output=True, start_new_session=True)
    return done.stdout if done.returncode == 0 else None


def _write_mp4(path: Path, frames: Iterable[np.ndarray], fps: float) -> None:
    import imageio_ffmpeg

    frames = iter(frames)
    first = next(frames)
    size = f"{first.shape[1]}x{first.shape[0]}"
    given = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", size, "-r", str(fps), "-i", "-"]
    # 4:2:0 is what every browser plays.
    wanted = ["-c:v", "libx264", "-pix_fmt", "yuv420p", *QUALITY, *PLAIN]
    words = [imageio_ffmpeg.get_ffmpeg_exe(), "-y", "-v", "error", *given, *wanted, str(path)]
    with (
        tempfile.TemporaryFile() as errors,
        # Detached from the terminal's Ctrl-C, which this process answers.
        subprocess.Popen(
            words, stdin=subprocess.PIPE, stderr=errors, start_new_session=True
        ) as encoder,
    ):
        assert encoder.stdin is not None
        # That the encoder is gone is noticed, and said, below.
        with suppress(BrokenPipeError):
            for frame in chain([first], frames):
                encoder.stdin.write(frame.tobytes())
            encoder.stdin.close()
        if encoder.wait() != 0:
            errors.seek(0)
            said = " ".join(errors.read().decode(errors="replace").split())
            raise VideoError(f"ffmpeg could not write the video: {said[:200]}")


def _write_gif(path: Path, frames: Iterable[np.ndarray], fps: float) -> None:
    # Drawn pictures have few colours, so no dithering, which would flicker and compress badly.
    images = [Image.fromarray(frame).quantize(dither=Image.Dither.NONE) for frame in frames]
    # A gif counts in hundredths of a second: rounding each frame's end keeps the whole in time.
    ends = [10 * round(100 * (i + 1) / fps) for i in range(len(images))]
    lasting = [end - start for start, end in zip([0, *ends], ends, strict=False)]
    images[0].save(path, save_all=True, append_images=images[1:], duration=lasting, loop=0)
