"""Recordings of calls: WAV or Ogg Opus files that grow while the call goes on, and can be played whatever ends us.

Tape ─► Recorder ─► one thread for all ─┬─► WavFile
                                        └─► OggFile
"""

from sipagent.recorder.recorder import MakeRecorder, Recorder

__all__ = ["MakeRecorder", "Recorder"]
