"""What a scenario does with its call, and what the telephone at the other end gets of it."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from sipagent import Call, DigitReceived, Disconnected, Event, InboundCall, SpeechStarted
from sipagent.audio import g711, level, tones, wav
from sipagent.errors import CallFailed, LocalProtocolError
from sipagent.events import CallAnswered, CallMeasured, CallReceived, HoldChanged
from tests.exchange import Exchange
from tests.handset import QUIET, TICK, TONE, Handset, sdp

BEEP = g711.encode(tones.sine(1000.0, 8000), g711.PCMU)


async def listen(incoming: InboundCall) -> None:
    """Answer, and stay until the end."""
    call = await incoming.answer()
    await call.disconnected()


def test_a_call_rings_is_answered_is_heard_both_ways_and_is_ended_by_the_caller() -> None:
    async def echo(incoming: InboundCall) -> None:
        incoming.ring()
        await asyncio.sleep(1)
        call = await incoming.answer()
        call.send_media_to(call)
        await call.disconnected()

    async def story(exchange: Exchange) -> None:
        handset = exchange.handset
        assert await handset.calls() == 200
        assert handset.codes() == [100, 180, 200]
        await handset.says(TONE)
        await asyncio.sleep(0.3)
        await handset.hangs_up()
        assert await exchange.phone.idle(1)

    told = Exchange(echo).tell(story)

    kinds = [type(stamped.event) for stamped in told.events]
    assert kinds == [CallReceived, CallAnswered, Disconnected, CallMeasured]
    assert told.of(CallReceived) == [
        CallReceived(caller="sip:alice@127.0.0.2", called="sip:agent@127.0.0.1", display_name="Alice")
    ]
    assert told.of(Disconnected)[0].by == "caller"
    heard = b"".join(heard.packet.payload for heard in told.handset.heard)
    assert TONE[800:-800] in heard


def test_one_packet_leaves_every_20_ms_from_the_answer_to_the_end() -> None:
    async def story(exchange: Exchange) -> None:
        await exchange.handset.calls()
        await asyncio.sleep(2)
        await exchange.handset.hangs_up()

    heard = Exchange(listen).tell(story).handset.heard

    assert len(heard) in (100, 101)
    assert [heard.packet.marker for heard in heard] == [True] + [False] * (len(heard) - 1)
    numbers = [heard.packet.sequence for heard in heard]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))


def test_we_hang_up() -> None:
    async def brief(incoming: InboundCall) -> None:
        call = await incoming.answer()
        await asyncio.sleep(1)
        call.hang_up("that was all")
        assert (await call.disconnected()).by == "us"

    async def story(exchange: Exchange) -> None:
        await exchange.handset.calls()
        bye = await exchange.handset.is_hung_up_on()
        assert bye.headers.get("reason") == 'SIP;text="that was all"'
        assert await exchange.phone.idle(1)

    told = Exchange(brief).tell(story)
    assert told.of(Disconnected) == [Disconnected(reason="that was all", by="us")]


def test_the_caller_is_whom_the_invite_names() -> None:
    calls: list[Call] = []

    async def remember(incoming: InboundCall) -> None:
        assert (incoming.caller, incoming.called, incoming.display_name) == (
            "sip:alice@127.0.0.2",
            "sip:agent@127.0.0.1",
            "Alice",
        )
        call = await incoming.answer()
        call.data.name = "Alice"
        calls.append(call)

    async def story(exchange: Exchange) -> None:
        await exchange.handset.calls()
        await exchange.handset.is_hung_up_on()

    Exchange(remember).tell(story)
    (call,) = calls
    assert call.call_id == "call-1"
    assert call.headers["call-id"] == "call-1"
    assert call.data.name == "Alice"
    assert call.is_over


def test_a_delayed_offer() -> None:
    """RFC 3261 section 13.2.1: our 200 offers, and the ACK answers."""

    async def beep(incoming: InboundCall) -> None:
        call = await incoming.answer()
        call.speak(BEEP)
        await call.disconnected()

    async def story(exchange: Exchange) -> None:
        exchange.handset.answer_in_ack = sdp(formats="8 101")
        await exchange.handset.calls(delayed=True)
        await asyncio.sleep(2)
        await exchange.handset.hangs_up()

    told = Exchange(beep).tell(story)
    assert told.of(CallAnswered) == [CallAnswered(codec="pcma")]
    heard = b"".join(heard.packet.payload for heard in told.handset.heard)
    assert g711.transcode(BEEP, g711.PCMU, g711.PCMA) in heard, "what was said before the codec was known is not lost"
    assert {heard.packet.payload_type for heard in told.handset.heard} == {8}


@pytest.mark.parametrize("answer", [None, sdp(formats="18")], ids=["none", "unusable"])
def test_a_delayed_offer_without_a_usable_answer_ends_the_call(answer: bytes | None) -> None:
    async def story(exchange: Exchange) -> None:
        exchange.handset.answer_in_ack = answer
        await exchange.handset.calls(delayed=True)
        await exchange.handset.is_hung_up_on()
        assert await exchange.phone.idle(1)

    told = Exchange(listen).tell(story)
    assert told.of(CallAnswered) == []
    assert [ended.by for ended in told.of(Disconnected)] == ["us"]


def test_an_offer_that_we_cannot_speak_is_refused() -> None:
    async def story(exchange: Exchange) -> None:
        assert await exchange.handset.calls(sdp(formats="18")) == 488
        assert await exchange.phone.idle(1)

    assert Exchange(listen).tell(story).of(CallAnswered) == []


# ---- refused, given up


def test_a_call_is_rejected() -> None:
    async def busy(incoming: InboundCall) -> None:
        incoming.reject(486, "Busy Here")
        assert not incoming.is_ringing
        with pytest.raises(LocalProtocolError, match="rejected"):
            await incoming.answer()
        with pytest.raises(LocalProtocolError, match="rejected"):
            incoming.ring()

    async def story(exchange: Exchange) -> None:
        assert await exchange.handset.calls() == 486
        assert await exchange.phone.idle(1)

    told = Exchange(busy).tell(story)
    assert [(ended.by, ended.reason) for ended in told.of(Disconnected)] == [("us", "rejected with 486")]


@pytest.mark.parametrize("code", [200, 299, 700, 0])
def test_a_call_is_rejected_with_a_failure_only(code: int) -> None:
    async def careless(incoming: InboundCall) -> None:
        with pytest.raises(ValueError, match="300 to 699"):
            incoming.reject(code)
        incoming.reject()

    async def story(exchange: Exchange) -> None:
        assert await exchange.handset.calls() == 486

    Exchange(careless).tell(story)


def test_the_caller_gives_up_while_it_rings() -> None:
    outcome: list[CallFailed] = []

    async def slow(incoming: InboundCall) -> None:
        incoming.ring()
        await asyncio.sleep(2)
        assert not incoming.is_ringing
        try:
            await incoming.answer()
        except CallFailed as error:
            outcome.append(error)
            raise

    async def story(exchange: Exchange) -> None:
        exchange.handset.ring()
        await asyncio.sleep(1)
        exchange.handset.cancel()
        assert await exchange.handset.final() == 487
        assert exchange.handset.codes("CANCEL") == [200]
        await asyncio.sleep(2)
        assert await exchange.phone.idle(0.1)

    told = Exchange(slow).tell(story)
    assert [(error.code, error.reason) for error in outcome] == [(487, "the caller gave up")]
    assert told.of(Disconnected) == [Disconnected(reason="the caller gave up", by="caller")]


def test_a_call_is_answered_once() -> None:
    async def twice(incoming: InboundCall) -> None:
        call = await incoming.answer()
        with pytest.raises(LocalProtocolError, match="answered"):
            await incoming.answer()
        with pytest.raises(LocalProtocolError, match="answered"):
            incoming.reject()
        call.hang_up()
        call.hang_up()

    async def story(exchange: Exchange) -> None:
        assert await exchange.handset.calls() == 200
        await exchange.handset.is_hung_up_on()

    assert len(Exchange(twice).tell(story).handset.of("BYE")) == 1


# ---- hold


class Ear:
    """Hears a call, and remembers when."""

    def __init__(self) -> None:
        self.heard: list[tuple[float, int]] = []

    def hear(self, audio: bytes, encoding: str, *, voiced: bool) -> None:
        self.heard.append((asyncio.get_running_loop().time(), len(audio)))

    def between(self, begin: float, end: float) -> int:
        return sum(length for time, length in self.heard if begin <= time < end)


@pytest.mark.parametrize(("theirs", "ours"), [("sendonly", "recvonly"), ("inactive", "inactive")])
def test_hold_and_resume(theirs: str, ours: str) -> None:
    ear = Ear()

    async def ears(incoming: InboundCall) -> None:
        call = await incoming.answer()
        call.send_media_to(ear)
        await call.disconnected()

    times: dict[str, float] = {}

    async def story(exchange: Exchange) -> None:
        handset = exchange.handset
        await handset.calls()
        await handset.says(TONE)
        await asyncio.sleep(0.5)
        assert await handset.offers_again(sdp(version=2, direction=theirs)) == 200
        assert f"a={ours}" in handset.body
        times["held"] = exchange.now
        await handset.says(TONE)
        await asyncio.sleep(0.5)
        times["resumed"] = exchange.now
        assert await handset.offers_again(sdp(version=3)) == 200
        assert "a=sendrecv" in handset.body
        await handset.says(TONE)
        await asyncio.sleep(0.5)
        times["over"] = exchange.now
        await handset.hangs_up()

    told = Exchange(ears).tell(story)

    assert told.of(HoldChanged) == [HoldChanged(held=True), HoldChanged(held=False)]
    assert len(told.handset.heard_between(times["held"] + TICK, times["resumed"])) == 0
    assert ear.between(times["held"] + 2 * TICK, times["resumed"]) == 0, "hold music is nobody's turn"
    assert ear.between(times["resumed"], times["over"]) >= 4000
    resumed = told.handset.heard_between(times["resumed"], times["over"])
    assert resumed[0].marker
    versions = [line.split()[2] for line in told.handset.bodies("o=")]
    assert versions == sorted(set(versions), key=int), "each description is a new version"


def test_a_re_invite_that_we_cannot_accept_changes_nothing() -> None:
    async def story(exchange: Exchange) -> None:
        handset = exchange.handset
        await handset.calls()
        assert await handset.offers_again(sdp(version=2, formats="18")) == 488
        begin = exchange.now
        await asyncio.sleep(1)
        assert len(handset.heard_between(begin, exchange.now)) in (49, 50)
        await handset.hangs_up()

    assert Exchange(listen).tell(story).of(HoldChanged) == []


def test_a_re_invite_without_an_offer_is_given_ours() -> None:
    async def story(exchange: Exchange) -> None:
        handset = exchange.handset
        await handset.calls()
        handset.answer_in_ack = sdp(version=2, formats="8")
        assert await handset.offers_again(None) == 200
        await asyncio.sleep(1)
        assert handset.heard[-1].packet.payload_type == 8
        await handset.hangs_up()

    Exchange(listen).tell(story)


# ---- speech, files, digits


def test_a_file_is_played_to_its_end(tmp_path: Path) -> None:
    file = tmp_path / "beep.wav"
    file.write_bytes(wav.write(tones.sine(1000.0, 8000)))
    results: list[tuple[bool, float]] = []

    async def play(incoming: InboundCall) -> None:
        call = await incoming.answer()
        begin = asyncio.get_running_loop().time()
        results.append((await call.play(file), asyncio.get_running_loop().time() - begin))

    async def story(exchange: Exchange) -> None:
        await exchange.handset.calls()
        await exchange.handset.is_hung_up_on()

    told = Exchange(play).tell(story)
    ((whole, took),) = results
    assert whole
    assert took == pytest.approx(1.0, abs=0.05)
    assert BEEP in b"".join(heard.packet.payload for heard in told.handset.heard)


def test_a_file_that_is_stopped_was_not_played_whole(tmp_path: Path) -> None:
    file = tmp_path / "beep.wav"
    file.write_bytes(wav.write(tones.sine(1000.0, 8000)))
    results: list[bool] = []

    async def play(incoming: InboundCall) -> None:
        call = await incoming.answer()
        playback = call.play(file)
        await asyncio.sleep(0.5)
        playback.stop()
        results.append(await playback)
        results.append(await playback)

    async def story(exchange: Exchange) -> None:
        await exchange.handset.calls()
        await exchange.handset.is_hung_up_on()

    told = Exchange(play).tell(story)
    assert results == [False, False]
    assert len(told.handset.heard) < 40


def test_what_is_played_into_a_call_that_is_over_ends_at_once(tmp_path: Path) -> None:
    file = tmp_path / "beep.wav"
    file.write_bytes(wav.write(tones.sine(1000.0, 8000)))
    results: list[bool] = []

    async def play(incoming: InboundCall) -> None:
        call = await incoming.answer()
        playback = call.play(file)
        await call.disconnected()
        results.append(await playback)
        results.append(await call.play(file))

    async def story(exchange: Exchange) -> None:
        await exchange.handset.calls()
        await asyncio.sleep(0.2)
        await exchange.handset.hangs_up()
        await asyncio.sleep(0.1)
        assert results == [False, False]

    Exchange(play).tell(story)


def test_digits_are_read_until_count_terminator_or_patience() -> None:
    read: list[tuple[str, float]] = []

    async def menu(incoming: InboundCall) -> None:
        call = await incoming.answer()
        loop = asyncio.get_running_loop()
        for count in (2, 4, 4):
            begin = loop.time()
            read.append((await call.read_digits(count, wait=3.0), loop.time() - begin))
        await call.disconnected()

    async def story(exchange: Exchange) -> None:
        await exchange.handset.calls()
        for digit in "12" + "34#" + "5":
            await exchange.handset.presses(digit)
            await asyncio.sleep(0.5)
        await asyncio.sleep(5)
        await exchange.handset.hangs_up()

    told = Exchange(menu).tell(story)
    assert [digits for digits, _ in read] == ["12", "34", "5"]
    assert read[2][1] == pytest.approx(3.6, abs=0.6), "three seconds after the last press"
    assert "".join(event.digit for event in told.of(DigitReceived)) == "1234#5"


def test_reading_digits_ends_with_the_call() -> None:
    read: list[str] = []

    async def menu(incoming: InboundCall) -> None:
        call = await incoming.answer()
        read.append(await call.read_digits(4))

    async def story(exchange: Exchange) -> None:
        await exchange.handset.calls()
        await exchange.handset.presses("7")
        await asyncio.sleep(0.5)
        await exchange.handset.hangs_up()
        await asyncio.sleep(0.1)
        assert read == ["7"]

    Exchange(menu).tell(story)


def test_keys_are_pressed_one_after_the_other() -> None:
    async def press(incoming: InboundCall) -> None:
        call = await incoming.answer()
        with pytest.raises(ValueError, match="no such key: x"):
            call.send_digits("1x")
        call.send_digits("1#")
        await asyncio.sleep(2)

    async def story(exchange: Exchange) -> None:
        await exchange.handset.calls()
        await exchange.handset.is_hung_up_on()

    told = Exchange(press).tell(story)
    events = [heard.packet for heard in told.handset.heard if heard.packet.payload_type == 101]
    assert list(dict.fromkeys((event.timestamp, event.payload[0]) for event in events)) == [
        (events[0].timestamp, 1),
        (events[-1].timestamp, 11),
    ]


def test_a_recording_has_the_caller_left_and_us_right(tmp_path: Path) -> None:
    file = tmp_path / "call.wav"

    async def record(incoming: InboundCall) -> None:
        call = await incoming.answer()
        call.record(file)
        with pytest.raises(LocalProtocolError, match="recorded already"):
            call.record(tmp_path / "other.wav")
        call.speak(BEEP)
        await call.disconnected()

    async def story(exchange: Exchange) -> None:
        await exchange.handset.calls()
        await asyncio.sleep(2)
        await exchange.handset.says(TONE)
        await asyncio.sleep(0.5)
        await exchange.handset.hangs_up()

    Exchange(record).tell(story)
    sound = wav.read(file.read_bytes())
    left, right = sound.samples
    assert (abs(right[:8000]) > 1000).any()
    assert not (abs(left[:8000]) > 1000).any()
    assert (abs(left[16000:]) > 1000).any()


def test_a_call_that_is_over_is_not_recorded(tmp_path: Path) -> None:
    async def record(incoming: InboundCall) -> None:
        call = await incoming.answer()
        await call.disconnected()
        await asyncio.sleep(0.1)
        with pytest.raises(LocalProtocolError, match="over"):
            call.record(tmp_path / "late.wav")

    async def story(exchange: Exchange) -> None:
        await exchange.handset.calls()
        await exchange.handset.hangs_up()
        assert await exchange.phone.idle(1)

    Exchange(record).tell(story)
    assert list(tmp_path.iterdir()) == []


def test_while_a_recording_pauses_neither_side_is_on_it_and_time_goes_on(tmp_path: Path) -> None:
    file = tmp_path / "call.wav"

    async def record(incoming: InboundCall) -> None:
        call = await incoming.answer()
        call.pause_recording()  # nothing is recorded yet: no harm done
        call.record(file)
        await asyncio.sleep(2)
        call.pause_recording()
        call.speak(BEEP)
        await asyncio.sleep(2)
        call.resume_recording()
        call.speak(BEEP)
        await call.disconnected()

    async def story(exchange: Exchange) -> None:
        await exchange.handset.calls()
        for _ in range(5):
            await exchange.handset.says(TONE)
            await asyncio.sleep(1)
        await exchange.handset.hangs_up()

    Exchange(record).tell(story)
    left, right = wav.read(file.read_bytes()).samples
    assert (abs(left[4000:15800]) > 1000).any()
    assert (abs(left[16200:31800]) < 100).all()
    assert (abs(right[16200:31800]) < 100).all()
    assert (abs(left[32400:]) > 1000).any()
    assert (abs(right[32200:]) > 1000).any()


# ---- events


def test_the_events_end_with_the_call() -> None:
    seen: list[Event] = []

    async def watch(incoming: InboundCall) -> None:
        call = await incoming.answer()
        async for event in call.events():
            seen.append(event)

    async def story(exchange: Exchange) -> None:
        await exchange.handset.calls()
        await exchange.handset.presses("5")
        await asyncio.sleep(0.5)
        await exchange.handset.hangs_up()

    Exchange(watch).tell(story)
    assert [type(event) for event in seen] == [CallReceived, CallAnswered, DigitReceived, Disconnected]


def test_handlers_come_and_go_and_must_be_callable() -> None:
    digits: list[str] = []

    async def keep(incoming: InboundCall) -> None:
        call = await incoming.answer()

        async def remember(event: DigitReceived) -> None:
            await asyncio.sleep(0)
            digits.append(event.digit)

        with pytest.raises(TypeError, match="callable"):
            call.on(DigitReceived, "remember")  # type: ignore[arg-type]
        with pytest.raises(TypeError, match="SpeechStarted"):
            call.on("DigitReceived", remember)  # type: ignore[arg-type]
        call.on(DigitReceived, remember)
        await asyncio.sleep(1)
        call.off(DigitReceived, remember)
        await call.disconnected()

    async def story(exchange: Exchange) -> None:
        await exchange.handset.calls()
        await exchange.handset.presses("1")
        await asyncio.sleep(2)
        await exchange.handset.presses("2")
        await exchange.handset.hangs_up()

    Exchange(keep).tell(story)
    assert digits == ["1"]


# ---- barge-in


class Voice:
    """A source that speaks into a call, and can be told to stop."""

    def __init__(self) -> None:
        self.cleared = 0
        self.stopped: list[object] = []
        self._call: Call | None = None

    def send_media_to(self, call: Call) -> None:
        self._call = call
        call.connect_source(self)
        call.speak(BEEP * 5)

    def clear(self) -> None:
        self.cleared += 1
        assert self._call is not None
        self._call.drop_speech()

    def stop_media_to(self, unit: object) -> None:
        self.stopped.append(unit)


@pytest.mark.parametrize("barge_in", [True, False])
def test_barge_in_stops_the_voice_before_anyone_is_told(barge_in: bool) -> None:
    voice = Voice()
    cleared_when_told: list[int] = []

    async def talk(incoming: InboundCall) -> None:
        call = await incoming.answer()
        call.barge_in = barge_in
        call.on(SpeechStarted, lambda event: cleared_when_told.append(voice.cleared))
        voice.send_media_to(call)
        await asyncio.sleep(1)
        call.publish(SpeechStarted(provider="test"))
        await call.disconnected()

    async def story(exchange: Exchange) -> None:
        await exchange.handset.calls()
        begin = exchange.now
        await asyncio.sleep(2)
        loud = [heard.time - begin for heard in exchange.handset.heard if heard.packet.payload in BEEP]
        assert (max(loud) < 1 + 2 * TICK) == barge_in
        await exchange.handset.hangs_up()

    Exchange(talk).tell(story)
    assert cleared_when_told == [1 if barge_in else 0]


def test_a_call_hears_one_source() -> None:
    first, second = Voice(), Voice()

    async def talk(incoming: InboundCall) -> None:
        call = await incoming.answer()
        first.send_media_to(call)
        second.send_media_to(call)
        assert first.stopped == [call]
        assert second.stopped == []
        call.publish(SpeechStarted())
        assert (first.cleared, second.cleared) == (0, 1)
        call.disconnect_source(first)
        call.publish(SpeechStarted())
        assert second.cleared == 2
        call.disconnect_source(second)
        call.publish(SpeechStarted())
        assert second.cleared == 2

    async def story(exchange: Exchange) -> None:
        await exchange.handset.calls()
        await exchange.handset.is_hung_up_on()

    assert len(Exchange(talk).tell(story).of(SpeechStarted)) == 3


def test_a_unit_no_longer_hears_what_was_stopped() -> None:
    ear = Ear()

    async def ears(incoming: InboundCall) -> None:
        call = await incoming.answer()
        call.stop_media_to(ear)
        call.send_media_to(ear)
        call.send_media_to(ear)
        await asyncio.sleep(1)
        call.stop_media_to(ear)
        await call.disconnected()

    async def story(exchange: Exchange) -> None:
        await exchange.handset.calls()
        await exchange.handset.says(TONE)
        await asyncio.sleep(1)
        await exchange.handset.says(TONE)
        await exchange.handset.hangs_up()

    Exchange(ears).tell(story)
    assert 4000 <= sum(length for _, length in ear.heard) < 8000, "once each, and only the first half"


# ---- a call that hears itself


def echoing(tell: Callable[[Handset, Call], Awaitable[None]]) -> None:
    """Let something happen to a call that was made to hear itself."""
    taken = asyncio.Queue[Call]()

    async def echo(incoming: InboundCall) -> None:
        call = await incoming.answer()
        call.send_media_to(call)
        taken.put_nowait(call)
        await call.disconnected()

    async def story(exchange: Exchange) -> None:
        await exchange.handset.calls()
        await tell(exchange.handset, await taken.get())
        await exchange.handset.hangs_up()

    Exchange(echo).tell(story)


async def comes_back(handset: Handset) -> bool:
    """Say something; whether all but its ends comes back within 300 ms."""
    begin = asyncio.get_running_loop().time()
    await handset.says(TONE)
    await asyncio.sleep(0.3)
    heard = b"".join(packet.payload for packet in handset.heard_between(begin, begin + 60.0))
    return TONE[800:-800] in heard


def queued(call: Call) -> int:
    """How much speech the loop has given the call: what the media plane echoes is none of it."""
    return call.speak(b"")


def test_a_call_that_hears_itself_is_an_echo_and_none_of_it_goes_through_the_loop() -> None:
    async def tell(handset: Handset, call: Call) -> None:
        assert await comes_back(handset)
        assert queued(call) == 0

    echoing(tell)


def test_where_somebody_else_hears_the_far_end_too_the_loop_echoes_until_they_leave() -> None:
    async def tell(handset: Handset, call: Call) -> None:
        ear = Ear()
        assert await comes_back(handset)
        call.send_media_to(ear)
        assert await comes_back(handset)
        assert ear.heard
        assert queued(call) >= len(TONE)

        call.stop_media_to(ear)
        await asyncio.sleep(0.1)
        before, heard = queued(call), len(ear.heard)
        assert await comes_back(handset)
        assert (queued(call), len(ear.heard)) == (before, heard)

    echoing(tell)


def test_who_no_longer_hears_itself_is_no_echo() -> None:
    async def tell(handset: Handset, call: Call) -> None:
        assert await comes_back(handset)
        call.stop_media_to(call)
        assert not await comes_back(handset)
        assert queued(call) == 0

    echoing(tell)


def test_an_echo_that_is_put_aside_hears_ringing_and_is_an_echo_again_when_taken_back() -> None:
    async def tell(handset: Handset, call: Call) -> None:
        assert await comes_back(handset)
        call.put_aside()
        begin = asyncio.get_running_loop().time()
        assert not await comes_back(handset)
        ringing = handset.heard_between(begin + 0.1, begin + 0.5)
        assert all(level.level(packet.payload, g711.PCMU) > QUIET for packet in ringing)

        call.take_back()
        await asyncio.sleep(0.1)
        before = queued(call)
        assert await comes_back(handset)
        assert queued(call) == before

    echoing(tell)


def test_what_an_echo_says_itself_goes_before_what_it_hears() -> None:
    async def tell(handset: Handset, call: Call) -> None:
        call.speak(BEEP)
        assert not await comes_back(handset)
        await asyncio.sleep(len(BEEP) / 8000)
        assert BEEP in b"".join(heard.packet.payload for heard in handset.heard)
        assert await comes_back(handset)

    echoing(tell)
