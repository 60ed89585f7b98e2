"""Audio as bytes and numbers: G.711, levels, comfort noise, concealment, the playout buffer, tones, WAV files. Pure."""
