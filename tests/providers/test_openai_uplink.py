"""How much of the caller's audio is kept for a session that may have to replace the present one."""

from sipagent.providers.openai_uplink import KEPT, KEPT_OF_SILENCE, LEAD, SUSPICION, Uplink

BLOCK = 320
STEP = 0.04


class Caller:
    """Sends audio to a session that has been set up."""

    def __init__(self) -> None:
        self.uplink = Uplink("pcmu")
        self.now = 0.0
        self.is_suspicious = False

    def sends(self, seconds: float, *, voiced: bool) -> None:
        for _ in range(round(seconds / STEP)):
            self.now += STEP
            self.uplink.take(bytes(BLOCK))
            self.is_suspicious = self.uplink.is_suspicious(self.now, voiced=voiced)

    @property
    def kept(self) -> int:
        return sum(map(len, self.uplink.again()))


def test_of_silence_little_is_kept() -> None:
    caller = Caller()
    caller.sends(30, voiced=False)
    assert caller.kept == KEPT_OF_SILENCE
    assert not caller.is_suspicious


def test_what_was_loud_and_is_not_answered_is_kept_with_what_was_before_it() -> None:
    caller = Caller()
    caller.sends(30, voiced=False)
    caller.sends(SUSPICION + 2 * STEP, voiced=True)
    assert caller.is_suspicious
    caller.sends(3, voiced=False)
    assert caller.kept >= KEPT_OF_SILENCE + (SUSPICION + 3) * 8000
    caller.sends(30, voiced=True)
    assert caller.kept == KEPT


def test_an_answer_ends_suspicion_and_what_it_has_heard_need_not_be_kept() -> None:
    caller = Caller()
    caller.sends(8, voiced=True)
    caller.uplink.answered()
    assert caller.kept == KEPT_OF_SILENCE
    caller.sends(SUSPICION / 2, voiced=True)
    assert not caller.is_suspicious


def test_the_turn_of_who_speaks_is_kept_whole_whatever_is_answered() -> None:
    caller = Caller()
    caller.sends(5, voiced=True)
    caller.uplink.speech_started()
    caller.sends(20, voiced=True)
    caller.uplink.answered()
    caller.sends(1, voiced=False)
    assert len(caller.uplink.take_turn()) == LEAD + 21 * 8000
    assert caller.kept == 0
