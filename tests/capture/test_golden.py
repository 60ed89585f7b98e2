"""The comparison: what counts as equal, and that a difference can be read by a person."""

import base64
import json

from sipagent.audio.encoding import encode
from sipagent.audio.tones import sine
from sipagent.capture.golden import compare, frame_sent, media_sent, sip_sent
from sipagent.capture.journal import Record
from sipagent.rtp import packet
from sipagent.rtp.rtcp import SenderReport, serialise

PEER = "192.0.2.1:5060"
OK = b"SIP/2.0 200 OK\r\nCSeq: 1 INVITE\r\nTo: <sip:a@b>;tag=1\r\n\r\n"


def rtp(sequence: int, payload: bytes = b"\xff" * 160, tick: int = 1) -> Record:
    return media_sent("rtp", packet.build(0, sequence, sequence * 160, 7, payload), PEER, tick=tick, time=0.02 * tick)


def test_the_same_departures_are_equal_whenever_and_in_whatever_order_of_channels() -> None:
    golden = [sip_sent(OK, PEER, 1.0), rtp(1), rtp(2), frame_sent("openai", '{"type":"a"}', 2.0)]
    run = [rtp(1), frame_sent("openai", '{"type":"a"}', 9.0), rtp(2), sip_sent(OK, PEER, 8.0)]
    comparison = compare(golden, run)
    assert comparison.equal
    assert str(comparison) == "equal: 2 rtp, 1 openai, 1 sip"


def test_order_within_a_channel_counts() -> None:
    assert list(compare([rtp(1), rtp(2)], [rtp(2), rtp(1)]).differences) == ["rtp"]


def test_the_tick_and_every_byte_of_a_packet_count() -> None:
    assert not compare([rtp(1, tick=1)], [rtp(1, tick=2)]).equal
    assert not compare([rtp(1, b"\xff" * 160)], [rtp(1, b"\xff" * 159 + b"\xfe")]).equal


def test_a_changed_sip_message_is_shown_by_the_lines_that_changed() -> None:
    comparison = compare([sip_sent(OK, PEER, 1.0)], [sip_sent(OK.replace(b"tag=1", b"tag=2"), PEER, 1.0)])
    assert "- To: <sip:a@b>;tag=1" in str(comparison)
    assert "+ To: <sip:a@b>;tag=2" in str(comparison)
    assert "- CSeq" not in str(comparison)


def test_a_changed_packet_is_shown_in_words() -> None:
    text = str(compare([rtp(1), rtp(2), rtp(3)], [rtp(1), rtp(2), rtp(4)]))
    assert "3 in the golden file, 3 now; the first difference is at number 3" in text
    assert "- sequence 3" in text
    assert "+ sequence 4" in text
    assert "sequence 2; timestamp 320" in text


def test_a_changed_frame_is_shown_by_its_members() -> None:
    golden = [frame_sent("openai", '{"type":"session.update","session":{"format":"audio/pcmu","n":1}}', 0.0)]
    run = [frame_sent("openai", '{"type":"session.update","session":{"format":"audio/pcma","n":1}}', 0.0)]
    text = str(compare(golden, run))
    assert '-   "format": "audio/pcmu",' in text
    assert '+   "format": "audio/pcma",' in text
    assert '-   "n"' not in text


def wide(sequence: int, level: int, payload: bytes = b"\x55" * 60) -> Record:
    data = packet.build(111, sequence, sequence * 960, 7, payload)
    return media_sent("rtp", data, PEER, tick=sequence, time=0.0, level=level)


def test_of_a_wideband_call_headers_and_numbers_count_and_levels_roughly() -> None:
    golden = [wide(1, -20), wide(2, -60)]
    assert compare(golden, [wide(1, -22, b"\x77" * 71), wide(2, -58)]).equal
    assert not compare(golden, [wide(1, -24), wide(2, -60)]).equal
    assert not compare(golden, [wide(1, -20), wide(3, -60)]).equal
    assert not compare(golden, golden[:1]).equal
    assert "- level -20" in str(compare(golden, [wide(1, -40), wide(2, -60)]))


def test_a_key_press_beside_wideband_audio_counts_to_the_byte() -> None:
    assert not compare([wide(1, -60, b"\x05\x0a\x00\xa0")], [wide(1, -60, b"\x06\x0a\x00\xa0")]).equal


def test_reports_of_a_wideband_call_are_compared_without_their_octets() -> None:
    def report(octets: int, level: int | None) -> Record:
        sent = SenderReport(ssrc=7, ntp_time=1, rtp_timestamp=2, packet_count=3, octet_count=octets, blocks=())
        return media_sent("rtcp", serialise([sent]), PEER, tick=1, time=0.0, level=level)

    assert compare([report(100, -20)], [report(104, -20)]).equal
    assert not compare([report(100, None)], [report(104, None)]).equal


def test_wideband_audio_for_a_provider_is_compared_by_its_length_and_level() -> None:
    def append(audio: bytes) -> Record:
        text = json.dumps({"type": "input_audio_buffer.append", "audio": base64.b64encode(audio).decode()})
        return frame_sent("openai", text, 0.0, wideband=True)

    loud, louder = (encode(sine(400, 960, level=level, rate=24000), "pcm") for level in (-20, -18))
    assert compare([append(loud)], [append(louder)]).equal
    assert not compare([append(loud)], [append(bytes(1920))]).equal
    assert not compare([append(loud)], [append(loud[:1914])]).equal
    assert append(loud).data["text"] == '{"type": "input_audio_buffer.append", "audio": "1920 bytes"}'


def test_what_is_missing_and_what_is_too_much_is_told() -> None:
    assert "- nothing\n  + sequence 2" in str(compare([rtp(1)], [rtp(1), rtp(2)]))
    assert "- SIP/2.0 200 OK\n  + nothing" in str(compare([sip_sent(OK, PEER, 0.0)], []))


def test_audio_in_a_frame_is_a_channel_of_its_own_and_stands_as_its_digest() -> None:
    audio = base64.b64encode(b"\xff" * 320).decode()
    first = frame_sent("openai", f'{{"type":"input_audio_buffer.append","audio":"{audio}"}}', 0.0)
    assert first.kind == "openai-audio"
    assert audio not in first.data["text"]
    other = base64.b64encode(b"\xff" * 319 + b"\xfe").decode()
    second = frame_sent("openai", f'{{"type":"input_audio_buffer.append","audio":"{other}"}}', 0.0)
    assert not compare([first], [second]).equal


def test_bytes_that_are_no_text_survive_in_the_diff() -> None:
    assert "\\xff" in str(compare([sip_sent(b"\xff\r\n\r\n", PEER, 0.0)], [sip_sent(b"\xfe\r\n\r\n", PEER, 0.0)]))
