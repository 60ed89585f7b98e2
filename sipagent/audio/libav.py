"""What we use of av, which is told that it has one processor.

For every resampler, and for every encoder (which has a resampler inside), it would otherwise start as many threads as
there are processors, to share out work of some 10 µs: thousands of them on a large machine with many calls.
"""

import ctypes

from av import AudioFrame, AudioResampler, CodecContext, Packet
from av.audio.codeccontext import AudioCodecContext
from av.codec import context
from av.error import FFmpegError

__all__ = ["AudioCodecContext", "AudioFrame", "AudioResampler", "CodecContext", "FFmpegError", "Packet"]

# libavutil/cpu.h; av has no name for it, and it holds for all of av
ctypes.CDLL(context.__file__).av_cpu_force_count(1)
