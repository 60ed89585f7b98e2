"""Legs of which nothing but the ordinary comes, moved together: a row of an array each, and no object touched.

    Stream ── board ──► Convoy ── Sending ─► packets, by row
    Stream ◄─ leave ─── Convoy ◄─ Hearing ── packets, by row
                                    └─ Gathering ─► UplinkBlock

It is ordinary that the packet which comes follows the one before, of G.711, from where the last one came; that the
frame which is to be played has come, with the delay that it should have; that speech, or nothing, is what leaves. For
anything else a leg is put ashore: what happened since it boarded is written into its objects in one go, and they do
what no array here can. When all is ordinary again, it boards again. Nobody can tell but by the clock: the same
packets leave, the same events come, in the same ticks (tests/media/test_convoy.py).
"""

from sipagent.media.convoy.convoy import Convoy
from sipagent.media.convoy.fetched import DEPTH, PACKET, Fetched

__all__ = ["DEPTH", "PACKET", "Convoy", "Fetched"]
